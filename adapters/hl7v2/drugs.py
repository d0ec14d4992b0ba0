"""RAS and RDS: doses of drugs given, refused and dispensed (v2.5.1 chapter 4, RXA 4.14.7, RXD 4.14.5, RXR 4.14.2).

A dose is known by its order, counters, start and drug (`Dialect.administration`), so that a later report with RXA-21
U or D restates it. What it was (infusion, push, injection) is told when all reports of it are together
(`charges.doses_told`); waste, vials and pumps stand where the dialect says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hl7v2.block import Block, blocks, facts_of
from adapters.hl7v2.elements import Gathered, diagnoses, npi, number, place, span
from adapters.hl7v2.segment import Segment
from adapters.model.codes import is_procedure_code
from adapters.model.event import DOSE, Status
from adapters.model.why import Fact
from adapters.rules.location import Location


@dataclass(frozen=True, slots=True)
class DrugFields:
    """Where a segment says drug, amount and the like; 0 where it does not."""

    code: int
    dose: int
    dose_unit: int
    per: int = 0
    rate: int = 0
    rate_unit: int = 0
    strength: int = 0
    strength_unit: int = 0
    lot: int = 0
    expires: int = 0
    volume: int = 0
    volume_unit: int = 0


DRUG_FIELDS: Final[Mapping[str, DrugFields]] = {
    "RXA": DrugFields(5, 6, 7, 12, 0, 0, 13, 14, 15, 16, 23, 24),
    "RXD": DrugFields(2, 4, 5, strength=16, strength_unit=17, lot=18, expires=19),
    "RXE": DrugFields(2, 3, 5, 22, 23, 24, 25, 26, 31, 32),
    "RXG": DrugFields(4, 5, 7, 14, 15, 16, 17, 18, 19, 20),
    "RXO": DrugFields(1, 2, 4, 17, 21, 22, 18, 19),
}
"""By the tables of v2.5.1; RXA-23 and 24 from v2.6."""

_COMPLETION: Final = {"CP": "complete", "PA": "partial", "RE": "refused", "NA": "not-given"}
"""RXA-20, table 0322."""
_ACTIONS: Final = {"A": "add", "U": "update", "D": "delete"}
"""RXA-21, table 0323."""
_UNKNOWN_DOSE: Final = "999"
"""RXA-6 by v2.5.1 section 4.14.7.6 where the amount is not recorded."""


def drug_facts(block: Block, segment: Segment) -> list[Fact]:
    """Drug, dose, rate, strength, lot and expiry as the segment says them; what is no number or date is told."""
    gathered, at = block.gathered, DRUG_FIELDS[segment.name]
    speech = gathered.speech
    gathered.used.add(place(segment))
    facts = []
    for name, n, c in (("drug", at.code, 1), ("drug.name", at.code, 2), ("drug.system", at.code, 3)):
        text = segment.text(n, c).strip()
        if text:
            facts.append(speech.fact(name, text, segment.path(n, 1, c)))
    for c in (1, 4):  # the code and its alternate, each with its own system
        code, system = segment.text(at.code, c).strip(), segment.text(at.code, c + 2).strip().upper()
        if system == "NDC" and code:
            facts.append(speech.fact("ndc", code, segment.path(at.code, 1, c)))
        elif is_procedure_code(code.upper()) and (c == 4 or system in ("HCPCS", "C4", "CPT", "HCPT")):
            facts.append(speech.fact("code", code.upper(), segment.path(at.code, 1, c)))
    amounts = (("dose", at.dose), ("rate", at.rate), ("strength", at.strength), ("volume", at.volume))
    for name, n in amounts:
        text = segment.text(n).strip() if n else ""
        if not text or (name == "dose" and segment.name == "RXA" and text == _UNKNOWN_DOSE):
            continue
        value = number(speech.figure(text))
        if value is None:
            gathered.omit("ill-formed", segment.path(n), name)
        else:
            facts.append(speech.fact(name, value, segment.path(n)))
    units = (
        ("dose.unit", at.dose_unit),
        ("rate.unit", at.rate_unit),
        ("rate.per", at.per),
        ("strength.unit", at.strength_unit),
        ("volume.unit", at.volume_unit),
    )
    for name, n in units:
        text = segment.text(n).strip() if n else ""
        if text:
            facts.append(speech.fact(name, text, segment.path(n)))
    if at.lot:
        lots = enumerate(segment.texts(at.lot), 1)
        facts += [speech.fact("lot", lot.strip(), segment.path(at.lot, r)) for r, lot in lots if lot.strip()]
    expires = speech.stamp(segment.text(at.expires)) if at.expires else None
    if expires is not None and expires.day is not None:
        facts.append(speech.fact("expires", expires.day.isoformat(), segment.path(at.expires)))
    return facts


def route_facts(block: Block) -> list[Fact]:
    """Route, site and method of the block's RXR."""
    rxr = block.first("RXR")
    if rxr is None:
        return []
    said = (
        (name, rxr.text(n).strip() or rxr.text(n, 2).strip(), rxr.path(n))
        for name, n in (("route", 1), ("site", 2), ("method", 4))
    )
    return [block.gathered.speech.fact(name, text, at) for name, text, at in said if text]


ORDER_NUMBERS: Final = (("placer", (Location("ORC", 2, 1),)), ("filler_order", (Location("ORC", 3, 1),)))
PLACES: Final = (("facility", (Location("PV1", 3, 4),)), ("visit", (Location("PV1", 19, 1),)))


_RECURRING: Final = "R"
"""PV1-2, table 0004: one account number for a series of visits, which therefore names none of them."""


def _visit(block: Block) -> tuple[tuple[str, tuple[Location, ...]], ...]:
    """Where the place and the visit stand; a recurring account is no visit, and its doses are those of their days."""
    pv1 = block.first("PV1")
    recurring = pv1 is not None and pv1.text(2).strip().upper() == _RECURRING
    return PLACES[:1] if recurring else PLACES


def read_facts(block: Block, wanted: Sequence[tuple[str, tuple[Location, ...]]]) -> list[Fact]:
    """The first value of each fact's places, where there is one."""
    found = ((name, block.read(places)) for name, places in wanted)
    return [block.gathered.speech.fact(name, text.strip(), at) for name, (text, at) in found if text.strip()]


def order_keys(facts: Sequence[Fact]) -> tuple[str, ...]:
    """The order's numbers as identities of what was done by it."""
    schemes = {"placer": "placer", "filler_order": "order"}
    return tuple(f"{schemes[fact.name]}:{fact.value}" for fact in facts if fact.name in schemes)


def read_administrations(gathered: Gathered, segments: Sequence[Segment]) -> None:
    """Each RXA of a RAS."""
    for block in blocks(gathered, segments, "RXA", frozenset({"ORC"})):
        _administration(block)
    gathered.about = ""


def _part(block: Block, at: Location) -> str:
    """One part of a dose's identity; a time as its instant, since a correction may write the offset and the first not."""
    text = block.read((at,))[0].strip()
    stamp = block.gathered.speech.stamp(text) if (at.segment, at.field) in (("RXA", 3), ("RXA", 4)) else None
    return text if stamp is None else block.gathered.speech.instant(stamp).isoformat()


def _administration(block: Block) -> None:
    gathered, rxa = block.gathered, block.anchor
    speech = gathered.speech
    parts = [_part(block, at) for at in speech.dialect.administration]
    line = f"{speech.feed.name}|administration|{'|'.join(parts)}" if any(parts) else speech.here(place(rxa))
    gathered.about = line
    start, end, unusable = span(speech.written(rxa.text(3)), speech.written(rxa.text(4)))
    if unusable:
        gathered.omit("ill-formed-date", rxa.path(4))
    if end is not None and not end.has_time:
        end = None  # a day is no stop time
    if start is None or start.day is None:
        gathered.omit("ill-formed-date" if rxa.text(3) else "no-date", rxa.path(3))
        return
    if not rxa.text(5).strip() and not rxa.text(5, 4).strip():
        gathered.omit("no-code", rxa.path(5))
        return
    completion = _COMPLETION.get(rxa.text(20).strip().upper(), "")
    action = _ACTIONS.get(rxa.text(21).strip().upper(), "")
    for n, known in ((20, completion), (21, action)):
        if rxa.text(n) and not known:
            gathered.omit("unknown-value", rxa.path(n))
    refused = completion in ("refused", "not-given") or (not completion and bool(rxa.text(18)))
    own = facts_of(block, "administration")
    facts = [*own, *drug_facts(block, rxa), *route_facts(block), *read_facts(block, (*ORDER_NUMBERS, *_visit(block)))]
    times = "unusable" if unusable else "" if start.has_time else "date-only"
    said = (
        ("completion", completion, 20),
        ("action", action, 21),
        ("reason", rxa.text(18).strip(), 18),
        ("times", times, 4 if unusable else 3),
    )
    facts += [speech.fact(name, value, rxa.path(n)) for name, value, n in said if value]
    counter = number(rxa.text(2))
    if counter is not None and counter.isdigit():
        facts.append(speech.fact("counter", counter, rxa.path(2)))
    people = (("by", rxa, 10), ("ordered_by", block.first("ORC"), 12))  # nurses have no NPI: not told as missing
    for name, segment, n in people:
        provider = npi(segment, n) if segment is not None else None
        if provider is not None:
            facts.append(speech.fact(name, *provider))
    facts += diagnoses(gathered, rxa, 19)
    told = {fact.name for fact in own}
    gathered.emit(
        "administration",
        place(rxa),
        line=line,
        start=speech.instant(start),
        end=None if end is None else speech.instant(end),
        day=start.day,
        status=Status.WITHDRAWN if action == "delete" else Status.NOT_DONE if refused else Status.DONE,
        keys=(*order_keys(facts), *_own_keys(block)),
        facts=(*own, *(fact for fact in facts[len(own) :] if fact.name not in told)),
    )


def _own_keys(block: Block) -> tuple[str, ...]:
    """The identities that the dialect reads of a dose, such as `part` of one that was interrupted."""
    rules = (rule for rule in block.gathered.speech.dialect.keys if rule.kinds and rule.concerns(DOSE))
    said = ((rule.name, block.read(rule.sources)[0].strip()) for rule in rules)
    return tuple(f"{name}:{value}" for name, value in said if value)


def read_dispenses(gathered: Gathered, segments: Sequence[Segment]) -> None:
    """Each RXD of a RDS, beside the orders that it fills."""
    for block in blocks(gathered, segments, "RXD", frozenset({"ORC"})):
        rxd = block.anchor
        speech = gathered.speech
        facts = [*facts_of(block, "drug-dispense"), *drug_facts(block, rxd), *route_facts(block)]
        facts += read_facts(block, (*ORDER_NUMBERS, *PLACES, ("prescription", (Location("RXD", 7),))))
        named = "|".join((block.read((Location("ORC", 3, 1), Location("ORC", 2, 1)))[0], rxd.text(7), rxd.text(1)))
        known = named.strip("|")
        line = f"{speech.feed.name}|dispense|{named}" if known else speech.here(place(rxd))
        gathered.about = line
        start = speech.stamp(rxd.text(3))
        if start is None or start.day is None:
            gathered.omit("ill-formed-date" if rxd.text(3) else "no-date", rxd.path(3))
            continue
        gathered.emit(
            "drug-dispense",
            place(rxd),
            line=line,
            start=speech.instant(start),
            day=start.day,
            keys=order_keys(facts),
            facts=facts,
        )
    gathered.about = ""
