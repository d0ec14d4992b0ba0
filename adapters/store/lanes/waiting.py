"""What waits in which lane: rows written when an entry is sorted, gone with the step that reads them.

All functions work inside a transaction that the caller holds. An entry that waits has a row for each lane it concerns;
it is taken when the last of them goes (`taking.take`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from adapters.model.journal import JournalEntry
from adapters.store.schema import State, queue, waiting


@dataclass(frozen=True, slots=True)
class Share:
    """What an entry says about one lane, by where it stands in the entry."""

    entry: str
    seq: int
    """The entry's number in the journal."""
    person: str
    parts: tuple[int, ...] = ()
    """Which of the things captured from the entry are of this person; none for news of a claim."""
    captured: int = 0
    """How many things were captured of persons in all: other rules may capture others, or others', and then the entry is
    sorted again."""


@dataclass(frozen=True, slots=True)
class AtHand:
    """What there is to sort, and what was sorted before."""

    lanes: tuple[str, ...]
    """Those in which something waits, the one that waits longest first."""
    unread: tuple[JournalEntry, ...]
    """Entries that nobody has sorted into lanes yet, in order."""
    parked: tuple[str, ...]
    """Entries that are parked for the reason asked about."""


_IN_STATE: Final = select(queue.c.entry).where(
    queue.c.entry.in_(bindparam("entries", expanding=True)), queue.c.state == bindparam("now")
)
_MOVE: Final = (
    update(queue).where(queue.c.entry.in_(bindparam("entries", expanding=True))).values(state=bindparam("to"))
)
_OF_LANES: Final = (
    select(waiting).where(waiting.c.person.in_(bindparam("lanes", expanding=True))).order_by(waiting.c.seq)
)
_LANES: Final = select(waiting.c.person).group_by(waiting.c.person).order_by(func.min(waiting.c.seq), waiting.c.person)


def sort(connection: Connection, shares: Sequence[Share]) -> tuple[str, ...]:
    """Let each share wait in its lane; the lanes, in the order in which they first come.

    Shares of an entry that is not unread any more are left out: somebody else had it meanwhile.
    """
    unread = set(_in_state(connection, [share.entry for share in shares], State.UNREAD))
    new = [share for share in shares if share.entry in unread]
    if not new:
        return ()
    connection.execute(_MOVE, {"entries": sorted(unread), "to": State.WAITING.value})
    connection.execute(insert(waiting), [_row(share) for share in new])
    return tuple(dict.fromkeys(share.person for share in new))


def unsort(connection: Connection, entry: str) -> None:
    """Make an entry that waits unread again: it is no longer what was sorted."""
    if _in_state(connection, [entry], State.WAITING):
        connection.execute(delete(waiting).where(waiting.c.entry == entry))
        connection.execute(_MOVE, {"entries": [entry], "to": State.UNREAD.value})


def of_lanes(connection: Connection, lanes: Sequence[str]) -> dict[str, list[Share]]:
    """All that waits in each of these lanes, in the order of the journal; a lane in which nothing does is not there."""
    found: dict[str, list[Share]] = {}
    for r in connection.execute(_OF_LANES, {"lanes": lanes}):
        parts = tuple(int(part) for part in r.parts.split())
        found.setdefault(r.person, []).append(Share(r.entry, int(r.seq), r.person, parts, int(r.captured)))
    return found


def lanes(connection: Connection) -> tuple[str, ...]:
    """The lanes in which something waits, the one that waits longest first."""
    return tuple(connection.execute(_LANES).scalars())


def _in_state(connection: Connection, entries: Sequence[str], state: State) -> Sequence[str]:
    return connection.execute(_IN_STATE, {"entries": entries, "now": state.value}).scalars().all()


def _row(share: Share) -> dict[str, Any]:
    return {
        "entry": share.entry,
        "person": share.person,
        "seq": share.seq,
        "parts": " ".join(map(str, share.parts)),
        "captured": share.captured,
    }
