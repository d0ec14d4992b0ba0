"""ORM, OMG, OMI, OML, OMP, RDE, RGV and their kin: each ORC with its details as an `order` (v2.5.1 chapter 4).

An order says what is expected, never what was done. Its identity is the placer's number (ORC-2), else the filler's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.hl7v2.block import Block, blocks, facts_of
from adapters.hl7v2.drugs import ORDER_NUMBERS, PLACES, drug_facts, order_keys, read_facts, route_facts
from adapters.hl7v2.elements import Gathered, diagnoses, npi, place
from adapters.hl7v2.segment import Segment
from adapters.hl7v2.values import Timestamp
from adapters.model.codes import is_procedure_code
from adapters.model.event import Status
from adapters.model.why import Fact
from adapters.rules.location import Location

_CONTROL: Final[Mapping[str, str]] = {
    **dict.fromkeys(("NW", "SN", "NA", "RO", "RF"), "new"),
    **dict.fromkeys(("CA", "OC", "CR", "UA"), "cancelled"),
    **dict.fromkeys(("DC", "OD", "DR"), "discontinued"),
    **dict.fromkeys(("HD", "OH", "HR"), "held"),
    **dict.fromkeys(("XO", "XX", "XR", "RP", "RU"), "modified"),
}
"""ORC-1, table 0119: what the message does to the order."""

_STATUS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("CM", "A"), "complete"),
    "CA": "cancelled",
    "DC": "discontinued",
    "HD": "held",
    "IP": "in-progress",
    "SC": "scheduled",
    "RP": "modified",
}
"""ORC-5, table 0038: where the order stands; said with control codes that do nothing by themselves (SC, RE, OK)."""

_ENDED: Final = frozenset({"cancelled", "discontinued"})
_PLANNED: Final = (("OBR", 36), ("TQ1", 7), ("RXG", 3), ("RXE", 1), ("ORC", 7))
"""When it is to be done: the segment's time, or component 4 of a quantity and timing (TQ)."""
_TIMINGS: Final = frozenset({("RXG", 3), ("RXE", 1), ("ORC", 7)})


_INTERVALS: Final = (("TQ1", 3, 1), ("RXG", 3, 2), ("RXE", 1, 2), ("ORC", 7, 2))
_ONCE: Final = frozenset({"ONCE", "1X", "ONE TIME", "X1"})
"""Intervals of an order that is of one dose (v2.5.1 4.3.2: `Once`, one time only)."""


def read_orders(gathered: Gathered, segments: Sequence[Segment]) -> None:
    """Each ORC of the message."""
    for block in blocks(gathered, segments, "ORC"):
        _order(block)
    gathered.about = ""


def _order(block: Block) -> None:
    gathered, orc = block.gathered, block.anchor
    speech = gathered.speech
    numbers = read_facts(block, ORDER_NUMBERS)
    if not numbers:  # some senders number the request alone
        numbers = read_facts(block, (("placer", (Location("OBR", 2, 1),)), ("filler_order", (Location("OBR", 3, 1),))))
    line = f"{speech.feed.name}|order|{numbers[0].value}" if numbers else speech.here(place(orc))
    gathered.about = line
    control, status = orc.text(1).strip().upper(), orc.text(5).strip().upper()
    state = _CONTROL.get(control) or _STATUS.get(status, "")
    facts = [*facts_of(block, "order"), *numbers, *read_facts(block, PLACES)]
    if control:
        facts.append(speech.fact("control", control, orc.path(1)))
    if state:
        facts.append(speech.fact("state", state, orc.path(1 if control in _CONTROL else 5)))
    facts += _request(block)
    ordered = next((s for s in (block.first(name) for name in ("RXE", "RXG", "RXO")) if s is not None), None)
    if ordered is not None:
        facts += [*drug_facts(block, ordered), *route_facts(block)]
    facts += _by(block, orc)
    when, at = _planned(block)
    start, day = speech.said, speech.said.astimezone(speech.zone).date()
    if when is not None and when.day is not None:
        start, day = speech.instant(when), when.day
        facts.append(speech.fact("scheduled", start.isoformat(), at))
    if repeated := _repeats(block):
        facts.append(speech.fact("repeats", "true", repeated))
    names = [fact.name for fact in facts]
    gathered.emit(
        "order",
        place(orc),
        line=line,
        start=start,
        day=day,
        status=Status.NOT_DONE if state in _ENDED else Status.DONE,
        keys=order_keys(facts),
        facts=[f for i, f in enumerate(facts) if f.name in ("diagnosis", "lot", "ndc") or f.name not in names[:i]],
    )


def _request(block: Block) -> list[Fact]:
    """What the OBR asks for, why, and how soon."""
    gathered = block.gathered
    speech = gathered.speech
    obr = block.first("OBR")
    facts: list[Fact] = []
    if obr is not None:
        for n in (44, 4):
            text = obr.text(n).strip()
            if is_procedure_code(text.upper()):
                facts.append(speech.fact("code", text.upper(), obr.path(n)))
                break
        local = obr.text(4).strip()
        if local:
            facts.append(speech.fact("local_code", local, obr.path(4)))
            activity = speech.dialect.activities.get(local)
            if activity is not None:
                facts.append(speech.fact("expects", activity.kinds[0], obr.path(4)))
        facts += read_facts(block, (("priority", (Location("OBR", 5), Location("OBR", 27, 6))),))
        facts += diagnoses(gathered, obr, 31)
    for dg1 in block.own.get("DG1", []):
        facts += diagnoses(gathered, dg1, 3)
    return facts


def _by(block: Block, orc: Segment) -> list[Fact]:
    for segment, n in ((orc, 12), (block.first("OBR"), 16)):
        provider = npi(segment, n) if segment is not None else None
        if provider is not None:
            return [block.gathered.speech.fact("ordered_by", *provider)]
    return []


def _repeats(block: Block) -> str:
    """Where the order says that it is of several doses (TQ1-3, component 2 of a quantity and timing); empty for one dose."""
    for name, n, component in _INTERVALS:
        text, at = block.read((Location(name, n, component),))
        if text.strip() and text.strip().upper() not in _ONCE:
            return at
    return ""


def _planned(block: Block) -> tuple[Timestamp | None, str]:
    speech = block.gathered.speech
    for name, n in _PLANNED:
        component = 4 if (name, n) in _TIMINGS else 1
        text, at = block.read((Location(name, n, component),))
        when = speech.stamp(text)
        if when is not None:
            return when, at
    return None, ""
