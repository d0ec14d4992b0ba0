"""DFT^P03 and P11: each FT1 as clinical events and coded charges, by the feed's dialect (v2.5.1 section 6.5.1).

An FT1 whose activity the dialect knows gives its clinical event; an FT1 with a procedure code, or without a known
activity, gives a coded charge; both when both hold. They share the key `ft1:<message>|<n>`, and with every later
report of the transaction `txn:<feed>|<FT1-2>`. What takes a charge back restates its line as withdrawn; nothing
is deleted (notes on HL7 v2, section 1.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from adapters.hl7v2.coding import codes_of, modifiers_of
from adapters.hl7v2.elements import Gathered, converted, place
from adapters.hl7v2.segment import Segment
from adapters.hl7v2.transaction import Charge, Common, common_of
from adapters.model.why import Fact
from adapters.rules.dialect import CODED, FactRule
from adapters.rules.location import Location

_AFTER_CHARGES: Final = frozenset({"DG1", "DRG", "GT1", "IN1", "IN2", "IN3", "ACC"})
"""In P03 these come after the last FT1 and hold for the message; in P11 (from v2.4) each FT1 has its own."""
_SHARED: Final = frozenset({"PID", "PV1", "EVN", "MSH", "DG1", "IN3"})
"""Segments before the charges that an FT1 without its own reads."""
_NOT_READ: Final = (15, 27, 28, 30, 31, 36, 38, 40, 42, 43)
"""FT1 fields that bear on a charge and have no fact yet: amount insured, ABN, duplicate reason, payment
references, special processing, referral, taxonomy, prescription, NDC quantity. The others not read here are
display, batch and posting (1, 3, 5, 8, 9, 14, 17, 18, 22, 24, 32 to 35, 37)."""


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
        if place(charge.ft1) in cut:
            gathered.omit("cut-short", place(charge.ft1))
        else:
            _read(charge)


def _read(charge: Charge) -> None:
    gathered, ft1 = charge.gathered, charge.ft1
    dialect = gathered.speech.dialect
    said_type = ft1.text(6).strip().upper()
    if said_type in dialect.ignored_types:
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
    for position, kind in enumerate(activity.kinds if activity else ()):
        assert activity is not None  # noqa: S101 - tells the type checker what the loop says
        known = _facts_of(charge, kind, activity.facts, local_at)
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
    for n in _NOT_READ:
        if ft1.text(n):
            gathered.omit("not-used-yet", ft1.path(n))


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


def _facts_of(charge: Charge, kind: str, fixed: Iterable[tuple[str, str]], fixed_at: str) -> list[Fact]:
    """The facts that the dialect reads for a kind, then what the activity alone says where no field did."""
    gathered = charge.gathered
    speech = gathered.speech
    found: list[Fact] = []
    silent: set[str] = set()  # facts that a field states, though not in words we know: never filled by the activity
    for rule in speech.dialect.facts_of(kind):
        text, at = charge.read(rule.sources)
        if not text:
            if rule.default:
                found.append(speech.assumed(rule.name, rule.prefix + rule.default, charge.where(rule.sources[0])))
            continue
        for said, said_at in _repetitions(charge, rule, text, at):
            value = rule.values.get(said.strip().casefold()) if rule.values else converted(said, rule.form, speech.zone)
            if value is None:
                gathered.omit("unknown-value" if rule.values else "ill-formed", said_at, rule.name)
                silent.add(rule.name)
            else:
                found.append(speech.fact(rule.name, rule.prefix + value, said_at))
    known = silent.union(fact.name for fact in found)
    found += [speech.fact(name, value, fixed_at) for name, value in fixed if name not in known]
    return found


def _repetitions(charge: Charge, rule: FactRule, text: str, at: str) -> list[tuple[str, str]]:
    if not rule.repeat:
        return [(text, at)]
    for source in rule.sources:
        segment = charge.segment(source)
        if segment is None or not segment.text(source.field, source.component or 1, source.sub or 1):
            continue
        count = segment.parts[source.field].count(segment.separators.repetition) + 1
        each = [
            (
                segment.text(source.field, source.component or 1, source.sub or 1, r),
                segment.path(source.field, r, source.component, source.sub),
            )
            for r in range(1, count + 1)
        ]
        return [(said, where) for said, where in each if said]
    return [(text, at)]


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
        for name, places in _MONEY:
            value, at = charge.read(places)
            if value:
                facts.append(speech.fact(name, value.strip(), at))
        facts += _facts_of(charge, CODED, (), "")
        names = {fact.name for fact in facts}
        facts += [fact for fact in common.facts if fact.name not in names]
        _emit(charge, common, CODED, f"|coded|{position + 1}" if position else "|coded", facts)


_MONEY: Final = (
    ("ndc", (Location("FT1", 29, 1),)),
    ("revenue", (Location("FT1", 41, 1),)),
    ("authorization", (Location("FT1", 39, 1), Location("IN3", 2, 1))),
    ("department", (Location("FT1", 13, 1),)),
)
