"""What a person decided or knows, as a value: who, why, when, and what it says.

A decision is one entry of the journal (kind DECISION) whose body is its canonical JSON, so that the same decision sent
again is the same entry. It says one or several things (`Saying`); each becomes an event of kind `decision`, or an event
of the kind that a person says happened, in the record of the person concerned, and is read again with every derivation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from adapters.model.charge import Charge, Hold, Slot
from adapters.model.event import Event
from adapters.model.people import PersonHint
from adapters.model.why import Why

KIND = "decision"
"""The kind of event that a saying becomes."""


class Verb(StrEnum):
    """What a person may do."""

    CLOSE = "close"
    """An item of the work list is done with, although its cause is still there."""
    ASSIGN = "assign"
    """An item is somebody's."""
    RELEASE = "release"
    """The question that a hold asks is answered: the line goes out."""
    OVERRIDE = "override"
    """A line goes out although an edit holds it; for supervisors."""
    WITHDRAW = "withdraw"
    """An earlier decision does not hold any more."""
    EVENT = "event"
    """Something happened that no feed reported."""
    FACT = "fact"
    """A fact of an event, or of all sessions of a plan."""
    DROP = "do-not-bill"
    """A line is not billed."""
    BILL = "bill"
    """A line is billed under another code, with other modifiers or units."""
    VOID = "void"
    """A claim that was sent is cancelled at its payer, and its lines are not billed again."""
    MERGE = "merge"
    """Two identities are one person."""
    UNMERGE = "unmerge"
    """They are not."""
    MATCH = "match"
    """An answer of a payer is this claim's, whatever it names."""


@dataclass(frozen=True, slots=True)
class Saying:
    """One thing that a decision says: a verb and its words, or the event that a person says happened."""

    verb: Verb
    words: tuple[tuple[str, str], ...] = ()
    """Name and value, names as in `model.facts.FACTS`, sorted; a name may come more than once."""

    def value(self, name: str) -> str:
        """The first value of that name, empty where there is none."""
        return next((value for known, value in self.words if known == name), "")

    def values(self, name: str) -> tuple[str, ...]:
        """All values of that name, in their order."""
        return tuple(value for known, value in self.words if known == name)


def saying(verb: Verb, words: Iterable[tuple[str, str]] = (), **more: str) -> Saying:
    """A saying with its words in canonical order; empty values are left out. Of one name the order given is kept."""
    given = [*words, *more.items()]
    return Saying(verb, tuple(sorted(((n, v) for n, v in given if v), key=lambda word: word[0])))


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of one person."""

    by: str
    """Who decided, by the name that the site knows the person by."""
    why: str
    """The reason in the person's words."""
    at: datetime
    says: tuple[Saying, ...]
    person: PersonHint = field(default_factory=PersonHint)
    """Whom it concerns: a lane, or identifiers; nobody for an item of the work list that concerns no person."""
    supervisor: bool = False
    """Whether the person was a supervisor then: by the role of a user, else by the site file."""


@dataclass(frozen=True, slots=True)
class About:
    """Which line a saying is about, in words that outlast its slot.

    `episode` is the episode without its lane (records may be put together); `anchor` the first report that the line
    rests on, `message#place`: a line whose slot has moved because its key became known better is found by it.
    """

    episode: str
    service: str
    key: str
    part: str
    anchor: str = ""

    @classmethod
    def of(cls, slot: Slot, why: Why) -> About:
        """The line of this slot and reason."""
        return cls(_without_lane(slot.episode), slot.service, slot.key, slot.part, next(iter(anchors(why)), ""))

    @property
    def words(self) -> tuple[tuple[str, str], ...]:
        """As words of a saying."""
        return (
            ("about.episode", self.episode),
            ("about.service", self.service),
            ("about.key", self.key),
            ("about.part", self.part),
            ("about.anchor", self.anchor),
        )

    @classmethod
    def said(cls, event: Event) -> About:
        """The line that a saying is about, read from its event."""
        return cls(*(event.value(f"about.{name}") for name in ("episode", "service", "key", "part", "anchor")))

    def fits(self, slot: Slot, why: Why) -> bool:
        """Whether it is this line: the same slot; else the same service and part of the same reported thing.

        The units of a counted service (management, physics) are known by their number alone: what supports the second
        unit today supports the third when a session comes late.
        """
        if (self.episode, self.service, self.part) != (_without_lane(slot.episode), slot.service, slot.part):
            return self._moved(slot, why)
        return self.key == slot.key or self._moved(slot, why)

    def _moved(self, slot: Slot, why: Why) -> bool:
        same = (self.service, self.part) == (slot.service, slot.part)
        counted = self.key.isdigit() or slot.key.isdigit()
        return same and not counted and bool(self.anchor) and self.anchor in anchors(why)


def _without_lane(episode: str) -> str:
    return episode.partition("/")[2]


def anchors(why: Why) -> tuple[str, ...]:
    """The reports that an outcome rests on, as `message#place`, in order."""
    return tuple(f"{fact.source.message}#{fact.source.at}" for fact in why.facts if fact.name == "event")


def bill_mark(charge: Charge | None) -> str:
    """A mark of what a line would bill: code, modifiers, units and dates. Empty where it would bill nothing."""
    if charge is None:
        return ""
    return _mark(charge.code, *charge.modifiers, str(charge.units), charge.start.isoformat(), charge.end.isoformat())


def facts_mark(hold: Hold) -> str:
    """A mark of all that a hold says: its code, what it would bill, and every fact that it rests on, wherever read.

    A second report that says the same changes nothing in it.
    """
    facts = sorted({f"{fact.name}={fact.value}" for fact in hold.why.facts})
    return _mark(hold.code, bill_mark(hold.would), *facts)


def _mark(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
