"""Coverage policies: the Medicare Coverage Database's billing and coding articles, or a list of one's own.

The download of articles is a folder of CSV files joined by article and version. Of it are read:

- `article_x_hcpc_code` the codes of an article, `article_x_icd10_covered` and `article_x_icd10_noncovered` its diagnoses
- `article` their days (optional), `article_x_contractor` and `contractor` whose they are (optional; with a scope)

An article's codes and diagnoses come in numbered groups, and only its prose says which diagnosis group goes with which
code. No program should guess at prose: each diagnosis listed as covered is taken for each code of the article.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from sys import intern
from typing import Final

from adapters.model.tables import CoverageRow
from adapters.tables.sheet import Column, Record, find_header, records
from adapters.tables.source import Lines, Problems
from adapters.tables.spans import Spans

FLAT: Final = (
    Column("policy", r"^(policy|article|lcd|ncd)( id| number)?$"),
    Column("code", r"^(hcpcs|cpt|hcpcs cpt|procedure|hcpc)?( ?code)?( id)?$"),
    Column("diagnosis", r"^(icd ?10( cm)?|diagnosis|dx)( code)?( id)?$"),
    Column("covered", r"^(covered|coverage flag)$", required=False),
    Column("group", r"^group$", required=False),
    Column("start", r"^(from|start|effective)( date)?$", required=False),
    Column("end", r"^(to|end|until|through)( date)?$", required=False),
)
_ID: Final = (Column("article", r"^article id$"), Column("version", r"^article version$", required=False))
_CONTRACTOR_ID: Final = Column("contractor", r"^contractor id$")
_ROLES: Final[dict[str, tuple[Column, ...]]] = {
    "article": (
        *_ID,
        Column("start", r"^article eff date$"),
        Column("end", r"^article end date$", required=False),
        Column("retired", r"^date retired$", required=False),
    ),
    "contractor": (
        _CONTRACTOR_ID,
        Column("number", r"^contractor number$", required=False),
        Column("name", r"^contractor bus name$", required=False),
    ),
    "article_x_contractor": (*_ID, _CONTRACTOR_ID),
    "article_x_hcpc_code": (*_ID, Column("code", r"^hcpc code id$")),
    "article_x_icd10_covered": (*_ID, Column("diagnosis", r"^icd10 code id$")),
    "article_x_icd10_noncovered": (*_ID, Column("diagnosis", r"^icd10 code id$")),
}
_NOT_APPLICABLE: Final = "XX000"
"""Stands in the download where an article lists no code or no diagnosis."""
_ORDER: Final = tuple(_ROLES)
_NAME: Final = re.compile(r"(?i)(?:^|[/\\])([a-z0-9_]+?)(?:\.[a-z]+)?$")
_YES: Final = frozenset({"", "y", "yes", "true", "1", "covered"})
_NO: Final = frozenset({"n", "no", "false", "0", "noncovered", "not covered"})


@dataclass(slots=True)
class _Joined:
    """What the small files say; the diagnoses, which are many, pass by."""

    days: dict[tuple[str, str], tuple[date, date | None]] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)
    called: dict[str, set[str]] = field(default_factory=dict)
    """What a contractor may be called in a scope: id, number, name."""
    owned: set[tuple[str, str]] = field(default_factory=set)
    codes: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    listed: set[tuple[str, str]] = field(default_factory=set)
    """Articles with a list of covered diagnoses."""
    seen: dict[tuple[tuple[str, str], bool], set[str]] = field(default_factory=dict)


def role_of(name: str) -> str:
    """Which file of the article download this is; empty if it is none of those read."""
    found = _NAME.search(name)
    stem = found[1].lower() if found else ""
    return stem if stem in _ROLES else ""


def columns_for(name: str) -> tuple[Column, ...]:
    """The columns looked for in a file by its name."""
    return _ROLES.get(role_of(name), FLAT)


def incomplete(names: Sequence[str]) -> str:
    """What is missing from the files of the download for them to say anything; empty if nothing is."""
    roles = {role_of(name) for name in names} - {""}
    if not roles:
        return ""
    if "article_x_hcpc_code" not in roles:
        return "article_x_hcpc_code.csv is needed with the other files of the download"
    if "article_x_icd10_covered" not in roles:
        return "article_x_icd10_covered.csv is needed with the other files of the download"
    return ""


def policies(files: Sequence[Lines], scope: str, problems: Problems) -> Iterator[CoverageRow]:
    """The rows of all the files, the small ones of the download first whatever their order was."""
    joined = _Joined()
    spans = Spans(problems)
    by_role = {role: [lines for lines in files if role_of(lines.file) == role] for role in _ORDER}
    for lines in files:
        if not role_of(lines.file):
            yield from _flat(lines, spans)
    restricted = bool(scope and by_role["article_x_contractor"])
    for role, given in by_role.items():
        for lines in given:
            yield from _of_role(role, lines, joined, scope, restricted)
    for article in sorted(joined.codes.keys() - joined.listed):
        if not restricted or article in joined.owned:
            start, end = joined.days.get(article, (date.min, None))
            for code in joined.codes[article]:
                yield CoverageRow(_policy(article), code, "", True, "", start, end)


def _of_role(role: str, lines: Lines, joined: _Joined, scope: str, restricted: bool) -> Iterator[CoverageRow]:
    for record in _records(lines):
        article = (record.text("article"), record.text("version"))
        if role == "article":
            _take_article(record, article, joined)
        elif role == "contractor":
            names = {record.text(name).lower() for name in ("contractor", "number", "name")}
            joined.called.setdefault(record.text("contractor"), set()).update(names - {""})
        elif role == "article_x_contractor":
            id_ = record.text("contractor")
            if scope.lower() in joined.called.get(id_, {id_.lower()}):
                joined.owned.add(article)
        elif restricted and article not in joined.owned:
            continue
        elif role == "article_x_hcpc_code":
            code = record.code(optional=True) if record.text("code") != _NOT_APPLICABLE else ""
            if code and code not in joined.codes.setdefault(article, []):
                joined.codes[article].append(code)
        else:
            yield from _paired(record, article, role.endswith("_covered"), joined)
        for fault in record.faults:
            lines.problems.add(lines.file, record.line, fault)


def _take_article(record: Record, article: tuple[str, str], joined: _Joined) -> None:
    start = record.start(missing=date.min)
    ends = [end for end in (record.end(), record.end("retired")) if end is not None]
    end = min(ends) if ends else None
    record.window(start, end)
    joined.known.add(article)
    joined.days[article] = (start, end)


def _paired(record: Record, article: tuple[str, str], covered: bool, joined: _Joined) -> Iterator[CoverageRow]:
    """A diagnosis with each code of its article. The same one in two groups of an article says nothing more."""
    diagnosis = record.diagnosis(optional=True)
    if diagnosis in {"", _NOT_APPLICABLE} or record.faults:
        return
    if joined.known and article not in joined.known:
        record.fault("the article is not in article.csv")
        return
    if covered:
        joined.listed.add(article)
    start, end = joined.days.get(article, (date.min, None))
    seen = joined.seen.setdefault((article, covered), set())
    if diagnosis in seen:
        return
    seen.add(intern(diagnosis))
    for code in joined.codes.get(article, ()):
        yield CoverageRow(_policy(article), code, diagnosis, covered, "", start, end)


def _flat(lines: Lines, spans: Spans) -> Iterator[CoverageRow]:
    """A list with a policy, a code and a diagnosis a row."""
    for record in _records(lines):
        said = record.text("covered").lower()
        covered = record.one_of("covered", _YES | _NO, said) not in _NO
        start, end = record.start(missing=date.min), record.end()
        record.window(start, end)
        row = CoverageRow(
            policy=record.needed("policy"),
            code=record.code(),
            diagnosis=record.diagnosis(optional=True),
            covered=covered,
            group=record.text("group"),
            start=start,
            end=end,
        )
        for fault in record.faults:
            lines.problems.add(lines.file, record.line, fault)
        key = (row.policy, row.code, row.diagnosis, row.group)
        if not record.faults and spans.take(key, start, end, lines.file, record.line):
            yield row


def _records(lines: Lines) -> Iterator[Record]:
    found = find_header(lines, columns_for(lines.file))
    return iter(()) if found is None else records(lines, found)


def _policy(article: tuple[str, str]) -> str:
    """The number of an article as it is cited: `A52994`."""
    return article[0] if article[0].startswith("A") else f"A{article[0]}"
