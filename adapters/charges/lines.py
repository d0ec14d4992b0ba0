"""From a coded service to lines: who bills which part of it, at what price. Shared by all derivations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from adapters.model.charge import Charge, Component, Finding, Hold, Outcomes, Skip, Slot
from adapters.model.context import Context, Contexts
from adapters.model.episode import Episode, Occurrence, visit_number
from adapters.model.event import Event
from adapters.model.site import Facility, Price, Site
from adapters.model.tables import TableKind, Tables
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.rules import Attributes, Decision, DecisionBody, Nothing, Ruleset

UNDECIDED = "-"
"""The part of a slot whose entities cannot be told, because the service has no code."""


class PriceList:
    """The prices of the site file, asked by code, modifier, entity and date of service; see `fee` for a loaded table."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._rows: dict[str, list[Price]] = defaultdict(list)
        self._fitting: dict[tuple[str, tuple[str, ...], str], list[Price]] = {}
        """Rows by code, modifiers and entity, the best first: a course asks the same of each of its dates."""
        for price in prices:
            self._rows[price.code].append(price)

    def on(self, code: str, modifiers: Sequence[str], entity: str, day: date) -> Decimal | None:
        """Charge per unit in force; the row that names modifier and entity before the one that holds for any.

        None: no price, and a price of 0.00 is none.
        """
        key = (code, tuple(modifiers), entity)
        rows = self._fitting.get(key)
        if rows is None:
            fit = [
                p
                for p in self._rows.get(code, ())
                if (not p.modifier or p.modifier in modifiers) and p.entity in ("", entity)
            ]
            fit.sort(key=lambda p: (p.modifier != "", p.entity != "", p.start), reverse=True)
            rows = self._fitting[key] = fit
        for row in rows:
            if row.start <= day and (row.end is None or day <= row.end):
                return row.amount if row.amount > 0 else None
        return None


def fee(tables: Tables, code: str, modifiers: Sequence[str], entity: str, day: date, payer: str) -> Decimal | None:
    """Charge per unit by the loaded fee table, or None where no row fits; a fee of 0.00 is none.

    Of several rows that fit, the one counts that names the payer, then the entity, then more of the modifiers, then the
    one that began last, then the higher amount.
    """
    fitting = [
        row
        for row in tables.fees(code, day)
        if row.amount > 0
        and row.payer in ("", payer)
        and row.entity in ("", entity)
        and set(row.modifiers) <= set(modifiers)
    ]
    best = max(
        fitting,
        key=lambda row: (row.payer != "", row.entity != "", len(row.modifiers), row.start, row.amount),
        default=None,
    )
    return None if best is None else best.amount


def revenue_of(site: Site, code: str, service: str) -> str:
    """The revenue code that the site file gives a code, or its service family; empty where it gives none."""
    return site.revenue.get(code) or site.revenue.get(service, "")


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
    _decided: dict[tuple[object, ...], tuple[Mapping[str, str], Decision | Nothing]] = field(default_factory=dict)
    """Answers of rules, each with what held on the day, which keeps the identity in its key its own."""
    _asked: dict[tuple[str, date], tuple[tuple[str, date, bool], tuple[str, ...]]] = field(default_factory=dict)
    """By rule and day: its version, whether that is overdue, and the facts that it looks at."""
    _unreviewed: set[tuple[Slot, str]] = field(default_factory=set)
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

    def looked_at(self, occurrence: Occurrence, used: Iterable[str]) -> tuple[Fact, ...]:
        """The facts of an outcome: every report of the occurrence, then what the rule tested, each with where it was
        read."""
        facts = [*occurrence.told]
        by_name, context = occurrence.by_name, None
        for name in used:
            fact = by_name.get(name)
            if fact is None:
                if context is None:
                    context = self.context(occurrence)
                if name not in context.words:
                    continue
                fact = self._of_the_day(name, context)
            facts.append(fact)
        return tuple(facts)

    def _of_the_day(self, name: str, context: Context) -> Fact:
        """What holds on the day as a fact: of the coverage where it says who pays, else of the site."""
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

    def place(self, occurrence: Occurrence) -> Facility:
        """Where it happened."""
        return self.context(occurrence).facility

    def diagnoses(self, occurrence: Occurrence) -> tuple[str, ...]:
        """The diagnoses the reports name, else those that the person's encounters and courses state."""
        if "diagnosis" not in occurrence.by_name:
            return self.contexts.diagnoses
        known = self._diagnoses.get(id(occurrence))
        if known is None:
            known = self._diagnoses[id(occurrence)] = tuple(dict.fromkeys(occurrence.values("diagnosis")))
        return known

    def decide(self, rule: str, context: Context, words: Mapping[str, str]) -> Decision | Nothing:
        """Ask a rule table, with what holds on the day added to the occurrence's own facts.

        Remembered by all that the table looks at: the sessions of a course ask the same day by day.
        """
        asked = self._asked.get((rule, context.day))
        if asked is None:
            version = self.rules.version(rule, context.day)
            body = version.body if version is not None else None
            if version is None or not isinstance(body, DecisionBody):
                return self.rules.decide(rule, context.day, {**context.words, **words})
            asked = self._asked[rule, context.day] = ((rule, version.since, version.overdue(context.day)), body.asks)
        key = (asked[0], id(context.words), *map(words.get, asked[1]))
        known = self._decided.get(key)
        if known is None:
            answer = self.rules.decide(rule, context.day, {**context.words, **words})
            known = self._decided[key] = (context.words, answer)
        return known[1]

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
        version = self.rules.version(why.rule.id, would.start) if would and why.rule.id in self.rules.by_id else None
        if would is not None and version is not None and version.overdue(would.start):
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
            price, priced = self.price(service.code, modifiers, portion.entity, service.start, service.place)
            facts = (*service.facts, *portion.facts, *priced)
            charge = Charge(
                slot=Slot(self.episode.id, service.service, service.key, portion.part),
                code=service.code,
                modifiers=modifiers,
                units=service.units,
                price=price,
                start=service.start,
                end=service.end,
                diagnoses=service.diagnoses,
                component=portion.component,
                entity=portion.entity,
                rendering=service.rendering,
                ordering=service.about.value("ordered_by"),
                revenue=revenue_of(self.contexts.site, service.code, service.service),
                visit=visit_number(self.episode, service.about.value("visit")),
                series=service.about.value("series"),
                why=Why(service.ref, facts),
            )
            if portion.hold:
                self.hold(portion.hold, "", "", Why(portion.ref, facts), would=charge, about=service.about.id)
            else:
                made.append(charge)
        if made and service.overdue:
            self.unreviewed(Why(service.ref, service.facts), service.about.id, made[0].slot)
        return made

    def _split(self, service: Billable, attributes: Attributes) -> tuple[_Portion, ...]:
        """Who reports which part of the service. Remembered, because a course asks the same for every session.

        The answer depends on the version of the rule, the code's attributes, the payer and the place; not on the day.
        """
        context = self.contexts.of(service.start, service.place)
        version = self.rules.version("splitting", service.start)
        since = version.since if version else None
        payer = context.payer.id if context.payer else ""
        said = (attributes.start, attributes.ref.digest)
        key = (since, service.code, said, service.tc_bundled, payer, service.place.id)
        known = self._portions.get(key)
        if known is None:
            known = self._portions[key] = tuple(_portions(self, service, attributes, context))
        return known

    def bill(self, charges: Iterable[Charge], about: str) -> None:
        """Let lines be due; those without a price in force are held."""
        for charge in charges:
            if charge.price is None:
                self.hold("price-missing", "", "", charge.why, would=charge, about=about)
            else:
                self.charges.append(charge)


def _portions(bench: Bench, service: Billable, attributes: Attributes, context: Context) -> Iterator[_Portion]:
    """The parts that the entities of the place report, by the rule `splitting`."""
    words = {
        "code": service.code,
        "pctc": attributes.pctc,
        "status": attributes.status,
        "tc_bundled": service.tc_bundled or ("true" if attributes.tc_bundled else "false"),
        "packaged_technical": "true" if attributes.packaged_technical else "false",
        "facility_na": "true" if attributes.facility_na else "false",
    }
    for entity in service.place.entities:
        decision = bench.decide("splitting", context, {**words, "bills": entity.bills.value})
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
