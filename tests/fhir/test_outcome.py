"""Our own answers: OperationOutcome and the responses to Bundles, of a shape that R4 accepts."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome

from adapters.fhir.bundle import given_id
from adapters.fhir.outcome import EntryAnswer, bundle_response, operation_outcome, received
from adapters.fhir.problem import Problem
from adapters.fhir.wire import JsonObject

PROBLEMS = (Problem("duplicate-key", "a name stands twice"), Problem("too-deep", "nested too deep", "Bundle.entry[3]"))


def test_an_issue_for_each_problem() -> None:
    assert operation_outcome(PROBLEMS) == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "structure",
                "details": {
                    "coding": [{"system": "urn:oncoclaims:problem", "code": "duplicate-key"}],
                    "text": "a name stands twice",
                },
            },
            {
                "severity": "error",
                "code": "too-costly",
                "details": {
                    "coding": [{"system": "urn:oncoclaims:problem", "code": "too-deep"}],
                    "text": "nested too deep",
                },
                "expression": ["Bundle.entry[3]"],
            },
        ],
    }


def test_no_problem_is_good_news() -> None:
    made: Any = operation_outcome(())
    (issue,) = made["issue"]
    assert (issue["severity"], issue["code"]) == ("information", "informational")


@pytest.mark.parametrize(
    ("kind", "answered"),
    [("transaction", "transaction-response"), ("batch", "batch-response"), ("message", "batch-response")],
)
def test_an_entry_for_each_entry(kind: str, answered: str) -> None:
    made: Any = bundle_response(
        kind, [EntryAnswer("202 Accepted", location="Task/1"), EntryAnswer("400", PROBLEMS[:1])]
    )
    assert made["type"] == answered
    first, second = made["entry"]
    assert first == {"response": {"status": "202 Accepted", "location": "Task/1"}}
    assert second == {"response": {"status": "400", "outcome": operation_outcome(PROBLEMS[:1])}}


def test_what_was_taken_is_answered_in_kind() -> None:
    def entry(kind: str, method: str, url: str, **told: Any) -> JsonObject:
        return {"resource": {"resourceType": kind, **told}, "request": {"method": method, "url": url}}

    sent: JsonObject = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            entry("Patient", "POST", "Patient"),
            entry("Procedure", "PUT", "Procedure/f1", id="f1", meta={"versionId": "3"}),
            entry("Procedure", "PUT", "Procedure?identifier=a|b", id="f2"),
            {"request": {"method": "GET", "url": "Patient/1"}},
            {"request": {"method": "DELETE", "url": "Patient/1"}},
            {},
        ],
    }
    made: Any = received(sent, "digest")
    assert made["type"] == "transaction-response"
    created, updated, conditional, searched, deleted, empty = [entry["response"] for entry in made["entry"]]
    assert created["status"] == "201 Created"
    assert created["location"] == f"Patient/{given_id('digest', 'Bundle.entry[0]')}"
    assert created["etag"].startswith('W/"')
    assert updated == {"status": "200 OK", "location": "Procedure/f1", "etag": 'W/"3"'}
    assert conditional["location"] == "Procedure/f2"
    assert searched["status"].startswith("405")
    assert deleted == {"status": "204 No Content"}
    assert empty["outcome"]["issue"][0]["code"] == "required"
    Bundle.model_validate(made)
    others: list[JsonObject] = [
        {"resourceType": "Bundle", "type": "collection", "entry": []},
        {"resourceType": "Patient"},
    ]
    for other in others:
        assert received(other)["resourceType"] == "OperationOutcome"


def test_a_message_is_answered_by_a_message() -> None:
    header: JsonObject = {
        "resourceType": "MessageHeader", "id": "m-1", "eventUri": "urn:x:charges", "source": {"endpoint": "urn:ehr"},
    }  # fmt: skip
    made: Any = received({"resourceType": "Bundle", "type": "message", "entry": [{"resource": header}]}, "digest")
    assert made["type"] == "message"
    (entry,) = made["entry"]
    assert entry["resource"]["response"] == {"identifier": "m-1", "code": "ok"}
    assert entry["resource"]["eventUri"] == "urn:x:charges"
    assert Bundle.model_validate(made).entry


def test_the_shapes_hold_in_r4() -> None:
    answers = [EntryAnswer("202 Accepted"), EntryAnswer("400 Bad Request", PROBLEMS)]
    assert OperationOutcome.model_validate(operation_outcome(PROBLEMS)).issue
    assert OperationOutcome.model_validate(operation_outcome(())).issue
    assert Bundle.model_validate(bundle_response("batch", answers)).entry
