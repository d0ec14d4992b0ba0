"""DocumentReference: that a document exists, of which type, by whom, and whether it is signed.

The text is not looked at and an attachment's address is never opened: a claim needs that the note is there and signed.
"""

from __future__ import annotations

from typing import Final

from adapters.fhir import elements, links
from adapters.fhir.bundle import Resource, named
from adapters.fhir.draft import Draft, Outcome, Reading, outcome
from adapters.fhir.tree import codes_of, identifier_value
from adapters.model.event import Status

_VERIFIED: Final = frozenset({"final", "amended"})
"""R4 composition-status: complete and verified by an appropriate person."""


def document(reading: Reading, resource: Resource) -> Outcome:
    """A `document`."""
    node, draft = resource.node, Draft(reading, resource, "document")
    number = node["masterIdentifier"]["value"]
    number = number if number.text else identifier_value(node)
    draft.take("document", number if number.text else node["id"])
    types = list(codes_of(node["type"]))
    draft.take("document.type", types[0][2] if types else node["type"]["text"])
    draft.take("document.status", node["docStatus"])
    draft.take("availability", node["status"])
    told, signer = node["docStatus"], node["authenticator"]
    if told.text or signer:
        signed = told.text in _VERIFIED or (bool(signer) and not told.text)
        draft.add("signed", "true" if signed else "false", (told if told.text else signer).at)
        if signed and signer:
            links.performers(draft, resource, [signer], fact="signed_by")
    links.performers(draft, resource, list(node.each("author")))
    context = node["context"]
    visits = context.each("encounter")
    if visits:
        links.visited(draft, visits[0])
    for related in context.each("related"):
        found = reading.content.resolve(related, resource)
        draft.add("about", found.name if found else named(related), related.at)
    elements.own(draft)
    start = draft.when(node["date"], context["period"]["start"]) or draft.as_said()
    gone = "entered-in-error" in (node["status"].text, told.text)
    keys = (*draft.keys(), *((f"document:{number.text}",) if number.text else ()))
    status = Status.WITHDRAWN if gone else Status.DONE
    return outcome(draft, draft.done(start, line=reading.line(resource), status=status, keys=keys))
