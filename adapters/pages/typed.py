"""What is typed into forms about a person, read by the reader of `enter` and told beside the form where it is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from adapters.context import demographics
from adapters.model.people import PersonHint
from adapters.model.record import PersonRecord
from adapters.pages.names import is_plain
from adapters.pages.wired import PageWired
from adapters.pipeline.entering import Placed, placed
from adapters.work.entered import read_entered

Said = Mapping[str, str | int | Sequence[str] | Mapping[str, object]]
"""One table of what `enter` takes."""
_FORM: Final = "the form"


def entered(wired: PageWired, lane: str, table: str, said: Said) -> Placed | tuple[str, ...]:
    """One table of a file of `enter`, about the person of this lane; or all that is wrong with it, by the form's names."""
    text = json.dumps({"lane": lane, table: [said]})
    found = read_entered(text, as_json=True, zone=ZoneInfo(wired.house.site.zone))
    whole = found if isinstance(found, tuple) else placed(wired.store, found)
    return whole if isinstance(whole, Placed) else tuple(_beside(problem) for problem in whole)


def _beside(problem: str) -> str:
    """A problem of the file as one of the form: `event[1].facts.n: …` is told of `n`."""
    path, _, words = problem.partition(": ")
    _, dot, name = path.partition("].")
    return f"{name.removeprefix('facts.') if dot else _FORM}: {words}"


def said_of(problems: Sequence[str]) -> frozenset[str]:
    """The names of the form that something is said of."""
    return frozenset(problem.partition(": ")[0] for problem in problems)


def whole(text: str) -> str | int:
    """A whole number as one; what is none as it was typed, for the reader to say so."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 9 else text


def lane_of(wired: PageWired, id: str) -> str:
    """The lane that an address names; empty where nobody has it."""
    return wired.store.lane_of(PersonHint(lane=id), "") if is_plain(id) else ""


def record_of(wired: PageWired, lane: str) -> PersonRecord:
    """The whole record of the person of whom this is a lane."""
    return wired.store.load(wired.store.lanes_of(lane)[0])


def name_of(record: PersonRecord) -> tuple[str, date | None]:
    """By what people know a person: name and birth date."""
    who = demographics(event for event in record.events if event.kind == "patient")
    return ", ".join(filter(None, (who.family, who.given))) or "name not known", who.birth_date
