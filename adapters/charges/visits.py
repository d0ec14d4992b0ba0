"""Visits around a course: beside a procedure of the day with modifier 25 or not at all, and held in the follow-up window.

radiation-oncology.md 2.1 (an office visit is column 2 of planning, simulation and delivery with indicator 1) and 5.9.
The level is the physician's choice; a visit is never coded by us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from adapters.charges.lines import Bench
from adapters.model.charge import Charge, Component, Release
from adapters.model.episode import Occurrence
from adapters.model.why import Why
from adapters.rules import Nothing

SEPARATE = "25"


def visits(bench: Bench, sessions: Sequence[Occurrence]) -> None:
    """Every visit of the course. Comes last: what else was done on its date decides."""
    procedures = [*bench.charges, *(h.would for h in bench.holds if h.would and h.release is not Release.NEVER)]
    for visit in bench.episode.of("consult", "follow-up"):
        lines = visit_lines(bench, visit, visit.kind)
        if lines is None:
            continue
        included = _included(bench, visit, sessions) or _global(bench, visit, procedures)
        for line in lines:
            if included is not None:
                why, detail = included
                bench.hold("review-needed", "", "", why, would=line, about=visit.primary.id, detail=detail)
            else:
                beside(bench, visit, line, procedures)


def visit_lines(bench: Bench, visit: Occurrence, name: str) -> list[Charge] | None:
    """The lines of a visit by the level that its physician chose; None where nothing codes it, and the hold is entered.

    `name` is what its slot or hold is called by, before the visit's own key.
    """
    decision = bench.decide("services", bench.context(visit), {**bench.words(visit), "kind": visit.kind})
    facts = bench.looked_at(visit, (*decision.used, "separately_identifiable"))
    if isinstance(decision, Nothing):
        bench.undecided(decision, name, visit, facts, "services")
        return None
    service = bench.owed(decision.values["service"], visit, decision, facts)
    service.key = f"{name}:{visit.key}"
    return bench.lines(service)


def beside(bench: Bench, visit: Occurrence, line: Charge, procedures: Sequence[Charge]) -> None:
    """Bill a visit by itself; beside a procedure of the same date and entity only where it was a separate service."""
    same = [one for one in procedures if one.start == line.start and one.entity == line.entity]
    if not same:
        bench.bill([line], visit.primary.id)
        return
    why = Why(line.why.rule, (*line.why.facts, *same[0].why.facts[:1]))
    separate = visit.flag("separately_identifiable")
    if separate:
        bench.bill([replace(line, modifiers=(*line.modifiers, SEPARATE), why=why)], visit.primary.id)
    elif separate is None:
        would = replace(line, modifiers=(*line.modifiers, SEPARATE))
        detail = "nothing says whether the visit was separate from the procedure of the day"
        bench.hold("documentation-missing", "", "", why, would=would, about=visit.primary.id, detail=detail)
    else:
        detail = "visit on the day of a procedure, no separate service documented"
        bench.hold("bundled", "", "", why, would=line, about=visit.primary.id, detail=detail)


def _included(bench: Bench, visit: Occurrence, sessions: Sequence[Occurrence]) -> tuple[Why, str] | None:
    """(why, words) of a visit between the first session and the end of the follow-up window."""
    window = int(bench.context(visit).option("followup.days"))
    before = [session for session in sessions if session.day < visit.day]
    if not before or visit.day > before[-1].day + timedelta(days=window):
        return None
    facts = (visit.named, replace(before[-1].named, name="last session"))
    days = (visit.day - before[-1].day).days
    return Why(
        bench.ref("services", visit.day), facts
    ), f"visit {days} days after the last session, follow-up is included"


def _global(bench: Bench, visit: Occurrence, procedures: Sequence[Charge]) -> tuple[Why, str] | None:
    """(why, words) of a visit within the global period of a procedure of the course, whose payment includes it (5.9)."""
    for line in procedures:
        if line.component is Component.TECHNICAL or line.start >= visit.day:
            continue
        decision = bench.decide("global-period", bench.context(visit), {"code": line.code})
        if isinstance(decision, Nothing) or "days" not in decision.values:
            continue
        days = (visit.day - line.start).days
        if days <= int(decision.values["days"]):
            words = f"visit {days} days after {line.code}, which has a global period of {decision.values['days']} days"
            return Why(decision.ref, (visit.named, *line.why.facts[:1])), words
    return None
