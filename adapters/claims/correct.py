"""What a change after sending does: a replacement with all lines, or a void, each naming the payer's own number.

The answer must have come first: only an adjudicated claim has the payer's number, and a claim whose fate is unknown
is never corrected by a second one (design idea 6; medical-oncology-and-revenue-cycle.md 4.4). What is done is the
payer's table (mappings/charges/after-sending.toml), asked with what changed: see `after`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from adapters.claims.after import changes, named_way, way
from adapters.claims.build import Billing, Patient, build, claim_id
from adapters.claims.cycles import name_of
from adapters.claims.group import UNSENT, entity_of, ranked
from adapters.errors import NotOfSite
from adapters.model.claim import Claim, ClaimOnFile, ClaimState
from adapters.model.context import Contexts
from adapters.model.coverage import Coverage
from adapters.model.record import ChargeOnFile, ChargeStatus
from adapters.rules import Decision, Ruleset


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
    rules: Ruleset,
    cancelled: Mapping[str, str] | None = None,
) -> tuple[Correction, ...]:
    """Replacements and voids for adjudicated claims whose lines no longer say what is due.

    `cancelled`: claims that a person wants voided, with the reason, whatever their lines say. Claims to later payers
    are not looked at here (see `secondary`).
    """
    by_id = {charge.id: charge for charge in charges}
    wanted = cancelled or {}
    replaced = {c.claim.replaces for c in claims if c.claim.replaces and c.state not in _GONE}
    known = {coverage.id: coverage for coverage in coverages}
    found: list[Correction] = []
    for claim in claims:
        if claim.state is not ClaimState.COMPLETE or claim.claim.frequency == "8" or not claim.payer_claim_number:
            continue
        if claim.claim.sequence > 1:
            continue
        pending = next((c for c in claims if c.claim.replaces == claim.claim.id and c.state in UNSENT), None)
        if claim.claim.id in replaced and pending is None:
            continue
        built_on = pending.claim.built_on if pending else today
        if claim.claim.id in wanted:
            why = wanted[claim.claim.id]
            found.append(
                Correction(
                    _void(claim, claims, built_on, _condition(claim, "void", why, contexts, rules)), claim.claim.id
                )
            )
            continue
        changed = changes(claim.claim, by_id, contexts)
        if not changed:
            continue
        action = way(claim, changed, by_id, contexts, rules)
        if action not in _SENT:
            continue
        reason = next(iter(changed)) if len(changed) == 1 else "several"
        correction = _correction(patient, claim, by_id, claims, known, contexts, built_on)
        how = "void" if correction.claim.frequency == "8" else "replace"
        condition = _condition(claim, how, reason, contexts, rules)
        correction = replace(correction, claim=replace(correction.claim, condition_codes=condition))
        if not _refused_before(correction.claim, claims):
            found.append(correction)
    return tuple(found)


def _condition(claim: ClaimOnFile, how: str, why: str, contexts: Contexts, rules: Ruleset) -> tuple[str, ...]:
    """The condition code that says why, where the payer asks for one."""
    payer = contexts.site.payer(claim.claim.payer.id)
    facts = {
        "how": how,
        "payer.kind": payer.kind if payer else "",
        "form": claim.claim.type.value,
        "why": named_way(why),
    }
    decision = rules.decide("change-codes", claim.claim.lines[0].start, facts)
    code = decision.values["condition"] if isinstance(decision, Decision) else "none"
    return () if code == "none" else (code,)


def _refused_before(claim: Claim, claims: Sequence[ClaimOnFile]) -> bool:
    """Whether the payer refused a correction that said just this: it would refuse it again, a person must look."""
    return any(
        other.state in _NOT_TAKEN and replace(other.claim, id=claim.id, built_on=claim.built_on) == claim
        for other in claims
        if other.claim.replaces == claim.replaces
    )


_NOT_TAKEN = frozenset({ClaimState.REFUSED, ClaimState.ERROR})
_GONE = _NOT_TAKEN | {ClaimState.ABANDONED}


_SENT = frozenset({"replace", "void", "person"})
"""What the table may say that gives a claim: `person` holds it until a person has looked."""


def _correction(
    patient: Patient,
    claim: ClaimOnFile,
    by_id: dict[str, ChargeOnFile],
    claims: Sequence[ClaimOnFile],
    known: dict[str, Coverage],
    contexts: Contexts,
    built_on: date,
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
        return Correction(_void(claim, claims, built_on), old.id, hold)
    facility, entity = entity_of(contexts.site.facilities, old.entity.id)
    if payer is None:
        raise NotOfSite("a claim was sent to a payer that the site does not have")
    beside = [
        charge
        for charge in by_id.values()
        if charge.status is not ChargeStatus.VOID
        and (charge.charge.entity, charge.charge.coverage) == (old.entity.id, old.coverage)
        and name_of(charge.charge, payer.cycle) == old.cycle
    ]
    context = contexts.of(min(charge.charge.start for charge in due), facility)
    diagnoses = ranked([*due, *beside], entity.claim_type, context, contexts)
    billing = Billing(entity, facility, payer, known[old.coverage], old.cycle, diagnoses)
    told = [f"{c.id}:{c.charge.code}:{','.join(c.charge.modifiers)}:{c.charge.units}:{c.charge.amount}" for c in due]
    id = _fresh(claim_id(old.id, "7", *told), claims)
    built = build(
        id,
        patient,
        billing,
        due,
        built_on,
        frequency="7",
        replaces=old.id,
        payer_claim_number=claim.payer_claim_number,
    )
    return Correction(built, old.id, hold)


def _fresh(id: str, claims: Sequence[ClaimOnFile]) -> str:
    """The id, numbered on when claims of it were abandoned or refused before."""
    gone = sum(c.claim.id.partition(".")[0] == id and c.state in _GONE for c in claims)
    return f"{id}.{gone}" if gone else id


def _void(claim: ClaimOnFile, claims: Sequence[ClaimOnFile], built_on: date, condition: tuple[str, ...] = ()) -> Claim:
    return replace(
        claim.claim,
        id=_fresh(claim_id(claim.claim.id, "8"), claims),
        frequency="8",
        replaces=claim.claim.id,
        payer_claim_number=claim.payer_claim_number,
        built_on=built_on,
        condition_codes=condition,
    )
