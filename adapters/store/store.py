"""The store: ports.Store on a SQL database.

Writes go through the one writer; reads take a reading connection and see the last commit. A database in memory has one
connection only, so its reads take their turn at the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import URL, Connection, Engine, insert, select
from sqlalchemy.exc import SQLAlchemyError

from adapters.errors import BadSetup, StoreDown
from adapters.model.journal import JournalEntry
from adapters.model.lists import WorkListed
from adapters.model.people import PersonHint
from adapters.model.record import Parked
from adapters.model.work import WorkItem
from adapters.ports import Clock, Receipt, Received, Store
from adapters.store import (
    backup,
    check,
    codec,
    dialect,
    items,
    journal,
    listing,
    migration,
    people,
    records,
    schema,
    taking,
)
from adapters.store.backup import Reach
from adapters.store.balances import Balances
from adapters.store.editions import journal as editions_journal
from adapters.store.head import HeadFile
from adapters.store.hearing import FeedRows
from adapters.store.items import ItemRows
from adapters.store.journal import Arrival
from adapters.store.keys import KeyRing
from adapters.store.lanes.rows import LaneRows
from adapters.store.listing import Traced
from adapters.store.listings import Listings
from adapters.store.memory import Memory
from adapters.store.once import OnceRows
from adapters.store.open_work import OpenWork
from adapters.store.paging import Paged
from adapters.store.schema import State
from adapters.store.seal import Sealer
from adapters.store.steps import StepRows
from adapters.store.taking import Taking
from adapters.store.unions import UnionRows
from adapters.store.users import UserRows
from adapters.store.writer import Writer

T = TypeVar("T")


class _SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SqlStore(StepRows, Listings, Balances, LaneRows, ItemRows, OnceRows, FeedRows, UnionRows, UserRows, Paged):
    """Implements `ports.Store`; made by `open_store`. Safe to use from many threads."""

    def __init__(self, url: URL, writer: Engine, keys: KeyRing, clock: Clock, head: HeadFile | None = None) -> None:
        self._url = url
        self._engine = writer
        self._keys = keys
        self._clock = clock
        self._readers = dialect.of(url).open_readers(url)
        self._memory = Memory(keys)
        self._open_work = OpenWork(keys)
        self._turn = dialect.of(url).turns(url)
        self._writer: Writer[Received] = Writer(writer, self._turn, self._take_all)
        self.sealer = Sealer(self._read, self._write, keys, head)
        """Seals what is on file, and says how far that reaches."""
        self.queue = dialect.of(url).lane_queue(url, self._read, self._write)
        """Which lanes are runnable, who works them, and who may touch one."""

    def close(self) -> None:
        """Write what waits, then let go of the database."""
        self._writer.close()
        self.queue.close()
        if self._readers is not None:
            self._readers.dispose()
        # The last connection to close folds the write-ahead log into the file: that is a checkpoint, so in turn.
        with self._turn():
            self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The journal

    def receive(self, receipt: Receipt) -> Received:
        """Store and sync; returns only after the COMMIT that holds it."""
        return self.receive_soon(receipt).result()

    def receive_soon(self, receipt: Receipt) -> Future[Received]:
        """The same without waiting: the future is done after the COMMIT. For an event loop: `asyncio.wrap_future`."""
        return self._writer.take(journal.prepare(receipt, self._keys))

    def _take_all(self, connection: Connection, arrivals: Iterable[Arrival]) -> list[Received]:
        return journal.take_all(connection, list(arrivals), self._keys)

    def unread(self, limit: int) -> tuple[JournalEntry, ...]:
        """Journal entries that no step has taken yet, in order; parked ones are not among them."""
        return self._read(lambda c: journal.in_state(c, (State.UNREAD, State.WAITING), limit, self._keys))

    def journal(self, after: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        """Journal entries with their bodies, in order, those numbered above `after`."""
        return self._read(lambda c: journal.whole(c, after, limit, self._keys))

    def entry(self, id: str) -> JournalEntry | None:
        """One journal entry with its body decrypted, or None."""
        return self._read(lambda c: journal.entry(c, id, self._keys))

    def entries(self, ids: Iterable[str]) -> tuple[JournalEntry, ...]:
        """Those of these journal entries that are on file, with their bodies decrypted, in order."""
        asked = list(ids)
        return self._read(lambda c: journal.entries(c, asked, self._keys))

    def park(self, parked: Parked, item: WorkItem) -> None:
        """Set an entry aside with its reason and open its work item, in one transaction; it waits in no lane then."""

        def work(connection: Connection) -> None:
            journal.park(connection, parked, self._keys)
            items.put_trouble(connection, item, self._keys)

        self._write(work)

    def unpark(self, entry: str, by: str = "") -> bool:
        """Make a parked entry readable again and close the work items about it; False when it is not parked.

        `by`: the user who asked for it, of which the journal is told. The items are closed by nobody: what is parked again
        for the same reason is there again.
        """
        now = self._clock.now()

        def work(connection: Connection) -> bool:
            if not journal.unpark(connection, entry):
                return False
            table = schema.work_items
            about = (table.c.about == entry, table.c.closed.is_(None))
            for of in listing.everyones(connection, records.WORK, self._keys, *about):
                items.put(connection, replace(of.value, closed=now, closed_why="read again"), self._keys)
            if by:
                self._tell(connection, by, "replayed", by, now, entry=entry)
            return True

        return self._write(work)

    def settle_parked(self, entry: str, by: str, why: str) -> bool:
        """Be done with a parked entry, because a person settled it; its work items are closed. False: it is not parked."""
        at = self._clock.now()

        def work(connection: Connection) -> bool:
            if not journal.unpark(connection, entry):
                return False
            taking.take(connection, [Taking("", [entry])], codec.micros(at))
            table = schema.work_items
            about = (table.c.about == entry, table.c.closed.is_(None))
            for of in listing.everyones(connection, records.WORK, self._keys, *about):
                items.put(connection, replace(of.value, closed=at, closed_why=why, closed_by=by), self._keys)
            return True

        return self._write(work)

    def close_entry(self, entry: str) -> None:
        """Mark an entry as taken that concerns no person, or that nothing came of."""
        now = codec.micros(self._clock.now())
        self._write(lambda c: taking.take(c, [Taking("", [entry])], now))

    def note(
        self, channel: str, control: str, make: Callable[[JournalEntry | None], Receipt | None]
    ) -> JournalEntry | None:
        """Write the entry that `make` draws up from the last one of its channel and control id; None where it wants none.

        It concerns no lane. The last one stays the last one while `make` looks at it.
        """

        def work(connection: Connection) -> JournalEntry | None:
            receipt = make(editions_journal.last_noted(connection, channel, control, self._keys))
            return None if receipt is None else editions_journal.note(connection, receipt, self._keys)

        return self._write(work)

    def noted(self, channel: str, control: str) -> tuple[JournalEntry, ...]:
        """All entries of the channel with this control id, in order."""
        return self._read(lambda c: editions_journal.noted(c, channel, control, self._keys))

    def last_noted(self, channel: str, control: str) -> JournalEntry | None:
        """The last of them, or None."""
        return self._read(lambda c: editions_journal.last_noted(c, channel, control, self._keys))

    # Persons

    def person(self, hint: PersonHint, feed: str) -> str:
        """The lane of the person so named, made if new; a lone reference that is unknown gives the empty string."""
        known = self._read(lambda c: people.known(c, hint, feed, self._keys))
        if known is not None:
            return known
        now = codec.micros(self._clock.now())
        return self._write(lambda c: people.resolve(c, hint, feed, now, self._keys))

    def person_of_claim(self, claim: str) -> str:
        """The lane of a claim of ours, or the empty string."""
        return self.persons_of_claims([claim]).get(claim, "")

    def open_work(self) -> tuple[WorkListed, ...]:
        """All open work items, each with the payer of the claim that it is about; in no order."""
        return self._read(self._open_work.listed)

    def trace(self, entry: str) -> Traced | None:
        """What a journal entry led to; None for an unknown id."""
        return self._read(lambda c: listing.trace(c, entry, lambda person: self._memory.load(c, person).record))

    def seal(self, now: datetime) -> int:
        """Seal what no seal holds yet; how many journal entries that were. Cheap when there is nothing."""
        return self.sealer.seal(now)

    def verify(self, *, unsealed: bool = False) -> tuple[str, ...]:
        """One line for every row that is not what it was when it was written; empty when all is well.

        `unsealed` passes over seals without a signature.
        """
        return self.sealer.faults(lambda c: check.verify(c, self._keys, unsealed=unsealed))

    def back_up(self, file: Path, now: datetime) -> Reach:
        """Copy one snapshot into a new file while everybody goes on, and prove it; how far it reaches."""
        return backup.back_up(self._read, self.sealer, self._keys, file, now)

    # The way in and out

    def _read(self, ask: Callable[[Connection], T]) -> T:
        """Ask within one snapshot of the last commit."""
        if self._readers is None:
            return self._write(ask)
        try:
            with self._readers.connect() as connection, connection.begin():
                return ask(connection)
        except SQLAlchemyError as error:
            raise StoreDown(f"the store could not read ({type(error).__name__})") from error

    def _write(self, work: Callable[[Connection], T]) -> T:
        done: Future[T] = self._writer.run(work)
        return done.result()


def open_store(
    url: str, keys: KeyRing, clock: Clock | None = None, *, create: bool = False, head: Path | None = None
) -> SqlStore:
    """Open the store at an SQLAlchemy URL; `sqlite://` is one in memory, gone when it closes.

    With `create` a missing store is made. `head` is where the last seal is told outside the database; beside the file
    of SQLite if not said. Raises `BadSetup` for a URL that no store speaks, a missing, older or newer store, another
    key ring than the one it was made with, or a database that does not promise what an acknowledgement promises.
    """
    parsed = migration.parse(url)
    database = dialect.of(parsed)
    memory = database.is_memory(parsed)
    if not (create or memory or database.exists(parsed)):
        raise BadSetup(("there is no store at this URL: `oncoclaims init` makes one",))
    writer = database.open_writer(parsed)
    try:
        with database.turns(parsed)(), writer.connect() as connection, connection.begin():
            _fit(connection, create=create or memory)
            _same_ring(connection, keys)
    except SQLAlchemyError as error:
        writer.dispose()
        raise BadSetup((f"the store cannot be opened ({type(error).__name__})",)) from error
    except BadSetup:
        writer.dispose()
        raise
    at = head or database.beside(parsed)
    return SqlStore(parsed, writer, keys, clock or _SystemClock(), None if at is None else HeadFile(at))


def _fit(connection: Connection, *, create: bool) -> None:
    found = migration.version_of(connection)
    if found == migration.HEAD:
        return
    if found:
        raise BadSetup((migration.other(found),))
    if not create:
        raise BadSetup(("this database is no store yet: `oncoclaims init` makes one",))
    migration.upgrade(connection)


def _same_ring(connection: Connection, keys: KeyRing) -> None:
    """The blind index of a fixed word tells whether the ring is the one that the store was made with."""
    mark = keys.blind("key ring")
    on_file = connection.execute(
        select(schema.meta.c.value).where(schema.meta.c.name == "key-ring")
    ).scalar_one_or_none()
    if on_file is None:
        connection.execute(insert(schema.meta), [{"name": "key-ring", "value": mark}])
    elif on_file != mark:
        raise BadSetup(("the key file is not the one that this store was made with",))


def _is_a_store(store: SqlStore) -> Store:
    """Nobody calls this: the type checker holds the class to its port here."""
    return store
