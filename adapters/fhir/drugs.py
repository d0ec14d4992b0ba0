"""MedicationAdministration and MedicationDispense: a dose given, refused, wasted in part, or handed out.

No rule of R4 holds waste: it stands where the dialect's `elements` say. A dose without a date is told, not guessed.
"""

from __future__ import annotations

from typing import Final

from adapters.fhir import elements, links
from adapters.fhir.bundle import Resource, named
from adapters.fhir.draft import Draft, Outcome, Reading, outcome
from adapters.fhir.times import Moment, boundary
from adapters.fhir.tree import Node, codes_of
from adapters.model.codes import NDC, is_procedure_code
from adapters.model.event import Status

_GIVEN: Final[dict[str, tuple[Status, str]]] = {
    "completed": (Status.DONE, "complete"),
    "stopped": (Status.DONE, "partial"),
    "not-done": (Status.NOT_DONE, "not-given"),
    "declined": (Status.NOT_DONE, "refused"),
    "cancelled": (Status.NOT_DONE, "not-given"),
    "unknown": (Status.NOT_DONE, ""),
    "entered-in-error": (Status.WITHDRAWN, ""),
}
"""MedicationAdministration.status and MedicationDispense.status; any other is not finished."""

_RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"


def administration(reading: Reading, resource: Resource) -> Outcome:
    """An `administration`: drug, dose, rate, route, waste, times and who gave it."""
    node, draft = resource.node, Draft(reading, resource, "administration")
    known = _GIVEN.get(node["status"].text)
    if known is None:
        return Outcome(omissions=(reading.omission("in-progress", resource),))
    status, completion = known
    period = node["effectivePeriod"]
    start, end = draft.when(period["start"], node["effectiveDateTime"]), draft.when(period["end"])
    if start is None:
        if status is Status.DONE:
            return Outcome(omissions=(*draft.omissions, reading.omission("no-date", resource)))
        start = draft.as_said()
    drug(draft)
    dosage = node["dosage"]
    draft.quantity("dose", "dose.unit", dosage["dose"])
    rate = dosage["rateQuantity"] or dosage["rateRatio"]["numerator"]
    draft.quantity("rate", "rate.unit", rate)
    per = dosage["rateRatio"]["denominator"]
    draft.take("rate.per", per["code"] if per["code"].text else per["unit"])
    draft.take("route", _word(dosage["route"]))
    draft.take("site", _word(dosage["site"]))
    draft.take("method", _word(dosage["method"]))
    if status is Status.DONE:
        draft.add("times", _unfit(period, start, end), period.at if period else node.at)
    draft.add("completion", completion, node["status"].at)
    draft.take("reason", _word(node.first("statusReason")))
    requests = node.each("request")
    keys = links.order_numbers(draft, resource, requests)
    links.performers(draft, resource, [p["actor"] for p in node.each("performer")])
    links.diagnoses(draft, resource)
    links.visited(draft, node["context"])
    elements.own(draft)
    keys = (*draft.keys(), *keys, f"part:{_whole(reading, resource)}")
    event = draft.done(start, line=reading.line(resource), status=status, end=end, keys=keys)
    return outcome(draft, event)


def _unfit(period: Node, start: Moment, end: Moment | None) -> str:
    """Why the times cannot be reckoned with: a day alone, or a stop that cannot be; a stop that is missing is no fault."""
    if not start.timed:
        return "date-only"
    unusable = bool(period["end"].text) and (end is None or (end.timed and end.instant < start.instant))
    return "unusable" if unusable else ""


def _whole(reading: Reading, resource: Resource) -> str:
    """The dose that this one is a part of, else itself: parts of an interrupted dose name the first one (`partOf`)."""
    for reference in resource.node.each("partOf"):
        found = reading.content.resolve(reference, resource, "MedicationAdministration")
        if found and found.type == "MedicationAdministration":
            return reading.key(found) or reading.line(found)
        if above := named(reference, "MedicationAdministration"):
            return f"{reading.feed.name}|{above}"
    return reading.key(resource) or reading.line(resource)


def dispense(reading: Reading, resource: Resource) -> Outcome:
    """A `drug-dispense`: what was handed out, how much of it, when."""
    node, draft = resource.node, Draft(reading, resource, "drug-dispense")
    known = _GIVEN.get(node["status"].text)
    if known is None:
        return Outcome(omissions=(reading.omission("in-progress", resource),))
    start = draft.when(node["whenHandedOver"], node["whenPrepared"])
    if start is None:
        if known[0] is Status.DONE:
            return Outcome(omissions=(*draft.omissions, reading.omission("no-date", resource)))
        start = draft.as_said()
    drug(draft)
    draft.quantity("dose", "dose.unit", node["quantity"])
    keys = links.order_numbers(draft, resource, node.each("authorizingPrescription"))
    links.performers(draft, resource, [p["actor"] for p in node.each("performer")])
    links.visited(draft, node["context"])
    elements.own(draft)
    event = draft.done(start, line=reading.line(resource), status=known[0], keys=(*draft.keys(), *keys))
    return outcome(draft, event)


def drug(draft: Draft) -> None:
    """Which drug: its code, system and name, its NDC and HCPCS code where sent, its lot and expiry."""
    node = draft.resource.node
    draft.names("drug", node["medicationReference"], "Medication")
    found = draft.reading.content.resolve(node["medicationReference"], draft.resource, "Medication")
    holds = found is not None and found.type == "Medication"
    concept = found.node["code"] if found and holds else node["medicationCodeableConcept"]
    _named(draft, concept, node["medicationReference"]["display"])
    if found and holds:
        _batch(draft, found.node["batch"])


def medication(draft: Draft) -> None:
    """What a Medication says of a dose that names it."""
    _named(draft, draft.resource.node["code"], Node(None, ""))
    _batch(draft, draft.resource.node["batch"])


def _named(draft: Draft, concept: Node, shown: Node) -> None:
    codings = list(codes_of(concept))
    best = next((c for system in (_RXNORM, NDC) for c in codings if c[0] == system), codings[0] if codings else None)
    if best is not None:
        draft.take("drug", best[2])
        draft.add("drug.system", best[0], best[2].at)
    names = [concept["text"], *(c["display"] for c in concept.each("coding")), shown]
    draft.take("drug.name", next((name for name in names if name.text), concept["text"]))
    for system, code, at in codings:
        if system == NDC:
            draft.take("ndc", at)
        elif is_procedure_code(code.upper()) and system != _RXNORM and ("hcpcs" in system.lower() or "cpt" in system):
            draft.add("code", code.upper(), at.at)


def _batch(draft: Draft, batch: Node) -> None:
    draft.take("lot", batch["lotNumber"])
    expires = boundary(batch["expirationDate"].text, draft.reading.zone, last=True)
    if expires:
        draft.add("expires", expires.isoformat(), batch["expirationDate"].at)


def _word(concept: Node) -> Node:
    """The code of a concept, else its text."""
    return next((at for _, _, at in codes_of(concept)), concept["text"])
