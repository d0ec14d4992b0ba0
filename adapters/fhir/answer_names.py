"""Whom an answer names, and what its payer says of the claim in words of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.fhir.bundle import Message, Resource
from adapters.fhir.line_trace import claims_traced
from adapters.fhir.tree import Node, codes_of, identifier_value, value_of

_STATUS: Final = "/1029"
"""How the system of a coding ends that is an 835's status of a claim (X12 data element 1029, CLP02)."""
_TOLD: Final = 20
"""Extensions of an answer that are kept."""
_LONG: Final = 400
"""Characters of one of them that are kept."""


def claim_named(content: Message, answer: Resource) -> str:
    """Our Claim.identifier as the answer names it: beside the reference, or in the Claim where the body holds it; where
    neither does, the one claim that our numbers of its lines name."""
    request = answer.node["request"]
    if request["identifier"]["value"].text:
        return request["identifier"]["value"].text
    found = content.resolve(request, answer, "Claim")
    named = identifier_value(found.node).text if found else ""
    traced = claims_traced(answer.node)
    return named or (next(iter(traced)) if len(traced) == 1 else "")


def patient_named(content: Message, answer: Resource) -> str:
    """The patient's identifier as the answer names it: beside the reference, or in the Patient where the body holds it."""
    reference = answer.node["patient"]
    if reference["identifier"]["value"].text:
        return reference["identifier"]["value"].text
    found = content.resolve(reference, answer, "Patient")
    return identifier_value(found.node).text if found else ""


def named_by(content: Message, within: Resource, name: str) -> Iterator[str]:
    """By what an organization is named in an element: identifier, name beside the reference, or in the Organization itself."""
    reference = within.node[name]
    yield from filter(None, (reference["identifier"]["value"].text, reference["display"].text))
    if target := content.resolve(reference, within, "Organization"):
        yield from filter(None, (identifier_value(target.node).text, target.node["name"].text))


def statuses(node: Node) -> Iterator[str]:
    """The claim's status as an 835 has it, wherever a coding of X12's code list stands among the extensions."""
    for extension in node.each("extension"):
        value = value_of(extension)
        found = [*codes_of(value), (value["system"].text, value["code"].text, "")]
        yield from (code for system, code, _ in found if system.endswith(_STATUS) and code)


def extensions(node: Node) -> tuple[tuple[str, str], ...]:
    """What the payer says of the claim in extensions of its own: the text, code, or identifier of each."""
    found: list[tuple[str, str]] = []
    for extension in node.each("extension")[:_TOLD]:
        value = value_of(extension)
        coded = next((code for _, code, _ in codes_of(value)), "")
        named = value["identifier"]["value"].text or value["value"].text or value["display"].text
        said = value.text or value["code"].text or coded or named
        if extension["url"].text and said:
            found.append((extension["url"].text, said[:_LONG]))
    return tuple(found)
