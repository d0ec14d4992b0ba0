"""State = fold(journal): every record again from the journal alone, to be set against what is on file.

A tick of the journal says which lane was stepped, at what instant, by which entries and under which tables; nothing else
is needed, because the step is a function. The tables are opened again by the digests that the journal tells. Under the
rules and settings in force when it was written the fold gives the same bytes; under others it is a rehearsal, and says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from adapters.errors import BadSetup
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.merging import hint_of
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord, Reading, Tick
from adapters.model.tables import Tables
from adapters.model.union import shares
from adapters.pipeline.force import in_force, site_in_force
from adapters.pipeline.read import ReadEntry, read
from adapters.pipeline.step import NO_TABLES, House, step
from adapters.pipeline.uniting import regrouped

Whose = Callable[[PersonHint, str], str]
"""The lane of a person as a feed names it; asks, and makes nothing."""
Kept = Callable[[tuple[str, ...]], Tables]
"""The kept editions of these digests; raises `BadSetup` naming those that are not there."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """A step as the journal tells it."""

    person: str
    at: datetime
    read: tuple[str, ...]
    under: str = ""
    """Digest of the tables that it asked; empty where there were none."""
    again: bool = False
    """Whether everything was derived anew, because other tables had come into force."""
    groups: tuple[tuple[str, ...], ...] = ()
    """Lanes that were put together or apart: those of each person, the root first."""


def ticked(entry: JournalEntry) -> Ticked:
    """The step that a tick entry tells of."""
    said = json.loads(entry.body)
    at = datetime.fromisoformat(said["tick"])
    groups = tuple(tuple(lanes) for lanes in said.get("groups", ()))
    return Ticked(said["person"], at, tuple(said["taken"]), said.get("under", ""), said.get("again", False), groups)


class Folding:
    """A journal being folded: give it the entries in order, then look at the records."""

    def __init__(self, house: House, whose: Whose, kept: Kept | None = None) -> None:
        """`house` gives rules and site; the tables are those of each tick, which `kept` opens."""
        self.records: dict[str, PersonRecord] = {}
        """The records so far, lane by lane."""
        self.foreign: list[str] = []
        """What of the journal was written under other rules or settings than the house's, in words."""
        self._house = house
        self._whose = whose
        self._kept = kept
        self._zone = ZoneInfo(house.site.zone)
        self._waiting: dict[str, JournalEntry] = {}
        self._known: dict[str, ReadEntry] = {}
        self._editions: dict[str, tuple[str, ...]] = {"": ()}
        self._houses: dict[str, House] = {house.tables.digest: house}
        self._then: dict[str, str] = {}

    def add(self, entry: JournalEntry) -> None:
        """The next entry. Raises `BadSetup` where a step asked tables that are not there any more."""
        if entry.kind is JournalKind.TICK:
            self._step(ticked(entry))
        elif entry.kind is JournalKind.RULES:
            force = in_force(entry)
            self._editions[force.tables] = force.editions
            self._compare(entry, "rules", force.rules, self._house.rules.digest)
        elif entry.kind is JournalKind.SITE:
            self._compare(entry, "site file", site_in_force(entry), self._house.site.digest)
        elif entry.kind not in (JournalKind.EHR, JournalKind.FEED, JournalKind.USER):
            self._waiting[entry.id] = entry

    def _compare(self, entry: JournalEntry, what: str, then: str, now: str) -> None:
        """Note where what was in force then begins to be something else than now."""
        if then not in (now, self._then.get(what, now)):
            self.foreign.append(f"from journal entry {entry.seq} on: written under {what} {then[:16]}, a rehearsal")
        self._then[what] = then

    def _step(self, tick: Ticked) -> None:
        at = Tick(tick.at, tick.at.astimezone(self._zone).date())
        if tick.groups:
            self._regroup(tick, at)
            return
        record = self.records.get(tick.person) or PersonRecord(tick.person)
        readings: list[Reading] = []
        for id in tick.read:
            if id not in self._known:
                self._known[id] = read(self._waiting[id], self._house.rules, self._house.site)
            readings.extend(_of(self._known[id], record.lanes, self._whose))
        self._keep(step(record, readings, self._under(tick.under), at, again=tick.again))

    def _regroup(self, tick: Ticked, at: Tick) -> None:
        """Put the lanes together, or apart, as it was done then."""
        lanes = [lane for group in tick.groups for lane in group]
        known = [self.records.get(lane) or PersonRecord(lane) for lane in lanes]
        whose = self._whose

        def lane_of(identity: Identifier) -> str:
            return whose(hint_of(identity), "")

        persons = sorted((record for record in known if not record.root), key=lambda record: record.person)
        for record in regrouped(persons, tick.groups, lane_of, self._under(tick.under), at):
            self._keep(record)

    def _keep(self, record: PersonRecord) -> None:
        self.records.update({share.person: share for share in shares(record)})
        self.records[record.person] = record

    def _under(self, digest: str) -> House:
        """The house over the tables of this digest."""
        if digest not in self._houses:
            editions = self._editions.get(digest)
            if editions is None:
                raise BadSetup((f"tables {digest}: the journal does not say which editions they are",))
            if editions and self._kept is None:
                raise BadSetup(tuple(f"edition {edition}: it is needed and not there" for edition in editions))
            tables = self._kept(editions) if self._kept is not None and editions else NO_TABLES
            self._houses[digest] = House.of(self._house.rules, self._house.site, tables)
        return self._houses[digest]


def fold(
    entries: Iterable[JournalEntry], house: House, whose: Whose, kept: Kept | None = None
) -> dict[str, PersonRecord]:
    """The records that the journal gives, lane by lane; see `Folding`."""
    folding = Folding(house, whose, kept)
    for entry in entries:
        folding.add(entry)
    return folding.records


def _of(found: ReadEntry, lanes: Sequence[str], whose: Whose) -> Iterable[Reading]:
    """What an entry says about one person, lane by lane."""
    entry = found.entry
    if found.news is not None:
        yield Reading(entry.id, entry.at, news=found.news)
    feed = entry.actor.partition(":")[2]
    for captured in found.captured:
        lane = whose(captured.person, feed)
        if lane in lanes:
            yield Reading(entry.id, entry.at, captured=captured, lane=lane)
