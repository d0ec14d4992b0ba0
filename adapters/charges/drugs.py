"""Drugs of a visit: billing units from the dose, what was discarded, and which vials it came from.

Units round up (2.2 W1); discarded units are those of the opened vials less the rounded-up ones (W4); one line bears one
NDC (2.3). What is recorded of a dose must agree: given and discarded are what the single-dose vials held. Sections are
of medical-oncology-and-revenue-cycle.md; modifiers and billing units stand in mappings/charges/drug-*.toml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from adapters.charges.administered import UNMATCHED, parts_of
from adapters.charges.administration_lines import derives, each_once, key_of, table_of
from adapters.charges.doses import Amount, Vial, amount, as_billed, down, ndc_of, up, vial
from adapters.charges.lines import Bench, Billable
from adapters.model.charge import Finding
from adapters.model.episode import Occurrence
from adapters.model.event import Event
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.rules import Decision, Nothing

FAMILY: Final = "drug"
GIVEN: Final = ("infusion", "push", "injection", "hydration", "pump-start")
_UNIT: Final = re.compile(r"([A-Z][0-9]{4}):([0-9.]+)(.+)")
_FACTS: Final = frozenset({"code", "dose", "dose.unit", "vial", "waste", "waste.unit", "acquired"})
_IN_WORDS: Final = _FACTS | {"drug.name", "route", "ndc"}
"""What a drug without a code of its own is told by."""
_WITHOUT_CODE: Final = frozenset({"J3490", "J3590", "J9999", "C9399"})
"""Codes of drugs that have none of their own: the claim must name the drug in words (2.1)."""
_THOUSANDTH: Final = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Share:
    """Units of a drug from vials of one NDC."""

    units: int
    discarded: bool
    ndc: str = ""
    quantity: Decimal | None = None
    """How much of the vials the units are, in the unit in which the payer wants the NDC told; None: not known."""


@dataclass(frozen=True, slots=True)
class _Drug:
    """One administration's drug line, before lines of one code and day are put together."""

    occurrence: Occurrence
    share: Share
    modifiers: tuple[str, ...]
    facts: tuple[Fact, ...]
    ref: RuleRef
    overdue: bool
    narrative: str = ""
    """What was given in words, of a drug whose code does not say it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the drug of an administration cannot be billed yet."""

    hold: str
    detail: str


def drugs(bench: Bench) -> None:
    """A line for each drug, modifiers and NDC of a day, or what keeps it back."""
    found: list[_Drug] = []
    for one in bench.episode.of(*GIVEN):
        if not one.value("code") or not derives(bench, one, FAMILY):
            continue
        made = _drug(bench, one)
        if isinstance(made, Refused):
            ref = bench.ref("drug-units", one.day)
            why = Why(ref, _told(one))
            bench.hold(made.hold, FAMILY, key_of(one), why, about=one.primary.id, detail=made.detail)
        else:
            found.extend(made)
    _over_limits(bench, found)
    _bill(bench, found)


def _over_limits(bench: Bench, found: Sequence[_Drug]) -> None:
    """Remark a dose that is by itself more than a date may have of its code: most likely it is wrong (2.6)."""
    given: dict[int, int] = {}
    for one in found:
        if not one.share.discarded:
            given[id(one.occurrence)] = given.get(id(one.occurrence), 0) + one.share.units
    for one in {id(one.occurrence): one for one in found}.values():
        dose, units = one.occurrence, given.get(id(one.occurrence), 0)
        code, entity = dose.value("code"), bench.place(dose).entities[0].id
        limit = bench.rules.limit(code, dose.day, table_of(bench, entity))
        if limit is not None and units > limit.units:
            most = Fact("unit limit of the date", str(limit.units), Source("rules", limit.ref.file))
            words = f"{code}: {units} units, the limit is {limit.units}"
            why = Why(limit.ref, (*one.facts, most))
            bench.findings.append(Finding("dose-over-limit", dose.primary.id, why, words))


def _told(one: Occurrence) -> tuple[Fact, ...]:
    """What the drug line rests on: the reports, and all that their parts say of the dose."""
    names = _IN_WORDS if one.value("code") in _WITHOUT_CODE else _FACTS
    return (*one.told, *[fact for part in parts_of(one) for fact in part.facts if fact.name in names])


def _drug(bench: Bench, one: Occurrence) -> list[_Drug] | Refused:
    context, code, parts = bench.context(one), one.value("code"), parts_of(one)
    if any(bench.said(part).get("times") == "unmatched" for part in parts):
        return Refused("review-needed", UNMATCHED)
    if code in _WITHOUT_CODE:
        return _in_words(bench, one)
    unit = billing_unit(bench, one)
    if isinstance(unit, Refused):
        return unit
    size, ref, overdue = unit
    wastage = bench.decide("drug-modifiers", context, {"about": "wastage"})
    if isinstance(wastage, Nothing):
        return Refused("option-missing", "drugs.wastage")
    vials = _vials(parts)
    shares = _shares([bench.said(part) for part in parts], vials, size, wastage, _ndc_unit(bench, one))
    if isinstance(shares, Refused):
        return shares
    plus = _acquired(bench, one)
    if isinstance(plus, Refused):
        return plus
    none_discarded = not any(share.discarded for share in shares)
    jz = ("JZ",) if none_discarded and _single_dose(vials) and wastage.values["jz"] == "yes" else ()
    told = _told(one)
    return [
        _Drug(one, share, (*(("JW",) if share.discarded else jz), *plus), told, ref, overdue)
        for share in shares
        if not share.discarded or wastage.values["jw"] == "yes"
    ]


def _acquired(bench: Bench, one: Occurrence) -> tuple[str, ...] | Refused:
    """The modifier of how the drug was acquired (2.4)."""
    words = {"about": "acquired", "acquired": one.value("acquired")}
    decision = bench.decide("drug-modifiers", bench.context(one), words)
    if isinstance(decision, Nothing):
        return Refused("option-missing", decision.detail)
    return () if decision.values["modifier"] == "none" else (decision.values["modifier"],)


def _in_words(bench: Bench, one: Occurrence) -> list[_Drug] | Refused:
    """A drug without a code of its own: one unit, and in words what was given, as the site or payer wants it (2.1)."""
    context = bench.context(one)
    if context.words.get("option.drugs.unclassified") != "one-unit":
        detail = "a drug without a code of its own: name, dose and route go on the claim in words"
        return Refused("review-needed", f"{detail}: option drugs.unclassified")
    parts, name = parts_of(one), one.value("drug.name") or one.value("drug")
    units = {part.value("dose.unit") for part in parts}
    said = [part.value("dose") for part in parts]
    if not name or not one.value("route") or len(units) != 1 or "" in units or not all(said):
        return Refused("documentation-missing", "name, dose and route of a drug without a code of its own")
    dose = sum(map(Decimal, said), Decimal(0))
    if dose <= 0:
        return Refused("documentation-missing", "the dose of a drug without a code of its own")
    vials = _vials(parts)
    if None in vials:
        return Refused("review-needed", "a vial whose strength or NDC cannot be read")
    ndcs = dict.fromkeys(ndc for v in vials if v is not None and (ndc := v.ndc))
    if len(ndcs) > 1:
        return Refused("review-needed", "a drug without a code of its own from vials of several NDCs")
    ndc = next(iter(ndcs), "") or ndc_of(one.value("ndc"))
    wastage = bench.decide("drug-modifiers", context, {"about": "wastage"})
    if isinstance(wastage, Nothing):
        return Refused("option-missing", "drugs.wastage")
    plus = _acquired(bench, one)
    if isinstance(plus, Refused):
        return plus
    # One unit is all that was opened, so nothing of it is discarded by the unit (2.2 W5).
    jz = ("JZ",) if _single_dose(vials) and wastage.values["jz"] == "yes" else ()
    narrative = " ".join(filter(None, (name, f"{dose.normalize():f}", units.pop(), one.value("route"), ndc)))
    return [_Drug(one, Share(1, False, ndc), (*jz, *plus), _told(one), wastage.ref, False, narrative)]


def billing_unit(bench: Bench, one: Occurrence) -> tuple[Amount, RuleRef, bool] | Refused:
    """What one unit of the code is: as the site says, else as its descriptor was read."""
    context, code = bench.context(one), one.value("code")
    ref = bench.ref("drug-units", one.day)
    for said in context.words.get("option.drugs.units", "").split():
        if (parts := _UNIT.fullmatch(said)) and parts[1] == code and (size := amount(parts[2], parts[3])):
            return size, ref, False
    decision = bench.decide("drug-units", context, {"code": code})
    if isinstance(decision, Nothing):
        return Refused("review-needed", f"what one billing unit of {code} is, is not known: option drugs.units")
    known = amount(decision.values["amount"], decision.values["unit"])
    if known is None:
        return Refused("review-needed", f"a billing unit of {code} in a unit that nothing here knows")
    return known, decision.ref, decision.overdue


# ---------------------------------------------------------------- what was given and what was discarded, section 2.2


def _vials(parts: Sequence[Event]) -> list[Vial | None]:
    return [vial(fact.value) for part in parts for fact in part.facts if fact.name == "vial"]


def _single_dose(vials: Sequence[Vial | None]) -> bool:
    """Whether the wastage rules speak of the drug: no vial is known to be multi-dose (W6)."""
    return all(one is not None and one.single_dose for one in vials)


def _shares(
    parts: Sequence[Mapping[str, str]], opened: Sequence[Vial | None], size: Amount, wastage: Decision, ndc_unit: str
) -> list[Share] | Refused:
    """The billed and the discarded units, vial by vial, of what the parts say; or what does not agree."""
    vials = [one for one in opened if one is not None]
    if len(vials) != len(opened):
        return Refused("review-needed", "a vial whose strength or NDC cannot be read")
    doses = [_in(part.get("dose", ""), part.get("dose.unit", ""), size, vials) for part in parts]
    given = [dose for dose in doses if dose is not None]
    if len(given) != len(doses) or sum(given) <= 0:
        return Refused("documentation-missing", "the dose given, in a unit that the drug's code can be reckoned from")
    dose = sum(given, Decimal(0))
    wasted = [_in(p["waste"], p.get("waste.unit", ""), size, vials) for p in parts if p.get("waste")]
    discarded = [one for one in wasted if one is not None]
    if len(discarded) != len(wasted):
        return Refused("documentation-missing", "the discarded amount, in a unit that can be reckoned from")
    units = up(dose / size.value)
    if not vials:
        return _without_vials(dose, discarded, units, size, wastage)
    kinds = {one.single_dose for one in vials}
    if kinds == {True, False}:
        return Refused("review-needed", "single-dose and multi-dose vials for one dose")
    held = [_in(str(one.held), one.each.unit, size, vials) for one in vials]
    contents = [one for one in held if one is not None]
    if len(contents) != len(held):
        return Refused("review-needed", "vials in another unit than the drug's code")
    if False in kinds:
        return _by_vial(vials, contents, units, units, size, ndc_unit)
    total = sum(contents, Decimal(0))
    if dose > total or (discarded and dose + sum(discarded) != total):
        return Refused("documentation-missing", "given and discarded are not what the opened vials held")
    if not discarded and dose < total and "yes" in (wastage.values["jw"], wastage.values["jz"]):
        return Refused("documentation-missing", "the discarded amount of the opened vials")
    return _by_vial(vials, contents, units, max(units, down(total / size.value)), size, ndc_unit)


def _without_vials(
    dose: Decimal, discarded: Sequence[Decimal], units: int, size: Amount, wastage: Decision
) -> list[Share] | Refused:
    """The units where no vial is named: the discarded amount must be said where a payer asks (W11)."""
    if not discarded and "yes" in (wastage.values["jw"], wastage.values["jz"]):
        return Refused("documentation-missing", "the discarded amount, or that nothing was")
    opened = down((dose + sum(discarded, Decimal(0))) / size.value)
    more = max(0, opened - units)
    return [Share(units, False), *([Share(more, True)] if more else [])]


def _in(value: str, unit: str, size: Amount, vials: Sequence[Vial]) -> Decimal | None:
    """A quantity in the base unit of the billing unit."""
    quantity = amount(value, unit)
    return None if quantity is None else as_billed(quantity, size.unit, vials)


def _by_vial(
    vials: Sequence[Vial], contents: Sequence[Decimal], units: int, opened: int, size: Amount, ndc_unit: str
) -> list[Share]:
    """The units by NDC, the fullest vials first: first what was given, then what is left of the opened ones.

    `opened` are the units of all vials together; the fraction that no vial fills falls to the last one that was needed.
    """
    order = sorted(range(len(vials)), key=lambda i: (-vials[i].each.value, vials[i].ndc, i))
    room: dict[str, int] = {}
    measure: dict[str, Decimal | None] = {}
    filled, before = Decimal(0), 0
    for i in order:
        ndc = vials[i].ndc
        filled += contents[i]
        upto = min(max(opened, units), down(filled / size.value))
        room[ndc] = room.get(ndc, 0) + upto - before
        before = upto
        one = _measured(vials[i], ndc_unit)
        known = measure.get(ndc, Decimal(0))
        measure[ndc] = None if one is None or known is None else known + one
    last = vials[order[-1]].ndc
    room[last] += max(opened, units) - before
    shares: list[Share] = []
    left = units
    for ndc, most in room.items():
        used = min(left, most)
        left -= used
        for count, discarded in ((used, False), (most - used, True)):
            if count and not (discarded and opened <= units):
                whole = measure[ndc]
                part = (
                    None if whole is None or not most else (whole * count / most).quantize(_THOUSANDTH, ROUND_HALF_UP)
                )
                shares.append(Share(count, discarded, ndc, part))
    return shares


def _measured(one: Vial, ndc_unit: str) -> Decimal | None:
    """What the vials are in a unit of the NDC quantity: F2, GR, ME, ML, UN (2.3); None where they do not say it."""
    if ndc_unit == "ML":
        return None if one.volume is None else one.volume * one.count
    if ndc_unit == "UN":
        return Decimal(one.count)
    if ndc_unit == "F2":
        return one.held if one.each.unit == "units" else None
    if ndc_unit in ("ME", "GR") and one.each.unit == "mg":
        return one.held / (1000 if ndc_unit == "GR" else 1)
    return None


def _ndc_unit(bench: Bench, one: Occurrence) -> str:
    """The unit in which the payer wants the quantity of the drug's NDC told; empty where nobody has said it."""
    told = dict(pair.split(":") for pair in bench.context(one).words.get("option.drugs.ndc_units", "").split())
    return told.get(one.value("code"), "")


# ---------------------------------------------------------------- lines


def _bill(bench: Bench, found: Sequence[_Drug]) -> None:
    """One line for each code, modifiers, NDC and day; doses of one drug on a day add up."""
    groups: dict[tuple[str, tuple[str, ...], str, date, str, str], list[_Drug]] = {}
    for one in found:
        at = one.occurrence
        key = (at.value("code"), one.modifiers, one.share.ndc, parts_of(at)[0].day, bench.place(at).id, one.narrative)
        groups.setdefault(key, []).append(one)
    for (code, modifiers, ndc, day, _, narrative), members in groups.items():
        first = members[0].occurrence
        quantity = _sum([one.share.quantity for one in members]) if ndc else None
        service = Billable(
            service=FAMILY,
            key="/".join((day.isoformat(), code, *modifiers, *filter(None, (ndc, narrative)))),
            code=code,
            units=sum(one.share.units for one in members),
            start=day,
            end=day,
            facts=each_once([one.facts for one in members]),
            ref=members[0].ref,
            about=first.primary,
            place=bench.place(first),
            diagnoses=bench.diagnoses(first),
            rendering=first.value("by"),
            modifiers=modifiers,
            overdue=members[0].overdue,
            ndc=ndc,
            ndc_quantity=quantity,
            ndc_unit="" if quantity is None else _ndc_unit(bench, first),
        )
        before = len(bench.holds)
        lines = bench.lines(service)
        if not lines and len(bench.holds) == before:
            for one in members:
                bench.idle.setdefault(one.occurrence.primary.id, "billed-elsewhere")
        if narrative:
            lines = [replace(line, narrative=narrative) for line in lines]
        bench.bill(lines, first.primary.id)


def _sum(quantities: Sequence[Decimal | None]) -> Decimal | None:
    known = [quantity for quantity in quantities if quantity is not None]
    return None if len(known) != len(quantities) else Decimal(f"{sum(known, Decimal(0)).normalize():f}")
