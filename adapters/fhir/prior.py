"""What payers before this one decided, on a later payer's claim: one contained ClaimResponse each, written and read.

R4 restates an earlier adjudication by Claim.insurance.claimResponse of an insurance that is not the focal one; the
amounts stand in that ClaimResponse as an 837 has them in loops 2320 and 2430 (CLP07, SVD, CAS, DTP*573).
"""

from __future__ import annotations

from datetime import date
from typing import Final

from adapters.fhir.tree import Node, code_of, codes_of, identifier_value
from adapters.fhir.wire import JsonObject, JsonValue
from adapters.model import codes
from adapters.model.claim import Claim, Party, PriorLine, PriorPayer
from adapters.model.money import CURRENCY, cents, decimal
from adapters.model.remittance import Adjustment

_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/adjudication"
_PAID: Final = "benefit"
GROUP: Final = "https://codesystem.x12.org/005010/1033"
"""Claim adjustment group codes: X12 data element 1033."""
CONDITION: Final = "https://www.nubc.org/CodeSystem/ConditionCodes"
NUMBER: Final = "urn:oncoclaims:payer-claim-number"
SITE: Final = "urn:oncoclaims:site"


def contained(claim: Claim, created: str) -> list[JsonValue]:
    """The resources that restate the earlier payers: insurer, coverage and adjudication of each."""
    found: list[JsonValue] = []
    for n, prior in enumerate(claim.prior, 1):
        identifiers: list[JsonValue] = [
            {"system": system, "value": value}
            for system, value in ((codes.NPI, prior.payer.npi), (codes.TIN, prior.payer.tin), (SITE, prior.payer.id))
            if value
        ]
        insurer: JsonObject = {"resourceType": "Organization", "id": f"insurer-{n}"}
        if identifiers:
            insurer["identifier"] = identifiers
        if prior.payer.name:
            insurer["name"] = prior.payer.name
        coverage: JsonObject = {"resourceType": "Coverage", "id": f"coverage-{n}", "status": "active"}
        if prior.member:
            coverage["subscriberId"] = prior.member
        coverage |= {"beneficiary": {"reference": "#patient"}, "payor": [{"reference": f"#insurer-{n}"}]}
        found += [insurer, coverage, _response(claim, prior, n, created)]
    return found


def insurance(claim: Claim) -> list[JsonValue]:
    """The insurances that are not the focal one, each with its place in the order of benefits."""
    return [
        {
            "sequence": n,
            "focal": False,
            "coverage": {"reference": f"#coverage-{n}"},
            "claimResponse": {"reference": f"#adjudication-{n}"},
        }
        for n, _ in enumerate(claim.prior, 1)
    ]


def reasons(claim: Claim, first: int) -> list[JsonValue]:
    """Why a claim is changed or cancelled, as supportingInfo from that sequence on. HL7 has no precedent: ours."""
    category = _coding("http://terminology.hl7.org/CodeSystem/claiminformationcategory", "info")
    return [
        {"sequence": n, "category": category, "code": _coding(CONDITION, code)}
        for n, code in enumerate(claim.condition_codes, first)
    ]


def _response(claim: Claim, prior: PriorPayer, n: int, created: str) -> JsonObject:
    built: JsonObject = {"resourceType": "ClaimResponse", "id": f"adjudication-{n}"}
    if prior.claim_number:
        built["identifier"] = [{"system": NUMBER, "value": prior.claim_number}]
    built |= {
        "status": "active",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": claim.type.value}]},
        "use": "claim",
        "patient": {"reference": "#patient"},
        "created": prior.adjudicated_on.isoformat() if prior.adjudicated_on else created,
        "insurer": {"reference": f"#insurer-{n}"},
        "outcome": "complete",
    }
    if prior.lines:
        built["item"] = [_item(line) for line in prior.lines]
    built["total"] = [{"category": _coding(_CATEGORY, _PAID), "amount": _money(prior.paid)}]
    if prior.adjudicated_on:
        built["payment"] = {
            "type": _coding("http://terminology.hl7.org/CodeSystem/ex-paymenttype", "complete"),
            "date": prior.adjudicated_on.isoformat(),
            "amount": _money(prior.paid),
        }
    return built


def _item(line: PriorLine) -> JsonObject:
    paid: JsonObject = {"category": _coding(_CATEGORY, _PAID), "amount": _money(line.paid)}
    adjusted: list[JsonValue] = []
    for one in line.adjustments:
        remarks: list[JsonValue] = [{"system": codes.RARC, "code": code} for code in one.remarks]
        reason: list[JsonValue] = [{"system": codes.CARC, "code": one.reason}, *remarks]
        entry: JsonObject = {"category": _coding(GROUP, one.group), "reason": {"coding": reason}}
        adjusted.append({**entry, "amount": _money(one.amount)})
    return {"itemSequence": line.line, "adjudication": [paid, *adjusted]}


def _coding(system: str, code: str) -> JsonObject:
    return {"coding": [{"system": system, "code": code}]}


def _money(amount: int) -> JsonObject:
    return {"value": decimal(amount), "currency": CURRENCY}


def read_prior(responses: list[tuple[Node, Node, Node]]) -> tuple[PriorPayer, ...]:
    """The adjudications that a document of ours restates, from (adjudication, insurer, coverage) of each, in order."""
    return tuple(
        PriorPayer(
            payer=Party(
                id=identifier_value(insurer, system=SITE).text,
                name=insurer["name"].text,
                npi=identifier_value(insurer, system=codes.NPI).text,
                tin=identifier_value(insurer, system=codes.TIN).text,
            ),
            member=cover["subscriberId"].text,
            paid=_cents(answer.first("total")["amount"]),
            lines=tuple(_read_line(item) for item in answer.each("item")),
            claim_number=identifier_value(answer, system=NUMBER).text,
            adjudicated_on=_day(answer["payment"]["date"].text),
        )
        for answer, insurer, cover in responses
    )


def _read_line(item: Node) -> PriorLine:
    paid, adjustments = 0, []
    for entry in item.each("adjudication"):
        group = code_of(entry["category"], GROUP).text
        if not group:
            paid = _cents(entry["amount"])
            continue
        told = list(codes_of(entry["reason"]))
        reason = next((code for system, code, _ in told if system == codes.CARC), "")
        remarks = tuple(code for system, code, _ in told if system == codes.RARC)
        adjustments.append(Adjustment(group, reason, _cents(entry["amount"]), remarks))
    return PriorLine(item["itemSequence"].whole or 0, paid, tuple(adjustments))


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _cents(amount: Node) -> int:
    value = amount["value"].number
    if value is None:
        raise ValueError("an adjudication without its amount")
    return cents(value)
