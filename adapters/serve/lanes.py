"""The lanes: one person, one worker at a time; what waits is read, stepped and saved, and what is due is done.

`work` takes the journal's unread entries, `run_due` what has fallen due: cycles that close, claims to send, payers to
ask. Both may be called once (the command line, the demo, tests) or go on in threads (`start`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from adapters.errors import StoreDown
from adapters.model.journal import JournalEntry
from adapters.model.people import PersonHint
from adapters.model.record import Parked, Reading
from adapters.pipeline import House, ReadEntry
from adapters.pipeline.sending import CALLS
from adapters.ports import Clock
from adapters.serve.calling import Calling
from adapters.serve.logs import log
from adapters.serve.stepping import PERSON_UNKNOWN, Stepping, Waiting
from adapters.serve.wired import LaneStore, Payers
from adapters.store import Damaged, Stale

BATCH: Final = 500
"""Entries that one round of work takes at most."""
SEALING: Final = timedelta(minutes=1)
"""How long what was written may lie unsealed; nothing is sealed while nothing is new."""
_COLLISIONS: Final = 20
"""Rounds in a row that another writer in the same lane may spoil before it is taken for a fault."""
_Strangers = dict[str, tuple[tuple[str, PersonHint], ...]]
"""Parked entry → (feed, hint) of the persons whom nobody has told us of yet."""


@dataclass(slots=True)
class _Round:
    """The entries of one round of work: the lanes they concern, in the order in which the journal names them."""

    readings: dict[str, list[Reading]] = field(default_factory=dict)

    def add(self, person: str, reading: Reading) -> None:
        self.readings.setdefault(person, []).append(reading)

    def lanes(self) -> Iterator[tuple[str, list[Waiting]]]:
        last = {reading.entry: person for person, those in self.readings.items() for reading in those}
        for person, those in self.readings.items():
            yield (
                person,
                [
                    Waiting(entry, tuple(same), last[entry] == person)
                    for entry, same in groupby(those, key=lambda reading: reading.entry)
                ],
            )


class Lanes:
    """The worker of all lanes of one store. Make one per process; its methods may be called from any thread."""

    def __init__(self, store: LaneStore, house: House, payers: Payers, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._stepping = Stepping(store, house)
        self._calling = Calling(self._stepping, payers)
        self._news = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._collisions = 0
        self._sealed: datetime | None = None
        self._strangers: _Strangers | None = None  # None: not looked up since the start

    @property
    def house(self) -> House:
        """Rules and settings in force."""
        return self._stepping.house

    @house.setter
    def house(self, other: House) -> None:
        with self._stepping.lock:
            self._stepping.house = other

    @property
    def steps(self) -> int:
        """Steps of lanes saved since the start, for the metrics."""
        return self._stepping.steps

    # ------------------------------------------------------------ reading

    def work(self) -> int:
        """Read and step everything that waits; how many entries were taken or parked. Raises `StoreDown`."""
        done = 0
        while taken := self.work_once():
            done += taken
        return done

    def work_once(self, limit: int = BATCH) -> int:
        """One round: at most `limit` entries."""
        with self._stepping.lock:
            entries = self._store.unread(limit)
            if not entries:
                return 0
            now = self._clock.now()
            found = _Round()
            known = [self._stepping.read(entry) for entry in entries]
            # Persons with identifiers first: what refers to them may stand before them in the same batch.
            placed = [entry for entry in known if self._surely(entry, self._introduce, now)]
            for entry in placed:
                self._surely(entry, lambda entry: self._place(entry, found, now), now)
            self._step_all(found, now)
            self._call_strangers()
            return len(entries)

    def _surely(self, entry: ReadEntry, do: Callable[[ReadEntry], None], now: datetime) -> bool:
        """Do it; an entry that it breaks on is parked. Whether it went well."""
        try:
            do(entry)
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001  # one entry must not stand in the way of all behind it
            self._stepping.park(Parked(entry.entry.id, "exception", type(error).__name__), now)
            return False
        return True

    def _introduce(self, entry: ReadEntry) -> None:
        for captured in entry.captured:
            if captured.person.identifiers:
                self._store.person(captured.person, _feed(entry.entry))

    def _step_all(self, found: _Round, now: datetime) -> None:
        try:
            for person, waiting in found.lanes():
                self._stepping.step_lane(person, waiting, now)
        except Stale:
            # Somebody else wrote in a lane meanwhile. What was not taken is still unread and comes again.
            self._collisions += 1
            if self._collisions > _COLLISIONS:
                raise
            log().warning("lane changed meanwhile")
        else:
            self._collisions = 0

    def _place(self, entry: ReadEntry, found: _Round, now: datetime) -> None:
        """Give what an entry says to the lanes it concerns, or park it."""
        id, at = entry.entry.id, entry.entry.at
        if entry.parked is not None:
            self._stepping.park(entry.parked, now)
        elif entry.news is not None:
            person = self._store.person_of_claim(entry.news.claim)
            if person:
                found.add(person, Reading(id, at, news=entry.news))
            else:
                self._stepping.park(Parked(id, "unmatched-response", "the answer is for no claim of ours"), now)
        elif not any(captured.person.known for captured in entry.captured):
            self._store.close_entry(id)
        else:
            self._place_captured(entry, found, now)

    def _place_captured(self, entry: ReadEntry, found: _Round, now: datetime) -> None:
        id, at, feed = entry.entry.id, entry.entry.at, _feed(entry.entry)
        concerned = [captured for captured in entry.captured if captured.person.known]
        lanes = [self._store.person(captured.person, feed) for captured in concerned]
        unknown = [captured.person for captured, lane in zip(concerned, lanes, strict=True) if not lane]
        if unknown:
            self._stepping.park(Parked(id, PERSON_UNKNOWN, "it is about a person of whom nothing is on file"), now)
            if self._strangers is not None:
                self._strangers[id] = tuple((feed, hint) for hint in unknown)
            return
        for captured, lane in zip(concerned, lanes, strict=True):
            found.add(lane, Reading(id, at, captured=captured))

    def _call_strangers(self) -> None:
        """Read again what was parked for an unknown person, once that person is known."""
        if self._strangers is None:
            self._strangers = dict(self._strangers_on_file())
        for entry, hints in list(self._strangers.items()):
            if all(self._store.person(hint, feed) for feed, hint in hints):
                del self._strangers[entry]
                self._store.unpark(entry)

    def _strangers_on_file(self) -> Iterator[tuple[str, tuple[tuple[str, PersonHint], ...]]]:
        for parked in self._store.parked():
            entry = self._store.entry(parked.entry) if parked.reason == PERSON_UNKNOWN else None
            if entry is not None:
                hints = (
                    c.person for c in self._stepping.read(entry).captured if c.person.known and not c.person.identifiers
                )
                yield entry.id, tuple((_feed(entry), hint) for hint in hints)

    # ------------------------------------------------------------ what is due

    def run_due(self, now: datetime | None = None) -> int:
        """Do all that is due at the instant (the clock's): close cycles, send, repeat, ask. How many calls were made."""
        # What waits comes first: a cycle must not close over a correction that is already in the journal.
        self.work()
        return self._calling.due(now or self._clock.now(), CALLS, self._stop)

    def send(self, now: datetime | None = None) -> int:
        """Send the claims that are due to leave, and repeat those that may be; how many calls were made."""
        return self._calling.due(now or self._clock.now(), frozenset({"send", "repeat"}), self._stop)

    def poll(self, now: datetime | None = None) -> int:
        """Ask payers for what is due to be asked; how many calls were made."""
        return self._calling.due(now or self._clock.now(), frozenset({"poll", "search"}), self._stop)

    # ------------------------------------------------------------ going on

    def wake(self) -> None:
        """Something new is in the journal."""
        self._news.set()

    def start(self, roles: Iterable[str] = ("worker", "payer"), every: timedelta = timedelta(seconds=1)) -> None:
        """Go on in threads: `worker` reads what comes (at once when woken), `payer` does what is due, each `every`."""
        wanted = set(roles)
        bodies = {"worker": self._work_on, "payer": self._due_on}
        for role, body in bodies.items():
            if role in wanted:
                thread = threading.Thread(target=body, args=(every.total_seconds(),), name=f"lanes-{role}")
                self._threads.append(thread)
                thread.start()

    def stop(self) -> None:
        """Finish the step or call at hand, then end the threads."""
        self._stop.set()
        self._news.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._stop.clear()

    @property
    def running(self) -> bool:
        """Whether every thread that was started still goes on."""
        return all(thread.is_alive() for thread in self._threads)

    def _work_on(self, seconds: float) -> None:
        while not self._stop.is_set():
            self._news.wait(seconds)
            self._news.clear()
            while not self._stop.is_set() and self._surviving(self.work_once):
                pass

    def _due_on(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self._surviving(self.run_due)
            self._surviving(self._seal)

    def _seal(self) -> int:
        now = self._clock.now()
        if self._sealed is not None and now - self._sealed < SEALING:
            return 0
        # Before the sealing: one that fails is not tried again with every tick.
        self._sealed = now
        try:
            return self._store.seal(now)
        except Damaged:
            log().error("nothing is sealed: see `oncoclaims verify`")
            return 0

    def _surviving(self, do: Callable[[], int]) -> int:
        """Do it; a store that is down, or a bug, is told and tried again at the next tick."""
        try:
            return do()
        except StoreDown:
            log().error("the store is down")
        except Exception as error:  # noqa: BLE001  # a thread that dies in silence stops the house
            log().error("unexpected", error=type(error).__name__)
        self._stop.wait(1)
        return 0


def _feed(entry: JournalEntry) -> str:
    """The feed that brought an entry."""
    return entry.actor.partition(":")[2]
