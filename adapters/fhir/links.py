"""What Procedures and Encounters say by reference: what they are part of, why, by whom, where, at which visit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.fhir import codex
from adapters.fhir.bundle import Resource, named
from adapters.fhir.draft import Draft, Reading, uid_of
from adapters.fhir.tree import Node, codes_of, extensions, identifier_value, value_of
from adapters.model.codes import ICD10CM, NPI, SNOMED, icd10cm
from adapters.model.event import ROLE_ORDER

_NPI_FORM: Final = re.compile(r"[0-9]{10}")
_ROLES: Final[dict[tuple[str, str], str]] = {
    (SNOMED, "419815003"): "radiation-oncologist",
    ("http://nucc.org/provider-taxonomy", "2085R0001X"): "radiation-oncologist",
    ("http://nucc.org/provider-taxonomy", "363L00000X"): "nurse-practitioner",
    ("http://terminology.hl7.org/CodeSystem/practitioner-role", "doctor"): "physician",
    ("http://terminology.hl7.org/CodeSystem/v2-0360", "MD"): "physician",
    ("http://terminology.hl7.org/CodeSystem/v2-0360", "DO"): "physician",
    ("http://terminology.hl7.org/CodeSystem/v2-0360", "NP"): "nurse-practitioner",
}


@dataclass(frozen=True, slots=True)
class Link:
    """A Procedure above another, and what it reports."""

    what: str
    resource: Resource


def above(reading: Reading, resource: Resource) -> Iterator[Link]:
    """The Procedures that a Procedure is part of, as far as the message holds them; the nearest first."""
    seen = {resource.node.at}
    waiting = [resource]
    while waiting:
        current = waiting.pop(0)
        for reference in current.node.each("partOf"):
            found = reading.content.resolve(reference, current, "Procedure")
            if found and found.type == "Procedure" and found.node.at not in seen:
                seen.add(found.node.at)
                waiting.append(found)
                yield Link(codex.reports(found.node), found)


def course_label(above: tuple[Link, ...]) -> str:
    """The label of the nearest course among the Procedures above; empty when there is none."""
    return next((label(link.resource.node).text for link in above if link.what == "course"), "")


def label(node: Node) -> Node:
    """What the clinic calls a course, phase or plan: the usual identifier, else the first that is no DICOM UID."""
    usual = identifier_value(node, use="usual")
    if usual:
        return usual
    for identifier in node.each("identifier"):
        if identifier["system"].text != codex.DICOM_UID and identifier["value"].text:
            return identifier["value"]
    return Node(None, f"{node.at}.identifier")


def part_of(draft: Draft) -> None:
    """What the Procedure is part of, by the name that its own event bears as `reference`."""
    for reference in draft.resource.node.each("partOf"):
        found = draft.reading.content.resolve(reference, draft.resource, "Procedure")
        draft.add("part_of", found.name if found else named(reference, "Procedure"), reference.at)


def planned(reading: Reading, resource: Resource) -> Node:
    """Fractions planned or prescribed: of the summary itself, else of the request that it is based on."""
    orders = [reading.content.resolve(r, resource, "ServiceRequest") for r in resource.node.each("basedOn")]
    for node in (resource.node, *(order.node for order in orders if order)):
        for url in (codex.PLANNED, codex.PRESCRIBED):
            if value := extension(node, url):
                return value
    return Node(None, resource.node.at)


def dicom_uid(node: Node) -> Node:
    """The DICOM UID: the identifier, else the instance of the record that the Procedure refers to."""
    uid = uid_of(node, codex.DICOM_UID)
    if uid:
        return uid
    records = codex.said_in(node, codex.DICOM_REFERENCE, "instanceUid")
    return next((value for value in records if value.text), Node(None, node.at))


def diagnoses(draft: Draft, *chain: Resource) -> None:
    """ICD-10-CM codes of the first of these that states any: by reasonCode, and by the Condition it refers to."""
    for reference in draft.resource.node.each("reasonReference"):
        draft.names("reason", reference, "Condition")
    for diagnosis in draft.resource.node.each("diagnosis"):
        draft.names("diagnosis", diagnosis["condition"], "Condition")
    for resource in chain:
        concepts = list(resource.node.each("reasonCode"))
        if resource.type == "Condition":
            concepts = [resource.node["code"]]
        for reference in resource.node.each("reasonReference"):
            found = draft.reading.content.resolve(reference, resource, "Condition")
            if found and found.type == "Condition":
                concepts.append(found.node["code"])
        found_any = [diagnosis_codes(draft, concept) for concept in concepts]
        if any(found_any):
            return


def diagnosis_codes(draft: Draft, concept: Node) -> bool:
    """Take the ICD-10-CM codes of a concept, each once; whether it has any."""
    codes = [node for system, _, node in codes_of(concept) if system == ICD10CM]
    for node in codes:
        if not any(f.value == icd10cm(node.text) for f in draft.facts if f.name == "diagnosis"):
            draft.add("diagnosis", icd10cm(node.text), node.at)
    return bool(codes)


def conditions_of(reading: Reading, resource: Resource) -> Iterator[Resource]:
    """The Conditions of Encounter.diagnosis that the message holds."""
    for diagnosis in resource.node.each("diagnosis"):
        found = reading.content.resolve(diagnosis["condition"], resource, "Condition")
        if found:
            yield found


def visit(node: Node) -> Node:
    """The visit number: the first identifier that is no DICOM UID, else the id."""
    for identifier in node.each("identifier"):
        if identifier["system"].text != codex.DICOM_UID and identifier["value"].text:
            return identifier["value"]
    return node["id"]


def facility(reading: Reading, resource: Resource) -> Node:
    """The place as the sender calls it: the service provider's identifier or name, else the first location's."""
    return _place(reading, resource, _places(resource))


def facility_of(draft: Draft) -> None:
    """The place of a visit, and what it names as its place until one is told in full."""
    for reference in _places(draft.resource):
        if reference["identifier"]["value"].text:
            break
        draft.names("place", reference)
        if reference["display"].text:
            break
    draft.take("facility", facility(draft.reading, draft.resource))


def _places(resource: Resource) -> list[Node]:
    return [resource.node["serviceProvider"], *(p["location"] for p in resource.node.each("location"))]


def place_named(draft: Draft, reference: Node) -> None:
    """The place that a reference names, in place of that of the visit."""
    if not reference["identifier"]["value"].text:
        draft.names("place", reference)
    found = _place(draft.reading, draft.resource, [reference])
    if found.text:
        draft.instead("facility", found.text, found.at)


def _place(reading: Reading, resource: Resource, references: Sequence[Node]) -> Node:
    for reference in references:
        if reference["identifier"]["value"].text:
            return reference["identifier"]["value"]
        found = reading.content.resolve(reference, resource)
        if found:
            for node in (identifier_value(found.node), found.node["name"], found.node["id"]):
                if node.text:
                    return node
        if reference["display"].text:
            return reference["display"]
    return Node(None, resource.node.at)


def performers(draft: Draft, within: Resource, references: Sequence[Node], fact: str = "by") -> None:
    """`by`, the NPI of the first named, and `by.role` where a coded role or qualification says it for certain.

    Another `fact` is the NPI alone.
    """
    for reference in references:
        draft.names(fact, reference, "Practitioner")
        resources = list(_practitioner(draft.reading, within, reference))
        npi = next(
            (n for n in (_npi(reference), *(identifier_value(r.node, system=NPI) for r in resources)) if n.text), None
        )
        if npi is None:
            continue
        if not _NPI_FORM.fullmatch(npi.text):
            draft.ill_formed(npi.at)
            continue
        draft.take(fact, npi)
        if fact != "by":
            return
        _role(draft, [found for r in resources for found in _roles(r.node)])
        return


def performer(draft: Draft) -> None:
    """What a Practitioner or PractitionerRole says of whoever names it: the NPI, the role; a role names its person."""
    node = draft.resource.node
    person = node["practitioner"]
    npi = next((n for n in (identifier_value(node, system=NPI), _npi(person)) if n.text), None)
    if npi is not None and _NPI_FORM.fullmatch(npi.text):
        draft.take("by", npi)
    elif npi is not None:
        draft.ill_formed(npi.at)
    draft.names("by", person, "Practitioner")
    _role(draft, list(_roles(node)))


def _role(draft: Draft, told: Sequence[tuple[str, Node]]) -> None:
    for role in ROLE_ORDER:
        place = next((node for name, node in told if name == role), None)
        if place is not None:
            draft.add("by.role", role, place.at)
            return


def _practitioner(reading: Reading, within: Resource, reference: Node) -> Iterator[Resource]:
    found = reading.content.resolve(reference, within, "Practitioner")
    if found is None or found.type not in ("Practitioner", "PractitionerRole"):
        return
    yield found
    if found.type == "PractitionerRole":
        person = reading.content.resolve(found.node["practitioner"], found, "Practitioner")
        if person:
            yield person
        elif _npi(found.node["practitioner"]):
            yield Resource(found.node["practitioner"], "Practitioner")


def _roles(node: Node) -> Iterator[tuple[str, Node]]:
    concepts = [*node.each("specialty"), *node.each("code"), *(q["code"] for q in node.each("qualification"))]
    for concept in concepts:
        for system, code, place in codes_of(concept):
            if (system, code) in _ROLES:
                yield _ROLES[system, code], place


def _npi(reference: Node) -> Node:
    return identifier_value(reference, system=NPI)


def extension(node: Node, url: str) -> Node:
    """The value of the first extension of that URL, or an empty node."""
    return next((value_of(e) for e in extensions(node, url)), Node(None, node.at))


def visited(draft: Draft, reference: Node) -> None:
    """The visit that a reference to an Encounter names, and where it was, as far as the message holds it."""
    found = draft.reading.content.resolve(reference, draft.resource, "Encounter") if reference else None
    draft.names("visit", reference, "Encounter")
    if found:
        draft.take("visit", visit(found.node))
        draft.take("facility", facility(draft.reading, found))
    elif reference:
        draft.add("visit", reference["identifier"]["value"].text or named(reference, "Encounter"), reference.at)


def account(draft: Draft, reference: Node) -> None:
    """The account that a charge is booked on: what the site gathers its services under, by its number where it is told."""
    found = draft.reading.content.resolve(reference, draft.resource, "Account") if reference else None
    if found:
        draft.take("series", found.node.first("identifier")["value"])
    elif reference:
        draft.add("series", reference["identifier"]["value"].text or named(reference, "Account"), reference.at)


def order_numbers(draft: Draft, resource: Resource, references: Iterable[Node]) -> tuple[str, ...]:
    """`placer` and `filler_order` of the resource's own identifiers, else of the requests it names; and their keys.

    An identifier of type PLAC or FILL (v2 table 0203) is that number; of a request without any, the first one is the
    placer's.
    """
    named_ = [resource.node]
    for reference in references:
        draft.names("order", reference)
        found = draft.reading.content.resolve(reference, resource)
        named_ += [found.node] if found else [Node({"identifier": reference["identifier"].value}, reference.at)]
    keys = []
    for name, type_code, scheme in (("placer", "PLAC", "placer"), ("filler_order", "FILL", "order")):
        value = next((v for n in named_ if (v := identifier_value(n, type_code=type_code)).text), None)
        if value is None and name == "placer":
            value = next((v for n in named_[1:] if (v := identifier_value(n)).text), None)
        if value is not None:
            draft.take(name, value)
            keys.append(f"{scheme}:{value.text}")
    return tuple(keys)
