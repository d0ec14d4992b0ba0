"""Opening: a store that could lose what it acknowledged, or that is another one, is refused before it takes anything."""

from __future__ import annotations

import pathlib
import sqlite3
import stat
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
import sqlalchemy.dialects.sqlite
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import adapters.store.migrations
from adapters.errors import BadSetup, StoreDown
from adapters.store import Damaged, KeyRing, migrate, migration, open_store, open_work, printable, schema, sqlite
from adapters.store.lanes import threads as lane_threads


def test_a_missing_store_is_not_made_by_accident(database: pathlib.Path, open_file) -> None:
    with pytest.raises(BadSetup, match="init"):
        open_file(create=False)
    assert not database.exists()


def test_a_foreign_database_is_not_taken_for_a_store(database: pathlib.Path, open_file) -> None:
    with sqlite3.connect(database) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(BadSetup, match="no store yet"):
        open_file(create=False)


def test_a_file_that_is_no_database_is_refused(database: pathlib.Path, open_file) -> None:
    database.write_bytes(b"not a database, but long enough to be read as the header of one" * 20)
    with pytest.raises(BadSetup, match="does not open"):
        open_file()


@pytest.mark.parametrize("create", [False, True])
def test_a_newer_schema_is_refused(database: pathlib.Path, open_file, create: bool) -> None:
    open_file().close()
    with sqlite3.connect(database) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(BadSetup, match="9999"):
        open_file(create=create)


def test_another_key_ring_is_refused(database: pathlib.Path, open_file) -> None:
    open_file().close()
    with pytest.raises(BadSetup, match="key file"):
        open_store(f"sqlite:///{database}", KeyRing.ephemeral("another"))


def test_a_rotated_ring_opens_and_seals_anew(tmp_path: pathlib.Path, make: SimpleNamespace) -> None:
    url, path = f"sqlite:///{tmp_path}/s.db", tmp_path / "keys"
    with open_store(url, KeyRing.generate(path), create=True) as store:
        old = store.receive(make.receipt(b"MSH|1")).entry
    with open_store(url, KeyRing.rotate(path)) as store:
        new = store.receive(make.receipt(b"MSH|2", control="C2")).entry
        assert [e.body for e in store.unread(9)] == [b"MSH|1", b"MSH|2"]
        used = store._read(lambda c: c.exec_driver_sql("SELECT id, key_id FROM journal").all())
        assert [tuple(r) for r in used] == [(old, "k1"), (new, "k2")]
        assert store.verify() == ()


@pytest.mark.parametrize("url", ["postgresql://u:secret@h/d", "nonsense", "mysql://h/d"])
def test_what_no_store_speaks_is_refused_without_its_password(url: str, keys: KeyRing) -> None:
    for opening in (lambda: open_store(url, keys), lambda: migrate(url)):
        with pytest.raises(BadSetup) as refused:
            opening()
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "of", ["u:secret@h/d", "u@h/d?password=secret", "u:secret@h/d?sslpassword=secret&sslmode=require"]
)
def test_a_store_is_told_of_without_its_password(of: str) -> None:
    told = printable(f"postgresql+psycopg://{of}")
    assert "secret" not in told
    assert told.startswith("postgresql+psycopg://u")
    assert "@h/d" in told
    assert ("sslmode=require" in told) == ("sslmode" in of)
    assert printable("sqlite:///folder/a.db") == "sqlite:///folder/a.db"


def test_the_writer_promises_what_an_acknowledgement_promises(open_file) -> None:
    with open_file() as store:

        def pragma(name: str) -> object:
            return store._writer.run(lambda c: c.exec_driver_sql(f"PRAGMA {name}").scalar()).result()

        assert pragma("journal_mode") == "wal"
        assert pragma("synchronous") == 2
        assert pragma("foreign_keys") == 1
        assert pragma("busy_timeout") > 0
        assert pragma("temp_store") == 2


@pytest.mark.parametrize(
    ("weakened", "word"),
    [("synchronous=NORMAL", "synchronous"), ("journal_mode=DELETE", "journal_mode"), ("foreign_keys=OFF", "foreign")],
)
def test_a_weaker_promise_is_found(database: pathlib.Path, open_file, weakened: str, word: str) -> None:
    open_file().close()
    engine = sqlite.open_writer(sa.make_url(f"sqlite:///{database}"))
    with engine.connect() as connection:
        connection.connection.dbapi_connection.execute("ROLLBACK") if sqlite.in_transaction(connection) else None
        connection.connection.dbapi_connection.execute(f"PRAGMA {weakened}").fetchall()
    assert [p for p in sqlite._broken_promises(engine, "wal") if word in p]
    engine.dispose()


def test_opening_is_refused_when_the_promise_cannot_be_kept(open_file, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_FULL", (99,))
    with pytest.raises(BadSetup, match="power cut"):
        open_file()


def test_the_files_are_the_owners_alone(database: pathlib.Path, open_file, make: SimpleNamespace) -> None:
    with open_file() as store:
        store.receive(make.receipt())
        files = sorted(database.parent.glob("store.db*"))
        assert len(files) >= 3
        assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}


def test_readers_cannot_write(open_file) -> None:
    with open_file() as store, pytest.raises(StoreDown):
        store._read(lambda c: c.exec_driver_sql("INSERT INTO meta VALUES ('x', 'y')") and None)


def test_old_libraries_take_turns_and_new_ones_need_none(database: pathlib.Path) -> None:
    url = sa.make_url(f"sqlite:///{database}")
    assert isinstance(sqlite.turns(url, (3, 51, 2)), sqlite._Lock)
    assert not isinstance(sqlite.turns(url, (3, 51, 3)), sqlite._Lock)
    assert not isinstance(sqlite.turns(sa.make_url("sqlite://"), (3, 40, 1)), sqlite._Lock)


def test_a_turn_is_for_one_at_a_time(database: pathlib.Path) -> None:
    turn = sqlite.turns(sa.make_url(f"sqlite:///{database}"), (3, 40, 1))
    order = []
    inside = threading.Event()

    def other() -> None:
        inside.wait(10)
        with turn():
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    with turn():
        inside.set()
        thread.join(0.05)
        order.append("first")
    thread.join(10)
    assert order == ["first", "other"]


def test_two_processes_may_write_in_turns(database: pathlib.Path, open_file, make: SimpleNamespace) -> None:
    program = (
        "import sys, hashlib, datetime\n"
        "from adapters.store import KeyRing, open_store\n"
        "from adapters.ports import Receipt\n"
        "from adapters.model.journal import JournalKind\n"
        "with open_store(sys.argv[1], KeyRing.ephemeral('tests')) as s:\n"
        "    for n in range(50):\n"
        "        b = b'other %d' % n\n"
        "        s.receive(Receipt(JournalKind.MESSAGE, 'c', 's', 'a', 'm', '', hashlib.sha256(b).hexdigest(), b, b'',\n"
        "                          datetime.datetime.now(datetime.UTC)))\n"
    )
    with open_file() as store:
        other = subprocess.Popen([sys.executable, "-c", program, f"sqlite:///{database}"])
        for n in range(50):
            store.receive(make.receipt(b"ours %d" % n, control=str(n)))
        assert other.wait(60) == 0
        assert store.counts().journal == 100
        assert [line.seq for line in store.messages()] == list(range(1, 101))
        assert store.verify() == ()


def test_a_full_disk_acknowledges_nothing_and_the_store_lives_on(open_file, make: SimpleNamespace) -> None:
    with open_file() as store:
        kept = [store.receive(make.receipt(b"MSH|0")).entry]

        def limit(pages: int) -> None:
            store._writer.run(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar()).result()

        limit(1)
        big = [make.receipt(b"x" * 60_000 + b"%d" % n, control=f"B{n}") for n in range(20)]
        futures = [store.receive_soon(r) for r in big]
        refused = 0
        for future in futures:
            try:
                kept.append(future.result(20).entry)
            except StoreDown:
                refused += 1
        assert refused
        limit(1_000_000)
        again = [store.receive(r) for r in big]
        assert {r.entry for r in again} | set(kept) == {line.id for line in store.messages()}
        assert store.counts().journal == 21
        assert store.verify() == ()


def test_head_is_what_alembic_says() -> None:
    scripts = ScriptDirectory(str(pathlib.Path(adapters.store.migrations.__file__).parent))
    assert scripts.get_heads() == [migration.HEAD]
    assert migration.HEAD in migration.known_versions()


def test_migrating_gives_the_tables_that_the_program_knows(database: pathlib.Path) -> None:
    url = f"sqlite:///{database}"
    assert migrate(url) == ""
    assert migrate(url) == migration.HEAD
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        known = [schema.metadata, lane_threads.TABLES]
        assert compare_metadata(MigrationContext.configure(connection), known) == []
        assert migration.version_of(connection) == migration.HEAD
    engine.dispose()


def test_open_work_is_found_without_what_was_ever_closed(database: pathlib.Path, open_file) -> None:
    open_file().close()
    asked = str(open_work._OPEN.compile(dialect=sa.dialects.sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    raw = sqlite3.connect(database)
    plan = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {asked}")]
    raw.close()
    assert any("USING INDEX ix_work_items_about_id" in step for step in plan), plan
    assert not any(step == "SCAN work_items" for step in plan), plan


def test_a_migration_that_breaks_off_leaves_nothing(
    database: pathlib.Path, open_file, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(sqlite.guards())
    for done in range(len(whole) + 1):
        monkeypatch.setattr(sqlite, "guards", lambda done=done: iter([*whole[:done], "CREATE NONSENSE"]))
        with pytest.raises((BadSetup, sa.exc.SQLAlchemyError)):
            open_file()
        raw = sqlite3.connect(database)
        assert raw.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        raw.close()
    monkeypatch.undo()
    with open_file() as store:
        assert store.verify() == ()


def test_no_column_is_a_float_and_money_is_bigint() -> None:
    kinds = {
        type(column.type).__name__: f"{table.name}.{column.name}"
        for table in schema.metadata.tables.values()
        for column in table.columns
    }
    assert set(kinds) == {"Text", "BigInteger", "Integer", "LargeBinary"}
    assert isinstance(schema.entry_lines.c.amount.type, sa.BigInteger)


def test_a_row_of_another_ring_does_not_read(database: pathlib.Path, open_file, make: SimpleNamespace) -> None:
    with open_file() as store:
        store.receive(make.receipt())
    raw = sqlite3.connect(database, isolation_level=None)
    raw.execute("DROP TRIGGER journal_no_update")
    raw.execute("UPDATE journal SET key_id = 'lost'")
    raw.close()
    with open_file() as store, pytest.raises(Damaged, match="not in the ring"):
        store.unread(1)


def test_a_disk_that_fills_within_a_group_gives_nobody_a_false_answer(open_file) -> None:
    with open_file() as store:
        pages = store._writer.run(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar()).result()
        store._writer.run(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages + 8}").scalar()).result()
        gate = threading.Event()
        store._writer.run(lambda _: gate.wait(10))
        futures = {
            name: store._writer.run(
                lambda c, name=name, size=size: (
                    c.exec_driver_sql("INSERT INTO meta VALUES (?, ?)", (name, "x" * size)) and None
                )
            )
            for name, size in (("small", 10), ("huge", 500_000), ("later", 10), ("large", 300_000), ("last", 10))
        }
        gate.set()
        answered = {name for name, future in futures.items() if future.exception(10) is None}
        assert "huge" not in answered
        store._writer.run(lambda c: c.exec_driver_sql("PRAGMA max_page_count=1000000").scalar()).result()
        on_file = set(store._read(lambda c: list(c.exec_driver_sql("SELECT name FROM meta").scalars())))
        assert answered <= on_file
        assert store._writer.run(lambda _: 1).result(10) == 1
