"""A radiation course: delivery and image guidance of each session, management and physics by fives.

What is decided on a date stands in mappings/charges; here stands how the decisions hang together
(sections of the domain facts in each docstring).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from adapters.charges.delivery import delivery
from adapters.charges.lines import Bench, Billable
from adapters.charges.remarks import concurrent
from adapters.charges.reviews import Review, reviews_of
from adapters.charges.services import services
from adapters.charges.special import STEREOTACTIC, management_by_session, management_of_course, surface_guidance
from adapters.charges.visits import visits
from adapters.model.charge import Charge, Component
from adapters.model.episode import Episode, Occurrence
from adapters.model.why import Fact, Source, Why
from adapters.rules import Nothing

PHYSICIANS = frozenset({"radiation-oncologist", "physician"})


def course(bench: Bench) -> None:
    """Everything that the course owes."""
    sessions = bench.episode.of("fraction")
    daily = [session for session in sessions if not session.value("regime")]
    special = [session for session in sessions if session.value("regime")] if len(daily) < len(sessions) else []
    closed = is_closed(bench.episode, sessions)
    reviews = reviews_of(bench.episode, sessions)
    delivery(bench, sessions, reviews)
    _guidance(bench, sessions, reviews, closed)
    spoken: _Spoken = {}
    _management(bench, daily, closed, spoken)
    beams = [s for s in sessions if s.value("regime") in ("", *STEREOTACTIC)] if special else daily
    _physics(bench, beams, closed, spoken)
    management_of_course(bench, special, closed)
    management_by_session(bench, special)
    surface_guidance(bench, special, closed)
    services(bench, sessions)
    visits(bench, sessions)
    concurrent(bench, daily)


def is_closed(episode: Episode, sessions: Sequence[Occurrence]) -> bool:
    """Whether the course has ended: an end is reported, and no session was delivered after it."""
    ends = episode.of("course-end")
    return bool(ends) and (not sessions or ends[-1].start >= sessions[-1].start or ends[-1].day >= sessions[-1].day)


# ---------------------------------------------------------------- image guidance (section 2.6)


def _guidance(bench: Bench, sessions: Sequence[Occurrence], reviews: Mapping[str, Review], closed: bool) -> None:
    for i, session in enumerate(sessions):
        if session.value("guidance", "none") == "none" or session.value("regime") == "surface":
            continue
        context = bench.context(session)
        decision = bench.decide("guidance", context, bench.words(session))
        facts = bench.looked_at(session, ("guidance", *decision.used))
        if isinstance(decision, Nothing):
            bench.undecided(decision, "guidance", session, facts, "guidance")
            continue
        if "code" not in decision.values:
            why = Why(decision.ref, facts)
            bench.hold(decision.values["hold"], "guidance", session.key, why, about=session.primary.id)
            continue
        review = reviews.get(session.key)
        service = bench.owed("guidance", session, decision, (*facts, *review.facts) if review else facts)
        if review and review.by:
            service.rendering = review.by
        following = sessions[i + 1] if i + 1 < len(sessions) else None
        gated = context.option("igrt.review") == "before-next"
        for line in bench.lines(service):
            in_time = review is not None and (following is None or review.at < following.start)
            if not gated or line.component is Component.TECHNICAL or in_time:
                bench.bill([line], session.primary.id)
            elif review is None and following is None and not closed:
                bench.hold("waiting-for-review", "", "", line.why, would=line, about=session.primary.id)
            else:
                detail = _unreviewed(bench, review, following)
                why, about = line.why, session.primary.id
                bench.hold("documentation-missing", "", "", why, would=line, about=about, detail=detail)


def _unreviewed(bench: Bench, review: Review | None, following: Occurrence | None) -> str:
    """What an image's review lacks, with both moments where it came too late."""
    if review is None or following is None:
        return "no review of the image is recorded"
    zone = ZoneInfo(bench.contexts.site.zone)
    read, began = (at.astimezone(zone).strftime("%Y-%m-%d %H:%M") for at in (review.at, following.start))
    return f"the image was reviewed only after the next session: on {read}, and that began on {began}"


# ---------------------------------------------------------------- counted services (sections 5.1, 5.4)


@dataclass(frozen=True, slots=True)
class _Unit:
    """One unit of a counted service: its sessions, first to last."""

    number: int
    code: str
    sessions: tuple[Occurrence, ...]


_Spoken = dict[tuple[int, ...], tuple[Fact, ...]]
"""The facts of the sessions of a unit, by its number and their identities: what is counted by fives has the same units."""


def _units(bench: Bench, rule: str, sessions: Sequence[Occurrence], closed: bool) -> list[_Unit]:
    if not sessions:
        return []
    context = bench.context(sessions[-1])
    plan = bench.rules.blocks(rule, sessions[-1].day, len(sessions), closed, context.options)
    if isinstance(plan, Nothing):
        facts = bench.looked_at(sessions[-1], ())
        bench.undecided(plan, rule, sessions[-1], facts, rule)
        return []
    return [_Unit(b.number, b.code, tuple(sessions[b.first - 1 : b.last])) for b in plan.blocks]


def _spoken_by(unit: _Unit, spoken: _Spoken) -> tuple[Fact, ...]:
    """Each session of the unit by its reports and its number, then all of them by their dates."""
    key = (unit.number, *map(id, unit.sessions))
    known = spoken.get(key)
    if known is None:
        facts: list[Fact] = []
        for session in unit.sessions:
            facts += session.told
            if number := session.fact("n"):
                facts.append(number)
        days = ", ".join([session.day.isoformat() for session in unit.sessions])
        source = Source("rules", f"unit {unit.number} of the course")
        known = spoken[key] = (*facts, Fact("sessions", f"{len(unit.sessions)}: {days}", source))
    return known


def _counted(
    bench: Bench,
    rule: str,
    unit: _Unit,
    on: Occurrence,
    evidence: Sequence[Occurrence],
    rendering: str,
    spoken: _Spoken,
) -> list[Charge]:
    version = bench.rules.version(rule, on.day)
    *facts, dates = _spoken_by(unit, spoken)
    for exam in evidence:
        facts += bench.looked_at(exam, ("by", "by.role"))
    if len(unit.sessions) < 5:
        facts += [end.named for end in bench.episode.of("course-end")]
    return bench.lines(
        Billable(
            service=rule,
            key=str(unit.number),
            code=unit.code,
            units=1,
            start=on.day,
            end=on.day,
            facts=(*facts, dates),
            ref=version.ref if version is not None else bench.ref(rule, on.day),
            about=unit.sessions[-1].primary,
            place=bench.place(on),
            diagnoses=bench.diagnoses(on),
            rendering=rendering,
            overdue=version is not None and version.overdue(on.day),
        )
    )


def _management(bench: Bench, sessions: Sequence[Occurrence], closed: bool, spoken: _Spoken) -> None:
    """Weekly management: a unit for five sessions, each with a physician's exam in its span (5.1)."""
    for unit in _units(bench, "management", sessions, closed):
        context = bench.context(unit.sessions[-1])
        on = unit.sessions[0] if context.option("management.dos") == "first_fraction" else unit.sessions[-1]
        exams = _exams(bench, unit)
        about = unit.sessions[-1].primary.id
        lines = _counted(bench, "management", unit, on, exams, exams[-1].value("by") if exams else "", spoken)
        if exams or context.option("management.exam_span") == "off":
            bench.bill(lines, about)
            continue
        detail = _unexamined(bench, unit)
        for line in lines:
            bench.hold("documentation-missing", "", "", line.why, would=line, about=about, detail=detail)


def _exams(bench: Bench, unit: _Unit) -> list[Occurrence]:
    """Examinations by a physician on or between the dates of the unit's sessions; a nurse practitioner's do not count."""
    people = bench.contexts.site.people
    return [
        visit
        for visit in _visits(bench, unit)
        if (visit.value("by.role") or people.get(visit.value("by"), "")) in PHYSICIANS
    ]


def _visits(bench: Bench, unit: _Unit) -> list[Occurrence]:
    """Examinations by anybody on or between the dates of the unit's sessions."""
    first, last = unit.sessions[0].day, unit.sessions[-1].day
    return [visit for visit in bench.episode.of("on-treatment-visit") if first <= visit.day <= last]


def _unexamined(bench: Bench, unit: _Unit) -> str:
    """What a unit without a physician's examination lacks, with the dates to look at, and examinations that do not count."""
    first, last = unit.sessions[0].day, unit.sessions[-1].day
    span = f"from {first} to {last}" if first < last else f"on {first}"
    others = ", ".join(visit.day.isoformat() for visit in _visits(bench, unit))
    beside = f"; the one on {others} is not known to be a physician's" if others else ""
    return f"no physician examination is recorded {span}, the dates of this unit's sessions{beside}"


def _physics(bench: Bench, sessions: Sequence[Occurrence], closed: bool, spoken: _Spoken) -> None:
    """Continuing physics: a unit for five sessions, dated on the fifth (5.4)."""
    for unit in _units(bench, "physics", sessions, closed):
        first, on = unit.sessions[0], unit.sessions[-1]
        checks = [check for check in bench.episode.of("physics-check") if first.day <= check.day <= on.day]
        bench.bill(_counted(bench, "physics", unit, on, checks, "", spoken), on.primary.id)
