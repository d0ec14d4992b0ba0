"""When a feed is expected to speak, and what it means that it did not: silence is an error, not a quiet day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_ONE_DAY = timedelta(days=1)
_LONGEST_LOOK = 400
"""Days that are looked ahead for working time before a rhythm counts as one that never comes."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A feed's promise: at least one message within `every` of working time.

    Working time is from `opens` to `closes` (local, the feed's zone) on `weekdays` (0 is Monday) that are no holiday.
    A nightly export has one hour of working time a day and `every` of an hour.
    """

    every: timedelta
    weekdays: frozenset[int] = frozenset(range(5))
    opens: time = time(0)
    closes: time | None = None
    """None: midnight, the end of the day."""
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if self.every <= timedelta(0) or not self.weekdays <= set(range(7)) or (self.closes or time.max) <= self.opens:
            raise ValueError("a rhythm needs a time above zero, weekdays of 0 to 6, and closes after it opens")

    def expected_by(self, since: datetime, zone: ZoneInfo) -> datetime | None:
        """The instant at which silence since `since` (aware) has lasted `every` of working time, in the zone of
        `since`; None where no working time comes within a year.

        Hours are counted as instants, so the night of a clock change is as long as it is.
        """
        left = self.every
        day = since.astimezone(zone).date()
        for _ in range(_LONGEST_LOOK):
            if day.weekday() in self.weekdays and day not in self.holidays:
                begin = max(datetime.combine(day, self.opens, zone).astimezone(since.tzinfo), since)
                last = (day, self.closes) if self.closes else (day + _ONE_DAY, time(0))
                end = datetime.combine(*last, zone).astimezone(since.tzinfo)
                if end > begin:
                    if end - begin >= left:
                        return begin + left
                    left -= end - begin
            day += _ONE_DAY
        return None
