"""All rules of one edition, ready to be asked. Asking is pure: the same question gives the same answer.

Because it is, what one course was answered is remembered for the next: the memory is bounded and may be dropped at any
time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from adapters.model.tables import TableKind, Tables
from adapters.rules.answers import (
    AddOn,
    Attributes,
    BlockPlan,
    CarcSpec,
    Decision,
    DetectorSpec,
    DifferenceSpec,
    HoldSpec,
    Limit,
    Nothing,
    OptionSpec,
    Pair,
    PlbSpec,
    PolicySpec,
    PresetSpec,
    RarcSpec,
)
from adapters.rules.blocks import BlocksBody
from adapters.rules.decision import DecisionBody
from adapters.rules.loaded import Loaded, kept, row_on
from adapters.rules.versions import Rule, Version

if TYPE_CHECKING:
    from adapters.rules.dialect import Dialect


@dataclass(frozen=True, slots=True, eq=False)
class Ruleset:
    """One edition of the rules. Made by `load` only, which has checked every reference inside it."""

    digest: str
    """SHA-256 (hex) over all files, base and overlays, with their paths."""
    by_id: Mapping[str, Rule]
    options: Mapping[str, OptionSpec]
    holds: Mapping[str, HoldSpec]
    skips: Mapping[str, str]
    findings: Mapping[str, str]
    codes: Mapping[str, tuple[Attributes, ...]]
    """The rows of each code, the latest first."""
    exclusions: Mapping[tuple[str, str], tuple[Pair, ...]]
    """The rows of each pair (column 1, column 2), the latest first."""
    carcs: Mapping[str, CarcSpec]
    dialects: Mapping[str, Dialect]
    defaults: Mapping[str, str]
    """`option.NAME` → default, of every option."""
    presets: Mapping[str, PresetSpec] = field(default_factory=dict)
    """What payers that many sites have are known to want, by the preset's name."""
    policies: Mapping[str, PolicySpec] = field(default_factory=dict)
    """How patient calls to payers are, by the policy's name."""
    rarcs: Mapping[str, RarcSpec] = field(default_factory=dict)
    plbs: Mapping[str, PlbSpec] = field(default_factory=dict)
    payer_carcs: Mapping[tuple[str, str], CarcSpec] = field(default_factory=dict)
    """(id or kind of a payer, reason) → what that payer means by it, in place of the table's row."""
    caught: Mapping[str, str] = field(default_factory=dict)
    """Reason → the hold that would have kept the line back."""
    differences: Mapping[str, DifferenceSpec] = field(default_factory=dict)
    """Why a service stops between its booking and its payment, by name."""
    detectors: Mapping[str, DetectorSpec] = field(default_factory=dict)
    """What each leakage detector looks for, by its id."""
    loaded: Loaded | None = None
    """The loaded editions that are asked before our typed facts; None where none is loaded (see `with_tables`)."""
    _standing: dict[tuple[object, ...], Mapping[str, str]] = field(init=False, repr=False, default_factory=dict)
    """What `standing` said before, by all that it was told."""
    _answers: dict[tuple[object, ...], tuple[Mapping[str, str], Decision | Nothing]] = field(
        init=False, repr=False, default_factory=dict
    )
    """What `ask` said before, with what stood then: keeping it keeps its identity, which is in the key, its own."""

    def with_tables(self, tables: Tables | None) -> Ruleset:
        """These rules over the editions in force: they answer first, our typed facts where no edition does.

        None takes the editions away again. The digest stays that of the rules; the tables have their own.
        """
        return replace(self, loaded=None if tables is None else Loaded(tables))

    @property
    def tables(self) -> Tables | None:
        """The editions in force, or None."""
        return None if self.loaded is None else self.loaded.tables

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All dated rules by id."""
        return tuple(self.by_id[id] for id in sorted(self.by_id))

    def rule(self, id: str) -> Rule:
        """The rule of that id; KeyError where there is none."""
        return self.by_id[id]

    def decide(self, id: str, day: date, facts: Mapping[str, str]) -> Decision | Nothing:
        """What the decision rule says on the day of these facts; options travel among them as `option.NAME`.

        KeyError for an id that no file has, TypeError for a rule of another kind: both are bugs of the caller.
        """
        rule = self.by_id[id]
        version = rule.on(day)
        if version is None:
            return _not_in_force(rule, day)
        if not isinstance(version.body, DecisionBody):
            raise TypeError(f"{id} is no decision")
        return version.body.decide(day, facts)

    def ask(self, rule: str, day: date, standing: Mapping[str, str], facts: Mapping[str, str]) -> Decision | Nothing:
        """As `decide`, of the facts over those that stand for many questions: what `standing` gave, never changed since.

        Remembered by all that the table looks at, so that sessions of many courses are one question; options stand, and
        are no facts here.
        """
        version = self.by_id[rule].on(day)
        body = version.body if version is not None else None
        if version is None or not isinstance(body, DecisionBody):
            return self.decide(rule, day, {**standing, **facts})
        overdue = version.review_by is not None and day >= version.review_by
        key = (id(body), overdue, id(standing), tuple(map(facts.get, body.asks)))
        known = self._answers.get(key)
        if known is None:
            known = kept(self._answers, key, (standing, body.decide(day, {**standing, **facts})))
        return known[1]

    def standing(self, also: tuple[tuple[str, str], ...], *layers: Mapping[str, str]) -> Mapping[str, str]:
        """Every option as in `option_facts`, and what else stands; the same question is given the same mapping, for `ask`."""
        key = (also, *[tuple(layer.items()) for layer in layers])
        known = self._standing.get(key)
        return kept(self._standing, key, {**self.option_facts(*layers), **dict(also)}) if known is None else known

    def blocks(self, id: str, day: date, n: int, closed: bool, options: Mapping[str, str]) -> BlockPlan | Nothing:
        """The units that n fractions earn under the counting rule in force on the day.

        `options` are the payer's or site's own, by plain name; what they do not say takes the registry's default.
        """
        rule = self.by_id[id]
        version = rule.on(day)
        if version is None:
            return _not_in_force(rule, day)
        if not isinstance(version.body, BlocksBody):
            raise TypeError(f"{id} is no counting rule")
        return version.body.plan(version.ref, version.overdue(day), n, closed, lambda name: self.option(name, options))

    def version(self, id: str, day: date) -> Version | None:
        """The version of the rule in force on the day, or None."""
        return self.by_id[id].on(day)

    def attributes(self, code: str, day: date) -> Attributes | None:
        """What holds for the code on the day; None where it is not in force or not known (`knows` tells which)."""
        if self.loaded is not None:
            return self.loaded.attributes(code, day, self.codes.get(code, ()))
        return row_on(self.codes.get(code, ()), day)

    def knows(self, code: str) -> bool:
        """Whether the table of codes or a loaded edition has the code, on whatever day."""
        return code in self.codes or (self.loaded is not None and self.loaded.tables.knows(code))

    def limit(self, code: str, day: date, table: str) -> Limit | None:
        """The most units of the code on the day in the table (`practitioner`, `hospital`); None where none is known."""
        if self.loaded is not None and self.loaded.edition(TableKind.MUE, day, table) is not None:
            return self.loaded.limit(code, day, table)
        ours = self.attributes(code, day) if self.loaded is None else row_on(self.codes.get(code, ()), day)
        units = None if ours is None else ours.mue_hospital if table == "hospital" else ours.mue
        return None if ours is None or units is None else Limit(code, table, units, ours.mai, ours.ref)

    def addons(self, code: str, day: date) -> AddOn | None:
        """What the code is added to, if it is an add-on on the day."""
        if self.loaded is not None and self.loaded.edition(TableKind.AOC, day) is not None:
            return self.loaded.addon(code, day)
        ours = self.attributes(code, day) if self.loaded is None else row_on(self.codes.get(code, ()), day)
        return AddOn(code, ours.addon_of, "1", ours.ref) if ours is not None and ours.addon_of else None

    def outdated(self, kind: TableKind, day: date, scope: str = "") -> str:
        """The name of the loaded edition that answers for the day although it had ended before; empty: none does."""
        edition = None if self.loaded is None else self.loaded.edition(kind, day, scope)
        return edition.name if edition is not None and edition.end is not None and edition.end < day else ""

    def service_of(self, code: str) -> str:
        """The service family of a code by its latest row; empty for an unknown code."""
        rows = self.codes.get(code)
        return rows[0].service if rows else ""

    def hold(self, code: str) -> HoldSpec:
        """The registry's entry of a hold; KeyError on an unknown code: a hold outside the registry is not built."""
        return self.holds[code]

    def skip_words(self, reason: str) -> str:
        """The words of a skip's reason; a reason outside the registry (of a capture) reads as itself."""
        return self.skips.get(reason) or reason.replace("-", " ")

    def finding_words(self, kind: str) -> str:
        """The words of a finding; KeyError on an unknown kind."""
        return self.findings[kind]

    def option(self, name: str, *layers: Mapping[str, str]) -> str:
        """The value of an option: of the first layer that has it, else the registry's default (empty: none).

        KeyError for a name outside the registry.
        """
        spec = self.options[name]
        for layer in layers:
            value = layer.get(name)
            if value is not None:
                return value
        return spec.default

    def option_facts(self, *layers: Mapping[str, str]) -> dict[str, str]:
        """Every option as a fact `option.NAME`, layered as in `option`: `decide` wants them beside its facts."""
        facts = dict(self.defaults)
        for layer in reversed(layers):
            for name, value in layer.items():
                facts[f"option.{name}"] = value
        return facts

    def option_problem(self, name: str, value: str) -> str:
        """What is wrong with a payer's or site's setting of an option; empty when nothing is."""
        spec = self.options.get(name)
        if spec is None:
            return f"there is no option {name!r}"
        if spec.fits(value):
            return ""
        wanted = " or ".join(spec.allowed) if spec.pattern is None else spec.pattern.pattern
        return f"option {name} must be {wanted}"

    def pairs(self, code_a: str, code_b: str, day: date, table: str) -> Pair | None:
        """The exclusion between the two codes in the table (`practitioner`, `hospital`) on the day, either order.

        Where both directions are in force it is the one that decides (`pairs_among`).
        """
        found = self.pairs_among((code_a, code_b), day, table)
        return found[0] if found else None

    def pairs_among(self, codes: Collection[str], day: date, table: str) -> tuple[Pair, ...]:
        """The exclusions between any two of the codes in force on the day, one for two codes, by column 1 and 2.

        Of several windows of one pair that hold on the day the last to begin counts. Of both directions of two codes
        that one counts which began last; of one day the one that no modifier opens; else the one whose column 1 is first.
        """
        published = self.loaded is not None and self.loaded.edition(TableKind.NCCI, day, table) is not None
        rows = self.loaded.pairs(codes, day, table) if published and self.loaded else self._typed(codes, day, table)
        if not rows:
            return ()
        chosen: dict[frozenset[str], Pair] = {}
        for row in sorted(rows, key=lambda p: (-p.start.toordinal(), p.indicator != "0", p.column1, p.column2)):
            chosen.setdefault(frozenset((row.column1, row.column2)), row)
        return tuple(sorted(chosen.values(), key=lambda p: (p.column1, p.column2)))

    def _typed(self, codes: Collection[str], day: date, table: str) -> tuple[Pair, ...]:
        return tuple(
            row
            for one in codes
            for other in codes
            if one != other
            for row in self.exclusions.get((one, other), ())
            if row.table in (table, "both") and row.start <= day and (row.end is None or day <= row.end)
        )

    def preset_of(self, payer: str) -> PresetSpec | None:
        """The preset of a payer so called (letter case aside), or None."""
        wanted = payer.casefold()
        return next((p for p in self.presets.values() if wanted in {n.casefold() for n in (p.name, *p.names)}), None)

    def carc(self, code: str, *payers: str) -> CarcSpec | None:
        """How the claim adjustment reason is posted and worked, or None for one the table does not have.

        `payers` are the payer's id and kind: the first that has a reading of its own decides.
        """
        own = (self.payer_carcs[payer, code] for payer in payers if (payer, code) in self.payer_carcs)
        return next(own, None) or self.carcs.get(code)

    def rarc(self, code: str) -> RarcSpec | None:
        """What the remark code adds, or None for one the table does not have."""
        return self.rarcs.get(code)

    def plb(self, code: str) -> PlbSpec | None:
        """Where an adjustment of a payment goes, or None for a code the table does not have."""
        return self.plbs.get(code)

    def dialect(self, id: str) -> Dialect:
        """The dialect of that id; KeyError where there is none."""
        return self.dialects[id]


def _not_in_force(rule: Rule, day: date) -> Nothing:
    return Nothing("not-in-force", f"no version of {rule.id} holds on {day}")
