"""P1: killed (SIGKILL) at every durable step of a message's path, the real service keeps each promise it gave.

Thirty kills in every run; in a soak a hundred for each round and factor (`ONCOCLAIMS_SOAK=10`: a thousand).
"""

from __future__ import annotations

import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.store import KeyRing, open_store
from tests import soak
from tests.e2e.conftest import dft, script
from tests.e2e.killing import Bench, Point, asked, spread
from tests.e2e.sender import unexplained, wait_for
from tests.e2e.tracing import end, needs_strace

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(soak.size(ci=600, long=7200))]

MUST: tuple[str, ...] = (
    "message came, 2: write to log",  # the receipt, being written
    "message came, 2: sync of log",  # written, not synced
    "the listener is told of the commit",  # stored, not acknowledged
    "acknowledged, 1: sync of log",  # acknowledged, its person not known yet
    "acknowledged, 2: sync of log",  # the step of its lane
    "acknowledged, 3: sync of log",  # the intent to send
    "acknowledged, 4: sync of log",  # the claim on file as `sent?`
    "the payer is called",
    "of the claim leaves",
    "payer answered, 1: sync of log",  # the answer, journalled
    "payer answered, 2: sync of log",  # the answer, posted
    "payer answered, 3: sync of log",  # the seal
    "sync of head.part",
    "rename of head.part",
    "sealed, 1: sync of folder",
    "write to database",  # the checkpoint
    "sync of database",
    "unlink of log",
)
"""Steps of which each run must have killed the service at every one, as the ends of their names."""


@pytest.fixture
def make_bench(make_clinic: Callable[..., Any], stub: Callable[[str], str]) -> Iterator[Callable[[str], Bench]]:
    """`make_bench(name)`: a clinic with a payer of its own and a sender attached."""
    made: list[Bench] = []

    def make(name: str) -> Bench:
        payer = stub(f'name = "{name}"\n')
        clinic = make_clinic(payer, poll_after=0, search_delay=0)
        made.append(Bench(clinic, payer, script(), dft, name))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def test_killed_at_every_durable_step_nothing_is_lost_and_nothing_billed_twice(
    make_bench: Callable[[str], Bench],
) -> None:
    needs_strace()
    chance = random.Random(soak.seed())
    benches = [make_bench("A"), make_bench("B")]
    fresh = Path(f"{benches[0].folder}-fresh")
    shutil.copytree(benches[0].folder, fresh)
    with ThreadPoolExecutor(len(benches)) as both:
        list(both.map(Bench.record, benches))
        found = benches[0].record()
        kills = soak.size(ci=30, long=100)
        # Most lives begin with nothing left undone, and so come to the step that is meant. The others deal with what
        # the kill before left, and are killed wherever they are with it.
        lives = [(point, True) for point in spread(found, MUST, kills - kills // 6, chance)]
        lives += [(chance.choice(found), False) for _ in range(kills // 6)]
        chance.shuffle(lives)
        steps: Counter[str] = Counter()
        for _ in range(10):
            steps.update(sum(both.map(killed, benches, (lives[0::2], lives[1::2])), Counter[str]()))
            # A message that had to be sent again, or a thread that was quicker, makes the path another one.
            missed = [step for step in MUST if not any(hit.endswith(step) for hit in steps)]
            if not missed:
                break
            lives = [
                (chance.choice([point for point in found if point.step.endswith(step)]), True) for step in missed * 2
            ]
        between = steps.pop("", 0)
        print(f"{steps.total() + between} kills, {steps.total()} at one of {len(steps)} steps, {between} between two")
        assert steps.total() + between >= kills
        assert not missed, steps
        list(both.map(kept, benches))
    undisturbed = make_bench("U")
    for one in ("store.db", "keys"):
        shutil.copy(fresh / one, undisturbed.folder / one)
    process = undisturbed.start()
    for control, payload in benches[0].sender.acked.items():
        undisturbed.sent += 1
        undisturbed.sender.send(control, payload)
    try:
        assert wait_for(undisturbed.idle, 60, 0.1)
        assert wait_for(partial(all_paid, undisturbed), 30, 0.2)
    finally:
        code = end(process, signal.SIGTERM)
    assert code == 0
    assert told(benches[0]) == told(undisturbed), "charges, claims and ledger are those of a service that nobody killed"


def killed(bench: Bench, lives: list[tuple[Point, bool]]) -> Counter[str]:
    """Go through these lives, before some of them do what was left; at which steps they ended (empty: between two)."""
    steps: Counter[str] = Counter()
    for point, settled in lives:
        if settled:
            done = bench.clinic.run("run-due")
            assert done.code == 0, done.err
        steps[bench.live(point)] += 1
    return steps


def kept(bench: Bench) -> None:
    """Let it live undisturbed until all is done, then hold it to what it promised."""
    process = bench.start()
    try:
        assert wait_for(bench.idle, 60, 0.1), "whatever was left is done"
        assert wait_for(partial(all_paid, bench), 30, 0.2), "every claim comes to its end"
    finally:
        code = end(process, signal.SIGTERM)
    assert code == 0
    verified = bench.clinic.run("verify")
    assert verified.code == 0, verified.err
    folded = bench.clinic.run("rebuild", "--check")
    assert folded.code == 0, folded.err
    books = asked(bench.payer, "books")
    assert books["doubles"] == []
    assert set(books["live"].values()) == {1}
    assert len(books["claims"]) == bench.sent, "each claim took effect once"
    assert Decimal(books["totals"]["charge"]) == bench.sent * Decimal("120.50")
    assert not bench.clinic.work()
    with open_store(bench.clinic.environment["ONCOCLAIMS_STORE"], KeyRing.load(bench.folder / "keys")) as store:
        assert unexplained(bench.sender.tries, store.messages(limit=10**9)) == []
        bodies = {
            entry.control: entry.body for entry in store.journal(limit=10**9) if entry.control in bench.sender.acked
        }
        assert bodies == bench.sender.acked
        assert sum(store.trial_balance().values()) == 0
    assert len(bench.sender.acked) == bench.sent


def all_paid(bench: Bench) -> bool:
    """Whether every claim on file is paid."""
    rows = bench.clinic.run("claims", "--json").rows()
    return len(rows) == bench.sent and {row["state"] for row in rows} == {"paid"}


def told(bench: Bench) -> list[Any]:
    """Charges, claims and ledger, but for instants and the numbers that the payer gave."""
    charges = bench.clinic.run("charges", "--json").rows()
    claims = bench.clinic.run("claims", "--json").rows()
    for row in claims:
        del row["submitted_at"], row["payer_claim_number"]
    lines = [
        (line["account"], line["amount"], line["claim"], line["line"])
        for entry in bench.clinic.run("ledger", "--json").rows()
        for line in entry["lines"]
    ]
    return [
        sorted(charges, key=lambda row: str(row["id"])),
        sorted(claims, key=lambda row: str(row["id"])),
        sorted(lines),
    ]
