"""Regimens: what was ordered or booked against what was given, as findings, work that opens by itself, and its end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from adapters.model.event import Event, Status
from adapters.model.live import Live
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Captured, PersonRecord, Reading, Tick
from adapters.model.work import WorkItem
from adapters.pipeline import House, step
from adapters.pipeline.expecting import EXPECTED, FINDINGS
from adapters.work import MISSED_DOSE
from tests.model.clinic import ZONE, background, moment, report
from tests.model.visits import DAY, dose
from tests.model.visits import place as clinic

MONDAY = date.fromisoformat(DAY)
HINT = PersonHint((Identifier("mrn", "R-1"),))


def place(**options: str) -> House:
    """A clinic that looks for a missed dose on the day after, where nothing else is said."""
    return clinic(**{"infusion__missed_dose_days": "1", **options})


def ordered(number: str, day: str = DAY, drug: str = "paclitaxel", **more: object) -> Event:
    """An order of one dose at nine, 300 mg of a drug with a code and a price where no other is said."""
    said: dict[str, object] = {"drug.name": drug, "placer": number, "route": "IV", "code": "J9267", **more}
    said = {"scheduled": f"{day}T09:00:00-04:00", "dose": 300, "dose__unit": "mg", "line": f"order|{number}", **said}
    return report("order", f"{day}T09:00", course="", **{k: v for k, v in said.items() if v is not None})  # type: ignore[arg-type]


def given(number: str = "", start: str = "09:00", drug: str = "paclitaxel", **more: object) -> Event:
    """An hour's infusion by an order."""
    said = {"code": "J9267", "dose": 300, "dose__unit": "mg", "waste": 0, "waste__unit": "mg", **more}
    end = f"{int(start[:2]) + 1:02}{start[2:]}"
    return dose("infusion", start, end, drug, "chemo", **({"placer": number} if number else {}), **said)


def booked(day: str = DAY, **more: object) -> Event:
    return report("appointment", f"{day}T09:00", course="", line="appointment|1", expects="infusion", **more)  # type: ignore[arg-type]


def fed(record: PersonRecord, events: Iterable[Event], at: House, tick: Tick) -> PersonRecord:
    readings = [Reading(e.source.message, e.said, captured=Captured(HINT, (e,))) for e in events]
    return step(record, readings, at, tick)


def on(day: date | str, *events: Event, at: House | None = None) -> PersonRecord:
    """The record of the person on the evening of the day."""
    return fed(PersonRecord("p1"), [*background(), *events], at or place(), moment(day))


def later(record: PersonRecord, day: date | str, *events: Event, at: House | None = None) -> PersonRecord:
    return fed(record, events, at or place(), moment(day))


def remarks(record: PersonRecord) -> list[tuple[str, str]]:
    return sorted((one.kind, one.value) for one in record.findings if one.kind in FINDINGS)


def items(record: PersonRecord) -> list[WorkItem]:
    return [item for item in record.work if item.kind == MISSED_DOSE]


def looks(record: PersonRecord) -> list[datetime]:
    return [due.not_before.astimezone(ZONE) for due in record.due if due.what == EXPECTED]


def price(record: PersonRecord) -> str:
    (charge,) = (c.charge for c in record.charges if c.charge.code == "J9267")
    assert charge.price is not None
    return f"{charge.price * 300:.2f}"


def test_a_dose_that_never_came_is_work_after_its_day_though_nothing_arrives() -> None:
    record = on(MONDAY, ordered("O-1", cycle=2, cycle_day=8))
    assert (remarks(record), items(record)) == ([], [])
    assert looks(record) == [datetime(2026, 5, 5, tzinfo=ZONE)]
    record = later(record, MONDAY + timedelta(days=1))
    worth = price(on(MONDAY, given("O-1")))
    assert remarks(record) == [("missed-dose", f"paclitaxel J9267 ×300 ${worth}")]
    (item,) = items(record)
    assert item.detail == "paclitaxel, cycle 2, cycle day 8, ordered for 2026-05-04, and nothing is reported"
    assert (item.about, item.person, f"{item.amount / 100:.2f}") == ("order|O-1", "p1", worth)
    assert looks(record) == []
    (finding,) = (one for one in record.findings if one.kind == "missed-dose")
    facts = {fact.name: fact.value for fact in finding.why.facts}
    assert (facts["worth"], facts["cycle"], facts["cycle_day"]) == (worth, "2", "8")


def test_it_is_gone_when_the_dose_arrives_late_and_stays_while_nothing_changes() -> None:
    record = later(on(MONDAY, ordered("O-1")), MONDAY + timedelta(days=1))
    before = items(record)
    record = later(record, MONDAY + timedelta(days=2), given("O-2", drug="other", code="J9045", visit="V9"))
    assert items(record) == before
    for day in (DAY, "2026-05-06"):
        told = later(record, MONDAY + timedelta(days=3), given("O-1", day=day))
        assert [kind for kind, _ in remarks(told)] == ["dose-not-ordered"]
        assert [(item.closed_why, item.closed is not None) for item in items(told)] == [("settled", True)]


@pytest.mark.parametrize(
    "gone",
    [
        {"state": "cancelled", "status": Status.NOT_DONE},
        {"state": "held"},
        {"state": "discontinued", "status": Status.NOT_DONE},
        {"status": Status.WITHDRAWN},
        {"scheduled": "2026-05-11T09:00:00-04:00", "day": "2026-05-11"},
    ],
)
def test_it_is_gone_when_its_order_is_cancelled_held_or_moved(gone: dict[str, object]) -> None:
    record = later(on(MONDAY, ordered("O-1")), MONDAY + timedelta(days=1))
    assert len(items(record)) == 1
    record = later(record, MONDAY + timedelta(days=2), ordered("O-1", said="2026-05-06T08:00", **gone))  # type: ignore[arg-type]
    assert remarks(record) == []
    assert [item.closed_why for item in items(record)] == ["settled"]
    moved = "day" in gone
    assert looks(record) == ([datetime(2026, 5, 12, tzinfo=ZONE)] if moved else [])


def test_a_dose_that_was_refused_answers_its_order_and_one_taken_back_does_not() -> None:
    refused = given("O-1", status=Status.NOT_DONE, completion="refused")
    record = later(on(MONDAY, ordered("O-1"), refused), MONDAY + timedelta(days=3))
    assert (remarks(record), items(record)) == ([], [])
    after = later(record, MONDAY + timedelta(days=3), given("O-1", "15:00"))
    assert remarks(after) == []
    taken_back = given("O-1", status=Status.WITHDRAWN)
    record = later(on(MONDAY, ordered("O-1"), taken_back), MONDAY + timedelta(days=1))
    assert [kind for kind, _ in remarks(record)] == ["missed-dose"]


def test_the_day_from_which_it_is_work_is_the_sites() -> None:
    slow = place(infusion__missed_dose_days="3")
    record = later(on(MONDAY, ordered("O-1"), at=slow), MONDAY + timedelta(days=1), at=slow)
    assert ([kind for kind, _ in remarks(record)], items(record)) == (["missed-dose"], [])
    assert looks(record) == [datetime(2026, 5, 7, tzinfo=ZONE)]
    record = later(record, MONDAY + timedelta(days=3), at=slow)
    assert len(items(record)) == 1
    never = place(infusion__missed_dose_days="off")
    record = later(on(MONDAY, ordered("O-1"), at=never), MONDAY + timedelta(days=9), at=never)
    assert ([kind for kind, _ in remarks(record)], items(record), looks(record)) == (["missed-dose"], [], [])


def test_where_nobody_says_a_day_a_weekend_and_the_files_of_three_nights_may_pass_first() -> None:
    at = clinic()
    record = on(MONDAY, ordered("O-1"), at=at)
    for days in (1, 4):
        record = later(record, MONDAY + timedelta(days=days), at=at)
        assert ([kind for kind, _ in remarks(record)], items(record)) == (["missed-dose"], [])
    assert looks(record) == [datetime(2026, 5, 9, tzinfo=ZONE)]
    assert len(items(later(record, MONDAY + timedelta(days=5), at=at))) == 1


def test_a_dose_due_before_the_first_message_about_the_person_is_no_work() -> None:
    """Orders of the weeks before going live come with the first message, and whoever gave the doses told another system."""
    at = place()
    told = "2026-05-05T07:00"
    early = report("patient", "2026-05-05T07:00", course="", line="adt|1", said=told, birth_date="1950-01-01")
    record = fed(PersonRecord("p1"), [early, ordered("O-1", said=told)], at, moment("2026-05-07"))
    assert ([kind for kind, _ in remarks(record)], items(record), looks(record)) == (["missed-dose"], [], [])
    record = later(record, "2026-05-07", ordered("O-2", day="2026-05-05", said=told), at=at)
    assert [item.about for item in items(record)] == ["order|O-2"]


@pytest.mark.parametrize(("service", "opens"), [("infusion", False), ("drug", False), ("radiation", True)])
def test_a_dose_due_before_the_site_is_live_with_its_drugs_is_no_work(service: str, opens: bool) -> None:
    at = place()
    row = Live(service=service, live_from=MONDAY + timedelta(days=1), place="site.toml")
    at = replace(at, site=replace(at.site, live=(row,)))
    record = on(MONDAY + timedelta(days=3), ordered("O-1"), ordered("O-2", day="2026-05-05"), at=at)
    opened = ["order|O-1", "order|O-2"] if opens else ["order|O-2"]
    assert sorted(item.about for item in items(record)) == opened
    assert len(remarks(record)) == 2


def test_a_second_dose_of_one_order_is_one_too_many_and_said_with_its_worth() -> None:
    record = on(MONDAY, ordered("O-1"), given("O-1"), given("O-1", "15:00"))
    ((kind, value),) = remarks(record)
    assert kind == "extra-dose"
    assert value.startswith("paclitaxel J9267 ×300 $")
    assert items(record) == []
    assert sum(c.charge.units for c in record.charges if c.charge.code == "J9267") == 600


def test_an_order_of_several_doses_is_never_missed_and_never_too_many() -> None:
    several = ordered("O-1", repeats=True)
    assert remarks(on(MONDAY + timedelta(days=2), several)) == []
    assert remarks(on(MONDAY, several, given("O-1"), given("O-1", "15:00"))) == []


def test_a_dose_without_an_order_is_remarked_on_a_day_of_orders_only() -> None:
    other = given("", "11:00", "magnesium", code=None, dose=None, dose__unit=None, waste=None, waste__unit=None)
    assert remarks(on(MONDAY, ordered("O-1"), given("O-1"), other)) == [("dose-not-ordered", "magnesium")]
    assert remarks(on(MONDAY, other)) == []
    assert remarks(on(MONDAY, ordered("O-1", day="2026-05-11"), other)) == []


def test_a_dose_that_names_no_order_is_of_the_order_for_its_drug_and_day() -> None:
    record = on(MONDAY + timedelta(days=1), ordered("O-1"), given())
    assert (remarks(record), items(record)) == ([], [])
    unknown_number = on(MONDAY + timedelta(days=1), ordered("O-1"), given("PUMP-77"))
    assert (remarks(unknown_number), items(unknown_number)) == ([], [])
    next_day = on(MONDAY + timedelta(days=2), ordered("O-1"), given(day="2026-05-05"))
    assert [kind for kind, _ in remarks(next_day)] == ["missed-dose"]


def test_what_is_swallowed_or_has_no_time_or_is_no_drug_is_not_expected() -> None:
    after = MONDAY + timedelta(days=1)
    for order in (
        ordered("O-1", route="PO"),
        ordered("O-1", scheduled=None),
        ordered("O-1", **{"drug.name": None}),
        ordered("O-1", expects="fraction"),
    ):
        assert (remarks(on(after, order)), looks(on(after, order))) == ([], [])


def test_one_order_told_by_two_systems_is_one_dose() -> None:
    record = on(MONDAY + timedelta(days=1), ordered("O-1"), ordered("X-1", filler_order="O-1", line="ehr|X-1"))
    assert len(items(record)) == 1


def test_a_booked_visit_of_which_nothing_tells_is_missed_as_a_whole() -> None:
    after = MONDAY + timedelta(days=1)
    record = on(after, booked())
    assert remarks(record) == [("missed-dose", "visit for drugs")]
    (item,) = items(record)
    assert (item.detail, item.amount) == ("visit for drugs, booked for 2026-05-04, and nothing is reported", 0)
    assert remarks(on(after, booked(), given())) == []
    assert [value for _, value in remarks(on(after, booked(), ordered("O-1")))] != ["visit for drugs"]
    assert len(items(on(after, booked(), ordered("O-1")))) == 1
    no_show = booked(status=Status.NOT_DONE, state="no-show", said="2026-05-05T07:00")
    assert remarks(later(record, after, no_show)) == []


def test_the_order_of_arrival_plays_no_part() -> None:
    events = [ordered("O-1"), ordered("O-2", drug="carboplatin", code="J9045"), given("O-1"), given("O-1", "15:00")]
    after = MONDAY + timedelta(days=1)
    forth, back = on(after, *events), on(after, *reversed(events))
    assert remarks(forth) == remarks(back)
    assert [kind for kind, _ in remarks(forth)] == ["extra-dose", "missed-dose"]
    assert [(i.id, i.amount, i.detail) for i in items(forth)] == [(i.id, i.amount, i.detail) for i in items(back)]


def test_an_item_that_a_person_knows_of_keeps_its_opening_however_often_it_is_looked_at() -> None:
    record = later(on(MONDAY, ordered("O-1")), MONDAY + timedelta(days=1))
    (first,) = items(record)
    for days in (2, 3):
        again = dose("push", "10:00", "", f"drug {days}", "therapeutic", day=f"2026-05-{4 + days:02}", visit=f"V{days}")
        record = later(record, MONDAY + timedelta(days=days), again)
        assert items(record) == [first]
