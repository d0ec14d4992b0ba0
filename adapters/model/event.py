"""What a feed says happened, said in our words: one `Event` is one report of one thing.

An event carries its facts as `Fact`s, each with the message and field it was read from, so that whatever is later
derived from it can be explained. Its kind comes from `KINDS`, its fact names and their types from `FACTS`; a capture
that produces anything else is refused by `problems_of`, and so is a case or a hand-entered file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from adapters.model.facts import FACTS
from adapters.model.kinds import KINDS, Role
from adapters.model.why import Fact, Source, Told


class Status(StrEnum):
    """What the sender says became of the thing."""

    DONE = "done"
    NOT_DONE = "not-done"
    """Planned, but not performed (FHIR `not-done`, a refused administration): no service."""
    WITHDRAWN = "withdrawn"
    """Reported and taken back (FHIR `entered-in-error`, FT1-6 credit of the same transaction)."""


DOSE: Final = "administration"
"""A dose of a drug, before it is known whether it was an infusion, a push or an injection."""
DISPENSED: Final = "drug-dispense"

BEDSIDE: Final = frozenset(
    {
        DOSE,
        "infusion",
        "push",
        "injection",
        "hydration",
        "pump-start",
        "pump-refill",
        "pump-disconnect",
        "port-flush",
        "office-visit",
    }
)
"""Kinds of a visit for drugs: they belong to an encounter, never to a radiation course."""

UNCHARGED: Final = frozenset({DISPENSED})
"""Kinds of context that were done but are never charged themselves: their skip says so by name."""

HISTORIC: Final = "historic"
"""The fact of an event that was taken as history: it is derived from, and nothing that rests on such alone is claimed."""

ROLE_ORDER: Final = ("radiation-oncologist", "nurse-practitioner", "physician")
"""Of several roles that are told of one person the first of these counts."""

REFERENCE: Final = "ref"
"""Scheme of the keys by which other resources of a feed name the thing: `ref:feed|Procedure/7`."""
COUNTED: Final = "counted"
"""Scheme of the key of a session that is known by the count of its summary only: the rest is the summary's line."""


@dataclass(frozen=True, slots=True)
class Event(Told):
    """One report of one thing by one feed."""

    id: str
    """uuid5 of the message and the place in it; the same bytes always give the same id."""
    kind: str
    feed: str
    start: datetime
    """UTC. For a thing known by its date only: local noon, and `day` is what counts."""
    day: date
    """Local date of service, by the offset sent with the time or the feed's zone. A session past midnight counts on its start."""
    said: datetime
    """When the sender said it (MSH-7, meta.lastUpdated), UTC; of two reports of one line the later one holds."""
    line: str
    """Identity of the statement at its sender (FT1-2, official identifier, resource id): a later report restates it."""
    source: Source
    end: datetime | None = None
    status: Status = Status.DONE
    course: str = ""
    """The course's label at the clinic (`C1`), empty when the report does not say."""
    keys: tuple[str, ...] = ()
    """Identities of the thing itself (`uid:…`, `order:…`, `txn:…`): two reports that share one are of the same thing."""
    facts: tuple[Fact, ...] = ()

    @property
    def role(self) -> Role:
        """What this kind of event is for."""
        return KINDS[self.kind]

    @property
    def historic(self) -> bool:
        """Whether it was taken as history: who marks it so puts the fact behind all others."""
        return bool(self.facts) and self.facts[-1].name == HISTORIC


@dataclass(frozen=True, slots=True)
class Omission:
    """A part of a message that gives no event, with the reason: it is accounted for by a `Skip`, not lost."""

    reason: str
    source: Source
    detail: str = ""
    line: str = ""
    """Line of the statement that the part belongs to, where the sender named it: a later report of the line mends it."""
    said: datetime | None = None
    """When the sender said it, UTC; with `line`."""
    historic: bool = False
    """Whether the message was taken as history: then nobody works what it leaves out."""


def mends(event: Event, line: str, said: datetime, message: str) -> bool:
    """Whether the event is a later report of the line, by another message: what an earlier one left out is then told.

    Later by the sender's clock, strictly: a garbled credit that follows its charge is not mended by the charge.
    """
    same = event.line == line or event.line.startswith(f"{line}|")
    return same and event.said > said and event.source.message != message


def problems_of(event: Event) -> Iterator[str]:
    """What is wrong with an event by the tables above: unknown kind, unknown fact, ill-formed value. Values are not repeated."""
    if event.kind not in KINDS:
        yield f"{event.source.at}: no event kind {event.kind!r}"
    for fact in event.facts:
        form = FACTS.get(fact.name)
        if form is None:
            yield f"{fact.source.at}: no fact is named {fact.name!r}"
        elif not form.fullmatch(fact.value):
            yield f"{fact.source.at}: not a {fact.name}"
    if event.start.tzinfo is None or event.said.tzinfo is None:
        yield f"{event.source.at}: a time without its zone"
