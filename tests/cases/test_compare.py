"""The comparison: what a result must say, what it may say, and what must be noticed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.cases.case import Case, read_case
from adapters.cases.command import judged
from adapters.cases.compare import differences
from adapters.settings import rules_of

STORIES = Path(__file__).parent / "stories"


def story(name: str) -> tuple[Case, Any]:
    """The case, and a result that says exactly what it expects."""
    read = read_case((STORIES / f"{name}.yaml").read_text(encoding="utf-8"), name)
    assert isinstance(read, Case)
    assert read.expect is not None
    perfect: Any = copy.deepcopy({k: v for k, v in read.expect.items() if k not in ("exact", "totals", "absent")})
    return read, perfect


NAMES = sorted(file.stem for file in STORIES.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_expected_is_no_difference(name: str) -> None:
    read, perfect = story(name)
    assert differences(read, perfect) == []


def test_a_case_that_expects_nothing_has_no_differences() -> None:
    read = read_case((STORIES / "story-void.yaml").read_text(encoding="utf-8").partition("expect:")[0], "x")
    assert isinstance(read, Case)
    result, wrong = judged(read, rules_of(()))
    assert wrong == []
    assert result["charges"]


Change = Callable[[Any], object]

NOTICED: list[tuple[str, str, Change, str]] = [
    ("a charge left out", "story-new-year", lambda r: r["charges"].pop(), "charge missing"),
    ("a charge twice", "story-new-year", lambda r: r["charges"].append(r["charges"][0]), "charge not expected"),
    ("other units", "story-planning", lambda r: r["charges"][4].update(units=4), "77300: 4 units, expected 3"),
    ("another date", "story-new-year", lambda r: r["charges"][0].update(date="2025-12-29"), "charge missing"),
    ("a modifier more", "story-new-year", lambda r: r["charges"][0].update(modifiers=["76"]), "charge missing"),
    ("another part", "story-new-year", lambda r: r["charges"][0].update(component="global"), "charge missing"),
    (
        "a session too many in a unit",
        "story-new-year",
        lambda r: r["charges"][7]["from"].append("f6"),
        "charge missing",
    ),
    ("an event that the case has not", "story-levels", lambda r: r["charges"][0]["from"].append("z"), "charge missing"),
    ("a banned code", "story-levels", lambda r: r["charges"].append({"code": "77386"}), "must not be charged"),
    ("a hold left out", "story-management", lambda r: r["holds"].clear(), "hold missing"),
    (
        "a hold too many",
        "story-management",
        lambda r: r["holds"].append({"code": "bundled", "about": "f1"}),
        "hold not",
    ),
    ("a finding left out", "story-audit", lambda r: r["findings"].pop(), "finding missing"),
    (
        "a finding too many",
        "story-audit",
        lambda r: r["findings"].append({"kind": "undercoded", "about": "f2"}),
        "not exp",
    ),
    (
        "the first report called the second",
        "story-two-channels",
        lambda r: r["findings"][0].update(about="f2"),
        "missing",
    ),
    ("a claim left out", "story-claims", lambda r: r["claims"].pop(), "claim missing"),
    ("a line with another charge", "story-claims", lambda r: r["claims"][0]["lines"][0].update(charge="1"), "claim c1"),
    ("a claim built too early", "story-claims", lambda r: r["claims"][0].update(not_before="a2"), "must be a3"),
    ("pointers in another order", "story-claims", lambda r: r["claims"][0]["lines"][0].update(dx=["d2", "d1"]), "line"),
    ("a posting left out", "story-claims", lambda r: r["postings"].pop(), "posting missing"),
    ("a posting of a cent more", "story-claims", lambda r: r["postings"][0].update(amount="310.01"), "posting"),
    ("another state", "story-claims", lambda r: r["claim_states"].update(c2="denied"), "claim state of c2"),
    ("a denial too many", "story-claims", lambda r: r["worklist"].append({"kind": "denial"}), "work item not"),
    ("another deadline", "story-claims", lambda r: r["worklist"][0].update(due="2026-06-19"), "work item missing"),
    ("a statement", "story-claims", lambda r: r["statements"].append({"event": "a1", "amount": "1"}), "statement not"),
    ("a third claim at the payer", "story-claims", lambda r: r.update(payer_claim_count=3), "payer_claim_count 3"),
]


@pytest.mark.parametrize(("name", "change", "words"), [n[1:] for n in NOTICED], ids=[n[0] for n in NOTICED])
def test_a_seeded_error_is_noticed(name: str, change: Change, words: str) -> None:
    read, result = story(name)
    change(result)
    assert any(words in sentence for sentence in differences(read, result))


def _renamed(result: Any) -> None:
    """Our own names for claims, used everywhere."""
    for claim in result["claims"]:
        claim["id"] = f"ours-{claim['id']}"
    for posting in result["postings"]:
        posting["claim"] = f"ours-{posting['claim']}"
    for item in result["worklist"]:
        item["about"] = f"ours-{item['about']}"
    result["claim_states"] = {f"ours-{name}": state for name, state in result["claim_states"].items()}


def put(key: str, item: dict[str, Any]) -> Change:
    """A change that adds an item to a list of the result."""
    return lambda result: result[key].append(item)


def _as_suppression(result: Any) -> None:
    """The hold `bundled` of q1 said in the form of a finding."""
    result["holds"].pop()
    result["findings"].append({"kind": "suppressed", "reason": "bundled", "about": "q1"})


def _cancelling(result: Any) -> None:
    for amount in ("5", "-5.00"):
        result["postings"].append({"event": "a1", "claim": "c1", "account": "denied", "amount": amount})


FREE: list[tuple[str, str, Change]] = [
    ("lists the other way round", "story-new-year", lambda r: [v.reverse() for v in r.values() if isinstance(v, list)]),
    ("units as text", "story-planning", lambda r: r["charges"][4].update(units="3")),
    ("more evidence", "story-levels", lambda r: r["charges"][0]["from"].append("f2")),
    ("visits in a unit", "story-new-year", lambda r: r["charges"][7]["from"].append("v1")),
    ("the other report of a session", "story-two-channels", lambda r: r["charges"][1].update({"from": ["f2fhir"]})),
    ("a hold said twice", "story-management", lambda r: r["holds"].append(r["holds"][0])),
    ("something to look at", "story-management", put("holds", {"code": "review-needed", "about": "f2"})),
    ("the resend told", "story-two-channels", put("findings", {"kind": "duplicate-suppressed", "about": "f1again"})),
    ("missed, because its line is held", "story-audit", put("findings", {"kind": "missed-charge", "about": "f3"})),
    ("bundled said as a suppression", "story-planning", _as_suppression),
    ("more than an open list", "story-levels", put("charges", {"code": "77336", "units": 1, "from": ["f1"]})),
    ("claims by other names", "story-claims", _renamed),
    ("postings that cancel", "story-claims", _cancelling),
    ("a work item of another kind", "story-claims", put("worklist", {"kind": "hold", "about": "a1"})),
]


@pytest.mark.parametrize(("name", "change"), [f[1:] for f in FREE], ids=[f[0] for f in FREE])
def test_what_the_rules_leave_free_is_no_difference(name: str, change: Change) -> None:
    read, result = story(name)
    change(result)
    assert differences(read, result) == []
