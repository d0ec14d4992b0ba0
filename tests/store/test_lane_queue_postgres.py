"""Lanes as jobs of PostgreSQL: workers that are killed, several processes, another schema, and what a job tells."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.errors import StoreDown
from adapters.model.people import Identifier, PersonHint
from adapters.store import KeyRing, Share, SqlStore, open_store
from adapters.store.lanes import jobs as lane_jobs
from adapters.store.lanes.jobs import Pace

pytestmark = pytest.mark.system

QUICK = Pace(heartbeat=0.2, stalled=1.0, retries="* * * * * *", poll=0.1)
"""A worker is dead after a second, and looked for every second."""
QUIET = Pace(retries="0 0 1 1 *", poll=0.1)
"""Nothing is mended by what comes around every minute."""

# Works lanes: takes what waits, writes one work item for each message, says so. It stops dead in the lane given as its
# last argument, before or after the save.
WORKER = """
import sys, time, uuid
from dataclasses import replace
from datetime import UTC, datetime
from adapters.model.work import open_item
from adapters.store import KeyRing, open_store

url, side, stuck = sys.argv[1:]
now = datetime(2026, 3, 2, 15, tzinfo=UTC)
with open_store(url, KeyRing.ephemeral("tests")) as store:
    def work(lane):
        print("begun", lane, flush=True)
        with store.queue.held([lane]):
            if lane == stuck and side == "before":
                print("stuck", flush=True)
                time.sleep(1000)
            shares = store.waiting(lane)
            record = store.load(lane)
            items = tuple(
                open_item("hold", "no-coverage", str(uuid.uuid4()), category="billing", action="ask", opened=now, person=lane)
                for _ in shares
            )
            left = [share.entry for share in shares]
            store.save(record, replace(record, work=record.work + items), read=left, left=left, tick=now)
            if lane == stuck and side == "after":
                print("stuck", flush=True)
                time.sleep(1000)
    store.queue.run(work, workers=2, stopped=lambda: False)
"""


@pytest.fixture
def url(postgres, postgres_database: str) -> str:
    """A database with an empty store in it."""
    return postgres.url(postgres_database)


@pytest.fixture
def store(url: str, keys: KeyRing, make: SimpleNamespace) -> Iterator[SqlStore]:
    """The store in it."""
    with open_store(url, keys, SimpleNamespace(now=lambda: make.NOW)) as opened:
        opened.queue.pace = QUIET
        yield opened
        assert opened.verify() == ()


def arrived(store: SqlStore, make: SimpleNamespace, lanes: int, each: int) -> list[str]:
    """So many messages in each of so many lanes, sorted; the lanes."""
    people = [store.person(PersonHint((Identifier("mrn", str(n)),)), "aria") for n in range(lanes)]
    for n, lane in itertools.product(range(each), people):
        control = f"{n}-{lane}"
        entry = store.receive(make.receipt(control.encode(), control=control)).entry
        (found,) = store.entries([entry])
        store.sort([Share(entry, found.seq, lane, (0,), 1)])
    return people


def worker(url: str, side: str = "", stuck: str = "") -> subprocess.Popen[str]:
    """A process with workers."""
    return subprocess.Popen([sys.executable, "-c", WORKER, url, side, stuck], stdout=subprocess.PIPE, text=True)


def working(store: SqlStore, make: SimpleNamespace) -> Callable[[str], None]:
    """Does what the processes do."""

    def work(lane: str) -> None:
        with store.queue.held([lane]):
            shares = store.waiting(lane)
            record = store.load(lane)
            items = tuple(replace(make.work(lane, 1), id=str(uuid.uuid4())) for _ in shares)
            left = [share.entry for share in shares]
            store.save(record, replace(record, work=record.work + items), read=left, left=left, tick=make.NOW)

    return work


def until(there: Callable[[], bool], seconds: float = 30) -> bool:
    """Whether it came to that in time."""
    last = time.monotonic() + seconds
    while not there():
        if time.monotonic() > last:
            return False
        time.sleep(0.02)
    return True


def once_each(store: SqlStore, sent: dict[str, int]) -> None:
    """Every message of each lane had its effect once, and no tick of a lane names one twice."""
    assert {lane: len(store.load(lane).work) for lane in sent} == sent
    read = [id for e in store.journal(limit=10**6) if e.actor == "clock" for id in json.loads(e.body)["taken"]]
    assert sorted(read) == sorted(set(read))
    assert len(read) == sum(sent.values())


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_worker_killed_in_the_middle_loses_nothing_and_doubles_nothing(store, url, make, side: str) -> None:
    lanes = arrived(store, make, 6, 5)
    process = worker(url, side, lanes[0])
    assert process.stdout is not None
    said = iter(process.stdout.readline, "")
    assert "stuck" in (line.strip() for line in said)
    assert until(lambda: store.queue.counts().waiting == 0 and store.queue.counts().working == 1)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    store.queue.pace = QUICK
    assert until(lambda: store.queue.counts().stalled == 1)
    late = store.receive(make.receipt(b"late", control="late")).entry
    (found,) = store.entries([late])
    store.sort([Share(late, found.seq, lanes[0], (0,), 1)])  # another job of the lane stands beside the dead one
    stop = threading.Event()
    arguments = {"workers": 2, "stopped": stop.is_set}
    thread = threading.Thread(target=store.queue.run, args=(working(store, make),), kwargs=arguments)
    thread.start()
    try:
        assert until(lambda: store.counts().unread == 0)
        assert until(lambda: sum(_counts(store)) == 0)
    finally:
        stop.set()
        thread.join(30)
    once_each(store, {lane: 5 + (lane == lanes[0]) for lane in lanes})


def _answers(store: SqlStore) -> bool:
    """Whether the store reads and writes; the first call after a cut finds out, and the next one connects again."""
    try:
        store._write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())
        store.counts()
    except StoreDown:
        return False
    return True


def _counts(store: SqlStore) -> tuple[int, int, int]:
    found = store.queue.counts()
    return found.waiting, found.working, found.stalled


def test_processes_share_the_lanes(store, url, make) -> None:
    lanes = arrived(store, make, 24, 3)
    processes = [worker(url) for _ in range(3)]
    try:
        assert until(lambda: store.counts().unread == 0, 60)
        # What comes while they run is shared as well.
        lanes = arrived(store, make, 24, 6)
        assert until(lambda: store.counts().unread == 0, 60)
        assert until(lambda: sum(_counts(store)) == 0)
    finally:
        for process in processes:
            process.kill()
    begun = [process.communicate()[0].count("begun") for process in processes]
    assert min(begun) > 0
    once_each(store, dict.fromkeys(lanes, 6))


def test_a_lane_is_held_in_all_processes(store, url, keys: KeyRing, make) -> None:
    (lane,) = arrived(store, make, 1, 1)
    with open_store(url, keys) as other:
        order: list[str] = []

        def hold() -> None:
            with other.queue.held([lane]):
                order.append("other")

        thread = threading.Thread(target=hold)
        with store.queue.held([lane]), store.queue.alone("sorting") as mine, other.queue.alone("sorting") as also:
            assert (mine, also) == (True, False)
            thread.start()
            thread.join(0.3)
            order.append("first")
        thread.join(10)
        assert order == ["first", "other"]


def test_two_processes_that_hold_two_lanes_never_wait_for_each_other(store, url, keys: KeyRing, make) -> None:
    one, two = arrived(store, make, 2, 1)
    with open_store(url, keys) as other:
        count = itertools.count()

        def hold(which: SqlStore, lanes: tuple[str, str]) -> None:
            for _ in range(40):
                with which.queue.held(lanes):
                    next(count)

        threads = [threading.Thread(target=hold, args=said) for said in ((store, (one, two)), (other, (two, one)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert next(count) == 80


def test_a_job_that_its_worker_is_not_at_is_begun_again(store, make) -> None:
    """The server went when the worker wanted to say that the job was done: the worker lives, and the job stands."""
    (lane,) = arrived(store, make, 1, 1)
    store.queue.pace = QUICK
    stop = threading.Event()
    calls: list[str] = []

    def work(lane: str) -> None:
        calls.append(lane)
        working(store, make)(lane)

    thread = threading.Thread(target=store.queue.run, args=(work,), kwargs={"workers": 2, "stopped": stop.is_set})
    thread.start()
    try:
        assert until(lambda: store.counts().unread == 0 and sum(_counts(store)) == 0)
        put = "INSERT INTO procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args, status, worker_id) "
        of_lane = "SELECT 'lanes', 'lane', %s, %s, jsonb_build_object('lane', %s::text), 'doing', max(id) "
        said = f"{put}{of_lane}FROM procrastinate_workers"
        store._write(lambda c: c.exec_driver_sql(said, (lane,) * 3) and None)
        assert until(lambda: len(calls) == 2 and sum(_counts(store)) == 0)
    finally:
        stop.set()
        thread.join(30)


def test_a_store_in_a_schema_of_its_own_has_its_jobs_there(postgres, keys: KeyRing, make) -> None:
    name = postgres.make()
    postgres.run("CREATE SCHEMA clinic", "CREATE SCHEMA other", database=name)
    place = postgres.url(name) + "&options=-csearch_path%3D"
    with (
        open_store(f"{place}clinic", keys, create=True) as one,
        open_store(f"{place}other", keys, create=True) as other,
    ):
        one.queue.pace = other.queue.pace = QUIET
        lanes = arrived(one, make, 2, 2)
        same = arrived(other, make, 2, 1)
        assert lanes == same  # one key ring: the same persons
        with one.queue.held(lanes), other.queue.alone("sorting"):
            other.queue.drain(working(other, make), workers=2)
        assert (one.counts().unread, other.counts().unread) == (4, 0)
        assert _counts(one) == (2, 0, 0)
        one.queue.drain(working(one, make), workers=2)
        assert one.counts().unread == 0
        assert one.verify() == other.verify() == ()
    assert postgres.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", name) == 0


def test_a_job_holds_the_id_of_its_lane_and_nothing_else(store, postgres, postgres_database: str, make) -> None:
    lanes = arrived(store, make, 3, 4)
    with postgres.connect(postgres_database) as raw:
        rows = raw.execute("SELECT lock, queueing_lock, args FROM procrastinate_jobs").fetchall()
        assert sorted(rows) == sorted((lane, lane, {"lane": lane}) for lane in lanes)
        text = raw.execute("SELECT procrastinate_jobs::text FROM procrastinate_jobs").fetchall()
        assert make.FAMILY not in str(text)
    store.queue.drain(working(store, make), workers=2)
    assert postgres.ask("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'lane'", postgres_database) == 0


def test_the_tables_of_the_jobs_are_vacuumed_after_a_number_of_changes(postgres, postgres_database: str) -> None:
    for table in lane_jobs.TABLES[:3]:
        asked = f"SELECT reloptions FROM pg_class WHERE relname = '{table}' AND relkind = 'r'"  # noqa: S608
        found: Any = postgres.ask(asked, postgres_database)
        said = dict(option.split("=") for option in found)
        assert said == {
            "autovacuum_vacuum_threshold": "500",
            "autovacuum_vacuum_scale_factor": "0",
            "autovacuum_vacuum_insert_threshold": "500",
            "autovacuum_vacuum_insert_scale_factor": "0",
            "autovacuum_analyze_threshold": "500",
            "autovacuum_analyze_scale_factor": "0",
        }


def test_the_tables_of_the_jobs_are_those_that_the_migration_was_written_for() -> None:
    """A newer procrastinate comes with migrations of its own: then ours needs another revision that runs them."""
    import hashlib

    from procrastinate.schema import SchemaManager

    assert hashlib.sha256(SchemaManager.get_schema().encode()).hexdigest() == SCHEMA


SCHEMA = "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"


def test_a_server_that_goes_ends_no_worker(new_postgres, keys: KeyRing, make) -> None:
    server = new_postgres()
    with open_store(server.url(server.make()), keys, SimpleNamespace(now=lambda: make.NOW), create=True) as store:
        store.queue.pace = QUICK
        stop = threading.Event()
        arguments = {"workers": 2, "stopped": stop.is_set}
        thread = threading.Thread(target=store.queue.run, args=(working(store, make),), kwargs=arguments)
        thread.start()
        try:
            arrived(store, make, 4, 2)
            assert until(lambda: store.counts().unread == 0)
            server.kill()
            time.sleep(0.3)
            server.start()
            assert until(lambda: _answers(store))
            lanes = arrived(store, make, 4, 4)
            assert until(lambda: store.counts().unread == 0)
        finally:
            stop.set()
            thread.join(60)
        assert not thread.is_alive()
        once_each(store, dict.fromkeys(lanes, 4))


def test_workers_stop_while_the_server_is_away(new_postgres, keys: KeyRing, make) -> None:
    server = new_postgres()
    with open_store(server.url(server.make()), keys, SimpleNamespace(now=lambda: make.NOW), create=True) as store:
        store.queue.pace = QUICK
        stop = threading.Event()
        arguments = {"workers": 2, "stopped": stop.is_set}
        thread = threading.Thread(target=store.queue.run, args=(working(store, make),), kwargs=arguments)
        thread.start()
        try:
            arrived(store, make, 2, 1)
            assert until(lambda: store.counts().unread == 0)
            server.kill()
            time.sleep(1)
        finally:
            stop.set()
            thread.join(15)
        assert not thread.is_alive()
        server.start()
