"""Pairs and adjustment reasons: rows typed, dated and cited, every fault at its line."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.rules import Ruleset, load

PAIRS = b"""column1,column2,table,from,to,indicator,rationale,cite
77301,77290,both,2024-07-01,2025-12-31,0,part of it,house
77301,77290,both,2026-01-01,,1,part of it,house
77338,77334,hospital,2024-07-01,,1,apart,house
"""
CARC = b"""code,label,post,category,action,deadline_days,cite
45,above contract,contractual,contractual,write-off,,house
50,not needed,denied,medical-necessity,appeal,120,house
"""


def loaded(files: dict[str, bytes]) -> Ruleset:
    ruleset = load(files)
    assert isinstance(ruleset, Ruleset), ruleset
    return ruleset


def test_a_pair_is_found_in_either_order_by_day_and_table(small: dict[str, bytes]) -> None:
    rules = loaded(small | {"edits/pairs.csv": PAIRS})
    early = rules.pairs("77290", "77301", date(2025, 1, 1), "practitioner")
    late = rules.pairs("77301", "77290", date(2026, 1, 1), "hospital")
    assert early is not None
    assert late is not None
    assert (early.column1, early.column2, early.indicator, late.indicator) == ("77301", "77290", "0", "1")
    assert early.ref.since == date(2024, 7, 1)
    assert rules.pairs("77301", "77290", date(2024, 6, 30), "hospital") is None
    assert rules.pairs("77334", "77338", date(2025, 1, 1), "practitioner") is None
    assert rules.pairs("77334", "77338", date(2025, 1, 1), "hospital") is not None


def test_an_adjustment_reason_says_how_it_is_posted(small: dict[str, bytes]) -> None:
    rules = loaded(small | {"posting/carc.csv": CARC})
    contractual, denied = rules.carc("45"), rules.carc("50")
    assert contractual is not None
    assert denied is not None
    assert (contractual.post, contractual.deadline_days) == ("contractual", None)
    assert (denied.post, denied.action, denied.deadline_days, denied.cite) == ("denied", "appeal", 120, "house")
    assert rules.carc("999") is None


@pytest.mark.parametrize(
    ("file", "body", "line", "words"),
    [
        ("edits/pairs.csv", PAIRS.replace(b"77338,77334", b"77338,77338"), 4, "two different procedure codes"),
        ("edits/pairs.csv", PAIRS.replace(b"hospital", b"hospitals"), 4, "not a table"),
        ("edits/pairs.csv", PAIRS.replace(b"2026-01-01", b"2025-06-01"), 3, "another row for some of these days"),
        ("edits/pairs.csv", PAIRS.replace(b"2025-12-31,0", b"2025-12-31,7"), 2, "not a indicator"),
        ("posting/carc.csv", CARC.replace(b"denied", b"lost"), 3, "not a post"),
        ("posting/carc.csv", CARC.replace(b"50,", b"45,"), 3, "45 has another row"),
        ("posting/carc.csv", CARC.replace(b"120", b"soon"), 3, "not a deadline_days"),
        ("posting/carc.csv", CARC.replace(b"not needed", b'"not" needed'), 3, "not CSV"),
        ("posting/carc.csv", CARC.replace(b"not needed", b"not \xff"), 3, "not UTF-8"),
        ("posting/carc.csv", b"", 1, "the header must be"),
    ],
)
def test_a_fault_of_a_row_is_named_at_its_line(
    small: dict[str, bytes], file: str, body: bytes, line: int, words: str
) -> None:
    problems = load(small | {file: body})
    assert isinstance(problems, tuple)
    assert [p for p in problems if (p.file, p.line) == (file, line) and words in p.message], problems
