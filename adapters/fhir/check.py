"""What is wrong with a Claim before it leaves: its shape by fhir.resources, then what no model checks.

The only importer of fhir.resources. The wire version is R4 4.0.1, for which the package has no models; its R4B models
have the same elements, cardinalities and reference targets for all resources written here (standards/fhir.md 7.1),
while its top level is R5 and would take an R4 Claim without a word. The model is a check only: what is sent are the
plain values, because the package loses the digits of decimals on output. It accepts wrong codes, wrong reference
types, text for numbers and dangling pointers, so those are looked for here.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.fhir import bundle
from adapters.fhir.bundle import Message, Resource, named
from adapters.fhir.tree import Node, code_of
from adapters.fhir.wire import JsonObject
from adapters.model.money import CURRENCY

_STATUS: Final = frozenset({"active", "cancelled", "draft", "entered-in-error"})
_TYPES: Final = frozenset({"professional", "institutional"})
_REFERENCES: Final[dict[str, frozenset[str]]] = {
    "patient": frozenset({"Patient"}),
    "insurer": frozenset({"Organization"}),
    "provider": frozenset({"Organization", "Practitioner", "PractitionerRole"}),
    "facility": frozenset({"Location"}),
}
_TEAM: Final = frozenset({"Organization", "Practitioner", "PractitionerRole"})
_LINES: Final[dict[str, int]] = {"professional": 50, "institutional": 999}
"""Lines that an 837 of the type holds (loop 2400)."""
_DIAGNOSES: Final[dict[str, int]] = {"professional": 12, "institutional": 25}
_POINTERS: Final = 4
_MODIFIERS: Final = 4
_CREATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?")


def problems(document: JsonObject) -> tuple[str, ...]:
    """Everything wrong with a Claim, or with a Bundle that has it first; empty when it may leave.

    Each text names the place and the rule, and repeats no value of the document.
    """
    content = bundle.read(document, "")
    claim = content.resources[0] if content.resources else None
    if claim is None or claim.type != "Claim":
        return ("the document is no Claim, nor a Bundle with one first",)
    return (*_shape(document), *_rules(content, claim))


def _shape(document: JsonObject) -> Iterator[str]:
    """What the R4B model refuses; the kind of fault only, because its messages repeat values."""
    from fhir.resources.R4B.bundle import Bundle
    from fhir.resources.R4B.claim import Claim
    from pydantic import ValidationError

    model = Bundle if document.get("resourceType") == "Bundle" else Claim
    try:
        model.model_validate(copy.deepcopy(document))
    except ValidationError as refused:
        for error in refused.errors(include_url=False, include_context=False, include_input=False):
            place = ".".join(str(part) for part in error["loc"])
            yield f"{model.__name__}.{place}: {error['type'].replace('_', ' ')} (shape)"


def _rules(content: Message, claim: Resource) -> Iterator[str]:
    node = claim.node
    kind = code_of(node["type"]).text
    if node["status"].text not in _STATUS:
        yield f"{node.at}.status: not a code of fm-status"
    if node["use"].text != "claim":
        yield f"{node.at}.use: not claim"
    if kind not in _TYPES:
        yield f"{node.at}.type: neither professional nor institutional"
    if not any(identifier["value"].text for identifier in node.each("identifier")):
        yield f"{node.at}.identifier: missing, so that no answer could name the claim"
    if not _CREATED.fullmatch(node["created"].text):
        yield f"{node.at}.created: not a full date or instant"
    yield from _pointed(content, claim)
    yield from _period(node["billablePeriod"])
    for name in ("careTeam", "supportingInfo", "diagnosis", "insurance", "item"):
        yield from _sequences(node, name)
    if sum(i["focal"].value is True for i in node.each("insurance")) != 1:
        yield f"{node.at}.insurance: not exactly one is focal"
    if kind in _TYPES:
        if len(node.each("item")) > _LINES[kind]:
            yield f"{node.at}.item: more than {_LINES[kind]} lines on a {kind} claim"
        if len(node.each("diagnosis")) > _DIAGNOSES[kind]:
            yield f"{node.at}.diagnosis: more than {_DIAGNOSES[kind]} diagnoses on a {kind} claim"
    yield from _money_rules(node)
    for item in node.each("item"):
        yield from _line(node, item)


def _pointed(content: Message, claim: Resource) -> Iterator[str]:
    """References: to something, of the right type as far as that can be told, and to contained resources that exist."""
    node = claim.node
    wanted = [(node[name], types) for name, types in _REFERENCES.items() if node[name] or name != "facility"]
    wanted += [(i["coverage"], frozenset({"Coverage"})) for i in node.each("insurance")]
    wanted += [(member["provider"], _TEAM) for member in node.each("careTeam")]
    for reference, types in wanted:
        found = content.resolve(reference, claim)
        text = reference["reference"].text
        told = found.type if found else reference["type"].text or named(reference).partition("/")[0]
        if not text and not reference["identifier"]["value"].text:
            yield f"{reference.at}: names nothing"
        elif text.startswith(("#", "urn:")) and found is None:
            yield f"{reference.at}: the resource is not in the document"
        elif told.isalpha() and told not in types:
            yield f"{reference.at}: not a {' or '.join(sorted(types))}"


def _sequences(node: Node, name: str) -> Iterator[str]:
    seen: set[int] = set()
    for element in node.each(name):
        number = element["sequence"].whole
        if number is None or number < 1:
            yield f"{element.at}.sequence: not a positive whole number"
        elif number in seen:
            yield f"{element.at}.sequence: used before"
        else:
            seen.add(number)


def _line(node: Node, item: Node) -> Iterator[str]:
    for pointer, target in (("diagnosisSequence", "diagnosis"), ("careTeamSequence", "careTeam")):
        known = {element["sequence"].whole for element in node.each(target)}
        for number in item.each(pointer):
            if number.whole not in known:
                yield f"{number.at}: points at no {target}"
    if len(item.each("diagnosisSequence")) > _POINTERS:
        yield f"{item.at}.diagnosisSequence: more than {_POINTERS} pointers"
    if len(item.each("modifier")) > _MODIFIERS:
        yield f"{item.at}.modifier: more than {_MODIFIERS} modifiers"
    if not code_of(item["productOrService"]).text:
        yield f"{item.at}.productOrService: no code"
    if item["servicedDate"]:
        yield from _full_date(item["servicedDate"])
    elif item["servicedPeriod"]:
        yield from _period(item["servicedPeriod"])
    else:
        yield f"{item.at}.serviced: missing"
    quantity = item["quantity"]["value"].number
    if quantity is None or quantity <= 0:
        yield f"{item.at}.quantity: not a positive number"
    price, net = item["unitPrice"]["value"].number, item["net"]["value"].number
    if price is not None and quantity is not None and net is not None and price * quantity != net:
        yield f"{item.at}.net: not unitPrice × quantity"


def _period(period: Node) -> Iterator[str]:
    start, end = period["start"], period["end"]
    faults = [*_full_date(start), *_full_date(end)]
    yield from faults
    if not faults and end.text < start.text:
        yield f"{period.at}: ends before it begins"


def _full_date(node: Node) -> Iterator[str]:
    try:
        if len(node.text) != 10:
            raise ValueError
        date.fromisoformat(node.text)
    except ValueError:
        yield f"{node.at}: not a full date"


def _money_rules(node: Node) -> Iterator[str]:
    """Every amount is a number in US dollars; net and total have whole cents; the total is the sum of the lines."""
    total = Decimal(0)
    whole = True
    for item in node.each("item"):
        if item["unitPrice"]:
            yield from _amount(item["unitPrice"], in_cents=False)
        faults = list(_amount(item["net"], in_cents=True))
        yield from faults
        net = item["net"]["value"].number
        whole = whole and not faults and net is not None
        total += net or Decimal(0)
    faults = list(_amount(node["total"], in_cents=True))
    yield from faults
    if whole and not faults and node["total"]["value"].number != total:
        yield f"{node.at}.total: not the sum of the lines' net"


def _amount(money: Node, *, in_cents: bool) -> Iterator[str]:
    value = money["value"].number
    if value is None:
        yield f"{money.at}: no amount"
        return
    if money["currency"].text != CURRENCY:
        yield f"{money.at}.currency: not {CURRENCY}"
    if value < 0:
        yield f"{money.at}: below zero"
    if in_cents and value != value.quantize(Decimal("0.01")):
        yield f"{money.at}: has parts of a cent"
