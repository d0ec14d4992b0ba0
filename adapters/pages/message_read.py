"""What a page shows of one journal entry: its body in readable form, and what was made of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from adapters.model.journal import JournalEntry, JournalKind
from adapters.pages.claim_read import pretty
from adapters.pipeline.exchange import decode_exchange

KINDS: Final[dict[str, tuple[str, frozenset[JournalKind]]]] = {
    "": ("messages and answers", frozenset({JournalKind.MESSAGE, JournalKind.ANSWER})),
    "messages": ("messages of feeds", frozenset({JournalKind.MESSAGE})),
    "answers": ("answers of payers", frozenset({JournalKind.ANSWER})),
    "calls": ("calls to payers", frozenset({JournalKind.CALL})),
    "decisions": ("decisions of persons", frozenset({JournalKind.DECISION})),
    "setup": ("rules and settings", frozenset({JournalKind.RULES, JournalKind.SITE})),
    "news": ("news of feeds and EHRs", frozenset({JournalKind.FEED, JournalKind.EHR})),
    "all": ("everything", frozenset()),
}
"""What the list can be narrowed to, with its words."""
LONGEST: Final = 200_000
"""Characters of a body that are shown."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of an HL7 v2 message."""

    number: int
    anchor: str
    """Its name on the page: `FT1-2` is the second FT1."""
    name: str
    fields: str
    """All after its name."""


@dataclass(frozen=True, slots=True)
class Body:
    """What came, to be read by a person. Either segments or a text."""

    segments: tuple[Segment, ...] = ()
    text: str = ""
    about: tuple[tuple[str, str], ...] = ()
    """What is told beside the body: of a call its outcome."""
    cut: bool = False
    """More came than is shown."""


def body_of(entry: JournalEntry) -> Body:
    """The body of an entry as a person reads it."""
    if entry.kind is JournalKind.ANSWER and entry.media == "json":
        exchange = decode_exchange(entry.body)
        about = (
            ("call", exchange.call),
            ("status", "" if exchange.status is None else f"HTTP {exchange.status}"),
            ("failure", exchange.failure.replace("-", " ")),
            ("why", exchange.why),
            ("asked to wait", "" if exchange.retry_after is None else f"{exchange.retry_after} seconds"),
            ("claims found", "" if exchange.matches is None else str(exchange.matches)),
        )
        shown = _cut(pretty(exchange.body)) if exchange.body.strip() else Body()
        return Body(text=shown.text, about=tuple((name, value) for name, value in about if value), cut=shown.cut)
    if entry.media == "hl7v2":
        whole = entry.body.decode("utf-8", "replace")
        return Body(tuple(_segments(whole[:LONGEST])), cut=len(whole) > LONGEST)
    return _cut(pretty(entry.body))


def _cut(text: str) -> Body:
    return Body(text=text[:LONGEST], cut=len(text) > LONGEST)


def _segments(text: str) -> Iterable[Segment]:
    seen: Counter[str] = Counter()
    for number, line in enumerate(filter(None, text.replace("\n", "\r").split("\r")), 1):
        name = line[:3]
        seen[name] += 1
        yield Segment(number, f"{name}-{seen[name]}", name, line[3:])
