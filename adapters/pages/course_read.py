"""From a person's record to the page of one course. Pure: nothing is asked of the store, the clock or the network."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adapters.charges import Assembly
from adapters.charges.radiation import is_closed
from adapters.charges.visits_told import Family
from adapters.context import coverages, demographics
from adapters.model.charge import Hold, Release, Slot
from adapters.model.episode import Episode, Occurrence
from adapters.model.event import Event, Status
from adapters.model.ledger import Money
from adapters.model.record import ChargeOnFile, PersonRecord
from adapters.model.site import Site
from adapters.model.why import Why
from adapters.pages.course_books import Books
from adapters.pages.course_lines import Lines
from adapters.pages.course_view import (
    FATES,
    Chip,
    CourseView,
    DayView,
    Fate,
    FindingView,
    Heading,
    HoldView,
    LineView,
    ReportView,
    ServiceView,
    SessionView,
    UnitView,
    WeekView,
    foremost,
)
from adapters.pipeline.stated import assembled
from adapters.pipeline.visiting import VISIT
from adapters.rules import Ruleset

COUNTED: Final = {"management": "M", "physics": "P"}
"""Services counted in units over sessions, with the letter of their marks."""
OF_SESSION: Final = frozenset({"delivery", "guidance"})
_EVIDENCE: Final = {"on-treatment-visit": "exam", "physics-check": "physics check", "course-end": "end of course"}
_CODE_RULES: Final = ("delivery", "guidance")
_WEEK: Final = timedelta(days=7)


def course_view(
    record: PersonRecord,
    episode_id: str,
    rules: Ruleset,
    site: Site,
    family: Family | None = None,
    assembly: Assembly | None = None,
) -> CourseView | None:
    """The page of a course of the person; None where the person has no course of that id.

    `family` is the house's (`pipeline.step.family_by`): it tells of a coded charge whether it is one of a visit. Who has
    the record put together already hands over that `assembly`.
    """
    assembly = assembly or assembled(record.person, record.events, family)
    episode = next((e for e in assembly.episodes if e.id == episode_id), None)
    if episode is None:
        return None
    return _Reader(record, assembly, episode, rules, site, Lines.of(record, rules, site)).view()


@dataclass(slots=True)
class _Reader:
    """Puts every outcome of the course where it belongs: to a session, to a counted unit, or among the services."""

    record: PersonRecord
    assembly: Assembly
    episode: Episode
    rules: Ruleset
    site: Site
    lines: Lines
    charges: list[ChargeOnFile] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    by_key: dict[str, int] = field(default_factory=dict)
    by_report: dict[tuple[str, str], int] = field(default_factory=dict)
    by_event: dict[str, int] = field(default_factory=dict)

    def view(self) -> CourseView:
        """The whole page."""
        id = self.episode.id
        self.charges = [c for c in self.record.charges if c.charge.slot.episode == id and self.lines.shown(c)]
        self.holds = [h for h in self.record.holds if h.slot.episode == id]
        fractions = [o for o in self.episode.occurrences if o.kind == "fraction"]
        delivered = [o for o in fractions if o.happened]
        self._index(fractions)
        units_of, of_session, of_service = self._placed()
        covered = {mark: self._covered(whys) for mark, (_, whys) in units_of.items()}
        sessions = self._sessions(fractions, of_session, covered)
        units = tuple(
            UnitView(mark, lines[0].service, tuple(sessions[i] for i in covered[mark]), _fate(lines), tuple(lines))
            for mark, (lines, _) in sorted(units_of.items(), key=lambda item: (item[0][0], int(item[0][1:])))
        )
        services = tuple(
            ServiceView(day, lines[0].label or service.replace("-", " "), _fate(lines), tuple(lines))
            for (day, service, _), lines in sorted(
                of_service.items(), key=lambda item: (item[0][0] or date.max, item[0])
            )
        )
        weeks = self._weeks(sessions, services)
        books = Books.of(self.record, id, self.lines)
        every = [line for session in sessions for line in session.lines]
        every += [line for unit in units for line in unit.lines] + [line for one in services for line in one.lines]
        planned = max((n for o in fractions if (n := o.whole("planned_fractions"))), default=None)
        days = [day.day for week in weeks for day in week.days if not day.empty]
        return CourseView(
            heading=self._heading(),
            ended=is_closed(self.episode, delivered),
            delivered=len(delivered),
            planned=planned,
            first=min(days, default=None),
            last=max(days, default=None),
            weeks=weeks,
            units=units,
            services=services,
            claims=books.views(),
            holds=self._holds(sessions),
            work=books.work(),
            findings=self._findings(),
            balance=books.balance(),
            money=sum((line.money for line in every if line.money), Money()),
            unsent=sum(_unsent(line) for line in every),
            held=sum(
                line.amount or 0 for line in every if line.fate in (Fate.HELD, Fate.WAITING) and not line.instead_of
            ),
            fates=tuple(f for f in FATES if f in {line.fate for line in every} | {s.fate for s in sessions}),
        )

    # -------------------------------------------------------- what belongs where

    def _index(self, fractions: Sequence[Occurrence]) -> None:
        """Sessions by key, by where they were reported, by event; a delivered one goes before a withdrawn one."""
        for i, occurrence in sorted(enumerate(fractions), key=lambda pair: not pair[1].happened):
            self.by_key.setdefault(occurrence.key, i)
            for report in occurrence.reports:
                self.by_report.setdefault((report.source.message, report.source.at), i)
                self.by_event.setdefault(report.id, i)

    def _covered(self, whys: Sequence[Why]) -> list[int]:
        """The sessions on whose reports an outcome rests, in order."""
        facts = (fact for why in whys for fact in why.facts if fact.name == "event")
        found = {self.by_report.get((fact.source.message, fact.source.at)) for fact in facts}
        return sorted(i for i in found if i is not None)

    def _session_of(self, service: str, key: str, why: Why, about: str = "") -> int | None:
        if service not in OF_SESSION:
            return None
        for found in (self.by_key.get(key), self.by_event.get(about), *self._covered([why])[:1]):
            if found is not None:
                return found
        return None

    def _placed(
        self,
    ) -> tuple[
        dict[str, tuple[list[LineView], list[Why]]],
        dict[int, list[LineView]],
        dict[tuple[date | None, str, str], list[LineView]],
    ]:
        """Every line of the course at its place: by mark of the unit, by session, by (day, service, key)."""
        units: dict[str, tuple[list[LineView], list[Why]]] = defaultdict(lambda: ([], []))
        sessions: dict[int, list[LineView]] = defaultdict(list)
        services: dict[tuple[date | None, str, str], list[LineView]] = defaultdict(list)
        outcomes: list[tuple[LineView, Slot, Why, str, date | None]] = [
            (self.lines.of_charge(c), c.charge.slot, c.charge.why, "", c.charge.start) for c in self.charges
        ]
        for hold in self.holds:
            day = hold.would.start if hold.would else self._day_of(hold)
            outcomes.append((self.lines.of_hold(hold), hold.slot, hold.why, hold.about, day))
        for line, slot, why, about, day in outcomes:
            session = self._session_of(slot.service, slot.key, why, about)
            if session is not None:
                sessions[session].append(line)
            elif slot.service in COUNTED and slot.key.isdigit():
                unit = units[f"{COUNTED[slot.service]}{slot.key}"]
                unit[0].append(line)
                unit[1].append(why)
            else:
                services[day, slot.service, slot.key].append(line)
        for placed in sessions.values():
            placed.sort(key=lambda line: (line.service, line.fate is Fate.NOT_PAYABLE, line.code, line.component))
        return units, sessions, services

    def _day_of(self, hold: Hold) -> date | None:
        """The day of a hold that has no line: that of the event it is about, or on which it rests."""
        for occurrence in self.episode.occurrences:
            for report in occurrence.reports:
                if report.id == hold.about or (report.source.message, report.source.at) in _places(hold.why):
                    return occurrence.day
        return None

    # -------------------------------------------------------- the calendar

    def _sessions(
        self,
        fractions: Sequence[Occurrence],
        lines: Mapping[int, Sequence[LineView]],
        covered: Mapping[str, Sequence[int]],
    ) -> list[SessionView]:
        older: dict[str, list[Event]] = defaultdict(list)
        for before, after in self.episode.superseded:
            older[after.id].append(before)
        skipped: dict[str, str] = {skip.event: skip.reason for skip in self.record.skips}
        views: list[SessionView] = []
        running = 0
        for i, occurrence in enumerate(fractions):
            running += occurrence.happened
            own = tuple(lines.get(i, ()))
            reports = [_report(event) for event in occurrence.reports]
            for event in occurrence.reports:
                reports.extend(_report(event, standing=False) for event in older[event.id])
            reasons = dict.fromkeys(
                skipped[event.id] for event in occurrence.reports if event.id in skipped and not occurrence.happened
            )
            views.append(
                SessionView(
                    id=f"s{i + 1}",
                    number=occurrence.value("n") or (str(running) if occurrence.happened else ""),
                    start=occurrence.start.astimezone(ZoneInfo(self.site.zone)),
                    day=occurrence.day,
                    technique=occurrence.value("technique"),
                    guidance=occurrence.value("guidance", "none"),
                    plan=occurrence.value("plan"),
                    state=_STATE[occurrence.status],
                    fate=_fate(own),
                    lines=own,
                    reports=tuple(sorted(reports, key=lambda r: (r.said, r.message, r.at))),
                    marks=tuple(sorted(mark for mark, members in covered.items() if i in members)),
                    notes=tuple(self.rules.skip_words(reason) for reason in reasons),
                )
            )
        return views

    def _weeks(self, sessions: Sequence[SessionView], services: Sequence[ServiceView]) -> tuple[WeekView, ...]:
        """Monday to Sunday from the first thing to the last; two or more weeks without anything are left out."""
        by_day: dict[date, list[SessionView]] = defaultdict(list)
        chips: dict[date, dict[Chip, None]] = defaultdict(dict)
        for session in sorted(sessions, key=lambda s: s.start):
            by_day[session.day].append(session)
        for service in services:
            if service.day is not None:
                chips[service.day][Chip(service.label, service.fate)] = None
        for occurrence in self.episode.occurrences:
            if occurrence.kind in _EVIDENCE and occurrence.happened:
                chips[occurrence.day][Chip(_EVIDENCE[occurrence.kind])] = None
        days = sorted({*by_day, *chips})
        if not days:
            return ()
        boundaries = _boundaries(self.rules, days[0], days[-1])
        weeks: list[WeekView] = []
        pending: list[WeekView] = []
        monday = days[0] - timedelta(days=days[0].weekday())
        while monday <= days[-1]:
            dates = [monday + timedelta(days=n) for n in range(7)]
            week = WeekView(tuple(_day(d, by_day.get(d, ()), chips.get(d, {}), boundaries) for d in dates))
            if week.empty and not any(day.boundary for day in week.days):
                pending.append(week)
            else:
                if len(pending) == 1:
                    weeks.extend(pending)
                weeks.append(WeekView(week.days, len(pending) if len(pending) > 1 else 0))
                pending = []
            monday += _WEEK
        return tuple(weeks)

    # -------------------------------------------------------- below the calendar

    def _holds(self, sessions: Sequence[SessionView]) -> tuple[HoldView, ...]:
        """Holds, those for a person first; the work item of each tells who has it."""
        items = {(item.code, item.about): item for item in self.record.work if item.kind == "hold" and not item.closed}
        found: list[HoldView] = []
        for hold in self.holds:
            slot = hold.slot
            item = items.get((hold.code, f"{slot.episode}|{slot.service}|{slot.key}|{slot.part}"))
            session = self._session_of(slot.service, slot.key, hold.why, hold.about)
            about = slot.service.replace("-", " ")
            if session is not None:
                about = f"session {sessions[session].number or sessions[session].id}, {about}"
            elif slot.service in COUNTED and slot.key.isdigit():
                about = f"{about}, unit {slot.key}"
            day = hold.would.start if hold.would else self._day_of(hold)
            spec = self.rules.hold(hold.code)
            detail = "" if hold.detail == spec.words else hold.detail
            assigned = item.assigned if item else ""
            line = self.lines.of_hold(hold)
            found.append(HoldView(about, day, line, hold.release, detail, spec.next_step, assigned))
        order = (Release.PERSON, Release.WAIT, Release.NEVER)
        return tuple(sorted(found, key=lambda h: (order.index(h.release), h.day or date.max, h.about)))

    def _findings(self) -> tuple[FindingView, ...]:
        events = {report.id for o in self.episode.occurrences for report in o.reports}
        events |= {event.id for event in self.assembly.coded.get(self.episode.id, ())}
        mine = [
            f
            for f in self.record.findings
            if f.about in events or (f.slot is not None and f.slot.episode == self.episode.id)
        ]
        counted = Counter(f.kind for f in mine)
        return tuple(
            FindingView(self.rules.findings.get(kind, kind.replace("-", " ")), n) for kind, n in sorted(counted.items())
        )

    def _heading(self) -> Heading:
        who = demographics(self.assembly.context)
        insured = (self.site.payer(c.payer) for c in coverages(self.assembly.context, self.site))
        diagnoses = (d for c in self.charges for d in c.charge.diagnoses)
        return Heading(
            clinic=self.site.name,
            label=self.episode.label,
            visit=self.episode.kind == VISIT,
            family=who.family,
            given=who.given,
            birth_date=who.birth_date,
            identifiers=tuple(sorted(identifier.value for identifier in self.record.identifiers)),
            payers=tuple(dict.fromkeys(payer.name for payer in insured if payer)),
            diagnoses=tuple(dict.fromkeys(diagnoses)),
        )


_STATE: Final = {Status.DONE: "done", Status.NOT_DONE: "not-done", Status.WITHDRAWN: "withdrawn"}


def _fate(lines: Iterable[LineView]) -> Fate:
    return foremost([line.fate for line in lines])


def _places(why: Why) -> frozenset[tuple[str, str]]:
    return frozenset((fact.source.message, fact.source.at) for fact in why.facts if fact.name == "event")


def _report(event: Event, standing: bool = True) -> ReportView:
    return ReportView(event.source.message, event.source.at, event.feed, event.said, standing)


def _unsent(line: LineView) -> int:
    """What of a line is charged and not known to be with the payer."""
    known = line.money is not None and line.money.billed > 0
    if line.hold or known or line.fate is Fate.VOID:
        return 0
    return line.amount or 0


def _boundaries(rules: Ruleset, first: date, last: date) -> dict[date, str]:
    """Days on which the codes change: every New Year, and every day from which another version of a session's rule holds."""
    marks: dict[date, list[str]] = {date(y, 1, 1): [] for y in range(first.year + 1, last.year + 1)}
    for id in _CODE_RULES:
        for version in rules.rule(id).versions:
            if first < version.since <= last:
                marks.setdefault(version.since, []).append(id)
    words = {}
    for day, changed in marks.items():
        if first < day <= last:
            name = str(day.year) if (day.month, day.day) == (1, 1) else day.isoformat()
            words[day] = f"{name}: other codes for {' and '.join(changed)}" if changed else f"{name}: new code year"
    return words


def _day(day: date, sessions: Sequence[SessionView], chips: Iterable[Chip], boundaries: Mapping[date, str]) -> DayView:
    edge = any(boundary <= day < boundary + _WEEK for boundary in boundaries)
    return DayView(day, tuple(sessions), tuple(chips), boundaries.get(day, ""), edge)
