"""Encounter: a visit that the feed's dialect gives a kind, or the context of a session (standards/fhir.md 1.1, 3.5)."""

from __future__ import annotations

from typing import Final

from adapters.fhir import codex, elements, links
from adapters.fhir.bundle import Resource
from adapters.fhir.draft import FINISHED, Draft, Outcome, Reading, outcome, uid_of
from adapters.fhir.tree import Node, code_of, codes_of
from adapters.model.event import Status

_ATTENDING: Final = ("ATND", "PPRF", "SPRF", "")
"""Encounter.participant.type, the one who answers for the visit first."""


def encounter(reading: Reading, resource: Resource) -> Outcome:
    """An Encounter: a visit of the kind that the dialect gives its type, else the context `encounter`."""
    node = resource.node
    kind = next(
        (
            reading.dialect.encounter_types[f"{system}|{code}"]
            for concept in node.each("type")
            for system, code, _ in codes_of(concept)
            if f"{system}|{code}" in reading.dialect.encounter_types
        ),
        "encounter",
    )
    draft = Draft(reading, resource, kind)
    status = FINISHED.get(node["status"].text)
    if status is None:
        return Outcome(omissions=(reading.omission("in-progress", resource),))
    start, end = draft.when(node["period"]["start"]), draft.when(node["period"]["end"])
    if start is None:
        if status is Status.DONE and kind != "encounter":
            return Outcome(omissions=(*draft.omissions, reading.omission("no-date", resource)))
        start = draft.as_said()
    draft.take("visit", links.visit(node))
    draft.take("type", code_of(node["serviceType"]))
    draft.take("status", node["status"])
    if kind == "encounter":
        draft.add("reference", resource.name, resource.place)
    links.facility_of(draft)
    links.diagnoses(draft, resource, *links.conditions_of(reading, resource))
    links.performers(draft, resource, _participants(node))
    elements.own(draft)
    uid = uid_of(node, codex.DICOM_UID).text.removeprefix("urn:oid:")
    return outcome(draft, draft.done(start, line=reading.line(resource), status=status, end=end, keys=draft.keys(uid)))


def _participants(node: Node) -> list[Node]:
    """Who took part, the one who answers for the visit first."""

    def rank(participant: Node) -> int:
        codes = {code for concept in participant.each("type") for _, code, _ in codes_of(concept)}
        return min((_ATTENDING.index(c) for c in codes if c in _ATTENDING), default=len(_ATTENDING))

    return [p["individual"] for p in sorted(node.each("participant"), key=rank)]
