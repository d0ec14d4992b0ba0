"""Promise P3 at size: the state machine of `machine.py`, a few runs in every check, two thousand in every test run."""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import date

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from tests.properties import telling
from tests.properties.machine import FATES, STEPS, Clinic, told
from tests.properties.oracle import BILLS, Service, owed
from tests.soak import size

RUNS = size(2_000, 100_000)
PARTS = max(4, RUNS // 5_000)
SHORTER = 1.4
"""Hypothesis ends some runs before their last step: so many times the runs are asked for, that the steps are all made."""


def _run(runs: int, number: int) -> Counter[str]:
    """That many runs of the machine from the seed; what happened in them."""
    told.clear()
    chosen = settings(
        max_examples=runs,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=settings.get_profile("soak").suppress_health_check,
    )
    run_state_machine_as_test(seed(number)(type("Clinic", (Clinic,), {})), settings=chosen)
    return Counter(told)


def test_the_oracle_counts_by_hand() -> None:
    """What the model says of a few messages, told by hand: it would be no oracle if it were wrong."""
    s = "freestanding"
    messages = [
        telling.registration(s, 0, until=1),
        telling.session(s, 0, 0),
        telling.session(s, 0, 0, version=1, isocenters=2),
        telling.twin(s, 0, 0),
        telling.session(s, 0, 1, technique="2d"),
        telling.session(s, 0, 2, version=1, done=False),
        telling.session(s, 0, 2),
        telling.coded(s, 0, 2, "77300", units=2),
        telling.coded(s, 0, 2, "77407"),
        telling.session(s, 1, 0),
    ]
    center = BILLS[s]
    day = [date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)]
    says = owed(messages * 2, s)
    assert says.due == {
        (Service(0, "77412", day[0], center, 1), "first"): 1,
        (Service(0, "77402", day[1], center, 1), "first"): 1,
        (Service(0, "77300", day[2], center, 2), "second"): 1,
    }
    assert says.held == {Service(1, "77407", day[0], center, 1): 1}
    assert owed(messages[::-1], s) == says


@pytest.mark.timeout(600)
def test_a_few_runs() -> None:
    """The machine in every `make check`."""
    seen = _run(40, 7)
    assert seen["runs"] >= 40


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_any_order_any_number_of_times(part: int) -> None:
    """P3: in all parts together the 100,000 steps of 2,000 runs of 50 (in a soak 100,000), from `ONCOCLAIMS_SEED` on."""
    start = time.monotonic()
    seen = _run(int(RUNS // PARTS * SHORTER), int(os.environ.get("ONCOCLAIMS_SEED", "0")) + part)
    print(f"{seen['runs']} runs, {seen['steps']} steps of the lane, {time.monotonic() - start:.0f} s: {dict(seen)}")
    assert seen["rules"] >= RUNS // PARTS * STEPS
    happened = {name for name, n in seen.items() if n}
    assert happened >= {"sent", "resent", "arrived late", "taken back", "cancelled first", "twins", "crashed", "ticks"}
    assert happened >= {"coverage amended", "compared whole", "heard again", *(f"claim {fate}" for fate in FATES)}
