"""What entries say about lanes, as a step takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adapters.model.decision import KIND
from adapters.model.journal import JournalEntry
from adapters.model.record import Reading
from adapters.pipeline import ReadEntry
from adapters.store import Share


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one entry says about one lane."""

    entry: str
    readings: tuple[Reading, ...]
    last: bool = False
    """Whether no later lane of this round has the entry: with this lane's save it is taken."""
    sorted: bool = False
    """Whether the entry waits in the lane on file: with this lane's save it waits there no more."""


def is_here(found: ReadEntry, lanes: Sequence[str], whose: Mapping[str, str]) -> bool:
    """Whether news of a claim is for a claim of these lanes still: it goes along when lanes come apart.

    `whose` says in which lanes claims are (`Stepping.persons_of`).
    """
    return found.news is None or whose.get(found.news.claim, "") in lanes


def is_news(waiting: Waiting) -> bool:
    """Whether it is a call to a payer, or what came of one."""
    return any(reading.news is not None for reading in waiting.readings)


def speaks_of_others(waiting: Waiting) -> bool:
    """Whether it may say which lanes are one person: these are put together, or apart, before any of them goes on."""
    said = (reading.captured for reading in waiting.readings if reading.captured is not None)
    return any(event.kind in ("merge", KIND) for captured in said for event in captured.events)


def feed_name(entry: JournalEntry) -> str:
    """The feed that brought an entry."""
    return entry.actor.partition(":")[2]


def said_of(found: ReadEntry, share: Share, person: str) -> tuple[Reading, ...]:
    """What an entry says about the lane of a share, in the record of a person."""
    id, at = found.entry.id, found.entry.at
    if found.news is not None:
        return (Reading(id, at, news=found.news),)
    lane = "" if share.person == person else share.person
    return tuple(Reading(id, at, captured=found.captured[part], lane=lane) for part in share.parts)


def without(waiting: Sequence[Waiting], parked: set[str]) -> list[Waiting]:
    """The same; what another lane broke on is not taken by this one, or that trouble would be hidden."""
    return [replace(one, last=one.last and one.entry not in parked) for one in waiting]
