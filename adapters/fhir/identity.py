"""Patient.link: two Patients are one person (R4 Patient.link; standards/fhir.md 3.5)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from adapters.fhir.bundle import Resource
from adapters.fhir.draft import Draft, Reading
from adapters.fhir.people import hint_of, person_of
from adapters.fhir.tree import Node
from adapters.model.event import Event, Omission

_EVENTS: Final = uuid.UUID("8b1f1f0a-64f5-5d1b-9a43-1f7f3c2f7b60")
"""Namespace of the ids of these events: one Patient may bear several links."""
_SCOPES: Final = {"replaced-by": "person", "replaces": "person", "seealso": "link"}
"""`refer` points to a better source of the same data, and says nothing of who is who."""


def merges(reading: Reading, patient: Resource) -> tuple[tuple[Event, ...], tuple[Omission, ...]]:
    """What the links of a Patient say, and those that name nobody by a number.

    A link by a bare reference to a Patient that is not in the message says less than who it is: it is left out by name.
    """
    events: list[Event] = []
    omissions: list[Omission] = []
    for link, scope in _links(patient):
        event = _merge(reading, patient, link, scope)
        if event is None:
            omissions.append(Omission("no-person", reading.source(link.at)))
        else:
            events.append(event)
    return tuple(events), tuple(omissions)


def _links(patient: Resource) -> Iterator[tuple[Node, str]]:
    for link in patient.node.each("link"):
        if scope := _SCOPES.get(link["type"].text):
            yield link, scope


def _merge(reading: Reading, patient: Resource, link: Node, scope: str) -> Event | None:
    own, other = hint_of(reading, patient).identifiers, person_of(reading, patient, link["other"]).identifiers
    if not own or not other or own[0] == other[0]:
        return None
    replaced = link["type"].text == "replaced-by"
    survivor, merged = (other[0], own[0]) if replaced else (own[0], other[0])
    draft = Draft(reading, patient, "merge")
    draft.add("scope", scope, link.at)
    draft.add("trigger", link["type"].text, link["type"].at)
    for name, identifier in (("survivor", survivor), ("merged", merged)):
        draft.add(f"{name}.system", identifier.system, link["other"].at)
        draft.add(f"{name}.value", identifier.value, link["other"].at)
    if not replaced:
        draft.take("birth_date", patient.node["birthDate"])
    event = draft.done(draft.as_said(), line=f"{reading.feed.name}|merge|{merged.system}|{merged.value}")
    if event is None:
        return None
    id = str(uuid.uuid5(_EVENTS, f"{reading.message}|{link.at}"))
    return replace(event, id=id, source=reading.source(link.at))
