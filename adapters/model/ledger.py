"""Double entry in minor units. An entry that does not balance cannot exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from adapters.errors import Unbalanced
from adapters.model.money import Cents


class Account(StrEnum):
    """The accounts. A positive amount debits, a negative credits."""

    RECEIVABLE = "receivable"
    """What payers still owe on claims."""
    CHARGES = "charges"
    """What was billed (revenue at gross charge), credited when a claim goes out."""
    PAYER_PAYMENT = "payer-payment"
    CONTRACTUAL = "contractual"
    """Given up under the payer's contract or fee schedule."""
    PATIENT_RESPONSIBILITY = "patient-responsibility"
    """Moved from the payer's debt to the patient's."""
    DENIED = "denied"
    """Refused by the payer and open: neither written off nor the patient's."""
    PATIENT_PAYMENT = "patient-payment"
    INTEREST = "interest"
    """Interest that a payer paid: positive is received, negative was taken back."""
    RECOUPMENT = "recoupment"
    """What a payer takes back out of payments: positive was taken now, negative is to be taken later, or was refunded."""
    BALANCE_FORWARD = "balance-forward"
    """Carried between payments: negative went out of one, positive was applied in another; nothing where all came back."""
    WITHHELD = "withheld"
    """Kept back, or added, for another reason than these: a person looks at it."""
    PROVIDER_LEVEL = "provider-level"
    """The other side of interest and of what is kept back: no claim's money, so never a claim's receivable."""


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One side of an entry."""

    account: Account
    amount: Cents
    claim: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One balanced entry, never changed: a correction is another entry that names this one in `reverses`."""

    id: str
    at: datetime
    cause: str
    """What caused it: `claim:…`, `remittance:…`, `payment:…`."""
    lines: tuple[EntryLine, ...]
    reverses: str = ""

    def __post_init__(self) -> None:
        if not self.lines:
            raise Unbalanced("an entry without lines")
        if sum(line.amount for line in self.lines):
            raise Unbalanced(f"the lines of an entry caused by {self.cause} do not sum to zero")

    def reversal(self, id: str, at: datetime, cause: str) -> Entry:
        """The entry that takes this one back: every amount negated, this entry named."""
        lines = tuple(EntryLine(x.account, -x.amount, x.claim, x.line) for x in self.lines)
        return Entry(id, at, cause, lines, reverses=self.id)


@dataclass(frozen=True, slots=True)
class Money:
    """What became of an amount. `billed` is what the payer was asked for; the others share it out (`open`: undecided)."""

    billed: Cents = 0
    paid: Cents = 0
    contractual: Cents = 0
    patient: Cents = 0
    denied: Cents = 0
    open: Cents = 0

    def __add__(self, other: Self) -> Self:
        """Each amount for itself, also those that a kind of it has beside these; two kinds are not added."""
        if type(self) is not type(other):
            return NotImplemented
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in self.__match_args__))


_FIELDS: Final = {
    Account.CHARGES: "billed",
    Account.PAYER_PAYMENT: "paid",
    Account.CONTRACTUAL: "contractual",
    Account.PATIENT_RESPONSIBILITY: "patient",
    Account.DENIED: "denied",
    Account.RECEIVABLE: "open",
}


def moneys(entries: Iterable[Entry]) -> dict[tuple[str, int | None], Money]:
    """What became of each claim line, by (claim, line); reversed entries cancel out. `billed` is told as a positive amount."""
    sums: dict[tuple[str, int | None], dict[str, Cents]] = defaultdict(lambda: defaultdict(int))
    for entry in entries:
        for line in entry.lines:
            name = _FIELDS.get(line.account)
            if name is not None:
                sums[line.claim, line.line][name] += -line.amount if name == "billed" else line.amount
    return {key: Money(**fields) for key, fields in sums.items()}
