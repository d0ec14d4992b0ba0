"""Backup and restore of a store. The copy is proved before anybody relies on it, in both directions.

A backup is one snapshot, taken while the house goes on, in one file of SQLite, with its head beside it: SQLite's online
backup of a store on SQLite, the rows of a store on PostgreSQL. Either is restored to either, to a place where no store
is. The key file is not in it: without the keys nobody can read it, and nobody should keep both in one place. What was
acknowledged after the snapshot must be sent again; what is sent twice is known.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from adapters.errors import BadSetup
from adapters.store import backup_rows, check, codec, dialect, migration, schema, sqlite
from adapters.store.chain import head_of, last_of
from adapters.store.head import Head, HeadFile, sync_folder
from adapters.store.keys import KeyRing
from adapters.store.refusals import Damaged
from adapters.store.seal import Sealer, Transaction, unfit


@dataclass(frozen=True, slots=True)
class Reach:
    """Up to where a copy goes: the last journal entry's number and instant (None: the journal is empty)."""

    journal: int
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore brought back, and what the head of the lost store knows beyond it."""

    reach: Reach
    lost: Head | None
    """The head that was found in the place, where it is newer than the backup."""
    migrated: str
    """The older schema that the backup had; empty when it had this program's."""
    place: str
    """Where it is now, without user, host and password."""


def back_up(read: Transaction, sealer: Sealer, keys: KeyRing, file: Path, now: datetime) -> Reach:
    """Seal, copy, prove the copy, then give it its name; how far it reaches.

    Raises `BadSetup` where something has the name already, and with every fault where the copy does not verify.
    """
    head = beside(file)
    refuse_taken((file, head.path))
    sealer.seal(now)
    said = sealer.head()
    part = file.with_name(file.name + ".part")
    try:
        with _writable(part):
            read(lambda c: _copy(c, part))
            reach, own = _proved(part, keys, said)
            _sync(part)
            if own is not None:
                head.write(own)
            part.rename(file)
            sync_folder(file.parent)
    finally:
        _drop(part)
    return reach


def restore(file: Path, url: str, keys: KeyRing, head: Path | None = None, *, unsealed: bool = False) -> Restored:
    """Prove a backup, bring it to this program's schema, and put it where the URL says; what it brought back.

    `unsealed` takes a backup without a head beside it, or without signatures. Raises `BadSetup` where a store stands
    already, and with every fault of a backup that does not verify; nothing is put in place then.
    """
    parsed = migration.parse(url)
    if dialect.of(parsed).is_memory(parsed):
        raise BadSetup(("a store in memory is gone when it closes: nothing is restored to it",))
    on_sqlite = parsed.get_backend_name() == "sqlite"
    if on_sqlite:
        refuse_taken(_files_of(sqlite.path_of(parsed)))
    if not file.is_file():
        raise BadSetup((f"{file}: there is no such backup",))
    said = _head_of_backup(file, unsealed=unsealed)
    if on_sqlite:
        return _to_file(file, parsed, keys, said, head, unsealed=unsealed)
    return _to_server(file, parsed, keys, said, head, unsealed=unsealed)


def _to_file(file: Path, url: URL, keys: KeyRing, said: Head | None, head: Path | None, *, unsealed: bool) -> Restored:
    place = sqlite.path_of(url)
    part = place.with_name(place.name + ".part")
    try:
        with _writable(part):
            shutil.copyfile(file, part)
            migrated = _fitted(part)
            reach, own = _proved(part, keys, said, exact=True, unsealed=unsealed)
            _sync(part)
            at = head or sqlite.beside(url)
            lost = None if at is None else _put_aside(HeadFile(at), own)
            part.rename(place)
            sync_folder(place.parent)
    finally:
        _drop(part)
    return Restored(reach, lost, migrated, str(place))


def _to_server(
    file: Path, url: URL, keys: KeyRing, said: Head | None, head: Path | None, *, unsealed: bool
) -> Restored:
    """All in one transaction: the tables with their guards and roles, the rows, and what is found of them there."""
    database = dialect.of(url)
    writer = database.open_writer(url)
    try:
        with _writing(writer) as connection:
            backup_rows.refuse_filled(connection)
            place = f"PostgreSQL database {connection.exec_driver_sql('SELECT current_database()').scalar_one()}"
        with _of_this_schema(file) as (fit, migrated):
            _, own = _proved(fit, keys, said, exact=True, unsealed=unsealed)
            with _looking(fit) as source, _writing(writer) as target:
                backup_rows.into_postgres(source, target, url)
                streamed = target.execution_options(yield_per=backup_rows.STREAMED)
                reach, _ = _prove(streamed, place, keys, own, exact=True, unsealed=unsealed)
                at = head or database.beside(url)
                lost = None if at is None else _put_aside(HeadFile(at), own)
    finally:
        writer.dispose()
    return Restored(reach, lost, migrated, place)


@contextmanager
def _writing(writer: Engine) -> Iterator[Connection]:
    """A transaction of the server; what it refuses is told as `BadSetup`, and then nothing of it is there."""
    try:
        with writer.connect() as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        # The driver's texts name hosts and users.
        raise BadSetup((f"the PostgreSQL database does not take the backup ({type(error).__name__})",)) from None


@contextmanager
def _of_this_schema(file: Path) -> Iterator[tuple[Path, str]]:
    """The backup if it has this program's schema, else a copy of it that was brought to it; and the schema it had."""
    with _looking(file) as connection:
        found = migration.version_of(connection)
    if found == migration.HEAD:
        yield file, ""
        return
    with tempfile.TemporaryDirectory(prefix="oncoclaims-") as folder:
        part = Path(folder) / "older.db"
        with _writable(part):
            shutil.copyfile(file, part)
            migrated = _fitted(part)
        yield part, migrated


def beside(file: Path) -> HeadFile:
    """The head of a backup."""
    return HeadFile(file.with_name(file.name + ".head"))


def refuse_taken(paths: Iterator[Path] | tuple[Path, ...]) -> None:
    """Raise `BadSetup` for every path where something stands: nothing is written over."""
    taken = tuple(f"{path}: stands there already, and nothing is written over it" for path in paths if path.exists())
    if taken:
        raise BadSetup(taken)


def _files_of(place: Path) -> tuple[Path, ...]:
    """All files that a store on SQLite may have at a place."""
    return tuple(place.with_name(place.name + end) for end in ("", "-wal", "-shm"))


def _drop(part: Path) -> None:
    """Remove what is left of a part, with what SQLite and the turns of writers lay beside it."""
    for path in (*_files_of(part), part.with_name(part.name + "-writer")):
        path.unlink(missing_ok=True)


@contextmanager
def _writable(part: Path) -> Iterator[None]:
    """The part as an empty file of its owner alone; what the disk refuses is told as `BadSetup`."""
    try:
        _drop(part)  # a log that a killed one left would be read into ours
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        yield
    except (OSError, sqlite3.Error) as error:
        raise BadSetup((f"{part}: cannot be written ({type(error).__name__})",)) from error


def _copy(connection: Connection, to: Path) -> None:
    """The snapshot that the connection sees: its rows from PostgreSQL, and by SQLite's own online backup from SQLite."""
    if connection.dialect.name != "sqlite":
        backup_rows.into_sqlite(connection, to)
        return
    (_, _, source), *_ = connection.exec_driver_sql("PRAGMA database_list").all()
    if not source:
        raise BadSetup(("a store in memory has no backup: it is gone when it closes",))
    inner: Any = connection.connection.dbapi_connection
    target = sqlite3.connect(to)
    try:
        # In one go: a copy in steps begins anew at a write.
        inner.backup(target)
        # One file: without this a reader of the copy would lay its log beside it.
        target.execute("PRAGMA journal_mode=DELETE")
    finally:
        target.close()


@contextmanager
def _looking(file: Path) -> Iterator[Connection]:
    """A connection that writes nothing, not even a log beside the file."""
    uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool, hide_parameters=True
    )
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise BadSetup((f"{file}: it cannot be read as a store ({type(error).__name__})",)) from error
    finally:
        engine.dispose()


def _proved(
    file: Path, keys: KeyRing, said: Head | None, *, exact: bool = False, unsealed: bool = False
) -> tuple[Reach, Head | None]:
    """How far the copy goes, and the head of its last seal; raises `BadSetup` with every fault.

    `said` is a head that the copy must have had, its last one if `exact`; None where there is none to compare with.
    """
    with _looking(file) as connection:
        return _prove(connection, str(file), keys, said, exact=exact, unsealed=unsealed)


def _prove(
    connection: Connection, place: str, keys: KeyRing, said: Head | None, *, exact: bool, unsealed: bool
) -> tuple[Reach, Head | None]:
    mark = connection.execute(select(schema.meta.c.value).where(schema.meta.c.name == "key-ring")).scalar()
    if mark != keys.blind("key ring"):
        raise BadSetup((f"{place}: the key file is not the one that this store was made with",))
    faults = list(check.verify(connection, keys, unsealed=unsealed))
    try:
        last = last_of(connection)
        own = None if last is None else head_of(last)
        if said is not None:
            faults += unfit(connection, said, keys)
        if exact and said is not None and own is not None and own.number > said.number:
            faults.append(f"head: it is of seal {said.number}, the copy has {own.number}")
    except Damaged as damaged:
        raise BadSetup((*faults, str(damaged))) from None
    if faults:
        raise BadSetup((f"{place}: it does not verify", *dict.fromkeys(faults)))
    asked = select(schema.journal.c.seq, schema.journal.c.at).order_by(schema.journal.c.seq.desc()).limit(1)
    row = connection.execute(asked).one_or_none()
    return (Reach(0, None) if row is None else Reach(int(row.seq), codec.instant(int(row.at)))), own


def _head_of_backup(file: Path, *, unsealed: bool) -> Head | None:
    try:
        said = beside(file).read()
    except Damaged as damaged:
        raise BadSetup((f"{beside(file).path}: {damaged}",)) from None
    if said is None and not unsealed:
        raise BadSetup(
            (f"{beside(file).path}: the backup's head is missing: whether its end was cut off nobody knows",)
        )
    return said


def _fitted(part: Path) -> str:
    """Bring the copy to this program's schema; the older one it had, or nothing."""
    with _looking(part) as connection:
        found = migration.version_of(connection)
    if not found:
        raise BadSetup((f"{part}: it is no store",))
    if found == migration.HEAD:
        return ""
    migration.migrate(URL.create("sqlite", database=str(part)).render_as_string())
    return found


def _put_aside(head: HeadFile, own: Head | None) -> Head | None:
    """Write the head of what is restored; the one that stood there is kept under another name, given if it knows more."""
    lost: Head | None = None
    if head.path.exists():
        try:
            lost = head.read()
        except Damaged:
            lost = None
        number = lost.number if lost is not None else "unreadable"
        head.path.replace(head.path.with_name(f"{head.path.name}-{number}"))
    if own is not None:
        head.write(own)
    return lost if lost is not None and (own is None or lost.number > own.number) else None


def _sync(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())
