"""Checking a rule set: every version's examples, and what a day makes stale. `oncoclaims rules check` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from adapters.rules.answers import Attributes, BlockPlan, Decision, Nothing, Pair
from adapters.rules.blocks import BlocksBody
from adapters.rules.decision import DecisionBody
from adapters.rules.problem import Problem
from adapters.rules.ruleset import Ruleset
from adapters.rules.versions import Example, Rule, Version


def check(ruleset: Ruleset, on: date | None = None) -> tuple[Problem, ...]:
    """Everything to be said against the rule set, in order of file and line.

    Failing examples, gaps and overlaps between versions and between rows of the tables always (a loaded set has no
    failing example and no overlap; a set put together otherwise may). With a day also: rules with no version in force
    on it, versions whose review was due by it and whether a later one is written, and codes that a version in force
    names though they are not in force on that day. What loaded editions say otherwise: `adapters.rules.editions`.
    """
    problems = list(example_problems(ruleset))
    for rule in ruleset.rules:
        problems += _gaps(rule)
        problems += [Problem(rule.file, v.line, "no citation") for v in rule.versions if not v.ref.cite]
        if on is not None:
            problems += _on(ruleset, rule, on)
    problems += _rows_apart(ruleset)
    return tuple(sorted(set(problems)))


def example_problems(ruleset: Ruleset) -> tuple[Problem, ...]:
    """The examples that do not come out as written, each at its line."""
    return tuple(
        Problem(rule.file, example.line, f"example: gives {_said(given)}, not {_said(example.gives)}")
        for rule in ruleset.rules
        for version in rule.versions
        for example in version.examples
        if (given := answer_of(ruleset, version, example)) != example.gives
    )


def answer_of(ruleset: Ruleset, version: Version, example: Example) -> dict[str, str]:
    """What the version answers to an example's facts, in the form that examples are written in.

    A decision: its values. A count (given `n`, `closed`): code → number of units. No answer: `nothing` → the reason.
    Options that the example does not give have their defaults.
    """
    facts = dict(ruleset.defaults) | dict(example.given)
    answer: Decision | BlockPlan | Nothing
    match version.body:
        case DecisionBody():
            answer = version.body.decide(version.since, facts)
        case BlocksBody():
            n, closed = facts.get("n", ""), facts.get("closed") == "true"
            if not n.isdecimal():
                return {"nothing": "no-count"}
            answer = version.body.plan(version.ref, False, int(n), closed, lambda name: facts[f"option.{name}"])
        case None:
            return {"nothing": "not-in-force"}
    match answer:
        case Decision():
            return dict(answer.values)
        case BlockPlan():
            units: dict[str, int] = {}
            for block in answer.blocks:
                units[block.code] = units.get(block.code, 0) + 1
            return {code: str(count) for code, count in units.items()}
        case Nothing():
            return {"nothing": answer.reason}


def _said(values: object) -> str:
    return str(values) if values else "nothing due"


def _gaps(rule: Rule) -> Iterator[Problem]:
    """An end that a later version follows: between them nothing is in force; and two versions of one day."""
    for later, earlier in pairwise(rule.versions):
        if earlier.since >= later.since:
            yield Problem(rule.file, later.line, f"{rule.id}: another version begins on {later.since} or after")
        if earlier.ended and not later.ended:
            yield Problem(rule.file, earlier.line, f"{rule.id}: nothing in force from {earlier.since} to {later.since}")


def _rows_apart(ruleset: Ruleset) -> Iterator[Problem]:
    """Days between, or shared by, two rows of one code or of one pair in one table."""
    for code, rows in ruleset.codes.items():
        yield from _apart(code, rows)
    for (column1, column2), found in ruleset.exclusions.items():
        for table in ("practitioner", "hospital"):
            yield from _apart(f"{column1} {column2}", [row for row in found if row.table in (table, "both")])


def _apart(named: str, rows: Sequence[Attributes | Pair]) -> Iterator[Problem]:
    """The rows come the latest first. They bear no line: a fault is told of the file as a whole."""
    for later, earlier in pairwise(rows):
        if earlier.end is None or earlier.end >= later.start:
            yield Problem(later.ref.file, 0, f"{named}: two rows hold on {later.start}")
        elif earlier.end + timedelta(days=1) < later.start:
            yield Problem(later.ref.file, 0, f"{named}: no row between {earlier.end} and {later.start}")


def _on(ruleset: Ruleset, rule: Rule, on: date) -> Iterator[Problem]:
    version = rule.on(on)
    if version is None:
        yield Problem(rule.file, rule.line, f"{rule.id}: no version in force on {on}")
        return
    if version.overdue(on):
        later = any(other.since > on for other in rule.versions)
        missing = "" if later else ", and no later version is written"
        yield Problem(rule.file, version.line, f"{rule.id}: review was due by {version.review_by}{missing}")
    for code in sorted(codes_of(version)):
        if ruleset.attributes(code, on) is None:
            yield Problem(rule.file, version.line, f"{rule.id}: {code} is not in force on {on}")


def codes_of(version: Version) -> frozenset[str]:
    """The codes that a version names itself; those that come from options are the payer's."""
    match version.body:
        case DecisionBody(rows=rows):
            return frozenset(
                value
                for row in rows
                for name, value in row.answer.values.items()
                if name in ("code", "better") and value
            )
        case BlocksBody(code=code, short=short):
            return frozenset({code, *(entry.code for entry in short)})
        case None:
            return frozenset()
