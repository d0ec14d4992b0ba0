"""A dated rule: what it is called, by which date it is chosen, and its versions, each holding until the next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.why import RuleRef
from adapters.rules.blocks import BlocksBody, read_blocks
from adapters.rules.decision import DecisionBody, read_decision
from adapters.rules.locate import Path
from adapters.rules.sheet import Sheet

KEYS: Final = frozenset({"date-of-service", "submission", "remittance", "authorization"})
"""The dates by which a rule may be chosen; radiation rules go by the date of service (radiation-oncology.md 4)."""

_RULE: Final = frozenset({"id", "kind", "key", "title", "facts", "gives", "versions"})
_VERSION: Final = frozenset({"since", "cite", "review_by", "ended", "examples"})
_EXAMPLE: Final = frozenset({"given", "gives"})


@dataclass(frozen=True, slots=True)
class Example:
    """Facts that a version is given, and exactly what it must answer."""

    given: Mapping[str, str]
    gives: Mapping[str, str]
    line: int


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a rule, in force from `since` until the next version's day."""

    since: date
    ref: RuleRef
    review_by: date | None
    """From this day on the version is stale until someone has reviewed it: the day a new code year begins."""
    ended: bool
    """The rule ends here: from this day nothing is in force."""
    body: DecisionBody | BlocksBody | None
    """None only where the rule ends."""
    examples: tuple[Example, ...]
    line: int

    def overdue(self, day: date) -> bool:
        """Whether the day is on or past the day by which someone had to review the version."""
        return self.review_by is not None and day >= self.review_by


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its versions, the latest first."""

    id: str
    kind: str
    key: str
    title: str
    file: str
    line: int
    versions: tuple[Version, ...]

    def on(self, day: date) -> Version | None:
        """The version in force on the day, or None before the first and after the end."""
        for version in self.versions:
            if version.since <= day:
                return None if version.ended else version
        return None


def digest_of(*parts: object) -> str:
    """SHA-256 (hex) of the parts in one canonical form, so that layout and comments of a file do not count."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def read_rule(sheet: Sheet, words: Mapping[str, str]) -> Rule | None:
    """The dated rule of a file, or None with its faults noted on the sheet. `words` are the skips' words."""
    data = sheet.data
    sheet.only(data, (), _RULE)
    id, kind = sheet.text(data, (), "id"), sheet.text(data, (), "kind")
    key, title = sheet.text(data, (), "key"), sheet.text(data, (), "title")
    if key and key not in KEYS:
        sheet.fault(("key",), f"key must be one of {', '.join(sorted(KEYS))}")
    facts, gives = sheet.names(data, (), "facts"), sheet.names(data, (), "gives")
    if kind == "decision" and not (facts and gives):
        sheet.fault(("facts",), "a decision names its facts and what it gives")
    versions: list[Version] = []
    for path, table in sheet.tables(data, (), "versions"):
        version = _read_version(sheet, path, table, id, kind, frozenset(facts), frozenset(gives), words)
        if version is None:
            continue
        if any(version.since == other.since for other in versions):
            sheet.fault((*path, "since"), f"two versions since {version.since}")
        elif versions and version.since < versions[-1].since:
            sheet.fault(
                (*path, "since"),
                f"since {version.since} stands after {versions[-1].since}: versions go by date",
            )
        versions.append(version)
    if "versions" not in data:
        sheet.fault((), "a rule needs at least one version")
    if sheet.problems:
        return None
    return Rule(id, kind, key, title, sheet.file, sheet.line(("id",)), tuple(reversed(versions)))


def _read_version(
    sheet: Sheet,
    path: Path,
    table: Mapping[str, object],
    id: str,
    kind: str,
    facts: frozenset[str],
    gives: frozenset[str],
    words: Mapping[str, str],
) -> Version | None:
    since = sheet.day(table, path, "since")
    cite = sheet.text(table, path, "cite")
    review_by = sheet.day(table, path, "review_by", required=False)
    if since and review_by and review_by <= since:
        sheet.fault((*path, "review_by"), "review_by is not after since")
    ended = sheet.flag(table, path, "ended")
    # Examples do not count for the digest: adding one changes no outcome.
    content = {name: value for name, value in table.items() if name != "examples"}
    ref = RuleRef(id, sheet.file, since or date.min, digest_of(id, kind, content), cite)
    body: DecisionBody | BlocksBody | None = None
    if ended:
        sheet.only(table, path, _VERSION)
        if "examples" in table:
            sheet.fault((*path, "examples"), "an end has no examples")
    elif kind == "decision":
        sheet.only(table, path, _VERSION | {"rows"})
        body = read_decision(sheet, path, table, ref, facts, gives, words, review_by)
    else:
        sheet.only(table, path, _VERSION | {"size", "code", "tail_min", "short"})
        body = read_blocks(sheet, path, table)
    examples = [] if ended else _read_examples(sheet, path, table)
    if since is None or (body is None and not ended):
        return None
    return Version(since, ref, review_by, ended, body, tuple(examples), sheet.line(path))


def _read_examples(sheet: Sheet, path: Path, table: Mapping[str, object]) -> list[Example]:
    examples: list[Example] = []
    for at, item in sheet.tables(table, path, "examples"):
        sheet.only(item, at, _EXAMPLE)
        given, gives = sheet.texts(item, at, "given"), sheet.texts(item, at, "gives")
        if given is not None and gives is not None:
            examples.append(Example(given, gives, sheet.line(at)))
    if "examples" not in table:
        sheet.fault(path, "a version needs at least one example")
    return examples
