"""What a payer answered, read into our words: carries all that an 835 would. Where each segment stands:

| 835 (5010)                      | here |
|---------------------------------|------|
| BPR02, BPR16, TRN02             | `Payment.amount`, `.day`, `.number` |
| N1 PR, N1 PE                    | `Payment.payer`, `.payee`; `Remittance.payer` |
| PLB                             | `ProviderAdjustment` |
| CLP01, CLP07                    | `Remittance.claim`, `.payer_claim_number` |
| CLP02                           | `.status`; 22 is `.reversal`, 19 to 21 say `.forwarded_to` with NM1 TT |
| CLP03, CLP04, CLP05             | `.charge`, `.paid`, `.patient_share` |
| CLP06, CLP09                    | `.filing`, `.frequency` |
| CAS of the claim, of a line     | `.claim_adjustments`, `RemittanceLine.adjustments` |
| NM1 QC / IL, NM1 74             | `.patient`, `.corrected_member` |
| MIA, MOA, LQ HE                 | `.remarks`, `RemittanceLine.remarks`, `Adjustment.remarks` |
| DTM 050                         | `.received_on` |
| AMT of the claim, of a line     | `.amounts`, `RemittanceLine.amounts`; B6 is `.allowed` |
| SVC01, SVC04, SVC06             | `RemittanceLine.code` `.modifiers`, `.revenue`, `.billed_code` |
| SVC02, SVC03, SVC05, SVC07      | `.charge`, `.paid`, `.units`, `.billed_units` |
| DTM 472, REF 6R                 | `.day`, `.trace` |
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from adapters.model.money import Cents


class Decision(StrEnum):
    """What kind of answer it is."""

    ADJUDICATED = "adjudicated"
    PENDED = "pended"
    """Queued or partial without an adjudication: posts nothing."""
    REFUSED = "refused"
    """Returned before adjudication: no claim was taken."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One claim adjustment: group (CO, PR, OA, PI), reason (CARC) and amount; positive lowers the payment."""

    group: str
    reason: str
    amount: Cents
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemittanceLine:
    """The adjudication of one line. `charge` = `paid` + sum of adjustments, or nothing of the answer is posted."""

    line: int
    charge: Cents
    paid: Cents
    adjustments: tuple[Adjustment, ...]
    allowed: Cents | None = None
    units: int | None = None
    code: str = ""
    trace: str = ""
    """Our own number of the line, as the answer repeats it."""
    modifiers: tuple[str, ...] = ()
    revenue: str = ""
    billed_code: str = ""
    """What was billed, where the payer decided about another code."""
    billed_units: int | None = None
    day: date | None = None
    remarks: tuple[str, ...] = ()
    amounts: tuple[tuple[str, Cents], ...] = ()
    """Other amounts by their qualifier: they inform, and are no part of any sum."""


@dataclass(frozen=True, slots=True)
class Remittance:
    """One adjudication of one claim by one payer."""

    id: str
    """Identity of the adjudication at the payer, so that the same answer delivered twice posts once."""
    claim: str
    """The claim id that the answer names (our Claim.identifier), empty when it names none."""
    decision: Decision
    payer_claim_number: str = ""
    patient: str = ""
    """The member or patient identifier that the answer names, to be checked against the claim's."""
    lines: tuple[RemittanceLine, ...] = ()
    claim_adjustments: tuple[Adjustment, ...] = ()
    charge: Cents | None = None
    paid: Cents | None = None
    paid_on: date | None = None
    payment_number: str = ""
    disposition: str = ""
    errors: tuple[str, ...] = ()
    reversal: bool = False
    payer: str = ""
    """Id of the payer that decided, where it is not the claim's own: a later payer to whom the claim was forwarded."""
    forwarded_to: str = ""
    """The payer to whom this one has sent the claim on (CLP02 19 to 21), empty where it has not."""
    message: str = ""
    """Journal id of the answer."""
    status: str = ""
    patient_share: Cents | None = None
    filing: str = ""
    frequency: str = ""
    corrected_member: str = ""
    remarks: tuple[str, ...] = ()
    received_on: date | None = None
    amounts: tuple[tuple[str, Cents], ...] = ()
    matched_by: str = ""
    """The person who said that it is this claim's, where what the answer names does not."""
    extensions: tuple[tuple[str, str], ...] = ()
    """(url, value) of what the payer says in words of its own about the claim; its options tell what of it means what."""


@dataclass(frozen=True, slots=True)
class ProviderAdjustment:
    """Money of a payment that no claim of it explains (PLB): positive lowers the payment, negative raises it."""

    code: str
    amount: Cents
    reference: str = ""
    """The payer's number of what it is for; it may be a claim of another payment."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment of a payer for many claims: `amount` = sum of `claims` - sum of `adjustments`, or nothing posts."""

    number: str
    """The payer's number of the payment, by which the bank names the deposit."""
    payer: str
    """The site's id of the payer."""
    amount: Cents
    claims: tuple[tuple[str, Cents], ...] = ()
    """What it pays for each answer: the answer's name in it, and the amount."""
    adjustments: tuple[ProviderAdjustment, ...] = ()
    day: date | None = None
    payee: str = ""
    message: str = ""
    """Journal id of what brought it."""


@dataclass(frozen=True, slots=True)
class Unread:
    """An answer that could not be read as a remittance; the whole is parked with these reasons."""

    reasons: tuple[str, ...]
    message: str = ""
