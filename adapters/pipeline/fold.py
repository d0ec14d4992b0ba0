"""State = fold(journal): every record again from the journal alone, to be set against what is on file.

A tick of the journal says which lane was stepped, at what instant and by which entries; nothing else is needed, because
the step is a function. Under the rules and settings in force when it was written the fold gives the same bytes; under
others it is a rehearsal.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.people import PersonHint
from adapters.model.record import PersonRecord, Reading, Tick
from adapters.pipeline.read import ReadEntry, read
from adapters.pipeline.step import House, step

Whose = Callable[[PersonHint, str], str]
"""The lane of a person as a feed names it; asks, and makes nothing."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """A step as the journal tells it."""

    person: str
    at: datetime
    read: tuple[str, ...]


def ticked(entry: JournalEntry) -> Ticked:
    """The step that a tick entry tells of."""
    said = json.loads(entry.body)
    return Ticked(said["person"], datetime.fromisoformat(said["tick"]), tuple(said["taken"]))


def fold(entries: Iterable[JournalEntry], house: House, whose: Whose) -> dict[str, PersonRecord]:
    """The records that the journal gives, lane by lane."""
    zone = ZoneInfo(house.site.zone)
    waiting: dict[str, JournalEntry] = {}
    known: dict[str, ReadEntry] = {}
    records: dict[str, PersonRecord] = {}
    for entry in entries:
        if entry.kind is not JournalKind.TICK:
            waiting[entry.id] = entry
            continue
        tick = ticked(entry)
        readings: list[Reading] = []
        for id in tick.read:
            if id not in known:
                known[id] = read(waiting[id], house.rules, house.site)
            readings.extend(_of(known[id], tick.person, whose))
        record = records.get(tick.person) or PersonRecord(tick.person)
        records[tick.person] = step(record, readings, house, Tick(tick.at, tick.at.astimezone(zone).date()))
    return records


def _of(found: ReadEntry, person: str, whose: Whose) -> Iterable[Reading]:
    """What an entry says about one lane."""
    entry = found.entry
    if found.news is not None:
        yield Reading(entry.id, entry.at, news=found.news)
    feed = entry.actor.partition(":")[2]
    for captured in found.captured:
        if whose(captured.person, feed) == person:
            yield Reading(entry.id, entry.at, captured=captured)
