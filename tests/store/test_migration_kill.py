"""Migrations: killed at every statement they either happened or did not; an older store is refused, then brought up."""

from __future__ import annotations

import pathlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import adapters.store.migrations
from adapters.errors import BadSetup
from adapters.model.people import Identifier, PersonHint
from adapters.store import KeyRing, SqlStore, migrate, migration, open_store, schema, sqlite

# Counts the statements of an upgrade and dies, as by kill -9, right before or after the one of its number; 0 is the
# COMMIT. A child for each number; the last child lives, because there is no such statement.
PROGRAM = """
import os, shutil, signal, sys
from sqlalchemy import Engine, event
from adapters.store import migrate
import alembic.command, alembic.config, alembic.script

source, folder = sys.argv[1], sys.argv[2]

def child(path, number, side):
    seen = 0
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
    @event.listens_for(Engine, "before_cursor_execute")
    def before(*_):
        nonlocal seen
        seen += 1
        if side == "before" and seen == number:
            die()
    @event.listens_for(Engine, "after_cursor_execute")
    def after(*_):
        if side == "after" and seen == number:
            die()
    @event.listens_for(Engine, "commit")
    def commit(_):
        if side == "commit":
            die()
    migrate("sqlite:///" + path)
    os._exit(0)

def lived(number, side):
    path = f"{folder}/{side}{number}.db"
    if source != "-":
        shutil.copyfile(source, path)
    pid = os.fork()
    if pid == 0:
        child(path, number, side)
    _, status = os.waitpid(pid, 0)
    print(side, number, "lived" if status == 0 else "killed" if os.WTERMSIG(status) == signal.SIGKILL else "broke",
          flush=True)
    return status == 0

lived(0, "commit")
for side in ("before", "after"):
    number = 1
    while not lived(number, side):
        number += 1
"""


LATER = ("payer", "built", "number")
"""Columns of claims that the first schema has not; migrations put them behind its own."""
CLAIM_COLUMNS = 6


def at_first(path: pathlib.Path) -> None:
    """A database as the first migration alone makes it."""
    engine = sqlite.open_writer(sa.make_url(f"sqlite:///{path}"))
    config = Config()
    config.set_main_option("script_location", str(pathlib.Path(adapters.store.migrations.__file__).parent))
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()


@pytest.fixture
def old(tmp_path: pathlib.Path, keys: KeyRing, make: SimpleNamespace) -> pathlib.Path:
    """A store of the first schema, with messages, a course and its ledger in it."""
    path = tmp_path / "old.db"
    at_first(path)
    url = sa.make_url(f"sqlite:///{path}")
    writer = sqlite.open_writer(url)
    with writer.connect() as connection, connection.begin():
        connection.exec_driver_sql("INSERT INTO meta VALUES ('key-ring', ?)", (keys.blind("key ring"),))
        # Today's program fills it, and asks these; the store of then had none.
        schema.metadata.create_all(connection, tables=[schema.unions, schema.entry_lanes, schema.words])
        for column in LATER:
            connection.exec_driver_sql(f"ALTER TABLE claims ADD COLUMN {column} TEXT")
    with SqlStore(url, writer, keys, SimpleNamespace(now=lambda: make.NOW)) as store:
        for n in range(5):
            store.receive(make.receipt(b"MSH|%d" % n, control=str(n)))
        person = store.person(PersonHint((Identifier("mrn", "1"),)), "aria")
        before = store.load(person)
        store.save(before, make.course(person, 3, before.identifiers), tick=make.NOW)
    raw = sqlite3.connect(path)
    for table in ("entry_lanes", "unions", "person_words"):
        raw.execute(f"DROP TABLE {table}")
    for column in LATER:
        raw.execute(f"ALTER TABLE claims DROP COLUMN {column}")
    raw.close()
    return path


def content(path: pathlib.Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that the first schema has, but the version."""
    raw = sqlite3.connect(path)
    names = [n for (n,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    new = ("alembic_version", "seals", "sealed_entries", "waiting", "runnable", "used_once", "unions", "entry_lanes")
    new += ("users", "sessions", "browsers")
    new = (*new, "person_words")
    found = {name: raw.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names if name not in new}  # noqa: S608  # our own names
    raw.close()
    found["claims"] = [row[:CLAIM_COLUMNS] for row in found["claims"]]
    return found


def version(path: pathlib.Path) -> str:
    """The schema that the file says it has; empty for none."""
    raw = sqlite3.connect(path)
    try:
        return str(raw.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    except sqlite3.OperationalError:
        return ""
    finally:
        raw.close()


def killed(source: str, folder: pathlib.Path) -> list[tuple[pathlib.Path, str]]:
    """The databases that the kills left behind, with what became of the child."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, source, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(folder / f"{side}{number}.db", how) for side, number, how in rows]


def test_an_older_store_is_refused_and_told_what_to_do(old: pathlib.Path, keys: KeyRing, make) -> None:
    before = old.read_bytes()
    for create in (False, True):
        with pytest.raises(BadSetup, match=r"schema 0001, this program needs 0009.*`oncoclaims migrate`"):
            open_store(f"sqlite:///{old}", keys, create=create)
    assert content(old)["journal"]
    assert old.read_bytes() == before
    rows = content(old)
    assert migrate(f"sqlite:///{old}", create=False) == "0001"
    assert migrate(f"sqlite:///{old}", create=False) == migration.HEAD
    assert content(old) == rows
    with open_store(f"sqlite:///{old}", keys) as store:
        assert store.verify() == ()
        assert store.seal(make.NOW) == 6
        assert store.sealer.state().entries == 0
        assert store.verify() == ()


def test_what_is_not_there_is_not_migrated(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadSetup, match="oncoclaims init"):
        migrate(f"sqlite:///{tmp_path}/none.db", create=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "other.db").touch()
    with pytest.raises(BadSetup, match="oncoclaims init"):
        migrate(f"sqlite:///{tmp_path}/other.db", create=False)


@pytest.mark.slow
def test_killed_at_every_statement_of_the_later_migrations(old, tmp_path, keys: KeyRing, make) -> None:
    rows = content(old)
    left = killed(str(old), tmp_path / "killed")
    ends = [how for _, how in left]
    assert (ends.count("lived"), ends.count("broke")) == (2, 0)
    assert ends.count("killed") > 20
    for path, how in left:
        assert (version(path), content(path)) == (migration.HEAD if how == "lived" else "0001", rows)
        resumed(path, keys, make, how)
        assert content(path)["journal"][: len(rows["journal"])] == rows["journal"]


@pytest.mark.slow
def test_killed_at_every_statement_of_making_a_store(tmp_path, keys: KeyRing, make) -> None:
    left = killed("-", tmp_path / "killed")
    ends = [how for _, how in left]
    assert (ends.count("lived"), ends.count("broke")) == (2, 0)
    assert ends.count("killed") > 100
    for path, how in left:
        assert version(path) == (migration.HEAD if how == "lived" else "")
        with open_store(f"sqlite:///{path}", keys, create=True) as store:
            assert store.verify() == ()
            store.receive(make.receipt())
            assert store.seal(make.NOW) == 1


def resumed(path: pathlib.Path, keys: KeyRing, make: SimpleNamespace, how: str) -> None:
    """The store is refused until the migration was done again; then it opens, verifies, takes more and seals."""
    url = f"sqlite:///{path}"
    if how == "killed":
        with pytest.raises(BadSetup, match="migrate"):
            open_store(url, keys)
    assert migrate(url, create=False) == ("0001" if how == "killed" else migration.HEAD)
    with open_store(url, keys) as store:
        assert store.verify() == ()
        store.receive(make.receipt(b"MSH|after", control="after"))
        assert store.seal(make.NOW) == 7
        assert store.verify() == ()


def test_a_fault_in_the_middle_leaves_the_store_as_it_was(old, tmp_path, monkeypatch, keys: KeyRing) -> None:
    """The same without processes: a fault in the middle of the upgrade leaves the store as it was."""
    rows = content(old)
    shutil.copyfile(old, tmp_path / "again.db")
    real: Callable[..., object] = sqlite.append_only
    monkeypatch.setattr(sqlite, "append_only", lambda table, key: [*list(real(table, key))[:2], "CREATE NONSENSE"])
    with pytest.raises(sa.exc.SQLAlchemyError):
        migrate(f"sqlite:///{tmp_path}/again.db")
    assert (version(tmp_path / "again.db"), content(tmp_path / "again.db")) == ("0001", rows)
    monkeypatch.undo()
    assert migrate(f"sqlite:///{tmp_path}/again.db") == "0001"
    with open_store(f"sqlite:///{tmp_path}/again.db", keys) as store:
        assert store.verify() == ()
