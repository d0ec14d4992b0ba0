"""Sorting: what is unread is read, and given to the lanes of the persons it is about, in the order of the journal.

Serial over the whole store: whoever sorts is alone at it (`LaneQueue.alone`). What cannot be read, or is about somebody
who is not known, is parked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from adapters.errors import StoreDown
from adapters.model.journal import JournalEntry
from adapters.model.people import PersonHint
from adapters.model.record import Parked, Reading
from adapters.pipeline import ReadEntry
from adapters.serve.stepping import PERSON_UNKNOWN, Stepping, Waiting
from adapters.store import Share


@dataclass(slots=True)
class Round:
    """The entries of one round: the lanes they concern, in the order in which the journal names them."""

    readings: dict[str, list[Reading]] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)
    entries: dict[str, ReadEntry] = field(default_factory=dict)
    """Those that concern a lane."""

    def add(self, person: str, entry: ReadEntry, parts: Sequence[int]) -> None:
        """An entry says these of the things captured from it, or its news, about a person."""
        id, at = entry.entry.id, entry.entry.at
        said = [Reading(id, at, captured=entry.captured[part]) for part in parts]
        self.readings.setdefault(person, []).extend(said or [Reading(id, at, news=entry.news)])
        self.shares.append(Share(id, entry.entry.seq, person, tuple(parts), len(entry.captured)))
        self.entries[id] = entry

    def lanes(self) -> Iterator[tuple[str, list[Waiting]]]:
        """What the round says about each lane; an entry is taken with the last lane that has it."""
        last = {reading.entry: person for person, those in self.readings.items() for reading in those}
        for person, those in self.readings.items():
            yield (
                person,
                [
                    Waiting(entry, tuple(same), last=last[entry] == person)
                    for entry, same in groupby(those, key=lambda reading: reading.entry)
                ],
            )


class Sorting:
    """Sorts for one `Stepping`; the caller sees to it that nobody else does at the same time."""

    def __init__(self, stepping: Stepping) -> None:
        self._stepping = stepping
        self._store = stepping.store
        self._strangers: dict[str, tuple[tuple[str, PersonHint], ...]] = {}
        """Parked entry → (feed, hint) of the persons whom nobody has told us of yet."""
        self._parked: list[str] = []
        """Entries parked for that since `call_strangers`."""

    def round(self, entries: Sequence[JournalEntry], now: datetime) -> Round:
        """Read these entries and give them to their lanes, in memory; what concerns nobody or must be parked is done.

        Raises `StoreDown`.
        """
        self._stepping.parked.clear()
        found = Round()
        known = [self._stepping.read(entry) for entry in entries]
        # Persons with identifiers first: what refers to them may stand before them in the same batch.
        placed = [entry for entry in known if self._surely(entry, self._introduce, now)]
        for entry in placed:
            self._surely(entry, lambda entry: self._place(entry, found, now), now)
        return found

    def _surely(self, entry: ReadEntry, do: Callable[[ReadEntry], None], now: datetime) -> bool:
        """Do it; an entry that it breaks on is parked. Whether it went well."""
        try:
            do(entry)
        except StoreDown:
            raise
        except Exception as error:  # noqa: BLE001  # one entry must not stand in the way of all behind it
            self._stepping.park(Parked(entry.entry.id, "exception", type(error).__name__), now)
            return False
        return True

    def _introduce(self, entry: ReadEntry) -> None:
        for captured in entry.captured:
            if captured.person.identifiers:
                self._store.person(captured.person, _feed(entry.entry))

    def _place(self, entry: ReadEntry, found: Round, now: datetime) -> None:
        """Give what an entry says to the lanes it concerns, or park it."""
        id = entry.entry.id
        if entry.parked is not None:
            self._stepping.park(entry.parked, now)
        elif entry.news is not None:
            person = self._store.person_of_claim(entry.news.claim)
            if person:
                found.add(person, entry, ())
            else:
                self._stepping.park(Parked(id, "unmatched-response", "the answer is for no claim of ours"), now)
        elif not any(captured.person.known for captured in entry.captured):
            self._store.close_entry(id)
        else:
            self._place_captured(entry, found, now)

    def _place_captured(self, entry: ReadEntry, found: Round, now: datetime) -> None:
        feed = _feed(entry.entry)
        concerned = [(n, captured.person) for n, captured in enumerate(entry.captured) if captured.person.known]
        parts: dict[str, list[int]] = {}
        for n, person in concerned:
            parts.setdefault(self._store.person(person, feed), []).append(n)
        if "" in parts:
            unknown = Parked(entry.entry.id, PERSON_UNKNOWN, "it is about a person of whom nothing is on file")
            self._stepping.park(unknown, now)
            self._parked.append(entry.entry.id)
            return
        for lane, those in parts.items():
            found.add(lane, entry, those)

    def call_strangers(self, before: Sequence[str]) -> None:
        """Read again what was parked for an unknown person, once that person is known.

        `before`: what was parked for that when the round began.
        """
        parked = [*before, *self._parked]
        self._parked.clear()
        for gone in set(self._strangers).difference(parked):
            del self._strangers[gone]
        # Those of an earlier start are among them, and those that another process parked.
        new = [id for id in parked if id not in self._strangers]
        for entry in self._store.entries(new) if new else ():
            feed = _feed(entry)
            self._strangers[entry.id] = tuple(
                (feed, c.person)
                for c in self._stepping.read(entry).captured
                if c.person.known and not c.person.identifiers
            )
        for id, hints in list(self._strangers.items()):
            if all(self._store.person(hint, feed) for feed, hint in hints):
                del self._strangers[id]
                self._store.unpark(id)


def _feed(entry: JournalEntry) -> str:
    """The feed that brought an entry."""
    return entry.actor.partition(":")[2]
