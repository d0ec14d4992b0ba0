"""Lists as comma-separated text that a spreadsheet shows and never runs: what commands print and pages hand out alike."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

_RUNS: Final = frozenset("=+-@|%\uff1d\uff0b\uff0d\uff20")
"""What spreadsheets take for the beginning of a formula or of a call (OWASP, CSV Injection), in full width too."""
_UNSEEN: Final = frozenset({"Zs", "Cf"})
"""Unicode categories of what nobody sees before it: spaces, and marks that have no width."""


def written(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A list with its head (RFC 4180), each value by `cell`."""
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\r\n")
    writer.writerow([cell(column) for column in columns])
    writer.writerows([cell(value) for value in row] for row in rows)
    return sheet.getvalue()


def cell(value: object) -> str:
    """A value as text. What a spreadsheet would run begins with an apostrophe.

    A number is told by its type and stays one: a text that looks like one may have come from anybody.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int):
        return str(int(value))
    said = value.isoformat() if isinstance(value, date) else str(value)
    return f"'{said}" if _would_run(said) else said


def _would_run(said: str) -> bool:
    """Whether the first thing seen begins a formula; a control character (tab, line end) may put what follows there."""
    first = next((sign for sign in said if unicodedata.category(sign) not in _UNSEEN), "")
    return first in _RUNS or (first != "" and unicodedata.category(first) == "Cc")
