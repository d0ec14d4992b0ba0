"""All rules of one edition, ready to be asked. Asking is pure: the same question gives the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from adapters.rules.answers import (
    Attributes,
    BlockPlan,
    CarcSpec,
    Decision,
    HoldSpec,
    Nothing,
    OptionSpec,
    Pair,
)
from adapters.rules.blocks import BlocksBody
from adapters.rules.decision import DecisionBody
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
        for row in self.codes.get(code, ()):
            if row.start <= day:
                return row if row.end is None or day <= row.end else None
        return None

    def knows(self, code: str) -> bool:
        """Whether the table of codes has the code, on whatever day."""
        return code in self.codes

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
        """The exclusion between the two codes in the table (`practitioner`, `hospital`) on the day, either order."""
        for key in ((code_a, code_b), (code_b, code_a)):
            for row in self.exclusions.get(key, ()):
                if row.table in (table, "both") and row.start <= day and (row.end is None or day <= row.end):
                    return row
        return None

    def carc(self, code: str) -> CarcSpec | None:
        """How the claim adjustment reason is posted and worked, or None for one the table does not have."""
        return self.carcs.get(code)

    def dialect(self, id: str) -> Dialect:
        """The dialect of that id; KeyError where there is none."""
        return self.dialects[id]


def _not_in_force(rule: Rule, day: date) -> Nothing:
    return Nothing("not-in-force", f"no version of {rule.id} holds on {day}")
