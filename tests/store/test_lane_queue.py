"""The queue of lanes: one contract for threads over SQLite and for jobs of PostgreSQL."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.errors import StoreDown
from adapters.model.people import Identifier, PersonHint
from adapters.ports import LaneCounts
from adapters.store import Share, SqlStore
from adapters.store.lanes import threads as lane_threads
from adapters.store.lanes.jobs import LaneJobs, Pace

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def brisk(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long in a test, and nothing is mended by what comes around every minute."""
    monkeypatch.setattr(lane_threads, "FIRST_DELAY", 0.05)
    if isinstance(store.queue, LaneJobs):
        store.queue.pace = Pace(retries="0 0 1 1 *", poll=0.1)


@pytest.fixture
def people(store: SqlStore) -> Callable[[int], list[str]]:
    """Makes persons; their lanes."""
    return lambda count: [store.person(PersonHint((Identifier("mrn", str(n)),)), "aria") for n in range(count)]


@pytest.fixture
def arrive(store: SqlStore, make: SimpleNamespace) -> Callable[..., str]:
    """One message, sorted into these lanes; its entry."""
    number = itertools.count()

    def one(*lanes: str) -> str:
        n = next(number)
        entry = store.receive(make.receipt(b"MSH|%d" % n, control=str(n))).entry
        (found,) = store.entries([entry])
        store.sort([Share(entry, found.seq, lane, (part,), len(lanes)) for part, lane in enumerate(lanes)])
        return entry

    return one


class Log:
    """Works lanes as the program does, and notes in which order and whether two ever worked one."""

    def __init__(self, store: SqlStore, now: Any) -> None:
        self._store = store
        self._now = now
        self._guard = threading.Lock()
        self._busy: set[str] = set()
        self.read: dict[str, list[str]] = defaultdict(list)
        self.calls: list[str] = []
        self.most = 0
        self.together: list[str] = []

    def __call__(self, lane: str) -> None:
        with self._guard:
            if lane in self._busy:
                self.together.append(lane)
            self._busy.add(lane)
            self.calls.append(lane)
            self.most = max(self.most, len(self._busy))
        try:
            with self._store.queue.held([lane]):
                shares = self._store.waiting(lane)
                time.sleep(0.003)
                record = self._store.load(lane)
                self._store.save(record, record, left=[share.entry for share in shares], tick=self._now)
                self.read[lane] += [share.entry for share in shares]
        finally:
            with self._guard:
                self._busy.discard(lane)


@pytest.fixture
def log(store: SqlStore, make: SimpleNamespace) -> Log:
    """Works lanes and takes notes."""
    return Log(store, make.NOW)


@contextlib.contextmanager
def working(store: SqlStore, work: Callable[[str], None], workers: int = 4) -> Iterator[threading.Event]:
    """Workers beside the test; they end with it."""
    stop = threading.Event()
    thread = threading.Thread(target=store.queue.run, args=(work,), kwargs={"workers": workers, "stopped": stop.is_set})
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def until(there: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it came to that in time."""
    last = time.monotonic() + seconds
    while not there():
        if time.monotonic() > last:
            return False
        time.sleep(0.01)
    return True


def put(store: SqlStore, *lanes: str) -> None:
    """Make lanes runnable."""
    store._write(lambda connection: store.queue.put(connection, lanes))
    store.queue.wake()


# Order


def test_four_workers_keep_the_order_of_each_lane_and_share_none(store, people, arrive, log) -> None:
    lanes = people(12)
    sent = defaultdict(list)
    with working(store, log):
        for n in range(72):
            lane = lanes[n * 7 % 12]
            sent[lane].append(arrive(lane))
        assert until(lambda: store.counts().unread == 0)
    assert log.together == []
    assert log.most > 1
    assert log.read == sent
    assert store.at_hand(9, "exception").lanes == ()
    assert store.queue.counts() == LaneCounts(0, 0, 0)


def test_many_messages_are_one_job(store, people, arrive, log) -> None:
    (lane,) = people(1)
    sent = [arrive(lane) for _ in range(20)]
    assert store.queue.counts() == LaneCounts(1, 0, 0)
    store.queue.drain(log, workers=4)
    assert log.calls == [lane]
    assert log.read[lane] == sent
    assert store.counts().unread == 0


def test_a_lane_put_while_it_is_worked_is_worked_again_and_not_at_once(store, people, arrive, log) -> None:
    (lane,) = people(1)
    first = arrive(lane)
    more: list[str] = []

    def work(lane: str) -> None:
        log(lane)
        if not more:
            more.append(arrive(lane))

    store.queue.drain(work, workers=4)
    assert log.together == []
    assert log.read[lane] == [first, *more]


def test_a_lane_that_was_put_again_goes_to_the_end(store, people, log) -> None:
    lanes = people(3)
    put(store, *lanes)
    again = [lanes[0]]

    def work(lane: str) -> None:
        log(lane)
        if again:
            put(store, again.pop())

    store.queue.drain(work, workers=1)
    assert log.calls == [*lanes, lanes[0]]


def test_several_are_worked_together_and_what_is_not_done_with_alone(store, people, arrive, log) -> None:
    """A queue that hands out one lane at a time never asks; then each is worked alone."""
    lanes = people(6)
    sent = {lane: [arrive(lane)] for lane in lanes}
    asked: list[list[str]] = []

    def together(some: Sequence[str]) -> list[str]:
        asked.append(list(some))
        done = [lane for lane in some if lane != lanes[2]]
        for lane in done:
            log(lane)
        return done

    store.queue.drain(log, workers=1, together=together)
    assert asked in ([], [lanes])
    assert sorted(log.calls) == sorted(lanes)
    assert not asked or log.calls[-1] == lanes[2]
    assert log.read == sent
    assert store.queue.counts() == LaneCounts(0, 0, 0)


def test_several_that_fail_together_are_each_worked_alone(store, people, arrive, log) -> None:
    lanes = people(4)
    for lane in lanes:
        arrive(lane)

    def together(_some: Sequence[str]) -> list[str]:
        raise StoreDown("away")

    def work(lane: str) -> None:
        if lane == lanes[1]:
            raise ZeroDivisionError
        log(lane)

    store.queue.drain(work, workers=2, together=together)
    assert sorted(log.calls) == sorted(lane for lane in lanes if lane != lanes[1])
    assert log.together == []
    assert store.queue.counts() == LaneCounts(1, 0, 0)


def test_several_that_are_put_while_they_are_worked_together_come_again(store, people, arrive, log) -> None:
    lanes = people(3)
    for lane in lanes:
        arrive(lane)
    more: list[str] = []

    def work(lane: str) -> None:
        log(lane)
        if not more:
            more.append(arrive(lanes[0]))

    def together(some: Sequence[str]) -> list[str]:
        for lane in some:
            work(lane)
        return list(some)

    store.queue.drain(work, workers=1, together=together)
    assert log.together == []
    assert len(log.read[lanes[0]]) == 2
    assert store.counts().unread == 0
    assert store.queue.counts() == LaneCounts(0, 0, 0)


# Transactions


def test_a_put_goes_back_with_its_transaction(store, people, arrive, log) -> None:
    kept, gone = people(2)
    put(store, kept)

    def spoiled(connection: Any) -> None:
        store.queue.put(connection, [kept, gone])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store._write(spoiled)
    assert store.queue.counts().waiting == 1
    store.queue.drain(log, workers=2)
    assert log.calls == [kept]


def test_a_worker_that_looks_too_early_looks_again(store, people, arrive, log) -> None:
    """A lane is runnable already; a worker begins it before the transaction that puts it again has committed."""
    (lane,) = people(1)
    first = arrive(lane)
    open_, go_on = threading.Event(), threading.Event()
    sort = store.sort
    slow = store.queue.put

    def slowly(connection: Any, lanes: Any) -> None:
        slow(connection, lanes)
        open_.set()
        # A store in memory has one connection, which a worker would wait for.
        go_on.wait(0.5)

    store.queue.put = slowly
    arriving = threading.Thread(target=arrive, args=(lane,))
    arriving.start()
    assert open_.wait(10)
    with working(store, log):
        assert until(lambda: store.counts().journal == 2 and store.counts().unread == 0)
    arriving.join(10)
    assert sort == store.sort
    assert log.read[lane][0] == first
    assert len(log.read[lane]) == 2


def test_an_entry_of_two_lanes_is_taken_with_the_last(store, people, arrive, log) -> None:
    one, other = people(2)
    entry = arrive(one, other)
    log(one)
    assert (store.counts().unread, store.counts().waiting, store.counts().taken) == (1, 1, 0)
    log(other)
    assert (store.counts().unread, store.counts().taken) == (0, 1)
    assert store.trace(entry).persons == tuple(sorted((one, other)))


# Faults


def test_a_lane_that_fails_keeps_no_other_waiting_and_comes_again(store, people, arrive, log) -> None:
    lanes = people(9)
    bad = lanes[4]
    mended = threading.Event()

    def work(lane: str) -> None:
        if lane == bad and not mended.is_set():
            raise ZeroDivisionError("Canaryfeather")
        log(lane)

    for lane in lanes:
        arrive(lane)
    with working(store, work, workers=2):
        assert until(lambda: store.counts().unread == 1, seconds=10)
        assert store.at_hand(9, "exception").lanes == (bad,)
        assert sorted(log.calls) == sorted(set(lanes) - {bad})
        mended.set()
        assert until(lambda: store.counts().unread == 0, seconds=10)
    assert len(log.read[bad]) == 1


def test_the_pause_after_a_failure_grows_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert [lane_threads.delay(n) for n in (1, 2, 3, 7, 100)] == [1.0, 2.0, 4.0, 60.0, 60.0]


def test_what_waits_while_no_job_says_so_is_found(store, people, arrive, log) -> None:
    lane, other = people(2)
    arrive(lane)
    table = "procrastinate_jobs" if isinstance(store.queue, LaneJobs) else "runnable"
    store._write(lambda c: c.exec_driver_sql(f"DELETE FROM {table}") and None)  # noqa: S608  # our own name
    arrive(other)
    store.queue.drain(log, workers=1)
    assert log.calls == [other]
    assert store.queue.retry_stalled() == 1
    store.queue.drain(log, workers=1)
    assert log.calls == [other, lane]
    assert store.queue.retry_stalled() == 0


def test_workers_that_are_told_to_stop_finish_what_they_began_and_begin_nothing(store, people, log) -> None:
    lanes = people(6)
    put(store, *lanes)
    begun, go_on = threading.Semaphore(0), threading.Event()

    def work(lane: str) -> None:
        begun.release()
        assert go_on.wait(20)
        log(lane)

    with working(store, work, workers=2) as stop:
        assert begun.acquire(timeout=20)
        assert begun.acquire(timeout=20)
        assert store.queue.counts().working == 2
        stop.set()
        time.sleep(0.2)
        go_on.set()
    assert len(log.calls) == 2
    assert store.queue.counts() == LaneCounts(4, 0, 0)
    store.queue.drain(log, workers=2)
    assert sorted(log.calls) == sorted(lanes)


def test_workers_told_to_stop_begin_none_of_those_that_were_to_be_worked_together(store, people, log) -> None:
    lanes = people(6)
    put(store, *lanes)
    stop = threading.Event()

    def work(lane: str) -> None:
        log(lane)
        stop.set()
        time.sleep(0.2)

    store.queue.run(work, workers=1, stopped=stop.is_set, together=lambda _some: [])
    assert len(log.calls) == 1
    assert store.queue.counts() == LaneCounts(5, 0, 0)
    store.queue.drain(log, workers=2)
    assert sorted(log.calls) == sorted(lanes)


# Holding


def test_two_lanes_held_in_opposite_order_never_wait_for_each_other(store, people) -> None:
    one, other = people(2)
    inside: list[int] = []
    count = 0

    def hold(lanes: tuple[str, str]) -> None:
        nonlocal count
        for _ in range(40):
            with store.queue.held(lanes):
                inside.append(1)
                count += 1
                assert len(inside) == 1
                inside.pop()

    threads = [threading.Thread(target=hold, args=(lanes,)) for lanes in ((one, other), (other, one)) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert count == 160


def test_other_lanes_are_not_held(store, people) -> None:
    one, other = people(2)
    got = threading.Event()

    def hold() -> None:
        with store.queue.held([other]):
            got.set()

    with store.queue.held([one]):
        thread = threading.Thread(target=hold)
        thread.start()
        assert got.wait(10)
    thread.join(10)


def test_a_thread_asks_for_all_lanes_at_once(store, people) -> None:
    one, other = people(2)
    with store.queue.held([one]), pytest.raises(RuntimeError, match="holds lanes already"), store.queue.held([other]):
        pass
        # What it holds it still holds, and lets go of in the end.
    with store.queue.held([one, other, one]):
        pass


def test_one_is_alone_at_a_task(store) -> None:
    with store.queue.alone("sorting") as mine, store.queue.alone("calling") as also:
        assert (mine, also) == (True, True)
        found: list[bool] = []

        def ask(**how: Any) -> None:
            with store.queue.alone("sorting", **how) as other:
                found.append(other)

        asking = [threading.Thread(target=ask), threading.Thread(target=ask, kwargs={"wait": lambda: False})]
        for thread in asking:
            thread.start()
            thread.join(10)
        assert found == [False, False]
        patient = threading.Thread(target=ask, kwargs={"wait": lambda: True})
        patient.start()
        time.sleep(0.1)
        assert found == [False, False]
    patient.join(10)
    assert found == [False, False, True]
    with store.queue.alone("sorting") as mine:
        assert mine


# Sorting


def test_only_what_is_unread_is_sorted(store, people, arrive, make) -> None:
    one, other = people(2)
    entry = arrive(one)
    (found,) = store.entries([entry])
    store.sort([Share(entry, found.seq, other)])
    assert store.waiting(other) == ()
    assert [share.entry for share in store.waiting(one)] == [entry]
    record = store.load(one)
    store.save(record, record, left=[entry], tick=make.NOW)
    store.sort([Share(entry, found.seq, other)])
    assert store.at_hand(9, "exception").lanes == ()


def test_what_is_parked_waits_nowhere_and_is_sorted_anew_when_it_is_read_again(store, people, arrive, make) -> None:
    from adapters.model.record import Parked

    one, other = people(2)
    entry = arrive(one, other)
    store.park(Parked(entry, "exception", "ZeroDivisionError"), make.work("", 1))
    assert store.at_hand(9, "exception").lanes == ()
    assert store.at_hand(9, "exception").unread == ()
    assert store.unpark(entry)
    assert [found.id for found in store.at_hand(9, "exception").unread] == [entry]
    # A worker that had read it before does not take it now: it is unread again.
    record = store.load(one)
    store.save(record, record, left=[entry], tick=make.NOW)
    assert [found.id for found in store.at_hand(9, "exception").unread] == [entry]


def test_what_is_sorted_can_be_sorted_anew(store, people, arrive) -> None:
    one, other = people(2)
    entry = arrive(one, other)
    assert store.at_hand(9, "exception").unread == ()
    assert [found.id for found in store.unread(9)] == [entry]
    store.unsort(entry)
    assert store.at_hand(9, "exception").lanes == ()
    assert [found.id for found in store.at_hand(9, "exception").unread] == [entry]
    store.unsort(entry)
    assert [found.id for found in store.at_hand(9, "exception").unread] == [entry]


def test_verify_names_an_entry_that_waits_nowhere(store, people, arrive) -> None:
    (lane,) = people(1)
    entry = arrive(lane)
    assert store.verify() == ()
    store._write(lambda c: c.exec_driver_sql("DELETE FROM waiting") and None)
    assert [fault.split(":")[0] for fault in store.verify()] == [f"queue|{entry}"]
    store._write(lambda c: c.exec_driver_sql("UPDATE queue SET state = 'unread'") and None)
    assert store.verify() == ()
