"""Which lanes are one person, in rows; and the rows of the ledger as they are somebody else's since.

A lane that is part of another person has a row that names the root. What came under its identifiers stays in its own
rows; charges, claims, answers and work are moved to the root with the transaction that puts the lanes together, and
back with the one that takes them apart. Rows of the ledger never change: whose they are now stands beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from adapters.model.record import PersonRecord
from adapters.store.schema import entry_lanes, unions

_MEMBERS: Final = (
    select(unions.c.root, unions.c.person)
    .where(unions.c.root.in_(bindparam("roots", expanding=True)))
    .order_by(unions.c.place)
)
_ABOVE: Final = select(unions.c.root).where(unions.c.person == bindparam("person")).scalar_subquery()
_ALL: Final = (
    select(unions.c.root, unions.c.person)
    .where(unions.c.root == func.coalesce(_ABOVE, bindparam("person")))
    .order_by(unions.c.place)
)
_ROOT: Final = select(unions.c.root).where(unions.c.person == bindparam("person"))
_ROOTS: Final = select(unions.c.person, unions.c.root).where(unions.c.person.in_(bindparam("persons", expanding=True)))


def members(connection: Connection, roots: Sequence[str]) -> dict[str, list[str]]:
    """The other lanes of each root, in their order; a lane that is a person by itself, or part of one, is not there."""
    found: dict[str, list[str]] = {}
    for root, lane in connection.execute(_MEMBERS, {"roots": roots}):
        found.setdefault(root, []).append(lane)
    return found


def roots_of(connection: Connection, lanes: Sequence[str]) -> dict[str, str]:
    """The root of each lane that is part of another person; no other lane is there."""
    return {row[0]: row[1] for row in connection.execute(_ROOTS, {"persons": lanes})}


def groups_of(connection: Connection, lanes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each of these lanes all lanes of its person, the root first."""
    above = roots_of(connection, lanes)
    beside = members(connection, sorted({above.get(lane, lane) for lane in lanes}))
    return {lane: (root, *beside.get(root, ())) for lane in lanes for root in (above.get(lane, lane),)}


def root_of(connection: Connection, lane: str) -> str:
    """The root of a lane that is part of another person; empty for any other."""
    return connection.execute(_ROOT, {"person": lane}).scalar_one_or_none() or ""


def lanes_of(connection: Connection, lane: str) -> tuple[str, ...]:
    """All lanes of the person of whom this is one, the root first."""
    rows = connection.execute(_ALL, {"person": lane}).all()
    return (rows[0].root, *(row.person for row in rows)) if rows else (lane,)


def put(connection: Connection, persons: Iterable[PersonRecord]) -> None:
    """Write the lanes of these persons, and whose the entries of the ledger are that were theirs before."""
    for person in persons:
        connection.execute(delete(unions).where(unions.c.person.in_(person.lanes)))
        rows = [{"person": lane, "root": person.person, "place": n} for n, lane in enumerate(person.lanes[1:], 1)]
        if rows:
            connection.execute(insert(unions), rows)
        if person.entries:
            connection.execute(delete(entry_lanes).where(entry_lanes.c.entry.in_([e.id for e in person.entries])))
            connection.execute(
                insert(entry_lanes),
                [{"entry": e.id, "person": person.person, "place": n} for n, e in enumerate(person.entries)],
            )
