"""Claims as payers want them, through `ingest`: series and visits, a plan that ended, enrolment, filing in time."""

from __future__ import annotations

import json
from importlib import resources
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.conftest import SITE, Clinic

pytestmark = pytest.mark.system

CPT = "http://www.ama-assn.org/go/cpt"
NPI = "http://hl7.org/fhir/sid/us-npi"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"
DOCTOR, LOCUM = "1234567893", "1558598797"
OURS = """
[[enrolments]]
npi = "1234567893"
payer = "sandbar"
from = 2020-01-01

[[enrolments]]
npi = "1558598797"
payer = "sandbar"
from = 2026-01-01
filed = 2026-04-05

[[families]]
service = "visit"
mode = "accept"
since = 2020-01-01

[[families]]
service = "administration"
mode = "accept"
since = 2020-01-01
"""
OPTIONS = """
options = { "edits.enrolment" = "on", "edits.npi" = "luhn", "timely.limit" = "90-days", "timely.warn_days" = "10" }
"""


def clinic_of(clinic: Clinic, cycle: str) -> Clinic:
    """The clinic with a payer that gathers so, checks who may bill, and takes claims for ninety days."""
    site = SITE.replace('cycle = "day"\n', f'cycle = "{cycle}"\n{OPTIONS}').replace('"codex-rt"', '"us-core-coded"')
    site = site.replace('npi = "1999999950"', 'npi = "1245319599"')
    for code in ("96413", "99213"):
        site += f'\n[[prices]]\ncode = "{code}"\namount = 200\nfrom = 2020-01-01\n'
    clinic.file("site.toml", site + OURS)
    return clinic


def bundle(*resources: dict[str, Any]) -> str:
    entries = [{"fullUrl": f"urn:x:{r['resourceType']}:{n}", "resource": r} for n, r in enumerate(resources)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


PERSON = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:plover:mrn", "value": "PB-7"}],
    "name": [{"family": "Godwit", "given": ["Anser"]}],
    "birthDate": "1961-02-03",
    "gender": "male",
}
PLAN = {
    "resourceType": "Coverage",
    "id": "c1",
    "status": "active",
    "beneficiary": {"reference": "Patient/p1"},
    "subscriberId": "SB-7001",
    "period": {"start": "2026-01-01"},
    "payor": [{"display": "Sandbar Mutual"}],
}


def charge(id: str, day: str, code: str = "99213", *, npi: str = DOCTOR, account: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {
        "resourceType": "ChargeItem",
        "id": id,
        "status": "billable",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": CPT, "code": code}]},
        "quantity": {"value": 1},
        "occurrenceDateTime": day,
        "performer": [{"actor": {"type": "Practitioner", "identifier": {"system": NPI, "value": npi}}}],
        "reason": [{"coding": [{"system": ICD, "code": "C61"}]}],
    }
    if account:
        found["account"] = [{"identifier": {"value": account}}]
    return found


def asked(day: str, inforce: bool) -> dict[str, Any]:
    return {
        "resourceType": "CoverageEligibilityResponse",
        "id": f"e-{day}",
        "status": "active",
        "purpose": ["validation"],
        "patient": {"reference": "Patient/p1"},
        "servicedDate": day,
        "created": day,
        "outcome": "complete",
        "insurer": {"display": "Sandbar Mutual"},
        "insurance": [{"coverage": {"reference": "Coverage/c1"}, "inforce": inforce}],
    }


def told(clinic: Clinic, now: str, *resources: dict[str, Any]) -> SimpleNamespace:
    """What stands after one Bundle and the work that is due at an instant."""
    clinic.file("in.json", bundle(PERSON, PLAN, *resources))
    ran = clinic("ingest", "in.json", "--feed", "ehr", "--now", now)
    assert (ran.code, ran.err) == (0, ""), ran
    return SimpleNamespace(
        claims=clinic("claims", "--json").rows(),
        documents=clinic("claims", "--fhir").rows(),
        held=sorted(
            (row["holds"][0]["code"], row["service_start"]) for row in clinic("charges", "--held", "--json").rows()
        ),
    )


def dates(documents: list[dict[str, Any]]) -> list[list[str]]:
    return sorted(sorted(item["servicedDate"] for item in doc["item"]) for doc in documents)


def test_a_series_is_a_claim_a_month(clinic: Clinic) -> None:
    ours = clinic_of(clinic, "series")
    lines = [
        charge(f"x{n}", day, "96413", account="S-9") for n, day in enumerate(("2026-01-26", "2026-01-28", "2026-02-02"))
    ]
    lines.append(charge("y", "2026-01-27", "96413", account="S-8"))
    found = told(ours, "2026-03-02", *lines)
    assert found.held == []
    assert dates(found.documents) == [["2026-01-26", "2026-01-28"], ["2026-01-27"], ["2026-02-02"]]
    for document in found.documents:
        total = sum(item["net"]["value"] for item in document["item"])
        assert document["total"]["value"] == total
        assert document["careTeam"][0]["provider"]["identifier"]["value"] == DOCTOR


def test_a_plan_that_ended_and_a_doctor_not_yet_enrolled_hold_their_own_lines(clinic: Clinic) -> None:
    ours = clinic_of(clinic, "day")
    found = told(
        ours,
        "2026-03-20",
        charge("a", "2026-03-02"),
        charge("b", "2026-03-09"),
        charge("c", "2026-03-05", npi=LOCUM),
        charge("d", "2026-03-06", npi=LOCUM),
        asked("2026-03-08", inforce=False),
    )
    assert found.held == [("coverage-inactive", "2026-03-09"), ("provider-not-enrolled", "2026-03-05")]
    assert dates(found.documents) == [["2026-03-02"], ["2026-03-06"]]
    again = told(ours, "2026-03-21", asked("2026-03-09", inforce=True))
    assert again.held == [("provider-not-enrolled", "2026-03-05")]
    assert len(again.documents) == 3


def test_a_line_that_comes_too_late_waits_for_a_person(clinic: Clinic) -> None:
    ours = clinic_of(clinic, "day")
    found = told(ours, "2026-05-31", charge("a", "2026-03-02"), charge("b", "2026-03-01"))
    assert found.held == [("timely-filing-expired", "2026-03-01")]
    assert dates(found.documents) == [["2026-03-02"]]
    assert [row["code"] for row in ours("worklist", "--json").rows()] == ["timely-filing-expired"]


def test_what_the_site_file_says_of_enrolments_is_checked(clinic: Clinic) -> None:
    ours = clinic_of(clinic, "day")
    ours.file("site.toml", (ours.folder / "site.toml").read_text().replace('npi = "1558598797"', 'npi = "1558598798"'))
    ran = ours("claims", "--json")
    assert ran.code != 0
    assert "1558598798" in ran.err


def test_an_hl7_feed_names_the_field_of_the_series(clinic: Clinic, say: SimpleNamespace) -> None:
    plain = resources.files("mappings").joinpath("feeds", "plain-dft.toml").read_text(encoding="utf-8")
    told_by = '\n[facts.series]\nfrom = "PID-18.1"\nkinds = ["coded-charge"]\n'
    clinic.file("own/feeds/plover-dft.toml", plain.replace('id = "plain-dft"', 'id = "plover-dft"') + told_by)
    site = SITE.replace('cycle = "day"', 'cycle = "treatment"').replace('"plain-dft"', '"plover-dft"')
    clinic.file("site.toml", site)
    address = b"|||2 Shore Rd^^Plover Bank^ME^04002"
    for control, day, account in (("A", "20260105", b"K-1"), ("B", "20260203", b"K-1"), ("C", "20260204", b"K-2")):
        message = say.dft(control, on=day)
        assert message.count(address) == 1
        clinic.file(f"{control}.hl7", message.replace(address, address + b"|" * 7 + account))
    ran = clinic("ingest", "A.hl7", "B.hl7", "C.hl7", "--mappings", "own", "--now", "2026-03-02")
    assert (ran.code, ran.err) == (0, ""), ran
    documents = clinic("claims", "--fhir", "--mappings", "own").rows()
    assert dates(documents) == [["2026-01-05", "2026-02-03"], ["2026-02-04"]]
