"""A decision of a person as an entry of the journal, and what it says as events of the record that it concerns.

The body is canonical JSON, so the same decision sent again is the same entry. Its sayings are captured like the parts of
a message: from then on they are in the record, and every derivation looks at them (`pipeline.standing`).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from adapters.model.decision import KIND, Decision, Saying, Verb
from adapters.model.event import Event, Status, problems_of
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.merging import hint_of
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Captured
from adapters.model.why import Fact, Source
from adapters.ports import Receipt

CHANNEL: Final = "decisions"
"""The channel of all that persons decide."""
PERSON: Final = "person:"
"""How the actor of such an entry begins."""
OF_EVENT: Final = "fact."
"""How the words begin that are facts of an event which a person says happened."""
BY_HAND: Final = "by hand"
"""The feed of an event that a person says happened."""
BESIDES: Final = "besides:"
"""How the key of such an event begins that says how many others of its kind there were on the day."""
_NAMESPACE: Final = uuid.UUID("6a0f1f3e-5a3b-5c1d-9d0e-2f7f0b8c4a55")


def receipt_of(decision: Decision) -> Receipt:
    """The journal entry of a decision."""
    said: dict[str, Any] = {
        "by": decision.by,
        "why": decision.why,
        "at": decision.at.astimezone(UTC).isoformat(),
        "supervisor": decision.supervisor,
        "lane": decision.person.lane,
        "identifiers": [[one.system, one.value] for one in decision.person.identifiers],
        "says": [{"verb": one.verb.value, "words": [list(word) for word in one.words]} for one in decision.says],
    }
    return Receipt.of_ours(JournalKind.DECISION, CHANNEL, said, decision.at, actor=f"{PERSON}{decision.by}")


def decision_of(entry: JournalEntry) -> Decision:
    """What an entry of kind DECISION says. Raises `ValueError` or `KeyError` for a body that `receipt_of` did not make."""
    said: Mapping[str, Any] = json.loads(entry.body)
    return Decision(
        by=said["by"],
        why=said["why"],
        at=datetime.fromisoformat(said["at"]),
        says=tuple(
            Saying(Verb(one["verb"]), tuple((name, value) for name, value in one["words"])) for one in said["says"]
        ),
        person=PersonHint(tuple(Identifier(*one) for one in said["identifiers"]), lane=said["lane"]),
        supervisor=said["supervisor"],
    )


def captured_of(entry: JournalEntry, decision: Decision, zone: ZoneInfo) -> tuple[Captured, ...]:
    """What a decision adds to the record of the person it concerns; nothing where it concerns nobody.

    Raises `ValueError` for a saying that is no event of ours.
    """
    if not decision.person.known:
        return ()
    events = tuple(_events(entry, decision, zone))
    if problems := [problem for event in events for problem in problems_of(event)]:
        raise ValueError(f"{len(problems)} faults")
    others = dict.fromkeys(
        hint_of(Identifier(one.value("merged.system"), one.value("merged.value")))
        for one in decision.says
        if one.verb in (Verb.MERGE, Verb.UNMERGE)
    )
    # What is said of two persons stands in the records of both; the first to be asked names a lane of each.
    return (Captured(decision.person, events), *(Captured(hint, events) for hint in list(others)[:1]))


def _events(entry: JournalEntry, decision: Decision, zone: ZoneInfo) -> Iterator[Event]:
    for number, one in enumerate(decision.says, 1):
        source = Source(entry.id, f"{one.verb}[{number}]")
        if one.verb is Verb.EVENT:
            yield _happened(one, decision, source)
        else:
            yield _said(one, decision, source, zone)


def _said(one: Saying, decision: Decision, source: Source, zone: ZoneInfo) -> Event:
    """A saying about what is on file: an event of kind `decision`."""
    words = (("verb", one.verb.value), ("by", decision.by), ("why", decision.why), *one.words)
    return Event(
        id=_id(source),
        kind=KIND,
        feed=BY_HAND,
        start=decision.at.astimezone(UTC),
        day=decision.at.astimezone(zone).date(),
        said=decision.at.astimezone(UTC),
        line=f"{source.message}#{source.at}",
        source=source,
        facts=tuple(Fact(name, value, source) for name, value in words),
    )


def _happened(one: Saying, decision: Decision, source: Source) -> Event:
    """An event that a person says happened: of its own kind, so that it is charged like any."""
    end = one.value("end")
    facts = [(name.removeprefix(OF_EVENT), value) for name, value in one.words if name.startswith(OF_EVENT)]
    return Event(
        id=_id(source),
        kind=one.value("kind"),
        feed=BY_HAND,
        start=datetime.fromisoformat(one.value("start")).astimezone(UTC),
        day=date.fromisoformat(one.value("day")),
        said=decision.at.astimezone(UTC),
        line=f"{source.message}#{source.at}",
        source=source,
        end=datetime.fromisoformat(end).astimezone(UTC) if end else None,
        status=Status(one.value("status") or Status.DONE),
        course=one.value("course"),
        keys=tuple(f"{BESIDES}{number}" for number in one.values("besides")),
        facts=tuple(Fact(name, value, source) for name, value in facts),
    )


def _id(source: Source) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{source.message}|{source.at}"))
