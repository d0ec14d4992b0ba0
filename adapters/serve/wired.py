"""What the doors need of the program put together: the composition root of `adapters.wiring`, seen from here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol

from adapters.model.journal import JournalEntry
from adapters.model.record import Parked
from adapters.model.site import Payer, Site
from adapters.pipeline import House
from adapters.pipeline.exchange import Exchange
from adapters.ports import Clock, LaneQueue, Receipt, Received, Store
from adapters.store import AtHand, Counts, Share, Traced


class LaneStore(Store, Protocol):
    """The store as lanes use it."""

    @property
    def queue(self) -> LaneQueue:
        """Which lanes are runnable, who works them, and who may touch one."""
        ...

    def at_hand(self, limit: int, reason: str) -> AtHand:
        """What waits in lanes, at most so many entries that nobody has sorted yet, and what is parked for a reason."""
        ...

    def sort(self, shares: Iterable[Share]) -> None:
        """Let entries wait in the lanes they concern, and make these lanes runnable, in one transaction."""
        ...

    def unsort(self, entry: str) -> None:
        """Make an entry unread again that waits in lanes."""
        ...

    def waiting(self, person: str) -> Sequence[Share]:
        """All that waits in a lane, in the order of the journal."""
        ...

    def entries(self, ids: Iterable[str]) -> Sequence[JournalEntry]:
        """Those of these journal entries that are on file, with their bodies decrypted, in order."""
        ...

    def not_taken(self, entries: Iterable[str]) -> frozenset[str]:
        """Those of the entries that are neither taken nor parked."""
        ...

    def parked(self) -> Sequence[Parked]:
        """All that is parked, with its reason, in the order of the journal."""
        ...

    def seal(self, now: datetime) -> int:
        """Seal what no seal holds yet; how many journal entries that were. Cheap when there is nothing."""
        ...


class DoorStore(LaneStore, Protocol):
    """The store as doors use it."""

    def receive_soon(self, receipt: Receipt) -> Future[Received]:
        """Store without waiting: the future is done after the COMMIT."""
        ...

    def counts(self) -> Counts:
        """The journal by what became of its entries."""
        ...

    def trace(self, entry: str) -> Traced | None:
        """What became of a journal entry; None for an unknown id."""
        ...


class Payers(Protocol):
    """Calls to payers; see `adapters.payers.PayerClient`."""

    def submit(self, claim: str, payer: Payer, body: bytes) -> Exchange:
        """Send a claim."""
        ...

    def poll(self, claim: str, payer: Payer, location: str = "") -> Exchange:
        """Ask for the answer to a claim that the payer has."""
        ...

    def search(self, claim: str, payer: Payer) -> Exchange:
        """Ask whether the payer knows of a claim."""
        ...


class Wired(Protocol):
    """The program put together."""

    @property
    def site(self) -> Site:
        """The site's settings in force."""
        ...

    @property
    def house(self) -> House:
        """Rules and settings by which records are stepped."""
        ...

    @property
    def store(self) -> DoorStore:
        """The store."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...

    @property
    def payers(self) -> Payers:
        """The way to payers."""
        ...
