"""The chain of seals: digests over what is only ever added to, each over the one before it, and the checking of them.

A seal covers a range of the journal and the ledger entries that the steps in it made. Its digest is SHA-256 over the
seal before it, its own range and instant, and the digest of every row: all columns of a journal row, an entry with its
lines. All functions work inside a transaction that the caller holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Final

import msgspec
from sqlalchemy import Connection, RowMapping, Select, func, insert, select

from adapters.model.journal import JournalKind
from adapters.store import codec
from adapters.store.head import Head
from adapters.store.keys import KeyRing, Signed
from adapters.store.refusals import Damaged
from adapters.store.schema import entries, entry_lines, journal, sealed_entries, seals

LARGEST: Final = 5000
"""Journal entries that one seal covers at most: what is read and hashed in one go."""
_CHUNK: Final = 500
_LEAF: Final = 32

# Named here, so that a column added later does not change what an old seal says.
_JOURNAL: Final = (
    "seq", "id", "kind", "at", "actor", "channel", "sender", "media", "control", "digest", "key_id", "body", "answer",
    "control_key",
)  # fmt: skip
_ENTRY: Final = ("id", "person", "place", "at", "cause", "reverses")
_LINE: Final = ("place", "account", "amount", "claim", "line")


@dataclass(frozen=True, slots=True)
class Seal:
    """A row of `seals` without its leaves."""

    number: int
    first: int
    last: int
    at: int
    """Microseconds since 1970 UTC."""
    digest: str
    signed: Signed


@dataclass(frozen=True, slots=True)
class Drawn:
    """A seal made ready from one snapshot."""

    seal: Seal
    leaves: bytes
    held: Mapping[str, str]
    """Digest of each ledger entry by id."""


def head_of(seal: Seal) -> Head:
    """What the head file says of a seal."""
    return Head(seal.number, seal.last, seal.digest, *seal.signed)


_COLUMNS: Final = select(*(seals.c[n] for n in ("number", "first", "last", "at", "digest", "key_id", "signature")))
_LAST: Final = _COLUMNS.order_by(seals.c.number.desc()).limit(1)


def last_of(connection: Connection) -> Seal | None:
    """The last seal on file; raises `Damaged` when a column is not of its kind."""
    row = connection.execute(_LAST).mappings().one_or_none()
    return None if row is None else _seal_of(row)


def ends(connection: Connection, said: Head | None) -> tuple[Seal | None, Seal | None]:
    """The last seal on file, and the one that the head is of."""
    own = None
    if said is not None:
        own = connection.execute(_COLUMNS.where(seals.c.number == said.number)).mappings().one_or_none()
    return last_of(connection), None if own is None else _seal_of(own)


def _seal_of(row: RowMapping) -> Seal:
    numbers = [row[name] for name in ("number", "first", "last", "at")]
    texts = [row[name] for name in ("digest", "key_id")]
    signature = row["signature"]
    whole = all(isinstance(n, int) for n in numbers) and all(isinstance(t, str) for t in texts)
    if not whole or not isinstance(signature, bytes | memoryview):
        raise Damaged(f"seals|{row['number']}: a column is not of its kind")
    number, first, last, at = numbers
    digest, key_id = texts
    return Seal(number, first, last, at, digest, Signed(key_id, bytes(signature)))


# ---------------------------------------------------------------- making


LOOSE: Final = (
    select(entries.c.id, entries.c.person)
    .join(sealed_entries, sealed_entries.c.entry == entries.c.id, isouter=True)
    .where(sealed_entries.c.entry.is_(None))
)


def draw(connection: Connection, now: datetime, keys: KeyRing) -> Drawn | None:
    """The seal over what comes after the last one, or None where nothing does."""
    before = last_of(connection)
    first = before.last + 1 if before is not None else 1
    leaves = bytearray()
    persons: set[str] = set()
    last = first - 1
    asked = select(journal).where(journal.c.seq >= first).order_by(journal.c.seq).limit(LARGEST)
    for entry in connection.execute(asked).mappings():
        leaves += _leaf(entry, _JOURNAL)
        last = int(entry["seq"])
        if entry["kind"] == JournalKind.TICK.value:
            persons.add(_stepped(entry, keys))
    if last - first + 1 != len(leaves) // _LEAF:
        raise Damaged(f"journal: entries are missing after number {first - 1}; nothing is sealed")
    if not leaves:
        return None
    held: dict[str, str] = {}
    lanes = sorted(persons)
    for start in range(0, len(lanes), _CHUNK):
        loose = LOOSE.where(entries.c.person.in_(lanes[start : start + _CHUNK])).subquery()
        held |= _digests(connection, select(loose.c.id))
    drawn = Seal(before.number + 1 if before else 1, first, last, codec.micros(now), "", Signed("", b""))
    digest = _digest(before, drawn, bytes(leaves), held)
    made = replace(drawn, digest=digest)
    return Drawn(replace(made, signed=keys.sign(signable(made))), bytes(leaves), held)


def put(connection: Connection, drawn: Drawn) -> bool:
    """Write a seal; False when its number is taken by now."""
    number = connection.execute(select(func.coalesce(func.max(seals.c.number), 0))).scalar_one()
    seal = drawn.seal
    if int(number) != seal.number - 1:
        return False
    row = {name: getattr(seal, name) for name in ("number", "first", "last", "at", "digest")}
    signed = {"key_id": seal.signed.key_id, "signature": seal.signed.signature}
    connection.execute(insert(seals), [{**row, **signed, "leaves": drawn.leaves}])
    if drawn.held:
        held = [{"entry": id, "seal": seal.number, "digest": digest} for id, digest in drawn.held.items()]
        connection.execute(insert(sealed_entries), held)
    return True


def _stepped(entry: RowMapping, keys: KeyRing) -> str:
    """The lane of a tick; raises `Damaged` when it does not open."""
    body = keys.open(entry["key_id"], entry["body"], f"journal|{entry['id']}|body")
    try:
        return str(msgspec.json.decode(body)["person"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        raise Damaged(f"journal|{entry['id']}: a step that does not say whose it is") from None


# ---------------------------------------------------------------- digests


def _leaf(row: RowMapping, columns: tuple[str, ...]) -> bytes:
    """SHA-256 of these columns; kind and length before each, so that no two rows read the same."""
    digest = hashlib.sha256()
    for name in columns:
        value = row[name]
        kind = "-" if value is None else "b" if isinstance(value, bytes | memoryview) else type(value).__name__[0]
        data = b"" if value is None else bytes(value) if kind == "b" else str(value).encode(errors="surrogatepass")
        digest.update(f"{kind}{len(data)}:".encode())
        digest.update(data)
    return digest.digest()


def _digests(connection: Connection, ids: Select[tuple[str]]) -> dict[str, str]:
    """The digest of each ledger entry of these ids, its lines included."""
    lines = [entry_lines.c[name].label(f"line_{name}") for name in _LINE]
    asked = (
        select(*(entries.c[name] for name in _ENTRY), *lines)
        .join(entry_lines, entry_lines.c.entry == entries.c.id, isouter=True)
        .where(entries.c.id.in_(ids))
        .order_by(entries.c.id, entry_lines.c.place)
    )
    found: dict[str, str] = {}
    named = tuple(f"line_{name}" for name in _LINE)
    for id, rows in groupby(connection.execute(asked).mappings(), key=lambda row: str(row["id"])):
        digest = hashlib.sha256()
        for place, row in enumerate(rows):
            if place == 0:
                digest.update(_leaf(row, _ENTRY))
            digest.update(_leaf(row, named))
        found[id] = digest.hexdigest()
    return found


def _digest(before: Seal | None, seal: Seal, leaves: bytes, held: Mapping[str, str]) -> str:
    """The digest of a seal: the one before it with its signature, range and instant, and every row."""
    digest = hashlib.sha256(b"oncoclaims seal 1\n")
    if before is not None:
        digest.update(f"{before.digest} {before.signed.key_id} {before.signed.signature.hex()}\n".encode())
    digest.update(f"{seal.number} {seal.first} {seal.last} {seal.at} {len(leaves)} {len(held)}\n".encode())
    digest.update(leaves)
    for id in sorted(held):
        digest.update(f"{len(id)}:{id} {held[id]}\n".encode())
    return digest.hexdigest()


def signable(seal: Seal | Head) -> bytes:
    """What a signer signs."""
    return f"oncoclaims seal {seal.number} to {seal.last}: {seal.digest}".encode()


# ---------------------------------------------------------------- checking


def faults(connection: Connection, keys: KeyRing, *, unsealed: bool = False) -> Iterator[str]:
    """One line for every seal that is not what it was, and every sealed row that is not what was sealed."""
    before: Seal | None = None
    for number in connection.execute(select(seals.c.number).order_by(seals.c.number)).scalars().all():
        row = connection.execute(select(seals).where(seals.c.number == number)).mappings().one()
        try:
            seal = _seal_of(row)
        except Damaged as damaged:
            yield str(damaged)
            return
        yield from _faults_of_seal(connection, before, seal, row["leaves"])
        signed = seal.signed.key_id or seal.signed.signature
        if signed and not keys.has_signed(signable(seal), seal.signed):
            yield f"seals|{seal.number}: its signature is not that of a signer in the key file"
        before = seal
    if before is not None and not before.signed.signature and not unsealed:
        yield (
            f"seals|{before.number}: it is not signed, and no later one is: "
            "`oncoclaims init` puts a signer into the key file"
        )
    yield from _strangers(connection, keys, before.last if before is not None else 0)


def _faults_of_seal(connection: Connection, before: Seal | None, seal: Seal, leaves: object) -> Iterator[str]:
    number, first = (before.number + 1, before.last + 1) if before is not None else (1, 1)
    if seal.number != number:
        yield f"seals|{number}: missing"
    leaves = bytes(leaves) if isinstance(leaves, bytes | memoryview) else b""
    if seal.first != first or seal.last < seal.first or len(leaves) != (seal.last - seal.first + 1) * _LEAF:
        yield f"seals|{seal.number}: its range is not the one after the seal before it"
        return
    kept = connection.execute(select(sealed_entries).where(sealed_entries.c.seal == seal.number))
    held = {str(row.entry): str(row.digest) for row in kept}
    if _digest(before, seal, leaves, held) != seal.digest:
        yield f"seals|{seal.number}: its digest is not that of what it holds and of the seal before it"
    due = seal.first
    rows = connection.execute(
        select(journal).where(journal.c.seq.between(seal.first, seal.last)).order_by(journal.c.seq)
    )
    for row in rows.mappings():
        while due < row["seq"]:
            yield f"journal: number {due} is missing, seal {seal.number} holds it"
            due += 1
        at = (due - seal.first) * _LEAF
        if _leaf(row, _JOURNAL) != leaves[at : at + _LEAF]:
            yield f"journal|{row['id']}: number {due} is not the row that seal {seal.number} holds"
        due += 1
    if due <= seal.last:
        yield f"journal: numbers {due} to {seal.last} are missing, seal {seal.number} holds them"
    ids = select(sealed_entries.c.entry).where(sealed_entries.c.seal == seal.number)
    found = _digests(connection, ids)
    for id, digest in sorted(held.items()):
        if id not in found:
            yield f"entries|{id}: missing, seal {seal.number} holds it"
        elif found[id] != digest:
            yield f"entries|{id}: it or its lines are not what seal {seal.number} holds"


def _strangers(connection: Connection, keys: KeyRing, sealed: int) -> Iterator[str]:
    """Ledger entries in no seal that no step after the last seal can have made."""
    loose = connection.execute(LOOSE.order_by(entries.c.id)).all()
    if not loose:
        return
    ticks = select(journal).where(journal.c.seq > sealed, journal.c.kind == JournalKind.TICK.value)
    try:
        persons = {_stepped(row, keys) for row in connection.execute(ticks).mappings()}
    except Damaged:
        return  # the row is named by the journal's own check; whose step it was nobody can say
    for row in loose:
        if row.person not in persons:
            yield f"entries|{row.id}: no seal holds it and no step of the journal made it"
