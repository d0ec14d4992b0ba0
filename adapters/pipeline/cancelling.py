"""A claim that is to be cancelled at its payer: whether it can be, and what is said then. For `void` and pages alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapters.model.claim import ClaimState
from adapters.model.decision import Saying, Verb, saying
from adapters.model.record import PersonRecord
from adapters.pipeline.afterwards import cancelled
from adapters.work import standing

REASONS: Final[Mapping[str, str]] = {
    "duplicate": "it was sent twice",
    "person": "it is for the wrong person",
    "provider": "it names the wrong provider",
    "other": "another reason",
}
"""Why a claim is cancelled, each in words."""


def cancelling(record: PersonRecord, claim: str, reason: str) -> Saying | str:
    """What cancels the claim, or why it cannot be cancelled. `reason` is one of `REASONS`."""
    on_file = record.claim(claim)
    if on_file is None or on_file.state is not ClaimState.COMPLETE or on_file.claim.frequency == "8":
        return "only a claim that the payer has decided can be cancelled"
    if not on_file.payer_claim_number:
        return "the payer has given it no number to cancel it by"
    if decided := cancelled(standing(record.events)).get(claim):
        return f"it is to be cancelled already, by decision {decided.source.message}: withdraw that to keep the claim"
    before = f"{on_file.printed_state}, number {on_file.payer_claim_number}"
    return saying(Verb.VOID, mark=claim, reason=reason, before=before, after=f"cancelled: {REASONS[reason]}")
