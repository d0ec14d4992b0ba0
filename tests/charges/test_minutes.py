"""Spans of time: joined, cut, counted, and the hours that they earn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

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
