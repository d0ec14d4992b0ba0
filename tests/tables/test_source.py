"""Lines, dates, headers: what all readers stand on."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import date
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.tables import TableKind
from adapters.tables import MAX_LINE, Reading, SourceFile, bounded, read_table
from adapters.tables.days import day, quarter, quarter_of
from adapters.tables.headings import named, released
from adapters.tables.source import decoded
from tests.tables.told import file, problems_of, reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260131", date(2026, 1, 31)),
        ("2026-01-31", date(2026, 1, 31)),
        ("2026-1-3", date(2026, 1, 3)),
        ("2026-01-31 00:00:00", date(2026, 1, 31)),
        ("2026-01-31T00:00:00.000", date(2026, 1, 31)),
        ("1/31/2026", date(2026, 1, 31)),
        ("01-31-2026", date(2026, 1, 31)),
        ("1/31/2026 12:00:00 AM", date(2026, 1, 31)),
        ("2026001", date(2026, 1, 1)),
        ("2024366", date(2024, 12, 31)),
        ("2026366", None),
        ("2026000", None),
        ("20260230", None),
        ("13/01/2026", None),
        ("1/31/26", None),
        ("2026-01-31 10:00:00", None),
        ("99991231", date(9999, 12, 31)),
        ("9999999", None),
        ("", None),
        ("*", None),
    ],
)
def test_dates_as_they_are_written(text: str, expected: date | None) -> None:
    """Compact, ISO, American, year and day of the year; nothing is guessed."""
    assert day(text) == expected


@given(st.dates(date(1000, 1, 1)))
def test_a_date_is_read_in_every_form(of: date) -> None:
    """All forms of one day are that day."""
    forms = (f"{of:%Y%m%d}", of.isoformat(), f"{of.month}/{of.day}/{of.year}", f"{of:%Y%j}")
    assert {day(form) for form in forms} == {of}


def test_quarters() -> None:
    """Each from its first day to the day before the next."""
    assert quarter(2026, 1) == (date(2026, 1, 1), date(2026, 3, 31))
    assert quarter(2026, 4) == (date(2026, 10, 1), date(2026, 12, 31))
    assert [quarter_of(date(2026, month, 15))[0].month for month in range(1, 13)] == [
        1,
        1,
        1,
        4,
        4,
        4,
        7,
        7,
        7,
        10,
        10,
        10,
    ]


@pytest.mark.parametrize(
    ("kind", "name", "scope", "release"),
    [
        (TableKind.NCCI, "medicare-ncci-2026q4-practitioner-ptp-edits-ccipra-v323r0-f1.txt", "practitioner", "v323r0"),
        (TableKind.NCCI, "ccioph-v321-f2.csv", "hospital", "v321r0"),
        (TableKind.NCCI, "folder/practitioner 2026Q3.txt", "practitioner", "2026Q3"),
        (TableKind.MUE, "MCR_MUE_OutpatientHospitalServices_Eff_01-01-2026.csv", "hospital", "2026-01-01"),
        (TableKind.AOC, "AOC_V2026Q2-F-MCR.txt", "", "2026Q2"),
        (TableKind.ASP, "October 2026 Medicare Part B Payment Limit File 091826.csv", "", "2026Q4"),
        (TableKind.NDC, "july-2026-asp-ndc-hcpcs-crosswalk-06-15-2026.csv", "", "2026Q3"),
        (TableKind.CDM, "cdm_20260101.csv", "", "2026-01-01"),
        (TableKind.CDM, "cdm-2026-13-01.csv", "", ""),
        (TableKind.FEES, "fees.csv", "", ""),
    ],
)
def test_what_names_say(kind: TableKind, name: str, scope: str, release: str) -> None:
    """Scope and release, or nothing."""
    found = named(kind, name)
    assert (found.scope, found.release) == (scope, release)
    assert (found.start is None) is (not release)


def test_the_days_of_a_release_by_its_name() -> None:
    """What names no day says none."""
    assert released("2026Q4").start == date(2026, 10, 1)
    assert released("v320r1").start == date(2026, 1, 1)
    assert (released("2026-05-01").start, released("2026-05-01").end) == (date(2026, 5, 1), None)
    assert (released("2026").start, released("2026").end) == (date(2026, 1, 1), date(2026, 12, 31))
    assert (released("spring").release, released("spring").start) == ("spring", None)


def test_text_of_any_bytes() -> None:
    """Nothing raises: bytes that neither UTF-8 nor Windows-1252 knows are Latin-1."""
    assert [decoded(raw) for raw in (b"a\xc3\xa9", b"a\xe9\x97", b"a\x81")] == ["aé", "aé—", "a\x81"]


def test_a_line_without_end_is_never_held() -> None:
    """Of ten million characters a tenth is held at most; the lines around it are read."""
    body = b"code,amount,from\nY0001,1,2026-01-01\n" + b"Y" * 10_000_000 + b"\nY0002,1,2026-01-01\n"
    opened = BytesIO(body)
    tracemalloc.start()
    found = read_table(TableKind.FEES, [SourceFile("f.csv", bounded(opened.readline))], start=date(2026, 1, 1))
    assert isinstance(found, Reading)
    codes = [row.code for row in found if hasattr(row, "code")]
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codes == ["Y0001", "Y0002"]
    assert [(problem.line, problem.message) for problem in found.problems] == [
        (3, f"the line is longer than {MAX_LINE} bytes")
    ]
    assert highest < 6_000_000


@given(st.binary(max_size=400), st.sampled_from(list(TableKind)))
def test_no_bytes_raise(body: bytes, kind: TableKind) -> None:
    """Whatever the file is, it gives rows and problems, or problems."""
    found = read_table(kind, [file("x-2026Q4-practitioner.csv", body)], start=date(2026, 1, 1))
    if isinstance(found, Reading):
        list(found)
        assert found.problems
    else:
        assert found


_SAMPLES: dict[TableKind, bytes] = {
    TableKind.NCCI: b"notice\nColumn 1\tColumn 2\t*\tEffective\tDeletion\tModifier\tRationale\n"
    b'Y0001\tY0002\t\t20200101\t20201231\t1\tx\nY0001\tY0003\t\t20200101\t*\t1\t"x"\n',
    TableKind.MUE: b'"no\ntice"\n"HCPCS/\nCPT Code",x MUE Values,MUE Adjudication Indicator\nY0001,2,1 Line\n',
    TableKind.AOC: b"1Z0001       Y0001       2013091       x\n1Z0001       Y0002       20130912024366x\n",
    TableKind.PFS: b",,STATUS,PCTC,WORK\nHCPCS,MOD,CODE,IND,RVU\nY0001,,A,1,1.20\nY0001,26,A,1,.5\n",
    TableKind.ASP: b"x\nHCPCS Code,HCPCS Code Dosage,Payment Limit\nZ9001,1 MG,1.5\n",
    TableKind.NDC: b"_2026_CODE,NDC2,HCPCS dosage,PKG SIZE,PKG QTY,BILLUNITS,BILLUNITSPKG\nZ9001,9999-1-1,1 MG,1,1,1,1\n",
    TableKind.HCPCS: b"Z9001001003" + b"x".ljust(257) + b"20190101" + b" " * 44 + b"\nZ9001002004y\n",
    TableKind.ICD10: b"00001 ZZ0     0 " + b"x".ljust(60) + b" x\n00002 ZZ01    1 " + b"x".ljust(60) + b" x\n",
    TableKind.COVERAGE: b"policy,code,icd10,covered,group,from,to\nA1,Y0001,ZZ0.1,yes,1,2026-01-01,\n",
    TableKind.CARC: b'Code,Description,Start,Stop\n9,"x\ny",1/1/1995,\nZ1,x Start: 01/01/1995 | Stop: 1/1/2000,,\n',
    TableKind.RARC: b"Code\tDescription\nN9\tx Start: 01/01/1995 | Stop: 01/01/2000\n",
    TableKind.CDM: b"local,code,modifiers,price,from,to\n1,Y0001,26 TC,5,2026-01-01,2026-12-31\n",
    TableKind.FEES: b"code,amount,from\nY0001,1.50,2026-01-01\n",
    TableKind.ENROLMENT: b"npi,payer,status,from\n1234567893,a,active,1/1/2026\n",
    TableKind.OPENING: b"system,mrn,service,code,units,date\na,b,c,Y0001,1,2026-01-01\n",
    TableKind.LIVE: b"service,payer,entity,shadow from,live_from\ndelivery,,a,2026-01-01,2/1/2026\n,b,,2026-01-01,\n",
    TableKind.FACILITIES: b"id,name,setting,zone,aliases\nw,W,hospital,UTC,a|b\n",
}
_CHANGE = st.tuples(
    st.floats(0, 1), st.integers(0, 12), st.binary(max_size=6) | st.sampled_from([b'"', b"\t", b",", b"9", b"\n"])
)


@pytest.mark.parametrize("kind", TableKind)
@given(st.lists(_CHANGE, max_size=4))
def test_no_damage_raises(kind: TableKind, changes: list[tuple[float, int, bytes]]) -> None:
    """A good file in which bytes were cut out and put in gives rows, and names what is wrong; whole, nothing is."""
    body = _SAMPLES[kind]
    for at, length, put in changes:
        place = int(at * len(body))
        body = body[:place] + put + body[place + length :]
    found = read_table(kind, [file("x-2026Q4-practitioner.csv", body)], start=date(2026, 1, 1))
    if isinstance(found, Reading):
        rows = list(found)
        assert rows or found.problems
        assert body != _SAMPLES[kind] or (rows and not found.problems)
    else:
        assert found
        assert body != _SAMPLES[kind]


@pytest.mark.parametrize("kind", TableKind)
def test_lines_may_come_without_their_ends(kind: TableKind) -> None:
    """However the caller cuts them, the rows are the same; words over two lines stay apart."""
    name, start, body = "x-2026Q4-practitioner.csv", date(2026, 1, 1), _SAMPLES[kind]
    whole = list(reading(kind, file(name, body), start=start))
    assert whole
    for ending in (b"\n", b"\r\n"):
        lines = body.replace(b"\n", ending).split(b"\n")
        assert list(reading(kind, SourceFile(name, lines), start=start)) == whole


def test_a_dos_end_of_file_and_blank_lines_are_passed_over() -> None:
    """As old files end."""
    text = "code,amount,from\r\nY0001,1,2026-01-01\r\n\r\n,,\r\n\x1a"
    assert problems_of(TableKind.FEES, file("f.csv", text), start=date(2026, 1, 1)) == []


def test_rows_are_given_while_the_file_is_read() -> None:
    """No more lines are taken than the first look and the rows asked for need."""
    taken = 0

    def lines() -> Iterator[bytes]:
        nonlocal taken
        yield b"Column 1\tColumn 2\t*\tEffective\tDeletion\tModifier\tRationale\n"
        for at in range(10_000):
            taken += 1
            yield b"Y0001\tZ%04d\t\t20200101\t*\t1\tx\n" % at

    found = reading(TableKind.NCCI, SourceFile("ccipra-v323r0.txt", lines()))
    for _, _ in zip(found, range(10), strict=False):
        pass
    assert taken < 500


def test_memory_does_not_grow_with_the_rows() -> None:
    """What is remembered of pairs to find overlaps is a few bytes a row."""

    def lines(rows: int) -> Iterator[bytes]:
        yield b"Column 1\tColumn 2\t*\tEffective\tDeletion\tModifier\tRationale\n"
        for at in range(rows):
            yield b"Y%04d\tZ%04d\t\t20200101\t*\t1\tx\n" % divmod(at, 500)

    def highest(rows: int) -> int:
        found = reading(TableKind.NCCI, SourceFile("ccipra-v323r0.txt", lines(rows)))
        tracemalloc.start()
        assert sum(1 for _ in found) == rows
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert highest(12_000) - highest(3_000) < 12 * 9_000
