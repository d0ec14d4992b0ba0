"""A person's record: everything on file about one person, and what a reading of a journal entry may add to it.

The step of the pipeline is a function from record to record; the store writes the difference of the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from adapters.model.charge import Charge, Finding, Hold, Skip
from adapters.model.claim import ClaimEvent, ClaimOnFile
from adapters.model.event import Event, Omission
from adapters.model.ledger import Entry
from adapters.model.money import Cents
from adapters.model.people import Identifier, PersonHint
from adapters.model.remittance import Payment, Remittance, Unread
from adapters.model.work import WorkItem


class ChargeStatus(StrEnum):
    """Where a charge on file stands."""

    DUE = "due"
    CLAIMED = "claimed"
    """On a claim that has not left yet."""
    SENT = "sent"
    SETTLED = "settled"
    VOID = "void"
    """No longer due; kept, because it was once on file."""


@dataclass(frozen=True, slots=True)
class ChargeOnFile:
    """A charge with its identity and where it stands."""

    id: str
    charge: Charge
    status: ChargeStatus = ChargeStatus.DUE
    claim: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """Something that falls due: the lane is looked at again not before this instant."""

    what: str
    """`claim` (a billing cycle closes), `poll`, `search`, …"""
    about: str
    not_before: datetime


OMITTED: Final = "omitted:"
"""Prefix of the event field of a skip that names a part of a message which gave no event."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of a person's record came under the identifiers of one lane, where several lanes are one person."""

    lane: str
    identifiers: tuple[Identifier, ...] = ()
    events: tuple[str, ...] = ()
    """Ids of events, in the order in which they came."""
    omissions: tuple[str, ...] = ()
    """What the skips are of that name a part of a message which gave no event."""


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """One person's record."""

    person: str
    identifiers: tuple[Identifier, ...] = ()
    events: tuple[Event, ...] = ()
    charges: tuple[ChargeOnFile, ...] = ()
    holds: tuple[Hold, ...] = ()
    skips: tuple[Skip, ...] = ()
    findings: tuple[Finding, ...] = ()
    claims: tuple[ClaimOnFile, ...] = ()
    remittances: tuple[Remittance, ...] = ()
    entries: tuple[Entry, ...] = ()
    work: tuple[WorkItem, ...] = ()
    due: tuple[Due, ...] = ()
    parts: tuple[Part, ...] = ()
    """The lanes that are this one person, its own first; none where it is the only one (`model.union`)."""
    root: str = ""
    """The lane in which the person's record is kept, where it is another: this is a share of that record."""

    @property
    def lanes(self) -> tuple[str, ...]:
        """All lanes of the person, its own first."""
        return tuple(part.lane for part in self.parts) or (self.person,)

    @property
    def goes_by(self) -> tuple[Identifier, ...]:
        """The identifiers that the person goes by: where records were put together, those of the survivor."""
        surviving = self.parts[0].identifiers if self.parts else ()
        return surviving or self.identifiers

    def claim(self, id: str) -> ClaimOnFile | None:
        """The claim of that id, or None."""
        return next((c for c in self.claims if c.claim.id == id), None)

    def with_claim(self, changed: ClaimOnFile) -> PersonRecord:
        """The record with that claim in place of its earlier state, or added."""
        others = tuple(c for c in self.claims if c.claim.id != changed.claim.id)
        if len(others) == len(self.claims):
            return replace(self, claims=(*self.claims, changed))
        return replace(self, claims=tuple(changed if c.claim.id == changed.claim.id else c for c in self.claims))


@dataclass(frozen=True, slots=True)
class Captured:
    """What one message says about one person."""

    person: PersonHint
    events: tuple[Event, ...] = ()
    omissions: tuple[Omission, ...] = ()
    payment: Payment | None = None
    """What a payer's payment says of no claim; then the person is the payer, whose own lane keeps it."""


@dataclass(frozen=True, slots=True)
class SubmissionNews:
    """What became of one call to a payer, beside the answer's content: a step of the claim's life with its evidence."""

    claim: str
    event: ClaimEvent
    evidence: str
    """One sentence without PHI: `202 accepted`, `search found it`, `connection closed after sending`."""
    answer: Remittance | Unread | None = None
    location: str = ""
    """Where to poll, when the payer said so."""
    wait_seconds: int = 0
    """How long the payer asked to be left alone (Retry-After); 0 where it said nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A journal entry as it concerns one person: what was captured, or what a payer answered."""

    entry: str
    at: datetime
    captured: Captured | None = None
    news: SubmissionNews | None = None
    lane: str = ""
    """The lane of the identifiers that it names, where several are one person; else the record's own."""


@dataclass(frozen=True, slots=True)
class Parked:
    """An entry that cannot be read now: kept whole, shown on the work list, replayable."""

    entry: str
    reason: str
    detail: str = ""
    problems: tuple[str, ...] = field(default=())
    amount: Cents = 0
    """The money that waits with it, where that is known."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The clock as it is handed in: the instant, and the site's local date of it."""

    now: datetime
    today: date
