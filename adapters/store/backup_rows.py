"""Rows between a store on PostgreSQL and a store file of SQLite, both ways: the same tables, the same bytes.

A backup is one format, the file of SQLite, whichever database the store lies in. Rows are streamed in the order of
their keys, a few hundred in memory at a time. Jobs are not copied: which lanes are runnable follows from what waits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, BigInteger, Connection, Integer, LargeBinary, Table, inspect, select
from sqlalchemy.exc import DBAPIError

from adapters.errors import BadSetup
from adapters.store import dialect, migration, schema, sqlite
from adapters.store.lanes import waiting

STREAMED: Final = 200
"""Rows that are fetched at a time; one of the journal may hold a body of megabytes."""
_OFF: Final = ("journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF")
"""While a file is built that has no name yet: it is thrown away if that breaks off, synced and verified if not."""
_PATIENCE: Final = "SET LOCAL idle_in_transaction_session_timeout = '1h'"
"""The server would end a transaction that waits for a minute, as ours may while an index or a verification is made."""
_HELD: Final = (
    "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type"
)


def tables() -> tuple[Table, ...]:
    """All tables of the schema, each after those that it refers to; but the lines of the ledger before its entries, as
    the guards want it."""
    others = [table for table in schema.metadata.sorted_tables if table is not schema.entry_lines]
    others.insert(others.index(schema.entries), schema.entry_lines)
    return tuple(others)


def into_sqlite(source: Connection, to: Path) -> None:
    """Build a store file from the snapshot that a connection to PostgreSQL sees.

    Guards and indexes are made once the rows are there, so that a row that the guards would refuse is copied as it is,
    for the verification to name. Raises `sqlite3.Error` where the file cannot be written.
    """
    source.exec_driver_sql(_PATIENCE)
    url = URL.create("sqlite", database=str(to))
    engine = sqlite.open_writer(url)
    try:
        with engine.connect() as target:
            inner: Any = target.connection.dbapi_connection
            for pragma in _OFF:
                inner.execute(f"PRAGMA {pragma}").fetchall()
            with target.begin():
                migration.upgrade(target)
                held = inner.execute(_HELD).fetchall()
                for kind, name, _ in held:
                    inner.execute(f"DROP {kind} {name}")
                for table in tables():
                    inner.executemany(_insert(table), rows(source, table))
                for _, _, statement in held:
                    inner.execute(statement)
                make_runnable(target, url)
    except DBAPIError as error:
        # What the copy's disk refuses is not the store's weather.
        if isinstance(error.orig, sqlite3.Error):
            raise error.orig from None
        raise
    finally:
        engine.dispose()


def into_postgres(source: Connection, target: Connection, url: URL) -> None:
    """Make a store of an empty database inside the caller's transaction, with the rows of a store file in it.

    Its guards stand from the start; what is checked at the COMMIT is checked here. Raises `BadSetup` where the database
    is not empty, or refuses a row.
    """
    refuse_filled(target)
    migration.upgrade(target)
    target.exec_driver_sql(_PATIENCE)
    for table in tables():
        _copy(source, target, table)
    target.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")
    target.exec_driver_sql(f"ANALYZE {', '.join(table.name for table in tables())}")
    make_runnable(target, url)


def refuse_filled(connection: Connection) -> None:
    """Raise `BadSetup` where the first schema of a database has tables: nothing is written over them."""
    if migration.version_of(connection):
        raise BadSetup(("a store stands in this database already, and nothing is written over it",))
    if inspect(connection).get_table_names():
        raise BadSetup(("this database has tables already: a backup is restored to an empty one",))


def make_runnable(connection: Connection, url: URL) -> None:
    """Make every lane runnable in which something waits, inside the caller's transaction."""
    queue = dialect.of(url).lane_queue(url, lambda work: work(connection), lambda work: work(connection))
    try:
        queue.put(connection, waiting.lanes(connection))
    finally:
        queue.close()


def rows(connection: Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """All rows of a table in the order of its key, through a cursor of the server where there is one."""
    asked = select(table).order_by(*table.primary_key.columns)
    with connection.execute(asked, execution_options={"yield_per": STREAMED}) as found:
        yield from map(tuple, found)


def _insert(table: Table) -> str:
    names = ", ".join(column.name for column in table.columns)
    marks = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608  # our own names


def _copy(source: Connection, target: Connection, table: Table) -> None:
    # Late: the driver takes a while to import, and a store on SQLite needs none of it.
    import psycopg

    inner: Any = target.connection.dbapi_connection
    names = ", ".join(column.name for column in table.columns)
    takes = [_taken(column.type) for column in table.columns]
    classes = [kinds for kinds, _ in takes]
    try:
        with inner.cursor().copy(f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types([name for _, name in takes])
            for row in rows(source, table):
                # A column of SQLite takes any value; the driver would write it as something else.
                if not all(map(isinstance, row, classes)):
                    raise BadSetup((f"{table.name}: a value is not of its column's type",))
                copy.write_row(row)
    except psycopg.Error as error:
        # The driver's texts may repeat values.
        raise BadSetup((f"{table.name}: the database does not take its rows ({type(error).__name__})",)) from None


def _taken(kind: object) -> tuple[tuple[type, ...], str]:
    """What Python has for a value of a column, and what the server calls its type."""
    if isinstance(kind, LargeBinary):
        return (bytes, type(None)), "bytea"
    if isinstance(kind, BigInteger):
        return (int, type(None)), "int8"
    if isinstance(kind, Integer):
        return (int, type(None)), "int4"
    return (str, type(None)), "text"
