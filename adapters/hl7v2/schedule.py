"""SIU: what is to be done when, so that what was booked and never charged can be found (v2.5.1 chapter 10).

Each AIS is one expected service, SCH alone one appointment without a service named. S15 and S26 (cancelled, no-show)
say that it was not done; a charge for such a slot is suspect, not void.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from adapters.hl7v2.block import Block, blocks, facts_of
from adapters.hl7v2.drugs import PLACES, read_facts
from adapters.hl7v2.elements import Gathered, number, place
from adapters.hl7v2.segment import Segment
from adapters.hl7v2.values import Timestamp
from adapters.model.codes import is_procedure_code
from adapters.model.event import Status
from adapters.model.why import Fact
from adapters.rules.location import Location

_STATES: Final[Mapping[str, str]] = {
    "S12": "booked",
    "S13": "rescheduled",
    "S14": "modified",
    "S15": "cancelled",
    "S16": "discontinued",
    "S17": "deleted",
    "S26": "no-show",
    **dict.fromkeys(("S18", "S19", "S20", "S21", "S22", "S23", "S24"), "modified"),
}
_FILLER: Final[Mapping[str, str]] = {
    "BOOKED": "booked",
    "CANCELLED": "cancelled",
    "CANCELED": "cancelled",
    "DELETED": "deleted",
    "DC": "discontinued",
    "DISCONTINUED": "discontinued",
    "NOSHOW": "no-show",
    "COMPLETE": "complete",
    "ARRIVED": "arrived",
}
"""SCH-25, table 0278 and what feeds send beside it; it says more than the trigger where that only modifies."""
_RESOURCES: Final = frozenset({"RGS", "AIG", "AIL", "AIP"})
"""Who and what is booked for the services: read for their times and places."""
_NOT_DONE: Final = frozenset({"cancelled", "discontinued", "no-show"})
_MINUTES: Final = {"": 1, "MIN": 1, "M": 1, "MINUTES": 1, "S": 0, "SEC": 0, "HR": 60, "H": 60, "HOUR": 60}


def read_schedule(gathered: Gathered, segments: Sequence[Segment], trigger: str) -> None:
    """The services of each SCH."""
    parts: list[list[Segment]] = [[]]
    for segment in segments:
        if segment.name == "SCH" and any(s.name == "SCH" for s in parts[-1]):
            parts.append([])
        parts[-1].append(segment)
    for part in parts:
        _appointment(gathered, part, trigger)
    gathered.about = ""


def _appointment(gathered: Gathered, segments: Sequence[Segment], trigger: str) -> None:
    sch = next((s for s in segments if s.name == "SCH"), None)
    if sch is None:
        return
    services = blocks(gathered, segments, "AIS")
    beside: dict[str, list[Segment]] = {}
    for segment in segments:
        if segment.name in _RESOURCES:
            gathered.used.add(place(segment))
        if segment.name != "AIS":
            beside.setdefault(segment.name, []).append(segment)
    for block in services:
        _expected(Block(gathered, block.anchor, beside, block.own), sch, trigger)
    if not services:
        _expected(Block(gathered, sch, beside), sch, trigger)


def _expected(block: Block, sch: Segment, trigger: str) -> None:
    gathered, anchor = block.gathered, block.anchor
    speech = gathered.speech
    gathered.used.add(place(sch))
    named = next(((sch.text(n).strip(), sch.path(n, 1, 1)) for n in (2, 1) if sch.text(n).strip()), ("", ""))
    # The first service shares the line of its appointment, so that a cancellation by SCH alone restates it.
    which = f"|{anchor.ordinal}" if anchor.name == "AIS" and anchor.ordinal > 1 else ""
    line = f"{speech.feed.name}|appointment|{named[0]}{which}" if named[0] else speech.here(place(anchor))
    gathered.about = line
    facts = [*facts_of(block, "appointment"), *read_facts(block, PLACES)]
    if named[0]:
        facts.append(speech.fact("appointment", *named))
    filler = _FILLER.get(sch.text(25).strip().upper().replace(" ", "").replace("-", ""), "")
    state = _STATES.get(trigger, "")
    if filler and state in ("", "modified", "booked"):
        facts.append(speech.fact("state", filler, sch.path(25)))
        state = filler
    elif state:
        facts.append(speech.fact("state", state, "MSH-9"))
    facts += _service(block)
    wanted = (
        ("machine", (Location("AIL", 3, 2), Location("AIL", 3, 1))),
        ("facility", (Location("AIL", 3, 4),)),
        ("reason", (Location("SCH", 7), Location("SCH", 6))),
    )
    facts += read_facts(block, wanted)
    start, end, minutes = _when(block)
    if minutes:
        facts.append(speech.fact("minutes", *minutes))
    begin, day = speech.said, speech.said.astimezone(speech.zone).date()
    if start is not None and start.day is not None:
        begin, day = speech.instant(start), start.day
    else:
        gathered.omit("context", sch.path(11), "no time")
    until = None if end is None else speech.instant(end)
    if until is None and start is not None and start.has_time and minutes:
        until = begin + timedelta(minutes=int(minutes[0]))
    told = [fact.name for fact in facts]
    gathered.emit(
        "appointment",
        place(anchor),
        line=line,
        start=begin,
        end=until if until is None or until >= begin else None,
        day=day,
        status=_status(state),
        keys=(f"appointment:{named[0]}",) if named[0] else (),
        facts=[fact for i, fact in enumerate(facts) if fact.name not in told[:i]],
    )


def _status(state: str) -> Status:
    if state == "deleted":
        return Status.WITHDRAWN
    return Status.NOT_DONE if state in _NOT_DONE else Status.DONE


def _service(block: Block) -> list[Fact]:
    """What is expected: a procedure code, or an activity that the dialect knows."""
    speech = block.gathered.speech
    for at in (Location("AIS", 3), Location("SCH", 8)):
        segment = block.segment(at)
        text = segment.text(at.field).strip() if segment is not None else ""
        if segment is None or not text:
            continue
        where = segment.path(at.field)
        facts = [speech.fact("local_code", text, where)]
        if is_procedure_code(text.upper()):
            facts.append(speech.fact("code", text.upper(), where))
        activity = speech.dialect.activities.get(text)
        if activity is not None:
            facts.append(speech.fact("expects", activity.kinds[0], where))
        return facts
    return []


def _when(block: Block) -> tuple[Timestamp | None, Timestamp | None, tuple[str, str] | None]:
    """Start, end and minutes: of the service, else of the appointment, else of a resource."""
    speech = block.gathered.speech
    starts = (("AIS", 4, 1), ("SCH", 11, 4), ("TQ1", 7, 1), ("AIG", 8, 1), ("AIL", 6, 1), ("AIP", 6, 1))
    found = (speech.stamp(block.read((Location(*at),))[0]) for at in starts)
    start = next((stamp for stamp in found if stamp is not None), None)
    end = next(
        (s for s in (speech.stamp(block.read((Location(*at),))[0]) for at in (("SCH", 11, 5), ("TQ1", 8, 1))) if s),
        None,
    )
    for amount, unit in ((("AIS", 7), ("AIS", 8)), (("SCH", 9), ("SCH", 10))):
        text, at = block.read((Location(*amount),))
        said = number(speech.figure(text))
        per = _MINUTES.get(block.read((Location(*unit),))[0].strip().upper(), 0)
        if said is not None and said.isdigit() and per:
            return start, end, (str(int(said) * per), at)
    return start, end, None
