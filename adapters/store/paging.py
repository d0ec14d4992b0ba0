"""Long lists page by page: claims, the journal, work of one kind; and single things by what people know them by.

Every question here has a bound that does not grow with the store: it reads along an index from a key, and stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, Select, and_, func, literal, or_, select

from adapters.model.claim import ClaimState
from adapters.model.lists import (
    LOOKED_AT,
    CallsDue,
    ClaimListed,
    ClaimsAsked,
    MessageListed,
    MessagesAsked,
    Page,
    PayerStanding,
    WorkAsked,
    WorkListed,
)
from adapters.model.record import Parked
from adapters.store import codec, listing, members, records, schema, searching
from adapters.store.keys import KeyRing
from adapters.store.listing import JournalLine
from adapters.store.schema import State

T = TypeVar("T")
_SPAN: Final = 5000
"""Entries of the journal that one page looks through for those of a feed or kind."""
_UNDATED: Final = "~"
"""Where a page goes on among items without a deadline, which come last."""


def claims_page(connection: Connection, asked: ClaimsAsked, keys: KeyRing) -> Page[ClaimListed]:
    """A page of claims in the order in which they were built."""
    table = schema.claims
    built = func.coalesce(table.c.built, "")
    keyed = select(table.c.person, table.c.id, built.label("day")).order_by(table.c.built, table.c.id)
    if asked.states:
        keyed = keyed.where(table.c.state.in_(sorted(state.value for state in asked.states)))
    if asked.payer:
        keyed = keyed.where(table.c.payer == asked.payer)
    if asked.built_until is not None:
        keyed = keyed.where(table.c.built <= asked.built_until.isoformat())
    if asked.after:
        day, _, id = asked.after.partition(":")
        keyed = keyed.where(or_(table.c.built > day, and_(table.c.built == day, table.c.id > id)))
    found = connection.execute(keyed.limit(asked.limit + 1)).all()
    shown = found[: asked.limit]
    by_id = {
        of.value.claim.id: ClaimListed(of.person, of.value)
        for of in listing.everyones(connection, records.CLAIMS, keys, table.c.id.in_([row.id for row in shown]))
    }
    more = f"{shown[-1].day}:{shown[-1].id}" if len(found) > asked.limit else ""
    return Page(tuple(by_id[row.id] for row in shown), more)


def work_page(connection: Connection, asked: WorkAsked, keys: KeyRing) -> Page[WorkListed]:
    """A page of open items of one kind by their deadlines."""
    table = schema.work_items
    sifted = bool(asked.category or asked.code or asked.action)
    rows = _work_keys(connection, asked, (LOOKED_AT if sifted else asked.limit) + 1)
    found: list[WorkListed] = []
    wanted = ((asked.category, "category"), (asked.code, "code"), (asked.action, "action"))
    for start in range(0, len(rows), asked.limit):
        if len(found) == asked.limit:
            return Page(tuple(found), f"{rows[start - 1].last}:{rows[start - 1].id}")
        some = rows[start : start + asked.limit]
        in_ids = table.c.id.in_([row.id for row in some])
        items = {of.value.id: of.value for of in listing.everyones(connection, records.WORK, keys, in_ids)}
        for n, row in enumerate(some, start):
            if n == LOOKED_AT or len(found) == asked.limit:
                return Page(tuple(found), f"{rows[n - 1].last}:{rows[n - 1].id}")
            item = items[row.id]
            if all(want in ("", getattr(item, name)) for want, name in wanted):
                found.append(WorkListed(item, row.payer or ""))
    return Page(tuple(found))


def _work_keys(connection: Connection, asked: WorkAsked, most: int) -> list[Any]:
    """Lane, id, deadline (`_UNDATED` for none) and payer of so many items, in order: from indexes alone, nothing is sorted."""
    table, claims = schema.work_items, schema.claims
    day, _, id = asked.after.partition(":")
    rows: list[Any] = []
    for dated in (True, False):
        if (dated and day == _UNDATED) or (not dated and asked.due_until is not None) or len(rows) == most:
            continue
        last = table.c.due if dated else literal(_UNDATED)
        keyed = (
            select(table.c.person, table.c.id, last.label("last"), claims.c.payer)
            .join(claims, claims.c.id == table.c.about, isouter=True)
            .where(table.c.kind == asked.kind, table.c.closed.is_(None))
            .where(table.c.due.is_not(None) if dated else table.c.due.is_(None))
            .order_by(*((table.c.due, table.c.id) if dated else (table.c.id,)))
        )
        if asked.payer:
            keyed = keyed.where(claims.c.payer == asked.payer)
        if dated and asked.due_until is not None:
            keyed = keyed.where(table.c.due <= asked.due_until.isoformat())
        if dated and day:
            keyed = keyed.where(table.c.due >= day, or_(table.c.due > day, table.c.id > id))
        if not dated and day == _UNDATED:
            keyed = keyed.where(table.c.id > id)
        rows += connection.execute(keyed.limit(most - len(rows))).all()
    return rows


def standings(connection: Connection) -> tuple[PayerStanding, ...]:
    """How much of each payer's is under way; one pass over an index of the claims, and what is due."""
    claims, due = schema.claims, schema.due
    states: dict[str, dict[ClaimState, int]] = {}
    counted = select(claims.c.payer, claims.c.state, func.count()).group_by(claims.c.payer, claims.c.state)
    for payer, state, count in connection.execute(counted):
        states.setdefault(payer or "", {})[ClaimState(state)] = int(count)
    calls: dict[str, list[CallsDue]] = {}
    rows = (
        select(claims.c.payer, due.c.what, func.count(), func.min(due.c.not_before))
        .join(claims, claims.c.id == due.c.about)
        .group_by(claims.c.payer, due.c.what)
        .order_by(claims.c.payer, due.c.what)
    )
    for payer, what, count, first in connection.execute(rows):
        calls.setdefault(payer or "", []).append(CallsDue(what, int(count), codec.instant(int(first))))
    return tuple(
        PayerStanding(payer, states.get(payer, {}), tuple(calls.get(payer, ())))
        for payer in sorted({*states, *calls})
        if payer
    )


def messages_page(connection: Connection, asked: MessagesAsked) -> Page[MessageListed]:
    """A page of the journal, the last entry first. A page may hold few where most of what it looked through is other."""
    journal, queue = schema.journal, schema.queue
    first = 1 if asked.since is None else _number_at(connection, asked.since)
    last = _last(connection) if asked.before is None else _number_at(connection, asked.before) - 1
    if asked.after:
        last = min(last, int(asked.after) - 1)
    narrow = asked.state in (State.PARKED.value, State.UNREAD.value, State.WAITING.value)
    lowest = first if narrow else max(first, last - _SPAN + 1)
    number = queue.c.seq if asked.state else journal.c.seq
    lines = listing.LINES.where(number >= lowest, number <= last).order_by(number.desc())
    if asked.state:
        lines = lines.where(queue.c.state == asked.state)
    if asked.actor:
        lines = lines.where(journal.c.actor == asked.actor)
    if asked.kinds:
        lines = lines.where(journal.c.kind.in_(sorted(kind.value for kind in asked.kinds)))
    found = listing.lines_of(connection, lines.limit(asked.limit + 1))
    if len(found) > asked.limit:
        return Page(tuple(map(_listed, found[: asked.limit])), str(found[asked.limit - 1].seq))
    return Page(tuple(map(_listed, found)), str(lowest) if lowest > first else "")


def _listed(line: JournalLine) -> MessageListed:
    return MessageListed(
        seq=line.seq,
        id=line.id,
        kind=line.kind,
        at=line.at.astimezone(UTC),
        actor=line.actor,
        media=line.media,
        control=line.control,
        state=line.state.value,
        reason=line.reason,
    )


def _last(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(schema.journal.c.seq), 0))).scalar_one())


def _number_at(connection: Connection, at: datetime) -> int:
    """The number of the first entry that came at or after the instant; one more than the last where none did.

    The journal is in the order of time but for the seconds of a group that was written at once.
    """
    journal, wanted = schema.journal, codec.micros(at)
    low, high = 1, _last(connection) + 1
    while low < high:
        middle = (low + high) // 2
        came = connection.execute(select(journal.c.at).where(journal.c.seq == middle)).scalar_one()
        low, high = (middle + 1, high) if came < wanted else (low, middle)
    return low


def lines(connection: Connection, asked: Select[Any]) -> tuple[MessageListed, ...]:
    """Entries from outside."""
    return tuple(map(_listed, listing.lines_of(connection, asked)))


class Paged(Protocol):
    """The part of a store that answers for pages."""

    _keys: KeyRing

    def _read(self, ask: Callable[[Connection], T]) -> T:
        """Ask within one snapshot of the last commit."""
        ...

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do it in one transaction of the writer."""
        ...

    def claims_page(self, asked: ClaimsAsked) -> Page[ClaimListed]:
        """A page of claims, those first that were built first."""
        return self._read(lambda c: claims_page(c, asked, self._keys))

    def work_page(self, asked: WorkAsked) -> Page[WorkListed]:
        """A page of open work items of one kind, the earliest deadline first."""
        return self._read(lambda c: work_page(c, asked, self._keys))

    def messages_page(self, asked: MessagesAsked) -> Page[MessageListed]:
        """A page of the journal, the last entry first."""
        return self._read(lambda c: messages_page(c, asked))

    def lines(self, ids: Iterable[str]) -> tuple[MessageListed, ...]:
        """Those of these journal entries that are on file, from outside."""
        wanted = listing.LINES.where(schema.journal.c.id.in_(list(ids))).order_by(schema.journal.c.seq)
        return self._read(lambda c: lines(c, wanted))

    def numbered(self, control: str, limit: int) -> tuple[MessageListed, ...]:
        """Journal entries with this control id of their sender, the last first, at most so many."""
        if not control:
            return ()
        wanted = listing.LINES.where(schema.journal.c.control == control).order_by(schema.journal.c.seq.desc())
        return self._read(lambda c: lines(c, wanted.limit(limit)))

    def parked_because(self, entry: str) -> Parked | None:
        """Why an entry is parked; None where it is not."""

        def ask(connection: Connection) -> Parked | None:
            queue = schema.queue
            row = connection.execute(
                select(queue.c.key_id, queue.c.sealed).where(
                    queue.c.entry == entry, queue.c.state == State.PARKED.value
                )
            ).one_or_none()
            if row is None:
                return None
            opened = self._keys.open(row.key_id, row.sealed, f"queue|{entry}")
            (found,) = codec.decode_all(codec.decoder_of(Parked), [opened], "queue")
            return found

        return self._read(ask)

    def concerned(self, entry: str) -> tuple[str, ...]:
        """The persons whom a journal entry concerned, by the lane in which each is kept."""

        def ask(connection: Connection) -> Sequence[str]:
            return [members.root_of(connection, lane) or lane for lane in listing.lanes_of(connection, entry)]

        return tuple(dict.fromkeys(self._read(ask)))

    def lanes_named(self, text: str, limit: int) -> tuple[str, ...]:
        """The persons, by the lane in which each is kept, of whom every word of the text was stated as a part of a name,
        a birth date or a member number; at most so many."""

        def ask(connection: Connection) -> Sequence[str]:
            found = searching.lanes_named(connection, text, self._keys, limit)
            return [members.root_of(connection, lane) or lane for lane in found]

        return tuple(dict.fromkeys(self._read(ask)))

    def claims_numbered(self, number: str) -> tuple[str, ...]:
        """Ids of the claims to which a payer gave this number."""
        wanted = select(schema.claims.c.id).where(schema.claims.c.number == searching.number_of(number, self._keys))
        return self._read(lambda c: tuple(c.execute(wanted.order_by(schema.claims.c.id)).scalars())) if number else ()

    def claims_beginning(self, digits: str, limit: int) -> tuple[str, ...]:
        """Ids of the claims that begin with these digits, as pages show them short; at most so many."""
        id = schema.claims.c.id
        wanted = select(id).where(id >= digits, id < f"{digits}g").order_by(id).limit(limit)
        return self._read(lambda c: tuple(c.execute(wanted).scalars())) if digits else ()

    def standings(self) -> tuple[PayerStanding, ...]:
        """How much of each payer's is under way, by the payer's id."""
        return self._read(standings)

    def fill_lists(self) -> None:
        """Write what lists and search ask of rows that are older than their columns; after a migration, by the owner."""
        self._write(lambda c: searching.fill(c, self._keys))
