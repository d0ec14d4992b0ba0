"""Lists for spreadsheets: a number stays a number, and no text that anybody sent is ever run."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.money import decimal
from adapters.model.reconciliation import Standing
from adapters.model.spreadsheet import cell, written


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, ""),
        ("", ""),
        (True, "yes"),
        (False, "no"),
        (-3, "-3"),
        (decimal(-2050), "-20.50"),
        (decimal(0), "0.00"),
        (Decimal("1E+3"), "1000"),
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, 9, tzinfo=UTC), "2026-03-01T09:00:00+00:00"),
        (Standing.NEW, "new"),
        ("O'Hara, Zoë", "O'Hara, Zoë"),
        ("3 - 2 = 1", "3 - 2 = 1"),
    ],
)
def test_a_value_stands_as_people_write_it(value: object, told: str) -> None:
    assert cell(value) == told


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "|", "%", "＝", "＋", "－", "＠", "\t", "\r", "\n", "\0", "\x0b"])
@pytest.mark.parametrize("before", ["", " ", "\u00a0", "\u200b", "\u2060", "\ufeff", "\u3000", "\u202e", " \ufeff "])
def test_a_text_that_would_run_begins_with_an_apostrophe(before: str, sign: str) -> None:
    text = f"{before}{sign}1+1"
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-12.50", "+1", "-7", "%5", "-"])
def test_a_text_that_looks_like_a_number_is_no_number(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_a_head_is_a_text_too() -> None:
    assert written(("=a", "b"), [(1, "=c")]) == "'=a,b\r\n1,'=c\r\n"


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=2), max_size=4))
def test_every_text_comes_back_and_none_is_run(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(written(("a", "b"), rows), newline="")))
    assert read[0] == ["a", "b"]
    assert [[value.removeprefix("'") for value in row] for row in read[1:]] == [
        [value.removeprefix("'") for value in row] for row in rows
    ]
    for row in read[1:]:
        assert not any(value.strip().startswith(("=", "+", "-", "@")) for value in row)
