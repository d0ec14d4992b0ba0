"""What a change after sending does: a replacement with all lines, or a void, each naming the payer's own number.

The answer must have come first: only an adjudicated claim has the payer's number, and a claim whose fate is unknown
is never corrected by a second one (design idea 6; medical-oncology-and-revenue-cycle.md 4.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from adapters.claims.build import Billing, Patient, build, claim_id
from adapters.claims.group import UNSENT, entity_of, says
from adapters.model.claim import Claim, ClaimOnFile, ClaimState
from adapters.model.context import Contexts
from adapters.model.coverage import Coverage
from adapters.model.record import ChargeOnFile, ChargeStatus


@dataclass(frozen=True, slots=True)
class Correction:
    """A claim to be sent in place of another; `hold` when the payer's setting wants a person to look first."""

    claim: Claim
    of: str
    hold: str = ""


def corrections(
    patient: Patient,
    charges: Sequence[ChargeOnFile],
    claims: Sequence[ClaimOnFile],
    coverages: Sequence[Coverage],
    contexts: Contexts,
    today: date,
) -> tuple[Correction, ...]:
    """Replacements and voids for adjudicated claims whose lines no longer say what is due."""
    by_id = {charge.id: charge for charge in charges}
    replaced = {c.claim.replaces for c in claims if c.claim.replaces and c.state not in _GONE}
    known = {coverage.id: coverage for coverage in coverages}
    found: list[Correction] = []
    for claim in claims:
        if claim.state is not ClaimState.COMPLETE or claim.claim.frequency == "8" or not claim.payer_claim_number:
            continue
        pending = next((c for c in claims if c.claim.replaces == claim.claim.id and c.state in UNSENT), None)
        if claim.claim.id in replaced and pending is None:
            continue
        if not _differs(claim.claim, by_id):
            continue
        correction = _correction(patient, claim, by_id, claims, known, contexts, today, pending)
        if not _refused_before(correction.claim, claims):
            found.append(correction)
    return tuple(found)


def _refused_before(claim: Claim, claims: Sequence[ClaimOnFile]) -> bool:
    """Whether the payer refused a correction that said just this: it would refuse it again, a person must look."""
    return any(
        other.state in _NOT_TAKEN and replace(other.claim, id=claim.id, built_on=claim.built_on) == claim
        for other in claims
        if other.claim.replaces == claim.replaces
    )


_NOT_TAKEN = frozenset({ClaimState.REFUSED, ClaimState.ERROR})
_GONE = _NOT_TAKEN | {ClaimState.ABANDONED}


def _differs(claim: Claim, by_id: dict[str, ChargeOnFile]) -> bool:
    """Whether any line bills something that its charge no longer says. Coverage that moved is a difference too."""
    for line in claim.lines:
        charge = by_id.get(line.charges[0])
        if charge is None or charge.status is ChargeStatus.VOID:
            return True
        if not says(line, charge.charge):
            return True
        if charge.charge.coverage != claim.coverage:
            return True
    return False


def _correction(
    patient: Patient,
    claim: ClaimOnFile,
    by_id: dict[str, ChargeOnFile],
    claims: Sequence[ClaimOnFile],
    known: dict[str, Coverage],
    contexts: Contexts,
    today: date,
    pending: ClaimOnFile | None,
) -> Correction:
    old = claim.claim
    due = [
        charge
        for line in old.lines
        if (charge := by_id.get(line.charges[0])) is not None
        and charge.status is not ChargeStatus.VOID
        and charge.charge.coverage == old.coverage
    ]
    payer = contexts.site.payer(old.payer.id)
    hold = "correction-review" if payer is not None and payer.after_sending == "person" else ""
    if not due:
        return Correction(_void(claim, claims, pending.claim.built_on if pending else today), old.id, hold)
    facility, entity = entity_of(contexts.site.facilities, old.entity.id)
    if payer is None:
        raise LookupError("a claim was sent to a payer that the site does not have")
    billing = Billing(entity, facility, payer, known[old.coverage], old.cycle)
    says = [f"{c.id}:{c.charge.code}:{','.join(c.charge.modifiers)}:{c.charge.units}:{c.charge.amount}" for c in due]
    id = _fresh(claim_id(old.id, "7", *says), claims)
    built = build(
        id,
        patient,
        billing,
        due,
        pending.claim.built_on if pending else today,
        frequency="7",
        replaces=old.id,
        payer_claim_number=claim.payer_claim_number,
    )
    return Correction(built, old.id, hold)


def _fresh(id: str, claims: Sequence[ClaimOnFile]) -> str:
    """The id, numbered on when claims of it were abandoned or refused before."""
    gone = sum(c.claim.id.partition(".")[0] == id and c.state in _GONE for c in claims)
    return f"{id}.{gone}" if gone else id


def _void(claim: ClaimOnFile, claims: Sequence[ClaimOnFile], built_on: date) -> Claim:
    return replace(
        claim.claim,
        id=_fresh(claim_id(claim.claim.id, "8"), claims),
        frequency="8",
        replaces=claim.claim.id,
        payer_claim_number=claim.payer_claim_number,
        built_on=built_on,
    )
