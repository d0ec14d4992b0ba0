"""Drugs of a visit: billing units from the dose, what was discarded, and which vials it came from.

Units round up (2.2 W1); discarded units are those of the opened vials less the rounded-up ones (W4); one line bears one
NDC (2.3). What is recorded of a dose must agree: given and discarded are what the single-dose vials held. Sections are
of medical-oncology-and-revenue-cycle.md; modifiers and billing units stand in mappings/charges/drug-*.toml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NamedTuple

from adapters.charges.administered import UNMATCHED, parts_of
from adapters.charges.administration_lines import derives, each_once, key_of, table_of
from adapters.charges.doses import Amount, Vial, amount, as_billed, down, ndc_of, up, vial
from adapters.charges.lines import Bench, Billable
from adapters.model.charge import Finding
from adapters.model.context import Context
from adapters.model.episode import Occurrence
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
_NONE: Final = Decimal(0)


class Share(NamedTuple):
    """Units of a drug from vials of one NDC."""

    units: int
    discarded: bool
    ndc: str = ""
    quantity: Decimal | None = None
    """How much of the vials the units are, in the unit in which the payer wants the NDC told; None: not known."""


class _Drug(NamedTuple):
    """One administration's drug line, before lines of one code and day are put together."""

    occurrence: Occurrence
    share: Share
    modifiers: tuple[str, ...]
    facts: tuple[Fact, ...]
    ref: RuleRef
    overdue: bool
    narrative: str = ""
    """What was given in words, of a drug whose code does not say it."""


class Refused(NamedTuple):
    """Why the drug of an administration cannot be billed yet."""

    hold: str
    detail: str


class _Terms(NamedTuple):
    """What is wanted on a day at a place of drugs that were acquired in one way: the doses of a visit share it."""

    wastage: Decision | Nothing
    acquired: tuple[str, ...] | Refused
    """The modifier of how they were acquired (2.4)."""
    ndc_units: Mapping[str, str]
    """By code, the unit in which the payer wants the quantity of the drug's NDC told."""


def drugs(bench: Bench) -> None:
    """A line for each drug, modifiers and NDC of a day, or what keeps it back."""
    found: list[_Drug] = []
    known: dict[tuple[int, str], _Terms] = {}
    for one in bench.episode.of(*GIVEN):
        if not one.value("code") or not derives(bench, one, FAMILY):
            continue
        context, acquired = bench.context(one), one.value("acquired")
        terms = known.get((id(context), acquired))
        if terms is None:
            terms = known[id(context), acquired] = _terms(bench, context, acquired)
        made = _drug(bench, one, terms)
        if isinstance(made, Refused):
            ref = bench.ref("drug-units", one.day)
            why = Why(ref, _told(one))
            bench.hold(made.hold, FAMILY, key_of(one), why, about=one.primary.id, detail=made.detail)
        else:
            found.extend(made)
    _over_limits(bench, found)
    _bill(bench, found)


def _terms(bench: Bench, context: Context, acquired: str) -> _Terms:
    wastage = bench.decide("drug-modifiers", context, {"about": "wastage"})
    decision = bench.decide("drug-modifiers", context, {"about": "acquired", "acquired": acquired})
    modifier: tuple[str, ...] | Refused
    if isinstance(decision, Nothing):
        modifier = Refused("option-missing", decision.detail)
    else:
        modifier = () if decision.values["modifier"] == "none" else (decision.values["modifier"],)
    return _Terms(wastage, modifier, _ndc_units(context))


def _over_limits(bench: Bench, found: Sequence[_Drug]) -> None:
    """Remark a dose that is by itself more than a date may have of its code: most likely it is wrong (2.6)."""
    given: dict[int, int] = {}
    for one in found:
        if not one.share.discarded:
            given[id(one.occurrence)] = given.get(id(one.occurrence), 0) + one.share.units
    tables: dict[str, str] = {}
    for one in {id(one.occurrence): one for one in found}.values():
        dose, units = one.occurrence, given.get(id(one.occurrence), 0)
        code, entity = dose.value("code"), bench.place(dose).entities[0].id
        if entity not in tables:
            tables[entity] = table_of(bench, entity)
        limit = bench.rules.limit(code, dose.day, tables[entity])
        if limit is not None and units > limit.units:
            most = Fact("unit limit of the date", str(limit.units), Source("rules", limit.ref.file))
            words = f"{code}: {units} units, the limit is {limit.units}"
            why = Why(limit.ref, (*one.facts, most))
            bench.findings.append(Finding("dose-over-limit", dose.primary.id, why, words))


def _told(one: Occurrence) -> tuple[Fact, ...]:
    """What the drug line rests on: the reports, and all that their parts say of the dose."""
    names = _IN_WORDS if one.value("code") in _WITHOUT_CODE else _FACTS
    return (*one.told, *[fact for part in parts_of(one) for fact in part.facts if fact.name in names])


def _drug(bench: Bench, one: Occurrence, terms: _Terms) -> list[_Drug] | Refused:
    code = one.value("code")
    parts = [bench.said(part) for part in parts_of(one)]
    if "unmatched" in [part.get("times") for part in parts]:
        return Refused("review-needed", UNMATCHED)
    if code in _WITHOUT_CODE:
        return _in_words(bench, one, terms)
    unit = billing_unit(bench, one)
    if isinstance(unit, Refused):
        return unit
    size, ref, overdue = unit
    wastage, plus = terms.wastage, terms.acquired
    if isinstance(wastage, Nothing):
        return Refused("option-missing", "drugs.wastage")
    told = _told(one)
    vials = _vials(told)
    shares = _shares(parts, vials, size, wastage, terms.ndc_units.get(code, ""))
    if isinstance(shares, Refused):
        return shares
    if isinstance(plus, Refused):
        return plus
    discarded = any(share.discarded for share in shares)
    jz = ("JZ",) if not discarded and _single_dose(vials) and wastage.values["jz"] == "yes" else ()
    return [
        _Drug(one, share, (*(("JW",) if share.discarded else jz), *plus), told, ref, overdue)
        for share in shares
        if not share.discarded or wastage.values["jw"] == "yes"
    ]


def _in_words(bench: Bench, one: Occurrence, terms: _Terms) -> list[_Drug] | Refused:
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
    told = _told(one)
    vials = _vials(told)
    if None in vials:
        return Refused("review-needed", "a vial whose strength or NDC cannot be read")
    ndcs = dict.fromkeys(ndc for v in vials if v is not None and (ndc := v.ndc))
    if len(ndcs) > 1:
        return Refused("review-needed", "a drug without a code of its own from vials of several NDCs")
    ndc = next(iter(ndcs), "") or ndc_of(one.value("ndc"))
    wastage, plus = terms.wastage, terms.acquired
    if isinstance(wastage, Nothing):
        return Refused("option-missing", "drugs.wastage")
    if isinstance(plus, Refused):
        return plus
    # One unit is all that was opened, so nothing of it is discarded by the unit (2.2 W5).
    jz = ("JZ",) if _single_dose(vials) and wastage.values["jz"] == "yes" else ()
    narrative = " ".join(filter(None, (name, f"{dose.normalize():f}", units.pop(), one.value("route"), ndc)))
    return [_Drug(one, Share(1, False, ndc), (*jz, *plus), told, wastage.ref, False, narrative)]


def billing_unit(bench: Bench, one: Occurrence) -> tuple[Amount, RuleRef, bool] | Refused:
    """What one unit of the code is: as the site says, else as its descriptor was read."""
    context, code = bench.context(one), one.value("code")
    for said in context.words.get("option.drugs.units", "").split():
        if (parts := _UNIT.fullmatch(said)) and parts[1] == code and (size := amount(parts[2], parts[3])):
            return size, bench.ref("drug-units", one.day), False
    decision = bench.decide("drug-units", context, {"code": code})
    if isinstance(decision, Nothing):
        return Refused("review-needed", f"what one billing unit of {code} is, is not known: option drugs.units")
    known = amount(decision.values["amount"], decision.values["unit"])
    if known is None:
        return Refused("review-needed", f"a billing unit of {code} in a unit that nothing here knows")
    return known, decision.ref, decision.overdue


# ---------------------------------------------------------------- what was given and what was discarded, section 2.2


def _vials(told: Sequence[Fact]) -> list[Vial | None]:
    return [vial(fact.value) for fact in told if fact.name == "vial"]


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
    dose = _summed([amount(part.get("dose", ""), part.get("dose.unit", "")) for part in parts], size, vials)
    if dose is None or dose <= 0:
        return Refused("documentation-missing", "the dose given, in a unit that the drug's code can be reckoned from")
    wasted = [amount(part["waste"], part.get("waste.unit", "")) for part in parts if part.get("waste")]
    discarded = _summed(wasted, size, vials)
    if discarded is None:
        return Refused("documentation-missing", "the discarded amount, in a unit that can be reckoned from")
    units = up(dose / size.value)
    if not vials:
        if not wasted and _asked(wastage):
            return Refused("documentation-missing", "the discarded amount, or that nothing was")
        more = down((dose + discarded) / size.value) - units
        return [Share(units, False), *([Share(more, True)] if more > 0 else [])]
    kinds = {one.single_dose for one in vials}
    if len(kinds) > 1:
        return Refused("review-needed", "single-dose and multi-dose vials for one dose")
    contents = [content for one in vials if (content := as_billed(one.held, size.unit, vials)) is not None]
    if len(contents) != len(vials):
        return Refused("review-needed", "vials in another unit than the drug's code")
    if False in kinds:
        return _by_vial(vials, contents, units, units, size, ndc_unit)
    total = sum(contents, _NONE)
    if dose > total or (wasted and dose + discarded != total):
        return Refused("documentation-missing", "given and discarded are not what the opened vials held")
    if not wasted and dose < total and _asked(wastage):
        return Refused("documentation-missing", "the discarded amount of the opened vials")
    return _by_vial(vials, contents, units, max(units, down(total / size.value)), size, ndc_unit)


def _asked(wastage: Decision) -> bool:
    """Whether the payer wants it said what was discarded, or that nothing was (W11)."""
    return "yes" in (wastage.values["jw"], wastage.values["jz"])


def _summed(quantities: Sequence[Amount | None], size: Amount, vials: Sequence[Vial]) -> Decimal | None:
    """All of them in the base unit of the billing unit; None where one of them cannot be told in it."""
    total = _NONE
    for one in quantities:
        value = None if one is None else as_billed(one, size.unit, vials)
        if value is None:
            return None
        total += value
    return total


def _by_vial(
    vials: Sequence[Vial], contents: Sequence[Decimal], units: int, opened: int, size: Amount, ndc_unit: str
) -> list[Share]:
    """The units by NDC, the fullest vials first: first what was given, then what is left of the opened ones.

    `opened` are the units of all vials together, `units` at least.
    """
    if len(vials) == 1:
        room, measure = {vials[0].ndc: opened}, {vials[0].ndc: _measured(vials[0], ndc_unit)}
    else:
        room, measure = _rooms(vials, contents, opened, size, ndc_unit)
    shares: list[Share] = []
    left = units
    for ndc, most in room.items():
        used = min(left, most)
        left -= used
        for count, discarded in ((used, False), (most - used, True)):
            if count and not (discarded and opened <= units):
                whole = measure[ndc]
                part = None if whole is None else (whole * count / most).quantize(_THOUSANDTH, ROUND_HALF_UP)
                shares.append(Share(count, discarded, ndc, part))
    return shares


def _rooms(
    vials: Sequence[Vial], contents: Sequence[Decimal], opened: int, size: Amount, ndc_unit: str
) -> tuple[dict[str, int], dict[str, Decimal | None]]:
    """By NDC, the fullest vials first: how many of the opened units its vials are, and what they measure.

    The fraction that no vial fills falls to the last one that was needed.
    """
    order = sorted(range(len(vials)), key=lambda i: (-vials[i].each.value, vials[i].ndc, i))
    room: dict[str, int] = {}
    measure: dict[str, Decimal | None] = {}
    filled, before = _NONE, 0
    for i in order:
        ndc = vials[i].ndc
        filled += contents[i]
        upto = min(opened, down(filled / size.value))
        room[ndc] = room.get(ndc, 0) + upto - before
        before = upto
        one = _measured(vials[i], ndc_unit)
        known = measure.get(ndc, _NONE)
        measure[ndc] = None if one is None or known is None else known + one
    room[vials[order[-1]].ndc] += opened - before
    return room, measure


def _measured(one: Vial, ndc_unit: str) -> Decimal | None:
    """What the vials are in a unit of the NDC quantity: F2, GR, ME, ML, UN (2.3); None where they do not say it."""
    if ndc_unit == "ML":
        return None if one.volume is None else one.volume * one.count
    if ndc_unit == "UN":
        return Decimal(one.count)
    if ndc_unit == "F2":
        return one.held.value if one.held.unit == "units" else None
    if ndc_unit in ("ME", "GR") and one.held.unit == "mg":
        return one.held.value / (1000 if ndc_unit == "GR" else 1)
    return None


def _ndc_units(context: Context) -> dict[str, str]:
    """By code, the unit in which the payer wants the quantity of the drug's NDC told, of which somebody has said it."""
    return dict(pair.split(":") for pair in context.words.get("option.drugs.ndc_units", "").split())


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
        # By position, in the order of its fields: a visit makes dozens, and names take twice as long.
        service = Billable(
            FAMILY,
            "/".join((day.isoformat(), code, *modifiers, *filter(None, (ndc, narrative)))),
            code,
            sum(one.share.units for one in members),
            day,
            day,
            each_once([one.facts for one in members]),
            members[0].ref,
            first.primary,
            bench.place(first),
            bench.diagnoses(first),
            first.value("by"),
            modifiers,
            members[0].overdue,
        )
        if quantity is not None:
            service.ndc_quantity, service.ndc_unit = quantity, _ndc_units(bench.context(first)).get(code, "")
        service.ndc = ndc
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
