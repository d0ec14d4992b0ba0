"""A person's record in rows: what each kind of thing is kept as, and reading a record. What a step writes: `changes`.

Things with an id are rows by id, with their place in the record; outcomes without one (holds, skips, findings) and
what falls due are rows by place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Connection,
    Table,
    Text,
    bindparam,
    cast,
    literal,
    null,
    select,
    union_all,
)

from adapters.model.charge import Finding, Hold, Skip
from adapters.model.claim import ClaimOnFile
from adapters.model.event import Event
from adapters.model.record import ChargeOnFile, Due, PersonRecord
from adapters.model.remittance import Remittance
from adapters.model.work import WorkItem
from adapters.store import codec, ledger, members, people, schema, searching
from adapters.store.keys import KeyRing

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
            shelf.table.c.person,
            literal(number).label("shelf"),
            shelf.table.c.place,
            (cast(null(), Text) if shelf.key is None else shelf.table.c.id).label("id"),
            shelf.table.c.key_id,
            shelf.table.c.sealed,
        ).where(shelf.table.c.person.in_(bindparam("persons", expanding=True)))
        for number, shelf in enumerate(SHELVES)
    )
).order_by("shelf", "place")

_REVISION: Final = select(schema.persons.c.revision).where(schema.persons.c.id == bindparam("person"))
_REVISIONS: Final = select(schema.persons.c.id, schema.persons.c.revision).where(
    schema.persons.c.id.in_(bindparam("persons", expanding=True))
)
_DUE: Final = (
    select(schema.due.c.person, schema.due.c.what, schema.due.c.about, schema.due.c.not_before)
    .where(schema.due.c.person.in_(bindparam("persons", expanding=True)))
    .order_by(schema.due.c.place)
)


def revision_of(connection: Connection, person: str) -> int | None:
    """How many steps were written in the lane, or None for a lane that is not on file."""
    found = connection.execute(_REVISION, {"person": person}).scalar_one_or_none()
    return None if found is None else int(found)


def revisions_of(connection: Connection, persons: Sequence[str]) -> dict[str, int]:
    """How many steps were written in each of the lanes; one that is not on file is not there."""
    return {row[0]: int(row[1]) for row in connection.execute(_REVISIONS, {"persons": persons})}


def load(connection: Connection, persons: Sequence[str], keys: KeyRing) -> dict[str, tuple[PersonRecord, Encoded]]:
    """The record of each of these lanes, and the canonical bytes of what its shelves hold; empty where nothing is on file.

    Raises `Damaged` for a row that does not open.
    """
    rows: dict[str, list[list[bytes]]] = {person: [[] for _ in SHELVES] for person in persons}
    names = [shelf.table.name for shelf in SHELVES]
    asked = {"persons": persons}
    for person, number, place, id, key_id, sealed in connection.execute(_SEALED, asked):
        bound = f"{names[number]}|{person}|{place if id is None else id}"
        rows[person][number].append(keys.open(key_id, sealed, bound))
    identifiers = people.of_persons(connection, persons, keys)
    entries = ledger.of_persons(connection, persons)
    roots = members.roots_of(connection, persons)
    due: dict[str, list[Due]] = {}
    for person, what, about, not_before in connection.execute(_DUE, asked):
        due.setdefault(person, []).append(Due(what, about, codec.instant(not_before)))
    found: dict[str, tuple[PersonRecord, Encoded]] = {}
    for person, shelves in rows.items():
        values = {
            shelf.name: codec.decode_all(shelf.decoder, those, shelf.table.name)
            for shelf, those in zip(SHELVES, shelves, strict=True)
        }
        record = PersonRecord(
            person=person,
            identifiers=identifiers.get(person, ()),
            entries=tuple(entries.get(person, ())),
            due=tuple(due.get(person, ())),
            root=roots.get(person, ""),
            **values,
        )
        found[person] = record, {shelf.name: those for shelf, those in zip(SHELVES, shelves, strict=True)}
    return found


def same(one: PersonRecord, other: PersonRecord) -> bool:
    """Whether two records are the same to the last byte; plain equality leaves out why an outcome is what it is."""
    return one is other or codec.encode(one) == codec.encode(other)
