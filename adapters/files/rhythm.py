"""The part of the site file that says when a feed is expected to speak."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.model.rhythm import Rhythm

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class RhythmPart(BaseModel):
    """`rhythm` of a `[[feeds]]` entry; see `model.rhythm.Rhythm`. Times are local, in the feed's zone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_minutes: int = Field(gt=0)
    weekdays: tuple[_Day, ...] = Field(default=_DAYS[:5], min_length=1)
    opens: time = time(0)
    closes: time | None = None
    holidays: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.closes or time.max) <= self.opens:
            raise ValueError("it closes before it opens: a night across midnight is two rhythms, or none")
        return self

    def rhythm(self) -> Rhythm:
        """The rhythm."""
        return Rhythm(
            timedelta(minutes=self.every_minutes),
            frozenset(_DAYS.index(day) for day in self.weekdays),
            self.opens,
            self.closes,
            frozenset(self.holidays),
        )
