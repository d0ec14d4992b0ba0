"""Editions as files of SQLite in a folder: `DIGEST.db` with the rows, `DIGEST.json` beside it with what it is.

A draft is built under another name, synced, renamed, and then told by its JSON file, which is written last: an edition
without one is not there. What is published is never written again and is opened as immutable, so readers take no locks.
On the first question to a volume the SHA-256 of its file is taken and compared with the one in the JSON file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from adapters.errors import BadSetup, StoreDown
from adapters.model.tables import Edition, PairRow, Row, TableKind
from adapters.store.editions.place import Entry, Written, entry_bytes, entry_of, in_order
from adapters.store.editions.rows import Canonical, Packed, Wording, day_number, unpacked
from adapters.store.head import sync_folder, write_whole
from adapters.store.keys import KeyRing
from adapters.store.refusals import Damaged
from adapters.tables import canonical

_POSIX: Final = os.name == "posix"
"""Elsewhere there are no such locks: drafts that a crash left are not known from those of others, and stay."""
if _POSIX:
    import fcntl

_PART: Final = ".part"
_SCHEMA: Final = """
CREATE TABLE pairs (
    column1 INTEGER NOT NULL, column2 INTEGER NOT NULL, start INTEGER NOT NULL, until INTEGER, note INTEGER NOT NULL,
    PRIMARY KEY (column1, column2, start)
) WITHOUT ROWID;
CREATE TABLE notes (id INTEGER PRIMARY KEY, indicator TEXT NOT NULL, rationale TEXT NOT NULL);
CREATE TABLE found (place INTEGER PRIMARY KEY, key_id TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE keys (key TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (key, place)) WITHOUT ROWID;
"""
_BUILDING_KIB: Final = 32_768
"""Memory for pages while building: what a release in its own order needs is far less."""
_READING_KIB: Final = 2_048
_SYNC_ROWS: Final = 400_000
"""Rows after which what is written is sent to the disk: a sync of the store's must not wait for a hundred megabytes."""
_SHOWN: Final = 100
_KEPT: Final = 2_048
"""Answers by key that a volume keeps."""


class Folder:
    """A folder of editions; made when the first one is loaded."""

    def __init__(self, path: Path, keys: KeyRing | None) -> None:
        self._path = path
        self._keys = keys

    def folder(self) -> Path | None:
        """The folder."""
        return self._path

    @contextmanager
    def draft(self) -> Iterator[SqliteDraft]:
        """A new draft; drafts that a crash left behind are removed first."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            part = self._path / f"{uuid.uuid4().hex}{_PART}"
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise BadSetup((f"{self._path}: no edition can be written here ({type(error).__name__})",)) from error
        try:
            if _POSIX:
                fcntl.flock(handle, fcntl.LOCK_EX)
            draft = SqliteDraft(part, handle, self._path)
            try:
                yield draft
            finally:
                draft.close()
        except (sqlite3.Error, OSError) as error:
            raise BadSetup((f"{self._path}: the edition cannot be written ({type(error).__name__})",)) from error
        finally:
            part.unlink(missing_ok=True)
            os.close(handle)

    def _sweep(self) -> None:
        """Remove drafts whose builder is no more: their lock is free."""
        if not _POSIX:
            return
        for part in self._path.glob(f"*{_PART}"):
            with contextlib.suppress(OSError):  # another's, or gone meanwhile
                handle = os.open(part, os.O_RDWR)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()
                finally:
                    os.close(handle)

    def catalogue(self) -> tuple[Entry, ...]:
        """The editions whose JSON file is there and says their own name."""
        found = []
        for file in sorted(self._path.glob("*.json")):
            try:
                entry = entry_of(file.read_bytes())
            except OSError:
                continue
            if entry is not None and entry.edition.digest == file.stem and _database(self._path, file.stem).is_file():
                found.append(entry)
        return in_order(found)

    def volume(self, entry: Entry) -> SqliteVolume:
        """The edition of the entry."""
        return SqliteVolume(_database(self._path, entry.edition.digest), entry, self._keys)

    def remove(self, digest: str) -> None:
        """Take the JSON file away, then the rows: a crash between leaves an edition that is not there."""
        (self._path / f"{digest}.json").unlink(missing_ok=True)
        sync_folder(self._path)
        _database(self._path, digest).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing: volumes are closed by who opened them."""


def _database(folder: Path, digest: str) -> Path:
    return folder / f"{digest}.db"


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class SqliteDraft:
    """A file under a name of its own, built without a journal: until it is synced and renamed it is nobody's."""

    def __init__(self, part: Path, handle: int, folder: Path) -> None:
        self._part = part
        self._handle = handle
        self._folder = folder
        self._rows = 0
        self._synced = 0
        self._connection = sqlite3.connect(part, isolation_level=None, check_same_thread=False)
        for pragma in (
            "page_size=4096",
            "journal_mode=OFF",
            "synchronous=OFF",
            "locking_mode=EXCLUSIVE",
            "temp_store=MEMORY",
            f"cache_size=-{_BUILDING_KIB}",
        ):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.executescript(_SCHEMA)
        self._connection.execute("BEGIN")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def add_pairs(self, rows: Sequence[Packed]) -> None:
        """Write pairs; of rows of one key the first stays, and `overlapping` names it."""
        self._connection.executemany("INSERT OR IGNORE INTO pairs VALUES (?, ?, ?, ?, ?)", rows)
        self._wrote(len(rows))

    def add_rows(self, rows: Sequence[Written]) -> None:
        """Write rows with their keys."""
        self._connection.executemany("INSERT INTO found VALUES (?, ?, ?)", [(r.place, r.key_id, r.body) for r in rows])
        keys = [(key, row.place) for row in rows for key in row.keys]
        self._connection.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", keys)
        self._wrote(len(rows))

    def _wrote(self, rows: int) -> None:
        self._rows += rows
        if self._rows - self._synced >= _SYNC_ROWS:
            self._synced = self._rows
            getattr(os, "fdatasync", os.fsync)(self._handle)

    def overlapping(self) -> tuple[tuple[int, int], ...]:
        """Pairs with two rows that hold on one day."""
        asked = (
            "SELECT DISTINCT a.column1, a.column2 FROM pairs a JOIN pairs b ON b.column1 = a.column1 "
            "AND b.column2 = a.column2 AND b.start > a.start AND (a.until IS NULL OR b.start <= a.until) LIMIT ?"
        )
        return tuple((int(a), int(b)) for a, b in self._connection.execute(asked, (_SHOWN,)))

    def publish(self, edition: Edition, notes: Iterable[tuple[int, str, str]], *, ordered: bool) -> bool:
        """Sync the file, give it its name, then write what it is; False where the same edition is there, whole."""
        self._connection.executemany("INSERT INTO notes VALUES (?, ?, ?)", list(notes))
        self._connection.execute("COMMIT")
        self._connection.close()
        os.fsync(self._handle)
        check = file_digest(self._part)
        final, told = _database(self._folder, edition.digest), self._folder / f"{edition.digest}.json"
        # File and words go together: another load of the same rows may want to publish now.
        with _locked(self._folder):
            if _whole(final, told):
                return False
            self._part.replace(final)
            sync_folder(self._folder)
            write_whole(told, entry_bytes(Entry(edition, check, ordered)))
        return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One publisher of a folder at a time; let go by the system when a process dies."""
    if not _POSIX:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _whole(final: Path, told: Path) -> bool:
    """Whether the edition is there and its file is what was written."""
    try:
        entry = entry_of(told.read_bytes())
        return entry is not None and file_digest(final) == entry.check
    except OSError:
        return False


class SqliteVolume:
    """An edition in a file, opened when it is first asked."""

    def __init__(self, path: Path, entry: Entry, keys: KeyRing | None) -> None:
        self.edition = entry.edition
        self._path = path
        self._entry = entry
        self._wording = Wording(entry.edition.kind, keys)
        self._lock = threading.Lock()
        self._open: sqlite3.Connection | None = None
        self._notes: dict[int, tuple[str, str]] = {}
        self._kept = lru_cache(maxsize=_KEPT)(self._found)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._open is not None:
                self._open.close()
                self._open = None
        self._kept.cache_clear()

    def _ask(self, question: str, values: Sequence[Any] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._opened().execute(question, values).fetchall()
        except FileNotFoundError:
            raise Damaged(f"edition {self.edition.digest}: its file is not there") from None
        except (sqlite3.DatabaseError, OSError) as error:
            raise StoreDown(f"an edition cannot be read ({type(error).__name__})") from error

    def _opened(self) -> sqlite3.Connection:
        """The connection, made and checked at the first question. Under the lock."""
        if self._open is None:
            if file_digest(self._path) != self._entry.check:
                raise Damaged(f"edition {self.edition.digest}: its file is not what was loaded")
            uri = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
            opened = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            opened.execute(f"PRAGMA cache_size=-{_READING_KIB}")
            asked = opened.execute("SELECT id, indicator, rationale FROM notes")
            self._notes = {number: (indicator, rationale) for number, indicator, rationale in asked}
            self._open = opened
        return self._open

    def pairs(self, codes: Sequence[int], day: date) -> tuple[PairRow, ...]:
        """The pairs of these codes on the day, in one question."""
        marks = ",".join("?" * len(codes))
        # Two sets in one question: SQLite goes through the key for each column 1 and looks each column 2 up in it.
        found = self._ask(
            f"SELECT column1, column2, start, until, note FROM pairs WHERE column1 IN ({marks}) "  # noqa: S608  # marks
            f"AND column2 IN ({marks}) AND start <= ? AND (until IS NULL OR until >= ?) ORDER BY column1, column2, start",
            (*codes, *codes, number := day_number(day), number),
        )
        return tuple(unpacked(found, self._notes))

    def rows(self, key: str) -> tuple[Row, ...]:
        """The rows of a key."""
        return self._kept(key)

    def _found(self, key: str) -> tuple[Row, ...]:
        found = self._ask(
            "SELECT f.key_id, f.body, f.place FROM keys k JOIN found f ON f.place = k.place WHERE k.key = ? "
            "ORDER BY k.place",
            (self._wording.key(key),),
        )
        return tuple(self._wording.row(*row) for row in found)

    def whole(self) -> Iterator[Canonical]:
        """All rows; pairs by their key, others as they came."""
        self._ask("SELECT 1")
        if self.edition.kind is TableKind.NCCI:
            question = "SELECT column1, column2, start, until, note FROM pairs ORDER BY column1, column2, start"
            yield from (canonical(row) for row in unpacked(self._flowing(question), self._notes))
        else:
            for key_id, body, place in self._flowing("SELECT key_id, body, place FROM found ORDER BY place"):
                yield self._wording.values(key_id, body, place)

    def _flowing(self, question: str) -> Iterator[Any]:
        """Rows by a connection of their own, so that nobody waits for the end of them."""
        uri = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            cursor = connection.execute(question)
            while rows := cursor.fetchmany(5_000):
                yield from rows

    def faults(self) -> tuple[str, ...]:
        """Whether the file is what was written."""
        try:
            right = file_digest(self._path) == self._entry.check
        except OSError as error:
            return (f"edition {self.edition.digest}: its file cannot be read ({type(error).__name__})",)
        return () if right else (f"edition {self.edition.digest}: its file is not what was loaded",)
