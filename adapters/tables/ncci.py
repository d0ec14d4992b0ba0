"""The National Correct Coding Initiative's three tables: pairs (PTP), units (MUE), add-on codes (AOC).

The pairs are read on a path of their own: four and a half million rows a quarter, of which only the header is read as
CSV. A pair may come again with other days, so the rows of a column 1 code are remembered, packed once another one begins.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator
from datetime import date
from sys import intern
from typing import Final

from adapters.model.tables import AddOnRow, LimitRow, PairRow
from adapters.tables.days import NEVER, day
from adapters.tables.sheet import Column, Found, Record, find_header, is_code, records, shown, tidy
from adapters.tables.source import MAX_LINE, Lines, Problems, Reading
from adapters.tables.spans import Spans

PAIRS: Final = (
    Column("column1", r"^column 1\b|^col ?1$|^column1$"),
    Column("column2", r"^column 2\b|^col ?2$|^column2$"),
    Column("start", r"^effective\b|^eff (date|dt)$"),
    Column("end", r"^deletion\b|^del (date|dt)$"),
    Column("indicator", r"^modifier\b|^ccmi\b|^modifier indicator$"),
    Column("rationale", r"rationale$", required=False),
)
LIMITS: Final = (
    Column("code", r"^hcpcs cpt code$|^hcpcs code$|^cpt hcpcs code$|^code$"),
    Column("units", r"\bmue values?$"),
    Column("mai", r"^mue adjudication indicator$|^mai$"),
    Column("rationale", r"^mue rationale$|^rationale$", required=False),
)
ADD_ONS: Final = (
    Column("type", r"^aoc edit type$|^edit type$"),
    Column("addon", r"^add on code$"),
    Column("addon_end", r"^aoc del ?(dt|date)( julian)?$", required=False),
    Column("primary", r"^primary code$"),
    Column("primary_end", r"^primary code del ?(dt|date)( julian)?$", required=False),
    Column("start", r"^aoc edit eff ?(dt|date)( julian)?$"),
    Column("end", r"^aoc edit del ?(dt|date)( julian)?$", required=False),
)
_ADD_ON_LINE: Final = re.compile(r"[123][0-9A-Z]{5}[ 0-9]{7}[0-9A-Z]{5}[ 0-9]{7}[ 0-9]{7}")
_ADD_ON_PLACES: Final = {
    "addon_end": (6, 13),
    "primary": (13, 18),
    "primary_end": (18, 25),
    "start": (25, 32),
    "end": (32, 39),
}
_CONTRACTOR: Final = "CCCCC"
"""Stands for a primary where the contractor says which it is."""
_READ: Final = ("column1", "column2", "start", "end", "indicator")
_INDICATORS: Final = frozenset({"0", "1", "9"})
_REOPENED: Final = 20_000
"""How often a column 1 code may come back before the file is refused as in no order."""


class Pairs:
    """The reader of PTP files, which come in parts; one of it reads all parts of a table."""

    def __init__(self, reading: Reading, problems: Problems) -> None:
        self._reading = reading
        self._problems = problems
        self._codes: dict[str, str] = {}
        self._days: dict[str, date] = {}
        self._ends: dict[str, date | None] = {}
        self._packed: dict[str, bytes] = {}
        self._block: dict[str, str] = {}
        self._column1 = ""
        self._reopened = 0

    def rows(self, lines: Lines, found: Found) -> Iterator[PairRow]:
        """The edits of one part. Cells are looked up among those met before; what is new goes through `_checked`."""
        lines.skip(found.lines)
        codes, days, ends = self._codes, self._days, self._ends
        at1, at2, at_start, at_end, at_indicator = (found.places[name] for name in _READ)
        at_rationale = found.places.get("rationale", 1_000)
        rationales: dict[str, str] = {}
        begun = False
        for number, raw in enumerate(lines.raw(), lines.number + 1):
            if len(raw) <= MAX_LINE and raw.isascii() and b'"' not in raw and b"\0" not in raw:
                cells = raw.decode("ascii").rstrip("\r\n").split(found.delimiter)
            else:
                cells = _odd(lines, raw, number, found.delimiter)
            try:
                column1, column2 = codes[cells[at1]], codes[cells[at2]]
                start, end, indicator = days[cells[at_start]], ends[cells[at_end]], cells[at_indicator]
                if column1 is column2 or (end is not None and end <= start) or indicator not in _INDICATORS:
                    raise KeyError
            except (KeyError, IndexError):
                if not any(map(str.strip, cells)) or not (begun or _begins(cells, at1)):
                    continue  # empty, or a further line of the header
                begun = True
                checked = self._checked(cells, found, lines.file, number)
                if checked is None:
                    continue
                column1, column2, start, end, indicator = checked
            if column1 is not self._column1:
                self._turn(column1, lines.file, number)
            window = f"{cells[at_start]} {cells[at_end]}"
            held = self._block.get(column2)
            if held is None:
                self._block[column2] = window
            elif self._free(held, window, column1, column2, lines.file, number):
                self._block[column2] = f"{held}|{window}"
            else:
                continue
            said = cells[at_rationale] if at_rationale < len(cells) else ""
            rationale = rationales.get(said)
            if rationale is None:
                rationale = rationales[said] = tidy(said)
            yield PairRow(column1, column2, start, end, indicator, rationale)

    def _checked(
        self, cells: list[str], found: Found, file: str, line: int
    ) -> tuple[str, str, date, date | None, str] | None:
        """The values of a row with something new in it, or None where it is wrong or was never in force."""
        at = found.places
        if len(cells) <= max(at[name] for name in _READ):
            self._problems.add(file, line, f"{len(cells)} cells where the header has {len(found.names)}")
            return None
        before = len(self._problems.found) + self._problems.more

        def wrong(message: str, cell: str) -> None:
            self._problems.add(file, line, f"{message}: {shown(cell.strip())}")

        columns = [cells[at[name]] for name in _READ[:2]]
        for name, cell in zip(_READ, columns, strict=False):
            code = cell.strip()
            if is_code(code):
                self._codes.setdefault(cell, intern(code))
            else:
                wrong(f"{name} is not a procedure or supply code", cell)
        if columns[0].strip() == columns[1].strip():
            wrong("a pair is of two different codes", columns[0])
        opened, closed, indicator = cells[at["start"]], cells[at["end"]], cells[at["indicator"]].strip()
        start, end = day(opened.strip()), None
        if start is None:
            wrong("start is no date", opened)
        else:
            self._days[opened] = start
        if closed.strip() not in ("", "*"):
            end = day(closed.strip())
            if end is None:
                wrong("end is no date", closed)
            elif start is not None and end < start:
                wrong(f"it begins on {start}, after its last day", closed)
        end = None if end == NEVER else end
        if indicator not in _INDICATORS:
            wrong("indicator is unknown", indicator)
        if start is None or len(self._problems.found) + self._problems.more > before:
            return None
        self._ends[closed] = end
        if end == start:
            self._reading.withdrawn += 1
            return None
        return self._codes[columns[0]], self._codes[columns[1]], start, end, indicator

    def _turn(self, column1: str, file: str, line: int) -> None:
        """Another column 1 code begins: pack the rows of the one before, unpack those this one had."""
        if self._block:
            held = "\n".join(f"{code} {windows}" for code, windows in self._block.items())
            self._packed[self._column1] = zlib.compress(held.encode(), 1)
        self._column1 = column1
        self._block = {}
        packed = self._packed.pop(column1, None)
        if packed is None or self._reopened > _REOPENED:
            return
        self._reopened += 1
        if self._reopened > _REOPENED:
            self._problems.add(file, line, "the rows of one column 1 code do not stand together: sort the file")
        for held in zlib.decompress(packed).decode().split("\n"):
            code, _, windows = held.partition(" ")
            self._block[code] = windows

    def _free(self, held: str, window: str, column1: str, column2: str, file: str, line: int) -> bool:
        """Whether no other row of the pair holds on one of these days."""
        start, last = _window(window)
        for other in held.split("|"):
            other_start, other_last = _window(other)
            if start <= other_last and other_start <= last:
                same = (start, last) == (other_start, other_last)
                said = "is there already" if same else "has another row for some of these days"
                self._problems.add(file, line, f"{column1} {column2} {said} (from {other_start})")
                return False
        return True


def _window(text: str) -> tuple[date, date]:
    start, _, end = text.partition(" ")
    return day(start.strip()) or date.min, (day(end.strip()) if end.strip() not in ("", "*") else None) or date.max


def _begins(cells: list[str], at: int) -> bool:
    return len(cells) > at and bool(cells[at].strip())


def _odd(lines: Lines, raw: bytes, number: int, delimiter: str) -> list[str]:
    """The cells of a line that is not plain: quoted, not ASCII, or no text at all."""
    lines.number = number
    text = lines.text(raw).rstrip("\r\n")
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        lines.complain(f"not {'TSV' if delimiter == chr(9) else 'CSV'}: {error}")
        return []


def limit(record: Record) -> LimitRow:
    """A row of an MUE file. Of the indicator's text the leading digit counts: `3 Date of Service Edit: Clinical`."""
    mai = record.one_of("mai", ("1", "2", "3"), record.text("mai")[:1])
    return LimitRow(record.code(), record.whole("units"), mai, record.text("rationale"))


def add_ons(lines: Lines, reading: Reading, spans: Spans) -> Iterator[AddOnRow]:
    """The rows of an AOC file: the fixed columns of the text file, or the workbook's columns saved as CSV."""
    found = find_header(lines, ADD_ONS)
    if found is not None:
        given = records(lines, found, preface="addon")
    else:
        given = _add_on_records(lines)
    for record in given:
        row = _add_on(record)
        for fault in record.faults:
            lines.problems.add(lines.file, record.line, fault)
        if record.faults or row is None:
            continue
        if row.end is not None and row.end <= row.start:
            reading.withdrawn += 1
        elif spans.take((row.addon, row.primary), row.start, row.end, lines.file, record.line):
            yield row


def is_add_on_text(lines: Lines) -> bool:
    """Whether the file has the fixed columns CMS gives the add-on text file since 2022."""
    return any(_ADD_ON_LINE.match(line) for line in lines.peek()[:50])


def _add_on_records(lines: Lines) -> Iterator[Record]:
    """Type 1, code 2-6, its last day 7-13, primary 14-18, its last day 19-25, first 26-32 and last day 33-39, notes."""
    begun = False
    names = ("type", "addon", *_ADD_ON_PLACES)
    places = {name: at for at, name in enumerate(names)}
    for line in lines:
        fits = _ADD_ON_LINE.match(line)
        if fits:
            begun = True
            cells = [line[0], line[1:6], *(line[start:end] for start, end in _ADD_ON_PLACES.values())]
            yield Record(lines.number, [cell.rstrip("\r\n") for cell in cells], places)
        elif begun and line.strip():
            lines.complain("the line has not the columns of the add-on text file")


def _add_on(record: Record) -> AddOnRow | None:
    kind = record.one_of("type", ("1", "2", "3"), record.text("type"))
    primary = record.text("primary").upper()
    if primary == _CONTRACTOR or (not primary and kind == "2"):
        primary = ""
    else:
        primary = record.code("primary")
    start, edit_end = record.start(), record.end()
    record.window(start, edit_end)
    ends = [end for end in (edit_end, record.end("addon_end"), record.end("primary_end")) if end is not None]
    return AddOnRow(record.code("addon"), primary, kind, start, min(ends) if ends else None)
