"""From a person's events to episodes: which reports are of one thing, and to which course it belongs.

Everything here is a function of the set of events. The order in which they arrived plays no part: of two statements
of one line the one *said* later holds, and ties are broken by the message's own id, which comes from its content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain, count

from adapters.model.episode import Episode, Occurrence
from adapters.model.event import BEDSIDE, COUNTED, Event, Role, Status
from adapters.model.why import Fact

_CONTEXT_LINKS = ("course", "phase")
_SAME_DAY_ORDER = frozenset({"fraction"})
"""Kinds whose order number names a series of things, so that it does not identify one of them."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A person's events, put in order."""

    episodes: tuple[Episode, ...]
    context: tuple[Event, ...]
    """Current context events (patient, coverage, encounter, course, phase), latest statement of each line."""
    coded: Mapping[str, tuple[Event, ...]]
    """Episode id → current coded charges that belong to it; of a drug that a visit gave on its date, to the visit."""
    superseded: tuple[tuple[Event, Event], ...]
    """(older statement, the one that took its place), of context and coded lines; those of services are in the episode."""


def _rank(event: Event) -> tuple[object, ...]:
    return (event.said, event.source.message, event.source.at, event.id)


def current(events: Iterable[Event]) -> tuple[tuple[Event, ...], tuple[tuple[Event, Event], ...]]:
    """The latest statement of each line, and the pairs (older, latest) that it superseded."""
    lines: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in {event.id: event for event in events}.values():
        lines[event.kind, event.line].append(event)
    latest: list[Event] = []
    superseded: list[tuple[Event, Event]] = []
    for statements in lines.values():
        statements.sort(key=_rank)
        latest.append(statements[-1])
        superseded.extend((older, statements[-1]) for older in statements[:-1])
    return tuple(sorted(latest, key=_in_time)), tuple(superseded)


def _in_time(event: Event) -> tuple[object, ...]:
    return (event.start, event.day, event.kind, event.line, event.id)


def _still_counted(latest: Sequence[Event]) -> tuple[Event, ...]:
    """The statements, without the sessions that the summary they were counted in no longer counts: those are withdrawn.

    A summary is updated in place: 5 fractions delivered, then 4 (standards/fhir.md 1.4).
    """
    summaries = {f"{COUNTED}:{e.line}": e for e in latest if e.kind == "phase" and e.value("fractions")}
    return tuple(
        replace(e, status=Status.WITHDRAWN)
        if e.kind == "fraction" and any(_beyond(e, summaries[key]) for key in e.keys if key in summaries)
        else e
        for e in latest
    )


def _beyond(session: Event, summary: Event) -> bool:
    counted = summary.whole("fractions") if summary.status is Status.DONE else 0
    return (session.whole("n") or 0) > (counted or 0)


class _Groups:
    """Union-find over positions; the smallest position names its group."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        a, b = sorted((self.root(i), self.root(j)))
        self._parent[b] = a

    def sets(self) -> list[list[int]]:
        members: dict[int, list[int]] = defaultdict(list)
        for i in range(len(self._parent)):
            members[self.root(i)].append(i)
        return list(members.values())


def _identities(event: Event) -> Iterable[str]:
    """The keys by which two reports of this kind are known to be of the same thing."""
    if event.kind == "fraction" and (uid := event.value("uid")):
        yield f"uid:{uid}"
    for key in event.keys:
        scheme = key.partition(":")[0]
        if scheme in ("uid", "part"):
            yield key
        elif scheme == "order" and event.kind not in _SAME_DAY_ORDER:
            yield f"{key}@{event.day}"


def _gather(events: Sequence[Event]) -> list[list[Event]]:
    """Reports of one kind and course, put together by identity; sessions without a UID also by plan and number.

    A withdrawn or not-done report is never the same thing as a delivered one, and two different UIDs are two sessions
    whatever their numbers say (radiation-oncology.md 5.1, cases/ro/README "How to run one").
    """
    groups = _Groups(len(events))
    owner: dict[tuple[object, ...], int] = {}
    for i, event in enumerate(events):
        done = event.status is Status.DONE
        for key in _identities(event):
            groups.join(i, owner.setdefault((done, key), i))
    if events and events[0].kind == "fraction":
        _join_numbers(events, groups)
    return [[events[i] for i in members] for members in groups.sets()]


def _join_numbers(events: Sequence[Event], groups: _Groups) -> None:
    """Let sessions that bear no UID join the one other session of their plan and number, if there is exactly one.

    First those of one day, then over days (a sender may know the date only): a session of a plan and one of its boost
    bear the same numbers, and a report that names no plan must not make one session of the two. Nor are an implant and a
    beam session of different days one, though each be the first of its kind.
    """
    numbered: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for i, event in enumerate(events):
        if n := event.value("n"):
            numbered[event.status is Status.DONE, n].append(i)
    for members in numbered.values():
        if len(members) > 1:
            for same_day in (True, False):
                for i in members:
                    _join_number(i, members, events, groups, same_day=same_day)


def _join_number(i: int, members: Sequence[int], events: Sequence[Event], groups: _Groups, *, same_day: bool) -> None:
    """Join the session of report `i`, if no UID tells it from others, to the one that it can only be."""
    if events[i].value("uid"):
        return
    sessions: dict[int, list[Event]] = defaultdict(list)
    for j in range(len(events)):
        sessions[groups.root(j)].append(events[j])
    own = sessions[groups.root(i)]
    if any(event.value("uid") for event in own):
        return
    fitting = {
        root
        for j in members
        if (root := groups.root(j)) != groups.root(i)
        and (not same_day or events[j].day == events[i].day)
        and all(_same_plan(one, other) for one in own for other in sessions[root])
        and (same_day or all(one.value("regime") == other.value("regime") for one in own for other in sessions[root]))
    }
    if len(fitting) == 1:
        groups.join(i, fitting.pop())


def _same_plan(one: Event, other: Event) -> bool:
    a, b = one.value("plan"), other.value("plan")
    return a == b or not a or not b


def _occurrence(reports: list[Event], running: int) -> Occurrence:
    """One thing from all its current reports: the first to say it counts, each fact as it was said last."""
    reports = sorted(reports, key=_rank)
    first, last = reports[0], reports[-1]
    facts: list[Fact] = []
    seen: set[str] = set()
    for report in reversed(reports):
        facts.extend(fact for fact in report.facts if fact.name not in seen)
        seen.update(fact.name for fact in report.facts)
    return Occurrence(
        kind=first.kind,
        key=_key(reports, running),
        start=last.start,
        day=last.day,
        end=next((r.end for r in reversed(reports) if r.end), None),
        status=first.status,
        course=first.course,
        facts=tuple(facts),
        reports=tuple(reports),
    )


def _key(reports: Sequence[Event], running: int) -> str:
    uids = sorted(uid for r in reports if (uid := r.value("uid")))
    if uids:
        return f"uid:{uids[0]}"
    orders = sorted(key for r in reports for key in r.keys if key.startswith("order:"))
    if orders and reports[0].kind not in _SAME_DAY_ORDER:
        return orders[0]
    numbers = sorted(f"{r.value('plan')}#{n}" for r in reports if (n := r.value("n")))
    if numbers:
        return f"n:{numbers[-1]}"
    return f"day:{reports[-1].day.isoformat()}/{running}"


def _labels(context: Sequence[Event]) -> dict[str, str]:
    """Reference of a course or phase (`feed|Procedure/7`) → label of its course, climbing part_of."""
    above: dict[str, str] = {}
    label: dict[str, str] = {}
    for event in context:
        if event.kind not in _CONTEXT_LINKS:
            continue
        reference = f"{event.feed}|{event.value('reference')}"
        if event.course or event.kind == "course":
            label[reference] = event.course or event.value("label")
        elif parent := event.value("part_of"):
            above[reference] = f"{event.feed}|{parent}"
    for reference in above:
        seen, at = set(), reference
        while at in above and at not in seen and at not in label:
            seen.add(at)
            at = above[at]
        if at in label:
            label[reference] = label[at]
    return label


def _with_course(events: Sequence[Event], context: Sequence[Event]) -> tuple[Event, ...]:
    """The events, each with the course it belongs to where that can be told.

    In this order: said by the report; by what it is part of; by another report of the same thing; by the one course
    whose dates contain the day; by being the person's only course. Else it stays loose.
    """
    labels = _labels(context)
    told: list[Event] = []
    for event in events:
        label = event.course
        for parent in event.values("part_of"):
            label = label or labels.get(f"{event.feed}|{parent}", "")
        told.append(event if label == event.course else replace(event, course=label))
    by_key = {key: e.course for e in told if e.course for key in e.keys if key.startswith(("uid:", "ft1:"))}
    told = [e if e.course else replace(e, course=_first(by_key, e.keys)) for e in told]
    spans: dict[str, tuple[date, date]] = {}
    for event in told:
        if event.course and event.role is not Role.CODED:
            low, high = spans.get(event.course, (event.day, event.day))
            spans[event.course] = (min(low, event.day), max(high, event.day))
    return tuple(e if e.course else replace(e, course=_by_day(spans, e.day)) for e in told)


def _first(courses: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((courses[key] for key in keys if key in courses), "")


def _by_day(spans: Mapping[str, tuple[date, date]], day: date) -> str:
    if len(spans) == 1:
        return next(iter(spans))
    containing = [label for label, (low, high) in spans.items() if low <= day <= high]
    return containing[0] if len(containing) == 1 else ""


def episode_id(person: str, label: str) -> str:
    """The id of a person's course: the lane and the clinic's label, `loose` for what belongs to no known course."""
    return f"{person}/{label or 'loose'}"


def assemble(person: str, events: Iterable[Event]) -> Assembly:
    """All episodes of the person from all events on file."""
    latest, superseded = current(events)
    latest = _still_counted(latest)
    context = tuple(e for e in latest if e.role is Role.CONTEXT)
    placed = _with_course([e for e in latest if e.role is not Role.CONTEXT and e.kind not in BEDSIDE], context)
    visits = _visits(person, [e for e in latest if e.kind in BEDSIDE])
    drugs = {
        (code, report.day): id
        for id, ones in visits.items()
        for one in ones
        for report in one.reports
        if one.happened and (code := one.value("code"))
    }
    visit_of = {report.id: id for id, ones in visits.items() for one in ones for report in one.reports}
    coded: dict[str, list[Event]] = defaultdict(list)
    by_course: dict[str, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    course_of: dict[str, str] = {}
    for event in placed:
        course_of[event.id] = event.course
        if event.role is Role.CODED:
            given = drugs.get((event.value("code"), event.day))
            coded[given or episode_id(person, event.course)].append(event)
            by_course[event.course]
        else:
            by_course[event.course][event.kind].append(event)
    replaced: dict[str, list[tuple[Event, Event]]] = defaultdict(list)
    other: list[tuple[Event, Event]] = []
    for older, newer in superseded:
        if newer.kind in BEDSIDE:
            replaced[visit_of[newer.id]].append((older, newer))
        elif newer.role in (Role.SERVICE, Role.EVIDENCE):
            replaced[course_of[newer.id]].append((older, newer))
        else:
            other.append((older, newer))
    episodes = tuple(
        Episode(
            id=episode_id(person, label),
            person=person,
            kind="radiation" if label else "loose",
            label=label,
            occurrences=_occurrences(kinds),
            superseded=tuple(replaced[label]),
        )
        for label, kinds in sorted(by_course.items())
    )
    episodes += tuple(
        Episode(id, person, "infusion", "", tuple(ones), tuple(replaced[id])) for id, ones in sorted(visits.items())
    )
    return Assembly(episodes, context, {k: tuple(v) for k, v in coded.items()}, tuple(other))


def _visits(person: str, events: Sequence[Event]) -> dict[str, list[Occurrence]]:
    """What was given, by visit: the encounter that a report names; else, and where it is the only one, that of the day.

    What no encounter is known of is one visit a day (no source says; an encounter number decides).
    """
    if not events:
        return {}
    by_kind: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_kind[event.kind].append(event)
    found = _occurrences(by_kind)
    named = {one.reports: next((v for r in one.reports if (v := r.value("visit"))), "") for one in found}
    of_day: dict[date, set[str]] = defaultdict(set)
    for one in found:
        if named[one.reports]:
            of_day[_first_day(one)].add(named[one.reports])
    visits: dict[str, list[Occurrence]] = defaultdict(list)
    for one in found:
        day = _first_day(one)
        name = named[one.reports] or (next(iter(of_day[day])) if len(of_day[day]) == 1 else "")
        visits[f"{person}/visit:{name}" if name else f"{person}/day:{day.isoformat()}"].append(one)
    return visits


def _first_day(one: Occurrence) -> date:
    return min(one.reports, key=lambda report: report.start).day


def _occurrences(kinds: Mapping[str, Sequence[Event]]) -> tuple[Occurrence, ...]:
    found: list[Occurrence] = []
    for events in kinds.values():
        running: dict[date, int] = defaultdict(int)
        known: set[tuple[bool, str]] = set()
        for reports in sorted(_gather(events), key=lambda group: min(map(_in_time, group))):
            day = max(reports, key=_rank).day
            running[day] += 1
            found.append(_apart(_occurrence(reports, running[day]), known))
    return tuple(sorted(found, key=lambda o: (o.start, o.kind, o.key)))


def _apart(occurrence: Occurrence, known: set[tuple[bool, str]]) -> Occurrence:
    """The occurrence under a key that none before it has: one order may be done on two days, two sessions of unknown
    identity may bear one number. Both were delivered, so each owes a slot of its own.
    """
    dated = f"{occurrence.key}@{occurrence.day.isoformat()}"
    keys = chain((occurrence.key, dated), (f"{dated}/{n}" for n in count(2)))
    key = next(key for key in keys if (occurrence.happened, key) not in known)
    known.add((occurrence.happened, key))
    return occurrence if key == occurrence.key else replace(occurrence, key=key)
