"""PostgreSQL beside the contract that all stores keep: what it must promise, its weather, and how it takes receipts."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from adapters.errors import BadSetup, StoreDown
from adapters.model.record import PersonRecord
from adapters.store import KeyRing, SqlStore, migrate, migration, open_store, schema
from adapters.store import postgres as dialect
from adapters.store.lanes import jobs as lane_jobs

pytestmark = pytest.mark.system

SAID = (180006, "on", "on", "on", "UTF8", False, "off")


@pytest.fixture
def url(postgres, postgres_database: str) -> str:
    """A database with an empty store in it."""
    return postgres.url(postgres_database)


@pytest.fixture
def opened(url: str, keys: KeyRing) -> Iterator[SqlStore]:
    """The store in it."""
    with open_store(url, keys) as store:
        yield store


@pytest.fixture(scope="module")
def another(new_postgres: Callable[[], object]):
    """A server that a test may stop, kill and spoil."""
    return new_postgres()


# Promises


def test_a_server_that_promises_all_is_taken() -> None:
    assert dialect.broken_promises(SAID) == ()
    assert dialect.broken_promises((150000, "on", "on", "local", "UTF8", False, "off")) == ()


@pytest.mark.parametrize(
    ("place", "weak", "word"),
    [
        (0, 140010, "older than 15"),
        (1, "off", "fsync"),
        (2, "off", "full_page_writes"),
        (3, "off", "synchronous_commit"),
        (4, "SQL_ASCII", "UTF8"),
        (5, True, "only reads"),
        (6, "on", "only reads"),
    ],
)
def test_each_weaker_promise_is_said(place: int, weak: object, word: str) -> None:
    (problem,) = dialect.broken_promises((*SAID[:place], weak, *SAID[place + 1 :]))
    assert word in problem


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_does_not_sync_is_refused(another, keys: KeyRing, setting: str) -> None:
    url = another.url(another.make())
    another.run(f"ALTER SYSTEM SET {setting} = off", "SELECT pg_reload_conf()")
    try:
        _await(lambda: another.ask(f"SHOW {setting}") == "off")
        with pytest.raises(BadSetup, match=setting):
            open_store(url, keys, create=True)
    finally:
        another.run(f"ALTER SYSTEM RESET {setting}", "SELECT pg_reload_conf()")
        _await(lambda: another.ask(f"SHOW {setting}") == "on")
    open_store(url, keys, create=True).close()


@pytest.mark.parametrize(
    ("setting", "word"),
    [("synchronous_commit=off", "synchronous_commit"), ("default_transaction_read_only=on", "reads")],
)
def test_a_database_with_weaker_settings_is_refused(postgres, keys: KeyRing, setting: str, word: str) -> None:
    name = postgres.make()
    postgres.run(f"ALTER DATABASE {name} SET {setting}")
    with pytest.raises(BadSetup, match=word):
        open_store(postgres.url(name), keys, create=True)


def test_a_reload_does_not_weaken_a_session(another, keys: KeyRing) -> None:
    with open_store(another.url(another.make()), keys, create=True) as store:
        ask = "SHOW synchronous_commit"
        another.run("ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()")
        try:
            _await(lambda: another.ask(ask) == "off")
            assert store._writer.run(lambda c: c.exec_driver_sql(ask).scalar()).result(10) == "on"
        finally:
            another.run("ALTER SYSTEM RESET synchronous_commit", "SELECT pg_reload_conf()")


def _await(there: Callable[[], bool]) -> None:
    last = time.monotonic() + 10
    while not there():
        assert time.monotonic() < last
        time.sleep(0.02)


# Opening


def test_a_database_without_a_store_is_not_made_one_by_accident(postgres, keys: KeyRing) -> None:
    name = postgres.make()
    with pytest.raises(BadSetup, match="init"):
        open_store(postgres.url(name), keys)
    with postgres.connect(name) as raw:
        assert raw.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


@pytest.mark.parametrize("database", ["nowhere", "no such place"])
def test_what_cannot_be_reached_is_refused_without_its_password(keys: KeyRing, database: str) -> None:
    for opening in (lambda url: open_store(url, keys), migrate):
        with pytest.raises(BadSetup) as refused:
            opening(f"postgresql://someone:secret@127.0.0.1:1/{database}")
        assert "secret" not in repr(refused.value)
        assert refused.value.__cause__ is None


def test_over_a_network_somebody_says_how_the_line_is_kept(keys: KeyRing) -> None:
    with pytest.raises(BadSetup, match="sslmode"):
        open_store("postgresql://u@db.clinic.example/d", keys)
    with pytest.raises(BadSetup, match="does not open"):
        open_store("postgresql://u@192.0.2.1:1/d?sslmode=verify-full&connect_timeout=2", keys)


def test_migrating_gives_the_tables_that_the_program_knows(postgres) -> None:
    url = postgres.url(postgres.make())
    assert migrate(url) == ""
    assert migrate(url) == migration.HEAD
    engine = sa.create_engine(migration.parse(url).set(drivername=dialect.DRIVER))
    with engine.connect() as connection:
        # The tables of the jobs are procrastinate's own.
        ours = {"include_name": lambda name, kind, _: kind != "table" or name not in lane_jobs.TABLES}
        assert compare_metadata(MigrationContext.configure(connection, opts=ours), schema.metadata) == []
        assert migration.version_of(connection) == migration.HEAD
        columns = connection.exec_driver_sql(
            "SELECT collation_name, count(*) FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type = 'text' AND table_name !~ '^procrastinate_' GROUP BY 1"
        ).all()
        kinds = connection.exec_driver_sql(
            "SELECT DISTINCT data_type FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name !~ '^procrastinate_'"
        ).scalars()
        assert [collation for collation, _ in columns] == ["C"]
        assert set(kinds) == {"text", "bigint", "integer", "bytea", "character varying"}
    engine.dispose()


def test_a_migration_that_breaks_off_leaves_nothing(postgres, keys: KeyRing, monkeypatch: pytest.MonkeyPatch) -> None:
    name = postgres.make()
    whole = list(dialect.guards())
    for done in (0, 1, len(whole) // 2, len(whole)):
        monkeypatch.setattr(dialect, "guards", lambda done=done: iter([*whole[:done], "CREATE NONSENSE"]))
        with pytest.raises(BadSetup):
            open_store(postgres.url(name), keys, create=True)
        with postgres.connect(name) as raw:
            assert raw.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
            assert raw.execute("SELECT count(*) FROM pg_proc WHERE proname = 'only_added'").fetchone() == (0,)
    monkeypatch.undo()
    with open_store(postgres.url(name), keys, create=True) as store:
        assert store.verify() == ()


def test_a_store_may_lie_in_a_schema_of_its_own(postgres, keys: KeyRing, make: SimpleNamespace) -> None:
    name = postgres.make()
    postgres.run("CREATE SCHEMA clinic", database=name)
    with open_store(postgres.url(name) + "&options=-csearch_path%3Dclinic", keys, create=True) as store:
        store.receive(make.receipt())
        store.save(PersonRecord("p"), make.course("p", 1), tick=make.NOW)
        assert store.verify() == ()
    with postgres.connect(name) as raw:
        assert raw.execute("SELECT count(*) FROM clinic.journal").fetchone() == (2,)
        assert raw.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


# Taking receipts


def test_a_group_is_one_statement(opened: SqlStore, make: SimpleNamespace) -> None:
    said: list[str] = []
    sa.event.listen(opened._engine, "before_cursor_execute", lambda *all: said.append(all[2]))
    gate, held = threading.Event(), threading.Event()

    def hold(_connection: sa.Connection) -> None:
        held.set()
        gate.wait(10)

    opened._writer.run(hold)
    held.wait(10)
    futures = [opened.receive_soon(make.receipt(b"MSH|%d" % (n % 50), control=str(n % 50))) for n in range(100)]
    del said[:]
    gate.set()
    assert [f.result(10).repeated for f in futures] == [False] * 50 + [True] * 50
    assert len([s for s in said if "INSERT INTO journal" in s]) == 1
    # The beginning of its transaction, and it.
    assert len(said) == 2
    assert [line.seq for line in opened.messages()] == list(range(1, 51))


@pytest.mark.parametrize("word", ["A\0B", "half \ud83d", "\u00e9\u4e2d\U0001f600"])
def test_a_word_that_no_database_takes_is_no_poison(store: SqlStore, make: SimpleNamespace, word: str) -> None:
    got = store.receive(make.receipt(control=word, sender=word))
    assert store.receive(make.receipt(control=word, sender=word)) == type(got)(got.entry, got.answer, repeated=True)
    assert store.receive(make.receipt(b"MSH|2", control=word, sender=word)).control_reused
    assert [e.body for e in store.unread(9)] == [b"MSH|1", b"MSH|2"]
    assert store.verify() == ()


def test_a_fault_that_was_swallowed_is_no_success(opened: SqlStore) -> None:
    def swallows(connection: sa.Connection) -> str:
        connection.exec_driver_sql("INSERT INTO meta VALUES ('half', 'done')")
        try:
            connection.exec_driver_sql("SELECT 1 / 0")
        except sa.exc.DBAPIError:
            return "all is well"
        return "not reached"

    with pytest.raises(StoreDown):
        opened._writer.run(swallows).result(10)
    assert opened._read(lambda c: c.exec_driver_sql("SELECT count(*) FROM meta WHERE name = 'half'").scalar()) == 0


def test_readers_cannot_write_and_read_one_snapshot(opened: SqlStore, make: SimpleNamespace) -> None:
    with pytest.raises(StoreDown):
        opened._read(lambda c: c.exec_driver_sql("INSERT INTO meta VALUES ('x', 'y')") and None)

    def twice(connection: sa.Connection) -> tuple[int, int]:
        count = "SELECT count(*) FROM journal"
        before = connection.exec_driver_sql(count).scalar_one()
        opened.receive(make.receipt())
        return before, connection.exec_driver_sql(count).scalar_one()

    assert opened._read(twice) == (0, 0)
    assert opened.counts().journal == 1


def test_writers_wait_for_one_another(opened: SqlStore, postgres, postgres_database, make: SimpleNamespace) -> None:
    with postgres.connect(postgres_database) as other:
        other.execute("BEGIN")
        other.execute("SELECT pg_advisory_xact_lock(%s)", (dialect._LOCK,))
        waiting = opened.receive_soon(make.receipt())
        time.sleep(0.1)
        assert not waiting.done()
        other.execute("COMMIT")
        assert not waiting.result(10).repeated


def test_a_writer_that_waits_too_long_says_so_and_goes_on(
    url: str, keys: KeyRing, postgres, postgres_database, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dialect._SESSION, "lock_timeout", "100ms")
    with open_store(url, keys) as store, postgres.connect(postgres_database) as other:
        other.execute("BEGIN")
        other.execute("SELECT pg_advisory_xact_lock(%s)", (dialect._LOCK,))
        for _ in range(2):
            with pytest.raises(StoreDown):
                store.receive(make.receipt())
        other.execute("COMMIT")
        assert not store.receive(make.receipt()).repeated
        assert store.counts().journal == 1


PROGRAM = """
import datetime, hashlib, sys
from adapters.model.journal import JournalKind
from adapters.ports import Receipt
from adapters.store import KeyRing, open_store
with open_store(sys.argv[1], KeyRing.ephemeral("tests")) as store:
    for n in range(100):
        body = b"shared %d" % n if n % 2 else b"other %d" % n
        store.receive(Receipt(JournalKind.MESSAGE, "mllp", "s", "a", "m", "", hashlib.sha256(body).hexdigest(), body,
                              b"", datetime.datetime.now(datetime.UTC)))
"""


def test_two_processes_number_one_journal(opened: SqlStore, url: str, make: SimpleNamespace) -> None:
    other = subprocess.Popen([sys.executable, "-c", PROGRAM, url])
    for n in range(100):
        opened.receive(make.receipt(b"shared %d" % n if n % 2 else b"ours %d" % n, control="", sender="s"))
    assert other.wait(60) == 0
    assert opened.counts().journal == 150
    assert [line.seq for line in opened.messages()] == list(range(1, 151))
    assert opened.verify() == ()


# Weather


def test_a_server_that_goes_and_comes_back(another, keys: KeyRing, make: SimpleNamespace) -> None:
    with open_store(another.url(another.make()), keys, create=True) as store:
        kept = store.receive(make.receipt()).entry
        before = PersonRecord("p")
        after = make.course("p", 1)
        another.kill()
        for asking in (
            lambda: store.receive(make.receipt(b"MSH|2", control="2")),
            lambda: store.receive(make.receipt(b"MSH|2", control="2")),
            lambda: store.unread(1),
            lambda: store.save(before, after, tick=make.NOW),
        ):
            with pytest.raises(StoreDown):
                asking()
        # Those of a group, too.
        futures = [store.receive_soon(make.receipt(b"MSH|%d" % n, control=str(n))) for n in range(3, 20)]
        assert all(isinstance(f.exception(20), StoreDown) for f in futures)
        another.start()
        assert not store.receive(make.receipt(b"MSH|2", control="2")).repeated
        assert [e.id for e in store.unread(1)] == [kept]
        store.save(before, after, tick=make.NOW)
        assert store.counts().journal == 3
        assert store.verify() == ()


def test_a_line_cut_within_a_group_answers_nobody_falsely(opened: SqlStore, postgres, make: SimpleNamespace) -> None:
    gate = threading.Event()
    opened._writer.run(lambda _: gate.wait(10))
    first = opened.receive_soon(make.receipt())
    mine = "SELECT pg_terminate_backend(pg_backend_pid())"
    cut = opened._writer.run(lambda c: c.exec_driver_sql(mine).scalar())
    last = opened.receive_soon(make.receipt(b"MSH|2", control="2"))
    gate.set()
    with pytest.raises(StoreDown):
        cut.result(10)
    answered = []
    for future in (first, last):
        try:
            answered.append(future.result(10).entry)
        except StoreDown:
            continue
    assert set(answered) <= {line.id for line in opened.messages()}
    assert opened.receive(make.receipt(b"MSH|3", control="3")).entry in {line.id for line in opened.messages()}


def test_too_many_connections_are_weather(another, keys: KeyRing, make: SimpleNamespace) -> None:
    name = another.make()
    with open_store(another.url(name), keys, create=True) as store:
        store.receive(make.receipt())
        held = []
        store._readers.dispose()
        while True:
            try:
                held.append(another.connect(name))
            except psycopg.OperationalError:
                break
        assert len(held) > 20
        with pytest.raises(StoreDown):
            store.unread(1)
        # The writer has its connection, so what comes is still taken.
        assert not store.receive(make.receipt(b"MSH|2", control="2")).repeated
        for other in held:
            other.close()
        _await(lambda: another.ask("SELECT count(*) < 20 FROM pg_stat_activity"))
        assert len(store.unread(9)) == 2


def test_nothing_readable_lies_in_the_servers_files(another, keys: KeyRing, make: SimpleNamespace) -> None:
    with open_store(another.url(another.make()), keys, create=True) as store:
        body = f"PID|||{make.MRN}||{make.FAMILY}".encode()
        entry = store.receive(make.receipt(body, answer=b"ACK " + body)).entry
        record = make.course("p", 2)
        store.save(PersonRecord("p"), record, tick=make.NOW)
        stolen = make.course("other", 1)
        stolen = replace(stolen, claims=record.claims)
        with pytest.raises(StoreDown) as refused:
            store.save(PersonRecord("other"), stolen, tick=make.NOW)
        error: BaseException | None = refused.value
        texts = []
        while error is not None:
            texts.append(str(error))
            error = error.__cause__
    another.run("CHECKPOINT")
    words = [word.encode() for word in (make.MRN, make.FAMILY, make.MEMBER)]
    assert not [word for word in words if any(word in text.encode() for text in texts)]
    files = [f.read_bytes() for f in another.folder.rglob("*") if f.is_file()]
    assert not [word for word in words if any(word in data for data in files)]
    assert any(entry.encode() in data for data in files), "ids are there to be found"


def test_the_digest_of_a_body_is_that_of_the_bytes(opened: SqlStore, make: SimpleNamespace) -> None:
    every = bytes(range(256)) * 8 + b"\\x00\\'\""
    got = opened.receive(make.receipt(every, answer=every[::-1]))
    (back,) = opened.unread(1)
    assert (back.body, hashlib.sha256(every).hexdigest()) == (every, back.digest)
    assert opened.receive(make.receipt(every)).answer == got.answer == every[::-1]
