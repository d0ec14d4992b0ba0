"""The first schema: journal and queue, persons, records, ledger, and the triggers that guard them.

Revision 0001, after none.
"""

import sqlalchemy as sa
from alembic import op

from adapters.store import dialect

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make all tables, then the guards of the database's dialect."""
    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("channel", _TEXT, nullable=False),
        sa.Column("sender", _TEXT, nullable=False),
        sa.Column("media", _TEXT, nullable=False),
        sa.Column("control", _TEXT, nullable=False),
        sa.Column("digest", _TEXT, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("control_key", _TEXT, nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_journal")),
        sa.UniqueConstraint("id", name=op.f("uq_journal_id")),
    )
    op.create_index(op.f("ix_journal_control_key"), "journal", ["control_key"], unique=False)
    op.create_table(
        "meta",
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("value", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
    )
    op.create_table(
        "persons",
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persons")),
    )
    op.create_table(
        "work_items",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("about", _TEXT, nullable=False),
        sa.Column("due", _TEXT, nullable=True),
        sa.Column("closed", sa.BigInteger(), nullable=True),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_items")),
    )
    op.create_index(op.f("ix_work_items_about"), "work_items", ["about"], unique=False)
    op.create_index(op.f("ix_work_items_person"), "work_items", ["person"], unique=False)
    op.create_table(
        "charges",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("status", _TEXT, nullable=False),
        sa.Column("claim", _TEXT, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_charges_person")),
        sa.PrimaryKeyConstraint("person", "id", name=op.f("pk_charges")),
    )
    op.create_index(op.f("ix_charges_id"), "charges", ["id"], unique=False)
    op.create_table(
        "claims",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_claims_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
    )
    op.create_index(op.f("ix_claims_person"), "claims", ["person"], unique=False)
    op.create_table(
        "due",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("what", _TEXT, nullable=False),
        sa.Column("about", _TEXT, nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_due_person")),
        sa.PrimaryKeyConstraint("person", "place", name=op.f("pk_due")),
    )
    op.create_index(op.f("ix_due_not_before"), "due", ["not_before"], unique=False)
    op.create_table(
        "entries",
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("cause", _TEXT, nullable=False),
        sa.Column("reverses", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_entries_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint("person", "place", name=op.f("uq_entries_person_place")),
    )
    op.create_index(op.f("ix_entries_cause"), "entries", ["cause"], unique=False)
    op.create_table(
        "events",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("message", _TEXT, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_events_person")),
        sa.PrimaryKeyConstraint("person", "id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_id"), "events", ["id"], unique=False)
    op.create_index(op.f("ix_events_message"), "events", ["message"], unique=False)
    op.create_table(
        "findings",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_findings_person")),
        sa.PrimaryKeyConstraint("person", "place", name=op.f("pk_findings")),
    )
    op.create_table(
        "holds",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_holds_person")),
        sa.PrimaryKeyConstraint("person", "place", name=op.f("pk_holds")),
    )
    op.create_table(
        "identity_conflicts",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("other", _TEXT, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_identity_conflicts_person")),
        sa.PrimaryKeyConstraint("person", "other", name=op.f("pk_identity_conflicts")),
    )
    op.create_table(
        "person_identifiers",
        sa.Column("blind", _TEXT, nullable=False),
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_person_identifiers_person")),
        sa.PrimaryKeyConstraint("blind", name=op.f("pk_person_identifiers")),
    )
    op.create_index(op.f("ix_person_identifiers_person"), "person_identifiers", ["person"], unique=False)
    op.create_table(
        "person_references",
        sa.Column("blind", _TEXT, nullable=False),
        sa.Column("person", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_person_references_person")),
        sa.PrimaryKeyConstraint("blind", name=op.f("pk_person_references")),
    )
    op.create_table(
        "queue",
        sa.Column("entry", _TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("key_id", _TEXT, nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("tick", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["entry"], ["journal.id"], name=op.f("fk_queue_entry")),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_queue")),
    )
    op.create_index(op.f("ix_queue_state_seq"), "queue", ["state", "seq"], unique=False)
    op.create_table(
        "remittances",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("claim", _TEXT, nullable=False),
        sa.Column("message", _TEXT, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_remittances_person")),
        sa.PrimaryKeyConstraint("person", "id", name=op.f("pk_remittances")),
    )
    op.create_index(op.f("ix_remittances_id"), "remittances", ["id"], unique=False)
    op.create_table(
        "skips",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_skips_person")),
        sa.PrimaryKeyConstraint("person", "place", name=op.f("pk_skips")),
    )
    op.create_table(
        "takings",
        sa.Column("entry", _TEXT, nullable=False),
        sa.Column("person", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["journal.id"], name=op.f("fk_takings_entry")),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_takings_person")),
        sa.PrimaryKeyConstraint("entry", "person", name=op.f("pk_takings")),
    )
    op.create_table(
        "entry_lines",
        sa.Column("entry", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account", _TEXT, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("claim", _TEXT, nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry"], ["entries.id"], name=op.f("fk_entry_lines_entry"), initially="DEFERRED", deferrable=True
        ),
        sa.PrimaryKeyConstraint("entry", "place", name=op.f("pk_entry_lines")),
    )
    op.create_index(op.f("ix_entry_lines_claim"), "entry_lines", ["claim"], unique=False)
    for statement in dialect.spoken(op.get_bind()).guards():
        op.execute(statement)
