"""Dates as publishers write them, and the quarters they publish in."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

NEVER: Final = date(9999, 12, 31)
"""Written by some publishers where there is no last day."""
MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_COMPACT: Final = re.compile(r"(\d{4})(\d\d)(\d\d)")
_ISO: Final = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)(?:[ T]00:00(?::00(?:\.0+)?)?)?")
_AMERICAN: Final = re.compile(r"(\d\d?)[/-](\d\d?)[/-](\d{4})(?: 0?0:00(?::00)?| 12:00:00 AM)?")
_ORDINAL: Final = re.compile(r"(\d{4})(\d{3})")


def day(text: str) -> date | None:
    """A date written `20260131`, `2026-01-31`, `1/31/2026`, `01-31-2026` or `2026031` (year and day of the year).

    A midnight behind it is passed over. None where it is none of these or no day of the calendar.
    """
    try:
        if found := _COMPACT.fullmatch(text) or _ISO.fullmatch(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _AMERICAN.fullmatch(text):
            return date(int(found[3]), int(found[1]), int(found[2]))
        if found := _ORDINAL.fullmatch(text):
            first, running = date(int(found[1]), 1, 1), int(found[2])
            made = first + timedelta(days=running - 1)
            return made if running >= 1 and made.year == first.year else None
    except (ValueError, OverflowError):
        return None
    return None


def quarter(year: int, number: int) -> tuple[date, date]:
    """First and last day of a quarter, 1 to 4, of a calendar year."""
    start = date(year, 3 * number - 2, 1)
    after = date(year + 1, 1, 1) if number == 4 else date(year, 3 * number + 1, 1)
    return start, after - timedelta(days=1)


def quarter_of(start: date) -> tuple[date, date]:
    """First and last day of the quarter a day lies in."""
    return quarter(start.year, (start.month + 2) // 3)


def month(name: str) -> int:
    """The number of a month by its English name or the first three letters of it; 0 of anything else."""
    short = name[:3].lower()
    return MONTHS.index(short) + 1 if short in MONTHS else 0
