"""The journal and its queue: taking receipts, handing out what is unread, parking, and the tick of a lane.

All functions work inside a transaction that the caller holds. The order of the journal is given under the one write
lock, so a number once seen has no smaller one coming after it. On PostgreSQL a set is written by one statement.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Connection,
    LargeBinary,
    RowMapping,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    null,
    select,
    union_all,
    update,
)

from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.record import Parked
from adapters.ports import Receipt, Received
from adapters.store import codec, postgres
from adapters.store.keys import KeyRing
from adapters.store.refusals import Damaged, Overwrites
from adapters.store.schema import State, journal, queue, waiting

_NAMESPACE: Final = uuid.UUID("8d0f6c4e-3c58-5f0a-9b5e-5a7c0f6a1d21")


def entry_id(kind: str, channel: str, sender: str, digest: str) -> str:
    """The id of a journal entry: the same bytes of the same sender are one entry however often they come."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}|{channel}|{sender}|{digest}"))


def control_key(channel: str, sender: str, control: str) -> str | None:
    """What a sender's control id is known again by; None where it gave none."""
    return str(uuid.uuid5(_NAMESPACE, f"control|{channel}|{sender}|{control}")) if control else None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A receipt made ready outside the transaction: identified and sealed."""

    id: str
    receipt: Receipt
    row: dict[str, Any]


def prepare(receipt: Receipt, keys: KeyRing) -> Arrival:
    """Identify and seal a receipt; raises `ValueError` when its digest is not that of its body."""
    if hashlib.sha256(receipt.body).hexdigest() != receipt.digest:
        raise ValueError("a receipt whose digest is not the SHA-256 of its body")
    sender, control = _storable(receipt.sender), _storable(receipt.control)
    id = entry_id(receipt.kind, receipt.channel, sender, receipt.digest)
    body = keys.seal(receipt.body, f"journal|{id}|body")
    answer = keys.seal(receipt.answer, f"journal|{id}|answer")
    row = {
        "id": id,
        "kind": receipt.kind.value,
        "at": codec.micros(receipt.at),
        "actor": receipt.actor,
        "channel": receipt.channel,
        "sender": sender,
        "media": receipt.media,
        "control": control,
        "control_key": control_key(receipt.channel, sender, control),
        "digest": receipt.digest,
        "key_id": body.key_id,
        "body": body.data,
        "answer": answer.data,
    }
    return Arrival(id, receipt, row)


def _storable(text: str) -> str:
    """A peer's word as every database takes it: PostgreSQL refuses NUL in text, and no database takes half a character.

    The body keeps what was sent.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


# One question instead of three: it is asked in every group of receipts.
_LAST: Final = select(
    literal("last"), null(), null(), cast(null(), LargeBinary), func.coalesce(func.max(journal.c.seq), 0)
)
_ON_FILE: Final = union_all(
    select(literal("entry"), journal.c.id, journal.c.key_id, journal.c.answer, literal(0)).where(
        journal.c.id.in_(bindparam("ids", expanding=True))
    ),
    select(literal("control"), journal.c.control_key, null(), cast(null(), LargeBinary), literal(0)).where(
        journal.c.control_key.in_(bindparam("controls", expanding=True))
    ),
    _LAST,
)


def take_all(connection: Connection, arrivals: Sequence[Arrival], keys: KeyRing) -> list[Received]:
    """Write what is new of these receipts, in their order, and say what the store made of each.

    A known entry gives the answer stored the first time. A control id that the same sender used for another body is
    told, and both are kept; an empty control id is no key.
    """
    rows: dict[str, dict[str, Any]] = {}
    for arrival in arrivals:
        rows.setdefault(arrival.id, arrival.row)
    enter = _enter_set if connection.dialect.name == postgres.NAME else _enter
    before = enter(connection, list(rows.values()))
    answers = {id: keys.open(*sealed, f"journal|{id}|answer") for id, sealed in before.answers.items()}
    used = before.controls
    told: list[Received] = []
    for arrival in arrivals:
        if arrival.id in answers:
            told.append(Received(arrival.id, answers[arrival.id], repeated=True))
            continue
        key = arrival.row["control_key"]
        told.append(Received(arrival.id, arrival.receipt.answer, control_reused=key in used))
        answers[arrival.id] = arrival.receipt.answer
        if key:
            used.add(key)
    return told


@dataclass(frozen=True, slots=True)
class _Before:
    """What was on file of a set of rows before they were written: answers by id, as sealed, and control keys."""

    answers: dict[str, tuple[str, bytes]]
    controls: set[str]


def _enter(connection: Connection, rows: Sequence[dict[str, Any]]) -> _Before:
    """Write those of the rows, of distinct ids, that are new, and say what was on file."""
    before = _Before({}, set())
    last = 0
    controls = [row["control_key"] for row in rows if row["control_key"]]
    asked = {"ids": [row["id"] for row in rows], "controls": controls}
    for what, key, key_id, answer, seq in connection.execute(_ON_FILE, asked):
        if what == "entry":
            before.answers[key] = (key_id, answer)
        elif what == "control":
            before.controls.add(key)
        else:
            last = int(seq)
    new = [row for row in rows if row["id"] not in before.answers]
    if new:
        _append(connection, last, new, State.UNREAD, None)
    return before


def _enter_set(connection: Connection, rows: Sequence[dict[str, Any]]) -> _Before:
    """The same in one statement."""
    entered = postgres.enter(connection, rows, State.UNREAD.value, None)
    return _Before(
        {one.id: (one.key_id, one.answer) for one in entered if one.key_id is not None and one.answer is not None},
        {one.control_used for one in entered if one.control_used is not None},
    )


def append(connection: Connection, rows: Sequence[dict[str, Any]], state: State, tick: int | None) -> None:
    """Write journal rows at the end of the journal, with their place in the queue."""
    if connection.dialect.name == postgres.NAME:
        if any(one.seq is None for one in postgres.enter(connection, rows, state.value, tick)):
            raise Overwrites("an entry is in the journal already")
        return
    row = connection.execute(_LAST).one()
    _append(connection, int(row[-1]), rows, state, tick)


def _append(connection: Connection, last: int, rows: Sequence[dict[str, Any]], state: State, tick: int | None) -> None:
    numbered = [{"seq": last + n, **row} for n, row in enumerate(rows, start=1)]
    connection.execute(insert(journal), numbered)
    connection.execute(
        insert(queue),
        [{"entry": r["id"], "seq": r["seq"], "state": state.value, "reason": "", "tick": tick} for r in numbered],
    )


def tick_row(
    person: str,
    revision: int,
    at: int,
    taken: Sequence[str],
    keys: KeyRing,
    under: str = "",
    *,
    again: bool = False,
    groups: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """The journal row of a lane's step: whose, the how manyth, at what instant, and which entries it read.

    `under` and `again` are in it where they say something: the digest of the tables that it asked, and that everything
    was derived anew. `groups`: the lanes of each person that were put together or apart by it.
    """
    said: dict[str, Any] = {"person": person, "tick": codec.instant(at).isoformat()}
    said |= {"revision": revision, "taken": list(taken)}
    more = ({"under": under} if under else {}) | ({"again": True} if again else {})
    body = msgspec.json.encode(said | more | ({"groups": [list(group) for group in groups]} if groups else {}))
    receipt = Receipt(
        kind=JournalKind.TICK,
        channel="store",
        sender="",
        actor="clock",
        media="json",
        control="",
        digest=hashlib.sha256(body).hexdigest(),
        body=body,
        answer=b"",
        at=codec.instant(at),
    )
    return prepare(receipt, keys).row


def park(connection: Connection, parked: Parked, keys: KeyRing) -> None:
    """Set an entry aside with its reason, and out of every lane in which it waits."""
    sealed = keys.seal(codec.encode(parked), f"queue|{parked.entry}")
    done = connection.execute(
        update(queue)
        .where(queue.c.entry == parked.entry)
        .values(state=State.PARKED.value, reason=parked.reason, key_id=sealed.key_id, sealed=sealed.data)
    )
    if done.rowcount != 1:
        raise Overwrites("an entry to be parked is not in the journal")
    connection.execute(delete(waiting).where(waiting.c.entry == parked.entry))


def unpark(connection: Connection, entry: str) -> bool:
    """Make a parked entry unread again; False when it is not parked."""
    done = connection.execute(
        update(queue)
        .where(queue.c.entry == entry, queue.c.state == State.PARKED.value)
        .values(state=State.UNREAD.value, reason="", key_id=None, sealed=None, tick=None)
    )
    return done.rowcount == 1


_PARKED: Final = codec.decoder_of(Parked)


def parked(connection: Connection, keys: KeyRing) -> tuple[Parked, ...]:
    """All that is parked, in the order of the journal."""
    rows = connection.execute(
        select(queue.c.entry, queue.c.key_id, queue.c.sealed)
        .where(queue.c.state == State.PARKED.value)
        .order_by(queue.c.seq)
    )
    return codec.decode_all(_PARKED, [keys.open(r.key_id, r.sealed, f"queue|{r.entry}") for r in rows], "queue")


_PARKED_FOR: Final = (
    select(queue.c.entry)
    .where(queue.c.state == State.PARKED.value, queue.c.reason == bindparam("why"))
    .order_by(queue.c.seq)
)


def parked_for(connection: Connection, reason: str) -> tuple[str, ...]:
    """The entries that are parked for a reason, in the order of the journal."""
    return tuple(connection.execute(_PARKED_FOR, {"why": reason}).scalars())


_IN_STATE: Final = (
    select(journal)
    .join(queue, queue.c.entry == journal.c.id)
    .where(queue.c.state.in_(bindparam("states", expanding=True)))
    .order_by(queue.c.seq)
    .limit(bindparam("most"))
)
_WHOLE: Final = (
    select(journal).where(journal.c.seq > bindparam("after")).order_by(journal.c.seq).limit(bindparam("most"))
)
_ENTRY: Final = select(journal).where(journal.c.id == bindparam("id"))
_ENTRIES: Final = select(journal).where(journal.c.id.in_(bindparam("ids", expanding=True))).order_by(journal.c.seq)
_NOT_TAKEN: Final = select(queue.c.entry).where(
    queue.c.entry.in_(bindparam("entries", expanding=True)),
    queue.c.state.in_((State.UNREAD.value, State.WAITING.value)),
)


def in_state(connection: Connection, states: Sequence[State], limit: int, keys: KeyRing) -> tuple[JournalEntry, ...]:
    """Entries of which this became, with their bodies, in order."""
    asked = {"states": [state.value for state in states], "most": limit}
    return tuple(opened(row, keys) for row in connection.execute(_IN_STATE, asked).mappings())


def not_taken(connection: Connection, entries: Sequence[str]) -> frozenset[str]:
    """Those of the entries that are neither taken nor parked."""
    return frozenset(connection.execute(_NOT_TAKEN, {"entries": entries}).scalars())


def whole(connection: Connection, after: int, limit: int, keys: KeyRing) -> tuple[JournalEntry, ...]:
    """Entries numbered above `after`, with their bodies, in order."""
    rows = connection.execute(_WHOLE, {"after": after, "most": limit}).mappings()
    return tuple(opened(row, keys) for row in rows)


def entry(connection: Connection, id: str, keys: KeyRing) -> JournalEntry | None:
    """One entry with its body, or None."""
    row = connection.execute(_ENTRY, {"id": id}).mappings().one_or_none()
    return None if row is None else opened(row, keys)


def entries(connection: Connection, ids: Sequence[str], keys: KeyRing) -> tuple[JournalEntry, ...]:
    """Those of the entries that are on file, with their bodies, in order."""
    return tuple(opened(row, keys) for row in connection.execute(_ENTRIES, {"ids": ids}).mappings())


def opened(row: RowMapping, keys: KeyRing) -> JournalEntry:
    """A journal row with its body decrypted; raises `Damaged` when it does not open."""
    try:
        kind = JournalKind(row["kind"])
    except ValueError:
        raise Damaged(f"journal|{row['id']}: no such kind of entry") from None
    return JournalEntry(
        seq=int(row["seq"]),
        id=str(row["id"]),
        kind=kind,
        at=codec.instant(int(row["at"])),
        actor=str(row["actor"]),
        media=str(row["media"]),
        control=str(row["control"]),
        digest=str(row["digest"]),
        body=keys.open(row["key_id"], row["body"], f"journal|{row['id']}|body"),
    )
