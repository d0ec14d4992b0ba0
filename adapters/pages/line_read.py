"""What a person may say of one line, as values: what it bills, and the facts of the events that it rests on. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.explain import hold_id
from adapters.model.charge import Charge, Hold
from adapters.model.decision import anchors
from adapters.model.event import Event
from adapters.model.facts import FACTS
from adapters.model.record import ChargeStatus, PersonRecord


@dataclass(frozen=True, slots=True)
class EventSeen:
    """An event that the line rests on, with what it says."""

    id: str
    event: Event
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LineSaid:
    """A line about which something may be said."""

    id: str
    """As a file of `enter` names it."""
    would: Charge | None
    """What it bills, or would bill were it not held; None where that is not known."""
    held: bool
    events: tuple[EventSeen, ...]
    plans: tuple[tuple[str, str], ...]
    """(plan, course) of its sessions; a fact may be said of all sessions of one that say nothing of it."""
    courses: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All facts there are, those of its events first; and its course."""
        own = dict.fromkeys(name for one in self.events for name, _ in one.facts)
        return tuple(dict.fromkeys(("course", *own, *sorted(FACTS))))


def line_said(record: PersonRecord, id: str) -> LineSaid | None:
    """The line of this id: a charge that stands, or a held line; None for anything else."""
    for charge in record.charges:
        if charge.id == id and charge.status is not ChargeStatus.VOID:
            return _said(record, id, charge.charge, charge.charge)
    for hold in record.holds:
        if hold_id(hold) == id:
            return _said(record, id, hold, hold.would)
    return None


def _said(record: PersonRecord, id: str, line: Charge | Hold, would: Charge | None) -> LineSaid:
    events = tuple(_rests_on(record, anchors(line.why)))
    plans = dict.fromkeys((plan, e.event.course) for e in events if (plan := e.event.value("plan")))
    courses = dict.fromkeys(one.event.course for one in events if one.event.course)
    return LineSaid(id, would, isinstance(line, Hold), events, tuple(plans), tuple(courses))


def _rests_on(record: PersonRecord, reports: Iterable[str]) -> Iterable[EventSeen]:
    wanted = frozenset(reports)
    for event in record.events:
        if f"{event.source.message}#{event.source.at}" in wanted:
            facts = dict.fromkeys((fact.name, fact.value) for fact in event.facts)
            yield EventSeen(event.id, event, tuple(facts))
