"""Checking a rule set: every version's examples, and what a day makes stale. `oncoclaims rules check` prints it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from adapters.rules.answers import BlockPlan, Decision, Nothing
from adapters.rules.blocks import BlocksBody
from adapters.rules.decision import DecisionBody
from adapters.rules.problem import Problem
from adapters.rules.ruleset import Ruleset
from adapters.rules.versions import Example, Rule, Version


def check(ruleset: Ruleset, on: date | None = None) -> tuple[Problem, ...]:
    """Everything to be said against the rule set, in order of file and line.

    Failing examples always (a loaded set has none; a set put together otherwise may). With a day also: rules with no
    version in force on it, versions whose review was due by it, gaps between versions, and codes that a version in
    force names though they are not in force on that day.
    """
    problems = list(example_problems(ruleset))
    for rule in ruleset.rules:
        problems += _gaps(rule)
        problems += [Problem(rule.file, v.line, "no citation") for v in rule.versions if not v.ref.cite]
        if on is not None:
            problems += _on(ruleset, rule, on)
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
    """An end that a later version follows: between them nothing is in force."""
    for later, earlier in zip(rule.versions, rule.versions[1:], strict=False):
        if earlier.ended and not later.ended:
            yield Problem(rule.file, earlier.line, f"{rule.id}: nothing in force from {earlier.since} to {later.since}")


def _on(ruleset: Ruleset, rule: Rule, on: date) -> Iterator[Problem]:
    version = rule.on(on)
    if version is None:
        yield Problem(rule.file, rule.line, f"{rule.id}: no version in force on {on}")
        return
    if version.overdue(on):
        yield Problem(rule.file, version.line, f"{rule.id}: review was due by {version.review_by}")
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
