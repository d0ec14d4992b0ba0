"""What becomes of an entry that a lane has read: it waits there no more, and is taken when it waits nowhere else.

Works inside a transaction that the caller holds; the entries of several lanes are taken together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, update

from adapters.store.refusals import Overwrites
from adapters.store.schema import State, queue, takings, waiting

_TAKE: Final = (
    update(queue)
    .where(
        queue.c.entry.in_(bindparam("entries", expanding=True)),
        queue.c.state.in_(bindparam("states", expanding=True)),
        ~exists().where(waiting.c.entry == queue.c.entry),
    )
    .values(state=State.TAKEN.value, tick=bindparam("at"))
)
_STATES: Final = (
    select(queue.c.state, func.count())
    .where(queue.c.entry.in_(bindparam("entries", expanding=True)))
    .group_by(queue.c.state)
)
_GONE: Final = delete(waiting).where(waiting.c.person == bindparam("lane"), waiting.c.entry == bindparam("gone"))
_NOWHERE: Final = delete(waiting).where(waiting.c.entry.in_(bindparam("entries", expanding=True)))
_TAKEN_BY: Final = select(takings.c.entry, takings.c.person).where(
    takings.c.entry.in_(bindparam("entries", expanding=True))
)
_NOTE: Final = insert(takings)


@dataclass(frozen=True, slots=True)
class Taking:
    """Entries that a lane has read; with the empty lane, entries that concern nobody."""

    lane: str
    taken: Sequence[str]
    """Done with: no lane after this one has them."""
    left: Sequence[str] = ()
    """They waited in the lane, and are taken when they wait nowhere else."""


def take(connection: Connection, told: Sequence[Taking], at: int | None) -> None:
    """Mark entries as taken; a parked one stays parked, or another lane's trouble would be hidden.

    Of those that were left, one that is unread again, because a person had it read anew meanwhile, stays so.
    Raises `Overwrites` for an entry that is not in the journal.
    """
    taken = list(dict.fromkeys(entry for one in told for entry in one.taken))
    left = list(dict.fromkeys(entry for one in told for entry in one.left))
    states = {str(row[0]): int(row[1]) for row in connection.execute(_STATES, {"entries": taken})} if taken else {}
    if sum(states.values()) != len(taken):
        raise Overwrites("a step took an entry that is not in the journal")
    waited = State.WAITING.value in states
    gone = [
        {"lane": one.lane, "gone": entry}
        for one in told
        for entry in dict.fromkeys((*(one.taken if waited else ()), *one.left))
        if one.lane
    ]
    if gone:
        connection.execute(_GONE, gone)
    nobodys = [entry for one in told if not one.lane for entry in one.taken]
    if waited and nobodys:
        connection.execute(_NOWHERE, {"entries": nobodys})
    if taken:
        connection.execute(_TAKE, {"entries": taken, "states": [State.UNREAD.value, State.WAITING.value], "at": at})
    if left:
        connection.execute(_TAKE, {"entries": left, "states": [State.WAITING.value], "at": at})
    pairs = dict.fromkeys((entry, one.lane) for one in told if one.lane for entry in (*one.taken, *one.left))
    if pairs:
        known = {(row[0], row[1]) for row in connection.execute(_TAKEN_BY, {"entries": [*taken, *left]})}
        rows = [{"entry": entry, "person": lane} for entry, lane in pairs if (entry, lane) not in known]
        if rows:
            connection.execute(_NOTE, rows)
