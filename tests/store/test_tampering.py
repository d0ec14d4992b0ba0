"""Promise P13 at size: one flipped bit anywhere in what is kept, rows swapped, taken out or cut off: `verify` names it.

A store with seals, a ledger, a parked message and an unsealed tail is changed behind the program's back, a thousand
times in one place each and then put back; the guards are dropped first, as someone who owns the file would do.
"""

# ruff: noqa: S608  # raw SQL over our own table names is what these tests are about

from __future__ import annotations

import os
import pathlib
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.errors import BadSetup, StoreDown
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Parked
from adapters.store import Damaged, SqlStore, schema
from tests.soak import size

SEED = int(os.environ.get("ONCOCLAIMS_SEED", "13"))
FLIPS = size(1_000, 50_000)
FILE_FLIPS = size(200, 5_000)
KEPT = ("journal", "queue", "entries", "entry_lines", "seals", "sealed_entries", "events", "charges", "holds", "skips")
KEPT += ("findings", "claims", "remittances", "work_items", "person_identifiers")
"""Tables whose every row is looked at. Not: lanes and their revisions, references and what falls due, which are made
again from these (`rebuild --check`)."""
ORDERS = {"queue": "tick", **dict.fromkeys(KEPT[6:], "place")}
"""Columns that say in which order or with which step: what a rebuild tells, and `verify` does not."""
IN_THE_TAIL = ("at", "actor", "media")
"""Columns of the journal that nothing but a seal vouches for: of the unsealed tail `verify` says where it begins."""


@pytest.fixture
def filled(open_file: Callable[..., SqlStore], database: pathlib.Path, make: SimpleNamespace) -> Iterator[SqlStore]:
    """Two persons, three seals, one parked message, a tail; the guards dropped; open."""
    with open_file() as store:
        for n in range(4):
            for m in range(3):
                store.receive(make.receipt(b"MSH|%d|%d" % (n, m), control=f"{n}-{m}"))
            person = store.person(PersonHint((Identifier("mrn", str(n % 2)),)), "aria")
            before = store.load(person)
            store.save(before, make.course(person, 2 + n // 2, before.identifiers), tick=make.NOW + timedelta(hours=n))
            if n < 3:
                store.seal(make.NOW + timedelta(hours=n, minutes=1))
        entry = store.receive(make.receipt(b"MSH|parked", control="P")).entry
        store.park(Parked(entry, "exception", "ValueError"), make.work("", 1, about=entry))
        assert store.verify() == ()
        raw = sqlite3.connect(database, isolation_level=None)
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.close()
        assert store.verify() == ()
        yield store


def flipped(value: Any, dice: random.Random) -> tuple[str, Any]:
    """The value with one bit of it another, as SQL takes it: (expression, parameter)."""
    if isinstance(value, int):
        return "?", value ^ (1 << dice.randrange(40))
    data = bytearray(value if isinstance(value, bytes) else value.encode())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return ("?" if isinstance(value, bytes) else "CAST(? AS TEXT)"), bytes(data)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_one_flipped_bit_of_any_column_is_named(filled: SqlStore, database: pathlib.Path) -> None:
    dice = random.Random(SEED)
    raw = sqlite3.connect(database, isolation_level=None)
    tables = {name: [row[1] for row in raw.execute(f"PRAGMA table_info({name})")] for name in KEPT}
    sealed = filled.sealer.state().sealed
    tried: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    while tried.total() < FLIPS:
        table = dice.choice(KEPT)
        column = dice.choice(tables[table])
        (rowid,) = dice.choice(raw.execute(f"SELECT rowid FROM {table}").fetchall())
        if column == ORDERS.get(table) or (table == "journal" and column in IN_THE_TAIL and rowid > sealed):
            continue
        (before,) = raw.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (rowid,)).fetchone()
        if before is None or before in ("", b""):
            continue
        expression, after = flipped(before, dice)
        try:
            raw.execute(f"UPDATE {table} SET {column} = {expression} WHERE rowid = ?", (after, rowid))
        except sqlite3.IntegrityError:
            continue  # another row has that key: the database itself refuses it
        at = after if table in ("journal", "seals") and column in ("seq", "number") else rowid
        tried[f"{table}.{column}"] += 1
        if not filled.verify():
            missed[f"{table}.{column}"] += 1
        raw.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (before, at))
    raw.close()
    assert filled.verify() == ()
    print(f"{tried.total()} flips over {len(tried)} columns of {len(KEPT)} tables, {missed.total()} missed")
    assert len(tried) > 60
    assert not missed


# ---------------------------------------------------------------- rows taken out, swapped, cut off


Change = Callable[[sqlite3.Connection, random.Random], None]


def delete_an_entry(raw: sqlite3.Connection, dice: random.Random) -> None:
    """One journal entry with its queue row; not the last, for where the tail ends nobody outside has been told yet."""
    (last,) = raw.execute("SELECT max(seq) FROM journal").fetchone()
    seq = dice.randrange(1, last)
    raw.execute("DELETE FROM queue WHERE seq = ?", (seq,))
    raw.execute("DELETE FROM journal WHERE seq = ?", (seq,))


def swap_two_entries(raw: sqlite3.Connection, dice: random.Random) -> None:
    """Two journal entries change places."""
    (last,) = raw.execute("SELECT max(last) FROM seals").fetchone()
    one, other = dice.sample(range(1, last + 1), 2)
    for table in ("journal", "queue"):
        raw.execute(
            f"UPDATE {table} SET seq = CASE seq WHEN ? THEN -1 ELSE -2 END WHERE seq IN (?, ?)", (one, one, other)
        )
        raw.execute(f"UPDATE {table} SET seq = CASE seq WHEN -1 THEN ? ELSE ? END WHERE seq < 0", (other, one))


def swap_two_bodies(raw: sqlite3.Connection, dice: random.Random) -> None:
    """Two journal entries change bodies, or answers."""
    column = dice.choice(("body", "answer"))
    rows = raw.execute(f"SELECT seq, {column} FROM journal").fetchall()
    (one, mine), (other, theirs) = dice.sample(rows, 2)
    raw.execute(f"UPDATE journal SET {column} = ? WHERE seq = ?", (theirs, one))
    raw.execute(f"UPDATE journal SET {column} = ? WHERE seq = ?", (mine, other))


def delete_a_posting(raw: sqlite3.Connection, dice: random.Random) -> None:
    """One ledger entry that a seal holds, with its lines and, now and then, with what the seal keeps of it."""
    (id,) = dice.choice(raw.execute("SELECT entry FROM sealed_entries").fetchall())
    raw.execute("DELETE FROM entry_lines WHERE entry = ?", (id,))
    raw.execute("DELETE FROM entries WHERE id = ?", (id,))
    if dice.random() < 0.5:
        raw.execute("DELETE FROM sealed_entries WHERE entry = ?", (id,))


def move_money(raw: sqlite3.Connection, dice: random.Random) -> None:
    """Both lines of one ledger entry, so that they still balance."""
    (id,) = dice.choice(raw.execute("SELECT entry FROM sealed_entries").fetchall())
    raw.execute("UPDATE entry_lines SET amount = amount + CASE place WHEN 0 THEN 1 ELSE -1 END WHERE entry = ?", (id,))


def delete_a_row(raw: sqlite3.Connection, dice: random.Random) -> None:
    """A seal, or a place in the queue."""
    table = dice.choice(("seals", "queue"))
    (rowid,) = dice.choice(raw.execute(f"SELECT rowid FROM {table}").fetchall())
    raw.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))


def cut_off_the_end(raw: sqlite3.Connection, dice: random.Random) -> None:
    """Everything after some entry, with its seals and what it posted: only the head outside knows better."""
    (last,) = raw.execute("SELECT max(last) FROM seals").fetchone()
    seq = dice.randrange(0, last)
    raw.execute("DELETE FROM queue WHERE seq > ?", (seq,))
    raw.execute("DELETE FROM journal WHERE seq > ?", (seq,))
    gone = [number for (number,) in raw.execute("SELECT number FROM seals WHERE last > ?", (seq,)).fetchall()]
    for number in gone:
        held = "SELECT entry FROM sealed_entries WHERE seal = ?"
        raw.execute(f"DELETE FROM entry_lines WHERE entry IN ({held})", (number,))
        raw.execute(f"DELETE FROM entries WHERE id IN ({held})", (number,))
        raw.execute("DELETE FROM sealed_entries WHERE seal = ?", (number,))
        raw.execute("DELETE FROM seals WHERE number = ?", (number,))


CHANGES: tuple[Change, ...] = (
    delete_an_entry, swap_two_entries, swap_two_bodies, delete_a_posting, move_money, delete_a_row, cut_off_the_end,
)  # fmt: skip


@pytest.fixture
def spoilt(
    filled: SqlStore, open_file: Callable[..., SqlStore], database: pathlib.Path
) -> Callable[[Callable[[pathlib.Path], None]], tuple[str, ...]]:
    """Does something to a fresh copy of the filled store's file, and gives what `verify` says of it then."""
    filled.close()
    whole = database.read_bytes()
    head = database.with_name("store.db.head")
    known = head.read_bytes()

    def spoil(change: Callable[[pathlib.Path], None]) -> tuple[str, ...]:
        for stray in (database.with_name("store.db-wal"), database.with_name("store.db-shm")):
            stray.unlink(missing_ok=True)
        database.write_bytes(whole)
        head.write_bytes(known)
        change(database)
        try:
            with open_file() as store:
                return store.verify()
        except (BadSetup, StoreDown, Damaged) as error:
            return (str(error),)

    return spoil


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_rows_taken_out_swapped_or_cut_off_are_named(spoilt: Any, change: Change) -> None:
    assert spoilt(lambda _file: None) == ()
    for trial in range(size(6, 200)):
        dice = random.Random(SEED + trial)

        def touched(file: pathlib.Path, dice: random.Random = dice) -> None:
            raw = sqlite3.connect(file, isolation_level=None)
            change(raw, dice)
            raw.close()

        assert spoilt(touched), f"{change.__name__}, trial {trial}"


# ---------------------------------------------------------------- bytes of the file


def contents(file: pathlib.Path) -> list[tuple[Any, ...]]:
    """Every row of every table, as it is read."""
    raw = sqlite3.connect(file)
    raw.text_factory = bytes
    try:
        return [row for table in schema.metadata.sorted_tables for row in raw.execute(f"SELECT * FROM {table.name}")]
    finally:
        raw.close()


def used_pages(file: pathlib.Path) -> list[range]:
    """Where the pages of the file lie that hold anything: none of the tables and indexes without a row, no free ones."""
    raw = sqlite3.connect(file)
    try:
        rows = raw.execute("SELECT pgoffset, pgsize FROM dbstat WHERE ncell > 0 OR pagetype = 'overflow'").fetchall()
    finally:
        raw.close()
    return [range(start, start + size) for start, size in rows]


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_flipped_byte_of_the_file_is_told_or_holds_nothing(
    spoilt: Any, database: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """Rot on the disk: what `verify` says nothing of changed no row of what it vouches for."""
    dice = random.Random(SEED)
    spoilt(lambda _file: None)
    copy = tmp_path / "copy.db"
    shutil.copy(database, copy)
    before = contents(copy)
    used = used_pages(copy)
    assert len(used) > 20, "the store is too small to look at"
    told, harmless, laxer = 0, 0, 0
    for _ in range(FILE_FLIPS):
        at, bit = dice.choice(dice.choice(used)), 1 << dice.randrange(8)

        def rot(file: pathlib.Path, at: int = at, bit: int = bit) -> None:
            data = bytearray(file.read_bytes())
            data[at] ^= bit
            file.write_bytes(data)
            shutil.copy(file, copy)

        if spoilt(rot):
            told += 1
            continue
        try:
            same = contents(copy) == before
        except sqlite3.DatabaseError:
            same = False
        harmless += same
        laxer += not same
    print(f"{FILE_FLIPS} bytes: {told} told, {harmless} in no row, {laxer} in what a rebuild makes again")
    assert told > FILE_FLIPS // 4
    assert laxer <= FILE_FLIPS // 20
