"""Who pays on the date of service, and for what diagnosis."""

from __future__ import annotations

from dataclasses import replace

from adapters.edits.sieve import Sieve
from adapters.model.charge import Charge, Finding
from adapters.model.claim import POINTERS, ClaimType
from adapters.model.why import Fact, Source, Why


def covered(sieve: Sieve, charge: Charge) -> Charge | None:
    """Assign the coverage in force on the date of service.

    The line waits without one, where the payer said last that it is not in force, and for a payer that we do not know.
    """
    place = sieve.facility(charge.entity)
    context = sieve.contexts.of(charge.start, place)
    if context.coverage is None or not context.coverage.member:
        sieve.hold(charge, "coverage-missing", sieve.ref("coverage", charge.start))
        return None
    answer = sieve.contexts.answered(context.coverage, charge.start)
    if answer is not None and not answer.active and sieve.option(charge, "coverage.inactive") == "hold":
        said = Fact("eligibility", "inactive", Source(answer.source_message, "eligibility"))
        detail = f"The payer said on {answer.day.isoformat()}: inactive."
        sieve.hold(charge, "coverage-inactive", sieve.ref("eligibility", charge.start), said, detail=detail)
        return None
    if context.payer is None:
        payer = Fact("payer", context.coverage.payer, Source(context.coverage.source_message, "coverage"))
        sieve.hold(charge, "payer-unknown", sieve.ref("payer", charge.start), payer)
        return None
    fact = Fact("coverage", context.payer.id, Source(context.coverage.source_message, "coverage"))
    why = Why(charge.why.rule, (*charge.why.facts, fact))
    return replace(charge, coverage=context.coverage.id, why=why)


def diagnosed(sieve: Sieve, charge: Charge) -> Charge | None:
    """A claim line names its diagnosis; more than it can point at are remarked, the first ones stand."""
    if charge.diagnoses:
        entity = sieve.billing(charge.entity)
        if len(charge.diagnoses) > POINTERS and (entity is None or entity.claim_type is ClaimType.PROFESSIONAL):
            left = " ".join(charge.diagnoses[POINTERS:])
            why = Why(sieve.ref("pointers", charge.start), charge.why.facts)
            sieve.findings.append(Finding("diagnosis-pointer-limit", "", why, left, charge.slot))
        return charge
    sieve.hold(charge, "diagnosis-missing", sieve.ref("diagnosis", charge.start))
    return None
