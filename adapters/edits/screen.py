"""The checks, in the order in which a line meets them. A line that fails one is held with the rule that says so.

Screened are all due charges of the person, because edits look across lines: pairs and unit limits of a date, parents
of add-on codes. What decides between two lines in conflict is the published direction (column 2 falls), and between
equal lines the order of service: the earlier one goes out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from adapters.model.charge import Charge, Hold
from adapters.model.claim import ClaimType
from adapters.model.context import Contexts
from adapters.model.site import Facility, Site
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.rules import Attributes, Decision, Ruleset

BYPASS = frozenset({"25", "59", "XE", "XP", "XS", "XU", "76"})
"""Modifiers that let both lines of a pair with indicator 1 stand (radiation-oncology.md 7.1, C*)."""


@dataclass(frozen=True, slots=True)
class Screened:
    """Lines that may go out, each with its coverage, and lines that are held."""

    charges: tuple[Charge, ...]
    holds: tuple[Hold, ...]


@dataclass(slots=True)
class _Sieve:
    contexts: Contexts
    rules: Ruleset
    passed: list[Charge]
    held: list[Hold]
    _facilities: dict[str, Facility] = field(default_factory=dict)

    def facility(self, entity: str) -> Facility:
        """The facility at which an entity bills, looked up once."""
        if entity not in self._facilities:
            self._facilities[entity] = facility_of(self.contexts.site, entity)
        return self._facilities[entity]

    def hold(self, charge: Charge, code: str, ref: RuleRef, *facts: Fact) -> None:
        spec = self.rules.hold(code)
        why = Why(ref, (*charge.why.facts, *facts))
        self.held.append(Hold(charge.slot, code, spec.release, charge, why, detail=spec.words))

    def ref(self, check: str, day: date) -> RuleRef:
        """The house rule for a check that no published table decides."""
        decision = self.rules.decide("screening", day, {"check": check})
        if isinstance(decision, Decision):
            return decision.ref
        rule = self.rules.rule("screening")
        return (rule.on(day) or rule.versions[-1]).ref

    def attributes(self, charge: Charge) -> Attributes | None:
        return self.rules.attributes(charge.code, charge.start)

    def option(self, charge: Charge, name: str) -> str:
        """The option of the payer or site that the line is billed to."""
        return self.contexts.of(charge.start, self.facility(charge.entity)).option(name)

    def each(self, check: Callable[[Charge], bool]) -> None:
        """Keep the lines for which the check, which holds what it refuses, says yes."""
        self.passed = [charge for charge in self.passed if check(charge)]


def facility_of(site: Site, entity: str) -> Facility:
    """The facility at which an entity bills."""
    return next((f for f in site.facilities if any(e.id == entity for e in f.entities)), site.facilities[0])


def screen(charges: Sequence[Charge], contexts: Contexts, rules: Ruleset) -> Screened:
    """Every check over the person's due charges."""
    ordered = sorted(charges, key=lambda c: c.start)  # stable: of one date they come in the order of service
    sieve = _Sieve(contexts, rules, list(ordered), [])
    sieve.each(lambda charge: _in_force(sieve, charge))
    sieve.passed = [c for charge in sieve.passed if (c := _covered(sieve, charge)) is not None]
    sieve.each(lambda charge: _diagnosed(sieve, charge))
    for lines in _by_day(sieve.passed):
        _pairs(sieve, lines)
    for lines in _by_day(sieve.passed):
        _units(sieve, lines)
    for lines in _by_day(sieve.passed):
        _parents(sieve, lines)
    return Screened(tuple(sieve.passed), tuple(sieve.held))


def _in_force(sieve: _Sieve, charge: Charge) -> bool:
    if sieve.attributes(charge) is not None:
        return True
    if not sieve.rules.knows(charge.code) and sieve.option(charge, "edits.unknown_codes") == "pass":
        return True
    sieve.hold(charge, "not-effective", sieve.ref("code-in-force", charge.start))
    return False


def _covered(sieve: _Sieve, charge: Charge) -> Charge | None:
    """Assign the coverage in force on the date of service; without one, or with a payer we do not know, the line waits."""
    place = sieve.facility(charge.entity)
    context = sieve.contexts.of(charge.start, place)
    if context.coverage is None or not context.coverage.member:
        sieve.hold(charge, "coverage-missing", sieve.ref("coverage", charge.start))
        return None
    if context.payer is None:
        payer = Fact("payer", context.coverage.payer, Source(context.coverage.source_message, "coverage"))
        sieve.hold(charge, "payer-unknown", sieve.ref("payer", charge.start), payer)
        return None
    fact = Fact("coverage", context.payer.id, Source(context.coverage.source_message, "coverage"))
    why = Why(charge.why.rule, (*charge.why.facts, fact))
    return replace(charge, coverage=context.coverage.id, why=why)


def _diagnosed(sieve: _Sieve, charge: Charge) -> bool:
    if charge.diagnoses:
        return True
    sieve.hold(charge, "diagnosis-missing", sieve.ref("diagnosis", charge.start))
    return False


def _by_day(charges: Iterable[Charge]) -> list[list[Charge]]:
    """Lines of one entity on one date that could conflict: only dates with more than one line, or more than one unit."""
    days: dict[tuple[date, str], list[Charge]] = defaultdict(list)
    for charge in charges:
        days[charge.start, charge.entity].append(charge)
    return list(days.values())


def _table(sieve: _Sieve, entity: str) -> str:
    place = sieve.facility(entity)
    billing = next((e for e in place.entities if e.id == entity), None)
    return "hospital" if billing and billing.claim_type is ClaimType.INSTITUTIONAL else "practitioner"


def _pairs(sieve: _Sieve, lines: Sequence[Charge]) -> None:
    """Procedure-to-procedure edits: the column 2 line falls unless the pair allows a modifier and the line bears one.

    Indicator 0 is never paid; indicator 1 without a modifier is for a person to decide by the record (7.1).
    """
    codes = sorted({line.code for line in lines})
    if len(codes) < 2 or sieve.option(lines[0], "edits.pairs") == "off":
        return
    table = _table(sieve, lines[0].entity)
    standing = list(lines)
    for first in codes:
        for second in codes:
            pair = sieve.rules.pairs(first, second, lines[0].start, table) if first != second else None
            if pair is None or pair.indicator == "9" or pair.column1 != first:
                continue
            if not any(line.code == first for line in standing):
                continue
            for line in [c for c in standing if c.code == second]:
                if pair.indicator == "1" and BYPASS & set(line.modifiers):
                    continue
                standing.remove(line)
                sieve.passed.remove(line)
                fact = Fact("pair", f"{first} includes {second}", Source("rules", pair.ref.file))
                sieve.hold(line, "pair-conflict" if pair.indicator == "1" else "bundled", pair.ref, fact)


def _units(sieve: _Sieve, lines: Sequence[Charge]) -> None:
    """Medically unlikely edits: 1 by line; 2 and 3 by date, where 2 holds every line and 3 those past the limit (7.2)."""
    if sieve.option(lines[0], "edits.units") == "off":
        return
    total: dict[str, int] = defaultdict(int)
    for line in lines:
        total[line.code] += line.units
    running: dict[str, int] = defaultdict(int)
    for line in lines:
        attributes = sieve.attributes(line)
        hospital = _table(sieve, line.entity) == "hospital"
        most = None if attributes is None else attributes.mue_hospital if hospital else attributes.mue
        if attributes is None or most is None:
            continue
        running[line.code] += line.units
        over = {
            "1": line.units > most,
            "2": total[line.code] > most,
        }.get(attributes.mai, running[line.code] > most)
        if over:
            sieve.passed.remove(line)
            limit = Fact("unit limit of the date", str(most), Source("rules", attributes.ref.file))
            sieve.hold(line, "units-exceeded", attributes.ref, limit)


def _parents(sieve: _Sieve, lines: Sequence[Charge]) -> None:
    """An add-on code needs one of its primaries on the same date by the same entity (7.3)."""
    codes = {line.code for line in lines}
    for line in lines:
        attributes = sieve.attributes(line)
        if attributes is not None and attributes.addon_of and not codes & set(attributes.addon_of):
            sieve.passed.remove(line)
            sieve.hold(line, "addon-without-primary", attributes.ref)
