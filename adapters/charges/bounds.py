"""A wall against runaway billing: more lines of a service on one date than anyone delivers are held, not billed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from adapters.model.charge import Charge, Hold, Outcomes
from adapters.model.why import Fact, Source, Why
from adapters.rules import Nothing, Ruleset


@dataclass(frozen=True, slots=True)
class Bounds:
    """How the wall decided: what passes and what is held."""

    outcomes: Outcomes
    exceeded: int


def within_bounds(outcomes: Outcomes, rules: Ruleset) -> Bounds:
    """Hold every line of a service, entity and date that has more of them than the rule `bounds` allows."""
    lines = Counter((c.slot.episode, c.slot.service, c.slot.part, c.start) for c in outcomes.charges)
    passed: list[Charge] = []
    held: list[Hold] = []
    for charge in outcomes.charges:
        count = lines[charge.slot.episode, charge.slot.service, charge.slot.part, charge.start]
        decision = rules.decide("bounds", charge.start, {"service": charge.slot.service})
        if isinstance(decision, Nothing) or count <= int(decision.values["lines_per_day"]):
            passed.append(charge)
            continue
        spec = rules.hold("bounds-exceeded")
        fact = Fact("lines on the date", str(count), Source("rules", decision.ref.file))
        why = Why(decision.ref, (*charge.why.facts, fact))
        held.append(Hold(charge.slot, "bounds-exceeded", spec.release, charge, why, detail=spec.words))
    return Bounds(Outcomes(tuple(passed), (*outcomes.holds, *held), outcomes.skips, outcomes.findings), len(held))
