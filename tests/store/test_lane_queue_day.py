"""A clinic's weeks worked by three processes on PostgreSQL end in the records that one process gives on SQLite."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from adapters.demo import day
from adapters.model.record import PersonRecord
from adapters.pipeline.fold import fold
from adapters.pipeline.receive import receive_fhir, receive_v2
from adapters.serve.lanes import Lanes
from adapters.store import KeyRing, differences
from adapters.wiring import WalkedClock, Wired, wire
from fhir_server_stub.course import Outgoing
from fhir_server_stub.payer import Stub
from fhir_server_stub.scenario import Scenario
from fhir_server_stub.server import running
from fhir_server_stub.story import make_story

pytestmark = pytest.mark.system

SEEDS = range(1, 9)
# The role `worker` of a service, with a clock that standard input walks on, until that ends.
WORKER = """
import sys
from datetime import datetime, timedelta
from pathlib import Path
from adapters.serve.lanes import Lanes
from adapters.settings import Settings
from adapters.wiring import WalkedClock, wire

store, site, keys, at = sys.argv[1:]
settings = Settings(store=store, site=Path(site), keys=Path(keys))
clock = WalkedClock(datetime.fromisoformat(at))
with wire(settings, clock=clock) as wired:
    lanes = Lanes(wired.store, wired.house, wired.payers, wired.clock)
    lanes.start(["worker"], every=timedelta(milliseconds=20))
    print("started", flush=True)
    for line in sys.stdin:
        clock.walk(datetime.fromisoformat(line.strip()))
        print("walked", flush=True)
    lanes.stop()
    print(lanes.steps, flush=True)
"""


def days() -> Iterator[tuple[datetime, list[Outgoing]]]:
    """What an EHR says of some courses, day by day, with the evening of each."""
    messages = sorted(
        (message for seed in SEEDS for message in make_story(seed).messages), key=lambda message: message.at
    )
    for day_, those in itertools.groupby(messages, key=lambda message: message.at.date()):
        yield datetime.combine(day_, datetime.max.time(), messages[0].at.tzinfo).astimezone(UTC), list(those)


def receive(wired: Wired, message: Outgoing) -> None:
    """One message, as the doors take it."""
    at = message.at.astimezone(UTC)
    if message.channel == "mllp":
        intake = receive_v2(message.wire, listener="mosaiq", peer="", site=wired.site, now=at, ack_id="T")
    else:
        intake = receive_fhir(message.wire, feed="ehr", path_type="Bundle", method="POST", now=at)
    assert intake.receipt is not None
    wired.store.receive(intake.receipt)


def until(there: Callable[[], bool], seconds: float = 90) -> bool:
    """Whether it came to that in time."""
    last = time.monotonic() + seconds
    while not there():
        if time.monotonic() > last:
            return False
        time.sleep(0.02)
    return True


def test_three_processes_leave_what_one_leaves(postgres, tmp_path: pathlib.Path) -> None:
    KeyRing.generate(tmp_path / "keys")
    clock = WalkedClock(next(days())[0])

    @contextlib.contextmanager
    def opened(folder: pathlib.Path, **more: str) -> Iterator[Wired]:
        with running(Stub(Scenario(), now=clock.now)) as address:
            settings = day.lay_out(folder, address).model_copy(update={"keys": tmp_path / "keys", **more})
            with wire(settings, clock=clock, create=True) as wired:
                yield wired

    with opened(tmp_path / "one") as one:
        lanes = Lanes(one.store, one.house, one.payers, one.clock)
        for evening, messages in days():
            clock.walk(evening)
            for message in messages:
                receive(one, message)
            lanes.work()
            lanes.run_due()
        here = left(one)
    with opened(tmp_path / "many", store=postgres.url(postgres.make())) as many:
        steps = worked_by_processes(many, clock, 3)
        there = left(many)
    # Each had a part in it, and a lane with news was stepped once an evening.
    assert min(steps) > len(SEEDS)
    assert [record.person for record in there] == [record.person for record in here]
    assert len(here) == len(SEEDS)
    assert [fault for one, other in zip(here, there, strict=True) for fault in differences(one, other)] == []


def left(wired: Wired) -> list[PersonRecord]:
    """The records in the end; the journal folds to them, byte for byte."""
    store = wired.store
    counts = store.counts()
    assert (counts.unread, [parked.reason for parked in store.parked()]) == (0, [])
    assert store.verify(unsealed=True) == ()
    again = fold(store.journal(limit=10**6), wired.house, store.person)
    records = [store.load(person) for person in store.lanes()]
    for record in records:
        assert list(differences(record, again.get(record.person))) == []
    assert any(record.entries for record in records)
    return records


def worked_by_processes(wired: Wired, clock: WalkedClock, number: int) -> list[int]:
    """The same days with so many processes that work; how many steps each of them saved."""
    said = wired.settings
    how = (said.store, str(said.site), str(said.keys), clock.now().isoformat())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", WORKER, *how], **pipes) for _ in range(number)]
    lanes = Lanes(wired.store, wired.house, wired.payers, wired.clock)
    try:
        for process in processes:
            assert process.stdout.readline() == "started\n"
        for evening, messages in days():
            clock.walk(evening)
            # Sorted in one round: a lane that is stepped twice an evening drafts a claim more, and abandons it.
            with wired.store.queue.alone("sorting", wait=lambda: True):
                for process in processes:
                    process.stdin.write(f"{evening.isoformat()}\n")
                    process.stdin.flush()
                    assert process.stdout.readline() == "walked\n"
                for message in messages:
                    receive(wired, message)
            assert until(lambda: wired.store.counts().unread == 0)
            lanes.run_due()
    finally:
        ends = [process.communicate("", timeout=60)[0] for process in processes]
    return [int(end) for end in ends]
