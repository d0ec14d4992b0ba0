"""MDM: that a document exists, of which type, by whom, and whether it is signed (v2.5.1 section 9.6, TXA).

The text itself stays in the journal: what a claim needs is that the note exists and is signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.hl7v2.block import Block, blocks, facts_of
from adapters.hl7v2.drugs import PLACES, order_keys, read_facts
from adapters.hl7v2.elements import Gathered, npi, place
from adapters.hl7v2.segment import Segment
from adapters.model.event import Status
from adapters.model.why import Fact
from adapters.rules.location import Location

_SIGNED: Final = frozenset({"AU", "LA"})
"""TXA-17, table 0271: authenticated, legally authenticated."""
_GONE: Final = frozenset({"CA", "OB"})
"""TXA-19, table 0273: deleted, obsolete."""
_CONTENT: Final = frozenset({"OBX", "ORC", "OBR"})
"""The document's text and the order that it reports on."""
_CANCELS: Final = "T11"


def read_documents(gathered: Gathered, segments: Sequence[Segment], trigger: str) -> None:
    """The document of each TXA."""
    before: dict[str, list[Segment]] = {}
    for segment in segments:
        if segment.name in _CONTENT:
            gathered.used.add(place(segment))
        before.setdefault(segment.name, []).append(segment)
    for block in blocks(gathered, segments, "TXA"):
        _document(Block(gathered, block.anchor, before, block.own), trigger)
    gathered.about = ""


def _document(block: Block, trigger: str) -> None:
    gathered, txa = block.gathered, block.anchor
    speech = gathered.speech
    known = txa.text(12).strip()
    line = f"{speech.feed.name}|document|{known}" if known else speech.here(place(txa))
    gathered.about = line
    status, availability = txa.text(17).strip().upper(), txa.text(19).strip().upper()
    wanted = (
        ("document", (Location("TXA", 12, 1),)),
        ("document.type", (Location("TXA", 2, 1),)),
        ("document.status", (Location("TXA", 17),)),
        ("availability", (Location("TXA", 19),)),
        ("about", (Location("TXA", 13, 1),)),
        ("placer", (Location("TXA", 14, 1), Location("ORC", 2, 1), Location("OBR", 2, 1))),
        ("filler_order", (Location("TXA", 15, 1), Location("ORC", 3, 1), Location("OBR", 3, 1))),
        ("local_code", (Location("OBR", 4, 1),)),
        *PLACES,
    )
    facts = [*facts_of(block, "document"), *read_facts(block, wanted)]
    if status:
        facts.append(speech.fact("signed", "true" if status in _SIGNED else "false", txa.path(17)))
    facts += _people(block, signed=status in _SIGNED)
    stamps = ((speech.stamp(txa.text(n)), n) for n in (4, 6, 7))
    start = next((stamp for stamp, _ in stamps if stamp is not None), None)
    begin, day = speech.said, speech.said.astimezone(speech.zone).date()
    if start is not None and start.day is not None:
        begin, day = speech.instant(start), start.day
    told = [fact.name for fact in facts]
    gathered.emit(
        "document",
        place(txa),
        line=line,
        start=begin,
        day=day,
        status=Status.WITHDRAWN if trigger == _CANCELS or availability in _GONE else Status.DONE,
        keys=(*((f"document:{known}",) if known else ()), *order_keys(facts)),
        facts=[fact for i, fact in enumerate(facts) if fact.name not in told[:i]],
    )


def _people(block: Block, *, signed: bool) -> list[Fact]:
    """The author (TXA-9, else who did what it is about, TXA-5), and who signed when (TXA-22, the last of them)."""
    speech, txa = block.gathered.speech, block.anchor
    facts = []
    author = npi(txa, 9) or npi(txa, 5)
    if author is not None:
        facts.append(speech.fact("by", *author))
    if not signed:
        return facts
    signer = npi(txa, 22)
    if signer is not None:
        facts.append(speech.fact("signed_by", *signer))
    for r in range(len(txa.field(22).repetitions), 0, -1):
        stamp = speech.stamp(txa.text(22, 15, 1, r))
        if stamp is not None:
            facts.append(speech.fact("signed_at", speech.instant(stamp).isoformat(), txa.path(22, r, 15)))
            break
    return facts
