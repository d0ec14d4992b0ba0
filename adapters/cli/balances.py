"""What the ledger came to on a day: `ledger --at DATE --by account|payer|patient|claim` and `--ageing`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from adapters.files import show
from adapters.model import money
from adapters.model.balance import Age, Balance, ageing
from adapters.model.ledger import Account
from adapters.model.money import Cents
from adapters.store.balances import Summed
from adapters.wiring import Wired

_PAYMENT = "payment:"


class By(StrEnum):
    """About what balances are told."""

    ACCOUNT = "account"
    PAYER = "payer"
    PATIENT = "patient"
    CLAIM = "claim"


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The first instant that is no part of a day at the site any more."""
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


def balances(wired: Wired, by: By, day: date) -> tuple[Balance, ...]:
    """The balances about each claim, payer or patient, or about all, at the end of a day."""
    before = end_of(day, ZoneInfo(wired.site.zone))
    if by is By.ACCOUNT:
        return (Balance("", tuple(sorted(wired.store.trial_balance_at(before).items()))),)
    summed = wired.store.balances_at(before)
    payers = {one.value.claim.id: one.value.claim.payer.id for one in wired.store.claims()} if by is By.PAYER else {}
    return grouped(summed, by, payers)


def grouped(summed: Sequence[Summed], by: By, payers: dict[str, str]) -> tuple[Balance, ...]:
    """The sums about each claim, payer or patient; `payers` gives the payer of a claim. Accounts of nothing are left out."""
    found: dict[str, Counter[Account]] = defaultdict(Counter)
    for one in summed:
        if by is By.CLAIM:
            key = one.claim
        elif by is By.PATIENT:
            key = one.person if one.claim else ""
        else:
            key = payers.get(one.claim, "") or one.cause.removeprefix(_PAYMENT).partition("|")[0]
        found[key][one.account] += one.amount
    return tuple(
        Balance(key, tuple(sorted((account, amount) for account, amount in sums.items() if amount)))
        for key, sums in sorted(found.items())
    )


def aged(wired: Wired, day: date) -> tuple[Age, ...]:
    """What is open at the end of a day by its age."""
    zone = ZoneInfo(wired.site.zone)
    return ageing(wired.store.open_at(end_of(day, zone), zone), day)


def show_balances(found: Sequence[Balance], by: By, *, as_json: bool) -> None:
    """Print balances: a row an account, or one JSON object a line."""
    rows = [(one.key, account.value, money.text(amount)) for one in found for account, amount in one.accounts]
    if as_json:
        name = by.value
        show.json_lines(
            {"account": account, "amount": amount} | ({} if by is By.ACCOUNT else {name: key})
            for key, account, amount in rows
        )
        return
    total: Cents = sum(amount for one in found for _, amount in one.accounts)
    columns = ("account", "balance $") if by is By.ACCOUNT else (by.value, "account", "balance $")
    cells = [row[1:] if by is By.ACCOUNT else row for row in rows]
    last = ("sum", money.text(total)) if by is By.ACCOUNT else ("sum", "", money.text(total))
    show.table("Balances", columns, [*cells, last], right=("balance $",))


def show_ages(found: Sequence[Age], *, as_json: bool) -> None:
    """Print what is open by age: owed by payers, refused, moved to patients; and the sum of each."""
    if as_json:
        show.json_lines(
            {name: money.text(value) if isinstance(value, int) else value for name, value in asdict(one).items()}
            for one in found
        )
        return
    rows = [(a.label, money.text(a.receivable), money.text(a.denied), money.text(a.patient)) for a in found]
    sums = (sum(getattr(a, name) for a in found) for name in ("receivable", "denied", "patient"))
    columns = ("days", "payers owe $", "refused $", "patients owe $")
    show.table("Open by age", columns, [*rows, ("sum", *map(money.text, sums))], right=columns[1:])
