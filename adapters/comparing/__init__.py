"""Our charges against the coded ones that the EHR sent: matched, ours only, theirs only, differing; with money and trend.

Pure functions over pairs (`pipeline.sides` makes them of a record): the command `compare` and the page both ask here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from adapters.model.comparison import Coding, Comparison, Kind, Pair, Tally, Unlike

__all__ = ["By", "compare", "tallies", "within"]

_DAYS_APART: Final = timedelta(days=7)
"""Within so many days the same service under the same code is taken for one that the other side dated otherwise."""
_WORDS: Final[Mapping[Kind, str]] = {
    Kind.CODE: "another code",
    Kind.MODIFIERS: "other modifiers",
    Kind.UNITS: "other units",
    Kind.DATE: "another date of service",
    Kind.DIAGNOSIS: "other diagnoses",
}


class By(StrEnum):
    """What differences are put together by."""

    PAYER = "payer"
    CLINIC = "clinic"
    WEEK = "week"
    """By its Monday: the trend."""
    SERVICE = "service"


_KEYS: Final[Mapping[By, Callable[[Pair], str]]] = {
    By.PAYER: lambda pair: pair.payer or "none",
    By.CLINIC: lambda pair: pair.clinic,
    By.WEEK: lambda pair: (pair.day - timedelta(days=pair.day.weekday())).isoformat(),
    By.SERVICE: lambda pair: pair.service,
}


def within(pairs: Iterable[Pair], since: date | None, until: date | None) -> tuple[Pair, ...]:
    """The pairs of these dates of service, both ends included; what the other side dated otherwise put together first."""
    left = (p for p in _met(tuple(pairs)) if since is None or p.day >= since)
    return tuple(sorted((p for p in left if until is None or p.day <= until), key=_order))


def compare(pairs: Iterable[Pair]) -> Comparison:
    """What pairs come to, as `within` gives them, and every difference with its reason."""
    judged = [(pair, judge(pair)) for pair in pairs]
    unlike = sorted((one for _, one in judged if one is not None), key=lambda one: _order(one.pair))
    return Comparison(_tally("all", judged), tuple(unlike))


def tallies(pairs: Iterable[Pair], by: By) -> tuple[Tally, ...]:
    """What they come to for each payer, clinic, week or service, by its name; a week with nothing in it is there too."""
    groups: dict[str, list[tuple[Pair, Unlike | None]]] = defaultdict(list)
    for pair in pairs:
        groups[_KEYS[by](pair)].append((pair, judge(pair)))
    names = sorted(groups)
    if by is By.WEEK:
        names = sorted({*names, *_weeks_between(names)})
    return tuple(_tally(name, groups.get(name, [])) for name in names)


def _weeks_between(names: Iterable[str]) -> Iterator[str]:
    for first, then in pairwise(map(date.fromisoformat, names)):
        week = first + timedelta(days=7)
        while week < then:
            yield week.isoformat()
            week += timedelta(days=7)


def judge(pair: Pair) -> Unlike | None:
    """The difference of a pair; None where the sides agree, and where we hold what they have not coded either."""
    ours, theirs = pair.ours, pair.theirs
    if ours is None:
        if theirs is None:
            raise ValueError("a pair of nothing")
        words = f"they coded {_said(theirs)}, and we have no such line: {pair.evidence}"
        return Unlike(Kind.THEIRS_ONLY, pair, (Kind.THEIRS_ONLY,), words, theirs.id)
    if theirs is None:
        if ours.held:
            return None
        words = f"we would bill {_said(ours)} by {ours.why}, and no coded charge came: {pair.evidence}"
        return Unlike(Kind.OURS_ONLY, pair, (Kind.OURS_ONLY,), words, ours.id)
    differs = tuple(_differing(ours, theirs))
    if ours.held:
        words = f"they coded {_said(theirs)}, and we hold {_said(ours)}: {ours.why}"
        return Unlike(Kind.HELD, pair, (Kind.HELD, *differs), words, ours.id)
    if not differs:
        return None
    what = ", ".join(_WORDS[kind] for kind in differs)
    words = f"{what}: ours {_said(ours)} by {ours.why}; theirs {_said(theirs)}"
    if Kind.DIAGNOSIS in differs:
        words += f"; diagnoses {' '.join(ours.diagnoses)} and {' '.join(theirs.diagnoses)}"
    return Unlike(differs[0], pair, differs, words, ours.id)


def _said(side: Coding) -> str:
    return f"{'-'.join((side.code, *side.modifiers))} × {side.units} on {side.day.isoformat()}"


def _differing(ours: Coding, theirs: Coding) -> Iterator[Kind]:
    if ours.code != theirs.code:
        yield Kind.CODE
    if set(ours.modifiers) != set(theirs.modifiers):
        yield Kind.MODIFIERS
    if ours.units != theirs.units:
        yield Kind.UNITS
    if ours.day != theirs.day:
        yield Kind.DATE
    if ours.diagnoses and theirs.diagnoses and set(ours.diagnoses) != set(theirs.diagnoses):
        yield Kind.DIAGNOSIS


def _met(pairs: tuple[Pair, ...]) -> Iterator[Pair]:
    """The pairs, with the lines of the two sides that are the same but for their date put together, the nearest first."""
    lone: dict[tuple[str, ...], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for at, pair in enumerate(pairs):
        if pair.ours is not None and pair.theirs is None and not pair.ours.held:
            lone[_alike(pair, pair.ours)][0].append(at)
        elif pair.theirs is not None and pair.ours is None:
            lone[_alike(pair, pair.theirs)][1].append(at)
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for mine, others in lone.values():
        near = sorted((abs(pairs[a].day - pairs[b].day), a, b) for a in mine for b in others)
        for apart, a, b in near:
            if apart <= _DAYS_APART and a not in partner and b not in taken:
                partner[a] = b
                taken.add(b)
    for at, pair in enumerate(pairs):
        if at in partner:
            yield replace(pair, theirs=pairs[partner[at]].theirs)
        elif at not in taken:
            yield pair


def _alike(pair: Pair, side: Coding) -> tuple[str, ...]:
    return (pair.person, pair.entity, pair.service, side.code, *sorted(side.modifiers))


def _tally(name: str, judged: Iterable[tuple[Pair, Unlike | None]]) -> Tally:
    found = [(pair, one) for pair, one in judged if one is not None or pair.theirs is not None]
    effects = [pair.effect for pair, _ in found]
    return Tally(
        name,
        sum(one is None for _, one in found),
        sum(one is not None for _, one in found),
        sum(pair.ours.amount for pair, _ in found if pair.ours and not pair.ours.held),
        sum(pair.theirs.amount for pair, _ in found if pair.theirs),
        sum(effect for effect in effects if effect > 0),
        -sum(effect for effect in effects if effect < 0),
    )


def _order(pair: Pair) -> tuple[object, ...]:
    side = pair.ours or pair.theirs
    return (pair.day, pair.service, side.code if side else "", pair.person, pair.entity, side.id if side else "")
