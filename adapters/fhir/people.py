"""Patient and Coverage: who it is, and how insured (standards/fhir.md 3.5)."""

from __future__ import annotations

from typing import Final

from adapters.fhir.bundle import Resource, named
from adapters.fhir.draft import Draft, Outcome, Reading, outcome
from adapters.fhir.times import boundary
from adapters.fhir.tree import Node, code_of, codes_of, identifier_value
from adapters.model.event import Status
from adapters.model.people import Identifier, PersonHint

_NOT_RECORD_NUMBERS: Final = frozenset({"SS", "SB", "DL", "PPN", "MB", "TAX", "DR", "PHC"})
"""Identifier types (v2 table 0203) that name a person outside the clinic: none is a medical record number."""
_SELF_PAY: Final = "self-pay"


def hint_of(reading: Reading, patient: Resource) -> PersonHint:
    """How a Patient names its person: the record numbers, by the site's names of their authorities, and the reference.

    Only record numbers (type MR) count; where none is marked so, the first identifier that is no number of another
    kind. `feed.person_system` stands in where the system sent is not one that the site has a name for.
    """
    current = [i for i in patient.node.each("identifier") if i["value"].text and i["use"].text != "old"]
    marked = [i for i in current if "MR" in _types(i)]
    records = marked or [i for i in current if not _types(i) & _NOT_RECORD_NUMBERS][:1]
    aliases = reading.feed.person_aliases
    known = [i for i in records if i["system"].text in aliases]
    # Two numbers of systems that the site does not know cannot both be of the one authority that stands in.
    stand_in = reading.feed.person_system if not known else ""
    identifiers: list[Identifier] = []
    for identifier in records:
        sent = identifier["system"].text
        ours = aliases.get(sent, "")
        if not ours:
            ours, stand_in = stand_in or sent, ""
        if ours:
            identifiers.append(Identifier(ours, identifier["value"].text))
    # Of one that came without a lasting id, the id that it was given; without a number it would be somebody new each time.
    given = f"Patient/{patient.given}" if patient.given and identifiers and not patient.reference else ""
    return PersonHint(tuple(identifiers), patient.reference or given)


def person_of(reading: Reading, resource: Resource, reference: Node) -> PersonHint:
    """The person that a `subject`, `patient` or `beneficiary` names; unknown when it names no Patient."""
    found = reading.content.resolve(reference, resource, "Patient")
    if found:
        return hint_of(reading, found) if found.type == "Patient" else PersonHint()
    text = reference["reference"].text
    name = named(reference, "Patient")
    if name.startswith("Patient?"):  # a conditional reference: by a number of the patient's
        sent, _, value = name.removeprefix("Patient?").rpartition("|")
        return _numbered(reading, sent, value)
    if text:
        return PersonHint(reference=name) if name.startswith(("Patient/", "urn:")) else PersonHint()
    return PersonHint()


def _numbered(reading: Reading, sent: str, value: str) -> PersonHint:
    """The person of a number, whatever its system is called at this sender."""
    system = reading.feed.person_aliases.get(sent) or reading.feed.person_system or sent
    return PersonHint((Identifier(system, value),)) if system and value else PersonHint()


def patient(reading: Reading, resource: Resource) -> Outcome:
    """A `patient` event: name, birth date, sex, address, as far as they are told."""
    draft, node = Draft(reading, resource, "patient"), resource.node
    name = _preferred(node.each("name"), ("official", "usual", ""), ("old", "maiden"))
    draft.take("family", name["family"])
    given = [part.text for part in name.each("given") if part.text]
    draft.add("given", " ".join(given), name["given"].at)
    draft.take("birth_date", node["birthDate"])
    draft.take("sex", node["gender"])
    home = _preferred(node.each("address"), ("home", "", "temp"), ("old", "billing"))
    draft.add("address.line", ", ".join(part.text for part in home.each("line") if part.text), home["line"].at)
    draft.take("address.city", home["city"])
    draft.take("address.state", home["state"])
    draft.take("address.postal_code", home["postalCode"])
    # Of the same thing the person's reference is the identity, never an identifier that is secret (a social number).
    hint = hint_of(reading, resource)
    line = reading.key(resource) or next(
        (f"{reading.feed.name}|{i.system}|{i.value}" for i in hint.identifiers), reading.line(resource, use="")
    )
    return outcome(draft, draft.done(draft.as_said(), line=line, keys=draft.keys()))


def coverage(reading: Reading, resource: Resource) -> Outcome:
    """A `coverage` event: payer, member, dates, order, relationship, group."""
    draft, node = Draft(reading, resource, "coverage"), resource.node
    told = node["status"].text
    if told == "draft":
        return Outcome(omissions=(reading.omission("in-progress", resource),))
    # `cancelled` with a last day is a plan that ended: it held until then. Without one it never held (fm-status).
    taken_back = told == "entered-in-error" or (told == "cancelled" and not node["period"]["end"].text)
    status = Status.WITHDRAWN if taken_back else Status.DONE
    payer_of(draft, node.first("payor"))
    member = node["subscriberId"]
    draft.take("member", member if member.text else identifier_value(node, type_code="MB"))
    for name, edge, last in (("from", node["period"]["start"], False), ("to", node["period"]["end"], True)):
        day = boundary(edge.text, reading.zone, last=last)
        if day:
            draft.add(name, day.isoformat(), edge.at)
        elif edge:
            draft.ill_formed(edge.at)
    draft.take("order", node["order"])
    draft.take("relationship", code_of(node["relationship"]))
    for group in node.each("class"):
        if code_of(group["type"]).text == "group":
            draft.take("group", group["value"])
            break
    return outcome(draft, draft.done(draft.as_said(), line=_line(draft), status=status, keys=draft.keys()))


def _line(draft: Draft) -> str:
    """`Type/id`; else the identifier with the first day, because a member keeps the number from year to year."""
    reading, resource = draft.reading, draft.resource
    start = next((fact.value for fact in draft.facts if fact.name == "from"), "")
    return reading.key(resource) or f"{reading.line(resource, use='')}|{start}"


def payer_of(draft: Draft, reference: Node) -> None:
    """`payer` and `payer.name` of the Organization that a reference names; persons who pay themselves are `self-pay`."""
    if not reference:
        return
    found = draft.reading.content.resolve(reference, draft.resource, "Organization")
    kind = found.type if found else named(reference, "Organization").partition("/")[0]
    if kind in ("Patient", "RelatedPerson"):
        # R4 Coverage.payor: for self-pay the paying persons stand here.
        draft.add("payer", _SELF_PAY, reference.at)
        return
    if not reference["identifier"]["value"].text:
        draft.names("payer", reference, "Organization")
    shown = reference["display"]
    names = [shown] if shown.text else []
    codes = [reference["identifier"]["value"]]
    if found:
        names.append(found.node["name"])
        codes.append(identifier_value(found.node))
    codes += names
    best = next((node for node in codes if node.text), None)
    if best is not None:
        draft.take("payer", best)
    else:
        draft.add("payer", named(reference, "Organization"), reference.at)
    name = next((node for node in names if node.text), None)
    if name is not None:
        draft.take("payer.name", name)


def _preferred(nodes: tuple[Node, ...], uses: tuple[str, ...], never: tuple[str, ...]) -> Node:
    """The first with the best use; one of a use that is never meant only where it stands alone."""
    for use in uses:
        for node in nodes:
            if node["use"].text == use:
                return node
    fitting = [node for node in nodes if node["use"].text not in never]
    return next(iter(fitting or nodes), Node(None, ""))


def _types(identifier: Node) -> set[str]:
    return {code for _, code, _ in codes_of(identifier["type"])}
