"""Summaries of courses and phases: what a course came to, and sessions where a sender tells of them by counts only.

A summary is updated in place: its versions say 1, 2, 3 fractions delivered, and each new count is one session on the
day the summary then ends. Counts are of the phase or plan; those of volumes are never added up, because one session
irradiates several (standards/fhir.md 1.4).
"""

from __future__ import annotations

from adapters.fhir import codex, elements, links, treatment
from adapters.fhir.bundle import Resource
from adapters.fhir.draft import Draft, Reading
from adapters.fhir.tree import Node, extensions, value_of
from adapters.model.event import COUNTED, Event, Omission, Status


def course(reading: Reading, resource: Resource, label: str) -> Event | None:
    """A `course-summary` where the course states doses or sessions: its most fractions to one volume, first and last day."""
    node, draft = resource.node, Draft(reading, resource, "course-summary")
    volumes = extensions(node, codex.DOSE_TO_VOLUME)
    counts = [value for v in volumes for e in extensions(v, "fractionsDelivered") if (value := value_of(e)).whole]
    if not volumes and not extensions(node, codex.SESSIONS):
        return None
    if counts:
        draft.take("fractions", max(counts, key=lambda count: count.whole or 0))
    if len(volumes) == 1:
        dose = next((value_of(e) for e in extensions(volumes[0], "totalDoseDelivered")), Node(None, node.at))
        draft.quantity("delivered_dose", "delivered_dose.unit", dose)
    draft.take("label", links.label(node))
    draft.take("status", node["status"])
    start, end = draft.when(node["performedPeriod"]["start"]), draft.when(node["performedPeriod"]["end"])
    for name, moment in (("first", start), ("last", end)):
        if moment is not None:
            draft.add(name, moment.day.isoformat(), node["performedPeriod"].at)
    status = Status.WITHDRAWN if node["status"].text == "entered-in-error" else Status.DONE
    return draft.done(
        start or draft.as_said(), line=reading.line(resource), status=status, end=end, course=label, keys=draft.keys()
    )


def session(
    reading: Reading, resource: Resource, what: str, delivered: Node
) -> tuple[Event | None, tuple[Omission, ...]]:
    """The session that the count of this version stands for: the last one, on the day on which the summary ends.

    Its line is the summary's with the number, so that another version with the same count restates it. A later version
    with a smaller count takes back what is above it (`charges.assemble`). A session whose count was never sent is not
    made up.
    """
    node, draft = resource.node, Draft(reading, resource, "fraction")
    told = node["status"].text
    count = delivered.whole
    if count is None or count < 1 or told == "not-done":
        return None, ()
    start = draft.when(node["performedPeriod"]["end"])
    if start is None and count == 1:
        start = draft.when(node["performedPeriod"]["start"], node["performedDateTime"])
    if start is None:
        return None, (*draft.omissions, reading.omission("no-date", resource, "sessions"))
    beams = [code for code, _ in treatment.modalities(node)]
    if beams and all(code in codex.NOT_EXTERNAL_BEAM for code in beams):
        return None, (reading.omission("not-external-beam", resource),)
    draft.add("n", str(count), delivered.at)
    draft.take(what, links.label(node))
    above = tuple(links.above(reading, resource))
    for link in above:
        if link.what in ("phase", "plan"):
            draft.take(link.what, links.label(link.resource.node))
    treatment.treatment(draft)
    treatment.guidance(draft)
    treatment.motion(draft)
    elements.own(draft)
    links.diagnoses(draft, resource, *(link.resource for link in above))
    links.part_of(draft)
    line = reading.line(resource)
    event = draft.done(
        start,
        line=f"{line}#{count}",
        status=Status.WITHDRAWN if told in ("entered-in-error", "unknown") else Status.DONE,
        course=links.course_label(above),
        keys=(f"{COUNTED}:{line}",),
    )
    return event, tuple(draft.omissions)
