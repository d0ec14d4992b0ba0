"""Wrong passwords from browsers that a user has signed in by, counted apart from those of strangers.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table; it is empty at first: no browser is known before somebody has signed in by it."""
    op.create_table(
        "browsers",
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["name"], ["users.name"], name=op.f("fk_browsers_name")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_browsers")),
    )
    op.create_index(op.f("ix_browsers_name"), "browsers", ["name"], unique=False)
