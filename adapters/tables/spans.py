"""No two rows of a table may answer for one key on one day."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import date
from typing import Final

from adapters.tables.source import Problems

ALWAYS: Final = (date.min, None)
"""The days of a row that has none of its own."""


class Spans:
    """The windows seen of each key, and where; for tables small enough to keep them all."""

    __slots__ = ("_problems", "_seen")

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._seen: dict[Hashable, list[tuple[date, date, str, int]]] = {}

    def take(self, key: Hashable, start: date, end: date | None, file: str, line: int, *, name: str = "") -> bool:
        """Whether the key had no row on any of these days; if it had one, both places are named.

        The problem calls the key by its parts, or by `name` where they are about a person.
        """
        last = end or date.max
        spans = self._seen.setdefault(key, [])
        for other_start, other_last, other_file, other_line in spans:
            if start <= other_last and other_start <= last:
                place = f"line {other_line}" if other_file == file else f"{other_file}:{other_line}"
                same = (start, last) == (other_start, other_last)
                said = "is there already" if same else "has another row for some of these days"
                self._problems.add(file, line, f"{name or _words(key)} {said} ({place})")
                return False
        spans.append((start, last, file, line))
        return True


def _words(key: Hashable) -> str:
    parts = key if isinstance(key, tuple) else (key,)
    return " ".join(" ".join(part) if isinstance(part, tuple) else str(part) for part in parts if part not in ("", ()))
