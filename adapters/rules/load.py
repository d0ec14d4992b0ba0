"""Reading the mappings: path → bytes in, a `Ruleset` or every fault with file and line out. No disk, no clock.

Files ending in `.toml` say in `kind` what they are (decision, blocks, options, presets, policies, labels, dialect); the CSV
tables are known by their paths. An overlay's TOML file replaces the base file of the same id as a whole or adds a new one; its
CSV rows replace the base rows of their codes. Other files are left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from adapters.rules.answers import Attributes, CarcSpec, Pair
from adapters.rules.check import example_problems
from adapters.rules.problem import Problem
from adapters.rules.registries import Registries
from adapters.rules.ruleset import Ruleset
from adapters.rules.sheet import Reference, Sheet, open_sheet
from adapters.rules.tables import CAUGHT, HEADERS, TableRows
from adapters.rules.versions import Rule, read_rule

if TYPE_CHECKING:
    from adapters.rules.dialect import Dialect

KINDS: Final = ("decision", "blocks", "options", "presets", "policies", "labels", "dialect")
_Dated = TypeVar("_Dated", Attributes, Pair)


def load(base: Mapping[str, bytes], overlays: Sequence[Mapping[str, bytes]] = ()) -> Ruleset | tuple[Problem, ...]:
    """The rule set of these files, or all their faults, in order of file and line.

    `base` and each overlay map a path inside the mappings (`charges/delivery.toml`) to the file's bytes. Files of the
    n-th overlay are named `overlay-n/path` in problems and in every `RuleRef`.
    """
    layers = [(f"overlay-{i}/" if i else "", files) for i, files in enumerate([base, *overlays])]
    problems: list[Problem] = []
    sheets = _sheets(layers, problems)
    rows = TableRows()
    for prefix, files in layers:
        for path in sorted(set(files) & set(HEADERS)):
            problems += rows.read(path, prefix + path, files[path])
    registries = Registries()
    for sheet in sheets:
        if sheet.data.get("kind") in ("options", "policies", "labels"):
            registries.read(sheet)
    for sheet in sheets:
        if sheet.data.get("kind") == "presets":
            registries.read(sheet)
    rules: dict[str, Rule] = {}
    dialects: dict[str, Dialect] = {}
    for sheet in sheets:
        match sheet.data.get("kind"):
            case "decision" | "blocks":
                rule = read_rule(sheet, registries.skips)
                if rule is not None:
                    rules[rule.id] = rule
            case "dialect":
                problems += _read_dialect(sheet, dialects)
    problems += [problem for sheet in sheets for problem in sheet.problems]
    problems += _unresolved((ref for sheet in sheets for ref in sheet.references), registries, rows)
    if problems:
        return tuple(sorted(set(problems)))
    ruleset = Ruleset(
        digest=_digest(layers),
        by_id=rules,
        options=registries.options,
        holds=registries.holds,
        skips=registries.skips,
        findings=registries.findings,
        differences=registries.differences,
        detectors=registries.detectors,
        codes={code: _latest_first(found) for code, found in rows.attributes.items()},
        exclusions={pair: _latest_first(found) for pair, found in rows.pairs.items()},
        carcs={code: found[-1] for code, found in rows.carcs.items()},
        rarcs={code: found[-1] for code, found in rows.rarcs.items()},
        plbs={code: found[-1] for code, found in rows.plbs.items()},
        payer_carcs=_labelled(rows),
        caught=dict(rows.caught),
        dialects=dialects,
        presets=registries.presets,
        policies=registries.policies,
        defaults={f"option.{spec.name}": spec.default for spec in registries.options.values()},
    )
    return example_problems(ruleset) or ruleset


def _labelled(rows: TableRows) -> dict[tuple[str, str], CarcSpec]:
    """What payers mean by reasons, under the labels of the table."""
    labels = {code: found[-1].label for code, found in rows.carcs.items()}
    return {key: replace(found[-1], label=labels.get(key[1], key[1])) for key, found in rows.payers.items()}


def _sheets(layers: Sequence[tuple[str, Mapping[str, bytes]]], problems: list[Problem]) -> list[Sheet]:
    """The TOML files that count: of one id, that of the last layer. Two files of one id in one layer are a fault."""
    counting: dict[str, Sheet] = {}
    for prefix, files in layers:
        here: dict[str, str] = {}
        for path in sorted(files):
            if path.endswith(".csv") and path not in HEADERS:
                problems.append(Problem(prefix + path, 0, f"no table lies here; there are {', '.join(HEADERS)}"))
            if not path.endswith(".toml"):
                continue
            sheet = open_sheet(prefix + path, files[path])
            if isinstance(sheet, Problem):
                problems.append(sheet)
                continue
            id, kind = sheet.data.get("id"), sheet.data.get("kind")
            if not isinstance(id, str) or not id:
                sheet.fault(("id",), "id is missing")
            elif kind not in KINDS:
                sheet.fault(("kind",), f"kind must be one of {', '.join(KINDS)}")
            elif id in here:
                sheet.fault(("id",), f"the id {id} is taken by {here[id]}")
            else:
                here[id] = sheet.file
                counting[id] = sheet
                continue
            problems += sheet.problems
    return list(counting.values())


def _read_dialect(sheet: Sheet, into: dict[str, Dialect]) -> Iterable[Problem]:
    from adapters.rules.dialect import parse_dialect

    dialect = parse_dialect(sheet.data, sheet.file, sheet.source)
    if isinstance(dialect, tuple):
        return dialect
    into[dialect.id] = dialect
    return ()


def _unresolved(references: Iterable[Reference], registries: Registries, rows: TableRows) -> Iterable[Problem]:
    """References to names that no registry or table has."""
    known: dict[str, Mapping[str, object]] = {
        "option": registries.options,
        "hold": registries.holds,
        "finding": registries.findings,
        "skip": registries.skips,
        "code": rows.attributes,
    }
    wrong = [
        Problem(ref.file, ref.line, f"there is no {ref.kind} {ref.name!r}")
        for ref in references
        if ref.name not in known[ref.kind]
    ]
    named = [*rows.caught.values(), *(spec.caught_by for found in rows.rarcs.values() for spec in found)]
    wrong += [
        Problem(CAUGHT, 0, f"there is no hold {name!r}")
        for name in dict.fromkeys(named)
        if name and name not in registries.holds
    ]
    return wrong


def _latest_first(rows: Sequence[_Dated]) -> tuple[_Dated, ...]:
    return tuple(sorted(rows, key=lambda row: row.start, reverse=True))


def _digest(layers: Sequence[tuple[str, Mapping[str, bytes]]]) -> str:
    total = hashlib.sha256()
    for prefix, files in layers:
        for path in sorted(files):
            if path.endswith((".toml", ".csv")):
                name = (prefix + path).encode()
                total.update(b"%d %d\n" % (len(name), len(files[path])) + name + files[path])
    return total.hexdigest()
