"""`model.tables.Tables` over editions on disk: which of them answers for a day, and what it says."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from adapters.model.tables import Edition, PairRow, TableKind, Tables
from adapters.store.editions.place import Volume
from adapters.store.editions.rows import code_number
from adapters.tables import digest_of_set
from adapters.tables.questions import DATED, Questions, R, place

_SETS_KEPT: Final = 1_024
"""Answers about sets of codes that are kept: the lines of a person are screened again with every message."""


class StoredTables(Questions):
    """Editions in force, as they lie on disk. Implements `Tables`; safe to ask from many threads.

    Asking raises `StoreDown` (`Damaged` where an edition is not what was loaded): no answer is taken for an empty one.
    """

    def __init__(self, volumes: Iterable[Volume]) -> None:
        ordered = sorted(volumes, key=lambda volume: place(volume.edition))
        self._volumes = tuple(ordered)
        self._of: dict[tuple[TableKind, str], list[Volume]] = {}
        for volume in ordered:
            self._of.setdefault((volume.edition.kind, volume.edition.scope), []).append(volume)
        self.editions: Sequence[Edition] = tuple(volume.edition for volume in ordered)
        """Those in force, by kind, scope and start."""
        self.digest = digest_of_set(edition.digest for edition in self.editions)
        """SHA-256 (hex) over the digests of the editions; empty where there is none."""
        self._pairs = lru_cache(maxsize=_SETS_KEPT)(self._pairs_of)

    def close(self) -> None:
        """Let go of the editions."""
        self._pairs.cache_clear()
        for volume in self._volumes:
            volume.close()

    def edition(self, kind: TableKind, day: date, scope: str = "") -> Edition | None:
        """The edition that answers for the day, or None."""
        found = self._volume(kind, day, scope)
        return None if found is None else found.edition

    def _volume(self, kind: TableKind, day: date, scope: str = "") -> Volume | None:
        held = self._of.get((kind, scope), ())
        if kind in DATED:
            return held[-1] if held else None
        return next((volume for volume in reversed(held) if volume.edition.start <= day), None)

    def rows(self, of: type[R], kind: TableKind, key: str, day: date, scope: str = "") -> tuple[R, ...]:
        """See `Questions.rows`."""
        volume = self._volume(kind, day, scope)
        return () if volume is None else tuple(row for row in volume.rows(key) if isinstance(row, of))

    def has(self, kind: TableKind, key: str) -> bool:
        """See `Questions.has`."""
        return any(volume.rows(key) for volume in self._volumes if volume.edition.kind is kind)

    def pairs(self, codes: Collection[str], day: date, scope: str) -> Sequence[PairRow]:
        """The PTP edits in force on the day between any two of the codes, by column 1 then column 2."""
        numbers = tuple(sorted({n for n in map(code_number, codes) if n is not None}))
        return self._pairs(numbers, day, scope) if numbers else ()

    def _pairs_of(self, numbers: tuple[int, ...], day: date, scope: str) -> tuple[PairRow, ...]:
        volume = self._volume(TableKind.NCCI, day, scope)
        return () if volume is None else volume.pairs(numbers, day)


def _is_tables(tables: StoredTables) -> Tables:
    """Nobody calls this: the type checker holds the class to its Protocol here."""
    return tables
