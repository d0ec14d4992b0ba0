"""DFT^P03 and P11: each FT1 as clinical events and coded charges, by the feed's dialect (v2.5.1 section 6.5.1).

An FT1 whose activity the dialect knows gives its clinical event; an FT1 with a procedure code, or without a known
activity, gives a coded charge; both when both hold. They share the key `ft1:<message>|<n>`, and with every later
report of the transaction `txn:<feed>|<FT1-2>`. What takes a charge back restates its line as withdrawn; nothing
is deleted (notes on HL7 v2, section 1.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from adapters.hl7v2.block import facts_of
from adapters.hl7v2.coding import codes_of, modifiers_of
from adapters.hl7v2.elements import Gathered, place
from adapters.hl7v2.payments import read_payment
from adapters.hl7v2.segment import Segment
from adapters.hl7v2.transaction import Charge, Common, common_of, line_of, said_beside
from adapters.model.why import Fact
from adapters.rules.dialect import CODED

_AFTER_CHARGES: Final = frozenset({"DG1", "DRG", "GT1", "IN1", "IN2", "IN3", "ACC"})
"""In P03 these come after the last FT1 and hold for the message; in P11 (from v2.4) each FT1 has its own."""
_SHARED: Final = frozenset({"PID", "PV1", "EVN", "MSH", "DG1", "IN3"})
"""Segments before the charges that an FT1 without its own reads."""


def read_charges(gathered: Gathered, segments: Sequence[Segment], *, each_its_own: bool, cut: frozenset[str]) -> None:
    """All FT1 of one person's part of a message.

    `each_its_own` for P11, where diagnoses and insurance after an FT1 belong to it. `cut` names the segments that
    a stray line break cut short: such a charge is told, not read.
    """
    charges: list[Charge] = []
    shared: dict[str, list[Segment]] = {}
    current: Charge | None = None
    for segment in segments:
        if segment.name == "FT1":
            current = Charge(gathered, segment, shared)
            charges.append(current)
        elif current is not None and not each_its_own and segment.name in _AFTER_CHARGES:
            current = None
        if segment.name != "FT1":
            if current is not None:
                current.own.setdefault(segment.name, []).append(segment)
            elif segment.name in _SHARED or segment.name.startswith("Z"):
                shared.setdefault(segment.name, []).append(segment)
    for charge in charges:
        gathered.about = line_of(charge)
        if place(charge.ft1) in cut:
            gathered.omit("cut-short", place(charge.ft1))
        else:
            _read(charge)
    gathered.about = ""


def _read(charge: Charge) -> None:
    gathered, ft1 = charge.gathered, charge.ft1
    dialect = gathered.speech.dialect
    said_type = ft1.text(6).strip().upper()
    if said_type in dialect.payment_types and dialect.payments != "ignore":
        read_payment(charge)
        return
    if said_type in dialect.ignored_types | dialect.payment_types:
        gathered.omit("not-a-charge", place(ft1))
        return
    credit = said_type in dialect.credit_types
    if not credit and said_type not in dialect.charge_types:
        gathered.omit("unknown-transaction-type", place(ft1))
        return
    common = common_of(charge, credit=credit)
    if common is None:
        return
    local, local_at = charge.read((dialect.local_code,))
    activity = dialect.activities.get(local.strip())
    if activity is not None and common.nets:  # what was done is taken back by its own number only
        gathered.omit("credit-unmatched", place(ft1))
    for position, kind in enumerate(activity.kinds if activity and not common.nets else ()):
        assert activity is not None  # noqa: S101 - tells the type checker what the loop says
        known = facts_of(charge, kind, activity.facts, local_at)
        names = {fact.name for fact in known}
        facts = (
            gathered.speech.fact("activity", local.strip(), local_at),
            *known,
            *(fact for fact in common.facts if fact.name not in names),
        )
        _emit(charge, common, kind, f"|{kind}" if position else "", facts)
    codes = codes_of(charge)
    if codes or activity is None:
        _coded(charge, common, codes, (local.strip(), local_at))


def _emit(charge: Charge, common: Common, kind: str, suffix: str, facts: Iterable[Fact]) -> None:
    charge.gathered.emit(
        kind,
        place(charge.ft1),
        suffix=suffix,
        line=common.base + suffix,
        start=common.start,
        end=common.end,
        day=common.day,
        status=common.status,
        course=common.course,
        keys=_keys(charge, common, kind),
        facts=facts,
    )


def _keys(charge: Charge, common: Common, kind: str) -> tuple[str, ...]:
    speech = charge.gathered.speech
    keys = []
    for rule in speech.dialect.keys:
        if rule.concerns(kind):
            value, _ = charge.read(rule.sources)
            if value:
                keys.append(f"{rule.name}:{value}")
    if common.base.startswith(f"{speech.feed.name}|"):
        keys.append(f"txn:{common.base}")
    keys.append(f"ft1:{speech.message}|{speech.prefix}{common.number}")
    return tuple(keys)


def _coded(
    charge: Charge,
    common: Common,
    codes: Sequence[tuple[str, str, Segment]],
    local: tuple[str, str],
) -> None:
    """The coded charges: one for the code, for each PR1 without one in FT1, or one for the local code alone."""
    gathered, ft1 = charge.gathered, charge.ft1
    speech = gathered.speech
    if not codes and not local[0]:
        gathered.omit("no-code", place(ft1))
        return
    lines: Sequence[tuple[str, str, Segment] | None] = codes or [None]
    for position, coded in enumerate(lines):
        facts = [] if coded is None else [speech.fact("code", coded[0], coded[1])]
        if local[0]:
            facts.append(speech.fact("local_code", *local))
        facts += modifiers_of(charge, coded[2] if coded else ft1)
        facts += [] if common.units is None else [common.units]
        if common.amount is not None and len(lines) == 1:
            facts.append(common.amount)
        facts.append(speech.fact("type", ft1.text(6).strip().upper(), ft1.path(6)))
        if common.nets:
            facts.append(speech.fact("credit", "true", ft1.path(6)))
        facts += said_beside(charge)
        facts += facts_of(charge, CODED, (), "")
        names = {fact.name for fact in facts}
        facts += [fact for fact in common.facts if fact.name not in names]
        _emit(charge, common, CODED, f"|coded|{position + 1}" if position else "|coded", facts)
