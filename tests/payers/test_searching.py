"""What searches say of a claim, at payers that search in their own ways: only who has no such Claim has none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import parse_qs

import pytest

from adapters.payers.searching import searched

CLAIM = "6f0c5a52-3d0b-5f0e-9d6e-2c7a0c1f7a11"
NAME = f"urn:oncoclaims:claim|{CLAIM}"


@dataclass
class Told:
    status: int | None
    body: bytes = b""


def claim(id: str = "c1", name: str = CLAIM, system: str = "urn:oncoclaims:claim") -> dict:
    return {"resourceType": "Claim", "id": id, "identifier": [{"system": system, "value": name}]}


def response(of: str = "c1", name: str = "") -> dict:
    named = {"identifier": {"value": name}} if name else {}
    return {"resourceType": "ClaimResponse", "id": f"r-{of}", "outcome": "complete"} | {
        "request": {"reference": f"Claim/{of}", **named}
    }


def bundle(*resources: dict, kind: str = "searchset") -> Told:
    entries = [{"resource": one} for one in resources]
    return Told(200, json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode())


class Payer:
    """A payer that answers searches by what was asked for; `asked` is what that was."""

    def __init__(self, by_name: Told, claims: Told, by_reference: Told | None = None) -> None:
        self.answers = {"request.identifier": by_name, "identifier": claims, "request": by_reference or bundle()}
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, kind: str, form: str) -> Told:
        [(name, [value])] = parse_qs(form).items()
        self.asked.append((kind, name, value))
        return self.answers[name]


def found(payer: Payer) -> tuple[int | None, str]:
    """How many claims of ours it has, and the id of the answer."""
    _, what = searched(CLAIM, payer)
    return what.claims, json.loads(what.body)["id"] if what.body else ""


def test_an_answer_that_names_the_claim_is_all_that_is_asked_for() -> None:
    payer = Payer(bundle(response(name=CLAIM)), Told(500))
    assert found(payer) == (1, "r-c1")
    assert payer.asked == [("ClaimResponse", "request.identifier", NAME)]


def test_without_an_answer_the_claim_itself_is_asked_for() -> None:
    payer = Payer(bundle(), bundle())
    assert found(payer) == (0, "")
    assert payer.asked[1:] == [("Claim", "identifier", NAME)]


def test_a_claim_that_has_no_answer_yet_is_there() -> None:
    """The payer that billed twice: it has the claim, and nothing to say of it."""
    payer = Payer(bundle(), bundle(claim()))
    assert found(payer) == (1, "")
    assert payer.asked[2:] == [("ClaimResponse", "request", "Claim/c1")]


def test_a_payer_that_does_not_search_through_references_has_its_answer_found_by_its_own() -> None:
    assert found(Payer(bundle(), bundle(claim()), bundle(response()))) == (1, "r-c1")
    assert found(Payer(Told(400), bundle(claim()), bundle(response()))) == (1, "r-c1")


def test_a_payer_that_leaves_out_what_it_does_not_know_tells_of_others() -> None:
    others = bundle(response("c7"), response("c8"), response("c9", "another"))
    assert found(Payer(others, bundle(claim("c7", "another")))) == (None, ""), "it ignores names altogether"
    assert found(Payer(others, bundle())) == (0, ""), "none of these is ours"
    assert found(Payer(others, bundle(claim("c8")))) == (1, "r-c8"), "one of these is"
    assert found(Payer(bundle(response("c7", "another")), bundle())) == (0, "")


def test_an_answer_by_an_address_or_a_version_is_the_claims() -> None:
    for reference in ("http://payer.example/fhir/Claim/c1", "Claim/c1/_history/3"):
        told = response()
        told["request"]["reference"] = reference
        assert found(Payer(bundle(told), bundle(claim()))) == (1, "r-c1")
    told["request"]["reference"] = "Claim/xc1"
    assert found(Payer(bundle(told), bundle(claim()))) == (1, "")


def test_two_claims_of_one_name_are_two() -> None:
    assert found(Payer(bundle(), bundle(claim("c1"), claim("c2"))))[0] == 2
    assert found(Payer(bundle(response("c1", CLAIM), response("c2", CLAIM)), Told(500)))[0] == 2


def test_the_same_name_of_somebody_else_is_another_claim() -> None:
    assert found(Payer(bundle(), bundle(claim(system="urn:other:claims")))) == (None, "")


@pytest.mark.parametrize("status", [400, 403, 404, 501])
def test_who_answers_no_search_for_claims_gives_no_evidence_of_absence(status: int) -> None:
    assert found(Payer(bundle(), Told(status))) == (None, "")
    assert found(Payer(Told(status), Told(status))) == (None, "")
    assert found(Payer(bundle(response()), Told(status))) == (1, "r-c1"), "one answer is believed"
    assert found(Payer(bundle(response("c1"), response("c2")), Told(status))) == (None, "")


@pytest.mark.parametrize("told", [Told(None), Told(500), Told(429), Told(202), Told(200, b"<html>"), bundle(kind="x")])
def test_weather_is_no_evidence(told: Told) -> None:
    assert found(Payer(told, bundle())) == (None, "")
    assert found(Payer(bundle(), told)) == (None, "")
    assert found(Payer(bundle(response("c1"), response("c2")), told)) == (None, "")
