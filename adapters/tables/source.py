"""What a reader is given and what it gives: files as lines of bytes, the heading of a table, rows, problems.

Nothing here opens a file: the caller hands in lines, and takes rows one at a time, so that a table of millions of rows is
never held whole. What a line says wrongly is a `Problem`; all of them are gathered while one reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice
from typing import Final

from adapters.model.tables import Row, TableKind

MAX_LINE: Final = 1 << 20
"""Bytes of a line; a longer one is refused unread."""
MAX_PROBLEMS: Final = 1_000
"""Problems kept with their words; the rest is counted."""
_PEEKED_LINES: Final = 400
_PEEKED_BYTES: Final = 4 << 20
_ARCHIVE: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_DOS_END: Final = b"\x1a"
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file by its name (without folder) and its lines, ends of line included or not."""

    name: str
    lines: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Heading:
    """Which table of which release, and on which dates of service it is the current one (see `model.tables.Edition`)."""

    kind: TableKind
    scope: str
    release: str
    start: date
    end: date | None


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong in which file at which line (1-based; 0 where it is of the file as a whole)."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class Problems:
    """The problems met so far; beyond `MAX_PROBLEMS` they are counted only."""

    __slots__ = ("found", "more")

    def __init__(self) -> None:
        self.found: list[Problem] = []
        self.more = 0

    def add(self, file: str, line: int, message: str) -> None:
        """Take one in."""
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(Problem(file, line, message))
        else:
            self.more += 1


class Reading:
    """A table being read: `heading` is known from the beginning, the rest once the rows have been taken.

    It can be iterated once. Rows with a problem are not among those it yields: with any problem the table is not the
    publisher's, and nothing of it should be loaded.
    """

    __slots__ = ("_problems", "_rows", "heading", "withdrawn")

    def __init__(self, heading: Heading, rows: Callable[[Reading], Iterator[Row]], problems: Problems) -> None:
        self.heading = heading
        self._problems = problems
        self._rows = rows(self)
        self.withdrawn = 0
        """Rows that were never in force (the publisher took them back as of their first day); they are not yielded."""

    @property
    def problems(self) -> list[Problem]:
        """What is wrong, in the order it was met; complete when the rows have been taken."""
        return self._problems.found

    @property
    def more(self) -> int:
        """How many problems there are beyond those in `problems`."""
        return self._problems.more

    def __iter__(self) -> Iterator[Row]:
        return self._rows


def bounded(readline: Callable[[int], bytes]) -> Iterator[bytes]:
    """The lines of an open binary file by its `readline`, none held beyond `MAX_LINE` bytes.

    Of a longer line the beginning is yielded, which the reader refuses; the rest is passed over.
    """
    while piece := readline(MAX_LINE + 1):
        yield piece
        while len(piece) > MAX_LINE and not piece.endswith(b"\n"):
            piece = readline(MAX_LINE + 1)


class Lines:
    """The lines of one file as text, counted; those that cannot be text are named and given as empty."""

    __slots__ = ("_peeked", "_source", "file", "number", "problems")

    def __init__(self, source: SourceFile, problems: Problems) -> None:
        self.file = source.name
        self.number = 0
        """Of the line given last, 1-based."""
        self.problems = problems
        self._source = iter(source.lines)
        self._peeked: list[bytes] = []

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        raw = next(self._source)
        self.number += 1
        return self.text(raw)

    def text(self, raw: bytes) -> str:
        """The line as text: UTF-8, or where it is not, Windows-1252, of which Latin-1 is the greater part."""
        if len(raw) > MAX_LINE:
            self.complain(f"the line is longer than {MAX_LINE} bytes")
            return ""
        if b"\0" in raw:
            self.complain("the line has NUL bytes")
            return ""
        if self.number == 1:
            raw = raw.removeprefix(_BOM)
        return "" if raw.strip() == _DOS_END else _ended(decoded(raw))

    def complain(self, message: str) -> None:
        """Name a problem of the line given last."""
        self.problems.add(self.file, self.number, message)

    def peek(self) -> Sequence[str]:
        """The first lines as text, without passing over them and without naming problems."""
        if not self._peeked:
            held = 0
            for raw in islice(self._source, _PEEKED_LINES):
                self._peeked.append(raw)
                held += len(raw)
                if held > _PEEKED_BYTES:
                    break
            self._source = chain(self._peeked, self._source)
        return [
            "" if len(raw) > MAX_LINE or b"\0" in raw else _ended(decoded(raw.removeprefix(_BOM) if at == 0 else raw))
            for at, raw in enumerate(self._peeked)
        ]

    def foreign(self) -> str:
        """What the file is if it is no text; else empty."""
        self.peek()
        first = self._peeked[0] if self._peeked else b""
        if first.startswith(_ARCHIVE):
            return "this is a workbook or an archive: load the text or CSV file in it"
        if first.startswith(_WIDE):
            return "this is UTF-16: save it as CSV in UTF-8"
        return "" if self._peeked else "the file is empty"

    def skip(self, lines: int) -> None:
        """Pass over so many lines."""
        for _ in range(lines):
            next(self)

    def raw(self) -> Iterator[bytes]:
        """The lines left, as bytes; who takes them counts them in `number`."""
        self._peeked = []
        return self._source


def _ended(text: str) -> str:
    """With an end of line, so that words of a cell over two lines stay apart however the lines were cut."""
    return text if text.endswith("\n") else text + "\n"


def decoded(raw: bytes) -> str:
    """Bytes as text: UTF-8, else Windows-1252, else (the five bytes it does not know) Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return raw.decode("cp1252")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
