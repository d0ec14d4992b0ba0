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

from adapters.charges.doses_told import DOSES, Pharmacy, amended, as_given, same_doses
from adapters.charges.references import deleted_in, joined, taken_back
from adapters.charges.visits_told import Family, by_visit, visit_of
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import BEDSIDE, COUNTED, DOSE, Event, Status
from adapters.model.kinds import Role
from adapters.model.why import Fact

_CONTEXT_LINKS = ("course", "phase")
_SAME_DAY_ORDER = frozenset({"fraction", DOSE})
"""Kinds whose order number names a series of things, so that it does not identify one of them."""


def _as_drug(event: Event) -> tuple[str, str]:
    return "drug", event.value("code")


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


def deleted_context(events: Sequence[Event]) -> tuple[tuple[Event, Event], ...]:
    """(deletion, what it says is gone) of the context on file that charges rest on: for a person to settle."""
    if not any(event.kind == "deletion" for event in events):
        return ()
    return deleted_in(current(events)[0])


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
        elif scheme in ("order", "dose") and event.kind not in _SAME_DAY_ORDER:
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
        unclear = _join_numbers(events, groups)
        events = [_unmatched(event) if i in unclear else event for i, event in enumerate(events)]
    elif events and events[0].kind in DOSES:
        for i, j in same_doses(events):
            groups.join(i, j)
    return [[events[i] for i in members] for members in groups.sets()]


def _unmatched(event: Event) -> Event:
    """The report with the word that it could be of several things, so that it waits."""
    return replace(event, facts=(Fact("times", "unmatched", event.source), *event.facts))


def _join_numbers(events: Sequence[Event], groups: _Groups) -> frozenset[int]:
    """Let sessions that bear no UID join the one other session of their plan and number, if there is exactly one.

    The positions of the delivered ones for which there are several are given back: which is meant nobody can tell.

    First those of one day, then over days (a sender may know the date only): a session of a plan and one of its boost
    bear the same numbers, and a report that names no plan must not make one session of the two. Nor are an implant and a
    beam session of different days one, though each be the first of its kind.
    """
    unclear: set[int] = set()
    numbered: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for i, event in enumerate(events):
        if n := event.value("n"):
            numbered[event.status is Status.DONE, n].append(i)
    for members in numbered.values():
        if len(members) > 1:
            for same_day in (True, False):
                for i in members:
                    several = _join_number(i, members, events, groups, same_day=same_day)
                    if several and not same_day and events[i].status is Status.DONE:
                        unclear.add(i)
    return frozenset(unclear)


def _join_number(i: int, members: Sequence[int], events: Sequence[Event], groups: _Groups, *, same_day: bool) -> bool:
    """Join the session of report `i`, if no UID tells it from others, to the one that it can only be; whether it could
    be of several."""
    if events[i].value("uid"):
        return False
    sessions: dict[int, list[Event]] = defaultdict(list)
    for j in range(len(events)):
        sessions[groups.root(j)].append(events[j])
    own = sessions[groups.root(i)]
    if any(event.value("uid") for event in own):
        return False
    fitting = {
        root
        for j in members
        if (root := groups.root(j)) != groups.root(i)
        and (not same_day or events[j].day == events[i].day)
        and all(_same_plan(one, other) for one in own for other in sessions[root])
        and (same_day or all(one.value("regime") == other.value("regime") for one in own for other in sessions[root]))
    }
    if len(fitting) == 1:
        groups.join(i, next(iter(fitting)))
    return len(fitting) > 1


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
    if orders and reports[0].kind != "fraction":
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


def assemble(person: str, events: Iterable[Event], family: Family = _as_drug) -> Assembly:
    """All episodes of the person from all events on file.

    `family` says of a coded charge whether it is one of a visit for drugs; without it only drugs given are known as such.
    A house's own (`Habits`) says as well when a visit is over.
    """
    latest, superseded = current(events)
    latest, superseded = _amended(_still_counted(joined(taken_back(latest))), superseded)
    context = tuple(e for e in latest if e.role is Role.CONTEXT)
    placed = _with_course([e for e in latest if e.role is not Role.CONTEXT and e.kind not in BEDSIDE], context)
    visits = by_visit(person, _doses([e for e in latest if e.kind in BEDSIDE], context), context, family)
    visit_by_report = {report.id: id for id, ones in visits.items() for one in ones for report in one.reports}
    coded: dict[str, list[Event]] = defaultdict(list)
    by_course: dict[str, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    course_of: dict[str, str] = {}
    for event in placed:
        course_of[event.id] = event.course
        if event.role is Role.CODED:
            met = visit_of(event, *family(event), visits) if visits else ""
            coded[met or episode_id(person, event.course)].append(event)
            by_course[event.course]
        else:
            by_course[event.course][event.kind].append(event)
    replaced: dict[str, list[tuple[Event, Event]]] = defaultdict(list)
    other: list[tuple[Event, Event]] = []
    for older, newer in superseded:
        if newer.kind in BEDSIDE:
            replaced[visit_by_report[newer.id]].append((older, newer))
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


def _amended(
    latest: tuple[Event, ...], superseded: tuple[tuple[Event, Event], ...]
) -> tuple[tuple[Event, ...], tuple[tuple[Event, Event], ...]]:
    """The statements without the doses whose start was amended under another name; an amendment that could mean several
    doses says so, and waits."""
    changes = {newer.id: (newer, older) for newer, older in amended(latest, superseded)}
    if not changes:
        return latest, superseded
    gone = {older.id: newer for newer, older in changes.values() if older is not None}
    waits = {id for id, (newer, older) in changes.items() if older is None and newer.status is Status.DONE}
    left = (_unmatched(event) if event.id in waits else event for event in latest if event.id not in gone)
    heirs = tuple((older, gone[older.id]) for older in latest if older.id in gone)
    return tuple(left), (*((o, gone.get(n.id, n)) for o, n in superseded), *heirs)


def _doses(events: Sequence[Event], context: Sequence[Event]) -> tuple[Occurrence, ...]:
    """What was given, each thing once, as what it was; visits of the physician beside it."""
    if not events:
        return ()
    by_kind: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_kind[DOSE if event.kind in DOSES else event.kind].append(event)
    found = _occurrences(by_kind)
    pharmacy = Pharmacy.of(context, found)
    return tuple(as_given(one, pharmacy) for one in found)


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
