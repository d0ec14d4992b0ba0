"""The acceptance stories looked at by the reconciliation: nothing is twice or nowhere, and nothing is invented.

The stories were written for derivation, claims and money; what the detectors find in them is listed here, and right.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from adapters.cases.case import read_case
from adapters.cases.story import told
from adapters.model.record import ChargeStatus
from tests.model.clinic import rules
from tests.reconciling.looking import shared

STORIES = sorted((Path(__file__).parents[1] / "cases" / "stories").rglob("*.yaml"))
FOUND = {
    # The coded charges of the story are wrong on purpose.
    "story-audit": [
        "code-not-in-force theirs",
        "fraction-uncharged theirs",
        "level-mismatch theirs",
        "level-mismatch theirs",
    ],
    # A drug that the DFT charges and no dose tells of, beside doses that are told.
    "story-credits": ["drug-without-dose ours"],
    # A plan without its device, which the derivation remarks as well.
    "story-imrt-devices": ["imrt-pair ours"],
}


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_a_story_is_reconciled(file: Path) -> None:
    case = read_case(file.read_text(encoding="utf-8"), file.name)
    assert not isinstance(case, tuple)
    story = told(case, rules())
    share = shared(story.record, story.house, "2027-01-01")
    assert sorted(f"{d.detector} {d.side.value}" for d in share.detections) == FOUND.get(file.stem, [])
    reports = Counter(id for row in share.rows for id in row.events)
    assert set(reports.values()) <= {1}
    charges = Counter(id for row in share.rows for id in row.charges)
    assert charges == Counter(c.id for c in story.record.charges if c.status is not ChargeStatus.VOID)
    assert not [row.name for row in share.rows for d in row.differences if d.name == "not-charged"]
    billed = sum(row.money.billed for row in share.rows) + share.elsewhere.billed
    assert billed == -sum(x.amount for e in story.record.entries for x in e.lines if x.account.value == "charges")


def test_the_stories_are_there() -> None:
    assert set(FOUND) <= {file.stem for file in STORIES}
