"""FHIR dates and times as they are sent: to the year, the month, the day or the instant (R4 Datatypes, dateTime)."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

_FORM: Final = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})"
    r"(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant in UTC and the local date of it; for a date without a time local noon, and `timed` is false."""

    instant: datetime
    day: date
    timed: bool


def moment(text: str, zone: ZoneInfo) -> Moment | None:
    """The moment that a FHIR date, dateTime or instant names, or None when it is none or not given to the day.

    The day is the local date in the offset sent. `Z` says UTC and nothing of the place (RFC 9557 2), so there, as
    where no offset stands, the date is that of the feed's zone. Parts of a second beyond microseconds are cut.
    """
    parts = _FORM.fullmatch(text)
    if parts is None or parts[3] is None:
        return None
    try:
        day = date(int(parts[1]), int(parts[2]), int(parts[3]))
        if parts[4] is None:
            return Moment(datetime.combine(day, time(12), zone).astimezone(UTC), day, timed=False)
        # 60 is a leap second, which Python's clock does not have.
        second = min(int(parts[6] or 0), 59)
        clock = time(int(parts[4]), int(parts[5]), second, int((parts[7] or "0")[:6].ljust(6, "0")))
        if parts[8] not in (None, "Z"):
            local = datetime.combine(day, clock, _offset(parts[8]))
            return Moment(local.astimezone(UTC), day, timed=True)
        told = datetime.combine(day, clock, UTC if parts[8] else zone)
        return Moment(told.astimezone(UTC), told.astimezone(zone).date(), timed=True)
    except (ValueError, OverflowError):
        return None


def _offset(text: str) -> timezone:
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def boundary(text: str, zone: ZoneInfo, *, last: bool) -> date | None:
    """The first or last day that a boundary of a Period includes: a year or month means the whole of it (R4 Period)."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        return None
    if parts[3] is not None:
        told = moment(text, zone)
        return told.day if told else None
    try:
        year, month = int(parts[1]), int(parts[2] or (12 if last else 1))
        return date(year, month, calendar.monthrange(year, month)[1] if last else 1)
    except ValueError:
        return None
