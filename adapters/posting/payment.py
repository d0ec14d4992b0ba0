"""Money of a payment that belongs to no claim: interest, take-backs, balances carried between payments.

medical-oncology-and-revenue-cycle.md 6.2 (the sum of the transaction, C-A) and 6.4 (PLB).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.money import Cents
from adapters.model.record import Tick
from adapters.model.remittance import Payment, ProviderAdjustment
from adapters.model.work import WorkItem, item_id, open_item
from adapters.posting.match import UNBALANCED, Mismatch
from adapters.posting.post import entry_id
from adapters.rules import Ruleset

ADJUSTMENT: Final = "provider-adjustment"
"""Kind of an item about money of a payment that no claim explains."""
_PAYMENT: Final = "payment:"
_MANY: Final = 100
"""Adjustments of one payment among which the one of an item is looked for."""


def cause_of(payment: Payment) -> str:
    """What an entry of the payment names as its cause: the payer and its number of it; without one, what it says."""
    return f"{_PAYMENT}{payment.payer}|{(payment.number or _content(payment)).replace('|', ' ')}"


def _content(payment: Payment) -> str:
    """A digest of what a payment says of money: without a number nothing else is the same by every door."""
    adjusted = [(one.code, one.amount, one.reference) for one in payment.adjustments]
    said = (payment.day, payment.amount, sorted(amount for _, amount in payment.claims), adjusted)
    return f"unnumbered {hashlib.sha256(repr(said).encode()).hexdigest()[:16]}"


def payment_mismatches(payment: Payment) -> tuple[Mismatch, ...]:
    """Why the payment does not add up; empty when it does: what claims are paid, less the adjustments, is its amount."""
    found: list[Mismatch] = []
    due = sum(amount for _, amount in payment.claims) - sum(a.amount for a in payment.adjustments)
    if payment.amount != due:
        out = abs(payment.amount - due)
        found.append(Mismatch(UNBALANCED, "the payment is not its claims less its adjustments", amount=out))
    if payment.amount < 0:
        # 6.2: a net negative is carried forward, never paid.
        found.append(Mismatch(UNBALANCED, "a payment is less than nothing", amount=-payment.amount))
    return tuple(found)


def post_payment(payment: Payment, rules: Ruleset, at: datetime) -> tuple[Entry, ...]:
    """One entry for each adjustment of the payment, to no claim; the same payment makes the same entries."""
    cause = cause_of(payment)
    found = []
    for nth, one in enumerate(payment.adjustments):
        account, amount = _side(one, rules)
        if amount:
            lines = (EntryLine(account, amount, ""), EntryLine(Account.PROVIDER_LEVEL, -amount, ""))
            id = entry_id(cause, str(nth), one.code, one.reference, str(one.amount))
            found.append(Entry(id, at, f"{cause}|{one.reference}" if one.reference else cause, lines))
    return tuple(found)


_BOOKS: Final = {
    "interest": Account.INTEREST,
    "recoupment": Account.RECOUPMENT,
    "forward": Account.BALANCE_FORWARD,
    "review": Account.WITHHELD,
}


def _side(one: ProviderAdjustment, rules: Ruleset) -> tuple[Account, Cents]:
    spec = rules.plb(one.code)
    account = _BOOKS[spec.books] if spec is not None else Account.WITHHELD
    return account, -one.amount if account is Account.INTEREST else one.amount


def cash(sums: Mapping[Account, Cents]) -> Cents:
    """What a payer has paid out by these sums of accounts: for claims, with interest, less all that it kept back."""
    kept = (Account.RECOUPMENT, Account.BALANCE_FORWARD, Account.WITHHELD)
    taken = sum(sums.get(account, 0) for account in kept)
    return sums.get(Account.PAYER_PAYMENT, 0) + sums.get(Account.INTEREST, 0) - taken


def payment_items(payment: Payment, rules: Ruleset, person: str, tick: Tick) -> tuple[WorkItem, ...]:
    """An item for each adjustment that a person looks at: what was taken back, and what the table does not know."""
    found = []
    for nth, one in enumerate(payment.adjustments):
        spec = rules.plb(one.code)
        action = spec.action if spec else "review"
        if action != "none":
            item = open_item(
                ADJUSTMENT,
                one.code,
                cause_of(payment),
                category="posting",
                action=action,
                opened=tick.now,
                amount=abs(one.amount),
                person=person,
                detail=spec.label if spec else "a code that the table does not know",
                which=f"{nth} {one.reference}",
            )
            found.append(item)
    return tuple(found)


def over_applied(payer: str, entries: Iterable[Entry], person: str, tick: Tick) -> tuple[WorkItem, ...]:
    """An item where a payer has applied more from earlier payments than its payments ever carried forward.

    Also where the payment that carried it has not come yet; then it closes by itself when that one comes.
    """
    sides = (side for entry in entries for side in entry.lines if side.account is Account.BALANCE_FORWARD)
    beyond = sum(side.amount for side in sides)
    if beyond <= 0:
        return ()
    item = open_item(
        ADJUSTMENT,
        "FB",
        f"{_PAYMENT}{payer}",
        category="posting",
        action="review",
        opened=tick.now,
        amount=beyond,
        person=person,
        detail="more was applied from earlier payments than they carried forward",
        which="carried",
    )
    return (item,)


def offset_items(entries: Iterable[Entry], work: Iterable[WorkItem]) -> frozenset[str]:
    """Ids of the items about recoveries of which, by their reference, nothing is left: taken, and given back or refunded
    (codes WO and 72 pair so, 6.4)."""
    sums: Counter[str] = Counter()
    told: dict[str, set[str]] = {}
    for entry in entries:
        payment, reference = _apart(entry.cause)
        for side in entry.lines:
            if side.account is Account.RECOUPMENT and reference:
                sums[reference] += side.amount
                told.setdefault(payment, set()).add(reference)
    found = set()
    for item in work:
        even = [one for one in told.get(item.about, ()) if item.kind == ADJUSTMENT and not sums[one]]
        whose = (item_id(ADJUSTMENT, f"{item.about}|{nth} {one}", item.code) for one in even for nth in range(_MANY))
        if item.id in whose:
            found.add(item.id)
    return frozenset(found)


def _apart(cause: str) -> tuple[str, str]:
    """The payment that a cause names, and the reference of its adjustment."""
    payer, _, rest = cause.partition("|")
    number, _, reference = rest.partition("|")
    return f"{payer}|{number}", reference


def posted_before(payment: Payment, entries: Iterable[Entry], made: Iterable[Entry]) -> str:
    """`` where nothing of a payment of this number is on file, `same` where just this is, else `other`."""
    known = {entry.id for entry in entries if _apart(entry.cause)[0] == cause_of(payment)}
    if not known:
        return ""
    return "same" if known == {entry.id for entry in made} else "other"
