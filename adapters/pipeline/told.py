"""All that persons decided and entered about one person, in order, each saying as a sentence: for pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from adapters.model.decision import KIND, Decision, Saying, Verb
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.record import PersonRecord
from adapters.pipeline.deciding import BY_HAND, OF_EVENT, decision_of
from adapters.work import standing


class JournalStore(Protocol):
    """The store as entries of the journal are read from it."""

    def entries(self, ids: Iterable[str]) -> Sequence[JournalEntry]:
        """Those of these journal entries that are on file, with their bodies decrypted, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """One decision about a person."""

    entry: str
    by: str
    why: str
    at: datetime
    says: tuple[str, ...]
    """What it says, each thing once."""
    withdraws: bool
    """Whether it takes back another, and can itself not be taken back."""
    withdrawn: bool


def told_of(store: JournalStore, record: PersonRecord) -> tuple[Told, ...]:
    """What persons decided and entered about this one, the last first. Raises `StoreDown`."""
    said = (event for event in record.events if event.kind == KIND or event.feed == BY_HAND)
    ids = dict.fromkeys(event.source.message for event in said)
    gone = standing(record.events).withdrawn
    found = (
        _told(entry.id, decision_of(entry), entry.id in gone)
        for entry in store.entries(ids)
        if entry.kind is JournalKind.DECISION
    )
    return tuple(sorted(found, key=lambda one: (one.at, one.entry), reverse=True))


def _told(entry: str, decision: Decision, withdrawn: bool) -> Told:
    says = tuple(dict.fromkeys(map(sentence, decision.says)))
    withdraws = any(one.verb is Verb.WITHDRAW for one in decision.says)
    return Told(entry, decision.by, decision.why, decision.at, says, withdraws, withdrawn)


def sentence(one: Saying) -> str:
    """What a saying says, with how it stood before where it tells that."""
    words = _words(one)
    before = one.value("before")
    return f"{words} (before: {before})" if before else words


def _words(one: Saying) -> str:
    match one.verb:
        case Verb.EVENT:
            when = one.value("start")[:16].replace("T", " ")
            facts = ", ".join(f"{n.removeprefix(OF_EVENT)} = {v}" for n, v in one.words if n.startswith(OF_EVENT))
            done = " was not done" if one.value("status") == "not-done" else ""
            course = f", course {one.value('course')}" if one.value("course") else ""
            return f"{one.value('kind')} on {when}{done}{course}{': ' if facts else ''}{facts}"
        case Verb.FACT:
            where = "this event" if one.value("about.event") else "sessions that say nothing of it"
            return f"{one.value('fact.name')} = {one.value('fact.value')}, of {where}"
        case Verb.DROP | Verb.BILL:
            return f"{one.value('about.service')}: {one.value('after') or one.verb.value}"
        case Verb.VOID:
            return f"claim {one.value('mark')} cancelled: {one.value('reason')}"
        case Verb.MERGE:
            return "the two are one person"
        case Verb.UNMERGE:
            return "the two are not one person"
        case Verb.WITHDRAW:
            return f"decision {one.value('entry')} taken back"
        case _:
            return f"{one.verb.value}: {one.value('after')}" if one.value("after") else one.verb.value
