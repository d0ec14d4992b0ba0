"""A question to the clinic: what the record must hold before a line may be billed, asked of the system that told of it.

The journal alone keeps questions (kind `ehr`): no charge, hold or claim rests on one. The line goes out when the document
arrives, whether anybody asked or not.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

NAMESPACE: Final = uuid.UUID("5e0f1c36-7a54-5c0e-9d27-64a5d2f3b8c1")
"""Namespace of the ids of questions; fixed, so that a question asked again after a crash is the same one."""
ASKED_OF: Final = "documentation-missing"
"""The code of the holds that are asked about."""


class Stage(StrEnum):
    """Where a question stands."""

    ASKING = "asking"
    """It is to be asked. Whether the clinic has it already is not known: a Task is looked for before it is made, a message
    goes again under its own control id."""
    OPEN = "open"
    """The clinic has it."""
    ANSWERED = "answered"
    """The line is held no more, because of what came from the clinic."""
    WITHDRAWN = "withdrawn"
    """The line is held no more for another reason: nobody needs to answer."""


class Step(StrEnum):
    """What the clinic is told about a question; each step of one question is one message, however often it is sent."""

    ASKED = "asked"
    REMINDED = "reminded"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


class By(StrEnum):
    """How the clinic is asked."""

    TASK = "task"
    """A FHIR Task at its EHR."""
    MLLP = "mllp"
    """HL7 v2 messages to its integration engine."""


class Taken(StrEnum):
    """Whether the clinic has a question that goes by messages."""

    NO = ""
    PERHAPS = "perhaps"
    """It was sent, and nobody said what became of it."""
    YES = "yes"


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one held line, as it stands."""

    item: str
    """Id of the work item of the held line."""
    feed: str
    """The feed whose sender is asked."""
    focus: str
    """`Type/id` at the EHR of what the line rests on; where messages are sent, the journal id of that report."""
    patient: str
    """`Patient/id` at the EHR; empty where its resource names nobody by a reference, and where messages are sent."""
    service: str
    """Service family of the line."""
    code: str
    """What the line would bill; empty where nobody can say."""
    day: date
    """Date of service of the line, or of what it rests on."""
    detail: str
    """What is missing, in the words of the hold."""
    asked: datetime
    """When it was first meant to be asked."""
    due: date
    """The day by which the clinic is asked to answer."""
    number: int = 1
    """How often this line has been asked about: a hold that comes back is asked about anew."""
    stage: Stage = Stage.ASKING
    task: str = ""
    """Id of the Task at the EHR; empty until it is known."""
    problem: str = ""
    """Why it was not taken the last time, as a stable code: `no-answer`, `status-NNN`, `refused-AE`."""
    tried: datetime | None = None
    """When it was sent the last time."""
    reminded: datetime | None = None
    clinic: str = ""
    """The status that the clinic itself gave the Task, where it ended it while the line is still held."""
    closed: datetime | None = None
    """When it was answered or withdrawn."""
    why: str = ""
    """Why it was."""
    answer: str = ""
    """Journal id of what the line rests on since; empty where nothing new can be named."""
    told: bool = False
    """Whether the clinic has been told so: nothing is left to do."""
    by: By = By.TASK
    message: str = field(default="", repr=False)
    """By messages: what is to be taken next, to the letter as it leaves; empty where nothing is on its way."""
    step: str = ""
    """The step that this message is; empty without one."""
    taken: Taken = Taken.NO
    unheard: int = 0
    """How many tries in a row had no answer."""
    reply: str = field(default="", repr=False)
    """What the desk said when it refused, without what it repeated of the patient."""

    @property
    def id(self) -> str:
        """The identifier of its Task; the filler number of its messages."""
        return str(uuid.uuid5(NAMESPACE, f"{self.item}|{self.number}"))

    def control(self, step: Step) -> str:
        """MSH-10 of the message of a step: of 20 characters, which every version allows, and always the same."""
        return base64.b32encode(hashlib.sha256(f"{self.id}|{step}".encode()).digest())[:20].decode()

    @property
    def live(self) -> bool:
        """Whether an answer is waited for."""
        return self.stage in (Stage.ASKING, Stage.OPEN)


def question_words(question: Question) -> tuple[str, ...]:
    """What is to be said of a question to people of the billing office, in order, without PHI."""
    said = [f"the clinic was asked on {question.asked:%Y-%m-%d %H:%M}Z by {question.feed}, for {question.due}"]
    if question.stage is Stage.ASKING:
        trouble = f" ({question.problem})" if question.problem else ""
        said = [f"the clinic is being asked since {question.asked:%Y-%m-%d %H:%M}Z by {question.feed}{trouble}"]
    if question.reminded is not None:
        said.append(f"reminded on {question.reminded:%Y-%m-%d %H:%M}Z")
    if question.clinic:
        said.append(f"the clinic has set it to {question.clinic}, and the line is still held")
    if question.closed is not None:
        said.append(f"{question.stage.value} on {question.closed:%Y-%m-%d %H:%M}Z: {question.why}")
        if not question.told:
            said.append(f"the {'EHR' if question.by is By.TASK else 'desk'} has not been told yet")
    return tuple(said)
