"""What the doors need of the program put together: the composition root of `adapters.wiring`, seen from here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol

from adapters.ehr.notes import EhrStore
from adapters.model.claim import ClaimOnFile
from adapters.model.draft import Draft
from adapters.model.journal import JournalEntry
from adapters.model.people import PersonHint
from adapters.model.record import Parked, PersonRecord
from adapters.model.site import Payer, Site
from adapters.model.work import WorkItem
from adapters.pages.wired import PageStore
from adapters.pipeline import House
from adapters.pipeline.exchange import Exchange
from adapters.ports import Clock, LaneQueue, Receipt, Received, Store
from adapters.rules import Ruleset
from adapters.store import AtHand, Counts, Of, Share, Stepped, Traced
from adapters.store.hearing import Told


class FeedStore(Protocol):
    """The store as it is listened to feeds by."""

    def journal(self, after: int = 0, limit: int = 1000) -> Sequence[JournalEntry]:
        """Journal entries with their bodies, in order, those numbered above `after`."""
        ...

    def counts(self) -> Counts:
        """The journal by what became of its entries."""
        ...

    def last_noted(self, channel: str, control: str) -> JournalEntry | None:
        """The last entry of the channel with this control id that was noted, or None."""
        ...

    def tell_of_feed(self, told: Told, after: str) -> JournalEntry | None:
        """Write an entry about a feed with its work items; None where the last one is not `after` any more."""
        ...


class LaneStore(Store, FeedStore, Protocol):
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

    def waiting_in(self, lanes: Sequence[str]) -> dict[str, list[Share]]:
        """All that waits in each of these lanes, in the order of the journal; a lane in which nothing does is not there."""
        ...

    def lanes_of(self, lane: str) -> tuple[str, ...]:
        """All lanes of the person of whom this is one, the root first."""
        ...

    def groups_of(self, lanes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """For each of these lanes all lanes of its person, the root first."""
        ...

    def persons_of_claims(self, claims: Iterable[str]) -> dict[str, str]:
        """The lane of each of these claims that is one of ours."""
        ...

    def load_all(self, persons: Sequence[str]) -> dict[str, PersonRecord]:
        """The records of several persons, as of one instant."""
        ...

    def save_all(self, steps: Sequence[Stepped], *, tick: datetime, under: str = "", again: bool = False) -> None:
        """Write steps of different persons in one transaction: where one of them is refused, none is written."""
        ...

    def regroup(
        self, before: Sequence[PersonRecord], after: Sequence[PersonRecord], *, tick: datetime, under: str = ""
    ) -> None:
        """Write records whose lanes were put together or apart, with one tick that says so, in one transaction."""
        ...

    def lane_of(self, hint: PersonHint, feed: str) -> str:
        """The lane of the person so named now, with nothing written; empty where nobody on file is named so."""
        ...

    def entries(self, ids: Iterable[str]) -> Sequence[JournalEntry]:
        """Those of these journal entries that are on file, with their bodies decrypted, in order."""
        ...

    def receive_soon(self, receipt: Receipt) -> Future[Received]:
        """Store without waiting: the future is done after the COMMIT."""
        ...

    def claims(self) -> Sequence[Of[ClaimOnFile]]:
        """All claims on file, each with its person."""
        ...

    def not_taken(self, entries: Iterable[str]) -> frozenset[str]:
        """Those of the entries that are neither taken nor parked."""
        ...

    def change_item(self, id: str, change: Callable[[WorkItem], WorkItem]) -> bool:
        """Write what a change makes of a work item that concerns no person; False where there is none of this id."""
        ...

    def parked(self) -> Sequence[Parked]:
        """All that is parked, with its reason, in the order of the journal."""
        ...

    def seal(self, now: datetime) -> int:
        """Seal what no seal holds yet; how many journal entries that were. Cheap when there is nothing."""
        ...


class DoorStore(LaneStore, EhrStore, PageStore, Protocol):
    """The store as doors use it."""

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

    def read(self, payer: Payer, reference: str) -> bytes | None:
        """A resource that the payer has named; None where it cannot be had now, `b""` where it never can."""
        ...

    def rests(self, payer: Payer) -> float:
        """Seconds for which the payer is to be left alone; 0 when it may be called."""
        ...

    def hurry(self) -> None:
        """The program is to end: no call waits for another attempt any more."""
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

    def drafted(self, draft: Draft) -> tuple[Ruleset, Site]:
        """The rules and the site of a draft over what is in force; raises `BadSetup` with all problems."""
        ...

    def mapping_text(self, file: str) -> tuple[str, str] | None:
        """Name and text of a file of the mappings in force, as rules name it; None for what is none."""
        ...
