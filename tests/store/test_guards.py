"""The database itself holds what is only ever added to, and the balance of every ledger entry. By raw SQL."""

# ruff: noqa: S608  # raw SQL over our own table names is what these tests are about

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.record import PersonRecord
from adapters.store import KeyRing, open_store, sqlite


@pytest.fixture
def raw(open_file, database, make: SimpleNamespace) -> Iterator[sqlite3.Connection]:
    """A foreign client on a store with one message, one person and two ledger entries."""
    with open_file() as store:
        store.receive(make.receipt())
        store.save(PersonRecord("p"), make.course("p", 1), tick=make.NOW)
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA foreign_keys=ON")
    yield connection
    connection.close()


@pytest.mark.parametrize("table", sqlite.GUARDED)
def test_rows_are_never_changed_deleted_or_replaced(raw: sqlite3.Connection, table: str) -> None:
    before = raw.execute(f"SELECT * FROM {table}").fetchall()
    assert before
    columns = [row[1] for row in raw.execute(f"PRAGMA table_info({table})")]
    statements = [
        f"DELETE FROM {table}",
        *(f"UPDATE {table} SET {column} = {column}" for column in columns),
        *(f"UPDATE OR REPLACE {table} SET {column} = {column}" for column in columns),
    ]
    for statement in statements:
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(statement)
    row = before[0]
    marks = ",".join("?" * len(row))
    for verb in ("INSERT", "INSERT OR REPLACE", "REPLACE", "INSERT OR IGNORE"):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(f"{verb} INTO {table} VALUES ({marks})", row)
    assert raw.execute(f"SELECT * FROM {table}").fetchall() == before


def post(raw: sqlite3.Connection, lines: list[object], id: str = "e", place: int = 50) -> None:
    """Write an entry by hand, in one transaction."""
    raw.execute("BEGIN IMMEDIATE")
    try:
        for n, amount in enumerate(lines):
            raw.execute("INSERT INTO entry_lines VALUES (?, ?, 'charges', ?, 'c', 1)", (id, n, amount))
        raw.execute("INSERT INTO entries VALUES (?, 'p', ?, 0, 'payment:1', '')", (id, place))
        raw.execute("COMMIT")
    except sqlite3.Error:
        raw.execute("ROLLBACK")
        raise


@pytest.mark.parametrize("lines", [[], [1], [1, -2], [5, -5, 1], [2**62, 2**62, -(2**62)]])
def test_an_entry_out_of_balance_does_not_enter(raw: sqlite3.Connection, lines: list[int]) -> None:
    with pytest.raises(sqlite3.Error):
        post(raw, list(lines))
    assert raw.execute("SELECT count(*) FROM entry_lines WHERE entry = 'e'").fetchone() == (0,)


@pytest.mark.parametrize("lines", [[0.5, -0.5], ["x", "-x"], [None, 0], [b"1", b"-1"]])
def test_an_amount_is_whole_minor_units(raw: sqlite3.Connection, lines: list[object]) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        post(raw, lines)


def test_a_balanced_entry_enters_and_takes_no_more_lines(raw: sqlite3.Connection) -> None:
    post(raw, [7, -3, -4])
    for amount in (0, 1):
        with pytest.raises(sqlite3.IntegrityError, match="no more lines"):
            raw.execute("INSERT INTO entry_lines VALUES ('e', 10, 'charges', ?, 'c', 1)", (amount,))
    assert raw.execute("SELECT sum(amount), count(*) FROM entry_lines WHERE entry = 'e'").fetchone() == (0, 3)


def test_lines_without_their_entry_do_not_commit(raw: sqlite3.Connection) -> None:
    raw.execute("BEGIN")
    raw.execute("INSERT INTO entry_lines VALUES ('lonely', 0, 'charges', 0, 'c', 1)")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        raw.execute("COMMIT")
    raw.execute("ROLLBACK")


@given(st.lists(st.lists(st.integers(-(10**12), 10**12), max_size=6), min_size=1, max_size=20))
def test_whatever_is_posted_the_ledger_sums_to_zero(entries: list[list[int]]) -> None:
    with open_store("sqlite://", KeyRing.ephemeral("x")) as store:
        inner = store._engine.raw_connection().dbapi_connection
        assert inner is not None
        inner.execute("INSERT INTO persons VALUES ('p', 0)")
        taken = 0
        for n, lines in enumerate(entries):
            # Half of them are made to balance.
            amounts = [*lines, -sum(lines)] if n % 2 else lines
            if amounts and sum(amounts) == 0:
                post(inner, list(amounts), f"e{n}", n)
                taken += 1
            else:
                with pytest.raises(sqlite3.Error):
                    post(inner, list(amounts), f"e{n}", n)
        assert inner.execute("SELECT coalesce(sum(amount), 0) FROM entry_lines").fetchone() == (0,)
        assert inner.execute("SELECT count(*) FROM entries").fetchone() == (taken,)
        # No step made them, and that is all that is wrong with them.
        assert len([f for f in store.verify() if f.endswith("no step of the journal made it")]) == taken
        assert len(store.verify()) == taken
