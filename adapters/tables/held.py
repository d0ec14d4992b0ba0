"""Tables held in memory: for tests, for cases, for a site that has loaded nothing; the measure of every other kind.

Which edition answers is said in `model.tables.Tables`: of a kind and scope the one that began last on or before the day,
and where rows carry their own dates (NCCI, HCPCS, AOC, CARC, RARC) the one that began last of all. Of two that began on
one day the greater release answers, then the greater digest.

What has no scope in its question (fees, facilities and the like) is asked of the edition without a scope.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import date
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
    Row,
    ScheduleRow,
    TableKind,
)
from adapters.tables.canonical import ROW_OF_KIND, digest_of_set

DATED: Final = frozenset({TableKind.NCCI, TableKind.HCPCS, TableKind.AOC, TableKind.CARC, TableKind.RARC})
"""Kinds whose rows carry their dates: the latest edition in force answers for every day."""

_R = TypeVar("_R", bound=Row)
_Index = Mapping[Hashable, Sequence[Row]]

_KEYS: Final[dict[type[Row], Callable[[Any], Hashable]]] = {
    PairRow: lambda row: (row.column1, row.column2),
    AddOnRow: lambda row: row.addon,
    CoverageRow: lambda row: row.code,
    ReasonRow: lambda row: row.code,
    LocalRow: lambda row: row.local,
    EnrolmentRow: lambda row: row.npi,
    OpeningRow: lambda row: (row.system, row.identifier),
    FacilityRow: lambda _: "",
}
"""What a row is asked for by; a code where nothing is said."""


class HeldTables:
    """`model.tables.Tables` over editions and their rows in memory."""

    def __init__(self, editions: Sequence[tuple[Edition, Sequence[Row]]]) -> None:
        """Take the editions in force with their rows; two with one digest are one."""
        by_digest = {edition.digest: (edition, rows) for edition, rows in editions}
        self._held = sorted(by_digest.values(), key=lambda held: _place(held[0]))
        self._indexes: dict[str, _Index] = {edition.digest: _index(edition.kind, rows) for edition, rows in self._held}
        self._ndcs: dict[str, _Index] = {
            edition.digest: _grouped((row for row in rows if isinstance(row, PackageRow)), lambda row: row.ndc)
            for edition, rows in self._held
            if edition.kind is TableKind.NDC
        }

    @property
    def digest(self) -> str:
        """See `Tables.digest`."""
        return digest_of_set(edition.digest for edition, _ in self._held)

    @property
    def editions(self) -> Sequence[Edition]:
        """See `Tables.editions`."""
        return tuple(edition for edition, _ in self._held)

    def edition(self, kind: TableKind, day: date, scope: str = "") -> Edition | None:
        """See `Tables.edition`."""
        return answering(self.editions, kind, day, scope)

    def pairs(self, codes: Collection[str], day: date, scope: str) -> Sequence[PairRow]:
        """See `Tables.pairs`."""
        found = self.edition(TableKind.NCCI, day, scope)
        if found is None:
            return ()
        index, asked = self._indexes[found.digest], sorted(set(codes))
        return tuple(
            row
            for column1 in asked
            for column2 in asked
            for row in index.get((column1, column2), ())
            if isinstance(row, PairRow) and holds(row, day)
        )

    def limit(self, code: str, day: date, scope: str) -> LimitRow | None:
        """See `Tables.limit`."""
        return next(self._rows(LimitRow, TableKind.MUE, code, day, scope), None)

    def addons(self, code: str, day: date) -> Sequence[AddOnRow]:
        """See `Tables.addons`."""
        rows = self._rows(AddOnRow, TableKind.AOC, code, day)
        return _ordered(rows, day, lambda row: (row.primary, row.type))

    def schedule(self, code: str, day: date) -> Sequence[ScheduleRow]:
        """See `Tables.schedule`."""
        rows = self._rows(ScheduleRow, TableKind.PFS, code, day)
        return tuple(sorted(rows, key=lambda row: row.modifier))

    def code(self, code: str, day: date) -> CodeRow | None:
        """See `Tables.code`."""
        return next((row for row in self._rows(CodeRow, TableKind.HCPCS, code, day) if holds(row, day)), None)

    def knows(self, code: str) -> bool:
        """See `Tables.knows`."""
        kinds = (TableKind.HCPCS, TableKind.PFS)
        return any(code in self._indexes[edition.digest] for edition, _ in self._held if edition.kind in kinds)

    def diagnosis(self, code: str, day: date) -> DiagnosisRow | None:
        """See `Tables.diagnosis`."""
        return next(self._rows(DiagnosisRow, TableKind.ICD10, code, day), None)

    def coverage(self, code: str, day: date, scope: str) -> Sequence[CoverageRow]:
        """See `Tables.coverage`."""
        rows = self._rows(CoverageRow, TableKind.COVERAGE, code, day, scope)
        return _ordered(rows, day, lambda row: (row.policy, row.group, row.diagnosis, not row.covered))

    def drug_price(self, code: str, day: date) -> DrugPriceRow | None:
        """See `Tables.drug_price`."""
        return next(self._rows(DrugPriceRow, TableKind.ASP, code, day), None)

    def packages(self, code: str, day: date) -> Sequence[PackageRow]:
        """See `Tables.packages`."""
        return tuple(sorted(self._rows(PackageRow, TableKind.NDC, code, day), key=lambda row: row.ndc))

    def package(self, ndc: str, day: date) -> Sequence[PackageRow]:
        """See `Tables.package`; by code."""
        found = self.edition(TableKind.NDC, day)
        rows = self._ndcs[found.digest].get(ndc, ()) if found else ()
        return tuple(sorted((row for row in rows if isinstance(row, PackageRow)), key=lambda row: row.code))

    def reason(self, kind: TableKind, code: str, day: date) -> ReasonRow | None:
        """See `Tables.reason`."""
        return next((row for row in self._rows(ReasonRow, kind, code, day) if holds(row, day)), None)

    def local(self, code: str, day: date) -> Sequence[LocalRow]:
        """See `Tables.local`; by entity, code and modifiers."""
        rows = self._rows(LocalRow, TableKind.CDM, code, day)
        return _ordered(rows, day, lambda row: (row.entity, row.code, " ".join(row.modifiers)))

    def fees(self, code: str, day: date) -> Sequence[FeeRow]:
        """See `Tables.fees`; by payer, entity and modifiers."""
        rows = self._rows(FeeRow, TableKind.FEES, code, day)
        return _ordered(rows, day, lambda row: (row.payer, row.entity, " ".join(row.modifiers)))

    def enrolments(self, npi: str, day: date) -> Sequence[EnrolmentRow]:
        """See `Tables.enrolments`; by entity and payer."""
        rows = self._rows(EnrolmentRow, TableKind.ENROLMENT, npi, day)
        return _ordered(rows, day, lambda row: (row.entity, row.payer))

    def opening(self, system: str, identifier: str) -> Sequence[OpeningRow]:
        """See `Tables.opening`; by day, service, key, code, modifiers and claim, of the edition that began last."""
        rows = self._rows(OpeningRow, TableKind.OPENING, (system, identifier), date.max)
        return tuple(sorted(rows, key=lambda r: (r.day, r.service, r.key, r.code, " ".join(r.modifiers), r.claim)))

    def facilities(self) -> Sequence[FacilityRow]:
        """See `Tables.facilities`; by id, of the edition that began last."""
        rows = self._rows(FacilityRow, TableKind.FACILITIES, "", date.max)
        return tuple(sorted(rows, key=lambda row: row.id))

    def _rows(self, made: type[_R], kind: TableKind, key: Hashable, day: date, scope: str = "") -> Iterator[_R]:
        """The rows of a key in the edition that answers for the day, whatever their own days are."""
        found = self.edition(kind, day, scope)
        if found is not None:
            for row in self._indexes[found.digest].get(key, ()):
                if isinstance(row, made):
                    yield row


def answering(editions: Iterable[Edition], kind: TableKind, day: date, scope: str = "") -> Edition | None:
    """Which of these editions answers for a day, by the rule of `model.tables.Tables`; None if none does."""
    begun = [e for e in editions if e.kind is kind and e.scope == scope and (kind in DATED or e.start <= day)]
    return max(begun, key=_place, default=None)


def outdated(edition: Edition, day: date) -> bool:
    """Whether an edition answers for a day past the quarter or year it was published for."""
    return edition.end is not None and day > edition.end


def holds(row: Any, day: date) -> bool:
    """Whether a row that has days of its own holds on a day; its last day is one of them."""
    return bool(row.start <= day and (row.end is None or day <= row.end))


def _place(edition: Edition) -> tuple[str, str, date, str, str]:
    return (edition.kind.value, edition.scope, edition.start, edition.release, edition.digest)


def _index(kind: TableKind, rows: Iterable[Row]) -> _Index:
    return _grouped(rows, _KEYS.get(ROW_OF_KIND[kind], lambda row: row.code))


def _grouped(rows: Iterable[Row], key: Callable[[Any], Hashable]) -> _Index:
    index: defaultdict[Hashable, list[Row]] = defaultdict(list)
    for row in rows:
        index[key(row)].append(row)
    return dict(index)


def _ordered(rows: Iterable[_R], day: date, key: Callable[[_R], Any]) -> tuple[_R, ...]:
    return tuple(sorted((row for row in rows if holds(row, day)), key=key))
