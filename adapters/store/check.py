"""`verify`: reads everything that is stored and names every row that is not what it was when it was written.

What it sees: altered, swapped or unreadable rows, a digest that is not its body's, an id that is not its entry's, gaps
in the journal's numbers, entries without a queue row, ledger entries out of balance, damaged pages; and by the seals
(`chain.py`) any sealed row of the journal and the ledger that was changed or taken out. That rows of a projection are
missing or extra only a rebuild shows: `oncoclaims rebuild --check`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Final

from sqlalchemy import Connection, select

from adapters.model.journal import JournalKind
from adapters.model.people import Identifier
from adapters.model.record import Due, Parked, Part, PersonRecord
from adapters.store import chain, codec, dialect, ledger
from adapters.store.journal import control_key, entry_id
from adapters.store.keys import KeyRing
from adapters.store.people import blind_of
from adapters.store.records import SHELVES, Shelf
from adapters.store.refusals import Damaged
from adapters.store.schema import State, identifiers, journal, queue, waiting

_QUEUED: Final = (queue.c.state, queue.c.reason, queue.c.key_id, queue.c.sealed, queue.c.tick)
_PARKED: Final = codec.decoder_of(Parked)
_LATER: Final = frozenset({"payer", "built", "number"})
"""Columns of a later schema: empty in rows that were written before it, until they are filled in or written again."""


def verify(connection: Connection, keys: KeyRing, *, unsealed: bool = False) -> tuple[str, ...]:
    """One line for every fault, naming table and id; empty when all is as it was written.

    `unsealed` passes over seals without a signature. The head is not looked at here: `Sealer.faults`.
    """
    with dialect.spoken(connection).any_text(connection):
        return (*_faults(connection, keys), *chain.faults(connection, keys, unsealed=unsealed))


def differences(on_file: PersonRecord, again: PersonRecord | None) -> Iterator[str]:
    """In which parts a record differs, byte for byte, from one that was made again; identifiers are an index of ours.

    A lane that no step ever changed has no record to be made again: it must be empty.
    """
    again = again or PersonRecord(on_file.person)
    for field in fields(PersonRecord):
        if field.name in ("person", "identifiers"):
            continue
        here = [codec.encode(_kept(value)) for value in getattr(on_file, field.name)]
        there = [codec.encode(_kept(value)) for value in getattr(again, field.name)]
        if here != there:
            only_here, only_there = len(set(here) - set(there)), len(set(there) - set(here))
            yield f"lane {on_file.person}: {field.name}: {only_here} only on file, {only_there} only in the fold"


def _kept(value: object) -> object:
    """The value as it is kept: what is due stands in columns, where an instant has no zone; identifiers are an index."""
    if isinstance(value, Part):
        return replace(value, identifiers=())
    if isinstance(value, Due):
        return replace(value, not_before=codec.instant(codec.micros(value.not_before)))
    return value


def _faults(connection: Connection, keys: KeyRing) -> Iterator[str]:
    yield from dialect.spoken(connection).damage(connection)
    yield from _journal(connection, keys)
    yield from _queue(connection, keys)
    for shelf in SHELVES:
        yield from _shelf(connection, shelf, keys)
    yield from _identifiers(connection, keys)
    yield from ledger.faults(connection)


def _journal(connection: Connection, keys: KeyRing) -> Iterator[str]:
    expected = 1
    for row in connection.execute(select(journal).order_by(journal.c.seq)).mappings():
        place = f"journal|{row['id']}"
        if row["seq"] != expected:
            yield f"{place}: number {row['seq']} where {expected} is due, entries are missing"
        expected = row["seq"] + 1
        if row["kind"] not in set(JournalKind):
            yield f"{place}: no such kind of entry"
        if control_key(row["channel"], row["sender"], row["control"]) != row["control_key"]:
            yield f"{place}: its control key is not that of its control id"
        if entry_id(row["kind"], row["channel"], row["sender"], row["digest"]) != row["id"]:
            yield f"{place}: its id is not that of its kind, channel, sender and digest"
        try:
            body = keys.open(row["key_id"], row["body"], f"{place}|body")
            keys.open(row["key_id"], row["answer"], f"{place}|answer")
        except Damaged as error:
            yield str(error)
            continue
        if hashlib.sha256(body).hexdigest() != row["digest"]:
            yield f"{place}: its digest is not that of its body"


def _queue(connection: Connection, keys: KeyRing) -> Iterator[str]:
    asked = (
        select(journal.c.id, journal.c.seq, queue.c.seq.label("queued"), *_QUEUED)
        .join(queue, queue.c.entry == journal.c.id, isouter=True)
        .order_by(journal.c.seq)
    )
    waits = set(connection.execute(select(waiting.c.entry)).scalars())
    for row in connection.execute(asked):
        place = f"queue|{row.id}"
        if row.queued != row.seq or row.state not in set(State):
            yield f"{place}: missing or not this entry's"
        elif not _goes(State(row.state), row.tick, row.sealed):
            yield f"{place}: its state does not go with what it holds"
        elif (row.state == State.WAITING) != (row.id in waits):
            yield f"{place}: it waits in no lane, or in one that it does not wait in"
        elif row.state == State.PARKED:
            try:
                (why,) = codec.decode_all(_PARKED, [keys.open(row.key_id, row.sealed, place)], place)
            except Damaged as error:
                yield str(error)
                continue
            if (why.entry, why.reason) != (row.id, row.reason):
                yield f"{place}: its reason is not that of its value"


def _goes(state: State, tick: int | None, sealed: bytes | None) -> bool:
    """What is taken has the instant of its step, what is parked its reason; what is unread has neither."""
    if (state is State.PARKED) != bool(sealed):
        return False
    return state is State.PARKED or (state is State.TAKEN) == (tick is not None)


def _shelf(connection: Connection, shelf: Shelf, keys: KeyRing) -> Iterator[str]:
    """Every row opens, reads as its type, and its plain columns say what its value says."""
    for row in connection.execute(select(shelf.table)).mappings():
        key = row["place"] if shelf.key is None else row["id"]
        place = shelf.place_of(row["person"], key)
        try:
            (value,) = codec.decode_all(shelf.decoder, [keys.open(row["key_id"], row["sealed"], place)], place)
        except Damaged as error:
            yield str(error)
            continue
        said = shelf.told(value, keys)
        wrong = any(row[name] != said[name] and not (name in _LATER and row[name] is None) for name in said)
        if wrong or (shelf.key is not None and shelf.key(value) != key):
            yield f"{place}: its columns are not those of its value"


def _identifiers(connection: Connection, keys: KeyRing) -> Iterator[str]:
    decoder = codec.decoder_of(Identifier)
    for row in connection.execute(select(identifiers)):
        place = f"person_identifiers|{row.blind}"
        try:
            (value,) = codec.decode_all(decoder, [keys.open(row.key_id, row.sealed, place)], place)
        except Damaged as error:
            yield str(error)
            continue
        if blind_of(value, keys) != row.blind:
            yield f"{place}: its index is not that of its value"
