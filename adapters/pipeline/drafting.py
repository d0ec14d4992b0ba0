"""Unsent claims set against what is due: kept, held, released, abandoned and built again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from adapters.claims import Correction, Draft
from adapters.model.claim import Claim, ClaimEvent, ClaimOnFile, ClaimState, ClaimType, step
from adapters.model.record import PersonRecord, Tick
from adapters.model.site import Site
from adapters.pipeline.life import UNSENT, close_items
from adapters.work import CLAIM_INVALID


def deadline(claim: Claim, site: Site) -> date | None:
    """The last day on which the payer takes the claim, by its days for timely filing.

    Counted from the first date of a professional claim and from the through date of an institutional one
    (medical-oncology-and-revenue-cycle.md 5.1); None for a payer that the site does not have.
    """
    payer = site.payer(claim.payer.id)
    if payer is None:
        return None
    institutional = claim.type is ClaimType.INSTITUTIONAL
    since = max(line.end for line in claim.lines) if institutional else min(line.start for line in claim.lines)
    return since + timedelta(days=payer.timely_filing_days)


def with_drafts(
    record: PersonRecord, drafts: Sequence[Draft], corrections: Sequence[Correction], site: Site, tick: Tick
) -> PersonRecord:
    """Unsent claims become exactly these; one that is no longer wanted is abandoned, its charges are free again.

    A claim whose document may not leave stays held as long as its work item is open.
    """
    invalid = {item.about: item.code for item in record.work if item.code == CLAIM_INVALID and item.closed is None}
    wanted: dict[str, tuple[Draft | Correction, str]] = {}
    wanted.update({draft.claim.id: (draft, draft.hold or invalid.get(draft.claim.id, "")) for draft in drafts})
    wanted.update({fix.claim.id: (fix, fix.hold or invalid.get(fix.claim.id, "")) for fix in corrections})
    claims: list[ClaimOnFile] = []
    for on_file in record.claims:
        found = wanted.pop(on_file.claim.id, None)
        if on_file.state not in UNSENT:
            claims.append(on_file)
        elif found is None:
            claims.append(replace(on_file, state=step(on_file.state, ClaimEvent.ABANDON)))
            if on_file.claim.id in invalid:
                record = close_items(record, "hold", on_file.claim.id, tick)
        else:
            claims.append(
                _held_or_ready(
                    replace(on_file, claim=found[0].claim, deadline=deadline(found[0].claim, site)), found[1]
                )
            )
    for draft, hold in wanted.values():
        made = ClaimOnFile(draft.claim, ClaimState.BUILT, deadline=deadline(draft.claim, site))
        claims.append(_held_or_ready(made, hold))
    return replace(record, claims=tuple(claims))


def _held_or_ready(on_file: ClaimOnFile, hold: str) -> ClaimOnFile:
    if hold:
        return (
            on_file
            if on_file.state is ClaimState.HELD
            else replace(on_file, state=step(on_file.state, ClaimEvent.HOLD))
        )
    return (
        on_file
        if on_file.state is ClaimState.READY
        else replace(on_file, state=step(on_file.state, ClaimEvent.RELEASE))
    )
