"""Does an answer belong to this claim, and does it balance? All reasons at once; one reason parks the whole answer.

Balancing rules: medical-oncology-and-revenue-cycle.md 6.2 (C-A).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.model.claim import Claim
from adapters.model.remittance import Decision, Remittance


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why an answer cannot be posted to a claim."""

    code: str
    """`unmatched-response` (not this claim's) or `out-of-balance`."""
    reason: str
    line: int | None = None


def mismatches(claim: Claim, answer: Remittance) -> tuple[Mismatch, ...]:
    """Every reason against posting; empty when the answer is this claim's and balances."""
    return (*_belongs(claim, answer), *_balances(claim, answer))


def _belongs(claim: Claim, answer: Remittance) -> Iterator[Mismatch]:
    if answer.claim and answer.claim != claim.id:
        yield Mismatch("unmatched-response", "the answer names another claim")
    if answer.patient and answer.patient not in (claim.member, claim.patient_identifier):
        yield Mismatch("unmatched-response", "the answer names another patient")
    known = {line.line for line in claim.lines}
    for line in answer.lines:
        if line.line not in known:
            yield Mismatch("unmatched-response", "the answer has a line that the claim does not have", line.line)


def _balances(claim: Claim, answer: Remittance) -> Iterator[Mismatch]:
    if answer.decision is not Decision.ADJUDICATED:
        return
    billed = {line.line: line.amount for line in claim.lines}
    for number, times in Counter(line.line for line in answer.lines).items():
        if times > 1:
            yield Mismatch("out-of-balance", "a line is adjudicated twice in one answer", number)
    for number in sorted(set(billed) - {line.line for line in answer.lines}):
        yield Mismatch("out-of-balance", "a line of the claim is not adjudicated", number)
    for line in answer.lines:
        if line.line in billed and line.charge != billed[line.line]:
            yield Mismatch("out-of-balance", "the charge of a line is not what was billed", line.line)
        if line.charge != line.paid + sum(a.amount for a in line.adjustments):
            yield Mismatch("out-of-balance", "charge is not paid plus adjustments", line.line)
        if line.paid > line.charge:
            yield Mismatch("out-of-balance", "more is paid than was billed", line.line)
        if line.paid < 0:
            yield Mismatch("out-of-balance", "a payment is negative outside a reversal", line.line)
    if answer.claim_adjustments:
        yield Mismatch("out-of-balance", "adjustments at claim level cannot be laid to lines")
    if answer.paid is not None and answer.paid != sum(line.paid for line in answer.lines):
        yield Mismatch("out-of-balance", "the payment is not the sum of the lines")
    if answer.charge is not None and answer.charge != claim.total:
        yield Mismatch("out-of-balance", "the total is not what was billed")
