"""A person's record in rows: what each kind of thing is kept as, reading a record, and the difference of two.

Things with an id are rows by id, with their place in the record; outcomes without one (holds, skips, findings) and
what falls due are rows by place. A save writes the rows that differ and no others. The difference is taken and sealed
outside the transaction; the transaction begins by asking whether the record is still the one that the step began from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Connection,
    Delete,
    Executable,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    insert,
    literal,
    null,
    select,
    union_all,
    update,
)

from adapters.model.charge import Finding, Hold, Skip
from adapters.model.claim import ClaimOnFile
from adapters.model.event import Event
from adapters.model.people import Identifier
from adapters.model.record import ChargeOnFile, Due, PersonRecord
from adapters.model.remittance import Remittance
from adapters.model.work import WorkItem
from adapters.store import codec, ledger, members, people, schema, searching
from adapters.store.keys import KeyRing
from adapters.store.refusals import Overwrites, Stale

Row = dict[str, Any]

Encoded = Mapping[str, Sequence[bytes]]
"""The canonical bytes of a record's values by shelf, in their order: what two records are compared by."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """How one kind of thing of a record is kept."""

    name: str
    """Of the record's field."""
    table: Table
    decoder: msgspec.json.Decoder[list[Any]]
    key: Callable[[Any], str] | None
    """Its id; None for what is kept by place."""
    columns: Callable[[Any], Row]
    """The plain columns that questions need."""
    blinds: Callable[[Any, KeyRing], Row] | None = None
    """Of those the blind indexes, which need the ring."""
    kept: bool = False
    """Rows never disappear."""
    fixed: bool = False
    """Nor change."""

    def told(self, value: Any, keys: KeyRing) -> Row:
        """All columns beside the sealed value."""
        return self.columns(value) | (self.blinds(value, keys) if self.blinds else {})

    def place_of(self, person: str, key: str | int) -> str:
        """What a sealed row is bound to."""
        return f"{self.table.name}|{person}|{key}"


def _nothing(_value: Any) -> Row:
    return {}


def _event(value: Event) -> Row:
    return {"message": value.source.message}


def _charge(value: ChargeOnFile) -> Row:
    return {"status": value.status.value, "claim": value.claim}


def _claim(value: ClaimOnFile) -> Row:
    return {"state": value.state.value, "payer": value.claim.payer.id, "built": value.claim.built_on.isoformat()}


def _claim_number(value: ClaimOnFile, keys: KeyRing) -> Row:
    return {"number": searching.number_of(value.payer_claim_number, keys)}


def _remittance(value: Remittance) -> Row:
    return {"claim": value.claim, "message": value.message}


def work_columns(value: WorkItem) -> Row:
    """The plain columns of a work item."""
    return {
        "kind": value.kind,
        "about": value.about,
        "due": None if value.due is None else value.due.isoformat(),
        "closed": None if value.closed is None else codec.micros(value.closed),
    }


EVENTS: Final = Shelf(
    "events", schema.events, codec.decoder_of(Event), lambda e: str(e.id), _event, kept=True, fixed=True
)
CHARGES: Final = Shelf("charges", schema.charges, codec.decoder_of(ChargeOnFile), lambda c: str(c.id), _charge)
HOLDS: Final = Shelf("holds", schema.holds, codec.decoder_of(Hold), None, _nothing)
SKIPS: Final = Shelf("skips", schema.skips, codec.decoder_of(Skip), None, _nothing)
FINDINGS: Final = Shelf("findings", schema.findings, codec.decoder_of(Finding), None, _nothing)
CLAIMS: Final = Shelf(
    "claims", schema.claims, codec.decoder_of(ClaimOnFile), lambda c: str(c.claim.id), _claim, _claim_number, kept=True
)
REMITTANCES: Final = Shelf(
    "remittances",
    schema.remittances,
    codec.decoder_of(Remittance),
    lambda r: str(r.id),
    _remittance,
    kept=True,
    fixed=True,
)
WORK: Final = Shelf("work", schema.work_items, codec.decoder_of(WorkItem), lambda w: str(w.id), work_columns)

SHELVES: Final = (EVENTS, CHARGES, HOLDS, SKIPS, FINDINGS, CLAIMS, REMITTANCES, WORK)

_SEALED: Final = union_all(
    *(
        select(
            literal(number).label("shelf"),
            shelf.table.c.place,
            (cast(null(), Text) if shelf.key is None else shelf.table.c.id).label("id"),
            shelf.table.c.key_id,
            shelf.table.c.sealed,
        ).where(shelf.table.c.person == bindparam("person"))
        for number, shelf in enumerate(SHELVES)
    )
).order_by("shelf", "place")

_REVISION: Final = select(schema.persons.c.revision).where(schema.persons.c.id == bindparam("person"))
_DUE: Final = (
    select(schema.due.c.what, schema.due.c.about, schema.due.c.not_before)
    .where(schema.due.c.person == bindparam("person"))
    .order_by(schema.due.c.place)
)


def revision_of(connection: Connection, person: str) -> int | None:
    """How many steps were written in the lane, or None for a lane that is not on file."""
    found = connection.execute(_REVISION, {"person": person}).scalar_one_or_none()
    return None if found is None else int(found)


def load(connection: Connection, person: str, keys: KeyRing) -> tuple[PersonRecord, Encoded]:
    """The person's record, and the canonical bytes of what its shelves hold; empty when nothing is on file.

    Raises `Damaged` for a row that does not open.
    """
    rows: list[list[bytes]] = [[] for _ in SHELVES]
    prefixes = [f"{shelf.table.name}|{person}|" for shelf in SHELVES]
    for number, place, id, key_id, sealed in connection.execute(_SEALED, {"person": person}):
        rows[number].append(keys.open(key_id, sealed, f"{prefixes[number]}{place if id is None else id}"))
    encoded = {shelf.name: found for shelf, found in zip(SHELVES, rows, strict=True)}
    values = {shelf.name: codec.decode_all(shelf.decoder, encoded[shelf.name], shelf.table.name) for shelf in SHELVES}
    record = PersonRecord(
        person=person,
        identifiers=people.of_person(connection, person, keys),
        entries=ledger.of_person(connection, person),
        due=tuple(
            Due(what, about, codec.instant(not_before))
            for what, about, not_before in connection.execute(_DUE, {"person": person})
        ),
        root=members.root_of(connection, person),
        **values,
    )
    return record, encoded


def same(one: PersonRecord, other: PersonRecord) -> bool:
    """Whether two records are the same to the last byte; plain equality leaves out why an outcome is what it is."""
    return one is other or codec.encode(one) == codec.encode(other)


@dataclass(frozen=True, slots=True)
class Writes:
    """The rows that turn one record into the next, sealed and ready."""

    person: str
    statements: tuple[tuple[Executable, list[Row]], ...]
    identifiers_added: tuple[Identifier, ...] = ()
    identifiers_removed: tuple[Identifier, ...] = ()

    def take_away(self, connection: Connection) -> None:
        """Delete what goes; of several lanes this comes first, so that a thing may stand in another lane then."""
        for statement, rows in self.statements:
            if isinstance(statement, Delete):
                connection.execute(statement, rows)

    def add(self, connection: Connection) -> None:
        """All else."""
        for statement, rows in self.statements:
            if not isinstance(statement, Delete):
                connection.execute(statement, rows)

    def __bool__(self) -> bool:
        return bool(self.statements or self.identifiers_added or self.identifiers_removed)


@dataclass(frozen=True, slots=True)
class Moves:
    """Kept rows that go from one lane to another with the same transaction."""

    come: Mapping[tuple[str, str], str]
    """(shelf, id) → the lane that it comes from."""
    go: frozenset[tuple[str, str]]
    """(shelf, id) of what leaves the lane."""


_STAYS: Final = Moves({}, frozenset())


def difference(
    before: PersonRecord,
    after: PersonRecord,
    had: Encoded,
    keys: KeyRing,
    *,
    free: int = 0,
    moved: Moves | None = None,
) -> tuple[Writes, Encoded]:
    """What to write, and the bytes of the record after; `had` are those of the record before.

    `free`: the first place of the ledger that a new entry may take. `moved`: what comes from other lanes and goes to
    them in the same transaction; whose the ledger's entries are is then left to `members.put`.

    Raises `Overwrites` when the step would change or lose what is only ever added to.
    """
    if before.person != after.person:
        raise Overwrites("the records before and after a step are of two persons")
    person = after.person
    statements: list[tuple[Executable, list[Row]]] = []
    encoded: dict[str, Sequence[bytes]] = {}
    for shelf in SHELVES:
        old, new = getattr(before, shelf.name), getattr(after, shelf.name)
        encoded[shelf.name] = had[shelf.name]
        if old is not new:
            known = {id(value): data for value, data in zip(old, had[shelf.name], strict=True)}
            encoded[shelf.name] = [known.get(id(value)) or codec.encode(value) for value in new]
            sides = _Side(old, had[shelf.name]), _Side(new, encoded[shelf.name])
            found = (
                _by_place(shelf, person, *sides, keys)
                if shelf.key is None
                else _by_id(shelf, person, *sides, keys, moved or _STAYS)
            )
            statements += [(what, rows) for what, rows in found if rows]
    if before.events is not after.events and (named := searching.since(before, after, keys)):
        statements.append((insert(schema.words), named))
    if moved is None:
        statements += ledger.additions(person, before.entries, after.entries, free)
    if before.due != after.due:
        statements.append((_CLEAR_DUE, [{"of_person": person}]))
        if after.due:
            statements.append((insert(schema.due), [_due_row(person, n, d) for n, d in enumerate(after.due)]))
    writes = Writes(
        person,
        tuple(statements),
        tuple(i for i in after.identifiers if i not in before.identifiers),
        tuple(i for i in before.identifiers if i not in after.identifiers),
    )
    return writes, encoded


@dataclass(frozen=True, slots=True)
class _Side:
    """The values of a shelf before or after a step, with their bytes."""

    values: Sequence[Any]
    data: Sequence[bytes]


_CLEAR_DUE: Final = delete(schema.due).where(schema.due.c.person == bindparam("of_person"))
_INSERTS: Final = {shelf.name: insert(shelf.table) for shelf in SHELVES}
_UPDATES: Final = {
    shelf.name: update(shelf.table).where(
        shelf.table.c.person == bindparam("of_person"),
        (shelf.table.c.place if shelf.key is None else shelf.table.c.id) == bindparam("of_key"),
    )
    for shelf in SHELVES
}
_DELETES: Final = {
    shelf.name: delete(shelf.table).where(
        shelf.table.c.person == bindparam("of_person"),
        (shelf.table.c.place if shelf.key is None else shelf.table.c.id) == bindparam("of_key"),
    )
    for shelf in SHELVES
}

_Statements = list[tuple[Executable, list[Row]]]


def _due_row(person: str, place: int, due: Due) -> Row:
    return {
        "person": person,
        "place": place,
        "what": due.what,
        "about": due.about,
        "not_before": codec.micros(due.not_before),
    }


def _content(shelf: Shelf, person: str, key: str | int, value: Any, data: bytes, keys: KeyRing) -> Row:
    sealed = keys.seal(data, shelf.place_of(person, key))
    return {"key_id": sealed.key_id, "sealed": sealed.data, **shelf.told(value, keys)}


def _by_id(shelf: Shelf, person: str, old: _Side, new: _Side, keys: KeyRing, moved: Moves) -> _Statements:
    key_of = shelf.key
    assert key_of is not None  # noqa: S101  # `difference` asks for shelves with ids only
    was = {key_of(value): (place, old.data[place]) for place, value in enumerate(old.values)}
    inserts: list[Row] = []
    updates: list[Row] = []
    moves: list[Row] = []
    come: list[Row] = []
    seen: set[str] = set()
    for place, (value, data) in enumerate(zip(new.values, new.data, strict=True)):
        key = key_of(value)
        if key in seen:
            raise Overwrites(f"{shelf.table.name}: two things of one id in one record")
        seen.add(key)
        before = was.get(key)
        if before is None:
            content = _content(shelf, person, key, value, data, keys)
            if (source := moved.come.get((shelf.name, key))) is not None:
                come.append({"of_person": source, "of_key": key, "person": person, "place": place, **content})
            else:
                inserts.append({"person": person, "id": key, "place": place, **content})
        elif before[1] != data:
            if shelf.fixed:
                raise Overwrites(f"{shelf.table.name}: a step would change what is on file")
            content = _content(shelf, person, key, value, data, keys)
            updates.append({"of_person": person, "of_key": key, "place": place, **content})
        elif before[0] != place:
            moves.append({"of_person": person, "of_key": key, "place": place})
    gone = [key for key in was if key not in seen and (shelf.name, key) not in moved.go]
    if gone and shelf.kept:
        raise Overwrites(f"{shelf.table.name}: a step would lose what is on file")
    return [
        (_DELETES[shelf.name], [{"of_person": person, "of_key": key} for key in gone]),
        (_UPDATES[shelf.name], updates),
        (_UPDATES[shelf.name], moves),
        (_UPDATES[shelf.name], come),
        (_INSERTS[shelf.name], inserts),
    ]


def _by_place(shelf: Shelf, person: str, old: _Side, new: _Side, keys: KeyRing) -> _Statements:
    inserts: list[Row] = []
    updates: list[Row] = []
    for place, (value, data) in enumerate(zip(new.values, new.data, strict=True)):
        if place >= len(old.data):
            content = _content(shelf, person, place, value, data, keys)
            inserts.append({"person": person, "place": place, **content})
        elif old.data[place] != data:
            content = _content(shelf, person, place, value, data, keys)
            updates.append({"of_person": person, "of_key": place, **content})
    gone = [{"of_person": person, "of_key": place} for place in range(len(new.data), len(old.data))]
    return [(_DELETES[shelf.name], gone), (_UPDATES[shelf.name], updates), (_INSERTS[shelf.name], inserts)]


_STEP: Final = (
    update(schema.persons)
    .where(schema.persons.c.id == bindparam("of_person"), schema.persons.c.revision == bindparam("of_revision"))
    .values(revision=schema.persons.c.revision + 1)
)


def write(connection: Connection, writes: Writes, revision: int | None, keys: KeyRing) -> None:
    """Write a step's rows over the record of that revision (None: not on file); raises `Stale` over any other.

    What it takes away was deleted before (`Writes.take_away`).
    """
    person = writes.person
    if revision is None:
        if revision_of(connection, person) is not None:
            raise Stale("the lane came on file meanwhile")
        connection.execute(insert(schema.persons), [{"id": person, "revision": 1}])
    elif connection.execute(_STEP, {"of_person": person, "of_revision": revision}).rowcount != 1:
        raise Stale("the lane's record changed since the step began")
    writes.add(connection)
    people.add(connection, person, writes.identifiers_added, keys)
    people.remove(connection, person, writes.identifiers_removed, keys)


def touch(connection: Connection, person: str) -> None:
    """Count a change of the lane's rows that was made outside a step."""
    connection.execute(
        update(schema.persons).where(schema.persons.c.id == person).values(revision=schema.persons.c.revision + 1)
    )
