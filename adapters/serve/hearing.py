"""Listening to feeds: what comes is looked at for what is left out, and what does not come in time is told.

Looked at with everything that is due, by whoever does that; the journal says who was first (`pipeline.hearing`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from adapters.model.journal import JournalEntry
from adapters.model.site import Feed
from adapters.pipeline.hearing import (
    CHANNEL,
    SPEAKS,
    Hearing,
    begun,
    going_on,
    hearing_of,
    hushed,
    listen,
    opens,
    receipt_of,
    watched,
    worth_telling,
)
from adapters.serve.logs import log
from adapters.serve.wired import FeedStore
from adapters.store.hearing import Told

GRACE: Final = timedelta(minutes=15)
"""How long after the start of a service no silence is told: senders come back with what has waited at their end."""
_PART: Final = 500
"""Entries of the journal that are read at a time."""
_BACK: Final = 2000
"""Entries before the first look in which the last word of a feed is looked for."""


class FeedWatch:
    """Listens to the feeds of one site. Make one per process; its methods may be called from any thread."""

    def __init__(self, store: FeedStore) -> None:
        self._store = store
        self._mine = threading.Lock()
        self._told: dict[str, Hearing] = {}
        """What the journal knows."""
        self._now: dict[str, Hearing] = {}
        """How it stands."""

    def look(self, feeds: Iterable[Feed], now: datetime, *, grace: bool = False) -> int:
        """Listen to those feeds of which something is promised; how many entries were written about it.

        With `grace` no silence is told: what has come is looked at all the same. Raises `StoreDown`.
        """
        wanted = [feed for feed in feeds if watched(feed)]
        if not wanted:
            return 0
        with self._mine:
            return self._look(wanted, now, grace=grace)

    def _look(self, wanted: Sequence[Feed], now: datetime, *, grace: bool) -> int:
        for feed in wanted:
            if feed.name not in self._now:
                self._begin(feed, now)
        self._listen(wanted, now)
        told = 0
        for feed in wanted:
            standing = self._now[feed.name]
            standing = standing if grace else hushed(standing, feed, now)
            if worth_telling(standing, self._told[feed.name]):
                told += self._tell(standing)
        return told

    def _begin(self, feed: Feed, now: datetime) -> None:
        """Take up a feed where the journal says that it was left; a new one from now on."""
        last = self._store.last_noted(CHANNEL, feed.name)
        if last is not None:
            self._known(hearing_of(last))
            return
        upto = self._store.counts().journal
        before: list[JournalEntry] = []
        while part := self._store.journal(max(before[-1].seq if before else 0, upto - _BACK), _PART):
            before += part
        hearing = begun(feed, before, max(upto, before[-1].seq if before else 0), now)
        self._told[feed.name] = self._now[feed.name] = hearing

    def _listen(self, feeds: Sequence[Feed], now: datetime) -> None:
        while part := self._store.journal(min(self._now[feed.name].upto for feed in feeds), _PART):
            for feed in feeds:
                self._now[feed.name] = listen(self._now[feed.name], feed, part, part[-1].seq, now)

    def _tell(self, standing: Hearing) -> int:
        """Write it into the journal with its work items; 0 where somebody else has written about the feed meanwhile."""
        opened = opens(standing)
        told = Told(receipt_of(standing), opened, standing.spoke, SPEAKS)
        entry = self._store.tell_of_feed(told, standing.entry)
        if entry is None:
            # What he wrote is taken up at the next look.
            del self._now[standing.feed], self._told[standing.feed]
            return 0
        self._known(hearing_of(entry))
        for gap in standing.found:
            log().warning("feed", feed=standing.feed, code=gap.code)
        if standing.spoke:
            log().info("feed speaks again", feed=standing.feed)
        return 1

    def _known(self, told: Hearing) -> None:
        self._told[told.feed] = self._now[told.feed] = going_on(told)


def last_number(store: FeedStore, feed: Feed) -> int | None:
    """The last sequence number taken of a feed, to the end of the journal; None where there is none.

    A feed that was never listened to has none: its numbers count from the first look. Raises `StoreDown`.
    """
    last = store.last_noted(CHANNEL, feed.name)
    if last is None:
        return None
    standing = going_on(hearing_of(last))
    while part := store.journal(standing.upto, _PART):
        standing = listen(standing, feed, part, part[-1].seq, standing.at)
    return standing.number
