"""Our own answers over FHIR: OperationOutcome, and the response to a Bundle. No value of a message is repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.fhir.bundle import VALID_ID, given_id
from adapters.fhir.problem import Problem
from adapters.fhir.tree import Node
from adapters.fhir.wire import JsonObject, JsonValue, dumps

_ISSUES: Final[dict[str, str]] = {
    "too-long": "too-long",
    "too-deep": "too-costly",
    "too-many-entries": "too-costly",
    "precondition": "conflict",
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
    etag: str = ""
    """Of the content taken: `W/"…"`."""


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


def received(body: JsonObject, given: str = "") -> JsonObject:
    """The answer to a body that was taken into the journal and is read later.

    To a transaction or batch a response for each entry, with the address under which the resource may be named from then
    on; to a message the message that it was taken; to anything else an OperationOutcome. `given` names the body (its
    digest) and stands in the ids that are given to what came without one.
    """
    entries = body.get("entry")
    if body.get("resourceType") != "Bundle" or not isinstance(entries, list):
        return operation_outcome(())
    if body.get("type") in RESPONSES:
        answers = [_taken(entry, given_id(given, f"Bundle.entry[{n}]")) for n, entry in enumerate(entries)]
        return bundle_response(str(body["type"]), answers)
    return _message_response(body, given) if body.get("type") == "message" else operation_outcome(())


def etag(resource: JsonObject) -> str:
    """A weak entity tag of the resource: the sender's versionId, else the beginning of the content's digest."""
    meta = resource.get("meta")
    told = meta.get("versionId") if isinstance(meta, dict) else None
    if isinstance(told, str) and VALID_ID.fullmatch(told):
        return f'W/"{told}"'
    return f'W/"{hashlib.sha256(dumps(resource)).hexdigest()[:16]}"'


def _taken(entry: JsonValue, given: str) -> EntryAnswer:
    """What became of an entry of a transaction or batch; journalled as one body, so none fails alone."""
    node = Node(entry, "")
    method, url, resource = node["request"]["method"].text, node["request"]["url"].text, node["resource"].object
    kind = node["resource"]["resourceType"].text
    if method in ("GET", "HEAD"):
        return EntryAnswer("405 Method Not Allowed", (Problem("not-supported", "nothing is searched or read here"),))
    if method == "DELETE":
        return EntryAnswer("204 No Content")
    if not kind or method not in ("POST", "PUT"):
        problem = Problem("not-supported" if kind else "required", "only resources by POST and PUT are taken")
        return EntryAnswer("202 Accepted", (problem,))
    id = node["resource"]["id"].text
    tag = etag(resource)
    if method == "POST":
        return EntryAnswer("201 Created", location=f"{kind}/{given}", etag=tag)
    named = url if url and "?" not in url else f"{kind}/{id}" if VALID_ID.fullmatch(id) else f"{kind}/{given}"
    return EntryAnswer("200 OK", location=named, etag=tag)


def _message_response(body: JsonObject, given: str) -> JsonObject:
    """A message that answers a message (R4 messaging): taken, its content is worked afterwards."""
    header = next((e["resource"] for e in Node(body, "Bundle").each("entry")), Node(None, ""))
    identifier = header["id"].text if VALID_ID.fullmatch(header["id"].text) else given_id(given, "MessageHeader")
    answer: JsonObject = {
        "resourceType": "MessageHeader",
        "id": given_id(given, "response"),
        "source": {"name": "oncoclaims", "endpoint": "urn:oncoclaims"},
        "response": {"identifier": identifier, "code": "ok"},
    }
    for name in ("eventCoding", "eventUri"):
        if header[name]:
            answer[name] = header[name].value
    if not header["eventCoding"] and not header["eventUri"]:
        answer["eventUri"] = "urn:oncoclaims:no-event"
    entry: JsonObject = {"fullUrl": f"urn:uuid:{given_id(given, 'response')}", "resource": answer}
    return {"resourceType": "Bundle", "type": "message", "entry": [entry]}


def _response(answer: EntryAnswer) -> JsonObject:
    response: JsonObject = {"status": answer.status}
    if answer.location:
        response["location"] = answer.location
    if answer.etag:
        response["etag"] = answer.etag
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
