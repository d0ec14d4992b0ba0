"""Does an answer belong to this claim, and does it balance? All reasons at once; one reason parks the whole answer.

Balancing rules: medical-oncology-and-revenue-cycle.md 6.2 (C-A): each line by itself, the claim as the lines less what
is adjusted at claim level. AMT amounts are no part of a sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from adapters.model.claim import Claim
from adapters.model.money import Cents
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine

UNMATCHED = "unmatched-response"
UNBALANCED = "out-of-balance"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why an answer cannot be posted to a claim."""

    code: str
    """`unmatched-response` (not this claim's) or `out-of-balance`."""
    reason: str
    line: int | None = None
    amount: Cents = 0
    """By how much it is out, without a sign."""


def mismatches(claim: Claim, answer: Remittance) -> tuple[Mismatch, ...]:
    """Every reason against posting; empty when the answer is this claim's and balances.

    Where a person has said whose it is (`matched_by`) the names in it are not asked any more; its sums are.
    """
    return (*_belongs(claim, answer), *_balances(claim, answer))


def _belongs(claim: Claim, answer: Remittance) -> Iterator[Mismatch]:
    if not answer.matched_by:
        if answer.claim and answer.claim != claim.id:
            yield Mismatch(UNMATCHED, "the answer names another claim")
        if answer.patient and answer.patient not in (claim.member, claim.patient_identifier):
            yield Mismatch(UNMATCHED, "the answer names another patient")
    known = {line.line for line in claim.lines}
    for line in answer.lines:
        if line.line not in known:
            yield Mismatch(UNMATCHED, "the answer has a line that the claim does not have", line.line)


def _balances(claim: Claim, answer: Remittance) -> Iterator[Mismatch]:
    if answer.decision is not Decision.ADJUDICATED:
        return
    billed = {line.line: line.amount for line in claim.lines}
    for number, times in Counter(line.line for line in answer.lines).items():
        if times > 1:
            yield Mismatch(UNBALANCED, "a line is adjudicated twice in one answer", number)
    for number in sorted(set(billed) - {line.line for line in answer.lines}):
        yield Mismatch(UNBALANCED, "a line of the claim is not adjudicated", number)
    # What takes an answer back has all its amounts negated (6.3).
    sign = -1 if answer.reversal else 1
    for line in answer.lines:
        yield from _line_balances(line, billed.get(line.line), sign)
    if answer.charge is not None and answer.charge != claim.total * sign:
        out = abs(answer.charge - claim.total * sign)
        yield Mismatch(UNBALANCED, "the total is not what was billed", amount=out)
    restated = _restated(answer)
    if answer.claim_adjustments and not restated and len(claim.lines) != 1:
        yield Mismatch(UNBALANCED, "adjustments at claim level cannot be laid to lines")
        return
    at_claim = 0 if restated else sum(a.amount for a in answer.claim_adjustments)
    paid = sum(line.paid for line in answer.lines) - at_claim
    if answer.paid is not None and answer.paid != paid:
        yield Mismatch(UNBALANCED, "the payment is not the sum of the lines", amount=abs(answer.paid - paid))
    elif paid * sign < 0:
        yield Mismatch(UNBALANCED, "a payment is negative outside a reversal", amount=abs(paid))


def _line_balances(line: RemittanceLine, billed: Cents | None, sign: int) -> Iterator[Mismatch]:
    if billed is not None and line.charge != billed * sign:
        out = abs(line.charge - billed * sign)
        yield Mismatch(UNBALANCED, "the charge of a line is not what was billed", line.line, out)
    out = line.charge - line.paid - sum(a.amount for a in line.adjustments)
    if out:
        yield Mismatch(UNBALANCED, "charge is not paid plus adjustments", line.line, abs(out))
    if line.paid * sign > line.charge * sign:
        over = abs(line.paid - line.charge)
        yield Mismatch(UNBALANCED, "more is paid than was billed", line.line, over)
    if line.paid * sign < 0:
        yield Mismatch(UNBALANCED, "a payment is negative outside a reversal", line.line, abs(line.paid))


def _restated(answer: Remittance) -> bool:
    """Whether what stands at claim level only says the sums of the lines once more, as some payers do."""
    return bool(answer.claim_adjustments) and _sums(answer.claim_adjustments) == _sums(
        [a for line in answer.lines for a in line.adjustments]
    )


def _sums(adjustments: Sequence[Adjustment]) -> dict[tuple[str, str], Cents]:
    sums: Counter[tuple[str, str]] = Counter()
    for one in adjustments:
        sums[one.group, one.reason] += one.amount
    return {key: amount for key, amount in sums.items() if amount}


def laid(answer: Remittance) -> Remittance:
    """The answer with what is adjusted at claim level laid to its line, where it has one only; it balances already."""
    if not answer.claim_adjustments:
        return answer
    if _restated(answer):
        return replace(answer, claim_adjustments=())
    (line,) = answer.lines
    less = sum(a.amount for a in answer.claim_adjustments)
    whole = replace(line, paid=line.paid - less, adjustments=(*line.adjustments, *answer.claim_adjustments))
    return replace(answer, lines=(whole,), claim_adjustments=())


def out_by(wrong: Sequence[Mismatch]) -> Cents:
    """By how much an answer is out: where its lines are, the sum of that, else the largest difference at the claim."""
    lines = sum(m.amount for m in wrong if m.line is not None and m.reason.startswith("charge is not"))
    return lines or max((m.amount for m in wrong), default=0)
