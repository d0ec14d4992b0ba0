"""An episode: the unit that is derived as a whole, such as a radiation course or an infusion visit.

Reports of one thing are gathered into one `Occurrence`; the derivation sees occurrences, never single messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from adapters.model.event import Event, Status
from adapters.model.why import Fact, Told


@dataclass(frozen=True, slots=True)
class Occurrence(Told):
    """One thing that happened, with all current reports of it, the one that counts first.

    Its facts are those of the counting report, completed from the others where it is silent. `key` is the identity
    that its charges carry in their slot: the record UID or order number where one is known, else plan and number,
    else the day and the running number on that day.
    """

    kind: str
    key: str
    start: datetime
    day: date
    status: Status
    course: str
    facts: tuple[Fact, ...]
    reports: tuple[Event, ...]
    end: datetime | None = None
    by_name: Mapping[str, Fact] = field(init=False, compare=False, repr=False)
    """The first fact of each name: rules ask many times."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {fact.name: fact for fact in reversed(self.facts)})

    def fact(self, name: str) -> Fact | None:
        """The first fact of that name, or None."""
        return self.by_name.get(name)

    @property
    def happened(self) -> bool:
        """Whether it was delivered: neither withdrawn nor not done."""
        return self.status is Status.DONE

    @property
    def primary(self) -> Event:
        """The report that counts."""
        return self.reports[0]

    @property
    def named(self) -> Fact:
        """The occurrence itself as a fact: what it is, and where the counting report says so."""
        return Fact("event", f"{self.kind} on {self.day.isoformat()}", self.primary.source)


@dataclass(frozen=True, slots=True)
class Episode:
    """A radiation course of one person: its occurrences in order of time, and the reports that were superseded."""

    id: str
    person: str
    kind: str
    """`radiation` for a course; `loose` for what belongs to no course that is known."""
    label: str
    occurrences: tuple[Occurrence, ...]
    superseded: tuple[tuple[Event, Event], ...] = ()
    """(older report, the report of the same line that took its place): accounted for by it."""

    def of(self, *kinds: str) -> tuple[Occurrence, ...]:
        """The occurrences of these kinds that were delivered, in order of time."""
        return tuple(o for o in self.occurrences if o.kind in kinds and o.happened)

    @property
    def days(self) -> tuple[date, ...]:
        """Every date of service of the episode, sorted, each once."""
        return tuple(sorted({o.day for o in self.occurrences}))
