"""Claims whose payers have answered, and of which it is yet not decided what the patient owes; with the items that say so.

Nothing is asked of a patient, and nothing given back, while a payer may still decide otherwise
(medical-oncology-and-revenue-cycle.md 6.3, 6.5, 6.9).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.claims.secondary import unasked
from adapters.context import PersonContexts
from adapters.model.claim import ClaimOnFile, ClaimState
from adapters.model.money import Cents
from adapters.model.record import PersonRecord, Tick
from adapters.model.work import WorkItem, item_id, open_item
from adapters.pipeline.decided import deciding
from adapters.posting import UNBALANCED, UNMATCHED

TAKEN_BACK: Final = "taken-back"
"""Kind of an item about a claim whose payer has taken its decision back and has not said another one."""
LATER_PAYER: Final = "later-payer"
"""Kind of an item about a claim whose next payer cannot be asked."""
_ACTIONS: Final = {
    "no-correction": "wait for the payer's corrected answer, or ask for it; close this where none will come",
    "payer-unknown": "name the payer in the site file, or correct the insurance; close this where it need not be asked",
    "no-claim-number": "ask the payer for its number of the claim, or settle it by hand; then close this",
}


@dataclass(frozen=True, slots=True)
class _Waits:
    """One claim that waits, and for what."""

    kind: str
    code: str
    claim: ClaimOnFile
    which: str
    amount: Cents
    detail: str

    @property
    def item(self) -> str:
        """The id of the item about it."""
        return item_id(self.kind, f"{self.claim.claim.id}|{self.which}", self.code)


def undecided(record: PersonRecord, contexts: PersonContexts) -> frozenset[str]:
    """The claims of which something waits for a payer or a person, unless a person has said that nothing more will come."""
    closed = {item.id for item in record.work if item.closed_by}
    return frozenset(one.claim.claim.id for one in _waiting(record, contexts) if one.item not in closed) | _set_aside(
        record
    )


def undecided_items(record: PersonRecord, contexts: PersonContexts, tick: Tick) -> Iterable[WorkItem]:
    """An item for each claim that waits; none where another answer is there and waits for a person itself."""
    set_aside = _set_aside(record)
    for one in _waiting(record, contexts):
        if one.claim.claim.id not in set_aside:
            yield open_item(
                one.kind,
                one.code,
                one.claim.claim.id,
                category="posting",
                action=_ACTIONS[one.code],
                opened=tick.now,
                amount=one.amount,
                person=record.person,
                detail=one.detail,
                which=one.which,
            )


def _set_aside(record: PersonRecord) -> frozenset[str]:
    """The claims of which an answer waits for a person."""
    return frozenset(i.about for i in record.work if i.kind in (UNMATCHED, UNBALANCED) and i.closed is None)


def _waiting(record: PersonRecord, contexts: PersonContexts) -> Iterable[_Waits]:
    if not record.remittances:
        return
    for on_file in record.claims:
        claim = on_file.claim
        if on_file.state is ClaimState.COMPLETE and not on_file.settlement and claim.frequency != "8":
            taken = next((r.id for r in reversed(record.remittances) if r.claim == claim.id and r.reversal), "")
            detail = "the payer has taken its decision back, and has not said another one"
            yield _Waits(TAKEN_BACK, "no-correction", on_file, taken, claim.total, detail)
    # The day is that on which a claim would be built; what is asked here does not rest on it.
    for one in unasked(record.claims, deciding(record, contexts), record.entries, contexts, date.min):
        detail = f"{one.payer} may have to decide about what is left to the patient, and is not asked"
        yield _Waits(LATER_PAYER, one.code, one.claim, one.payer, one.left, detail)
