"""FT1 of payments (FT1-6 PY): what a feed's agreement makes of what its sender took in (v2.5.1 section 6.5.1).

Nothing by default: whoever tells of payments tells also of insurers', and of what we post by the payers' own answers.
Where the feed is agreed to tell what patients paid, a payment is the patient's only if it names no insurance (FT1-14),
has a number by which it is known again (FT1-2), and an amount in whole cents; any other is noted, and a person looks at it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from adapters.errors import Inexact
from adapters.hl7v2.elements import place
from adapters.hl7v2.transaction import Charge, line_of
from adapters.hl7v2.values import parse_number
from adapters.model.money import cents
from adapters.model.why import Fact

KIND: Final = "patient-payment"


def read_payment(charge: Charge) -> None:
    """The payment of an FT1 as an event: what the patient paid, below zero what was given back; or what is only noted."""
    gathered, ft1 = charge.gathered, charge.ft1
    speech = gathered.speech
    when = speech.stamp(ft1.text(4))
    amount = _amount(charge)
    if when is None or when.day is None:
        gathered.omit("ill-formed-date" if ft1.text(4) else "no-date", ft1.path(4))
        return
    if amount is None:
        gathered.omit("ill-formed", ft1.path(11, 1, 1), "amount")
        return
    known = line_of(charge)
    facts = [amount]
    if reason := _doubt(charge, known):
        facts.append(speech.fact("unposted", reason, place(ft1)))
    gathered.emit(
        KIND,
        place(ft1),
        suffix="|payment",
        line=f"{known or f'{speech.message}|{speech.prefix}{place(ft1)}'}|payment",
        start=speech.instant(when),
        day=when.day,
        facts=facts,
    )


def _doubt(charge: Charge, known: str) -> str:
    """Why it is not the patient's by itself; empty where it is."""
    if charge.gathered.speech.dialect.payments == "note":
        return "note"
    if charge.ft1.text(14).strip():
        return "insurance"
    return "" if known else "number"


def _amount(charge: Charge) -> Fact | None:
    """The amount (FT1-11, else FT1-12), positive for what was taken in; None where there is none in whole cents, or where
    the two differ: a payment is of one."""
    ft1, speech = charge.ft1, charge.gathered.speech
    said = [n for n in (11, 12) if ft1.text(n)]
    values = [_whole(speech.figure(ft1.text(n))) for n in said]
    value = values[0] if values else None
    if value is None or values[-1] != value:
        return None
    n = said[0]
    taken = value if speech.dialect.payment_sign == "positive" else -value
    return speech.fact("amount", format(taken, ".2f"), ft1.path(n, 1, 1))


def _whole(text: str) -> Decimal | None:
    """A text as an amount of whole cents; None for anything else."""
    value = parse_number(text)
    try:
        return None if value is None or not cents(value) else value
    except Inexact:
        return None
