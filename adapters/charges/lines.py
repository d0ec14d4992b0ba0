"""From a coded service to lines: who bills which part of it, at what price. Shared by all derivations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from adapters.model.charge import Charge, Component, Finding, Hold, Outcomes, Skip, Slot
from adapters.model.context import Context, Contexts
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import Event
from adapters.model.site import Facility, Price
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.rules import Attributes, Decision, Nothing, Ruleset

UNDECIDED = "-"
"""The part of a slot whose entities cannot be told, because the service has no code."""


class PriceList:
    """The site's fee table, asked by code, modifier, entity and date of service."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._rows: dict[str, list[Price]] = defaultdict(list)
        for price in prices:
            self._rows[price.code].append(price)

    def on(self, code: str, modifiers: Sequence[str], entity: str, day: date) -> Decimal | None:
        """Charge per unit in force; the row that names modifier and entity before the one that holds for any. None: no price."""
        fitting = [
            p
            for p in self._rows.get(code, ())
            if p.start <= day
            and (p.end is None or day <= p.end)
            and (not p.modifier or p.modifier in modifiers)
            and p.entity in ("", entity)
        ]
        best = max(fitting, key=lambda p: (p.modifier != "", p.entity != "", p.start), default=None)
        return None if best is None else best.amount


@dataclass(frozen=True, slots=True)
class Billable:
    """A service that has its code, before it is split into lines."""

    service: str
    key: str
    code: str
    units: int
    start: date
    end: date
    facts: tuple[Fact, ...]
    ref: RuleRef
    about: Event
    place: Facility
    diagnoses: tuple[str, ...] = ()
    rendering: str = ""
    modifiers: tuple[str, ...] = ()
    overdue: bool = False
    tc_bundled: str = ""
    """`true` or `false` where the payer decides, else the code's own attribute holds."""


@dataclass(frozen=True, slots=True)
class _Portion:
    """The part of a code that one entity reports at its place, or may not report."""

    entity: str
    component: Component
    part: str
    modifiers: tuple[str, ...]
    hold: str
    ref: RuleRef
    facts: tuple[Fact, ...]


@dataclass(slots=True)
class Bench:
    """What one derivation works with: the episode, what holds on each day, the rules, and the outcomes so far."""

    episode: Episode
    contexts: Contexts
    rules: Ruleset
    prices: PriceList
    charges: list[Charge] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_to_coded: list[Why] = field(default_factory=list)
    """Of lines that we derived and did not bill, because the family's coded charges are billed (mode accept)."""
    _contexts: dict[int, Context] = field(default_factory=dict)
    """By the identity of an occurrence; the episode keeps them all alive."""
    _portions: dict[tuple[object, ...], tuple[_Portion, ...]] = field(default_factory=dict)

    def outcomes(self) -> Outcomes:
        """All that was derived."""
        return Outcomes(tuple(self.charges), tuple(self.holds), tuple(self.skips), tuple(self.findings))

    def context(self, occurrence: Occurrence) -> Context:
        """What holds for the occurrence: its day, its place."""
        known = self._contexts.get(id(occurrence))
        if known is None:
            place = self.contexts.place(occurrence.value("facility"), occurrence.primary.feed)
            known = self._contexts[id(occurrence)] = self.contexts.of(occurrence.day, place)
        return known

    def place(self, occurrence: Occurrence) -> Facility:
        """Where it happened."""
        return self.context(occurrence).facility

    def diagnoses(self, occurrence: Occurrence) -> tuple[str, ...]:
        """The diagnoses the reports name, else those that the person's encounters and courses state."""
        return tuple(dict.fromkeys(occurrence.values("diagnosis"))) or self.contexts.diagnoses

    def decide(self, id: str, context: Context, words: dict[str, str]) -> Decision | Nothing:
        """Ask a rule table, with what holds on the day added to the occurrence's own facts."""
        return self.rules.decide(id, context.day, {**context.words, **words})

    def ref(self, id: str, day: date) -> RuleRef:
        """The version of a rule in force on the day, or its first one: an outcome must name a version in any case."""
        rule = self.rules.rule(id)
        return (rule.on(day) or rule.versions[-1]).ref

    def hold(
        self,
        code: str,
        service: str,
        key: str,
        why: Why,
        *,
        would: Charge | None = None,
        part: str = UNDECIDED,
        about: str = "",
        detail: str = "",
        instead_of: bool = False,
    ) -> Hold:
        """Add a hold of a registered code."""
        slot = would.slot if would else Slot(self.episode.id, service, key, part)
        spec = self.rules.hold(code)
        hold = Hold(slot, code, spec.release, would, why, instead_of, about, detail or spec.words)
        self.holds.append(hold)
        return hold

    def undecided(
        self, nothing: Nothing, service: str, occurrence: Occurrence, facts: tuple[Fact, ...], rule: str
    ) -> None:
        """The service has no code: nothing in force, no row for these facts, or an option that the site must set."""
        code = {"not-in-force": "not-effective", "option-missing": "option-missing"}.get(
            nothing.reason, "review-needed"
        )
        ref = nothing.ref or self.ref(rule, occurrence.day)
        why = Why(ref, facts)
        self.hold(code, service, occurrence.key, why, about=occurrence.primary.id, detail=nothing.detail)

    def skip(self, event: Event, reason: str) -> None:
        """Account for an event that owes nothing by itself."""
        self.skips.append(Skip(event.id, reason, self.why_skipped(event, reason)))

    def why_skipped(self, event: Event, reason: str) -> Why:
        """The assembly rule that speaks of this reason, resting on the event."""
        decision = self.rules.decide("assembly", event.day, {"reason": reason})
        ref = decision.ref if isinstance(decision, Decision) else self.ref("assembly", event.day)
        return Why(ref, (Fact("event", f"{event.kind} on {event.day.isoformat()}", event.source),))

    def lines(self, service: Billable) -> list[Charge]:
        """One line for each entity that bills a part of the service; parts that are never paid become holds.

        A code that is not in force on its date is one hold; a line without a price in force is kept back, never 0.00.
        """
        attributes = self.rules.attributes(service.code, service.start)
        if attributes is None:
            why = Why(service.ref, (*service.facts, Fact("code", service.code, Source("rules", service.ref.id))))
            self.hold("not-effective", service.service, service.key, why, about=service.about.id)
            return []
        made: list[Charge] = []
        for portion in self._split(service, attributes):
            modifiers = (*portion.modifiers, *service.modifiers)
            facts = (*service.facts, *portion.facts)
            charge = Charge(
                slot=Slot(self.episode.id, service.service, service.key, portion.part),
                code=service.code,
                modifiers=modifiers,
                units=service.units,
                price=self.prices.on(service.code, modifiers, portion.entity, service.start),
                start=service.start,
                end=service.end,
                diagnoses=service.diagnoses,
                component=portion.component,
                entity=portion.entity,
                rendering=service.rendering,
                why=Why(service.ref, facts),
            )
            if portion.hold:
                self.hold(portion.hold, "", "", Why(portion.ref, facts), would=charge, about=service.about.id)
            else:
                made.append(charge)
        if made and service.overdue:
            why = Why(service.ref, service.facts)
            self.findings.append(Finding("rule-unreviewed", service.about.id, why, service.ref.id, made[0].slot))
        return made

    def _split(self, service: Billable, attributes: Attributes) -> tuple[_Portion, ...]:
        """Who reports which part of the service. Remembered, because a course asks the same for every session.

        The answer depends on the version of the rule, the code's attributes, the payer and the place; not on the day.
        """
        context = self.contexts.of(service.start, service.place)
        version = self.rules.version("splitting", service.start)
        since = version.since if version else None
        payer = context.payer.id if context.payer else ""
        key = (since, service.code, attributes.start, service.tc_bundled, payer, service.place.id)
        known = self._portions.get(key)
        if known is None:
            known = self._portions[key] = tuple(_portions(self.rules, service, attributes, context))
        return known

    def bill(self, charges: Iterable[Charge], about: str) -> None:
        """Let lines be due; those without a price in force are held."""
        for charge in charges:
            if charge.price is None:
                self.hold("price-missing", "", "", charge.why, would=charge, about=about)
            else:
                self.charges.append(charge)


def _portions(rules: Ruleset, service: Billable, attributes: Attributes, context: Context) -> Iterator[_Portion]:
    """The parts that the entities of the place report, by the rule `splitting`."""
    words = {
        **context.words,
        "code": service.code,
        "pctc": attributes.pctc,
        "status": attributes.status,
        "tc_bundled": service.tc_bundled or ("true" if attributes.tc_bundled else "false"),
        "packaged_technical": "true" if attributes.packaged_technical else "false",
    }
    for entity in service.place.entities:
        decision = rules.decide("splitting", service.start, {**words, "bills": entity.bills.value})
        if isinstance(decision, Nothing) or "none" in decision.values:
            continue
        component = Component(decision.values.get("component", entity.bills.value))
        modifier = decision.values.get("modifier", "")
        yield _Portion(
            entity=entity.id,
            component=component,
            part=f"{entity.id}:{component}",
            modifiers=(modifier,) if modifier else (),
            hold=decision.values.get("hold", ""),
            ref=decision.ref,
            facts=_split_facts(service, attributes.pctc, entity.id, attributes.ref),
        )


def _split_facts(service: Billable, pctc: str, entity: str, ref: RuleRef) -> tuple[Fact, ...]:
    return (
        Fact("pc/tc indicator", pctc, Source("rules", f"{ref.file} {service.code}")),
        Fact("billed by", entity, Source("site", f"facility {service.place.id}")),
    )


def looked_at(occurrence: Occurrence, used: Iterable[str], context: Context) -> tuple[Fact, ...]:
    """The facts of an outcome: every report of the occurrence, then what the rule tested, each with where it was read."""
    named = occurrence.named
    facts = [Fact(named.name, named.value, report.source) for report in occurrence.reports]
    for name in used:
        fact = occurrence.fact(name)
        if fact is not None:
            facts.append(fact)
        elif name == "payer.kind" and context.coverage is not None:
            facts.append(Fact(name, context.words[name], Source(context.coverage.source_message, "coverage")))
        elif name in context.words:
            facts.append(Fact(name, context.words[name], Source("site", f"facility {context.facility.id}")))
    return tuple(facts)
