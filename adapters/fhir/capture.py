"""What an EHR sends, as events: any Bundle or single resource, read tolerantly, every entry accounted for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.fhir import (
    bundle,
    charges,
    documents,
    drugs,
    eligibility,
    encounters,
    lending,
    orders,
    people,
    procedures,
    wire,
)
from adapters.fhir.bundle import Resource
from adapters.fhir.draft import FhirDialect, Outcome, Reading
from adapters.fhir.identity import merges
from adapters.fhir.problem import Refused
from adapters.model.event import Event, Omission
from adapters.model.facts import FACTS
from adapters.model.people import PersonHint
from adapters.model.record import Captured
from adapters.model.site import Feed

REASONS: Final[dict[str, str]] = {
    "context": "used by reference from other resources",
    "unknown-type": "a type of resource that nothing is derived from",
    "other-procedure": "a procedure that is no part of radiotherapy delivery",
    "course-long-procedure": "a procedure of more than a day, which is no single fraction",
    "not-external-beam": "a fraction of a kind that no rule here derives",
    "in-progress": "not finished yet",
    "not-a-charge": "a charge that another system has billed",
    "not-used-yet": "a fraction of a sender whose sessions are the counts of its summaries",
    "no-date": "done, but the day is not said",
    "no-person": "names no patient",
    "ill-formed": "a value that cannot be read as what it should be",
    "unmapped": "a code without a certain meaning here",
    "no-resource": "an entry that holds no resource",
    "deleted": "an entry that says a resource was deleted of which nothing is read",
}
"""Every reason for which a part of a FHIR message gives no event, in words for people."""

_CONTEXT: Final = frozenset(
    {
        "BodyStructure",
        "Condition",
        "Device",
        "Location",
        "Medication",
        "MessageHeader",
        "Organization",
        "Parameters",
        "Practitioner",
        "PractitionerRole",
        "Subscription",
        "SubscriptionStatus",
    }
)
"""Types that are read through references (or carry the message), so give no event of their own."""

_READERS: Final[dict[str, tuple[str, Callable[[Reading, Resource], Outcome]]]] = {
    "Appointment": ("participant", orders.appointment),
    "ChargeItem": ("subject", charges.charge_item),
    "Coverage": ("beneficiary", people.coverage),
    "CoverageEligibilityResponse": ("patient", eligibility.eligibility),
    "DocumentReference": ("subject", documents.document),
    "Encounter": ("subject", encounters.encounter),
    "MedicationAdministration": ("subject", drugs.administration),
    "MedicationDispense": ("subject", drugs.dispense),
    "MedicationRequest": ("subject", orders.medication_request),
    "Patient": ("", people.patient),
    "Procedure": ("subject", procedures.procedure),
    "ServiceRequest": ("subject", orders.service_request),
}
"""Type → (element that names the patient, reader)."""

_TOLD_OF_DELETIONS: Final = 50
"""Persons of one message at most that are told of each deletion in it."""
_KEPT: Final = frozenset({*_READERS, "Condition"})
"""Types of which a deletion says something: what concerns a person."""


def capture(
    body: bytes,
    *,
    feed: Feed,
    dialect: FhirDialect,
    message: str,
    received: datetime,
    zone: ZoneInfo,
    extensions: Mapping[str, str] | None = None,
) -> tuple[Captured, ...] | Refused:
    """Events and omissions of a message, by person in the order first named.

    `message` is the journal id of the body, `received` an aware instant, `zone` the feed's. `extensions` maps the
    sender's own extension URLs to fact names (the dialect's where it has a member of that name). Resources that
    concern no person (a Practitioner) stand with the first person, or alone when there is none. Only a body that is
    no FHIR JSON is refused.
    """
    read = wire.resource(body)
    if isinstance(read, Refused):
        return read
    content = bundle.read(read, message, hashlib.sha256(body).hexdigest())
    told = extensions if extensions is not None else dialect.extensions
    own = {url: name for url, name in told.items() if name in FACTS}
    reading = Reading(feed, dialect, message, received, zone, content, own)
    events: dict[PersonHint, list[Event]] = {}
    omissions: dict[PersonHint, list[Omission]] = {}
    loose: list[Omission] = list(content.empty)
    nobodys: list[Event] = []
    for resource in content.resources:
        hint, outcome = _read(reading, resource)
        said = lending.lent(reading, resource)
        if not hint.known:
            loose.extend(outcome.omissions)
            nobodys.extend([said] if said else [])
            continue
        events.setdefault(hint, []).extend((*outcome.events, said) if said else outcome.events)
        omissions.setdefault(hint, []).extend(outcome.omissions)
    persons = list(events.values())[:_TOLD_OF_DELETIONS]
    for gone in content.deleted:
        if gone.type not in _KEPT:
            loose.append(Omission("deleted", reading.source(gone.entry.at)))
            continue
        said = lending.deletion(reading, gone)
        # Of whom it was the sender does not say: those of this message are told too, in case it came before the resource.
        for told_of in persons:
            told_of.append(said)
        events.setdefault(PersonHint(reference=gone.name), []).append(said)
        omissions.setdefault(PersonHint(reference=gone.name), [])
    for told_of in events.values() if nobodys else ():
        told_of.extend(lending.named_in(tuple(told_of), nobodys))
    if loose:
        first = next(iter(events), PersonHint())
        events.setdefault(first, [])
        omissions.setdefault(first, []).extend(loose)
    # One place that several resources refer to is told once.
    return tuple(Captured(hint, tuple(events[hint]), tuple(dict.fromkeys(omissions.get(hint, ())))) for hint in events)


def _read(reading: Reading, resource: Resource) -> tuple[PersonHint, Outcome]:
    """The person and what the resource gives. Nothing is given to no one: without a person there is an omission."""
    if resource.type not in _READERS:
        reason = "context" if resource.type in _CONTEXT else "unknown-type"
        whose = resource.node["subject"] or resource.node["patient"]
        hint = people.person_of(reading, resource, whose) if whose else PersonHint()
        return hint, Outcome(omissions=(reading.omission(reason, resource),))
    element, reader = _READERS[resource.type]
    if resource.type == "Appointment":
        hint = people.person_of(reading, resource, orders.patient_of(reading, resource))
    elif element:
        hint = people.person_of(reading, resource, resource.node[element])
    else:
        hint = people.hint_of(reading, resource)
    if not hint.known:
        return hint, Outcome(omissions=(reading.omission("no-person", resource),))
    found = reader(reading, resource)
    if resource.type != "Patient":
        return hint, found
    events, omissions = merges(reading, resource)
    return hint, Outcome((*found.events, *events), (*found.omissions, *omissions))
