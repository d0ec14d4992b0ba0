"""From a claim to what the payer pays, line by line; pure.

For every line: charge = paid + the sum of the adjustments.  An adjustment has a group (CO contractual, PR
patient, OA other, PI payer-initiated) and a claim adjustment reason code (CARC), as on an 835.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from fhir_server_stub.claim import ClaimLine, ReadClaim
from fhir_server_stub.fees import Fees, valid_on

Group = Literal["CO", "PR", "OA", "PI"]
GROUPS: tuple[Group, ...] = ("CO", "PR", "OA", "PI")
_CENT = Decimal("0.01")
_COINSURANCE = Decimal("0.20")
_UNLISTED = Decimal("0.80")


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A part of the charge that is not paid: group, CARC, US dollars."""

    group: Group
    carc: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class LineResult:
    """A line decided: amounts in US dollars; a denied line has allowed and paid zero."""

    line: ClaimLine
    allowed: Decimal
    paid: Decimal
    adjustments: tuple[Adjustment, ...]
    denied: bool

    def __post_init__(self) -> None:
        if self.line.charge != self.paid + sum((a.amount for a in self.adjustments), Decimal(0)):
            raise ValueError("a decided line must add up to its charge")

    def of(self, group: Group) -> Decimal:
        """The sum of the adjustments in a group."""
        return sum((a.amount for a in self.adjustments if a.group == group), Decimal(0))


@dataclass(frozen=True, slots=True)
class Deny:
    """Nothing is paid: the whole charge is an adjustment with this group and CARC."""

    carc: str = "50"
    group: Group = "CO"


@dataclass(frozen=True, slots=True)
class Reduce:
    """The allowed amount goes down by a percentage of itself and by an amount a line, booked under `carc`."""

    percent: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    carc: str = "45"
    group: Group = "CO"


Verdict = Deny | Reduce | None


def adjudicate(claim: ReadClaim, fees: Fees, verdict: Callable[[ClaimLine], Verdict]) -> tuple[LineResult, ...]:
    """Decide each line: a code invalid on its day is denied (CARC 181), then `verdict`, then the fees."""
    return tuple(_decide(line, fees, verdict(line)) for line in claim.lines)


def _decide(line: ClaimLine, fees: Fees, verdict: Verdict) -> LineResult:
    if not valid_on(line.code, line.day):
        verdict = Deny("181", "CO")
    if isinstance(verdict, Deny):
        whole = Adjustment(verdict.group, verdict.carc, line.charge)
        return LineResult(line, Decimal("0.00"), Decimal("0.00"), (whole,), denied=True)
    fee = fees.allowed(line.code, line.modifiers, line.day)
    allowed = _cents(line.charge * _UNLISTED if fee is None else fee * line.quantity)
    allowed = min(allowed, line.charge)
    adjustments = [Adjustment("CO", "45", line.charge - allowed)]
    if verdict:
        cut = min(allowed, _cents(allowed * verdict.percent / 100) + verdict.amount)
        allowed -= cut
        adjustments.append(Adjustment(verdict.group, verdict.carc, cut))
    coinsurance = _cents(allowed * _COINSURANCE)
    adjustments.append(Adjustment("PR", "2", coinsurance))
    return LineResult(line, allowed, allowed - coinsurance, _merged(adjustments), denied=False)


def _merged(adjustments: list[Adjustment]) -> tuple[Adjustment, ...]:
    """One entry for each group and reason, none of zero."""
    sums: dict[tuple[Group, str], Decimal] = {}
    for adjustment in adjustments:
        key = (adjustment.group, adjustment.carc)
        sums[key] = sums.get(key, Decimal(0)) + adjustment.amount
    return tuple(Adjustment(group, carc, amount) for (group, carc), amount in sums.items() if amount)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)
