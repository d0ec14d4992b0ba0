"""Pairs, units and add-on codes in the layouts CMS publishes them in, with made-up codes."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.model.tables import AddOnRow, LimitRow, PairRow, TableKind
from adapters.tables import MAX_PROBLEMS
from tests.tables.told import file, heading, problems_of, reading, refusal, rows_of

PRACTITIONER = "ccipra-v323r0-f1.txt"
PREAMBLE = (
    '"A notice that owns, claims, and forbids,\r\nover two lines."\t\t\t\t\t\t\r\n'
    "\t\t\t\t\t\t\r\n"
    "Column 1/Column 2 Edits\t\t\t\t\t\t\r\n"
    "Column 1\tColumn 2\t*=in existence\tEffective\tDeletion\tModifier\tPTP Edit Rationale\r\n"
    "\t\tprior to 1996\tDate\tDate\t0=not allowed\t\r\n"
    "\t\t\t\t*=no data\t1=allowed\t\r\n"
    "\t\t\t\t\t9=not applicable\t\r\n"
)
LONG_AGO = date(1996, 1, 1)


def pairs(*rows: str, end: str = "\r\n") -> str:
    """A file of pairs: each row `column1 column2 first last indicator`, written with blanks for tabs."""
    lines = [row.split(" ", 4) for row in rows]
    body = [f"{c1}\t{c2}\t\t{start}\t{last}\t{indicator}\tMade up" for c1, c2, start, last, indicator in lines]
    return PREAMBLE.replace("\r\n", end) + "".join(line + end for line in body)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_pairs_as_published(end: str) -> None:
    """A notice over two lines, a header over four; `*` is open; a pair may come again with other days."""
    text = pairs("Y0001 Y0002 19960101 20200331 1", "Y0001 Y0002 20200401 * 0", "Y0001 Z000T 20200101 * 9", end=end)
    assert rows_of(TableKind.NCCI, file(PRACTITIONER, text)) == [
        PairRow("Y0001", "Y0002", LONG_AGO, date(2020, 3, 31), "1", "Made up"),
        PairRow("Y0001", "Y0002", date(2020, 4, 1), None, "0", "Made up"),
        PairRow("Y0001", "Z000T", date(2020, 1, 1), None, "9", "Made up"),
    ]


def test_the_name_says_table_and_quarter() -> None:
    """`ccipra` is the practitioners' table, `ccioph` the hospitals'; v323 is the fourth quarter of 2026."""
    row = pairs("Y0001 Y0002 19960101 * 1")
    found = heading(TableKind.NCCI, file(PRACTITIONER, row))
    assert (found.scope, found.release, found.start, found.end) == (
        "practitioner",
        "v323r0",
        date(2026, 10, 1),
        date(2026, 12, 31),
    )
    found = heading(TableKind.NCCI, file("ccioph-v313r0-f1.TXT", row))
    assert (found.scope, found.release, found.start) == ("hospital", "v313r0", date(2025, 10, 1))


def test_the_parts_of_a_table_are_one_edition_in_the_order_of_their_names() -> None:
    """f2 given first is read second; a pair of both is found out, and which file it is in."""
    one = file("ccipra-v323r0-f1.txt", pairs("Y0001 Y0002 19960101 * 1", "Y0002 Y0001 19960101 * 1"))
    two = file("ccipra-v323r0-f2.txt", pairs("Y0002 Y0003 19960101 * 1", "Y0003 Y0001 19960101 * 1"))
    found = reading(TableKind.NCCI, two, one)
    assert [(row.column1, row.column2) for row in found if isinstance(row, PairRow)] == [
        ("Y0001", "Y0002"),
        ("Y0002", "Y0001"),
        ("Y0002", "Y0003"),
        ("Y0003", "Y0001"),
    ]
    assert found.problems == []
    one = file("ccipra-v323r0-f1.txt", pairs("Y0001 Y0002 19960101 * 1"))
    two = file("ccipra-v323r0-f2.txt", pairs("Y0005 Y0003 19960101 * 1", "Y0001 Y0002 19960101 * 1"))
    found = reading(TableKind.NCCI, one, two)
    assert len(list(found)) == 2
    assert [str(problem) for problem in found.problems] == [
        "ccipra-v323r0-f2.txt:10: Y0001 Y0002 is there already (from 1996-01-01)"
    ]


def test_a_missing_part_is_refused() -> None:
    """Without it edits would be missing that exist."""
    text = pairs("Y0001 Y0002 19960101 * 1")
    files = [file(f"ccipra-v323r0-f{part}.txt", text) for part in (1, 2, 4)]
    assert refusal(TableKind.NCCI, *files) == ["part f3 is missing"]
    assert refusal(TableKind.NCCI, file("ccipra-v323r0-f2.txt", text)) == ["part f1 is missing"]


def test_files_of_two_tables_or_releases_are_refused() -> None:
    """They are not parts of one table; a table that no name tells must be said."""
    text = pairs("Y0001 Y0002 19960101 * 1")
    assert refusal(TableKind.NCCI, file(PRACTITIONER, text), file("ccioph-v322r0-f2.txt", text)) == [
        "the files are of several tables: hospital, practitioner",
        "the files are of several releases: v322r0, v323r0",
    ]
    assert refusal(TableKind.NCCI, file(PRACTITIONER, text), file(PRACTITIONER, text)) == ["the file is given twice"]
    assert refusal(TableKind.NCCI, file("edits.txt", text)) == [
        "which table is it? Give the scope: practitioner, hospital",
        "neither the name nor the text says the release: give it, or its first day",
    ]


def test_what_is_given_stands_before_the_name() -> None:
    """Scope, release and first day; a release that names a quarter gives the days."""
    text = pairs("Y0001 Y0002 19960101 * 1")
    found = reading(TableKind.NCCI, file("edits.txt", text), scope="hospital", release="v320r1").heading
    assert (found.scope, found.release, found.start, found.end) == (
        "hospital",
        "v320r1",
        date(2026, 1, 1),
        date(2026, 3, 31),
    )
    found = reading(TableKind.NCCI, file(PRACTITIONER, text), start=date(2026, 11, 2)).heading
    assert (found.release, found.start, found.end) == ("2026-11-02", date(2026, 11, 2), None)


def test_columns_are_found_by_name() -> None:
    """In another order, with other columns between, as CSV with quotes."""
    text = (
        "PTP Edit Rationale,Column 2,Column 1,Effective Date,Something New,Deletion Date,Modifier Indicator\n"
        '"Made, up",Y0002,Y0001,20200101,?,*,1\n'
        '"Made ""up""",Y0003,Y0001,2020-01-01,?,12/31/2020,0\n'
    )
    assert rows_of(TableKind.NCCI, file("ccipra-v323r0.csv", text)) == [
        PairRow("Y0001", "Y0002", date(2020, 1, 1), None, "1", "Made, up"),
        PairRow("Y0001", "Y0003", date(2020, 1, 1), date(2020, 12, 31), "0", 'Made "up"'),
    ]


def test_every_fault_of_a_row_is_named_with_its_line() -> None:
    """All of them, not the first; good rows around them are still given."""
    text = pairs(
        "Y0001 Y0002 19960101 * 1",
        "Y0001 NOCODE 20201301 soon 5",
        "Y0001 Y0003 20200401 20200331 1",
        "Y0001 Y0001 20200401 * 1",
        "Y0001 Y0004 20200401 * 1",
    )
    found = reading(TableKind.NCCI, file(PRACTITIONER, text))
    assert [row.column2 for row in found if isinstance(row, PairRow)] == ["Y0002", "Y0004"]
    assert [(problem.line, problem.message) for problem in found.problems] == [
        (10, "column2 is not a procedure or supply code: 'NOCODE'"),
        (10, "start is no date: '20201301'"),
        (10, "end is no date: 'soon'"),
        (10, "indicator is unknown: '5'"),
        (11, "it begins on 2020-04-01, after its last day: '20200331'"),
        (12, "a pair is of two different codes: 'Y0001'"),
    ]


def test_a_fault_is_found_again_where_its_cells_were_seen_before() -> None:
    """What is remembered of cells says nothing of how they go together."""
    text = pairs(
        "Y0001 Y0002 20200401 20200630 1",
        "Y0002 Y0001 20200701 * 1",
        "Y0002 Y0002 20200401 * 1",
        "Y0003 Y0002 20200701 20200630 1",
        "Y0003 Y0001 20200701 20200630 x",
    )
    assert problems_of(TableKind.NCCI, file(PRACTITIONER, text)) == [
        (11, "a pair is of two different codes: 'Y0002'"),
        (12, "it begins on 2020-07-01, after its last day: '20200630'"),
        (13, "it begins on 2020-07-01, after its last day: '20200630'"),
        (13, "indicator is unknown: 'x'"),
    ]


def test_pairs_that_overlap_are_named() -> None:
    """Twice the same, and for some days; also when the rows of a column 1 code do not stand together."""
    text = pairs(
        "Y0001 Y0002 20200101 20201231 1",
        "Y0001 Y0002 20200101 20201231 0",
        "Y0001 Y0002 20201231 * 1",
        "Y0002 Y0001 20200101 * 1",
        "Y0001 Y0002 20210101 * 1",
        "Y0001 Y0003 20210101 * 1",
        "Y0002 Y0001 20190101 20200101 1",
        "Y0001 Y0003 20220101 * 1",
        "Y0001 Y0002 20200601 20200701 1",
    )
    assert problems_of(TableKind.NCCI, file(PRACTITIONER, text)) == [
        (10, "Y0001 Y0002 is there already (from 2020-01-01)"),
        (11, "Y0001 Y0002 has another row for some of these days (from 2020-01-01)"),
        (15, "Y0002 Y0001 has another row for some of these days (from 2020-01-01)"),
        (16, "Y0001 Y0003 has another row for some of these days (from 2021-01-01)"),
        (17, "Y0001 Y0002 has another row for some of these days (from 2020-01-01)"),
    ]


def test_an_edit_taken_back_as_of_its_first_day_was_never_in_force() -> None:
    """It is counted, not given; and does not stand in the way of the row that replaced it."""
    text = pairs("Y0001 Y0002 20200101 20200101 1", "Y0001 Y0002 20200101 * 0")
    found = reading(TableKind.NCCI, file(PRACTITIONER, text))
    assert list(found) == [PairRow("Y0001", "Y0002", date(2020, 1, 1), None, "0", "Made up")]
    assert (found.problems, found.withdrawn) == ([], 1)
    known = pairs("Y0001 Y0002 20200101 20201231 1", "Y0003 Y0001 20201231 * 1", "Y0003 Y0002 20201231 20201231 1")
    found = reading(TableKind.NCCI, file(PRACTITIONER, known))
    assert [row.end for row in found if isinstance(row, PairRow)] == [date(2020, 12, 31), None]
    assert (found.problems, found.withdrawn) == ([], 1)


def test_days_are_read_the_same_the_second_time() -> None:
    """What a cell was found to say is remembered."""
    text = pairs(
        "Y0001 Y0002 20200101 20201231 1",
        "Y0003 Y0001 20200101 * 1",
        "Y0003 Y0002 20200101 20201231 1",
        "Y0001 Y0003 20200101 * 1",
    )
    ends = [row.end for row in rows_of(TableKind.NCCI, file(PRACTITIONER, text)) if isinstance(row, PairRow)]
    assert ends == [date(2020, 12, 31), None] * 2


def test_a_file_cut_off_in_a_row_is_found_out() -> None:
    """Its last row has too few cells."""
    whole = pairs("Y0001 Y0002 19960101 * 1", "Y0001 Y0003 19960101 * 1")
    cut = whole[: whole.rindex("19960101") + 4]
    assert problems_of(TableKind.NCCI, file(PRACTITIONER, cut)) == [(10, "4 cells where the header has 7")]


def test_bytes_that_are_not_text() -> None:
    """Windows-1252 is read, UTF-8 too; a line with NUL bytes and a line without end are named and passed over."""
    body = pairs("Y0001 Y0002 19960101 * 1").encode()
    latin = body + b"Y0001\tY0003\t\t19960101\t*\t1\tMade\x97up \xe9\r\n"
    rows = rows_of(TableKind.NCCI, file(PRACTITIONER, latin))
    assert [row.rationale for row in rows if isinstance(row, PairRow)] == ["Made up", "Made—up é"]
    wide = body + "Y0001\tY0003\t\t19960101\t*\t1\tMade—up é\r\n".encode()
    assert rows_of(TableKind.NCCI, file(PRACTITIONER, b"\xef\xbb\xbf" + wide)) == rows
    bad = (
        body
        + b"Y0001\tY00\x0003\t\t19960101\t*\t1\t\r\n"
        + b"Y" * 10_000_000
        + b"\r\nY0001\tY0004\t\t19960101\t*\t1\t\r\n"
    )
    found = reading(TableKind.NCCI, file(PRACTITIONER, bad))
    assert [row.column2 for row in found if isinstance(row, PairRow)] == ["Y0002", "Y0004"]
    assert [(problem.line, problem.message) for problem in found.problems] == [
        (10, "the line has NUL bytes"),
        (11, "the line is longer than 1048576 bytes"),
    ]


def test_problems_beyond_the_cap_are_counted() -> None:
    """A wrong file does not fill the memory with words."""
    text = pairs(*["Y0001 Y0002 19960101 * 7"] * (MAX_PROBLEMS + 5))
    found = reading(TableKind.NCCI, file(PRACTITIONER, text))
    assert list(found) == []
    assert (len(found.problems), found.more) == (MAX_PROBLEMS, 5)


def test_a_table_without_rows_is_a_problem() -> None:
    """A header alone says nothing, and would take every edit out of force."""
    assert problems_of(TableKind.NCCI, file(PRACTITIONER, pairs())) == [(0, "there are no rows")]


def test_what_is_no_table_is_refused() -> None:
    """An empty file, a workbook, UTF-16, a text without the header."""
    assert refusal(TableKind.NCCI, file(PRACTITIONER, b"")) == ["the file is empty"]
    assert "workbook" in refusal(TableKind.NCCI, file("ccipra-v323r0-f1.xlsx", b"PK\x03\x04rest"))[0]
    assert "UTF-16" in refusal(TableKind.NCCI, file(PRACTITIONER, pairs().encode("utf-16")))[0]
    assert refusal(TableKind.NCCI, file(PRACTITIONER, "one\ttwo\n1\t2\n")) == [
        "no header with the columns of ncci is there: column1, column2, start, end, indicator"
    ]
    assert refusal(TableKind.NCCI) == ["no file"]


def test_rows_in_no_order_are_refused_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else finding pairs that overlap would take for ever."""
    monkeypatch.setattr("adapters.tables.ncci._REOPENED", 3)
    rows = [f"Y000{1 + at % 2} Z{at:04d} 19960101 * 1" for at in range(12)]
    assert problems_of(TableKind.NCCI, file(PRACTITIONER, pairs(*rows))) == [
        (14, "the rows of one column 1 code do not stand together: sort the file")
    ]


MUE = "MCR_MUE_PractitionerServices_Eff_01-01-2026.csv"
MUE_HEAD = (
    '"A notice\r\nover\r\nthree lines.",,,\r\n,,,\r\n'
    '"HCPCS/\r\nCPT Code",Practitioner Services MUE Values,MUE Adjudication Indicator,MUE Rationale\r\n'
)


def test_units_as_published() -> None:
    """The notice and the header's first cell run over lines; of the indicator's text the digit counts."""
    text = MUE_HEAD + (
        "Y0001,2,2 Date of Service Edit: Policy,Made up\r\n"
        "Y0002,0,1 Line Edit,\r\n"
        '"Y000T","1,200",3 Date of Service Edit: Clinical,Made up\r\n'
    )
    assert rows_of(TableKind.MUE, file(MUE, text)) == [
        LimitRow("Y0001", 2, "2", "Made up"),
        LimitRow("Y0002", 0, "1", ""),
        LimitRow("Y000T", 1200, "3", "Made up"),
    ]
    found = heading(TableKind.MUE, file(MUE, text))
    assert (found.scope, found.release, found.start, found.end) == (
        "practitioner",
        "2026-01-01",
        date(2026, 1, 1),
        date(2026, 3, 31),
    )


@pytest.mark.parametrize(
    ("name", "column", "scope"),
    [
        (
            "MCR_MUE_OutpatientHospitalServices_Eff_10-01-2026.csv",
            "Outpatient Hospital Services MUE Values",
            "hospital",
        ),
        ("MCR_MUE_DMESupplierServices_Eff_10-01-2026.csv", "DME Supplier Services MUE Values", "dme"),
    ],
)
def test_units_of_each_setting(name: str, column: str, scope: str) -> None:
    """The column of the values is called after the setting."""
    text = MUE_HEAD.replace("Practitioner Services MUE Values", column) + "Y0001,2,1 Line Edit,x\r\n"
    assert rows_of(TableKind.MUE, file(name, text)) == [LimitRow("Y0001", 2, "1", "x")]
    assert heading(TableKind.MUE, file(name, text)).scope == scope


def test_a_header_that_goes_on_below() -> None:
    """Rows without a code between the header and the first code belong to the header; later ones are a problem."""
    text = MUE_HEAD + ",in units,1 to 3,\r\nY0001,2,1 Line Edit,x\r\n,in units,1 to 3,\r\n"
    assert problems_of(TableKind.MUE, file(MUE, text)) == [
        (9, "code is missing"),
        (9, "units is not a whole number of zero or more: 'in units'"),
    ]
    assert rows_of(TableKind.MUE, file(MUE, text.rsplit(",in units", 1)[0])) == [LimitRow("Y0001", 2, "1", "x")]


def test_faults_of_units() -> None:
    """Negative, no number, unknown indicator, no code, twice; the line is the one the row begins at."""
    text = MUE_HEAD + (
        "Y0001,2,2 Date,x\r\nY0002,-1,1 Line,x\r\nY0003,many,7 Other,x\r\nnone,1,1 Line,x\r\nY0001,3,2 Date,x\r\nY0005,1\r\n"
    )
    assert problems_of(TableKind.MUE, file(MUE, text)) == [
        (8, "units is not a whole number of zero or more: '-1'"),
        (9, "mai is unknown: '7'"),
        (9, "units is not a whole number of zero or more: 'many'"),
        (10, "code is not a procedure or supply code: 'NONE'"),
        (11, "Y0001 is there already (line 7)"),
        (12, "2 cells where the header has 4"),
    ]


def test_a_quote_that_never_ends_is_found_out() -> None:
    """The file was cut off inside a cell."""
    text = MUE_HEAD + 'Y0001,2,2 Date,x\r\nY0002,2,2 Date,"made\r\n'
    assert problems_of(TableKind.MUE, file(MUE, text)) == [(8, "not CSV: unexpected end of data")]


AOC = "AOC_V2025Q4_01-MCR.txt"


def add_on(kind: str, addon: str, primary: str, start: str, *, ended: str = "", gone: str = "", old: str = "") -> str:
    """A line of the add-on text file."""
    return f"{kind}{addon}{gone:7}{primary}{old:7}{start:7}{ended:7}{'Made up':58}\r\n"


def test_add_ons_as_fixed_columns() -> None:
    """Type, code and days as year and day of the year; a code taken out ends its rows; `CCCCC` is the contractor's say."""
    text = "".join(
        [
            add_on("1", "Z0001", "Y0001", "2013091"),
            add_on("1", "Z0001", "Y0002", "2013091", ended="2024366"),
            add_on("3", "Z0002", "CCCCC", "2013001", gone="2020366", ended="2021365"),
            add_on("1", "Z0003", "Y0001", "2026001", old="2025365"),
        ]
    )
    found = reading(TableKind.AOC, file(AOC, text))
    assert list(found) == [
        AddOnRow("Z0001", "Y0001", "1", date(2013, 4, 1), None),
        AddOnRow("Z0001", "Y0002", "1", date(2013, 4, 1), date(2024, 12, 31)),
        AddOnRow("Z0002", "", "3", date(2013, 1, 1), date(2020, 12, 31)),
    ]
    assert (found.problems, found.withdrawn) == ([], 1)
    assert (found.heading.release, found.heading.start) == ("2025Q4", date(2025, 10, 1))


def test_add_ons_as_the_workbooks_columns() -> None:
    """The same as CSV, header below a notice."""
    text = (
        "A notice,,,,,,,\n"
        "AOC_Edit_Type,Add-On_Code,AOC_DelDT,Primary_Code,Primary_Code_DelDT,AOC_Edit_EffDT,AOC_Edit_DelDT,Special_Instruction_Notes\n"
        "1,Z0001,,Y0001,,2013091,,\n"
        "2,Z0002,,CCCCC,,2013091,2024366,(CCCCC = made up)\n"
    )
    assert rows_of(TableKind.AOC, file("AOC_V2026Q2-MCR.csv", text)) == [
        AddOnRow("Z0001", "Y0001", "1", date(2013, 4, 1), None),
        AddOnRow("Z0002", "", "2", date(2013, 4, 1), date(2024, 12, 31)),
    ]


def test_faults_of_add_ons() -> None:
    """A line cut off, a day that is none, the wrong way round, twice."""
    text = "".join(
        [
            add_on("1", "Z0001", "Y0001", "2013091"),
            add_on("1", "Z0001", "Y0001", "2014001"),
            add_on("1", "Z0002", "Y0001", "2013366"),
            add_on("1", "Z0003", "Y0001", "2013091", ended="2013001"),
            add_on("4", "Z0004", "Y0001", "2013091"),
            "1Z0005       Y00",
        ]
    )
    assert problems_of(TableKind.AOC, file(AOC, text)) == [
        (2, "Z0001 Y0001 has another row for some of these days (line 1)"),
        (3, "start is no date: '2013366'"),
        (4, "the last day 2013-01-01 is before the first 2013-04-01"),
        (5, "the line has not the columns of the add-on text file"),
        (6, "the line has not the columns of the add-on text file"),
    ]
    assert refusal(TableKind.AOC, file(AOC, "something else\n")) == ["neither its columns nor its records are there"]
