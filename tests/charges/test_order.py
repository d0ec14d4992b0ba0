"""What a session must have before it is billed, and sessions of one day."""

from __future__ import annotations

from itertools import permutations

import pytest

from adapters.charges import derive
from adapters.charges.prices import PriceList
from adapters.model.charge import Outcomes
from adapters.model.event import Event, Status
from adapters.pipeline import House
from tests.model.clinic import PHYSICIAN, background, ended, fraction, held, house, report, sessions, told
from tests.model.clinic import assembled as assemble_events
from tests.model.clinic import contexts as contexts_of
from tests.model.clinic import derived as derive_each


def centre(**options: str) -> House:
    return house("freestanding", payer_options={name.replace("__", "."): said for name, said in options.items()})


def plan(day: str, **more: object) -> Event:
    return report("3d-plan", f"{day}T10:00", **more)  # type: ignore[arg-type]


def test_a_session_before_its_plan_s_approval_waits_and_the_next_goes_out() -> None:
    events = [plan("2026-03-03"), *sessions("2026-03-02", 3)]
    for order in permutations(events):
        outcomes = derive_each(order, centre())
        assert told(outcomes.charges, "77407") == [("2026-03-03", "77407", (), 1), ("2026-03-04", "77407", (), 1)]
        (hold,) = [one for one in outcomes.holds if one.slot.service == "delivery"]
        assert (hold.code, hold.about) == ("plan-not-approved", events[1].id)
        assert hold.would is not None
        assert hold.would.code == "77407"
        assert events[0].source.message in hold.why.messages()
        assert hold.why.rule.id == "course-order"


@pytest.mark.parametrize(
    ("approval", "session", "plans", "waits"),
    [
        ("reported", {}, [], False),
        ("reported", {"plan": "A"}, [("2026-03-03", {"plan": "B"})], False),
        ("reported", {"plan": "A"}, [("2026-03-03", {"plan": "A"})], True),
        ("reported", {"plan": "A"}, [("2026-03-02", {"plan": "A"}), ("2026-03-09", {"plan": "A"})], False),
        ("reported", {}, [("2026-03-01", {"plan": "A"}), ("2026-03-03", {"plan": "B"})], False),
        ("reported", {"plan": "B"}, [("2026-03-01", {"plan": "A"}), ("2026-03-03", {"plan": "B"})], True),
        ("required", {}, [], True),
        ("required", {"plan": "A"}, [("2026-03-01", {"plan": "B"})], True),
        ("required", {"plan": "A"}, [("2026-03-02", {"plan": "A"})], False),
        ("off", {"plan": "A"}, [("2026-03-03", {"plan": "A"})], False),
    ],
)
def test_which_plan_must_be_approved(
    approval: str, session: dict[str, object], plans: list[tuple[str, dict[str, object]]], waits: bool
) -> None:
    given = [plan(day, **named) for day, named in plans]
    outcomes = derive_each(
        [*given, fraction("2026-03-02T09:00", 1, **session)], centre(delivery__plan_approval=approval)
    )
    codes = [one.code for one in outcomes.holds if one.slot.service == "delivery"]
    assert codes == (["plan-not-approved"] if waits else [])
    assert len(told(outcomes.charges, "77407")) == (0 if waits else 1)


@pytest.mark.parametrize(
    ("facts", "kind", "waits"),
    [
        ({"regime": "hdr", "channels": 3}, "3d-plan", False),
        ({"regime": "hdr", "channels": 3}, "brachy-plan", True),
        ({"regime": "surface", "kv": 100}, "3d-plan", False),
        ({"regime": "iort", "modality": "electron"}, "3d-plan", False),
        ({"regime": "sbrt", "technique": "imrt"}, "imrt-plan", True),
        ({}, "brachy-plan", False),
    ],
)
def test_a_plan_is_asked_of_the_sessions_that_it_is_for(facts: dict[str, object], kind: str, waits: bool) -> None:
    late = report(kind, "2026-03-05T10:00", channels=3)
    at = house("freestanding", kind="commercial")
    outcomes = derive_each([late, fraction("2026-03-02T09:00", 1, **facts)], at)
    assert ("plan-not-approved" in {one.code for one in outcomes.holds}) is waits
    assert ("delivery" in {one.slot.service for one in outcomes.charges}) is not waits


def test_a_plan_that_was_never_made_approves_nothing() -> None:
    withdrawn = report("3d-plan", "2026-03-01T10:00", status=Status.WITHDRAWN, plan="A")
    outcomes = derive_each(
        [withdrawn, fraction("2026-03-02T09:00", 1, plan="A")], centre(delivery__plan_approval="required")
    )
    assert held(outcomes.holds) == [("plan-not-approved", "delivery", "77407")]


def test_a_session_that_waits_is_counted_all_the_same() -> None:
    given = sessions("2026-03-02", 5)
    visit = report("on-treatment-visit", "2026-03-05T11:00", by=PHYSICIAN)
    outcomes = derive_each([*given, visit, ended("2026-03-06")], centre(delivery__plan_approval="required"))
    assert len([one for one in outcomes.holds if one.code == "plan-not-approved"]) == 5
    assert told(outcomes.charges) == [("2026-03-06", "77336", (), 1), ("2026-03-06", "77427", (), 1)]


@pytest.mark.parametrize(
    ("complete", "record", "reviewed", "goes"),
    [
        ("delivered", None, False, True),
        ("delivered", False, False, True),
        ("record-closed", None, True, False),
        ("record-closed", False, True, False),
        ("record-closed", True, False, True),
        ("record-and-images", True, False, False),
        ("record-and-images", True, True, True),
    ],
)
def test_complete_is_what_the_site_calls_so(complete: str, record: bool | None, reviewed: bool, goes: bool) -> None:
    session = fraction("2026-03-02T09:00", 1, guidance="cbct", record__closed=record)
    review = [report("igrt-review", "2026-03-02T12:00", about=session.line)] if reviewed else []
    outcomes = derive_each([session, *review], centre(session__complete=complete))
    delivery = [one.code for one in outcomes.holds if one.slot.service == "delivery"]
    assert delivery == ([] if goes else ["documentation-missing"])
    assert (("2026-03-02", "77407", (), 1) in told(outcomes.charges)) is goes


def test_images_that_were_not_taken_need_no_review() -> None:
    outcomes = derive_each(
        [fraction("2026-03-02T09:00", 1, record__closed=True)], centre(session__complete="record-and-images")
    )
    assert told(outcomes.charges) == [("2026-03-02", "77407", (), 1)]


# ---------------------------------------------------------------- sessions of one day


def of_a_day(*times: str) -> list[Event]:
    return [fraction(f"2026-03-02T{at}", n) for n, at in enumerate(times, 1)]


@pytest.mark.parametrize(
    ("times", "options", "waiting"),
    [
        (("08:00", "13:59"), {"bid_hours": "6"}, [1]),
        (("08:00", "14:00"), {"bid_hours": "6"}, []),
        (("08:00", "09:00"), {}, []),
        (("08:00", "12:00", "16:00"), {"bid_hours": "6", "tid_hours": "4"}, []),
        (("08:00", "11:59", "16:00"), {"bid_hours": "6", "tid_hours": "4"}, [1]),
        (("08:00", "09:00", "10:00"), {"bid_hours": "6"}, []),
    ],
)
def test_the_hours_between_sessions_of_a_day(
    times: tuple[str, ...], options: dict[str, str], waiting: list[int]
) -> None:
    given = of_a_day(*times)
    outcomes = derive_each(given, centre(**options))
    assert [one.about for one in outcomes.holds if one.code == "review-needed"] == [given[i].id for i in waiting]
    assert len(told(outcomes.charges, "77407")) == len(times) - len(waiting)


def test_hours_are_counted_from_the_end_of_the_session_before() -> None:
    first = fraction("2026-03-02T08:00", 1, end="2026-03-02T08:20")
    outcomes = derive_each([first, fraction("2026-03-02T14:10", 2)], centre(bid_hours="6"))
    assert held(outcomes.holds) == [("review-needed", "delivery", "77407")]


def test_a_beam_session_and_an_implant_on_one_day_need_no_hours_between_them() -> None:
    beam = fraction("2026-03-02T08:00", 1)
    implant = fraction("2026-03-02T09:00", 2, technique=None, modality=None, regime="hdr", channels=1)
    outcomes = derive_each([beam, implant], centre(bid_hours="6"))
    assert [code for _, code, _, _ in told(outcomes.charges)] == ["77407", "77770"]


def test_two_sessions_of_a_day_may_be_one_line_of_two_units() -> None:
    given = [*of_a_day("08:00", "15:00"), fraction("2026-03-03T08:00", 3)]
    for order in permutations(given):
        outcomes = derive_each(order, centre(bid_repeat="one-line-two-units"))
        assert told(outcomes.charges) == [("2026-03-02", "77407", (), 2), ("2026-03-03", "77407", (), 1)]
        both = next(one for one in outcomes.charges if one.units == 2)
        assert {event.source.message for event in given[:2]} <= both.why.messages()
        assert outcomes.holds == ()
        assert outcomes.skips == ()


def test_a_session_of_two_that_waits_is_no_unit_of_the_line() -> None:
    given = of_a_day("08:00", "10:00")
    outcomes = derive_each(given, centre(bid_repeat="one-line-two-units", bid_hours="6"))
    assert told(outcomes.charges) == [("2026-03-02", "77407", (), 1)]
    assert held(outcomes.holds) == [("review-needed", "delivery", "77407")]


def test_sessions_of_two_levels_on_one_day_stay_two_lines() -> None:
    given = [fraction("2026-03-02T08:00", 1), fraction("2026-03-02T15:00", 2, isocenters=2)]
    outcomes = derive_each(given, centre(bid_repeat="one-line-two-units"))
    assert told(outcomes.charges) == [("2026-03-02", "77407", (), 1), ("2026-03-02", "77412", (), 1)]


# ---------------------------------------------------------------- two courses at once, gaps


def together(events: list[Event], at: House) -> dict[str, Outcomes]:
    """Outcomes by course, each derived with the others in sight."""
    assembly = assemble_events([*background(), *events])
    known = contexts_of(at, [*background(), *events])
    return {
        one.label: derive(
            one, (), known, at.rules, PriceList(at.site.prices), [o for o in assembly.episodes if o is not one]
        )
        for one in assembly.episodes
        if one.label
    }


def test_two_courses_on_the_same_dates_are_remarked_in_both() -> None:
    given = sessions("2026-03-02", 3)
    beside = [fraction(f"2026-03-0{day}T11:00", n, course="C2") for n, day in enumerate((3, 4, 9), 1)]
    found = together([*given, *beside], centre())
    first, second = (
        [one for one in found[label].findings if one.kind == "concurrent-courses"] for label in ("C1", "C2")
    )
    assert [(one.about, one.value) for one in first] == [(given[1].id, "2 dates")]
    assert [(one.about, one.value) for one in second] == [(beside[0].id, "2 dates")]
    assert beside[0].source.message in first[0].why.messages()
    assert len(found["C1"].charges) == 3, "nothing is kept back"


@pytest.mark.parametrize("more", [{"course": "C2"}, {"course": "C2", "regime": "hdr", "channels": 3}])
def test_courses_after_one_another_or_of_another_kind_are_not_remarked(more: dict[str, object]) -> None:
    day = "2026-03-04" if "regime" in more else "2026-03-12"
    found = together([*sessions("2026-03-02", 3), fraction(f"{day}T11:00", 1, **more)], centre())
    assert [one.kind for outcomes in found.values() for one in outcomes.findings] == []


def gaps(events: list[Event], at: House) -> list[str]:
    return sorted(one.value for one in derive_each(events, at).findings if one.kind == "gap-in-course")


def test_what_an_ended_course_has_not_on_file_is_remarked_with_its_price() -> None:
    at = centre(course__gaps="on")
    given = sessions("2026-03-02", 3, technique="imrt", motion__active=True, motion__documented=True)
    assert gaps(given, at) == [], "the course still runs"
    assert gaps([*given, ended("2026-03-05")], at) == ["77263", "77301"]
    assert gaps([*given, ended("2026-03-05")], centre()) == [], "by option only"
    planned = [
        report("planning", "2026-02-20T09:00", complexity="complex"),
        report("imrt-plan", "2026-02-25T09:00", plan="A"),
    ]
    assert gaps([*planned, *given, ended("2026-03-05")], at) == ["77293"]
    moved = report("motion-simulation", "2026-02-24T09:00")
    assert gaps([*planned, moved, *given, ended("2026-03-05")], at) == []
    (one,) = [f for f in derive_each([*given, ended("2026-03-05")], at).findings if f.value == "77301"]
    price = next(row.amount for row in at.site.prices if (row.code, row.modifier) == ("77301", ""))
    assert [fact.value for fact in one.why.facts if fact.name == "price"] == [str(price)]


def test_a_service_that_another_system_codes_is_no_gap() -> None:
    coded = report("coded-charge", "2026-02-20T09:00", code="77263", units=1, type="CG")
    given = [*sessions("2026-03-02", 2), report("3d-plan", "2026-02-25T09:00"), ended("2026-03-04")]
    at = centre(course__gaps="on")
    assert gaps(given, at) == ["77263"]
    assert gaps([coded, *given], at) == []
