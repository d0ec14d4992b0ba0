"""Lanes that are one person, and whose ledger entries are since.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables; they are empty at first: every lane is a person."""
    op.create_table(
        "unions",
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("root", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_unions_person")),
        sa.ForeignKeyConstraint(["root"], ["persons.id"], name=op.f("fk_unions_root")),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_unions")),
    )
    op.create_index(op.f("ix_unions_root"), "unions", ["root"], unique=False)
    op.create_table(
        "entry_lanes",
        sa.Column("entry", _TEXT, nullable=False),
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entries.id"], name=op.f("fk_entry_lanes_entry")),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_entry_lanes_person")),
        sa.PrimaryKeyConstraint("entry", name=op.f("pk_entry_lanes")),
    )
    op.create_index(op.f("ix_entry_lanes_person"), "entry_lanes", ["person"], unique=False)
