"""The acceptance cases of the house, which lie beside the checkout and are never copied into it.

`ONCOCLAIMS_SHARED` names the folder that has `cases/`. Asserted are that no case that passed stops passing, that
what is not built is told and not passed over, and that our comparison judges as the one beside the cases does.
"""

from __future__ import annotations

import copy
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.cases.case import Case, read_case
from adapters.cases.command import judged
from adapters.cases.compare import differences
from adapters.rules import Ruleset
from adapters.settings import rules_of

SHARED = Path(os.environ.get("ONCOCLAIMS_SHARED") or Path(__file__).parents[3] / "shared") / "cases"
FILES = sorted(SHARED.glob("*/*.yaml"))
PASSING = {f"ro-dev-{n:02}" for n in range(1, 29)} | {f"mo-dev-{n:02}" for n in range(1, 28)}
"""What has been reached; the list may grow and must not shrink."""
DIFFERING: set[str] = set()
"""Run to the end, and coming out otherwise; every other case is not built and says so."""

pytestmark = pytest.mark.skipif(
    not FILES, reason="NO ACCEPTANCE CASES: set ONCOCLAIMS_SHARED to the folder that has cases/"
)


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return rules_of(())


@pytest.fixture(scope="module")
def ran(rules: Ruleset) -> dict[str, tuple[Case, Any, list[str]]]:
    found: dict[str, tuple[Case, Any, list[str]]] = {}
    for file in FILES:
        read = read_case(file.read_text(encoding="utf-8"), file.name)
        assert isinstance(read, Case), read
        found[read.id] = (read, *judged(read, rules))
    return found


@pytest.fixture(scope="module")
def theirs() -> Any:
    spec = importlib.util.spec_from_file_location("compare_of_the_cases", SHARED / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_passed_passes(ran: dict[str, tuple[Case, Any, list[str]]]) -> None:
    assert {id for id, (_, _, wrong) in ran.items() if not wrong} >= PASSING


def test_what_does_not_pass_says_that_it_is_not_built(ran: dict[str, tuple[Case, Any, list[str]]]) -> None:
    failing = {id: wrong for id, (_, _, wrong) in ran.items() if wrong}
    honest = {id for id, wrong in failing.items() if all(words.startswith("not built: ") for words in wrong)}
    assert set(failing) - honest <= DIFFERING


def variants(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The result, and copies of it with one thing changed."""
    yield result
    for key in ("charges", "holds", "findings", "claims", "postings", "worklist"):
        items = result.get(key) or ()
        for i in {0, 1, len(items) // 2, len(items) - 1} & set(range(len(items))):
            item = items[i]
            without = copy.deepcopy(result)
            del without[key][i]
            yield without
            twice = copy.deepcopy(result)
            twice[key].append(copy.deepcopy(item))
            yield twice
            for name, value in item.items():
                if isinstance(value, str | int) and name != "why":
                    other = copy.deepcopy(result)
                    other[key][i][name] = f"{value}9"
                    yield other
    for extra in (
        ("holds", {"code": "review-needed", "about": "e1"}),
        ("holds", {"code": "bundled", "about": "e1"}),
        ("findings", {"kind": "missed-charge", "about": "e1"}),
        ("findings", {"kind": "duplicate-suppressed", "about": "e6"}),
        ("worklist", {"kind": "denial", "about": "c1"}),
    ):
        more = copy.deepcopy(result)
        more.setdefault(extra[0], []).append(extra[1])
        yield more


def test_both_comparisons_judge_alike(ran: dict[str, tuple[Case, Any, list[str]]], theirs: Any) -> None:
    judgements = 0
    for file in FILES:
        loaded = theirs.load(file)
        read, ours, _ = ran[loaded["id"]]
        keys = theirs.RESULT_KEYS
        perfect = {key: value for key, value in loaded["expect"].items() if key in keys}
        printed = {key: value for key, value in ours.items() if key in keys}
        for result in (*variants(perfect), *([printed] if printed.get("charges") else [])):
            judgements += 1
            mine, other = differences(read, result), theirs.compare(loaded, result)
            assert bool(mine) == bool(other), (read.id, mine, other)
    assert judgements > 1000
