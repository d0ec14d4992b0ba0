"""Questions over all lanes: listings, totals, what an id is, and what a message led to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Select, bindparam, func, literal, select, union_all

from adapters.model.charge import Finding, Hold, Skip
from adapters.model.claim import ClaimOnFile
from adapters.model.event import Event
from adapters.model.journal import JournalKind
from adapters.model.ledger import Entry
from adapters.model.record import ChargeOnFile, PersonRecord
from adapters.model.remittance import Remittance
from adapters.model.work import WorkItem
from adapters.store import codec, members, records, schema
from adapters.store.keys import KeyRing
from adapters.store.records import Shelf
from adapters.store.schema import State

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Of(Generic[T]):
    """A thing with the lane of its person."""

    person: str
    value: T


@dataclass(frozen=True, slots=True)
class Found:
    """What an id is, and whose."""

    kind: str
    """A kind of journal entry, or `person`, `event`, `charge`, `claim`, `remittance`, `entry`, `work`."""
    id: str
    person: str = ""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """A journal entry without its body, and what became of it."""

    seq: int
    id: str
    kind: JournalKind
    at: datetime
    actor: str
    channel: str
    sender: str
    media: str
    control: str
    digest: str
    state: State
    reason: str
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many journal entries there are and what became of them: unread + taken + parked = journal, always."""

    journal: int
    unread: int
    """Neither taken nor parked."""
    taken: int
    parked: int
    by_kind: Mapping[JournalKind, int]
    waiting: int = 0
    """Of those unread, the ones that are sorted into their lanes."""


@dataclass(frozen=True, slots=True)
class Traced:
    """What one journal entry led to: the lanes that took it, and every outcome that rests on a fact of it."""

    line: JournalLine
    persons: tuple[str, ...]
    events: tuple[Of[Event], ...]
    charges: tuple[Of[ChargeOnFile], ...]
    holds: tuple[Of[Hold], ...]
    skips: tuple[Of[Skip], ...]
    findings: tuple[Of[Finding], ...]
    claims: tuple[Of[ClaimOnFile], ...]
    """Those that bill one of these charges."""
    remittances: tuple[Of[Remittance], ...]
    entries: tuple[Of[Entry], ...]
    """Ledger entries caused by these claims and remittances."""


def everyones(connection: Connection, shelf: Shelf, keys: KeyRing, *conditions: Any) -> tuple[Of[Any], ...]:
    """All of one kind, by person and place in the record."""
    table = shelf.table
    key = table.c.place if shelf.key is None else table.c.id
    rows = connection.execute(
        select(table.c.person, key, table.c.key_id, table.c.sealed)
        .where(*conditions)
        .order_by(table.c.person, table.c.place)
    ).all()
    opened = [keys.open(key_id, sealed, shelf.place_of(person, id)) for person, id, key_id, sealed in rows]
    values = codec.decode_all(shelf.decoder, opened, table.name)
    return tuple(Of(row[0], value) for row, value in zip(rows, values, strict=True))


def marks(connection: Connection, lanes: Sequence[str]) -> Mapping[str, str]:
    """The revisions of each of these lanes and of all that are one person with it, as a text."""
    persons, unions = schema.persons, schema.unions
    members = select(unions.c.person, unions.c.root).where(unions.c.person.in_(lanes) | unions.c.root.in_(lanes))
    root_of = {row.person: row.root for row in connection.execute(members)}
    roots = {root_of.get(lane, lane) for lane in lanes}
    asked = (
        select(func.coalesce(unions.c.root, persons.c.id).label("root"), persons.c.id, persons.c.revision)
        .join_from(persons, unions, unions.c.person == persons.c.id, isouter=True)
        .where(persons.c.id.in_(roots) | unions.c.root.in_(roots))
        .order_by(persons.c.id)
    )
    found: dict[str, str] = {}
    for row in connection.execute(asked):
        found[row.root] = f"{found.get(row.root, '')}{row.id}={row.revision} "
    return {lane: found[root_of.get(lane, lane)] for lane in lanes if root_of.get(lane, lane) in found}


def worklist(connection: Connection, keys: KeyRing, *, closed: bool) -> tuple[WorkItem, ...]:
    """The open work items, the earliest deadline first and those without one last; with `closed`, the others too."""
    conditions = () if closed else (schema.work_items.c.closed.is_(None),)
    items = [of.value for of in everyones(connection, records.WORK, keys, *conditions)]
    return tuple(sorted(items, key=lambda w: (w.due is None, w.due.isoformat() if w.due else "", w.opened, w.id)))


LINES: Final = select(
    schema.journal.c.seq,
    schema.journal.c.id,
    schema.journal.c.kind,
    schema.journal.c.at,
    schema.journal.c.actor,
    schema.journal.c.channel,
    schema.journal.c.sender,
    schema.journal.c.media,
    schema.journal.c.control,
    schema.journal.c.digest,
    schema.queue.c.state,
    schema.queue.c.reason,
    schema.queue.c.tick,
).join(schema.queue, schema.queue.c.entry == schema.journal.c.id)


def lines_of(connection: Connection, asked: Select[Any]) -> tuple[JournalLine, ...]:
    """The entries that a selection of `LINES` asks for, in its order."""
    return tuple(
        JournalLine(
            seq=row.seq,
            id=row.id,
            kind=JournalKind(row.kind),
            at=codec.instant(row.at),
            actor=row.actor,
            channel=row.channel,
            sender=row.sender,
            media=row.media,
            control=row.control,
            digest=row.digest,
            state=State(row.state),
            reason=row.reason,
            taken_at=None if row.tick is None else codec.instant(row.tick),
        )
        for row in connection.execute(asked)
    )


def messages(connection: Connection, after: int, limit: int) -> tuple[JournalLine, ...]:
    """The journal after a number, in its order."""
    return lines_of(connection, LINES.where(schema.journal.c.seq > after).order_by(schema.journal.c.seq).limit(limit))


def counts(connection: Connection) -> Counts:
    """The journal by what became of its entries, and by kind."""
    queued = connection.execute(select(schema.queue.c.state, func.count()).group_by(schema.queue.c.state))
    states = {str(row[0]): int(row[1]) for row in queued}
    kinds = connection.execute(select(schema.journal.c.kind, func.count()).group_by(schema.journal.c.kind))
    by_kind = {JournalKind(row[0]): int(row[1]) for row in kinds}
    return Counts(
        journal=sum(by_kind.values()),
        unread=states.get(State.UNREAD.value, 0) + states.get(State.WAITING.value, 0),
        waiting=states.get(State.WAITING.value, 0),
        taken=states.get(State.TAKEN.value, 0),
        parked=states.get(State.PARKED.value, 0),
        by_kind=by_kind,
    )


def _ids(kind: str, table: Any) -> Select[Any]:
    return select(literal(kind), table.c.person).where(table.c.id == bindparam("id"))


_FIND: Final = union_all(
    select(schema.journal.c.kind, literal("")).where(schema.journal.c.id == bindparam("id")),
    select(literal("person"), schema.persons.c.id).where(schema.persons.c.id == bindparam("id")),
    _ids("event", schema.events),
    _ids("charge", schema.charges),
    _ids("claim", schema.claims),
    _ids("remittance", schema.remittances),
    _ids("entry", schema.entries),
    _ids("work", schema.work_items),
)


def find(connection: Connection, id: str) -> tuple[Found, ...]:
    """Everything that bears the id: mostly one thing, none for an unknown id."""
    return tuple(Found(row[0], id, row[1]) for row in connection.execute(_FIND, {"id": id}))


def lanes_of(connection: Connection, entry: str) -> tuple[str, ...]:
    """The lanes that took a journal entry or hold an event or remittance read from it."""
    asked = union_all(
        select(schema.takings.c.person).where(schema.takings.c.entry == entry),
        select(schema.events.c.person).where(schema.events.c.message == entry),
        select(schema.remittances.c.person).where(schema.remittances.c.message == entry),
    )
    return tuple(sorted(set(connection.execute(asked).scalars())))


def trace(connection: Connection, entry: str, load: Callable[[str], PersonRecord]) -> Traced | None:
    """From a journal entry forward; None for an unknown id."""
    lines = lines_of(connection, LINES.where(schema.journal.c.id == entry))
    if not lines:
        return None
    persons = lanes_of(connection, entry)
    result = Traced(lines[0], persons, (), (), (), (), (), (), (), ())
    for person in dict.fromkeys(members.root_of(connection, lane) or lane for lane in persons):
        result = _joined(result, load(person), entry)
    return result


def _joined(before: Traced, record: PersonRecord, entry: str) -> Traced:
    person = record.person

    def those(values: tuple[T, ...], wanted: Callable[[T], bool]) -> tuple[Of[T], ...]:
        return tuple(Of(person, value) for value in values if wanted(value))

    charges = those(record.charges, lambda c: entry in c.charge.why.messages())
    ids = {of.value.id for of in charges}
    claims = those(record.claims, lambda c: any(ids.intersection(line.charges) for line in c.claim.lines))
    remittances = those(record.remittances, lambda r: r.message == entry)
    causes = {f"claim:{of.value.claim.id}" for of in claims} | {f"remittance:{of.value.id}" for of in remittances}
    return Traced(
        line=before.line,
        persons=before.persons,
        events=before.events + those(record.events, lambda e: e.source.message == entry),
        charges=before.charges + charges,
        holds=before.holds + those(record.holds, lambda h: entry in h.why.messages()),
        skips=before.skips + those(record.skips, lambda s: entry in s.why.messages()),
        findings=before.findings + those(record.findings, lambda f: entry in f.why.messages()),
        claims=before.claims + claims,
        remittances=before.remittances + remittances,
        entries=before.entries + those(record.entries, lambda e: e.cause in causes),
    )
