"""A denial becomes work: one item for each denied line, with category, next step and deadline from the reason table.

A rejection is none: what was returned before adjudication is corrected and goes out anew (`pipeline.life`). A remark code
makes the category finer where the reason only says that the remarks say why.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from adapters.model.claim import Claim
from adapters.model.money import Cents
from adapters.model.record import Tick
from adapters.model.remittance import Remittance, RemittanceLine
from adapters.model.work import WorkItem, open_item
from adapters.posting.post import account_of, denied_amount, undecided
from adapters.rules import Ruleset

VAGUE = frozenset({"technical", "by-remark", "coverage", "documentation", "other-payer", "bundling"})
"""Categories of reasons whose remarks decide (RARC required by the reason's own text)."""


@dataclass(frozen=True, slots=True)
class Denial:
    """What a denied line means for whoever works it."""

    reason: str
    remarks: tuple[str, ...]
    category: str
    action: str
    label: str
    deadline_days: int | None
    caught_by: str
    """The hold that would have kept the line back; empty where none would."""

    @property
    def appealable(self) -> bool:
        """Whether the next step is an appeal."""
        return appealable(self.action)


def appealable(action: str) -> bool:
    """Whether a next step is an appeal."""
    return action.startswith("appeal") or action == "next-appeal"


def denial_of(line: RemittanceLine, rules: Ruleset, *payers: str) -> Denial | None:
    """What the refusal of a line means; None where nothing of it was refused. `payers`: the payer's id and kind."""
    nothing = undecided(line, rules, *payers)
    if not nothing and denied_amount(line, rules, *payers) <= 0:
        return None
    taken = [a for a in line.adjustments if nothing or account_of(a, rules, *payers) == "denied"]
    if not taken:
        return Denial("", (), "unknown-reason", "review", "nothing is paid and no reason is given", None, "")
    reason = taken[0].reason
    remarks = tuple(dict.fromkeys((*(r for a in taken for r in a.remarks), *line.remarks)))
    spec = rules.carc(reason, *payers)
    caught = rules.caught.get(reason, "")
    if spec is None:
        label = "a reason that the table does not know"
        return Denial(reason, remarks, "unknown-reason", "review", label, None, caught)
    category, action, label = spec.category, spec.action, spec.label
    for remark in filter(None, map(rules.rarc, remarks)):
        caught = caught or remark.caught_by
        if category in VAGUE or remark.category == "appeal":
            if remark.action != "by-reason":
                action = remark.action
            if remark.category != "appeal":
                category = remark.category
            label = f"{label}; {remark.label}"
            break
    return Denial(reason, remarks, category, action, label, spec.deadline_days, caught)


def denial_item(claim: Claim, line: int, found: Denial, amount: Cents, tick: Tick) -> WorkItem:
    """The item of a line of which so much was refused."""
    caught = f" (the edit {found.caught_by} would have held it)" if found.caught_by else ""
    remarks = f" [{' '.join(found.remarks)}]" if found.remarks else ""
    return open_item(
        "denial",
        found.reason,
        claim.id,
        category=found.category,
        action=found.action,
        opened=tick.now,
        amount=amount,
        due=tick.today + timedelta(days=found.deadline_days) if found.deadline_days else None,
        person=claim.person,
        detail=f"{found.label}{remarks}{caught}",
        which=str(line),
    )


def denial_items(claim: Claim, answer: Remittance, rules: Ruleset, tick: Tick, kind: str = "") -> tuple[WorkItem, ...]:
    """One item for each line of the answer of which a part was denied, or about which it decides nothing.

    `kind` is the payer's kind: its own reading of a reason goes before the table's.
    """
    payers = (claim.payer.id, kind)
    items: list[WorkItem] = []
    for line in answer.lines:
        found = denial_of(line, rules, *payers)
        if found is not None:
            amount = line.charge if undecided(line, rules, *payers) else denied_amount(line, rules, *payers)
            items.append(denial_item(claim, line.line, found, amount, tick))
    return tuple(items)
