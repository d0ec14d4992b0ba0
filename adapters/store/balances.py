"""The ledger summed where it lies: what every account came to at a past instant, about whom, and what is still open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, case, func, select

from adapters.model.balance import Open
from adapters.model.ledger import Account
from adapters.model.money import Cents
from adapters.store import codec
from adapters.store.refusals import Damaged
from adapters.store.schema import entries, entry_lanes, entry_lines

T = TypeVar("T")
_OPEN: Final = (Account.RECEIVABLE, Account.DENIED, Account.PATIENT_RESPONSIBILITY)


@dataclass(frozen=True, slots=True)
class Summed:
    """The sum of one account about one claim, or about no claim."""

    account: Account
    amount: Cents
    claim: str
    person: str
    """The lane whose it is now."""
    cause: str
    """Of money of no claim what it came with (`payment:payer|number`); else empty."""


def trial_balance_at(connection: Connection, before: datetime) -> dict[Account, Cents]:
    """The sum of every account of what was posted before the instant; together they are zero."""
    total = func.sum(entry_lines.c.amount)
    rows = connection.execute(
        select(entry_lines.c.account, total)
        .join(entries, entries.c.id == entry_lines.c.entry)
        .where(entries.c.at < codec.micros(before))
        .group_by(entry_lines.c.account)
    )
    return {account: int(amount) for account, amount in sorted((_account(name), sum_) for name, sum_ in rows) if amount}


def balances_at(connection: Connection, before: datetime) -> tuple[Summed, ...]:
    """The sums of what was posted before the instant, by account, claim and lane; those of nothing are left out."""
    whose = func.coalesce(entry_lanes.c.person, entries.c.person)
    cause = case((entry_lines.c.claim == "", entries.c.cause), else_="")
    total = func.sum(entry_lines.c.amount)
    rows = connection.execute(
        select(entry_lines.c.account, total, entry_lines.c.claim, whose, cause)
        .join(entries, entries.c.id == entry_lines.c.entry)
        .join(entry_lanes, entry_lanes.c.entry == entries.c.id, isouter=True)
        .where(entries.c.at < codec.micros(before))
        .group_by(entry_lines.c.account, entry_lines.c.claim, whose, cause)
        .having(total != 0)
        .order_by(entry_lines.c.claim, whose, entry_lines.c.account)
    )
    return tuple(Summed(_account(r[0]), int(r[1]), r[2], r[3], r[4]) for r in rows)


def open_at(connection: Connection, before: datetime, zone: ZoneInfo) -> tuple[Open, ...]:
    """The claims of which something was open then: owed by the payer, refused, or moved to the patient.

    A claim is as old as its first entry: the day on which it was known to be at the payer, at the site.
    """
    total = func.sum(entry_lines.c.amount)
    rows = connection.execute(
        select(entry_lines.c.claim, entry_lines.c.account, total, func.min(entries.c.at))
        .join(entries, entries.c.id == entry_lines.c.entry)
        .where(entries.c.at < codec.micros(before), entry_lines.c.claim != "")
        .where(entry_lines.c.account.in_([account.value for account in _OPEN]))
        .group_by(entry_lines.c.claim, entry_lines.c.account)
        .order_by(entry_lines.c.claim)
    )
    sums: dict[str, dict[Account, Cents]] = defaultdict(dict)
    since: dict[str, int] = {}
    for claim, account, amount, first in rows:
        sums[claim][_account(account)] = int(amount)
        since[claim] = min(since.get(claim, first), first)
    return tuple(
        Open(claim, codec.instant(since[claim]).astimezone(zone).date(), *(found.get(one, 0) for one in _OPEN))
        for claim, found in sums.items()
        if any(found.values())
    )


def _account(name: str) -> Account:
    try:
        return Account(name)
    except ValueError:
        raise Damaged("entry_lines: no such account") from None


class Balances(Protocol):
    """The part of a store that sums the ledger."""

    def _read(self, ask: Callable[[Connection], T]) -> T:
        """Ask within one snapshot of the last commit."""
        ...

    def trial_balance_at(self, before: datetime) -> dict[Account, Cents]:
        """The sum of every account of what was posted before the instant, in minor units; together they are zero."""
        return self._read(lambda c: trial_balance_at(c, before))

    def balances_at(self, before: datetime) -> tuple[Summed, ...]:
        """The sums of what was posted before the instant by account, claim and lane."""
        return self._read(lambda c: balances_at(c, before))

    def open_at(self, before: datetime, zone: ZoneInfo) -> tuple[Open, ...]:
        """The claims of which something was open at the instant."""
        return self._read(lambda c: open_at(c, before, zone))
