"""The store: ports.Store on a SQL database, and the questions that listings ask.

Writes go through the one writer; reads take a reading connection and see the last commit. A database in memory has one
connection only, so its reads take their turn at the writer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar, overload

from sqlalchemy import URL, Connection, Engine, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from adapters.errors import BadSetup, StoreDown
from adapters.model.charge import Finding, Hold, Skip
from adapters.model.claim import ClaimOnFile
from adapters.model.journal import JournalEntry
from adapters.model.ledger import Account, Entry
from adapters.model.money import Cents
from adapters.model.people import PersonHint
from adapters.model.record import ChargeOnFile, Parked, PersonRecord
from adapters.model.remittance import Remittance
from adapters.model.work import WorkItem
from adapters.ports import Clock, Receipt, Received, Store
from adapters.store import backup, check, codec, dialect, journal, ledger, listing, migration, people, records, schema
from adapters.store.backup import Reach
from adapters.store.head import HeadFile
from adapters.store.journal import Arrival, State
from adapters.store.keys import KeyRing
from adapters.store.listing import Counts, Found, JournalLine, Of, Traced
from adapters.store.refusals import Stale
from adapters.store.seal import Sealer
from adapters.store.writer import Writer

T = TypeVar("T")

_RECORDS_KEPT: Final = 64
"""How many records are kept in memory; a record of a course takes about a megabyte."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A record as it was read or written, with its revision (None: not on file) and the bytes of its values."""

    record: PersonRecord
    revision: int | None
    encoded: records.Encoded


_NOTHING: Final[records.Encoded] = {shelf.name: () for shelf in records.SHELVES}


class _SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SqlStore:
    """Implements `ports.Store`; made by `open_store`. Safe to use from many threads."""

    def __init__(self, url: URL, writer: Engine, keys: KeyRing, clock: Clock, head: HeadFile | None = None) -> None:
        self._url = url
        self._engine = writer
        self._keys = keys
        self._clock = clock
        self._readers = dialect.of(url).open_readers(url)
        # Read records with their revision. A record is an immutable value, so it is right as long as its revision is.
        self._records: OrderedDict[str, _Kept] = OrderedDict()
        self._records_lock = threading.Lock()
        self._turn = dialect.of(url).turns(url)
        self._writer: Writer[Received] = Writer(writer, self._turn, self._take_all)
        self.sealer = Sealer(self._read, self._write, keys, head)
        """Seals what is on file, and says how far that reaches."""

    def close(self) -> None:
        """Write what waits, then let go of the database."""
        self._writer.close()
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
        return self._read(lambda c: journal.unread(c, limit, self._keys))

    def journal(self, after: int = 0, limit: int = 1000) -> tuple[JournalEntry, ...]:
        """Journal entries with their bodies, in order, those numbered above `after`."""
        return self._read(lambda c: journal.whole(c, after, limit, self._keys))

    def entry(self, id: str) -> JournalEntry | None:
        """One journal entry with its body decrypted, or None."""
        return self._read(lambda c: journal.entry(c, id, self._keys))

    def park(self, parked: Parked, item: WorkItem) -> None:
        """Set an entry aside with its reason and open its work item, in one transaction."""

        def work(connection: Connection) -> None:
            journal.park(connection, parked, self._keys)
            self._put_work(connection, item)

        self._write(work)

    def unpark(self, entry: str) -> bool:
        """Make a parked entry readable again and close the work items about it; False when it is not parked."""
        now = self._clock.now()

        def work(connection: Connection) -> bool:
            if not journal.unpark(connection, entry):
                return False
            table = schema.work_items
            about = (table.c.about == entry, table.c.closed.is_(None))
            for of in listing.everyones(connection, records.WORK, self._keys, *about):
                self._put_work(connection, replace(of.value, closed=now, closed_why="read again"))
            return True

        return self._write(work)

    def close_entry(self, entry: str) -> None:
        """Mark an entry as taken that concerns no person."""
        now = codec.micros(self._clock.now())
        self._write(lambda c: journal.take(c, [entry], "", now))

    def _put_work(self, connection: Connection, item: WorkItem) -> None:
        """Write a work item outside a lane's step: over the one of its id, or at the end of its lane."""
        table = schema.work_items
        sealed = self._keys.seal(codec.encode(item), records.WORK.place_of(item.person, item.id))
        content = {"key_id": sealed.key_id, "sealed": sealed.data, **records.work_columns(item)}
        same = (table.c.person == item.person) & (table.c.id == item.id)
        if connection.execute(update(table).where(same).values(**content)).rowcount == 0:
            last = select(func.coalesce(func.max(table.c.place) + 1, 0)).where(table.c.person == item.person)
            place = connection.execute(last).scalar_one()
            connection.execute(insert(table), [{"person": item.person, "id": item.id, "place": place, **content}])
        if item.person:
            records.touch(connection, item.person)

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
        asked = select(schema.claims.c.person).where(schema.claims.c.id == claim)
        return self._read(lambda c: c.execute(asked).scalar_one_or_none()) or ""

    def load(self, person: str) -> PersonRecord:
        """The person's record; empty for a new person."""
        return self._read(lambda c: self._load(c, person)).record

    def _load(self, connection: Connection, person: str) -> _Kept:
        revision = records.revision_of(connection, person)
        if revision is None:
            return _Kept(PersonRecord(person), None, _NOTHING)
        with self._records_lock:
            kept = self._records.get(person)
        if kept is None or kept.revision != revision:
            record, encoded = records.load(connection, person, self._keys)
            kept = _Kept(record, revision, encoded)
        else:
            # Identifiers come by way of `person`, beside the steps that the revision counts.
            identifiers = people.of_person(connection, person, self._keys)
            if kept.record.identifiers != identifiers:
                kept = replace(kept, record=replace(kept.record, identifiers=identifiers))
        self._keep(kept)
        return kept

    def _keep(self, kept: _Kept) -> None:
        with self._records_lock:
            self._records[kept.record.person] = kept
            self._records.move_to_end(kept.record.person)
            if len(self._records) > _RECORDS_KEPT:
                self._records.popitem(last=False)

    def _behind(self, before: PersonRecord) -> _Kept:
        """The record as it was read, with its revision; raises `Stale` when it is not what is on file."""
        with self._records_lock:
            kept = self._records.get(before.person)
        if kept is not None and kept.record is before:
            return kept
        on_file = self._read(lambda c: self._load(c, before.person))
        # Identifiers may have become known since; a step writes what it changed of them only.
        if not records.same(before, replace(on_file.record, identifiers=before.identifiers)):
            raise Stale("the lane's record changed since the step began")
        return on_file

    def save(
        self,
        before: PersonRecord,
        after: PersonRecord,
        *,
        taken: Iterable[str] = (),
        read: Iterable[str] = (),
        tick: datetime,
    ) -> None:
        """Write what changed, mark the entries as taken and note the lane's tick, in one transaction.

        The tick becomes a journal entry when something changed. Raises `Overwrites` when the step would change or lose
        what is only ever added to, `Stale` when the record on file is no longer `before`; nothing is written then.
        """
        entries = list(dict.fromkeys(taken))
        if before is after and not entries:
            return
        behind = self._behind(before)
        writes, encoded = records.difference(before, after, behind.encoded, self._keys)
        if not writes and not entries:
            return
        at = codec.micros(tick)
        person = after.person
        revision = behind.revision
        following = 1 if revision is None else revision + 1
        seen = list(dict.fromkeys((*read, *entries)))
        ticked = journal.tick_row(person, following, at, seen, self._keys) if writes else None

        def work(connection: Connection) -> None:
            if ticked is not None:
                records.write(connection, writes, revision, self._keys)
                journal.append(connection, [ticked], State.TAKEN, at)
            if entries:
                lane = person if records.revision_of(connection, person) is not None else ""
                journal.take(connection, entries, lane, at)

        self._write(work)
        if writes:
            self._keep(_Kept(after, following, encoded))

    def due_lanes(self, now: datetime) -> tuple[str, ...]:
        """Persons who have something due at or before the instant."""
        due = schema.due
        asked = select(due.c.person).distinct().where(due.c.not_before <= codec.micros(now)).order_by(due.c.person)
        return self._read(lambda c: tuple(c.execute(asked).scalars()))

    def next_due(self) -> datetime | None:
        """When the next thing falls due in any lane, or None when nothing waits."""
        asked = select(func.min(schema.due.c.not_before))
        found = self._read(lambda connection: connection.execute(asked).scalar_one_or_none())
        return None if found is None else codec.instant(int(found))

    def lanes(self) -> tuple[str, ...]:
        """All persons on file, by id."""
        return self._read(
            lambda c: tuple(c.execute(select(schema.persons.c.id).order_by(schema.persons.c.id)).scalars())
        )

    # Listings

    @overload
    def charges(self, held: Literal[False] = False) -> tuple[Of[ChargeOnFile], ...]: ...
    @overload
    def charges(self, held: Literal[True]) -> tuple[Of[Hold], ...]: ...
    def charges(self, held: bool = False) -> tuple[Of[ChargeOnFile], ...] | tuple[Of[Hold], ...]:
        """Every charge on file, or every line held back."""
        return self._everyones(records.HOLDS if held else records.CHARGES)

    def claims(self) -> tuple[Of[ClaimOnFile], ...]:
        """Every claim and where it stands."""
        return self._everyones(records.CLAIMS)

    def skips(self) -> tuple[Of[Skip], ...]:
        """Every event that owes nothing by itself, and why."""
        return self._everyones(records.SKIPS)

    def findings(self) -> tuple[Of[Finding], ...]:
        """Every finding."""
        return self._everyones(records.FINDINGS)

    def remittances(self) -> tuple[Of[Remittance], ...]:
        """Every adjudication."""
        return self._everyones(records.REMITTANCES)

    def worklist(self, closed: bool = False) -> tuple[WorkItem, ...]:
        """Open work items by deadline, those without one last; with `closed`, the closed ones too."""
        return self._read(lambda c: listing.worklist(c, self._keys, closed=closed))

    def ledger_entries(self) -> tuple[Of[Entry], ...]:
        """Every ledger entry, by person in the order made."""
        return self._read(lambda c: tuple(Of(person, entry) for person, entry in ledger.everyones(c)))

    def trial_balance(self) -> dict[Account, Cents]:
        """The sum of every account in minor units; together they are zero."""
        return self._read(ledger.trial_balance)

    def counts(self) -> Counts:
        """The journal by what became of its entries: what came in is unread, taken or parked, and nothing else."""
        return self._read(listing.counts)

    def parked(self) -> tuple[Parked, ...]:
        """All that is parked, with its reason, in the order of the journal."""
        return self._read(lambda c: journal.parked(c, self._keys))

    def conflicts(self) -> tuple[tuple[str, str, datetime], ...]:
        """Pairs of lanes that one message named as one person, and when last; nothing was merged."""
        asked = select(schema.conflicts).order_by(schema.conflicts.c.at)
        return self._read(lambda c: tuple((r.person, r.other, codec.instant(r.at)) for r in c.execute(asked)))

    def find(self, id: str) -> tuple[Found, ...]:
        """What an id is, and whose: mostly one thing, none for an unknown id."""
        return self._read(lambda c: listing.find(c, id))

    def messages(self, after: int = 0, limit: int = 1000) -> tuple[JournalLine, ...]:
        """The journal after a number, without bodies."""
        return self._read(lambda c: listing.messages(c, after, limit))

    def trace(self, entry: str) -> Traced | None:
        """What a journal entry led to; None for an unknown id."""
        return self._read(lambda c: listing.trace(c, entry, lambda person: self._load(c, person).record))

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

    def _everyones(self, shelf: records.Shelf) -> tuple[Of[Any], ...]:
        return self._read(lambda c: listing.everyones(c, shelf, self._keys))

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
