"""Spans of time: joined, cut, counted, and the hours that they earn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.charges.minutes import Span, after, common, further_hours, minutes, union, without

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def span(start: int, end: int) -> Span:
    """Minutes after noon."""
    return NOON + timedelta(minutes=start), NOON + timedelta(minutes=end)


def test_spans_that_touch_or_overlap_are_one_and_empty_ones_are_none() -> None:
    assert union([span(30, 40), span(0, 10), span(10, 20), span(15, 25), span(5, 5)]) == (span(0, 25), span(30, 40))


def test_whole_minutes_are_counted_after_all_seconds_are_added() -> None:
    halves = [(NOON, NOON + timedelta(seconds=90)), (NOON + timedelta(minutes=9), NOON + timedelta(seconds=570))]
    assert minutes(halves) == 2
    assert minutes(halves[:1]) == 1


def test_what_lies_in_others_is_cut_out_and_the_two_sides_make_the_whole() -> None:
    whole, others = [span(0, 60)], [span(10, 20), span(50, 70)]
    assert without(whole, others) == (span(0, 10), span(20, 50))
    assert common(whole, others) == (span(10, 20), span(50, 60))
    assert minutes(without(whole, others)) + minutes(common(whole, others)) == 60


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6)
"""From and to which minute; some end where they begin, or before."""


@given(some=SPANS, others=SPANS)
def test_what_is_reckoned_of_spans_is_what_their_minutes_say_one_by_one(
    some: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    spans, cut = [span(*one) for one in some], [span(*one) for one in others]
    own, theirs = ({at for low, high in ones for at in range(low, high)} for ones in (some, others))
    for found, expected in (
        (union(spans), own),
        (without(spans, cut), own - theirs),
        (common(spans, cut), own & theirs),
    ):
        assert {at for at in range(40) if any(low <= span(at, at)[0] < high for low, high in found)} == expected
        assert minutes(found) == len(expected)
        assert found == union(found)  # in order, none empty, none that touches the next
    assert minutes(spans) == len(own)


def test_an_elapsed_hour_passes_over_pauses() -> None:
    parts = [span(0, 45), span(75, 120)]
    assert after(parts, 0) == span(0, 1)[0]
    assert after(parts, 60) == span(90, 91)[0]
    assert after(parts, 500) == span(0, 120)[1]


@pytest.mark.parametrize(
    ("ran", "hours"), [(16, 0), (60, 0), (90, 0), (91, 1), (120, 1), (150, 1), (151, 2), (210, 2), (211, 3), (511, 8)]
)
def test_a_further_hour_needs_more_than_thirty_minutes_past_the_billed_one(ran: int, hours: int) -> None:
    """The vectors of the facts (1.2 T4), and one whole night."""
    assert further_hours(ran, 31) == hours
