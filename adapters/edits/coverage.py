"""Who pays on the date of service, and for what diagnosis."""

from __future__ import annotations

from dataclasses import replace

from adapters.edits.sieve import Sieve
from adapters.model.charge import Charge
from adapters.model.why import Fact, Source, Why


def covered(sieve: Sieve, charge: Charge) -> Charge | None:
    """Assign the coverage in force on the date of service; without one, or with a payer we do not know, the line waits."""
    place = sieve.facility(charge.entity)
    context = sieve.contexts.of(charge.start, place)
    if context.coverage is None or not context.coverage.member:
        sieve.hold(charge, "coverage-missing", sieve.ref("coverage", charge.start))
        return None
    if context.payer is None:
        payer = Fact("payer", context.coverage.payer, Source(context.coverage.source_message, "coverage"))
        sieve.hold(charge, "payer-unknown", sieve.ref("payer", charge.start), payer)
        return None
    fact = Fact("coverage", context.payer.id, Source(context.coverage.source_message, "coverage"))
    why = Why(charge.why.rule, (*charge.why.facts, fact))
    return replace(charge, coverage=context.coverage.id, why=why)


def diagnosed(sieve: Sieve, charge: Charge) -> Charge | None:
    """A claim line names its diagnosis."""
    if charge.diagnoses:
        return charge
    sieve.hold(charge, "diagnosis-missing", sieve.ref("diagnosis", charge.start))
    return None
