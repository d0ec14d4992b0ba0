"""What lists of claims and of work are asked by, and the words by which people look a person up.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make columns, indexes and table. What they say of rows on file is filled in afterwards, for it is sealed."""
    op.add_column("claims", sa.Column("payer", _TEXT, nullable=True))
    op.add_column("claims", sa.Column("built", _TEXT, nullable=True))
    op.add_column("claims", sa.Column("number", _TEXT, nullable=True))
    op.create_index(op.f("ix_claims_built_id_state_payer"), "claims", ["built", "id", "state", "payer"], unique=False)
    op.create_index(op.f("ix_claims_number"), "claims", ["number"], unique=False)
    named = sa.text("control <> ''")
    op.create_index(
        op.f("ix_journal_control"), "journal", ["control"], sqlite_where=named, postgresql_where=named, unique=False
    )
    op.create_index(op.f("ix_work_items_kind_closed_due_id"), "work_items", ["kind", "closed", "due", "id"])
    op.create_table(
        "person_words",
        sa.Column("blind", _TEXT, nullable=False),
        sa.Column("person", _TEXT, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_person_words_person")),
        sa.PrimaryKeyConstraint("blind", "person", name=op.f("pk_person_words")),
    )
