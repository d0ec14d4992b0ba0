"""Our own number of a claim's line, sent with the line and repeated by its answer (REF 6R of an 837 and an 835).

R4 has no element for it. Da Vinci has an extension (PAS `itemTraceNumber`, PCT `gfeBillingProviderLineItemCtrlNum`), R5 an
element `traceNumber` and with it a cross-version extension; any of them is read. It names claim and line, so that it
finds both where the answer names no claim, or numbers its lines anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from adapters.fhir.tree import Node, value_of
from adapters.fhir.wire import JsonObject, JsonValue

URL: Final = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-itemTraceNumber"
SYSTEM: Final = "urn:oncoclaims:line"
_ENDS: Final = ("itemTraceNumber", "gfeBillingProviderLineItemCtrlNum", "item.traceNumber", "addItem.traceNumber")
_OURS: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\.[0-9]+)?)/([1-9][0-9]{0,2})")
"""What only we write, whatever system it comes back with: a claim's id and a line."""
_MARKED: Final = re.compile(r"(.+)/([1-9][0-9]{0,2})")


def traced(built: JsonObject, claim: str) -> JsonObject:
    """The items of a Claim with our number of each line; it is no longer than REF 6R may be (50 characters)."""
    items: list[JsonValue] = []
    for item in Node(built, "Claim").each("item"):
        number: JsonObject = {"system": SYSTEM, "value": f"{claim}/{item['sequence'].whole}"}
        items.append({"extension": [{"url": URL, "valueIdentifier": number}], **item.object})
    return {"item": items} if items else {}


@dataclass(frozen=True, slots=True)
class Trace:
    """What one item of an answer repeats."""

    text: str = ""
    claim: str = ""
    """Our claim that it names; empty where the number is none of ours."""
    line: int = 0


def trace_of(item: Node) -> Trace:
    """The number that an item repeats, ours before any other."""
    said = list(_said(item))
    for system, text in said:
        match = (_MARKED if system == SYSTEM else _OURS).fullmatch(text)
        if match is not None:
            return Trace(text, match[1], int(match[2]))
    return Trace(said[0][1]) if said else Trace()


def claims_traced(answer: Node) -> frozenset[str]:
    """Our claims that the lines of an answer name."""
    items = (*answer.each("item"), *answer.each("addItem"))
    return frozenset(trace.claim for trace in map(trace_of, items) if trace.claim)


def _said(item: Node) -> Iterator[tuple[str, str]]:
    found = [value_of(one) for one in item.each("extension") if one["url"].text.endswith(_ENDS)]
    for value in (*found, *item.each("traceNumber")):
        text = value["value"].text or value.text
        if text:
            yield value["system"].text, text
