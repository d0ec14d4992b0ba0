"""What happens to courses: boosts, new plans, other machines, interruptions, late arrivals, withdrawals, resumption.

Whatever happens, in whatever order it is told, the course is derived anew from all that is known: these histories are
shuffled, told twice and told in part.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from adapters.model.event import Event, Status
from tests.model.clinic import PHYSICIAN, derived, ended, exam, exams, fraction, house, report, sessions, told

CENTRE = house("freestanding")
SEEDS = range(12)


def bill(events: list[Event], at: object = CENTRE) -> tuple[object, object]:
    outcomes = derived(events, at)  # type: ignore[arg-type]
    return told(outcomes.charges), sorted((h.code, h.slot.service, h.about) for h in outcomes.holds)


def same_in_any_order(events: list[Event], at: object = CENTRE) -> tuple[object, object]:
    """The bill, the same for twelve orders of the reports and for each of them told twice."""
    expected = bill(events, at)
    for seed in SEEDS:
        chance = random.Random(seed)
        shuffled = [*events, *chance.sample(events, len(events) // 2)]
        chance.shuffle(shuffled)
        assert bill(shuffled, at) == expected
    return expected


def counted(events: list[Event]) -> Counter[str]:
    charges, _ = same_in_any_order(events)
    return Counter({code: sum(u for _, c, _, u in charges if c == code) for code in {c for _, c, _, _ in charges}})  # type: ignore[attr-defined]


def boosted() -> list[Event]:
    """Thirteen sessions of a plan and five of its boost, whose numbers begin anew."""
    first = sessions("2026-03-02", 13, plan="A", phase="primary")
    second = [
        fraction(f"2026-03-{day:02}T09:00", n, plan="B", phase="boost") for n, day in enumerate((19, 20, 23, 24, 25), 1)
    ]
    return [*first, *second]


def test_a_boost_goes_on_with_the_count_of_its_course() -> None:
    given = boosted()
    found = counted([*given, *exams(given), ended("2026-03-25")])
    assert (found["77407"], found["77427"], found["77336"]) == (18, 4, 3)


def test_a_new_plan_is_a_plan_of_its_own_and_counts_nothing_anew() -> None:
    plans = [
        report("imrt-plan", "2026-02-26T09:00", plan="A"),
        report("device", "2026-02-26T10:00", plan="A", device_type="imrt-mlc", count=1),
        report("imrt-plan", "2026-03-10T09:00", plan="A2"),
        report("device", "2026-03-10T10:00", plan="A2", device_type="imrt-mlc", count=1),
    ]
    before = [
        fraction(f"2026-03-{day:02}T09:00", n, plan="A", technique="imrt") for n, day in enumerate(range(2, 7), 1)
    ]
    after = [
        fraction(f"2026-03-{day:02}T09:00", n, plan="A2", technique="imrt") for n, day in enumerate(range(11, 14), 6)
    ]
    given = [*before, *after]
    found = counted([*plans, *given, *exams(given), ended("2026-03-13")])
    assert found == {"77301": 2, "77338": 2, "77407": 8, "77427": 2, "77336": 1}


def test_the_machine_on_which_a_session_was_given_changes_nothing_but_what_it_delivers() -> None:
    given = sessions("2026-03-02", 5, technique="imrt", plan="A")
    swapped = [replace(one, facts=tuple(f for f in one.facts if f.name != "plan")) for one in given[2:]]
    assert counted([*given[:2], *swapped, *exams(given)]) == counted([*given, *exams(given)])
    plain = [fraction(f"{one.day}T09:00", n, technique="2d") for n, one in enumerate(given, 1)]
    found = counted([*given[:3], *plain[3:], *exams(given)])
    assert (found["77407"], found["77402"], found["77427"]) == (3, 2, 1)


@pytest.mark.parametrize("parts", [2, 3])
def test_a_session_in_parts_is_one_whatever_comes_between(parts: int) -> None:
    given = sessions("2026-03-02", 4)
    broken = [fraction(f"2026-03-06T{9 + 2 * i:02}:00", 5, keys=("part:late",), line=f"part {i}") for i in range(parts)]
    events = [*given, *broken]
    found = counted([*events, exam("2026-03-05T10:00")])
    assert found == {"77407": 5, "77427": 1, "77336": 1}
    reasons = [skip.reason for skip in derived([*events, exam("2026-03-05T10:00")], CENTRE).skips]
    assert reasons.count("part-of-session") == parts - 1


@pytest.mark.parametrize("gone", [0, 2, 4])
def test_a_withdrawn_session_leaves_every_count(gone: int) -> None:
    given = sessions("2026-03-02", 6)
    back = report(
        "fraction",
        given[gone].start.isoformat()[:10] + "T09:00",
        line=given[gone].line,
        said="2026-03-20T09:00",
        status=Status.WITHDRAWN,
        n=gone + 1,
    )
    rest = [one for i, one in enumerate(given) if i != gone]
    visits = [exam("2026-03-04T11:00"), ended("2026-03-10")]
    with_it = derived([*given, back, *visits], CENTRE)
    without = derived([*rest, *visits], CENTRE)
    assert told(with_it.charges) == told(without.charges)
    assert same_in_any_order([*given, back, *visits])


def test_a_session_that_comes_late_moves_the_units_after_it_and_no_delivery() -> None:
    given = sessions("2026-03-02", 10)
    late, known = given[2], [*given[:2], *given[3:]]
    visits = exams(given)
    before, after = derived([*known, *visits], CENTRE), derived([*given, *visits], CENTRE)
    assert len(told(before.charges, "77427")) == 1
    assert [day for day, *_ in told(after.charges, "77427")] == ["2026-03-06", "2026-03-13"]
    gained = set(told(after.charges, "77407")) - set(told(before.charges, "77407"))
    assert gained == {(late.day.isoformat(), "77407", (), 1)}
    assert same_in_any_order([*given, *visits])


def test_a_course_resumed_after_its_end_bills_the_difference_only() -> None:
    """8 sessions earn two units; two more of the same course make ten, which are still two (5.1, C [S8])."""
    given = sessions("2026-03-02", 8)
    closed = [*given, *exams(given), ended("2026-03-11")]
    assert counted(closed)["77427"] == 2
    more = [fraction(f"2026-04-0{day}T09:00", n) for n, day in ((9, 6), (10, 7))]
    resumed = [*closed, *more, exam("2026-04-07T10:00"), ended("2026-04-07")]
    assert counted(resumed)["77427"] == 2
    thirteen = [*resumed, *[fraction(f"2026-04-{day:02}T09:00", n) for n, day in ((11, 8), (12, 9), (13, 10))]]
    assert counted([*thirteen, exam("2026-04-10T10:00"), ended("2026-04-10")])["77427"] == 3


def test_an_implant_and_a_beam_session_of_one_number_are_two() -> None:
    beam = fraction("2026-03-02T09:00", 1)
    implant = fraction("2026-03-12T09:00", 1, technique=None, modality=None, regime="hdr", channels=3)
    assert counted([beam, implant]) == {"77407": 1, "77771": 1}


# ---------------------------------------------------------------- one course, two entities


def by_entity(events: list[Event]) -> dict[str, list[tuple[str, str, tuple[str, ...], int]]]:
    outcomes = derived(events)
    return {entity: told(c for c in outcomes.charges if c.entity == entity) for entity in ("hospital", "physicians")}


def planned() -> list[Event]:
    return [
        report("planning", "2026-02-23T09:00", complexity="complex", by=PHYSICIAN),
        report("3d-plan", "2026-02-26T09:00", plan="A", line="plan A"),
        *sessions("2026-03-02", 3, plan="A"),
        exam("2026-03-03T10:00"),
        ended("2026-03-04"),
    ]


def test_a_correction_that_touches_both_entities() -> None:
    """The plan's date was wrong: the physicians' 26 and the hospital's line move together."""
    events = planned()
    again = report("3d-plan", "2026-02-27T09:00", plan="A", line="plan A", said="2026-03-05T09:00")
    before, after = by_entity(events), by_entity([*events, again])
    for entity, modifiers in (("hospital", ()), ("physicians", ("26",))):
        assert set(before[entity]) - set(after[entity]) == {("2026-02-26", "77295", modifiers, 1)}
        assert set(after[entity]) - set(before[entity]) == {("2026-02-27", "77295", modifiers, 1)}


def test_a_correction_that_touches_one_entity() -> None:
    """Two isocenters were treated: the hospital's session is another level, the physicians bill what they billed."""
    events = planned()
    session = events[3]
    again = fraction("2026-03-03T09:00", 2, plan="A", isocenters=2, line=session.line, said="2026-03-05T09:00")
    before, after = by_entity(events), by_entity([*events, again])
    assert before["physicians"] == after["physicians"]
    assert set(before["hospital"]) ^ set(after["hospital"]) == {
        ("2026-03-03", "77407", (), 1),
        ("2026-03-03", "77412", (), 1),
    }
