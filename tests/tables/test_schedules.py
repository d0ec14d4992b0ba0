"""Fee schedule, payment limits, packages and reasons in their published layouts, with made-up codes and numbers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from adapters.model.tables import DrugPriceRow, PackageRow, ReasonRow, ScheduleRow, TableKind
from adapters.tables.canonical import canonical
from tests.tables.told import file, heading, problems_of, reading, refusal, rows_of

PFS_HEAD = (
    ",,2026 Made-up Relative Value File January Release,,,,,,,,,,,,,,,,,,,,,,,,\n"
    ",,A notice of an owner of descriptions,,,,,,,,,,,,,,,,,,,,,,,,\n"
    ",,RELEASED 12/29/2025,,,,,,,,,,,,,,,,,,,,,,,,\n"
    ",,,,NOT USED,,,,,,,,,,,,,,,,,,,,,PHYSICIAN,\n"
    ",,,,FOR,,,,,,,,,,,,,,,,,,,,,SUPERVISION OF,\n"
    ",,,STATUS,MEDICARE,WORK,NON-FAC,NA,FACILITY,NA,MP,NON-FACILITY,FACILITY,PCTC,GLOB,PRE,INTRA,POST,MULT,BILAT,"
    "ASST,CO-,TEAM,ENDO,CONV,DIAGNOSTIC,CALCULATION\n"
    "HCPCS,MOD,DESCRIPTION,CODE,PAYMENT,RVU,PE RVU,INDICATOR,PE RVU,INDICATOR,RVU,TOTAL,TOTAL,IND,DAYS,OP,OP,OP,PROC,"
    "SURG,SURG,SURG,SURG,BASE,FACTOR,PROCEDURES,FLAG\n"
)


def fees(*rows: str) -> str:
    """A relative value file: each row `code,mod,status,work,nonfacility,facility,pctc,global,multiple,supervision`."""
    lines = []
    for row in rows:
        code, mod, status, work, outside, inside, pctc, days, multiple, supervision = row.split(",")
        na = "" if mod == "26" else "NA"
        lines.append(
            f"{code},{mod},OWNED TEXT,{status},,{work},9.99,,8.88,{na},0.07,{outside},{inside},{pctc},{days},0.00,0.00,0.00,"
            f"{multiple},0,0,0,0,,99.0001,{supervision},0\n"
        )
    return PFS_HEAD + "".join(lines)


def test_the_relative_value_file() -> None:
    """A header over rows: the two TOTAL columns are told apart by the row above, of the two NA columns the second is that
    of facilities; no description is read."""
    text = fees("Y0001,,A,1.27,2.50,2.09,1,YYY,0,09", "Y0001,26,A,1.27,1.80,1.80,1,YYY,0,09", "0042Z,,X,,,,9,ZZZ,9,09")
    rows = rows_of(TableKind.PFS, file("PPRRVU26_JAN.csv", text))
    assert rows == [
        ScheduleRow("Y0001", "", "A", "1", "YYY", "0", "09", Decimal("1.27"), Decimal("2.09"), Decimal("2.50"), True),
        ScheduleRow("Y0001", "26", "A", "1", "YYY", "0", "09", Decimal("1.27"), Decimal("1.80"), Decimal("1.80")),
        ScheduleRow("0042Z", "", "X", "9", "ZZZ", "9", "09", None, None, None, True),
    ]
    assert "OWNED" not in repr([canonical(row) for row in rows])


def test_the_fee_schedules_quarter_is_in_its_name() -> None:
    """Two or four digits of the year, a month or a letter; a year alone is the whole year."""
    text = fees("Y0001,,A,1.27,2.50,2.09,1,YYY,0,09")
    told = {
        "PPRRVU26_JAN.csv": ("2026Q1", date(2026, 1, 1), date(2026, 3, 31)),
        "PPRRVU2026_Jul_nonQPP.csv": ("2026Q3", date(2026, 7, 1), date(2026, 9, 30)),
        "rvu26d.csv": ("2026Q4", date(2026, 10, 1), date(2026, 12, 31)),
        "PPRRVU25.csv": ("2025", date(2025, 1, 1), date(2025, 12, 31)),
    }
    found = {name: heading(TableKind.PFS, file(name, text)) for name in told}
    assert {name: (h.release, h.start, h.end) for name, h in found.items()} == told


def test_a_header_in_one_row_with_fewer_columns() -> None:
    """What is not there stays empty."""
    text = "HCPCS,MOD,STATUS CODE,PCTC IND,GLOB DAYS,FACILITY TOTAL\r\nY0001,,A,1,YYY,2.09\r\n"
    assert rows_of(TableKind.PFS, file("PPRRVU26_JAN.csv", text)) == [
        ScheduleRow("Y0001", "", "A", "1", "YYY", facility=Decimal("2.09"))
    ]


def test_a_row_above_the_header_is_taken_in_where_it_names_more() -> None:
    """All that is needed stands in one row, and what is meant by TOTAL above it."""
    text = "A title,,,,\n,,,,FACILITY\nHCPCS,MOD,STATUS CODE,PCTC IND,TOTAL\nY0001,,A,1,2.09\n"
    assert rows_of(TableKind.PFS, file("PPRRVU26_JAN.csv", text)) == [
        ScheduleRow("Y0001", "", "A", "1", facility=Decimal("2.09"))
    ]


def test_faults_of_the_fee_schedule() -> None:
    """No code, no modifier, unknown indicators, no number, negative, twice."""
    text = fees(
        "Y0001,,A,1.27,2.50,2.09,1,YYY,0,09",
        "Y0001,,A,1.27,2.50,2.09,1,YYY,0,09",
        "Y01,265,Z,one,-2.50,2.09,X,YYY,0,09",
    )
    assert problems_of(TableKind.PFS, file("PPRRVU26_JAN.csv", text)) == [
        (9, "Y0001 is there already (line 8)"),
        (10, "code is not a procedure or supply code: 'Y01'"),
        (10, "modifier is not a modifier: '265'"),
        (10, "status is unknown: 'Z'"),
        (10, "pctc is unknown: 'X'"),
        (10, "work is not a number: 'one'"),
        (10, "nonfacility is negative: '-2.50'"),
    ]
    assert refusal(TableKind.PFS, file("PPRRVU26_JAN.txt", "HDR one\nHDR two\nY0001  OWNED TEXT  A\n")) == [
        "no header with the columns of pfs is there: code, modifier, status, pctc"
    ]


ASP_HEAD = (
    "Payment Allowance Limits for Made-up Drugs,,,\n"
    '"Effective October 1, 2026 through December 31, 2026",,,\n'
    "Note:\xa0made up,,,\n"
    ",,,\n"
)


def test_payment_limits_as_published() -> None:
    """A preamble in Windows-1252; a limit keeps its digits; an empty one is none; columns come and go."""
    text = ASP_HEAD + (
        "HCPCS Code,Short Description,HCPCS Code Dosage,Payment Limit,Co-insurance Percentage,Vaccine AWP%,Notes\n"
        "Z9001,Madeupin,1 MG,134.190,20%,,\n"
        'Z9002,Othermadeupin,10 MG,"$1,234.5",20%,,x\n'
        "Z9003,,0.5 ML,,,,\n"
    )
    name = "Section 508 Version of October 2026 Payment Limit File 091826.csv"
    rows = rows_of(TableKind.ASP, file(name, text.encode("cp1252")))
    assert rows == [
        DrugPriceRow("Z9001", "1 MG", Decimal("134.190"), "Madeupin"),
        DrugPriceRow("Z9002", "10 MG", Decimal("1234.5"), "Othermadeupin"),
        DrugPriceRow("Z9003", "0.5 ML", None, ""),
    ]
    assert canonical(rows[0])[2] == "134.190"
    older = ASP_HEAD + "HCPCS Code,Short Description,HCPCS Code Dosage,Payment Limit,Clotting Factor\nZ9001,x,1 MG,1,\n"
    assert rows_of(TableKind.ASP, file(name, older)) == [DrugPriceRow("Z9001", "1 MG", Decimal(1), "x")]


def test_the_quarter_of_payment_limits_is_in_the_name_or_above_the_table() -> None:
    """The name goes first."""
    text = ASP_HEAD + "HCPCS Code,Short Description,HCPCS Code Dosage,Payment Limit\nZ9001,x,1 MG,1\n"
    assert heading(TableKind.ASP, file("asp.csv", text)).release == "2026Q4"
    found = heading(TableKind.ASP, file("july-2026-asp-pricing-file-06-15-2026.csv", text))
    assert (found.release, found.start, found.end) == ("2026Q3", date(2026, 7, 1), date(2026, 9, 30))
    bare = text.removeprefix(ASP_HEAD)
    assert refusal(TableKind.ASP, file("asp.csv", bare)) == [
        "neither the name nor the text says the release: give it, or its first day"
    ]
    assert reading(TableKind.ASP, file("asp.csv", bare), release="2026Q2").heading.start == date(2026, 4, 1)
    assert reading(TableKind.ASP, file("asp.csv", bare), start=date(2026, 4, 2)).heading.release == "2026-04-02"


def test_faults_of_payment_limits() -> None:
    """A limit that is no number or negative, a code twice."""
    text = ASP_HEAD + (
        "HCPCS Code,Short Description,HCPCS Code Dosage,Payment Limit\n"
        "Z9001,x,1 MG,free\nZ9002,x,1 MG,-1.5\nZ9003,x,1 MG,1\nZ9003,x,1 MG,1\nZ9004,x,1 MG,1e5\n"
    )
    assert problems_of(TableKind.ASP, file("asp.csv", text)) == [
        (6, "limit is not a number: 'free'"),
        (7, "limit is negative: '-1.5'"),
        (9, "Z9003 is there already (line 8)"),
        (10, "limit is not a number: '1e5'"),
    ]


NDC_HEAD = "October 2026 Made-up Crosswalk,,,,,,,,,\n,,,,,,,,,\n"


def test_packages_as_published() -> None:
    """The code's column is named after the year; hyphens go, short parts are filled up with noughts."""
    text = NDC_HEAD + (
        "_2026_CODE,Short Description,LABELER NAME,NDC2,Drug Name,HCPCS dosage,PKG SIZE,PKG QTY,BILLUNITS,BILLUNITSPKG\n"
        "Z9001,Madeupin,None Such,99999-0001-01,Madeupin XR,1 MG,0.5,10,4,40\n"
        "Z9001,Madeupin,None Such,9999-02-3,Madeupin,1 MG,,,,\n"
        "Z9002,Madeupin,None Such,99999000101,Madeupin XR,10 MG,1,1,1,1\n"
    )
    assert rows_of(TableKind.NDC, file("ndc.csv", text)) == [
        PackageRow(
            "Z9001",
            "99999000101",
            "Madeupin XR",
            "None Such",
            "1 MG",
            Decimal("0.5"),
            Decimal(10),
            Decimal(4),
            Decimal(40),
        ),
        PackageRow("Z9001", "09999000203", "Madeupin", "None Such", "1 MG", None, None, None, None),
        PackageRow(
            "Z9002", "99999000101", "Madeupin XR", "None Such", "10 MG", Decimal(1), Decimal(1), Decimal(1), Decimal(1)
        ),
    ]
    assert heading(TableKind.NDC, file("ndc.csv", text)).release == "2026Q4"


def test_faults_of_packages() -> None:
    """No NDC; the same one twice under a code."""
    text = NDC_HEAD + (
        "HCPCS Level II Code defer to DCDRG,Labeler Name,NDC,HCPCS Dosage,PKG SIZE,PKG QTY,BILLUNITS,BILLUNITSPKG\n"
        "Z9001,x,99999-0001-01,1 MG,1,1,1,1\nZ9001,x,99999-0001-01,1 MG,1,1,1,1\nZ9001,x,999990001012,1 MG,1,1,1,1\n"
    )
    assert problems_of(TableKind.NDC, file("ndc.csv", text)) == [
        (5, "Z9001 99999000101 is there already (line 4)"),
        (6, "ndc is not an NDC of eleven digits or of three parts: '999990001012'"),
    ]


def test_reasons_with_their_days_in_columns() -> None:
    """The list as a table, American dates; texts over lines become one line."""
    text = 'Code,Description,Start Date,Last Modified,Stop Date\n999,"Made\nup",01/01/1995,,\nZ1,Made up,01/01/1995,,10/16/2003\n'
    assert rows_of(TableKind.CARC, file("carc-2026-03-01.csv", text)) == [
        ReasonRow("999", "Made up", date(1995, 1, 1), None),
        ReasonRow("Z1", "Made up", date(1995, 1, 1), date(2003, 10, 16)),
    ]
    found = heading(TableKind.CARC, file("carc-2026-03-01.csv", text))
    assert (found.release, found.start, found.end) == ("2026-03-01", date(2026, 3, 1), None)


def test_reasons_with_their_days_behind_the_text() -> None:
    """As they are copied from the page, with tabs between."""
    text = (
        "Code\tDescription\n"
        "N999\tMade up. Start: 01/01/1997 | Last Modified: 02/28/2003\n"
        "MA99\tMade up\t\nM9\tMade up: Start: 01/01/1997 | Stop: 01/31/2004 | Notes: made up\n"
    )
    assert problems_of(TableKind.RARC, file("rarc 20260301.txt", text)) == [(3, "start is missing")]
    assert rows_of(TableKind.RARC, file("rarc 20260301.txt", text.replace("MA99\tMade up\t\n", ""))) == [
        ReasonRow("N999", "Made up.", date(1997, 1, 1), None),
        ReasonRow("M9", "Made up:", date(1997, 1, 1), date(2004, 1, 31)),
    ]


def test_faults_of_reasons() -> None:
    """A remark is no adjustment reason; the days the wrong way round; overlapping days."""
    text = (
        "Code,Description,Start,Stop\nN999,Made up,01/01/1995,\n9,Made up,01/02/1995,01/01/1995\n"
        "8,Made up,01/01/1995,\n8,Made up,01/01/2000,\n7,,01/01/1995,\n"
    )
    assert problems_of(TableKind.CARC, file("carc-2026-03-01.csv", text)) == [
        (2, "code is not a claim adjustment reason code: 'N999'"),
        (3, "the last day 1995-01-01 is before the first 1995-01-02"),
        (5, "8 has another row for some of these days (line 4)"),
        (6, "text is missing"),
    ]
    assert problems_of(TableKind.RARC, file("rarc-2026-03-01.csv", text)) == [
        (3, "code is not a remittance advice remark code: '9'"),
        (3, "the last day 1995-01-01 is before the first 1995-01-02"),
        (4, "code is not a remittance advice remark code: '8'"),
        (5, "code is not a remittance advice remark code: '8'"),
        (6, "code is not a remittance advice remark code: '7'"),
        (6, "text is missing"),
    ]
