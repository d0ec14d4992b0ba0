"""What a payer sends about money: its ClaimResponses one by one, each whole in itself, and its PaymentReconciliation.

R4 PaymentReconciliation: `detail.amount` says what a detail adds to the payment, so take-backs are negative and a
provider-level adjustment here has the other sign than in an 835. The kind of adjustment (PLB03-1) has no place in R4; it
stands as a second coding of `detail.type`, as a coding of an extension, or nowhere.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass

from adapters.fhir import bundle, wire
from adapters.fhir.answer_names import claim_named, named_by, patient_named
from adapters.fhir.bundle import Message, Resource
from adapters.fhir.problem import Refused
from adapters.fhir.response import Faults, day_of
from adapters.fhir.tree import Node, codes_of, identifier_value, value_of
from adapters.fhir.wire import JsonObject
from adapters.model.money import Cents
from adapters.model.remittance import Payment, ProviderAdjustment

TYPES = frozenset({"ClaimResponse", "PaymentReconciliation"})
"""The resources by which a payer answers."""
_CORE = frozenset({"payment", "adjustment", "advance"})
"""Codes of R4's payment-type; any other coding of a detail names the adjustment."""
_CODE = re.compile(r"[A-Za-z0-9]{2}")
"""A code of PLB03-1."""
_UNSAID = "CS"
"""An adjustment of no further kind (6.4: looked at by a person)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One ClaimResponse, self-contained: what it refers to in its body is named in it."""

    claim: str
    """Our claim id that it names, empty when it names none."""
    number: str
    """The payer's number of the claim."""
    resource: JsonObject
    reference: str = ""
    """By what a payment of the same body refers to it: its id, else its identifier."""
    insurers: tuple[str, ...] = ()
    """By what it names the payer that decided: identifier and name, as far as they are said."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """All that one body says: answers and payments in the order sent, or why it cannot be read."""

    answers: tuple[Answer, ...] = ()
    payments: tuple[Payment, ...] = ()
    reasons: tuple[str, ...] = ()
    names_only: bool = False
    """Whether the body is a Bundle of addresses without a resource: what a notification names, and nobody could fetch."""


def is_delivery(read: JsonObject) -> bool:
    """Whether a body is a payer's: a ClaimResponse, a PaymentReconciliation, or a Bundle (also a notification) with one."""
    if read.get("resourceType") in TYPES:
        return True
    inside = Node(read, "").each("entry") if read.get("resourceType") == "Bundle" else ()
    return any(entry["resource"]["resourceType"].text in TYPES for entry in inside)


def read_delivery(body: bytes, message: str) -> Delivery:
    """What a body says. `message` is the journal id of it; payments name their payer by identifier or name."""
    read = wire.resource(body)
    if isinstance(read, Refused):
        return Delivery(reasons=tuple(problem.code for problem in read.problems))
    named = Node(read, "").each("entry") if read["resourceType"] == "Bundle" else ()
    if named and all(entry["fullUrl"].text and not entry["resource"] for entry in named):
        return Delivery(names_only=True)
    content = bundle.read(read, message)
    answers = [_apart(content, found) for found in content.resources if found.type == "ClaimResponse"]
    payments: list[Payment] = []
    faults = Faults([])
    for one in (r for r in content.resources if r.type == "PaymentReconciliation"):
        payment = _payment(content, one, faults, message)
        if payment is not None:
            payments.append(payment)
    if not answers and not payments and not faults.found:
        faults.found.append("not-a-payers-answer")
    return Delivery(tuple(answers), tuple(payments), tuple(faults.found))


def _apart(content: Message, found: Resource) -> Answer:
    claim, patient = claim_named(content, found), patient_named(content, found)
    resource: JsonObject = copy.deepcopy(dict(found.node.value)) if isinstance(found.node.value, dict) else {}
    for name, value in (("request", claim), ("patient", patient)):
        if value and not found.node[name]["identifier"]["value"].text:
            known = resource.get(name)
            rest = {k: v for k, v in known.items() if k == "display"} if isinstance(known, dict) else {}
            resource[name] = {**rest, "identifier": {"value": value}}
    insurers = tuple(named_by(content, found, "insurer"))
    return Answer(claim, identifier_value(found.node).text, resource, _name(found), insurers)


def _name(found: Resource) -> str:
    return found.node["id"].text or identifier_value(found.node).text


def _payment(content: Message, found: Resource, faults: Faults, message: str) -> Payment | None:
    node = found.node
    if node["status"].text not in ("", "active"):
        faults.tell("payment-not-active", f"{node.at}.status")
    amount = faults.amount(node["paymentAmount"])
    claims: list[tuple[str, Cents]] = []
    adjustments: list[ProviderAdjustment] = []
    for detail in node.each("detail"):
        part = faults.amount(detail["amount"])
        if part is None:
            continue
        if code := _adjusted(detail):
            adjustments.append(ProviderAdjustment(code, -part, _reference(detail)))
        else:
            claims.append((_answered(content, found, detail), part))
    day = day_of(node["paymentDate"], faults)
    if amount is None:
        return None
    number = node["paymentIdentifier"]["value"].text or identifier_value(node).text
    payer = next(named_by(content, found, "paymentIssuer"), "")
    return Payment(number, payer, amount, tuple(claims), tuple(adjustments), day, message=message)


def _adjusted(detail: Node) -> str:
    """The code of an adjustment of no claim; empty where the detail pays a claim or takes its payment back."""
    said = [code for _, code, _ in codes_of(detail["type"])]
    for extension in detail.each("extension"):
        value = value_of(extension)
        said += [value.text, value["code"].text, *(code for _, code, _ in codes_of(value))]
    if "payment" in {code.casefold() for code in said}:
        return ""
    finer = [code for code in said if code.casefold() not in _CORE and _CODE.fullmatch(code)]
    if finer:
        return finer[0].upper()
    return "" if detail["response"] or detail["request"] else _UNSAID


def _reference(detail: Node) -> str:
    return detail["identifier"]["value"].text or detail["request"]["identifier"]["value"].text


def _answered(content: Message, found: Resource, detail: Node) -> str:
    """Which answer of the body a detail pays; empty where it is another body's."""
    response = detail["response"]
    if target := content.resolve(response, found, "ClaimResponse"):
        return _name(target)
    return response["identifier"]["value"].text or response["reference"].text.rpartition("/")[2]
