"""Which table and release a file is, as its publisher says in its name: `ccipra-v323r0-f1.txt`, `PPRRVU26_JAN.csv`.

What is given with the files (scope, release, first day) stands before what their names say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.tables import TableKind
from adapters.tables.days import month, quarter, quarter_of
from adapters.tables.source import Heading, Problem

SCOPES: Final[dict[TableKind, tuple[str, ...]]] = {
    TableKind.NCCI: ("practitioner", "hospital"),
    TableKind.MUE: ("practitioner", "hospital", "dme"),
}
"""Kinds of which there are several tables with fixed names; of coverage each contractor has its own."""

_MONTHS: Final = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_QUARTER: Final = re.compile(r"(?<!\d)(20\d\d)[-_ ]?q([1-4])(?!\d)", re.I)
_ISO: Final = re.compile(r"(?<!\d)(20\d\d)([-_]?)(\d\d)\2(\d\d)(?!\d)")
_EFFECTIVE: Final = re.compile(r"eff[a-z]*[-_ ](\d\d)-(\d\d)-(20\d\d)", re.I)
_NCCI_VERSION: Final = re.compile(r"(?<![a-z])v(\d\d)([0-3])(?:r(\d+))?(?!\d)", re.I)
_MONTH_YEAR: Final = re.compile(rf"(?<![a-z])({_MONTHS})[-_ ]+(?:\d\d?,?[-_ ]+)?(20\d\d)(?!\d)", re.I)
_YEAR_MONTH: Final = re.compile(rf"(?<!\d)(20\d\d)[-_ ]+({_MONTHS})(?![a-z])", re.I)
_PFS: Final = re.compile(rf"(?:PPRRVU|RVU)[-_ ]?(20\d\d|\d\d)(?!\d)(?:[-_ ]*({_MONTHS})|([a-d])(?![a-z]))?", re.I)
_HCPCS: Final = re.compile(rf"HCPCS?[-_ ]?(20\d\d)(?!\d)(?:[-_ ]*({_MONTHS}))?", re.I)
_ICD10: Final = re.compile(r"icd-?10-?cm.*?(?<!\d)(20\d\d)(?!\d)", re.I)
_YEAR: Final = re.compile(r"20\d\d")
_PART: Final = re.compile(r"[-_]f(\d+)(?!\d)", re.I)


@dataclass(frozen=True, slots=True)
class Named:
    """What a name (or a release) says; empty or None where it says nothing."""

    scope: str = ""
    release: str = ""
    start: date | None = None
    end: date | None = None


def named(kind: TableKind, name: str) -> Named:
    """What the name of a file says of the table in it."""
    base = re.split(r"[/\\]", name)[-1]
    scope = _scope(kind, base)
    for form in _FORMS.get(kind, (_by_day,)):
        found = form(base)
        if found is not None:
            return Named(scope, found.release, found.start, found.end)
    return Named(scope)


def released(text: str) -> Named:
    """The days of a release by its name alone: `2026Q4`, `v323r0`, `2026-01-01`, `2026`."""
    for form in (_by_quarter, _by_version, _by_day):
        found = form(text)
        if found is not None:
            return Named("", text, found.start, found.end)
    if _YEAR.fullmatch(text):
        return Named("", text, date(int(text), 1, 1), date(int(text), 12, 31))
    return Named("", text)


def heading(
    kind: TableKind,
    names: Sequence[str],
    scope: str,
    release: str,
    start: date | None,
    preamble: Named = Named(),
) -> Heading | tuple[Problem, ...]:
    """The one heading of all the files, or what stands in the way of one."""
    problems = [*_of_parts(names)] if kind is TableKind.NCCI else []
    problems += [
        Problem(name, 0, "the file is given twice") for name in sorted({n for n in names if names.count(n) > 1})
    ]
    said = [named(kind, name) for name in names]
    scopes = sorted({s.scope for s in said if s.scope})
    releases = sorted({s.release for s in said if s.release})
    allowed = SCOPES.get(kind)
    if not scope and len(scopes) > 1:
        problems.append(Problem("", 0, f"the files are of several tables: {', '.join(scopes)}"))
    if not release and len(releases) > 1:
        problems.append(Problem("", 0, f"the files are of several releases: {', '.join(releases)}"))
    scope = scope or (scopes[0] if scopes else "")
    if allowed and scope not in allowed:
        problems.append(Problem("", 0, f"which table is it? Give the scope: {', '.join(allowed)}"))
    if scope and not allowed and kind is not TableKind.COVERAGE:
        problems.append(Problem("", 0, f"there is one {kind} table only: it has no scope"))
    first = next((s for s in said if s.start), None) or preamble
    if release:
        by_release = released(release)
        first = by_release if by_release.start else Named("", release, first.start, first.end)
    day = start or first.start
    if day is None:
        problems.append(Problem("", 0, "neither the name nor the text says the release: give it, or its first day"))
    if problems or day is None:
        return tuple(problems)
    end = first.end if day == first.start else None
    return Heading(kind, scope, release or (first.release if day == first.start else "") or day.isoformat(), day, end)


def from_preamble(lines: Sequence[str]) -> Named:
    """What the lines above a table say: `Effective October 1, 2026 through December 31, 2026`, `October 2026 …`."""
    for line in lines:
        found = _by_month(line)
        if found is not None:
            return found
    return Named()


def _of_parts(names: Sequence[str]) -> list[Problem]:
    """A table in parts f1, f2 … is whole or it is refused: a missing part would read as edits that do not exist."""
    parts = sorted({int(found[1]) for name in names if (found := _PART.search(name))})
    missing = sorted(set(range(1, parts[-1] + 1)) - set(parts)) if parts else []
    return [Problem("", 0, f"part f{part} is missing") for part in missing]


def _scope(kind: TableKind, name: str) -> str:
    if kind not in SCOPES:
        return ""
    low = name.lower()
    if "ccipra" in low or "practitioner" in low:
        return "practitioner"
    if "ccioph" in low or "hospital" in low:
        return "hospital"
    return "dme" if kind is TableKind.MUE and "dme" in low else ""


def _quarterly(release: str, start: date) -> Named:
    return Named("", release, *quarter_of(start))


def _by_quarter(name: str) -> Named | None:
    found = _QUARTER.search(name)
    return Named("", f"{found[1]}Q{found[2]}", *quarter(int(found[1]), int(found[2]))) if found else None


def _by_version(name: str) -> Named | None:
    """NCCI: v320 is the first quarter of 2026, v323 the fourth; v313 the fourth of 2025."""
    found = _NCCI_VERSION.search(name)
    if not found:
        return None
    return Named("", f"v{found[1]}{found[2]}r{found[3] or 0}", *quarter(1994 + int(found[1]), int(found[2]) + 1))


def _by_effective_day(name: str) -> Named | None:
    found = _EFFECTIVE.search(name)
    start = _date(found[3], found[1], found[2]) if found else None
    return _quarterly(start.isoformat(), start) if start else None


def _by_day(name: str) -> Named | None:
    found = _ISO.search(name)
    start = _date(found[1], found[3], found[4]) if found else None
    return Named("", start.isoformat(), start) if start else None


def _by_month(name: str) -> Named | None:
    """Of the months named, the first one a quarter begins with."""
    pairs = [(m[1], m[2]) for m in _MONTH_YEAR.finditer(name)] + [(m[2], m[1]) for m in _YEAR_MONTH.finditer(name)]
    for name_of_month, year in pairs:
        number = month(name_of_month)
        if number % 3 == 1:
            return _quarterly(f"{year}Q{(number + 2) // 3}", date(int(year), number, 1))
    return None


def _by_rvu(name: str) -> Named | None:
    found = _PFS.search(name)
    if not found:
        return None
    year = int(found[1]) if len(found[1]) == 4 else 2000 + int(found[1])
    number = (month(found[2]) + 2) // 3 if found[2] else "abcd".index(found[3].lower()) + 1 if found[3] else 0
    return Named("", f"{year}Q{number}", *quarter(year, number)) if number else released(str(year))


def _by_hcpcs(name: str) -> Named | None:
    found = _HCPCS.search(name)
    if not found:
        return None
    if not found[2]:
        return released(found[1])
    number = (month(found[2]) + 2) // 3
    return Named("", f"{found[1]}Q{number}", *quarter(int(found[1]), number))


def _by_icd10(name: str) -> Named | None:
    """The year is the fiscal one: 2026 begins on 2025-10-01. An update of April holds from April to its end."""
    found = _ICD10.search(name)
    if not found:
        return None
    year = int(found[1])
    if "apr" in name.lower():
        return Named("", f"{year}-04", date(year, 4, 1), date(year, 9, 30))
    return Named("", str(year), date(year - 1, 10, 1), date(year, 9, 30))


def _date(year: str, month_: str, day: str) -> date | None:
    try:
        return date(int(year), int(month_), int(day))
    except ValueError:
        return None


_FORMS: Final[dict[TableKind, tuple[Callable[[str], Named | None], ...]]] = {
    TableKind.NCCI: (_by_version, _by_quarter),
    TableKind.MUE: (_by_effective_day, _by_quarter, _by_day),
    TableKind.AOC: (_by_quarter,),
    TableKind.PFS: (_by_rvu, _by_quarter),
    TableKind.ASP: (_by_month, _by_quarter),
    TableKind.NDC: (_by_month, _by_quarter),
    TableKind.HCPCS: (_by_hcpcs, _by_quarter),
    TableKind.ICD10: (_by_icd10,),
}
