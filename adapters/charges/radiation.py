"""A radiation course: delivery and image guidance of each session, management and physics by fives.

What is decided on a date stands in mappings/charges; here stands how the decisions hang together
(sections of the domain facts in each docstring).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from adapters.charges.lines import Bench, Billable, looked_at
from adapters.charges.services import services
from adapters.model.charge import Charge, Component
from adapters.model.context import Context
from adapters.model.episode import Episode, Occurrence
from adapters.model.why import Fact, Source, Why
from adapters.rules import Decision, Nothing

PHYSICIANS = frozenset({"radiation-oncologist", "physician"})


def course(bench: Bench) -> None:
    """Everything that the course owes."""
    sessions = bench.episode.of("fraction")
    closed = is_closed(bench.episode, sessions)
    _delivery(bench, sessions)
    _guidance(bench, sessions, closed)
    _management(bench, sessions, closed)
    _physics(bench, sessions, closed)
    services(bench, sessions)


def is_closed(episode: Episode, sessions: Sequence[Occurrence]) -> bool:
    """Whether the course has ended: an end is reported, and no session was delivered after it."""
    ends = episode.of("course-end")
    return bool(ends) and (not sessions or ends[-1].start >= sessions[-1].start or ends[-1].day >= sessions[-1].day)


# ---------------------------------------------------------------- delivery (sections 3, 4, 5.3)


def _delivery(bench: Bench, sessions: Sequence[Occurrence]) -> None:
    made: list[tuple[Occurrence, list[Charge]]] = []
    for session in sessions:
        context = bench.context(session)
        words, planned = _delivery_words(bench, session)
        decision = bench.decide("delivery", context, words)
        facts = (*looked_at(session, decision.used, context), *_motion_facts(session, decision.used), *planned)
        if isinstance(decision, Nothing):
            bench.undecided(decision, "delivery", session, facts, "delivery")
            continue
        if "assumed" in decision.values:
            facts = (*facts, _assumed(session, decision.values["assumed"]))
        if "code" not in decision.values:
            why = Why(decision.ref, facts)
            bench.hold(decision.values["hold"], "delivery", session.key, why, about=session.primary.id)
            continue
        service = Billable(
            service="delivery",
            key=session.key,
            code=decision.values["code"],
            units=1,
            start=session.day,
            end=session.day,
            facts=facts,
            ref=decision.ref,
            about=session.primary,
            place=bench.place(session),
            diagnoses=bench.diagnoses(session),
            rendering=session.value("by"),
            overdue=decision.overdue,
        )
        lines = bench.lines(service)
        if better := _better(bench, decision, words, context):
            code, hold = better
            for would in bench.lines(replace(service, code=code, overdue=False)):
                bench.hold(hold, "", "", would.why, would=would, instead_of=bool(lines), about=session.primary.id)
        made.append((session, lines))
    for session, lines in _repeats(bench, made):
        bench.bill(lines, session.primary.id)


def _delivery_words(bench: Bench, session: Occurrence) -> tuple[dict[str, str], tuple[Fact, ...]]:
    """The session in the words of the delivery table; isocenters as the plan states them where the report is silent."""
    words = {fact.name: fact.value for fact in reversed(session.facts)}
    active, documented = session.flag("motion.active"), session.flag("motion.documented")
    words["motion"] = "none" if not active else "documented" if documented else "undocumented"
    if "isocenters" in words:
        return words, ()
    for plan in bench.episode.of("imrt-plan", "3d-plan"):
        stated = plan.fact("isocenters")
        if stated and (not session.value("plan") or plan.value("plan") in ("", session.value("plan"))):
            words["isocenters"] = stated.value
            return words, (stated,)
    return words, ()


def _assumed(session: Occurrence, name: str) -> Fact:
    at = f"assumed: no report states the {name}, the lowest supported level is billed"
    return Fact(name, "1", Source(session.primary.source.message, at))


def _motion_facts(session: Occurrence, used: Sequence[str]) -> tuple[Fact, ...]:
    names = ("motion.active", "motion.documented", "motion.method") if "motion" in used else ()
    return tuple(fact for name in names if (fact := session.fact(name)))


def _better(bench: Bench, decision: Decision, words: Mapping[str, str], context: Context) -> tuple[str, str] | None:
    """(code, hold) of a better line that is kept back while a lesser one is billed."""
    if better := decision.values.get("better", ""):
        return better, decision.values.get("hold", "review-needed")
    if decision.values.get("assumed") == "isocenters":
        more = bench.decide("delivery", context, {**words, "isocenters": "2"})
        if isinstance(more, Decision) and more.values.get("code", decision.values["code"]) != decision.values["code"]:
            return more.values["code"], "isocenters-unknown"
    return None


def _repeats(bench: Bench, made: Sequence[tuple[Occurrence, list[Charge]]]) -> list[tuple[Occurrence, list[Charge]]]:
    """A second session of a day with the same code is a line of its own, with the modifier the payer wants (5.3)."""
    seen: dict[tuple[date, str, str], int] = defaultdict(int)
    result = []
    for session, lines in made:
        marked = []
        for line in lines:
            key = (session.day, line.entity, line.code)
            seen[key] += 1
            modifier = _REPEAT.get(bench.context(session).option("bid_repeat"), "") if seen[key] > 1 else ""
            marked.append(replace(line, modifiers=(*line.modifiers, modifier)) if modifier else line)
        result.append((session, marked))
    return result


_REPEAT: Final = {"second-line-modifier-76": "76", "second-line-modifier-59": "59"}


# ---------------------------------------------------------------- image guidance (section 2.6)


def _guidance(bench: Bench, sessions: Sequence[Occurrence], closed: bool) -> None:
    reviews = _reviews(bench.episode)
    for i, session in enumerate(sessions):
        if session.value("guidance", "none") == "none":
            continue
        context = bench.context(session)
        decision = bench.decide("guidance", context, {fact.name: fact.value for fact in session.facts})
        facts = looked_at(session, ("guidance", *decision.used), context)
        if isinstance(decision, Nothing):
            bench.undecided(decision, "guidance", session, facts, "guidance")
            continue
        review = _review(session, reviews)
        service = Billable(
            service="guidance",
            key=session.key,
            code=decision.values["code"],
            units=1,
            start=session.day,
            end=session.day,
            facts=(*facts, *(review.facts if review else ())),
            ref=decision.ref,
            about=session.primary,
            place=bench.place(session),
            diagnoses=bench.diagnoses(session),
            rendering=(review.by if review else "") or session.value("by"),
            overdue=decision.overdue,
            tc_bundled=decision.values.get("tc_bundled", ""),
        )
        following = sessions[i + 1] if i + 1 < len(sessions) else None
        gated = context.option("igrt.review") == "before-next"
        for line in bench.lines(service):
            in_time = review is not None and (following is None or review.at < following.start)
            if not gated or line.component is Component.TECHNICAL or in_time:
                bench.bill([line], session.primary.id)
            elif review is None and following is None and not closed:
                bench.hold("waiting-for-review", "", "", line.why, would=line, about=session.primary.id)
            else:
                detail = (
                    "the image was reviewed only after the next session"
                    if review
                    else "no review of the image is recorded"
                )
                bench.hold(
                    "documentation-missing",
                    "",
                    "",
                    line.why,
                    would=line,
                    about=session.primary.id,
                    detail=detail,
                )


@dataclass(frozen=True, slots=True)
class _Review:
    """When a session's images were first reviewed, the facts that say so, and by whom if that is said."""

    at: datetime
    facts: tuple[Fact, ...]
    by: str = ""


def _reviews(episode: Episode) -> Mapping[str, Sequence[_Review]]:
    """The reviews of images that were reported apart from their session, by what they name as theirs."""
    found: dict[str, list[_Review]] = defaultdict(list)
    for one in episode.of("igrt-review"):
        at, stated = one.instant("guidance.reviewed_at"), one.fact("guidance.reviewed_at")
        review = _Review(at or one.start, (one.named, *((stated,) if stated else ())), one.value("by"))
        for name in {one.value("about"), one.value("uid")} - {""}:
            found[name].append(review)
    return found


def _review(session: Occurrence, reviews: Mapping[str, Sequence[_Review]]) -> _Review | None:
    """The first review of the session's images: its own word, or a report that names it."""
    at, stated = session.instant("guidance.reviewed_at"), session.fact("guidance.reviewed_at")
    found = [_Review(at, (stated,))] if at and stated else []
    for name in sorted({session.value("uid"), session.key, *(report.line for report in session.reports)} - {""}):
        found.extend(reviews.get(name, ()))
    return min(found, key=lambda review: (review.at, review.facts[0].source), default=None)


# ---------------------------------------------------------------- counted services (sections 5.1, 5.4)


@dataclass(frozen=True, slots=True)
class _Unit:
    """One unit of a counted service: its sessions, first to last."""

    number: int
    code: str
    sessions: tuple[Occurrence, ...]


def _units(bench: Bench, rule: str, sessions: Sequence[Occurrence], closed: bool) -> list[_Unit]:
    if not sessions:
        return []
    context = bench.context(sessions[-1])
    plan = bench.rules.blocks(rule, sessions[-1].day, len(sessions), closed, context.options)
    if isinstance(plan, Nothing):
        facts = looked_at(sessions[-1], (), context)
        bench.undecided(plan, rule, sessions[-1], facts, rule)
        return []
    return [_Unit(b.number, b.code, tuple(sessions[b.first - 1 : b.last])) for b in plan.blocks]


def _counted(
    bench: Bench, rule: str, unit: _Unit, on: Occurrence, evidence: Sequence[Occurrence], rendering: str
) -> list[Charge]:
    facts = [f for session in unit.sessions for f in looked_at(session, ("n",), bench.context(session))]
    for exam in evidence:
        facts.extend(looked_at(exam, ("by", "by.role"), bench.context(exam)))
    if len(unit.sessions) < 5:
        facts.extend(end.named for end in bench.episode.of("course-end"))
    return bench.lines(
        Billable(
            service=rule,
            key=str(unit.number),
            code=unit.code,
            units=1,
            start=on.day,
            end=on.day,
            facts=tuple(facts),
            ref=bench.ref(rule, on.day),
            about=unit.sessions[-1].primary,
            place=bench.place(on),
            diagnoses=bench.diagnoses(on),
            rendering=rendering,
        )
    )


def _management(bench: Bench, sessions: Sequence[Occurrence], closed: bool) -> None:
    """Weekly management: a unit for five sessions, each with a physician's exam in its span (5.1)."""
    for unit in _units(bench, "management", sessions, closed):
        context = bench.context(unit.sessions[-1])
        on = unit.sessions[0] if context.option("management.dos") == "first_fraction" else unit.sessions[-1]
        exams = _exams(bench, unit)
        about = unit.sessions[-1].primary.id
        lines = _counted(bench, "management", unit, on, exams, exams[-1].value("by") if exams else "")
        if exams or context.option("management.exam_span") == "off":
            bench.bill(lines, about)
            continue
        for line in lines:
            detail = "no physician examination is recorded between the first and the last session of the unit"
            bench.hold("documentation-missing", "", "", line.why, would=line, about=about, detail=detail)


def _exams(bench: Bench, unit: _Unit) -> list[Occurrence]:
    """Examinations by a physician on or between the dates of the unit's sessions; a nurse practitioner's do not count."""
    first, last = unit.sessions[0].day, unit.sessions[-1].day
    people = bench.contexts.site.people
    return [
        visit
        for visit in bench.episode.of("on-treatment-visit")
        if first <= visit.day <= last and (visit.value("by.role") or people.get(visit.value("by"), "")) in PHYSICIANS
    ]


def _physics(bench: Bench, sessions: Sequence[Occurrence], closed: bool) -> None:
    """Continuing physics: a unit for five sessions, dated on the fifth (5.4)."""
    for unit in _units(bench, "physics", sessions, closed):
        first, on = unit.sessions[0], unit.sessions[-1]
        checks = [check for check in bench.episode.of("physics-check") if first.day <= check.day <= on.day]
        bench.bill(_counted(bench, "physics", unit, on, checks, ""), on.primary.id)
