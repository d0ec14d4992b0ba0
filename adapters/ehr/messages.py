"""Questions to the clinic by HL7 v2 messages to its integration engine, for senders that speak nothing else.

A message is drawn up once for each step of a question, is on file before it is sent, and goes again to the letter under
its own control id until it is taken or refused. What was refused is written anew, under the same control id.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from adapters.ehr.sending import NOT_CONNECTED, Sends
from adapters.hl7v2.question import Writer, message_of
from adapters.model.charge import Hold
from adapters.model.desk import Desk
from adapters.model.question import By, Question, Stage, Step, Taken
from adapters.model.record import PersonRecord
from adapters.pipeline.questions import Draft, reports_of

NO_REPORT: Final = "no-report"
"""The report that the question is about cannot be read any more: nothing can be written of its patient."""
_REFUSED: Final = "refused-"


@dataclass(frozen=True, slots=True)
class AskByMessage:
    """Asks at a desk; see `pipeline.questions.Asks`. `body_of` gives the bytes of a journal entry."""

    desk: Desk
    writer: Writer
    sender: Sends
    body_of: Callable[[str], bytes]

    @property
    def feed(self) -> str:
        """The feed about whose reports it asks."""
        return self.desk.feed

    @property
    def reminder_days(self) -> int:
        """Days until the one reminder; 0 for none."""
        return self.desk.question_reminder_days

    def drawn_up(self, record: PersonRecord, hold: Hold, draft: Draft) -> Question | None:
        """The question with its message; None where the feed told nothing of the line that names its one patient."""
        for event in reports_of(self.feed, record, hold):
            question = draft.question(
                event,
                feed=self.feed,
                focus=event.source.message,
                patient="",
                due=(draft.today + timedelta(days=self.desk.question_days)).date(),
                by=By.MLLP,
            )
            if (ready := self._written(question, Step.ASKED, draft.now)) is not None:
                return ready
        return None

    def ready(self, question: Question, step: Step, now: datetime) -> Question:
        """The question with the message of this step, which must be on file before it is sent."""
        ended = step in (Step.ANSWERED, Step.WITHDRAWN)
        if ended and question.taken is Taken.NO and (question.tried is not None or not question.message):
            return replace(question, message="", step="", problem="", reply="")  # nobody ever had it
        if question.step == step and question.message and not question.problem.startswith(_REFUSED):
            return question
        fresh = replace(question, problem="", reply="", unheard=0)
        return self._written(fresh, step, now) or replace(question, message="", step="", problem=NO_REPORT)

    def ask(self, question: Question, now: datetime, *, again: bool) -> Question:
        """Send the question; `again`: it may have been sent before."""
        if again and question.tried is None:  # a crash in between: nobody can say whether it left
            question = replace(question, taken=Taken.PERHAPS)
        after = self._sent(question, Step.ASKED, now)
        return after if after.problem else replace(after, stage=Stage.OPEN, taken=Taken.YES)

    def remind(self, question: Question, now: datetime) -> Question:
        """Send the reminder."""
        after = self._sent(question, Step.REMINDED, now)
        return after if after.problem else replace(after, reminded=now)

    def tell_of_end(self, question: Question, now: datetime) -> Question:
        """Say that nobody needs to answer any more, where the question may be known there."""
        if not question.message and not question.problem:
            return replace(question, told=True)
        after = self._sent(question, end_of(question), now)
        return after if after.problem else replace(after, told=True)

    def _written(self, question: Question, step: Step, now: datetime) -> Question | None:
        text = message_of(question, step, self.body_of(question.focus), self.writer, now)
        return None if text is None else replace(question, message=text, step=step.value)

    def _sent(self, question: Question, step: Step, now: datetime) -> Question:
        if not question.message:
            return replace(question, tried=now)
        sent = self.sender.send(self.desk, question.message, question.control(step))
        if not sent.problem:
            return replace(question, message="", step="", problem="", reply="", unheard=0, tried=now)
        refused = sent.problem.startswith(_REFUSED)
        unknown = not refused and sent.problem != NOT_CONNECTED and question.taken is Taken.NO
        return replace(
            question,
            problem=sent.problem,
            reply=sent.words,
            unheard=0 if refused else question.unheard + 1,
            taken=Taken.PERHAPS if unknown else question.taken,
            tried=now,
        )


def end_of(question: Question) -> Step:
    """What is said at the end of a question."""
    return Step.ANSWERED if question.stage is Stage.ANSWERED else Step.WITHDRAWN
