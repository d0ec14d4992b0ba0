"""Which doses are of one visit, and to which visit a coded charge of it belongs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import chain
from typing import Final

from adapters.charges.doses_told import DOSES
from adapters.model.episode import VISIT, Occurrence, numbers_of
from adapters.model.event import Event

Family = Callable[[Event], tuple[str, str]]
"""The service family and the code of a coded charge, by the code or local code that it bears; empty where it has none."""
_ONE_DAY: Final = timedelta(days=1)


def by_visit(person: str, doses: Sequence[Occurrence], context: Iterable[Event] = ()) -> dict[str, list[Occurrence]]:
    """What was given, by visit: the encounter that a report names; else, and where it is the only one, that of the day.

    Two channels may call one encounter by two names: a dose that both report says so, or a merge of visits in the
    context. What no encounter is known of is one visit a day (no source says; an encounter number decides).
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
    return visits


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
    visits of a day the one that it names, else the first.
    """
    fitting = {id: [one for one in ones if one.happened and _meets(family, code, one)] for id, ones in visits.items()}
    number = event.value("visit")
    for on in (_on_its_day, _into_its_day):
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
