"""What a radiation course owes, service by service, for both settings."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from adapters.charges import derive
from adapters.charges.prices import PriceList
from adapters.errors import DoubleCharge
from adapters.model.charge import Component, Release
from adapters.model.event import Event, Status
from adapters.model.site import Price
from tests.model.clinic import (
    NURSE,
    PHYSICIAN,
    PRE2026,
    assembled,
    contexts,
    derived,
    ended,
    exam,
    exams,
    fraction,
    held,
    house,
    insured,
    prices,
    report,
    rules,
    screened,
    sessions,
    told,
    workdays,
)

JAN5 = "2026-01-05T09:00"


def codes(events: list[Event], *only: str, **setting: object) -> list[str]:
    at = house(**setting)  # type: ignore[arg-type]
    return [code for _, code, _, _ in told(derived(events, at).charges, *only)]


# ---------------------------------------------------------------- delivery


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"technique": "3d"}, "77407"),
        ({"technique": "imrt"}, "77407"),
        ({"technique": "imrt", "isocenters": 2}, "77412"),
        ({"technique": "2d"}, "77402"),
        ({"technique": "2d", "isocenters": 2}, "77412"),
        ({"technique": "electron", "modality": "electron"}, "77402"),
        ({"technique": "mixed", "modality": "mixed"}, "77412"),
        ({"technique": "total-skin-electron", "modality": "electron"}, "77412"),
        ({"technique": "3d", "motion__active": True, "motion__documented": True}, "77412"),
        ({"technique": "3d", "motion__active": False, "motion__documented": True}, "77407"),
    ],
)
@pytest.mark.parametrize(
    ("setting", "part"), [("hospital", "hospital:technical"), ("freestanding", "center:technical")]
)
def test_the_level_of_2026_follows_what_was_delivered(
    facts: dict[str, object], code: str, setting: str, part: str
) -> None:
    outcomes = derived([fraction(JAN5, 1, **facts)], house(setting))
    (charge,) = outcomes.charges
    assert (charge.code, charge.units, charge.modifiers, charge.slot.part) == (code, 1, (), part)
    assert charge.component is Component.TECHNICAL
    assert charge.start == charge.end == date(2026, 1, 5)
    assert not outcomes.holds


@pytest.mark.parametrize(
    ("day", "code"), [("2025-12-31", "G6015"), ("2026-01-01", "77407"), ("2025-12-31T23:30", "G6015")]
)
def test_the_date_of_service_picks_the_code_set(day: str, code: str) -> None:
    at = day if "T" in day else f"{day}T09:00"
    assert codes([fraction(at, 1, technique="imrt")], setting="freestanding") == [code]


def test_a_session_past_midnight_counts_on_its_start() -> None:
    late = fraction("2025-12-31T23:50", 1, technique="imrt", end="2026-01-01T00:20")
    assert codes([late], setting="freestanding") == ["G6015"]


@pytest.mark.parametrize(("complexity", "code"), [("simple", "77385"), ("complex", "77386"), (None, "77385")])
def test_imrt_in_a_hospital_before_2026(complexity: str | None, code: str) -> None:
    more = {"imrt__complexity": complexity} if complexity else {}
    assert codes([fraction("2025-12-30T09:00", 1, technique="imrt", **more)]) == [code]


def test_a_code_that_nobody_chose_is_a_hold_not_a_guess() -> None:
    outcomes = derived([fraction("2025-12-30T09:00", 1)], house("freestanding", options={}))
    assert held(outcomes.holds) == [("option-missing", "delivery", "")]
    assert outcomes.holds[0].release is Release.PERSON
    assert outcomes.holds[0].detail == "codes.photon-3d-pre2026"
    assert not outcomes.charges


def test_what_no_row_decides_is_looked_at_by_a_person() -> None:
    outcomes = derived([fraction(JAN5, 1, modality="proton")])
    assert held(outcomes.holds) == [("review-needed", "delivery", "")]


def test_undocumented_motion_bills_the_lower_level_and_holds_the_better_line() -> None:
    session = fraction(JAN5, 1, motion__active=True, motion__documented=False, motion__method="gating")
    outcomes = derived([session])
    assert told(outcomes.charges) == [("2026-01-05", "77407", (), 1)]
    (hold,) = outcomes.holds
    assert (hold.code, hold.instead_of, hold.about) == ("documentation-missing", True, session.id)
    assert hold.would is not None
    assert hold.would.code == "77412"
    assert {"motion.active", "motion.documented", "motion.method"} <= {f.name for f in hold.why.facts}
    only = derived([session], house(payer_options={"undocumented_motion": "lower-level"}))
    assert told(only.charges) == [("2026-01-05", "77407", (), 1)]
    assert not only.holds


def test_isocenters_that_no_report_states_are_taken_from_the_plan() -> None:
    plan = report("3d-plan", "2026-01-02T10:00", plan="P1", isocenters=2)
    outcomes = derived([plan, fraction(JAN5, 1, isocenters=None, plan="P1")])
    (charge,) = [c for c in outcomes.charges if c.slot.service == "delivery"]
    assert charge.code == "77412"
    assert plan.source.message in charge.why.messages()
    other = derived([plan, fraction(JAN5, 1, isocenters=None, plan="P9")])
    assert [c.code for c in other.charges if c.slot.service == "delivery"] == ["77407"]


def test_unknown_isocenters_bill_the_lowest_level_and_hold_the_better_line() -> None:
    outcomes = derived([fraction(JAN5, 1, isocenters=None)])
    (charge,) = outcomes.charges
    assert charge.code == "77407"
    assumed = [f for f in charge.why.facts if f.source.at.startswith("assumed")]
    assert [(f.name, f.value) for f in assumed] == [("isocenters", "1")]
    (hold,) = outcomes.holds
    assert (hold.code, hold.instead_of) == ("isocenters-unknown", True)
    assert hold.would is not None
    assert hold.would.code == "77412"
    strict = derived([fraction(JAN5, 1, isocenters=None)], house(payer_options={"unknown.isocenters": "hold"}))
    assert held(strict.holds) == [("isocenters-unknown", "delivery", "")]
    assert not strict.charges


def test_the_second_session_of_a_day_is_a_line_with_76() -> None:
    day = [fraction("2026-01-05T08:00", 1), fraction("2026-01-05T15:00", 2), fraction("2026-01-06T08:00", 3)]
    assert told(derived(day).charges) == [
        ("2026-01-05", "77407", (), 1),
        ("2026-01-05", "77407", ("76",), 1),
        ("2026-01-06", "77407", (), 1),
    ]
    mixed = [fraction("2026-01-05T08:00", 1), fraction("2026-01-05T15:00", 2, isocenters=2)]
    assert [m for _, _, m, _ in told(derived(mixed).charges)] == [(), ()]


def test_another_payer_wants_59_for_the_second_session() -> None:
    day = [fraction("2026-01-05T08:00", 1), fraction("2026-01-05T15:00", 2)]
    at = house(payer_options={"bid_repeat": "second-line-modifier-59"})
    assert [m for _, _, m, _ in told(derived(day, at).charges)] == [(), ("59",)]


def test_withdrawn_and_not_done_sessions_owe_nothing_and_say_so() -> None:
    events = [
        fraction(JAN5, 1, status=Status.WITHDRAWN),
        fraction("2026-01-06T09:00", 2, status=Status.NOT_DONE),
    ]
    outcomes = derived(events)
    assert not outcomes.charges
    assert [s.reason for s in outcomes.skips if s.event in {e.id for e in events}] == ["withdrawn", "not-done"]


def test_a_line_without_a_price_in_force_is_held() -> None:
    fees = [p for p in prices() if p.code != "77407"]
    outcomes = derived([fraction(JAN5, 1)], house(fees=fees))
    assert held(outcomes.holds) == [("price-missing", "delivery", "77407")]
    assert outcomes.holds[0].would is not None
    assert outcomes.holds[0].would.price is None


def test_a_price_is_that_of_modifier_and_entity_before_any() -> None:
    since = date(2026, 1, 1)
    rows = [
        Price("77387", "", "", Decimal(1), since),
        Price("77387", "", "", Decimal(2), date(2026, 2, 1)),
        Price("77387", "", "physicians", Decimal(3), since),
        Price("77387", "26", "", Decimal(4), since, date(2026, 6, 30)),
    ]
    table = PriceList(rows)
    assert table.on("77387", (), "hospital", since) == 1
    assert table.on("77387", (), "hospital", date(2026, 2, 1)) == 2
    assert table.on("77387", (), "physicians", date(2026, 2, 1)) == 3
    assert table.on("77387", ("26",), "physicians", since) == 4
    assert table.on("77387", ("26",), "physicians", date(2026, 7, 1)) == 3
    assert table.on("77387", (), "hospital", date(2025, 12, 31)) is None
    assert table.on("77407", (), "hospital", since) is None


def test_a_rule_past_its_review_leaves_a_finding() -> None:
    outcomes = derived([fraction("2027-01-04T09:00", 1)])
    assert [f.kind for f in outcomes.findings] == ["rule-unreviewed"]
    assert [c.code for c in outcomes.charges] == ["77407"]


def test_diagnoses_are_the_reports_own_before_the_encounters() -> None:
    own = derived([fraction(JAN5, 1, diagnosis=("C61", "C61", "C79.51"))]).charges
    assert own[0].diagnoses == ("C61", "C79.51")
    assert derived([fraction(JAN5, 1)]).charges[0].diagnoses == ("C50.412",)


def test_the_place_that_a_report_names_bills() -> None:
    at = house("both")
    there = derived([fraction(JAN5, 1, facility="CENTER"), fraction("2026-01-06T09:00", 2, facility="nowhere")], at)
    assert [c.entity for c in there.charges] == ["center", "hospital"]


# ---------------------------------------------------------------- image guidance


def guided(day: str, n: int, reviewed: str = "", **more: object) -> Event:
    facts: dict[str, object] = {"guidance": "cbct", **more}
    if reviewed:
        facts["guidance__reviewed_at"] = f"{reviewed}:00-05:00"
    return fraction(f"{day}T09:00", n, **facts)


def guidance(events: list[Event], **setting: object) -> tuple[list[tuple[str, str, tuple[str, ...]]], list[str]]:
    outcomes = derived(events, house(**setting))  # type: ignore[arg-type]
    charges = [(c.start.isoformat(), c.code, c.modifiers) for c in outcomes.charges if c.slot.service == "guidance"]
    return charges, [h.code for h in outcomes.holds if h.slot.service == "guidance" and h.code != "bundled"]


def test_a_review_before_the_next_session_is_in_time() -> None:
    charges, holds = guidance([guided("2026-01-05", 1, "2026-01-06T08:59"), fraction("2026-01-06T09:00", 2)])
    assert charges == [("2026-01-05", "77387", ("26",))]
    assert not holds


@pytest.mark.parametrize("reviewed", ["2026-01-06T09:00", "2026-01-06T12:00"])
def test_a_review_with_or_after_the_next_session_is_late(reviewed: str) -> None:
    charges, holds = guidance([guided("2026-01-05", 1, reviewed), fraction("2026-01-06T09:00", 2)])
    assert not charges
    assert holds == ["documentation-missing"]


def test_images_without_review_wait_while_the_course_goes_on_and_miss_it_afterwards() -> None:
    waiting = guidance([guided("2026-01-05", 1)])
    assert waiting == ([], ["waiting-for-review"])
    assert guidance([guided("2026-01-05", 1), fraction("2026-01-06T09:00", 2)]) == ([], ["documentation-missing"])
    assert guidance([guided("2026-01-05", 1), ended("2026-01-05")]) == ([], ["documentation-missing"])


def test_the_last_session_is_reviewed_in_time_whenever() -> None:
    assert guidance([guided("2026-01-05", 1, "2026-01-09T09:00")])[0] == [("2026-01-05", "77387", ("26",))]


def test_a_payer_without_the_gate_takes_unreviewed_images() -> None:
    charges, holds = guidance([guided("2026-01-05", 1)], payer_options={"igrt.review": "off"})
    assert [code for _, code, _ in charges] == ["77387"]
    assert not holds


@pytest.mark.parametrize("about", ["uid:2.25.9", "2.25.9", "the line"])
def test_a_review_of_its_own_names_the_session(about: str) -> None:
    session = guided("2026-01-05", 1, uid="2.25.9", line="the line")
    review = report("igrt-review", "2026-01-05T15:00", about=about, by=PHYSICIAN, by__role="radiation-oncologist")
    outcomes = derived([session, review, fraction("2026-01-06T09:00", 2)])
    (charge,) = [c for c in outcomes.charges if c.slot.service == "guidance"]
    assert charge.rendering == PHYSICIAN
    assert review.source.message in charge.why.messages()
    assert review.id not in {s.event for s in outcomes.skips}


def test_a_review_is_in_time_by_the_instant_it_states_not_by_when_it_was_charged() -> None:
    stated = {"about": "uid:2.25.9", "guidance__reviewed_at": "2026-01-05T17:00:00-05:00"}
    review = report("igrt-review", "2026-01-07", **stated)  # type: ignore[arg-type]
    charges, holds = guidance([guided("2026-01-05", 1, uid="2.25.9"), review, fraction("2026-01-06T09:00", 2)])
    assert [day for day, _, _ in charges] == ["2026-01-05"]
    assert not holds


def test_a_review_of_another_session_is_accounted_for() -> None:
    review = report("igrt-review", "2026-01-05T15:00", about="someone else")
    outcomes = derived([guided("2026-01-05", 1), review])
    assert [(s.event, s.reason) for s in outcomes.skips if s.event == review.id] == [(review.id, "reviewed")]


def test_the_technical_part_of_guidance_is_bundled_or_packaged_in_a_hospital() -> None:
    for day in ("2025-12-30", "2026-01-05"):
        outcomes = derived([guided(day, 1, f"{day}T15:00")])
        (hold,) = outcomes.holds
        assert (hold.code, hold.release, hold.slot.part) == ("bundled", Release.NEVER, "hospital:technical")


@pytest.mark.parametrize(
    ("day", "kind", "option", "modifiers"),
    [
        ("2026-01-05", "medicare", "no", ("26",)),
        ("2026-01-05", "commercial", "no", ()),
        ("2026-02-27", "commercial", "from-2026-03-01", ()),
        ("2026-03-02", "commercial", "from-2026-03-01", ("26",)),
        ("2026-01-05", "commercial", "yes", ("26",)),
    ],
)
def test_who_demands_26_for_guidance_at_a_centre(day: str, kind: str, option: str, modifiers: tuple[str, ...]) -> None:
    charges, holds = guidance(
        [guided(day, 1, f"{day}T15:00")],
        setting="freestanding",
        kind=kind,
        payer_options={"guidance.commercial_26": option},
    )
    assert charges == [(day, "77387", modifiers)]
    assert not holds


@pytest.mark.parametrize(("day", "code"), [("2025-12-29", "77014"), ("2026-01-05", "77387")])
def test_a_global_line_holds_the_physicians_review_as_well(day: str, code: str) -> None:
    setting = {"setting": "freestanding", "kind": "medicare" if day < "2026" else "commercial"}
    after = fraction(f"{day[:8]}{int(day[8:]) + 1:02}T09:00", 2)
    assert guidance([guided(day, 1, f"{day}T15:00"), after], **setting)[0] == [(day, code, ())]
    assert guidance([guided(day, 1), after], **setting) == ([], ["documentation-missing"])


# ---------------------------------------------------------------- management and physics


def units(n: int, closed: bool) -> list[str]:
    events = sessions("2026-01-05", n)
    closing = [ended(events[-1].day)] if closed else []
    return codes([*events, *exams(events), *closing], "77427", "77431")


@pytest.mark.parametrize("n", range(1, 41))
def test_management_counts_by_fives_with_its_tail(n: int) -> None:
    """radiation-oncology.md 5.1: n // 5, one more for 3-4 left at the end, 77431 for a course of one or two."""
    expected = ["77431"] if n <= 2 else ["77427"] * (n // 5 + (n % 5 >= 3))
    assert units(n, closed=True) == expected
    assert units(n, closed=False) == ["77427"] * (n // 5)


@pytest.mark.parametrize("n", [1, 4, 5, 9, 10, 33])
def test_physics_counts_by_fives(n: int) -> None:
    """radiation-oncology.md 5.4: one for a short course, else n // 5; the tail is the payer's."""
    events = [*sessions("2026-01-05", n), ended(workdays("2026-01-05", n)[-1])]
    assert codes(events, "77336") == ["77336"] * max(1, n // 5)
    assert codes(events, "77336", payer_options={"physics.tail": "3"}) == ["77336"] * max(
        1, n // 5 + (n > 5 and n % 5 >= 3)
    )
    assert codes(events, "77336", payer_options={"physics.short_course": "none"}) == ["77336"] * (n // 5)


def test_a_unit_is_dated_on_its_last_session_or_its_first() -> None:
    events = sessions("2026-01-05", 5)
    outcomes = derived([*events, *exams(events)])
    assert told(outcomes.charges, "77427", "77336") == [
        ("2026-01-09", "77336", (), 1),
        ("2026-01-09", "77427", (), 1),
    ]
    first = derived([*events, *exams(events)], house(payer_options={"management.dos": "first_fraction"}))
    assert told(first.charges, "77427") == [("2026-01-05", "77427", (), 1)]


def test_a_unit_rests_on_all_its_sessions_its_exam_and_the_end_that_made_it() -> None:
    events = sessions("2026-01-05", 3)
    visit, end = exam("2026-01-06T10:00"), ended("2026-01-07")
    outcomes = derived([*events, visit, end])
    (unit,) = [c for c in outcomes.charges if c.code == "77427"]
    assert unit.why.messages() >= {e.source.message for e in (*events, visit, end)}
    assert unit.rendering == PHYSICIAN
    assert unit.slot.part == "physicians:professional"


@pytest.mark.parametrize(
    "visit",
    [
        None,
        exam("2026-01-06T10:00", NURSE),
        exam("2026-01-06T10:00", "1000000000", by__role="nurse-practitioner"),
        exam("2026-01-04T10:00"),
        exam("2026-01-10T10:00"),
    ],
    ids=["none", "nurse by list", "nurse by role", "before", "after"],
)
def test_a_unit_without_a_physicians_exam_in_its_span_is_held(visit: Event | None) -> None:
    events = [*sessions("2026-01-05", 5), *([visit] if visit else [])]
    outcomes = derived(events)
    (hold,) = [h for h in outcomes.holds if h.slot.service == "management"]
    assert (hold.code, hold.slot.key, hold.about) == ("documentation-missing", "1", events[4].id)
    assert not [c for c in outcomes.charges if c.code == "77427"]
    unasked = derived(events, house(payer_options={"management.exam_span": "off"}))
    assert [c.code for c in unasked.charges if c.code == "77427"] == ["77427"]


@pytest.mark.parametrize("day", ["2026-01-05T07:00", "2026-01-09T18:00"])
def test_an_exam_on_the_first_or_last_day_of_the_unit_counts(day: str) -> None:
    assert codes([*sessions("2026-01-05", 5), exam(day)], "77427") == ["77427"]


def test_an_exam_that_counts_for_nothing_is_accounted_for() -> None:
    visit = exam("2026-01-06T10:00", NURSE)
    outcomes = derived([*sessions("2026-01-05", 5), visit])
    assert [s.reason for s in outcomes.skips if s.event == visit.id] == ["included-in-management"]


def test_a_course_that_resumes_after_its_end_is_counted_on() -> None:
    """radiation-oncology.md 5.1: eight paid are two units; two more make ten, still two, and never a short course."""
    first = sessions("2026-02-02", 8)
    more = [fraction("2026-03-09T09:00", 9), fraction("2026-03-10T09:00", 10)]
    visits = [exam("2026-02-04T10:00"), exam("2026-02-10T10:00"), exam("2026-03-09T10:00")]
    assert codes([*first, *visits, ended("2026-02-11")], "77427") == ["77427", "77427"]
    assert codes([*first, *visits, ended("2026-02-11"), *more], "77427", "77431") == ["77427", "77427"]
    resumed = [*first, *visits, ended("2026-02-11"), *more, ended("2026-03-10")]
    assert codes(resumed, "77427", "77431") == ["77427", "77427"]


def test_a_break_or_new_year_does_not_restart_the_count() -> None:
    days = [*workdays("2025-12-29", 3), *workdays("2026-01-19", 2)]
    events = [fraction(f"{day}T09:00", n) for n, day in enumerate(days, 1)]
    assert told(derived([*events, exam("2025-12-30T10:00")]).charges, "77427") == [("2026-01-20", "77427", (), 1)]


def test_two_courses_are_counted_each_on_its_own() -> None:
    one = sessions("2026-01-05", 2)
    two = sessions("2026-02-02", 3, course="C2")
    visits = [exam("2026-01-05T10:00"), exam("2026-02-03T10:00", course="C2")]
    events = [*one, *two, *visits, ended("2026-01-06"), ended("2026-02-04", course="C2")]
    assert codes(events, "77427", "77431") == ["77431", "77427"]


def test_a_tail_that_no_option_decides_is_held() -> None:
    ruled = house(payer_options={"physics.tail": ""})
    outcomes = derived([*sessions("2026-01-05", 8), ended("2026-01-14")], ruled)
    assert ("option-missing", "physics", "") in held(outcomes.holds)


# ---------------------------------------------------------------- planning, simulation, devices


@pytest.mark.parametrize(
    ("kind", "facts", "code"),
    [
        ("planning", {"complexity": "simple"}, "77261"),
        ("planning", {"complexity": "intermediate"}, "77262"),
        ("planning", {"complexity": "complex"}, "77263"),
        ("simulation", {"complexity": "simple"}, "77280"),
        ("simulation", {"complexity": "intermediate"}, "77285"),
        ("simulation", {"complexity": "complex"}, "77290"),
        ("simulation", {"complexity": "complex", "reason": "verification"}, "77280"),
        ("motion-simulation", {}, "77293"),
        ("imrt-plan", {"plan": "P1"}, "77301"),
        ("3d-plan", {"plan": "P1"}, "77295"),
        ("dosimetry-calc", {}, "77300"),
        ("device", {"device_type": "imrt-mlc"}, "77338"),
        ("device", {"complexity": "simple"}, "77332"),
        ("device", {"complexity": "intermediate"}, "77333"),
        ("device", {"complexity": "complex"}, "77334"),
        ("physics-consult", {}, "77370"),
        ("special-procedure", {"reason": "hyperthermia"}, "77470"),
    ],
)
def test_each_service_has_its_code_and_each_entity_its_part(kind: str, facts: dict[str, object], code: str) -> None:
    event = report(kind, "2026-01-02T10:00", **facts)  # type: ignore[arg-type]
    pctc = {a.pctc for a in rules().codes[code]}
    both = derived([event])
    expected = {
        "1": [("hospital", ()), ("physicians", ("26",))],
        "2": [("physicians", ())],
        "3": [("hospital", ())],
    }[pctc.pop()]
    assert [(c.entity, c.modifiers) for c in both.charges] == expected
    assert {c.code for c in both.charges} == {code}
    one = derived([event], house("freestanding"))
    assert [(c.code, c.entity, c.modifiers) for c in one.charges] == [(code, "center", ())]
    assert not [*both.holds, *one.holds]


def test_counts_become_units_and_a_mystery_is_looked_at() -> None:
    calc = report("dosimetry-calc", "2026-01-02T10:00", count=6)
    assert [c.units for c in derived([calc]).charges] == [6, 6]
    outcomes = derived([report("planning", "2026-01-02T10:00"), report("consult", "2026-01-02T11:00")])
    assert sorted(code for code, _, _ in held(outcomes.holds)) == ["review-needed", "review-needed"]


@pytest.mark.parametrize("kind", ["planning", "special-procedure", "physics-consult"])
def test_once_per_course_is_once_per_course(kind: str) -> None:
    facts = {"complexity": "complex"} if kind == "planning" else {}
    events = [report(kind, f"2026-01-{day:02}T10:00", **facts) for day in (2, 20)]  # type: ignore[arg-type]
    outcomes = derived(events, house("freestanding"))
    assert [c.start.day for c in outcomes.charges] == [2]
    assert [(h.code, h.about) for h in outcomes.holds] == [("units-exceeded", events[1].id)]
    other = [events[0], report(kind, "2026-01-20T10:00", course="C2", **facts)]  # type: ignore[arg-type]
    assert len(derived(other, house("freestanding")).charges) == 2


@pytest.mark.parametrize(
    ("kind", "facts"), [("device", {"device_type": "imrt-mlc"}), ("imrt-plan", {}), ("3d-plan", {})]
)
def test_once_per_plan_is_once_per_plan(kind: str, facts: dict[str, object]) -> None:
    first = report(kind, "2026-01-02T10:00", plan="P1", **facts)  # type: ignore[arg-type]
    again = report(kind, "2026-01-05T10:00", plan="P1", **facts)  # type: ignore[arg-type]
    boost = report(kind, "2026-01-20T10:00", plan="P2", **facts)  # type: ignore[arg-type]
    plans = [report("imrt-plan", f"2026-01-01T1{n}:00", plan=f"P{n}") for n in (1, 2)] if kind == "device" else []
    outcomes = derived([*plans, first, again, boost], house("freestanding"))
    assert [c.start.day for c in outcomes.charges if c.start.day > 1] == [2, 20]
    assert [(h.code, h.about) for h in outcomes.holds] == [("units-exceeded", again.id)]
    unnamed = [report(kind, f"2026-01-{day:02}T10:00", **facts) for day in (2, 5)]  # type: ignore[arg-type]
    assert len(derived(unnamed, house("freestanding")).charges) == 2


def test_port_images_are_one_in_five_sessions() -> None:
    given = sessions("2024-08-05", 6)
    images = [report("port-image", f"2024-08-{day:02}T09:10", images=2) for day in (6, 8, 12)]
    at = house("freestanding", options=PRE2026)
    outcomes = derived([*given, *images], at)
    assert [c.start.day for c in outcomes.charges if c.code == "77417"] == [6, 12]
    assert [(h.code, h.about) for h in outcomes.holds if h.slot.service == "port-image"] == [("bundled", images[1].id)]
    later = derived([fraction(JAN5, 1), report("port-image", "2026-01-05T09:10")], at)
    assert [(h.code, h.would and h.would.code) for h in later.holds] == [("bundled", "77417")]


# ---------------------------------------------------------------- the window around the IMRT plan


def window(day: str, at: dict[str, object], **facts: object) -> tuple[list[str], list[tuple[str, str]]]:
    plan = report("imrt-plan", "2026-05-18T10:00", plan="P1", tumour="T1")
    simulation = report("simulation", f"{day}T10:00", complexity="complex", **facts)  # type: ignore[arg-type]
    outcomes = derived([plan, simulation], house(**at))  # type: ignore[arg-type]
    charged = [c.slot.part for c in outcomes.charges if c.slot.service == "simulation"]
    return charged, [(h.code, h.slot.part) for h in outcomes.holds]


@pytest.mark.parametrize(
    ("day", "inside"), [("2026-05-03", False), ("2026-05-04", True), ("2026-05-18", True), ("2026-05-19", False)]
)
def test_the_hospitals_simulation_up_to_fourteen_days_before_the_plan_is_part_of_it(day: str, inside: bool) -> None:
    charged, holds = window(day, {"setting": "hospital"})
    assert charged == (["physicians:professional"] if inside else ["hospital:technical", "physicians:professional"])
    assert holds == ([("bundled", "hospital:technical")] if inside else [])


def test_the_window_reaches_physician_and_centre_by_option_only() -> None:
    yes = {"imrt_window.professional": "yes", "imrt_window.freestanding": "yes"}
    assert window("2026-05-10", {"setting": "hospital", "payer_options": yes})[0] == []
    assert window("2026-05-10", {"setting": "freestanding"})[0] == ["center:global"]
    assert window("2026-05-10", {"setting": "freestanding", "payer_options": yes}) == (
        [],
        [("bundled", "center:global")],
    )


@pytest.mark.parametrize(
    ("day", "tumour", "held_back"),
    [
        ("2026-04-18", "T1", True),
        ("2026-04-17", "T1", False),
        ("2026-06-17", "T1", True),
        ("2026-06-18", "T1", False),
        ("2026-05-10", "T2", False),
        ("2026-05-18", "T2", True),
        ("2026-05-10", None, True),
    ],
)
def test_a_commercial_window_spares_another_tumour_on_another_date(
    day: str, tumour: str | None, held_back: bool
) -> None:
    options = {"imrt_window.days_before": "30", "imrt_window.days_after": "30"}
    setting = {"setting": "freestanding", "kind": "commercial", "payer_options": options}
    charged, holds = window(day, setting, **({"tumour": tumour} if tumour else {}))
    assert bool(holds) is held_back
    assert bool(charged) is not held_back


def test_a_verification_simulation_is_part_of_the_plan_whenever_by_option() -> None:
    at = {"setting": "hospital", "payer_options": {"imrt_window.verification": "bundled"}}
    assert window("2026-06-30", at, reason="verification")[0] == []
    assert window("2026-06-30", {"setting": "hospital"}, reason="verification")[1] == []


def test_calculations_beside_the_plan_are_billed() -> None:
    plan = report("imrt-plan", "2026-05-18T10:00", plan="P1")
    calc = report("dosimetry-calc", "2026-05-18T10:00", plan="P1", count=6)
    assert [c.code for c in derived([plan, calc], house("freestanding")).charges].count("77300") == 1


# ---------------------------------------------------------------- accounting


def test_a_second_report_is_a_skip_and_a_finding_about_the_later_one() -> None:
    first = fraction(JAN5, 1, uid="2.25.1", said="2026-01-05T10:00")
    later = fraction(JAN5, 1, uid="2.25.1", feed="ehr", said="2026-01-05T12:00")
    outcomes = derived([later, first])
    assert len(outcomes.charges) == 1
    assert [(f.kind, f.about) for f in outcomes.findings] == [("duplicate-suppressed", later.id)]
    assert [(s.event, s.reason) for s in outcomes.skips] == [(later.id, "duplicate-report")]


def test_a_restated_line_is_accounted_for_by_the_later_one() -> None:
    old = fraction(JAN5, 1, line="L", said="2026-01-05T10:00")
    new = fraction(JAN5, 1, line="L", said="2026-01-05T11:00")
    assert [(s.event, s.reason) for s in derived([old, new]).skips] == [(old.id, "superseded")]


def test_a_service_of_no_known_course_waits_for_a_person() -> None:
    loose = derived([fraction(JAN5, 1, course="")])
    assert held(loose.holds) == [("course-unknown", "fraction", "")]
    visit = exam(JAN5, course="")
    assert [s.reason for s in derived([visit]).skips] == ["included-in-management"]


def test_a_rule_that_owes_a_slot_twice_is_a_bug_and_bills_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [fraction(JAN5, 1)]
    line = derived(events).charges[0]
    monkeypatch.setattr(
        sys.modules["adapters.charges.derive"], "course", lambda bench: bench.charges.extend((line, line))
    )
    (episode,) = assembled(events).episodes
    with pytest.raises(DoubleCharge, match="delivery"):
        derive(episode, (), contexts(house(), events), rules(), PriceList(prices()))


def test_every_outcome_names_a_rule_version_with_its_citation() -> None:
    events = sessions("2025-12-29", 6, technique="imrt", guidance="cbct")
    outcomes = screened([*events, *exams(events), ended("2026-01-05"), insured(said="2026-01-01")])
    for one in (*outcomes.charges, *outcomes.holds, *outcomes.skips, *outcomes.findings):
        assert one.why.rule.cite
        assert len(one.why.rule.digest) == 64
        assert one.why.facts
    delivered = [c for c in outcomes.charges if c.slot.service == "delivery"]
    assert {c.why.rule.since.year for c in delivered} == {2015, 2026}
    assert all(c.why.rule.since <= c.start for c in delivered)
    assert math.prod(c.units for c in delivered) == 1


# ---------------------------------------------------------------- one slot, one charge


def test_one_order_on_two_days_is_two_services() -> None:
    twice = [report("simulation", f"2026-01-{d:02}T10:00", complexity="simple", keys=("order:O1",)) for d in (2, 9)]
    charges = derived(twice, house("freestanding")).charges
    assert [c.start.day for c in charges] == [2, 9]
    assert len({c.slot for c in charges}) == 2


@pytest.mark.parametrize("keys", [(), ("order:O1",)])
def test_two_kinds_of_plan_on_one_day_are_two_services(keys: tuple[str, ...]) -> None:
    plans = [report(kind, "2026-01-02T10:00", plan=kind, keys=keys) for kind in ("3d-plan", "imrt-plan")]
    charges = derived(plans, house("freestanding")).charges
    assert sorted(c.code for c in charges) == ["77295", "77301"]
    assert len({c.slot for c in charges}) == 2


def test_bare_reports_that_could_each_be_one_of_two_sessions_wait_each_in_a_slot_of_its_own() -> None:
    known = [fraction(f"2026-01-0{d}T09:00", 4, uid=f"2.25.{d}") for d in (5, 6)]
    bare = [fraction(f"2026-01-0{d}T09:00", 4, feed="ehr") for d in (7, 8)]
    outcomes = derived([*known, *bare])
    charges = {c.slot for c in outcomes.charges if c.slot.service == "delivery"}
    holds = [h for h in outcomes.holds if h.slot.service == "delivery" and h.slot not in charges]
    assert len(charges) == 2, "what is certain is billed"
    assert {h.code for h in holds} == {"review-needed"}
    assert len({h.slot for h in holds}) == len(holds) == 2
    assert all("uid" in h.detail for h in holds)


def test_a_uid_identifies_a_session_by_fact_or_by_key() -> None:
    one = fraction(JAN5, 1, uid="2.25.1")
    other = replace(fraction(JAN5, 1, uid="2.25.1", feed="ehr"), keys=())
    assert len(derived([one, other]).charges) == 1
    assert len(derived([replace(one, keys=()), other]).charges) == 1
