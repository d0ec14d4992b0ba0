"""CoverageEligibilityResponse: what a payer answered, of each insurance whether it is in force on a day (R4)."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Final

from adapters.fhir.bundle import Resource
from adapters.fhir.draft import Draft, Outcome, Reading, outcome
from adapters.fhir.people import payer_of
from adapters.fhir.tree import Node, identifier_value
from adapters.model.event import Event, Status

_STATUS: Final = {
    "active": Status.DONE,
    "cancelled": Status.WITHDRAWN,
    "entered-in-error": Status.WITHDRAWN,
}


def eligibility(reading: Reading, resource: Resource) -> Outcome:
    """An `eligibility` event for each insurance that the answer says is in force or not, on the day served or said.

    An answer that is queued or an error says nothing, nor does an insurance without `inforce`.
    """
    node = resource.node
    status = _STATUS.get(node["status"].text)
    told = [one for one in node.each("insurance") if isinstance(one["inforce"].value, bool)]
    if status is None or not told or node["outcome"].text in ("queued", "error"):
        return Outcome(omissions=(reading.omission("in-progress", resource),))
    found: list[Event | None] = []
    last = Draft(reading, resource, "eligibility")
    omissions = []
    for number, one in enumerate(told):
        draft = last = Draft(reading, resource, "eligibility")
        start = draft.when(node["servicedDate"], node["servicedPeriod"]["start"], node["created"]) or draft.as_said()
        draft.add("from", start.day.isoformat(), node["servicedDate"].at or node["created"].at or node.at)
        draft.add("active", "true" if one["inforce"].value else "false", one["inforce"].at)
        _insurance(draft, one["coverage"])
        if not any(fact.name == "payer" for fact in draft.facts):
            payer_of(draft, node["insurer"])
        event = draft.done(start, line=f"{reading.line(resource)}|{number}", status=status)
        if event is not None and number:
            event = replace(event, id=str(uuid.uuid5(uuid.UUID(event.id), str(number))))
        found.append(event)
        omissions += draft.omissions
    last.omissions = omissions
    return outcome(last, *found)


def _insurance(draft: Draft, reference: Node) -> None:
    """Payer and member of the Coverage, as far as the message holds it; else the member number that the reference bears."""
    coverage = draft.reading.content.resolve(reference, draft.resource, "Coverage")
    if coverage is None:
        draft.take("member", reference["identifier"]["value"])
        return
    payer_of(draft, coverage.node.first("payor"))
    member = coverage.node["subscriberId"]
    draft.take("member", member if member.text else identifier_value(coverage.node, type_code="MB"))
