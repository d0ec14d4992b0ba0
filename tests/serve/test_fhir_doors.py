"""`$process-message`, conditional create and update, versions, and the sample that vendors are shown."""

from __future__ import annotations

import http.client
import json
import re
from importlib import resources
from urllib.parse import urlsplit

import pytest

from adapters.serve.http import create_app
from adapters.serve.server import serving

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:clinic:mrn", "value": "77120"}],
    "name": [{"family": "Sorrel"}],
}
README = resources.files("adapters.fhir").joinpath("README.md")


class Asking:
    """Requests with a JSON body to one server; every answer as (status, headers, body)."""

    def __init__(self, base):
        self.host = urlsplit(base).netloc

    def fhir(self, method, path, resource, headers=None):
        connection = http.client.HTTPConnection(self.host, timeout=10)
        sent = {"Content-Type": "application/fhir+json", **(headers or {})}
        connection.request(method, path, json.dumps(resource).encode(), sent)
        answer = connection.getresponse()
        read = json.loads(answer.read())
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, read


@pytest.fixture
def served(program):
    """A program, its application on a socket, and how to ask it."""
    one = program()
    with serving(create_app(one)) as base:
        yield lambda: (one, Asking(base))


def message(*resources):
    header = {
        "resourceType": "MessageHeader",
        "id": "m-1",
        "eventUri": "urn:x:charges",
        "source": {"endpoint": "urn:ehr"},
    }
    return {"resourceType": "Bundle", "type": "message", "entry": [{"resource": r} for r in (header, *resources)]}


def test_a_message_is_processed_and_answered_by_a_message(served):
    one, ask = served()
    status, _, answer = ask.fhir("POST", "/fhir/$process-message", message(PATIENT))
    assert (status, answer["type"]) == (200, "message")
    assert answer["entry"][0]["resource"]["response"] == {"identifier": "m-1", "code": "ok"}
    one.lanes.work()
    assert len(one.store.lanes()) == 1
    status, _, answer = ask.fhir("POST", "/fhir/$process-message", PATIENT)
    assert (status, answer["resourceType"]) == (400, "OperationOutcome")
    assert ask.fhir("POST", "/fhir/$process-message?async=true", message(PATIENT))[0] == 400
    headless = {"resourceType": "Bundle", "type": "message", "entry": [{"resource": PATIENT}]}
    for refused in (headless, {**headless, "entry": []}, {**message(PATIENT), "type": "collection"}):
        status, _, answer = ask.fhir("POST", "/fhir/$process-message", refused)
        assert (status, answer["issue"][0]["code"]) == (400, "business-rule")
    assert one.store.counts().parked == 0


def test_a_sender_has_the_answer_that_it_prefers(served):
    _one, ask = served()
    nameless = {name: value for name, value in PATIENT.items() if name != "id"}
    status, headers, answer = ask.fhir("POST", "/fhir/Patient", nameless, {"Prefer": "return=representation"})
    assert (status, headers["location"].rpartition("/")[2]) == (201, answer["id"])
    assert answer == {**nameless, "id": answer["id"]}
    status, _, answer = ask.fhir("PUT", "/fhir/Patient/p1", PATIENT, {"Prefer": "respond-async, return=representation"})
    assert (status, answer) == (200, PATIENT)
    for prefer in ("return=OperationOutcome", "handling=strict", ""):
        assert ask.fhir("PUT", "/fhir/Patient/p1", PATIENT, {"Prefer": prefer})[2]["resourceType"] == "OperationOutcome"
    wrong = ask.fhir("PUT", "/fhir/Patient/p2", PATIENT, {"Prefer": "return=representation"})
    assert (wrong[0], wrong[2]["resourceType"]) == (400, "OperationOutcome")
    status, _, answer = ask.fhir(
        "POST", "/fhir", {"resourceType": "Bundle", "type": "collection"}, {"Prefer": "return=representation"}
    )
    assert (status, answer["resourceType"]) == (200, "OperationOutcome")


def test_a_conditional_update_names_what_the_body_bears(served):
    one, ask = served()
    status, headers, _ = ask.fhir("PUT", "/fhir/Patient?identifier=urn:clinic:mrn|77120", PATIENT)
    assert (status, headers["etag"][:3]) == (200, 'W/"')
    for search in ("identifier=urn:clinic:mrn|1", "name=Sorrel", "", "identifier=urn:clinic:mrn|77120&_id=p1"):
        status, _, answer = ask.fhir("PUT", f"/fhir/Patient?{search}", PATIENT)
        assert (status, answer["issue"][0]["code"]) == (412, "conflict")
        assert "Sorrel" not in json.dumps(answer)
        assert "77120" not in json.dumps(answer)
    assert one.store.counts().journal == 1


def test_versions_cannot_be_asked_for(served):
    one, ask = served()
    status, _, answer = ask.fhir("PUT", "/fhir/Patient/p1", PATIENT, headers={"If-Match": 'W/"1"'})
    assert (status, answer["issue"][0]["code"]) == (412, "conflict")
    assert one.store.counts().journal == 0


def test_a_conditional_create(served):
    one, ask = served()
    for condition, expected in (("identifier=urn:clinic:mrn|77120", 201), ("identifier=urn:clinic:mrn|2", 412)):
        status = ask.fhir("POST", "/fhir/Patient", PATIENT, headers={"If-None-Exist": condition})[0]
        assert status == expected
    assert one.store.counts().journal == 1


def samples():
    return re.findall(r"```json\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("n", range(len(samples())))
def test_the_readme_s_samples_are_taken_and_read(served, n):
    one, ask = served()
    body = json.loads(samples()[n])
    status, _, answer = ask.fhir("POST", "/fhir", body)
    assert status == 200
    assert answer["type"] == "transaction-response"
    assert {e["response"]["status"] for e in answer["entry"]} <= {"200 OK", "201 Created"}
    one.lanes.work()
    (lane,) = one.store.lanes()
    kinds = {event.kind for event in one.store.load(lane).events}
    assert {"patient", "coverage", "course", "phase", "fraction"} <= kinds
    assert not one.store.parked()
