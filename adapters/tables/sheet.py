"""A table with a header somewhere: the header is found by its names, never assumed to be at a line or in an order.

Published files begin with a title, notices and empty rows, and their header may run over several rows, one word of a
column's name above another. A column is known by a pattern over its name in small letters, with everything but letters
and digits as one blank: `HCPCS/\\nCPT Code` is `hcpcs cpt code`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.tables.days import NEVER, day
from adapters.tables.source import Lines

_DELIMITERS: Final = ("\t", ",", ";", "|")
_TALLEST: Final = 6
"""Rows a header may run over."""
_BLANKS: Final = re.compile(r"\s+")
_NAME: Final = re.compile(r"[^a-z0-9]+")
_CODE: Final = re.compile(r"[0-9A-Z][0-9]{3}[0-9A-Z]")
_MODIFIER: Final = re.compile(r"[0-9A-Z]{2}")
_DIAGNOSIS: Final = re.compile(r"[A-Z][0-9A-Z]{2}\.?[0-9A-Z]{0,4}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?|-?\.[0-9]{1,9}")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_NPI: Final = re.compile(r"[12][0-9]{9}")


@dataclass(frozen=True, slots=True)
class Column:
    """A column under the name the reader uses, with the pattern its published names match."""

    name: str
    pattern: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A header: the delimiter, how many lines it and what stands above it take, and each column's place."""

    delimiter: str
    lines: int
    places: Mapping[str, int]
    names: tuple[str, ...]
    """Every column's name as the file has it, in its order."""


def is_code(text: str) -> bool:
    """Whether the text has the form of a procedure or supply code (HCPCS level I or II, with PLA and MAAA codes)."""
    return _CODE.fullmatch(text) is not None


def plain(name: str) -> str:
    """A column's name in the form patterns are written for."""
    return _NAME.sub(" ", name.lower()).strip()


def tidy(text: str) -> str:
    """A cell without surrounding blanks and with every run of blanks and line ends as one blank."""
    return _BLANKS.sub(" ", text).strip()


def find_header(lines: Lines, columns: Sequence[Column]) -> Found | None:
    """The header among the first lines: the first row that, with rows above it, names all columns required.

    Of the heights possible the one that names most columns is taken, and of those the lowest.
    """
    peeked = lines.peek()
    for delimiter in _DELIMITERS:
        rows = list(_trial(peeked, delimiter))
        for at, (_, end) in enumerate(rows):
            best: Found | None = None
            for height in range(1, min(_TALLEST, at + 1) + 1):
                names = _joined([cells for cells, _ in rows[at - height + 1 : at + 1]])
                places = _places(names, columns)
                if places is not None and (best is None or len(places) > len(best.places)):
                    best = Found(delimiter, end, places, names)
            if best is not None:
                return best
    return None


def _trial(peeked: Sequence[str], delimiter: str) -> Iterator[tuple[list[str], int]]:
    reader = csv.reader(peeked, delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except (StopIteration, csv.Error):
            return
        yield cells, reader.line_num


def _joined(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    width = max(map(len, rows), default=0)
    return tuple(plain(" ".join(row[at] for row in rows if at < len(row))) for at in range(width))


def _places(names: Sequence[str], columns: Sequence[Column]) -> dict[str, int] | None:
    places: dict[str, int] = {}
    for column in columns:
        pattern = re.compile(column.pattern)
        at = next((i for i, name in enumerate(names) if i not in places.values() and pattern.search(name)), None)
        if at is not None:
            places[column.name] = at
        elif column.required:
            return None
    return places


class Record:
    """The cells of one row by column, and what is wrong in them: all of it, not the first."""

    __slots__ = ("_cells", "_places", "_quiet", "faults", "line")

    def __init__(self, line: int, cells: Sequence[str], places: Mapping[str, int], *, quiet: bool = False) -> None:
        self.line = line
        """The line the row begins at."""
        self.faults: list[str] = []
        self._cells = cells
        self._places = places
        self._quiet = quiet

    def text(self, name: str) -> str:
        """The cell, tidied; empty where the file has no such column."""
        place = self._places.get(name)
        return tidy(self._cells[place]) if place is not None and place < len(self._cells) else ""

    def fault(self, message: str, cell: str = "") -> None:
        """Name a fault of the row, with the cell it is about unless the table is quiet."""
        self.faults.append(f"{message}: {shown(cell)}" if cell and not self._quiet else message)

    def needed(self, name: str) -> str:
        """The cell, which may not be empty."""
        text = self.text(name)
        if not text:
            self.fault(f"{name} is missing")
        return text

    def code(self, name: str = "code", *, optional: bool = False) -> str:
        """A procedure or supply code."""
        return self._formed(name, _CODE, "a procedure or supply code", optional)

    def modifier(self, name: str = "modifier") -> str:
        """A modifier, or nothing."""
        return self._formed(name, _MODIFIER, "a modifier", True)

    def modifiers(self, name: str = "modifiers") -> tuple[str, ...]:
        """Modifiers parted by blanks, commas, semicolons, colons or hyphens."""
        found = tuple(re.split(r"[\s,;:\-]+", self.text(name).upper())) if self.text(name) else ()
        if not all(map(_MODIFIER.fullmatch, found)):
            self.fault(f"{name} lists something that is no modifier")
        elif len(set(found)) < len(found):
            self.fault(f"{name} lists a modifier twice")
        return found

    def diagnosis(self, name: str = "diagnosis", *, optional: bool = False) -> str:
        """An ICD-10-CM code, its dot taken out."""
        return self._formed(name, _DIAGNOSIS, "an ICD-10-CM code", optional).replace(".", "")

    def npi(self, name: str = "npi", *, optional: bool = False) -> str:
        """A National Provider Identifier with a right check digit (45 CFR 162.406; ISO 7812 over 80840 and it)."""
        text = self._formed(name, _NPI, "an NPI", optional)
        if text and not _checks(text):
            self.fault(f"{name} is no NPI: the check digit is wrong")
        return text

    def _formed(self, name: str, form: re.Pattern[str], what: str, optional: bool) -> str:
        text = self.text(name).upper()
        if not text and not optional:
            self.fault(f"{name} is missing")
        elif text and not form.fullmatch(text):
            self.fault(f"{name} is not {what}", text)
            return ""
        return text

    def whole(self, name: str) -> int:
        """A whole number, not negative."""
        text = self.needed(name).replace(",", "")
        if text and not _WHOLE.fullmatch(text):
            self.fault(f"{name} is not a whole number of zero or more", text)
        return int(text) if _WHOLE.fullmatch(text) else 0

    def amount(self, name: str, *, negative: bool = False) -> Decimal | None:
        """A number with its digits as written, or None where the cell is empty; no negative one unless allowed."""
        text = self.text(name).replace(",", "").replace("$", "").strip()
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            self.fault(f"{name} is not a number", text)
            return None
        number = Decimal(text)
        if number < 0 and not negative:
            self.fault(f"{name} is negative", text)
        return number

    def start(self, name: str = "start", missing: date | None = None) -> date:
        """The first day. An empty cell is `missing`, or a fault without one."""
        text = self.text(name)
        if not text and missing is not None:
            return missing
        found = day(text)
        if found is None:
            self.fault(f"{name} is no date" if text else f"{name} is missing", text)
        return found or date.min

    def end(self, name: str = "end") -> date | None:
        """The last day; None where the cell is empty, `*` or the end of time."""
        text = self.text(name)
        if not text or text == "*":
            return None
        found = day(text)
        if found is None:
            self.fault(f"{name} is no date", text)
        return None if found == NEVER else found

    def window(self, start: date, end: date | None) -> None:
        """Complain where a row ends before it begins."""
        if end is not None and end < start:
            self.fault(f"the last day {end} is before the first {start}")

    def one_of(self, name: str, allowed: Iterable[str], found: str) -> str:
        """`found`, which must be among those allowed."""
        if found not in allowed:
            self.fault(f"{name} is unknown" if found else f"{name} is missing", found)
        return found


def shown(text: str) -> str:
    """The beginning of what a cell holds, quoted."""
    return repr(text if len(text) <= 40 else text[:40] + "…")


def records(lines: Lines, found: Found, *, preface: str = "", quiet: bool = False) -> Iterator[Record]:
    """The rows below the header. Empty ones are passed over.

    Until the first data row, so are rows whose cell in column `preface` is empty: a header's further lines. Of a quiet
    table no fault shows a cell: it is about people.
    """
    lines.skip(found.lines)
    reader = csv.reader(lines, delimiter=found.delimiter, strict=True)
    key = found.places.get(preface)
    needed = max(found.places.values()) + 1
    while True:
        first = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.problems.add(lines.file, first, f"not {'TSV' if found.delimiter == chr(9) else 'CSV'}: {error}")
            continue
        if not any(map(str.strip, cells)):
            continue
        if key is not None and (key >= len(cells) or not cells[key].strip()):
            continue
        key = None
        if len(cells) < needed:
            lines.problems.add(lines.file, first, f"{len(cells)} cells where the header has {len(found.names)}")
            continue
        yield Record(first, cells, found.places, quiet=quiet)


def _checks(npi: str) -> bool:
    """The Luhn sum over 80840 and the ten digits."""
    total = 24
    for at, digit in enumerate(reversed(npi)):
        number = int(digit) * (2 if at % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0
