"""MedicationRequest, ServiceRequest and Appointment: what is expected, never what was done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.fhir import drugs, elements, links
from adapters.fhir.bundle import Resource
from adapters.fhir.draft import Draft, Outcome, Reading, outcome
from adapters.fhir.times import Moment
from adapters.fhir.tree import Node, codes_of, identifier_value
from adapters.model.codes import is_procedure_code
from adapters.model.event import Status

_ORDERED: Final[dict[str, str]] = {
    "active": "new",
    "on-hold": "held",
    "revoked": "cancelled",
    "cancelled": "cancelled",
    "stopped": "discontinued",
    "completed": "complete",
    "entered-in-error": "deleted",
}
"""Status of a request → state of the order; `draft` is no order yet, `unknown` says nothing."""

_BOOKED: Final[dict[str, str]] = {
    "booked": "booked",
    "proposed": "scheduled",
    "pending": "scheduled",
    "waitlist": "scheduled",
    "arrived": "arrived",
    "checked-in": "arrived",
    "fulfilled": "complete",
    "cancelled": "cancelled",
    "noshow": "no-show",
    "entered-in-error": "deleted",
}
_NOT_DONE: Final = frozenset({"cancelled", "discontinued", "no-show"})


def medication_request(reading: Reading, resource: Resource) -> Outcome:
    """An `order` of a drug."""
    draft = Draft(reading, resource, "order")
    drugs.drug(draft)
    dosage = resource.node.first("dosageInstruction")
    draft.quantity("dose", "dose.unit", dosage.first("doseAndRate")["doseQuantity"])
    draft.take("route", next((at for _, _, at in codes_of(dosage["route"])), dosage["route"]["text"]))
    when = draft.when(dosage["timing"].first("event"))
    repeat = dosage["timing"]["repeat"]
    often = any(repeat[name].number is not None for name in ("count", "frequency", "period"))
    if often and repeat["count"].whole != 1:
        draft.add("repeats", "true", repeat.at)
    return _order(draft, when)


def service_request(reading: Reading, resource: Resource) -> Outcome:
    """An `order` of a service; of a radiotherapy plan with its planned fractions."""
    node, draft = resource.node, Draft(reading, resource, "order")
    service(draft, node["code"])
    draft.take("planned_fractions", links.planned(reading, resource))
    when = draft.when(node["occurrenceDateTime"], node["occurrencePeriod"]["start"])
    return _order(draft, when)


def _order(draft: Draft, when: Moment | None) -> Outcome:
    reading, resource, node = draft.reading, draft.resource, draft.resource.node
    told = node["status"].text
    if told == "draft":
        return Outcome(omissions=(reading.omission("in-progress", resource),))
    state = _ORDERED.get(told, "")
    draft.add("state", state, node["status"].at)
    draft.take("label", identifier_value(node))
    draft.take("priority", node["priority"])
    numbers = links.order_numbers(draft, resource, ())
    links.performers(draft, resource, [node["requester"]], fact="ordered_by")
    links.diagnoses(draft, resource)
    links.visited(draft, node["encounter"])
    if when is not None:
        draft.add("scheduled", when.instant.isoformat(), resource.place)
    elements.own(draft)
    start = when or draft.when(node["authoredOn"]) or draft.as_said()
    keys = (*draft.keys(), *numbers)
    return outcome(draft, draft.done(start, line=reading.line(resource), status=_status(state), keys=keys))


def appointment(reading: Reading, resource: Resource) -> Outcome:
    """An `appointment`: what is booked, on which machine, and what it leads to where the dialect knows the service."""
    node, draft = resource.node, Draft(reading, resource, "appointment")
    state = _BOOKED.get(node["status"].text, "")
    draft.add("state", state, node["status"].at)
    number = identifier_value(node)
    draft.take("appointment", number if number.text else node["id"])
    for concept in (*node.each("serviceType"), node["appointmentType"]):
        service(draft, concept)
    draft.take("minutes", node["minutesDuration"])
    draft.take("reason", node.first("cancelationReason")["text"])
    for actor, found in _participants(reading, resource):
        if found and found.type in ("Device", "Location"):
            name = found.node.first("deviceName")["name"] if found.type == "Device" else found.node["name"]
            draft.take("machine", name if name.text else actor["display"])
            break
    numbers = links.order_numbers(draft, resource, node.each("basedOn"))
    elements.own(draft)
    start, end = draft.when(node["start"]), draft.when(node["end"])
    event = draft.done(
        start or draft.as_said(),
        line=reading.line(resource),
        end=end if start else None,
        status=_status(state),
        keys=(*draft.keys(), *numbers),
    )
    return outcome(draft, event)


def patient_of(reading: Reading, resource: Resource) -> Node:
    """The reference to the patient among the participants of an Appointment; empty where there is none."""
    for actor, found in _participants(reading, resource):
        kind = found.type if found else actor["reference"].text.rpartition("/")[0].rpartition("/")[2]
        if "Patient" in (kind, actor["type"].text):
            return actor
    return Node(None, f"{resource.node.at}.participant")


def service(draft: Draft, concept: Node) -> None:
    """What is asked for: a HCPCS code, the clinic's own code, and the kind of event it leads to by the dialect."""
    for system, code, at in codes_of(concept):
        if is_procedure_code(code.upper()):
            draft.add("code", code.upper(), at.at)
        draft.take("local_code", at)
        activities = draft.reading.dialect.activities
        known = activities.get(f"{system}|{code}") or activities.get(code)
        if known is not None:
            draft.add("expects", known.kinds[0], at.at)
        return


def _participants(reading: Reading, resource: Resource) -> Iterator[tuple[Node, Resource | None]]:
    for participant in resource.node.each("participant"):
        yield participant["actor"], reading.content.resolve(participant["actor"], resource)


def _status(state: str) -> Status:
    if state == "deleted":
        return Status.WITHDRAWN
    return Status.NOT_DONE if state in _NOT_DONE else Status.DONE
