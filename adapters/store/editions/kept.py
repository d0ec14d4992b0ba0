"""Editions of tables beside the store: loaded aside, published whole, read by digest, kept while the journal names them.

An edition is immutable and named by the digest of its rows. Which editions are in force is an entry of the journal; here
lies only what can be put in force. A load takes nothing of the store: other files, or a connection of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from adapters.errors import BadSetup
from adapters.model.tables import Edition, TableKind
from adapters.store import dialect, migration, sqlite
from adapters.store.editions.copying import carried
from adapters.store.editions.place import Draft, Entry, Place, Written, entry_of
from adapters.store.editions.rows import SECRET, Canonical, Packing, Unfit, Wording, code_of
from adapters.store.editions.sqlite import Folder, file_digest
from adapters.store.editions.tables import StoredTables
from adapters.store.head import sync_folder
from adapters.store.keys import KeyRing
from adapters.store.refusals import Damaged
from adapters.tables import Heading, Problem, Reading, canonical, digest_of
from adapters.tables.questions import keys_of

_CHUNK: Final = 50_000
"""Rows that go to the database in one call."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An edition that is there now."""

    edition: Edition
    new: bool
    """False: the same rows had been loaded before."""


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """Nothing was loaded, and why: every problem, or the first thousand and how many more there are."""

    problems: tuple[Problem, ...]
    more: int = 0


class Editions:
    """The editions of one store; made by `open_editions`. Safe to use from many threads."""

    def __init__(self, place: Place | None, keys: KeyRing | None) -> None:
        self._place = place
        self._keys = keys
        self._opened: list[StoredTables] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the place, and of all tables that were opened."""
        while self._opened:
            self._opened.pop().close()
        if self._place is not None:
            self._place.close()

    def load(self, reading: Reading, files: Callable[[], tuple[str, ...]] = tuple) -> Loaded | NotLoaded:
        """Read a table to its end and keep it as an edition, whole or not at all.

        `files` gives `name sha256` of each file, once they are read. Raises `BadSetup` where there is no place to keep
        editions, or it cannot be written, or a table that names patients comes without a key ring.
        """
        if self._place is None:
            raise BadSetup(("a store in memory keeps no editions: name a folder (ONCOCLAIMS_EDITIONS)",))
        if reading.heading.kind in SECRET and self._keys is None:
            raise BadSetup(
                (f"{reading.heading.kind}: this table names patients and is kept sealed: the key file is needed",)
            )
        with self._place.draft() as draft:
            filling = _Filling(reading, draft, self._keys)
            digest = digest_of(reading.heading, filling.rows())
            problems = (*reading.problems, *filling.problems())
            if problems or not filling.count:
                return NotLoaded(problems or (Problem("", 0, "there is no row in it"),), reading.more)
            edition = edition_of(reading.heading, digest, filling.count, files())
            return Loaded(edition, draft.publish(edition, filling.notes(), ordered=filling.ordered))

    def entries(self) -> tuple[Entry, ...]:
        """What is there, with what it is checked by."""
        return () if self._place is None else self._place.catalogue()

    def known(self) -> tuple[Edition, ...]:
        """All editions that are there, by kind, scope, start, release and digest."""
        return tuple(entry.edition for entry in self.entries())

    def tables(self, digests: Iterable[str]) -> StoredTables:
        """The editions of these digests as tables; raises `BadSetup` naming every one that is not there."""
        wanted = tuple(dict.fromkeys(digests))
        there = {entry.edition.digest: entry for entry in self.entries()} if wanted else {}
        missing = tuple(digest for digest in wanted if digest not in there)
        if missing:
            raise BadSetup(tuple(map(absent, missing)))
        place = self._place
        tables = StoredTables([] if place is None else [place.volume(there[digest]) for digest in wanted])
        self._opened.append(tables)
        return tables

    def faults(self, digests: Iterable[str]) -> Iterator[str]:
        """One line for each of these editions that is not there or is not what was loaded.

        The place's own check is made, and the digest is taken over the rows again where they lie in the order of the
        file. That of a release of procedure pairs takes some seconds for each million of rows.
        """
        yield from self._faults(digests, thorough=True)

    def _faults(self, digests: Iterable[str], *, thorough: bool) -> Iterator[str]:
        wanted = tuple(dict.fromkeys(digests))
        there = {entry.edition.digest: entry for entry in self.entries()} if wanted else {}
        for digest in wanted:
            entry = there.get(digest)
            if entry is None or self._place is None:
                yield absent(digest)
                continue
            volume = self._place.volume(entry)
            try:
                found = volume.faults()
                if (
                    thorough
                    and not found
                    and entry.ordered
                    and digest_of(heading_of(entry.edition), volume.whole()) != digest
                ):
                    found = (f"edition {digest}: its rows are not those of its digest",)
                yield from found
            except Damaged as damaged:
                yield str(damaged)
            finally:
                volume.close()

    def damage(self, digests: Iterable[str]) -> Iterator[str]:
        """The same without taking the digest over the rows again: what a place checks by itself, which is quick."""
        yield from self._faults(digests, thorough=False)

    def prune(self, keep: Collection[str]) -> tuple[Edition, ...]:
        """Remove every edition that is not among these; those that were removed."""
        gone = [edition for edition in self.known() if edition.digest not in keep]
        for edition in gone:
            if self._place is not None:
                self._place.remove(edition.digest)
        return tuple(gone)

    def copy_to(self, folder: Path, digests: Iterable[str]) -> tuple[str, ...]:
        """Copy these editions as files into a folder, those that it has not yet; the digests that are not here.

        Raises `BadSetup` where an edition or its copy is not what was loaded.
        """
        wanted = tuple(dict.fromkeys(digests))
        if self._place is None:
            return wanted
        source = self._place.folder()
        if source is None:
            return carried(self._place, Folder(folder, self._keys), wanted, self._keys)
        return copied(source, folder, wanted)

    def take_from(self, folder: Path, digests: Iterable[str]) -> tuple[str, ...]:
        """Copy those of these editions that are not here from a folder; the digests that are in neither.

        Raises `BadSetup` where an edition or its copy is not what was loaded.
        """
        here = {entry.edition.digest for entry in self.entries()}
        wanted = tuple(digest for digest in dict.fromkeys(digests) if digest not in here)
        if self._place is None or not wanted:
            return wanted
        target = self._place.folder()
        if target is None:
            return carried(Folder(folder, self._keys), self._place, wanted, self._keys)
        return copied(folder, target, wanted)


class _Filling:
    """Rows on their way from a reading into a draft, and through the digest."""

    def __init__(self, reading: Reading, draft: Draft, keys: KeyRing | None) -> None:
        self.count = 0
        self._reading = reading
        self._draft = draft
        self._packing = Packing()
        self._wording = Wording(reading.heading.kind, keys)
        self._unfit: list[Problem] = []

    @property
    def ordered(self) -> bool:
        """Whether rows that are read back by their key come in the order of the files."""
        return self._reading.heading.kind is not TableKind.NCCI or self._packing.ordered

    def rows(self) -> Iterator[Canonical]:
        """The canonical rows, each of them written before the next one is read."""
        return self._pairs() if self._reading.heading.kind is TableKind.NCCI else self._others()

    def _pairs(self) -> Iterator[Canonical]:
        chunk = []
        pack, problems = self._packing, self._reading.problems
        for row in self._reading:
            values = canonical(row)
            try:
                chunk.append(pack(values))
            except Unfit as unfit:
                self._refuse(str(unfit))
            if len(chunk) == _CHUNK:
                if not problems:  # with one, nothing will be published: what is left is read for its problems
                    self._draft.add_pairs(chunk)
                self.count += len(chunk)
                chunk.clear()
            yield values
        if chunk and not problems:
            self._draft.add_pairs(chunk)
        self.count += len(chunk)

    def _others(self) -> Iterator[Canonical]:
        chunk: list[Written] = []
        word = self._wording
        for row in self._reading:
            values = canonical(row)
            keys = tuple(word.key(key) for key in keys_of(row))
            chunk.append(Written(self.count, keys, *word.written(values, self.count)))
            self.count += 1
            if len(chunk) == _CHUNK:
                self._draft.add_rows(chunk)
                chunk.clear()
            yield values
        if chunk:
            self._draft.add_rows(chunk)

    def _refuse(self, why: str) -> None:
        if not self._unfit:  # the reader refuses such rows with their line; what it lets pass is told once
            self._unfit.append(Problem("", 0, why))

    def notes(self) -> Iterator[tuple[int, str, str]]:
        """The notes of the pairs with their numbers."""
        return ((number, *note) for note, number in self._packing.notes.items())

    def problems(self) -> tuple[Problem, ...]:
        """What only the whole shows: pairs with two rows for one day that do not stand one after the other."""
        if self._reading.problems or self._reading.heading.kind is not TableKind.NCCI or self._packing.ordered:
            return tuple(self._unfit)
        twice = (
            f"{code_of(a)} with {code_of(b)} has two rows that hold on one day" for a, b in self._draft.overlapping()
        )
        return (*self._unfit, *(Problem("", 0, words) for words in twice))


def edition_of(heading: Heading, digest: str, rows: int, files: tuple[str, ...] = ()) -> Edition:
    """The edition of a heading with its digest."""
    return Edition(heading.kind, heading.scope, heading.release, heading.start, heading.end, digest, rows, files)


def heading_of(edition: Edition) -> Heading:
    """The heading that an edition was read under."""
    return Heading(edition.kind, edition.scope, edition.release, edition.start, edition.end)


def absent(digest: str) -> str:
    """What to say of an edition that is not there."""
    return f"edition {digest}: it is not there; load its files again, or bring the folder of editions back"


def copied(source: Path, target: Path, digests: Iterable[str]) -> tuple[str, ...]:
    """Copy editions from folder to folder, the rows before the words; the digests that the source does not have."""
    missing = []
    for digest in digests:
        rows, words = source / f"{digest}.db", source / f"{digest}.json"
        if (target / words.name).exists() and (target / rows.name).exists():
            continue
        try:
            entry = entry_of(words.read_bytes())
        except OSError:
            entry = None
        if entry is None or not rows.is_file():
            missing.append(digest)
            continue
        _copy(rows, words, target, entry)
    return tuple(missing)


def _copy(rows: Path, words: Path, target: Path, entry: Entry) -> None:
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in (rows, words):
            part = target / f"{file.name}-copy"
            try:
                shutil.copyfile(file, part)
                part.chmod(0o600)
                if file is rows and file_digest(part) != entry.check:
                    raise BadSetup((f"edition {entry.edition.digest}: its file is not what was loaded",))
                _sync(part)
                part.replace(target / file.name)
            finally:
                part.unlink(missing_ok=True)
        sync_folder(target)
    except OSError as error:
        raise BadSetup((f"{target}: editions cannot be copied here ({type(error).__name__})",)) from error


def _sync(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def open_editions(url: str, keys: KeyRing | None = None, folder: Path | None = None) -> Editions:
    """The editions of the store at a URL.

    They lie in `folder` if one is named; else beside a store on SQLite, and in the database of one on PostgreSQL. A
    store in memory without a folder has none. Nothing is made before something is loaded.
    """
    parsed = migration.parse(url)
    if folder is not None:
        return Editions(Folder(folder, keys), keys)
    if parsed.get_backend_name() != "sqlite":
        # Late: the driver takes a while to import, and a store on SQLite needs none of it.
        from adapters.store.editions.postgres import Schemas

        return Editions(Schemas(parsed, keys), keys)
    if dialect.of(parsed).is_memory(parsed):
        return Editions(None, keys)
    return Editions(Folder(sqlite.path_of(parsed).with_suffix(".editions"), keys), keys)
