"""Our own answers: OperationOutcome and the responses to Bundles, of a shape that R4 accepts."""

from __future__ import annotations

from typing import Any

import pytest

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
    sent: JsonObject = {"resourceType": "Bundle", "type": "transaction", "entry": [{}, {}]}
    made = received(sent)
    assert made["type"] == "transaction-response"
    assert made["entry"] == [{"response": {"status": "202 Accepted"}}] * 2
    others: list[JsonObject] = [
        {"resourceType": "Bundle", "type": "collection", "entry": []},
        {"resourceType": "Patient"},
    ]
    for other in others:
        assert received(other)["resourceType"] == "OperationOutcome"


def test_the_shapes_hold_in_r4() -> None:
    from fhir.resources.R4B.bundle import Bundle
    from fhir.resources.R4B.operationoutcome import OperationOutcome

    answers = [EntryAnswer("202 Accepted"), EntryAnswer("400 Bad Request", PROBLEMS)]
    assert OperationOutcome.model_validate(operation_outcome(PROBLEMS)).issue
    assert OperationOutcome.model_validate(operation_outcome(())).issue
    assert Bundle.model_validate(bundle_response("batch", answers)).entry
