"""Filing in time: the last day by payer, what is held after it, and what is remarked before it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.claims import FilingClock, Patient, drafts
from adapters.claims.group import Grouping
from adapters.claims.timely import after, holidays, received, workday
from adapters.model.charge import Charge, Finding, Hold
from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.people import Demographics
from adapters.model.record import ChargeOnFile, PersonRecord, SubmissionNews
from adapters.pipeline import House
from tests.model.clinic import (
    ZONE,
    background,
    contexts,
    facility,
    fed,
    fraction,
    happened,
    house,
    insured,
    moment,
    screened,
)

PATIENT = Patient("p1", "R-1", Demographics("Quill", "Ada", date(1950, 2, 3), "female"))
FAR = date(9000, 1, 1)


@pytest.mark.parametrize(
    ("day", "limit", "last"),
    [
        ("2025-05-14", "12-months", "2026-05-14"),
        ("2024-02-29", "12-months", "2025-02-28"),
        ("2025-08-31", "6-months", "2026-02-28"),
        ("2025-12-01", "1-months", "2026-01-01"),
        ("2026-01-05", "90-days", "2026-04-05"),
        ("2026-01-05", "1-days", "2026-01-06"),
    ],
)
def test_a_limit_is_days_or_the_same_day_of_a_later_month(day: str, limit: str, last: str) -> None:
    assert after(date.fromisoformat(day), limit) == date.fromisoformat(last)


@given(st.dates(date(2000, 1, 1), date(2060, 1, 1)), st.integers(1, 60))
def test_months_later_is_never_past_that_month(day: date, months: int) -> None:
    last = after(day, f"{months}-months")
    assert (last.year * 12 + last.month) - (day.year * 12 + day.month) == months
    assert last.day == day.day or (last + timedelta(days=1)).day == 1


def test_federal_holidays_lie_on_the_workday_on_which_they_are_observed() -> None:
    assert sorted(holidays(2026)) == [
        date(2026, 1, 1),
        date(2026, 1, 19),
        date(2026, 2, 16),
        date(2026, 5, 25),
        date(2026, 6, 19),
        date(2026, 7, 3),  # the fourth is a Saturday
        date(2026, 9, 7),
        date(2026, 10, 12),
        date(2026, 11, 11),
        date(2026, 11, 26),
        date(2026, 12, 25),
    ]
    assert date(2021, 12, 31) in holidays(2021)  # New Year of 2022, a Saturday
    assert date(2020, 6, 19) not in holidays(2020)


@pytest.mark.parametrize(
    ("day", "next_"),
    [
        ("2026-05-14", "2026-05-14"),
        ("2026-05-23", "2026-05-26"),
        ("2026-07-03", "2026-07-06"),
        ("2026-12-25", "2026-12-28"),
    ],
)
def test_a_last_day_on_a_weekend_or_holiday_is_the_next_workday(day: str, next_: str) -> None:
    assert workday(date.fromisoformat(day)) == date.fromisoformat(next_)


@pytest.mark.parametrize(
    ("time", "cut_off", "day"), [("17:59", "18:00", 4), ("18:00", "18:00", 5), ("23:59", "none", 4)]
)
def test_what_is_sent_from_the_cut_off_on_is_received_the_next_day(time: str, cut_off: str, day: int) -> None:
    assert received(datetime.fromisoformat(f"2026-05-04T{time}"), cut_off) == date(2026, 5, day)


def last(at: House, since: str, setting: str = "freestanding") -> date | None:
    """The last day for what was done on a day."""
    day = date.fromisoformat(since)
    clock = FilingClock(at.rules, datetime(2026, 1, 1, 9, tzinfo=ZONE))
    return clock.last_day(day, contexts(at, background()).of(day, facility(setting)))


def test_a_payer_whose_contract_nobody_stated_has_no_last_day_but_medicare_has() -> None:
    """A limit that no source gives would hold what is still in time."""
    for kind, expected in (("commercial", None), ("medicare", date(2026, 5, 14))):
        at = house("freestanding", kind=kind)
        silent = tuple(replace(payer, timely_filing_days=None) for payer in at.site.payers)
        unsaid = House.of(at.rules, replace(at.site, payers=silent))
        assert last(unsaid, "2025-05-14") == expected


def test_medicare_gives_twelve_months_others_their_contract_and_an_option_goes_before() -> None:
    assert last(house("freestanding"), "2025-05-14") == date(2026, 5, 14)
    assert last(house("freestanding"), "2025-05-23") == date(2026, 5, 26)  # Saturday before Memorial Day
    assert last(house("freestanding", kind="commercial"), "2025-05-23") == date(2026, 5, 23)
    short = {"timely.limit": "95-days", "timely.weekend": "next-workday"}
    assert last(house("freestanding", kind="commercial", payer_options=short), "2025-05-14") == date(2025, 8, 18)
    uninsured = contexts(house("freestanding"), []).of(date(2025, 5, 14), facility("freestanding"))
    clock = FilingClock(house("freestanding").rules, datetime(2026, 1, 1, tzinfo=ZONE))
    assert clock.last_day(date(2025, 5, 14), uninsured) is None


# ---------------------------------------------------------------- lines


def lines(at: House, *days: str) -> tuple[ChargeOnFile, ...]:
    """A due line on each day."""
    found = screened([fraction(f"{day}T09:00", n) for n, day in enumerate(days, 1)], at).charges
    return tuple(ChargeOnFile(f"id-{i}", c) for i, c in enumerate(c for c in found if c.slot.service == "delivery"))


def grouped(at: House, charges: tuple[ChargeOnFile, ...], now: str, **more: object) -> Grouping:
    """The claims at a local time."""
    known = contexts(at, background())
    clock = FilingClock(at.rules, datetime.fromisoformat(now).replace(tzinfo=ZONE))
    claims = more.pop("claims", ())
    holds = more.pop("holds", ())
    return drafts(PATIENT, charges, holds, claims, known.coverages, known, FAR, clock, **more)  # type: ignore[arg-type]


def dates(grouping: Grouping) -> list[str]:
    """The dates on the drafted claims."""
    return sorted(line.start.isoformat() for draft in grouping.drafts for line in draft.claim.lines)


CENTER = house("freestanding")


def test_a_line_past_its_last_day_is_held_and_its_neighbour_goes_out() -> None:
    charges = lines(CENTER, "2026-05-14", "2026-05-20")
    grouping = grouped(CENTER, charges, "2027-05-15T06:00")
    assert dates(grouping) == ["2026-05-20"]
    (hold,) = grouping.holds
    assert (hold.code, hold.would and hold.would.start) == ("timely-filing-expired", date(2026, 5, 14))
    assert "2027-05-14" in hold.detail
    assert [(f.kind, f.value) for f in grouping.findings] == [
        ("timely-filing-limit", "2027-05-14"),
        ("timely-filing-limit", "2027-05-20"),
        ("timely-filing-close", "2027-05-20"),
    ]
    assert dates(grouped(CENTER, charges, "2027-05-14T06:00")) == ["2026-05-14", "2026-05-20"]


def test_nothing_is_said_before_the_days_of_warning_begin() -> None:
    charges = lines(CENTER, "2026-05-20")
    assert grouped(CENTER, charges, "2027-04-19T06:00").findings == ()
    assert len(grouped(CENTER, charges, "2027-04-20T06:00").findings) == 2


def test_from_the_cut_off_on_the_last_day_is_over() -> None:
    at = house("freestanding", payer_options={"timely.cut_off": "18:00"})
    charges = lines(at, "2026-05-14")
    assert dates(grouped(at, charges, "2027-05-14T17:59")) == ["2026-05-14"]
    assert dates(grouped(at, charges, "2027-05-14T18:00")) == []


def test_a_payer_that_takes_late_lines_gets_them_with_a_remark_and_where_nobody_looks_there_is_none() -> None:
    for option, remarks in (("send", 1), ("off", 0)):
        at = house("freestanding", payer_options={"timely.past_limit": option})
        grouping = grouped(at, lines(at, "2026-05-14"), "2027-06-01T06:00")
        assert dates(grouping) == ["2026-05-14"]
        assert (grouping.holds, len(grouping.findings)) == ((), remarks)


def test_an_institutional_claim_counts_from_its_through_date() -> None:
    at = house("hospital", cycle="month")
    both = lines(at, "2026-05-14", "2026-05-29")
    now = "2027-05-20T06:00"
    hospital = tuple(c for c in both if c.charge.entity == "hospital")
    assert dates(grouped(at, hospital, now)) == ["2026-05-14", "2026-05-29"]
    assert dates(grouped(at, hospital[:1], now)) == []


def test_a_line_that_a_person_lets_go_goes_out() -> None:
    charges = lines(CENTER, "2026-05-14")
    asked: list[str] = []

    def lets(hold: Hold) -> tuple[Charge, Finding] | None:
        asked.append(hold.code)
        assert hold.would is not None
        return hold.would, Finding("person-decided", "d1", hold.why)

    grouping = grouped(CENTER, charges, "2027-06-01T06:00", lets=lets)
    assert asked == ["timely-filing-expired"]
    assert dates(grouping) == ["2026-05-14"]
    assert "person-decided" in {f.kind for f in grouping.findings}


def test_a_line_that_left_late_is_remarked_by_the_day_on_which_it_left() -> None:
    charges = lines(CENTER, "2026-05-14")
    (draft,) = grouped(CENTER, charges, "2027-05-10T06:00").drafts
    for left, kinds in (
        ("2027-05-10T10:00:00+00:00", ["timely-filing-limit", "timely-filing-close"]),
        ("2026-06-01T10:00:00+00:00", []),
    ):
        sent = ClaimOnFile(draft.claim, ClaimState.COMPLETE, submitted_at=left)
        grouping = grouped(CENTER, charges, "2028-01-01T06:00", claims=(sent,))
        assert grouping.drafts == ()
        assert grouping.holds == ()
        assert [f.kind for f in grouping.findings] == kinds


def test_a_claim_to_a_later_payer_is_late_by_the_date_of_service_with_medicare_alone() -> None:
    charges = lines(CENTER, "2026-05-14")
    (draft,) = grouped(CENTER, charges, "2027-05-10T06:00").drafts
    later = replace(draft.claim, id="later", sequence=2, follows=draft.claim.id)
    first = ClaimOnFile(draft.claim, ClaimState.COMPLETE, submitted_at="2026-06-01T10:00:00+00:00")
    for payer, kinds in (("second", []), ("first", ["timely-filing-limit"])):
        to = replace(later, payer=replace(later.payer, id=payer))
        second = ClaimOnFile(to, ClaimState.UNKNOWN, submitted_at="2027-08-01T10:00:00+00:00")
        grouping = grouped(CENTER, charges, "2028-01-01T06:00", claims=(first, second))
        assert (grouping.drafts, grouping.holds, [f.kind for f in grouping.findings]) == ((), (), kinds)


def test_a_line_that_waits_for_a_person_says_when_its_time_runs_out() -> None:
    found = screened([fraction("2026-05-13T09:00", 1), fraction("2026-05-14T09:00", 2, guidance="cbct")], CENTER)
    waiting = tuple(h for h in found.holds if h.would is not None)
    assert waiting
    person = tuple(replace(h, release=type(h.release).PERSON) for h in waiting)
    grouping = grouped(CENTER, (), "2027-05-10T06:00", holds=person)
    assert {f.value for f in grouping.findings} == {"2027-05-14"}
    early = grouped(CENTER, (), "2026-07-01T06:00", holds=person)
    assert early.findings == ()
    assert ("timely filing", date(2027, 4, 14)) in early.opens


# ---------------------------------------------------------------- the record


def test_the_clock_alone_holds_a_line_opens_its_item_and_an_answer_ends_nothing() -> None:
    at = house("freestanding", wait_days=400)
    events = [*background(), fraction("2026-05-14T09:00", 1)]
    record = fed(events, at, moment("2026-05-15"))
    assert (record.holds, record.work) == ((), ())
    later = happened(record, at, moment("2027-06-25"))
    assert [h.code for h in later.holds] == ["timely-filing-expired"]
    assert [(w.code, w.closed) for w in later.work] == [("timely-filing-expired", None)]
    assert not later.claims
    again = happened(later, at, moment("2027-06-26"))
    assert (again.holds, again.work) == (later.holds, later.work)
    more = fed([fraction("2026-05-15T09:00", 2)], at, moment("2027-06-27"), again)
    assert len(more.holds) == 2
    assert {w.opened for w in more.work if w.id == later.work[0].id} == {later.work[0].opened}


def test_a_line_sent_in_time_is_never_held_afterwards() -> None:
    events = [*background(), fraction("2026-05-14T09:00", 1)]
    record: PersonRecord = fed(events, CENTER, moment("2026-06-15"))
    (claim,) = record.claims
    assert claim.deadline == date(2027, 5, 14)
    record = happened(record, CENTER, moment("2026-06-15"), SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent"))
    later = happened(record, CENTER, moment("2027-12-01"))
    assert (later.holds, later.findings) == ((), ())


def test_a_new_payer_has_its_own_clock() -> None:
    at = house("freestanding", payer_options={"timely.limit": "30-days"})
    events = [*background()[:1], insured("second"), *background()[2:], fraction("2026-01-05T09:00", 1)]
    assert [h.code for h in fed(events, at, moment("2026-02-05")).holds] == ["timely-filing-expired"]
    assert fed(events, house("freestanding"), moment("2026-02-05")).holds == ()
