"""What one screening works with: the lines that still stand, what is held, and the questions that every check asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from adapters.model.charge import Charge, Finding, Hold
from adapters.model.claim import ClaimType
from adapters.model.context import Contexts
from adapters.model.site import BillingEntity, Facility, Site
from adapters.model.why import Fact, RuleRef, Why
from adapters.rules import Attributes, Decision, Ruleset


@dataclass(frozen=True, slots=True)
class Screened:
    """Lines that may go out, each with its coverage; lines that are held; and what is remarkable about either."""

    charges: tuple[Charge, ...]
    holds: tuple[Hold, ...]
    findings: tuple[Finding, ...] = ()


Lets = Callable[[Hold], tuple[Charge, Finding] | None]
"""Whether a person lets a held line go: the line as it goes out, with the finding that says who and why."""


def nobody(_: Hold) -> None:
    """Nobody lets anything go."""


def facility_of(site: Site, entity: str) -> Facility:
    """The facility at which an entity bills."""
    return next((f for f in site.facilities if any(e.id == entity for e in f.entities)), site.facilities[0])


@dataclass(slots=True)
class Sieve:
    """The lines of one person on their way through the checks."""

    contexts: Contexts
    rules: Ruleset
    lines: list[Charge]
    """Those that still stand, by date and within a date in the order of service."""
    held: list[Hold] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lets: Lets = nobody
    _fallen: set[int] = field(default_factory=set)
    """Identities of lines held since `settle` was last called; the sieve keeps them all alive until then."""
    clean: set[tuple[object, ...]] = field(default_factory=set)
    """What checks of modifiers have found in order, by all that they look at: a course has the same lines day by day."""
    _facilities: dict[str, Facility] = field(default_factory=dict)
    _billing: dict[str, BillingEntity | None] = field(default_factory=dict)
    _tables: dict[str, str] = field(default_factory=dict)
    _asked: dict[tuple[object, ...], Decision | None] = field(default_factory=dict)

    def facility(self, entity: str) -> Facility:
        """The facility at which an entity bills, looked up once."""
        if entity not in self._facilities:
            self._facilities[entity] = facility_of(self.contexts.site, entity)
        return self._facilities[entity]

    def billing(self, entity: str) -> BillingEntity | None:
        """The entity itself, looked up once; None where the site does not have it."""
        if entity not in self._billing:
            self._billing[entity] = next((e for e in self.facility(entity).entities if e.id == entity), None)
        return self._billing[entity]

    def table(self, entity: str) -> str:
        """Which of CMS's two tables binds an entity, by the form of its claims: `hospital` or `practitioner`."""
        if entity not in self._tables:
            billing = self.billing(entity)
            hospital = billing is not None and billing.claim_type is ClaimType.INSTITUTIONAL
            self._tables[entity] = "hospital" if hospital else "practitioner"
        return self._tables[entity]

    def attributes(self, charge: Charge) -> Attributes | None:
        """What holds for the line's code on its date."""
        return self.rules.attributes(charge.code, charge.start)

    def option(self, charge: Charge, name: str) -> str:
        """The option of the payer or site that the line is billed to."""
        return self.contexts.of(charge.start, self.facility(charge.entity)).option(name)

    def decide(self, rule: str, day: date, facts: Mapping[str, str]) -> Decision | None:
        """The answer of a rule, None where no version or no row speaks; the same question is asked of the table once."""
        version = self.rules.version(rule, day)
        if version is None:
            return None
        key = (rule, version.since, version.overdue(day), *facts.items())
        if key not in self._asked:
            answer = self.rules.decide(rule, day, facts)
            self._asked[key] = answer if isinstance(answer, Decision) else None
        return self._asked[key]

    def looked_at(self, rule: str, *lines: Charge) -> tuple[object, ...]:
        """All that a rule of modifiers looks at in these lines of one date: for equal ones it answers alike."""
        version = self.rules.version(rule, lines[0].start)
        said = []
        for line in lines:
            attributes = self.attributes(line)
            said.append((line.code, line.modifiers, line.entity, attributes.pctc if attributes else ""))
        return (rule, version.since if version else None, *said)

    def ref(self, check: str, day: date) -> RuleRef:
        """The house rule for a check that no published table decides."""
        decision = self.decide("screening", day, {"check": check})
        if decision is not None:
            return decision.ref
        rule = self.rules.rule("screening")
        return (rule.on(day) or rule.versions[-1]).ref

    def hold(self, charge: Charge, code: str, ref: RuleRef, *facts: Fact, detail: str = "") -> None:
        """Hold a line; it no longer stands. `detail` is added to the words of the hold."""
        spec = self.rules.hold(code)
        why = Why(ref, (*charge.why.facts, *facts))
        words = f"{spec.words} {detail}" if detail else spec.words
        self.held.append(Hold(charge.slot, code, spec.release, charge, why, detail=words))
        self._fallen.add(id(charge))
        version = self.rules.by_id.get(ref.id) and self.rules.version(ref.id, charge.start)
        if version and version.overdue(charge.start):
            self.findings.append(Finding("rule-unreviewed", "", why, ref.id, charge.slot))

    def fell(self, charge: Charge) -> bool:
        """Whether the line was held by the check that runs."""
        return id(charge) in self._fallen

    def settle(self) -> None:
        """Take the lines that fell out of those that stand."""
        if self._fallen:
            self.lines = [line for line in self.lines if id(line) not in self._fallen]
            self._fallen = set()

    def let_go(self) -> None:
        """Lines that a person lets go stand again, and the checks that follow look at them."""
        if self.lets is nobody:
            return
        held, self.held = self.held, []
        for hold in held:
            answer = self.lets(hold)
            if answer is None:
                self.held.append(hold)
            else:
                self.lines.append(answer[0])
                self.findings.append(answer[1])
        self.lines.sort(key=lambda line: line.start)


@dataclass(slots=True)
class Day:
    """The standing lines of one entity on one date, in the order of service: what edits across lines look at."""

    sieve: Sieve
    start: date
    entity: str
    table: str
    lines: list[Charge]

    @property
    def rules(self) -> Ruleset:
        """The rules in force."""
        return self.sieve.rules

    def option(self, name: str) -> str:
        """The option of the payer or site that the date is billed to."""
        return self.sieve.option(self.lines[0], name)

    def hold(self, charge: Charge, code: str, ref: RuleRef, *facts: Fact, detail: str = "") -> None:
        """Hold a line of the date."""
        self.sieve.hold(charge, code, ref, *facts, detail=detail)
        self.lines = [line for line in self.lines if line is not charge]


LineCheck = Callable[[Sieve, Charge], Charge | None]
"""A look at one line: the line as it goes on (with its coverage, say), or None where the check has held it."""
DayCheck = Callable[[Day], None]
"""A look at the lines of a date, which holds what it refuses."""


def days_of(sieve: Sieve, lines: Sequence[Charge]) -> list[Day]:
    """The lines by date and entity; their order within a date is kept."""
    days: dict[tuple[date, str], Day] = {}
    for line in lines:
        key = (line.start, line.entity)
        day = days.get(key)
        if day is None:
            day = days[key] = Day(sieve, line.start, line.entity, sieve.table(line.entity), [])
        day.lines.append(line)
    return list(days.values())
