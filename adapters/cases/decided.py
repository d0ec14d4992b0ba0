"""What a person decides in a case, as the model's decisions: the case reader is one more clerk."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.cases.case import Happening
from adapters.cases.feed import NAMESPACE, Letters
from adapters.cases.place import ZONE
from adapters.model.decision import KIND, Verb
from adapters.model.event import Event
from adapters.model.why import Fact, Source
from adapters.pipeline.afterwards import REJECTED

_CLERK: Final = "the case"


def voids(event: Happening, claim: str, now: datetime, letters: Letters) -> Event:
    """That a claim is one too many: it is cancelled at its payer, for the reason that the event says."""
    return _decision(event, Verb.VOID, now, letters, mark=claim, reason=event.text("reason"))


def sends_again(event: Happening, claim: str, now: datetime, letters: Letters) -> Event:
    """That a returned claim goes out again as it is."""
    return _decision(event, Verb.RELEASE, now, letters, hold=REJECTED, mark=claim)


def _decision(event: Happening, verb: Verb, now: datetime, letters: Letters, **words: str) -> Event:
    source = Source(letters.message(event.id), f"{verb}[1]")
    said = {"verb": verb.value, "by": _CLERK, "why": f"event {event.id}", **words}
    return Event(
        id=str(uuid.uuid5(NAMESPACE, f"{source.message}|{verb}")),
        kind=KIND,
        feed="by hand",
        start=now,
        day=now.astimezone(ZoneInfo(ZONE)).date(),
        said=now,
        line=f"{source.message}#{source.at}",
        source=source,
        facts=tuple(Fact(name, value, source) for name, value in said.items() if value),
    )
