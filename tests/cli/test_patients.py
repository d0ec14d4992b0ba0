"""From two insurances to the statement, by the console script: `chain`, `statement`, `packet`, `appeal`, `void`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fhir_server_stub.fees import Fees
from fhir_server_stub.payer import Stub
from fhir_server_stub.scenario import parse
from fhir_server_stub.server import running

pytestmark = pytest.mark.system

NOW = ("--now", "2026-01-20T09:00-05:00")
LATER = ("--now", "2026-02-20T09:00-05:00")
WHO = ("--by", "kim", "--why", "registered twice")
FEES = "code,modifier,allowed,from,to\n77300,,66.85,2025-01-01,\n"
SECOND = """
[[payers]]
id = "dune"
name = "Dune Cross"
kind = "commercial"
aliases = ["DUNE"]
cycle = "day"

[payers.endpoint]
base_url = "URL/fhir"
attempts = 1
timeout_seconds = 1.0
"""


def billed(clinic: Any, say: SimpleNamespace, scenario: str, url: str) -> None:
    """One charge of a person with two insurances, sent to the payer at this address."""
    site = (clinic.folder / "site.toml").read_text().replace("http://127.0.0.1:1", url)
    at = site.index("[[feeds]]")
    clinic.file("site.toml", site[:at] + SECOND.replace("URL", url) + site[at:])
    told = say.dft("D-1").decode()
    clinic.file("first.hl7", told + "IN1|2|DUNE|DUNE|Dune Cross||||||||20250101|||||SEL|||||||||||||||||||DC-9\r")
    assert clinic("ingest", "first.hl7", *NOW).code == 0
    assert clinic("submit", *NOW).code == 0


def sound(clinic: Any) -> None:
    for command in (("verify",), ("rebuild", "--check")):
        done = clinic(*command)
        assert (done.code, done.err) == (0, "")


def test_from_two_insurances_to_the_cancelled_claim(clinic: Any, say: SimpleNamespace) -> None:
    payer = Stub(parse('name = "pays"\n'), fees=Fees.parse(FEES))
    with running(payer) as url:
        billed(clinic, say, "", url)
        first = clinic("claims", "--json").rows()
        assert [(row["payer"], row["state"]) for row in first] == [("sandbar", "paid"), ("dune", "held")]
        waiting = clinic("statement", "PB-100", "--json", *NOW).rows()[0]
        assert (waiting["due"], len(waiting["waiting"])) == (None, 1)
        assert clinic("submit", *NOW).code == 0
        rows = clinic("claims", "--json").rows()
        assert [row["state"] for row in rows] == ["paid", "paid"]
        id = rows[0]["id"]
        steps = clinic("chain", id, "--json").rows()
        assert [step["what"] for step in steps] == ["original", "answer", "original to payer 2", "answer"]
        assert clinic("chain", rows[1]["id"], "--json").rows() == steps
        sound(clinic)
        text = clinic("statement", id, *NOW)
        assert (text.code, "Dear Merle Sandling," in text.out) == (0, True)
        assert (clinic("statement", id, "--html", "s.html", *NOW).code, text.err) == (0, "")
        assert "<p>Dear Merle Sandling,</p>" in (clinic.folder / "s.html").read_text(encoding="utf-8")
        assert "nowhere" in clinic("statement", id, "--html", "nowhere/s.html", *NOW).err
        listed = clinic("packet", id)
        assert (listed.code, "missing: line 1: no signed document of 2026-01-05 is on file" in listed.out) == (0, True)
        assert clinic("appeal", id).code == 1, "nothing of it is denied"
        assert clinic("void", id, "--reason", "boredom", *WHO, *NOW).code == 2
        done = clinic("void", id, "--reason", "duplicate", *WHO, *NOW)
        assert (done.code, done.err) == (0, "")
        credit = [row for row in clinic("worklist", "--json").rows() if row["kind"] == "credit-balance"]
        assert id in [row["about"] for row in credit]
        assert clinic("submit", *LATER).code == 0
    states = {(row["payer"], row["frequency"]): row["state"] for row in clinic("claims", "--json").rows()}
    assert states["sandbar", "1"] == "voided"
    assert states["sandbar", "8"] == "accepted"
    assert (
        len([1 for row in clinic("claims", "--json").rows() if (row["payer"], row["frequency"]) == ("sandbar", "1")])
        == 1
    )
    sound(clinic)


def test_who_is_named_by_nobody_is_refused(clinic: Any) -> None:
    for words in (("statement", "X"), ("appeal", "X"), ("packet", "X"), ("chain", "X"), ("void", "X", *WHO)):
        done = clinic(*words, *NOW)
        assert (done.code, done.out) == (1, "")
        assert "X" in done.err


def test_a_denied_claim_is_appealed(clinic: Any, say: SimpleNamespace) -> None:
    payer = Stub(parse('name = "refuses"\n\n[[rule]]\nverb = "deny"\ncarc = "50"\n'), fees=Fees.parse(FEES))
    with running(payer) as url:
        billed(clinic, say, "", url)
    (row,) = clinic("claims", "--json").rows()
    assert row["state"] == "denied"
    letter = clinic("appeal", row["id"], "--json", *NOW).rows()[0]
    assert "reason 50" in letter["letter"]
    assert "necessary for the diagnoses named" in letter["letter"]
    assert any("signed document" in one for one in letter["missing"])
