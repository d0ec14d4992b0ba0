"""Questions to the clinic as the journal keeps them, and what their end means.

An entry of kind `ehr` tells how a question stands; the last one of its control id counts. A list of those that were ever
asked of a feed stands beside them, so that one is found whose line is not held any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any, Final, Protocol

from adapters.model.charge import Charge, Slot
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.question import Question, Stage
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.why import Why
from adapters.model.work import WorkItem
from adapters.ports import Receipt

LIST: Final = "questions"
"""Control id of the list of a feed's questions: one entry for each, with the id of its work item."""
_TIMES: Final = ("asked", "tried", "reminded", "closed")
_DAYS: Final = ("day", "due")


class Notes(Protocol):
    """The store as far as questions are read from it."""

    def last_noted(self, channel: str, control: str) -> JournalEntry | None:
        """The last entry of the channel with this control id that was noted, or None."""
        ...


def channel_of(feed: str) -> str:
    """The journal's channel of questions to the EHR of a feed."""
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
    said["stage"] = Stage(said["stage"])
    return Question(**{name: value for name, value in said.items() if name not in ("of", "before")})


def listed_in(entries: Iterable[JournalEntry]) -> tuple[str, ...]:
    """The work items that were ever asked about, by the entries of the list, each once."""
    return tuple(dict.fromkeys(str(json.loads(entry.body)["item"]) for entry in entries))


def question_about(store: Notes, feeds: Iterable[str], item: str) -> Question | None:
    """The last question about the held line of a work item, of whichever of these feeds; None where nobody was asked."""
    notes = (store.last_noted(channel_of(feed), control_of(item)) for feed in feeds)
    asked = [question_in(entry) for entry in notes if entry is not None]
    return max(asked, key=lambda one: one.asked, default=None)


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
