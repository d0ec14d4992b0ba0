"""Our own Claim documents read back: the inverse of `claim.document`, for audits, files and the property of both."""

from __future__ import annotations

from datetime import date
from typing import Final

from adapters.fhir import bundle
from adapters.fhir.bundle import Resource
from adapters.fhir.prior import CONDITION, read_prior
from adapters.fhir.tree import Node, code_of, codes_of, identifier_value
from adapters.fhir.wire import JsonObject
from adapters.model import codes
from adapters.model.claim import AUTHORIZATIONS, Claim, ClaimLine, ClaimType, Party
from adapters.model.money import cents

CLAIM_SYSTEM: Final = "urn:oncoclaims:claim"
SITE_SYSTEM: Final = "urn:oncoclaims:site"
"""Our own names of payers, billing entities and facilities."""
ENTITIES: Final = "https://codesystem.x12.org/005010/98"
"""X12 data element 98, which PAS takes for roles of a care team."""
ORDERING: Final = "DK"


def read(document: JsonObject) -> Claim:
    """The claim that a document of ours says, in its `claim.wire_form`; from a Claim or a Bundle with it first.

    For documents that this program wrote: anything else raises ValueError or `Inexact`, because it is a bug.
    """
    content = bundle.read(document, "")
    claim = content.resources[0] if content.resources else None
    if claim is None or claim.type != "Claim":
        raise ValueError("no Claim of ours: the first resource is another")
    node = claim.node

    def part(name: Node) -> Node:
        found = content.resolve(name, claim)
        return found.node if found else Node(None, name.at)

    patient, cover = part(node["patient"]), part(node.first("insurance")["coverage"])
    related = node.first("related")
    team = {m["sequence"].whole: _member(m) for m in node.each("careTeam")}
    name = patient.first("name")
    born = patient["birthDate"].text
    return Claim(
        id=identifier_value(node, system=CLAIM_SYSTEM).text,
        type=ClaimType(code_of(node["type"]).text),
        person="",
        patient_identifier=identifier_value(patient, type_code="MR").text,
        entity=_party(part(node["provider"])),
        payer=_party(part(node["insurer"])),
        coverage="",
        member=cover["subscriberId"].text,
        lines=tuple(_line(item, team) for item in node.each("item")),
        diagnoses=tuple(code_of(d["diagnosisCodeableConcept"]).text for d in node.each("diagnosis")),
        built_on=date.min,
        facility=_party(part(node["facility"])),
        frequency=_frequency(claim),
        replaces=related["claim"]["identifier"]["value"].text,
        payer_claim_number=related["reference"]["value"].text,
        relationship=code_of(cover["relationship"]).text,
        authorization=AUTHORIZATIONS.join(n.text for n in node.first("insurance").each("preAuthRef")),
        family=name["family"].text,
        given=name.first("given").text,
        birth_date=date.fromisoformat(born) if born else None,
        sex=patient["gender"].text,
        sequence=node.first("insurance")["sequence"].whole or 1,
        prior=read_prior(
            [
                (answer, part(answer["insurer"]), part(other["coverage"]))
                for other in node.each("insurance")[1:]
                for answer in (part(other["claimResponse"]),)
            ]
        ),
        condition_codes=tuple(
            code.text for info in node.each("supportingInfo") if (code := code_of(info["code"], CONDITION))
        ),
    )


def _member(member: Node) -> tuple[bool, str]:
    """Whether a member of the care team is who ordered, and the NPI."""
    ordered = any(system == ENTITIES and code == ORDERING for system, code, _ in codes_of(member["role"]))
    return ordered, member["provider"]["identifier"]["value"].text


def _line(item: Node, team: dict[int | None, tuple[bool, str]]) -> ClaimLine:
    day = item["servicedDate"].text
    start = day or item["servicedPeriod"]["start"].text
    end = day or item["servicedPeriod"]["end"].text
    amount = item["net"]["value"].number
    if amount is None:
        raise ValueError("a line without its amount")
    members = [team[n.whole] for n in item.each("careTeamSequence") if n.whole in team]
    return ClaimLine(
        line=item["sequence"].whole or 0,
        charges=(),
        code=code_of(item["productOrService"]).text,
        modifiers=tuple(code_of(modifier).text for modifier in item.each("modifier")),
        units=item["quantity"]["value"].whole or 0,
        start=date.fromisoformat(start),
        end=date.fromisoformat(end),
        amount=cents(amount),
        diagnoses=tuple(pointer.whole or 0 for pointer in item.each("diagnosisSequence")),
        component="",
        rendering=next((npi for ordered, npi in members if not ordered), ""),
        ordering=next((npi for ordered, npi in members if ordered), ""),
        place=code_of(item["locationCodeableConcept"]).text,
        revenue=code_of(item["revenue"]).text,
        ndc=code_of(item.first("detail")["productOrService"], codes.NDC).text,
        ndc_quantity=item.first("detail")["quantity"]["value"].number,
        ndc_unit=item.first("detail")["quantity"]["unit"].text,
        narrative=item["productOrService"]["text"].text,
    )


def _party(node: Node) -> Party:
    return Party(
        id=identifier_value(node, system=SITE_SYSTEM).text,
        name=node["name"].text,
        npi=identifier_value(node, system=codes.NPI).text,
        tin=identifier_value(node, system=codes.TIN).text,
        taxonomy=code_of(node.first("type")).text,
    )


def _frequency(claim: Resource) -> str:
    for info in claim.node.each("supportingInfo"):
        if code_of(info["category"]).text in ("typeofbill", "claimFrequency"):
            return code_of(info["code"]).text[-1:]
    return "1"
