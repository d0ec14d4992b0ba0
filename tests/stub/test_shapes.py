"""What the stub says is R4 by a second opinion: every resource parses as fhir.resources' R4B model."""

import json

import httpx
import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_server_stub.server import running
from fhir_server_stub.story import make_story
from fhir_server_stub.wire import dumps


def check(resource: dict) -> None:
    model = get_fhir_model_class(resource["resourceType"])
    model.model_validate(json.loads(dumps(resource)))


@pytest.mark.parametrize("seed", [None, *range(12)])
def test_bundles_of_the_ehr(seed):
    bundles = [m.body for m in make_story(seed).messages if m.channel == "fhir"]
    for bundle in bundles:
        assert isinstance(bundle, dict)
        check(bundle)
        for entry in bundle["entry"]:
            check(entry["resource"])
    assert bundles or seed is not None


@pytest.mark.parametrize("verb", ["pay", "adjust", "deny", "pend", "twice"])
def test_answers_of_the_payer(payer, claim, verb):
    stub = payer(f'[[rule]]\nverb = "{verb}"\n')
    check(stub.submit(claim()).body)
    for _ in range(2):
        for answer in stub.search("ClaimResponse", []):
            check(answer)
    assert stub.books.accounts[0].state == "decided"


def test_replacement_void_and_refusals(payer, claim):
    stub = payer()
    number = stub.submit(claim()).body["identifier"][0]["value"]
    related = [{"relationship": {"coding": [{"code": "prior"}]}, "reference": {"value": number}}]
    for name in ("A2", "A3"):
        answer = stub.submit(claim(name, related=related))
        check(answer.body)
    assert answer.body["outcome"] == "error"
    check(stub.submit({"resourceType": "Claim"}).body)


def test_capability_statement(payer):
    with running(payer()) as base:
        check(httpx.get(f"{base}/fhir/metadata", trust_env=False).json())
    assert base.startswith("http://127.0.0.1:")
