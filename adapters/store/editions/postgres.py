"""Editions as schemas of the store's PostgreSQL database: `edition_` and the first digits of the digest.

A draft is one transaction: a schema of another name, filled by COPY, indexed, renamed, committed. Until then nobody sees
it, and a loader that dies leaves nothing. It takes no lock of the store's writers. On the first question to a volume
its number of rows is compared with what was loaded; `verify` takes the sum over all rows again.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError

from adapters.errors import BadSetup, StoreDown
from adapters.model.tables import Edition, PairRow, Row, TableKind
from adapters.store import postgres
from adapters.store.editions.place import Entry, Written, entry_bytes, entry_of, in_order
from adapters.store.editions.rows import Canonical, Packed, Wording, day_number, unpacked
from adapters.store.keys import KeyRing
from adapters.store.refusals import Damaged
from adapters.store.roles import AUDITOR, WORKER
from adapters.tables import canonical

_PREFIX: Final = "edition_"
_DIGITS: Final = 16
"""Digits of a digest in the name of its schema."""
# Two-byte columns last: a row of pairs takes 40 bytes with its header, and 20 in the index.
_SCHEMA: Final = """
CREATE TABLE {s}.pairs (column1 int4 NOT NULL, column2 int4 NOT NULL, start int2 NOT NULL, until int2, note int2 NOT NULL);
CREATE TABLE {s}.notes (id int2 PRIMARY KEY, indicator text NOT NULL, rationale text NOT NULL);
CREATE TABLE {s}.found (place int4 NOT NULL, key_id text NOT NULL, body bytea NOT NULL);
CREATE TABLE {s}.keys (key text COLLATE "C" NOT NULL, place int4 NOT NULL);
CREATE TABLE {s}.catalogue (entry text NOT NULL);
"""
_INDEXES: Final = """
CREATE INDEX pairs_of ON {s}.pairs (column1, column2) WITH (fillfactor = 100);
ALTER TABLE {s}.found ADD PRIMARY KEY (place);
ALTER TABLE {s}.keys ADD PRIMARY KEY (key, place);
ANALYZE {s}.pairs; ANALYZE {s}.found; ANALYZE {s}.keys;
GRANT USAGE ON SCHEMA {s} TO {roles};
GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO {roles};
"""
# Sums do not ask for an order. MD5, because it says the same in every version of the server.
_CHECK: Final = """
SELECT (SELECT count(*) FROM {s}.pairs) || '-' || (SELECT count(*) FROM {s}.found) || '-' || (
    SELECT coalesce(sum(('x' || substr(md5(t), 1, 16))::bit(64)::int8::numeric), 0) FROM (
        SELECT p::text AS t FROM {s}.pairs p UNION ALL SELECT n::text FROM {s}.notes n
        UNION ALL SELECT f::text FROM {s}.found f UNION ALL SELECT k::text FROM {s}.keys k) AS every)
"""
_SHOWN: Final = 100
_KEPT: Final = 2_048


class Schemas:
    """The schemas of editions in the database of a URL."""

    def __init__(self, url: URL, keys: KeyRing | None) -> None:
        self._url = url
        self._keys = keys
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def folder(self) -> Path | None:
        """None: schemas are copied by the means of the server."""
        return None

    def _readers(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = postgres.open_readers(self._url)
            if self._engine is None:  # PostgreSQL always gives readers
                raise StoreDown("the database gives no readers")
            return self._engine

    def ask(self, question: sql.Composable, values: Sequence[Any] = ()) -> list[Any]:
        """One question of its own; raises `StoreDown` when the server cannot be asked, `LookupError` where the table
        is not there."""
        # A pooled line that the server has cut is seen when it is used: the next one is new.
        for again in (True, False):
            try:
                raw = self._readers().raw_connection()
            except (SQLAlchemyError, psycopg.Error) as error:
                raise StoreDown(f"an edition cannot be read ({type(error).__name__})") from error
            try:
                line: Any = raw.driver_connection
                return list(line.execute(question, values, prepare=True).fetchall())
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                raise LookupError from None
            except psycopg.Error as error:
                broken = bool(getattr(raw.driver_connection, "broken", True))
                if broken:
                    raw.invalidate()
                if not (broken and again):
                    raise StoreDown(f"an edition cannot be read ({type(error).__name__})") from error
            finally:
                raw.close()
        raise StoreDown("an edition cannot be read")

    def flow(self, question: sql.Composable) -> Iterator[Any]:
        """Many rows, a few thousand in memory at a time."""
        try:
            with contextlib.closing(self._readers().raw_connection()) as raw:
                line: Any = raw.driver_connection
                with line.transaction(), line.cursor(name="edition") as cursor:
                    cursor.itersize = 5_000
                    yield from cursor.execute(question)
        except (SQLAlchemyError, psycopg.Error) as error:
            raise StoreDown(f"an edition cannot be read ({type(error).__name__})") from error

    @contextmanager
    def draft(self) -> Iterator[PostgresDraft]:
        """A new draft, on a connection of its own that promises what the store's writer promises."""
        engine = postgres.open_writer(self._url)
        try:
            raw = engine.raw_connection()
            line: Any = raw.driver_connection
            try:
                with contextlib.suppress(_Dropped), line.transaction():
                    draft = PostgresDraft(line)
                    yield draft
                    if not draft.published:
                        raise _Dropped
            finally:
                raw.close()
        except psycopg.errors.InsufficientPrivilege:
            raise BadSetup(
                ("this login may not make a schema in the store's database: load as the owner of the tables",)
            ) from None
        except psycopg.Error as error:
            raise BadSetup((f"the edition cannot be written ({type(error).__name__})",)) from error
        finally:
            engine.dispose()

    def _schemas(self) -> tuple[str, ...]:
        found = self.ask(sql.SQL("SELECT nspname FROM pg_namespace WHERE nspname ~ '^edition_[0-9a-f]{16}$'"))
        return tuple(sorted(str(name) for (name,) in found))

    def catalogue(self) -> tuple[Entry, ...]:
        """The editions whose schema has an entry that says its name."""
        found = []
        for schema in self._schemas():
            try:
                rows = self.ask(sql.SQL("SELECT entry FROM {}.catalogue").format(sql.Identifier(schema)))
            except LookupError:
                continue
            entry = entry_of(str(rows[0][0]).encode()) if len(rows) == 1 else None
            if entry is not None and schema_of(entry.edition.digest) == schema:
                found.append(entry)
        return in_order(found)

    def volume(self, entry: Entry) -> PostgresVolume:
        """The edition of the entry."""
        return PostgresVolume(self, entry, self._keys)

    def remove(self, digest: str) -> None:
        """Drop the schema."""
        engine = postgres.open_writer(self._url)
        try:
            raw = engine.raw_connection()
            line: Any = raw.driver_connection
            line.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema_of(digest))))
            raw.close()
        except psycopg.Error as error:
            raise BadSetup((f"the edition cannot be removed ({type(error).__name__})",)) from error
        finally:
            engine.dispose()

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None


class _Dropped(Exception):
    """A draft was left unpublished: no error, it rolls the draft back."""


def schema_of(digest: str) -> str:
    """The schema of an edition."""
    return f"{_PREFIX}{digest[:_DIGITS]}"


class PostgresDraft:
    """A schema inside a transaction."""

    def __init__(self, line: Any) -> None:
        self.published = False
        self._line = line
        self._name = f"edition_draft_{uuid.uuid4().hex}"
        # The index of millions of rows is sorted in memory where it fits.
        line.execute("SET LOCAL maintenance_work_mem = '256MB'")
        line.execute(sql.SQL("CREATE SCHEMA {s}").format(s=self._schema))
        self._run(_SCHEMA)

    @property
    def _schema(self) -> sql.Identifier:
        return sql.Identifier(self._name)

    def _run(self, statements: str) -> None:
        roles = sql.SQL(", ").join(sql.Identifier(role) for role in (WORKER, AUDITOR))
        self._line.execute(sql.SQL(statements).format(s=self._schema, roles=roles))

    def _copy(self, into: str, lines: Iterable[str]) -> None:
        with self._line.cursor().copy(
            sql.SQL("COPY {s}.{t} FROM STDIN").format(s=self._schema, t=sql.SQL(into))
        ) as copy:
            copy.write("".join(lines).encode())

    def add_pairs(self, rows: Sequence[Packed]) -> None:
        """Copy pairs."""
        self._copy(
            "pairs",
            (
                f"{a}\t{b}\t{since}\t{chr(92) + 'N' if until is None else until}\t{n}\n"
                for a, b, since, until, n in rows
            ),
        )

    def add_rows(self, rows: Sequence[Written]) -> None:
        """Copy rows with their keys."""
        self._copy("found", (f"{r.place}\t{_escaped(r.key_id)}\t\\\\x{r.body.hex()}\n" for r in rows))
        keys = dict.fromkeys((key, row.place) for row in rows for key in row.keys)
        self._copy("keys", (f"{_escaped(key)}\t{place}\n" for key, place in keys))

    def overlapping(self) -> tuple[tuple[int, int], ...]:
        """Pairs with two rows that hold on one day."""
        asked = (
            "SELECT DISTINCT column1, column2 FROM (SELECT column1, column2, start, "
            "coalesce(lag(until) OVER w, 32767) AS before, lag(start) OVER w IS NULL AS first "
            "FROM {s}.pairs WINDOW w AS (PARTITION BY column1, column2 ORDER BY start)) AS t "
            "WHERE NOT first AND start <= before LIMIT %s"
        )
        found = self._line.execute(sql.SQL(asked).format(s=self._schema), (_SHOWN,)).fetchall()
        return tuple((int(a), int(b)) for a, b in found)

    def publish(self, edition: Edition, notes: Iterable[tuple[int, str, str]], *, ordered: bool) -> bool:
        """Index, describe, rename; seen with the COMMIT. False where the same edition is there."""
        name = schema_of(edition.digest)
        taken = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)"
        # Two loads of the same rows: the second waits here for the first one's COMMIT.
        self._line.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
        if self._line.execute(taken, (name,)).fetchone()[0]:
            return False
        with self._line.cursor() as cursor:
            insert = sql.SQL("INSERT INTO {s}.notes VALUES (%s, %s, %s)").format(s=self._schema)
            cursor.executemany(insert, list(notes))
        self._run(_INDEXES)
        check = self._line.execute(sql.SQL(_CHECK).format(s=self._schema)).fetchone()[0]
        said = entry_bytes(Entry(edition, str(check), ordered)).decode()
        self._line.execute(sql.SQL("INSERT INTO {s}.catalogue VALUES (%s)").format(s=self._schema), (said,))
        self._line.execute(sql.SQL("ALTER SCHEMA {s} RENAME TO {n}").format(s=self._schema, n=sql.Identifier(name)))
        self.published = True
        return True


def _escaped(text: str) -> str:
    """A text for COPY."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


class PostgresVolume:
    """An edition in a schema."""

    def __init__(self, place: Schemas, entry: Entry, keys: KeyRing | None) -> None:
        self.edition = entry.edition
        self._place = place
        self._entry = entry
        self._wording = Wording(entry.edition.kind, keys)
        self._schema = sql.Identifier(schema_of(entry.edition.digest))
        self._lock = threading.Lock()
        self._notes: dict[int, tuple[str, str]] | None = None
        self._kept = lru_cache(maxsize=_KEPT)(self._found)
        self._pairs = self._said(
            "SELECT column1, column2, start, until, note FROM {s}.pairs WHERE column1 = ANY(%s::int4[]) "
            "AND column2 = ANY(%s::int4[]) AND start <= %s::int2 AND (until IS NULL OR until >= %s::int2) "
            "ORDER BY column1, column2, start"
        )
        self._rows = self._said(
            "SELECT f.key_id, f.body, f.place FROM {s}.keys k JOIN {s}.found f ON f.place = k.place WHERE k.key = %s "
            "ORDER BY k.place"
        )

    def _said(self, question: str) -> sql.Composed:
        return sql.SQL(question).format(s=self._schema)

    def close(self) -> None:
        """Forget what was read; the place holds the connections."""
        self._kept.cache_clear()

    def _ask(self, question: sql.Composable, values: Sequence[Any] = ()) -> list[Any]:
        try:
            return self._place.ask(question, values)
        except LookupError:
            raise Damaged(f"edition {self.edition.digest}: its schema is not there") from None

    def _checked(self) -> dict[int, tuple[str, str]]:
        """The notes, read at the first question together with the number of rows, which must be what was loaded."""
        with self._lock:
            if self._notes is None:
                table = "pairs" if self.edition.kind is TableKind.NCCI else "found"
                ((count,),) = self._ask(self._said(f"SELECT count(*) FROM {{s}}.{table}"))  # noqa: S608  # our own names
                if int(count) != self.edition.rows:
                    raise Damaged(f"edition {self.edition.digest}: its rows are not what was loaded")
                asked = self._ask(self._said("SELECT id, indicator, rationale FROM {s}.notes"))
                self._notes = {int(number): (indicator, rationale) for number, indicator, rationale in asked}
            return self._notes

    def pairs(self, codes: Sequence[int], day: date) -> tuple[PairRow, ...]:
        """The pairs of these codes on the day, in one question."""
        notes, number, asked = self._checked(), day_number(day), list(codes)
        return tuple(unpacked(self._ask(self._pairs, (asked, asked, number, number)), notes))

    def rows(self, key: str) -> tuple[Row, ...]:
        """The rows of a key."""
        return self._kept(key)

    def _found(self, key: str) -> tuple[Row, ...]:
        self._checked()
        found = self._ask(self._rows, (self._wording.key(key),))
        return tuple(self._wording.row(key_id, bytes(body), place) for key_id, body, place in found)

    def whole(self) -> Iterator[Canonical]:
        """All rows; pairs by their key, others as they came."""
        notes = self._checked()
        if self.edition.kind is TableKind.NCCI:
            asked = self._said("SELECT column1, column2, start, until, note FROM {s}.pairs ORDER BY 1, 2, 3")
            yield from (canonical(row) for row in unpacked(self._place.flow(asked), notes))
        else:
            for key_id, body, place in self._place.flow(
                self._said("SELECT key_id, body, place FROM {s}.found ORDER BY place")
            ):
                yield self._wording.values(key_id, bytes(body), place)

    def faults(self) -> tuple[str, ...]:
        """Whether the sum over all rows is what it was."""
        try:
            ((check,),) = self._place.ask(self._said(_CHECK))
        except LookupError:
            return (f"edition {self.edition.digest}: its schema is not there",)
        return (
            () if check == self._entry.check else (f"edition {self.edition.digest}: its rows are not what was loaded",)
        )
