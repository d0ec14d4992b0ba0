"""Charges of medical-oncology cases as messages through the real intake: RAS, RDS, DFT, or FHIR, the same comparison.

Every case is sent twice: by HL7 v2, and by FHIR where that can say an event; the exceptions stand listed here.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.cases.case import Case, read_case
from adapters.cases.compare import differences
from adapters.cases.document import items, tree
from adapters.cases.schema import Dialect
from adapters.model.event import BEDSIDE
from adapters.rules import Ruleset
from adapters.settings import rules_of
from tests.intake import mo_fhir
from tests.intake.mo_sent import of_charges, sent
from tests.intake.sent import CHANNELS, FHIR, V2

SHARED = Path(os.environ.get("ONCOCLAIMS_SHARED") or Path(__file__).parents[3] / "shared") / "cases" / "medonc-rcm"
STORIES = Path(__file__).parents[1] / "cases" / "stories"
KINDS = (BEDSIDE - {"office-visit"}) | {"charge-transaction"}
LISTED = {"a ChargeItem of R4 has no modifiers and is no credit": 15}
"""What FHIR cannot say, and how many events of all acceptance cases that are; it may only shrink."""
RESTATED = {("mo-dev-10", FHIR): "an amended resource says all of the dose again, so its drug rests on the amendment"}
"""Cases whose lines rest on another message than the case says, with the reason; the list may only shrink."""


def read(file: Path) -> Case:
    case = read_case(file.read_text(encoding="utf-8"), file.name)
    assert isinstance(case, Case), case
    return case


CASES = {case.id: case for case in map(read, [*sorted(SHARED.glob("*.yaml")), *sorted(STORIES.glob("*.yaml"))])}
CASES = {
    id: of_charges(case)
    for id, case in CASES.items()
    if case.dialect is Dialect.MEDICAL and any(event.kind in KINDS for event in case.events)
}
OURS = sorted(id for id in CASES if id.startswith("story-"))
THEIRS = sorted(CASES.keys() - set(OURS))
RUN = THEIRS


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return rules_of()


@pytest.mark.parametrize("preferred", CHANNELS)
@pytest.mark.parametrize("id", OURS)
def test_a_story_comes_to_the_same_as_messages(id: str, preferred: str, rules: Ruleset) -> None:
    found = sent(CASES[id], rules, preferred)
    assert found.differences == []
    assert (found.parked, found.lost) == ([], [])


@pytest.mark.skipif(not THEIRS, reason="NO ACCEPTANCE CASES: set ONCOCLAIMS_SHARED to the folder that has cases/")
@pytest.mark.parametrize("preferred", CHANNELS)
@pytest.mark.parametrize("id", RUN)
def test_an_acceptance_case_comes_to_the_same_as_messages(id: str, preferred: str, rules: Ruleset) -> None:
    case = CASES[id]
    found = sent(case, rules, preferred)
    restated = (id, preferred) in RESTATED
    assert bool(found.differences) == restated
    assert differences(without_sources(case) if restated else case, found.printed) == []
    assert (found.parked, found.lost) == ([], [])
    assert sum(found.channels.values()) == len(case.events)


@pytest.mark.skipif(not THEIRS, reason="NO ACCEPTANCE CASES: set ONCOCLAIMS_SHARED to the folder that has cases/")
def test_what_cannot_be_said_or_run_is_listed_and_no_more() -> None:
    fhir = (event for id in RUN for event in CASES[id].events if event.text("channel") != "hl7v2")
    assert {event.kind for event in fhir if mo_fhir.unsaid(event)} <= {"charge", "charge-transaction"}
    pinned = (event for id in RUN for event in CASES[id].events)
    assert Counter(why for event in pinned if (why := mo_fhir.unsaid(event))) == LISTED


@pytest.mark.parametrize("id", [*OURS, *(id for id in RUN if id in ("mo-dev-02", "mo-dev-09", "mo-dev-10"))])
def test_the_order_in_which_messages_come_changes_no_charge(id: str, rules: Ruleset) -> None:
    case = CASES[id]
    first = sent(case, rules, V2)
    chance = random.Random(id)
    for _ in range(4):
        shuffled = list(range(first.messages))
        chance.shuffle(shuffled)
        again = sent(case, rules, V2, shuffled)
        for key in ("charges", "holds"):
            assert as_set(again.printed[key]) == as_set(first.printed[key])


def as_set(items: object) -> set[str]:
    assert isinstance(items, list)
    return {json.dumps(item, sort_keys=True) for item in items}


def without_sources(case: Case) -> Case:
    """The case without what it says of the messages that lines rest on."""
    expect = dict(case.expect or {})
    charges = [{k: v for k, v in tree(charge).items() if k != "from"} for charge in items(expect.get("charges"))]
    return replace(case, expect={**expect, "charges": charges})
