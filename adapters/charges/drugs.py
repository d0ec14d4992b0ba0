"""Drugs of a visit: billing units from the dose, what was discarded, and which vials it came from.

Units round up (2.2 W1); discarded units are those of the opened vials less the rounded-up ones (W4); one line bears one
NDC (2.3). What is recorded of a dose must agree: given and discarded are what the single-dose vials held. Sections are
of medical-oncology-and-revenue-cycle.md; modifiers and billing units stand in mappings/charges/drug-*.toml.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from adapters.charges.administered import parts_of
from adapters.charges.administration_lines import derives, each_once, key_of
from adapters.charges.doses import Amount, Vial, amount, as_billed, down, up, vial
from adapters.charges.lines import Bench, Billable
from adapters.model.episode import Occurrence
from adapters.model.event import Event
from adapters.model.why import Fact, RuleRef, Why
from adapters.rules import Decision, Nothing

FAMILY: Final = "drug"
GIVEN: Final = ("infusion", "push", "injection", "hydration", "pump-start")
_UNIT: Final = re.compile(r"([A-Z][0-9]{4}):([0-9.]+)(.+)")
_FACTS: Final = ("code", "dose", "dose.unit", "vial", "waste", "waste.unit", "acquired")
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
    """Millilitres of vials that the units are."""


@dataclass(frozen=True, slots=True)
class _Drug:
    """One administration's drug line, before lines of one code and day are put together."""

    occurrence: Occurrence
    share: Share
    modifiers: tuple[str, ...]
    facts: tuple[Fact, ...]
    ref: RuleRef
    overdue: bool


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
    _bill(bench, found)


def _told(one: Occurrence) -> tuple[Fact, ...]:
    """What the drug line rests on: the reports, and all that their parts say of the dose."""
    said = (fact for part in parts_of(one) for fact in part.facts if fact.name in _FACTS)
    return (*one.told, *said)


def _drug(bench: Bench, one: Occurrence) -> list[_Drug] | Refused:
    context, code = bench.context(one), one.value("code")
    if code in _WITHOUT_CODE:
        return Refused(
            "review-needed", "a drug without a code of its own: name, dose and route go on the claim in words"
        )
    unit = _billing_unit(bench, one)
    if isinstance(unit, Refused):
        return unit
    size, ref, overdue = unit
    wastage = bench.decide("drug-modifiers", context, {"about": "wastage"})
    if isinstance(wastage, Nothing):
        return Refused("option-missing", "drugs.wastage")
    shares = _shares(parts_of(one), size, wastage)
    if isinstance(shares, Refused):
        return shares
    acquired = bench.decide("drug-modifiers", context, {"about": "acquired", "acquired": one.value("acquired")})
    if isinstance(acquired, Nothing):
        return Refused("option-missing", acquired.detail)
    plus = () if acquired.values["modifier"] == "none" else (acquired.values["modifier"],)
    none_discarded = not any(share.discarded for share in shares)
    single = _single_dose(_vials(parts_of(one)))
    jz = ("JZ",) if none_discarded and single and wastage.values["jz"] == "yes" else ()
    told = _told(one)
    return [
        _Drug(one, share, (*(("JW",) if share.discarded else jz), *plus), told, ref, overdue)
        for share in shares
        if not share.discarded or wastage.values["jw"] == "yes"
    ]


def _billing_unit(bench: Bench, one: Occurrence) -> tuple[Amount, RuleRef, bool] | Refused:
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
    return [vial(text) for part in parts for text in part.values("vial")]


def _single_dose(vials: Sequence[Vial | None]) -> bool:
    """Whether the wastage rules speak of the drug: no vial is known to be multi-dose (W6)."""
    return all(one is not None and one.single_dose for one in vials)


def _shares(parts: Sequence[Event], size: Amount, wastage: Decision) -> list[Share] | Refused:
    """The billed and the discarded units, vial by vial; or what does not agree."""
    said = _vials(parts)
    vials = [one for one in said if one is not None]
    if len(vials) != len(said):
        return Refused("review-needed", "a vial whose strength or NDC cannot be read")
    doses = [_in(part.value("dose"), part.value("dose.unit"), size, vials) for part in parts]
    given = [dose for dose in doses if dose is not None]
    if len(given) != len(doses) or sum(given) <= 0:
        return Refused("documentation-missing", "the dose given, in a unit that the drug's code can be reckoned from")
    dose = sum(given, Decimal(0))
    wasted = [_in(p.value("waste"), p.value("waste.unit"), size, vials) for p in parts if p.value("waste")]
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
        return _by_vial(vials, contents, units, units, size)
    total = sum(contents, Decimal(0))
    if dose > total or (discarded and dose + sum(discarded) != total):
        return Refused("documentation-missing", "given and discarded are not what the opened vials held")
    if not discarded and dose < total and "yes" in (wastage.values["jw"], wastage.values["jz"]):
        return Refused("documentation-missing", "the discarded amount of the opened vials")
    return _by_vial(vials, contents, units, max(units, down(total / size.value)), size)


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


def _by_vial(vials: Sequence[Vial], contents: Sequence[Decimal], units: int, opened: int, size: Amount) -> list[Share]:
    """The units by NDC, the fullest vials first: first what was given, then what is left of the opened ones.

    `opened` are the units of all vials together; the fraction that no vial fills falls to the last one that was needed.
    """
    order = sorted(range(len(vials)), key=lambda i: (-vials[i].each.value, vials[i].ndc, i))
    room: dict[str, int] = {}
    volume: dict[str, Decimal | None] = {}
    filled, before = Decimal(0), 0
    for i in order:
        ndc = vials[i].ndc
        filled += contents[i]
        upto = min(max(opened, units), down(filled / size.value))
        room[ndc] = room.get(ndc, 0) + upto - before
        before = upto
        one = vials[i].volume
        known = volume.get(ndc, Decimal(0))
        volume[ndc] = None if one is None or known is None else known + one * vials[i].count
    last = vials[order[-1]].ndc
    room[last] += max(opened, units) - before
    shares: list[Share] = []
    left = units
    for ndc, most in room.items():
        used = min(left, most)
        left -= used
        for count, discarded in ((used, False), (most - used, True)):
            if count and not (discarded and opened <= units):
                whole = volume[ndc]
                part = (
                    None if whole is None or not most else (whole * count / most).quantize(_THOUSANDTH, ROUND_HALF_UP)
                )
                shares.append(Share(count, discarded, ndc, part))
    return shares


# ---------------------------------------------------------------- lines


def _bill(bench: Bench, found: Sequence[_Drug]) -> None:
    """One line for each code, modifiers, NDC and day; doses of one drug on a day add up."""
    groups: dict[tuple[str, tuple[str, ...], str, date, str], list[_Drug]] = {}
    for one in found:
        at = one.occurrence
        key = (at.value("code"), one.modifiers, one.share.ndc, parts_of(at)[0].day, bench.place(at).id)
        groups.setdefault(key, []).append(one)
    for (code, modifiers, ndc, day, _), members in groups.items():
        first = members[0].occurrence
        service = Billable(
            service=FAMILY,
            key="/".join((day.isoformat(), code, *modifiers, *((ndc,) if ndc else ()))),
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
        )
        before = len(bench.holds)
        lines = bench.lines(service)
        if not lines and len(bench.holds) == before:
            for one in members:
                bench.idle.setdefault(one.occurrence.primary.id, "billed-elsewhere")
        unit, quantity = _quantity(bench, first, code, [one.share.quantity for one in members])
        if ndc:
            lines = [replace(line, ndc=ndc, ndc_unit=unit, ndc_quantity=quantity) for line in lines]
        bench.bill(lines, first.primary.id)


def _quantity(
    bench: Bench, one: Occurrence, code: str, volumes: Sequence[Decimal | None]
) -> tuple[str, Decimal | None]:
    """Unit and quantity of the NDC, where the payer's unit is millilitres and the vials' volumes are known."""
    told = dict(pair.split(":") for pair in bench.context(one).words.get("option.drugs.ndc_units", "").split())
    known = [volume for volume in volumes if volume is not None]
    if told.get(code) != "ML" or len(known) != len(volumes):
        return "", None
    return "ML", sum(known, Decimal(0)).normalize()
