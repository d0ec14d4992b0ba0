"""Each detector of radiation courses fires on what it looks for, with its money, and not beside it."""

from __future__ import annotations

import pytest

from adapters.model.event import Event
from adapters.model.reconciliation import Side
from adapters.model.site import Mode
from adapters.pipeline import House
from tests.model.clinic import (
    NURSE,
    PHYSICIAN,
    ended,
    exam,
    exams,
    fraction,
    house,
    prices,
    report,
    sessions,
    workdays,
)
from tests.reconciling.looking import coded, comparing, fired, looked, told

MONDAY = "2026-03-02"
LATER = "2026-04-30"
LEVEL2 = "77407"


def price(code: str, modifier: str = "") -> int:
    """The clinic's charge for one unit in minor units."""
    row = next(p for p in prices() if p.code == code and p.modifier == modifier)
    return int(row.amount * 100)


def course(n: int, **more: object) -> list[Event]:
    """Sessions with their examinations and the end."""
    given = sessions(MONDAY, n, **more)
    return [*given, *exams(given), ended(given[-1].day)]


def delivery(n: int, code: str = LEVEL2) -> list[Event]:
    """The charge of each of the first sessions as the EHR codes it."""
    return [coded(code, str(day)) for day in workdays(MONDAY, n)]


# ---------------------------------------------------------------- 1: sessions


def test_a_session_without_its_charge_is_found_with_its_price() -> None:
    found = fired([*course(5), *delivery(4)], comparing("delivery"), LATER, "fraction-uncharged")
    assert [(one.side, one.day.isoformat(), one.amount) for one in found] == [
        (Side.THEIRS, "2026-03-06", price(LEVEL2))
    ]
    assert found[0].detail == f"session on 2026-03-06 {LEVEL2}"
    assert found[0].row


def test_all_sessions_charged_is_nothing_found() -> None:
    assert told([*course(5), *delivery(5)], comparing("delivery"), LATER, "fraction-uncharged") == []


def test_two_sessions_of_a_day_need_two_units() -> None:
    twice = [fraction(f"{MONDAY}T08:00", 1), fraction(f"{MONDAY}T15:00", 2)]
    at = comparing("delivery")
    assert len(fired([*twice, coded(LEVEL2, MONDAY)], at, LATER, "fraction-uncharged")) == 1
    assert fired([*twice, coded(LEVEL2, MONDAY, units="2")], at, LATER, "fraction-uncharged") == []


def test_a_session_of_today_may_still_be_charged() -> None:
    at = comparing("delivery")
    assert fired(sessions(MONDAY, 1), at, MONDAY, "fraction-uncharged") == []
    assert len(fired(sessions(MONDAY, 1), at, "2026-03-03", "fraction-uncharged")) == 1


def test_the_site_may_give_the_charges_some_days() -> None:
    at = comparing("delivery", options={"reconcile.grace_days": "2"})
    assert fired(sessions(MONDAY, 1), at, "2026-03-04", "fraction-uncharged") == []
    assert len(fired(sessions(MONDAY, 1), at, "2026-03-05", "fraction-uncharged")) == 1


def test_what_we_charge_ourselves_misses_no_session() -> None:
    for setting in ("freestanding", "hospital"):
        assert fired(course(6), house(setting), LATER, "fraction-uncharged") == []


def test_in_mode_accept_what_goes_out_is_theirs() -> None:
    found = fired([*course(3), *delivery(2)], comparing("delivery", mode=Mode.ACCEPT), LATER, "fraction-uncharged")
    assert [(one.side, one.day.isoformat()) for one in found] == [(Side.THEIRS, "2026-03-04")]


def test_a_detector_may_be_turned_off() -> None:
    at = comparing("delivery", options={"reconcile.off": "physics-units fraction-uncharged"})
    assert fired(sessions(MONDAY, 1), at, LATER, "fraction-uncharged") == []


# ---------------------------------------------------------------- 2: image guidance


def imaged(reviewed: str) -> list[Event]:
    first = fraction(f"{MONDAY}T09:00", 1, guidance="cbct", guidance__reviewed_at=reviewed)
    return [first, fraction("2026-03-03T09:00", 2)]


def test_images_reviewed_in_time_and_not_charged_are_found() -> None:
    events = imaged("2026-03-02T18:00:00-05:00")
    found = fired(events, comparing("guidance"), LATER, "guidance-uncharged")
    assert [(one.day.isoformat(), one.amount) for one in found] == [(MONDAY, price("77387", "26"))]
    assert (
        fired([*events, coded("77387", MONDAY, modifier="26")], comparing("guidance"), LATER, "guidance-uncharged")
        == []
    )


def test_images_reviewed_too_late_owe_no_charge() -> None:
    late = imaged("2026-03-04T18:00:00-05:00")
    assert fired(late, comparing("guidance"), LATER, "guidance-uncharged") == []
    assert fired(imaged("2026-03-02T18:00:00-05:00"), house("hospital"), LATER, "guidance-uncharged") == []


# ---------------------------------------------------------------- 3, 4, 5: counted units


@pytest.mark.parametrize(("n", "units"), [(5, 1), (8, 2), (7, 1), (18, 4), (2, 1)])
def test_units_of_management_are_those_that_the_sessions_earn(n: int, units: int) -> None:
    code = "77427" if n > 2 else "77431"
    days = [str(day) for day in workdays(MONDAY, n)]
    lines = [coded(code, days[min(5 * i + 4, n - 1)]) for i in range(units)]
    at = comparing("management")
    assert fired([*course(n), *lines], at, "2026-06-01", "management-units") == []
    short = fired([*course(n), *lines[:-1]], at, "2026-06-01", "management-units")
    assert [one.amount for one in short] == [price(code)]
    over = fired([*course(n), *lines, coded(code, "2026-05-20")], at, "2026-06-01", "management-units")
    assert [one.amount for one in over] == [-price(code)]


def test_a_tail_is_due_only_when_the_course_has_ended() -> None:
    at = comparing("management")
    going = [*sessions(MONDAY, 8), coded("77427", "2026-03-06")]
    assert fired(going, at, LATER, "management-units") == []
    assert len(fired([*going, ended("2026-03-11")], at, LATER, "management-units")) == 1


def test_a_unit_without_an_examination_in_its_span_is_found() -> None:
    lines = [coded("77427", "2026-03-06"), coded("77427", "2026-03-13")]
    given = sessions(MONDAY, 10)
    at = comparing("management")
    seen = exams(given)
    found = fired([*given, seen[0], *lines], at, LATER, "management-without-exam")
    assert [(one.day.isoformat(), one.amount) for one in found] == [("2026-03-13", -price("77427"))]
    assert fired([*given, *seen, *lines], at, LATER, "management-without-exam") == []
    assert fired([*given, seen[0]], house("freestanding"), LATER, "management-without-exam") == []


def test_a_unit_is_missed_when_the_time_for_its_charge_is_over() -> None:
    at = comparing("management")
    given = sessions(MONDAY, 5)
    assert fired([*given, *exams(given)], at, "2026-03-06", "management-units") == []
    assert len(fired([*given, *exams(given)], at, "2026-03-07", "management-units")) == 1


def test_the_unit_of_a_tail_may_be_charged_before_the_course_has_ended() -> None:
    lines = [coded("77427", "2026-03-06"), coded("77427", "2026-03-11")]
    assert fired([*sessions(MONDAY, 8), *lines], comparing("management"), LATER, "management-units") == []


def test_two_units_on_one_line_are_two() -> None:
    at = comparing("management")
    found = fired([*course(5), coded("77427", "2026-03-06", units="2")], at, LATER, "management-units")
    assert [one.amount for one in found] == [-price("77427")]
    assert fired([*course(10), coded("77427", "2026-03-13", units="2")], at, LATER, "management-units") == []


def test_each_unit_of_a_line_needs_its_own_examination() -> None:
    given = sessions(MONDAY, 10)
    both = coded("77427", "2026-03-13", units="2")
    found = fired([*given, exams(given)[0], both], comparing("management"), LATER, "management-without-exam")
    assert [(one.amount, one.detail[:6]) for one in found] == [(-price("77427"), "unit 2")]


def test_an_examination_by_a_nurse_is_none_by_a_physician() -> None:
    given = sessions(MONDAY, 5)
    line = coded("77427", "2026-03-06")
    for by, found in ((NURSE, 1), (PHYSICIAN, 0)):
        seen = exam("2026-03-04T11:00", by)
        at = comparing("management")
        assert len(fired([*given, seen, line], at, LATER, "management-without-exam")) == found


def test_units_of_physics_are_those_that_the_sessions_earn() -> None:
    lines = [coded("77336", "2026-03-06"), coded("77336", "2026-03-13")]
    at = comparing("physics")
    assert fired([*course(12), *lines], at, LATER, "physics-units") == []
    assert [one.amount for one in fired([*course(12), lines[0]], at, LATER, "physics-units")] == [price("77336")]
    more = [*course(12), *lines, coded("77336", "2026-03-17")]
    assert [one.amount for one in fired(more, at, LATER, "physics-units")] == [-price("77336")]


# ---------------------------------------------------------------- 6, 7, 8: planning

PLANNING = ("plan", "device", "simulation", "motion-simulation")


def test_an_imrt_plan_and_its_device_belong_together() -> None:
    at = comparing(*PLANNING)
    plan, device = coded("77301", "2026-02-20"), coded("77338", "2026-02-20")
    assert [one.amount for one in fired([plan], at, LATER, "imrt-pair")] == [price("77338")]
    assert [one.amount for one in fired([device], at, LATER, "imrt-pair")] == [-price("77338")]
    assert fired([plan, device], at, LATER, "imrt-pair") == []


def test_a_motion_simulation_goes_with_the_plan_of_its_date() -> None:
    at = comparing(*PLANNING)
    motion, plan = coded("77293", "2026-02-20"), coded("77295", "2026-02-20")
    assert [one.amount for one in fired([motion], at, LATER, "motion-simulation")] == [-price("77293")]
    assert fired([motion, plan], at, LATER, "motion-simulation") == []


def test_a_motion_simulation_that_was_made_is_charged_with_the_plan() -> None:
    at = comparing(*PLANNING)
    made = [report("motion-simulation", "2026-02-13T09:00"), report("3d-plan", "2026-02-20T09:00")]
    plan = coded("77295", "2026-02-20")
    found = fired([*made, plan], at, LATER, "motion-simulation")
    assert [(one.side, one.amount) for one in found] == [(Side.THEIRS, price("77293"))]
    assert fired([*made, plan, coded("77293", "2026-02-20")], at, LATER, "motion-simulation") == []


def test_a_simulation_near_an_imrt_plan_is_part_of_it_by_the_payers_window() -> None:
    plan = coded("77301", "2026-02-20")
    at = comparing(*PLANNING, options={"imrt_window.freestanding": "yes"})
    found = fired([plan, coded("77290", "2026-02-10")], at, LATER, "simulation-in-plan")
    assert [one.amount for one in found] == [-price("77290")]
    assert fired([plan, coded("77290", "2026-02-01")], at, LATER, "simulation-in-plan") == []
    assert fired([plan, coded("77290", "2026-02-10")], comparing(*PLANNING), LATER, "simulation-in-plan") == []


def test_a_payer_may_let_a_simulation_stand_by_a_modifier() -> None:
    options = {"imrt_window.days_before": "30", "imrt_window.days_after": "30"}
    at = comparing(*PLANNING, kind="commercial", options=options)
    plan = coded("77301", "2026-02-20")
    assert len(fired([plan, coded("77290", "2026-02-10")], at, LATER, "simulation-in-plan")) == 1
    apart = coded("77290", "2026-02-10", modifier="59")
    assert fired([plan, apart], at, LATER, "simulation-in-plan") == []


def test_a_simulation_that_verifies_the_plan_is_part_of_it_on_any_day() -> None:
    at = comparing(*PLANNING, options={"imrt_window.verification": "bundled"})
    made = report("simulation", "2026-04-01T09:00", complexity="simple", reason="verification")
    found = fired([coded("77301", "2026-02-20"), made, coded("77280", "2026-04-01")], at, LATER, "simulation-in-plan")
    assert [one.amount for one in found if one.side is Side.THEIRS] == [-price("77280")]


# ---------------------------------------------------------------- 9: the level


def test_the_level_is_the_one_that_the_record_supports() -> None:
    at = comparing("delivery")
    two = fraction(f"{MONDAY}T09:00", 1, isocenters=2)
    found = fired([two, coded("77407", MONDAY)], at, LATER, "level-mismatch")
    assert [one.amount for one in found] == [price("77412") - price("77407")]
    assert "less than the record" in found[0].detail
    plain = fraction(f"{MONDAY}T09:00", 1)
    found = fired([plain, coded("77412", MONDAY)], at, LATER, "level-mismatch")
    assert [one.amount for one in found] == [price("77407") - price("77412")]
    assert fired([plain, coded("77407", MONDAY)], at, LATER, "level-mismatch") == []
    assert fired([two, coded("77412", MONDAY)], at, LATER, "level-mismatch") == []


def test_each_session_of_a_line_is_told_at_its_own_unit() -> None:
    at = comparing("delivery")
    between = price("77412") - price("77407")
    both = coded("77407", MONDAY, units="2")
    for isocenters, amounts in (((2, 1), [between]), ((2, 2), [between, between])):
        hours = zip(("08", "15"), isocenters, strict=True)
        given = [fraction(f"{MONDAY}T{hour}:00", n, isocenters=i) for n, (hour, i) in enumerate(hours, 1)]
        assert [one.amount for one in fired([*given, both], at, LATER, "level-mismatch")] == amounts


def test_motion_management_counts_only_where_it_is_documented() -> None:
    at = comparing("delivery")
    active = {"motion__active": True, "motion__documented": True}
    shown = fraction(f"{MONDAY}T09:00", 1, **active)
    bare = fraction(f"{MONDAY}T09:00", 1, motion__active=True)
    assert len(fired([shown, coded("77407", MONDAY)], at, LATER, "level-mismatch")) == 1
    assert len(fired([bare, coded("77412", MONDAY)], at, LATER, "level-mismatch")) == 1


# ---------------------------------------------------------------- 10: stereotactic courses


def stereotactic(n: int) -> list[Event]:
    return sessions(MONDAY, n, regime="sbrt", planned_fractions=n)


def test_stereotactic_and_weekly_management_exclude_one_another() -> None:
    at = comparing("management", "delivery")
    both = [coded("77435", "2026-03-06"), coded("77427", "2026-03-06")]
    found = fired([*stereotactic(5), *both], at, LATER, "management-conflict")
    assert [one.amount for one in found] == [-price("77427")]
    assert fired([*stereotactic(5), both[0]], at, LATER, "management-conflict") == []


def test_a_stereotactic_course_has_few_sessions() -> None:
    at = comparing("delivery")
    given = delivery(6, "77373")
    found = fired([*stereotactic(5), *given], at, LATER, "management-conflict")
    assert [(one.day.isoformat(), one.amount) for one in found] == [("2026-03-09", -price("77373"))]
    assert fired([*stereotactic(5), *given[:5]], at, LATER, "management-conflict") == []


def test_a_boost_beside_a_course_may_be_stereotactic() -> None:
    at = comparing("management", "delivery")
    both = [coded("77435", "2026-03-20"), coded("77427", "2026-03-06")]
    boost = [fraction(f"2026-03-{day}T09:00", n, regime="sbrt", planned_fractions=2) for n, day in ((6, 16), (7, 17))]
    assert fired([*sessions(MONDAY, 5), *boost, *both], at, LATER, "management-conflict") == []


def test_of_a_line_of_many_sessions_those_beyond_are_told() -> None:
    line = coded("77373", "2026-03-09", units="7")
    found = fired([*stereotactic(5), line], comparing("delivery"), LATER, "management-conflict")
    assert [one.amount for one in found] == [-2 * price("77373")]


# ---------------------------------------------------------------- what we charge ourselves


@pytest.mark.parametrize("setting", ["freestanding", "hospital"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 8, 13])
def test_our_own_charges_give_the_detectors_nothing_to_say(setting: str, n: int) -> None:
    at: House = house(setting)
    planned = [
        report("planning", "2026-02-12T09:00", complexity="complex"),
        report("simulation", "2026-02-13T09:00", complexity="complex"),
        report("3d-plan", "2026-02-20T09:00"),
    ]
    assert [d.detector for d in looked([*planned, *course(n)], at, LATER).detections] == []
