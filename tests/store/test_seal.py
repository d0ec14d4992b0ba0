"""Seals: whatever is done behind the program's back to what is only ever added to, `verify` names it."""

# ruff: noqa: S608  # raw SQL over our own table names is what these tests are about

from __future__ import annotations

import json
import pathlib
import random
import shutil
import sqlite3
import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.errors import BadSetup, StoreDown
from adapters.model.people import Identifier, PersonHint
from adapters.store import Damaged, KeyRing, Sealing, SqlStore, chain, open_store, seal

pytestmark = pytest.mark.slow

Open = Callable[..., SqlStore]


def fill(store: SqlStore, make: SimpleNamespace, start: int = 0, count: int = 3) -> None:
    """Some messages, and one more step in the lane of a person of their own."""
    for n in range(start, start + count):
        store.receive(make.receipt(b"MSH|%d" % n, control=str(n)))
    person = store.person(PersonHint((Identifier("mrn", str(start)),)), "aria")
    before = store.load(person)
    store.save(before, make.course(person, 2, before.identifiers), tick=make.NOW)


@pytest.fixture
def head(database: pathlib.Path) -> pathlib.Path:
    """Where the head lies when nobody says where."""
    return database.with_name("store.db.head")


@pytest.fixture
def sealed(open_file: Open, make: SimpleNamespace) -> SimpleNamespace:
    """A store of three seals with a tail of three messages and one step; `Sealing` as it should be."""
    with open_file() as store:
        for n in range(3):
            fill(store, make, 10 * n)
            assert store.seal(make.NOW + timedelta(minutes=n)) == 4
        fill(store, make, 50)
        assert store.verify() == ()
        assert store.sealer.state() == Sealing(seals=3, sealed=12, journal=16, entries=2)
    return make


def tampered(path: pathlib.Path, *statements: str | tuple[str, tuple[Any, ...]]) -> None:
    """Run statements as someone who owns the file would: guards dropped, foreign keys off."""
    raw = sqlite3.connect(path, isolation_level=None)
    for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        text, values = (statement, ()) if isinstance(statement, str) else statement
        assert raw.execute(text, values).rowcount != 0
    raw.close()


def test_nothing_new_is_not_sealed(store: SqlStore, make: SimpleNamespace) -> None:
    assert store.seal(make.NOW) == 0
    assert store.sealer.state() == Sealing(0, 0, 0, 0)
    fill(store, make)
    assert store.sealer.state().tail == 4
    assert store.seal(make.NOW) == 4
    assert store.seal(make.NOW) == 0
    assert store.sealer.state() == Sealing(1, 4, 4, 0)


def test_many_entries_make_several_seals(open_file: Open, make: SimpleNamespace, monkeypatch) -> None:
    monkeypatch.setattr(chain, "LARGEST", 3)
    with open_file() as store:
        fill(store, make, 0, 9)
        assert store.seal(make.NOW) == 10
        assert store.sealer.state() == Sealing(4, 10, 10, 0)
        assert store.verify() == ()


def test_the_head_says_the_last_seal(sealed, open_file: Open, head: pathlib.Path) -> None:
    said = json.loads(head.read_bytes())
    assert (said["number"], said["last"]) == (3, 12)
    assert head.stat().st_mode & 0o777 == 0o600
    assert not list(head.parent.glob("*.part"))


def test_the_head_lies_where_it_is_said_to(tmp_path: pathlib.Path, keys: KeyRing, make: SimpleNamespace) -> None:
    elsewhere = tmp_path / "elsewhere.head"
    with open_store(f"sqlite:///{tmp_path}/s.db", keys, create=True, head=elsewhere) as store:
        fill(store, make)
        store.seal(make.NOW)
        assert store.verify() == ()
    assert elsewhere.is_file()
    assert not (tmp_path / "s.db.head").exists()


def test_a_head_that_cannot_be_written_is_told(tmp_path: pathlib.Path, keys: KeyRing, make: SimpleNamespace) -> None:
    with open_store(f"sqlite:///{tmp_path}/s.db", keys, create=True, head=tmp_path / "none" / "head") as store:
        fill(store, make)
        with pytest.raises(StoreDown, match="head file cannot be written"):
            store.seal(make.NOW)


JOURNAL = (
    "id", "kind", "at", "actor", "channel", "sender", "media", "control", "digest", "key_id", "body", "answer",
    "control_key",
)  # fmt: skip


@pytest.mark.parametrize("column", JOURNAL)
def test_a_changed_column_of_a_sealed_entry_is_named(sealed, open_file: Open, database, column: str) -> None:
    tampered(database, f"UPDATE journal SET {column} = CAST({column} || 'x' AS BLOB) WHERE seq = 6")
    with open_file() as store:
        assert [f for f in store.verify() if f.startswith("journal|") and "number 6 is not the row that seal 2" in f]


@pytest.mark.parametrize("column", ["person", "place", "at", "cause", "reverses"])
def test_a_changed_column_of_a_ledger_entry_is_named(sealed, open_file: Open, database, column: str) -> None:
    raw = sqlite3.connect(database)
    (id,) = raw.execute("SELECT entry FROM sealed_entries WHERE seal = 2 ORDER BY entry").fetchone()
    raw.close()
    tampered(database, f"UPDATE entries SET {column} = {column} || '1' WHERE id = '{id}'")
    with open_file() as store:
        assert f"entries|{id}: it or its lines are not what seal 2 holds" in store.verify()


@pytest.mark.parametrize(
    "change", ["amount = -amount", "account = 'cash' || account", "claim = 'other'", "line = 7", "place = place + 5"]
)
def test_changed_lines_that_still_balance_are_named(sealed, open_file: Open, database, change: str) -> None:
    raw = sqlite3.connect(database)
    (id,) = raw.execute("SELECT entry FROM sealed_entries WHERE seal = 1 ORDER BY entry").fetchone()
    raw.close()
    tampered(database, f"UPDATE entry_lines SET {change} WHERE entry = '{id}'")
    with open_file() as store:
        assert f"entries|{id}: it or its lines are not what seal 1 holds" in store.verify()


def test_a_ledger_entry_taken_out_with_its_lines_is_named(sealed, open_file: Open, database) -> None:
    raw = sqlite3.connect(database)
    (id,) = raw.execute("SELECT entry FROM sealed_entries WHERE seal = 2 ORDER BY entry").fetchone()
    raw.close()
    tampered(database, f"DELETE FROM entry_lines WHERE entry = '{id}'", f"DELETE FROM entries WHERE id = '{id}'")
    with open_file() as store:
        assert f"entries|{id}: missing, seal 2 holds it" in store.verify()
    tampered(database, f"DELETE FROM sealed_entries WHERE entry = '{id}'")
    with open_file() as store:
        assert any(f.startswith("seals|2: its digest") for f in store.verify())


def test_a_ledger_entry_that_no_step_made_is_named(sealed, open_file: Open, database) -> None:
    raw = sqlite3.connect(database)
    (person,) = raw.execute("SELECT min(person) FROM entries JOIN sealed_entries ON entry = id").fetchone()
    raw.close()
    tampered(
        database,
        "INSERT INTO entry_lines VALUES ('forged', 0, 'receivable', 5, 'c', 1), ('forged', 1, 'charges', -5, 'c', 1)",
        f"INSERT INTO entries VALUES ('forged', '{person}', 77, 0, 'payment:1', '')",
    )
    with open_file() as store:
        assert store.verify() == ("entries|forged: no seal holds it and no step of the journal made it",)


def test_missing_entries_are_named_by_number(sealed, open_file: Open, database) -> None:
    gone = "SELECT id FROM journal WHERE seq IN (5, 6)"
    tampered(database, f"DELETE FROM queue WHERE entry IN ({gone})", "DELETE FROM journal WHERE seq IN (5, 6)")
    with open_file() as store:
        found = store.verify()
        assert {f"journal: number {n} is missing, seal 2 holds it" for n in (5, 6)} <= set(found)


def test_two_rows_that_changed_places_are_named(sealed, open_file: Open, database) -> None:
    tampered(
        database,
        "UPDATE journal SET seq = -seq WHERE seq IN (1, 9)",
        "UPDATE journal SET seq = CASE seq WHEN -1 THEN 9 ELSE 1 END WHERE seq < 0",
        "UPDATE queue SET seq = (SELECT seq FROM journal WHERE id = entry)",
    )
    with open_file() as store:
        found = [f for f in store.verify() if "not the row that seal" in f]
        assert len(found) == 2
        assert "number 1 " in found[0]
        assert "number 9 " in found[1]


def test_a_seal_made_anew_over_changed_rows_has_no_signature(sealed, open_file: Open, database, head) -> None:
    """Whoever can write everything but the keys: changes a row, and makes every digest fit."""
    tampered(database, "UPDATE journal SET actor = 'feed:other' WHERE seq = 10")
    with open_file() as store:
        rows = [dict(r._mapping) for r in store._read(lambda c: c.execute(chain.select(chain.seals)).all())]
        before = chain.Seal(*(rows[1][n] for n in ("number", "first", "last", "at", "digest")), _signed(rows[1]))
        last = chain.Seal(*(rows[2][n] for n in ("number", "first", "last", "at", "digest")), _signed(rows[2]))
        journal = store._read(
            lambda c: c.execute(chain.select(chain.journal).where(chain.journal.c.seq.between(9, 12))).mappings().all()
        )
        leaves = b"".join(chain._leaf(row, chain._JOURNAL) for row in journal)
        held = dict(store._read(lambda c: [tuple(r) for r in c.exec_driver_sql(
            "SELECT entry, digest FROM sealed_entries WHERE seal = 3")]))  # fmt: skip
        forged = chain._digest(before, last, leaves, held)
    tampered(database, ("UPDATE seals SET leaves = ?, digest = ? WHERE number = 3", (leaves, forged)))
    with open_file() as store:
        assert store.verify() == (
            "seals|3: its signature is not that of a signer in the key file",
            "head: it is not of this store's seal 3",
        )
    tampered(database, "UPDATE seals SET key_id = '', signature = x'' WHERE number = 3")
    said = json.loads(head.read_bytes())
    head.write_text(json.dumps({**said, "digest": forged, "key_id": "", "signature": ""}))
    with open_file() as store:
        (only,) = store.verify()
        assert only.startswith("seals|3: it is not signed")


def _signed(row: dict[str, Any]) -> chain.Signed:
    return chain.Signed(row["key_id"], row["signature"])


@pytest.mark.parametrize("what", ["number = 7", "first = 2", "last = 99", "at = 0", "digest = 'x'", "leaves = x'00'"])
def test_a_changed_seal_is_named(sealed, open_file: Open, database, what: str) -> None:
    tampered(database, f"UPDATE seals SET {what} WHERE number = 2")
    with open_file() as store:
        assert any(f.startswith(("seals|2", "seals|7")) for f in store.verify())


def test_a_seal_taken_out_is_named(sealed, open_file: Open, database) -> None:
    tampered(database, "DELETE FROM sealed_entries WHERE seal = 2", "DELETE FROM seals WHERE number = 2")
    with open_file() as store:
        assert "seals|2: missing" in store.verify()


def test_the_database_holds_seals_as_they_are(sealed, database) -> None:
    raw = sqlite3.connect(database, isolation_level=None)
    for statement in (
        "UPDATE seals SET at = 0",
        "DELETE FROM seals",
        "INSERT OR REPLACE INTO seals SELECT * FROM seals WHERE number = 1",
        "UPDATE sealed_entries SET digest = ''",
        "DELETE FROM sealed_entries",
        "REPLACE INTO sealed_entries SELECT * FROM sealed_entries LIMIT 1",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
            raw.execute(statement)
    raw.close()


# The head


@pytest.fixture
def older(open_file: Open, database: pathlib.Path, tmp_path: pathlib.Path, make: SimpleNamespace) -> pathlib.Path:
    """A copy of the store as it was at its first seal; the store itself has a second one."""
    kept = tmp_path / "older.db"
    with open_file() as store:
        fill(store, make)
        store.seal(make.NOW)
        store._write(lambda _: None)
    shutil.copyfile(database, kept)
    shutil.copyfile(database.with_name("store.db.head"), tmp_path / "older.head")
    with open_file() as store:
        fill(store, make, 10)
        store.seal(make.NOW)
        fill(store, make, 20)
    return kept


def test_a_journal_cut_off_with_all_that_came_of_it_is_seen(older, open_file: Open, database, head, make) -> None:
    shutil.copyfile(older, database)
    with open_file() as store:
        (only,) = store.verify()
        assert only.startswith("head: it is of seal 2 up to journal entry 8")
        assert only.endswith("the journal was cut off")
        fill(store, make, 30)
        with pytest.raises(Damaged, match="nothing is sealed"):
            store.seal(make.NOW)
        assert json.loads(head.read_bytes())["number"] == 2, "what the head knows is kept"


def test_an_older_head_is_named_and_mended_by_sealing(older, open_file: Open, head, tmp_path, make) -> None:
    shutil.copyfile(tmp_path / "older.head", head)
    with open_file() as store:
        assert store.verify() == ("head: it is of seal 1, the store has 2; sealing mends that",)
        store.seal(make.NOW)
        assert store.verify() == ()
    assert json.loads(head.read_bytes())["number"] == 3


def test_a_missing_head_is_named_and_not_made_anew_by_itself(older, open_file: Open, head, make) -> None:
    head.unlink()
    with open_file() as store:
        assert store.verify() == ("head: the head file is missing, the store has 2 seals",)
        with pytest.raises(Damaged, match="head file is missing"):
            store.seal(make.NOW)
        assert not head.exists()
        store.sealer.write_head()
        assert store.verify() == ()


@pytest.mark.parametrize("text", [b"", b"{", b'{"number": "x"}', b"\xff\xfe"])
def test_a_head_that_is_none_is_named(older, open_file: Open, head, make, text: bytes) -> None:
    head.write_bytes(text)
    with open_file() as store:
        (only,) = store.verify()
        assert only.startswith("head: the head file cannot be read")
        with pytest.raises(Damaged, match="cannot be read"):
            store.seal(make.NOW)


def test_the_head_of_another_store_is_named(older, open_file: Open, head, tmp_path, keys, make) -> None:
    with open_store(f"sqlite:///{tmp_path}/b.db", keys, create=True) as other:
        fill(other, make, 70)
        other.seal(make.NOW)
    shutil.copyfile(tmp_path / "b.db.head", head)
    with open_file() as store:
        assert store.verify() == ("head: it is not of this store's seal 1",)


def test_a_head_signed_by_somebody_else_is_named(older, open_file: Open, head) -> None:
    said = json.loads(head.read_bytes())
    head.write_text(json.dumps({**said, "last": 9}))
    with open_file() as store:
        assert store.verify() == ("head: its signature is not that of a signer in the key file",)


# Signers


def test_unsigned_seals_are_an_error_until_a_signer_covers_them(tmp_path: pathlib.Path, make: SimpleNamespace) -> None:
    url, path = f"sqlite:///{tmp_path}/s.db", tmp_path / "keys"
    KeyRing.generate(path)
    keys_alone = [line for line in path.read_text().splitlines(keepends=True) if not line.startswith("sign:")]
    path.write_text("".join(keys_alone))
    ring = KeyRing.load(path)
    assert not ring.signs
    with open_store(url, ring, create=True) as store:
        fill(store, make)
        store.seal(make.NOW)
        (only,) = store.verify()
        assert only.startswith("seals|1: it is not signed")
        assert store.verify(unsealed=True) == ()
    with open_store(url, KeyRing.add_signer(path)) as store:
        assert len(store.verify()) == 1
        fill(store, make, 10)
        store.seal(make.NOW)
        assert store.verify() == ()
    with open_store(url, KeyRing.load(path)) as store:
        assert store.verify() == ()
    with open_store(url, ring) as store:
        assert all("signature is not that of a signer" in fault for fault in store.verify())


def test_a_second_signer_leaves_older_signatures_good(tmp_path: pathlib.Path, make: SimpleNamespace) -> None:
    url, path = f"sqlite:///{tmp_path}/s.db", tmp_path / "keys"
    with open_store(url, KeyRing.generate(path), create=True) as store:
        fill(store, make)
        store.seal(make.NOW)
    with open_store(url, KeyRing.add_signer(path)) as store:
        fill(store, make, 10)
        store.seal(make.NOW)
        assert store.verify() == ()
    assert [line.split(":")[:2] for line in path.read_text().splitlines()][1:] == [["sign", "s1"], ["sign", "s2"]]


# Many hands


def test_two_sealers_and_a_writer_at_once(open_file: Open, make: SimpleNamespace) -> None:
    faults: list[Exception] = []
    ended = threading.Event()

    def sealing(store: SqlStore) -> None:
        try:
            while not ended.is_set():
                store.seal(make.NOW)
        except Exception as error:  # noqa: BLE001  # told at the end
            faults.append(error)

    with open_file() as one, open_file() as two:
        threads = [threading.Thread(target=sealing, args=(store,)) for store in (one, two)]
        for thread in threads:
            thread.start()
        for n in range(30):
            fill(one, make, 100 * n)
        ended.set()
        for thread in threads:
            thread.join()
        one.seal(make.NOW)
        state = one.sealer.state()
        assert faults == []
        assert (state.tail, state.entries, state.journal) == (0, 0, 120)
        assert one.verify() == ()


# Anything at all


PLACES = {
    "journal": (*JOURNAL, "seq"),
    "entries": ("id", "person", "place", "at", "cause", "reverses"),
    "entry_lines": ("entry", "place", "account", "amount", "claim", "line"),
    "seals": ("number", "first", "last", "at", "leaves", "digest", "key_id", "signature"),
    "sealed_entries": ("entry", "seal", "digest"),
    **dict.fromkeys(("events", "charges", "claims", "remittances", "holds", "skips", "findings"), ("sealed",)),
    "work_items": ("sealed",),
    "person_identifiers": ("sealed",),
}


def flipped(chance: random.Random, value: Any) -> tuple[str, Any]:
    """An SQL expression and its value: the value with one bit the other way."""
    if value is None:
        return "?", chance.randrange(9)
    if isinstance(value, int):
        return "?", value ^ (1 << chance.randrange(40))
    data = bytearray(value if isinstance(value, bytes) else value.encode())
    if not data:
        data = bytearray(b"x")
    else:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return ("?" if isinstance(value, bytes) else "CAST(? AS TEXT)"), bytes(data)


@pytest.mark.slow
def test_any_of_200_flipped_bits_is_named(sealed, open_file: Open, database, head, tmp_path, keys) -> None:
    chance = random.Random(20260302)
    shutil.copyfile(database, tmp_path / "whole.db")
    done = 0
    while done < 200:
        table = chance.choice(list(PLACES))
        column = chance.choice(PLACES[table])
        path = tmp_path / f"flip{done}.db"
        shutil.copyfile(tmp_path / "whole.db", path)
        raw = sqlite3.connect(path)
        # What came after the last seal is the tail: its plain columns are not sealed yet.
        within = {"journal": " WHERE seq <= 12", "entries": " WHERE id IN (SELECT entry FROM sealed_entries)",
                  "entry_lines": " WHERE entry IN (SELECT entry FROM sealed_entries)"}.get(table, "")  # fmt: skip
        rows = raw.execute(f"SELECT rowid, {column} FROM {table}{within}").fetchall()
        raw.close()
        rowid, value = chance.choice(rows)
        expression, changed = flipped(chance, value)
        try:
            tampered(path, (f"UPDATE {table} SET {column} = {expression} WHERE rowid = {rowid}", (changed,)))
        except sqlite3.IntegrityError:
            continue  # another row has that key: not a change that can be made
        with open_store(f"sqlite:///{path}", keys, head=head) as store:
            found = store.verify()
            named = {"entry_lines": "entries", "sealed_entries": "seals"}.get(table, table)
            assert any(named in fault.partition(":")[0] for fault in found), (table, column, rowid, found)
        path.unlink()
        done += 1
    assert done == 200


@pytest.mark.slow
def test_any_two_swapped_and_any_missing_row_is_named(sealed, database, head, tmp_path, keys) -> None:
    chance = random.Random(7)
    shutil.copyfile(database, tmp_path / "whole.db")
    for turn in range(60):
        path = tmp_path / f"turn{turn}.db"
        shutil.copyfile(tmp_path / "whole.db", path)
        table, column = chance.choice([("journal", "body"), ("journal", "at"), ("journal", "actor"), ("journal", "id"),
                                       ("entries", "cause"), ("entries", "at"), ("seals", "leaves")])  # fmt: skip
        raw = sqlite3.connect(path)
        within = {"journal": " WHERE seq <= 12", "entries": " WHERE id IN (SELECT entry FROM sealed_entries)"}
        rows = raw.execute(f"SELECT rowid, {column} FROM {table}{within.get(table, '')}").fetchall()
        raw.close()
        (a, first), (b, second) = chance.sample(rows, 2)
        changed = first != second
        if turn % 3 == 0 or not changed:
            tampered(path, f"DELETE FROM {table} WHERE rowid = {a}")
        else:
            tampered(path, *([f"UPDATE {table} SET {column} = 'aside' WHERE rowid = {a}"] if column == "id" else []),
                     (f"UPDATE {table} SET {column} = ? WHERE rowid = {b}", (first,)),
                     (f"UPDATE {table} SET {column} = ? WHERE rowid = {a}", (second,)))  # fmt: skip
        with open_store(f"sqlite:///{path}", keys, head=head) as store:
            assert any(table in fault.partition(":")[0] for fault in store.verify()), (table, column, a, b)
        path.unlink()


@pytest.mark.parametrize(
    ("line", "fault"), [("sign:s1:!!!", "not base64"), ("sign:s1:c2hvcnQ=", "5 bytes"), ("sign:s 1:", "an id is")]
)
def test_a_bad_signer_is_refused(tmp_path: pathlib.Path, line: str, fault: str) -> None:
    path = tmp_path / "keys"
    KeyRing.generate(path)
    path.write_text(f"{path.read_text().splitlines()[0]}\n{line}\n")
    with pytest.raises(BadSetup, match=fault):
        KeyRing.load(path)


def test_a_signature_is_of_its_data_and_its_signer(keys: KeyRing) -> None:
    signed = keys.sign(b"seal 1")
    assert keys.has_signed(b"seal 1", signed)
    assert not keys.has_signed(b"seal 2", signed)
    assert not KeyRing.ephemeral("another").has_signed(b"seal 1", signed)
    assert not keys.has_signed(b"seal 1", chain.Signed("nobody", signed.signature))
    assert not keys.has_signed(b"seal 1", chain.Signed(signed.key_id, b""))


def test_the_head_is_never_two_seals_behind(
    open_file: Open, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while a seal is made gets one of its own; a power cut between must find the head of the one before."""
    seen: list[tuple[int, int]] = []
    real = seal.draw

    with open_file() as store:

        def drawn(connection: Any, now: Any, keys: KeyRing) -> Any:
            if len(seen) < 3:
                store.receive(make.receipt(b"MSH|busy %d" % len(seen), control=f"busy{len(seen)}"))
            said, last = store.sealer.head(), chain.last_of(connection)
            seen.append((said.number if said else 0, last.number if last else 0))
            return real(connection, now, keys)

        monkeypatch.setattr(seal, "draw", drawn)
        fill(store, make)
        store.seal(make.NOW)
        assert store.verify() == ()
    assert max(last for _, last in seen) >= 2, "a seal was made while another was"
    assert all(last - said <= 1 for said, last in seen), seen
