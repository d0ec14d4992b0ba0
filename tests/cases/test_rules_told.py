"""Which story tells which rule of radiation oncology: none is without one, and every story says what it tells."""

from __future__ import annotations

import functools
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from adapters.cases.case import Case, read_case
from adapters.cases.schema import Dialect

STORIES = Path(__file__).parent / "stories"

RULES = {
    "level-2026": "77402, 77407, 77412 by beam, isocenters, motion management",
    "motion-doc-gate": "77412 for motion management only with its note",
    "code-set-by-dos": "the date of service picks the code set",
    "deleted-code": "a code that is gone reaches no line",
    "charge-reconciliation": "what another system charges, against the record",
    "igrt-professional": "77387-26 alone for Medicare in 2026",
    "igrt-commercial-26": "77387 with 26 for a payer that demands it",
    "igrt-review-before-next": "images reviewed before the next session",
    "port-images": "77417 once for five sessions, bundled in 2026",
    "management-grouping": "77427 by fives, and a tail of three or four",
    "management-short-course": "77431 for a complete course of one or two",
    "management-three-four": "one 77427 for a complete course of three or four",
    "management-break": "a break does not begin the count anew",
    "management-resume": "a resumed course bills the difference",
    "multiple-sessions": "two sessions of a day count as two",
    "repeat-modifier": "the second line of a day with 76",
    "interrupted-session": "a session in two parts is one",
    "exam-per-unit": "a physician's examination in each unit",
    "physics-count": "77336 by fives",
    "correction-void": "a withdrawn session leaves the count",
    "correction-technique": "a corrected session has its level anew",
    "late-arrival": "counts are made again when a session comes late",
    "duplicate-message": "a message sent again changes nothing",
    "cross-channel-duplicate": "a session of two feeds is one charge",
    "component-split": "who bills which part",
    "once-per-course": "planning and special procedure once a course",
    "imrt-bundle-window": "what lies in the days before 77301 is part of it",
    "imrt-bundle-payer": "a payer's own window, opened by 59",
    "imrt-verification": "a simulation to verify is inside 77301",
    "ptp-planning": "no planning on the date of 77301",
    "imrt-devices": "77338 once for a plan",
    "imrt-device-pairing": "77301 and 77338 go together",
    "motion-sim-addon": "77293 on the date of its plan",
    "calc-in-plan": "77300 inside an isodose plan, beside others",
    "sbrt-course": "77373 by session, one 77435",
    "srs-course": "one session of radiosurgery and its management",
    "sbrt-five-days": "more than five treatment days are no stereotactic course",
    "sbrt-guidance": "no image guidance beside stereotactic sessions",
    "em-modifier-25": "a visit on the date of a service needs 25",
    "followup-90": "visits in the weeks after the last session",
    "mue-per-dos": "no more of a date than the limit",
    "authorization-units": "no more deliveries than authorized",
    "surface-2026": "77436 to 77439 by session, 77401 until 2025",
    "proton": "the proton code of the session's complexity",
    "ptp-direction": "which of two lines of a date falls",
    "hdr-bundling": "77790 and 77300 fall on the date of an implant session",
    "brachy-plan-channels": "the plan's code by its channels",
    "going-live": "before its day a line is derived, and not claimed",
    "going-live-scope": "of the rows that fit a line the most specific says the day",
    "opening": "what another system billed before takes its slot",
}
"""Rule → what it says, in few words."""


def read(file: Path) -> Case:
    case = read_case(file.read_text(encoding="utf-8"), file.name)
    assert isinstance(case, Case), case
    return case


@functools.cache
def told() -> dict[str, list[str]]:
    """Rule → the stories that say they tell it."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in sorted(STORIES.glob("*.yaml")):
        for rule in yaml.safe_load(file.read_text(encoding="utf-8")).get("rules", ()):
            found[rule].append(file.stem)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_a_story_tells_the_rule(rule: str) -> None:
    assert told().get(rule), f"no story tells {rule}: {RULES[rule]}"


def test_stories_name_rules_that_there_are() -> None:
    radiation = {file.stem for file in STORIES.glob("*.yaml") if read(file).dialect is Dialect.RADIATION}
    assert {rule for rule, stories in told().items() if radiation & set(stories)} <= RULES.keys()
