"""Backup and restore: a copy is whole, proved, and never in anybody's way."""

from __future__ import annotations

import json
import pathlib
import shutil
import sqlite3
import threading
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest

from adapters.errors import BadSetup
from adapters.model.people import Identifier, PersonHint
from adapters.store import KeyRing, Reach, SqlStore, backup, migration, open_store, restore

pytestmark = pytest.mark.slow

Open = Callable[..., SqlStore]


def fill(store: SqlStore, make: SimpleNamespace, start: int = 0, count: int = 3) -> None:
    """Some messages and one step of a person of their own: `count` + 1 entries."""
    for n in range(start, start + count):
        store.receive(make.receipt(b"MSH|%d" % n, control=str(n)))
    person = store.person(PersonHint((Identifier("mrn", str(start)),)), "aria")
    before = store.load(person)
    store.save(before, make.course(person, 2, before.identifiers), tick=make.NOW)


@pytest.fixture
def kept(open_file: Open, make: SimpleNamespace, tmp_path: pathlib.Path) -> pathlib.Path:
    """A backup of a store of four entries, which has eight by now."""
    file = tmp_path / "kept" / "monday.db"
    file.parent.mkdir()
    with open_file() as store:
        fill(store, make)
        assert store.back_up(file, make.NOW) == Reach(4, make.NOW)
        fill(store, make, 10)
        store.seal(make.NOW + timedelta(hours=1))
    return file


def records(store: SqlStore) -> dict[str, object]:
    """All that is on file about persons, and the journal's ids."""
    return {
        **{person: store.load(person) for person in store.lanes()},
        "journal": [entry.id for entry in store.journal(limit=10**6)],
    }


def test_a_backup_is_one_private_file_with_its_head(kept: pathlib.Path) -> None:
    assert sorted(path.name for path in kept.parent.iterdir()) == ["monday.db", "monday.db.head"]
    assert {path.stat().st_mode & 0o777 for path in kept.parent.iterdir()} == {0o600}
    assert json.loads(kept.with_name("monday.db.head").read_bytes())["last"] == 4


def test_a_restored_store_is_what_it_was(kept, tmp_path, keys: KeyRing, open_file: Open, make) -> None:
    url = f"sqlite:///{tmp_path}/again.db"
    back = restore(kept, url, keys)
    assert (back.reach, back.lost, back.migrated) == (Reach(4, make.NOW), None, "")
    with open_store(url, keys) as again, open_file() as store:
        assert again.verify() == ()
        assert again.counts().journal == 4
        before = records(again)
        whole = records(store)
        assert before["journal"] == whole["journal"][:4]
        assert all(whole[person] == before[person] for person in again.lanes())
        fill(again, make, 10)
        again.seal(make.NOW)
        assert again.verify() == ()
        assert records(again) == whole
    assert sorted(p.name for p in tmp_path.glob("again.db*")) in (
        ["again.db", "again.db-writer", "again.db.head"],
        ["again.db", "again.db.head"],
    )


@pytest.mark.parametrize("name", ["monday.db", "monday.db.head"])
def test_a_backup_writes_over_nothing(kept: pathlib.Path, open_file: Open, make, name: str) -> None:
    for other in {"monday.db", "monday.db.head"} - {name}:
        kept.with_name(other).unlink()
    before = kept.with_name(name).read_bytes()
    with open_file() as store, pytest.raises(BadSetup, match="stands there already"):
        store.back_up(kept, make.NOW)
    assert [(p.name, p.read_bytes()) for p in kept.parent.iterdir()] == [(name, before)]


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
def test_a_restore_writes_over_nothing(kept, tmp_path, keys: KeyRing, end: str) -> None:
    standing = tmp_path / f"again.db{end}"
    standing.write_bytes(b"mine")
    with pytest.raises(BadSetup, match="nothing is written over"):
        restore(kept, f"sqlite:///{tmp_path}/again.db", keys)
    assert standing.read_bytes() == b"mine"
    assert list(tmp_path.glob("again.db*")) == [standing]


def test_the_head_of_a_lost_store_tells_what_is_missing(kept, database, keys: KeyRing) -> None:
    for path in database.parent.glob("store.db*"):
        if not path.name.endswith(".head"):
            path.unlink()
    back = restore(kept, f"sqlite:///{database}", keys)
    assert back.lost is not None
    assert (back.lost.number, back.lost.last) == (2, 8)
    assert database.with_name("store.db.head-2").is_file()
    with open_store(f"sqlite:///{database}", keys) as store:
        assert store.verify() == ()


def test_a_head_that_says_no_more_is_replaced(kept, tmp_path, keys: KeyRing) -> None:
    shutil.copyfile(kept.with_name("monday.db.head"), tmp_path / "my.head")
    back = restore(kept, f"sqlite:///{tmp_path}/again.db", keys, tmp_path / "my.head")
    assert back.lost is None
    with open_store(f"sqlite:///{tmp_path}/again.db", keys, head=tmp_path / "my.head") as store:
        assert store.verify() == ()


def test_a_backup_of_an_empty_store(open_file: Open, tmp_path, keys: KeyRing, make) -> None:
    with open_file() as store:
        assert store.back_up(tmp_path / "empty.db", make.NOW) == Reach(0, None)
    url = f"sqlite:///{tmp_path}/again.db"
    with pytest.raises(BadSetup, match="head is missing"):
        restore(tmp_path / "empty.db", url, keys)
    assert restore(tmp_path / "empty.db", url, keys, unsealed=True).reach == Reach(0, None)


# What is refused; nothing is put in place


def refused(kept: pathlib.Path, tmp_path: pathlib.Path, keys: KeyRing, **more: bool) -> str:
    """What a restore says that must be refused."""
    with pytest.raises(BadSetup) as told:
        restore(kept, f"sqlite:///{tmp_path}/again.db", keys, **more)
    assert list(tmp_path.glob("again.db*")) == []
    return str(told.value)


def test_a_changed_backup_is_refused(kept, tmp_path, keys: KeyRing) -> None:
    raw = sqlite3.connect(kept)
    raw.execute("DROP TRIGGER journal_no_update")
    raw.execute("UPDATE journal SET actor = 'feed:other' WHERE seq = 2")
    raw.commit()
    raw.close()
    said = refused(kept, tmp_path, keys)
    assert "does not verify" in said
    assert "number 2 is not the row that seal 1 holds" in said


def test_a_backup_whose_end_was_cut_off_is_refused(kept, tmp_path, open_file: Open, keys: KeyRing, make) -> None:
    with open_file() as store:
        store.back_up(tmp_path / "later.db", make.NOW)
    shutil.copyfile(tmp_path / "later.db.head", kept.with_name("monday.db.head"))
    assert "the journal was cut off" in refused(kept, tmp_path, keys)
    shutil.copyfile(kept, tmp_path / "later.db")
    kept.with_name("monday.db.head").unlink()
    assert "head is missing" in refused(kept, tmp_path, keys)


def test_a_backup_that_goes_further_than_its_head_is_refused(kept, tmp_path, open_file: Open, keys, make) -> None:
    with open_file() as store:
        store.back_up(tmp_path / "later.db", make.NOW)
    shutil.copyfile(tmp_path / "later.db", kept)
    assert "head: it is of seal 1, the copy has 2" in refused(kept, tmp_path, keys)


@pytest.mark.parametrize("text", [b"", b"no database", b"SQLite format 3\0" + b"x" * 4096])
def test_what_is_no_backup_is_refused(kept, tmp_path, keys: KeyRing, text: bytes) -> None:
    kept.write_bytes(text)
    assert "no store" in (said := refused(kept, tmp_path, keys)) or "cannot be read" in said
    kept.with_name("monday.db.head").write_bytes(b"{")
    assert "head" in refused(kept, tmp_path, keys)
    kept.unlink()
    assert "no such backup" in refused(kept, tmp_path, keys)


def test_a_backup_is_not_read_with_other_keys(kept, tmp_path) -> None:
    assert "key file" in refused(kept, tmp_path, KeyRing.ephemeral("another"))


def test_nothing_is_restored_to_memory(kept, keys: KeyRing) -> None:
    with pytest.raises(BadSetup, match="gone when it closes"):
        restore(kept, "sqlite://", keys)


def test_a_server_that_is_not_there_is_told_without_its_password(kept, keys: KeyRing) -> None:
    with pytest.raises(BadSetup, match="PostgreSQL database does not open") as told:
        restore(kept, "postgresql://someone:secret@127.0.0.1:1/x", keys)
    assert "secret" not in repr(told.value)


def test_a_store_in_memory_has_no_backup(tmp_path, keys: KeyRing, make) -> None:
    with open_store("sqlite://", keys) as store, pytest.raises(BadSetup, match="in memory"):
        store.back_up(tmp_path / "x.db", make.NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(open_file: Open, tmp_path, make) -> None:
    with open_file() as store, pytest.raises(BadSetup, match="cannot be written"):
        store.back_up(tmp_path / "none" / "x.db", make.NOW)


def test_a_store_that_is_damaged_gives_no_backup(database, open_file: Open, tmp_path, make) -> None:
    with open_file() as store:
        fill(store, make)
        store.seal(make.NOW)
    raw = sqlite3.connect(database, isolation_level=None)
    raw.execute("UPDATE charges SET sealed = zeroblob(40)")
    raw.close()
    with open_file() as store, pytest.raises(BadSetup, match="does not verify"):
        store.back_up(tmp_path / "x.db", make.NOW)
    assert list(tmp_path.glob("x.db*")) == []


def test_an_older_schema_is_brought_up(kept, tmp_path, keys: KeyRing, make) -> None:
    """As the program before the seals would have left it; there was no head then."""
    raw = sqlite3.connect(kept, isolation_level=None)
    later = (
        "browsers",
        "person_words",
        "sessions",
        "users",
        "entry_lanes",
        "unions",
        "used_once",
        "waiting",
        "runnable",
    )
    undone = [f"DROP TABLE {table}" for table in (*later, "sealed_entries", "seals")]
    indexes = (
        "claims_built_id_state_payer",
        "claims_number",
        "journal_control",
        "work_items_kind_closed_due_id",
        "work_items_about_id",
    )
    undone += [f"DROP INDEX ix_{index}" for index in indexes]
    undone += [f"ALTER TABLE claims DROP COLUMN {column}" for column in ("payer", "built", "number")]
    raw.executescript(";".join(undone))
    raw.execute("UPDATE alembic_version SET version_num = '0001'")
    raw.close()
    kept.with_name("monday.db.head").unlink()
    url = f"sqlite:///{tmp_path}/again.db"
    back = restore(kept, url, keys, unsealed=True)
    assert (back.migrated, back.reach) == ("0001", Reach(4, make.NOW))
    assert not list(tmp_path.glob("*.part*"))
    with open_store(url, keys) as store:
        assert store.seal(make.NOW) == 4
        assert store.verify() == ()
    assert migration.HEAD != "0001"


# While the house goes on


def test_backups_while_messages_come_are_whole(open_file: Open, tmp_path, keys: KeyRing, make) -> None:
    ended = threading.Event()
    acknowledged: list[str] = []

    def coming(store: SqlStore) -> None:
        n = 0
        while not ended.is_set():
            n += 1
            acknowledged.append(store.receive(make.receipt(b"MSH|%d" % n, control=str(n))).entry)

    with open_file() as store, open_file() as second:
        thread = threading.Thread(target=coming, args=(store,))
        thread.start()
        try:
            for turn in range(4):
                before = list(acknowledged)
                fill(second, make, 10_000 + 100 * turn)
                reach = second.back_up(tmp_path / f"{turn}.db", make.NOW)
                restore(tmp_path / f"{turn}.db", f"sqlite:///{tmp_path}/again{turn}.db", keys)
                with open_store(f"sqlite:///{tmp_path}/again{turn}.db", keys) as again:
                    assert again.verify() == ()
                    assert again.counts().journal == reach.journal
                    assert set(before) <= {line.id for line in again.messages(limit=10**6)}
        finally:
            ended.set()
            thread.join()
        assert store.verify() == ()
    assert len(acknowledged) > 4


def test_a_backup_that_breaks_off_has_no_name(open_file: Open, tmp_path, make, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(backup, "_sync", full)
    with open_file() as store, pytest.raises(BadSetup, match="cannot be written"):
        store.back_up(tmp_path / "x.db", make.NOW)
    assert list(tmp_path.glob("x.db*")) == []
