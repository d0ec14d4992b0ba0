"""What a place of editions gives: drafts that nobody sees until they are whole, and volumes that are read.

A folder of SQLite files (`sqlite`) and the schemas of a PostgreSQL database (`postgres`) are places.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from adapters.model.tables import Edition, PairRow, Row
from adapters.store.editions.rows import Canonical, Packed


class Written(NamedTuple):
    """A row as it is written: its number, the keys it is found by, and its bytes with the id of the key that sealed them."""

    place: int
    keys: tuple[str, ...]
    key_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """What a place says of an edition that it has."""

    edition: Edition
    check: str
    """What the place itself checks the edition by: of a file its SHA-256, of a schema the sum over its rows."""
    ordered: bool = True
    """Whether its rows can be read in the order that its digest was taken in."""


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Entry)


def entry_bytes(entry: Entry) -> bytes:
    """The entry as JSON."""
    return _ENCODER.encode(entry)


def entry_of(data: bytes) -> Entry | None:
    """The entry that the bytes say; None where they say none."""
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


class Volume(Protocol):
    """An edition opened to be read; safe to ask from many threads.

    On the first question it is checked to be what was loaded. Every method raises `Damaged` where it is not, and
    `StoreDown` where it cannot be asked now.
    """

    @property
    def edition(self) -> Edition:
        """The edition."""
        ...

    def pairs(self, codes: Sequence[int], day: date) -> tuple[PairRow, ...]:
        """The pairs in force on the day of which both codes are among these, by column 1 then column 2."""
        ...

    def rows(self, key: str) -> tuple[Row, ...]:
        """The rows that are found by the key, in the order of the file."""
        ...

    def whole(self) -> Iterator[Canonical]:
        """All rows in the order of the digest, if the entry says that there is one; else by key."""
        ...

    def faults(self) -> tuple[str, ...]:
        """What the place's own check finds wrong; empty when nothing."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Draft(Protocol):
    """An edition that is being built where nobody sees it; gone when it is left before it is published."""

    def add_pairs(self, rows: Sequence[Packed]) -> None:
        """Write pairs."""
        ...

    def add_rows(self, rows: Sequence[Written]) -> None:
        """Write rows of any other table."""
        ...

    def overlapping(self) -> tuple[tuple[int, int], ...]:
        """Pairs (column 1, column 2) with two rows that hold on one day; at most a hundred."""
        ...

    def publish(self, edition: Edition, notes: Iterable[tuple[int, str, str]], *, ordered: bool) -> bool:
        """Make it seen, whole and synced, in one step; False where the place has the edition already."""
        ...


class Place(Protocol):
    """Where editions are kept."""

    def draft(self) -> AbstractContextManager[Draft]:
        """A new draft."""
        ...

    def catalogue(self) -> tuple[Entry, ...]:
        """All editions that are whole, by kind, scope, start, release and digest."""
        ...

    def volume(self, entry: Entry) -> Volume:
        """The edition of the entry, opened."""
        ...

    def remove(self, digest: str) -> None:
        """Take an edition away for good."""
        ...

    def folder(self) -> Path | None:
        """The folder, where the place is one: its editions are files that can be copied."""
        ...

    def close(self) -> None:
        """Let go of the place."""
        ...


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Entries by kind, scope, start, release and digest."""

    def place(entry: Entry) -> tuple[object, ...]:
        edition = entry.edition
        return (edition.kind.value, edition.scope, edition.start, edition.release, edition.digest)

    return tuple(sorted(entries, key=place))
