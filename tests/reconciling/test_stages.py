"""Stages and differences of one row: what closes one, what is put together, since when, and what a booking is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from adapters.model.charge import Hold, Release, Skip
from adapters.model.event import Event, Status
from adapters.model.reconciliation import Mark, Stage, Standing
from adapters.model.record import PersonRecord
from adapters.pipeline import House
from tests.model.clinic import background, exams, fed, fraction, house, moment, report, sessions
from tests.model.visits import DAY as VISIT_DAY
from tests.model.visits import dose, place
from tests.reconciling.looking import looked, named, only, row_of, shared

MONDAY = "2026-03-02"
LATER = "2026-03-12"


def at(**more: object) -> House:
    return house("freestanding", **more)


def one_session(clinic: House, *more: Event) -> PersonRecord:
    return fed([*background(), fraction(f"{MONDAY}T09:00", 1), *more], clinic, moment("2026-03-03"))


def booking(day: str, **facts: object) -> Event:
    said: dict[str, object] = {"state": "booked", "expects": "fraction", "machine": "LINAC1", **facts}
    return report("appointment", f"{day}T09:00", course="", line=f"appointment|{day}", **said)  # type: ignore[arg-type]


def holds_of(record: PersonRecord, *codes: str) -> tuple[Hold, ...]:
    """The session's line held for each of these reasons, as so many parts of it; of the second on what came later."""
    (session,) = (c for c in record.charges if c.charge.slot.service == "delivery")
    later = max((e for e in record.events if e.kind == "fraction"), key=lambda e: e.said)
    found = []
    for n, code in enumerate(codes):
        why = session.charge.why
        if n:
            facts = (*why.facts, replace(why.facts[0], source=later.source))
            why = replace(why, facts=facts)
        slot = replace(session.charge.slot, part=f"{session.charge.slot.part}:{n}")
        would = replace(session.charge, slot=slot, price=Decimal(100 + n), why=why)
        found.append(Hold(slot, code, Release.PERSON, would, why))
    return tuple(found)


# ---------------------------------------------------------------- differences of one row


def test_two_parts_that_wait_for_one_thing_are_one_difference() -> None:
    clinic = at()
    record = one_session(clinic, fraction("2026-03-03T09:00", 2, said="2026-03-05T08:00"))
    first = one_session(clinic)
    parts = holds_of(first, "documentation-missing", "documentation-missing")
    late = replace(parts[1], why=next(c.charge.why for c in record.charges if c.charge.start == date(2026, 3, 3)))
    for holds in ((parts[0], late), (late, parts[0])):
        row = row_of(shared(replace(record, charges=(), holds=holds, work=()), clinic, LATER), "session 1")
        difference = only(row)
        assert difference.amount == 10000 + 10100
        assert (difference.since, difference.days) == (date(2026, 3, 2), 10)


def test_two_reasons_are_two_differences() -> None:
    clinic = at()
    record = one_session(clinic)
    holds = holds_of(record, "documentation-missing", "diagnosis-missing")
    row = row_of(shared(replace(record, charges=(), holds=holds, work=()), clinic, LATER), "session 1")
    assert sorted((d.code, d.amount) for d in row.differences) == [
        ("diagnosis-missing", 10100),
        ("documentation-missing", 10000),
    ]
    assert row.at_stake == row.money.held == 20100


def test_what_closed_by_itself_was_decided_by_nobody() -> None:
    clinic = at()
    record = fed([*background(), *sessions(MONDAY, 5)], clinic, moment("2026-03-06"))
    work = tuple(replace(item, closed=item.opened, closed_why="gone", closed_by="") for item in record.work)
    row = row_of(shared(replace(record, work=work), clinic, LATER), "management unit 1")
    assert only(row).standing is Standing.CARRIED


def test_a_look_at_a_day_before_it_was_known_gives_it_no_age() -> None:
    clinic = at()
    record = fed([*background(), *sessions(MONDAY, 5)], clinic, moment("2026-03-06"))
    assert only(row_of(shared(record, clinic, "2026-03-02"), "management unit 1")).days == 0


def test_what_has_no_line_needs_a_reason() -> None:
    clinic = at()
    record = replace(one_session(clinic), charges=(), holds=(), skips=(), findings=())
    row = row_of(shared(record, clinic, LATER), "session 1")
    assert (named(row), only(row).stage) == (["not-charged"], Stage.CHARGED)
    (session,) = (e for e in record.events if e.kind == "fraction")
    why = one_session(clinic).charges[0].charge.why
    explained = replace(record, skips=(Skip(session.id, "included-in-plan", why),))
    assert named(row_of(shared(explained, clinic, LATER), "session 1")) == []


def test_a_charge_is_known_from_the_first_report_of_its_service_on() -> None:
    clinic = at()
    again = fraction(f"{MONDAY}T09:00", 1, line="again", message="m-2", said="2026-03-09T20:00")
    record = fed([again], clinic, moment("2026-03-09"), one_session(clinic))
    row = row_of(shared(record, clinic, LATER), "session 1")
    assert len(row.events) == 2
    assert row.at(Stage.CHARGED).on == date(2026, 3, 2)


def test_a_unit_is_charged_from_its_examination_on() -> None:
    clinic = at()
    given = sessions(MONDAY, 5)
    seen = [replace(one, said=moment("2026-03-10").now) for one in exams(given)]
    record = fed([*background(), *given, *seen], clinic, moment("2026-03-10"))
    share = shared(record, clinic, "2026-03-10")
    assert row_of(share, "management unit 1").at(Stage.CHARGED).on == date(2026, 3, 10)


# ---------------------------------------------------------------- booked and ordered


def test_what_was_missed_is_worth_what_the_nearest_session_is() -> None:
    clinic = at()
    events = [fraction(f"{MONDAY}T09:00", 1), fraction("2026-03-06T09:00", 2, isocenters=2)]
    share = looked([*events, booking("2026-03-09")], clinic, LATER)
    missed = row_of(share, "fraction")
    (first, near) = (row_of(share, f"session {n}").money.unbilled for n in (1, 2))
    assert first != near
    assert (named(missed), only(missed).amount) == (["not-delivered"], near)


def test_a_booking_that_was_taken_back_is_not_expected_whatever_it_says() -> None:
    gone = booking("2026-03-09", status=Status.WITHDRAWN)
    share = looked([fraction(f"{MONDAY}T09:00", 1), gone], at(), LATER)
    assert [row.name for row in share.rows] == ["session 1"]


def test_a_booking_asks_for_its_session_when_its_day_is_over() -> None:
    events = [fraction(f"{MONDAY}T09:00", 1), booking("2026-03-09")]
    assert [row.name for row in looked(events, at(), "2026-03-09").rows] == ["session 1"]
    assert [row.name for row in looked(events, at(), "2026-03-10").rows] == ["session 1", "fraction"]


def order(number: str, drug: str) -> Event:
    return report(
        "order",
        VISIT_DAY,
        course="",
        line=number,
        code=drug,
        drug=drug,
        dose=300,
        dose__unit="mg",
        route="IV",
        scheduled=f"{VISIT_DAY}T09:00:00-04:00",
        expects="infusion",
        keys=(f"order:{number}",),
    )


def test_an_order_asks_for_its_dose_when_its_day_is_over() -> None:
    clinic = place("freestanding")
    assert looked([order("O-1", "J9267")], clinic, VISIT_DAY).rows == ()
    after = date.fromisoformat(VISIT_DAY).replace(day=date.fromisoformat(VISIT_DAY).day + 1)
    assert named(row_of(looked([order("O-1", "J9267")], clinic, str(after)), "infusion J9267")) == ["not-delivered"]


def test_a_dose_that_no_order_is_of_is_not_scheduled_by_the_order_of_another() -> None:
    clinic = place("freestanding")
    told = {"dose": 300, "dose__unit": "mg"}
    ordered = dose("infusion", "09:00", "10:00", "paclitaxel", "chemo", code="J9267", keys=("order:O-1",), **told)
    other = dose("infusion", "11:00", "12:00", "docetaxel", "chemo", code="J9171", **told)
    share = looked([order("O-1", "J9267"), ordered, other], clinic, "2026-05-10")
    assert row_of(share, "infusion J9267").at(Stage.SCHEDULED).mark is Mark.YES
    assert row_of(share, "infusion J9171").at(Stage.SCHEDULED).mark is Mark.NO
