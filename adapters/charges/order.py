"""The order of a course: what a session must have before its delivery is billed.

Its plan approved by then, and the record that the site calls complete; what is asked of a payer or site stands in
mappings/edits/course-order.toml. A session that waits was delivered all the same: every count has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from adapters.charges.lines import Bench
from adapters.charges.reviews import Review
from adapters.model.episode import Occurrence
from adapters.model.why import Fact, RuleRef
from adapters.rules import Nothing

PLANS: Final = ("imrt-plan", "3d-plan", "isodose-plan", "brachy-plan", "special-port-plan")
"""Kinds whose date is that of the plan's approval."""
_OF: Final = {"hdr": frozenset({"brachy-plan"}), "surface": frozenset[str](), "iort": frozenset[str]()}
"""Kinds of plans by the regime of a session; surface and intraoperative sessions have none."""
_OF_BEAM: Final = frozenset(PLANS) - {"brachy-plan"}


@dataclass(frozen=True, slots=True)
class Unready:
    """Why a session is not billed yet: the hold, the rule, and what it rests on beside the session."""

    hold: str
    ref: RuleRef
    facts: tuple[Fact, ...]
    detail: str


def unready(
    bench: Bench, session: Occurrence, plans: Sequence[Occurrence], reviews: Mapping[str, Review]
) -> Unready | None:
    """What the session lacks, or None where it may be billed."""
    context = bench.context(session)
    plan, facts = _approval(session, plans)
    words = {"plan": plan, "images": _images(session, reviews)}
    if closed := session.fact("record.closed"):
        words["record"] = "closed" if closed.value == "true" else "open"
    decision = bench.decide("course-order", context, words)
    if isinstance(decision, Nothing) or "hold" not in decision.values:
        return None
    facts = (*facts, *((closed,) if closed else ()))
    return Unready(decision.values["hold"], decision.ref, facts, decision.values.get("detail", ""))


def _approval(session: Occurrence, plans: Sequence[Occurrence]) -> tuple[str, tuple[Fact, ...]]:
    """Whether the session's plan was approved by its date, as the rule words it, with the plan as a fact.

    Its plan is the one that it names, whichever of several versions came first; where it names none, any plan of the
    course for such sessions. A plan event is dated by its approval.
    """
    named = session.value("plan")
    kinds = _OF.get(session.value("regime"), _OF_BEAM)
    if not kinds:
        return "not-needed", ()
    plans = [plan for plan in plans if plan.kind in kinds]
    for first in plans:
        if not named or first.value("plan") in ("", named):
            break
    else:
        return ("unknown" if named or plans else "none"), ()
    if first.day <= session.day:
        return "approved", ()
    return "later", (replace(first.named, name="plan"),)


def _images(session: Occurrence, reviews: Mapping[str, Review]) -> str:
    if session.value("guidance", "none") == "none":
        return "none"
    return "reviewed" if session.key in reviews else "unreviewed"
