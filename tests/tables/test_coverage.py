"""Coverage policies from the article download and from a list, with made-up articles."""

from __future__ import annotations

from datetime import date

from adapters.model.tables import CoverageRow, TableKind
from adapters.tables import SourceFile
from tests.tables.told import file, problems_of, reading, refusal, rows_of

START = date(2026, 10, 1)
ARTICLE = (
    "article_id,article_version,title,article_type,article_eff_date,article_end_date,date_retired,description\r\n"
    '99999,12,"Made up",1,2026-03-01 00:00:00,,,"<p>over\r\nlines</p>"\r\n'
    "99998,3,Made up,1,10/01/2015,12/31/2026,,\r\n"
    "99997,1,Made up,1,2020-01-01 00:00:00,,2026-06-30 00:00:00,\r\n"
)
CODES = (
    "article_id,article_version,hcpc_code_id,hcpc_code_version,hcpc_code_group,range,long_description\r\n"
    "99999,12,Y0001,79,1,,OWNED\r\n99999,12,Y0002,79,1,,OWNED\r\n99999,12,Y0001,79,2,,OWNED\r\n"
    "99998,3,Y0003,79,1,,OWNED\r\n99997,1,Y0004,79,1,,OWNED\r\n99997,1,XX000,79,2,,OWNED\r\n"
)
COVERED = (
    "article_id,article_version,icd10_code_id,icd10_code_version,icd10_covered_group,range,sort_order,description,asterisk\r\n"
    "99999,12,ZZ0.01,16,1,,1,x,N\r\n99999,12,ZZ0.02,16,1,B,2,x,N\r\n99999,12,ZZ0.01,16,2,,1,x,N\r\n"
    "99998,3,XX000,16,1,,1,x,N\r\n"
)
REFUSED = "article_id,article_version,icd10_code_id,icd10_code_version,icd10_noncovered_group,range\r\n99998,3,ZZ0.09,16,1,\r\n"
CONTRACTORS = "contractor_id,contractor_type_id,contractor_version,contractor_number,contractor_bus_name\r\n"
CONTRACTORS += "7,8,1,09999,Nobody\r\n"
OWNERS = "article_id,article_version,contractor_id,contractor_type_id,contractor_version\r\n99998,3,7,8,1\r\n99999,12,8,8,1\r\n"


def download(**files: str) -> list[SourceFile]:
    """The files of the download by their names."""
    every = {
        "article": ARTICLE,
        "article_x_hcpc_code": CODES,
        "article_x_icd10_covered": COVERED,
        "article_x_icd10_noncovered": REFUSED,
    }
    return [file(f"{name}.csv", text) for name, text in {**every, **files}.items() if text]


def row(
    policy: str, code: str, diagnosis: str, start: date, end: date | None = None, *, covered: bool = True
) -> CoverageRow:
    """A row without a group."""
    return CoverageRow(policy, code, diagnosis, covered, "", start, end)


MARCH = date(2026, 3, 1)
EXPECTED = [
    row("A99999", "Y0001", "ZZ001", MARCH),
    row("A99999", "Y0002", "ZZ001", MARCH),
    row("A99999", "Y0001", "ZZ002", MARCH),
    row("A99999", "Y0002", "ZZ002", MARCH),
    row("A99998", "Y0003", "ZZ009", date(2015, 10, 1), date(2026, 12, 31), covered=False),
    row("A99997", "Y0004", "", date(2020, 1, 1), date(2026, 6, 30)),
    row("A99998", "Y0003", "", date(2015, 10, 1), date(2026, 12, 31)),
]


def test_each_diagnosis_goes_with_each_code_of_its_article() -> None:
    """Whatever the order of the files; an article without covered diagnoses takes any; `XX000` is none."""
    assert rows_of(TableKind.COVERAGE, *download(), start=START) == EXPECTED
    assert rows_of(TableKind.COVERAGE, *reversed(download()), start=START) == EXPECTED


def test_of_one_contractor() -> None:
    """By id, number or name, where the download's files of contractors are given."""
    files = {"contractor": CONTRACTORS, "article_x_contractor": OWNERS}
    for scope in ("7", "09999", "nobody"):
        found = reading(TableKind.COVERAGE, *download(**files), start=START, scope=scope)
        assert list(found) == [EXPECTED[4], EXPECTED[6]]
        assert (found.problems, found.heading.scope) == ([], scope)
    assert problems_of(TableKind.COVERAGE, *download(**files), start=START, scope="other") == [(0, "there are no rows")]
    assert rows_of(TableKind.COVERAGE, *download(), start=START, scope="any name") == EXPECTED
    assert rows_of(TableKind.COVERAGE, *download(**files), start=START) == EXPECTED


def test_without_the_articles_file_their_days_are_open() -> None:
    """It is the greatest of the files and can be left out."""
    rows = rows_of(TableKind.COVERAGE, *download(article=""), start=START)
    assert rows[0] == row("A99999", "Y0001", "ZZ001", date.min)


def test_faults_of_the_download() -> None:
    """A file missing, an article that is not there, no code, no diagnosis."""
    assert refusal(TableKind.COVERAGE, *download(article_x_icd10_covered=""), start=START) == [
        "article_x_icd10_covered.csv is needed with the other files of the download"
    ]
    assert refusal(TableKind.COVERAGE, *download(article_x_hcpc_code=""), start=START) == [
        "article_x_hcpc_code.csv is needed with the other files of the download"
    ]
    assert refusal(TableKind.COVERAGE, *download()) == [
        "neither the name nor the text says the release: give it, or its first day"
    ]
    codes = CODES + "99999,12,Y1,79,1,,OWNED\r\n"
    covered = COVERED + "99990,1,ZZ0.01,16,1,,1,x,N\r\n99999,12,Z!,16,1,,1,x,N\r\n"
    assert problems_of(
        TableKind.COVERAGE, *download(article_x_hcpc_code=codes, article_x_icd10_covered=covered), start=START
    ) == [
        (8, "code is not a procedure or supply code: 'Y1'"),
        (6, "the article is not in article.csv"),
        (7, "diagnosis is not an ICD-10-CM code: 'Z!'"),
    ]


def test_a_list_of_ones_own() -> None:
    """A policy, a code and a diagnosis a row: what a payer's policy says, typed."""
    text = (
        "Policy,HCPCS,ICD-10,Covered,Group,From,To\n"
        "P-1,Y0001,ZZ0.01,yes,1,2026-01-01,\n"
        "P-1,Y0001,ZZ0.02,no,1,2026-01-01,2026-12-31\n"
        "P-1,Y0002,,,,,\n"
    )
    assert rows_of(TableKind.COVERAGE, file("policies-2026-01-01.csv", text), scope="payer") == [
        CoverageRow("P-1", "Y0001", "ZZ001", True, "1", date(2026, 1, 1)),
        CoverageRow("P-1", "Y0001", "ZZ002", False, "1", date(2026, 1, 1), date(2026, 12, 31)),
        CoverageRow("P-1", "Y0002", "", True),
    ]
    bad = text + "P-1,Y0001,ZZ001,maybe,1,2026-01-01,\nP-1,Y0001,ZZ001,no,1,2026-05-01,\n"
    assert problems_of(TableKind.COVERAGE, file("policies-2026-01-01.csv", bad)) == [
        (5, "covered is unknown: 'maybe'"),
        (6, "P-1 Y0001 ZZ001 1 has another row for some of these days (line 2)"),
    ]
