"""What a long list is asked for, page by page, and what a page of it holds. Every question is bounded by its page.

A page is continued by the key of the last thing looked at, never by a number of things to pass over: what comes in
between moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Generic, TypeVar

from adapters.model.claim import ClaimOnFile, ClaimState
from adapters.model.journal import JournalKind
from adapters.model.work import WorkItem

T = TypeVar("T")

PAGE: Final = 50
"""Things on a page."""
LOOKED_AT: Final = 1000
"""Things that are looked at for one page, where a filter asks for what only the things themselves say."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, in its order."""

    things: tuple[T, ...]
    after: str = ""
    """The key to go on after; empty at the end of the list."""


@dataclass(frozen=True, slots=True)
class ClaimsAsked:
    """Which claims, those first that were built first."""

    states: frozenset[ClaimState] = frozenset()
    """Empty: in any state."""
    payer: str = ""
    """Id of the payer; empty: of any."""
    built_until: date | None = None
    """The last day on which they were built."""
    after: str = ""
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class ClaimListed:
    """A claim with the lane of its person."""

    person: str
    on_file: ClaimOnFile


@dataclass(frozen=True, slots=True)
class MessagesAsked:
    """Which entries of the journal, the last first."""

    kinds: frozenset[JournalKind] = frozenset()
    """Empty: of any kind."""
    state: str = ""
    """`unread`, `waiting`, `taken` or `parked`; empty: any."""
    actor: str = ""
    """Who brought it, as the journal has it (`feed:aria`); empty: anybody."""
    since: datetime | None = None
    """Not before this instant."""
    before: datetime | None = None
    """Before this instant."""
    after: str = ""
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class MessageListed:
    """An entry of the journal as seen from outside, without its body, and what became of it."""

    seq: int
    id: str
    kind: JournalKind
    at: datetime
    actor: str
    media: str
    control: str
    state: str
    """`unread`, `waiting`, `taken` or `parked`."""
    reason: str
    """Of what is parked."""


@dataclass(frozen=True, slots=True)
class WorkAsked:
    """Which open work items of one kind, the earliest deadline first and those without one last."""

    kind: str
    payer: str = ""
    """Id of the payer of the claim that they are about; empty: of any."""
    category: str = ""
    code: str = ""
    action: str = ""
    due_until: date | None = None
    """The last day of their deadlines."""
    after: str = ""
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class CallsDue:
    """Calls of one sort that fall due at a payer."""

    what: str
    """`send`, `repeat`, `poll` or `search`."""
    count: int
    first: datetime
    """Not before when the first of them is made."""


@dataclass(frozen=True, slots=True)
class PayerStanding:
    """How much of a payer's is under way."""

    payer: str
    states: Mapping[ClaimState, int]
    """How many claims stand where."""
    due: tuple[CallsDue, ...]


@dataclass(frozen=True, slots=True)
class WorkListed:
    """A work item with the payer of the claim that it is about, where it is about one."""

    item: WorkItem
    payer: str = ""
