"""The seams to the world, as Protocols: what the pure levels are handed and the outer levels provide."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

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

    @classmethod
    def of_ours(
        cls,
        kind: JournalKind,
        channel: str,
        said: Mapping[str, object],
        at: datetime,
        *,
        actor: str,
        control: str = "",
        media: str = "json",
    ) -> Receipt:
        """An entry that the program writes itself: what it says as canonical JSON, named by the digest of these bytes.

        Dates and instants are told as ISO 8601; TypeError for anything else that JSON does not know.
        """
        body = json.dumps(said, default=_iso, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(body).hexdigest()
        return cls(kind, channel, "", actor, media, control, digest, body, b"", at)


def _iso(value: object) -> str:
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    raise TypeError(type(value).__name__)


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
        left: Iterable[str] = (),
        tick: datetime,
        under: str = "",
        again: bool = False,
    ) -> None:
        """Write what changed between the two, mark the entries as taken and note the lane's tick, in one transaction.

        `read` names every entry that the step read, also those that a later lane of the round will take: with it the
        tick says all that a rebuild needs to know. `left` are entries that waited in the lane: they wait there no more,
        and are taken when they wait nowhere else. `under` is the digest of the tables that the step asked, `again`
        says that everything was derived anew.
        """
        ...

    def park(self, parked: Parked, item: WorkItem) -> None:
        """Set an entry aside with its reason and open its work item, in one transaction."""
        ...

    def unpark(self, entry: str, by: str = "") -> bool:
        """Make a parked entry readable again and close its work item; False when it is not parked.

        `by`: the user who asked for it, of which the journal is told.
        """
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


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """How the queue of lanes stands."""

    waiting: int
    """Lanes that are runnable and that nobody has begun, those included that failed and come again later."""
    working: int
    """Lanes that somebody has begun."""
    stalled: int
    """Of those begun: whose worker has not been heard of for too long. They are begun again by themselves."""


class LaneQueue(Protocol):
    """Which lanes are runnable, who works them, and who may touch a lane: one at a time, in all processes of a store.

    On SQLite the workers are threads of one process; on PostgreSQL they are of all processes that run them. Every
    method raises `StoreDown` when the store cannot answer.
    """

    def put(self, transaction: Any, lanes: Iterable[str]) -> None:
        """Make lanes runnable, inside an open transaction of the store: all of it happens, or nothing.

        A lane that is runnable and not begun stays so, once; one that is being worked is worked again afterwards.
        """
        ...

    def wake(self) -> None:
        """A transaction with lanes in it has committed: idle workers of this process look now."""
        ...

    def run(
        self,
        work: Callable[[str], None],
        *,
        workers: int,
        stopped: Callable[[], bool],
        together: Callable[[Sequence[str]], Collection[str]] | None = None,
    ) -> None:
        """Work lanes as they become runnable, so many at once, until `stopped`; those begun are finished first.

        `together` works several lanes as one and gives those that are done with; the others are worked by `work`, one by
        one. A queue that hands out one lane at a time does without it.

        No lane is ever worked by two at once. One whose work raises comes again, later with every time that it does,
        and keeps no other waiting. A store that is down is waited for.
        """
        ...

    def drain(
        self,
        work: Callable[[str], None],
        *,
        workers: int,
        together: Callable[[Sequence[str]], Collection[str]] | None = None,
    ) -> None:
        """Work lanes until none is runnable now; those that failed or that others work are left."""
        ...

    def held(self, lanes: Iterable[str]) -> AbstractContextManager[None]:
        """Hold lanes against everybody else, in all processes on PostgreSQL; waits until they are free.

        They are taken in the order of their ids, so that two who want the same ones never wait for each other. One
        thread holds one set at a time: asking for more raises `RuntimeError`, for that could wait for ever.
        """
        ...

    def alone(self, task: str, *, wait: Callable[[], bool] | None = None) -> AbstractContextManager[bool]:
        """Be the only one at a task of this name; gives whether that is so.

        Somebody else at it: false at once, or with `wait` as soon as that says false.
        """
        ...

    def counts(self) -> LaneCounts:
        """How many lanes wait, are worked, are stalled."""
        ...

    def retry_stalled(self) -> int:
        """Begin again what a dead worker had begun, and make lanes runnable in which something waits and nobody says so.

        How many that were. `run` does it by itself.
        """
        ...
