"""Sorting: what is unread is read, and given to the lanes of the persons it is about, in the order of the journal.

Serial over the whole store: whoever sorts is alone at it (`LaneQueue.alone`). What cannot be read, or is about somebody
who is not known, is parked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from adapters.errors import StoreDown
from adapters.model.journal import JournalEntry
from adapters.model.people import PersonHint
from adapters.model.record import Parked, Reading
from adapters.pipeline import ReadEntry
from adapters.pipeline.remitting import ACTOR, letter_receipt
from adapters.ports import Received
from adapters.serve.stepping import PERSON_AMBIGUOUS, PERSON_UNKNOWN, Stepping
from adapters.serve.waits import Waiting, feed_name
from adapters.store import Share

_SEVERAL = "it names one person by numbers that belong to several on file"
_GONE = "it says that something was deleted of which nothing is on file; if it was never sent here, close the item"


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
        concerned = sum(captured.person.known for captured in entry.captured)
        self.shares.append(Share(id, entry.entry.seq, person, tuple(parts), concerned))
        self.entries[id] = entry

    def by_lane(self) -> dict[str, list[Waiting]]:
        """What the round says about each lane."""
        return {
            person: [Waiting(entry, tuple(same)) for entry, same in groupby(those, key=lambda reading: reading.entry)]
            for person, those in self.readings.items()
        }


def taken_from(left: dict[str, list[Waiting]], lanes: Sequence[str]) -> list[Waiting]:
    """What a round says about the lanes of one person, taken out of what is left of it.

    An entry is taken with the last lane that has it.
    """
    mine: dict[str, list[Reading]] = {}
    for lane in lanes:
        for one in left.pop(lane, ()):
            said = one.readings if lane == lanes[0] else (replace(reading, lane=lane) for reading in one.readings)
            mine.setdefault(one.entry, []).extend(said)
    others = {one.entry for those in left.values() for one in those}
    return [Waiting(entry, tuple(said), last=entry not in others) for entry, said in mine.items()]


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
        whose = self._stepping.persons_of(placed)
        for entry in placed:
            self._surely(entry, lambda entry: self._place(entry, found, whose, now), now)
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
            if captured.person.identifiers and not self._ambiguous(captured.person, feed_name(entry.entry)):
                self._store.person(captured.person, feed_name(entry.entry))

    def _ambiguous(self, hint: PersonHint, feed: str) -> bool:
        """Whether the numbers of one person in a message are those of several on file."""
        if len(hint.identifiers) < 2:
            return False
        lanes = {self._store.lane_of(PersonHint((number,)), feed) for number in hint.identifiers} - {""}
        return len(lanes) > 1 and not lanes <= set(self._store.lanes_of(min(lanes)))

    def _place(self, entry: ReadEntry, found: Round, whose: Mapping[str, str], now: datetime) -> None:
        """Give what an entry says to the lanes it concerns, or park it. `whose`: the lanes of claims of which there is news."""
        id = entry.entry.id
        if entry.parked is not None:
            self._stepping.park(entry.parked, now)
        elif entry.letters:
            self._take_apart(entry, now)
        elif entry.news is not None:
            person = whose.get(entry.news.claim, "")
            if person:
                found.add(person, entry, ())
            else:
                self._stepping.park(Parked(id, "unmatched-response", "the answer is for no claim of ours"), now)
        elif entry.decision is not None and not entry.captured:
            self._stepping.decided(entry.decision, id)
        elif not any(captured.person.known for captured in entry.captured):
            self._store.close_entry(id)
        else:
            self._place_captured(entry, found, now)

    def _take_apart(self, entry: ReadEntry, now: datetime) -> None:
        """Journal each letter of a payer's body, with the claim of ours that it is about; then the body is done with.

        A crash between leaves the body unread, and the same letters come of it again.
        """
        numbers: dict[tuple[str, str], str] | None = None
        payer = entry.entry.actor.removeprefix(ACTOR)
        waiting: list[Future[Received]] = []
        ours = self._store.persons_of_claims(letter.claim for letter in entry.letters if letter.claim)
        for letter in entry.letters:
            claim = letter.claim if letter.claim in ours else ""
            if not claim and letter.number:
                numbers = numbers if numbers is not None else self._numbers()
                claim = numbers.get((payer, letter.number), "")
            waiting.append(self._store.receive_soon(letter_receipt(replace(letter, claim=claim), entry.entry, now)))
        for one in waiting:  # many letters share a commit, and all are on disk before the body is done with
            one.result()
        self._store.close_entry(entry.entry.id)

    def _numbers(self) -> dict[tuple[str, str], str]:
        """(payer, its number) → our claim, of all claims that a payer has numbered; a number of two claims finds neither.

        Also under no payer, for what came through a door that names none.
        """
        found: dict[tuple[str, str], str] = {}
        for one in self._store.claims():
            number, claim = one.value.payer_claim_number, one.value.claim
            for key in ((claim.payer.id, number), ("", number)) if number else ():
                found[key] = "" if key in found and found[key] != claim.id else claim.id
        return found

    def _place_captured(self, entry: ReadEntry, found: Round, now: datetime) -> None:
        feed = feed_name(entry.entry)
        concerned = [(n, captured.person) for n, captured in enumerate(entry.captured) if captured.person.known]
        parts: dict[str, list[int]] = {}
        if any(self._ambiguous(person, feed) for _, person in concerned):
            self._stepping.park(Parked(entry.entry.id, PERSON_AMBIGUOUS, _SEVERAL), now)
            return
        for n, person in concerned:
            parts.setdefault(self._store.person(person, feed), []).append(n)
        unknown_of = parts.get("", [])
        deleted = bool(unknown_of) and all(e.kind == "deletion" for n in unknown_of for e in entry.captured[n].events)
        if deleted and len(unknown_of) < len(concerned):
            # Of what was deleted nothing is on file; the others of the message do not wait for it.
            del parts[""]
        if "" in parts:
            words = _GONE if deleted else "it is about a person of whom nothing is on file"
            unknown = Parked(entry.entry.id, PERSON_UNKNOWN, words)
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
            feed = feed_name(entry)
            self._strangers[entry.id] = tuple(
                (feed, c.person)
                for c in self._stepping.read(entry).captured
                if c.person.known and not c.person.identifiers
            )
        for id, hints in list(self._strangers.items()):
            if all(self._store.person(hint, feed) for feed, hint in hints):
                del self._strangers[id]
                self._store.unpark(id)
