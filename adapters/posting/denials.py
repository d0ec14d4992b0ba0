"""A denial becomes work: one item for each denied line, with category, next step and deadline from the reason table."""

from __future__ import annotations

from datetime import timedelta

from adapters.model.claim import Claim
from adapters.model.record import Tick
from adapters.model.remittance import Remittance
from adapters.model.work import WorkItem, open_item
from adapters.posting.post import account_of, denied_amount, undecided
from adapters.rules import Ruleset


def denial_items(claim: Claim, answer: Remittance, rules: Ruleset, tick: Tick) -> tuple[WorkItem, ...]:
    """One item for each line of the answer of which a part was denied, or about which it decides nothing."""
    items: list[WorkItem] = []
    for line in answer.lines:
        nothing = undecided(line, rules)
        amount = line.charge if nothing else denied_amount(line, rules)
        if amount <= 0:
            continue
        reasons = [a.reason for a in line.adjustments if nothing or account_of(a, rules) == "denied"]
        spec = rules.carc(reasons[0])
        due = tick.today + timedelta(days=spec.deadline_days) if spec and spec.deadline_days else None
        items.append(
            open_item(
                "denial",
                reasons[0],
                claim.id,
                category=spec.category if spec else "unknown-reason",
                action=spec.action if spec else "review",
                opened=tick.now,
                amount=amount,
                due=due,
                person=claim.person,
                detail=spec.label if spec else "a reason that the table does not know",
                which=str(line.line),
            )
        )
    return tuple(items)
