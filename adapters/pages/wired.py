"""What the pages need of the program put together. They know no database: the store is what these methods say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from adapters.model.draft import Draft
from adapters.model.journal import JournalEntry
from adapters.model.lists import (
    ClaimListed,
    ClaimsAsked,
    MessageListed,
    MessagesAsked,
    Page,
    PayerStanding,
    WorkAsked,
    WorkListed,
)
from adapters.model.people import PersonHint
from adapters.model.record import Parked
from adapters.model.site import Payer, Site
from adapters.model.user import Role, Session, User
from adapters.model.work import WorkItem
from adapters.pipeline import House
from adapters.ports import Clock, LaneQueue, Store
from adapters.rules import Ruleset


class Kept(Protocol):
    """What an id is, and whose."""

    @property
    def kind(self) -> str:
        """A kind of journal entry, or `person`, `event`, `charge`, `claim`, `remittance`, `entry`, `work`."""
        ...

    @property
    def id(self) -> str:
        """The id."""
        ...

    @property
    def person(self) -> str:
        """The lane; empty for what is of nobody."""
        ...


class PageStore(Store, Protocol):
    """The store as pages read it, and as what people do in them is written. Every method raises `StoreDown`."""

    def users(self) -> Sequence[User]:
        """All users, by name."""
        ...

    def user(self, name: str) -> User | None:
        """The user of this name."""
        ...

    def mark_of(self, user: User, number: str, now: datetime) -> str:
        """What the browser is to hold by which the user has signed in now; `number` is fresh, and nobody can guess it."""
        ...

    def browser_of(self, mark: str, user: User, now: datetime) -> str:
        """The id of the browser that holds this mark, where the user as it is now has signed in by it; else empty."""
        ...

    def failed_to_sign_in(self, name: str, now: datetime, browser: str = "") -> None:
        """Count a wrong password for a name, or for a browser that it has signed in by."""
        ...

    def sign_in(self, name: str, secret: str, session: str, now: datetime, browser: str = "") -> Session | None:
        """Begin the session of this id (a digest), if the user still has this secret and does not rest, nor the browser
        that it has signed in by."""
        ...

    def let_in(self, name: str, role: Role | None, secret: str, session: str, now: datetime) -> Session | None:
        """Begin the session of a person whom somebody else vouches for, as a user of this role; None for a name that is
        another's. Without a role it is no user any more."""
        ...

    def session(self, id: str, now: datetime) -> Session | None:
        """The session of this id if it admits anybody now."""
        ...

    def sessions(self, now: datetime) -> Sequence[Session]:
        """Who is signed in now, by name."""
        ...

    def sign_out(self, id: str, by: str, now: datetime) -> bool:
        """End a session; False where there is none of this id."""
        ...

    def first_use(self, id: str, until: datetime, now: datetime) -> bool:
        """Whether nobody used it before; from now on somebody has."""
        ...

    def lanes_after(self, lane: str, limit: int) -> Sequence[str]:
        """The persons on file behind this one, by id, at most so many; with the empty text from the first."""
        ...

    def marks(self, lanes: Iterable[str]) -> Mapping[str, str]:
        """A mark of each of these records that is on file, another one after every change of it."""
        ...

    def open_work(self) -> Sequence[WorkListed]:
        """All open work items, each with the payer of the claim that it is about; in no order."""
        ...

    def work_item(self, id: str) -> WorkItem | None:
        """The work item of this id, open or closed."""
        ...

    def last_noted(self, channel: str, control: str) -> JournalEntry | None:
        """The last entry of the channel with this control id that was noted, or None."""
        ...

    def entries(self, ids: Iterable[str]) -> Sequence[JournalEntry]:
        """Those of these journal entries that are on file, with their bodies decrypted, in order."""
        ...

    def not_taken(self, entries: Iterable[str]) -> frozenset[str]:
        """Those of the entries that are neither taken nor parked."""
        ...

    def claims_page(self, asked: ClaimsAsked) -> Page[ClaimListed]:
        """A page of claims, those first that were built first."""
        ...

    def work_page(self, asked: WorkAsked) -> Page[WorkListed]:
        """A page of open work items of one kind, the earliest deadline first."""
        ...

    def messages_page(self, asked: MessagesAsked) -> Page[MessageListed]:
        """A page of the journal, the last entry first."""
        ...

    def lines(self, ids: Iterable[str]) -> Sequence[MessageListed]:
        """Those of these journal entries that are on file, from outside."""
        ...

    def numbered(self, control: str, limit: int) -> Sequence[MessageListed]:
        """Journal entries with this control id of their sender, the last first, at most so many."""
        ...

    def parked_because(self, entry: str) -> Parked | None:
        """Why an entry is parked; None where it is not."""
        ...

    def settle_parked(self, entry: str, by: str, why: str) -> bool:
        """Be done with a parked entry, because a person settled it; its work items are closed. False: it is not parked."""
        ...

    def concerned(self, entry: str) -> Sequence[str]:
        """The persons whom a journal entry concerned, by the lane in which each is kept."""
        ...

    def lane_of(self, hint: PersonHint, feed: str) -> str:
        """The lane of the person so named now, with nothing written; empty where nobody on file is named so."""
        ...

    def lanes_of(self, lane: str) -> tuple[str, ...]:
        """All lanes of the person of whom this is one, the root first."""
        ...

    def lanes_named(self, text: str, limit: int) -> Sequence[str]:
        """The persons of whom every word of the text was stated as a part of a name, a birth date or a member number."""
        ...

    def claims_numbered(self, number: str) -> Sequence[str]:
        """Ids of the claims to which a payer gave this number."""
        ...

    def claims_beginning(self, digits: str, limit: int) -> Sequence[str]:
        """Ids of the claims that begin with these digits, at most so many."""
        ...

    def standings(self) -> Sequence[PayerStanding]:
        """How much of each payer's is under way, by the payer's id."""
        ...

    @property
    def queue(self) -> LaneQueue:
        """Which lanes are runnable."""
        ...

    def find(self, id: str) -> Sequence[Kept]:
        """What an id is, and whose: mostly one thing, none for an unknown id."""
        ...


class Resting(Protocol):
    """Who calls payers, as far as pages tell of it."""

    def rests(self, payer: Payer) -> float:
        """Seconds for which the payer is to be left alone; 0 when it may be called."""
        ...


class PageWired(Protocol):
    """What the pages need of the wiring."""

    @property
    def store(self) -> PageStore:
        """The records."""
        ...

    @property
    def house(self) -> House:
        """The rules and the site in force."""
        ...

    @property
    def clock(self) -> Clock:
        """The time, for links, sessions and what is decided."""
        ...

    @property
    def payers(self) -> Resting:
        """The way to payers."""
        ...

    def drafted(self, draft: Draft) -> tuple[Ruleset, Site]:
        """The rules and the site of a draft over what is in force; raises `BadSetup` with all problems."""
        ...

    def mapping_text(self, file: str) -> tuple[str, str] | None:
        """Name and text of a file of the mappings in force, as rules name it; None for what is none."""
        ...
