"""Stereotactic, HDR and surface courses, and visits: what the stories do not say."""

from __future__ import annotations

from itertools import permutations

import pytest

from adapters.model.event import Event
from tests.model.clinic import PHYSICIAN, derived, ended, fraction, held, house, report, screened, told

AT = house("freestanding")


def stereotactic(day: int, n: int, **more: object) -> Event:
    return fraction(f"2026-03-{day:02}T09:00", n, technique="imrt", **{"regime": "sbrt", **more})


def test_a_course_owes_its_management_when_it_is_complete_and_not_before() -> None:
    given = [stereotactic(day, n, planned_fractions=3) for n, day in enumerate((2, 4), 1)]
    open_ = derived(given, AT)
    assert told(open_.charges) == [("2026-03-02", "77373", (), 1), ("2026-03-04", "77373", (), 1)]
    last = stereotactic(6, 3, planned_fractions=3)
    assert told(derived([*given, last], AT).charges, "77435") == [("2026-03-06", "77435", (), 1)]
    early = derived([*given, ended("2026-03-05")], AT)
    assert told(early.charges, "77435") == [("2026-03-04", "77435", (), 1)], "paid once even if fewer are given"


def test_a_second_cranial_session_makes_it_another_service() -> None:
    one = fraction("2026-03-02T09:00", 1, regime="srs", platform="linac")
    two = fraction("2026-03-04T09:00", 2, regime="srs", platform="linac")
    assert {c.code for c in derived([one, ended("2026-03-02")], AT).charges} == {"77372", "77432", "77336"}
    for order in permutations([one, two, ended("2026-03-05")]):
        codes = sorted(c.code for c in derived(order, AT).charges)
        assert codes == ["77336", "77373", "77373", "77435"]


def test_what_the_platform_does_not_decide_waits_for_a_person() -> None:
    robotic = fraction("2026-03-02T09:00", 1, regime="srs", platform="robotic")
    outcomes = derived([robotic], AT)
    assert outcomes.charges == ()
    assert [(h.code, h.about) for h in outcomes.holds] == [("review-needed", robotic.id)]


def test_more_than_five_treatment_days_hold_every_session() -> None:
    given = [stereotactic(day, n) for n, day in enumerate((2, 3, 4, 5, 6, 9), 1)]
    outcomes = derived([*given, ended("2026-03-09")], AT)
    assert {c.code for c in outcomes.charges} == {"77336"}, "physics counts treatments, whatever they are billed as"
    assert [h.about for h in outcomes.holds] == [event.id for event in given]
    assert {h.code for h in outcomes.holds} == {"review-needed"}
    twice_a_day = [*given[:5], fraction("2026-03-06T16:00", 6, technique="imrt", regime="sbrt")]
    assert len([c for c in derived(twice_a_day, AT).charges if c.code == "77373"]) == 6, "five days"


def test_ultrasound_at_the_planning_is_the_first_use() -> None:
    planning = report("surface-planning", "2026-03-02T10:00", guidance="ultrasound")
    waiting = derived([planning], AT)
    assert told(waiting.charges) == [("2026-03-02", "77436", (), 1)]
    assert waiting.holds == (), "a session may still come"
    session = fraction("2026-03-09T10:00", 1, technique=None, regime="surface", kv=100, guidance="ultrasound")
    charges = derived([planning, session, ended("2026-03-10")], AT).charges
    assert told(charges, "77439") == [("2026-03-02", "77439", ("26",), 1)]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, [("documentation-missing", "visit", "99213")]),
        ({"separately_identifiable": False}, [("bundled", "visit", "99213")]),
        ({"separately_identifiable": True}, []),
    ],
)
def test_a_visit_beside_a_simulation(facts: dict[str, object], expected: list[tuple[str, str, str]]) -> None:
    visit = report("consult", "2026-03-02T08:00", em_code="99213", by=PHYSICIAN, **facts)  # type: ignore[arg-type]
    simulation = report("simulation", "2026-03-02T10:00", complexity="simple")
    outcomes = screened([visit, simulation], AT)
    assert held(outcomes.holds) == expected
    billed = told(outcomes.charges, "99213")
    assert billed == ([] if expected else [("2026-03-02", "99213", ("25",), 1)])


def test_in_a_hospital_the_visit_meets_the_physicians_lines_alone() -> None:
    """A simulation is billed by both entities, a visit by the physicians: theirs is the line it stands beside."""
    visit = report("consult", "2026-03-02T08:00", em_code="99213", by=PHYSICIAN, separately_identifiable=True)
    session = fraction("2026-03-02T09:00", 1)
    outcomes = derived([visit, session], house("hospital"))
    assert told(outcomes.charges, "99213") == [("2026-03-02", "99213", (), 1)], "a session is the hospital's line"


def test_an_imrt_plan_without_its_device_is_told_until_it_comes() -> None:
    plan = report("imrt-plan", "2026-03-02T10:00", plan="P1")
    alone = derived([plan], AT)
    assert [(f.kind, f.about, f.value) for f in alone.findings] == [("missed-charge", plan.id, "77338")]
    device = report("device", "2026-03-03T10:00", plan="P1", device_type="imrt-mlc")
    assert derived([plan, device], AT).findings == ()
    other = report("device", "2026-03-03T10:00", plan="P9", device_type="imrt-mlc")
    assert held(derived([plan, other], AT).holds) == [("review-needed", "device", "77338")]
