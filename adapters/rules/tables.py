"""The CSV tables: codes/attributes.csv, edits/pairs.csv, and posting/*.csv (reasons, remarks, payers, what caught it).

Each has a fixed header, every row its own citation and dates, and every fault its line. Rows of an overlay replace
the base rows of the same code (or pair) as a whole and add new ones.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, TypeVar

from adapters.model.codes import is_procedure_code
from adapters.model.why import RuleRef
from adapters.rules.answers import Attributes, CarcSpec, Pair, PlbSpec, RarcSpec
from adapters.rules.problem import Problem
from adapters.rules.versions import digest_of

ATTRIBUTES: Final = "codes/attributes.csv"
PAIRS: Final = "edits/pairs.csv"
CARC: Final = "posting/carc.csv"
RARC: Final = "posting/rarc.csv"
PLB: Final = "posting/plb.csv"
PAYERS: Final = "posting/payers.csv"
CAUGHT: Final = "posting/caught.csv"

HEADERS: Final[dict[str, tuple[str, ...]]] = {
    ATTRIBUTES: (
        "code",
        "label",
        "service",
        "from",
        "to",
        "pctc",
        "tc_bundled",
        "packaged_technical",
        "status",
        "addon_of",
        "mue",
        "mue_hospital",
        "mai",
        "cite",
    ),
    PAIRS: ("column1", "column2", "table", "from", "to", "indicator", "rationale", "cite"),
    CARC: ("code", "label", "post", "category", "action", "deadline_days", "cite"),
    RARC: ("code", "label", "category", "action", "caught_by", "cite"),
    PLB: ("code", "label", "books", "action", "cite"),
    PAYERS: ("payer", "code", "post", "category", "action", "deadline_days", "cite"),
    CAUGHT: ("code", "caught_by", "cite"),
}
_ALWAYS: Final = date(1900, 1, 1)
_MAY_BE_EMPTY: Final = frozenset(
    {"to", "tc_bundled", "packaged_technical", "addon_of", "mue", "mue_hospital", "mai", "deadline_days", "caught_by"}
)
_FORMS: Final[dict[str, re.Pattern[str]]] = {
    "pctc": re.compile(r"[0-9]"),
    "tc_bundled": re.compile(r"yes|"),
    "packaged_technical": re.compile(r"yes|"),
    "status": re.compile(r"[A-Z]"),
    "mue": re.compile(r"[0-9]{0,9}"),
    "mue_hospital": re.compile(r"[0-9]{0,9}"),
    "mai": re.compile(r"[123]?"),
    "table": re.compile(r"practitioner|hospital|both"),
    "indicator": re.compile(r"[019]"),
    "post": re.compile(r"contractual|patient|denied|not-covered|neutral|pend"),
    "deadline_days": re.compile(r"[0-9]{0,4}"),
    "books": re.compile(r"interest|recoupment|forward|review"),
    "service": re.compile(r"[a-z]+(-[a-z]+)*"),
}
_R = TypeVar("_R", Attributes, Pair, CarcSpec, RarcSpec, PlbSpec)
_K = TypeVar("_K", str, tuple[str, str])


@dataclass(slots=True)
class TableRows:
    """The rows read so far, by key; several rows of one code or pair differ by their dates."""

    attributes: dict[str, list[Attributes]] = field(default_factory=dict)
    pairs: dict[tuple[str, str], list[Pair]] = field(default_factory=dict)
    carcs: dict[str, list[CarcSpec]] = field(default_factory=dict)
    rarcs: dict[str, list[RarcSpec]] = field(default_factory=dict)
    plbs: dict[str, list[PlbSpec]] = field(default_factory=dict)
    payers: dict[tuple[str, str], list[CarcSpec]] = field(default_factory=dict)
    """(id or kind of a payer, reason) → what that payer means by it."""
    caught: dict[str, str] = field(default_factory=dict)
    """Reason → the hold that would have kept the line back."""

    def read(self, path: str, file: str, body: bytes) -> tuple[Problem, ...]:
        """Take in one CSV file of the table `path`; its rows replace earlier files' rows of their keys."""
        problems: list[Problem] = []
        rows = list(_rows(path, file, body, problems))
        if path == ATTRIBUTES:
            _replace(self.attributes, [(a.code, a, line) for line, a in _each(rows, _attributes, file, problems)])
            problems += _overlaps(file, rows, ("code",))
        elif path == PAIRS:
            _replace(
                self.pairs,
                [((p.column1, p.column2), p, line) for line, p in _each(rows, _pair, file, problems)],
            )
            problems += _overlaps(file, rows, ("column1", "column2", "table"))
        elif path == CARC:
            _replace(self.carcs, [(c.code, c, line) for line, c in _each(rows, _carc, file, problems)])
            problems += _overlaps(file, rows, ("code",))
        elif path == PAYERS:
            labelled = [(line, row | {"label": ""}) for line, row in rows]
            specs = _each(labelled, _carc, file, problems)
            said = {line: (row["payer"], row["code"]) for line, row in rows}
            _replace(self.payers, [(said[line], c, line) for line, c in specs])
            problems += _overlaps(file, rows, ("payer", "code"))
        elif path == RARC:
            _replace(self.rarcs, [(r.code, r, line) for line, r in _each(rows, _rarc, file, problems)])
            problems += _overlaps(file, rows, ("code",))
        elif path == PLB:
            _replace(self.plbs, [(p.code, p, line) for line, p in _each(rows, _plb, file, problems)])
            problems += _overlaps(file, rows, ("code",))
        else:
            self.caught.update((row["code"], row["caught_by"]) for _, row in rows)
            problems += _overlaps(file, rows, ("code",))
        return tuple(problems)


def _rows(path: str, file: str, body: bytes, problems: list[Problem]) -> list[tuple[int, dict[str, str]]]:
    """The rows with their lines, each cell stripped; a row with a fault is left out and named."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.append(Problem(file, body.count(b"\n", 0, error.start) + 1, "not UTF-8"))
        return []
    reader = csv.reader(text.splitlines(), strict=True)
    header = HEADERS[path]
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        if tuple(next(reader, ())) != header:
            problems.append(Problem(file, 1, f"the header must be {','.join(header)}"))
            return []
        for cells in reader:
            if not cells:
                continue
            line = reader.line_num
            if len(cells) != len(header):
                problems.append(Problem(file, line, f"{len(cells)} cells, the header has {len(header)}"))
                continue
            row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            faults = list(_faults(row))
            problems += [Problem(file, line, fault) for fault in faults]
            if not faults:
                rows.append((line, row))
    except csv.Error as error:
        problems.append(Problem(file, reader.line_num, f"not CSV: {error}"))
    return rows


def _faults(row: Mapping[str, str]) -> list[str]:
    faults = [f"{name} is missing" for name, cell in row.items() if not cell and name not in _MAY_BE_EMPTY]
    faults += [
        f"not a {name}: {row[name]!r}"
        for name, form in _FORMS.items()
        if row.get(name) and not form.fullmatch(row[name])
    ]
    for name in ("from", "to"):
        if row.get(name) and _day(row[name]) is None:
            faults.append(f"{name} is no date: {row[name]!r}")
    start, end = _day(row.get("from", "")), _day(row.get("to", ""))
    if start and end and end < start:
        faults.append("to is before from")
    return faults


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _each(
    rows: list[tuple[int, dict[str, str]]],
    read: Callable[[str, dict[str, str]], _R | str],
    file: str,
    problems: list[Problem],
) -> list[tuple[int, _R]]:
    good: list[tuple[int, _R]] = []
    for line, row in rows:
        value = read(file, row)
        if isinstance(value, str):
            problems.append(Problem(file, line, value))
        else:
            good.append((line, value))
    return good


def _replace(into: dict[_K, list[_R]], rows: list[tuple[_K, _R, int]]) -> None:
    for key in {key for key, _, _ in rows}:
        into[key] = []
    for key, value, _ in rows:
        into[key].append(value)


def _overlaps(file: str, rows: list[tuple[int, dict[str, str]]], key: tuple[str, ...]) -> list[Problem]:
    """Rows of one key whose dates overlap: on no day may two rows hold."""
    problems: list[Problem] = []
    spans: dict[tuple[str, ...], list[tuple[date, date]]] = {}
    for line, row in rows:
        named = tuple(row[name] for name in key)
        start = _day(row.get("from", "")) or _ALWAYS
        end = _day(row.get("to", "")) or date.max
        if any(start <= other_end and other_start <= end for other_start, other_end in spans.get(named, [])):
            problems.append(Problem(file, line, f"{' '.join(named)} has another row for some of these days"))
        spans.setdefault(named, []).append((start, end))
    return problems


def _ref(id: str, file: str, row: Mapping[str, str]) -> RuleRef:
    return RuleRef(id, file, _day(row.get("from", "")) or _ALWAYS, digest_of(id, row), row["cite"])


def _attributes(file: str, row: dict[str, str]) -> Attributes | str:
    if not is_procedure_code(row["code"]):
        return f"not a procedure code: {row['code']!r}"
    addon_of = tuple(row["addon_of"].split())
    if not all(map(is_procedure_code, addon_of)):
        return "addon_of lists procedure codes, parted by blanks"
    return Attributes(
        code=row["code"],
        label=row["label"],
        service=row["service"],
        start=_day(row["from"]) or _ALWAYS,
        end=_day(row["to"]),
        pctc=row["pctc"],
        tc_bundled=row["tc_bundled"] == "yes",
        packaged_technical=row["packaged_technical"] == "yes",
        status=row["status"],
        addon_of=addon_of,
        mue=int(row["mue"]) if row["mue"] else None,
        mue_hospital=int(row["mue_hospital"]) if row["mue_hospital"] else None,
        mai=row["mai"],
        ref=_ref("attributes", file, row),
        cite=row["cite"],
    )


def _pair(file: str, row: dict[str, str]) -> Pair | str:
    one, two = row["column1"], row["column2"]
    if one == two or not (is_procedure_code(one) and is_procedure_code(two)):
        return "a pair is of two different procedure codes"
    return Pair(
        column1=one,
        column2=two,
        table=row["table"],
        indicator=row["indicator"],
        rationale=row["rationale"],
        start=_day(row["from"]) or _ALWAYS,
        end=_day(row["to"]),
        ref=_ref("pairs", file, row),
        cite=row["cite"],
    )


def _carc(file: str, row: dict[str, str]) -> CarcSpec | str:
    return CarcSpec(
        code=row["code"],
        label=row["label"],
        post=row["post"],
        category=row["category"],
        action=row["action"],
        deadline_days=int(row["deadline_days"]) if row["deadline_days"] else None,
        ref=_ref("carc", file, row),
        cite=row["cite"],
    )


def _rarc(file: str, row: dict[str, str]) -> RarcSpec | str:
    return RarcSpec(
        code=row["code"],
        label=row["label"],
        category=row["category"],
        action=row["action"],
        caught_by=row["caught_by"],
        ref=_ref("rarc", file, row),
        cite=row["cite"],
    )


def _plb(file: str, row: dict[str, str]) -> PlbSpec | str:
    return PlbSpec(row["code"], row["label"], row["books"], row["action"], _ref("plb", file, row), row["cite"])
