"""`reconcile` as a biller runs it: rows that stop, all rows, groups, detections, JSON lines and a sheet."""

from __future__ import annotations

import csv

import pytest

from tests.cli.conftest import SITE, Clinic, dft

pytestmark = pytest.mark.system

FEED = """
[[feeds]]
name = "doses"
media = "hl7v2"
dialect = "example-ras"
zone = "America/New_York"
facility = "PLOVER"
applications = ["PINF"]
person_system = "urn:plover:mrn"

[[prices]]
code = "J9267"
amount = 2.50
from = 2020-01-01
"""
ROW = ["record", "id", "patient", "person", "episode", "course", "kind", "name", "day", "machine", "clinic", "stages"]
ROW += ["differences", "charges", "codes", "events", "money"]


def order(number: str) -> bytes:
    """An order of a drug for the fourth of May."""
    lines = (
        f"MSH|^~\\&|PINF|PLOVER|ONCO|PLOVER|20260501080000||RDE^O11^RDE_O11|{number}|P|2.5.1",
        f"PID|1||=PB-{number}^^^PLOVER^MR||Sandling^Merle",
        f"ORC|NW|O-{number}",
        "TQ1|1||||||202605040900",
        "RXE||DRUGA^drug A^L^J9267^^HCPCS|300||mg",
        "RXR|IV",
    )
    return "".join(f"{line}\r" for line in lines).encode()


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Clinic:
    """A clinic with a charge of January that waits for its claim, and a dose of May that never came."""
    clinic = Clinic(tmp_path_factory.mktemp("month"), {"COLUMNS": "200"})
    clinic.file("site.toml", SITE + FEED)
    clinic.file("order.hl7", order("7"))
    clinic.file("charge.hl7", dft("A1"))
    assert clinic("init").code == 0
    assert clinic("ingest", "--feed", "doses", "--now", "2026-05-01", "order.hl7").code == 0
    assert clinic("ingest", "--feed", "charges", "--now", "2026-01-05", "charge.hl7").code == 0
    return clinic


def test_what_stops_is_told_with_money_and_who_acts(month: Clinic) -> None:
    found = month("reconcile", "--from", "2026-01-01", "--to", "2026-05-31", "--now", "2026-05-10", "--json")
    assert found.code == 0
    rows = found.rows()
    told = [row for row in rows if row["record"] == "row"]
    assert [list(row) for row in told] == [ROW, ROW]
    charge, dose = told
    assert (charge["name"], charge["clinic"], charge["money"]["unbilled"]) == ("charge 77300", "PLOVER", "120.50")
    assert [(d["name"], d["amount"], d["actor"]) for d in charge["differences"]] == [
        ("not-claimed", "120.50", "biller")
    ]
    assert [(d["name"], d["amount"], d["days"], d["standing"]) for d in dose["differences"]] == [
        ("not-delivered", "750.00", 5, "carried")
    ]
    assert {name: stage["mark"] for name, stage in dose["stages"].items()} == {
        "scheduled": "yes",
        "delivered": "no",
        **dict.fromkeys(("documented", "charged", "claimed", "paid"), "not-due"),
    }
    (detected,) = (row for row in rows if row["record"] == "detection")
    assert (detected["detector"], detected["amount"], detected["row"]) == ("order-without-dose", "750.00", dose["id"])
    total = rows[-1]
    assert (total["record"], total["rows"], total["differing"], total["at_stake"]) == ("sum", 2, 2, "870.50")


def test_without_dates_it_is_yesterday(month: Clinic) -> None:
    assert [r["name"] for r in month("reconcile", "--now", "2026-05-05", "--json").rows() if r["record"] == "row"] == [
        "dose J9267"
    ]
    said = month("reconcile", "--now", "2026-01-06")
    assert "Services of 2026-01-05 to 2026-01-05, as of 2026-01-06" in said.out
    assert "1 services, 0 stop somewhere with $0.00 at stake; 0 detected" in said.out
    assert "charge 77300" not in said.out
    assert "charge 77300" in month("reconcile", "--now", "2026-01-06", "--all").out


def test_groups_and_people_see_the_same(month: Clinic) -> None:
    words = ("reconcile", "--from", "2026-01-01", "--to", "2026-05-31", "--now", "2026-05-10")
    group, total = month(*words, "--by", "clinic", "--json").rows()
    assert (group["clinic"], group["rows"], group["open"], group["at_stake"]) == ("PLOVER", 2, 2, "870.50")
    assert group["stages"]["delivered"] == {"yes": 0, "no": 1}
    assert total["rows"] == 2
    assert "PLOVER" in month(*words, "--by", "clinic").out
    shown = month(*words).out
    for word in ("not-delivered", "not-claimed", "order-without-dose", "+ ! . . . ."):
        assert word in shown


def test_a_sheet_runs_no_formula(month: Clinic) -> None:
    words = ("reconcile", "--from", "2026-01-01", "--to", "2026-05-31", "--now", "2026-05-10", "--csv")
    rows = list(csv.DictReader(month(*words).out.splitlines()))
    assert [row["difference"] for row in rows] == ["not-claimed", "not-delivered", "detected"]
    assert [row["amount"] for row in rows] == ["120.50", "750.00", "750.00"]
    assert rows[1]["patient"] == "'=PB-7"
    assert month(*words, "--by", "day").out.splitlines()[1].startswith("2026-01-05,1,")


def test_what_cannot_be_asked_is_refused(month: Clinic) -> None:
    assert month("reconcile", "--from", "soon").code == 2
    assert month("reconcile", "--from", "2026-02-01", "--to", "2026-01-01").code == 2
    assert month("reconcile", "--json", "--csv").code == 2
