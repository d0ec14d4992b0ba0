"""Seals over batches of the journal and the ledger, and which seal holds a ledger entry.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

from adapters.store import dialect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make both tables, then the guards of the database's dialect. What is on file is sealed by the next sealing."""
    op.create_table(
        "seals",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("leaves", sa.LargeBinary(), nullable=False),
        sa.Column("digest", _TEXT, nullable=False),
        sa.Column("key_id", _TEXT, nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_seals")),
    )
    op.create_table(
        "sealed_entries",
        sa.Column("entry", _TEXT, nullable=False),
        sa.Column("seal", sa.BigInteger(), nullable=False),
        sa.Column("digest", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entries.id"], name=op.f("fk_sealed_entries_entry")),
        sa.ForeignKeyConstraint(["seal"], ["seals.number"], name=op.f("fk_sealed_entries_seal")),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_sealed_entries")),
    )
    op.create_index(op.f("ix_sealed_entries_seal"), "sealed_entries", ["seal"], unique=False)
    for table, key in (("seals", "number"), ("sealed_entries", "entry")):
        for statement in dialect.spoken(op.get_bind()).append_only(table, key):
            op.execute(statement)
