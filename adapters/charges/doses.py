"""Amounts of drugs: doses in common units, vials, and how much of a dose a billing unit is. Exact, never in floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Final

_MILLIGRAMS: Final = {
    "mg": Decimal(1),
    "mcg": Decimal("0.001"),
    "ug": Decimal("0.001"),
    "g": Decimal(1000),
}
_UNITS: Final = frozenset({"units", "unit", "u", "iu", "[iu]", "[u]"})


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity in a base unit: `mg`, `units`, `ml` or `vial`."""

    value: Decimal
    unit: str


@lru_cache(maxsize=4096)
def amount(value: str, unit: str) -> Amount | None:
    """The quantity in its base unit; None for a unit that nothing here knows, no value, or one below 0."""
    word = unit.strip().casefold().replace("µ", "u").replace("μ", "u")
    if not value or Decimal(value) < 0:
        return None
    if word in _MILLIGRAMS:
        return Amount(Decimal(value) * _MILLIGRAMS[word], "mg")
    if word in _UNITS:
        return Amount(Decimal(value), "units")
    return Amount(Decimal(value), word) if word in ("ml", "vial") else None


@dataclass(frozen=True, slots=True)
class Vial:
    """Vials of one kind that were opened for a dose."""

    count: int
    each: Amount
    single_dose: bool
    ndc: str
    volume: Decimal | None
    """Millilitres in one."""
    held: Amount
    """What all of them held."""


@lru_cache(maxsize=4096)
def vial(text: str) -> Vial | None:
    """The vials of a `vial` fact (model.facts.FACTS); None where its unit is unknown or its NDC in no form of a label."""
    count, strength, unit, kind, ndc, volume, *of = text.split("|")
    each, filled = amount(strength, unit), amount(volume, of[0] if of else "")
    if each is None or each.value <= 0 or (ndc and not ndc_of(ndc)):
        return None
    millilitres = filled.value if filled is not None and filled.unit == "ml" else None
    held = Amount(each.value * int(count), each.unit)
    return Vial(int(count), each, kind == "single-dose", ndc_of(ndc), millilitres, held)


def ndc_of(text: str) -> str:
    """A drug code in the 11 digits of a claim, from a label's 4-4-2, 5-3-2 or 5-4-1 or 5-4-2; empty for any other form.

    >>> ndc_of("9971-4002-11"), ndc_of("99701-310-12"), ndc_of("99701-0310-1"), ndc_of("9970103101")
    ('09971400211', '99701031012', '99701031001', '')
    """
    parts = text.split("-")
    lengths = tuple(map(len, parts))
    if lengths == (11,) and text.isdigit():
        return text
    if lengths not in ((4, 4, 2), (5, 3, 2), (5, 4, 1), (5, 4, 2)) or not all(map(str.isdigit, parts)):
        return ""
    return parts[0].zfill(5) + parts[1].zfill(4) + parts[2].zfill(2)


def as_billed(dose: Amount, unit: str, vials: Sequence[Vial]) -> Decimal | None:
    """The dose in the base unit of a billing unit: as it is, by the concentration, or by what one vial holds.

    None where that cannot be told: another kind of unit, or vials that differ.
    """
    if dose.unit == unit:
        return dose.value
    if dose.unit == "ml" and vials:
        strengths = {one.each.value / one.volume for one in vials if one.volume and one.each.unit == unit}
        if len(strengths) == 1 and all(one.volume and one.each.unit == unit for one in vials):
            return dose.value * strengths.pop()
    if unit == "vial" and vials:
        each = {one.each for one in vials}
        if len(each) == 1 and (held := each.pop()).unit == dose.unit:
            return dose.value / held.value
    return None


def up(value: Decimal) -> int:
    """Rounded up to a whole number of billing units (2.2 W1)."""
    return int(value.to_integral_value(ROUND_CEILING))


def down(value: Decimal) -> int:
    """Rounded down: what is less than a billing unit is none (2.2 W5)."""
    return int(value.to_integral_value(ROUND_FLOOR))
