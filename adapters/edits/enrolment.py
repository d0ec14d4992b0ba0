"""Who performed it, who ordered it, who bills: numbers with a right check digit, and enrolled with the payer.

A payer's directory is the site's (`enrolments` of the site file), asked where the payer's option `edits.enrolment` is
on (medical-oncology-and-revenue-cycle.md 8 N1, N6, N7, N10, N11).
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.edits.sieve import Sieve
from adapters.model.charge import Charge, Finding
from adapters.model.codes import is_npi
from adapters.model.why import Fact, Source, Why

EFFECTIVE = "enrollment-effective"


def numbered(sieve: Sieve, charge: Charge) -> Charge | None:
    """Every National Provider Identifier that the line will bear has its check digit; one that is wrong stops the line."""
    if sieve.option(charge, "edits.npi") != "luhn":
        return charge
    for role, npi in _named(sieve, charge):
        if not is_npi(npi):
            fact = Fact("npi", npi, Source("site", role))
            detail = f"The check digit of {npi} ({role}) is wrong."
            sieve.hold(charge, "npi-invalid", sieve.ref("npi", charge.start), fact, detail=detail)
            return None
    return charge


def ordered(sieve: Sieve, charge: Charge) -> Charge | None:
    """A code that its payer wants with an ordering provider names one."""
    if charge.ordering or charge.code not in sieve.option(charge, "edits.ordering_required").split():
        return charge
    sieve.hold(charge, "ordering-missing", sieve.ref("ordering", charge.start))
    return None


def enrolled(sieve: Sieve, charge: Charge) -> Charge | None:
    """Who performed the line, and the entity that bills it where the site lists it, may bill the payer on the date."""
    if sieve.option(charge, "edits.enrolment") != "on":
        return charge
    payer = charge.coverage.partition("|")[0]
    back = int(sieve.option(charge, "enrolment.bill_back_days"))
    listed = {one.npi for one in sieve.contexts.site.enrolments}
    for role, npi in _named(sieve, charge):
        if role == "ordering" or (role == "billing" and npi not in listed):
            continue
        stands = sieve.contexts.enrolled(npi, payer, charge.start, back)
        fact = Fact("npi", npi, Source("site", role))
        if stands.enrolment is not None and stands.enrolment.filed is not None and stands.since is not None:
            why = Why(sieve.ref("enrolment", charge.start), (*charge.why.facts, fact))
            _once(sieve, Finding(EFFECTIVE, npi, why, stands.since.isoformat()))
        if not stands.may_bill:
            since = (
                f"Earliest billable date is {stands.since.isoformat()}." if stands.since else "No enrolment is known."
            )
            detail = f"{npi} ({role}): {since}"
            sieve.hold(charge, "provider-not-enrolled", sieve.ref("enrolment", charge.start), fact, detail=detail)
            return None
    return charge


def _named(sieve: Sieve, charge: Charge) -> Iterator[tuple[str, str]]:
    """(role, NPI) of those whom the line names."""
    entity = sieve.billing(charge.entity)
    for role, npi in (
        ("rendering", charge.rendering),
        ("ordering", charge.ordering),
        ("billing", entity.npi if entity else ""),
    ):
        if npi:
            yield role, npi


def _once(sieve: Sieve, finding: Finding) -> None:
    """Remark it unless it has been said: an enrolment is one thing, however many lines rest on it."""
    if not any((f.kind, f.about, f.value) == (finding.kind, finding.about, finding.value) for f in sieve.findings):
        sieve.findings.append(finding)
