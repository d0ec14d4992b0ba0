"""Questions to the clinic as the journal keeps them, who may ask them, and what their end means.

An entry of kind `ehr` tells how a question stands; the last one of its control id counts. A list of those that were ever
asked of a feed stands beside them, so that one is found whose line is not held any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Protocol

from adapters.model.charge import Charge, Hold, Slot
from adapters.model.event import Event
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.question import By, Question, Stage, Step, Taken
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.why import Why
from adapters.model.work import WorkItem
from adapters.ports import Receipt

LIST: Final = "questions"
"""Control id of the list of a feed's questions: one entry for each, with the id of its work item."""
_TIMES: Final = ("asked", "tried", "reminded", "closed")
_DAYS: Final = ("day", "due")
_WORDS: Final = {"stage": Stage, "by": By, "taken": Taken}


class Notes(Protocol):
    """The store as far as questions are read from it."""

    def last_noted(self, channel: str, control: str) -> JournalEntry | None:
        """The last entry of the channel with this control id that was noted, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """What of a question is the same whoever asks it."""

    item: str
    hold: Hold
    words: str
    """What the hold says where it has no detail of its own."""
    number: int
    now: datetime
    today: datetime
    """The same instant in the site's zone."""

    def question(self, event: Event, *, feed: str, focus: str, patient: str, due: date, by: By = By.TASK) -> Question:
        """The question about what the event told, by the feed's sender."""
        hold = self.hold
        return Question(
            item=self.item,
            feed=feed,
            focus=focus,
            patient=patient,
            service=hold.slot.service,
            code=hold.would.code if hold.would else "",
            day=hold.would.start if hold.would else event.day,
            detail=(hold.detail or self.words).rstrip("."),
            asked=self.now,
            due=due,
            number=self.number,
            by=by,
        )


class Asks(Protocol):
    """One way to ask the clinic about what one feed told. Each call gives the question as it stands afterwards.

    What `ready` gives is put on file before the call that it is for; whoever calls notes the outcome.
    """

    @property
    def feed(self) -> str:
        """The feed."""
        ...

    @property
    def reminder_days(self) -> int:
        """Days until the one reminder; 0 for none."""
        ...

    def drawn_up(self, record: PersonRecord, hold: Hold, draft: Draft) -> Question | None:
        """The question about a held line; None where it cannot be asked here."""
        ...

    def ready(self, question: Question, step: Step, now: datetime) -> Question:
        """The question as it must stand on file before the clinic is told of this step."""
        ...

    def ask(self, question: Question, now: datetime, *, again: bool) -> Question:
        """Ask; `again`: an earlier try may have been taken."""
        ...

    def remind(self, question: Question, now: datetime) -> Question:
        """Remind of a question that the clinic has."""
        ...

    def tell_of_end(self, question: Question, now: datetime) -> Question:
        """Tell that it is answered or withdrawn."""
        ...


def channel_of(feed: str) -> str:
    """The journal's channel of questions to the sender of a feed."""
    return f"questions:{feed}"


def control_of(item: str) -> str:
    """The control id of the entries about the question of a work item."""
    return f"question|{item}"


def note_of(question: Question, last: JournalEntry | None, now: datetime) -> Receipt:
    """The entry that a question stands so from now on."""
    return _receipt(question.feed, control_of(question.item), asdict(question), last, now)


def listing_of(question: Question, last: JournalEntry | None, now: datetime) -> Receipt:
    """The entry by which the question is found among all of its feed."""
    return _receipt(question.feed, LIST, {"item": question.item}, last, now)


def question_in(entry: JournalEntry) -> Question:
    """The question that an entry tells of."""
    said: dict[str, Any] = json.loads(entry.body)
    for name in _TIMES:
        said[name] = datetime.fromisoformat(said[name]) if said[name] else None
    for name in _DAYS:
        said[name] = date.fromisoformat(said[name])
    for name, kind in _WORDS.items():
        if name in said:
            said[name] = kind(said[name])
    return Question(**{name: value for name, value in said.items() if name not in ("of", "before")})


def listed_in(entries: Iterable[JournalEntry]) -> tuple[str, ...]:
    """The work items that were ever asked about, by the entries of the list, each once."""
    return tuple(dict.fromkeys(str(json.loads(entry.body)["item"]) for entry in entries))


def question_about(store: Notes, feeds: Iterable[str], item: str) -> Question | None:
    """The last question about the held line of a work item, of whichever of these feeds; None where nobody was asked."""
    notes = (store.last_noted(channel_of(feed), control_of(item)) for feed in feeds)
    asked = [question_in(entry) for entry in notes if entry is not None]
    return max(asked, key=lambda one: one.asked, default=None)


def reports_of(feed: str, record: PersonRecord, hold: Hold) -> Iterator[Event]:
    """What a feed told of a held line: what the hold is about first, then what it rests on."""
    own = [event for event in record.events if event.feed == feed]
    messages = hold.why.messages()
    yield from (event for event in own if event.id == hold.about)
    yield from (event for event in own if event.source.message in messages and event.id != hold.about)


def rests_on(record: PersonRecord, about: str) -> tuple[str, ...]:
    """Journal ids of all that the line rests on now, whether it is due or held for something else; none: no such line."""
    return tuple(dict.fromkeys(message for why in _whys(record, about) for message in why.messages()))


def closed(
    question: Question, item: WorkItem | None, record: PersonRecord, entries: Sequence[JournalEntry], now: datetime
) -> Question:
    """The question whose line is not held any more: answered or withdrawn.

    `entries` are those of `rests_on`. It is answered when the line rests on a report that came since it was asked, or is
    due as it would have been billed and nobody decided so; what a person decides or enters withdraws it.
    """
    stage, why, answer = _ending(question, item, record, entries)
    return replace(question, stage=stage, closed=now, why=why, answer=answer)


def _ending(
    question: Question, item: WorkItem | None, record: PersonRecord, entries: Sequence[JournalEntry]
) -> tuple[Stage, str, str]:
    if item is None:
        return Stage.WITHDRAWN, "there is no such line any more", ""
    if item.closed_by:
        return Stage.WITHDRAWN, "the billing office does not need it any more", ""
    since = [entry for entry in entries if entry.at > question.asked]
    if any(entry.kind is JournalKind.DECISION for entry in since):
        return Stage.WITHDRAWN, "the billing office has settled it", ""
    reports = [entry for entry in since if entry.kind is JournalKind.MESSAGE]
    if reports:
        return Stage.ANSWERED, "the record is complete", reports[-1].id
    if any(charge.code == question.code for charge in _charges(record, item.about)):
        return Stage.ANSWERED, "the record is complete", ""
    return Stage.WITHDRAWN, "the line is not due any more", ""


def _charges(record: PersonRecord, about: str) -> Iterator[Charge]:
    for one in record.charges:
        if one.status is not ChargeStatus.VOID and _named(one.charge.slot) == about:
            yield one.charge


def _whys(record: PersonRecord, about: str) -> Iterator[Why]:
    yield from (charge.why for charge in _charges(record, about))
    yield from (hold.why for hold in record.holds if _named(hold.slot) == about)


def _named(slot: Slot) -> str:
    """The line as its work item says it (`adapters.work.about_hold`)."""
    return f"{slot.episode}|{slot.service}|{slot.key}|{slot.part}"


def _receipt(feed: str, control: str, said: Mapping[str, Any], last: JournalEntry | None, now: datetime) -> Receipt:
    # An entry is named by its bytes: with what it follows in them the same thing said again is another.
    whole = {**said, "of": control, "before": "" if last is None else last.id}
    return Receipt.of_ours(JournalKind.EHR, channel_of(feed), whole, now, actor=f"feed:{feed}", control=control)
