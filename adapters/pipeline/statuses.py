"""Where each charge stands, told by the claims that bill it."""

from __future__ import annotations

from dataclasses import replace

from adapters.model.claim import ClaimState
from adapters.model.record import ChargeOnFile, ChargeStatus, PersonRecord
from adapters.pipeline.life import UNSENT, VOID

_STATUS = {
    ClaimState.BUILT: ChargeStatus.CLAIMED,
    ClaimState.HELD: ChargeStatus.CLAIMED,
    ClaimState.READY: ChargeStatus.CLAIMED,
    ClaimState.UNKNOWN: ChargeStatus.SENT,
    ClaimState.ACCEPTED: ChargeStatus.SENT,
    ClaimState.QUEUED: ChargeStatus.SENT,
    ClaimState.COMPLETE: ChargeStatus.SETTLED,
    ClaimState.ERROR: ChargeStatus.CLAIMED,
    ClaimState.REFUSED: ChargeStatus.CLAIMED,
}


def with_statuses(record: PersonRecord) -> PersonRecord:
    """Each charge where the latest claim that stands for it has brought it; replaced and abandoned claims stand for none,
    nor do claims to later payers."""
    place: dict[str, tuple[ChargeStatus, str, int]] = {}
    for on_file in record.claims:
        status = _STATUS.get(on_file.state)
        if status is None or on_file.claim.frequency == VOID or on_file.claim.sequence > 1:
            continue
        if on_file.state in UNSENT and on_file.claim.replaces:
            continue
        for line in on_file.claim.lines:
            for charge in line.charges:
                place[charge] = (status, on_file.claim.id, line.line)
    return replace(record, charges=tuple(_placed(charge, place) for charge in record.charges))


def _placed(charge: ChargeOnFile, place: dict[str, tuple[ChargeStatus, str, int]]) -> ChargeOnFile:
    if charge.status is ChargeStatus.VOID:
        return charge
    status, claim, line = place.get(charge.id, (ChargeStatus.DUE, "", None))
    return replace(charge, status=status, claim=claim, line=line)
