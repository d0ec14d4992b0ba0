"""Editions in memory for tests of the rules, the edits and the charges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from adapters.model.tables import (
    AddOnRow,
    CodeRow,
    Edition,
    LimitRow,
    PairRow,
    Row,
    ScheduleRow,
    TableKind,
    Tables,
)
from adapters.tables.held import HeldTables

ALWAYS = date(2015, 1, 1)

Held = tuple[Edition, Sequence[Row]]


def edition(
    kind: TableKind,
    *rows: Row,
    scope: str = "",
    release: str = "2026Q1",
    start: date = ALWAYS,
    end: date | None = None,
) -> Held:
    """A release with its rows, under a digest that its name and rows make."""
    digest = f"{abs(hash((kind, scope, release, start, rows))):064x}"[-64:]
    return Edition(kind, scope, release, start, end, digest, len(rows)), rows


def tables(*editions: Held) -> Tables:
    """These editions in force."""
    return HeldTables(editions)


def pair(column1: str, column2: str, indicator: str, start: date = ALWAYS, end: date | None = None) -> PairRow:
    """A PTP edit."""
    return PairRow(column1, column2, start, end, indicator)


def ncci(*rows: PairRow, scope: str = "practitioner", release: str = "2026Q4", end: date | None = None) -> Held:
    """PTP edits of one table."""
    return edition(TableKind.NCCI, *rows, scope=scope, release=release, end=end)


def mue(*rows: LimitRow, scope: str = "practitioner", release: str = "2026Q4", end: date | None = None) -> Held:
    """Unit limits of one table."""
    return edition(TableKind.MUE, *rows, scope=scope, release=release, end=end)


def addons(*rows: tuple[str, str, str]) -> Held:
    """Add-on, primary and type."""
    return edition(TableKind.AOC, *(AddOnRow(*row, ALWAYS, None) for row in rows), release="2026Q4")


def schedule(*rows: ScheduleRow, release: str = "2026A", start: date = ALWAYS, end: date | None = None) -> Held:
    """Indicators of the fee schedule."""
    return edition(TableKind.PFS, *rows, release=release, start=start, end=end)


def listed(code: str, start: date = ALWAYS, end: date | None = None, *, modifier: bool = False) -> CodeRow:
    """A Level II code or modifier of the HCPCS file."""
    return CodeRow(code, modifier, f"short {code}", "", start, end)


def hcpcs(*rows: CodeRow, end: date | None = None) -> Held:
    """The HCPCS file."""
    return edition(TableKind.HCPCS, *rows, release="2026-01", end=end)
