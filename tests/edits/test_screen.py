"""The checks before a line goes out."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from adapters.edits import screen
from adapters.edits.screen import facility_of
from adapters.model.charge import Charge, Release
from adapters.model.event import Event
from adapters.rules import Ruleset
from tests.model.clinic import (
    background,
    contexts,
    derived,
    diagnosed,
    fraction,
    held,
    house,
    insured,
    patient,
    report,
    rules,
    screened,
    told,
)

JAN5 = "2026-01-05T09:00"
CENTER = house("freestanding")


def checked(events: list[Event], context: list[Event] | None = None) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Codes that pass and what is held, of these services under this context."""
    told_context = background() if context is None else context
    charges = derived(events, CENTER).charges
    passed = screen(charges, contexts(CENTER, told_context), CENTER.rules)
    return [c.code for c in passed.charges], held(passed.holds)


def test_a_clean_line_passes_with_its_coverage_and_says_so() -> None:
    charges = derived([fraction(JAN5, 1)], CENTER).charges
    result = screen(charges, contexts(CENTER, background()), CENTER.rules)
    assert not result.holds
    (charge,) = result.charges
    assert charge.coverage.startswith("first|M-1|")
    assert charge == charges[0]
    assert [f.value for f in charge.why.facts if f.name == "coverage"] == ["first"]


@pytest.mark.parametrize(
    ("context", "hold"),
    [
        ([patient(), diagnosed()], "coverage-missing"),
        ([insured(to="2026-01-04"), diagnosed()], "coverage-missing"),
        ([insured(start="2026-01-06"), diagnosed()], "coverage-missing"),
        ([insured("Unheard Of Mutual"), diagnosed()], "payer-unknown"),
        ([insured(member=None), diagnosed()], "coverage-missing"),
    ],
)
def test_a_line_waits_for_its_insurance(context: list[Event], hold: str) -> None:
    assert checked([fraction(JAN5, 1)], context) == ([], [(hold, "delivery", "77407")])


def test_a_line_waits_for_its_diagnosis() -> None:
    charges = [replace(c, diagnoses=()) for c in derived([fraction(JAN5, 1)], CENTER).charges]
    result = screen(charges, contexts(CENTER, [insured()]), CENTER.rules)
    assert [(h.code, h.release) for h in result.holds] == [("diagnosis-missing", Release.PERSON)]


def test_a_code_that_is_not_in_force_never_goes() -> None:
    charges = [replace(c, code="G6015") for c in derived([fraction(JAN5, 1)], CENTER).charges]
    result = screen(charges, contexts(CENTER, background()), CENTER.rules)
    assert [(h.code, h.release) for h in result.holds] == [("not-effective", Release.NEVER)]
    unknown = screen([replace(charges[0], code="J9998")], contexts(CENTER, background()), CENTER.rules)
    assert [h.code for h in unknown.holds] == ["not-effective"]


# ---------------------------------------------------------------- pairs


def plan_day(*others: Event) -> list[Event]:
    return [report("imrt-plan", "2026-05-18T10:00", plan="P1"), *others]


def at_noon(kind: str, **facts: object) -> Event:
    return report(kind, "2026-05-18T12:00", **facts)  # type: ignore[arg-type]


def test_the_column_two_line_of_a_pair_that_no_modifier_opens_falls_for_good() -> None:
    """77301 includes 77263 (indicator 0), in that direction only."""
    passed, holds = checked(plan_day(at_noon("planning", complexity="complex")))
    assert passed == ["77301"]
    assert holds == [("bundled", "planning", "77263")]


def test_a_pair_that_a_modifier_opens_is_for_a_person() -> None:
    """77301 includes 77334 on a practitioner's claim unless the record shows a separate service (indicator 1)."""
    device = at_noon("device", complexity="complex")
    passed, holds = checked(plan_day(device))
    assert passed == ["77301"]
    assert holds == [("pair-conflict", "device", "77334")]
    charges = [
        replace(c, modifiers=("XP",)) if c.code == "77334" else c for c in derived(plan_day(device), CENTER).charges
    ]
    assert len(screen(charges, contexts(CENTER, background()), CENTER.rules).charges) == 2


def test_a_pair_of_the_practitioners_table_does_not_bind_the_hospital() -> None:
    outcomes = screened(plan_day(at_noon("device", complexity="complex")), house("hospital"))
    technical = [c.code for c in outcomes.charges if c.entity == "hospital"]
    professional = [c.code for c in outcomes.charges if c.entity == "physicians"]
    assert technical == ["77301", "77334"]
    assert professional == ["77301"]


def test_pairs_bind_on_one_date_by_one_entity() -> None:
    planning = report("planning", "2026-05-19T12:00", complexity="complex")
    passed, holds = checked(plan_day(planning))
    assert sorted(passed) == ["77263", "77301"]
    assert not holds


def test_a_lesser_session_of_the_day_is_not_lost_for_good() -> None:
    day = [fraction("2026-01-05T08:00", 1, isocenters=2), fraction("2026-01-05T15:00", 2)]
    passed, holds = checked(day)
    assert passed == ["77412"]
    assert holds == [("pair-conflict", "delivery", "77407")]


# ---------------------------------------------------------------- units


def limited(mai: str, units: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], list[int]]:
    """Passed and held units of device lines on one date, under a limit of four with this indicator."""
    devices = [report("device", f"2026-05-18T{8 + i:02}:00", complexity="simple", count=n) for i, n in enumerate(units)]
    charges = derived(devices, CENTER).charges
    real = Ruleset.attributes

    def with_indicator(self: Ruleset, code: str, day: date) -> object:
        found = real(self, code, day)
        return replace(found, mai=mai, mue=4) if found and code == "77332" else found

    monkeypatch.setattr(Ruleset, "attributes", with_indicator)
    result = screen(charges, contexts(CENTER, background()), CENTER.rules)
    assert {h.code for h in result.holds} <= {"units-exceeded"}
    return [c.units for c in result.charges], [h.would.units for h in result.holds if h.would]


@pytest.mark.parametrize(
    ("mai", "units", "passed", "kept"),
    [
        ("1", (4, 4), [4, 4], []),
        ("1", (5, 2), [2], [5]),
        ("2", (2, 2), [2, 2], []),
        ("2", (3, 2), [], [3, 2]),
        ("3", (2, 2, 1), [2, 2], [1]),
        ("3", (5, 1), [], [5, 1]),
    ],
)
def test_the_indicator_says_what_a_limit_holds(
    mai: str, units: tuple[int, ...], passed: list[int], kept: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """radiation-oncology.md 7.2: 1 by line, 2 the whole date, 3 those past the limit, in the order of service."""
    assert limited(mai, units, monkeypatch) == (passed, kept)


@pytest.mark.parametrize("uids", [("a", "b", "c"), ("c", "b", "a")])
def test_of_three_sessions_a_day_the_last_one_waits_whatever_its_uid(uids: tuple[str, str, str]) -> None:
    day = [fraction(f"2026-01-05T{8 + 4 * i:02}:00", i + 1, uid=uid) for i, uid in enumerate(uids)]
    outcomes = screened(day, CENTER)
    assert told(outcomes.charges, "77407") == [("2026-01-05", "77407", (), 1), ("2026-01-05", "77407", ("76",), 1)]
    assert [(h.code, h.slot.key) for h in outcomes.holds] == [("units-exceeded", f"uid:{uids[2]}")]


def test_the_hospitals_limit_is_its_own() -> None:
    """77387 before 2026: one a date on a practitioner's claim, two in a hospital (2024 table)."""
    attributes = rules().attributes("77387", date(2026, 1, 5))
    assert attributes is not None
    assert (attributes.mue, attributes.mue_hospital) == (1, 2)
    day = [
        fraction(f"2026-01-05T{hour}:00", n, guidance="cbct", guidance__reviewed_at=f"2026-01-05T{hour}:30:00-05:00")
        for n, hour in enumerate(("08", "15"), 1)
    ]
    outcomes = screened(day, house("hospital"))
    assert [h.code for h in outcomes.holds if h.code != "bundled"] == ["units-exceeded"]


# ---------------------------------------------------------------- add-ons


def test_an_add_on_goes_with_its_primary_only() -> None:
    motion = at_noon("motion-simulation")
    assert checked([motion]) == ([], [("addon-without-primary", "motion-simulation", "77293")])
    assert checked(plan_day(motion)) == (["77301", "77293"], [])
    other_day = report("motion-simulation", "2026-05-17T12:00")
    assert checked(plan_day(other_day)) == (["77293", "77301"], [])  # reported on the date of the plan


def test_an_add_on_falls_with_a_primary_that_is_held() -> None:
    charges: list[Charge] = [
        replace(c, diagnoses=()) if c.code == "77301" else c
        for c in derived(plan_day(at_noon("motion-simulation")), CENTER).charges
    ]
    result = screen(charges, contexts(CENTER, background()), CENTER.rules)
    assert not result.charges
    assert {h.code for h in result.holds} == {"diagnosis-missing", "addon-without-primary"}


def test_an_entity_bills_at_its_place() -> None:
    both = house("both").site
    assert facility_of(both, "center").id == "CENTER"
    assert facility_of(both, "nobody").id == "MAIN"
