"""Who pays first on a day: the registered order, but where a rule says otherwise.

Two tables: `programmes` by what the two coverages are (TRICARE, Medicaid, an insurer that answers for an accident), then
`benefits` for Medicare beside an employer's plan. A rule beats the registration, and each such correction is told. Where
a rule needs what nobody has said (the size of the employer, why the plan covers the person, the birth date, that the
visit is for an accident), the registered order stands; Medicaid and TRICARE stand behind an accident's insurer all the
same, so that the order of three coverages never runs in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from adapters.model.coverage import Coverage
from adapters.model.event import Event, Status
from adapters.model.site import Site, options_on
from adapters.model.why import Fact, RuleRef, Source
from adapters.rules import Decision, Ruleset

MEDICARE: Final = "medicare"
PROGRAMME: Final = "benefits.programme"
"""The payer's option that says what its coverage is."""
_OLD_AGE: Final = 65
"""Age of entitlement; Medicare before it rests on disability, or on kidney failure, which a person registers."""


@dataclass(frozen=True, slots=True)
class Accident:
    """The days of a visit that is for an accident; both end days are inside."""

    first: date
    last: date
    said: Fact


def accidents(context: Iterable[Event], site: Site) -> tuple[Accident, ...]:
    """The visits that say that they are for an accident, from the current context events; a visit without an end is
    taken for one of its day."""
    zone = ZoneInfo(site.zone)
    found = [
        Accident(event.day, max(event.day, event.end.astimezone(zone).date()) if event.end else event.day, fact)
        for event in context
        if event.kind == "encounter" and event.status is Status.DONE and (fact := event.fact("accident")) is not None
    ]
    return tuple(sorted(found, key=lambda one: (one.first, one.said.source.message, one.said.source.at)))


def accident_on(known: Sequence[Accident], day: date) -> Fact | None:
    """What the visits of the day say of an accident, the one that began last; None where they say nothing."""
    return next((one.said for one in reversed(known) if one.first <= day <= one.last), None)


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


def order_of_benefits(
    coverages: Sequence[Coverage],
    day: date,
    born: date | None,
    site: Site,
    rules: Ruleset,
    accident: Fact | None = None,
) -> Order:
    """The order of the coverages in force on the day. `born` is the person's birth date, None where nobody said it;
    `accident` what the visit of the day says that it is for (`work`, `auto`, `other`), None where it says none."""
    found = registered(coverages, day)
    if len(found) < 2:
        return Order(tuple(found))
    corrected = [*_beside_medicare(found, day, born, site, rules), *_by_programme(found, day, site, rules, accident)]
    return Order(tuple(found), tuple(corrected))


def _by_programme(
    found: list[Coverage], day: date, site: Site, rules: Ruleset, accident: Fact | None
) -> Iterable[Correction]:
    """Put the coverages in the order that what they are gives them; each is moved before the first that it precedes."""
    for coverage in tuple(found):
        for behind in found[: found.index(coverage)]:
            ahead = _first(coverage, behind, day, site, rules, accident)
            if ahead is not None:
                found.remove(coverage)
                found.insert(found.index(behind), coverage)
                yield Correction(coverage, behind, *ahead)
                break


def _first(
    one: Coverage, other: Coverage, day: date, site: Site, rules: Ruleset, accident: Fact | None
) -> tuple[RuleRef, tuple[Fact, ...]] | None:
    """By which rule and facts the one goes before the other; None where no rule says so. A pair is asked both ways."""
    kinds = [_programme(coverage, day, site, rules) for coverage in (one, other)]
    if kinds[0].value == kinds[1].value:
        return None
    for this, against, wanted in ((kinds[0], kinds[1], "this"), (kinds[1], kinds[0], "other")):
        said = {"this": this.value, "other": against.value} | ({"accident": accident.value} if accident else {})
        decision = rules.decide("programmes", day, said)
        if isinstance(decision, Decision) and decision.values["first"] != "registered":
            facts = (*kinds, *((accident,) if accident else ()))
            return (decision.ref, facts) if decision.values["first"] == wanted else None
    return None


def _programme(coverage: Coverage, day: date, site: Site, rules: Ruleset) -> Fact:
    """What a coverage is, as its payer's options say it."""
    payer = site.payer(coverage.payer)
    options = options_on(payer.options, payer.dated_options, day) if payer else {}
    return Fact("programme", rules.option(PROGRAMME, options), Source("site", f"payer {coverage.payer}"))


def _beside_medicare(
    found: list[Coverage], day: date, born: date | None, site: Site, rules: Ruleset
) -> list[Correction]:
    """Put Medicare and the plans of employers in the order that their table gives them."""
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
    return corrected


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
