"""ChargeItem, and a Procedure that bears a HCPCS code: charge lines that another system has coded.

A ChargeItem may have no link to a visit or a procedure (ARIA's profile removes both, standards/fhir.md 1.4): then
person, day and code are all there is, and it stands alone.
"""

from __future__ import annotations

from typing import Final

from adapters.fhir import codex, elements, links
from adapters.fhir.bundle import Resource, named
from adapters.fhir.draft import FINISHED, Draft, Outcome, Reading, outcome
from adapters.fhir.times import Moment
from adapters.fhir.tree import Node, codes_of
from adapters.model.codes import CPT, HCPCS, NDC, REVENUE, is_procedure_code
from adapters.model.event import Status

CODED_SYSTEMS: Final = frozenset(
    {
        CPT,
        HCPCS,
        "http://terminology.hl7.org/CodeSystem/HCPCS",
        "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        "urn:oid:2.16.840.1.113883.6.12",
        "urn:oid:2.16.840.1.113883.6.285",
    }
)
"""Names under which HCPCS codes of level I and II are sent."""

_CHARGED: Final[dict[str, Status]] = {
    "billable": Status.DONE,
    "not-billable": Status.NOT_DONE,
    "aborted": Status.NOT_DONE,
    "unknown": Status.NOT_DONE,
    "entered-in-error": Status.WITHDRAWN,
}
"""ChargeItem.status; `planned` is not finished, `billed` is another's claim."""


def charge_item(reading: Reading, resource: Resource) -> Outcome:
    """A `coded-charge`, or an omission for what is planned or was billed elsewhere."""
    node, draft = resource.node, Draft(reading, resource, "coded-charge")
    told = node["status"].text
    status = _CHARGED.get(told)
    if status is None:
        return Outcome(omissions=(reading.omission("not-a-charge" if told == "billed" else "in-progress", resource),))
    start = draft.when(node["occurrenceDateTime"], node["occurrencePeriod"]["start"])
    end = draft.when(node["occurrencePeriod"]["end"])
    if start is None:
        if status is Status.DONE:
            return Outcome(omissions=(*draft.omissions, reading.omission("no-date", resource)))
        start = draft.as_said()
    _code(draft, node["code"])
    draft.amount("units", node["quantity"]["value"])
    draft.amount("amount", node["priceOverride"]["value"])
    for system, _, at in codes_of(node["productCodeableConcept"]):
        if system == NDC:
            draft.take("ndc", at)
    for concept in node.each("reason"):
        links.diagnosis_codes(draft, concept)
    links.performers(draft, resource, [p["actor"] for p in node.each("performer")])
    links.visited(draft, node["context"])
    links.account(draft, node.first("account"))
    links.place_named(draft, node["performingOrganization"])
    department = node["costCenter"]
    draft.take("department", department["identifier"]["value"] if department["identifier"] else department["display"])
    course, uid = _services(draft)
    elements.own(draft)
    return _finish(draft, start, end, status, course, uid)


def coded_procedure(reading: Reading, resource: Resource, start: Moment | None, end: Moment | None) -> Outcome:
    """A `coded-charge` from a Procedure whose code is a HCPCS code, where the dialect takes Procedures as such."""
    node, draft = resource.node, Draft(reading, resource, "coded-charge")
    status = FINISHED.get(node["status"].text)
    if status is None:
        return Outcome(omissions=(reading.omission("in-progress", resource),))
    if start is None:
        if status is Status.DONE:
            return Outcome(omissions=(reading.omission("no-date", resource),))
        start = draft.as_said()
    _code(draft, node["code"])
    links.diagnoses(draft, resource)
    links.performers(draft, resource, [p["actor"] for p in node.each("performer")])
    links.visited(draft, node["encounter"])
    links.part_of(draft)
    elements.own(draft)
    course = links.course_label(tuple(links.above(reading, resource)))
    return _finish(draft, start, end, status, course, "")


def bears_code(concept: Node) -> bool:
    """Whether a concept bears a HCPCS code of level I or II, by its system and its form."""
    return any(system in CODED_SYSTEMS and is_procedure_code(code.upper()) for system, code, _ in codes_of(concept))


def _finish(draft: Draft, start: Moment, end: Moment | None, status: Status, course: str, uid: str) -> Outcome:
    reading, resource = draft.reading, draft.resource
    if status is Status.DONE and not any(fact.name in ("code", "local_code") for fact in draft.facts):
        return Outcome(omissions=(*draft.omissions, reading.omission("unmapped", resource)))
    line = reading.line(resource)
    event = draft.done(start, line=line, status=status, end=end, course=course, keys=draft.keys(uid))
    return outcome(draft, event)


def _code(draft: Draft, concept: Node) -> None:
    """The HCPCS code, else the sender's own code, which the site's crosswalk or charge description master reads."""
    for system, code, at in codes_of(concept):
        plain = is_procedure_code(code.upper()) and not any(fact.name == "code" for fact in draft.facts)
        if system == REVENUE:
            draft.take("revenue", at)
        elif plain and (system in CODED_SYSTEMS or not system):
            draft.add("code", code.upper(), at.at)
        elif system not in CODED_SYSTEMS and not any(fact.name == "local_code" for fact in draft.facts):
            draft.take("local_code", at)


def _services(draft: Draft) -> tuple[str, str]:
    """Course and session UID of what it charges for, as far as the message holds it; else the names of it."""
    reading, resource = draft.reading, draft.resource
    course = uid = ""
    for reference in resource.node.each("service"):
        found = reading.content.resolve(reference, resource)
        draft.add("about", found.name if found else named(reference), reference.at)
        if found and found.type == "Procedure":
            above = tuple(links.above(reading, found))
            course = course or links.course_label(above)
            if codex.reports(found.node) == "fraction":
                uid = uid or links.dicom_uid(found.node).text.removeprefix("urn:oid:")
            draft.add("part_of", found.name, reference.at)
    return course, uid
