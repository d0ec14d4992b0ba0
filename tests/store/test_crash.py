"""Killed at any moment, a store keeps everything that was acknowledged."""

from __future__ import annotations

import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import hashlib, sys, threading
from datetime import UTC, datetime
from adapters.model.journal import JournalKind
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Due, PersonRecord
from adapters.ports import Receipt
from adapters.store import KeyRing, open_store
from dataclasses import replace

url, round = sys.argv[1], sys.argv[2]
store = open_store(url, KeyRing.ephemeral("crash"), create=True)
lock = threading.Lock()

def say(line):
    with lock:
        sys.stdout.write(line + "\\n")
        sys.stdout.flush()

def send(thread):
    n = 0
    while True:
        n += 1
        body = f"{round}-{thread}-{n}".encode().ljust(1500, b".")
        got = store.receive(Receipt(JournalKind.MESSAGE, "mllp", "A|B", "feed:a", "hl7v2", f"{round}-{thread}-{n}",
            hashlib.sha256(body).hexdigest(), body, b"AA", datetime.now(UTC)))
        say("ACK " + got.entry)

def step():
    person = store.person(PersonHint((Identifier("mrn", "1"),)), "a")
    n = 0
    while True:
        n += 1
        before = store.load(person)
        now = datetime.now(UTC)
        store.save(before, replace(before, due=(*before.due, Due("poll", f"{round}-{n}", now))), tick=now)
        say(f"STEP {round}-{n}")

for thread in range(4):
    threading.Thread(target=send, args=(thread,), daemon=True).start()
step()
"""


@pytest.mark.slow
def test_killed_ten_times_nothing_acknowledged_is_lost(tmp_path: pathlib.Path) -> None:
    from adapters.store import KeyRing, open_store

    url = f"sqlite:///{tmp_path}/crash.db"
    chance = random.Random(20260302)
    acknowledged: set[str] = set()
    steps: list[str] = []
    for turn in range(10):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM, url, str(turn)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(chance.uniform(0.05, 0.5))
        process.send_signal(signal.SIGKILL)
        # The last line may be cut in half by the kill.
        lines += process.stdout.read().splitlines(keepends=True)
        process.wait(30)
        process.stdout.close()
        whole = [line.split() for line in lines if line.endswith("\n")]
        acknowledged |= {word[1] for word in whole if word[0] == "ACK"}
        steps += [word[1] for word in whole if word[0] == "STEP"]
    assert len(acknowledged) > 100
    assert len(steps) > 10
    with open_store(url, KeyRing.ephemeral("crash")) as store:
        counts = store.counts()
        lines_on_file = store.messages(limit=10**9)
        assert acknowledged <= {line.id for line in lines_on_file}
        assert [line.seq for line in lines_on_file] == list(range(1, counts.journal + 1))
        (person,) = store.lanes()
        assert set(steps) <= {due.about for due in store.load(person).due}
        assert store.verify() == ()
