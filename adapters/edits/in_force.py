"""Whether a line's code is in force on its date, and whether it has a price."""

from __future__ import annotations

from adapters.edits.sieve import Sieve
from adapters.model.charge import Charge


def in_force(sieve: Sieve, charge: Charge) -> Charge | None:
    """A code that a loaded edition or our table of codes has must be in force; one that nobody has goes by the option."""
    if sieve.attributes(charge) is not None:
        return charge
    if not sieve.rules.knows(charge.code) and sieve.option(charge, "edits.unknown_codes") == "pass":
        return charge
    sieve.hold(charge, "not-effective", sieve.ref("code-in-force", charge.start))
    return None


def priced(sieve: Sieve, charge: Charge) -> Charge | None:
    """A line has a charge above zero: nothing goes out at 0.00."""
    if charge.price is not None and charge.price > 0:
        return charge
    sieve.hold(charge, "price-missing", sieve.ref("price", charge.start))
    return None
