"""What a store tells and writes of entries on their way through the lanes: unread, waiting, taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from adapters.model.people import PersonHint
from adapters.store import journal, people
from adapters.store.dialect import StoreQueue
from adapters.store.keys import KeyRing
from adapters.store.lanes import waiting
from adapters.store.lanes.waiting import AtHand, Share
from adapters.store.schema import State

T = TypeVar("T")


class LaneRows(Protocol):
    """The part of a store that sorts entries into lanes, over its queue and its ways to read and to write."""

    _keys: KeyRing
    queue: StoreQueue
    """Which lanes are runnable, who works them, and who may touch one."""

    def _read(self, ask: Callable[[Connection], T]) -> T:
        """Ask within one snapshot of the last commit."""
        ...

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do it in one transaction of the writer."""
        ...

    def at_hand(self, limit: int, reason: str) -> AtHand:
        """What waits in lanes, at most so many entries that nobody has sorted yet, and what is parked for a reason."""
        unread = (State.UNREAD,)
        return self._read(
            lambda c: AtHand(
                waiting.lanes(c), journal.in_state(c, unread, limit, self._keys), journal.parked_for(c, reason)
            )
        )

    def sort(self, shares: Iterable[Share]) -> None:
        """Let entries wait in the lanes they concern, and make these lanes runnable, in one transaction.

        An entry that is not unread any more is left out: somebody else had it meanwhile.
        """
        wanted = list(shares)

        def work(connection: Connection) -> None:
            self.queue.put(connection, waiting.sort(connection, wanted))

        if wanted:
            self._write(work)
            self.queue.wake()

    def unsort(self, entry: str) -> None:
        """Make an entry unread again that waits in lanes: it is no longer what was sorted."""
        self._write(lambda c: waiting.unsort(c, entry))

    def waiting(self, person: str) -> tuple[Share, ...]:
        """All that waits in a lane, in the order of the journal."""
        return tuple(self.waiting_in([person]).get(person, ()))

    def waiting_in(self, lanes: Sequence[str]) -> dict[str, list[Share]]:
        """The same of each of these lanes; one in which nothing waits is not there."""
        return self._read(lambda c: waiting.of_lanes(c, lanes))

    def lane_of(self, hint: PersonHint, feed: str) -> str:
        """The lane of the person so named now, with nothing written; empty where nobody on file is named so."""
        return self._read(lambda c: people.named(c, hint, feed, self._keys))

    def not_taken(self, entries: Iterable[str]) -> frozenset[str]:
        """Those of the entries that are neither taken nor parked."""
        asked = list(entries)
        return self._read(lambda c: journal.not_taken(c, asked))
