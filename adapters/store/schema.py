"""The tables. Facts are appended, projections are written by row, queues alone are mutable.

Instants are BIGINT microseconds since 1970 UTC: they compare the same in every database, lose nothing of a Python
datetime and know no zone. Dates are ISO text. Money is BIGINT minor units; unit prices stay inside the sealed values as
text. There is no Float and no Numeric: on SQLite a Numeric is a float (measurements, part 5).

A value of the model is one column `sealed` (its canonical JSON, encrypted, the key's id beside it) with the few plain
columns that questions need: ids, states, instants. Plain columns hold nothing that names or describes a patient.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql


class State(StrEnum):
    """What became of a journal entry."""

    UNREAD = "unread"
    WAITING = "waiting"
    """Read, and sorted into the lanes that it concerns; not every one of them has taken it yet."""
    TAKEN = "taken"
    PARKED = "parked"


metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Text compares by code point in every database: the order of SQLite and of Python, and no index that a new locale of the
# machine puts out of order.
_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")

# On SQLite a primary key spelled INTEGER is the row's own number: the journal lies on disk in its order.
_SEQUENCE: Final = BigInteger().with_variant(Integer(), "sqlite")


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, _TEXT, nullable=False, **options)


def _number(name: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, nullable=False, **options)


def _person(**options: Any) -> Column[str]:
    return Column("person", _TEXT, ForeignKey("persons.id"), nullable=False, **options)


def _sealed() -> tuple[Column[Any], Column[Any]]:
    return _text("key_id"), Column("sealed", LargeBinary, nullable=False)


journal: Final = Table(
    "journal",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=False),
    _text("id", unique=True),
    _text("kind"),
    _number("at"),
    _text("actor"),
    _text("channel"),
    _text("sender"),
    _text("media"),
    _text("control"),
    _text("digest"),
    _text("key_id"),
    Column("body", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    # One column for (channel, sender, control): a lookup of many three-part keys does not use an index on SQLite.
    Column("control_key", _TEXT, index=True),
    # What a sender calls it: people ask by it alone, without knowing the channel.
    Index(None, "control", sqlite_where=sql("control <> ''"), postgresql_where=sql("control <> ''")),
)
"""Everything that can change a result, in one order. Never changed, never deleted: triggers hold it."""

queue: Final = Table(
    "queue",
    metadata,
    Column("entry", _TEXT, ForeignKey("journal.id"), primary_key=True),
    _number("seq"),
    _text("state"),
    _text("reason"),
    Column("key_id", _TEXT),
    Column("sealed", LargeBinary),
    Column("tick", BigInteger),
    Index(None, "state", "seq"),
)
"""What became of each journal entry: unread, waiting (sorted into its lanes), taken (by the step of instant `tick`) or
parked (why: sealed)."""

persons: Final = Table("persons", metadata, _text("id", primary_key=True), _number("revision"))
"""The lanes. `revision` counts the steps written, so that a step from an older record is refused."""

takings: Final = Table(
    "takings",
    metadata,
    Column("entry", _TEXT, ForeignKey("journal.id"), primary_key=True),
    _person(primary_key=True),
)
"""Which lanes a journal entry concerned: the way from a message forward."""

waiting: Final = Table(
    "waiting",
    metadata,
    Column("entry", _TEXT, ForeignKey("journal.id"), primary_key=True),
    _person(primary_key=True),
    _number("seq"),
    _text("parts"),
    _number("captured"),
    Index(None, "person", "seq"),
)
"""What waits in which lane, in the order of the journal; a row goes with the step that reads it.

`parts`: which of the things captured from the entry are of this person, by their places; none for news of a claim.
`captured`: how many of them are of persons at all.
"""

identifiers: Final = Table(
    "person_identifiers",
    metadata,
    _text("blind", primary_key=True),
    _person(index=True),
    _number("place"),
    *_sealed(),
)
"""Identifiers of persons by blind index of (system, value): one identifier belongs to one person."""

references: Final = Table("person_references", metadata, _text("blind", primary_key=True), _person())
"""A feed's own references (`Patient/12`) by blind index of (feed, reference)."""

conflicts: Final = Table(
    "identity_conflicts",
    metadata,
    _person(primary_key=True),
    _text("other", primary_key=True),
    _number("at"),
)
"""Two lanes that one message named as one person. Nothing is merged by itself; a person decides."""

events: Final = Table(
    "events",
    metadata,
    _person(primary_key=True),
    _text("id", primary_key=True, index=True),
    _number("place"),
    _text("message", index=True),
    *_sealed(),
)
charges: Final = Table(
    "charges",
    metadata,
    _person(primary_key=True),
    _text("id", primary_key=True, index=True),
    _number("place"),
    _text("status"),
    _text("claim"),
    *_sealed(),
)
claims: Final = Table(
    "claims",
    metadata,
    _person(index=True),
    _text("id", primary_key=True),
    _number("place"),
    _text("state"),
    *_sealed(),
    # What lists are asked by. Empty in a row that was written before schema 0007 and not since.
    Column("payer", _TEXT),
    Column("built", _TEXT),
    Column("number", _TEXT, index=True),
    Index(None, "built", "id", "state", "payer"),
)
"""`number`: blind index of the payer's own number of the claim."""

remittances: Final = Table(
    "remittances",
    metadata,
    _person(primary_key=True),
    _text("id", primary_key=True, index=True),
    _number("place"),
    _text("claim"),
    _text("message"),
    *_sealed(),
)
work_items: Final = Table(
    "work_items",
    metadata,
    # No foreign key: a matter of no person has the empty lane.
    _text("person", index=True),
    _text("id", primary_key=True),
    _number("place"),
    _text("kind"),
    _text("about", index=True),
    Column("due", _TEXT),
    Column("closed", BigInteger),
    *_sealed(),
    Index(None, "kind", "closed", "due", "id"),
    # The open ones, by what they are about: years of closed ones are not looked at.
    Index(None, "about", "id", sqlite_where=sql("closed IS NULL"), postgresql_where=sql("closed IS NULL")),
)


def _by_place(name: str) -> Table:
    """A projection without ids of its own: derived anew with each step, kept by its place in the record."""
    return Table(
        name, metadata, _person(primary_key=True), _number("place", primary_key=True, autoincrement=False), *_sealed()
    )


holds: Final = _by_place("holds")
skips: Final = _by_place("skips")
findings: Final = _by_place("findings")

due: Final = Table(
    "due",
    metadata,
    _person(primary_key=True),
    _number("place", primary_key=True, autoincrement=False),
    _text("what"),
    _text("about"),
    _number("not_before", index=True),
)
"""What falls due, and not before when (µs)."""

entries: Final = Table(
    "entries",
    metadata,
    _text("id", primary_key=True),
    _person(),
    _number("place"),
    _number("at"),
    _text("cause", index=True),
    _text("reverses"),
    UniqueConstraint("person", "place"),
)
"""The ledger. A row enters only after its lines, and only when they sum to zero: a trigger holds it."""

entry_lines: Final = Table(
    "entry_lines",
    metadata,
    # Deferred: the lines come before the entry they belong to, so that the entry's trigger can sum them.
    Column(
        "entry",
        _TEXT,
        ForeignKey("entries.id", deferrable=True, initially="DEFERRED"),
        primary_key=True,
    ),
    _number("place", primary_key=True, autoincrement=False),
    _text("account"),
    _number("amount"),
    _text("claim", index=True),
    Column("line", Integer),
)

meta: Final = Table("meta", metadata, _text("name", primary_key=True), _text("value"))
"""What the store says of itself, such as which key ring it was made with."""

seals: Final = Table(
    "seals",
    metadata,
    Column("number", _SEQUENCE, primary_key=True, autoincrement=False),
    _number("first"),
    _number("last"),
    _number("at"),
    Column("leaves", LargeBinary, nullable=False),
    _text("digest"),
    _text("key_id"),
    Column("signature", LargeBinary, nullable=False),
)
"""Batches of the journal under a chained, signed digest (`chain.py`); `leaves`: 32 bytes for each entry in the range."""

sealed_entries: Final = Table(
    "sealed_entries",
    metadata,
    Column("entry", _TEXT, ForeignKey("entries.id"), primary_key=True),
    Column("seal", BigInteger, ForeignKey("seals.number"), nullable=False, index=True),
    _text("digest"),
)
"""Which seal holds a ledger entry with its lines, and their digest."""

unions: Final = Table(
    "unions",
    metadata,
    _person(primary_key=True),
    Column("root", _TEXT, ForeignKey("persons.id"), nullable=False, index=True),
    _number("place"),
)
"""Lanes whose person is kept in another lane, the root, in their order there; a lane of its own has no row."""

entry_lanes: Final = Table(
    "entry_lanes",
    metadata,
    Column("entry", _TEXT, ForeignKey("entries.id"), primary_key=True),
    _person(index=True),
    _number("place"),
)
"""Whose a ledger entry is now, and where among theirs, since lanes were put together or apart; else who posted it. A
ledger entry is never changed, so this stands beside it."""

words: Final = Table(
    "person_words",
    metadata,
    _text("blind", primary_key=True),
    _person(primary_key=True),
)
"""What people look a person up by (a name, a birth date, a member number), by blind index; several persons may share one.
Equal words have equal indexes, so whoever reads the database learns how often a word occurs, and no word."""

used_once: Final = Table("used_once", metadata, _text("id", primary_key=True), _number("until", index=True))
"""What was used and may not be used again (a digest), remembered at least until that instant (`once.py`)."""

users: Final = Table(
    "users",
    metadata,
    _text("name", primary_key=True),
    _text("role"),
    _number("since"),
    _number("failures"),
    Column("failed_at", BigInteger),
    *_sealed(),
)
"""Who may sign in (`users.py`). Sealed is what the password is checked against: without the key file nobody can try."""

sessions: Final = Table(
    "sessions",
    metadata,
    _text("id", primary_key=True),
    Column("name", _TEXT, ForeignKey("users.name"), nullable=False, index=True),
    _number("begun"),
    _number("seen"),
)
"""Who is signed in, by the digest of what the browser holds; gone with the user, with a new password and a new role."""

browsers: Final = Table(
    "browsers",
    metadata,
    _text("id", primary_key=True),
    Column("name", _TEXT, ForeignKey("users.name"), nullable=False, index=True),
    _number("failures"),
    _number("failed_at"),
)
"""Wrong passwords from a browser that the user has signed in by, by a digest of what it holds; none where there were none
lately. Gone with the user, with a new password and a new role."""
