"""Procedure: a treated fraction, a course with its end, a phase or plan (standards/fhir.md 1.1 to 1.5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from adapters.fhir import charges, codex, elements, links, summaries, treatment
from adapters.fhir.bundle import Resource
from adapters.fhir.draft import FINISHED, Draft, Outcome, Reading, outcome
from adapters.fhir.times import Moment
from adapters.fhir.tree import Node, codes_of
from adapters.model.event import Event, Omission, Status
from adapters.rules.dialect import Activity

_ONE_DAY: Final = timedelta(days=1)
_LONGEST_FRACTION: Final = timedelta(days=2)
"""The guide's own fraction lasts 24 hours and six minutes; a coded fraction of weeks is a course in disguise."""


def procedure(reading: Reading, resource: Resource) -> Outcome:
    """What a Procedure gives: a fraction, a course with its end, a phase, or an omission."""
    what = codex.reports(resource.node)
    if what == "fraction":
        return _fraction(reading, resource)
    if what == "course":
        return _course(reading, resource)
    if what in ("phase", "plan"):
        return _phase(reading, resource, what)
    return _other(reading, resource)


def _other(reading: Reading, resource: Resource) -> Outcome:
    """A Procedure that is no report of radiotherapy: by the dialect an activity of the clinic, or a coded charge."""
    draft = Draft(reading, resource, "fraction")
    start, end = _performed(draft)
    if start and end and end.instant - start.instant > _ONE_DAY:
        # Some senders tell a whole course in one Procedure, never a fraction (standards/fhir.md 1.4, Synthea).
        return Outcome(omissions=(*draft.omissions, reading.omission("course-long-procedure", resource)))
    activities = reading.dialect.activities
    for system, code, at in codes_of(resource.node["code"]):
        known = activities.get(f"{system}|{code}") or activities.get(code)
        if known is not None:
            return _activity(reading, resource, known, at)
    if "Procedure" in reading.dialect.coded and charges.bears_code(resource.node["code"]):
        return charges.coded_procedure(reading, resource, start, end)
    return Outcome(omissions=(*draft.omissions, reading.omission("other-procedure", resource)))


def _activity(reading: Reading, resource: Resource, known: Activity, at: Node) -> Outcome:
    """The events that the dialect gives a Procedure of this code."""
    status = FINISHED.get(resource.node["status"].text)
    if status is None:
        return Outcome(omissions=(reading.omission("in-progress", resource),))
    events: list[Event | None] = []
    omissions: list[Omission] = []
    for kind in known.kinds:
        draft = Draft(reading, resource, kind)
        start, end = _performed(draft)
        if start is None:
            if status is Status.DONE:
                return Outcome(omissions=(*draft.omissions, reading.omission("no-date", resource)))
            start = draft.as_said()
        for name, value in known.facts:
            draft.add(name, value, at.at)
        draft.take("activity", at)
        above = tuple(links.above(reading, resource))
        for link in above:
            if link.what in ("phase", "plan"):
                draft.take(link.what, links.label(link.resource.node))
        if kind == "fraction":
            treatment.treatment(draft)
            treatment.guidance(draft)
            treatment.motion(draft)
        elements.own(draft)
        links.diagnoses(draft, resource, *(link.resource for link in above))
        _who_and_where(draft)
        links.part_of(draft)
        course = links.course_label(above)
        events.append(
            draft.done(start, line=reading.line(resource), status=status, end=end, course=course, keys=draft.keys())
        )
        omissions += draft.omissions
    return Outcome(tuple(e for e in events if e), tuple(omissions))


def _fraction(reading: Reading, resource: Resource) -> Outcome:
    node, draft = resource.node, Draft(reading, resource, "fraction")
    status = FINISHED.get(node["status"].text)
    if status is None:
        return Outcome(omissions=(reading.omission("in-progress", resource),))
    beams = [code for code, _ in treatment.modalities(node)]
    if status is Status.DONE and beams and all(code in codex.NOT_EXTERNAL_BEAM for code in beams):
        return Outcome(omissions=(reading.omission("not-external-beam", resource),))
    start, end = _performed(draft)
    if start is None:
        if status is Status.DONE:
            return Outcome(omissions=(*draft.omissions, reading.omission("no-date", resource)))
        start = draft.as_said()
    if status is Status.DONE and end and end.instant - start.instant > _LONGEST_FRACTION:
        return Outcome(omissions=(reading.omission("course-long-procedure", resource),))
    number = links.extension(node, codex.NUMBER_IN_PLAN) or links.extension(node, codex.NUMBER_IN_PHASE)
    draft.take("n", number)
    uid_node = links.dicom_uid(node)
    uid = uid_node.text.removeprefix("urn:oid:")
    draft.add("uid", uid, uid_node.at)
    above = tuple(links.above(reading, resource))
    for link in above:
        if link.what in ("phase", "plan"):
            draft.take(link.what, links.label(link.resource.node))
    treatment.treatment(draft)
    treatment.guidance(draft)
    treatment.motion(draft)
    elements.own(draft)
    links.diagnoses(draft, resource, *(link.resource for link in above))
    _who_and_where(draft)
    links.part_of(draft)
    if reading.dialect.sessions_from != "fraction":
        # This sender's sessions are the counts of its summaries: a fraction beside them would be billed twice.
        return Outcome(omissions=(*draft.omissions, reading.omission("not-used-yet", resource)))
    event = draft.done(
        start,
        line=reading.line(resource),
        status=status,
        end=end,
        course=links.course_label(above),
        keys=draft.keys(uid),
    )
    return outcome(draft, event)


def _course(reading: Reading, resource: Resource) -> Outcome:
    draft = Draft(reading, resource, "course")
    start, end = _performed(draft)
    label = links.label(resource.node).text
    course = _context(draft, start, end, label)
    told = resource.node["status"].text
    if told not in ("completed", "stopped", "entered-in-error") or (end is None and told != "entered-in-error"):
        return outcome(draft, course, summaries.course(reading, resource, label))
    close = Draft(reading, resource, "course-end", omissions=draft.omissions)
    close.take("status", resource.node["status"])
    close.add("reference", resource.name, resource.place)
    ended = close.done(
        end or draft.as_said(),
        line=reading.line(resource),
        status=_context_status(resource.node),
        course=label,
        keys=draft.keys(),
    )
    return outcome(close, course, ended, summaries.course(reading, resource, label))


def _phase(reading: Reading, resource: Resource, what: str) -> Outcome:
    draft = Draft(reading, resource, "phase")
    start, end = _performed(draft)
    if what == "plan":
        draft.take("plan", links.label(resource.node))
    delivered = links.extension(resource.node, codex.DELIVERED)
    draft.take("fractions", delivered)
    above = tuple(links.above(reading, resource))
    context = _context(draft, start, end, links.course_label(above))
    if reading.dialect.sessions_from != what:
        return outcome(draft, context)
    session, told = summaries.session(reading, resource, what, delivered)
    return Outcome(tuple(e for e in (context, session) if e), (*draft.omissions, *told))


def _context(draft: Draft, start: Moment | None, end: Moment | None, course: str) -> Event | None:
    """A course, phase or plan summary; updated in place by the sender, so its line is its official identifier."""
    reading, node = draft.reading, draft.resource.node
    draft.take("label", links.label(node))
    draft.add("reference", draft.resource.name, draft.resource.place)
    links.part_of(draft)
    draft.take("status", node["status"])
    for order in node.each("basedOn"):
        draft.names("order", order, "ServiceRequest")
    draft.take("planned_fractions", links.planned(reading, draft.resource))
    links.diagnoses(draft, draft.resource)
    uid = links.dicom_uid(node).text.removeprefix("urn:oid:")
    return draft.done(
        start or draft.as_said(),
        line=reading.line(draft.resource),
        status=_context_status(node),
        end=end,
        course=course,
        keys=draft.keys(uid),
    )


def _context_status(node: Node) -> Status:
    return {"entered-in-error": Status.WITHDRAWN, "not-done": Status.NOT_DONE}.get(node["status"].text, Status.DONE)


def _performed(draft: Draft) -> tuple[Moment | None, Moment | None]:
    node = draft.resource.node
    start = draft.when(node["performedPeriod"]["start"], node["performedDateTime"])
    return start, draft.when(node["performedPeriod"]["end"])


def _who_and_where(draft: Draft) -> None:
    resource = draft.resource
    links.performers(draft, resource, [p["actor"] for p in resource.node.each("performer")])
    links.visited(draft, resource.node["encounter"])
