"""What was heard of feeds, written: the journal's entry about a feed and its work items, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from adapters.model.journal import JournalEntry
from adapters.model.work import WorkItem
from adapters.ports import Receipt
from adapters.store import items
from adapters.store.editions import journal as noted
from adapters.store.keys import KeyRing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Told:
    """An entry about a feed, with the items that it opens, and the one that it closes with a reason."""

    receipt: Receipt
    opens: Sequence[WorkItem] = ()
    closes: str = ""
    why: str = ""


class FeedRows(Protocol):
    """The part of a store that keeps what was heard of feeds."""

    _keys: KeyRing

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do it in one transaction of the writer."""
        ...

    def tell_of_feed(self, told: Told, after: str) -> JournalEntry | None:
        """Write it, if the last entry of its channel and control id is the one with the id `after` (empty: there is
        none); else nothing, and None: somebody else was faster.

        An item that a person closed stays as it is.
        """
        receipt = told.receipt

        def work(connection: Connection) -> JournalEntry | None:
            last = noted.last_noted(connection, receipt.channel, receipt.control, self._keys)
            if after != ("" if last is None else last.id):
                return None
            entry = noted.note(connection, receipt, self._keys)
            known = items.of_nobody(connection, told.closes, self._keys) if told.closes else None
            if known is not None and known.closed is None:
                items.put(connection, replace(known, closed=receipt.at, closed_why=told.why), self._keys)
            for item in told.opens:
                items.put_trouble(connection, item, self._keys)
            return entry

        return self._write(work)
