"""Desks are asked while the service runs: questions to the clinic by HL7 v2, each desk in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

from adapters.ehr.messages import AskByMessage
from adapters.ehr.sending import Sends
from adapters.errors import BadSetup, StoreDown
from adapters.hl7v2.question import Writer
from adapters.model.desk import Desk
from adapters.serve.asking import NOT_TAKEN, tell_people
from adapters.serve.logs import log
from adapters.serve.questioning import Questioned, Questioning
from adapters.serve.wired import Wired

GIVEN_UP: Final = 10.0
"""Seconds until a desk is looked at again after the store was down, or something unexpected happened."""
_SHOWN: Final = 3
"""How many different refusals a work item tells."""


class Desks:
    """The asking of all desks of a site."""

    def __init__(self, wired: Wired, sender: Sends) -> None:
        self._wired = wired
        self._sender = sender
        self._stop = threading.Event()
        self._questioning = Questioning(wired, self._stop)

    def once(self, desk: Desk) -> Questioned | None:
        """One round of a desk; None where another process is at it. People are told of what it refuses.

        Raises `StoreDown`, and `BadSetup` where its certificates cannot be used.
        """
        asks = self._asks(desk)
        done = None if asks is None else self._questioning.once(asks)
        if done is not None and (done.refused or done.whole):
            tell_people(self._wired, desk.feed, NOT_TAKEN, _told(done.refused))
        return done

    def _asks(self, desk: Desk) -> AskByMessage | None:
        """The way to a desk; None where its feed's dialect says no question, which a checked site file rules out."""
        feed = self._wired.site.feed(desk.feed)
        form = None if feed is None else self._wired.house.rules.dialect(feed.dialect).question
        if feed is None or form is None:
            return None
        asker = self._questioning.asker(desk.feed)
        writer = Writer(form, ZoneInfo(feed.zone), asker.name, asker.npi)
        return AskByMessage(desk, writer, self._sender, self._questioning.body)

    def _go_on(self, desk: Desk) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            wait = self._surviving(desk)

    def _surviving(self, desk: Desk) -> float:
        """A round; seconds until the next."""
        try:
            self.once(desk)
        except StoreDown:
            log().error("the store is down", feed=desk.feed)
            return GIVEN_UP
        except BadSetup:
            log().error("a desk cannot be asked: its certificates cannot be used", feed=desk.feed)
        except Exception as error:  # noqa: BLE001  # a thread that dies in silence leaves a desk unasked
            log().error("unexpected", feed=desk.feed, error=type(error).__name__)
            return GIVEN_UP
        return float(desk.every_seconds)

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Ask in threads while the block lasts; the message at hand is finished at its end."""
        threads = [
            threading.Thread(target=self._go_on, args=(desk,), name=f"desk-{desk.feed}", daemon=True)
            for desk in self._wired.site.desks
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()


def _told(refused: list[str]) -> str:
    """What is refused, in one sentence: each refusal with how many questions it stands for."""
    counted = Counter(refused).most_common(_SHOWN)
    more = len(set(refused)) - len(counted)
    said = "; ".join(f"{words} ({times})" if times > 1 else words for words, times in counted)
    return said + (f"; and {more} more" if more else "")
