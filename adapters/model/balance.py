"""What the ledger came to on a past day: balances by account, and what is still open by how old it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from adapters.model.ledger import Account
from adapters.model.money import Cents

BUCKETS: Final = (30, 60, 90, 120)
"""Last days of the ages into which open money is sorted; above the last there is one more."""


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of every account about one thing; together they are zero for a claim, as for everything."""

    key: str
    """The claim, payer or patient; empty where it is all of the ledger, or money of none."""
    accounts: tuple[tuple[Account, Cents], ...]

    def of(self, account: Account) -> Cents:
        """The balance of an account."""
        return next((amount for known, amount in self.accounts if known is account), 0)


@dataclass(frozen=True, slots=True)
class Age:
    """What is open of an age: owed by payers, refused and not settled, moved to patients."""

    label: str
    receivable: Cents
    denied: Cents
    patient: Cents


@dataclass(frozen=True, slots=True)
class Open:
    """What is open of one claim, and since when its money is receivable."""

    claim: str
    since: date
    receivable: Cents
    denied: Cents
    patient: Cents


def label_of(days: int) -> str:
    """The age of so many days: `0-30`, …, `over 120`."""
    before = 0
    for last in BUCKETS:
        if days <= last:
            return f"{before}-{last}"
        before = last + 1
    return f"over {BUCKETS[-1]}"


def ageing(open_: Iterable[Open], on: date) -> tuple[Age, ...]:
    """What is open on a day by its age, youngest first; every age is there, also an empty one."""
    labels = list(dict.fromkeys(label_of(days) for days in range(BUCKETS[-1] + 2)))
    sums: dict[str, list[Cents]] = defaultdict(lambda: [0, 0, 0])
    for one in open_:
        age = sums[label_of(max((on - one.since) // timedelta(days=1), 0))]
        for n, amount in enumerate((one.receivable, one.denied, one.patient)):
            age[n] += amount
    return tuple(Age(label, *sums[label]) for label in labels)
