"""The ledger in rows. The database holds the balance: lines first, then the entry, whose trigger sums them.

Amounts and ids of claims only: nothing here names a patient, so the rows are plain and can be summed where they lie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Executable, bindparam, exists, func, insert, select, union_all

from adapters.errors import Unbalanced
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.money import Cents
from adapters.store import codec
from adapters.store.refusals import Damaged, Overwrites
from adapters.store.schema import entries, entry_lanes, entry_lines

_HEAD: Final = (entries.c.at, entries.c.cause, entries.c.reverses)
_LINE: Final = (entry_lines.c.account, entry_lines.c.amount, entry_lines.c.claim, entry_lines.c.line)
_EVERYONES: Final = (
    select(
        entries.c.id,
        func.coalesce(entry_lanes.c.person, entries.c.person).label("whose"),
        *_HEAD,
        *_LINE,
    )
    .join(entry_lines, entry_lines.c.entry == entries.c.id)
    .join(entry_lanes, entry_lanes.c.entry == entries.c.id, isouter=True)
    .order_by("whose", func.coalesce(entry_lanes.c.place, entries.c.place), entry_lines.c.place)
)
_OF_PERSONS: Final = union_all(
    # Two questions, each by its index: what was posted here and went nowhere, and what is here by now.
    select(
        entries.c.id,
        entries.c.person,
        *_HEAD,
        *_LINE,
        entries.c.place.label("nth"),
        entry_lines.c.place.label("inner_place"),
    )
    .join(entry_lines, entry_lines.c.entry == entries.c.id)
    .where(
        entries.c.person.in_(bindparam("persons", expanding=True)),
        ~exists().where(entry_lanes.c.entry == entries.c.id),
    ),
    select(
        entries.c.id,
        entry_lanes.c.person,
        *_HEAD,
        *_LINE,
        entry_lanes.c.place.label("nth"),
        entry_lines.c.place.label("inner_place"),
    )
    .join(entry_lines, entry_lines.c.entry == entries.c.id)
    .join(entry_lanes, entry_lanes.c.entry == entries.c.id)
    .where(entry_lanes.c.person.in_(bindparam("persons", expanding=True))),
).order_by("nth", "inner_place")
_FREE: Final = (
    select(entries.c.person, func.max(entries.c.place) + 1)
    .where(entries.c.person.in_(bindparam("persons", expanding=True)))
    .group_by(entries.c.person)
)
_ADD_LINES: Final = insert(entry_lines)
_ADD: Final = insert(entries)


def of_persons(connection: Connection, persons: Sequence[str]) -> dict[str, list[Entry]]:
    """Ledger entries by person, in the order they were made; those of several lanes as they came together."""
    found: dict[str, list[Entry]] = {}
    rows = connection.execute(_OF_PERSONS, {"persons": persons})
    for person, entry in _entries(row[:9] for row in rows):
        found.setdefault(person, []).append(entry)
    return found


def free_places(connection: Connection, persons: Sequence[str]) -> dict[str, int]:
    """The first place after all entries that were ever posted in each of the lanes; no lane without any is there."""
    return {row[0]: int(row[1]) for row in connection.execute(_FREE, {"persons": persons})}


def everyones(connection: Connection) -> tuple[tuple[str, Entry], ...]:
    """All entries with their person."""
    return tuple(_entries(connection.execute(_EVERYONES)))


def _entries(rows: Iterable[Sequence[Any]]) -> list[tuple[str, Entry]]:
    heads: dict[str, tuple[str, int, str, str]] = {}
    lines: dict[str, list[EntryLine]] = {}
    for id, person, at, cause, reverses, account, amount, claim, line in rows:
        heads[id] = (person, at, cause, reverses)
        lines.setdefault(id, []).append(EntryLine(_account(account), int(amount), claim, line))
    try:
        return [
            (person, Entry(id, codec.instant(at), cause, tuple(lines[id]), reverses))
            for id, (person, at, cause, reverses) in heads.items()
        ]
    except Unbalanced:
        raise Damaged("entries: an entry on file does not balance") from None


def _account(name: str) -> Account:
    try:
        return Account(name)
    except ValueError:
        raise Damaged("entry_lines: no such account") from None


def additions(
    person: str, before: Sequence[Entry], after: Sequence[Entry], free: int = 0
) -> list[tuple[Executable, list[dict[str, Any]]]]:
    """The rows of the entries that a step adds at the end, at `free` or after those before.

    Raises `Overwrites` when one on file changed or went."""
    if before is after:
        return []
    if len(after) < len(before) or any(x is not y and x != y for x, y in zip(before, after, strict=False)):
        raise Overwrites("entries: a step would change or lose a ledger entry")
    added = after[len(before) :]
    if not added:
        return []
    lines = [
        {
            "entry": entry.id,
            "place": n,
            "account": line.account.value,
            "amount": line.amount,
            "claim": line.claim,
            "line": line.line,
        }
        for entry in added
        for n, line in enumerate(entry.lines)
    ]
    heads = [
        {
            "id": entry.id,
            "person": person,
            "place": place,
            "at": codec.micros(entry.at),
            "cause": entry.cause,
            "reverses": entry.reverses,
        }
        for place, entry in enumerate(added, start=max(len(before), free))
    ]
    return [(_ADD_LINES, lines), (_ADD, heads)]


def trial_balance(connection: Connection) -> dict[Account, Cents]:
    """The sum of every account in minor units; together they are zero."""
    rows = connection.execute(
        select(entry_lines.c.account, func.sum(entry_lines.c.amount)).group_by(entry_lines.c.account)
    )
    return {account: int(total) for account, total in sorted((_account(name), total) for name, total in rows)}


def faults(connection: Connection) -> list[str]:
    """Every entry that does not sum to zero or has no lines, and every line without its entry, by id."""
    sums = (
        select(entries.c.id, func.sum(entry_lines.c.amount))
        .join(entry_lines, entry_lines.c.entry == entries.c.id, isouter=True)
        .group_by(entries.c.id)
    )
    found = [f"entries|{id}: the lines do not sum to zero" for id, total in connection.execute(sums) if total != 0]
    orphans = (
        select(entry_lines.c.entry)
        .join(entries, entry_lines.c.entry == entries.c.id, isouter=True)
        .where(entries.c.id.is_(None))
        .distinct()
    )
    return [
        *found,
        *(f"entry_lines|{entry}: lines without their entry" for entry in connection.execute(orphans).scalars()),
    ]
