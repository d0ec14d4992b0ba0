"""A payer's own lane: what its payments say of no claim, posted once."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord, Tick
from adapters.model.remittance import Payment
from adapters.model.work import WorkItem, open_item
from adapters.pipeline.misfits import close_items, settled
from adapters.posting import (
    UNBALANCED,
    cause_of,
    offset_items,
    out_by,
    over_applied,
    payment_items,
    payment_mismatches,
    post_payment,
    posted_before,
)
from adapters.posting.payment import ADJUSTMENT
from adapters.rules import Ruleset

PAYER: Final = "payer"
"""The authority of the one identifier that a payer's lane goes by."""


def lane_of_payer(payer: str) -> PersonHint:
    """Who keeps what a payer's payments say of no claim: the payer itself, as a lane of its own."""
    return PersonHint((Identifier(PAYER, payer),))


def with_payment(record: PersonRecord, payment: Payment, rules: Ruleset, tick: Tick) -> PersonRecord:
    """The payer's record with the payment's own entries: each once, nothing of a payment that does not add up."""
    if wrong := payment_mismatches(payment):
        reasons = "; ".join(m.reason for m in wrong)
        return _told(record, payment, UNBALANCED, "repair-response", reasons, out_by(wrong), tick)
    made = post_payment(payment, rules, tick.now)
    match posted_before(payment, record.entries, made):
        case "same" if payment.number:
            return record
        case "same":
            why = "a payment of just this content is posted already; neither has a number that would tell them apart"
            return _told(record, payment, "payment-again", "review", why, abs(payment.amount), tick)
        case "other":
            why = "a payment of this number is posted already, and it says something else"
            return _told(record, payment, "payment-again", "review", why, abs(payment.amount), tick)
    entries = (*record.entries, *made)
    known = {item.id for item in record.work}
    items = (item for item in payment_items(payment, rules, record.person, tick) if item.id not in known)
    record = replace(record, entries=entries, work=(*record.work, *items))
    record = settled(record, offset_items(entries, record.work), tick)
    return _carried(record, over_applied(payment.payer, entries, record.person, tick), payment.payer, tick)


def _carried(record: PersonRecord, due: tuple[WorkItem, ...], payer: str, tick: Tick) -> PersonRecord:
    """The record with the item about balances applied beyond what was carried as it is due now, or closed."""
    if not due:
        return close_items(record, ADJUSTMENT, f"payment:{payer}", tick)
    known = {item.id: item for item in record.work}
    due = tuple(item for item in due if item.id not in known or not _says_so(known[item.id], item))
    ids = {item.id for item in due}
    return replace(record, work=(*(item for item in record.work if item.id not in ids), *due)) if due else record


def _says_so(known: WorkItem, due: WorkItem) -> bool:
    """Whether the item is there with the same sum, open or closed by a person."""
    return known.amount == due.amount and (known.closed is None or bool(known.closed_by))


def _told(
    record: PersonRecord, payment: Payment, code: str, action: str, why: str, amount: int, tick: Tick
) -> PersonRecord:
    item: WorkItem = open_item(
        code,
        code,
        cause_of(payment),
        category="posting",
        action=action,
        opened=tick.now,
        amount=amount,
        person=record.person,
        detail=why,
        which=payment.message,
    )
    if any(known.id == item.id for known in record.work):
        return record
    return replace(record, work=(*record.work, item))
