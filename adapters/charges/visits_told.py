"""Which doses are of one visit, and to which visit a coded charge of it belongs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from typing import Final

from adapters.charges.doses_told import DOSES
from adapters.model.episode import AGAIN, VISIT, Occurrence, numbers_of
from adapters.model.event import Event

Family = Callable[[Event], tuple[str, str]]
"""The service family and the code of a coded charge, by the code or local code that it bears; empty where it has none."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a house's systems tell of visits: a `Family` that knows besides when a visit is over."""

    family: Family
    quiet: Callable[[date], int]
    """Hours without anything given after which what is given next is another visit, on a day; 0: never."""

    def __call__(self, event: Event) -> tuple[str, str]:
        return self.family(event)


_ONE_DAY: Final = timedelta(days=1)
_DAYS_BEFORE: Final = 6
"""Most days after a dose at which a coded charge may be of it: what is given weekly is another dose."""


def by_visit(
    person: str, doses: Sequence[Occurrence], context: Iterable[Event] = (), family: Family | None = None
) -> dict[str, list[Occurrence]]:
    """What was given, by visit: the encounter that a report names; else, and where it is the only one, that of the day.

    Two channels may call one encounter by two names: a dose that both report says so, or a merge of visits in the
    context. What no encounter is known of is one visit a day (no source says; an encounter number decides). An account
    that stays open over several visits names no encounter, so hours without anything given end a visit (`Habits.quiet`).
    """
    names = _names(doses, _merged(context))
    named = [next((names[v] for r in one.reports if (v := r.value("visit"))), "") for one in doses]
    of_day: dict[date, set[str]] = defaultdict(set)
    for one, name in zip(doses, named, strict=True):
        if name:
            of_day[_first_day(one)].add(name)
    visits: dict[str, list[Occurrence]] = defaultdict(list)
    for one, said in zip(doses, named, strict=True):
        day = _first_day(one)
        name = said or (next(iter(of_day[day])) if len(of_day[day]) == 1 else "")
        visits[f"{person}{VISIT}{name}" if name else f"{person}/day:{day.isoformat()}"].append(one)
    return visits if not isinstance(family, Habits) else _parted(visits, family.quiet)


def _parted(visits: Mapping[str, list[Occurrence]], quiet: Callable[[date], int]) -> dict[str, list[Occurrence]]:
    """The visits, each in as many as it has stretches of activity; the first keeps its id, others bear their day too."""
    found: dict[str, list[Occurrence]] = {}
    for id, ones in visits.items():
        at, until, last = id, None, None
        if VISIT not in id or len({one.day for one in ones}) < 2:
            found[id] = ones
            continue
        for one in sorted(ones, key=lambda one: (one.start, one.kind, one.key)):
            hours = quiet(one.day)
            over = until is not None and hours > 0 and one.start - until > timedelta(hours=hours)
            # A pump runs between its start and what is done to it next; what is given on one day is one visit in any case.
            if over and one.day != last and not _of_pump(one):
                at = f"{id}{AGAIN}{one.day.isoformat()}"
            found.setdefault(at, []).append(one)
            if one.happened:
                until, last = max(filter(None, (until, one.start, one.end))), one.day
    return found


def _of_pump(one: Occurrence) -> bool:
    return one.kind in ("pump-refill", "pump-disconnect")


def _merged(context: Iterable[Event]) -> Iterable[set[str]]:
    """Numbers of one visit that was merged, moved or numbered anew (HL7 v2 A42, A45, A50, A51)."""
    for event in context:
        if event.kind == "merge" and event.value("scope") == "visit" and event.value("visit"):
            yield {event.value("merged.value"), event.value("visit")}


def _names(doses: Iterable[Occurrence], merged: Iterable[set[str]]) -> dict[str, str]:
    """Each name of an encounter, and the first in the alphabet of all that are known to be of the same one."""
    group: dict[str, set[str]] = {}
    told = ({name for report in one.reports if (name := report.value("visit"))} for one in doses)
    for same in chain(told, merged):
        whole = same.union(*(group.get(name, set()) for name in same))
        for name in whole:
            group[name] = whole
    return {name: min(whole) for name, whole in group.items()}


def _first_day(one: Occurrence) -> date:
    return min(one.reports, key=lambda report: report.start).day


def visit_of(event: Event, family: str, code: str, visits: Mapping[str, Sequence[Occurrence]]) -> str:
    """The id of the visit in which a coded charge meets what was reported; empty where it meets none.

    An administration meets the doses of its day, a drug a dose of its code, a physician's visit a reported one. Of two
    visits of a day the one that it names, else the first. What meets none on its day may be of later hours of a visit, or
    bear a wrong date: it goes to the last visit of the days before, where `charges.coded_apart` looks at it.
    """
    fitting = {id: [one for one in ones if one.happened and _meets(family, code, one)] for id, ones in visits.items()}
    number = event.value("visit")
    for on in (_on_its_day, _into_its_day, *_BEFORE):
        ids = [
            (min(one.start for one in met), id)
            for id, ones in fitting.items()
            if (met := [one for one in ones if on(event, one)])
        ]
        if ids:
            return next((id for _, id in ids if number and number in numbers_of(id, visits[id])), min(ids)[1])
    return ""


def _meets(family: str, code: str, one: Occurrence) -> bool:
    if family == "drug":
        return bool(code) and one.value("code") == code
    if family == "visit":
        return one.kind == "office-visit"
    return family == "administration" and (one.kind in DOSES or one.kind.startswith(("pump-", "port-")))


def _on_its_day(event: Event, one: Occurrence) -> bool:
    return any(report.day == event.day for report in one.reports)


def _into_its_day(event: Event, one: Occurrence) -> bool:
    """Whether a dose that began before may have run into the day: its later hours are coded on it (1.4 M1).

    Instants do not tell the local midnight, so a dose with a stop may have run into the next day however short it was.
    """
    return one.end is not None and one.day < event.day <= one.day + _ONE_DAY + (one.end - one.start)


def _after(days: int) -> Callable[[Event, Occurrence], bool]:
    return lambda event, one: one.kind != "office-visit" and (event.day - one.day).days == days


_BEFORE: Final = tuple(_after(days) for days in range(1, _DAYS_BEFORE + 1))
