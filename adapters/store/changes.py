"""What a step changes: the rows in which two records differ, and writing them.

A save writes the rows that differ and no others. The difference is taken and sealed outside the transaction; the
transaction begins by asking whether the record is still the one that the step began from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Delete, Executable, bindparam, delete, insert, update

from adapters.model.people import Identifier
from adapters.model.record import Due, PersonRecord
from adapters.store import codec, ledger, people, schema, searching
from adapters.store.keys import KeyRing
from adapters.store.records import SHELVES, Encoded, Row, Shelf, revisions_of
from adapters.store.refusals import Overwrites, Stale


@dataclass(frozen=True, slots=True)
class Writes:
    """The rows that turn one record into the next, sealed and ready."""

    person: str
    statements: tuple[tuple[Executable, list[Row]], ...]
    identifiers_added: tuple[Identifier, ...] = ()
    identifiers_removed: tuple[Identifier, ...] = ()

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
        statements.append((_ADD_WORDS, named))
    if moved is None:
        statements += ledger.additions(person, before.entries, after.entries, free)
    if before.due != after.due:
        statements.append((_CLEAR_DUE, [{"of_person": person}]))
        if after.due:
            statements.append((_ADD_DUE, [_due_row(person, n, d) for n, d in enumerate(after.due)]))
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


_ADD_WORDS: Final = insert(schema.words)
_ADD_DUE: Final = insert(schema.due)
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


_ADD_PERSONS: Final = insert(schema.persons)


def write(connection: Connection, changes: Sequence[tuple[Writes, int | None]], keys: KeyRing) -> None:
    """Write the rows of steps, of a lane each, over the records of these revisions (None: not on file).

    Raises `Stale` where one is of any other. What goes is deleted first, so that a thing may stand in another lane then;
    rows of one kind are written by one statement, whosever they are.
    """
    statements = [one for writes, _ in changes for one in writes.statements]
    for statement, rows in _together(one for one in statements if isinstance(one[0], Delete)):
        connection.execute(statement, rows)
    _count(connection, [(writes.person, revision) for writes, revision in changes])
    for statement, rows in _together(one for one in statements if not isinstance(one[0], Delete)):
        connection.execute(statement, rows)
    for writes, _ in changes:
        people.add(connection, writes.person, writes.identifiers_added, keys)
        people.remove(connection, writes.person, writes.identifiers_removed, keys)


def _together(statements: Iterable[tuple[Executable, list[Row]]]) -> Iterable[tuple[Executable, list[Row]]]:
    """The same with the rows of like statements in one, in the order in which these first come."""
    found: dict[tuple[int, tuple[str, ...]], tuple[Executable, list[Row]]] = {}
    for statement, rows in statements:
        found.setdefault((id(statement), tuple(rows[0])), (statement, []))[1].extend(rows)
    return found.values()


def _count(connection: Connection, lanes: Sequence[tuple[str, int | None]]) -> None:
    """Count the steps of these lanes."""
    new = [person for person, revision in lanes if revision is None]
    if new and revisions_of(connection, new):
        raise Stale("the lane came on file meanwhile")
    if new:
        connection.execute(_ADD_PERSONS, [{"id": person, "revision": 1} for person in new])
    known = [{"of_person": person, "of_revision": revision} for person, revision in lanes if revision is not None]
    if known and connection.execute(_STEP, known).rowcount != len(known):
        raise Stale("the lane's record changed since the step began")


def touch(connection: Connection, person: str) -> None:
    """Count a change of the lane's rows that was made outside a step."""
    connection.execute(
        update(schema.persons).where(schema.persons.c.id == person).values(revision=schema.persons.c.revision + 1)
    )
