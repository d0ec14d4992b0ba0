"""What may be used once only, such as a client's signed request for a token, and until when that is remembered.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table; it is empty at first."""
    op.create_table(
        "used_once",
        sa.Column("id", _TEXT, nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_used_once")),
    )
    op.create_index(op.f("ix_used_once_until"), "used_once", ["until"], unique=False)
