"""Bookings and orders against what was delivered: which are answered, which are not, and what no booking is of.

A booking of a session is answered by a session of its day, each session once, the nearest in time first. Doses are
answered as `charges.expected` has it: by the number of their order, else by drug and day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from adapters.charges.expected import Regimen, regimen
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import BEDSIDE, Event, Status
from adapters.model.kinds import KINDS, Role

_NOT_EXPECTED: Final = frozenset({"held", "cancelled", "discontinued", "deleted", "no-show"})
_VISIT: Final = frozenset({"office-visit", "consult", "follow-up"})


@dataclass(frozen=True, slots=True)
class Booked:
    """Bookings set against deliveries."""

    answered: Mapping[str, Event] = field(default_factory=dict)
    """Id of the event that counts of a delivered thing → the booking or order that it answers."""
    open: tuple[Event, ...] = ()
    """Bookings and orders whose day is over and which nothing answers."""
    kinds: Mapping[str, date] = field(default_factory=dict)
    """Kinds of services for which bookings of the person are sent, with the day (UTC) on which the first was."""
    unordered: frozenset[str] = frozenset()
    """Ids of the counting events of doses that no order is of, or beyond the one that it asks for."""

    def expected(self, one: Occurrence) -> bool:
        """Whether a booking of it should be there: such bookings were sent by its day already."""
        since = self.kinds.get(one.kind)
        return since is not None and since <= one.day


def booked(context: Iterable[Event], episodes: Sequence[Episode], today: date) -> Booked:
    """The person's bookings and orders against all that was delivered, as it stands on a day."""
    expected = [event for event in context if event.kind in ("appointment", "order") and event.value("expects")]
    ordered = any(event.kind in ("appointment", "order") for event in context)
    if not ordered:
        return Booked()
    bookings = [event for event in expected if event.kind == "appointment"]
    answered: dict[str, Event] = {}
    left: list[Event] = []
    sent = {event.value("expects") for event in bookings}
    for kind in sorted(sent):
        if kind in BEDSIDE - _VISIT or KINDS[kind] is not Role.SERVICE:
            continue
        waiting = [one for one in bookings if one.value("expects") == kind and _stands(one)]
        given = [one for episode in episodes for one in episode.of(kind)]
        found = _paired(waiting, given)
        answered.update({one.primary.id: event for event, one in found})
        used = {event.id for event, _ in found}
        left += [event for event in waiting if event.id not in used and event.day < today]
    doses = regimen(context, episodes)
    left += [event for event in doses.open if event.day < today]
    unordered = frozenset(one.primary.id for one in (*doses.extra, *doses.unordered))
    answered |= _ordered(context, episodes, unordered, doses)
    kinds = {
        kind: min(event.said.date() for event in bookings if event.value("expects") == kind)
        for kind in sent
        if kind not in BEDSIDE
    }
    return Booked(answered, tuple(sorted(left, key=lambda e: (e.day, e.line, e.id))), kinds, unordered)


def _stands(event: Event) -> bool:
    return event.status is Status.DONE and event.value("state") not in _NOT_EXPECTED


def _paired(bookings: Sequence[Event], given: Sequence[Occurrence]) -> list[tuple[Event, Occurrence]]:
    """Pairs of one day, the nearest in time first."""
    near = sorted(
        (abs((one.start - event.start).total_seconds()), i, j)
        for i, event in enumerate(bookings)
        for j, one in enumerate(given)
        if one.day == event.day
    )
    used: set[tuple[str, int]] = set()
    found: list[tuple[Event, Occurrence]] = []
    for _, i, j in near:
        if ("booking", i) not in used and ("given", j) not in used:
            used |= {("booking", i), ("given", j)}
            found.append((bookings[i], given[j]))
    return found


def _ordered(
    context: Iterable[Event], episodes: Sequence[Episode], unordered: frozenset[str], doses: Regimen
) -> dict[str, Event]:
    """Doses of days for which doses were ordered or visits booked: each with an order of its day."""
    still_open = {event.id for event in doses.open}
    by_day: dict[date, Event] = {}
    for event in context:
        wanted = event.kind == "order" or event.value("expects") in BEDSIDE
        if event.kind in ("order", "appointment") and wanted and event.id not in still_open and _stands(event):
            by_day.setdefault(event.day, event)
    return {
        one.primary.id: by_day[one.day]
        for episode in episodes
        if episode.kind == "infusion"
        for one in episode.occurrences
        if one.happened and one.day in by_day and one.primary.id not in unordered
    }
