"""Backups of a store on PostgreSQL and restores to one: one format, proved on both sides, whole or not there."""

from __future__ import annotations

import contextlib
import io
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.cli import main
from adapters.demo import day
from adapters.errors import BadSetup, StoreDown
from adapters.model.people import Identifier, PersonHint
from adapters.model.tables import Edition, PairRow, Row, TableKind
from adapters.store import KeyRing, Reach, Share, SqlStore, backup_rows, open_store, restore, schema
from adapters.store.editions.kept import Editions, Loaded, heading_of, open_editions
from adapters.tables import Heading, Reading
from adapters.tables.source import Problems
from tests.tables.contract import CHECKS, EDITIONS

pytestmark = pytest.mark.system

GUARDED = ("journal", "entries", "entry_lines", "seals", "sealed_entries")


def fill(store: SqlStore, make: SimpleNamespace, start: int = 0, count: int = 3) -> str:
    """Some messages and one step of a person of their own, `count` + 1 entries; the person's lane."""
    for n in range(start, start + count):
        store.receive(make.receipt(b"MSH|%d" % n, control=str(n)))
    person = store.person(PersonHint((Identifier("mrn", str(start)),)), "aria")
    before = store.load(person)
    store.save(before, make.course(person, 2, before.identifiers), tick=make.NOW)
    return person


@pytest.fixture
def url(postgres) -> str:
    """A new database, empty."""
    return postgres.url(postgres.make())


@pytest.fixture
def empty(postgres) -> str:
    """Another one."""
    return postgres.url(postgres.make())


@pytest.fixture
def store(url: str, keys: KeyRing) -> Iterator[SqlStore]:
    """A store on PostgreSQL, new."""
    with open_store(url, keys, create=True) as opened:
        yield opened


@pytest.fixture
def kept(store: SqlStore, make: SimpleNamespace, tmp_path: pathlib.Path) -> pathlib.Path:
    """A backup of it, of eight entries under two seals."""
    (tmp_path / "kept").mkdir()
    file = tmp_path / "kept" / "monday.db"
    fill(store, make)
    store.seal(make.NOW)
    fill(store, make, 10)
    assert store.back_up(file, make.NOW + timedelta(hours=1)) == Reach(8, make.NOW)
    return file


def content(store: SqlStore) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in the order of its key."""
    return store._read(lambda c: {table.name: list(backup_rows.rows(c, table)) for table in backup_rows.tables()})


def shape(file: pathlib.Path) -> list[tuple[str, ...]]:
    """Tables, indexes and guards of a file."""
    raw = sqlite3.connect(file)
    found = raw.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
    raw.close()
    return found


def tables_of(postgres, url: str) -> object:
    """How many tables a database has."""
    return postgres.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database_of(url))


def database_of(url: str) -> str:
    """The database that a URL of the test's server names."""
    return url.rpartition("@/")[2].partition("?")[0]


@contextlib.contextmanager
def coming(store: SqlStore, make: SimpleNamespace) -> Iterator[list[str]]:
    """Messages of nobody's, one after the other, until the end of the block; the entries that were acknowledged."""
    ended = threading.Event()
    acknowledged: list[str] = []

    def come() -> None:
        while not ended.is_set():
            n = len(acknowledged)
            acknowledged.append(store.receive(make.receipt(b"MSH|%d" % n, control=str(n))).entry)

    thread = threading.Thread(target=come)
    thread.start()
    try:
        yield acknowledged
    finally:
        ended.set()
        thread.join()


def test_every_table_is_copied_lines_of_the_ledger_first() -> None:
    names = [table.name for table in backup_rows.tables()]
    assert sorted(names) == sorted(schema.metadata.tables)
    assert names.index("entry_lines") + 1 == names.index("entries")


def test_a_backup_is_a_store_of_sqlite(kept, store: SqlStore, keys: KeyRing, tmp_path, open_file) -> None:
    assert sorted(path.name for path in kept.parent.iterdir()) == ["monday.db", "monday.db.head"]
    assert {path.stat().st_mode & 0o777 for path in kept.parent.iterdir()} == {0o600}
    open_file().close()
    assert shape(kept) == shape(tmp_path / "store.db")
    back = restore(kept, f"sqlite:///{tmp_path}/again.db", keys)
    assert (back.reach.journal, back.lost, back.migrated) == (8, None, "")
    with open_store(f"sqlite:///{tmp_path}/again.db", keys) as again:
        assert again.verify() == ()
        there = content(again)
        assert there == content(store)
        empty = [
            "browsers",
            "entry_lanes",
            "identity_conflicts",
            "person_references",
            "person_words",
            "sessions",
            "takings",
            "unions",
        ]
        empty += ["used_once", "users", "waiting"]
        assert sorted(name for name, rows in there.items() if not rows) == empty
    raw = sqlite3.connect(tmp_path / "again.db")
    for table in GUARDED:
        with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
            raw.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
    raw.close()


def test_a_backup_is_restored_to_an_empty_database(kept, store, keys: KeyRing, empty: str, postgres, make) -> None:
    back = restore(kept, empty, keys)
    assert back.place == f"PostgreSQL database {database_of(empty)}"
    assert (back.reach, back.lost, back.migrated) == (Reach(8, make.NOW), None, "")
    with open_store(empty, keys) as again:
        assert again.verify() == ()
        assert content(again) == content(store)
        for one in (store, again):
            fill(one, make, 20)
            one.seal(make.NOW + timedelta(hours=2))
            assert one.verify() == ()
        assert content(again)["journal"][:8] == content(store)["journal"][:8]
        assert again.counts().journal == 12
    with postgres.connect(database_of(empty)) as raw:
        for table in GUARDED:
            with pytest.raises(Exception, match="only ever added"):
                raw.execute(f"DELETE FROM {table}")  # noqa: S608  # our own names
    may = "SELECT has_table_privilege('oncoclaims_worker', 'journal', '{}')"
    assert postgres.ask(may.format("INSERT"), database_of(empty)) is True
    assert postgres.ask(may.format("UPDATE"), database_of(empty)) is False


def test_a_practice_moves_to_postgresql_and_back(open_file, keys: KeyRing, empty: str, tmp_path, make) -> None:
    with open_file() as here:
        fill(here, make)
        here.back_up(tmp_path / "one.db", make.NOW)
        restore(tmp_path / "one.db", empty, keys)
        with open_store(empty, keys) as there:
            assert there.verify() == ()
            assert content(there) == content(here)
            assert there.receive(make.receipt(b"MSH|0", control="0")).repeated, "what is on file is known"
            there.back_up(tmp_path / "two.db", make.NOW)
    restore(tmp_path / "two.db", f"sqlite:///{tmp_path}/back.db", keys)
    with open_store(f"sqlite:///{tmp_path}/back.db", keys) as back, open_file() as here:
        assert back.verify() == ()
        assert content(back) == content(here)


def test_lanes_in_which_something_waits_are_runnable(
    store: SqlStore, keys: KeyRing, empty: str, tmp_path, make
) -> None:
    person = fill(store, make)
    came = store.receive(make.receipt(b"MSH|news", control="news"))
    seq = store.counts().journal
    store.sort([Share(came.entry, seq, person, (0,), 1)])
    store.back_up(tmp_path / "x.db", make.NOW)
    worked: dict[str, list[str]] = {}
    for to in (empty, f"sqlite:///{tmp_path}/again.db"):
        restore(tmp_path / "x.db", to, keys)
        with open_store(to, keys) as again:
            assert again.waiting(person) == store.waiting(person) != ()
            assert again.queue.counts().waiting == 1
            lanes = worked[to] = []
            again.queue.drain(lanes.append, workers=1)
    assert list(worked.values()) == [[person]] * 2


def test_a_worker_may_back_up(store: SqlStore, url: str, keys: KeyRing, postgres, tmp_path, make) -> None:
    fill(store, make)
    login = f"backer_{database_of(url)}"
    postgres.run(f"CREATE ROLE {login} LOGIN IN ROLE oncoclaims_worker")
    with open_store(postgres.url(database_of(url), login), keys) as theirs:
        assert theirs.back_up(tmp_path / "x.db", make.NOW) == Reach(4, make.NOW)


def test_the_head_lies_where_it_is_said(kept, keys: KeyRing, empty: str, tmp_path) -> None:
    later = tmp_path / "kept.head"
    later.write_bytes(kept.with_name("monday.db.head").read_bytes().replace(b'"number":2', b'"number":7'))
    back = restore(kept, empty, keys, later)
    assert back.lost is not None
    assert back.lost.number == 7
    assert later.read_bytes() == kept.with_name("monday.db.head").read_bytes()
    with open_store(empty, keys, head=later) as again:
        assert again.verify() == ()


def test_an_older_backup_is_brought_up(kept, keys: KeyRing, empty: str, tmp_path) -> None:
    raw = sqlite3.connect(kept, isolation_level=None)
    later = (
        "browsers",
        "person_words",
        "sessions",
        "users",
        "waiting",
        "runnable",
        "used_once",
        "unions",
        "entry_lanes",
    )
    for table in later:
        raw.execute(f"DROP TABLE {table}")
    for index in (
        "claims_built_id_state_payer",
        "claims_number",
        "journal_control",
        "work_items_kind_closed_due_id",
        "work_items_about_id",
    ):
        raw.execute(f"DROP INDEX ix_{index}")
    for column in ("payer", "built", "number"):
        raw.execute(f"ALTER TABLE claims DROP COLUMN {column}")
    raw.execute("UPDATE alembic_version SET version_num = '0002'")
    raw.close()
    before = kept.read_bytes()
    assert restore(kept, empty, keys).migrated == "0002"
    assert kept.read_bytes() == before
    with open_store(empty, keys) as again:
        assert again.verify() == ()
        assert again.counts().journal == 8


# What is refused; nothing is put in place


def refused(kept: pathlib.Path, to: str, keys: KeyRing) -> str:
    """What a restore says that must be refused."""
    with pytest.raises(BadSetup) as told:
        restore(kept, to, keys)
    return str(told.value)


def test_a_restore_writes_over_nothing(kept, store: SqlStore, url: str, empty: str, keys: KeyRing, postgres) -> None:
    before = content(store)
    assert "a store stands in this database already" in refused(kept, url, keys)
    assert content(store) == before
    postgres.run("CREATE TABLE mine (n int)", database=database_of(empty))
    assert "has tables already" in refused(kept, empty, keys)
    assert tables_of(postgres, empty) == 1


def test_a_changed_backup_is_refused(kept, keys: KeyRing, empty: str, postgres) -> None:
    raw = sqlite3.connect(kept, isolation_level=None)
    raw.execute("DROP TRIGGER journal_no_update")
    raw.execute("UPDATE journal SET actor = 'feed:other' WHERE seq = 2")
    raw.close()
    said = refused(kept, empty, keys)
    assert "number 2 is not the row that seal 1 holds" in said
    assert tables_of(postgres, empty) == 0


def test_a_value_of_another_type_is_refused(kept, keys: KeyRing, empty: str, postgres) -> None:
    """SQLite keeps what it is given, and no seal holds the revisions of lanes."""
    raw = sqlite3.connect(kept, isolation_level=None)
    assert raw.execute("UPDATE persons SET revision = 'two'").rowcount == 2
    raw.close()
    assert refused(kept, empty, keys) == "persons: a value is not of its column's type"
    assert tables_of(postgres, empty) == 0


def test_other_keys_and_a_missing_head_are_refused(kept, keys: KeyRing, empty: str, postgres, tmp_path) -> None:
    assert "key file" in refused(kept, empty, KeyRing.ephemeral("another"))
    kept.with_name("monday.db.head").unlink()
    assert "head is missing" in refused(kept, empty, keys)
    kept.write_bytes(b"no database")
    assert "head is missing" in refused(kept, empty, keys)
    with pytest.raises(BadSetup, match="cannot be read as a store"):
        restore(kept, empty, keys, unsealed=True)
    assert "no such backup" in refused(tmp_path / "none.db", empty, keys)
    assert tables_of(postgres, empty) == 0


@pytest.mark.parametrize("name", ["monday.db", "monday.db.head"])
def test_a_backup_writes_over_nothing(kept, store: SqlStore, make, name: str) -> None:
    for other in {"monday.db", "monday.db.head"} - {name}:
        kept.with_name(other).unlink()
    before = kept.with_name(name).read_bytes()
    with pytest.raises(BadSetup, match="stands there already"):
        store.back_up(kept, make.NOW)
    assert [(p.name, p.read_bytes()) for p in kept.parent.iterdir()] == [(name, before)]


def test_a_damaged_store_gives_no_backup(store: SqlStore, url: str, postgres, tmp_path, make) -> None:
    """What no guard would let into a file is copied as it is, and named."""
    fill(store, make)
    store.seal(make.NOW)
    postgres.run(
        "ALTER TABLE entry_lines DISABLE TRIGGER entry_lines_only_added",
        "UPDATE entry_lines SET amount = amount + 1 WHERE place = 0",
        "ALTER TABLE entry_lines ENABLE ALWAYS TRIGGER entry_lines_only_added",
        database=database_of(url),
    )
    with pytest.raises(BadSetup, match="does not verify") as told:
        store.back_up(tmp_path / "x.db", make.NOW)
    assert "entries|" in str(told.value)
    assert list(tmp_path.glob("x.db*")) == []


def test_a_folder_that_is_not_there_is_told(store: SqlStore, tmp_path, make) -> None:
    with pytest.raises(BadSetup, match="cannot be written"):
        store.back_up(tmp_path / "none" / "x.db", make.NOW)


# Killed in the middle

KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from adapters.store import KeyRing, backup_rows, open_store, restore

what, url, file, at = sys.argv[1:]
plain = backup_rows.rows

def until(connection, table):
    for number, row in enumerate(plain(connection, table)):
        if table.name == at and number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield row

backup_rows.rows = until
keys = KeyRing.ephemeral("tests")
if what == "restore":
    restore(Path(file), url, keys)
else:
    with open_store(url, keys) as store:
        store.back_up(Path(file), datetime(2026, 3, 3, tzinfo=UTC))
"""


def killed(what: str, url: str, file: pathlib.Path, at: str) -> None:
    """A process of its own that is killed at the fourth row of a table."""
    ended = subprocess.run([sys.executable, "-c", KILLED, what, url, str(file), at], check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize("at", ["journal", "entry_lines"])
def test_a_backup_that_is_killed_leaves_nothing_to_restore(
    store: SqlStore, url: str, keys: KeyRing, empty: str, postgres, tmp_path, make, at: str
) -> None:
    fill(store, make)
    file = tmp_path / "x.db"
    killed("backup", url, file, at)
    left = [path.name for path in tmp_path.glob("x.db*")]
    assert "x.db.part" in left
    assert not {"x.db", "x.db.head"} & set(left)
    assert "no such backup" in refused(file, empty, keys)
    assert "head is missing" in refused(tmp_path / "x.db.part", empty, keys)
    for to in (empty, f"sqlite:///{tmp_path}/again.db"):
        with pytest.raises(BadSetup):
            restore(tmp_path / "x.db.part", to, keys, unsealed=True)
    assert tables_of(postgres, empty) == 0
    store.back_up(file, make.NOW)
    assert sorted(path.name for path in tmp_path.glob("x.db*")) == ["x.db", "x.db.head"]
    restore(file, empty, keys)
    with open_store(empty, keys) as again:
        assert content(again) == content(store)


@pytest.mark.parametrize("at", ["journal", "sealed_entries"])
def test_a_restore_that_is_killed_leaves_an_empty_database(
    kept, store: SqlStore, keys: KeyRing, empty: str, postgres, at: str
) -> None:
    killed("restore", empty, kept, at)
    assert tables_of(postgres, empty) == 0
    restore(kept, empty, keys)
    with open_store(empty, keys) as again:
        assert again.verify() == ()
        assert content(again) == content(store)


ENDED = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'oncoclaims' AND state <> 'idle'
"""


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_a_server_that_goes_in_the_middle_leaves_nothing(
    kept, store: SqlStore, keys: KeyRing, empty: str, postgres, tmp_path, make, monkeypatch, what: str
) -> None:
    plain = backup_rows.rows

    def cut(connection: Any, table: Any) -> Iterator[tuple[Any, ...]]:
        for number, row in enumerate(plain(connection, table)):
            if table.name == "entry_lines" and number == 3:
                assert postgres.ask(ENDED) == 1
            yield row

    monkeypatch.setattr(backup_rows, "rows", cut)
    monkeypatch.setattr(backup_rows, "STREAMED", 2)
    if what == "backup":
        with pytest.raises(StoreDown, match="could not read"):
            store.back_up(tmp_path / "x.db", make.NOW)
        assert list(tmp_path.glob("x.db*")) == []
    else:
        assert "does not take" in refused(kept, empty, keys)
        assert tables_of(postgres, empty) == 0


# While the house goes on


def test_backups_while_messages_come_are_whole(store: SqlStore, url: str, keys: KeyRing, tmp_path, make) -> None:
    with open_store(url, keys) as second, coming(store, make) as acknowledged:
        for turn in range(3):
            fill(second, make, 10_000 + 100 * turn)
            before = list(acknowledged)
            reach = second.back_up(tmp_path / f"{turn}.db", make.NOW)
            restore(tmp_path / f"{turn}.db", f"sqlite:///{tmp_path}/again{turn}.db", keys)
            with open_store(f"sqlite:///{tmp_path}/again{turn}.db", keys) as again:
                assert again.verify() == ()
                assert again.counts().journal == reach.journal
                assert set(before) <= {line.id for line in again.messages(limit=10**6)}
            assert len(acknowledged) > len(before), "nobody waited for the backup"
    assert store.verify() == ()


def test_a_snapshot_is_streamed(store: SqlStore, tmp_path, make, monkeypatch) -> None:
    """A few hundred rows are in memory at a time, by a cursor of the server."""
    monkeypatch.setattr(backup_rows, "STREAMED", 5)
    for n in range(60):
        store.receive(make.receipt(b"MSH|%d" % n, control=str(n)))
    cursors: list[object] = []

    def watched(connection: Any) -> None:
        for number, _ in enumerate(backup_rows.rows(connection, schema.journal)):
            if number == 7:
                cursors.extend(connection.exec_driver_sql("SELECT name FROM pg_cursors").scalars())

    store._read(watched)
    assert len(cursors) == 1
    assert store.back_up(tmp_path / "x.db", make.NOW).journal == 60


# A clinic


@dataclass(frozen=True, slots=True)
class Clinic:
    """The folder of a clinic whose store is on PostgreSQL."""

    folder: pathlib.Path
    url: str

    def run(self, *words: str, store: str = "") -> tuple[int, str, str]:
        """The console script in this process: how it ended, and what it said."""
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr(sys, "argv", ["oncoclaims", *words])
            patch.setenv("ONCOCLAIMS_STORE", store or self.url)
            patch.setenv("ONCOCLAIMS_SITE", str(self.folder / "site.toml"))
            patch.setenv("ONCOCLAIMS_KEYS", str(self.folder / "demo.keys"))
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
        return (code if isinstance(code, int) else 1), out.getvalue(), err.getvalue()

    def seen(self, store: str = "") -> dict[str, str]:
        """What everybody can see of a store."""
        shown = {word: self.run(word, "--json", store=store) for word in ("charges", "claims", "worklist", "ledger")}
        assert {code for code, _, _ in shown.values()} == {0}, shown
        return {word: out for word, (_, out, _) in shown.items()}


@pytest.fixture(scope="module")
def clinic(postgres, tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """What a day left in a database, from its messages to its paid claims."""
    folder = tmp_path_factory.mktemp("clinic")
    url = postgres.url(postgres.make())
    plain: Callable[..., Any] = day.lay_out
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day, "lay_out", lambda *where: plain(*where).model_copy(update={"store": url}))
        with day.played(folder, 7):
            pass
    return Clinic(folder, url)


def test_the_drill_of_a_clinic(clinic: Clinic, postgres, tmp_path: pathlib.Path, make) -> None:
    """Backed up while messages go on to come; the disk is lost; brought back to a new database, and to a file."""
    keys = KeyRing.load(clinic.folder / "demo.keys")
    before = clinic.seen()
    assert all(before[word] for word in ("charges", "claims", "ledger"))
    file = tmp_path / "kept.db"
    with open_store(clinic.url, keys) as here:
        with coming(here, make) as acknowledged:
            code, out, err = clinic.run("backup", str(file))
        assert (code, err) == (0, "")
        assert out.startswith(f"{file} and {file}.head: up to journal entry ")
        left, sums = content(here), here.trial_balance()
    assert acknowledged
    for to in (postgres.url(postgres.make()), f"sqlite:///{tmp_path}/again.db"):
        code, out, err = clinic.run("restore", str(file), store=to)
        assert (code, err) == (0, ""), err
        assert "must be sent again" in out
        assert "claims that left after that stand as not sent" in out
        assert "@" not in out
        assert clinic.run("verify", store=to)[0] == 0
        code, out, err = clinic.run("rebuild", "--check", store=to)
        assert (code, err) == (0, "")
        assert "byte for byte as they are on file" in out
        assert clinic.seen(to) == before
        with open_store(to, keys) as again:
            assert again.trial_balance() == sums
            back = content(again)
        # What came after the snapshot is a longer journal, and nothing else.
        known = {row[1] for row in back["journal"]}
        reached = {
            "journal": left["journal"][: len(known)],
            "queue": [row for row in left["queue"] if row[0] in known],
        }
        assert back == {**left, **reached}
        assert clinic.run("restore", str(file), store=to)[0] == 1


# Editions


def test_editions_go_with_a_backup_and_come_back(
    store: SqlStore, url: str, empty: str, keys: KeyRing, tmp_path: pathlib.Path
) -> None:
    """Out of a database into a folder, and into a database again: all kinds of tables answer as before."""
    open_store(empty, keys, create=True).close()
    folder = tmp_path / "editions"
    mixed = [PairRow(code, "Z0001", date(2020, 1, 1), None, "1", "made up") for code in ("Y0002", "Y0001")]
    with open_editions(url, keys) as here, open_editions(empty, keys) as there:
        digests = [loaded(here, heading_of(edition), rows) for edition, rows in EDITIONS]
        digests.append(loaded(here, Heading(TableKind.NCCI, "practitioner", "mixed", date(2020, 1, 1), None), mixed))
        assert not {entry.edition.digest: entry for entry in here.entries()}[digests[-1]].ordered
        assert here.copy_to(folder, [*digests, "a" * 64]) == ("a" * 64,)
        before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
        assert {file.stem for file in before} == set(digests)
        assert here.copy_to(folder, digests) == ()
        assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before
        assert there.take_from(folder, [*digests, "a" * 64]) == ("a" * 64,)
        assert there.take_from(folder, digests) == ()
        with open_editions("sqlite://", keys, folder) as between:
            for editions in (between, there):
                assert editions.known() == here.known()
                assert tuple(editions.faults(digests)) == ()
                for check in CHECKS:
                    check(editions.tables(digests[:-1]))


def test_an_edition_that_is_not_what_was_loaded_is_not_copied(
    store: SqlStore, url: str, keys: KeyRing, postgres, tmp_path: pathlib.Path
) -> None:
    with open_editions(url, keys) as editions:
        (limits, pairs) = (
            loaded(editions, heading_of(edition), rows)
            for edition, rows in (first_of(TableKind.MUE), first_of(TableKind.NCCI))
        )
        postgres.run(f"TRUNCATE edition_{pairs[:16]}.pairs", database=database_of(url))
        with pytest.raises(BadSetup, match="not what was loaded"):
            editions.copy_to(tmp_path / "editions", [limits, pairs])
        assert {file.stem for file in (tmp_path / "editions").iterdir()} == {limits}


def loaded(editions: Editions, heading: Heading, rows: Sequence[Row]) -> str:
    """The digest of an edition of these rows, which must load."""
    done = editions.load(Reading(heading, lambda _reading: iter(rows), Problems()))
    assert isinstance(done, Loaded)
    return done.edition.digest


def first_of(kind: TableKind) -> tuple[Edition, Sequence[Row]]:
    """The first edition of a kind."""
    return next((edition, rows) for edition, rows in EDITIONS if edition.kind is kind)
