"""Reading a parsed TOML file field by field: each reader notes what is wrong and goes on; all faults show at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, cast

from adapters.rules.locate import Path, line_at, lines_of
from adapters.rules.problem import Problem

_AT_LINE: Final = re.compile(r"\(at line (\d+)")


@dataclass(frozen=True, slots=True)
class Reference:
    """A name taken from elsewhere (option, hold, finding, skip, code), looked up when all files are read."""

    kind: str
    name: str
    file: str
    line: int


class Sheet:
    """One file being read: its values, its lines, and the faults and references found so far."""

    __slots__ = ("_lines", "data", "file", "problems", "references", "source")

    def __init__(self, file: str, text: str, data: Mapping[str, object]) -> None:
        self.file = file
        self.data = data
        self.source = text
        self.problems: list[Problem] = []
        self.references: list[Reference] = []
        self._lines = lines_of(text)

    def line(self, path: Path) -> int:
        """The line on which the path stands, or what is nearest around it."""
        return line_at(self._lines, path)

    def fault(self, path: Path, message: str) -> None:
        """Note a fault at the path."""
        self.problems.append(Problem(self.file, self.line(path), message))

    def refer(self, kind: str, name: str, path: Path) -> None:
        """Note that the name must exist in the registry of that kind."""
        self.references.append(Reference(kind, name, self.file, self.line(path)))

    def only(self, table: Mapping[str, object], path: Path, known: frozenset[str]) -> None:
        """Note every key that the table may not have: a misspelt key must never be passed over."""
        for key in table:
            if key not in known:
                self.fault((*path, key), f"unknown key {key!r}")

    def text(self, table: Mapping[str, object], path: Path, key: str, *, required: bool = True) -> str:
        """The text under the key, stripped; empty when missing or no text, which is a fault where it is required."""
        value = table.get(key)
        if value is None:
            if required:
                self.fault(path, f"{key} is missing")
            return ""
        if not isinstance(value, str):
            self.fault((*path, key), f"{key} must be text")
            return ""
        if required and not value.strip():
            self.fault((*path, key), f"{key} is empty")
        return value.strip()

    def day(self, table: Mapping[str, object], path: Path, key: str, *, required: bool = True) -> date | None:
        """The TOML date under the key, or None."""
        value = table.get(key)
        if value is None:
            if required:
                self.fault(path, f"{key} is missing")
            return None
        if not isinstance(value, date) or isinstance(value, datetime):
            self.fault((*path, key), f"{key} must be a date, written 2026-01-01 without quotes")
            return None
        return value

    def flag(self, table: Mapping[str, object], path: Path, key: str) -> bool:
        """The flag under the key; False when missing."""
        value = table.get(key, False)
        if not isinstance(value, bool):
            self.fault((*path, key), f"{key} must be true or false")
            return False
        return value

    def whole(self, table: Mapping[str, object], path: Path, key: str, least: int) -> int | None:
        """The whole number under the key, at least `least`, or None with a fault."""
        value = table.get(key)
        if value is None:
            self.fault(path, f"{key} is missing")
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            self.fault((*path, key), f"{key} must be a whole number of at least {least}")
            return None
        return value

    def names(self, table: Mapping[str, object], path: Path, key: str) -> tuple[str, ...]:
        """The list of texts under the key; empty when missing."""
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.fault((*path, key), f"{key} must be a list of texts")
            return ()
        return tuple(cast("list[str]", value))

    def tables(self, table: Mapping[str, object], path: Path, key: str) -> Iterator[tuple[Path, Mapping[str, object]]]:
        """The tables of the array under the key, each with its path."""
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.fault((*path, key), f"{key} must be an array of tables")
            return
        for position, item in enumerate(cast("list[dict[str, object]]", value)):
            yield (*path, key, position), item

    def inner(
        self, table: Mapping[str, object], path: Path, key: str, *, required: bool = True
    ) -> Mapping[str, object] | None:
        """The table under the key, or None."""
        value = table.get(key)
        if value is None:
            if required:
                self.fault(path, f"{key} is missing")
            return None
        if not isinstance(value, dict):
            self.fault((*path, key), f"{key} must be a table")
            return None
        return cast("dict[str, object]", value)

    def texts(self, table: Mapping[str, object], path: Path, key: str) -> dict[str, str] | None:
        """The table of texts under the key, or None. Numbers and flags must be quoted: facts are text."""
        value = self.inner(table, path, key)
        if value is None:
            return None
        wrong = [name for name, item in value.items() if not isinstance(item, str)]
        for name in wrong:
            self.fault((*path, key, name), f"{name} must be text in quotes")
        return None if wrong else cast("dict[str, str]", dict(value))


def open_sheet(file: str, body: bytes) -> Sheet | Problem:
    """The file parsed as TOML (numbers exactly, as Decimal), or the one fault that keeps it from being read."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(file, body.count(b"\n", 0, error.start) + 1, "not UTF-8")
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        line = int(at.group(1)) if at else len(text.splitlines())
        return Problem(file, line, f"not TOML: {_AT_LINE.split(str(error))[0].strip()}")
    return Sheet(file, text, data)
