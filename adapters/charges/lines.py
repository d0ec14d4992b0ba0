"""From a coded service to lines: who bills which part of it, at what price. Shared by all derivations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.charges.portions import Portion, portions
from adapters.charges.prices import PriceList, fee, revenue_of
from adapters.model.charge import Charge, Finding, Hold, Outcomes, Skip, Slot
from adapters.model.context import Context, Contexts
from adapters.model.episode import Episode, Occurrence, visit_number
from adapters.model.event import Event
from adapters.model.site import Facility
from adapters.model.tables import TableKind
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.rules import Attributes, Decision, Nothing, Ruleset

_NO_DRUG: Final = ("", None, "")
_REGISTERED: Final = frozenset({"ordered_by", "visit", "series"})
UNDECIDED = "-"
"""The part of a slot whose entities cannot be told, because the service has no code."""


@dataclass(slots=True)
class Billable:
    """A service that has its code, before it is split into lines.

    Not frozen, because it lives for one call of `Bench.lines` only and a course makes over a hundred.
    """

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
    ndc: str = ""
    ndc_quantity: Decimal | None = None
    ndc_unit: str = ""
    """Of a drug: its lines bear what a `Charge` calls so; a part that its entity may not report does not."""


@dataclass(slots=True)
class Bench:
    """What one derivation works with: the episode, what holds on each day, the rules, and the outcomes so far."""

    episode: Episode
    contexts: Contexts
    rules: Ruleset
    prices: PriceList
    others: Sequence[Episode] = ()
    """The person's other episodes."""
    charges: list[Charge] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_to_coded: list[Why] = field(default_factory=list)
    """Of lines that we derived and did not bill, because the family's coded charges are billed (mode accept)."""
    idle: dict[str, str] = field(default_factory=dict)
    """Id of an event that was looked at and owes nothing by itself → reason, for the account of events."""
    _contexts: dict[int, Context] = field(default_factory=dict)
    """By the identity of an occurrence; the episode keeps them all alive."""
    _words: dict[int, Mapping[str, str]] = field(default_factory=dict)
    _diagnoses: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _said: dict[tuple[str, str, str], Fact] = field(default_factory=dict)
    """Facts of what holds on a day, by name, value and where it stands: the sessions of a course share them."""
    _unreviewed: set[tuple[Slot, str]] = field(default_factory=set)
    _portions: dict[tuple[object, ...], tuple[Mapping[str, str], tuple[Portion, ...]]] = field(default_factory=dict)
    """The parts of services, each with what held on the day, which keeps the identity in its key its own."""
    _reports: dict[int, tuple[Event, Mapping[str, str]]] = field(default_factory=dict)
    """By the identity of a report, which it keeps: what it says, the first of each name."""
    _registered: dict[int, tuple[Event, tuple[str, str, str]]] = field(default_factory=dict)
    """By the identity of a report, which it keeps: who ordered it, the number of its visit, its series."""

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

    def looked_at(self, occurrence: Occurrence, used: Iterable[str]) -> tuple[Fact, ...]:
        """The facts of an outcome: every report of the occurrence, then what the rule tested, each with where it was
        read."""
        by_name = occurrence.by_name
        facts = [*occurrence.told]
        for name in used:
            fact = by_name.get(name) or self._of_the_day(name, self.context(occurrence))
            if fact is not None:
                facts.append(fact)
        return tuple(facts)

    def _of_the_day(self, name: str, context: Context) -> Fact | None:
        """What holds on the day as a fact: of the coverage where it says who pays, else of the site; None: nothing."""
        if name not in context.words:
            return None
        insured = name == "payer.kind" and context.coverage is not None
        message = context.coverage.source_message if insured and context.coverage else ""
        key = (name, context.words[name], message or context.facility.id)
        fact = self._said.get(key)
        if fact is None:
            source = Source(message, "coverage") if insured else Source("site", f"facility {context.facility.id}")
            fact = self._said[key] = Fact(name, context.words[name], source)
        return fact

    def words(self, occurrence: Occurrence) -> Mapping[str, str]:
        """The facts of the occurrence in the words of rule tables, the first of each name; put together once."""
        known = self._words.get(id(occurrence))
        if known is None:
            known = {name: fact.value for name, fact in occurrence.by_name.items()}
            self._words[id(occurrence)] = known
        return known

    def said(self, report: Event) -> Mapping[str, str]:
        """What one report says, by name, the first of each; put together once."""
        known = self._reports.get(id(report))
        if known is None:
            known = (report, {fact.name: fact.value for fact in reversed(report.facts)})
            self._reports[id(report)] = known
        return known[1]

    def place(self, occurrence: Occurrence) -> Facility:
        """Where it happened."""
        return self.context(occurrence).facility

    def diagnoses(self, occurrence: Occurrence) -> tuple[str, ...]:
        """The diagnoses the reports name, else those that the person's encounters and courses state."""
        if "diagnosis" not in occurrence.by_name:
            return self.contexts.diagnoses
        known = self._diagnoses.get(id(occurrence))
        if known is None:
            said = [fact.value for fact in occurrence.facts if fact.name == "diagnosis"]
            known = self._diagnoses[id(occurrence)] = tuple(dict.fromkeys(said))
        return known

    def decide(self, rule: str, context: Context, words: Mapping[str, str]) -> Decision | Nothing:
        """Ask a rule table, with what holds on the day added to the occurrence's own facts."""
        return self.rules.ask(rule, context.day, context.words, words)

    def price(
        self, code: str, modifiers: Sequence[str], entity: str, day: date, place: Facility
    ) -> tuple[Decimal | None, tuple[Fact, ...]]:
        """Charge per unit, by the loaded fee table for the payer of the day, else by the site file; None: no price.

        What a loaded table said is a fact of the line, so that the line can tell its edition.
        """
        loaded = self.rules.loaded
        edition = None if loaded is None else loaded.edition(TableKind.FEES, day)
        if loaded is not None and edition is not None:
            payer = self.contexts.of(day, place).payer
            amount = fee(loaded.tables, code, modifiers, entity, day, payer.id if payer else "")
            if amount is not None:
                return amount, (Fact("price", str(amount), Source("rules", edition.name)),)
        return self.prices.on(code, modifiers, entity, day), ()

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
        if would is not None and why.rule.id in self.rules.by_id:
            version = self.rules.version(why.rule.id, would.start)
            if version is not None and version.overdue(would.start):
                self.unreviewed(why, about, would.slot)
        return hold

    def unreviewed(self, why: Why, about: str, slot: Slot) -> None:
        """Remark, once for a slot, that a rule decided which is past the day by which it had to be reviewed."""
        if (slot, why.rule.id) not in self._unreviewed:
            self._unreviewed.add((slot, why.rule.id))
            self.findings.append(Finding("rule-unreviewed", about, why, why.rule.id, slot))

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

    def owed(self, service: str, occurrence: Occurrence, decision: Decision, facts: tuple[Fact, ...]) -> Billable:
        """What a decision that gives a code says of an occurrence: once, on its day, at its place, by who performed it."""
        values = decision.values
        # By position, like the charges below.
        return Billable(
            service,
            occurrence.key,
            values["code"],
            1,
            occurrence.day,
            occurrence.day,
            facts,
            decision.ref,
            occurrence.primary,
            self.context(occurrence).facility,
            self.diagnoses(occurrence),
            occurrence.value("by"),
            (),
            decision.overdue,
            values.get("tc_bundled", ""),
        )

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
        ordering, visit, series = self._registered_by(service.about)
        revenue = revenue_of(self.contexts.site, service.code, service.service)
        for portion in self._split(service, attributes):
            modifiers = (*portion.modifiers, *service.modifiers)
            price, priced = self.price(service.code, modifiers, portion.entity, service.start, service.place)
            facts = service.facts + portion.facts + priced
            drug = _NO_DRUG if portion.hold else (service.ndc, service.ndc_quantity, service.ndc_unit)
            # By position, in the order of its fields: a course makes hundreds, and names cost a quarter more.
            charge = Charge(
                Slot(self.episode.id, service.service, service.key, portion.part),
                service.code,
                modifiers,
                service.units,
                price,
                service.start,
                service.end,
                service.diagnoses,
                portion.component,
                portion.entity,
                Why(service.ref, facts),
                *drug,
                service.rendering,
                ordering,
                revenue,
                visit,
                series,
            )
            if portion.hold:
                self.hold(portion.hold, "", "", Why(portion.ref, facts), would=charge, about=service.about.id)
            else:
                made.append(charge)
        if made and service.overdue:
            self.unreviewed(Why(service.ref, service.facts), service.about.id, made[0].slot)
        return made

    def _split(self, service: Billable, attributes: Attributes) -> tuple[Portion, ...]:
        """Who reports which part of the service. Remembered, because a course asks the same for every session.

        The answer depends on the version of the rule, the code's attributes, the payer and the place; not on the day.
        """
        context = self.contexts.of(service.start, service.place)
        of_day, version = context.words, self.rules.version("splitting", service.start)
        since, said = version.since if version else None, attributes.ref.digest
        key = (service.code, service.tc_bundled, id(of_day), service.place.id, since, attributes.start, said)
        known = self._portions.get(key)
        if known is None:
            known = self._portions[key] = (of_day, tuple(portions(self, service, attributes, context)))
        return known[1]

    def _registered_by(self, report: Event) -> tuple[str, str, str]:
        """Who ordered what was reported, the number of its visit, and its series: all lines of a report share them."""
        known = self._registered.get(id(report))
        if known is None:
            said = {fact.name: fact.value for fact in reversed(report.facts) if fact.name in _REGISTERED}
            visit = visit_number(self.episode, said.get("visit", ""))
            known = (report, (said.get("ordered_by", ""), visit, said.get("series", "")))
            self._registered[id(report)] = known
        return known[1]

    def bill(self, charges: Iterable[Charge], about: str) -> None:
        """Let lines be due; those without a price in force are held."""
        for charge in charges:
            if charge.price is None:
                self.hold("price-missing", "", "", charge.why, would=charge, about=about)
            else:
                self.charges.append(charge)

    def split_facts(self, service: Billable, pctc: str, entity: str, ref: RuleRef) -> tuple[Fact, ...]:
        """What the parts of a service rest on: the indicator of its code, and who bills at the place."""
        key = ("billed by", entity, service.place.id)
        billed = self._said.get(key)
        if billed is None:
            billed = self._said[key] = Fact("billed by", entity, Source("site", f"facility {service.place.id}"))
        return Fact("pc/tc indicator", pctc, Source("rules", f"{ref.file} {service.code}")), billed
