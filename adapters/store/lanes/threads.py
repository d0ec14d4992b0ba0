"""The queue of lanes on SQLite: a work table, and threads of one process that work it.

A lane is a row while it is runnable or being worked. Its version tells whether it was put again meanwhile: then the row
stays and goes to the end of the queue. Who works a lane now is known in this process alone; a second process with
workers is told by the record's revision (`Stale`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeAlias, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from adapters.errors import StoreDown
from adapters.ports import LaneCounts, LaneQueue
from adapters.store.lanes import waiting
from adapters.store.lanes.locks import PATIENCE, NamedLocks

T = TypeVar("T")
Ask = Callable[[Callable[[Connection], Any]], Any]
"""Runs a function inside a transaction of the store and gives its result; raises `StoreDown`."""
Together: TypeAlias = Callable[[Sequence[str]], Collection[str]] | None
"""Works several lanes as one, and gives those that are done with."""

_LOG: Final = logging.getLogger(__name__)
_POLL: Final = 1.0
"""Seconds after which an idle worker looks by itself: a second process may have put a lane."""
FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 60.0
"""Seconds after which a lane whose work raised comes again: the first time, and at most."""

TOGETHER: Final = 16
"""Lanes that a worker takes at most where it may take several: their steps are one transaction."""

TABLES: Final = MetaData()
runnable: Final = Table(
    "runnable",
    TABLES,
    Column("lane", Text, primary_key=True),
    Column("place", BigInteger, nullable=False, index=True),
    Column("version", BigInteger, nullable=False),
)
"""The work table. On SQLite only: on PostgreSQL the lanes are jobs (`jobs.py`)."""

_LAST: Final = select(func.coalesce(func.max(runnable.c.place), 0))
_PUT: Final = insert(runnable).on_conflict_do_update(index_elements=["lane"], set_={"version": runnable.c.version + 1})
_FIRST: Final = select(runnable.c.lane, runnable.c.version).order_by(runnable.c.place).limit(bindparam("most"))
_DONE: Final = delete(runnable).where(runnable.c.lane == bindparam("worked"), runnable.c.version == bindparam("begun"))
_TO_THE_END: Final = (
    update(runnable).where(runnable.c.lane == bindparam("worked")).values(place=_LAST.scalar_subquery() + 1)
)


def delay(failures: int) -> float:
    """Seconds to wait before a lane is worked again whose work raised so many times in a row."""
    return min(FIRST_DELAY * 2.0 ** min(failures - 1, 16), LONGEST_DELAY)


class LaneThreads:
    """Implements `ports.LaneQueue` within one process."""

    def __init__(self, read: Ask, write: Ask) -> None:
        self._read = read
        self._write = write
        self._lanes = NamedLocks()
        self._tasks = NamedLocks()
        self._change = threading.Condition()
        self._changes = 0
        self._busy: set[str] = set()
        self._failures: dict[str, int] = {}
        self._later: dict[str, float] = {}

    def put(self, transaction: Connection, lanes: Iterable[str]) -> None:
        """Make lanes runnable inside the transaction."""
        last = int(transaction.execute(_LAST).scalar_one())
        rows = [{"lane": lane, "place": last + n, "version": 0} for n, lane in enumerate(dict.fromkeys(lanes), 1)]
        if rows:
            transaction.execute(_PUT, rows)

    def wake(self) -> None:
        """Have idle workers look now."""
        with self._change:
            self._changes += 1
            self._change.notify_all()

    def run(
        self,
        work: Callable[[str], None],
        *,
        workers: int,
        stopped: Callable[[], bool],
        together: Together = None,
    ) -> None:
        """Work lanes in so many threads until `stopped`."""
        self._start(lambda: self._go_on(work, stopped, together), workers)

    def drain(self, work: Callable[[str], None], *, workers: int, together: Together = None) -> None:
        """Work lanes in so many threads until none is runnable."""

        def until_none() -> None:
            while found := self._next(together):
                self._worked(found, work, together, lambda: False)

        self._start(until_none, workers)

    def held(self, lanes: Iterable[str]) -> AbstractContextManager[Any]:
        """Hold lanes against the other threads."""
        return self._lanes.held(lanes)

    def alone(self, task: str, *, wait: Callable[[], bool] | None = None) -> AbstractContextManager[bool]:
        """Be the only thread at a task."""
        return self._tasks.alone(task, wait)

    def counts(self) -> LaneCounts:
        """How many lanes wait and are worked; what a dead process had begun simply waits again."""
        rows = int(self._read(lambda c: c.execute(select(func.count()).select_from(runnable)).scalar_one()))
        with self._change:
            working = len(self._busy)
        return LaneCounts(waiting=max(rows - working, 0), working=working, stalled=0)

    def retry_stalled(self) -> int:
        """Make lanes runnable in which something waits and nobody says so."""

        def work(connection: Connection) -> int:
            known = set(connection.execute(select(runnable.c.lane)).scalars())
            lost = [lane for lane in waiting.lanes(connection) if lane not in known]
            self.put(connection, lost)
            return len(lost)

        found = int(self._write(work))
        if found:
            self.wake()
        return found

    def close(self) -> None:
        """Nothing is open."""

    # The threads

    def _start(self, body: Callable[[], None], workers: int) -> None:
        """Run it in so many threads and wait for all of them; raises what one of them raised, when all have ended."""
        raised: list[BaseException] = []

        def kept() -> None:
            try:
                body()
            except BaseException as error:  # noqa: BLE001  # told by the thread that asked for the work
                raised.append(error)

        threads = [threading.Thread(target=kept, name=f"lane-{n}") for n in range(1, workers)]
        for thread in threads:
            thread.start()
        kept()
        for thread in threads:
            thread.join()
        if raised:
            raise raised[0]

    def _go_on(self, work: Callable[[str], None], stopped: Callable[[], bool], together: Together) -> None:
        looked = 0.0
        while not stopped():
            with self._change:
                seen = self._changes
            found: list[tuple[str, int]] = []
            try:
                if time.monotonic() - looked > LONGEST_DELAY:
                    self.retry_stalled()
                    looked = time.monotonic()
                found = self._next(together)
            except StoreDown:
                pass
            except Exception:  # noqa: BLE001  # a worker that dies in silence leaves the lanes to nobody
                _LOG.exception("a worker of the lanes cannot look for one, and looks again")
            if found:
                self._worked(found, work, together, stopped)
            else:
                self._pause(seen, stopped)

    def _pause(self, seen: int, stopped: Callable[[], bool]) -> None:
        until = time.monotonic() + _POLL
        with self._change:
            while self._changes == seen and not stopped() and time.monotonic() < until:
                self._change.wait(PATIENCE)

    def _next(self, together: Together) -> list[tuple[str, int]]:
        """The lanes that are runnable longest and that nobody works, with their versions; they are worked from now on.

        One, or several where they are worked together.
        """
        wanted = 1 if together is None else TOGETHER
        with self._change:
            now = time.monotonic()
            later = {lane for lane, at in self._later.items() if at > now}
            most = len(self._busy) + len(later) + wanted
            rows = self._read(lambda c: c.execute(_FIRST, {"most": most}).all())
            free = [(str(lane), int(version)) for lane, version in rows if lane not in self._busy and lane not in later]
            self._busy.update(lane for lane, _ in free[:wanted])
            return free[:wanted]

    def _worked(
        self,
        found: Sequence[tuple[str, int]],
        work: Callable[[str], None],
        together: Together,
        stopped: Callable[[], bool],
    ) -> None:
        mine = dict(found)
        try:
            if together is not None and len(mine) > 1:
                for lane in self._done_together(mine, together):
                    del mine[lane]
            while mine and not stopped():
                lane = next(iter(mine))
                self._worked_alone(lane, mine.pop(lane), work)
        finally:
            self._let_go(mine)

    def _done_together(
        self, lanes: dict[str, int], together: Callable[[Sequence[str]], Collection[str]]
    ) -> Collection[str]:
        """Those of the lanes that are done with after they were worked together; they are nobody's then."""
        try:
            done = together(list(lanes))
            self._write(lambda connection: _finish(connection, {lane: lanes[lane] for lane in done}))
        except Exception:  # noqa: BLE001  # each is worked by itself, and tells
            return ()
        with self._change:
            for lane in done:
                self._failures.pop(lane, None)
                self._later.pop(lane, None)
        self._let_go(done)
        return done

    def _worked_alone(self, lane: str, version: int, work: Callable[[str], None]) -> None:
        try:
            work(lane)
            self._write(lambda connection: _finish(connection, {lane: version}))
        except Exception:  # noqa: BLE001  # whoever works tells of it; the lane comes again
            with self._change:
                self._failures[lane] = self._failures.get(lane, 0) + 1
                self._later[lane] = time.monotonic() + delay(self._failures[lane])
        else:
            with self._change:
                self._failures.pop(lane, None)
                self._later.pop(lane, None)
        finally:
            self._let_go([lane])

    def _let_go(self, lanes: Iterable[str]) -> None:
        with self._change:
            self._busy.difference_update(lanes)
            self._changes += 1
            self._change.notify_all()


def _finish(connection: Connection, lanes: dict[str, int]) -> None:
    for lane, version in lanes.items():
        if connection.execute(_DONE, {"worked": lane, "begun": version}).rowcount == 0:
            connection.execute(_TO_THE_END, {"worked": lane})


def _is_a_queue(queue: LaneThreads) -> LaneQueue:
    """Nobody calls this: the type checker holds the class to its port here."""
    return queue
