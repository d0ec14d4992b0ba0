"""Our Claim as an R4 Claim resource that stands alone (standards/fhir.md 3.2, 3.3): patient, coverage, payer, provider
and facility are contained in it, or are the further entries of a collection Bundle.

What concerns only ourselves stays at home: `wire_form` says which fields. Everything else is written so that
`read` finds it again, and the same claim always gives the same bytes.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from adapters.fhir import prior
from adapters.fhir.claim_read import CLAIM_SYSTEM, ENTITIES, ORDERING, SITE_SYSTEM, read
from adapters.fhir.line_trace import traced
from adapters.fhir.wire import JsonObject, JsonValue
from adapters.model import codes
from adapters.model.claim import AUTHORIZATIONS, Claim, ClaimLine, ClaimType, Party
from adapters.model.endpoint import PayerEndpoint
from adapters.model.money import CURRENCY, Cents, decimal

__all__ = ["CLAIM_SYSTEM", "SITE_SYSTEM", "bundle", "document", "money", "read", "unit_price", "wire_form"]

HL7_CODES: Final = "http://terminology.hl7.org/CodeSystem/"
TAXONOMY: Final = "http://nucc.org/provider-taxonomy"
CARIN: Final = "http://hl7.org/fhir/us/carin-bb/CodeSystem/"
FREQUENCY_CATEGORY: Final = "http://hl7.org/fhir/us/davinci-pct/CodeSystem/PCTSupportingInfoType"
PERFORMED, ORDERED = "performed", "ordered"
OUTPATIENT_BILL: Final = "013"
"""Type of bill of hospital outpatient services without its last digit, the frequency (0131, 0137, 0138)."""

_BUNDLES: Final = uuid.UUID("0c6a1a3e-7d5c-5b59-8a3a-2f1f0a9b7c11")
"""Namespace of the fullUrls of a claim's Bundle."""


def wire_form(claim: Claim) -> Claim:
    """The claim as a payer may know it: without lane, coverage id, cycle, building day, what had no place on it, the
    claim that it follows, and charge ids and components of its lines."""
    lines = tuple(replace(line, charges=(), component="") for line in claim.lines)
    return replace(claim, person="", coverage="", cycle="", built_on=date.min, dropped=(), follows="", lines=lines)


def document(claim: Claim, *, profile: PayerEndpoint, created: datetime) -> JsonObject:
    """The claim in the form that the payer's profile asks for: a Claim, or a Bundle with it first.

    `created` is the aware instant written into Claim.created (and Bundle.timestamp). The values are plain JSON; money
    is Decimal with two digits.
    """
    built = _claim(claim, created)
    if profile.line_traces:
        built |= traced(built, claim.id)
    return bundle(built) if profile.body == "bundle" else built


def bundle(built: JsonObject) -> JsonObject:
    """The Claim with its contained resources as entries of their own, every reference resolving inside (PAS style).

    A Bundle is given back as it is.
    """
    if built.get("resourceType") == "Bundle":
        return built
    id = _claim_id(built)
    contained = [r for r in _list(built.get("contained")) if isinstance(r, dict)]
    urls = {f"#{r['id']}": uuid.uuid5(_BUNDLES, f"{id}#{r['id']}").urn for r in contained}
    alone: JsonObject = {key: value for key, value in built.items() if key != "contained"}
    entries: list[JsonValue] = [{"fullUrl": uuid.uuid5(_BUNDLES, id).urn, "resource": _linked(alone, urls)}]
    for resource in contained:
        lifted: JsonObject = {key: value for key, value in resource.items() if key != "id"}
        entries.append({"fullUrl": urls[f"#{resource['id']}"], "resource": _linked(lifted, urls)})
    return {
        "resourceType": "Bundle",
        "identifier": {"system": CLAIM_SYSTEM, "value": id},
        "type": "collection",
        "timestamp": built["created"],
        "entry": entries,
    }


def _claim(claim: Claim, created: datetime) -> JsonObject:
    team = list(dict.fromkeys(member for line in claim.lines for member in _of_line(line)))
    built: JsonObject = {
        "resourceType": "Claim",
        "contained": [
            _patient(claim),
            _coverage(claim),
            _organization("insurer", claim.payer),
            _organization("provider", claim.entity),
            _facility(claim.facility),
            *prior.contained(claim, created.isoformat(timespec="seconds")),
        ],
        "identifier": [{"type": _concept("v2-0203", "PLAC"), "system": CLAIM_SYSTEM, "value": claim.id}],
        "status": "active",
        "type": _concept("claim-type", claim.type.value),
        "use": "claim",
        "patient": {"reference": "#patient"},
        "created": created.isoformat(timespec="seconds"),
        "insurer": {"reference": "#insurer"},
        "provider": {"reference": "#provider"},
        "priority": _concept("processpriority", "normal"),
    }
    if claim.patient_identifier:
        built["patient"] = {"reference": "#patient", "identifier": _record_number(claim)}
    if claim.lines:
        first, last = min(line.start for line in claim.lines), max(line.end for line in claim.lines)
        built["billablePeriod"] = {"start": first.isoformat(), "end": last.isoformat()}
    if related := _related(claim):
        built["related"] = [related]
    built["facility"] = {"reference": "#facility"}
    if team:
        built["careTeam"] = [_member(claim, n, *member) for n, member in enumerate(team, 1)]
    built["supportingInfo"] = [
        {
            "sequence": 1,
            "category": _coding(f"{CARIN}C4BBSupportingInfoType", "patientaccountnumber"),
            "valueString": claim.id,
        },
        {"sequence": 2, **_frequency(claim)},
        *prior.reasons(claim, 3),
    ]
    if claim.diagnoses:
        built["diagnosis"] = [_diagnosis(claim, n, code) for n, code in enumerate(claim.diagnoses, 1)]
    insurance: JsonObject = {"sequence": claim.sequence, "focal": True, "coverage": {"reference": "#coverage"}}
    if claim.authorization:
        insurance["preAuthRef"] = list(claim.authorization.split(AUTHORIZATIONS))
    built["insurance"] = [insurance, *prior.insurance(claim)]
    if claim.lines:
        built["item"] = [_item(line, team) for line in claim.lines]
    built["total"] = money(claim.total)
    return built


def _of_line(line: ClaimLine) -> list[tuple[str, str]]:
    """(part, NPI) of those who had a part in a line: who performed it first, then who ordered it."""
    return [(part, npi) for part, npi in ((PERFORMED, line.rendering), (ORDERED, line.ordering)) if npi]


def _item(line: ClaimLine, team: list[tuple[str, str]]) -> JsonObject:
    item: JsonObject = {"sequence": line.line}
    if members := _of_line(line):
        item["careTeamSequence"] = [team.index(member) + 1 for member in members]
    if line.diagnoses:
        item["diagnosisSequence"] = list(line.diagnoses)
    if line.revenue:
        item["revenue"] = _coding(codes.REVENUE, line.revenue)
    named = _coding(codes.system_of(line.code), line.code)
    item["productOrService"] = {**named, "text": line.narrative} if line.narrative else named
    if line.modifiers:
        item["modifier"] = [_coding(_modifier_system(modifier), modifier) for modifier in line.modifiers]
    if line.start == line.end:
        item["servicedDate"] = line.start.isoformat()
    else:
        item["servicedPeriod"] = {"start": line.start.isoformat(), "end": line.end.isoformat()}
    if line.place:
        item["locationCodeableConcept"] = _coding(codes.PLACE_OF_SERVICE, line.place)
    item["quantity"] = {"value": line.units}
    price = unit_price(line.amount, line.units)
    if price is not None:
        item["unitPrice"] = {"value": price, "currency": CURRENCY}
    item["net"] = money(line.amount)
    if line.ndc:
        detail: JsonObject = {"sequence": 1, "productOrService": _coding(codes.NDC, line.ndc)}
        if line.ndc_quantity is not None:
            detail["quantity"] = {"value": line.ndc_quantity, "unit": line.ndc_unit}
        item["detail"] = [detail]
    return item


def unit_price(amount: Cents, units: int) -> Decimal | None:
    """The amount by the unit, exact to a ten-thousandth of a cent; None where no such price times units gives it.

    R4 asks net = unitPrice × quantity; an amount that was rounded has no exact price, and a wrong one is not sent.
    """
    if units <= 0:
        return None
    for digits in (2, 3, 4, 5, 6):
        scaled, rest = divmod(amount * 10 ** (digits - 2), units)
        if rest == 0:
            return Decimal(scaled).scaleb(-digits)
    return None


def money(amount: Cents) -> JsonObject:
    """An amount as R4 Money, two digits after the point."""
    return {"value": decimal(amount), "currency": CURRENCY}


def _patient(claim: Claim) -> JsonObject:
    patient: JsonObject = {"resourceType": "Patient", "id": "patient"}
    if claim.patient_identifier:
        patient["identifier"] = [_record_number(claim)]
    name: JsonObject = {}
    if claim.family:
        name["family"] = claim.family
    if claim.given:
        name["given"] = [claim.given]
    if name:
        patient["name"] = [name]
    if claim.sex:
        patient["gender"] = claim.sex
    if claim.birth_date:
        patient["birthDate"] = claim.birth_date.isoformat()
    return patient


def _record_number(claim: Claim) -> JsonObject:
    return {"type": _concept("v2-0203", "MR"), "value": claim.patient_identifier}


def _coverage(claim: Claim) -> JsonObject:
    coverage: JsonObject = {"resourceType": "Coverage", "id": "coverage"}
    if claim.member:
        coverage["identifier"] = [{"type": _concept("v2-0203", "MB"), "value": claim.member}]
    coverage["status"] = "active"
    if claim.member:
        coverage["subscriberId"] = claim.member
    coverage["beneficiary"] = {"reference": "#patient"}
    if claim.relationship:
        coverage["relationship"] = _concept("subscriber-relationship", claim.relationship)
    coverage["payor"] = [{"reference": "#insurer"}]
    return coverage


def _organization(id: str, party: Party) -> JsonObject:
    built: JsonObject = {"resourceType": "Organization", "id": id, **_identified(party)}
    if party.taxonomy:
        built["type"] = [_coding(TAXONOMY, party.taxonomy)]
    if party.name:
        built["name"] = party.name
    return built


def _facility(party: Party) -> JsonObject:
    built: JsonObject = {"resourceType": "Location", "id": "facility", **_identified(party)}
    if party.taxonomy:
        built["type"] = [_coding(TAXONOMY, party.taxonomy)]
    if party.name:
        built["name"] = party.name
    return built


def _identified(party: Party) -> JsonObject:
    told = ((codes.NPI, party.npi), (codes.TIN, party.tin), (SITE_SYSTEM, party.id))
    identifiers: list[JsonValue] = [{"system": system, "value": value} for system, value in told if value]
    return {"identifier": identifiers} if identifiers else {}


def _related(claim: Claim) -> JsonObject:
    """The claim that this one replaces or voids: ours by identifier, the payer's number as reference (REF*F8)."""
    related: JsonObject = {}
    if claim.replaces:
        related["claim"] = {"type": "Claim", "identifier": {"system": CLAIM_SYSTEM, "value": claim.replaces}}
    if claim.replaces or claim.payer_claim_number:
        related["relationship"] = _concept("ex-relatedclaimrelationship", "prior")
    if claim.payer_claim_number:
        related["reference"] = {"value": claim.payer_claim_number}
    return related


def _frequency(claim: Claim) -> JsonObject:
    """Type of bill on institutional claims; on professional ones PCT's claimFrequency, the only precedent of HL7."""
    if claim.type is ClaimType.INSTITUTIONAL:
        category = _coding(f"{CARIN}C4BBSupportingInfoType", "typeofbill")
        return {"category": category, "code": _coding(codes.TYPE_OF_BILL, OUTPATIENT_BILL + claim.frequency)}
    category = _coding(FREQUENCY_CATEGORY, "claimFrequency")
    return {"category": category, "code": _coding(codes.TYPE_OF_BILL, claim.frequency)}


def _member(claim: Claim, sequence: int, part: str, npi: str) -> JsonObject:
    """One of the care team. R4 and CARIN have no role for who ordered a service: `other`, and the entity of X12."""
    role = "attending" if claim.type is ClaimType.INSTITUTIONAL else "rendering"
    told = _coding(f"{CARIN}C4BBClaimCareTeamRole", role)
    if part == ORDERED:
        other: JsonObject = {"system": f"{HL7_CODES}claimcareteamrole", "code": "other"}
        told = {"coding": [other, {"system": ENTITIES, "code": ORDERING}]}
    return {
        "sequence": sequence,
        "provider": {"type": "Practitioner", "identifier": {"system": codes.NPI, "value": npi}},
        "role": told,
    }


def _diagnosis(claim: Claim, sequence: int, code: str) -> JsonObject:
    diagnosis: JsonObject = {
        "sequence": sequence,
        "diagnosisCodeableConcept": _coding(codes.ICD10CM, code),
    }
    if sequence == 1 and claim.type is ClaimType.INSTITUTIONAL:
        diagnosis["type"] = [_concept("ex-diagnosistype", "principal")]
    return diagnosis


def _modifier_system(modifier: str) -> str:
    """Level I modifiers are two digits; all others are level II (HCPCS)."""
    return codes.CPT if modifier.isdigit() else codes.HCPCS


def _coding(system: str, code: str) -> JsonObject:
    return {"coding": [{"system": system, "code": code}]}


def _concept(name: str, code: str) -> JsonObject:
    return _coding(HL7_CODES + name, code)


def _claim_id(built: JsonObject) -> str:
    for identifier in _list(built.get("identifier")):
        if isinstance(identifier, dict) and identifier.get("system") == CLAIM_SYSTEM:
            return str(identifier.get("value", ""))
    raise ValueError("no Claim of ours: it bears no identifier of our system")


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _linked(value: JsonObject, urls: dict[str, str]) -> JsonObject:
    return {key: _link(key, item, urls) for key, item in value.items()}


def _link(key: str, value: JsonValue, urls: dict[str, str]) -> JsonValue:
    if isinstance(value, dict):
        return _linked(value, urls)
    if isinstance(value, list):
        return [_link(key, item, urls) for item in value]
    if key == "reference" and isinstance(value, str):
        return urls.get(value, value)
    return value
