"""The open items of work are found without those that were ever closed.

Revision 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index: the open items, by what they are about."""
    still = sa.text("closed IS NULL")
    op.create_index(
        op.f("ix_work_items_about_id"),
        "work_items",
        ["about", "id"],
        sqlite_where=still,
        postgresql_where=still,
        unique=False,
    )
