"""The life of a work item: opened once for one trouble, closed when the trouble is gone or by a person, opened again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from adapters.model.charge import Hold, Release
from adapters.model.event import Event
from adapters.model.merging import waiting
from adapters.model.people import Identifier
from adapters.model.work import WorkItem, open_item
from adapters.rules import Ruleset
from adapters.work.standing import (
    Standing,
    about_hold,
    decided,
    decided_alone,
    facts_of,
    item_of_hold,
    may_go,
    standing,
)

__all__ = [
    "CLAIM_INVALID",
    "DELETED",
    "DERIVED",
    "MERGE_WAITING",
    "MISSED_DOSE",
    "REVIEW",
    "Standing",
    "decided",
    "decided_alone",
    "facts_of",
    "item_of_hold",
    "may_go",
    "of_deletions",
    "of_holds",
    "of_merges",
    "settle",
    "standing",
]

MERGE_WAITING: Final = "merge-waiting"
"""A sender says that two identities are one person, and the two records are still apart."""
DELETED: Final = "deleted-at-sender"
"""A sender deleted what charges rest on: a patient, an insurance, a visit. Nothing is taken back till a person says so."""
DERIVED: Final = frozenset({"hold", "incomplete-message", "changed-after-sending", MERGE_WAITING, DELETED})
"""Kinds that follow from what is on file: they close by themselves when their cause is gone."""
MISSED_DOSE: Final = "missed-dose"
"""A dose was ordered, its day is over, and nothing is reported; settled apart, for it follows from the day too."""
CLAIM_INVALID: Final = "claim-invalid"
"""Hold of a claim whose document may not leave: it follows from no outcome, and closes with the claim or by a person."""

REVIEW: Final = "correction-review"
"""Hold of a correction that a person has to see before it leaves; it closes when the correction leaves or is gone."""


def of_holds(holds: Iterable[Hold], rules: Ruleset, person: str, opened: datetime) -> tuple[WorkItem, ...]:
    """One item for each line that waits for a person."""
    items: dict[str, WorkItem] = {}
    for hold in holds:
        if hold.release is not Release.PERSON:
            continue
        spec = rules.hold(hold.code)
        slot = hold.slot
        amount = hold.would.amount if hold.would and hold.would.price is not None else 0
        item = open_item(
            "hold",
            hold.code,
            about_hold(hold),
            category=slot.service,
            action=spec.next_step,
            opened=opened,
            amount=amount,
            person=person,
            detail=hold.detail,
        )
        items[item.id] = item
    return tuple(items.values())


def of_merges(
    events: Iterable[Event], identifiers: Sequence[Identifier], person: str, opened: datetime
) -> tuple[WorkItem, ...]:
    """One item for each statement that two identities are one person, or are not, which is not carried out.

    Most are carried out at once (`pipeline.uniting`); what waits for a person keeps its item until the records are put
    together or apart, or a person decides against it and closes the item. Till then each keeps its own charges.
    """
    items: dict[str, WorkItem] = {}
    for merge in waiting(events, identifiers):
        item = open_item(
            MERGE_WAITING,
            merge.scope,
            merge.event,
            category="identity",
            action="compare the two records; put them together if they are of one person, else close with a reason",
            opened=opened,
            person=person,
            detail=f"{merge.trigger} in {merge.source.at}",
        )
        items[item.id] = item
    return tuple(items.values())


def of_deletions(gone: Iterable[tuple[Event, Event]], person: str, opened: datetime) -> tuple[WorkItem, ...]:
    """One item for each (deletion, what it says is gone) of what charges rest on; it closes when that is told again."""
    return tuple(
        open_item(
            DELETED,
            event.kind,
            deletion.id,
            category="identity" if event.kind == "patient" else "feed",
            action="see by `trace` what rests on it; have it sent again, or withdraw what was never done, and close this",
            opened=opened,
            person=person,
            detail=f"{event.kind} at {event.source.at}; what it said stays in force",
        )
        for deletion, event in gone
    )


def settle(
    standing: Sequence[WorkItem], wanted: Sequence[WorkItem], now: datetime, kinds: frozenset[str] = DERIVED
) -> tuple[WorkItem, ...]:
    """Standing items with derived ones opened, refreshed or closed as the outcomes say; `kinds`: those that may close.

    What a person closed is left to the decision about it (`decided`), unless its trouble is gone by itself.
    """
    due = {item.id: item for item in wanted}
    kept: list[WorkItem] = []
    for item in standing:
        fresh = due.pop(item.id, None)
        if fresh is not None and item.closed is not None and item.closed_why == "settled":
            kept.append(replace(fresh, opened=now))
        elif fresh is not None and item.closed is None:
            kept.append(replace(item, amount=fresh.amount, action=fresh.action, detail=fresh.detail))
        elif fresh is None and _by_itself(item, kinds) and (item.closed is None or item.closed_by):
            kept.append(replace(item, closed=now, closed_why="settled", closed_by=""))
        else:
            kept.append(item)
    return (*kept, *due.values())


def _by_itself(item: WorkItem, kinds: frozenset[str]) -> bool:
    """Whether the item closes when no outcome asks for it any more."""
    return item.kind in kinds and item.code not in (CLAIM_INVALID, REVIEW)
