"""The registries: options that payers and sites set, and the words of holds, skips, findings, differences and detectors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeVar

from adapters.model.charge import Release
from adapters.model.endpoint import PATIENCE
from adapters.model.reconciliation import Stage
from adapters.rules.answers import DetectorSpec, DifferenceSpec, HoldSpec, OptionSpec, PolicySpec, PresetSpec
from adapters.rules.locate import Path
from adapters.rules.sheet import Sheet

_OPTIONS: Final = frozenset({"id", "kind", "title", "options"})
_OPTION: Final = frozenset({"name", "words", "default", "allowed", "pattern", "cite"})
_PRESETS: Final = frozenset({"id", "kind", "title", "presets"})
_PRESET: Final = frozenset({"name", "names", "options", "cite"})
_POLICIES: Final = frozenset({"id", "kind", "title", "policies"})
_FRACTIONS: Final = frozenset({"timeout_seconds", "first_wait_seconds", "longest_wait_seconds", "rest_seconds"})
"""Of a policy: what may have a fraction; the rest are whole numbers."""
_LABELS: Final = frozenset({"id", "kind", "title", "holds", "skips", "findings", "differences", "detectors"})
_STAGES: Final = frozenset(stage.value for stage in Stage)
_T = TypeVar("_T")
_RELEASES: Final = {release.value: release for release in Release}


@dataclass(slots=True)
class Registries:
    """What the registry files say together. Filled file by file; a name in two files is a fault of the second."""

    options: dict[str, OptionSpec] = field(default_factory=dict)
    holds: dict[str, HoldSpec] = field(default_factory=dict)
    skips: dict[str, str] = field(default_factory=dict)
    findings: dict[str, str] = field(default_factory=dict)
    differences: dict[str, DifferenceSpec] = field(default_factory=dict)
    detectors: dict[str, DetectorSpec] = field(default_factory=dict)
    presets: dict[str, PresetSpec] = field(default_factory=dict)
    policies: dict[str, PolicySpec] = field(default_factory=dict)

    def read(self, sheet: Sheet) -> None:
        """Take in one file of kind `options`, `presets`, `policies` or `labels`; faults are noted on the sheet."""
        if sheet.data.get("kind") == "policies":
            sheet.only(sheet.data, (), _POLICIES)
            for path, table in sheet.tables(sheet.data, (), "policies"):
                self._policy(sheet, path, table)
            return
        if sheet.data.get("kind") == "presets":
            sheet.only(sheet.data, (), _PRESETS)
            for path, table in sheet.tables(sheet.data, (), "presets"):
                self._preset(sheet, path, table)
            return
        if sheet.data.get("kind") == "options":
            sheet.only(sheet.data, (), _OPTIONS)
            for path, table in sheet.tables(sheet.data, (), "options"):
                self._option(sheet, path, table)
            return
        sheet.only(sheet.data, (), _LABELS)
        for path, table in sheet.tables(sheet.data, (), "holds"):
            self._hold(sheet, path, table)
        for path, table in sheet.tables(sheet.data, (), "skips"):
            _words(sheet, path, table, "reason", self.skips)
        for path, table in sheet.tables(sheet.data, (), "findings"):
            _words(sheet, path, table, "kind", self.findings)
        for path, table in sheet.tables(sheet.data, (), "differences"):
            self._difference(sheet, path, table)
        for path, table in sheet.tables(sheet.data, (), "detectors"):
            self._detector(sheet, path, table)

    def _option(self, sheet: Sheet, path: Path, table: Mapping[str, object]) -> None:
        sheet.only(table, path, _OPTION)
        name = sheet.text(table, path, "name")
        default = sheet.text(table, path, "default", required=False)
        allowed = sheet.names(table, path, "allowed")
        pattern = _pattern(sheet, path, table)
        if bool(allowed) == ("pattern" in table):
            sheet.fault(path, "an option has either allowed or pattern")
        spec = OptionSpec(
            name, sheet.text(table, path, "words"), default, sheet.text(table, path, "cite"), allowed, pattern
        )
        if default and not spec.fits(default):
            sheet.fault((*path, "default"), f"the default of {name} is not allowed by it")
        _enter(sheet, path, self.options, name, spec)

    def _preset(self, sheet: Sheet, path: Path, table: Mapping[str, object]) -> None:
        """A payer's known options. Read after all registries of options, whose names and values it must keep to."""
        sheet.only(table, path, _PRESET)
        name, said = sheet.text(table, path, "name"), table.get("options")
        options = {k: v for k, v in said.items() if isinstance(v, str)} if isinstance(said, dict) else {}
        if not isinstance(said, dict) or not options or len(options) != len(said):
            sheet.fault((*path, "options"), "options is a table of texts")
        for option, value in options.items():
            spec = self.options.get(option)
            if spec is None or not spec.fits(value):
                sheet.fault((*path, "options"), f"there is no option {option} that may be {value!r}")
        names = sheet.names(table, path, "names")
        _enter(sheet, path, self.presets, name, PresetSpec(name, names, options, sheet.text(table, path, "cite")))

    def _policy(self, sheet: Sheet, path: Path, table: Mapping[str, object]) -> None:
        """How patient calls to a payer are; every term a number above zero, `per_minute` also zero."""
        sheet.only(table, path, PATIENCE | {"name", "words"})
        terms: dict[str, int | float] = {}
        for term in sorted(PATIENCE & set(table)):
            said = table[term]
            kinds = (int, Decimal) if term in _FRACTIONS else (int,)
            if not isinstance(said, int | Decimal) or isinstance(said, bool) or not isinstance(said, kinds):
                sheet.fault((*path, term), f"{term} must be a number")
            elif said < (0 if term == "per_minute" else Decimal("0.001")):
                sheet.fault((*path, term), f"{term} must be above zero")
            else:
                terms[term] = int(said) if isinstance(said, int) else float(said)
        name = sheet.text(table, path, "name")
        _enter(sheet, path, self.policies, name, PolicySpec(name, sheet.text(table, path, "words"), terms))

    def _hold(self, sheet: Sheet, path: Path, table: Mapping[str, object]) -> None:
        sheet.only(table, path, frozenset({"code", "release", "let_go", "words", "next_step"}))
        code, release = sheet.text(table, path, "code"), sheet.text(table, path, "release")
        words = sheet.text(table, path, "words")
        # What is never payable asks nobody to do anything, so it has no next step.
        next_step = sheet.text(table, path, "next_step", required=release != Release.NEVER)
        if release not in _RELEASES:
            sheet.fault((*path, "release"), f"release must be one of {', '.join(_RELEASES)}")
            return
        let_go = sheet.text(table, path, "let_go", required=False)
        if let_go not in ("", "release", "override") or (let_go and release != Release.PERSON):
            sheet.fault((*path, "let_go"), "let_go is release or override, of a hold that asks a person")
        _enter(sheet, path, self.holds, code, HoldSpec(code, _RELEASES[release], words, next_step, let_go))

    def _difference(self, sheet: Sheet, path: Path, table: Mapping[str, object]) -> None:
        sheet.only(table, path, frozenset({"name", "stage", "words", "actor", "next_step", "holds", "findings"}))
        name, stage, actor = (sheet.text(table, path, key) for key in ("name", "stage", "actor"))
        if stage not in _STAGES:
            sheet.fault((*path, "stage"), f"stage must be one of {', '.join(sorted(_STAGES))}")
        # What nobody has to settle has no next step.
        step = sheet.text(table, path, "next_step", required=actor != "nobody")
        holds, findings = sheet.names(table, path, "holds"), sheet.names(table, path, "findings")
        for kind, names in (("hold", holds), ("finding", findings)):
            for named in names:
                sheet.refer(kind, named, (*path, f"{kind}s"))
        spec = DifferenceSpec(name, stage, sheet.text(table, path, "words"), actor, step, holds, findings)
        _enter(sheet, path, self.differences, name, spec)

    def _detector(self, sheet: Sheet, path: Path, table: Mapping[str, object]) -> None:
        sheet.only(table, path, frozenset({"id", "words", "cite", "actor", "next_step"}))
        id, *rest = (sheet.text(table, path, key) for key in ("id", "words", "cite", "actor", "next_step"))
        _enter(sheet, path, self.detectors, id, DetectorSpec(id, *rest))


def _pattern(sheet: Sheet, path: Path, table: Mapping[str, object]) -> re.Pattern[str] | None:
    text = sheet.text(table, path, "pattern", required=False)
    try:
        return re.compile(text) if text else None
    except re.error as error:
        sheet.fault((*path, "pattern"), f"not a regular expression: {error}")
        return None


def _words(sheet: Sheet, path: Path, table: Mapping[str, object], key: str, into: dict[str, str]) -> None:
    sheet.only(table, path, frozenset({key, "words"}))
    _enter(sheet, path, into, sheet.text(table, path, key), sheet.text(table, path, "words"))


def _enter(sheet: Sheet, path: Path, into: dict[str, _T], name: str, value: _T) -> None:
    if name in into:
        sheet.fault(path, f"{name} stands in the registry already")
    into[name] = value
