"""The seams to the world, as Protocols: what the pure levels are handed and the outer levels provide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.people import PersonHint
from adapters.model.record import Parked, PersonRecord
from adapters.model.work import WorkItem


class Clock(Protocol):
    """Tells the time; injected so that a demo, a test and a simulation walk their own."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """What arrived, with the answer that will be given for it; stored together before the answer leaves."""

    kind: JournalKind
    channel: str
    """Listener and authenticated peer; part of the key by which a resend is known."""
    sender: str
    """MSH-3|MSH-4 or client id."""
    actor: str
    media: str
    control: str
    digest: str
    body: bytes
    answer: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Received:
    """What the store made of a receipt."""

    entry: str
    answer: bytes
    """The answer to give: for a resend the one stored the first time."""
    repeated: bool = False
    control_reused: bool = False
    """The same sender used this control id before for another body; both are kept."""


class Store(Protocol):
    """The journal, the persons' records, the work list. Every method raises `StoreDown` when the store cannot answer."""

    def receive(self, receipt: Receipt) -> Received:
        """Store and sync; returns only when the bytes would survive a power cut."""
        ...

    def unread(self, limit: int) -> Sequence[JournalEntry]:
        """Journal entries that no step has taken yet, in order; parked ones are not among them."""
        ...

    def entry(self, id: str) -> JournalEntry | None:
        """One journal entry with its body decrypted, or None."""
        ...

    def person(self, hint: PersonHint, feed: str) -> str:
        """The lane of the person so named, made if new; remembers the feed's reference for later messages.

        A hint whose reference alone is given and unknown gives the empty string.
        """
        ...

    def person_of_claim(self, claim: str) -> str:
        """The lane of a claim of ours, or the empty string."""
        ...

    def load(self, person: str) -> PersonRecord:
        """The person's record; empty for a new person."""
        ...

    def save(
        self,
        before: PersonRecord,
        after: PersonRecord,
        *,
        taken: Iterable[str] = (),
        read: Iterable[str] = (),
        tick: datetime,
    ) -> None:
        """Write what changed between the two, mark the entries as taken and note the lane's tick, in one transaction.

        `read` names every entry that the step read, also those that a later lane of the round will take: with it the
        tick says all that a rebuild needs to know.
        """
        ...

    def park(self, parked: Parked, item: WorkItem) -> None:
        """Set an entry aside with its reason and open its work item, in one transaction."""
        ...

    def unpark(self, entry: str) -> bool:
        """Make a parked entry readable again and close its work item; False when it is not parked."""
        ...

    def close_entry(self, entry: str) -> None:
        """Mark an entry as taken that concerns no person."""
        ...

    def due_lanes(self, now: datetime) -> Sequence[str]:
        """Persons who have something due at or before the instant."""
        ...

    def lanes(self) -> Sequence[str]:
        """All persons on file, in a stable order."""
        ...
