"""SQLite: the only module that speaks its dialect. Connections and what they promise, and the triggers that guard rows.

Durability is WAL with synchronous=FULL, set and read back when a store opens: with less, acknowledged rows are lost in
a power cut (measurements, part 3). Libraries before 3.51.3 can corrupt a database when two connections write or
checkpoint at the same instant. Therefore one connection of a process writes, readers are `query_only` and never
checkpoint, and below that version writers of several processes take turns by a lock on a file beside the database.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, TypeAlias

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool, StaticPool

from adapters.errors import BadSetup
from adapters.store.lanes import threads as lane_threads
from adapters.store.lanes.threads import Ask, LaneThreads

try:
    import fcntl
except ImportError:  # no POSIX: no lock between processes, and `open_writer` says so
    fcntl = None  # type: ignore[assignment]

Turn: TypeAlias = Callable[[], AbstractContextManager[None]]

_SAFE_FROM: Final = (3, 51, 3)
"""The first version in which two connections may write or checkpoint at once (the WAL-reset bug is fixed)."""
_BUSY_MILLISECONDS: Final = 5000
_CHECKPOINT_PAGES: Final = 4000
"""Pages in the write-ahead log before a commit folds it into the file: 16 MB, a quarter as often as by default."""
_READERS: Final = 16
_FULL: Final = (2, 3)
"""synchronous FULL and EXTRA."""

GUARDED: Final = ("journal", "entries", "entry_lines")


def guards() -> Iterator[str]:
    """The triggers that hold what is only ever added to, and the balance of the ledger. Made by the first migration.

    REPLACE deletes without firing delete triggers, so an insert over an existing row is refused as well.
    """
    for table in GUARDED:
        for verb in ("update", "delete"):
            yield (
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} BEGIN "
                f"SELECT RAISE(ABORT, '{table}: rows are only ever added'); END"
            )
    yield (
        "CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal "
        "WHEN EXISTS (SELECT 1 FROM journal WHERE id = NEW.id OR seq = NEW.seq) BEGIN "
        "SELECT RAISE(ABORT, 'journal: rows are only ever added'); END"
    )
    yield (
        "CREATE TRIGGER entries_no_replace BEFORE INSERT ON entries "
        "WHEN EXISTS (SELECT 1 FROM entries WHERE id = NEW.id OR (person = NEW.person AND place = NEW.place)) "
        "BEGIN SELECT RAISE(ABORT, 'entries: rows are only ever added'); END"
    )
    # Without lines the sum is null: an entry without lines is not balanced either.
    yield (
        "CREATE TRIGGER entries_balance BEFORE INSERT ON entries "
        "WHEN (SELECT sum(amount) FROM entry_lines WHERE entry = NEW.id) IS NOT 0 BEGIN "
        "SELECT RAISE(ABORT, 'entries: the lines do not sum to zero'); END"
    )
    yield (
        "CREATE TRIGGER entry_lines_before_entry BEFORE INSERT ON entry_lines "
        "WHEN EXISTS (SELECT 1 FROM entries WHERE id = NEW.entry) "
        "OR EXISTS (SELECT 1 FROM entry_lines WHERE entry = NEW.entry AND place = NEW.place) BEGIN "
        "SELECT RAISE(ABORT, 'entry_lines: an entry on file takes no more lines'); END"
    )
    # A column of SQLite takes 0.5 into a BIGINT as a float; minor units are whole.
    yield (
        "CREATE TRIGGER entry_lines_whole BEFORE INSERT ON entry_lines "
        "WHEN typeof(NEW.amount) <> 'integer' BEGIN "
        "SELECT RAISE(ABORT, 'entry_lines: an amount is whole minor units'); END"
    )


def append_only(table: str, key: str) -> Iterator[str]:
    """The triggers of a table whose rows, known by `key`, are only ever added."""
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table}: rows are only ever added'); END"
    for verb in ("update", "delete"):
        yield f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} {refusal}"
    yield (
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608  # our own names
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key}) {refusal}"
    )


def make_queue(connection: Connection) -> None:
    """The work table of the lanes; run by a migration."""
    lane_threads.TABLES.create_all(connection)


def lane_queue(_url: URL, read: Ask, write: Ask) -> LaneThreads:
    """A work table and the threads of this process."""
    return LaneThreads(read, write)


def is_memory(url: URL) -> bool:
    """Whether the URL names a database in memory: one connection, gone when it closes."""
    return url.database in (None, "", ":memory:")


def path_of(url: URL) -> Path:
    """The database file."""
    return Path(url.database or "")


def beside(url: URL) -> Path | None:
    """Where the head of the seals is kept when nobody says where: by the database; a store in memory has none."""
    return None if is_memory(url) else path_of(url).with_name(path_of(url).name + ".head")


def exists(url: URL) -> bool:
    """Whether there is a database to open: a file that is not empty."""
    return not is_memory(url) and path_of(url).is_file() and path_of(url).stat().st_size > 0


def open_writer(url: URL) -> Engine:
    """An engine of exactly one connection, which alone writes and checkpoints.

    Raises `BadSetup` when the database does not give WAL, synchronous=FULL and foreign keys.
    """
    if not is_memory(url):
        _create_private(path_of(url))
    engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False}, hide_parameters=True)
    _take_over_transactions(engine, "BEGIN IMMEDIATE")

    @event.listens_for(engine, "connect")
    def _set(connection: Any, _record: Any) -> None:
        for pragma in (
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "fullfsync=ON",  # macOS: fsync alone does not reach the disk
            "checkpoint_fullfsync=ON",
            "foreign_keys=ON",
            "recursive_triggers=ON",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    try:
        with turns(url)():
            problems = _broken_promises(engine, "memory" if is_memory(url) else "wal")
    except Exception as error:
        engine.dispose()
        # The driver's texts name files, not rows.
        raise BadSetup((f"the SQLite database does not open: {type(error).__name__}",)) from error
    if problems:
        engine.dispose()
        raise BadSetup(problems)
    return engine


def _broken_promises(engine: Engine, journal: str) -> tuple[str, ...]:
    with engine.connect() as connection:
        asked = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        }
    problems = []
    if asked["journal_mode"] != journal:
        problems.append(
            f"SQLite journal_mode is {asked['journal_mode']}, not {journal}: is the folder local and writable?"
        )
    if asked["synchronous"] not in _FULL:
        problems.append("SQLite synchronous is not FULL: acknowledged messages would not survive a power cut")
    if asked["foreign_keys"] != 1 or asked["recursive_triggers"] != 1:
        problems.append("SQLite holds no foreign keys or triggers")
    return tuple(problems)


def open_readers(url: URL) -> Engine | None:
    """An engine of reading connections of a database file: `query_only`, and they never checkpoint. None in memory."""
    if is_memory(url):
        return None
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=_READERS,
        max_overflow=_READERS,
        connect_args={"check_same_thread": False},
        hide_parameters=True,
    )
    _take_over_transactions(engine, "BEGIN")

    @event.listens_for(engine, "connect")
    def _set(connection: Any, _record: Any) -> None:
        for pragma in (
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "query_only=ON",
            "wal_autocheckpoint=0",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


def _take_over_transactions(engine: Engine, begin: str) -> None:
    """Transactions begin where we say: the driver begins before writes only, which breaks savepoints and reads."""

    @event.listens_for(engine, "connect", insert=True)
    def _manual(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _create_private(path: Path) -> None:
    """An empty file that its owner alone may read; SQLite gives its journal files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise BadSetup((f"the store's file cannot be opened for writing ({type(error).__name__})",)) from None


def turns(url: URL, version: tuple[int, ...] = sqlite3.sqlite_version_info) -> Turn:
    """Gives a context manager that holds while this process may write: a lock between processes where needed."""
    if is_memory(url) or version >= _SAFE_FROM or fcntl is None:
        return nullcontext
    return _Lock(path_of(url).with_name(path_of(url).name + "-writer"))


class _Lock:
    """One writer at a time across processes: an advisory lock, let go by the system when a process dies."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def __call__(self) -> Iterator[None]:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def in_transaction(connection: Connection) -> bool:
    """Whether the transaction that was begun still is: SQLite ends it by itself on a full disk."""
    inner = connection.connection.dbapi_connection
    return bool(getattr(inner, "in_transaction", True))


@contextmanager
def any_text(connection: Connection) -> Iterator[None]:
    """Text that is no UTF-8 any more is read with its bytes spelled out, so that a check can name its row."""
    inner: Any = connection.connection.dbapi_connection
    before = inner.text_factory
    inner.text_factory = lambda data: data.decode(errors="backslashreplace")
    try:
        yield
    finally:
        inner.text_factory = before


def settle(_connection: Connection) -> None:
    """Nothing: SQLite knows no roles; the file is its owner's."""


def damage(connection: Connection) -> tuple[str, ...]:
    """What SQLite's own check says of the file's pages and of foreign keys; empty when all is well."""
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
    pages = () if found == ["ok"] else (f"database pages: {len(found)} faults found",)
    orphans = {str(row[0]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check")}
    return (*pages, *(f"{table}: rows that point nowhere" for table in sorted(orphans)))
