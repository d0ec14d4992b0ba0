"""Who pays first on a day: the registered order, but where Medicare's rules say otherwise (mappings/payers/benefits.toml).

A rule beats the registration, and each such correction is told. Where the rule needs what nobody has said (the size of
the employer, why the plan covers the person, the birth date), the registered order stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.coverage import Coverage
from adapters.model.site import Site
from adapters.model.why import Fact, RuleRef, Source
from adapters.rules import Decision, Ruleset

MEDICARE: Final = "medicare"
_OLD_AGE: Final = 65
"""Age of entitlement; Medicare before it rests on disability, or on kidney failure, which a person registers."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A coverage that goes before another although registration has them the other way round, and by which rule."""

    first: Coverage
    then: Coverage
    rule: RuleRef
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """The coverages in force on a day, the first payer first."""

    coverages: tuple[Coverage, ...] = ()
    corrected: tuple[Correction, ...] = ()


def registered(coverages: Iterable[Coverage], day: date) -> list[Coverage]:
    """The coverages in force on the day as registration has them: of equal order the one that began last comes first."""
    in_force = (c for c in coverages if c.holds_on(day))
    return sorted(in_force, key=lambda c: (c.order, -(c.start or date.min).toordinal(), c.id))


def order_of_benefits(coverages: Sequence[Coverage], day: date, born: date | None, site: Site, rules: Ruleset) -> Order:
    """The order of the coverages in force on the day. `born` is the person's birth date, None where nobody said it."""
    found = registered(coverages, day)
    if len(found) < 2:
        return Order(tuple(found))
    corrected: list[Correction] = []
    for medicare in [c for c in found if _kind(c, site) == MEDICARE]:
        for plan in [c for c in found if _kind(c, site) != MEDICARE and c.basis]:
            facts = _facts(plan, day, born)
            decision = rules.decide("benefits", day, {fact.name: fact.value for fact in facts})
            first = decision.values["first"] if isinstance(decision, Decision) else "registered"
            if not isinstance(decision, Decision) or first == "registered":
                continue
            ahead, behind = (plan, medicare) if first == "plan" else (medicare, plan)
            if found.index(ahead) > found.index(behind):
                found.remove(ahead)
                found.insert(found.index(behind), ahead)
                corrected.append(Correction(ahead, behind, decision.ref, facts))
    return Order(tuple(found), tuple(corrected))


def _kind(coverage: Coverage, site: Site) -> str:
    payer = site.payer(coverage.payer)
    return payer.kind if payer else ""


def _facts(plan: Coverage, day: date, born: date | None) -> tuple[Fact, ...]:
    source = Source(plan.source_message, "coverage")
    said = {
        "basis": plan.basis,
        "size": "" if plan.employer_size is None else str(plan.employer_size),
        "entitled": "" if born is None else "age" if _age(born, day) >= _OLD_AGE else "disability",
    }
    return tuple(Fact(name, value, source) for name, value in said.items() if value)


def _age(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
