"""Detectors of the codes themselves: in force, of this place, apart from a visit, within an authorization, not alone."""

from __future__ import annotations

from adapters.model.event import Event
from adapters.model.reconciliation import Side
from tests.model.clinic import insured, prices, report, sessions
from tests.model.visits import OPTIONS
from tests.reconciling.looking import coded, comparing, fired

MONDAY = "2026-03-02"
LATER = "2026-04-30"


def price(code: str) -> int:
    """The clinic's charge for one unit in minor units."""
    return int(next(p for p in prices() if p.code == code and not p.modifier).amount * 100)


def test_a_code_of_last_year_is_found() -> None:
    at = comparing("delivery")
    found = fired([coded("G6015", MONDAY)], at, LATER, "code-not-in-force")
    assert [(one.side, one.amount, one.detail) for one in found] == [
        (Side.THEIRS, price("G6015"), f"G6015 is not in force on {MONDAY}")
    ]
    assert fired([coded("77407", MONDAY)], at, LATER, "code-not-in-force") == []


def test_a_code_of_another_kind_of_place_is_found() -> None:
    day = "2025-12-01"
    hospital, center = comparing("delivery", setting="hospital"), comparing("delivery")
    assert len(fired([coded("G6015", day)], hospital, LATER, "code-not-in-force")) == 1
    assert fired([coded("G6015", day)], center, LATER, "code-not-in-force") == []
    assert len(fired([coded("77386", day)], center, LATER, "code-not-in-force")) == 1
    assert fired([coded("77386", day)], hospital, LATER, "code-not-in-force") == []


def test_what_medicare_does_not_pay_apart_is_found() -> None:
    at = comparing("guidance", "port-image")
    assert [one.amount for one in fired([coded("77417", MONDAY)], at, LATER, "bundled-charged")] == [-price("77417")]
    whole = coded("77387", MONDAY)
    assert [one.amount for one in fired([whole], at, LATER, "bundled-charged")] == [-price("77387")]
    assert fired([coded("77387", MONDAY, modifier="26")], at, LATER, "bundled-charged") == []
    commercial = comparing("guidance", "port-image", kind="commercial")
    assert fired([coded("77417", MONDAY), whole], commercial, LATER, "bundled-charged") == []


def test_a_visit_beside_a_procedure_needs_its_modifier() -> None:
    at = comparing("visit", "delivery")
    session, visit = coded("77407", MONDAY), coded("99213", MONDAY)
    assert [one.amount for one in fired([session, visit], at, LATER, "visit-unmarked")] == [-price("99213")]
    assert fired([session, coded("99213", MONDAY, modifier="25")], at, LATER, "visit-unmarked") == []
    assert fired([visit], at, LATER, "visit-unmarked") == []


def test_a_visit_soon_after_the_course_is_found() -> None:
    given = coded("77407", MONDAY)
    at = comparing("visit", "delivery")
    assert len(fired([given, coded("99213", "2026-04-10")], at, LATER, "visit-unmarked")) == 1
    assert fired([given, coded("99213", "2026-06-10")], at, "2026-07-01", "visit-unmarked") == []
    never = comparing("visit", "delivery", options={"followup.days": "0"})
    assert fired([given, coded("99213", "2026-04-10")], never, LATER, "visit-unmarked") == []


def authorization(units: int, **more: object) -> Event:
    """A prior authorization of the person's payer."""
    facts: dict[str, object] = {"authorization": "A-1", "payer": "first", "units": units, **more}
    return report("authorization", "2026-02-01", course="", line="authorization|1", **facts)  # type: ignore[arg-type]


def test_more_units_than_were_authorized_are_found() -> None:
    at = comparing("delivery")
    given = [coded("77407", str(event.day)) for event in sessions(MONDAY, 4)]
    found = fired([*given, authorization(3, code="77407")], at, LATER, "over-authorized")
    assert [(one.day.isoformat(), one.amount) for one in found] == [("2026-03-05", price("77407"))]
    assert fired([*given, authorization(4, code="77407")], at, LATER, "over-authorized") == []
    assert fired([*given, authorization(3, code="77412")], at, LATER, "over-authorized") == []
    assert len(fired([*given, authorization(3)], at, LATER, "over-authorized")) == 1
    second = report(
        "authorization", "2026-02-01", course="", line="2", authorization="A-2", payer="first", units=9, code="77407"
    )
    assert fired([*given, authorization(3, code="77407"), second], at, LATER, "over-authorized") == []
    other = authorization(3, code="77407", payer="second")
    assert fired([*given, other, insured("second", order=2)], at, LATER, "over-authorized") == []


def test_of_a_line_those_units_are_told_that_are_beyond() -> None:
    line = coded("77407", MONDAY, units="4")
    found = fired([line, authorization(3, code="77407")], comparing("delivery"), LATER, "over-authorized")
    assert [one.amount for one in found] == [price("77407")]


def test_an_authorization_counts_on_its_days_and_one_without_a_number_of_units_never() -> None:
    at = comparing("delivery")
    given = [coded("77407", str(event.day)) for event in sessions(MONDAY, 4)]
    until = authorization(1, code="77407", to="2026-03-02")
    assert fired([*given, until], at, LATER, "over-authorized") == [], "the others are of no authorization"
    assert len(fired([*given, authorization(1, code="77407", to="2026-03-03")], at, LATER, "over-authorized")) == 1
    endless = report(
        "authorization", "2026-02-01", course="", line="2", authorization="A-2", payer="first", code="77407"
    )
    assert fired([*given, authorization(1, code="77407"), endless], at, LATER, "over-authorized") == []


def test_the_days_after_a_course_are_counted_to_the_last() -> None:
    at = comparing("visit", "delivery")
    given = coded("77407", MONDAY)
    for day, found in (("2026-05-31", 1), ("2026-06-01", 0)):
        assert len(fired([given, coded("99213", day)], at, "2026-07-01", "visit-unmarked")) == found


def test_an_added_service_needs_the_one_that_it_is_added_to() -> None:
    at = comparing("administration", "drug", mode=comparing("drug").site.families[0].mode)
    lines = [coded("96365", MONDAY, course=""), coded("96361", MONDAY, course="")]
    assert fired(lines, at, LATER, "addon-alone") == []
    alone = [coded("96413", MONDAY, course=""), coded("96367", MONDAY, course=""), coded("96411", MONDAY, course="")]
    assert [one.detail for one in fired(alone, at, LATER, "addon-alone")] == []
    odd = [coded("96374", MONDAY, course=""), coded("96415", MONDAY, course="")]
    assert [one.amount for one in fired(odd, at, LATER, "addon-alone")] == [-price("96415")]


def test_a_visit_for_drugs_is_no_follow_up_of_the_course() -> None:
    at = comparing("visit", "delivery", options=OPTIONS)
    beside = report("office-visit", "2026-04-10T08:00", visit="V1", em_code="99214", separately_identifiable=True)
    line = coded("99214", "2026-04-10", visit="V1", course="")
    assert fired([coded("77407", MONDAY), beside, line], at, LATER, "visit-unmarked") == []
