"""What a payer answered, read into our words: carries all that an 835 claim payment would."""

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
    message: str = ""
    """Journal id of the answer."""


@dataclass(frozen=True, slots=True)
class Unread:
    """An answer that could not be read as a remittance; the whole is parked with these reasons."""

    reasons: tuple[str, ...]
    message: str = ""
