"""What a person decides, by the console script: `work …` and `enter`, from the hold to the paid claim."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_server_stub.fees import Fees
from fhir_server_stub.payer import Stub
from fhir_server_stub.scenario import parse
from fhir_server_stub.server import running
from tests.model.entered import END, TWICE, WEEK, of_patient

pytestmark = pytest.mark.system

NOW = ("--now", "2026-01-20T09:00-05:00")
LATER = ("--now", "2026-01-21T09:00-05:00")
WHO = ("--by", "kim", "--why", "the exam is noted on paper")

PRICES = "".join(
    f"""
[[prices]]
code = "{code}"
amount = {amount}
from = 2020-01-01
"""
    for code, amount in (
        ("77290", "180.00"),
        ("77336", "90.00"),
        ("77407", "250.00"),
        ("77412", "400.00"),
        ("77427", "310.00"),
    )
)
FEES = """code,modifier,allowed,from,to
77300,,66.85,2025-01-01,
77336,,60.00,2025-01-01,
77427,,210.00,2025-01-01,
77407,,150.00,2025-01-01,
77412,,250.00,2025-01-01,
"""

PATIENT = of_patient("urn:plover:mrn", "PB-100")


@pytest.fixture
def treated(clinic: Any, say: SimpleNamespace) -> Any:
    """A clinic in which a week of treatment was entered by hand, and whose management lacks its examination."""
    return treat(clinic, say)


def treat(clinic: Any, say: SimpleNamespace, url: str = "http://127.0.0.1:1") -> Any:
    """The same with a payer at this address."""
    site = (clinic.folder / "site.toml").read_text().replace("http://127.0.0.1:1", url)
    clinic.file(
        "site.toml", site.replace('name = "Plover Bank"', 'name = "Plover Bank"\nsupervisors = ["sam"]', 1) + PRICES
    )
    clinic.file("first.hl7", say.dft("D-1"))
    assert clinic("ingest", "first.hl7", *NOW).code == 0
    clinic.file("week.toml", PATIENT + WEEK + END)
    done = clinic("enter", "week.toml", "--by", "lee", "--why", "the machine was offline", *NOW)
    assert (done.code, done.err) == (0, "")
    return clinic


def sound(clinic: Any) -> None:
    """Every digest is right, and the journal folds to what is on file."""
    for command in (("verify",), ("rebuild", "--check")):
        done = clinic(*command)
        assert (done.code, done.err) == (0, "")


def items(clinic: Any, code: str = "") -> list[dict[str, Any]]:
    return [row for row in clinic("worklist", "--json").rows() if code in ("", row["code"])]


def charged(clinic: Any, *codes: str) -> list[dict[str, Any]]:
    return [row for row in clinic("charges", "--json").rows() if row["code"] in codes]


def test_from_the_hold_to_the_paid_claim(clinic: Any, say: SimpleNamespace) -> None:
    payer = Stub(parse('name = "pays"\n'), fees=Fees.parse(FEES))
    with running(payer) as url:
        treat(clinic, say, url)
        (item,) = items(clinic, "documentation-missing")
        shown = clinic("work", "show", item["id"], "--json").rows()[0]
        assert (shown["settled_by"], shown["decisions"], shown["amount"]) == ("release", [], "310.00")
        assert not charged(clinic, "77427")
        sound(clinic)
        done = clinic("work", "release", item["id"], *WHO, *NOW)
        assert (done.code, done.err) == (0, "")
        assert done.out.endswith(": release; the item is closed\n")
        (charge,) = charged(clinic, "77427")
        assert charge["status"] in ("due", "claimed")
        assert not items(clinic, "documentation-missing")
        sound(clinic)
        assert clinic("submit", *LATER).code == 0
    billed = [
        row for row in clinic("claims", "--json").rows() if any(charge["id"] in x["charge_ids"] for x in row["lines"])
    ]
    assert [claim["state"] for claim in billed] == ["paid"]
    said = clinic("explain", charge["id"]).out
    assert "release by = kim" in said
    assert "why = the exam is noted on paper" in said
    assert "stated by kim, 2026-01-20 14:00Z" in said
    assert "stated by lee, 2026-01-20 14:00Z" in said, "who entered the sessions"
    sound(clinic)


def test_a_decision_is_refused_before_anything_is_written(treated: Any, say: SimpleNamespace) -> None:
    clinic = treated
    (item,) = items(clinic, "documentation-missing")
    before = clinic("worklist", "--json").out
    assert clinic("work", "release", item["id"], "--by", "kim").code == 2
    assert clinic("work", "release", item["id"], "--why", "so").code == 2
    assert clinic("work", "release", item["id"], "--by", " ", "--why", "so").code == 2
    for words, problem in (
        (("release", "no-such-item"), "no work item has the id"),
        (("override", item["id"]), "it is released: oncoclaims work release"),
        (("withdraw", item["id"]), "no decision has the id"),
    ):
        refused = clinic("work", *words, *WHO, *NOW)
        assert (refused.code, problem in refused.err) == (1, True), refused.err
    assert clinic("worklist", "--json").out == before
    sound(clinic)


def test_who_may_let_what_go(treated: Any, say: SimpleNamespace) -> None:
    clinic = treated
    # The same simulation twice on a date: whether the second one may go out is an edit's question.
    clinic.file("twice.toml", PATIENT + TWICE)
    assert clinic("enter", "twice.toml", *WHO, *NOW).code == 0
    edits = [row for row in clinic("charges", "--held", "--json").rows() if row["code"] == "77290"]
    (row,) = edits
    (hold,) = row["holds"]
    (item,) = items(clinic, hold["code"])
    released = clinic("work", "release", item["id"], *WHO, *NOW)
    assert (released.code, "a supervisor overrides it" in released.err) == (1, True)
    refused = clinic("work", "override", item["id"], *WHO, *NOW)
    assert (refused.code, "does not name this person" in refused.err) == (1, True)
    done = clinic("work", "override", row["id"], "--by", "sam", "--why", "two plans, two calculations", *NOW)
    assert (done.code, done.err) == (0, "")
    assert len(charged(clinic, "77290")) == 2
    sound(clinic)
    entry = done.out.split()[1].rstrip(":")
    assert clinic("work", "withdraw", entry, *WHO, *LATER).code == 0
    assert len(charged(clinic, "77290")) == 1
    assert [one["code"] for one in items(clinic, hold["code"])] == [hold["code"]]
    sound(clinic)


def test_what_is_assigned_and_closed_stays_so_until_it_is_withdrawn(treated: Any, say: SimpleNamespace) -> None:
    clinic = treated
    (item,) = items(clinic, "documentation-missing")
    assert clinic("work", "assign", item["id"], "--to", "pat", *WHO, *NOW).code == 0
    assert [one["assigned"] for one in items(clinic, "documentation-missing")] == ["pat"]
    closed = clinic("work", "close", item["id"], *WHO, *NOW)
    assert (closed.code, closed.out.endswith("the item is closed\n")) == (0, True)
    assert clinic("work", "close", item["id"], *WHO, *NOW).code == 1, "it is closed already"
    clinic.file("more.hl7", say.dft("D-3", on="20260112"))
    assert clinic("ingest", "more.hl7", *LATER).code == 0
    assert not items(clinic, "documentation-missing")
    shown = clinic("work", "show", item["id"], "--json").rows()[0]
    assert (shown["closed_by"], shown["closed_why"]) == ("kim", "the exam is noted on paper")
    assert [one["verb"] for one in shown["decisions"]] == ["assign", "close"]
    sound(clinic)
    entry = shown["decisions"][1]["entry"]
    assert clinic("work", "withdraw", entry, *WHO, *LATER).code == 0
    assert [one["assigned"] for one in items(clinic, "documentation-missing")] == ["pat"]
    assert [one["withdrawn"] for one in clinic("work", "show", item["id"], "--json").rows()[0]["decisions"]] == [
        False,
        True,
    ]
    sound(clinic)


def test_a_parked_message_is_closed_by_a_person_and_kept(clinic: Any, say: SimpleNamespace) -> None:
    clinic.file("odd.hl7", say.dft("D-1", application="NOBODY"))
    assert clinic("ingest", "odd.hl7", *NOW).code == 1
    (item,) = items(clinic)
    assert item["kind"] == "parked-message"
    assert clinic("work", "assign", item["id"], *WHO, *NOW).code == 0
    assert [one["assigned"] for one in items(clinic)] == ["kim"]
    done = clinic("work", "close", item["id"], *WHO, *NOW)
    assert (done.code, done.err) == (0, "")
    assert not items(clinic)
    sound(clinic)
    assert clinic("replay", item["about"], *LATER).code == 1, "it is parked again, for the very same reason"
    assert not items(clinic)
    sound(clinic)
    entry = done.out.split()[1].rstrip(":")
    assert clinic("work", "withdraw", entry, *WHO, *LATER).code == 0
    assert [one["assigned"] for one in items(clinic)] == ["kim"]
    sound(clinic)


def test_a_file_is_refused_with_all_its_problems(treated: Any) -> None:
    clinic = treated
    clinic.file(
        "wrong.toml",
        '[patient]\nsystem = "urn:plover:mrn"\nvalue = "PB-900"\n'
        '[[event]]\nkind = "tea"\ndate = 2026-01-05\nstart = 2026-01-05T09:00:00\n'
        '[[fact]]\nplan = "P"\nname = "isocenters"\nvalue = "many"\n'
        '[[bill]]\nline = "x"\nwhen = 1\n',
    )
    refused = clinic("enter", "wrong.toml", *WHO, *NOW)
    assert refused.code == 1
    assert [line.split(": ")[1] for line in refused.err.splitlines()] == [
        "event[1].kind",
        "event[1]",
        "fact[1].isocenters",
        "bill[1]",
        "bill[1]",
    ]
    clinic.file(
        "absent.json", json.dumps({"do-not-bill": [{"line": "x"}], "fact": [{"event": "y", "name": "n", "value": 1}]})
    )
    absent = clinic("enter", "absent.json", *WHO, *NOW)
    assert absent.code == 1
    assert len(absent.err.splitlines()) == 2
    assert "no event on file" in absent.err
    sound(clinic)


def test_what_is_entered_changes_lines_and_is_withdrawn(treated: Any) -> None:
    clinic = treated
    first = next(row for row in charged(clinic, "77407", "77412") if row["service_start"] == "2026-01-05")
    clinic.file("drop.json", json.dumps({"do-not-bill": [{"line": first["id"]}]}))
    done = clinic("enter", "drop.json", *WHO, *NOW)
    assert (done.code, done.err) == (0, "")
    assert first["id"] not in {row["id"] for row in charged(clinic, "77407", "77412")}
    assert [
        row["holds"][0]["code"]
        for row in clinic("charges", "--held", "--json").rows()
        if row["service_start"] == "2026-01-05"
    ] == ["not-billed"]
    sound(clinic)
    assert clinic("work", "withdraw", done.out.split()[1].rstrip(":"), *WHO, *LATER).code == 0
    assert first["id"] in {row["id"] for row in charged(clinic, "77407", "77412")}
    sound(clinic)
