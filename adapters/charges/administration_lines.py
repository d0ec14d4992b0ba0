"""From units of administrations to lines: one for each code, modifiers and day, whoever bills it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, NamedTuple

from adapters.charges.lines import Bench, Billable
from adapters.model.charge import Charge
from adapters.model.claim import ClaimType
from adapters.model.episode import Occurrence
from adapters.model.site import Facility
from adapters.model.why import Fact, RuleRef, Why
from adapters.rules import Decision, Nothing

FAMILY: Final = "administration"


class Portion(NamedTuple):
    """One unit of a code on a day."""

    code: str
    modifiers: tuple[str, ...]
    day: date
    occurrence: Occurrence
    facts: tuple[Fact, ...]
    decision: Decision
    injected: bool = False


def derives(bench: Bench, occurrence: Occurrence, family: str) -> bool:
    """Whether the family is charged from the record of the visit, by the site's or payer's option."""
    wanted = bench.context(occurrence).option("infusion.derives")
    return wanted == "all" or family in wanted.split()


def decided(bench: Bench, one: Occurrence, words: Mapping[str, str], facts: tuple[Fact, ...] = ()) -> Decision | None:
    """The code by the table; without one the hold is entered."""
    decision = bench.decide("infusion", bench.context(one), words)
    if isinstance(decision, Nothing):
        bench.undecided(decision, FAMILY, keyed(one), (*one.told, *facts), "infusion")
        return None
    if "code" not in decision.values:
        why = Why(decision.ref, (*one.told, *facts))
        detail = decision.values.get("detail", "")
        bench.hold(decision.values["hold"], FAMILY, key_of(one), why, about=one.primary.id, detail=detail)
        return None
    return decision


def key_of(one: Occurrence) -> str:
    """The key under which its holds stand: two kinds may share an order."""
    return f"{one.kind}:{one.key}"


def keyed(one: Occurrence) -> Occurrence:
    """The occurrence under the key that its holds have: two kinds may share an order."""
    return replace(one, key=key_of(one))


def each_once(told: Sequence[tuple[Fact, ...]]) -> tuple[Fact, ...]:
    """The facts of all members of a line, each once."""
    if len(told) == 1:
        return told[0]
    # By all that a fact says: texts remember their hashes, a fact works out its own each time.
    return tuple({(f.name, f.value, f.source.message, f.source.at): f for facts in told for f in facts}.values())


def lines_of(bench: Bench, portions: Sequence[Portion]) -> list[tuple[Charge, str]]:
    """One line for each code, modifiers and day, with the units of all administrations that it stands for."""
    groups: dict[tuple[str, tuple[str, ...], date, str], list[Portion]] = {}
    for portion in portions:
        place = bench.place(portion.occurrence).id
        groups.setdefault((portion.code, portion.modifiers, portion.day, place), []).append(portion)
    made: list[tuple[Charge, str]] = []
    for (code, modifiers, day, _), members in groups.items():
        first = members[0]
        about = first.occurrence.primary
        ref: RuleRef = first.decision.ref
        service = Billable(
            service=FAMILY,
            key="/".join((day.isoformat(), code, *modifiers)),
            code=code,
            units=len(members),
            start=day,
            end=day,
            facts=each_once([member.facts for member in members]),
            ref=ref,
            about=about,
            place=bench.place(first.occurrence),
            diagnoses=bench.diagnoses(first.occurrence),
            rendering=first.occurrence.value("by"),
            modifiers=modifiers,
            overdue=first.decision.overdue,
        )
        before = len(bench.holds)
        charges = bench.lines(service)
        made.extend((charge, about.id) for charge in charges)
        if not charges and len(bench.holds) == before:
            for member in members:
                bench.idle.setdefault(member.occurrence.primary.id, "billed-elsewhere")
    return made


def distinct(
    bench: Bench, lines: Sequence[tuple[Charge, str]], portions: Sequence[Portion]
) -> list[tuple[Charge, str]]:
    """The lines, an injection beside a service that would include it with the modifier that says it was distinct (15)."""
    injected = {portion.code for portion in portions if portion.injected}
    if not injected:
        return list(lines)
    marked: list[tuple[Charge, str]] = []
    for charge, about in lines:
        context = bench.contexts.of(charge.start, _facility(bench, charge))
        if charge.code in injected and context.option("edits.pairs") == "on":
            codes = {other.code for other, _ in lines if other.start == charge.start and other.entity == charge.entity}
            pairs = bench.rules.pairs_among(tuple(sorted(codes)), charge.start, table_of(bench, charge.entity))
            if any(pair.column2 == charge.code and pair.indicator == "1" for pair in pairs):
                modifier = context.option("infusion.distinct_modifier")
                marked.append((replace(charge, modifiers=(*charge.modifiers, modifier)), about))
                continue
        marked.append((charge, about))
    return marked


def _facility(bench: Bench, charge: Charge) -> Facility:
    places = bench.contexts.site.facilities
    return next((place for place in places if any(e.id == charge.entity for e in place.entities)), places[0])


def table_of(bench: Bench, entity: str) -> str:
    """Which of CMS's two tables binds an entity, by the form of its claims."""
    entities = (e for place in bench.contexts.site.facilities for e in place.entities)
    billing = next((e for e in entities if e.id == entity), None)
    return "hospital" if billing and billing.claim_type is ClaimType.INSTITUTIONAL else "practitioner"
