"""P1 against power loss: whatever a disk may hold after a cut at any instant, the real store keeps each promise it gave.

The real process is recorded (strace) from `init` on, while a foreign sender is attached and claims leave for a payer;
then the clinic's folder (database, log, head, keys) is rebuilt as it could be found, and opened. 5,000 different states
in every run; in a soak 10,000 for each round and factor (`ONCOCLAIMS_SOAK=10`: 100,000).

That the exploration sees what is wrong is shown by stores that are made weaker on purpose: each must be found broken.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import soak
from tests.e2e.conftest import Clinic, dft, script, site
from tests.e2e.killing import Bench
from tests.e2e.power import Choice, Disk, Event, Told, events
from tests.e2e.sender import wait_for
from tests.e2e.surviving import Recording, explored, promised, summed
from tests.e2e.tracing import calls, end, recording

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(soak.size(ci=900, long=7200))]

OFTEN = """
import adapters.store.sqlite as sqlite
from adapters.cli import main
sqlite._CHECKPOINT_PAGES = 50  # the log is folded into the database often, and begun again
main()
"""
WEAKER = """
import sys
import adapters.store.sqlite as sqlite
from adapters.cli import main
strong, pragmas = sqlite.open_writer, sys.argv.pop(1).split(",")

def weaker(url):
    engine = strong(url)  # of one connection, for good
    connection = engine.raw_connection()
    for pragma in pragmas:
        connection.cursor().execute("PRAGMA " + pragma).fetchall()
    connection.close()
    return engine

sqlite.open_writer = weaker
main()
"""


@pytest.fixture
def record(tmp_path: Path, stub: Callable[[str], str]) -> Callable[..., Recording]:
    """`record(*(program, messages))`: a clinic that is recorded from its making on, through these lives of its service."""

    def made(*lives: tuple[tuple[str, ...], int]) -> Recording:
        folder = tmp_path / "clinic"
        folder.mkdir()
        payer = stub('name = "recorded"\n')
        clinic = Clinic(folder, site(payer, poll_after=0, search_delay=0))
        clinic.write()
        bench = Bench(clinic, payer, script(), dft, "R")
        try:
            subprocess.run(
                [*recording(bench.trace()), script(), "init"],
                env={**os.environ, **clinic.environment},
                stdout=subprocess.DEVNULL,
                check=True,
                timeout=60,
            )
            found = list(events(calls(bench.trace()), folder, promised))
            for program, messages in lives:
                bench.lives += 1
                process = bench.run(*recording(bench.trace()), *program)
                for _ in range(messages):
                    bench.message()
                assert wait_for(bench.idle, 90, 0.2)
                end(process, signal.SIGTERM)
                found += events(calls(bench.trace()), folder, promised)
        finally:
            bench.close()
        recorded = Recording(folder, tuple(event for event in found if _of_the_store(event)), dict(bench.sender.acked))
        told = {event.what for event in found if isinstance(event, Told)}
        assert {f"ack:{control}" for control in recorded.sent} <= told, "each ACK was seen as it left"
        assert len([what for what in told if what.startswith("call:")]) == len(recorded.sent)
        return recorded

    return made


def _of_the_store(event: Event) -> bool:
    """Whether it is about the store; the folder holds traces and what the service says as well."""
    if isinstance(event, Told):
        return True
    name = Path(event.path).name
    return name.startswith(("store.db", "keys")) or event.path.endswith("/clinic")


def test_whatever_a_power_cut_leaves_keeps_what_was_acknowledged(record: Callable[..., Recording]) -> None:
    found = record(((script(),), 6), ((sys.executable, "-c", OFTEN), 8))
    number = soak.size(ci=5_000, long=10_000)
    report = explored(found, number, soak.seed())
    print(f"{len(found.events)} events, {report.states} states, {report.opened} different images opened")
    assert report.states == number
    assert not report.broken, summed(report.broken)


@pytest.mark.parametrize("pragmas", ["synchronous=OFF", "synchronous=NORMAL", "journal_mode=DELETE"])
def test_a_store_that_was_made_weaker_is_found_broken(record: Callable[..., Recording], pragmas: str) -> None:
    found = record(((sys.executable, "-c", WEAKER, pragmas), 5))
    # A log that is removed at each commit is what a cut brings back least often.
    report = explored(found, 400 if pragmas.startswith("journal") else 150, soak.seed())
    assert any("lost ack:" in one for one in report.broken), "a message was acknowledged, and a cut takes it"
    print(f"{pragmas}: {len(report.broken)} of {report.states} states broken")


def test_a_key_file_in_a_folder_of_its_own_is_there_whatever_a_cut_leaves(tmp_path: Path) -> None:
    """Beside the database it is: SQLite syncs that folder. Losing the key file loses every acknowledged message."""
    clinic = Clinic(tmp_path, site())
    clinic.write()
    (tmp_path / "safe").mkdir()
    trace = tmp_path / "trace"
    environment = {**os.environ, **clinic.environment, "ONCOCLAIMS_KEYS": str(tmp_path / "safe" / "keys")}
    words = [*recording(trace), script(), "init"]
    subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=60)
    disk = Disk()
    for event in events(calls(trace), tmp_path / "safe", promised):
        disk.do(event)
    nothing_more = disk.left(Choice(random.Random(0), 0.0, pieces=False))
    assert nothing_more == {str(tmp_path / "safe" / "keys"): (tmp_path / "safe" / "keys").read_bytes()}
