"""What a picture of a visit for drugs shows: rows of what ran at each access site, and what its minutes are billed as.

Nouns only: `pipeline.visiting` makes them from a record, `timeline` draws them. Nothing in them names a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

Span = tuple[datetime, datetime]
_MINUTE = timedelta(minutes=1)


def whole_minutes(spans: tuple[Span, ...]) -> int:
    """Whole minutes of spans that do not overlap; their seconds add up before they are cut."""
    return sum((end - start for start, end in spans), timedelta()) // _MINUTE


@dataclass(frozen=True, slots=True)
class VisitCode:
    """Units of a code: of one service where they stand below its minutes, else of the whole line."""

    code: str
    modifiers: tuple[str, ...]
    units: int
    """0 where it has no code yet, and `code` is the service."""
    state: str
    """Where the line stands: `due`, `sent` …; of a held one the code of its hold; empty where no line of ours has it."""
    held: bool = False
    id: str = ""
    """Id of the charge; empty where it is held."""

    @property
    def spelled(self) -> str:
        """As a biller writes it: `96413-59 ×1`; of what has no code yet the service alone."""
        return f"{'-'.join((self.code, *self.modifiers))} ×{self.units}" if self.units else self.code


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a row that is one service."""

    role: str
    """`initial`, `additional`, `sequential`, `concurrent`, `subsequent`, `same-drug` (`charges.infusion.Served`)."""
    spans: tuple[Span, ...]
    """Its minutes; of a push the instant alone."""
    codes: tuple[VisitCode, ...]
    begun: tuple[datetime, ...] = ()
    """When each of its units began."""
    counted: bool = True
    """Whether it is billed by its minutes: then they are no other service's. A concurrent infusion and a push are not."""

    @property
    def held(self) -> bool:
        """Whether a line of it is kept back."""
        return any(code.held for code in self.codes)


@dataclass(frozen=True, slots=True)
class VisitRow:
    """One bag, push or injection, or what else was done with the line."""

    name: str
    """The drug, else what was done."""
    kind: str
    """`infusion`, `push`, `hydration`, `injection`, `pump-start` …; as reported."""
    at: datetime
    """When it began, UTC."""
    spans: tuple[Span, ...]
    """When it ran, pauses left out; empty where nothing says when it ended."""
    stretches: tuple[Stretch, ...] = ()
    codes: tuple[VisitCode, ...] = ()
    """Lines that rest on it and are not told by minutes: its drug, an injection, a visit."""
    assumed: bool = False
    """Whether its times are no record but the payer's option: an end reckoned from rate and volume, a bag as a push."""
    held: str = ""
    """Why the whole administration waits, in words; empty where it does not."""
    idle: str = ""
    """Why it owes no administration, in words."""

    @property
    def minutes(self) -> int:
        """Minutes in which it ran."""
        return whole_minutes(self.spans)


@dataclass(frozen=True, slots=True)
class VisitSite:
    """One access site."""

    name: str
    """As reported; empty where no report names it."""
    separate: bool
    """Whether it is a further site that had to be, with an initial service of its own."""
    rows: tuple[VisitRow, ...]


@dataclass(frozen=True, slots=True)
class VisitView:
    """A visit for drugs."""

    id: str
    """Id of its episode; it may be part of the lane's address and is not shown in a picture."""
    zone: str
    """In which its times are told."""
    start: datetime
    end: datetime
    sites: tuple[VisitSite, ...]
    beside: tuple[VisitRow, ...]
    """What has no minutes: injections, pumps, flushes, the physician's visit."""

    @property
    def rows(self) -> tuple[VisitRow, ...]:
        """All rows in the order in which they are shown."""
        return (*(row for site in self.sites for row in site.rows), *self.beside)
