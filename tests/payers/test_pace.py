"""How fast a payer is called, and when it is left alone: clocks are handed in, nothing waits."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from adapters.model.endpoint import PayerEndpoint
from adapters.payers.pace import LONGEST_REST, MOST, Pace

PROFILE = PayerEndpoint(rest_after=3, rest_seconds=30.0, per_minute=60)


def failed(pace: Pace, times: int, now: float) -> None:
    for _ in range(times):
        pace.begin(PROFILE)
        pace.end(PROFILE, now, failed=True)


def test_a_payer_rests_after_so_many_failures_in_a_row_and_not_before() -> None:
    pace = Pace()
    failed(pace, 2, 0.0)
    assert pace.rests(PROFILE, 0.0) == 0
    pace.begin(PROFILE)
    pace.end(PROFILE, 0.0, failed=False)
    failed(pace, 2, 0.0)
    assert pace.rests(PROFILE, 0.0) == 0
    failed(pace, 1, 10.0)
    assert pace.rests(PROFILE, 10.0) == 30
    assert pace.rests(PROFILE, 39.0) == 1
    assert pace.rests(PROFILE, 40.0) == 0


def test_one_call_finds_out_and_the_others_wait_for_it() -> None:
    pace = Pace()
    failed(pace, 3, 0.0)
    pace.begin(PROFILE)
    assert pace.rests(PROFILE, 31.0) > 0
    pace.end(PROFILE, 31.0, failed=False)
    assert pace.rests(PROFILE, 31.0) == 0


def test_each_further_failure_doubles_the_rest_up_to_an_end() -> None:
    pace, now, rests = Pace(), 0.0, []
    failed(pace, 2, now)
    for _ in range(8):
        failed(pace, 1, now)
        rests.append(pace.rests(PROFILE, now))
        now += rests[-1]
    assert rests[:3] == [30, 60, 120]
    assert set(rests[2:]) == {30 * MOST}


def test_what_the_payer_asks_for_is_kept_and_never_longer_than_an_hour() -> None:
    pace = Pace()
    pace.end(PROFILE, 0.0, failed=True, asked=120.0)
    assert pace.rests(PROFILE, 1.0) == 119
    pace.end(PROFILE, 0.0, failed=True, asked=10**9)
    assert pace.rests(PROFILE, 0.0) == LONGEST_REST


def test_a_clock_that_is_set_back_ends_a_rest() -> None:
    pace = Pace()
    failed(pace, 3, 1000.0)
    assert pace.rests(PROFILE, 1000.0) == 30
    assert pace.rests(PROFILE, 400.0) == 0


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 600))
def test_never_more_calls_begin_in_a_minute_than_the_profile_says(gaps: list[float], per_minute: int) -> None:
    pace, profile = Pace(), PayerEndpoint(per_minute=per_minute)
    now, begun = 100.0, []
    for gap in gaps:
        now += gap
        begun.append(now + pace.slot(profile, now))
    apart = [later - earlier for earlier, later in pairwise(begun)]
    assert all(one >= 60 / per_minute - 1e-6 for one in apart)


def test_without_a_limit_nothing_waits() -> None:
    pace = Pace()
    assert {pace.slot(PayerEndpoint(), 5.0) for _ in range(100)} == {0.0}


def test_retries_are_a_tenth_of_the_calls_beyond_a_few_that_are_free() -> None:
    pace = Pace()
    granted = 0
    for _ in range(1000):
        pace.begin(PROFILE)
        granted += sum(pace.retry() for _ in range(3))
    assert 100 <= granted <= 120
