"""Dates, times and numbers of HL7 v2 as values: strict, and as precise as what was written, no more.

Source: v2.5.1 chapter 2A, data types DTM, TS and NM. Other notations that a feed may use (ISO 8601, decimal
commas) are that feed's dialect and belong to its mapping, not here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum


class Precision(IntEnum):
    """The last part that a timestamp states; ordered from coarse to fine."""

    YEAR = 1
    MONTH = 2
    DAY = 3
    HOUR = 4
    MINUTE = 5
    SECOND = 6
    FRACTION = 7


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A point or span of local time as written.

    `local` is its beginning without a zone (parts not stated at their least value), `offset` what was written
    of the zone, or None.
    """

    local: datetime
    precision: Precision
    offset: timedelta | None = None

    @property
    def day(self) -> date | None:
        """The calendar date as written, where the charge belongs; None for a bare year or month."""
        return self.local.date() if self.precision >= Precision.DAY else None

    @property
    def has_time(self) -> bool:
        """Whether a time of day was stated: midnight written is not the same as no time written."""
        return self.precision >= Precision.HOUR

    def instant(self, zone: tzinfo) -> datetime:
        """The aware beginning of the timestamp, shown in `zone` (the feed's).

        An offset that was written decides the instant; else `local` is read in `zone`. Of an hour that the
        end of summer time repeats, the first is meant; a time that its beginning skips is moved forward.
        """
        written = self.local.replace(tzinfo=zone if self.offset is None else timezone(self.offset))
        try:
            return written.astimezone(UTC).astimezone(zone)
        except OverflowError:
            return written  # 9999-12-31, the open end of a coverage, has no neighbour to move to


_TS = re.compile(
    r"(?P<year>[0-9]{4})(?:(?P<month>[0-9]{2})(?:(?P<day>[0-9]{2})(?:(?P<hour>[0-9]{2})(?:(?P<minute>[0-9]{2})"
    r"(?:(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,9}))?)?)?)?)?)?"
    r"(?P<offset>[+-](?:0[0-9]|1[0-4])[0-5][0-9])?"
)
_EARLIEST_YEAR = 1800


def parse_ts(text: str) -> Timestamp | None:
    """`YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+/-ZZZZ]` as a timestamp, None for anything else or an impossible date.

    Blanks around it are ignored. Fractions beyond the microsecond are cut off. Years before 1800 are refused:
    they are placeholders such as 00010101, not dates of a living patient.
    """
    match = _TS.fullmatch(text.strip(" "))
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    if int(year) < _EARLIEST_YEAR:
        return None
    given = sum(part is not None for part in (year, month, day, hour, minute, second, fraction))
    try:
        local = datetime(  # noqa: DTZ001 - local time as written; `instant` puts the zone to it
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
        )
    except ValueError:
        return None
    return Timestamp(local, Precision(given), None if offset is None else _offset(offset))


def _offset(text: str) -> timedelta:
    amount = timedelta(hours=int(text[1:3]), minutes=int(text[3:5]))
    return -amount if text[0] == "-" else amount


_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_LONGEST_NUMBER = 40


def parse_number(text: str) -> Decimal | None:
    """An NM value, digit for digit; None for anything else ('1,5', '1 O', '1e3', '').

    Blanks around it are ignored. More than 40 characters are no quantity or amount and give None.
    """
    trimmed = text.strip(" ")
    if len(trimmed) > _LONGEST_NUMBER or not _NUMBER.fullmatch(trimmed):
        return None
    return Decimal(trimmed)
