"""One step of one lane against the store: load, step, save in one transaction; what breaks a step is found and parked."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.errors import StoreDown
from adapters.model.journal import JournalEntry
from adapters.model.record import Parked, PersonRecord, Reading, Tick
from adapters.model.work import open_item
from adapters.pipeline import House, ReadEntry, read, step
from adapters.serve.logs import log
from adapters.serve.wired import LaneStore
from adapters.store import Stale

PERSON_UNKNOWN: Final = "person-unknown"
_ACTIONS: Final = {
    PERSON_UNKNOWN: "send the patient's registration; the message is then read by itself",
    "unmatched-response": "find the claim that the answer is for, and match it",
    "exception": "report the fault of the program; read the message again when it is mended",
}
_MEND: Final = "mend what the reason names, then read the message again"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one entry says about one lane."""

    entry: str
    readings: tuple[Reading, ...]
    last: bool
    """Whether no later lane of this round has the entry: with this lane's save it is taken."""


class Stepping:
    """Steps lanes of one store under one lock; `house` may be exchanged when other rules come into force."""

    def __init__(self, store: LaneStore, house: House) -> None:
        self.house = house
        self.store = store
        self.lock = threading.RLock()
        """Held by whoever reads and writes a lane; never during a call to a payer."""
        self.steps = 0
        """Steps saved since the start."""

    def tick(self, now: datetime) -> Tick:
        """The instant with the site's date of it."""
        return Tick(now, now.astimezone(ZoneInfo(self.house.site.zone)).date())

    def read(self, entry: JournalEntry) -> ReadEntry:
        """What an entry says; one that cannot be read is given back parked."""
        try:
            return read(entry, self.house.rules, self.house.site)
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a message breaks, only this message waits for it
            return ReadEntry(entry, parked=Parked(entry.id, "exception", type(error).__name__))

    def park(self, parked: Parked, now: datetime) -> None:
        """Set an entry aside with its reason and a work item."""
        answer = parked.reason == "unmatched-response"
        item = open_item(
            "unmatched-response" if answer else "parked-message",
            parked.reason,
            parked.entry,
            category="posting" if answer else "intake",
            action=_ACTIONS.get(parked.reason, _MEND),
            opened=now,
            detail=parked.detail,
        )
        self.store.park(parked, item)
        log().warning("parked", entry=parked.entry, reason=parked.reason)

    def step_lane(self, person: str, waiting: Sequence[Waiting], now: datetime) -> PersonRecord:
        """Step a lane with all that waits in it, in one transaction; halve it around an entry that breaks the step."""
        before = self.store.load(person)
        try:
            return self.stepped(before, waiting, now)
        except (StoreDown, Stale):
            raise
        except Exception as error:  # the entry that causes it is found, parked and told
            if len(waiting) > 1:
                middle = len(waiting) // 2
                self.step_lane(person, waiting[:middle], now)
                return self.step_lane(person, waiting[middle:], now)
            for one in waiting:
                self.park(Parked(one.entry, "exception", type(error).__name__), now)
            if not waiting:
                raise
            return before

    def stepped(self, before: PersonRecord, waiting: Sequence[Waiting], now: datetime) -> PersonRecord:
        """The record after the step, saved. Raises what the step or the store raises."""
        readings = [reading for one in waiting for reading in one.readings]
        after = step(before, readings, self.house, self.tick(now))
        taken = [one.entry for one in waiting if one.last]
        seen = [one.entry for one in waiting if one.entry]
        self.store.save(before, after, taken=taken, read=seen, tick=now)
        if after != before:
            self.steps += 1
        return after
