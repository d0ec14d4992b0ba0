"""The life of a work item: opened once for one trouble, closed when the trouble is gone, kept when a person closed it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from adapters.model.charge import Hold, Release
from adapters.model.event import Event
from adapters.model.merging import merge_of
from adapters.model.people import Identifier
from adapters.model.work import WorkItem, open_item
from adapters.rules import Ruleset

MERGE_WAITING: Final = "merge-waiting"
"""A sender says that two identities are one person, and the two records are still apart."""
DERIVED: Final = frozenset({"hold", "incomplete-message", MERGE_WAITING})
"""Kinds that follow from what is on file: they close by themselves when their cause is gone."""
CLAIM_INVALID: Final = "claim-invalid"
"""Hold of a claim whose document may not leave: it follows from no outcome, and closes with the claim or by a person."""


def of_holds(holds: Iterable[Hold], rules: Ruleset, person: str, opened: datetime) -> tuple[WorkItem, ...]:
    """One item for each line that waits for a person."""
    items: dict[str, WorkItem] = {}
    for hold in holds:
        if hold.release is not Release.PERSON:
            continue
        spec = rules.hold(hold.code)
        slot = hold.slot
        about = f"{slot.episode}|{slot.service}|{slot.key}|{slot.part}"
        amount = hold.would.amount if hold.would and hold.would.price is not None else 0
        item = open_item(
            "hold",
            hold.code,
            about,
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
    """One item for each merge of two persons that is not done: the merged identity is not among the person's own.

    For an unlink the other way round. Nothing is guessed: until the records are put together by whoever holds both
    lanes, or a person decides against it and closes the item, each keeps its own charges.
    """
    items: dict[str, WorkItem] = {}
    for event in events:
        merge = merge_of(event)
        if merge is None or not merge.of_people:
            continue
        if (merge.merged in identifiers) != (merge.scope == "unlink"):
            continue
        item = open_item(
            MERGE_WAITING,
            merge.scope,
            event.id,
            category="identity",
            action="compare the two records; put them together if they are of one person, else close with a reason",
            opened=opened,
            person=person,
            detail=f"{merge.trigger} in {merge.source.at}",
        )
        items[item.id] = item
    return tuple(items.values())


def settle(standing: Sequence[WorkItem], wanted: Sequence[WorkItem], now: datetime) -> tuple[WorkItem, ...]:
    """Standing items with derived ones opened, refreshed or closed as the outcomes say; a person's closing stays."""
    due = {item.id: item for item in wanted}
    kept: list[WorkItem] = []
    for item in standing:
        fresh = due.pop(item.id, None)
        if fresh is not None and item.closed is not None and item.closed_why == "settled":
            kept.append(replace(fresh, opened=now))
        elif fresh is not None and item.closed is None:
            kept.append(replace(item, amount=fresh.amount, action=fresh.action, detail=fresh.detail))
        elif fresh is None and item.kind in DERIVED and item.code != CLAIM_INVALID and item.closed is None:
            kept.append(replace(item, closed=now, closed_why="settled"))
        else:
            kept.append(item)
    return (*kept, *due.values())
