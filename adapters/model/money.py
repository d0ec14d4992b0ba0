"""Money as whole minor units (cents); unit prices as Decimal. Floats never touch an amount."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TypeAlias

from adapters.errors import Inexact

Cents: TypeAlias = int
"""An amount in minor units of the currency of the claim (US dollars: cents)."""

CURRENCY = "USD"
_CENT = Decimal("0.01")


def cents(amount: Decimal) -> Cents:
    """The amount in minor units; raises `Inexact` when it has a part of a cent or is not finite."""
    if not amount.is_finite():
        raise Inexact("an amount is not a finite number")
    scaled = amount.scaleb(2)
    whole = int(scaled)
    if scaled != whole:
        raise Inexact("an amount has parts of a cent")
    return whole


def decimal(amount: Cents) -> Decimal:
    """Minor units as a Decimal with exactly two digits after the point."""
    return Decimal(amount).scaleb(-2)


def text(amount: Cents) -> str:
    """Minor units as people and JSON write them: `-12.50`."""
    return format(decimal(amount), "f")


def extend(price: Decimal, units: int) -> Cents:
    """Price times units in minor units, rounded half up only where the unit price itself has parts of a cent."""
    return cents((price * units).quantize(_CENT, rounding=ROUND_HALF_UP))
