"""The Task by which the clinic is asked for missing documentation (R4 task.html), and what becomes of it.

It names what it is about by the EHR's own references and says what is missing; no name, number or birth date of a person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from adapters.fhir.tree import Node
from adapters.fhir.wire import JsonObject, JsonValue
from adapters.model.question import ASKED_OF, Question, Stage

QUESTION_SYSTEM: Final = "urn:oncoclaims:question"
"""System of the identifier of our Tasks: by it one is found again, and never made twice."""
CODE_SYSTEM: Final = "urn:oncoclaims:question-code"
_NPI: Final = "http://hl7.org/fhir/sid/us-npi"
_REMINDER: Final = "Reminder from billing:"
_ENDED: Final = frozenset({"rejected", "cancelled", "failed", "completed", "entered-in-error"})
"""R4 task-status from which none leads on (task.html, state machine)."""
_HIGHER: Final = {"": "urgent", "routine": "urgent", "urgent": "asap", "asap": "stat", "stat": "stat"}
"""R4 request-priority, a step up."""


def question_task(question: Question, *, asker: str, npi: str, owner: str, now: datetime) -> JsonObject:
    """The Task of a question. `asker` and `npi` are of who bills; `owner` a reference at the EHR, empty for nobody."""
    about: JsonObject = {"coding": [{"system": CODE_SYSTEM, "code": ASKED_OF}], "text": "Documentation is missing"}
    at = _instant(now)
    task: JsonObject = {
        "resourceType": "Task",
        "identifier": [{"system": QUESTION_SYSTEM, "value": question.id}],
        "status": "requested",
        "intent": "order",
        "priority": "routine",
        "code": about,
        "description": _description(question),
        "focus": {"reference": question.focus},
        "authoredOn": at,
        "lastModified": at,
        "requester": _asker(asker, npi),
        "restriction": {"period": {"end": question.due.isoformat()}},
    }
    if question.patient:
        task["for"] = {"reference": question.patient}
    if owner:
        task["owner"] = {"reference": owner}
    return task


def is_question(task: JsonObject, question: Question) -> bool:
    """Whether this Task is the question's, by its identifier: a server may answer a search with others."""
    node = Node(task, "Task")
    return task.get("resourceType") == "Task" and any(
        (one["system"].text, one["value"].text) == (QUESTION_SYSTEM, question.id) for one in node.each("identifier")
    )


def ended(task: JsonObject) -> str:
    """The status of a Task that has come to an end; empty for one that has not."""
    status = Node(task, "Task")["status"].text
    return status if status in _ENDED else ""


def reminding(task: JsonObject, question: Question, *, asker: str, now: datetime) -> JsonObject:
    """The Task with a reminder: one step more urgent, and a note that says so."""
    priority = Node(task, "Task")["priority"].text
    words = f"{_REMINDER} this was asked on {question.asked.date()}, for {question.due}, and a claim line waits for it."
    return _noted(task, words, asker, now) | {"priority": _HIGHER.get(priority, priority)}


def reminded_in(task: JsonObject) -> bool:
    """Whether a reminder of ours stands in the Task."""
    return any(note["text"].text.startswith(_REMINDER) for note in Node(task, "Task").each("note"))


def closing(task: JsonObject, question: Question, *, asker: str, now: datetime) -> JsonObject:
    """The Task at its end: completed where the document arrived, cancelled where nobody needs to answer any more."""
    status = "completed" if question.stage is Stage.ANSWERED else "cancelled"
    words = f"Nothing is left to do: {question.why}."
    return _noted(task, words, asker, now) | {"status": status, "statusReason": {"text": question.why}}


def _noted(task: JsonObject, words: str, asker: str, now: datetime) -> JsonObject:
    before = task.get("note")
    notes: list[JsonValue] = list(before) if isinstance(before, list) else []
    notes.append({"authorString": asker, "time": _instant(now), "text": words})
    return task | {"note": notes, "lastModified": _instant(now)}


def _asker(asker: str, npi: str) -> JsonObject:
    who: JsonObject = {"type": "Organization", "display": asker}
    return who | ({"identifier": {"system": _NPI, "value": npi}} if npi else {})


def _description(question: Question) -> str:
    what = question.service.replace("-", " ")
    return (
        f"A claim line ({what}, {question.day}) cannot be billed: {question.detail}. "
        "Please complete the record; nothing else needs to be sent, and this closes by itself when it arrives."
    )


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
