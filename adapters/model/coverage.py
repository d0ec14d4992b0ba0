"""A person's insurance, by the dates it holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Coverage:
    """One insurance of a person. `order` 1 is primary; both end days are inside; an open end holds until told otherwise."""

    id: str
    payer: str
    """The site's id of the payer (resolved from what the feed calls it), or the feed's own text if the site knows none."""
    member: str
    start: date | None = None
    end: date | None = None
    order: int = 1
    relationship: str = "self"
    group: str = ""
    source_message: str = ""
    employer_size: int | None = None
    """How many work for the employer of a group plan; None where nobody said it."""
    basis: str = ""
    """Why a group plan covers the person: `current-employment`, `retiree`, `cobra`; empty where nobody said it."""

    def holds_on(self, day: date) -> bool:
        """Whether the coverage is in force on the day; both end days are inside."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What a payer answered about a member and a day: whether the insurance is in force."""

    payer: str
    """The site's id of the payer, or the feed's own text."""
    member: str
    """Empty: the answer names none, and is about every coverage of the payer."""
    day: date
    active: bool
    source_message: str = ""

    def concerns(self, coverage: Coverage) -> bool:
        """Whether it is about the coverage."""
        return self.payer == coverage.payer and self.member in ("", coverage.member)


@dataclass(frozen=True, slots=True)
class Authorization:
    """A payer's prior authorization: which codes, how many units, from when to when; both end days are inside."""

    number: str
    payer: str
    """The site's id of the payer, or the feed's own text."""
    codes: tuple[str, ...] = ()
    """Empty: any code."""
    units: int | None = None
    """None: no number was said."""
    start: date | None = None
    end: date | None = None
    source_message: str = ""

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on the day."""
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)

    def takes(self, code: str) -> bool:
        """Whether it is for the code."""
        return not self.codes or code in self.codes
