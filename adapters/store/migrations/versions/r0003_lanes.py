"""What waits in which lane, and the queue of lanes: a work table on SQLite, procrastinate's jobs on PostgreSQL.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

from adapters.store import dialect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables. What is unread stays so, and is sorted by the next worker."""
    op.create_table(
        "waiting",
        sa.Column("entry", _TEXT, nullable=False),
        sa.Column("person", _TEXT, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("parts", _TEXT, nullable=False),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["journal.id"], name=op.f("fk_waiting_entry")),
        sa.ForeignKeyConstraint(["person"], ["persons.id"], name=op.f("fk_waiting_person")),
        sa.PrimaryKeyConstraint("entry", "person", name=op.f("pk_waiting")),
    )
    op.create_index(op.f("ix_waiting_person_seq"), "waiting", ["person", "seq"], unique=False)
    dialect.spoken(op.get_bind()).make_queue(op.get_bind())
