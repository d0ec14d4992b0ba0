"""EHRs are asked while the service runs: each in a thread of its own, so that one that is down delays no other.

A round is due when the EHR told of news, and each `every_seconds`. Of all processes one asks an EHR at a time.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from adapters.ehr import EhrClient, Polled, notes, poll
from adapters.ehr.polling import Remembered, Trouble
from adapters.ehr.questions import AskByTask
from adapters.errors import BadSetup, StoreDown
from adapters.hl7v2.silence import KIND
from adapters.model.ehr import Ehr
from adapters.model.work import open_item
from adapters.serve import metrics
from adapters.serve.intake import nobody
from adapters.serve.logs import log
from adapters.serve.questioning import Questioned, Questioning
from adapters.serve.wired import Wired
from adapters.store.hearing import Told

GAP: Final = "notification-gap"
NOT_ASKED: Final = "ehr-not-asked"
NOT_TAKEN: Final = "question-refused"
_ACTIONS: Final[Mapping[str, str]] = {
    GAP: "nothing, once the EHR was asked for all that changed; where that fails see why it does not answer",
    NOT_ASKED: "have the EHR's desk mend its answer, or the site file its address, token and types",
    NOT_TAKEN: "have the engine's desk take the questions, or mend [question] of the feed's dialect; asked again each day",
}
"""Code of a work item of an EHR or desk → what to do about it."""
_OVER: Final[Mapping[str, str]] = {NOT_TAKEN: "no question stands refused any more"}
"""Code → why its item is closed, where it is not the rule: the EHR was asked for all that changed."""
_WEATHER: Final = frozenset({"no-answer", "status-408", "status-425", "status-429"})
"""Troubles that go by themselves; people are told of them after so many rounds:"""
PATIENCE: Final = 5
GIVEN_UP: Final = 10.0
"""Seconds until an EHR is asked again after the store was down, or something unexpected happened."""


def tell_people(wired: Wired, feed: str, code: str, detail: str) -> None:
    """Open the work item of this code about a feed's EHR, or with an empty detail close it. Raises `StoreDown`."""
    last = wired.store.last_noted(notes.channel_of(feed), notes.item_control(code))
    if detail == notes.standing_detail(last):
        return
    now = wired.clock.now()
    item = open_item(KIND, code, feed, category="feed", action=_ACTIONS[code], opened=now, detail=detail)
    told = Told(
        notes.item_note(feed, code, detail, last, now),
        opens=(item,) if detail else (),
        closes="" if detail else item.id,
        why="" if detail else _OVER.get(code, "the EHR was asked for all that changed"),
    )
    wired.store.tell_of_feed(told, "" if last is None else last.id)


def _passes(trouble: Trouble) -> bool:
    return trouble.code in _WEATHER or trouble.code.startswith("status-5")


class Asking:
    """The asking of all EHRs of a site. `wake` is called after each round that brought something."""

    def __init__(self, wired: Wired, client: EhrClient, wake: Callable[[], None] = nobody) -> None:
        self._wired = wired
        self._client = client
        self._wake = wake
        self._stop = threading.Event()
        self._questioning = Questioning(wired, self._stop)
        self._news: Mapping[str, threading.Event] = {ehr.feed: threading.Event() for ehr in wired.site.ehrs}
        self._troubled = {ehr.feed: 0 for ehr in wired.site.ehrs}
        """How many rounds went wrong one after the other."""
        self._known: Mapping[str, Remembered] = {ehr.feed: Remembered() for ehr in wired.site.ehrs}

    def tell(self, feed: str) -> None:
        """The EHR of this feed has news."""
        if feed in self._news:
            self._news[feed].set()

    def question(self, ehr: Ehr) -> Questioned | None:
        """A round of questions to the clinic by Tasks at this EHR, None also where it is asked none; see
        `serve.questioning.Questioning.once`."""
        if ehr.questions == "off":
            return None
        asked = self._questioning
        return asked.once(AskByTask(ehr, self._client, asked.asker(ehr.feed), asked.body))

    def once(self, ehr: Ehr, *, changed: bool = True) -> Polled | None:
        """One round of an EHR; None where another process is at it. `changed`: ask for all that changed too.

        Raises `StoreDown`, and `BadSetup` where its token cannot be read.
        """
        with self._wired.store.queue.alone(f"ehr:{ehr.feed}") as mine:
            if not mine:
                return None
            done = poll(
                ehr,
                self._client,
                self._wired.store,
                self._wired.clock.now,
                remembered=self._known[ehr.feed],
                stop=self._stop,
                changed=changed,
            )
        self._tell_people(ehr, done, whole=changed)
        metrics.ASKED.labels(ehr.feed, "trouble" if done.troubles else "well").inc()
        for trouble in done.troubles:
            log().warning("an EHR cannot be asked", feed=ehr.feed, about=trouble.kind, code=trouble.code)
        if done.taken:
            log().info("asked an EHR", feed=ehr.feed, taken=done.taken, repeated=done.repeated, pages=done.pages)
            self._wake()
        return done

    def _tell_people(self, ehr: Ehr, done: Polled, *, whole: bool) -> None:
        self._troubled[ehr.feed] = self._troubled[ehr.feed] + 1 if done.troubles else 0
        again = self._troubled[ehr.feed] >= PATIENCE
        lasting = sorted({f"{one.kind}: {one.code}" for one in done.troubles if again or not _passes(one)})
        if lasting or (whole and not done.troubles):
            tell_people(self._wired, ehr.feed, NOT_ASKED, "; ".join(lasting))
        if (whole or done.walked) and not done.troubles and not done.more:
            tell_people(self._wired, ehr.feed, GAP, "")

    def _go_on(self, ehr: Ehr) -> None:
        news = self._news[ehr.feed]
        due = time.monotonic()
        while not self._stop.is_set():
            news.wait(max(0.0, due - time.monotonic()))
            news.clear()
            changed = time.monotonic() >= due
            if self._stop.is_set():
                return
            wait = self._surviving(ehr, changed=changed)
            # News that could not be followed now are followed by the next whole round.
            due = time.monotonic() + wait if changed else due

    def _surviving(self, ehr: Ehr, *, changed: bool) -> float:
        """A round; seconds until the next whole one."""
        try:
            done = self.once(ehr, changed=changed)
            if changed and not self._stop.is_set():
                self.question(ehr)
        except StoreDown:
            log().error("the store is down", feed=ehr.feed)
            return GIVEN_UP
        except BadSetup:
            log().error("an EHR cannot be asked: its token cannot be read", feed=ehr.feed)
            return ehr.every_seconds
        except Exception as error:  # noqa: BLE001  # a thread that dies in silence leaves an EHR unasked
            log().error("unexpected", feed=ehr.feed, error=type(error).__name__)
            return GIVEN_UP
        return 0.0 if done is not None and done.more else ehr.every_seconds

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Ask in threads while the block lasts; the page at hand is finished at its end."""
        threads = [
            threading.Thread(target=self._go_on, args=(ehr,), name=f"ehr-{ehr.feed}", daemon=True)
            for ehr in self._wired.site.ehrs
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for event in self._news.values():
                event.set()
            for thread in threads:
                thread.join()
