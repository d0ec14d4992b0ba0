"""One FT1 with what belongs to it, and what all its events have in common: date, identity, units, status, people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from adapters.hl7v2.block import Block
from adapters.hl7v2.elements import diagnoses, is_null, npi, number, place, plain, span
from adapters.hl7v2.segment import Segment
from adapters.hl7v2.values import parse_number
from adapters.model.event import Status
from adapters.model.why import Fact
from adapters.rules.location import Location


@dataclass(slots=True)
class Charge(Block):
    """One FT1 with what belongs to it."""

    @property
    def ft1(self) -> Segment:
        """The anchor by its name."""
        return self.anchor


@dataclass(frozen=True, slots=True)
class Common:
    """What the events of one FT1 have in common."""

    base: str
    number: int
    start: datetime
    end: datetime | None
    day: date
    status: Status
    course: str
    units: Fact | None
    amount: Fact | None
    facts: tuple[Fact, ...]
    nets: bool = False
    """Whether it is a credit that takes units away from other charges of its code and date."""


def common_of(charge: Charge, *, credit: bool) -> Common | None:
    """Date, identity, units and status of an FT1; None, with the omission that says why, where it has no date."""
    gathered, ft1 = charge.gathered, charge.ft1
    speech = gathered.speech
    dialect = speech.dialect
    from_text, to_text, from_at = ft1.text(4), ft1.text(4, 2), ft1.path(4)
    if not from_text:
        from_text, at = charge.read((Location("PR1", 5),))
        from_at = at or from_at
    start, end, unusable = span(speech.written(from_text), speech.written(to_text))
    if unusable:
        gathered.omit("ill-formed-date", ft1.path(4, 1, 2))
    if start is None or start.day is None:
        gathered.omit("ill-formed-date" if from_text else "no-date", from_at)
        return None
    units, below_zero = _units(charge)
    amount, owed = _amount(charge, units)
    nets = "netting" in dialect.credits and (credit or below_zero or owed)
    withdrawn = (credit or below_zero or owed) and not nets
    named = charge.read((dialect.original,))[0] if withdrawn and dialect.original else ""
    if credit and not nets and not named and "same-transaction" not in dialect.credits:
        gathered.omit("credit-unmatched", place(ft1))
        return None
    gathered.about = line_of(charge, named)
    here = f"{speech.message}|{speech.prefix}{place(ft1)}"
    return Common(
        base=gathered.about or here,
        number=ft1.ordinal,
        start=speech.instant(start),
        end=None if end is None else speech.instant(end),
        day=start.day,
        status=Status.WITHDRAWN if withdrawn else Status.DONE,
        course=charge.read(dialect.course)[0],
        units=units,
        amount=amount,
        facts=tuple(_shared_facts(charge)),
        nets=nets,
    )


def line_of(charge: Charge, named: str = "") -> str:
    """The line that an FT1 states, by the number it names, else its own; empty where it has none."""
    speech = charge.gathered.speech
    transaction = named or charge.read((speech.dialect.transaction,))[0]
    return f"{speech.feed.name}|{transaction}" if transaction else ""


def _units(charge: Charge) -> tuple[Fact | None, bool]:
    """The quantity without its sign, and whether it takes back by being below zero."""
    gathered = charge.gathered
    speech, dialect = gathered.speech, gathered.speech.dialect
    segment = charge.segment(dialect.quantity)
    if segment is not None and is_null(segment, dialect.quantity.field):
        return None, False
    text, at = charge.read((dialect.quantity,))
    if not text:
        if not dialect.quantity_default:
            return None, False
        return speech.assumed("units", dialect.quantity_default, charge.where(dialect.quantity)), False
    said = number(speech.figure(text))
    # A credit may have either sign by itself: -1 of CD is the unit that CD takes back.
    signed = "negative-quantity" in dialect.credits or charge.ft1.text(6).strip().upper() in dialect.credit_types
    if said is None or (said.startswith("-") and not signed):
        gathered.omit("ill-formed", at, "units")
        return None, False
    return speech.fact("units", said.removeprefix("-"), at), said.startswith("-")


def _amount(charge: Charge, units: Fact | None) -> tuple[Fact | None, bool]:
    """The extended amount without its sign (FT1-11, else FT1-12 times the units), and whether it takes back."""
    gathered, ft1 = charge.gathered, charge.ft1
    for n in (11, 12):
        text = ft1.text(n)
        if not text:
            continue
        value = parse_number(gathered.speech.figure(text))
        if value is not None and n == 12:
            value = None if units is None else value * Decimal(units.value)
        said = None if value is None else plain(abs(value))
        if value is None or said is None:
            gathered.omit("ill-formed", ft1.path(n, 1, 1), "amount")
            return None, False
        owed = value < 0 and "negative-amount" in gathered.speech.dialect.credits
        return gathered.speech.fact("amount", said, ft1.path(n, 1, 1)), owed
    return None, False


def _shared_facts(charge: Charge) -> Iterable[Fact]:
    """Diagnoses, people and place, which a clinical event and a coded charge carry alike."""
    gathered, ft1 = charge.gathered, charge.ft1
    speech = gathered.speech
    found = diagnoses(gathered, ft1, 19)
    if not found and not is_null(ft1, 19):
        for dg1 in charge.own.get("DG1") or charge.shared.get("DG1", []):
            found += diagnoses(gathered, dg1, 3)
    yield from found
    for name, n in (("by", 20), ("ordered_by", 21)):
        provider = npi(ft1, n)
        if provider is not None:
            yield speech.fact(name, *provider)
        elif ft1.text(n):
            gathered.omit("not-an-npi", ft1.path(n), name)
    for name, places in _WHERE:
        value, at = charge.read(places)
        if value:
            yield speech.fact(name, value, at)


_WHERE: Final = (
    ("facility", (Location("FT1", 16, 4), Location("PV1", 3, 4))),
    ("visit", (Location("PV1", 19, 1),)),
)


def said_beside(charge: Charge) -> list[Fact]:
    """What else an FT1 says of its charge: drug, revenue, authorization, department, references, day of posting.

    Not read are FT1-1 (order only), 8 and 9 (texts), 14, 15, 17, 18, 22, 24 and 32 to 35 (plan, insured amount, fee
    schedule, patient type, cost, who entered it, where it was performed): display, or told better elsewhere.
    """
    gathered, ft1 = charge.gathered, charge.ft1
    speech = gathered.speech
    facts = []
    for name, n, c in _BESIDE:
        value = ft1.text(n, c).strip()
        if value:
            facts.append(speech.fact(name, value, ft1.path(n, 1, c)))
    authorized, authorized_at = charge.read(_AUTHORIZED)
    if authorized.strip():
        facts.append(speech.fact("authorization", authorized.strip(), authorized_at))
    for name, n in (("unit_amount", 12), ("ndc.quantity", 43)):
        value = number(speech.figure(ft1.text(n))) or ""
        if value:
            facts.append(speech.fact(name, value, ft1.path(n, 1, 1)))
        elif ft1.text(n) and (n != 12 or ft1.text(11)):  # FT1-12 without FT1-11 is told where the amount is read
            gathered.omit("ill-formed", ft1.path(n, 1, 1), name)
    posted = speech.stamp(ft1.text(5))
    if posted is not None and posted.day is not None:
        facts.append(speech.fact("posted", posted.day.isoformat(), ft1.path(5)))
    elif ft1.text(5):
        gathered.omit("unknown-value", ft1.path(5), "posted")
    return facts


_AUTHORIZED: Final = (Location("FT1", 39, 1), Location("IN3", 2, 1))
_BESIDE: Final = (
    ("ndc", 29, 1),
    ("ndc.unit", 43, 2),
    ("revenue", 41, 1),
    ("department", 13, 1),
    ("batch", 3, 1),
    ("filler_order", 23, 1),
    ("abn", 27, 1),
    ("duplicate_reason", 28, 1),
    ("payment_reference", 30, 1),
    ("transaction_reference", 31, 1),
    ("special", 36, 1),
    ("clinic", 37, 1),
    ("referral", 38, 1),
    ("taxonomy", 40, 1),
    ("prescription", 42, 1),
)
"""Facts of FT1 alone: name, field, component."""
