"""Intake and work: how fast messages are durably on file, and how fast bytes become outcomes on file.

Durable intake is set beside what the disk can sync. The way from bytes to outcomes is a mix of 60 % registration and
scheduling, 30 % sessions and administrations, 10 % coded charges over forty persons, on one core, on two stores: one in
which everybody is planned and not yet treated, and one in which everybody has had twenty sessions.
"""

from __future__ import annotations

import logging
import os
import shutil
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path

from _clinic import Told, house, mix, shifted
from _common import Figure, Row, folder, keep, machine, on_one_core, table

from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.receive import receive_v2
from adapters.serve.lanes import Lanes
from adapters.store import KeyRing, SqlStore, open_store
from adapters.wiring import WalkedClock

PERSONS = 40
EACH = 30
AIM = 300
ROUNDS = 3
THREADS = (1, 8, 64)
SYNC_SECONDS = 0.5
INTAKE_SECONDS = 1.2
ONE_BY_ONE = 160
PAYERS = PayerClient()
"""Never called: the payers of this site have no address."""


@dataclass(frozen=True, slots=True)
class Worked:
    """One run of the mix: wall and CPU seconds of receiving and of working, by messages."""

    messages: int
    received: float
    worked: float
    cpu: float
    charges: int
    parked: int


# ---------------------------------------------------------------- durable intake


def syncs(at: Path) -> float:
    """Seconds for 4 KiB appended and synced, one writer: what one commit cannot beat on this disk."""
    block = os.urandom(4096)
    handle = os.open(at / "syncs", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        start, done = time.perf_counter(), 0
        while time.perf_counter() < start + SYNC_SECONDS:
            os.write(handle, block)
            getattr(os, "fdatasync", os.fsync)(handle)
            done += 1
        return (time.perf_counter() - start) / done
    finally:
        os.close(handle)


def intake(at: Path, house_: House, told: Sequence[Told]) -> tuple[Figure, dict[int, Figure]]:
    """(the disk, by number of senders): seconds a sync and a message, in interleaved rounds, for disks have moods.

    Each sender waits for its answer before it sends the next.
    """
    disk: list[float] = []
    taken: dict[int, list[float]] = {threads: [] for threads in THREADS}
    for n in range(ROUNDS):
        for threads in THREADS:
            disk.append(syncs(at))
            url = f"sqlite:///{at / f'intake-{threads}-{n}.db'}"
            with open_store(url, KeyRing.ephemeral("bench"), create=True) as store:
                taken[threads].append(_sent(store, house_, told, threads))
    return Figure.of(disk), {threads: Figure.of(rounds) for threads, rounds in taken.items()}


def _sent(store: SqlStore, house_: House, told: Sequence[Told], threads: int) -> float:
    counts = [0] * threads
    stop = threading.Event()

    def send(sender: int) -> None:
        n = 0
        while not stop.is_set():
            message = shifted(told[(sender * 7 + n) % len(told)], sender * 100_000 + n)
            assert receive(store, house_, message, f"peer{sender}").startswith(b"MSH|")
            n += 1
            counts[sender] = n

    running = [threading.Thread(target=send, args=(sender,)) for sender in range(threads)]
    start = time.perf_counter()
    for thread in running:
        thread.start()
    time.sleep(INTAKE_SECONDS)
    stop.set()
    for thread in running:
        thread.join()
    seconds = time.perf_counter() - start
    assert store.counts().unread == sum(counts), "not every answered message is on file"
    return seconds / sum(counts)


def receive(store: SqlStore, house_: House, told: Told, peer: str = "") -> bytes:
    """What the door does with a frame: envelope, answer, journal; gives the answer that may leave now."""
    at = told.at.astimezone(UTC)
    intake_ = receive_v2(told.body, listener=told.feed, peer=peer, site=house_.site, now=at, ack_id="BENCH")
    assert intake_.receipt is not None
    return store.receive(intake_.receipt).answer


# ---------------------------------------------------------------- from bytes to outcomes on file


def prepared(at: Path, house_: House, before: Sequence[Told]) -> Path:
    """A store with all this on file, to be copied for each run."""
    clock = WalkedClock(before[-1].at.astimezone(UTC))
    with open_store(f"sqlite:///{at}", KeyRing.ephemeral("bench"), clock, create=True) as store:
        _receive_all(store, house_, before)
        Lanes(store, house_, PAYERS, clock).work()
        assert store.counts().unread == 0
    return at


def worked(at: Path, house_: House, told: Sequence[Told], *, at_once: bool) -> Worked:
    """Receive the mix and work it: all of it waiting at once, or each message worked before the next one comes."""
    clock = WalkedClock(max(message.at for message in told).astimezone(UTC) + timedelta(hours=1))
    with open_store(f"sqlite:///{at}", KeyRing.ephemeral("bench"), clock) as store:
        lanes = Lanes(store, house_, PAYERS, clock)
        on_file = len(store.charges())
        for lane in store.lanes():  # a service that has been running holds these records in memory
            store.load(lane)
        cpu, start = time.process_time(), time.perf_counter()
        if at_once:
            _receive_all(store, house_, told)
            between = time.perf_counter()
            done = lanes.work()
        else:
            done, between = 0, start
            for message in told:
                receive(store, house_, message)
                done += lanes.work()
        finish = time.perf_counter()
        assert done == len(told), f"{done} of {len(told)} messages were worked"
        counts = store.counts()
        assert counts.unread == 0
        return Worked(
            messages=done,
            received=between - start,
            worked=finish - between,
            cpu=time.process_time() - cpu,
            charges=len(store.charges()) - on_file,
            parked=counts.parked,
        )


def _receive_all(store: SqlStore, house_: House, told: Sequence[Told]) -> None:
    """As a door does it: many on their way at a time, one COMMIT for those that have gathered."""
    waiting = []
    for message in told:
        at = message.at.astimezone(UTC)
        intake_ = receive_v2(message.body, listener=message.feed, peer="", site=house_.site, now=at, ack_id="BENCH")
        assert intake_.receipt is not None
        waiting.append(store.receive_soon(intake_.receipt))
    for answer in waiting:
        answer.result()


def figure(runs: Sequence[Worked]) -> Figure:
    """Seconds a message of whole runs."""
    return Figure.of([(run.received + run.worked) / run.messages for run in runs])


def main() -> None:
    """Measure and print."""
    logging.disable(logging.WARNING)
    house_ = house()
    fresh_before, fresh = mix(PERSONS, EACH, sessions_before=0)
    midway_before, midway = mix(PERSONS, EACH, sessions_before=20)
    print(machine())
    with folder() as at:
        disk, taken = intake(at, house_, fresh)
        pinned = on_one_core()
        stores = {"nobody treated yet": (fresh_before, fresh), "twenty sessions each on file": (midway_before, midway)}
        ready = {name: prepared(at / f"{n}.db", house_, before) for n, (name, (before, _)) in enumerate(stores.items())}
        found: dict[tuple[str, str], list[Worked]] = {}
        for _ in range(ROUNDS):
            for name, (_, told) in stores.items():
                for how, messages in (("all waiting", told), ("one by one", told[:ONE_BY_ONE])):
                    copy = shutil.copyfile(ready[name], at / "run.db")
                    run = worked(copy, house_, messages, at_once=how == "all waiting")
                    found.setdefault((name, how), []).append(run)
                    copy.unlink()
    table(
        f"durable intake, {len(fresh[0].body)}-byte messages and the like: envelope, answer, journal, COMMIT; {ROUNDS} rounds",
        ("", "a second", "min to max", "× one sync each"),
        [
            (
                "disk: 4 KiB and a sync, one writer",
                f"{disk.rate:,.0f}",
                f"{1 / disk.high:,.0f} to {1 / disk.low:,.0f}",
                "1.0",
            ),
            *(
                (
                    f"SQLite, WAL, synchronous=FULL, {threads} senders",
                    f"{f.rate:,.0f}",
                    f"{1 / f.high:,.0f} to {1 / f.low:,.0f}",
                    f"{disk.median / f.median:.1f}",
                )
                for threads, f in taken.items()
            ),
        ],
    )
    rows = []
    for (name, how), runs in found.items():
        f = figure(runs)
        share = statistics.median(run.received / (run.received + run.worked) for run in runs)
        cpu = statistics.median(run.cpu / run.messages for run in runs)
        rows.append(
            (
                f"{name}, {how}",
                f"{f.rate:,.0f}",
                f"{1 / f.high:,.0f} to {1 / f.low:,.0f}",
                f"{cpu * 1e3:.2f} ms",
                f"{share:.0%}" if how == "all waiting" else "",
                f"{runs[0].charges:,}",
                f"{f.rate / AIM:.1f}",
            )
        )
    table(
        f"bytes to outcomes on file, {PERSONS} persons, {len(fresh):,} messages ({ONE_BY_ONE} one by one); "
        f"60 % ADT/SIU, 30 % sessions and administrations, 10 % coded; {pinned}; {ROUNDS} rounds",
        ("", "a second", "min to max", "CPU each", "receiving", "new charges", f"× aim of {AIM}"),
        rows,
    )
    parked = {run.parked for runs in found.values() for run in runs}
    assert parked == {0}, f"messages were parked: {parked}"
    busy, all_fresh = taken[THREADS[-1]], figure(found["nobody treated yet", "all waiting"])
    all_midway = figure(found["twenty sessions each on file", "all waiting"])
    single = figure(found["twenty sessions each on file", "one by one"])
    keep(
        __file__,
        [
            Row(
                f"durable intake, {THREADS[-1]} senders",
                f"{busy.rate:,.0f}/s",
                f"the disk syncs {disk.rate:,.0f} times a second; one sender {taken[1].rate:,.0f}/s",
            ),
            Row(
                "bytes → outcomes on file, one core",
                f"{all_fresh.rate:,.0f}/s",
                f"aim: {AIM}/s; with twenty sessions each on file {all_midway.rate:,.0f}/s",
            ),
            Row(
                "the same, each message worked alone",
                f"{single.median * 1e3:.1f} ms",
                "received, read, derived anew, claims drafted, saved and synced",
            ),
        ],
    )


if __name__ == "__main__":
    main()
