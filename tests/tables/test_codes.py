"""HCPCS Level II and ICD-10-CM in their record layouts, with made-up codes."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.model.tables import CodeRow, DiagnosisRow, TableKind
from tests.tables.told import file, heading, problems_of, refusal, rows_of

ANWEB = "HCPC2026_JAN_ANWEB.txt"


def record(code: str, id_: str, long: str, short: str = "", *, added: str = "", ended: str = "", **more: str) -> str:
    """A line of 320 characters."""
    line = [" "] * 320
    for at, text in (
        (0, code if len(code) == 5 else f"   {code}"),
        (5, more.get("sequence", "00100")),
        (10, id_),
        (11, long),
        (91, short),
        (119, more.get("pricing", "")),
        (229, more.get("coverage", "")),
        (268, added),
        (276, added),
        (284, ended),
        (292, "N"),
    ):
        line[at : at + len(text)] = text
    return "".join(line) + "\r\n"


def test_codes_as_records() -> None:
    """Lines of one code go together; modifiers stand in columns 4 and 5; what stands above is passed over."""
    text = (
        "A notice above the records\r\n\r\n"
        + record("Z9001", "3", "Injection, madeupin,", "Inj, madeupin", added="20190101", pricing="51", coverage="C")
        + record("Z9001", "4", "per", sequence="00200")
        + record("Z9001", "4", "1 mg", sequence="00300")
        + record("Z9002", "3", "x" * 80, "Taken out", added="20190101", ended="20241231")
        + record("Z9002", "4", "yz")
        + record("Z9", "7", "A made-up modifier", "Modifier", added="20020101")
        + record("Z9", "8", "that goes on")
    )
    assert rows_of(TableKind.HCPCS, file(ANWEB, text)) == [
        CodeRow("Z9001", False, "Inj, madeupin", "Injection, madeupin, per 1 mg", date(2019, 1, 1), None, "C", "51"),
        CodeRow("Z9002", False, "Taken out", "x" * 80 + "yz", date(2019, 1, 1), date(2024, 12, 31)),
        CodeRow("Z9", True, "Modifier", "A made-up modifier that goes on", date(2002, 1, 1), None),
    ]


def test_codes_as_the_workbooks_columns() -> None:
    """The same as CSV."""
    text = (
        "HCPC,SEQNUM,RECID,LONG DESCRIPTION,SHORT DESCRIPTION,PRICE1,COV,ADD DT,ACT EFF DT,TERM DT\n"
        'Z9001,100,3,"Injection, madeupin,",Short,51,C,20190101,20190101,\n'
        "Z9001,200,4,per 1 mg,,,,,,\n"
        "Z9,100,7,A modifier,Modifier,,,20020101,20020101,20241231\n"
        "TOOLONG,100,3,x,x,,,20020101,,\n"
    )
    assert problems_of(TableKind.HCPCS, file("HCPC2026_JAN.csv", text)) == [
        (5, "neither a code nor a modifier of HCPCS Level II: 'TOOLONG'")
    ]
    assert rows_of(TableKind.HCPCS, file("HCPC2026_JAN.csv", text.rsplit("TOOLONG", 1)[0])) == [
        CodeRow("Z9001", False, "Short", "Injection, madeupin, per 1 mg", date(2019, 1, 1), None, "C", "51"),
        CodeRow("Z9", True, "Modifier", "A modifier", date(2002, 1, 1), date(2024, 12, 31)),
    ]


def test_further_lines_without_their_blanks() -> None:
    """An editor may have cut the blanks off at the end; the words still stand apart."""
    text = record("Z9001", "3", "Injection,", "x", added="20190101") + "Z9001002004per\r\nZ9001003004mg\r\n"
    assert [row.long for row in rows_of(TableKind.HCPCS, file(ANWEB, text)) if isinstance(row, CodeRow)] == [
        "Injection, per mg"
    ]


@pytest.mark.parametrize(
    ("name", "release", "start", "end"),
    [
        (ANWEB, "2026Q1", date(2026, 1, 1), date(2026, 3, 31)),
        ("HCPC2026_OCT_ANWEB_v2.txt", "2026Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("HCPC2020_ANWEB_w_disclaimer.txt", "2020", date(2020, 1, 1), date(2020, 12, 31)),
    ],
)
def test_the_release_of_codes_is_in_the_name(name: str, release: str, start: date, end: date) -> None:
    """A year with or without a quarter."""
    found = heading(TableKind.HCPCS, file(name, record("Z9001", "3", "x", "x", added="20190101")))
    assert (found.release, found.start, found.end) == (release, start, end)


def test_faults_of_codes() -> None:
    """No day added, ended before it was added, twice, a further line without its first, a line cut off."""
    text = (
        record("Z9001", "3", "x", "x", added="20190101")
        + record("Z9002", "3", "x", "x")
        + record("Z9003", "3", "x", "x", added="20190101", ended="20181231")
        + record("Z9001", "3", "x", "x", added="20190101")
        + record("Z9005", "4", "x")
        + "not a record\r\n"
        + record("Z9006", "3", "x", "x", added="20190101")[:200]
    )
    assert sorted(problems_of(TableKind.HCPCS, file(ANWEB, text))) == [
        (2, "Z9002 was added on no date: ''"),
        (3, "Z9003 ends on 2018-12-31, before it was added on 2019-01-01"),
        (4, "Z9001 is there already (line 1)"),
        (5, "Z9005 goes on without its first line"),
        (6, "the line is no record of the HCPCS layout"),
        (7, "the record has 200 characters: it is cut off"),
    ]
    assert refusal(TableKind.HCPCS, file(ANWEB, "nothing\n")) == ["neither its columns nor its records are there"]


def order(number: int, code: str, flag: str, short: str, long: str) -> str:
    """A line of the order file."""
    return f"{number:05} {code:7} {flag} {short:60} {long}\r\n"


def test_diagnoses_in_order() -> None:
    """Headings and billable codes, without dot."""
    text = (
        order(1, "ZZ0", "0", "Made up", "Made up, a heading")
        + order(2, "ZZ0A", "1", "Made up short", "Made up long")
        + order(3, "Z9Z1234", "1", "x" * 60, "y" * 200)
    )
    assert rows_of(TableKind.ICD10, file("icd10cm_order_2026.txt", text)) == [
        DiagnosisRow("ZZ0", False, "Made up", "Made up, a heading"),
        DiagnosisRow("ZZ0A", True, "Made up short", "Made up long"),
        DiagnosisRow("Z9Z1234", True, "x" * 60, "y" * 200),
    ]


def test_diagnoses_as_a_list() -> None:
    """The code file has billable codes only."""
    text = "ZZ0A    Made up\nZZ0B1   Made up, too\n"
    assert rows_of(TableKind.ICD10, file("icd10cm-codes-2026.txt", text)) == [
        DiagnosisRow("ZZ0A", True, "", "Made up"),
        DiagnosisRow("ZZ0B1", True, "", "Made up, too"),
    ]


def test_the_fiscal_year_is_in_the_name() -> None:
    """It begins in October; an update of April begins then."""
    text = order(1, "ZZ0", "1", "x", "x")
    found = heading(TableKind.ICD10, file("icd10cm_order_2026.txt", text))
    assert (found.release, found.start, found.end) == ("2026", date(2025, 10, 1), date(2026, 9, 30))
    found = heading(TableKind.ICD10, file("icd10cm-order-April-2026.txt", text))
    assert (found.release, found.start, found.end) == ("2026-04", date(2026, 4, 1), date(2026, 9, 30))


def test_faults_of_diagnoses() -> None:
    """A line of another form, a code twice, a blank inside."""
    text = (
        order(1, "ZZ0", "0", "x", "x")
        + "00002 ZZ0A\r\n"
        + order(3, "ZZ0", "1", "x", "x")
        + order(4, "ZZ0 1", "1", "x", "x")
        + order(5, "ZZ02", "2", "x", "x")
    )
    assert problems_of(TableKind.ICD10, file("icd10cm_order_2026.txt", text)) == [
        (2, "the line has not the columns of an ICD-10-CM file"),
        (3, "ZZ0 is there already (line 1)"),
        (4, "not an ICD-10-CM code: 'ZZ0 1'"),
        (5, "the line has not the columns of an ICD-10-CM file"),
    ]
