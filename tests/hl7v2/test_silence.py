"""Silence is an error: a feed that misses its rhythm, and what a feed that speaks leaves out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.silence import KIND, Gap, Heard, gaps, heard, item_of, silence, standing
from adapters.model.rhythm import Rhythm

ZONE = ZoneInfo("America/New_York")
CLINIC = Rhythm(timedelta(hours=2), opens=time(8), closes=time(18))
MONDAY = datetime(2026, 1, 5, 14, tzinfo=UTC)  # nine in the morning there


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


@pytest.mark.parametrize(
    ("since", "due"),
    [
        ("2026-01-05T09:00", "2026-01-05T11:00"),
        ("2026-01-05T17:00", "2026-01-06T09:00"),  # the night does not count
        ("2026-01-09T17:30", "2026-01-12T09:30"),  # nor does the weekend
        ("2026-01-10T12:00", "2026-01-12T10:00"),
        ("2026-01-16T17:00", "2026-01-20T09:00"),  # the 19th is a holiday
    ],
)
def test_only_working_time_counts(since: str, due: str) -> None:
    rhythm = Rhythm(CLINIC.every, CLINIC.weekdays, CLINIC.opens, CLINIC.closes, frozenset({date(2026, 1, 19)}))
    assert rhythm.expected_by(at(since), ZONE) == at(due)


def test_a_feed_that_never_rests_is_due_by_the_clock_also_when_the_clock_changes() -> None:
    always = Rhythm(timedelta(hours=6), frozenset(range(7)))
    assert always.expected_by(at("2026-01-05T23:00"), ZONE) == at("2026-01-06T05:00")
    assert always.expected_by(at("2026-03-07T23:00"), ZONE) == at("2026-03-08T06:00")  # an hour is skipped


def test_a_rhythm_without_working_time_is_never_due_and_a_senseless_one_is_refused() -> None:
    assert Rhythm(timedelta(hours=1), frozenset()).expected_by(MONDAY, ZONE) is None
    for wrong in ({"every": timedelta(0)}, {"weekdays": frozenset({7})}, {"opens": time(9), "closes": time(8)}):
        with pytest.raises(ValueError, match="rhythm"):
            Rhythm(**{"every": timedelta(hours=1), **wrong})  # type: ignore[arg-type]


@given(st.integers(0, 200_000), st.integers(1, 5_000))
def test_a_longer_rhythm_is_never_due_earlier_and_never_before_its_time(start: int, minutes: int) -> None:
    since = MONDAY + timedelta(minutes=start)
    due = Rhythm(timedelta(minutes=minutes), opens=time(8), closes=time(18)).expected_by(since, ZONE)
    later = Rhythm(timedelta(minutes=minutes + 1), opens=time(8), closes=time(18)).expected_by(since, ZONE)
    assert due is not None
    assert later is not None
    assert since + timedelta(minutes=minutes) <= due < later
    assert time(8) <= due.astimezone(ZONE).time() <= time(18)


def test_a_feed_is_silent_from_the_instant_it_is_due() -> None:
    last = Heard(MONDAY, "C7")
    due = MONDAY + timedelta(hours=2)
    assert silence("rt", CLINIC, ZONE, last, MONDAY, due - timedelta(seconds=1)) is None
    gap = silence("rt", CLINIC, ZONE, last, MONDAY, due)
    assert gap is not None
    assert (gap.feed, gap.code, gap.since, gap.control) == ("rt", "silent", MONDAY, "C7")
    never = silence("rt", CLINIC, ZONE, None, MONDAY, due)
    assert never is not None
    assert (never.control, never.since) == ("", MONDAY)
    assert "ever" in never.detail


def test_one_silence_is_one_item_however_often_it_is_looked_at() -> None:
    items = set()
    for hours in (3, 4, 30):
        gap = silence("rt", CLINIC, ZONE, Heard(MONDAY, "C7"), MONDAY, MONDAY + timedelta(hours=hours))
        assert gap is not None
        items.add(item_of(gap, MONDAY).id)
    assert len(items) == 1
    item = item_of(Gap("rt", "silent", MONDAY, "C7", "nothing since"), MONDAY)
    assert (item.kind, item.code, item.about, item.person) == (KIND, "silent", "rt", "")
    assert item.action
    assert "C7" in item.detail


def body(control: str, sequence: str = "", ids: tuple[str, ...] = ()) -> bytes:
    head = f"MSH|^~\\&|A|B|C|D|20260105||DFT^P03|{control}|P|2.5.1|{sequence}"
    return "\r".join([head, "PID|1||M1", *(f"FT1|{id}|T" for id in ids)]).encode()


def test_what_a_body_tells() -> None:
    assert heard(body("C1", "7", ("1", "2", "4")), MONDAY) == Heard(MONDAY, "C1", (7,), ("FT1[3]-1",))
    assert heard(body("C1", "", ("1", "", "4")), MONDAY) == Heard(MONDAY, "C1")
    assert heard(b"nothing", MONDAY) == Heard(MONDAY, "")
    batch = b"BHS|^~\\&\r" + body("C1", "7") + b"\r" + body("C2", "9", ("1", "3")) + b"\rBTS|3\r"
    assert heard(batch, MONDAY) == Heard(MONDAY, "C1", (7, 9), ("message[2]/FT1[2]-1",), batch_short=True)


def test_gaps_in_the_sequence_numbers() -> None:
    numbers = [5, 6, 6, 9, 0, 1, -1, 40, 41, 3]
    receipts = [Heard(MONDAY + timedelta(minutes=i), f"C{i}", (n,)) for i, n in enumerate(numbers)]
    found = gaps("rt", receipts)
    assert [(gap.code, gap.control, gap.detail) for gap in found] == [
        ("sequence-gap", "C2", "MSH-13 goes from 6 to 9"),
        ("sequence-back", "C8", "MSH-13 goes back from 41 to 3"),
    ]
    assert gaps("rt", [Heard(MONDAY, "C1"), Heard(MONDAY, "C2")]) == ()


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([41, 0, 42], []),  # the session goes on where it was
        ([41, 0, 0, 1], []),  # or begins anew
        ([41, 0, 44], ["MSH-13 goes from 41 to 44"]),  # what was not sent before it ended is missing
        ([41, 0, 1, 3], ["MSH-13 goes from 1 to 3"]),
        ([0, 7], []),
        ([41, -1, 0, 90], []),
    ],
)
def test_the_start_of_a_session_is_no_gap_and_hides_none(numbers: list[int], found: list[str]) -> None:
    assert [gap.detail for gap in gaps("rt", [Heard(MONDAY, "C1", tuple(numbers))])] == found


def test_gaps_in_charges_and_batches_name_their_message() -> None:
    found = gaps("rt", [Heard(MONDAY, "C1", (), ("FT1[3]-1",), batch_short=True)])
    assert [(gap.code, gap.control) for gap in found] == [("charge-gap", "C1"), ("batch-count", "C1")]
    assert len({item_of(gap, MONDAY).id for gap in found}) == 2


@given(st.lists(st.integers(-1, 30), min_size=1, max_size=12))
def test_a_stretch_cut_in_two_with_its_last_receipt_repeated_finds_the_same_gaps(numbers: list[int]) -> None:
    receipts = [Heard(MONDAY, f"C{i}", (n,)) for i, n in enumerate(numbers)]
    for cut in range(1, len(receipts)):
        last = replace(receipts[cut - 1], sequences=standing(numbers[:cut]))
        assert gaps("rt", receipts[:cut]) + gaps("rt", [last, *receipts[cut:]]) == gaps("rt", receipts)


@given(st.binary(max_size=80))
def test_no_bytes_raise(noise: bytes) -> None:
    assert heard(body("C1", "7", ("1", "3")) + noise, MONDAY).at == MONDAY
    assert heard(noise, MONDAY).at == MONDAY
