"""The page of a course: what it says of a record made by hand, and how it is served."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import StoreDown
from adapters.model.charge import Charge, Component, Finding, Hold, Release, Skip, Slot
from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState, ClaimType, Party
from adapters.model.event import Event, Status
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.people import Identifier
from adapters.model.record import ChargeOnFile, ChargeStatus, PersonRecord
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.model.site import BillingEntity, Facility, Payer, Setting, Site
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.model.work import WorkItem, open_item
from adapters.pages.course_read import course_view
from adapters.pages.course_view import FATES, CourseView, Fate, SessionView
from adapters.pages.links import LINK_VALID, SESSION_VALID, Links
from adapters.pages.page import COOKIE, HEADERS, course_name, router, shares
from adapters.pipeline import House
from adapters.settings import rules_of
from tests.pages.visiting import UserShelf

RULES = rules_of()
ZONE = ZoneInfo("America/Chicago")
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
LANE = "2f0d9a1e-1111-5222-8333-444455556666"
COURSE = f"{LANE}/C7"
CLINIC = BillingEntity(
    "center", "Lindenhof Center", "1999999984", "990000001", "", Component.GLOBAL, ClaimType.PROFESSIONAL
)
SITE = Site(
    name="Lindenhof Radiation",
    zone=ZONE.key,
    facilities=(Facility("lin", "Lindenhof", "1999999984", Setting.FREESTANDING, "11", (CLINIC,)),),
    payers=(Payer("med", "Medicare Part B", "medicare"),),
    feeds=(),
    families=(),
    prices=(),
)
REF = RuleRef("delivery", "charges/delivery.toml", date(2026, 1, 1), "d1ge57" * 8, "a clause of the facts")


def source(message: str, at: str = "FT1[1]") -> Source:
    return Source(message, at)


def report(
    kind: str,
    day: date,
    message: str,
    *,
    hour: int = 9,
    status: Status = Status.DONE,
    line: str = "",
    said: int = 0,
    course: str = "C7",
    **facts: str,
) -> Event:
    at = datetime.combine(day, time(hour), ZONE).astimezone(UTC)
    found = source(message)
    uid = facts.get("uid", "")
    return Event(
        id=f"event-{message}",
        kind=kind,
        feed="aria",
        start=at,
        day=day,
        said=at + timedelta(hours=1 + said),
        line=line or f"line-{message}",
        source=found,
        status=status,
        course=course,
        keys=(f"uid:{uid}",) if uid else (),
        facts=tuple(Fact(name, value, found) for name, value in facts.items()),
    )


def fraction(n: int, day: date, **more: Any) -> Event:
    given_ = {"uid": f"2.25.{n}", "n": str(n), "technique": "imrt", "guidance": "cbct", **more}
    return report("fraction", day, given_.pop("message", f"m{n}"), **given_)


def why(*events: Event, **facts: str) -> Why:
    first = tuple(Fact("event", f"{e.kind} on {e.day}", e.source) for e in events)
    return Why(REF, (*first, *(Fact(k, v, source("m-other", "ZRT-7")) for k, v in facts.items())))


def charge(
    service: str,
    key: str,
    code: str,
    *events: Event,
    dollars: int | None = 100,
    units: int = 1,
    modifiers: tuple[str, ...] = (),
) -> Charge:
    day = events[-1].day if events else date(2026, 1, 5)
    part = f"center:{modifiers[0] if modifiers else 'global'}"
    return Charge(
        slot=Slot(COURSE, service, key, part),
        code=code,
        modifiers=modifiers,
        units=units,
        price=None if dollars is None else Decimal(dollars),
        start=day,
        end=day,
        diagnoses=("C61",),
        component=Component.GLOBAL,
        entity="center",
        why=why(*events, technique="imrt"),
    )


def claim(
    id: str,
    *charges: tuple[str, Charge],
    state: ClaimState,
    settlement: str = "",
    frequency: str = "1",
    replaces: str = "",
) -> ClaimOnFile:
    lines = tuple(
        ClaimLine(n, (charge_id,), c.code, c.modifiers, c.units, c.start, c.end, c.amount, (1,), "global")
        for n, (charge_id, c) in enumerate(charges, 1)
    )
    party = Party("center", "Lindenhof Center")
    whole = Claim(
        id=id,
        type=ClaimType.PROFESSIONAL,
        person=LANE,
        patient_identifier="MR1",
        entity=party,
        payer=Party("med", "Medicare Part B"),
        coverage="cov",
        member="1ZZ",
        lines=lines,
        diagnoses=("C61",),
        built_on=date(2026, 1, 12),
        facility=party,
        frequency=frequency,
        replaces=replaces,
        cycle="2026:2026-W02",
    )
    return ClaimOnFile(whole, state, settlement)


def entries(on_file: ClaimOnFile, line: int, **amounts: int) -> tuple[Entry, ...]:
    """The line billed, and shared out in dollars: `paid=40, contractual=60`."""
    accounts = {
        "paid": Account.PAYER_PAYMENT,
        "contractual": Account.CONTRACTUAL,
        "patient": Account.PATIENT_RESPONSIBILITY,
        "denied": Account.DENIED,
    }
    id, amount = on_file.claim.id, on_file.claim.lines[line - 1].amount
    billed = (EntryLine(Account.RECEIVABLE, amount, id, line), EntryLine(Account.CHARGES, -amount, id, line))
    made = [Entry(f"billed-{id}-{line}", NOW, f"claim:{id}", billed)]
    sides: list[EntryLine] = []
    for name, dollars in amounts.items():
        sides += [
            EntryLine(accounts[name], dollars * 100, id, line),
            EntryLine(Account.RECEIVABLE, -dollars * 100, id, line),
        ]
    if sides:
        made.append(Entry(f"posted-{id}-{line}", NOW, f"remittance:{id}", tuple(sides)))
    return tuple(made)


def seen(record: PersonRecord) -> CourseView:
    view = course_view(record, COURSE, RULES, SITE)
    assert view is not None
    return view


def sessions(view: CourseView) -> list[SessionView]:
    return [s for week in view.weeks for day in week.days for s in day.sessions]


MONDAY = date(2026, 1, 5)
ONE = fraction(1, MONDAY)


# ---------------------------------------------------------------- fates


@pytest.mark.parametrize(
    ("status", "state", "shared", "fate"),
    [
        (ChargeStatus.DUE, None, None, Fate.DUE),
        (ChargeStatus.CLAIMED, ClaimState.HELD, None, Fate.CLAIMED),
        (ChargeStatus.CLAIMED, ClaimState.READY, None, Fate.CLAIMED),
        (ChargeStatus.CLAIMED, ClaimState.REFUSED, None, Fate.RETURNED),
        (ChargeStatus.CLAIMED, ClaimState.ERROR, None, Fate.RETURNED),
        (ChargeStatus.SENT, ClaimState.UNKNOWN, None, Fate.UNKNOWN),
        (ChargeStatus.SENT, ClaimState.ACCEPTED, {}, Fate.SENT),
        (ChargeStatus.SENT, ClaimState.QUEUED, {}, Fate.SENT),
        (ChargeStatus.SETTLED, ClaimState.COMPLETE, {"paid": 40, "contractual": 60}, Fate.PAID),
        (ChargeStatus.SETTLED, ClaimState.COMPLETE, {"denied": 100}, Fate.DENIED),
        (ChargeStatus.SETTLED, ClaimState.COMPLETE, {"paid": 40, "denied": 60}, Fate.PART_DENIED),
        (ChargeStatus.SETTLED, ClaimState.COMPLETE, {"contractual": 60, "patient": 40}, Fate.SETTLED),
    ],
)
def test_what_became_of_a_charge(
    status: ChargeStatus, state: ClaimState | None, shared: dict[str, int] | None, fate: Fate
) -> None:
    due = charge("delivery", "uid:2.25.1", "77407", ONE)
    claims: tuple[ClaimOnFile, ...] = (claim("k1", ("c1", due), state=state),) if state else ()
    posted = entries(claims[0], 1, **shared) if shared is not None else ()
    on_file = ChargeOnFile("c1", due, status, "k1" if state else "", 1 if state else None)
    view = seen(PersonRecord(LANE, events=(ONE,), charges=(on_file,), claims=claims, entries=posted))
    (session,) = sessions(view)
    assert [line.fate for line in session.lines] == [fate]
    assert session.fate is fate
    assert view.fates == (fate,)


@pytest.mark.parametrize(
    ("code", "release", "fate"),
    [
        ("documentation-missing", Release.PERSON, Fate.HELD),
        ("waiting-for-review", Release.WAIT, Fate.WAITING),
        ("bundled", Release.NEVER, Fate.NOT_PAYABLE),
    ],
)
def test_what_a_hold_is(code: str, release: Release, fate: Fate) -> None:
    would = charge("guidance", "uid:2.25.1", "77387", ONE, modifiers=("26",))
    view = seen(PersonRecord(LANE, events=(ONE,), holds=(Hold(would.slot, code, release, would, would.why),)))
    (session,) = sessions(view)
    (line,) = session.lines
    assert (line.fate, line.spelled, line.amount) == (fate, "77387-26", 10000)
    assert line.words == RULES.hold(code).words
    assert view.held == (0 if release is Release.NEVER else 10000)


def test_a_session_takes_the_fate_that_most_wants_attention() -> None:
    due = charge("delivery", "uid:2.25.1", "77407", ONE)
    held = charge("guidance", "uid:2.25.1", "77387", ONE, modifiers=("26",))
    never = charge("guidance", "uid:2.25.1", "77387", ONE, modifiers=("TC",))
    record = PersonRecord(
        LANE,
        events=(ONE,),
        charges=(ChargeOnFile("c1", due),),
        holds=(
            Hold(never.slot, "bundled", Release.NEVER, never, never.why),
            Hold(held.slot, "documentation-missing", Release.PERSON, held, held.why),
        ),
    )
    (session,) = sessions(seen(record))
    assert session.fate is Fate.HELD
    assert [line.fate for line in session.lines] == [Fate.DUE, Fate.HELD, Fate.NOT_PAYABLE]
    (without,) = sessions(seen(replace(record, holds=record.holds[:1])))
    assert without.fate is Fate.DUE


def test_every_fate_has_a_mark_and_words_of_its_own() -> None:
    assert set(FATES) == set(Fate)
    assert len({words.mark for words in FATES.values()}) == len(FATES)
    assert len({words.label for words in FATES.values()}) == len(FATES)
    css = resources.files("adapters.pages").joinpath("templates", "page.css").read_text(encoding="utf-8")
    assert [fate for fate in Fate if f".fate-{fate}" not in css] == []


# ---------------------------------------------------------------- the calendar


@given(st.lists(st.dates(date(2025, 9, 1), date(2026, 6, 30)), min_size=1, max_size=12, unique=True))
def test_every_session_stands_once_on_its_day(days: list[date]) -> None:
    events = tuple(fraction(n, day) for n, day in enumerate(sorted(days), 1))
    view = seen(PersonRecord(LANE, events=events))
    placed = [(day.day, s.number) for week in view.weeks for day in week.days for s in day.sessions]
    assert placed == [(day, str(n)) for n, day in enumerate(sorted(days), 1)]
    shown = [day.day for week in view.weeks for day in week.days]
    assert all(week.days[0].day.weekday() == 0 and len(week.days) == 7 for week in view.weeks)
    assert all(later - earlier == timedelta(days=1) for week in view.weeks for earlier, later in _pairs(week))
    whole = (max(shown) - min(shown)).days + 1
    assert len(shown) + 7 * sum(week.gap for week in view.weeks) == whole


def _pairs(week: Any) -> Iterator[tuple[date, date]]:
    return itertools.pairwise(day.day for day in week.days)


def test_new_year_is_a_line_through_the_calendar() -> None:
    view = seen(PersonRecord(LANE, events=(fraction(1, date(2025, 12, 31)), fraction(2, date(2026, 1, 2)))))
    days = {day.day: day for week in view.weeks for day in week.days}
    assert days[date(2026, 1, 1)].boundary == "2026: other codes for delivery and guidance"
    assert [d for d, day in days.items() if day.boundary] == [date(2026, 1, 1)]
    assert [d.isoformat() for d, day in days.items() if day.edge] == [f"2026-01-0{n}" for n in range(1, 5)]


def test_a_course_within_one_year_has_no_line() -> None:
    view = seen(PersonRecord(LANE, events=(fraction(1, date(2026, 2, 2)), fraction(2, date(2026, 2, 3)))))
    assert not any(day.boundary or day.edge for week in view.weeks for day in week.days)


def test_weeks_without_anything_are_left_out_but_never_one_alone() -> None:
    apart = (fraction(1, MONDAY), fraction(2, MONDAY + timedelta(weeks=2)), fraction(3, MONDAY + timedelta(weeks=6)))
    view = seen(PersonRecord(LANE, events=apart))
    assert [(week.days[0].day, week.gap) for week in view.weeks] == [
        (MONDAY, 0),
        (MONDAY + timedelta(weeks=1), 0),
        (MONDAY + timedelta(weeks=2), 0),
        (MONDAY + timedelta(weeks=6), 3),
    ]


def test_times_are_the_sites_and_numbers_are_counted_where_none_is_stated() -> None:
    first = report("fraction", MONDAY, "a", hour=8, uid="1.1")
    second = report("fraction", MONDAY, "b", hour=15, uid="1.2")
    view = seen(PersonRecord(LANE, events=(second, first)))
    assert [(s.number, s.start.hour, s.start.tzinfo) for s in sessions(view)] == [("1", 8, ZONE), ("2", 15, ZONE)]


def test_two_messages_of_one_session_are_one_session_that_says_so() -> None:
    again = fraction(1, MONDAY, message="m1b", said=3)
    restated = replace(ONE, id="event-old", source=source("m0"), said=ONE.said - timedelta(minutes=20), line=ONE.line)
    view = seen(PersonRecord(LANE, events=(ONE, again, restated)))
    (session,) = sessions(view)
    assert session.messages == 3
    assert [(r.message, r.standing) for r in session.reports] == [("m0", False), ("m1", True), ("m1b", True)]
    assert view.delivered == 1


def test_a_withdrawn_session_is_shown_and_not_counted() -> None:
    gone = fraction(2, MONDAY + timedelta(days=1), status=Status.WITHDRAWN)
    skip = Skip(gone.id, "withdrawn", why(gone))
    view = seen(PersonRecord(LANE, events=(ONE, gone), skips=(skip,)))
    assert view.delivered == 1
    assert [(s.state, s.fate) for s in sessions(view)] == [("done", Fate.NOTHING), ("withdrawn", Fate.NOTHING)]
    assert sessions(view)[1].notes == (RULES.skip_words("withdrawn"),)


def test_what_was_planned_and_examined_stands_on_its_day() -> None:
    plan = report("imrt-plan", MONDAY, "p1")
    visit = report("on-treatment-visit", MONDAY, "v1")
    on_file = ChargeOnFile("c1", charge("plan", "order:1", "77301", plan))
    view = seen(PersonRecord(LANE, events=(ONE, plan, visit), charges=(on_file,)))
    chips = {(chip.label, chip.fate) for week in view.weeks for day in week.days for chip in day.chips}
    assert chips == {("IMRT plan", Fate.DUE), ("exam", None)}
    assert [(s.day, s.label, [line.code for line in s.lines]) for s in view.services] == [
        (MONDAY, "IMRT plan", ["77301"])
    ]


def test_ended_when_the_end_is_reported() -> None:
    end = report("course-end", MONDAY, "e1", hour=18)
    assert not seen(PersonRecord(LANE, events=(ONE,))).ended
    assert seen(PersonRecord(LANE, events=(ONE, end))).ended


# ---------------------------------------------------------------- units, services, holds


def test_a_unit_names_its_sessions_and_they_bear_its_mark() -> None:
    events = tuple(fraction(n, MONDAY + timedelta(days=n - 1)) for n in range(1, 7))
    charges = (
        ChargeOnFile("m", charge("management", "1", "77427", *events[:5])),
        ChargeOnFile("p", charge("physics", "1", "77336", *events[:5])),
    )
    view = seen(PersonRecord(LANE, events=events, charges=charges))
    assert [(u.mark, [s.number for s in u.sessions], u.fate) for u in view.units] == [
        ("M1", ["1", "2", "3", "4", "5"], Fate.DUE),
        ("P1", ["1", "2", "3", "4", "5"], Fate.DUE),
    ]
    assert [s.marks for s in sessions(view)] == [("M1", "P1")] * 5 + [()]
    assert not view.services


def test_a_hold_without_a_line_finds_its_session_and_its_next_step() -> None:
    hold = Hold(
        Slot(COURSE, "delivery", "uid:2.25.1", "-"),
        "option-missing",
        Release.PERSON,
        None,
        why(ONE),
        detail="codes.some",
    )
    about = f"{COURSE}|delivery|uid:2.25.1|-"
    item = open_item("hold", "option-missing", about, category="delivery", action="x", opened=NOW, person=LANE)
    view = seen(PersonRecord(LANE, events=(ONE,), holds=(hold,), work=(replace(item, assigned="kim"),)))
    assert [line.fate for line in sessions(view)[0].lines] == [Fate.HELD]
    (shown,) = view.holds
    assert (shown.about, shown.day, shown.detail, shown.assigned) == (
        "session 1, delivery",
        MONDAY,
        "codes.some",
        "kim",
    )
    assert shown.next_step == RULES.hold("option-missing").next_step
    assert shown.line.amount is None


def test_a_coded_charge_without_the_sessions_key_is_found_by_the_report_it_rests_on() -> None:
    coded = charge("delivery", "line:T77", "77407", ONE)
    view = seen(PersonRecord(LANE, events=(ONE,), charges=(ChargeOnFile("c1", coded),)))
    assert [line.code for line in sessions(view)[0].lines] == ["77407"]
    elsewhere = charge("delivery", "line:T78", "77407")
    view = seen(
        PersonRecord(LANE, events=(ONE,), charges=(ChargeOnFile("c1", replace(elsewhere, why=why(technique="3d"))),))
    )
    assert not sessions(view)[0].lines
    assert [line.code for service in view.services for line in service.lines] == ["77407"]


def test_a_void_charge_is_shown_only_when_it_was_with_a_payer() -> None:
    old = charge("delivery", "uid:2.25.1", "77407", ONE)
    void = ChargeOnFile("c1", old, ChargeStatus.VOID)
    assert not sessions(seen(PersonRecord(LANE, events=(ONE,), charges=(void,))))[0].lines
    sent = claim("k1", ("c1", old), state=ClaimState.COMPLETE)
    void = replace(void, claim="k1", line=1)
    record = PersonRecord(LANE, events=(ONE,), charges=(void,), claims=(sent,), entries=entries(sent, 1, paid=100))
    assert [line.fate for line in sessions(seen(record))[0].lines] == [Fate.VOID]


def test_findings_are_counted_and_another_courses_are_not() -> None:
    mine = Finding("duplicate-suppressed", ONE.id, why(ONE))
    theirs = Finding("duplicate-suppressed", "event-of-another", why(ONE))
    view = seen(PersonRecord(LANE, events=(ONE,), findings=(mine, mine, theirs)))
    assert [(f.words, f.count) for f in view.findings] == [(RULES.finding_words("duplicate-suppressed"), 2)]


def test_another_course_of_the_person_stays_away() -> None:
    other = fraction(9, MONDAY, course="C8")
    foreign = replace(charge("delivery", "uid:2.25.9", "77407", other), slot=Slot(f"{LANE}/C8", "delivery", "k", "p"))
    view = seen(PersonRecord(LANE, events=(ONE, other), charges=(ChargeOnFile("c9", foreign),)))
    assert [s.number for s in sessions(view)] == ["1"]
    assert view.unsent == 0


def test_no_such_course() -> None:
    assert course_view(PersonRecord(LANE, events=(ONE,)), f"{LANE}/C99", RULES, SITE) is None


# ---------------------------------------------------------------- money


def course_of_two() -> PersonRecord:
    """Two sessions on one claim, one paid with an adjustment and one denied; a third not billed; a patient."""
    two, three = fraction(2, MONDAY + timedelta(days=1)), fraction(3, MONDAY + timedelta(days=2))
    who = report("patient", MONDAY, "adt", course="", family="Quillworth", given="Petra", birth_date="1961-02-03")
    insured = report("coverage", MONDAY, "adt2", course="", payer="med", member="1ZZ")
    paid, denied, due = (charge("delivery", f"uid:2.25.{n}", "77407", e) for n, e in ((1, ONE), (2, two), (3, three)))
    sent = claim("k1aaaaaaaa", ("c1", paid), ("c2", denied), state=ClaimState.COMPLETE, settlement="partially-paid")
    answer = Remittance(
        "era1",
        "k1aaaaaaaa",
        Decision.ADJUDICATED,
        lines=(
            RemittanceLine(1, 10000, 4000, (Adjustment("CO", "45", 5000), Adjustment("PR", "2", 1000))),
            RemittanceLine(2, 10000, 0, (Adjustment("CO", "197", 10000),)),
        ),
    )
    return PersonRecord(
        LANE,
        identifiers=(Identifier("mrn", "MR-5150"),),
        events=(who, insured, ONE, two, three),
        charges=(
            ChargeOnFile("c1", paid, ChargeStatus.SETTLED, "k1aaaaaaaa", 1),
            ChargeOnFile("c2", denied, ChargeStatus.SETTLED, "k1aaaaaaaa", 2),
            ChargeOnFile("c3", due),
        ),
        claims=(sent,),
        remittances=(answer,),
        entries=(*entries(sent, 1, paid=40, contractual=50, patient=10), *entries(sent, 2, denied=100)),
        work=(_denial(),),
    )


def _denial() -> WorkItem:
    return open_item(
        "denial",
        "197",
        "k1aaaaaaaa",
        category="authorization",
        action="get-authorization",
        opened=NOW,
        amount=10000,
        person=LANE,
    )


def test_every_cent_is_somewhere() -> None:
    view = seen(course_of_two())
    money = view.money
    assert money.billed == money.paid + money.contractual + money.patient + money.denied + money.open == 20000
    assert (money.paid, money.contractual, money.patient, money.denied, money.open) == (4000, 5000, 1000, 10000, 0)
    assert (view.unsent, view.held) == (10000, 0)
    assert sum(amount for _, amount in view.balance) == 0
    assert dict(view.balance)[Account.CHARGES] == -20000


def test_a_line_tells_what_the_payer_did() -> None:
    first, second, _ = sessions(seen(course_of_two()))
    assert [(a.code, a.amount) for a in first.lines[0].adjusted] == [("CO-45", 5000), ("PR-2", 1000)]
    carc = RULES.carc("197")
    assert carc is not None
    assert [(a.code, a.words) for a in second.lines[0].adjusted] == [("CO-197", carc.label)]
    assert (second.lines[0].claim, second.lines[0].claim_line) == ("k1aaaaaaaa", 2)


def test_a_claim_tells_its_money_and_its_work() -> None:
    view = seen(course_of_two())
    (only,) = view.claims
    assert (only.state, only.fate, only.lines, only.total) == ("partially paid", Fate.PART_DENIED, 2, 20000)
    assert only.cycle == "2026-W02"
    assert [(w.kind, w.code, w.action, w.amount) for w in view.work] == [("denial", "197", "get authorization", 10000)]


def test_a_claim_that_was_replaced_counts_no_more() -> None:
    record = course_of_two()
    (old,) = record.claims
    charges = [(c.id, c.charge) for c in record.charges[:2]]
    new = claim("k2bbbbbbbb", *charges, state=ClaimState.READY, frequency="7", replaces="k1aaaaaaaa")
    undone = tuple(e.reversal(f"r-{e.id}", NOW, "remittance:x") for e in record.entries)
    view = seen(
        replace(record, claims=(replace(old, state=ClaimState.REPLACED), new), entries=(*record.entries, *undone))
    )
    assert [(c.kind, c.state, c.fate) for c in view.claims] == [
        ("original", "replaced", Fate.VOID),
        ("replacement", "ready to send", Fate.CLAIMED),
    ]
    assert all(amount == 0 for _, amount in view.balance)


def test_lines_of_another_course_on_the_same_claim_are_told() -> None:
    due = charge("delivery", "uid:2.25.1", "77407", ONE)
    mixed = claim("k1", ("c1", due), ("of-another-course", due), state=ClaimState.READY)
    view = seen(
        PersonRecord(
            LANE, events=(ONE,), charges=(ChargeOnFile("c1", due, ChargeStatus.CLAIMED, "k1", 1),), claims=(mixed,)
        )
    )
    assert [(c.lines, c.elsewhere) for c in view.claims] == [(2, 1)]


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=6), st.integers(0, 3))
def test_the_parts_fill_the_bar(prices: list[int], held: int) -> None:
    events = tuple(fraction(n, MONDAY + timedelta(days=n)) for n in range(len(prices)))
    lines = [
        charge("delivery", f"uid:2.25.{n}", "77407", e, dollars=p)
        for n, (e, p) in enumerate(zip(events, prices, strict=True))
    ]
    charges = tuple(ChargeOnFile(f"c{n}", c) for n, c in enumerate(lines) if n >= held)
    holds = tuple(Hold(c.slot, "documentation-missing", Release.PERSON, c, c.why) for c in lines[:held])
    parts = shares(seen(PersonRecord(LANE, events=events, charges=charges, holds=holds)))
    assert sum(part.amount for part in parts) == 100 * sum(prices)
    assert sum(part.width for part in parts) == 1000
    ends = [(part.x, part.x + part.width) for part in parts]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(ends))
    assert ends[0][0] == 0


def test_a_better_line_kept_back_beside_a_lesser_one_is_not_counted_twice() -> None:
    due = charge("delivery", "uid:2.25.1", "77407", ONE)
    better = charge("delivery", "uid:2.25.1", "77412", ONE, dollars=130)
    hold = Hold(better.slot, "isocenters-unknown", Release.PERSON, better, better.why, instead_of=True)
    view = seen(PersonRecord(LANE, events=(ONE,), charges=(ChargeOnFile("c1", due),), holds=(hold,)))
    assert (view.unsent, view.held) == (10000, 0)
    assert sessions(view)[0].fate is Fate.HELD


# ---------------------------------------------------------------- links


def counter() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"token-{next(numbers)}"


def test_a_link_opens_once() -> None:
    links = Links(counter())
    token = links.issue(NOW)
    session = links.redeem(token, NOW)
    assert session is not None
    assert session != token
    assert links.redeem(token, NOW) is None
    assert links.admits(session, NOW)
    assert not links.admits(token, NOW)
    assert not links.admits("", NOW)


def test_links_and_sessions_end() -> None:
    links = Links(counter())
    early, late = links.issue(NOW), links.issue(NOW)
    session = links.redeem(early, NOW + LINK_VALID - timedelta(seconds=1))
    assert session is not None
    assert links.redeem(late, NOW + LINK_VALID) is None
    begun = NOW + LINK_VALID - timedelta(seconds=1)
    assert links.admits(session, begun + SESSION_VALID - timedelta(seconds=1))
    assert not links.admits(session, begun + SESSION_VALID)


def test_only_hashes_are_kept() -> None:
    links = Links(counter())
    token = links.issue(NOW)
    session = links.redeem(links.issue(NOW), NOW)
    kept = repr(vars(links))
    assert session is not None
    assert token not in kept
    assert session not in kept


# ---------------------------------------------------------------- served


class Shelf(UserShelf):
    """A store that has these records."""

    def __init__(self, *records: PersonRecord) -> None:
        super().__init__()
        self.records = {record.person: record for record in records}
        self.down = False

    def lanes(self) -> tuple[str, ...]:
        if self.down:
            raise StoreDown("no rows now")
        return tuple(sorted(self.records))

    def lanes_after(self, after: str, limit: int) -> tuple[str, ...]:
        return tuple(lane for lane in self.lanes() if lane > after)[:limit]

    def marks(self, lanes: Iterable[str]) -> dict[str, str]:
        return {lane: str(id(self.records[lane])) for lane in lanes if lane in self.records}

    def load(self, person: str) -> PersonRecord:
        if self.down:
            raise StoreDown("no rows now")
        return self.records.get(person, PersonRecord(person))


@dataclass
class Hand:
    """A clock that a test moves."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


@dataclass
class Served:
    """The pages behind a client, and what stands behind them."""

    client: TestClient
    links: Links
    shelf: Shelf
    hand: Hand

    def opened(self) -> TestClient:
        """The client with a session."""
        assert self.client.get(f"/open/{self.links.issue(self.hand.at)}").status_code == 303
        return self.client


@dataclass
class Wired:
    store: Any
    house: House
    clock: Hand


def served(*records: PersonRecord, scheme: str = "http") -> Served:
    links, shelf, hand = Links(counter()), Shelf(*records), Hand()
    app = FastAPI(openapi_url=None)
    app.include_router(router(Wired(shelf, House.of(RULES, SITE), hand), links))
    client = TestClient(app, base_url=f"{scheme}://127.0.0.1", follow_redirects=False)
    return Served(client, links, shelf, hand)


PAGE = f"/courses/{course_name(COURSE)}"


@pytest.mark.parametrize("path", ["/courses", PAGE, "/courses/none"])
def test_nobody_sees_a_page_without_a_link(path: str) -> None:
    there = served(course_of_two())
    answer = there.client.get(path)
    assert answer.status_code == 403
    assert "one-time link" in answer.text
    assert "Quillworth" not in answer.text
    there.client.cookies.set(COOKIE, "guessed")
    assert there.client.get(path).status_code == 403


def test_the_link_works_once_and_then_says_so() -> None:
    there = served(course_of_two())
    token = there.links.issue(NOW)
    answer = there.client.get(f"/open/{token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/courses")
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert token not in cookie
    assert "Secure" not in cookie
    assert there.client.get("/courses").status_code == 200
    there.client.cookies.clear()
    again = there.client.get(f"/open/{token}")
    assert again.status_code == 403
    assert "set-cookie" not in again.headers
    assert there.client.get("/courses").status_code == 403


def test_over_tls_the_cookie_is_for_tls_only() -> None:
    there = served(scheme="https")
    assert "Secure" in there.client.get(f"/open/{there.links.issue(NOW)}").headers["set-cookie"]


def test_a_link_followed_from_another_site_goes_on_by_the_page_itself() -> None:
    there = served()
    answer = there.client.get(f"/open/{there.links.issue(NOW)}", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/courses"' in answer.text
    assert there.client.get("/courses").status_code == 200


def test_an_old_link_and_an_old_session_are_refused() -> None:
    there = served(course_of_two())
    token = there.links.issue(NOW)
    there.hand.at = NOW + LINK_VALID
    assert there.client.get(f"/open/{token}").status_code == 403
    client = there.opened()
    there.hand.at += SESSION_VALID
    assert client.get(PAGE).status_code == 403


def test_every_answer_is_guarded() -> None:
    there = served(course_of_two())
    answers = [there.client.get("/courses"), there.client.get("/open/none"), there.client.get("/page.css")]
    answers.append(there.client.get(f"/open/{there.links.issue(NOW)}"))
    answers += [there.client.get(path) for path in ("/courses", PAGE, "/courses/none")]
    assert [a.status_code for a in answers] == [403, 403, 200, 303, 200, 200, 404]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_the_name_is_on_the_page_and_nowhere_else() -> None:
    client = served(course_of_two()).opened()
    listed, page = client.get("/courses"), client.get(PAGE)
    for answer in (listed, page):
        assert "Quillworth, Petra" in answer.text
        title = re.search("<title>(.*?)</title>", answer.text)
        assert title is not None
        assert "Quillworth" not in title[1]
        assert SITE.name in title[1]
        for personal in ("Quillworth", "Petra", "MR-5150"):
            assert not re.search(f'(href|id|title)="[^"]*{personal}', answer.text)
    assert "<title>Course C7 · Lindenhof Radiation</title>" in page.text
    assert f'href="{PAGE}"' in listed.text
    assert "C7" not in PAGE


def test_the_list_tells_the_counts() -> None:
    text = _plain(served(course_of_two()).opened().get("/courses").text)
    assert "C7 Quillworth, Petra 5 Jan to 7 Jan 2026 open 3 1 $100.00 $200.00 $40.00 $100.00" in text


def test_an_empty_clinic_says_so() -> None:
    assert "No course is on file yet" in served().opened().get("/courses").text


def test_a_long_list_goes_on() -> None:
    there = served(*(PersonRecord(f"lane-{n:03}", events=(ONE,)) for n in range(35)))
    first = there.opened().get("/courses").text
    assert first.count("<tr>") == 26
    onward = re.search(r'href="(/courses\?after=[^"]+)" rel="next"', first)
    assert onward is not None
    second = there.client.get(onward[1]).text
    assert second.count("<tr>") == 11
    assert 'rel="next"' not in second


def test_the_page_explains_a_line_down_to_the_field() -> None:
    text = _plain(served(course_of_two()).opened().get(PAGE).text)
    assert "Session 1, Monday 5 January 2026" in text
    assert "By rule delivery , in force since 1 Jan 2026 : a clause of the facts" in text
    assert "technique imrt m-other ZRT-7" in text
    assert "event fraction on 2026-01-05 m1 FT1[1]" in text
    assert "Billed $100.00: paid $40.00, contractual $50.00, patient $10.00, denied $0.00, open $0.00." in text
    assert "On claim k1aaaaaaaa , line 2." in text
    assert "CO-197 $100.00" in text
    assert "Reported by 1 message" in text


def test_the_page_tells_the_money_and_what_waits() -> None:
    text = _plain(served(course_of_two()).opened().get(PAGE).text)
    assert "1 thing waits for a person." in text
    assert "denial 197 k1aaaaaa get authorization $100.00" in text
    assert "payer payment $40.00" in text
    assert "charges −$200.00" in text
    assert "Together $0.00" in text


def _plain(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


EVIL = "\"><script>alert('x')</script><b onload=x>"


def test_what_feeds_send_is_text_and_never_markup() -> None:
    record = course_of_two()
    who = report("patient", MONDAY, "adt9", course="", said=9, family=EVIL, given=EVIL)
    odd = fraction(4, MONDAY, message=EVIL, plan=EVIL, course="C7")
    hold = Hold(
        Slot(COURSE, "delivery", "uid:2.25.4", "-"), "review-needed", Release.PERSON, None, why(odd), detail=EVIL
    )
    record = replace(record, identifiers=(Identifier("mrn", EVIL),), events=(*record.events, who, odd), holds=(hold,))
    client = served(record).opened()
    for path in ("/courses", PAGE):
        page = client.get(path).text
        assert html.escape(EVIL, quote=True).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in page
        assert "<script" not in page
        assert "<b onload" not in page


def test_nothing_comes_from_elsewhere_and_nothing_runs() -> None:
    client = served(course_of_two()).opened()
    for text in (client.get(PAGE).text, client.get("/courses").text, client.get("/page.css").text):
        assert not re.search(r"(?:https?:)?//[a-z]|@import|url\(", text)
        assert not re.search(r"<script|<iframe|<object|\sstyle=|\son[a-z]+=|javascript:", text)
    assert client.get("/page.css").headers["content-type"].startswith("text/css")


def test_tables_name_their_rows_and_columns() -> None:
    page = served(course_of_two()).opened().get(PAGE).text
    assert '<html lang="en">' in page
    heads = re.findall(r"<th\b[^>]*>", page)
    assert heads
    assert [head for head in heads if "scope=" not in head] == []
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert all("<th" in table for table in tables)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_unknown_addresses_are_no_course() -> None:
    client = served(course_of_two()).opened()
    other = course_name(f"{LANE}/C99")
    for path in ("/courses/none", f"/courses/{other}", f"/courses/{LANE}"):
        answer = client.get(path)
        assert (answer.status_code, "Nothing on file" in answer.text) == (404, True)


def test_a_store_that_does_not_answer_is_told() -> None:
    there = served(course_of_two())
    client = there.opened()
    there.shelf.down = True
    for path in ("/courses", PAGE):
        assert client.get(path).status_code == 503


def test_services_of_no_known_course_have_a_page() -> None:
    loose = (report("fraction", MONDAY, "a", uid="1", course="A"), report("fraction", MONDAY, "b", uid="2", course="B"))
    lost = report("device", date(2026, 3, 1), "lost", course="")
    record = PersonRecord(LANE, events=(*loose, lost))
    hold = Hold(
        Slot(f"{LANE}/loose", "device", "k", "-"), "course-unknown", Release.PERSON, None, why(lost), about=lost.id
    )
    client = served(replace(record, holds=(hold,))).opened()
    assert "no known course" in client.get("/courses").text
    page = client.get(f"/courses/{course_name(f'{LANE}/loose')}").text
    assert "Services of no known course" in page
    assert html.escape(RULES.hold("course-unknown").words) in page


# ---------------------------------------------------------------- the style sheet


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_words_can_be_read_on_their_ground(theme: int) -> None:
    """WCAG 2.2, success criterion 1.4.3: at least 4.5 to 1 for text of normal size."""
    css = resources.files("adapters.pages").joinpath("templates", "page.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\n *\}", css, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [(name, f"{name}-bg") for name in colours if f"{name}-bg" in colours]
    pairs += [("quiet", f"{name}-bg") for name, _ in pairs] + [("ink", f"{name}-bg") for name, _ in pairs]
    pairs += [(word, ground) for word in ("ink", "quiet", "link") for ground in ("paper", "sheet", "soft")]
    assert len(pairs) == 36
    assert [(a, b) for a, b in pairs if _contrast(colours[a], colours[b]) < 4.5] == []
