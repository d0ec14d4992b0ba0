"""`verify` names every row that was touched behind the program's back."""

# ruff: noqa: S608  # raw SQL over our own table names is what these tests are about

from __future__ import annotations

import pathlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from types import SimpleNamespace

import pytest

from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Due, Parked, PersonRecord
from adapters.store import SqlStore, differences

Tamper = Callable[..., tuple[str, ...]]


@pytest.fixture
def tamper(open_file: Callable[..., SqlStore], database: pathlib.Path, make: SimpleNamespace) -> Iterator[Tamper]:
    """Runs statements on a filled store as someone who owns the file would, and gives what `verify` says then."""
    with open_file() as store:
        for n in range(3):
            store.receive(make.receipt(b"MSH|%d" % n, control=str(n)))
        person = store.person(PersonHint((Identifier("mrn", "1"), Identifier("ssn", "2"))), "aria")
        record = make.course(person, 2, store.load(person).identifiers)
        store.save(store.load(person), record, tick=make.NOW)
        assert store.verify() == ()

    def run(*statements: str) -> tuple[str, ...]:
        raw = sqlite3.connect(database, isolation_level=None)
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert raw.execute(statement).rowcount != 0
        raw.close()
        with open_file() as store:
            return store.verify()

    return run


@pytest.mark.parametrize("column", ["id", "kind", "channel", "sender", "control", "control_key", "digest", "key_id"])
def test_a_changed_word_of_the_journal_is_named(tamper: Tamper, column: str) -> None:
    faults = tamper(f"UPDATE journal SET {column} = {column} || 'x' WHERE seq = 2")
    assert [f for f in faults if f.startswith("journal|")]


@pytest.mark.parametrize("column", ["body", "answer"])
def test_swapped_bodies_are_named(tamper: Tamper, column: str) -> None:
    faults = tamper(
        f"WITH j AS MATERIALIZED (SELECT seq, {column} FROM journal) "
        f"UPDATE journal SET {column} = (SELECT j.{column} FROM j WHERE j.seq = 3 - journal.seq) WHERE seq IN (1, 2)"
    )
    assert len([f for f in faults if f.startswith("journal|")]) == 2


def test_a_missing_entry_is_named(tamper: Tamper) -> None:
    faults = tamper("DELETE FROM queue WHERE seq = 2", "DELETE FROM journal WHERE seq = 2")
    assert [f for f in faults if "entries are missing" in f]


def test_a_missing_queue_row_is_named(tamper: Tamper) -> None:
    assert [f for f in tamper("DELETE FROM queue WHERE seq = 2") if f.startswith("queue|")]


@pytest.mark.parametrize("state", ["taken", "parked"])
def test_a_queue_row_whose_state_was_changed_is_named(tamper: Tamper, state: str) -> None:
    assert [f for f in tamper(f"UPDATE queue SET state = '{state}' WHERE seq = 2") if "does not go with" in f]


def test_a_changed_reason_of_a_parked_entry_is_named(
    open_file: Callable[..., SqlStore], database: pathlib.Path, make: SimpleNamespace
) -> None:
    with open_file() as store:
        entry = store.receive(make.receipt()).entry
        store.park(Parked(entry, "exception", "ValueError"), make.work("", 1, about=entry))
        assert store.verify() == ()
    raw = sqlite3.connect(database, isolation_level=None)
    raw.execute("UPDATE queue SET reason = 'other'")
    raw.close()
    with open_file() as store:
        assert store.verify() == (f"queue|{entry}: its reason is not that of its value",)


def test_text_that_is_none_any_more_is_named_not_stumbled_over(tamper: Tamper) -> None:
    faults = tamper("UPDATE journal SET sender = CAST(x'ff41' AS TEXT) WHERE seq = 2")
    assert [f for f in faults if f.startswith("journal|")]


def test_due_in_another_zone_is_no_difference(make: SimpleNamespace) -> None:
    zone = timezone(timedelta(hours=-5))
    here = PersonRecord("p", due=(Due("claim", "c", make.NOW),))
    there = PersonRecord("p", due=(Due("claim", "c", make.NOW.astimezone(zone)),))
    later = PersonRecord("p", due=(Due("claim", "c", make.NOW + timedelta(microseconds=1)),))
    assert list(differences(here, there)) == []
    assert list(differences(here, later)) == ["lane p: due: 1 only on file, 1 only in the fold"]


def test_a_ledger_out_of_balance_is_named(tamper: Tamper) -> None:
    assert [f for f in tamper("UPDATE entry_lines SET amount = amount + 1 WHERE place = 0") if "sum to zero" in f]


def test_an_entry_without_lines_and_lines_without_entry_are_named(tamper: Tamper) -> None:
    faults = tamper("UPDATE entry_lines SET entry = 'gone' WHERE entry = (SELECT min(id) FROM entries)")
    assert [f for f in faults if "do not sum to zero" in f]
    assert [f for f in faults if "without their entry" in f]


TABLES = ("events", "charges", "holds", "skips", "findings", "claims", "remittances", "work_items")


@pytest.mark.parametrize("table", [*TABLES, "person_identifiers"])
def test_a_flipped_byte_of_a_sealed_row_is_named(tamper: Tamper, database: pathlib.Path, table: str) -> None:
    raw = sqlite3.connect(database)
    ((rowid, sealed),) = raw.execute(f"SELECT rowid, sealed FROM {table} ORDER BY rowid LIMIT 1").fetchall()
    raw.close()
    changed = bytearray(sealed)
    changed[random.Random(table).randrange(len(changed))] ^= 4
    faults = tamper(f"UPDATE {table} SET sealed = x'{changed.hex()}' WHERE rowid = {rowid}")
    assert len([f for f in faults if f.startswith(f"{table}|")]) == 1


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("charges", "status"),
        ("claims", "state"),
        ("events", "message"),
        ("remittances", "claim"),
        ("work_items", "about"),
    ],
)
def test_a_plain_column_that_lies_is_named(tamper: Tamper, table: str, column: str) -> None:
    assert [f for f in tamper(f"UPDATE {table} SET {column} = 'other'") if f.startswith(f"{table}|")]


def test_sealed_rows_swapped_within_a_table_are_named(tamper: Tamper) -> None:
    faults = tamper(
        "WITH c AS MATERIALIZED (SELECT place, sealed FROM charges) "
        "UPDATE charges SET sealed = (SELECT c.sealed FROM c WHERE c.place = 1 - charges.place) WHERE place < 2"
    )
    assert len([f for f in faults if f.startswith("charges|")]) == 2


def test_faults_name_no_value(tamper: Tamper, make: SimpleNamespace) -> None:
    faults = tamper(
        "UPDATE claims SET key_id = 'x'", "UPDATE work_items SET about = 'x'", "UPDATE journal SET digest = 'x'"
    )
    assert faults
    assert not [f for f in faults if make.FAMILY in f or make.MRN in f]


def test_a_damaged_row_is_not_loaded(tamper: Tamper, open_file: Callable[..., SqlStore]) -> None:
    tamper("UPDATE events SET sealed = zeroblob(40)")
    with open_file() as store:
        (person,) = store.lanes()
        with pytest.raises(Exception, match="altered or moved"):
            store.load(person)


def test_an_empty_person_is_whole(open_file: Callable[..., SqlStore], make: SimpleNamespace) -> None:
    with open_file() as store:
        store.save(PersonRecord("p"), PersonRecord("p", findings=()), tick=make.NOW)
        assert store.verify() == ()
