"""ORU: results that the dialect knows by OBR-4 become what they report, a course summary or sessions (chapter 7).

Which OBX says what is the dialect's (`OBX(FX_DELIV)-5`). Of all other results, laboratory values above all, nothing
is kept beside the message itself: they are named by an omission.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.hl7v2.block import Block, blocks, facts_of
from adapters.hl7v2.drugs import PLACES, read_facts
from adapters.hl7v2.elements import Gathered, diagnoses, npi, place, span
from adapters.hl7v2.segment import Segment
from adapters.model.event import Status
from adapters.model.why import Fact
from adapters.rules.dialect import Activity
from adapters.rules.location import Location

_FINAL: Final = frozenset({"", "F", "C"})
"""OBR-25, table 0123: final, corrected; empty where the sender sends only such."""
_GONE: Final = frozenset({"X", "D", "W"})


def read_results(gathered: Gathered, segments: Sequence[Segment]) -> None:
    """Each OBR of an ORU with its OBX."""
    for block in blocks(gathered, segments, "OBR", frozenset({"ORC"})):
        _result(block)
    gathered.about = ""


def _result(block: Block) -> None:
    gathered, obr = block.gathered, block.anchor
    speech = gathered.speech
    code = obr.text(4).strip()
    activity = speech.dialect.activities.get(code)
    if activity is None:
        gathered.omit("not-used-yet", place(obr))
        return
    block.first("ORC")
    number = obr.text(3).strip() or obr.text(2).strip()
    line = f"{speech.feed.name}|result|{number}|{code}" if number else speech.here(place(obr))
    gathered.about = line
    status = obr.text(25).strip().upper()
    if status not in _FINAL and status not in _GONE:
        gathered.omit("in-progress", place(obr))
        return
    start, end, unusable = span(speech.written(obr.text(7)), speech.written(obr.text(8)))
    if unusable:
        gathered.omit("ill-formed-date", obr.path(8))
    if start is None or start.day is None:
        gathered.omit("ill-formed-date" if obr.text(7) else "no-date", obr.path(7))
        return
    course = block.read(speech.dialect.course)[0]
    for position, kind in enumerate(activity.kinds):
        suffix = f"|{kind}" if position else ""
        gathered.emit(
            kind,
            place(obr),
            suffix=suffix,
            line=line + suffix,
            start=speech.instant(start),
            end=None if end is None else speech.instant(end),
            day=start.day,
            status=Status.WITHDRAWN if status in _GONE else Status.DONE,
            course=course,
            keys=_keys(block, kind),
            facts=_facts(block, kind, activity),
        )


def _facts(block: Block, kind: str, activity: Activity) -> list[Fact]:
    gathered, obr = block.gathered, block.anchor
    speech = gathered.speech
    found = facts_of(block, kind, activity.facts, obr.path(4))
    found.append(speech.fact("activity", obr.text(4).strip(), obr.path(4)))
    beside = [*read_facts(block, PLACES), *diagnoses(gathered, obr, 31)]
    for name, n in (("by", 32), ("ordered_by", 16)):
        provider = npi(obr, n)
        if provider is not None:
            beside.append(speech.fact(name, *provider))
    names = {fact.name for fact in found}
    return [*found, *(fact for fact in beside if fact.name not in names)]


def _keys(block: Block, kind: str) -> tuple[str, ...]:
    keys = []
    for rule in block.gathered.speech.dialect.keys:
        if rule.concerns(kind):
            value, _ = block.read(rule.sources)
            if value:
                keys.append(f"{rule.name}:{value}")
    order, _ = block.read((Location("OBR", 3, 1), Location("ORC", 3, 1)))
    if order and not any(key.startswith("order:") for key in keys):
        keys.append(f"order:{order}")
    return tuple(keys)
