"""Reading a table of any kind: `read_table` finds out what the files are, and gives their rows one at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from adapters.model.tables import Row, TableKind
from adapters.tables import codes, coverage, ncci, schedules, site
from adapters.tables.headings import Named, from_preamble, heading
from adapters.tables.sheet import Column, Found, Record, find_header, records
from adapters.tables.source import Heading, Lines, Problem, Problems, Reading, SourceFile
from adapters.tables.spans import ALWAYS, Spans


def _always(_: Any) -> tuple[date, date | None]:
    return ALWAYS


def _dated(row: Any) -> tuple[date, date | None]:
    return row.start, row.end


@dataclass(frozen=True, slots=True)
class _Layout:
    """A table with a header: how a row is read, and of what there may be one a day."""

    row: Callable[[Record], Row | None]
    key: Callable[[Any], Hashable]
    columns: Sequence[Column] = ()
    """Of a published table; a site's own has its words in `site.COLUMNS`."""
    days: Callable[[Any], tuple[date, date | None]] = _always
    preface: str = ""
    name: str = ""
    """What a problem calls a row whose key is about a person."""


_LAYOUTS: Final[dict[TableKind, _Layout]] = {
    TableKind.MUE: _Layout(ncci.limit, lambda row: row.code, ncci.LIMITS, preface="code"),
    TableKind.PFS: _Layout(schedules.schedule, schedules.schedule_key, schedules.FEE_SCHEDULE, preface="code"),
    TableKind.ASP: _Layout(schedules.drug_price, lambda row: row.code, schedules.DRUG_PRICES, preface="code"),
    TableKind.NDC: _Layout(schedules.package, schedules.package_key, schedules.PACKAGES, preface="code"),
    TableKind.CARC: _Layout(
        schedules.adjustment_reason, lambda row: row.code, schedules.REASONS, schedules.reason_days, preface="code"
    ),
    TableKind.RARC: _Layout(
        schedules.remark, lambda row: row.code, schedules.REASONS, schedules.reason_days, preface="code"
    ),
    TableKind.CDM: _Layout(site.local, lambda row: (row.local, row.code, row.modifiers, row.entity), days=_dated),
    TableKind.FEES: _Layout(site.fee, lambda row: (row.code, row.modifiers, row.payer, row.entity), days=_dated),
    TableKind.ENROLMENT: _Layout(site.enrolment, lambda row: (row.npi, row.entity, row.payer), days=_dated),
    TableKind.OPENING: _Layout(site.opening, lambda row: row, name="the line"),
    TableKind.FACILITIES: _Layout(site.facility, lambda row: row.id),
    TableKind.LIVE: _Layout(site.live, lambda row: (row.entity, row.payer, row.service)),
}


def read_table(
    kind: TableKind,
    files: Iterable[SourceFile],
    *,
    scope: str = "",
    release: str = "",
    start: date | None = None,
) -> Reading | tuple[Problem, ...]:
    """The table in the files: its heading, and its rows as they are asked for.

    Several files are the parts of one table and are read in the order of their names. `scope`, `release` and `start`
    (first date of service for which it is the current one) stand before what names and preambles say. Where the files
    cannot be understood at all (no header, no release), the problems are given instead; what is wrong in a row is in
    `Reading.problems` once the rows have been taken.
    """
    problems = Problems()
    opened = [Lines(file, problems) for file in sorted(files, key=lambda file: file.name)]
    if not opened:
        return (Problem("", 0, "no file"),)
    faults: list[Problem] = []
    found: dict[int, Found] = {}
    for at, lines in enumerate(opened):
        foreign = lines.foreign()
        header = [foreign] if foreign else _header(kind, lines)
        if isinstance(header, Found):
            found[at] = header
        else:
            faults += [Problem(lines.file, 0 if foreign else 1, fault) for fault in header]
    names = [lines.file for lines in opened]
    if kind is TableKind.COVERAGE and (missing := coverage.incomplete(names)):
        faults.append(Problem("", 0, missing))
    head = heading(kind, names, scope, release, start, _preamble(kind, opened))
    if not isinstance(head, Heading):
        faults += head
    if faults or not isinstance(head, Heading):
        return tuple(faults)

    def rows(reading: Reading) -> Iterator[Row]:
        any_ = False
        for row in _rows(kind, opened, found, head, reading, problems):
            any_ = True
            yield row
        if not any_ and not problems.found:
            problems.add(opened[0].file, 0, "there are no rows")

    return Reading(head, rows, problems)


def _header(kind: TableKind, lines: Lines) -> Found | list[str]:
    """The header of a file; the faults that make it none of its kind; no faults where it needs none."""
    if kind in site.COLUMNS:
        return site.header(kind, lines)
    columns = _columns(kind, lines.file)
    if columns and (found := find_header(lines, columns)):
        return found
    if kind in _HEADLESS:
        return [] if _HEADLESS[kind](lines) else ["neither its columns nor its records are there"]
    needed = ", ".join(column.name for column in columns if column.required)
    return [f"no header with the columns of {kind} is there: {needed}"]


def _columns(kind: TableKind, name: str) -> Sequence[Column]:
    if kind is TableKind.COVERAGE:
        return coverage.columns_for(name)
    if kind in _LAYOUTS:
        return _LAYOUTS[kind].columns
    return {TableKind.NCCI: ncci.PAIRS, TableKind.AOC: ncci.ADD_ONS, TableKind.HCPCS: codes.LEVEL_II}.get(kind, ())


_HEADLESS: Final[dict[TableKind, Callable[[Lines], bool]]] = {
    TableKind.AOC: ncci.is_add_on_text,
    TableKind.HCPCS: codes.is_level_ii_text,
    TableKind.ICD10: codes.is_diagnosis_text,
}
"""Kinds that are published as records of fixed columns, too or only."""


def _preamble(kind: TableKind, opened: Sequence[Lines]) -> Named:
    if kind not in {TableKind.ASP, TableKind.NDC}:
        return Named()
    return from_preamble(opened[0].peek()[:12])


def _rows(
    kind: TableKind,
    opened: Sequence[Lines],
    found: dict[int, Found],
    head: Heading,
    reading: Reading,
    problems: Problems,
) -> Iterator[Row]:
    spans = Spans(problems)
    if kind is TableKind.COVERAGE:
        yield from coverage.policies(opened, head.scope, problems)
        return
    pairs = ncci.Pairs(reading, problems)
    for at, lines in enumerate(opened):
        if kind is TableKind.NCCI:
            yield from pairs.rows(lines, found[at])
        elif kind is TableKind.AOC:
            yield from ncci.add_ons(lines, reading, spans)
        elif kind is TableKind.HCPCS:
            yield from codes.level_ii(lines, spans)
        elif kind is TableKind.ICD10:
            yield from codes.diagnoses(lines, spans)
        else:
            yield from _laid_out(kind, lines, found[at], spans)


def _laid_out(kind: TableKind, lines: Lines, found: Found, spans: Spans) -> Iterator[Row]:
    layout = _LAYOUTS[kind]
    for record in records(lines, found, preface=layout.preface, quiet=bool(layout.name)):
        row = layout.row(record)
        for fault in record.faults:
            lines.problems.add(lines.file, record.line, fault)
        if record.faults or row is None:
            continue
        start, end = layout.days(row)
        if spans.take(layout.key(row), start, end, lines.file, record.line, name=layout.name):
            yield row
