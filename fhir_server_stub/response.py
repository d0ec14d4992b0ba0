"""The payer's answers as FHIR R4: ClaimResponse and OperationOutcome.

Each adjustment of a line is an adjudication of its own: category `adjustment` with the group (CO, PR, OA,
PI) as its text, the CARC as reason, and the amount.  The adjustments and the benefit of a line add up to its
charge; `coinsurance` repeats the PR-2 amount for readers who look for it there.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from fhir_server_stub.adjudicate import Adjustment, LineResult
from fhir_server_stub.books import Account, account_sums
from fhir_server_stub.claim import Problem
from fhir_server_stub.wire import Json

NUMBER_SYSTEM = "urn:stub-payer:claim-number"
PAYMENT_SYSTEM = "urn:stub-payer:payment"
ERROR_SYSTEM = "urn:stub-payer:error"
ADJUDICATION = "http://terminology.hl7.org/CodeSystem/adjudication"
CARIN_ADJUDICATION = "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBAdjudication"
CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
Outcome = Literal["complete", "partial", "error", "queued"]


@dataclass(frozen=True, slots=True)
class Frame:
    """What every answer to one claim repeats: the claim as received and its reference, and the instant."""

    claim: Json
    resource: str
    now: datetime

    def response(self, outcome: Outcome, disposition: str, number: str | None) -> Json:
        """A ClaimResponse without lines."""
        claim = self.claim
        named: Json = {"reference": self.resource} if self.resource else {}
        if claim.get("identifier"):
            named["identifier"] = claim["identifier"][0]
        response: Json = {"resourceType": "ClaimResponse"}
        if number:
            response["identifier"] = [{"system": NUMBER_SYSTEM, "value": number}]
        return response | {
            "status": "active",
            "type": claim["type"],
            "use": "claim",
            "patient": claim["patient"],
            "created": self.now.isoformat(),
            "insurer": claim["insurer"],
            "requestor": claim["provider"],
            "request": named,
            "outcome": outcome,
            "disposition": disposition,
        }


def documents_wanted(frame: Frame) -> Json:
    """A request for documents about the claim, which its answer refers to (R4 ClaimResponse.communicationRequest)."""
    name = (frame.claim.get("identifier") or [{}])[0]
    return {
        "resourceType": "CommunicationRequest",
        "status": "active",
        "about": [{"type": "Claim", "reference": frame.resource, "identifier": name}],
        "payload": [{"contentString": "The treatment record of the days billed."}],
        "authoredOn": frame.now.isoformat(),
    }


def queued(frame: Frame, account: Account, early: tuple[LineResult, ...], wanted: Json | None = None) -> Json:
    """Not decided yet; with `early` lines the outcome is partial and those lines are shown, unpaid; with `wanted` it
    refers to that request for documents."""
    if wanted:
        asking = frame.response("queued", "Documents are needed before the claim can be decided.", account.number)
        return asking | {"communicationRequest": [{"reference": f"CommunicationRequest/{wanted['id']}"}]}
    if not early:
        return frame.response("queued", "The claim is being processed.", account.number)
    response = frame.response("partial", "Some lines are being processed.", account.number)
    return response | {"item": [_item(result) for result in early]}


def decided(
    frame: Frame, account: Account, reversed_one: Account | None, paid_before: Decimal = Decimal("0.00")
) -> Json:
    """The decision, with the payment; of a replaced or voided claim the earlier payment is taken back, and so is what was
    paid before (`paid_before`) where the payer decides the same claim anew."""
    sums = account_sums(account)
    void = account.state == "void"
    words = "The earlier claim is voided." if void else _words(account)
    response = frame.response("complete", words, account.number)
    if not void:
        response["item"] = [_item(result) for result in account.lines]
    response["total"] = [
        _total("submitted", sums.charge),
        _total("eligible", sums.allowed),
        _total("benefit", sums.paid),
    ]
    before = account_sums(reversed_one).paid if reversed_one else paid_before
    if sums.paid or before:
        response["payment"] = _payment(frame.now, account.number, sums.paid, before)
    if reversed_one:
        note = f"Reverses claim {reversed_one.number}."
        response["processNote"] = [{"number": 1, "type": "display", "text": note}]
    return response


def refused(frame: Frame, code: str, words: str) -> Json:
    """Outcome error: the claim was read but not taken in; nothing is on the books."""
    error = {"code": {"coding": [{"system": ERROR_SYSTEM, "code": code}], "text": words}}
    return frame.response("error", words, None) | {"error": [error]}


def operation_outcome(problems: tuple[Problem, ...], code: str = "invalid") -> Json:
    """An OperationOutcome with an issue for each problem."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": code,
                "diagnostics": f"{problem.path} {problem.words}".strip(),
                **({"expression": [problem.path]} if problem.path else {}),
            }
            for problem in problems
        ],
    }


def _words(account: Account) -> str:
    denied = sum(result.denied for result in account.lines)
    if denied == len(account.lines):
        return "The claim is denied."
    return "The claim is paid in part." if denied else "The claim is paid."


def _item(result: LineResult) -> Json:
    entries = [_amount("submitted", result.line.charge), _amount("eligible", result.allowed)]
    patient = sum((a.amount for a in result.adjustments if (a.group, a.carc) == ("PR", "2")), Decimal(0))
    if patient and not result.denied:
        entries.append(_amount("coinsurance", patient, CARIN_ADJUDICATION))
    entries += [_adjustment(adjustment) for adjustment in result.adjustments]
    entries.append(_amount("benefit", result.paid))
    return {"itemSequence": result.line.sequence, "adjudication": entries}


def _adjustment(adjustment: Adjustment) -> Json:
    return {
        "category": {"coding": [{"system": ADJUDICATION, "code": "adjustment"}], "text": adjustment.group},
        "reason": {"coding": [{"system": CARC, "code": adjustment.carc}]},
        "amount": _money(adjustment.amount),
    }


def _payment(now: datetime, number: str, paid: Decimal, before: Decimal) -> Json:
    payment: Json = {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/ex-paymenttype", "code": "complete"}]}
    }
    if before:
        # R4 ClaimResponse.payment.adjustment: total amount of all adjustments to this payment.
        payment["adjustment"] = _money(-before)
        payment["adjustmentReason"] = {"text": "Payment of the earlier claim taken back"}
    return payment | {
        "date": now.date().isoformat(),
        "amount": _money(paid - before),
        "identifier": {"system": PAYMENT_SYSTEM, "value": f"P{number}"},
    }


def _amount(category: str, amount: Decimal, system: str = ADJUDICATION) -> Json:
    return {"category": {"coding": [{"system": system, "code": category}]}, "amount": _money(amount)}


def _total(category: str, amount: Decimal) -> Json:
    return _amount(category, amount)


def _money(amount: Decimal) -> Json:
    # Two digits at least, never fewer than the amount has.
    exact = amount if int(amount.as_tuple().exponent) <= -2 else amount.quantize(Decimal("0.01"))
    return {"value": exact, "currency": "USD"}
