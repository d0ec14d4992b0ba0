"""Money of a payment that belongs to no claim: interest, take-backs, balances carried between payments.

medical-oncology-and-revenue-cycle.md 6.2 (the sum of the transaction, C-A) and 6.4 (PLB).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.record import Tick
from adapters.model.remittance import Payment, ProviderAdjustment
from adapters.model.work import WorkItem, open_item
from adapters.posting.match import UNBALANCED, Mismatch
from adapters.posting.post import entry_id
from adapters.rules import Ruleset


def cause_of(payment: Payment) -> str:
    """What an entry of the payment names as its cause: the payer and its number of it."""
    return f"payment:{payment.payer}|{payment.number or payment.message}"


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
            found.append(Entry(id, at, cause, lines))
    return tuple(found)


def _side(one: ProviderAdjustment, rules: Ruleset) -> tuple[Account, int]:
    spec = rules.plb(one.code)
    if spec is not None and spec.books == "interest":
        return Account.INTEREST, -one.amount
    return Account.RECOUPMENT, one.amount


def payment_items(payment: Payment, rules: Ruleset, person: str, tick: Tick) -> tuple[WorkItem, ...]:
    """An item for each adjustment that a person looks at: what was taken back, and what the table does not know."""
    found = []
    for nth, one in enumerate(payment.adjustments):
        spec = rules.plb(one.code)
        action = spec.action if spec else "review"
        if action != "none":
            item = open_item(
                "provider-adjustment",
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


def posted_before(payment: Payment, entries: Iterable[Entry], made: Iterable[Entry]) -> str:
    """`` where nothing of a payment of this number is on file, `same` where just this is, else `other`."""
    known = {entry.id for entry in entries if entry.cause == cause_of(payment)}
    if not known:
        return ""
    return "same" if known == {entry.id for entry in made} else "other"
