"""Rows as plain values, which are what is stored and digested, and back.

Each row is a tuple of texts, whole numbers and None: dates in ISO form, decimals by their digits, a flag as 0 or 1,
modifiers parted by a blank, aliases by a bar. The order is that of the row's fields.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, get_type_hints

from adapters.model.live import Live
from adapters.model.tables import (
    AddOnRow,
    CodeRow,
    CoverageRow,
    DiagnosisRow,
    DrugPriceRow,
    EnrolmentRow,
    FacilityRow,
    FeeRow,
    LimitRow,
    LocalRow,
    OpeningRow,
    PackageRow,
    PairRow,
    ReasonRow,
    Row,
    ScheduleRow,
    TableKind,
)
from adapters.tables.source import Heading

Value = str | int | None
Values = tuple[Value, ...]

ROW_OF_KIND: Final[Mapping[TableKind, type[Row]]] = MappingProxyType(
    {
        TableKind.NCCI: PairRow,
        TableKind.MUE: LimitRow,
        TableKind.AOC: AddOnRow,
        TableKind.PFS: ScheduleRow,
        TableKind.ASP: DrugPriceRow,
        TableKind.NDC: PackageRow,
        TableKind.HCPCS: CodeRow,
        TableKind.ICD10: DiagnosisRow,
        TableKind.COVERAGE: CoverageRow,
        TableKind.CARC: ReasonRow,
        TableKind.RARC: ReasonRow,
        TableKind.CDM: LocalRow,
        TableKind.FEES: FeeRow,
        TableKind.ENROLMENT: EnrolmentRow,
        TableKind.OPENING: OpeningRow,
        TableKind.FACILITIES: FacilityRow,
        TableKind.LIVE: Live,
    }
)
"""The type of the rows of each kind."""

_SEPARATORS: Final = {"aliases": "|"}
_UNIT: Final = "\x1f"
_RECORD: Final = "\x1e"
_NONE: Final = "\x00"

_iso = lru_cache(maxsize=4096)(date.isoformat)
_day = lru_cache(maxsize=4096)(date.fromisoformat)


def columns_of(kind: TableKind) -> tuple[tuple[str, type[str | int]], ...]:
    """The names of a kind's values in their order, each with the type it is stored as."""
    return tuple((name, stored) for name, stored, _, _ in _SHAPES[ROW_OF_KIND[kind]])


def canonical(row: Row) -> Values:
    """The row as plain values."""
    if type(row) is PairRow:  # millions of them: written out
        end = row.end
        return (
            row.column1,
            row.column2,
            _iso(row.start),
            None if end is None else _iso(end),
            row.indicator,
            row.rationale,
        )
    return tuple([put(getattr(row, name)) for name, _, put, _ in _SHAPES[type(row)]])


def row_of(kind: TableKind, values: Iterable[Value]) -> Row:
    """The row that `canonical` gave these values of."""
    made = ROW_OF_KIND[kind]
    shape = _SHAPES[made]
    return made(*[take(value) for (_, _, _, take), value in zip(shape, values, strict=True)])


def digest_of(heading: Heading, rows: Iterable[Values]) -> str:
    """SHA-256 (hex) of a table: its heading and the canonical values of its rows, in the order they come."""
    end = "" if heading.end is None else heading.end.isoformat()
    head = (heading.kind.value, heading.scope, heading.release, heading.start.isoformat(), end)
    digest = hashlib.sha256((_UNIT.join(head) + _RECORD).encode())
    gathered: list[str] = []
    for values in rows:
        gathered.append(_line(values))
        if len(gathered) == 512:
            digest.update("".join(gathered).encode("utf-8", "surrogatepass"))
            gathered.clear()
    digest.update("".join(gathered).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def digest_of_set(digests: Iterable[str]) -> str:
    """SHA-256 (hex) of a set of editions by their digests, in whatever order; empty of none."""
    held = sorted(set(digests))
    return hashlib.sha256("\n".join(held).encode("ascii")).hexdigest() if held else ""


def _line(values: Values) -> str:
    """One row as text from which the values can be told apart."""
    line = _UNIT.join([value if type(value) is str else _NONE if value is None else str(value) for value in values])
    if line.count(_UNIT) != len(values) - 1 or _RECORD in line or line.count(_NONE) != values.count(None):
        # A value has one of the separators in it: the quoted form keeps them apart.
        return _RECORD + repr(values) + _RECORD
    return line + _RECORD


def _same(value: Any) -> Any:
    return value


def _put_end(value: date | None) -> str | None:
    return None if value is None else _iso(value)


def _take_end(value: str | None) -> date | None:
    return None if value is None else _day(value)


def _put_number(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _take_number(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _split_by(separator: str) -> tuple[Callable[[tuple[str, ...]], str], Callable[[str], tuple[str, ...]]]:
    def take(value: str) -> tuple[str, ...]:
        return tuple(value.split(separator)) if value else ()

    return separator.join, take


_Field = tuple[str, type[str] | type[int], Callable[[Any], Any], Callable[[Any], Any]]


def _shape(row: type[Row]) -> tuple[_Field, ...]:
    """Name, stored type, and the two ways of each field, by its declared type."""
    hints = get_type_hints(row)
    shape: list[_Field] = []
    for field in fields(row):
        name, declared = field.name, hints[field.name]
        if declared is str:
            shape.append((name, str, _same, _same))
        elif declared is int:
            shape.append((name, int, _same, _same))
        elif declared is bool:
            shape.append((name, int, int, bool))
        elif declared in (date, date | None):
            shape.append((name, str, _put_end, _take_end))
        elif declared in (Decimal, Decimal | None):
            shape.append((name, str, _put_number, _take_number))
        elif declared == tuple[str, ...]:
            put, take = _split_by(_SEPARATORS.get(name, " "))
            shape.append((name, str, put, take))
        else:
            raise TypeError(f"{row.__name__}.{name} has no canonical form")
    return tuple(shape)


_SHAPES: Final[Mapping[type[Row], tuple[_Field, ...]]] = {row: _shape(row) for row in set(ROW_OF_KIND.values())}
