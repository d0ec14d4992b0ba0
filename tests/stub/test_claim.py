"""The payer reads a claim or names all that is wrong with it."""

from decimal import Decimal

import pytest

from fhir_server_stub.claim import ReadClaim, read_claim


def test_a_good_claim_is_read(claim, item):
    read = read_claim(claim("A7", item(1, "77427", "250.10", quantity=2, modifiers=("26", "59"))))
    assert isinstance(read, ReadClaim)
    assert read.identifier == "urn:clinic:claim|A7"
    assert (read.kind, read.frequency, read.prior) == ("professional", "1", ())
    (line,) = read.lines
    assert (line.code, line.modifiers, line.quantity, line.charge) == (
        "77427",
        ("26", "59"),
        Decimal(2),
        Decimal("500.20"),
    )


def problems(bad) -> dict[str, str]:
    found = read_claim(bad)
    assert not isinstance(found, ReadClaim)
    return {problem.path: problem.words for problem in found}


def test_all_faults_are_named_at_once(claim, item):
    bad = claim("A1", item(1, "77407", "10.00", quantity=2, net="15.00"))
    bad["item"][0]["diagnosisSequence"] = [1, 4]
    bad["use"] = "preauthorization"
    del bad["provider"], bad["insurance"][0]["coverage"]
    assert set(problems(bad)) == {
        "Claim.provider",
        "Claim.use",
        "Claim.insurance[0].coverage",
        "Claim.item[0].net",
        "Claim.item[0].diagnosisSequence",
    }


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("Claim.identifier", {"identifier": []}),
        ("Claim.total", {"total": {"value": Decimal("1.00"), "currency": "USD"}}),
        ("Claim.total", {"total": {"value": Decimal("650.00"), "currency": "EUR"}}),
        ("Claim.item", {"item": []}),
        ("Claim.insurance.focal", {"insurance": [{"sequence": 1, "focal": False, "coverage": {}}]}),
        ("Claim.type", {"type": {"coding": [{"code": "vision"}]}}),
        ("Claim.status", {"status": "draft"}),
    ],
)
def test_each_fault_has_its_place(claim, path, change):
    assert set(problems(claim("A1", **change))) == {path}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", 0),
        ("productOrService", {}),
        ("servicedDate", "2026-01"),
        ("quantity", {"value": "1"}),
        ("quantity", {"value": True}),
        ("unitPrice", {"value": "400.00"}),
    ],
)
def test_faults_of_a_line(claim, item, name, value):
    line = item(1, "77407", "400.00")
    line[name] = value
    place = {"servicedDate": "serviced"}.get(name, name)
    assert f"Claim.item[0].{place}" in problems(claim("A1", line, total={"value": Decimal("400.00")}))


def test_two_lines_with_one_number(claim, item):
    bad = claim("A1", item(1, "77407", "4.00"), item(1, "77427", "4.00"))
    assert problems(bad) == {"Claim.item.sequence": "is used twice"}


@pytest.mark.parametrize("body", [None, [], {"resourceType": "Patient"}, "x"])
def test_what_is_no_claim(body):
    assert problems(body) == {"Claim": "is not a Claim"}


@pytest.mark.parametrize(
    ("category", "code", "frequency"),
    [("typeofbill", "0137", "7"), ("typeofbill", "0138", "8"), ("claimFrequency", "8", "8")],
)
def test_frequency_from_supporting_information(claim, category, code, frequency):
    info = {"category": {"coding": [{"code": category}]}, "code": {"coding": [{"code": code}]}}
    related = {"relationship": {"coding": [{"code": "prior"}]}, "reference": {"value": "STUB00000001"}}
    read = read_claim(claim("A2", supportingInfo=[info], related=[related]))
    assert isinstance(read, ReadClaim)
    assert (read.frequency, read.prior) == (frequency, ("STUB00000001",))


def test_a_prior_relation_alone_replaces(claim):
    target = {"identifier": {"system": "urn:clinic:claim", "value": "A1"}}
    related = {"relationship": {"coding": [{"code": "prior"}]}, "claim": target}
    read = read_claim(claim("A2", related=[related]))
    assert isinstance(read, ReadClaim)
    assert (read.frequency, read.prior) == ("7", ("urn:clinic:claim|A1",))
