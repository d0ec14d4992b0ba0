"""A site's own tables: header-driven CSV, in the words a site uses."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from adapters.model.live import Live
from adapters.model.tables import EnrolmentRow, FacilityRow, FeeRow, LocalRow, OpeningRow, TableKind
from tests.tables.told import file, heading, problems_of, reading, refusal, rows_of

START = date(2026, 1, 1)


def test_the_charge_master() -> None:
    """Local code to code, modifiers, revenue code and price, by entity and days."""
    text = (
        "Local_Code,HCPCS Code,Modifiers,Rev-Code,PRICE,Billing Entity,Effective From,Effective To,x-note,Description\r\n"
        '770001,Y0001,"26, Z9",333,"$1,200.50",group,2026-01-01,,by hand,Made up\r\n'
        "770001,Y0002,,0333,,,1/1/2026,12/31/2026,,\r\n"
    )
    assert rows_of(TableKind.CDM, file("cdm-2026-01-01.csv", text)) == [
        LocalRow("770001", "Y0001", ("26", "Z9"), "0333", Decimal("1200.50"), "group", START, None),
        LocalRow("770001", "Y0002", (), "0333", None, "", START, date(2026, 12, 31)),
    ]
    found = heading(TableKind.CDM, file("cdm-2026-01-01.csv", text))
    assert (found.scope, found.release, found.start, found.end) == ("", "2026-01-01", START, None)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_fees(delimiter: str) -> None:
    """By payer and entity; whatever the spreadsheet put between the cells."""
    text = (
        "code,mods,payer,entity,amount,from,to\nY0001,,,,250.00,2026-01-01,\nY0001,TC Z9,payer-a,group,99.9,20260101,*\n"
    ).replace(",", delimiter)
    assert rows_of(TableKind.FEES, file("fees.csv", text), start=START) == [
        FeeRow("Y0001", (), "", "", Decimal("250.00"), START, None),
        FeeRow("Y0001", ("TC", "Z9"), "payer-a", "group", Decimal("99.9"), START, None),
    ]


def test_enrolment() -> None:
    """Three states, under the words in use."""
    text = (
        "Provider NPI,Payer ID,Enrollment Status,Entity,Start Date,End Date,Name\n"
        "1234567893,payer-a,Active,group,2020-01-01,2025-12-31,Nobody\n"
        "1234567893,payer-a,Pending,group,2026-01-01,,Nobody\n"
        "1234567893,payer-b,Not_Enrolled,group,2026-01-01,,\n"
    ).replace("Not_Enrolled", "not-enrolled")
    assert rows_of(TableKind.ENROLMENT, file("enrolment.csv", text), start=START) == [
        EnrolmentRow("1234567893", "group", "payer-a", "enrolled", date(2020, 1, 1), date(2025, 12, 31)),
        EnrolmentRow("1234567893", "group", "payer-a", "pending", START, None),
        EnrolmentRow("1234567893", "group", "payer-b", "not-enrolled", START, None),
    ]


def test_what_was_billed_before() -> None:
    """A line a slot; course and key where the site knows them."""
    text = (
        "system,mrn,service,code,modifiers,units,date of service,entity,claim number,course,fraction\n"
        "clinic,X-1,management,Y0001,26,1,2025-12-01,group,C-1,1,5\n"
    )
    assert rows_of(TableKind.OPENING, file("opening.csv", text), start=START) == [
        OpeningRow("clinic", "X-1", "management", "Y0001", ("26",), 1, date(2025, 12, 1), "group", "C-1", "1", "5")
    ]


def test_facilities() -> None:
    """Aliases are parted by bars or semicolons and may have blanks."""
    text = (
        "Facility,Name,NPI,Setting,Time Zone,Aliases\n"
        "west,West Center,1245319599,Hospital,America/Chicago,W|West End; Old West\n"
        "east,East Center,,freestanding,UTC,\n"
    )
    assert rows_of(TableKind.FACILITIES, file("facilities.csv", text), start=START) == [
        FacilityRow("west", "West Center", "1245319599", "hospital", "America/Chicago", ("W", "West End", "Old West")),
        FacilityRow("east", "East Center", "", "freestanding", "UTC"),
    ]


def test_from_when_on_what_is_claimed() -> None:
    """An empty cell is any, and a day that nobody has decided yet."""
    text = "family,payer,entity,shadow-from,Live From\ndelivery,p,e,2026-01-05,2/2/2026\n,,,2026-01-05,\n"
    assert rows_of(TableKind.LIVE, file("live.csv", text), start=START) == [
        Live("e", "p", "delivery", date(2026, 1, 5), date(2026, 2, 2)),
        Live("", "", "", date(2026, 1, 5), None),
    ]
    faulty = "family,shadow_from,live_from\na,2026-02-02,2026-01-05\nb,,\nc,soon,2026-01-05\n"
    assert problems_of(TableKind.LIVE, file("live.csv", faulty), start=START) == [
        (2, "shadow_from is after live_from"),
        (3, "neither shadow_from nor live_from is there"),
        (4, "shadow is no date: 'soon'"),
    ]


def test_windows_1252_and_utf_8() -> None:
    """As spreadsheets save them, with and without a byte order mark."""
    text = "id,name,setting,zone\nw,Café—West,hospital,UTC\n"
    expected = rows_of(TableKind.FACILITIES, file("f.csv", text), start=START)
    assert isinstance(expected[0], FacilityRow)
    assert expected[0].name == "Café—West"
    for body in (text.encode("cp1252"), text.encode("utf-8-sig")):
        assert rows_of(TableKind.FACILITIES, file("f.csv", body), start=START) == expected


def test_every_fault_of_a_header_is_named() -> None:
    """Unknown columns, columns twice and missing ones: a misspelt column is not left out silently."""
    assert refusal(
        TableKind.FEES, file("fees.csv", "code,ammount,code,payer,x-own,X_own\nY0001,1,,,,\n"), start=START
    ) == [
        "unknown column 'ammount': name it x-… if it is for people",
        "the column code is there twice",
        "the column amount is missing",
        "the column start is missing",
    ]
    assert refusal(TableKind.FEES, file("fees.csv", "\n\n"), start=START) == ["there is no header in the first row"]
    assert refusal(TableKind.FEES, file("fees.csv", "code,amount,from\n")) == [
        "neither the name nor the text says the release: give it, or its first day"
    ]
    assert refusal(TableKind.FEES, file("fees.csv", "code,amount,from\n"), start=START, scope="west") == [
        "there is one fees table only: it has no scope"
    ]


def test_faults_of_the_charge_master() -> None:
    """Each with its line; blank rows are passed over."""
    text = (
        "local,code,modifiers,revenue,price,from,to\n"
        "770001,Y0001,26 26,33,-5,2026-01-01,2025-12-31\n"
        ",,,,,,\n"
        "770002,none,265,0333,5,,\n"
        "770003,Y0001,,0333,5,2026-01-01,\n"
        "770003,Y0001,,0334,6,2026-06-01,\n"
        "770004\n"
    )
    assert problems_of(TableKind.CDM, file("cdm.csv", text), start=START) == [
        (2, "revenue is not a code of three or four digits: '33'"),
        (2, "the last day 2025-12-31 is before the first 2026-01-01"),
        (2, "modifiers lists a modifier twice"),
        (2, "price is negative: '-5'"),
        (4, "start is missing"),
        (4, "code is not a procedure or supply code: 'NONE'"),
        (4, "modifiers lists something that is no modifier"),
        (6, "770003 Y0001 has another row for some of these days (line 5)"),
        (7, "1 cells where the header has 7"),
    ]


def test_windows_may_touch_but_not_share_a_day() -> None:
    """The last day is one of the row's days."""
    text = "code,amount,from,to\nY0001,1,2026-01-01,2026-06-30\nY0001,2,2026-07-01,2026-12-31\n"
    assert len(rows_of(TableKind.FEES, file("fees.csv", text), start=START)) == 2
    assert problems_of(TableKind.FEES, file("fees.csv", text.replace("2026-07-01", "2026-06-30")), start=START) == [
        (3, "Y0001 has another row for some of these days (line 2)")
    ]
    turned = "code,amount,from,to\nY0001,2,2026-06-30,2026-12-31\nY0001,1,2026-01-01,2026-06-30\n"
    assert [line for line, _ in problems_of(TableKind.FEES, file("fees.csv", turned), start=START)] == [3]


def test_faults_of_fees_and_enrolment() -> None:
    """An amount must be there; an NPI has a check digit."""
    text = "code,amount,from\nY0001,,2026-01-01\nY0002,1,2026-01-01\nY0002,2,2026-01-01\n"
    assert problems_of(TableKind.FEES, file("fees.csv", text), start=START) == [
        (2, "amount is missing"),
        (4, "Y0002 is there already (line 3)"),
    ]
    text = "npi,payer,status,from\n1234567890,a,on,2026-01-01\n12,,enrolled,2026-01-01\n"
    assert problems_of(TableKind.ENROLMENT, file("enrolment.csv", text), start=START) == [
        (2, "status is unknown: 'on'"),
        (2, "npi is no NPI: the check digit is wrong"),
        (3, "npi is not an NPI: '12'"),
        (3, "payer is missing"),
    ]


def test_faults_of_facilities() -> None:
    """A setting that is none, a zone that is none, an id twice."""
    text = "id,name,setting,zone,aliases\nw,W,office,CST,a|a\nw,W,hospital,UTC,\nw,W,hospital,UTC,\n"
    assert problems_of(TableKind.FACILITIES, file("f.csv", text), start=START) == [
        (2, "zone is not a time zone by its name (America/Chicago): 'CST'"),
        (2, "aliases lists one twice"),
        (2, "setting is unknown: 'office'"),
        (4, "w is there already (line 3)"),
    ]


def test_what_is_said_of_people_shows_no_cell() -> None:
    """Problems are printed and logged: of a table of patients they name the column and the line only."""
    text = (
        "system,identifier,service,code,units,date\n"
        "clinic,SECRET-1,SECRET-2,SECRET-3,SECRET-4,SECRET-5\n"
        "clinic,SECRET-1,management,Y0001,1,2025-12-01\n"
        "clinic,SECRET-1,management,Y0001,1,2025-12-01\n"
        "clinic,,management,Y0001,0,2025-12-01\n"
    )
    found = reading(TableKind.OPENING, file("opening.csv", text), start=START)
    assert len(list(found)) == 1
    assert [(problem.line, problem.message) for problem in found.problems] == [
        (2, "day is no date"),
        (2, "units is not a whole number of zero or more"),
        (2, "code is not a procedure or supply code"),
        (4, "the line is there already (line 3)"),
        (5, "units are zero"),
        (5, "identifier is missing"),
    ]
    assert "SECRET" not in repr(found.problems)
