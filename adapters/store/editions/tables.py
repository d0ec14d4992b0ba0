"""`model.tables.Tables` over editions on disk: which of them answers for a day, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final, TypeVar

from adapters.model.tables import (
    AddOnRow,
    CodeRow,
    CoverageRow,
    DiagnosisRow,
    DrugPriceRow,
    Edition,
    EnrolmentRow,
    FacilityRow,
    FeeRow,
    LimitRow,
    LocalRow,
    OpeningRow,
    PackageRow,
    PairRow,
    ReasonRow,
    ScheduleRow,
    TableKind,
    Tables,
)
from adapters.store.editions.place import Volume
from adapters.store.editions.rows import EVERYTHING, code_number, ndc_key, person_key
from adapters.tables import digest_of_set
from adapters.tables.held import DATED, holds

R = TypeVar("R")

_SETS_KEPT: Final = 1_024
"""Answers about sets of codes that are kept: the lines of a person are screened again with every message."""


class StoredTables:
    """Editions in force, as they lie on disk. Implements `Tables`; safe to ask from many threads.

    Asking raises `StoreDown` (`Damaged` where an edition is not what was loaded): no answer is taken for an empty one.
    """

    def __init__(self, volumes: Iterable[Volume]) -> None:
        ordered = sorted(volumes, key=lambda volume: _place(volume.edition))
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

    def _rows(self, of: type[R], kind: TableKind, key: str, day: date, scope: str = "") -> tuple[R, ...]:
        """What the edition that answers for the day has under the key."""
        volume = self._volume(kind, day, scope)
        return () if volume is None else tuple(row for row in volume.rows(key) if isinstance(row, of))

    def pairs(self, codes: Collection[str], day: date, scope: str) -> Sequence[PairRow]:
        """The PTP edits in force on the day between any two of the codes, by column 1 then column 2."""
        numbers = tuple(sorted({n for n in map(code_number, codes) if n is not None}))
        return self._pairs(numbers, day, scope) if numbers else ()

    def _pairs_of(self, numbers: tuple[int, ...], day: date, scope: str) -> tuple[PairRow, ...]:
        volume = self._volume(TableKind.NCCI, day, scope)
        return () if volume is None else volume.pairs(numbers, day)

    def limit(self, code: str, day: date, scope: str) -> LimitRow | None:
        """The unit limit of a code on the day."""
        return next(iter(self._rows(LimitRow, TableKind.MUE, code, day, scope)), None)

    def addons(self, code: str, day: date) -> Sequence[AddOnRow]:
        """The rows of an add-on code in force on the day, by primary; empty for a code that is none."""
        rows = self._rows(AddOnRow, TableKind.AOC, code, day)
        return _ordered(rows, day, lambda row: (row.primary, row.type))

    def schedule(self, code: str, day: date) -> Sequence[ScheduleRow]:
        """The fee schedule's rows of a code on the day, by modifier."""
        return tuple(sorted(self._rows(ScheduleRow, TableKind.PFS, code, day), key=lambda row: row.modifier))

    def code(self, code: str, day: date) -> CodeRow | None:
        """The HCPCS Level II code or modifier in force on the day."""
        return next((row for row in self._rows(CodeRow, TableKind.HCPCS, code, day) if holds(row, day)), None)

    def knows(self, code: str) -> bool:
        """Whether a loaded HCPCS or fee schedule edition has the code, on whatever day."""
        kinds = (TableKind.HCPCS, TableKind.PFS)
        return any(volume.rows(code) for volume in self._volumes if volume.edition.kind in kinds)

    def diagnosis(self, code: str, day: date) -> DiagnosisRow | None:
        """The ICD-10-CM code (without dot) on the day."""
        return next(iter(self._rows(DiagnosisRow, TableKind.ICD10, code, day)), None)

    def coverage(self, code: str, day: date, scope: str) -> Sequence[CoverageRow]:
        """What the coverage policies of a scope say of a code on the day, by policy, group and diagnosis."""
        rows = self._rows(CoverageRow, TableKind.COVERAGE, code, day, scope)
        return _ordered(rows, day, lambda row: (row.policy, row.group, row.diagnosis, not row.covered))

    def drug_price(self, code: str, day: date) -> DrugPriceRow | None:
        """The ASP payment limit on the day."""
        return next(iter(self._rows(DrugPriceRow, TableKind.ASP, code, day)), None)

    def packages(self, code: str, day: date) -> Sequence[PackageRow]:
        """The NDC packages of a code on the day, by NDC."""
        return tuple(sorted(self._rows(PackageRow, TableKind.NDC, code, day), key=lambda row: row.ndc))

    def package(self, ndc: str, day: date) -> Sequence[PackageRow]:
        """The rows of one NDC (eleven digits) on the day, by code."""
        return tuple(sorted(self._rows(PackageRow, TableKind.NDC, ndc_key(ndc), day), key=lambda row: row.code))

    def reason(self, kind: TableKind, code: str, day: date) -> ReasonRow | None:
        """A CARC or RARC on the day."""
        return next((row for row in self._rows(ReasonRow, kind, code, day) if holds(row, day)), None)

    def local(self, code: str, day: date) -> Sequence[LocalRow]:
        """The lines of the charge description master for a local code on the day, by entity, code and modifiers."""
        rows = self._rows(LocalRow, TableKind.CDM, code, day)
        return _ordered(rows, day, lambda row: (row.entity, row.code, " ".join(row.modifiers)))

    def fees(self, code: str, day: date) -> Sequence[FeeRow]:
        """The site's fees of a code on the day, by payer, entity and modifiers."""
        rows = self._rows(FeeRow, TableKind.FEES, code, day)
        return _ordered(rows, day, lambda row: (row.payer, row.entity, " ".join(row.modifiers)))

    def enrolments(self, npi: str, day: date) -> Sequence[EnrolmentRow]:
        """What is said of a practitioner on the day, by entity and payer; empty where nothing is."""
        rows = self._rows(EnrolmentRow, TableKind.ENROLMENT, npi, day)
        return _ordered(rows, day, lambda row: (row.entity, row.payer))

    def opening(self, system: str, identifier: str) -> Sequence[OpeningRow]:
        """What was billed elsewhere for a person, by day, by the edition that began last."""
        rows = self._rows(OpeningRow, TableKind.OPENING, person_key(system, identifier), date.max)
        return tuple(sorted(rows, key=lambda r: (r.day, r.service, r.key, r.code, " ".join(r.modifiers), r.claim)))

    def facilities(self) -> Sequence[FacilityRow]:
        """The facilities listed, by id, by the edition that began last."""
        rows = self._rows(FacilityRow, TableKind.FACILITIES, EVERYTHING, date.max)
        return tuple(sorted(rows, key=lambda row: row.id))


def _place(edition: Edition) -> tuple[str, str, date, str, str]:
    """Of editions of one kind and scope the last in this order answers."""
    return (edition.kind.value, edition.scope, edition.start, edition.release, edition.digest)


def _ordered(rows: Iterable[R], day: date, key: Callable[[R], Any]) -> tuple[R, ...]:
    """Those that hold on the day, in an order of their own."""
    return tuple(sorted((row for row in rows if holds(row, day)), key=key))


def _is_tables(tables: StoredTables) -> Tables:
    """Nobody calls this: the type checker holds the class to its Protocol here."""
    return tables
