"""Our own answers over FHIR: OperationOutcome, and the response to a Bundle. No value of a message is repeated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.fhir.problem import Problem
from adapters.fhir.wire import JsonObject, JsonValue

_ISSUES: Final[dict[str, str]] = {
    "too-long": "too-long",
    "too-deep": "too-costly",
    "control-character": "value",
    "number-out-of-range": "value",
    "number-not-finite": "value",
    "not-supported": "not-supported",
    "not-found": "not-found",
    "conflict": "conflict",
    "duplicate": "duplicate",
    "throttled": "throttled",
    "store-down": "transient",
    "forbidden": "forbidden",
    "login": "login",
    "required": "required",
    "business-rule": "business-rule",
}
"""Our code → code of http://hl7.org/fhir/issue-type; every other is `structure`, what a parser would say."""

RESPONSES: Final[dict[str, str]] = {"transaction": "transaction-response", "batch": "batch-response"}


@dataclass(frozen=True, slots=True)
class EntryAnswer:
    """What became of one entry: an HTTP status line (`202 Accepted`), and the problems that go with it."""

    status: str
    problems: tuple[Problem, ...] = ()
    location: str = ""


def operation_outcome(problems: Iterable[Problem], severity: str = "error") -> JsonObject:
    """An OperationOutcome with an issue for each problem; without any, one that says all is well (R4 requires one)."""
    issues: list[JsonValue] = [_issue(problem, severity) for problem in problems]
    return {"resourceType": "OperationOutcome", "issue": issues or [_well()]}


def bundle_response(kind: str, answers: Sequence[EntryAnswer]) -> JsonObject:
    """The answer to a received Bundle of that type: an entry for each received entry, in their order.

    A Bundle of another type than transaction or batch is answered as a batch (R4 http.html#transaction-response).
    """
    return {
        "resourceType": "Bundle",
        "type": RESPONSES.get(kind, "batch-response"),
        "entry": [{"response": _response(answer)} for answer in answers],
    }


def received(body: JsonObject) -> JsonObject:
    """The answer to a body that was taken into the journal and is read later: `202 Accepted`, entry by entry."""
    entries = body.get("entry")
    if body.get("resourceType") == "Bundle" and body.get("type") in RESPONSES and isinstance(entries, list):
        return bundle_response(str(body["type"]), [EntryAnswer("202 Accepted")] * len(entries))
    return operation_outcome(())


def _response(answer: EntryAnswer) -> JsonObject:
    response: JsonObject = {"status": answer.status}
    if answer.location:
        response["location"] = answer.location
    if answer.problems:
        response["outcome"] = operation_outcome(answer.problems)
    return response


def _issue(problem: Problem, severity: str) -> JsonObject:
    issue: JsonObject = {
        "severity": severity,
        "code": _ISSUES.get(problem.code, "structure"),
        "details": {"coding": [{"system": "urn:oncoclaims:problem", "code": problem.code}], "text": problem.text},
    }
    if problem.at:
        issue["expression"] = [problem.at]
    return issue


def _well() -> JsonObject:
    return {"severity": "information", "code": "informational", "details": {"text": "Taken"}}
