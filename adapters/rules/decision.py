"""Kind "decision": rows of conditions, the first that fits wins.

A row's values are texts, or are taken from elsewhere: `=option:NAME` the fact `option.NAME` (options travel among the
facts), `=fact:NAME` a fact of the service itself, `=words:REASON` the registered words of a skip, filled in when the
file is read. What is taken from elsewhere and is missing there gives no answer at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from adapters.model.why import RuleRef
from adapters.rules.answers import Decision, Nothing
from adapters.rules.conditions import Test, taken_by
from adapters.rules.locate import Path
from adapters.rules.sheet import Sheet

_ROW: Final = frozenset({"when", "then", "cite"})
_REGISTERED: Final = {"hold": "hold", "finding": "finding", "code": "code", "better": "code", "skip": "skip"}
"""What a row gives under these names must stand in the registry of that kind."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, ready to be asked: its tests, and its answers before and after the version's review day."""

    tests: tuple[Test, ...]
    fills: tuple[tuple[str, str], ...]
    """(value name, fact name) of what is taken from the facts."""
    answer: Decision
    stale: Decision


@dataclass(frozen=True, slots=True)
class DecisionBody:
    """The rows of one version, in order."""

    rows: tuple[Row, ...]
    ref: RuleRef
    review_by: date | None
    asks: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """Names of the facts, options apart, that some row tests or takes a value from: under the same options it answers
    alike wherever they are equal."""
    _first: str = field(init=False, compare=False, repr=False)
    """The fact that most rows test for certain texts: it is looked at once, and most rows need no look then."""
    _fitting: Mapping[str | None, tuple[Row, ...]] = field(init=False, compare=False, repr=False)
    """Its texts that some row names → the rows that take the text, or do not test it."""
    _otherwise: tuple[Row, ...] = field(init=False, compare=False, repr=False)
    """The rows that may take any other text of it."""

    def __post_init__(self) -> None:
        tested = {name for row in self.rows for name, _ in row.tests}
        filled = {source for row in self.rows for _, source in row.fills}
        asks = sorted(name for name in tested | filled if not name.startswith("option."))
        object.__setattr__(self, "asks", tuple(asks))
        naming = Counter(name for row in self.rows for name, taken in row.tests if isinstance(taken, frozenset))
        first = naming.most_common(1)[0][0] if naming else ""
        tests = [(row, [taken for name, taken in row.tests if name == first]) for row in self.rows]
        texts = {text for _, found in tests for taken in found if isinstance(taken, frozenset) for text in taken}
        fitting = {text: tuple(row for row, found in tests if all(text in taken for taken in found)) for text in texts}
        otherwise = (row for row, found in tests if not any(isinstance(taken, frozenset) for taken in found))
        object.__setattr__(self, "_first", first)
        object.__setattr__(self, "_fitting", fitting)
        object.__setattr__(self, "_otherwise", tuple(otherwise))

    def decide(self, day: date, facts: Mapping[str, str]) -> Decision | Nothing:
        """The answer of the first row that fits the facts."""
        get = facts.get
        for row in self._fitting.get(get(self._first), self._otherwise):
            for name, taken in row.tests:
                if get(name) not in taken:
                    break
            else:
                answer = row.stale if self.review_by is not None and day >= self.review_by else row.answer
                return _filled(row, answer, facts) if row.fills else answer
        return Nothing("no-row", f"no row of {self.ref.id} fits", self.ref)


def _filled(row: Row, answer: Decision, facts: Mapping[str, str]) -> Decision | Nothing:
    values = dict(answer.values)
    for name, source in row.fills:
        value = facts.get(source)
        if not value:
            return Nothing("option-missing", source.removeprefix("option."), answer.ref, answer.used)
        values[name] = value
    return Decision(values, answer.ref, answer.used, answer.overdue)


def read_decision(
    sheet: Sheet,
    path: Path,
    table: Mapping[str, object],
    ref: RuleRef,
    facts: frozenset[str],
    gives: frozenset[str],
    words: Mapping[str, str],
    review_by: date | None,
) -> DecisionBody | None:
    """The rows of a version; faults are noted on the sheet."""
    rows: list[Row] = []
    seen: list[frozenset[tuple[str, str]]] = []
    if "rows" not in table:
        sheet.fault(path, "a decision needs at least one row")
    for at, item in sheet.tables(table, path, "rows"):
        sheet.only(item, at, _ROW)
        when, then = sheet.inner(item, at, "when"), sheet.texts(item, at, "then")
        if when is None or then is None:
            continue
        conditions = frozenset((name, repr(form)) for name, form in when.items())
        if any(earlier <= conditions for earlier in seen):
            sheet.fault(at, "this row is never reached: an earlier one takes all that it takes")
        seen.append(conditions)
        tests = tests_of(sheet, (*at, "when"), when, facts)
        values, fills = _values_of(sheet, (*at, "then"), then, facts, gives, words)
        cite = sheet.text(item, at, "cite", required=False)
        cited = replace(ref, cite=cite) if cite else ref
        used = tuple(dict.fromkeys((*(name for name, _ in tests), *(source for _, source in fills))))
        answer = Decision(values, cited, used)
        rows.append(Row(tests, fills, answer, replace(answer, overdue=True)))
    return DecisionBody(tuple(rows), ref, review_by) if rows else None


def tests_of(sheet: Sheet, path: Path, when: Mapping[str, object], facts: frozenset[str]) -> tuple[Test, ...]:
    """The conditions of a `when` table; a fact that the rule does not name is a fault."""
    tests: list[Test] = []
    for name, form in when.items():
        if name.startswith("option."):
            sheet.refer("option", name.removeprefix("option."), (*path, name))
        elif name not in facts:
            sheet.fault((*path, name), f"the rule names no fact {name!r}")
        taken = taken_by(form)
        if isinstance(taken, str):
            sheet.fault((*path, name), f"{name}: {taken}")
        else:
            tests.append((name, taken))
    return tuple(tests)


def _values_of(
    sheet: Sheet,
    path: Path,
    then: Mapping[str, str],
    facts: frozenset[str],
    gives: frozenset[str],
    words: Mapping[str, str],
) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    values: dict[str, str] = {}
    fills: list[tuple[str, str]] = []
    for name, value in then.items():
        at = (*path, name)
        if name not in gives:
            sheet.fault(at, f"the rule gives no {name!r}")
        if not value.startswith("="):
            values[name] = value
            if value and name in _REGISTERED:
                sheet.refer(_REGISTERED[name], value, at)
            continue
        kind, _, source = value[1:].partition(":")
        if kind == "option":
            sheet.refer("option", source, at)
            fills.append((name, f"option.{source}"))
        elif kind == "fact" and source in facts:
            fills.append((name, source))
        elif kind == "words":
            sheet.refer("skip", source, at)
            values[name] = words.get(source, "")
        else:
            sheet.fault(at, f"{value!r} names neither an option, nor a fact of this rule, nor words")
    return values, tuple(fills)
