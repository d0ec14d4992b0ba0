"""Published and site tables as rows, and the one way to ask them.

A *row* says what a table's publisher (CMS, X12, or the site itself) states about a key from a day to a day. An *edition*
is one loaded release of one table: immutable, named by the digest of its rows. `Tables` is a set of editions in force;
asking it is pure, because the same set gives the same answer for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from adapters.model.live import Live


class TableKind(StrEnum):
    """The tables that can be loaded."""

    NCCI = "ncci"
    """Procedure-to-procedure edits; scope `practitioner` or `hospital`."""
    MUE = "mue"
    """Medically unlikely edits; scope `practitioner` or `hospital` (or `dme`)."""
    AOC = "aoc"
    """Add-on codes with their primaries."""
    PFS = "pfs"
    """Indicators of the physician fee schedule."""
    ASP = "asp"
    """Payment limits of drugs."""
    NDC = "ndc"
    """NDC packages by HCPCS code."""
    HCPCS = "hcpcs"
    """HCPCS Level II codes and modifiers."""
    ICD10 = "icd10"
    """ICD-10-CM codes."""
    COVERAGE = "coverage"
    """Diagnoses that a coverage policy takes for a code."""
    CARC = "carc"
    RARC = "rarc"
    CDM = "cdm"
    """The site's charge description master: local code → HCPCS code, modifiers, revenue code, price."""
    FEES = "fees"
    """The site's charges per code, payer and entity."""
    ENROLMENT = "enrolment"
    """Who may bill which payer, from when."""
    OPENING = "opening"
    """What was billed elsewhere before this program went live."""
    FACILITIES = "facilities"
    """Facilities by code, as a site lists them."""
    LIVE = "live"
    """From which dates of service what is claimed, as it was decided (`oncoclaims golive`)."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One loaded release of one table."""

    kind: TableKind
    scope: str
    """Which of several tables of the kind: `practitioner`, `hospital`, a contractor; empty where there is one only."""
    release: str
    """As its publisher names it: `2026Q4`, `v323r0`, `2026-01-01`."""
    start: date
    """First date of service for which it is the current one; rows may say more of earlier days."""
    end: date | None
    """Last date of service for which it is the current one, where the release names a quarter or a year; else None.
    Past it the edition still answers where no later one is in force, and what rests on it is marked as outdated."""
    digest: str
    """SHA-256 (hex) of its rows in canonical form with kind, scope, release and dates."""
    rows: int
    files: tuple[str, ...] = ()
    """`name sha256` of each file it was read from. The name of a file, never its folder."""

    @property
    def name(self) -> str:
        """`ncci.practitioner 2026Q4`, as findings cite it."""
        scope = f".{self.scope}" if self.scope else ""
        return f"{self.kind}{scope} {self.release}"


@dataclass(frozen=True, slots=True)
class PairRow:
    """A PTP edit: on these days the column 2 code is not paid beside the column 1 code."""

    column1: str
    column2: str
    start: date
    end: date | None
    indicator: str
    """0 never together, 1 with an NCCI modifier, 9 not applicable."""
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A medically unlikely edit."""

    code: str
    units: int
    mai: str
    """1 by line, 2 by date (absolute), 3 by date (records may overturn it)."""
    rationale: str = ""


@dataclass(frozen=True, slots=True)
class AddOnRow:
    """An add-on code with one of its primaries."""

    addon: str
    primary: str
    """Empty where the contractor decides (types 2 and 3 may name none)."""
    type: str
    """1 the primaries listed are all, 2 none is listed, 3 some are listed."""
    start: date
    end: date | None


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A row of the physician fee schedule's relative value file."""

    code: str
    modifier: str
    """Empty, `26`, `TC` or `53`."""
    status: str
    pctc: str
    global_days: str = ""
    multiple: str = ""
    supervision: str = ""
    work: Decimal | None = None
    facility: Decimal | None = None
    """Total RVU in a facility."""
    nonfacility: Decimal | None = None
    """Total RVU elsewhere."""
    facility_na: bool = False
    """The row is not for a practitioner's claim in a facility (the file prints NA)."""


@dataclass(frozen=True, slots=True)
class DrugPriceRow:
    """ASP payment limit of one billing unit."""

    code: str
    dosage: str
    """As published: `1 MG`."""
    limit: Decimal | None
    """None where the file prints none."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class PackageRow:
    """An NDC package and how many billing units are in it."""

    code: str
    ndc: str
    """Eleven digits, 5-4-2 without hyphens."""
    name: str
    labeler: str
    dosage: str
    size: Decimal | None
    """Amount per item."""
    quantity: Decimal | None
    """Items per NDC."""
    units: Decimal | None
    """Billing units per item."""
    units_package: Decimal | None
    """Billing units per NDC."""


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A HCPCS Level II code or modifier on the days it holds."""

    code: str
    modifier: bool
    short: str
    long: str
    start: date
    end: date | None
    coverage: str = ""
    pricing: str = ""


@dataclass(frozen=True, slots=True)
class DiagnosisRow:
    """An ICD-10-CM code without its dot."""

    code: str
    billable: bool
    short: str = ""
    long: str = ""


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """A diagnosis that a policy takes (or refuses) for a code."""

    policy: str
    """Number of the article or policy: `A52994`."""
    code: str
    diagnosis: str
    """ICD-10-CM without dot; empty: the policy lists no diagnosis for the code, any is taken."""
    covered: bool
    group: str = ""
    """Within one group a diagnosis suffices; of several groups with one name each is needed."""
    start: date = date.min
    end: date | None = None


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """A CARC or RARC as X12 publishes it: its days; the text is loaded, never shipped."""

    code: str
    text: str
    start: date
    end: date | None


@dataclass(frozen=True, slots=True)
class LocalRow:
    """A line of the site's charge description master."""

    local: str
    code: str
    modifiers: tuple[str, ...]
    revenue: str
    price: Decimal | None
    entity: str
    """Empty for any."""
    start: date
    end: date | None


@dataclass(frozen=True, slots=True)
class FeeRow:
    """Charge per unit of a code."""

    code: str
    modifiers: tuple[str, ...]
    payer: str
    """Empty for any."""
    entity: str
    amount: Decimal
    start: date
    end: date | None


@dataclass(frozen=True, slots=True)
class EnrolmentRow:
    """Who may bill a payer on these days."""

    npi: str
    entity: str
    payer: str
    status: str
    """`enrolled`, `pending`, `not-enrolled`."""
    start: date
    end: date | None


@dataclass(frozen=True, slots=True)
class OpeningRow:
    """A line billed elsewhere, which occupies its slot here."""

    system: str
    """The authority of the identifier, as the site names it."""
    identifier: str
    service: str
    code: str
    modifiers: tuple[str, ...]
    units: int
    day: date
    entity: str
    claim: str
    course: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class FacilityRow:
    """A facility as the site lists it."""

    id: str
    name: str
    npi: str
    setting: str
    zone: str
    aliases: tuple[str, ...] = ()


_Published = PairRow | LimitRow | AddOnRow | ScheduleRow | DrugPriceRow | PackageRow | CodeRow | DiagnosisRow
_Own = CoverageRow | ReasonRow | LocalRow | FeeRow | EnrolmentRow | OpeningRow | FacilityRow | Live
Row = _Published | _Own


class Tables(Protocol):
    """The editions in force. A question that no edition can answer is answered empty; `edition` tells the two apart.

    Which edition answers for a day: of those of the kind and scope that began on or before it, the one that began last
    (NCCI, HCPCS, AOC, CARC and RARC carry dates in their rows: there the latest edition in force answers for every day).
    """

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the digests of the editions in force, sorted; empty where there is none."""
        ...

    @property
    def editions(self) -> Sequence[Edition]:
        """Those in force, by kind, scope and start."""
        ...

    def edition(self, kind: TableKind, day: date, scope: str = "") -> Edition | None:
        """The edition that answers for the day, or None."""
        ...

    def pairs(self, codes: Collection[str], day: date, scope: str) -> Sequence[PairRow]:
        """The PTP edits in force on the day between any two of the codes, by column 1 then column 2."""
        ...

    def limit(self, code: str, day: date, scope: str) -> LimitRow | None:
        """The unit limit of a code on the day."""
        ...

    def addons(self, code: str, day: date) -> Sequence[AddOnRow]:
        """The rows of an add-on code in force on the day, by primary; empty for a code that is none."""
        ...

    def schedule(self, code: str, day: date) -> Sequence[ScheduleRow]:
        """The fee schedule's rows of a code on the day, by modifier."""
        ...

    def code(self, code: str, day: date) -> CodeRow | None:
        """The HCPCS Level II code or modifier in force on the day."""
        ...

    def knows(self, code: str) -> bool:
        """Whether a loaded HCPCS or fee schedule edition has the code, on whatever day."""
        ...

    def diagnosis(self, code: str, day: date) -> DiagnosisRow | None:
        """The ICD-10-CM code (without dot) on the day."""
        ...

    def coverage(self, code: str, day: date, scope: str) -> Sequence[CoverageRow]:
        """What the coverage policies of a scope say of a code on the day, by policy, group and diagnosis."""
        ...

    def drug_price(self, code: str, day: date) -> DrugPriceRow | None:
        """The ASP payment limit on the day."""
        ...

    def packages(self, code: str, day: date) -> Sequence[PackageRow]:
        """The NDC packages of a code on the day, by NDC."""
        ...

    def package(self, ndc: str, day: date) -> Sequence[PackageRow]:
        """The rows of one NDC (eleven digits) on the day; more than one where it bills under several codes."""
        ...

    def reason(self, kind: TableKind, code: str, day: date) -> ReasonRow | None:
        """A CARC or RARC on the day."""
        ...

    def local(self, code: str, day: date) -> Sequence[LocalRow]:
        """The lines of the charge description master for a local code on the day."""
        ...

    def fees(self, code: str, day: date) -> Sequence[FeeRow]:
        """The site's fees of a code on the day."""
        ...

    def enrolments(self, npi: str, day: date) -> Sequence[EnrolmentRow]:
        """What is said of a practitioner on the day; empty where nothing is."""
        ...

    def opening(self, system: str, identifier: str) -> Sequence[OpeningRow]:
        """What was billed elsewhere for a person."""
        ...

    def facilities(self) -> Sequence[FacilityRow]:
        """The facilities listed."""
        ...

    def live(self) -> Sequence[Live]:
        """From when on what is claimed, as it was decided; empty where nothing was."""
        ...
