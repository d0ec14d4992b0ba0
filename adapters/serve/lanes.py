"""The lanes: one person, one worker at a time; what waits is read, stepped and saved, and what is due is done.

Two stages. *Sorting* takes the journal's unread entries in order and lets each wait in the lanes it concerns; one at a
time does it, in all processes. *Working* takes a lane with all that waits in it; any number do it, each lane one at a
time. `work` does both at once in the caller's thread, `run_due` what has fallen due: feeds that are silent, cycles
that close, claims to send, payers to ask. `start` goes on in threads; then the lanes go through the store's queue, which
all its processes share.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from adapters.errors import StoreDown
from adapters.pipeline import House
from adapters.pipeline.sending import CALLS
from adapters.ports import Clock
from adapters.serve.calling import Calling
from adapters.serve.hearing import GRACE, FeedWatch
from adapters.serve.logs import log
from adapters.serve.sorting import Round, Sorting, taken_from
from adapters.serve.stepping import PERSON_UNKNOWN, Stepping
from adapters.serve.uniting import Uniting
from adapters.serve.waits import Waiting, is_here, is_news, speaks_of_others, without
from adapters.serve.wired import LaneStore, Payers
from adapters.store import Damaged

BATCH: Final = 500
"""Entries that one round takes at most."""
SEALING: Final = timedelta(minutes=1)
"""How long what was written may lie unsealed; nothing is sealed while nothing is new."""
WORKERS: Final = 2
"""Lanes that a process works at once: while one waits for the store another is stepped."""
SEVERAL: Final = 32
"""Lanes of a round that are stepped in one transaction at most: their records are in memory together."""
_SORTING: Final = "sorting"


class Lanes:
    """The worker of all lanes of one store. Make one per process; its methods may be called from any thread."""

    def __init__(self, store: LaneStore, house: House, payers: Payers, clock: Clock, *, abreast: bool = False) -> None:
        """`abreast`: payers are called side by side, by threads of their own; else one call after the other."""
        self._store = store
        self._clock = clock
        self._queue = store.queue
        self._stepping = Stepping(store, house)
        self._sorting = Sorting(self._stepping)
        self._uniting = Uniting(self._stepping)
        self._calling = Calling(self._stepping, payers, abreast=abreast)
        self._watch = FeedWatch(store)
        self._started: datetime | None = None
        self._news = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sealed: datetime | None = None

    @property
    def house(self) -> House:
        """Rules and settings in force."""
        return self._stepping.house

    @house.setter
    def house(self, other: House) -> None:
        self._stepping.exchange(other)

    def renew(self, person: str) -> None:
        """Derive everything of a lane anew, because other tables are in force. Raises `StoreDown`."""
        with self._stepping.held(person) as lanes:
            self._stepping.renew(lanes[0], self._clock.now())

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
        """One round in the caller's thread: what waits in lanes already, and at most `limit` entries.

        Sorted and worked in one go: nothing is written of the sorting, for the entries are taken right away. A crash
        leaves them unread.
        """
        with self._queue.alone(_SORTING, wait=lambda: True):
            found = self._store.at_hand(limit, PERSON_UNKNOWN)
            done = sum(self._work_waiting(person, self._settle_apart) for person in found.lanes)
            if found.lanes:
                # What was sorted by other rules is unread again since, and no cycle may close over it.
                found = self._store.at_hand(limit, PERSON_UNKNOWN)
            if found.unread:
                now = self._clock.now()
                with self._stepping.one_house():
                    self._work_round(self._sorting.round(found.unread, now), now)
                self._sorting.call_strangers(found.parked)
            return done + len(found.unread)

    def _work_round(self, found: Round, now: datetime) -> None:
        left = found.by_lane()
        while left:
            with self._stepping.held_together(_together(left)) as persons:
                mine = {lanes: taken_from(left, lanes) for lanes in persons}
                self._stepping.step_several(self._still_due(mine, found), now)
            for lanes in persons:
                self._settle_apart(lanes[0], now)

    def _still_due(
        self, persons: Mapping[tuple[str, ...], Sequence[Waiting]], found: Round
    ) -> dict[str, Sequence[Waiting]]:
        """The same by root, but for calls and answers that whoever made the call has taken meanwhile, in the lane itself,
        and those whose claim went to another person meanwhile: these stay unread for the next round."""
        news = {one.entry: lanes for lanes, waiting in persons.items() for one in waiting if is_news(one)}
        known = self._store.not_taken(news) if news else frozenset()
        whose = self._stepping.persons_of(found.entries[entry] for entry in news)
        gone = {e for e, lanes in news.items() if e not in known or not is_here(found.entries[e], lanes, whose)}
        return {
            lanes[0]: without([one for one in waiting if one.entry not in gone], self._stepping.parked)
            for lanes, waiting in persons.items()
        }

    def _work_waiting(self, person: str, settle: Callable[[str, datetime], object] | None = None) -> int:
        """Work a lane with what waits in it on file, then `settle` it; how many entries that were."""
        with self._stepping.held(person) as lanes:
            done = self._stepping.work_lane(lanes[0], self._clock.now())
        (settle or self._uniting.settle)(lanes[0], self._clock.now())
        return done

    def _settle_apart(self, person: str, now: datetime) -> None:
        """Put lanes together or apart where this one speaks of others. What goes wrong with it is told, and keeps nobody
        else waiting: what came is on file, and the lane's due row has it looked at again (`pipeline.step.UNITE`)."""
        try:
            self._uniting.settle(person, now)
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001  # one person's fault must not keep the others from their day
            log().error("lanes cannot be regrouped", lane=person, error=type(error).__name__)

    def sort(self, limit: int = BATCH, *, wait: Callable[[], bool] | None = None) -> int:
        """Sort at most `limit` unread entries into their lanes, and make these runnable; how many that were.

        None when somebody else is sorting, unless `wait` says how long that is waited for.
        """
        with self._queue.alone(_SORTING, wait=wait) as mine:
            if not mine:
                return 0
            found = self._store.at_hand(limit, PERSON_UNKNOWN)
            if not found.unread:
                return 0
            with self._stepping.one_house():
                sorted_ = self._sorting.round(found.unread, self._clock.now())
                for id, shares in groupby(sorted_.shares, key=lambda share: share.entry):
                    self._stepping.remember(sorted_.entries[id], shares)
            self._store.sort(sorted_.shares)
            self._sorting.call_strangers(found.parked)
            return len(found.unread)

    def _work_lane(self, person: str) -> None:
        """One lane of the queue. What it raises makes the lane come again; it is told here."""
        try:
            self._work_waiting(person)
        except StoreDown:
            log().error("the store is down", lane=person)
            raise
        except Exception as error:
            log().error("a lane cannot be stepped", lane=person, error=type(error).__name__)
            raise

    def _work_several(self, lanes: Sequence[str]) -> Sequence[str]:
        """Several lanes of the queue; gives those that are done with. The others are worked one by one, and what is wrong
        with them is told then."""
        with self._stepping.held_together(lanes) as persons:
            done = self._stepping.work_several(persons, self._clock.now())
        roots = {lane: person[0] for person in persons for lane in person}
        return [lane for lane in lanes if roots[lane] in done and roots[lane] not in self._stepping.unsettled]

    # ------------------------------------------------------------ what is due

    def run_due(self, now: datetime | None = None) -> int:
        """Do all that is due at the instant (the clock's): listen to feeds, close cycles, send, ask. How many calls that
        were."""
        # What waits comes first: a cycle must not close over a correction that is already in the journal.
        self.work()
        at = self._at(now)
        self._watch.look(self.house.site.feeds, at())
        return self._calling.due(at, CALLS, self._stop)

    def send(self, now: datetime | None = None) -> int:
        """Send the claims that are due to leave, and repeat those that may be; how many calls were made."""
        return self._calling.due(self._at(now), frozenset({"send", "repeat"}), self._stop)

    def poll(self, now: datetime | None = None) -> int:
        """Ask payers for what is due to be asked; how many calls were made."""
        return self._calling.due(self._at(now), frozenset({"poll", "search"}), self._stop)

    def _at(self, now: datetime | None) -> Callable[[], datetime]:
        """The instant named, for as long as it takes; else the clock's."""
        return self._clock.now if now is None else lambda: now

    # ------------------------------------------------------------ going on

    def wake(self) -> None:
        """Something new is in the journal."""
        self._news.set()

    def start(
        self,
        roles: Iterable[str] = ("worker", "payer"),
        every: timedelta = timedelta(seconds=1),
        workers: int = WORKERS,
    ) -> None:
        """Go on in threads: `worker` sorts what comes (at once when woken) and works so many lanes at a time, `payer`
        does what is due, each `every`."""
        wanted = set(roles)
        self._started = self._clock.now()
        seconds = every.total_seconds()
        bodies: list[tuple[str, str, Callable[[], None]]] = [
            ("worker", "sorting", lambda: self._sort_on(seconds)),
            ("worker", "working", lambda: self._work_on(workers)),
            ("payer", "payer", lambda: self._due_on(seconds)),
        ]
        for role, name, body in bodies:
            if role in wanted:
                thread = threading.Thread(target=body, name=f"lanes-{name}")
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

    def _sort_on(self, seconds: float) -> None:
        while not self._stop.is_set():
            self._news.wait(seconds)
            self._news.clear()
            while not self._stop.is_set() and self._surviving(self.sort):
                pass

    def _work_on(self, workers: int) -> None:
        self._queue.run(self._work_lane, workers=workers, stopped=self._stop.is_set, together=self._work_several)

    def _due_on(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self._surviving(self._listen)
            self._surviving(self._sort_and_call)
            self._surviving(self._seal)

    def _listen(self) -> int:
        """What feeds leave out or do not say in time; what their senders hold back while we start is waited for."""
        now = self._clock.now()
        return self._watch.look(
            self.house.site.feeds, now, grace=self._started is not None and now - self._started < GRACE
        )

    def _sort_and_call(self) -> int:
        """What is due, beside whoever works the lanes: all that is in the journal is sorted first, and a lane in which
        something is due is worked with what waits in it."""
        self._sort_all()
        return self._calling.due(self._clock.now, CALLS, self._stop, self._meanwhile)

    def _sort_all(self) -> None:
        going = self._going_on
        while going() and self.sort(wait=going) == BATCH:
            pass

    def _meanwhile(self) -> None:
        """What must not wait for a payer that takes its time."""
        self._sort_all()
        self._listen()
        self._seal()

    def _going_on(self) -> bool:
        return not self._stop.is_set()

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


def _together(left: Mapping[str, Sequence[Waiting]]) -> list[str]:
    """The first lanes of what is left of a round, to be stepped in one transaction.

    One that is told of other lanes is alone: these are put together, or apart, before any of them goes on.
    """
    found: list[str] = []
    for lane, waiting in left.items():
        if any(speaks_of_others(one) for one in waiting):
            return found or [lane]
        found.append(lane)
        if len(found) == SEVERAL:
            break
    return found
