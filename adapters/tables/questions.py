"""The questions that tables answer, over editions wherever they lie: in memory, in a file, in a database.

Which edition answers is said in `model.tables.Tables`: of a kind and scope the one that began last on or before the day,
and where rows carry their own dates (NCCI, HCPCS, AOC, CARC, RARC) the one that began last of all. Of two that began on
one day the greater release answers, then the greater digest. What has no scope in its question (fees, facilities and the
like) is asked of the edition without a scope.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, Final, TypeVar

from adapters.model.live import Live
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

DATED: Final = frozenset({TableKind.NCCI, TableKind.HCPCS, TableKind.AOC, TableKind.CARC, TableKind.RARC})
"""Kinds whose rows carry their dates: the latest edition in force answers for every day."""
EVERYTHING: Final = "*"
"""The key of rows that are asked for all together."""

R = TypeVar("R", bound=Row)

_KEYS: Final[dict[type[Row], Callable[[Any], tuple[str, ...]]]] = {
    PairRow: lambda row: (row.column1,),
    LimitRow: lambda row: (row.code,),
    AddOnRow: lambda row: (row.addon,),
    ScheduleRow: lambda row: (row.code,),
    DrugPriceRow: lambda row: (row.code,),
    PackageRow: lambda row: (row.code, ndc_key(row.ndc)),
    CodeRow: lambda row: (row.code,),
    DiagnosisRow: lambda row: (row.code,),
    CoverageRow: lambda row: (row.code,),
    ReasonRow: lambda row: (row.code,),
    LocalRow: lambda row: (row.local,),
    FeeRow: lambda row: (row.code,),
    EnrolmentRow: lambda row: (row.npi,),
    OpeningRow: lambda row: (person_key(row.system, row.identifier),),
    FacilityRow: lambda _row: (EVERYTHING,),
    Live: lambda _row: (EVERYTHING,),
}


def keys_of(row: Row) -> tuple[str, ...]:
    """The keys that a row is found by."""
    return _KEYS[type(row)](row)


def ndc_key(ndc: str) -> str:
    """The key of an NDC, beside that of the codes."""
    return f"ndc {ndc}"


def person_key(system: str, identifier: str) -> str:
    """The key of a person as another system names it."""
    return f"{len(system)} {system} {identifier}"


class Questions(ABC):
    """All of `model.tables.Tables` that can be asked by one key; where the rows lie is said by who derives from it."""

    @abstractmethod
    def rows(self, of: type[R], kind: TableKind, key: str, day: date, scope: str = "") -> Iterable[R]:
        """What the edition that answers for the day has under the key, whatever the rows' own days are."""

    @abstractmethod
    def has(self, kind: TableKind, key: str) -> bool:
        """Whether any edition of the kind has the key."""

    def limit(self, code: str, day: date, scope: str) -> LimitRow | None:
        """The unit limit of a code on the day."""
        return next(iter(self.rows(LimitRow, TableKind.MUE, code, day, scope)), None)

    def addons(self, code: str, day: date) -> Sequence[AddOnRow]:
        """The rows of an add-on code in force on the day, by primary; empty for a code that is none."""
        rows = self.rows(AddOnRow, TableKind.AOC, code, day)
        return _ordered(rows, day, lambda row: (row.primary, row.type))

    def schedule(self, code: str, day: date) -> Sequence[ScheduleRow]:
        """The fee schedule's rows of a code on the day, by modifier."""
        return tuple(sorted(self.rows(ScheduleRow, TableKind.PFS, code, day), key=lambda row: row.modifier))

    def code(self, code: str, day: date) -> CodeRow | None:
        """The HCPCS Level II code or modifier in force on the day."""
        return next((row for row in self.rows(CodeRow, TableKind.HCPCS, code, day) if holds(row, day)), None)

    def knows(self, code: str) -> bool:
        """Whether a loaded HCPCS or fee schedule edition has the code, on whatever day."""
        return self.has(TableKind.HCPCS, code) or self.has(TableKind.PFS, code)

    def diagnosis(self, code: str, day: date) -> DiagnosisRow | None:
        """The ICD-10-CM code (without dot) on the day."""
        return next(iter(self.rows(DiagnosisRow, TableKind.ICD10, code, day)), None)

    def coverage(self, code: str, day: date, scope: str) -> Sequence[CoverageRow]:
        """What the coverage policies of a scope say of a code on the day, by policy, group and diagnosis."""
        rows = self.rows(CoverageRow, TableKind.COVERAGE, code, day, scope)
        return _ordered(rows, day, lambda row: (row.policy, row.group, row.diagnosis, not row.covered))

    def drug_price(self, code: str, day: date) -> DrugPriceRow | None:
        """The ASP payment limit on the day."""
        return next(iter(self.rows(DrugPriceRow, TableKind.ASP, code, day)), None)

    def packages(self, code: str, day: date) -> Sequence[PackageRow]:
        """The NDC packages of a code on the day, by NDC."""
        return tuple(sorted(self.rows(PackageRow, TableKind.NDC, code, day), key=lambda row: row.ndc))

    def package(self, ndc: str, day: date) -> Sequence[PackageRow]:
        """The rows of one NDC (eleven digits) on the day, by code."""
        return tuple(sorted(self.rows(PackageRow, TableKind.NDC, ndc_key(ndc), day), key=lambda row: row.code))

    def reason(self, kind: TableKind, code: str, day: date) -> ReasonRow | None:
        """A CARC or RARC on the day."""
        return next((row for row in self.rows(ReasonRow, kind, code, day) if holds(row, day)), None)

    def local(self, code: str, day: date) -> Sequence[LocalRow]:
        """The lines of the charge description master for a local code on the day, by entity, code and modifiers."""
        rows = self.rows(LocalRow, TableKind.CDM, code, day)
        return _ordered(rows, day, lambda row: (row.entity, row.code, " ".join(row.modifiers)))

    def fees(self, code: str, day: date) -> Sequence[FeeRow]:
        """The site's fees of a code on the day, by payer, entity and modifiers."""
        rows = self.rows(FeeRow, TableKind.FEES, code, day)
        return _ordered(rows, day, lambda row: (row.payer, row.entity, " ".join(row.modifiers)))

    def enrolments(self, npi: str, day: date) -> Sequence[EnrolmentRow]:
        """What is said of a practitioner on the day, by entity and payer; empty where nothing is."""
        rows = self.rows(EnrolmentRow, TableKind.ENROLMENT, npi, day)
        return _ordered(rows, day, lambda row: (row.entity, row.payer))

    def opening(self, system: str, identifier: str) -> Sequence[OpeningRow]:
        """What was billed elsewhere for a person, by day, by the edition that began last."""
        rows = self.rows(OpeningRow, TableKind.OPENING, person_key(system, identifier), date.max)
        return tuple(sorted(rows, key=lambda r: (r.day, r.service, r.key, r.code, " ".join(r.modifiers), r.claim)))

    def facilities(self) -> Sequence[FacilityRow]:
        """The facilities listed, by id, by the edition that began last."""
        rows = self.rows(FacilityRow, TableKind.FACILITIES, EVERYTHING, date.max)
        return tuple(sorted(rows, key=lambda row: row.id))

    def live(self) -> Sequence[Live]:
        """From when on what is claimed, by scope, by the edition that began last."""
        rows = self.rows(Live, TableKind.LIVE, EVERYTHING, date.max)
        return tuple(sorted(rows, key=lambda row: (row.service, row.payer, row.entity)))


def place(edition: Edition) -> tuple[str, str, date, str, str]:
    """Of editions of one kind and scope the last in this order answers."""
    return (edition.kind.value, edition.scope, edition.start, edition.release, edition.digest)


def answering(editions: Iterable[Edition], kind: TableKind, day: date, scope: str = "") -> Edition | None:
    """Which of these editions answers for a day, by the rule of `model.tables.Tables`; None if none does."""
    begun = [e for e in editions if e.kind is kind and e.scope == scope and (kind in DATED or e.start <= day)]
    return max(begun, key=place, default=None)


def outdated(edition: Edition, day: date) -> bool:
    """Whether an edition answers for a day past the quarter or year it was published for."""
    return edition.end is not None and day > edition.end


def holds(row: Any, day: date) -> bool:
    """Whether a row that has days of its own holds on a day; its last day is one of them."""
    return bool(row.start <= day and (row.end is None or day <= row.end))


def _ordered(rows: Iterable[R], day: date, key: Callable[[R], Any]) -> tuple[R, ...]:
    """Those that hold on the day, in an order of their own."""
    return tuple(sorted((row for row in rows if holds(row, day)), key=key))
