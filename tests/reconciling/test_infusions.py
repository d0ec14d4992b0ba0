"""Each detector of visits for drugs fires on what it looks for, with its money, and not beside it."""

from __future__ import annotations

import pytest

from adapters.model.event import Event
from adapters.model.site import Mode
from adapters.pipeline import House
from tests.model.clinic import prices, report
from tests.model.visits import DAY, OPTIONS, dose, everything, place
from tests.reconciling.looking import coded, comparing, fired, looked

LATER = "2026-06-01"


def price(code: str) -> int:
    """The clinic's charge for one unit in minor units."""
    return int(next(p for p in prices() if p.code == code and not p.modifier).amount * 100)


def at(mode: Mode = Mode.COMPARE, **options: str) -> House:
    """A clinic whose EHR codes drugs and their administration too."""
    return comparing("drug", "administration", mode=mode, options={**OPTIONS, **options})


def paclitaxel(**more: object) -> Event:
    facts: dict[str, object] = {"code": "J9267", "dose": 300, "dose__unit": "mg"}
    return dose("infusion", "09:00", "10:30", "paclitaxel", "chemo", **(facts | more))


def charge(code: str, **more: object) -> Event:
    """A line of the visit as the EHR codes it."""
    return coded(code, DAY, visit="V1", course="", **more)


def test_a_dose_that_is_not_charged_is_found_with_what_it_is_worth() -> None:
    found = fired([paclitaxel(), charge("96413")], at(), LATER, "dose-uncharged")
    assert [(one.amount, one.detail) for one in found] == [(300 * price("J9267"), f"J9267 ×300 given on {DAY}")]
    assert fired([paclitaxel(), charge("96413"), charge("J9267", units="300")], at(), LATER, "dose-uncharged") == []


def test_a_dose_that_nobody_charges_from_the_record_misses_nothing() -> None:
    assert fired([paclitaxel()], comparing("delivery"), LATER, "dose-uncharged") == []
    assert fired([paclitaxel()], at(Mode.ACCEPT), LATER, "dose-uncharged")


def test_an_administration_that_is_not_charged_is_found_once_a_date() -> None:
    drug = charge("J9267", units="300")
    second = dose("push", "10:40", "", "ondansetron", "therapeutic", code="J2405", dose=8, dose__unit="mg")
    assert len(fired([paclitaxel(), second, drug], at(), LATER, "administration-uncharged")) == 1
    assert fired([paclitaxel(), second, drug, charge("96413")], at(), LATER, "administration-uncharged") == []


def test_a_drug_without_a_dose_on_a_date_of_doses_is_found() -> None:
    extra = charge("J2405", units="8")
    found = fired([paclitaxel(), extra, charge("J9267", units="300")], at(), LATER, "drug-without-dose")
    assert [one.amount for one in found] == [-8 * price("J2405")]
    given = dose("push", "10:40", "", "ondansetron", "therapeutic", code="J2405", dose=8, dose__unit="mg")
    assert fired([paclitaxel(), given, extra], at(), LATER, "drug-without-dose") == []
    assert fired([extra], at(), LATER, "drug-without-dose") == []


@pytest.mark.parametrize(("units", "amount"), [("30", 270), ("300", 0), ("310", -10)])
def test_units_of_a_drug_are_those_of_its_dose(units: str, amount: int) -> None:
    found = fired([paclitaxel(), charge("J9267", units=units)], at(), LATER, "drug-units")
    assert [one.amount for one in found] == ([amount * price("J9267")] if amount else [])


VIALS = {"vial": ("4|100|mg|single-dose|99701-301-12|50|mL",), "waste": 100, "waste__unit": "mg"}


def test_what_was_discarded_is_said_by_a_line_of_its_own() -> None:
    given, line = paclitaxel(**VIALS), charge("J9267", units="300")
    commercial = comparing("drug", "administration", kind="commercial", options=OPTIONS)
    assert fired([given, line], commercial, LATER, "wastage-unmarked") == []
    medicare = comparing("drug", "administration", kind="medicare", options=OPTIONS)
    found = fired([given, line], medicare, LATER, "wastage-unmarked")
    assert [one.amount for one in found] == [100 * price("J9267")]
    discarded = charge("J9267", units="100", modifier="JW", place="FT1[2]")
    assert fired([given, line, discarded], medicare, LATER, "wastage-unmarked") == []


def test_what_was_discarded_is_no_unit_of_the_dose() -> None:
    medicare = comparing("drug", "administration", kind="medicare", options=OPTIONS)
    line, discarded = charge("J9267", units="300"), charge("J9267", units="100", modifier="JW", place="FT1[2]")
    assert fired([paclitaxel(**VIALS), line, discarded], medicare, LATER, "drug-units") == []
    more = {**VIALS, "vial": ("1|400|mg|multi-dose|99701-301-12|50|mL",)}
    assert fired([paclitaxel(**more), line], medicare, LATER, "wastage-unmarked") == [], "of what is used again"


def test_that_nothing_was_discarded_is_said_by_a_modifier() -> None:
    medicare = comparing("drug", "administration", kind="medicare", options=OPTIONS)
    given = paclitaxel(vial=("3|100|mg|single-dose|99701-301-12|50|mL",), waste=0, waste__unit="mg")
    assert len(fired([given, charge("J9267", units="300")], medicare, LATER, "wastage-unmarked")) == 1
    marked = charge("J9267", units="300", modifier="JZ")
    assert fired([given, marked], medicare, LATER, "wastage-unmarked") == []


def test_further_services_need_an_initial_one() -> None:
    further = charge("96415")
    assert len(fired([paclitaxel(), further], at(), LATER, "initial-missing")) == 1
    assert fired([paclitaxel(), further, charge("96413")], at(), LATER, "initial-missing") == []
    assert fired([paclitaxel(), further], at(), LATER, "addon-alone") == []


def test_one_access_site_has_one_initial_service() -> None:
    both = [charge("96413"), charge("96365")]
    found = fired([paclitaxel(), *both], at(), LATER, "initial-doubled")
    assert [one.amount for one in found] == [-min(price("96413"), price("96365"))]
    apart = [charge("96413"), charge("96365", modifier="59")]
    assert fired([paclitaxel(), *apart], at(), LATER, "initial-doubled") == []
    second = dose("infusion", "11:00", "12:00", "antibody", "chemo", site="left arm", second_site_reason="protocol")
    assert fired([paclitaxel(), second, *both], at(), LATER, "initial-doubled") == []


def test_hydration_beside_an_infusion_is_not_charged() -> None:
    beside = dose("hydration", "09:00", "10:30", "saline")
    before = dose("hydration", "08:00", "09:00", "saline")
    line = charge("96361")
    found = fired([paclitaxel(), beside, charge("96413"), line], at(), LATER, "hydration-beside")
    assert [one.amount for one in found] == [-price("96361")]
    assert fired([paclitaxel(), before, charge("96413"), line], at(), LATER, "hydration-beside") == []


def test_minutes_that_are_charged_have_a_stop_time() -> None:
    open_ended = dose("infusion", "09:00", "", "paclitaxel", "chemo")
    assert len(fired([open_ended, charge("96413")], at(), LATER, "stop-time-missing")) == 1
    assert fired([paclitaxel(), charge("96413")], at(), LATER, "stop-time-missing") == []


def test_an_order_whose_day_is_over_without_a_dose_is_found() -> None:
    order = report(
        "order",
        DAY,
        course="",
        code="J9267",
        drug="J9267",
        dose=300,
        dose__unit="mg",
        route="IV",
        placer="O-1",
        scheduled=f"{DAY}T09:00:00-04:00",
        expects="infusion",
        keys=("order:O-1",),
    )
    found = fired([order], at(), LATER, "order-without-dose")
    assert [(one.day.isoformat(), one.amount, one.about) for one in found] == [(DAY, 300 * price("J9267"), order.id)]
    assert fired([order, paclitaxel(keys=("order:O-1",))], at(), LATER, "order-without-dose") == []
    assert fired([order], at(), DAY, "order-without-dose") == []


@pytest.mark.parametrize("setting", ["freestanding", "hospital"])
def test_our_own_charges_of_a_visit_give_the_detectors_nothing_to_say(setting: str) -> None:
    found = looked(everything(), place(setting), LATER).detections
    assert [one.detector for one in found] == []
