"""Radiation-oncology cases as messages through the real intake: receipt, journal, lanes, record, the same comparison.

Every case is sent twice: by HL7 v2 where that can say an event, and by FHIR where that can; the rest goes by the other
channel, which is an exception that stands listed here with its reason.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from adapters.cases.case import Case, read_case
from adapters.cases.schema import Dialect
from adapters.rules import Ruleset
from adapters.settings import rules_of
from tests.intake import in_fhir, in_v2
from tests.intake.sent import CHANNELS, FHIR, V2, sent

SHARED = Path(os.environ.get("ONCOCLAIMS_SHARED") or Path(__file__).parents[3] / "shared") / "cases" / "ro"
STORIES = Path(__file__).parents[1] / "cases" / "stories"

NOT_DONE = "an FT1 tells what was done or takes it back, never that it was not done"
REVIEW = "no resource of CodeX RT reviews an image: a session says when its images were reviewed"
INTERRUPTED = "two Procedures cannot be told to be one session that was interrupted"
UNCODED = "a ChargeItem names what was done, never a course alone"
LISTED = {
    V2: {NOT_DONE: 1},
    FHIR: {REVIEW: 3, INTERRUPTED: 4},
}
"""Preferred channel → what it cannot say, and how many events of all cases that are. It may shrink, never grow."""


def read(file: Path) -> Case:
    case = read_case(file.read_text(encoding="utf-8"), file.name)
    assert isinstance(case, Case), case
    return case


CASES = {case.id: case for case in map(read, [*sorted(SHARED.glob("*.yaml")), *sorted(STORIES.glob("*.yaml"))])}
CASES = {id: case for id, case in CASES.items() if case.dialect is Dialect.RADIATION}
OURS = sorted(id for id in CASES if id.startswith("story-"))
THEIRS = sorted(CASES.keys() - set(OURS))


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return rules_of()


@pytest.mark.parametrize("preferred", CHANNELS)
@pytest.mark.parametrize("id", OURS)
def test_a_story_comes_to_the_same_as_messages(id: str, preferred: str, rules: Ruleset) -> None:
    found = sent(CASES[id], rules, preferred)
    assert found.differences == []
    assert (found.parked, found.lost) == ([], [])
    assert sum(found.channels.values()) == len(CASES[id].events)


@pytest.mark.slow
@pytest.mark.skipif(not THEIRS, reason="NO ACCEPTANCE CASES: set ONCOCLAIMS_SHARED to the folder that has cases/")
@pytest.mark.parametrize("preferred", CHANNELS)
@pytest.mark.parametrize("id", THEIRS)
def test_an_acceptance_case_comes_to_the_same_as_messages(
    id: str, preferred: str, rules: Ruleset, tmp_path: Path
) -> None:
    """On a store of its own on disk, its lanes worked after each message as the service does."""
    found = sent(CASES[id], rules, preferred, f"sqlite:///{tmp_path / 'store.db'}", step_each=True)
    assert found.differences == []
    assert (found.parked, found.lost) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize("id", OURS)
def test_a_story_comes_to_the_same_in_whatever_order_its_messages_come(id: str, rules: Ruleset) -> None:
    """Derived anew after each message, from whatever part of the course is known by then."""
    chance = Random(id)
    found = sent(CASES[id], rules, chance.choice(CHANNELS), step_each=True, chance=chance)
    assert found.differences == []


@pytest.mark.parametrize("id", OURS)
def test_a_story_comes_to_the_same_as_single_resources(id: str, rules: Ruleset) -> None:
    """Each resource by itself, in any order: a session, its phase, its course, the patient."""
    found = sent(CASES[id], rules, FHIR, chance=Random(id), split=True)
    assert found.differences == []
    assert (found.parked, found.lost) == ([], [])


@pytest.mark.parametrize("preferred", CHANNELS)
def test_what_a_channel_cannot_say_is_listed_and_no_more(preferred: str) -> None:
    unsaid = {V2: in_v2.unsaid, FHIR: in_fhir.unsaid}[preferred]
    pinned = {V2: ("fhir",), FHIR: ("hl7", "hl7-dft")}[preferred]
    found = Counter(
        why
        for case in CASES.values()
        for event in case.events
        if event.text("source") not in pinned and (why := unsaid(event))
    )
    allowed = LISTED[preferred]
    assert found <= Counter(allowed), "a channel can say less than it could"
    if THEIRS:
        assert found == Counter(allowed), "a channel can say more than it could: take it off the list"


def test_every_kind_of_event_can_be_said_by_hl7() -> None:
    """By FHIR all but the review of an image and the charge of another system."""
    kinds = {event.kind for case in CASES.values() for event in case.events}
    assert kinds - in_v2.ACTIVITIES.keys() <= {"reported-charge"}
    assert kinds - in_fhir.SERVICES.keys() - in_fhir.BEAMS <= {"reported-charge", "igrt-review", "course-end"}


@pytest.mark.parametrize("preferred", CHANNELS)
def test_a_fact_that_is_sent_otherwise_is_a_difference(preferred: str, rules: Ruleset) -> None:
    """That the comparison sees what the messages say, and not only that they came."""
    case = CASES["story-levels"]
    event = next(e for e in case.events if e.text("isocenters") == "1")
    before = event.said["isocenters"]
    event.said["isocenters"] = 3
    try:
        found = sent(case, rules, preferred)
    finally:
        event.said["isocenters"] = before
    assert found.differences
