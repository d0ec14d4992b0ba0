"""What a payer answers to a claim: a ClaimResponse as an adjudication, or what else stands in its place.

Tolerant about how it is said (codings without a system, a date for an instant, the group of an adjustment in any of
four places, because X12's group code has no standard place in FHIR), strict about money: an amount that is missing,
no number, not in dollars or not in whole cents makes the whole answer unread. Whether sums balance is for posting.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from adapters.errors import Inexact
from adapters.fhir import bundle, wire
from adapters.fhir.answer_id import digest, identity
from adapters.fhir.answer_names import claim_named, extensions, patient_named, statuses
from adapters.fhir.bundle import Message, Resource
from adapters.fhir.line_trace import trace_of
from adapters.fhir.problem import Refused
from adapters.fhir.tree import Node, code_of, codes_of, identifier_value, value_of
from adapters.model.codes import RARC
from adapters.model.money import CURRENCY, Cents, cents
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine, Unread

_SUBMITTED: Final = "submitted"
_ALLOWED: Final = frozenset({"eligible", "allowed"})
_PAID: Final = "benefit"
_NOT_ADJUSTMENTS: Final = frozenset({_SUBMITTED, *_ALLOWED, _PAID, "eligpercent", "tax", "allowedunits"})
_PATIENT_SHARE: Final[dict[str, str]] = {"deductible": "1", "coinsurance": "2", "copay": "3"}
"""Category of adjudication → CARC in group PR: what it means where no adjustment says it."""
_GROUP: Final = re.compile(r"(CO|PR|OA|PI)(?:[- ]?([A-Z]?[0-9]{1,3}))?", re.IGNORECASE)
_MANY: Final = 400
"""Characters of one error text that are kept."""
_NOTED: Final = re.compile(r"((?:MA?|N)[0-9]{1,4})(?:[ :;,.-].*)?", re.DOTALL)
"""A process note that is a remark code, with or without its words."""


def read_answer(body: bytes, *, message: str) -> Remittance | Unread:
    """The first answer in a body: a ClaimResponse, a Bundle or Parameters that hold one, or an OperationOutcome."""
    return read_answers(body, message=message)[0]


def read_answers(body: bytes, *, message: str) -> tuple[Remittance | Unread, ...]:
    """Every ClaimResponse of a body in the order sent (a search finds several); never empty.

    Without any, an OperationOutcome that holds an error is a refusal; all else is `Unread`. `message` is the journal
    id of the answer.
    """
    read = wire.resource(body)
    if isinstance(read, Refused):
        return (Unread(tuple(problem.code for problem in read.problems), message),)
    if read["resourceType"] == "Parameters":
        inside = [p["resource"] for p in Node(read, "Parameters").each("parameter") if p["resource"]]
        read = {"resourceType": "Bundle", "entry": [{"resource": node.value} for node in inside]}
    content = bundle.read(read, message)
    answers = [r for r in content.resources if r.type == "ClaimResponse"]
    if answers:
        return tuple(_answer(content, answer, message) for answer in answers)
    for resource in content.resources:
        if resource.type == "OperationOutcome" and (errors := tuple(_issues(resource.node))):
            return (_refusal(errors, message),)
    return (Unread(("not-a-claim-response",), message),)


@dataclass(slots=True)
class Faults:
    """The reasons for which an answer cannot be read, each with its place."""

    found: list[str]

    def tell(self, reason: str, at: str) -> None:
        """Note a reason with its place."""
        self.found.append(f"{reason} at {at}")

    def amount(self, money: Node) -> Cents | None:
        """R4 Money in cents, or None with the reason told."""
        value = money["value"].number
        if value is None:
            self.tell("amount-missing", money.at)
        elif money["currency"].text not in ("", CURRENCY):
            self.tell("currency-not-usd", money.at)
        else:
            try:
                return cents(value)
            except Inexact:
                self.tell("amount-not-in-cents", money.at)
        return None


def _answer(content: Message, answer: Resource, message: str) -> Remittance | Unread:
    node, faults = answer.node, Faults([])
    if node["use"].text not in ("", "claim"):
        # An authorization or an estimate: it has no money to post, so nothing else of it is worth a reason.
        return Unread((f"not-for-payment at {node.at}.use",), message)
    if node["status"].text not in ("", "active"):
        faults.tell("answer-not-active", f"{node.at}.status")
    base = Remittance(
        id="",
        claim=claim_named(content, answer),
        decision=Decision.ADJUDICATED,
        payer_claim_number=identifier_value(node).text,
        patient=patient_named(content, answer),
        disposition=node["disposition"].text[:_MANY],
        errors=tuple(_errors(node)),
        message=message,
        status=next(statuses(node), ""),
        remarks=_told_of_claim(node),
        extensions=extensions(node),
    )
    outcome = node["outcome"].text
    adjudicated = any(node.each(name) for name in ("item", "addItem", "adjudication")) or bool(node["payment"])
    if outcome == "queued" or (outcome == "partial" and not adjudicated):
        read = replace(base, decision=Decision.PENDED)
    elif outcome == "error":
        read = replace(base, decision=Decision.REFUSED)
    elif outcome in ("complete", "partial"):
        read = _adjudicated(base, node, faults)
    else:
        faults.tell("outcome-unknown", f"{node.at}.outcome")
        read = base
    if faults.found:
        return Unread(tuple(faults.found), message)
    return replace(read, id=identity(node, read))


def _adjudicated(base: Remittance, node: Node, faults: Faults) -> Remittance:
    lines: dict[int, RemittanceLine] = {}
    items: set[int] = set()
    for item, number, part in _lines(node, base.claim, faults):
        if number in items and not part:
            faults.tell("line-twice", item.at)
            continue
        items.add(number)
        line = _line(item, number, faults)
        if line:
            # A line that the payer split comes in parts, each with its part of the charge.
            lines[number] = _together(lines[number], line) if number in lines else line
    adjustments = _adjustments(node, faults)
    totals = {code: total for total in node.each("total") for code in _categories(total)}
    payment = node["payment"]
    charge = faults.amount(totals[_SUBMITTED]["amount"]) if _SUBMITTED in totals else None
    return replace(
        base,
        lines=tuple(lines.values()),
        claim_adjustments=adjustments,
        charge=charge,
        paid=_paid(payment, totals, faults),
        paid_on=day_of(payment["date"], faults),
        payment_number=payment["identifier"]["value"].text,
        reversal=_negated(lines.values()),
    )


def _negated(lines: Collection[RemittanceLine]) -> bool:
    """Whether what is said takes an earlier answer back: no charge is above nothing, and one is below."""
    return all(line.charge <= 0 for line in lines) and any(line.charge < 0 for line in lines)


def _together(one: RemittanceLine, other: RemittanceLine) -> RemittanceLine:
    """Two parts of a line as one: sums of everything; the code is that of the first part, other is what was billed."""
    allowed = None if one.allowed is None and other.allowed is None else (one.allowed or 0) + (other.allowed or 0)
    units = None if one.units is None or other.units is None else one.units + other.units
    return replace(
        one,
        charge=one.charge + other.charge,
        paid=one.paid + other.paid,
        adjustments=(*one.adjustments, *other.adjustments),
        allowed=allowed,
        units=units,
        code=other.code or one.code,
        billed_code=one.code if other.code and other.code != one.code else "",
        remarks=tuple(dict.fromkeys((*one.remarks, *other.remarks))),
    )


def _lines(node: Node, claim: str, faults: Faults) -> Iterator[tuple[Node, int, bool]]:
    """The lines with their numbers; True where it may be a part of a line: an added item, or one of those by our traces.

    Where every line repeats our number of it (`line_trace`), those numbers decide, and however many parts a line came
    back in bear the same one. Else the trace of a line stands in where it has no other number, and contradicts none.
    """
    told = [(item, trace_of(item), name == "addItem") for name in ("item", "addItem") for item in node.each(name)]
    all_traced = all(trace.line for _, trace, _ in told)
    for item, trace, added in told:
        if trace.claim and trace.claim != claim:
            faults.tell("line-of-another-claim", item.at)
            continue
        numbers = [n.whole for n in item.each("itemSequence")]
        number = numbers[0] if len(numbers) == 1 and numbers[0] is not None and numbers[0] >= 1 else 0
        if trace.line and number not in (0, trace.line) and not all_traced:
            faults.tell("line-number-contradicts-trace", item.at)
        elif trace.line or number:
            yield item, trace.line or number, all_traced or added
        else:
            # A line that the payer added and that takes the place of none of ours cannot be posted to a line.
            faults.tell("line-added" if added else "line-number-missing", item.at)


def _line(item: Node, number: int, faults: Faults) -> RemittanceLine | None:
    amounts: dict[str, Cents] = {}
    units: int | None = None
    for entry in item.each("adjudication"):
        for code in _categories(entry):
            name = "eligible" if code in _ALLOWED else code
            if name in (_SUBMITTED, "eligible", _PAID):
                told = faults.amount(entry["amount"])
                if name in amounts and amounts[name] != told:
                    faults.tell("amount-twice", entry.at)
                if told is not None:
                    amounts[name] = told
            elif name == "allowedunits" and entry["value"].number is not None:
                units = int(entry["value"].number) if entry["value"].number % 1 == 0 else None
    adjustments = _adjustments(item, faults)
    if missing := [name for name in (_SUBMITTED, _PAID) if name not in amounts]:
        for name in missing:
            faults.tell(f"{name}-missing", item.at)
        return None
    return RemittanceLine(
        line=number,
        charge=amounts[_SUBMITTED],
        paid=amounts[_PAID],
        adjustments=adjustments,
        allowed=amounts.get("eligible"),
        units=units,
        code=code_of(item["productOrService"]).text,
        trace=trace_of(item).text,
        modifiers=tuple(code for m in item.each("modifier") for _, code, _ in codes_of(m)),
        revenue=code_of(item["revenue"]).text,
        remarks=() if adjustments else _remarks(item),
    )


def _adjustments(item: Node, faults: Faults) -> tuple[Adjustment, ...]:
    """The adjustments of a line, or of the claim: entries with a reason. Remark codes stay with the one before them.

    Where no adjustment of group PR says it, a plain deductible, coinsurance or copay is the patient's (CARC 1, 2, 3).
    """
    found: list[Adjustment] = []
    early: tuple[str, ...] = ()
    shares: dict[str, Cents] = {}
    for entry in item.each("adjudication"):
        categories = _categories(entry)
        reasons, remarks = _reasons(entry)
        if categories & _NOT_ADJUSTMENTS:
            continue
        group, reason_beside = _group(entry)
        reason = reasons[0] if reasons else reason_beside
        share = next((carc for code, carc in _PATIENT_SHARE.items() if code in categories), "")
        if reason:
            amount = faults.amount(entry["amount"])
            if not group and not share:
                faults.tell("group-missing", entry.at)
            elif amount:
                found.append(Adjustment(group or "PR", reason, amount, (*early, *remarks)))
                early = ()
        elif remarks and found:
            found[-1] = replace(found[-1], remarks=(*found[-1].remarks, *remarks))
        elif remarks:
            early = (*early, *remarks)
        elif share:
            amount = faults.amount(entry["amount"])
            if amount:
                shares[share] = shares.get(share, 0) + amount
        elif group:
            faults.tell("reason-missing", entry.at)
    if shares and not any(adjustment.group == "PR" for adjustment in found):
        found.extend(Adjustment("PR", carc, amount) for carc, amount in sorted(shares.items()))
    return tuple(found)


def _remarks(item: Node) -> tuple[str, ...]:
    """Remark codes of a line on which nothing is adjusted."""
    return tuple(dict.fromkeys(code for entry in item.each("adjudication") for code in _reasons(entry)[1]))


def _told_of_claim(node: Node) -> tuple[str, ...]:
    """Remark codes about the whole claim: beside no adjustment of it, or as process notes."""
    notes = (_NOTED.fullmatch(note["text"].text.strip()) for note in node.each("processNote"))
    return tuple(dict.fromkeys((*_remarks(node), *(noted[1] for noted in notes if noted))))


def _reasons(entry: Node) -> tuple[list[str], tuple[str, ...]]:
    """Adjustment reason codes and remark codes of an entry; a reason code without a system is taken as CARC."""
    reasons: list[str] = []
    remarks: list[str] = []
    for system, code, _ in codes_of(entry["reason"]):
        (remarks if system == RARC else reasons).append(code)
    return [code for code in reasons if not _is_group(code)], tuple(remarks)


def _group(entry: Node) -> tuple[str, str]:
    """The group (CO, PR, OA, PI) wherever it stands, and the reason beside it when it is written `CO-45`."""
    places = [entry["category"]["text"].text, *(code for _, code, _ in codes_of(entry["category"]))]
    places += [code for _, code, _ in codes_of(entry["reason"]) if _is_group(code)]
    places.append(entry["reason"]["text"].text)
    for extension in entry.each("extension"):
        value = value_of(extension)
        places += [value.text, value["code"].text, *(code for _, code, _ in codes_of(value))]
    for text in places:
        if match := _GROUP.fullmatch(text):
            return match[1].upper(), (match[2] or "").upper()
    return "", ""


def _is_group(code: str) -> bool:
    match = _GROUP.fullmatch(code)
    return match is not None and match[2] is None


def _categories(entry: Node) -> frozenset[str]:
    """The category codes of an entry in lower case, whatever their system; the text where there is no code."""
    found = {code.casefold() for _, code, _ in codes_of(entry["category"])}
    return frozenset(found or {entry["category"]["text"].text.casefold()})


def _paid(payment: Node, totals: dict[str, Node], faults: Faults) -> Cents | None:
    """What is paid for this claim: the payment, unless it carries adjustments of other matters; then the benefit total.

    R4: payment.adjustment is not related to the claim's adjudication, and payment.amount has it taken off.
    """
    if payment["amount"]:
        amount = faults.amount(payment["amount"])
        adjusted = faults.amount(payment["adjustment"]) if payment["adjustment"] else 0
        if not adjusted:
            return amount
    if _PAID in totals:
        return faults.amount(totals[_PAID]["amount"])
    return None


def day_of(node: Node, faults: Faults) -> date | None:
    """The day of a date or instant; None where there is none, with the fault told where it is unclear."""
    if not node:
        return None
    try:
        return date.fromisoformat(node.text[:10])
    except ValueError:
        faults.tell("date-unclear", node.at)
        return None


def _errors(node: Node) -> Iterator[str]:
    for error in node.each("error"):
        number = error["itemSequence"].whole
        code = code_of(error["code"]).text
        words = error["code"]["text"].text
        yield f"{f'line {number}: ' if number else ''}{' '.join(filter(None, (code, words)))}"[:_MANY]


def _issues(outcome: Node) -> Iterator[str]:
    """The errors of an OperationOutcome; information and warnings refuse nothing."""
    for issue in outcome.each("issue"):
        if issue["severity"].text not in ("error", "fatal"):
            continue
        words = issue["details"]["text"].text or issue["diagnostics"].text
        code = code_of(issue["details"]).text or issue["code"].text
        places = [place.text for name in ("expression", "location") for place in issue.each(name) if place.text]
        # Some servers begin their diagnostics with the place; it need not stand twice.
        shown = "" if places and words.startswith(places[0]) else " ".join(places)
        yield ": ".join(filter(None, (code, shown, words)))[:_MANY]


def _refusal(errors: tuple[str, ...], message: str) -> Remittance:
    read = Remittance(id="", claim="", decision=Decision.REFUSED, errors=errors, message=message)
    return replace(read, id=f"OperationOutcome|{message}#{digest(read)}")
