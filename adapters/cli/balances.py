"""What the ledger came to on a day: `ledger --at DATE --by account|payer|patient|claim|payment` and `--ageing`."""

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
from adapters.posting import cash
from adapters.posting.later import CAUSE as LATER
from adapters.posting.patient import CAUSE as BY_PATIENT
from adapters.store.balances import Summed
from adapters.wiring import Wired

_PAYMENT = "payment:"
_ANSWER = "remittance:"
CASH = "cash"
"""What the bank has got of a payment: told with its accounts, and no account itself."""
_PAID = frozenset(
    {Account.PAYER_PAYMENT, Account.INTEREST, Account.RECOUPMENT, Account.BALANCE_FORWARD, Account.WITHHELD}
)


class By(StrEnum):
    """About what balances are told."""

    ACCOUNT = "account"
    PAYER = "payer"
    PATIENT = "patient"
    CLAIM = "claim"
    PAYMENT = "payment"


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The first instant that is no part of a day at the site any more."""
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


def balances(wired: Wired, by: By, day: date) -> tuple[Balance, ...]:
    """The balances about each claim, payer or patient, or about all, at the end of a day."""
    before = end_of(day, ZoneInfo(wired.site.zone))
    if by is By.ACCOUNT:
        return (Balance("", tuple(sorted(wired.store.trial_balance_at(before).items()))),)
    if by is By.PAYMENT:
        return payments(wired, before)
    summed = wired.store.balances_at(before)
    payers = {one.value.claim.id: one.value.claim.payer.id for one in wired.store.claims()} if by is By.PAYER else {}
    return grouped(summed, by, payers)


def payments(wired: Wired, before: datetime) -> tuple[Balance, ...]:
    """What each payment of a payer paid for claims, and what it added and kept back; the key is payer and number.

    An answer that names no payment stands under its payer alone. A claim's money counts in the payment of the answer
    that moved it: what a correction takes back is in the payment of the correction.
    """
    payers = {one.value.claim.id: one.value.claim.payer.id for one in wired.store.claims()}
    named = {
        one.value.id: (one.value.payer or payers.get(one.value.claim, ""), one.value.payment_number)
        for one in wired.store.remittances()
    }
    found: dict[str, Counter[Account]] = defaultdict(Counter)
    for of in wired.store.ledger_entries():
        entry = of.value
        if entry.at >= before:
            continue
        if entry.cause.startswith(_PAYMENT):
            payer, number = [*entry.cause.removeprefix(_PAYMENT).split("|"), ""][:2]
        elif answer := _answer_of(entry.cause):
            payer, number = named.get(answer, ("", ""))
        else:
            continue
        for side in entry.lines:
            if side.account in _PAID:
                found[f"{payer} {number}".rstrip()][side.account] += side.amount
    return tuple(
        Balance(key, tuple(sorted((account, amount) for account, amount in sums.items() if amount)))
        for key, sums in sorted(found.items())
        if any(sums.values())
    )


def _answer_of(cause: str) -> str:
    """The answer that caused an entry, the claim's own payer's or a later one's; empty where none did."""
    return next((cause.removeprefix(kind) for kind in (_ANSWER, LATER) if cause.startswith(kind)), "")


def grouped(summed: Sequence[Summed], by: By, payers: dict[str, str]) -> tuple[Balance, ...]:
    """The sums about each claim, payer or patient; `payers` gives the payer of a claim. Accounts of nothing are left out."""
    found: dict[str, Counter[Account]] = defaultdict(Counter)
    for one in summed:
        if by is By.CLAIM:
            key = one.claim
        elif by is By.PATIENT:
            key = one.person if one.claim or one.cause.startswith(BY_PATIENT) else ""
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
    rows = [row for one in found for row in _told(one, by)]
    if as_json:
        name = by.value
        show.json_lines(
            {"account": account, "amount": amount} | ({} if by is By.ACCOUNT else {name: key})
            for key, account, amount in rows
        )
        return
    if by is By.PAYMENT:
        show.table("Payments", (by.value, "account", "amount $"), rows, right=("amount $",))
        return
    total: Cents = sum(amount for one in found for _, amount in one.accounts)
    columns = ("account", "balance $") if by is By.ACCOUNT else (by.value, "account", "balance $")
    cells = [row[1:] if by is By.ACCOUNT else row for row in rows]
    last = ("sum", money.text(total)) if by is By.ACCOUNT else ("sum", "", money.text(total))
    show.table("Balances", columns, [*cells, last], right=("balance $",))


def _told(one: Balance, by: By) -> list[tuple[str, str, str]]:
    """A row an account; of a payment also what the bank has got."""
    rows = [(one.key, account.value, money.text(amount)) for account, amount in one.accounts]
    return [*rows, (one.key, CASH, money.text(cash(dict(one.accounts))))] if by is By.PAYMENT else rows


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
