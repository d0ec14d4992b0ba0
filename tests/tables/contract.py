"""What every implementation of `model.tables.Tables` must answer, over one set of made-up editions.

A suite makes its tables hold `EDITIONS` (and, for the empty case, nothing) and runs each of `CHECKS` on them:

    @pytest.mark.parametrize("check", CHECKS, ids=name_of)
    def test_contract(check, tables): check(tables)

Codes and people are made up: letters Y and Z begin no code of HCPCS Level II.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal

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
    Tables,
)
from adapters.tables import Heading, canonical, digest_of, digest_of_set
from adapters.tables.held import HeldTables

OLD, NEW, NEXT = date(2026, 7, 1), date(2026, 10, 1), date(2027, 1, 1)
LONG_AGO, BEFORE, TODAY = date(1996, 1, 1), date(2026, 8, 15), date(2026, 10, 15)
NEVER_LOADED = "unknown"


def edition(
    kind: TableKind,
    release: str,
    start: date,
    rows: Sequence[Row],
    *,
    scope: str = "",
    end: date | None = None,
) -> tuple[Edition, Sequence[Row]]:
    """An edition with the digest that its rows give it."""
    digest = digest_of(Heading(kind, scope, release, start, end), map(canonical, rows))
    return Edition(kind, scope, release, start, end, digest, len(rows)), rows


def pairs_of(release: str, start: date, scope: str, rows: Sequence[PairRow]) -> tuple[Edition, Sequence[Row]]:
    """An NCCI edition of a quarter."""
    return edition(TableKind.NCCI, release, start, rows, scope=scope, end=start + timedelta(days=91))


PAIRS_OLD = (
    PairRow("Y0001", "Y0002", LONG_AGO, None, "1", "made up"),
    PairRow("Y0001", "Y0003", LONG_AGO, None, "0", "taken out later"),
)
PAIRS_NEW = (
    PairRow("Y0001", "Y0002", LONG_AGO, date(2026, 6, 30), "1", "made up"),
    PairRow("Y0001", "Y0002", OLD, date(2026, 9, 30), "0", "made up"),
    PairRow("Y0001", "Y0002", NEW, None, "9", "made up"),
    PairRow("Y0002", "Y0001", NEW, NEW, "1", ""),
    PairRow("Z0009", "Y0001", LONG_AGO, None, "1", "made up"),
    PairRow("Z0009", "Y0003", LONG_AGO, None, "1", "made up"),
)
PAIRS_HOSPITAL = (PairRow("Y0001", "Y0004", LONG_AGO, None, "1", "hospital only"),)
LIMITS_OLD = (LimitRow("Y0001", 2, "2", "made up"),)
LIMITS_NEW = (LimitRow("Y0001", 3, "3", "made up"), LimitRow("Y0002", 0, "1"))
ADD_ONS = (
    AddOnRow("Z0001", "Y0002", "1", LONG_AGO, None),
    AddOnRow("Z0001", "Y0001", "1", LONG_AGO, None),
    AddOnRow("Z0001", "Y0003", "1", LONG_AGO, date(2026, 8, 31)),
    AddOnRow("Z0002", "", "2", LONG_AGO, None),
)
SCHEDULE = (
    ScheduleRow("Y0001", "TC", "A", "1", "YYY", "0", "09", Decimal("0.00"), Decimal("1.20"), Decimal("1.2")),
    ScheduleRow("Y0001", "", "A", "1", "YYY", "0", "09", Decimal("1.27"), Decimal("2.09"), None),
    ScheduleRow("Y0001", "26", "A", "1", "YYY", "0", "09", Decimal("1.27"), Decimal("0.89"), None),
)
PRICES = (DrugPriceRow("Z9001", "1 MG", Decimal("134.190"), "made up"), DrugPriceRow("Z9002", "10 MG", None, ""))
PACKAGES = (
    PackageRow(
        "Z9001", "99999000202", "Madeupin", "None Such", "1 MG", Decimal("4"), Decimal(1), Decimal(4), Decimal(4)
    ),
    PackageRow("Z9001", "99999000101", "Madeupin", "None Such", "1 MG", Decimal("0.5"), Decimal(10), Decimal(1), None),
    PackageRow("Y9001", "99999000101", "Madeupin", "None Such", "1 MG", None, None, None, None),
)
CODES = (
    CodeRow("Z9001", False, "short", "a long description", LONG_AGO, date(2026, 8, 31), "C", "51"),
    CodeRow("Z9001", False, "short again", "a long description", NEW, None, "C", "51"),
    CodeRow("Z9", True, "modifier", "a modifier", LONG_AGO, None),
)
DIAGNOSES = (DiagnosisRow("ZZ0", False, "heading", "a heading"), DiagnosisRow("ZZ01", True, "made up", "made up"))
COVERAGES = (
    CoverageRow("A99999", "Y0001", "ZZ02", True, "2", LONG_AGO, None),
    CoverageRow("A99999", "Y0001", "ZZ01", True, "1", LONG_AGO, None),
    CoverageRow("A99998", "Y0001", "ZZ03", False, "", LONG_AGO, None),
    CoverageRow("A99998", "Y0001", "ZZ01", True, "", NEW, None),
    CoverageRow("A99997", "Y0002", "", True),
)
CARCS = (ReasonRow("999", "made up", LONG_AGO, date(2026, 9, 30)), ReasonRow("Z1", "made up", LONG_AGO, None))
RARCS = (ReasonRow("N999", "made up", LONG_AGO, None),)
LOCALS = (
    LocalRow("770001", "Y0002", (), "0333", Decimal("100.50"), "hospital", LONG_AGO, None),
    LocalRow("770001", "Y0001", ("26", "Z9"), "", None, "", LONG_AGO, None),
    LocalRow("770001", "Y0003", (), "", None, "", LONG_AGO, date(2026, 9, 30)),
)
FEES = (
    FeeRow("Y0001", (), "payer-b", "", Decimal("250.00"), LONG_AGO, None),
    FeeRow("Y0001", ("TC",), "", "", Decimal("150.00"), LONG_AGO, None),
    FeeRow("Y0001", (), "", "", Decimal("200.00"), LONG_AGO, date(2026, 9, 30)),
    FeeRow("Y0001", (), "", "", Decimal("210.0"), NEW, None),
)
ENROLMENTS = (
    EnrolmentRow("1234567893", "group", "payer-b", "pending", NEW, None),
    EnrolmentRow("1234567893", "group", "payer-a", "enrolled", LONG_AGO, None),
    EnrolmentRow("1234567893", "group", "payer-b", "not-enrolled", LONG_AGO, date(2026, 9, 30)),
)
OPENINGS = (
    OpeningRow("mrn", "X-1", "management", "Y0001", ("26",), 1, date(2026, 9, 8), "group", "C2", "1", "2"),
    OpeningRow("mrn", "X-1", "management", "Y0001", ("26",), 1, date(2026, 9, 1), "group", "C1", "1", "1"),
    OpeningRow("other", "X-1", "delivery", "Y0002", (), 2, date(2026, 9, 1), "", ""),
)
FACILITIES = (
    FacilityRow("west", "West", "1245319599", "hospital", "America/Chicago", ("W", "West End")),
    FacilityRow("east", "East", "", "freestanding", "America/New_York"),
)
LIVES = (
    Live("", "payer-a", "delivery", None, NEW),
    Live("group", "", "", OLD, None),
)

EDITIONS: tuple[tuple[Edition, Sequence[Row]], ...] = (
    pairs_of("v322r0", OLD, "practitioner", PAIRS_OLD),
    pairs_of("v323r0", NEW, "practitioner", PAIRS_NEW),
    pairs_of("v323r0", NEW, "hospital", PAIRS_HOSPITAL),
    edition(TableKind.MUE, "2026-07-01", OLD, LIMITS_OLD, scope="practitioner", end=date(2026, 9, 30)),
    edition(TableKind.MUE, "2026-10-01", NEW, LIMITS_NEW, scope="practitioner", end=date(2026, 12, 31)),
    edition(TableKind.AOC, "2026Q4", NEW, ADD_ONS, end=date(2026, 12, 31)),
    edition(TableKind.PFS, "2026Q4", NEW, SCHEDULE, end=date(2026, 12, 31)),
    edition(TableKind.ASP, "2026Q4", NEW, PRICES, end=date(2026, 12, 31)),
    edition(TableKind.NDC, "2026Q4", NEW, PACKAGES, end=date(2026, 12, 31)),
    edition(TableKind.HCPCS, "2026Q4", NEW, CODES, end=date(2026, 12, 31)),
    edition(TableKind.ICD10, "2027", NEW, DIAGNOSES, end=date(2027, 9, 30)),
    edition(TableKind.COVERAGE, "2026-09-25", date(2026, 9, 25), COVERAGES, scope="contractor-1"),
    edition(TableKind.CARC, "2026-07-01", OLD, CARCS),
    edition(TableKind.RARC, "2026-07-01", OLD, RARCS),
    edition(TableKind.CDM, "2026-07-01", OLD, LOCALS),
    edition(TableKind.FEES, "2026-07-01", OLD, FEES),
    edition(TableKind.ENROLMENT, "2026-07-01", OLD, ENROLMENTS),
    edition(TableKind.OPENING, "2026-10-01", NEW, OPENINGS),
    edition(TableKind.FACILITIES, "2026-07-01", OLD, FACILITIES[:1]),
    edition(TableKind.FACILITIES, "2026-10-01", NEW, FACILITIES),
    edition(TableKind.LIVE, "2026-07-01", OLD, LIVES),
)


def _mended(release: str, note: str) -> tuple[Edition, Sequence[Row]]:
    return edition(TableKind.MUE, release, OLD, (LimitRow("Y0001", 1, "3", note),), scope="dme")


def _contrary() -> tuple[tuple[Edition, Sequence[Row]], ...]:
    """A release and its mended one of the same first day, the mended one with the smaller digest."""
    first = _mended("v1r0", "first")
    mended = (_mended("v1r1", f"mended {number}") for number in range(100))
    return first, next(found for found in mended if found[0].digest < first[0].digest)


EDITIONS += _contrary()


def check_which_editions_are_in_force(tables: Tables) -> None:
    """All of them, by kind, scope and start; their digest is that of the set."""
    named = [(e.kind, e.scope, e.start) for e in tables.editions]
    assert named == sorted(named)
    assert {e.digest: (e.name, e.start, e.end, e.rows) for e in tables.editions} == {
        e.digest: (e.name, e.start, e.end, e.rows) for e, _ in EDITIONS
    }
    assert tables.digest == digest_of_set(e.digest for e, _ in EDITIONS)
    assert len(tables.digest) == 64


def _release(tables: Tables, kind: TableKind, day: date, scope: str = "") -> str:
    found = tables.edition(kind, day, scope)
    return found.release if found else ""


def check_the_edition_that_began_last_answers(tables: Tables) -> None:
    """From its first day, also past its end; before the first one there is none."""
    mue = [_release(tables, TableKind.MUE, day, "practitioner") for day in (LONG_AGO, OLD, BEFORE, NEW, NEXT)]
    assert mue == ["", "2026-07-01", "2026-07-01", "2026-10-01", "2026-10-01"]
    assert _release(tables, TableKind.MUE, TODAY) == ""
    assert _release(tables, TableKind.MUE, TODAY, NEVER_LOADED) == ""
    assert _release(tables, TableKind.ICD10, BEFORE) == ""


def check_dated_rows_are_asked_of_the_latest_edition(tables: Tables) -> None:
    """Of NCCI, AOC, HCPCS, CARC and RARC, for every day."""
    for day in (LONG_AGO, BEFORE, NEXT):
        assert _release(tables, TableKind.NCCI, day, "practitioner") == "v323r0"
        assert _release(tables, TableKind.AOC, day) == "2026Q4"
        assert _release(tables, TableKind.HCPCS, day) == "2026Q4"
        assert _release(tables, TableKind.CARC, day) == "2026-07-01"
        assert _release(tables, TableKind.RARC, day) == "2026-07-01"


def check_of_one_first_day_the_greater_release_answers(tables: Tables) -> None:
    """A mended release replaces the one it mends, whatever the digests are."""
    assert _release(tables, TableKind.MUE, TODAY, "dme") == "v1r1"
    found = tables.limit("Y0001", TODAY, "dme")
    assert found is not None
    assert found.rationale.startswith("mended")


def check_pairs(tables: Tables) -> None:
    """Both directions, the window of the day, by column 1 then column 2; of one table only."""

    def told(codes: Sequence[str], day: date, scope: str = "practitioner") -> list[tuple[str, str, str]]:
        return [(row.column1, row.column2, row.indicator) for row in tables.pairs(codes, day, scope)]

    everything = ["Z0009", "Y0003", "Y0002", "Y0001", "Y0001"]
    always = [("Z0009", "Y0001", "1"), ("Z0009", "Y0003", "1")]
    assert told(everything, NEW) == [("Y0001", "Y0002", "9"), ("Y0002", "Y0001", "1"), *always]
    assert told(everything, TODAY) == [("Y0001", "Y0002", "9"), *always]
    assert told(everything, date(2026, 9, 30)) == [("Y0001", "Y0002", "0"), *always]
    assert told(everything, BEFORE) == [("Y0001", "Y0002", "0"), *always]
    assert told(everything, date(2026, 6, 30)) == [("Y0001", "Y0002", "1"), *always]
    assert told(everything, date(1995, 12, 31)) == []
    assert told(["Y0001"], TODAY) == told([], TODAY) == told(["Y0001", "no code"], TODAY) == []
    assert told(["Y0001", "Y0004"], TODAY, "hospital") == [("Y0001", "Y0004", "1")]
    assert told(["Y0001", "Y0004"], TODAY) == told(["Y0001", "Y0002"], TODAY, NEVER_LOADED) == []
    assert set(tables.pairs({"Y0001", "Y0002"}, NEW, "practitioner")) == {PAIRS_NEW[2], PAIRS_NEW[3]}


def check_limits(tables: Tables) -> None:
    """Of the day's edition; zero is a limit, none is none."""
    assert tables.limit("Y0001", BEFORE, "practitioner") == LIMITS_OLD[0]
    assert tables.limit("Y0001", TODAY, "practitioner") == LIMITS_NEW[0]
    assert tables.limit("Y0002", TODAY, "practitioner") == LIMITS_NEW[1]
    assert tables.limit("Y0002", BEFORE, "practitioner") is None
    assert tables.limit("Y0001", TODAY, "hospital") is None
    assert tables.limit("Y0001", LONG_AGO, "practitioner") is None


def check_add_ons(tables: Tables) -> None:
    """By primary, those in force on the day."""
    assert [row.primary for row in tables.addons("Z0001", BEFORE)] == ["Y0001", "Y0002", "Y0003"]
    assert list(tables.addons("Z0001", TODAY)) == [ADD_ONS[1], ADD_ONS[0]]
    assert list(tables.addons("Z0002", TODAY)) == [ADD_ONS[3]]
    assert list(tables.addons("Y0001", TODAY)) == []


def check_the_fee_schedule(tables: Tables) -> None:
    """By modifier; decimals with their digits."""
    found = tables.schedule("Y0001", TODAY)
    assert list(found) == [SCHEDULE[1], SCHEDULE[2], SCHEDULE[0]]
    assert [str(row.facility) for row in found] == ["2.09", "0.89", "1.20"]
    assert list(tables.schedule("Y0001", BEFORE)) == list(tables.schedule("Y0002", TODAY)) == []


def check_codes(tables: Tables) -> None:
    """On their days, the last one included; known on whatever day."""
    assert tables.code("Z9001", BEFORE) == tables.code("Z9001", date(2026, 8, 31)) == CODES[0]
    assert tables.code("Z9001", date(2026, 9, 1)) is None
    assert tables.code("Z9001", TODAY) == CODES[1]
    assert tables.code("Z9", TODAY) == CODES[2]
    assert tables.code("Y0001", TODAY) is None
    assert [tables.knows(code) for code in ("Z9001", "Y0001", "Z9", "Y0002", "")] == [True, True, True, False, False]


def check_diagnoses(tables: Tables) -> None:
    """Headings and billable codes, without dot."""
    assert tables.diagnosis("ZZ0", TODAY) == DIAGNOSES[0]
    assert tables.diagnosis("ZZ01", TODAY) == DIAGNOSES[1]
    assert tables.diagnosis("ZZ09", TODAY) is tables.diagnosis("ZZ01", BEFORE) is None


def check_coverage(tables: Tables) -> None:
    """Of one contractor, by policy, group and diagnosis, those in force."""
    assert list(tables.coverage("Y0001", TODAY, "contractor-1")) == [
        COVERAGES[3],
        COVERAGES[2],
        COVERAGES[1],
        COVERAGES[0],
    ]
    assert [row.diagnosis for row in tables.coverage("Y0001", date(2026, 9, 26), "contractor-1")] == [
        "ZZ03",
        "ZZ01",
        "ZZ02",
    ]
    assert list(tables.coverage("Y0002", TODAY, "contractor-1")) == [COVERAGES[4]]
    assert list(tables.coverage("Y0001", TODAY, "")) == list(tables.coverage("Y0001", OLD, "contractor-1")) == []


def check_drugs(tables: Tables) -> None:
    """Payment limits, and packages by code and by NDC."""
    assert tables.drug_price("Z9001", TODAY) == PRICES[0]
    assert str(PRICES[0].limit) == str((tables.drug_price("Z9001", TODAY) or PRICES[1]).limit) == "134.190"
    assert tables.drug_price("Z9002", TODAY) == PRICES[1]
    assert tables.drug_price("Z9003", TODAY) is tables.drug_price("Z9001", BEFORE) is None
    assert list(tables.packages("Z9001", TODAY)) == [PACKAGES[1], PACKAGES[0]]
    assert list(tables.package("99999000101", TODAY)) == [PACKAGES[2], PACKAGES[1]]
    assert list(tables.package("99999000303", TODAY)) == list(tables.packages("Z9001", BEFORE)) == []


def check_reasons(tables: Tables) -> None:
    """Each list by itself, on its days."""
    assert tables.reason(TableKind.CARC, "999", BEFORE) == CARCS[0]
    assert tables.reason(TableKind.CARC, "999", TODAY) is None
    assert tables.reason(TableKind.RARC, "N999", TODAY) == RARCS[0]
    assert tables.reason(TableKind.RARC, "Z1", TODAY) is tables.reason(TableKind.CARC, "N999", TODAY) is None


def check_the_sites_tables(tables: Tables) -> None:
    """The charge master, fees and enrolment of the day, in their orders."""
    assert list(tables.local("770001", TODAY)) == [LOCALS[1], LOCALS[0]]
    assert list(tables.local("770001", BEFORE)) == [LOCALS[1], LOCALS[2], LOCALS[0]]
    assert list(tables.local("770002", TODAY)) == []
    assert list(tables.fees("Y0001", TODAY)) == [FEES[3], FEES[1], FEES[0]]
    assert list(tables.fees("Y0001", BEFORE)) == [FEES[2], FEES[1], FEES[0]]
    assert [str(row.amount) for row in tables.fees("Y0001", TODAY)] == ["210.0", "150.00", "250.00"]
    assert list(tables.enrolments("1234567893", TODAY)) == [ENROLMENTS[1], ENROLMENTS[0]]
    assert list(tables.enrolments("1234567893", BEFORE)) == [ENROLMENTS[1], ENROLMENTS[2]]
    assert list(tables.enrolments("1245319599", TODAY)) == []


def check_what_was_billed_before(tables: Tables) -> None:
    """By system and identifier, in the order of the days."""
    assert list(tables.opening("mrn", "X-1")) == [OPENINGS[1], OPENINGS[0]]
    assert list(tables.opening("other", "X-1")) == [OPENINGS[2]]
    assert list(tables.opening("mrn", "X-2")) == []


def check_facilities(tables: Tables) -> None:
    """Those of the edition that began last, by id."""
    assert list(tables.facilities()) == [FACILITIES[1], FACILITIES[0]]


def check_from_when_on_what_is_claimed(tables: Tables) -> None:
    """By scope."""
    assert list(tables.live()) == [LIVES[1], LIVES[0]]


def check_any_question_as_held_in_memory(tables: Tables) -> None:
    """Drawn questions are answered as `HeldTables` answers them."""
    held: Tables = HeldTables(EDITIONS)
    draw = random.Random(20261001)
    codes = ["Y0001", "Y0002", "Y0003", "Y0004", "Z0001", "Z0002", "Z0009", "Z9", "Z9001", "Z9002", "Y9001", "770001"]
    scopes = ["practitioner", "hospital", "dme", "contractor-1", ""]
    for _ in range(120):
        day = date(2026, 6, 1) + timedelta(days=draw.randrange(240))
        code, scope, some = draw.choice(codes), draw.choice(scopes), draw.sample(codes, draw.randrange(6))
        assert [*tables.pairs(some, day, scope)] == [*held.pairs(some, day, scope)]
        assert tables.limit(code, day, scope) == held.limit(code, day, scope)
        assert [*tables.coverage(code, day, scope)] == [*held.coverage(code, day, scope)]
        for mine, theirs in (
            (tables.addons, held.addons),
            (tables.schedule, held.schedule),
            (tables.packages, held.packages),
            (tables.local, held.local),
            (tables.fees, held.fees),
        ):
            assert [*mine(code, day)] == [*theirs(code, day)]
        assert (tables.code(code, day), tables.drug_price(code, day)) == (
            held.code(code, day),
            held.drug_price(code, day),
        )
        assert tables.knows(code) == held.knows(code)
        for kind in TableKind:
            assert tables.edition(kind, day, scope) == held.edition(kind, day, scope)


def check_nothing_loaded(tables: Tables) -> None:
    """Without an edition every question is answered empty. For tables that hold nothing."""
    assert (tables.digest, list(tables.editions)) == ("", [])
    assert all(tables.edition(kind, TODAY) is None for kind in TableKind)
    assert not any((tables.pairs(["Y0001", "Y0002"], TODAY, "practitioner"), tables.addons("Z0001", TODAY)))
    assert not any((tables.schedule("Y0001", TODAY), tables.coverage("Y0001", TODAY, ""), tables.knows("Y0001")))
    assert [tables.limit("Y0001", TODAY, "practitioner"), tables.code("Z9001", TODAY)] == [None, None]
    assert [tables.diagnosis("ZZ01", TODAY), tables.drug_price("Z9001", TODAY)] == [None, None]
    assert tables.reason(TableKind.CARC, "Z1", TODAY) is None
    assert not any((tables.packages("Z9001", TODAY), tables.package("99999000101", TODAY), tables.facilities()))
    assert not any((tables.local("770001", TODAY), tables.fees("Y0001", TODAY), tables.enrolments("1234567893", TODAY)))
    assert not tables.opening("mrn", "X-1")


CHECKS: tuple[Callable[[Tables], None], ...] = (
    check_which_editions_are_in_force,
    check_the_edition_that_began_last_answers,
    check_dated_rows_are_asked_of_the_latest_edition,
    check_of_one_first_day_the_greater_release_answers,
    check_pairs,
    check_limits,
    check_add_ons,
    check_the_fee_schedule,
    check_codes,
    check_diagnoses,
    check_coverage,
    check_drugs,
    check_reasons,
    check_the_sites_tables,
    check_what_was_billed_before,
    check_facilities,
    check_any_question_as_held_in_memory,
)
"""For tables that hold `EDITIONS`."""


def name_of(check: Callable[[Tables], None]) -> str:
    """The name of a check in a test id."""
    return check.__name__.removeprefix("check_")
