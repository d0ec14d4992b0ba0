"""An episode: the unit that is derived as a whole, such as a radiation course or an infusion visit.

Reports of one thing are gathered into one `Occurrence`; the derivation sees occurrences, never single messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from adapters.model.event import Event, Status
from adapters.model.why import Fact, Told

VISIT: Final = "/visit:"
"""What stands in the id of an episode between the person and the number of the visit."""
AGAIN: Final = "/on:"
"""What stands in it between the number and the day, of a further visit under one number."""


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
    primary: Event = field(init=False, compare=False, repr=False)
    """The report that counts."""
    by_name: Mapping[str, Fact] = field(init=False, compare=False, repr=False)
    """The first fact of each name: rules ask many times."""
    told: tuple[Fact, ...] = field(init=False, compare=False, repr=False)
    """The occurrence as a fact, by each report of it in their order: what every outcome of it rests on."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "primary", self.reports[0])
        object.__setattr__(self, "by_name", {fact.name: fact for fact in reversed(self.facts)})
        said = f"{self.kind} on {self.day.isoformat()}"
        object.__setattr__(self, "told", tuple(Fact("event", said, report.source) for report in self.reports))

    def fact(self, name: str) -> Fact | None:
        """The first fact of that name, or None."""
        return self.by_name.get(name)

    def value(self, name: str, default: str = "") -> str:
        """The value of the first fact of that name, or the default."""
        fact = self.by_name.get(name)
        return default if fact is None else fact.value

    @property
    def happened(self) -> bool:
        """Whether it was delivered: neither withdrawn nor not done."""
        return self.status is Status.DONE

    @property
    def named(self) -> Fact:
        """The occurrence itself as a fact: what it is, and where the counting report says so."""
        return self.told[0]


def _place(placed: tuple[int, Occurrence]) -> int:
    return placed[0]


@dataclass(frozen=True, slots=True)
class Episode:
    """A radiation course or a visit for drugs of one person: its occurrences in order of time, and what was superseded."""

    id: str
    person: str
    kind: str
    """`radiation` for a course; `infusion` for a visit; `loose` for what belongs to no course that is known."""
    label: str
    occurrences: tuple[Occurrence, ...]
    superseded: tuple[tuple[Event, Event], ...] = ()
    """(older report, the report of the same line that took its place): accounted for by it."""
    by_kind: Mapping[str, tuple[tuple[int, Occurrence], ...]] = field(init=False, compare=False, repr=False)
    """Those that were delivered, by kind, each with its place in the order of time: derivations ask many times."""

    _asked: dict[tuple[str, ...], tuple[Occurrence, ...]] = field(
        init=False, compare=False, repr=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        found: dict[str, list[tuple[int, Occurrence]]] = {}
        for place, one in enumerate(self.occurrences):
            if one.happened:
                found.setdefault(one.kind, []).append((place, one))
        object.__setattr__(self, "by_kind", {kind: tuple(ones) for kind, ones in found.items()})

    def of(self, *kinds: str) -> tuple[Occurrence, ...]:
        """The occurrences of these kinds that were delivered, in order of time."""
        known = self._asked.get(kinds)
        if known is None:
            known = self._asked[kinds] = self._of(kinds)
        return known

    def _of(self, kinds: tuple[str, ...]) -> tuple[Occurrence, ...]:
        found = [placed for kind in kinds for placed in self.by_kind.get(kind, ())]
        if len(kinds) > 1:
            found.sort(key=_place)
        return tuple(one for _, one in found)

    @property
    def days(self) -> tuple[date, ...]:
        """Every date of service of the episode, sorted, each once."""
        return tuple(sorted({o.day for o in self.occurrences}))


def _number(episode: str) -> str:
    return episode.partition(VISIT)[2].partition(AGAIN)[0]


def numbers_of(episode: str, occurrences: Iterable[Occurrence]) -> frozenset[str]:
    """The numbers by which the visit of an episode's id goes: its own, and what the reports of it call it."""
    own = _number(episode)
    told = (report.value("visit") for one in occurrences for report in one.reports)
    return frozenset(filter(None, (own, *told)))


def visit_number(episode: Episode, said: str) -> str:
    """The number of the visit that a line of an episode is of: one number for all of a visit that goes by several, or of
    which a report names none; a number that no dose of it bears stays."""
    number = _number(episode.id)
    if not number or said == number:
        return said
    return number if not said or said in numbers_of(episode.id, episode.occurrences) else said
