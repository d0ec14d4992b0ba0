"""What the page of a claim shows, as values: its life, its lines and their money, answers, ledger, documents, work.

The nouns stand here; `claim_read` makes them from a record. Amounts are cents; nothing is formatted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from adapters.letters.history import Step
from adapters.model.claim import ClaimOnFile
from adapters.model.ledger import Account, Money
from adapters.model.money import Cents
from adapters.model.work import WorkItem
from adapters.pages.course_view import Adjusted, Fate


@dataclass(frozen=True, slots=True)
class ClaimRow:
    """A claim in the list."""

    id: str
    patient: str
    payer: str
    entity: str
    form: str
    kind: str
    """original, replacement, void."""
    state: str
    fate: Fate
    built: date
    first: date
    """The first date of service."""
    days: int
    """Since it was sent, or built where it was not."""
    lines: int
    total: Cents
    sent: str
    number: str
    deadline: date | None


@dataclass(frozen=True, slots=True)
class ChargeLink:
    """A charge that a line bills, with the course it is of."""

    id: str
    course: str
    """The course's name in an address."""


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line of the claim with what became of its money."""

    number: int
    spelled: str
    label: str
    units: int
    start: date
    end: date
    amount: Cents
    diagnoses: tuple[str, ...]
    charges: tuple[ChargeLink, ...]
    money: Money | None
    adjusted: tuple[Adjusted, ...]
    more: tuple[str, ...]
    """What else the line says: place, NDC, providers, words."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing in the life of a claim, by its evidence in the journal."""

    at: datetime
    what: str
    message: str
    """Id of the journal entry."""


@dataclass(frozen=True, slots=True)
class Posting:
    """A ledger entry that touches the claim."""

    id: str
    """Its name in an address."""
    at: datetime
    cause: str
    sides: tuple[tuple[Account, Cents, int | None], ...]
    reverses: bool


@dataclass(frozen=True, slots=True)
class Paper:
    """A document as it was sent or came, in readable form."""

    title: str
    text: str
    message: str = ""
    """Id of the journal entry that holds it; empty for what is made anew from what is on file."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class ClaimPage:
    """Everything on the page of a claim."""

    on_file: ClaimOnFile
    person: str
    """The lane in which the person is kept."""
    identifiers: tuple[str, ...]
    kind: str
    state: str
    fate: Fate
    days: int
    money: Money
    lines: tuple[LineRow, ...]
    steps: tuple[Step, ...]
    said: tuple[Said, ...]
    postings: tuple[Posting, ...]
    balance: tuple[tuple[Account, Cents], ...]
    open_work: tuple[WorkItem, ...]
    closed_work: tuple[WorkItem, ...]
    papers: tuple[Paper, ...]

    @property
    def denied(self) -> bool:
        """Whether a letter of appeal can be drafted."""
        return any(item.kind == "denial" for item in self.open_work)
