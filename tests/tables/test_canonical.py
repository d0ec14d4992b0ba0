"""Rows as plain values and back, and the digest of a table."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.tables import PairRow, Row, TableKind
from adapters.tables import ROW_OF_KIND, Heading, canonical, columns_of, digest_of, digest_of_set, row_of
from tests.tables.contract import EDITIONS

_TEXT = st.text(max_size=12)
_WORDS = st.text(st.characters(exclude_characters=" |", exclude_categories=["Cs"]), min_size=1, max_size=6)
_NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=None)
_OF: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXT,
    int: st.integers(-5, 10**9),
    bool: st.booleans(),
    date: st.dates(),
    date | None: st.none() | st.dates(),
    Decimal: _NUMBERS,
    Decimal | None: st.none() | _NUMBERS,
    tuple[str, ...]: st.lists(_WORDS, max_size=3).map(tuple),
}
HEADING = Heading(TableKind.FEES, "", "2026-01-01", date(2026, 1, 1), None)


def rows(made: type[Row]) -> st.SearchStrategy[Row]:
    """Rows of a type with any values."""
    hints = get_type_hints(made)
    return st.builds(made, *[_OF[hints[field.name]] for field in dataclasses.fields(made)])


_ANY = st.sampled_from(list(TableKind)).flatmap(lambda kind: st.tuples(st.just(kind), rows(ROW_OF_KIND[kind])))


@given(_ANY)
def test_there_and_back(drawn: tuple[TableKind, Row]) -> None:
    """A row and the row of its values are one, also by their digits; the values are of the types said."""
    kind, row = drawn
    values = canonical(row)
    assert row_of(kind, values) == row
    assert repr(row_of(kind, values)) == repr(row)
    assert len(values) == len(columns_of(kind))
    for value, (name, stored) in zip(values, columns_of(kind), strict=True):
        assert value is None or type(value) is stored, name


@pytest.mark.parametrize("kind", TableKind)
def test_every_kind_has_a_row(kind: TableKind) -> None:
    """And its columns are the fields, in their order."""
    assert [name for name, _ in columns_of(kind)] == [field.name for field in dataclasses.fields(ROW_OF_KIND[kind])]


def test_the_form_of_values() -> None:
    """Dates in ISO form, decimals by their digits, flags as numbers, several words as one text."""
    told = {edition.kind: canonical(rows_[0]) for edition, rows_ in EDITIONS}
    assert told[TableKind.CDM] == (
        "770001",
        "Y0002",
        "",
        "0333",
        "100.50",
        "hospital",
        "1996-01-01",
        None,
    )
    assert told[TableKind.FACILITIES][-1] == "W|West End"
    assert told[TableKind.HCPCS][1] == 0
    assert told[TableKind.OPENING][4:7] == ("26", 1, "2026-09-08")


def test_a_value_that_is_missing_or_too_many_is_a_bug() -> None:
    """Nothing is filled up silently."""
    values = canonical(PairRow("Y0001", "Y0002", date(2026, 1, 1), None, "1"))
    with pytest.raises(ValueError, match="zip"):
        row_of(TableKind.NCCI, values[:-1])


def test_the_digest_is_of_heading_and_rows() -> None:
    """Any difference changes it; it is the same wherever it is computed."""
    rows_ = [("a", 1, None), ("b", 2, "c")]
    base = digest_of(HEADING, rows_)
    assert base == digest_of(HEADING, iter(rows_))
    assert base == "4399ec69d2d901866237873ee5f0ec50fba61abbc7454a3ebd3d8d425a80e08a"
    others = [
        digest_of(dataclasses.replace(HEADING, scope="x"), rows_),
        digest_of(dataclasses.replace(HEADING, kind=TableKind.CDM), rows_),
        digest_of(dataclasses.replace(HEADING, release="x"), rows_),
        digest_of(dataclasses.replace(HEADING, start=date(2026, 1, 2)), rows_),
        digest_of(dataclasses.replace(HEADING, end=date(2026, 1, 2)), rows_),
        digest_of(HEADING, rows_[:1]),
        digest_of(HEADING, rows_[::-1]),
        digest_of(HEADING, [("a", 1, ""), ("b", 2, "c")]),
        digest_of(HEADING, [("a", 10, None), ("b", 2, "c")]),
    ]
    assert len({base, *others}) == len(others) + 1


def test_values_that_look_like_what_parts_them() -> None:
    """Nothing is not the sign that stands for it, nor two values one with the sign between."""
    alike: list[Any] = [(None, "a"), ("\x00", "a"), ("", "a"), ("\x1fa", ""), ("", "\x1fa"), ("(None, 'a')", "")]
    assert len({digest_of(HEADING, [values]) for values in alike}) == len(alike)


_VALUES = st.lists(st.none() | st.text(st.sampled_from("ab\x00\x1e\x1f\\'"), max_size=4), min_size=2, max_size=2).map(
    tuple
)


@given(st.lists(_VALUES, max_size=3), st.lists(_VALUES, max_size=3))
def test_no_two_tables_have_one_digest(one: list[Any], two: list[Any]) -> None:
    """Also where the values have in them what parts values from one another."""
    assert (digest_of(HEADING, one) == digest_of(HEADING, two)) is (one == two)


def test_the_digest_of_many_rows_does_not_depend_on_how_they_are_gathered() -> None:
    """Rows are hashed in lots; the lots do not show."""
    rows_ = [(f"Y{at:04}", at, None) for at in range(1500)]
    assert digest_of(HEADING, rows_) == digest_of(HEADING, (row for row in rows_))
    assert digest_of(HEADING, rows_) != digest_of(HEADING, rows_[:-1])


def test_the_digest_of_a_set() -> None:
    """In whatever order, each once; none for nothing."""
    assert digest_of_set([]) == ""
    assert digest_of_set(["b", "a"]) == digest_of_set(["a", "b", "a"])
    assert digest_of_set(["a"]) != digest_of_set(["a", "b"])
