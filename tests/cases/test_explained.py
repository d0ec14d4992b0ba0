"""What a biller reads of a charge or a hold of a course: which sessions, which rule of which year, what is missing."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from adapters.cases.case import Case, read_case
from adapters.cases.story import Story, told
from adapters.explain import explain, hold_id
from adapters.settings import rules_of

STORIES = Path(__file__).parent / "stories"


@functools.cache
def ran(name: str) -> Story:
    file = STORIES / f"story-{name}.yaml"
    case = read_case(file.read_text(encoding="utf-8"), file.name)
    assert isinstance(case, Case), case
    return told(case, rules_of())


def sentences(story: Story, id: str) -> list[tuple[str, str]]:
    """(sentence, source) of the whole explanation, its messages by the names of the case's events."""
    found = explain(story.record, id, story.house.rules, lambda message: story.letters.events.get(message, message))
    assert found is not None
    return [(says, source) for _, says, source in found.lines()]


def of_charge(name: str, code: str, day: str) -> list[tuple[str, str]]:
    story = ran(name)
    (id,) = (c.id for c in story.record.charges if (c.charge.code, c.charge.start.isoformat()) == (code, day))
    return sentences(story, id)


def of_hold(name: str, code: str, event: str) -> list[str]:
    story = ran(name)
    about = {e.id: story.letters.events.get(e.source.message) for e in story.record.events}
    (hold,) = (h for h in story.record.holds if h.code == code and about.get(h.about) == event)
    return [says for says, _ in sentences(story, hold_id(hold))]


@pytest.mark.parametrize(
    ("story", "code", "day", "says"),
    [
        (
            "management",
            "77427",
            "2026-03-04",
            "unit 3 of management of course k1: 3 sessions, 2026-03-02, 2026-03-03, 2026-03-04",
        ),
        (
            "void",
            "77427",
            "2026-10-09",
            "unit 1 of management of course k1: 4 sessions, 2026-10-05, 2026-10-06, 2026-10-08, 2026-10-09",
        ),
        (
            "limits-of-a-day",
            "77336",
            "2026-11-03",
            "unit 1 of physics of course k1: 5 sessions, 2026-11-02, 2026-11-02, 2026-11-02, 2026-11-03, 2026-11-03",
        ),
    ],
)
def test_a_unit_names_its_sessions(story: str, code: str, day: str, says: str) -> None:
    found = of_charge(story, code, day)
    assert says in [sentence for sentence, _ in found]
    assert not [sentence for sentence, _ in found if sentence.startswith("sessions = ")], "said once"


def test_a_charge_names_the_rule_of_its_year() -> None:
    for day, code, since in (("2025-12-30", "G6016", "2015-01-01"), ("2026-01-02", "77407", "2026-01-01")):
        (rule,) = [source for says, source in of_charge("new-year", code, day) if says.startswith("rule delivery: ")]
        assert rule.startswith(f"charges/delivery.toml, since {since}, ")


def test_a_unit_without_its_physician_says_from_when_to_when_and_who_came_instead() -> None:
    assert (
        "no physician examination is recorded from 2026-02-16 to 2026-02-20, the dates of this unit's sessions; the one on "
        "2026-02-17 is not known to be a physician's"
    ) in of_hold("management", "documentation-missing", "f10")


def test_an_image_reviewed_too_late_says_both_moments() -> None:
    assert (
        "the image was reviewed only after the next session: on 2026-05-20 15:05, and that began on 2026-05-20 08:20"
    ) in of_hold("guidance-gate", "documentation-missing", "f2")


def test_a_better_level_says_what_it_lacks() -> None:
    found = of_hold("levels", "documentation-missing", "f4")
    assert "active motion management was used, and no note documents it" in found
    assert "motion.documented = false" in found


def test_what_is_part_of_a_plan_names_the_plan_once() -> None:
    found = of_hold("planning", "bundled", "s1")
    assert found[1] == "part of the imrt-plan of 2026-03-12"
    assert len(found) == len(set(found))


def test_what_was_assumed_says_so() -> None:
    file = STORIES / "story-void.yaml"
    case = read_case(file.read_text(encoding="utf-8").replace(", isocenters: 1", ""), file.name)
    assert isinstance(case, Case), case
    story = told(case, rules_of())
    id = next(c.id for c in story.record.charges if c.charge.code == "77407")
    assert {source for says, source in sentences(story, id) if says == "isocenters = 1"} == {
        "assumed: no report states the isocenters, the lowest supported level is billed"
    }
