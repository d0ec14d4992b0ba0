"""What changed since a claim was sent, and what the payer's table says to do about it.

A change has a kind: a code, a modifier, units, a date, a line that went, the payer; or what payers do not want corrected
by itself: diagnoses, the provider, the price. The payer's options say which kinds are corrected, which a person is asked
about and which are only noted; the table `after-sending` says how.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.claims.group import entity_of, says
from adapters.model.charge import Charge
from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState
from adapters.model.context import Contexts
from adapters.model.money import Cents
from adapters.model.record import ChargeOnFile, ChargeStatus
from adapters.rules import Decision, Ruleset

CORRECT: Final = "after_sending.correct"
ASK: Final = "after_sending.ask"
DAYS: Final = "after_sending.days"
WENT: Final = "line-went"
PAYER: Final = "payer"
_STATES: Final = {
    ClaimState.UNKNOWN: "unknown",
    ClaimState.ACCEPTED: "accepted",
    ClaimState.QUEUED: "queued",
    ClaimState.COMPLETE: "complete",
}


def option_of(claim: Claim, contexts: Contexts, name: str) -> str:
    """An option of the claim's own payer as it holds for its first date of service, whoever is billed for that date now."""
    facility, _ = entity_of(contexts.site.facilities, claim.entity.id)
    return contexts.under(claim.payer.id, min(line.start for line in claim.lines), facility).option(name)


def kinds_of(line: ClaimLine, charge: Charge, claim: Claim) -> tuple[str, ...]:
    """The kinds of difference between a line as it was sent and the charge as it is due."""
    cited = tuple(claim.diagnoses[pointer - 1] for pointer in line.diagnoses)
    if says(line, charge) and cited == charge.diagnoses[: len(cited)] and line.rendering == charge.rendering:
        return ()
    same = (line.code, line.modifiers, line.units) == (charge.code, charge.modifiers[:4], charge.units)
    found = {
        "code": line.code != charge.code,
        "modifier": line.modifiers != charge.modifiers[:4],
        "units": line.units != charge.units,
        "date": line.start != charge.start,
        "narrative": line.narrative != charge.narrative,
        "price": same and charge.price is not None and line.amount != charge.amount,
        "diagnosis": bool(cited) and cited != charge.diagnoses[: len(cited)],
        "provider": line.rendering != charge.rendering,
    }
    return tuple(kind for kind, differs in found.items() if differs)


def changes(claim: Claim, by_id: Mapping[str, ChargeOnFile], contexts: Contexts) -> tuple[str, ...]:
    """The kinds of change since the claim was sent that its payer wants corrected, each once."""
    wanted = set(option_of(claim, contexts, CORRECT).split())
    return tuple(kind for kind in _changed(claim, by_id) if kind in wanted)


def noted(claim: Claim, by_id: Mapping[str, ChargeOnFile], contexts: Contexts) -> tuple[str, ...]:
    """The kinds of change about which nothing is done: the payer wants neither a correction nor a question."""
    known = {*option_of(claim, contexts, CORRECT).split(), *option_of(claim, contexts, ASK).split()}
    return tuple(kind for kind in _changed(claim, by_id) if kind not in known)


def _changed(claim: Claim, by_id: Mapping[str, ChargeOnFile]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for line in claim.lines:
        charge = by_id.get(line.charges[0])
        if charge is None or charge.status is ChargeStatus.VOID:
            found[WENT] = None
        elif charge.charge.coverage != claim.coverage:
            found[PAYER] = None
        else:
            found.update(dict.fromkeys(kinds_of(line, charge.charge, claim)))
    return tuple(found)


def named_way(kind: str) -> str:
    """The kind of change in the words of the table `change-codes`."""
    return "line" if kind == WENT else kind


def way(
    on_file: ClaimOnFile,
    changed: Sequence[str],
    by_id: Mapping[str, ChargeOnFile],
    contexts: Contexts,
    rules: Ruleset,
) -> str:
    """What the payer's table says to do about the changes: replace, void, reopen, person, wait or nothing."""
    claim = on_file.claim
    left = [
        charge
        for line in claim.lines
        if (charge := by_id.get(line.charges[0])) is not None
        and charge.status is not ChargeStatus.VOID
        and charge.charge.coverage == claim.coverage
    ]
    change = "all-gone" if not left else "gone" if set(changed) <= {WENT, PAYER} else "changed"
    payer = contexts.site.payer(claim.payer.id)
    facts = {
        "state": _STATES.get(on_file.state, "unsent"),
        "change": change,
        "after_sending": payer.after_sending if payer else "person",
    }
    decision = rules.decide("after-sending", claim.lines[0].start, facts)
    return decision.values["action"] if isinstance(decision, Decision) else "person"


def asked(
    claims: Sequence[ClaimOnFile], charges: Sequence[ChargeOnFile], due: Sequence[Charge], contexts: Contexts
) -> tuple[tuple[ChargeOnFile, Claim, tuple[str, ...], Cents], ...]:
    """Charges that were sent and differ from what is due in a way that a person is asked about, with what they differ by.

    What was sent keeps its price and its diagnoses on file: `due` are the charges as they would be billed today.
    """
    sent = {c.claim.id: c.claim for c in claims if c.state in _STATES and c.claim.sequence == 1}
    fresh = {charge.slot: charge for charge in due}
    found: list[tuple[ChargeOnFile, Claim, tuple[str, ...], Cents]] = []
    for charge in charges:
        claim, today = sent.get(charge.claim), fresh.get(charge.charge.slot)
        if claim is None or today is None or charge.status is ChargeStatus.VOID:
            continue
        line = next((line for line in claim.lines if line.line == charge.line), None)
        if line is None:
            continue
        wanted = set(option_of(claim, contexts, ASK).split())
        kinds = kinds_of(line, today, claim)
        if kinds and wanted.issuperset(kinds):
            # What is corrected by a claim anyway is asked about by none.
            amount = today.amount - line.amount if "price" in kinds else line.amount
            found.append((charge, claim, kinds, abs(amount)))
    return tuple(found)
