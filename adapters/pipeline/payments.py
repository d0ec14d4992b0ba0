"""A payer's own lane: what its payments say of no claim, posted once."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord, Tick
from adapters.model.remittance import Payment
from adapters.model.work import WorkItem, open_item
from adapters.posting import (
    UNBALANCED,
    cause_of,
    out_by,
    payment_items,
    payment_mismatches,
    post_payment,
    posted_before,
)
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
        case "same":
            return record
        case "other":
            why = "a payment of this number is posted already, and it says something else"
            return _told(record, payment, "payment-again", "review", why, abs(payment.amount), tick)
    known = {item.id for item in record.work}
    items = (item for item in payment_items(payment, rules, record.person, tick) if item.id not in known)
    return replace(record, entries=(*record.entries, *made), work=(*record.work, *items))


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
