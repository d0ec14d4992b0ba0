"""Questions to the clinic at an EHR that takes them as Tasks: drawn up, asked once, reminded of, brought to their end.

Each call gives the question as it stands afterwards; nothing is written here. A Task is made by a conditional create under
the question's own identifier, and looked for first where an earlier try had no known outcome: nothing need be on file
of it but the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

from adapters.ehr.around import local_name
from adapters.ehr.client import Answer, EhrClient
from adapters.fhir import wire
from adapters.fhir.problem import Refused
from adapters.fhir.question import QUESTION_SYSTEM, closing, ended, is_question, question_task, reminded_in, reminding
from adapters.fhir.tree import Node
from adapters.fhir.wire import JsonObject
from adapters.model.charge import Hold
from adapters.model.ehr import Ehr
from adapters.model.event import REFERENCE, Event
from adapters.model.question import Question, Stage, Step
from adapters.model.record import PersonRecord
from adapters.pipeline.questions import Draft, reports_of

_GONE: Final = frozenset({404, 410})
_WITH_SUBJECT: Final = ("subject", "patient", "for")
NOT_FOUND: Final = "not-a-search"
"""The answer to a search for our Task is no search result."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as it stands in the Task."""

    name: str
    npi: str


@dataclass(frozen=True, slots=True)
class AskByTask:
    """Asks at an EHR; see `pipeline.questions.Asks`. `body_of` gives the bytes of a journal entry."""

    ehr: Ehr
    client: EhrClient
    asker: Asker
    body_of: Callable[[str], bytes]

    @property
    def feed(self) -> str:
        """The feed of the EHR."""
        return self.ehr.feed

    @property
    def reminder_days(self) -> int:
        """Days until the one reminder; 0 for none."""
        return self.ehr.question_reminder_days

    def drawn_up(self, record: PersonRecord, hold: Hold, draft: Draft) -> Question | None:
        """The question about a held line; None where the EHR told nothing that the line rests on."""
        for event, focus in told_of(self.ehr, record, hold):
            patient = _patient(self.body_of(event.source.message), focus, self.ehr.base_url)
            due = (draft.today + timedelta(days=self.ehr.question_days)).date()
            return draft.question(event, feed=self.feed, focus=focus, patient=patient, due=due)
        return None

    def ready(self, question: Question, step: Step, now: datetime) -> Question:  # noqa: ARG002  # the Protocol's
        """The question itself: a Task is found again by its identifier."""
        return question

    def ask(self, question: Question, now: datetime, *, again: bool) -> Question:
        """Make the Task; see `ask`."""
        return ask(self.ehr, self.client, question, self.asker, now, again=again)

    def remind(self, question: Question, now: datetime) -> Question:
        """Make it more urgent; see `remind`."""
        return remind(self.ehr, self.client, question, self.asker, now)

    def tell_of_end(self, question: Question, now: datetime) -> Question:
        """Complete or cancel it; see `tell_of_end`."""
        return tell_of_end(self.ehr, self.client, question, self.asker, now)


def ask(ehr: Ehr, client: EhrClient, question: Question, asker: Asker, now: datetime, *, again: bool) -> Question:
    """Make the Task; `again`: look first for the one that an earlier try may have made.

    Raises `BadSetup` where the EHR's token cannot be read.
    """
    if again:
        found = _find(ehr, client, question)
        if isinstance(found, str):
            return replace(question, problem=found, tried=now)
        if found is not None:
            return _open(question, Node(found, "Task")["id"].text, now)
    task = question_task(question, asker=asker.name, npi=asker.npi, owner=ehr.question_owner, now=now)
    never_twice = {"If-None-Exist": f"identifier={_token(question)}", "Prefer": "return=representation"}
    answer = client.call(ehr, "POST", ehr.under("Task"), wire.dumps(task), never_twice)
    if answer.problem:
        return replace(question, problem=answer.problem, tried=now)
    return _open(question, _id_of(ehr, answer), now)


def remind(ehr: Ehr, client: EhrClient, question: Question, asker: Asker, now: datetime) -> Question:
    """Make the Task more urgent, with a note; where the clinic has ended it, say so instead. One that cannot be changed now
    is given back as it was, with its problem."""
    task = _read(ehr, client, question)
    if isinstance(task, str):
        return replace(question, problem=task)
    if task is None:
        return replace(question, clinic="deleted", problem="")
    if status := ended(task):
        return replace(question, clinic=status, problem="")
    if reminded_in(task):  # an earlier try, whose outcome was not heard
        return replace(question, reminded=now, problem="")
    problem = _write(ehr, client, task, reminding(task, question, asker=asker.name, now=now))
    return replace(question, problem=problem) if problem else replace(question, reminded=now, problem="")


def tell_of_end(ehr: Ehr, client: EhrClient, question: Question, asker: Asker, now: datetime) -> Question:
    """Complete or cancel the Task of a question that is answered or withdrawn; one that the clinic ended stays so."""
    if not question.task:
        found = _find(ehr, client, question)
        if isinstance(found, str):
            return replace(question, problem=found)
        if found is None:
            return replace(question, told=True, problem="")
        question = replace(question, task=Node(found, "Task")["id"].text)
    task = _read(ehr, client, question)
    if isinstance(task, str):
        return replace(question, problem=task)
    if task is not None and not ended(task):
        problem = _write(ehr, client, task, closing(task, question, asker=asker.name, now=now))
        if problem:
            return replace(question, problem=problem)
    return replace(question, told=True, problem="")


def told_of(ehr: Ehr, record: PersonRecord, hold: Hold) -> Iterator[tuple[Event, str]]:
    """What this EHR told of the line, each with its `Type/id` there: what the hold is about first, then what it rests on."""
    for event in reports_of(ehr.feed, record, hold):
        prefix = f"{REFERENCE}:{ehr.feed}|"
        names = (key.removeprefix(prefix) for key in event.keys if key.startswith(prefix))
        if name := next((local for one in names if (local := local_name(one, ehr.base_url))), ""):
            yield event, name


def _patient(body: bytes, focus: str, base: str) -> str:
    """`Patient/id` that the resource of this name says it is about; empty where it says none that is the EHR's."""
    read = wire.resource(body)
    if isinstance(read, Refused):
        return ""
    entries = [entry["resource"] for entry in Node(read, "Bundle").each("entry")]
    for one in (Node(read, "resource"), *entries):
        if f"{one['resourceType'].text}/{one['id'].text}" == focus:
            named = (local_name(one[name]["reference"].text, base) for name in _WITH_SUBJECT)
            return next((name for name in named if name.startswith("Patient/")), "")
    return ""


def _open(question: Question, id: str, now: datetime) -> Question:
    return replace(question, stage=Stage.OPEN, task=id, problem="", tried=now)


def _token(question: Question) -> str:
    return quote(f"{QUESTION_SYSTEM}|{question.id}", safe="")


def _find(ehr: Ehr, client: EhrClient, question: Question) -> JsonObject | str | None:
    """Our Task; None where the EHR has none of this identifier; a stable code where it cannot be told."""
    answer = client.get(ehr, ehr.under(f"Task?identifier={_token(question)}"))
    if answer.problem:
        return answer.problem
    read = wire.resource(answer.body)
    if isinstance(read, Refused) or read["resourceType"] != "Bundle":
        return NOT_FOUND
    tasks = (entry["resource"].object for entry in Node(read, "Bundle").each("entry"))
    return next((task for task in tasks if is_question(task, question)), None)


def _id_of(ehr: Ehr, answer: Answer) -> str:
    """The id of the Task that was made: by its representation, else by the Location; empty where neither says."""
    read = wire.resource(answer.body) if answer.body else None
    if isinstance(read, dict) and read["resourceType"] == "Task" and Node(read, "Task")["id"].text:
        return Node(read, "Task")["id"].text
    kind, _, id = local_name(answer.location, ehr.base_url).partition("/") if answer.location else ("", "", "")
    return id if kind == "Task" else ""


def _read(ehr: Ehr, client: EhrClient, question: Question) -> JsonObject | str | None:
    """The Task as it stands at the EHR; None where it is gone; a stable code where it cannot be had."""
    if not question.task:
        return _find(ehr, client, question)
    answer = client.get(ehr, ehr.under(f"Task/{quote(question.task, safe='')}"))
    if answer.status in _GONE:
        return None
    if answer.problem:
        return answer.problem
    read = wire.resource(answer.body)
    return "not-a-task" if isinstance(read, Refused) or read["resourceType"] != "Task" else read


def _write(ehr: Ehr, client: EhrClient, before: JsonObject, after: JsonObject) -> str:
    """Put the Task, if it is still as it was read; why that failed, as a stable code."""
    version = Node(before, "Task")["meta"]["versionId"].text
    unchanged = {"If-Match": f'W/"{version}"'} if version else {}
    id = quote(Node(before, "Task")["id"].text, safe="")
    return client.call(ehr, "PUT", ehr.under(f"Task/{id}"), wire.dumps(after), unchanged).problem
