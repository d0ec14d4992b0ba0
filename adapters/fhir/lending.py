"""What a resource says for others that name it: a diagnosis, who, where, which drug, a fact that the dialect reads there.

It is an event of its own, so that a Procedure finds its Condition among all that is held of the person, whichever of
the two came first and in however many messages (`charges.references`).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC
from typing import Final

from adapters.fhir import codex, drugs, elements, links
from adapters.fhir.bundle import Deleted, Resource
from adapters.fhir.draft import FINISHED, Draft, Reading
from adapters.fhir.times import moment
from adapters.fhir.tree import codes_of, identifier_value
from adapters.model.event import REFERENCE, Event, Status
from adapters.model.why import Fact

_DELETIONS: Final = uuid.UUID("c2a1a0b4-8a55-5f0e-9a3e-2a4c6f7d1e58")
"""Namespace of the ids of these events."""
_LONGEST: Final = 500
_REFUTED: Final = frozenset({"entered-in-error", "refuted"})
"""Condition.verificationStatus of a diagnosis that the patient does not have."""
_REQUESTS: Final = frozenset({"MedicationRequest", "ServiceRequest"})


def lent(reading: Reading, resource: Resource) -> Event | None:
    """The `resource` event of a resource; None where it says nothing that another could take from it."""
    draft = Draft(reading, resource, "resource")
    told = _SAYS.get(resource.type)
    status = (told(draft) if told else None) or Status.DONE
    if base := _base(resource):
        elements.lent(draft, base)
    if not draft.facts or not resource.names:
        return None
    return draft.done(draft.as_said(), line=reading.line(resource), status=status, keys=draft.keys())


def deletion(reading: Reading, gone: Deleted) -> Event:
    """That a resource is no more at its sender; what it takes back is found when all is assembled."""
    told = next((found for place in gone.said if (found := moment(place.text, reading.zone))), None)
    said = told.instant if told else reading.received.astimezone(UTC)
    source = reading.source(gone.entry.at)
    return Event(
        id=str(uuid.uuid5(_DELETIONS, f"{reading.message}|{gone.entry.at}")),
        kind="deletion",
        feed=reading.feed.name,
        start=said,
        day=said.astimezone(reading.zone).date(),
        said=said,
        line=f"{reading.feed.name}|deletion|{gone.name}",
        source=source,
        facts=(Fact("reference", gone.name[:_LONGEST], source),),
    )


def named_in(told: Iterable[Event], loose: Iterable[Event]) -> Iterator[Event]:
    """Those of the loose events (of nobody: a practitioner, a place) that these name, and those that they name in turn."""
    by_name = {
        key.removeprefix(f"{REFERENCE}:{event.feed}|"): event
        for event in loose
        for key in event.keys
        if key.startswith(f"{REFERENCE}:")
    }
    taken: set[str] = set()
    waiting = list(told)
    while waiting:
        for fact in waiting.pop().facts:
            found = by_name.get(fact.value) if fact.name.startswith("names.") else None
            if found is not None and found.id not in taken:
                taken.add(found.id)
                waiting.append(found)
                yield found


def _condition(draft: Draft) -> Status:
    links.diagnoses(draft, draft.resource)
    told = {code for _, code, _ in codes_of(draft.resource.node["verificationStatus"])}
    if told & _REFUTED:
        draft.add("status", next(iter(sorted(told & _REFUTED))), draft.resource.node["verificationStatus"].at)
        return Status.WITHDRAWN
    return Status.DONE


def _practitioner(draft: Draft) -> None:
    links.performer(draft)


def _place(draft: Draft) -> None:
    node = draft.resource.node
    number = identifier_value(node)
    draft.take("facility", next((n for n in (number, node["name"], node["id"]) if n.text), number))
    if draft.resource.type == "Organization":
        draft.take("payer", number if number.text else node["name"])
        draft.take("payer.name", node["name"])


def _encounter(draft: Draft) -> None:
    """A visit that is under way; one that is over is an event of its own, which says the same."""
    if draft.resource.node["status"].text not in FINISHED:
        draft.take("visit", links.visit(draft.resource.node))
        links.facility_of(draft)


_SAYS: Final[dict[str, Callable[[Draft], Status | None]]] = {
    "Condition": _condition,
    "Encounter": _encounter,
    "Location": _place,
    "Medication": drugs.medication,
    "Organization": _place,
    "Practitioner": _practitioner,
    "PractitionerRole": _practitioner,
}


def _base(resource: Resource) -> str:
    """The name under which a dialect's paths start at the resource (`rules.element.BASES`)."""
    if resource.type == "Procedure":
        what = codex.reports(resource.node)
        return what if what in ("plan", "phase", "course") else ""
    return (
        "request"
        if resource.type in _REQUESTS
        else {"Encounter": "encounter", "Medication": "medication"}.get(resource.type, "")
    )
