"""The services around the sessions of a course: planning, simulation, dosimetry, devices, physics consult, port images.

How often each may be billed stands in mappings/charges/services.toml (per event, plan, course, five sessions) and in
mappings/edits/course-limits.toml; what an IMRT plan includes in mappings/edits/imrt-window.toml.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from adapters.charges.lines import Bench, Billable, looked_at
from adapters.model.charge import Charge
from adapters.model.episode import Occurrence
from adapters.model.why import Why
from adapters.rules import Decision, Nothing

_KINDS = (
    "planning",
    "simulation",
    "motion-simulation",
    "imrt-plan",
    "3d-plan",
    "isodose-plan",
    "special-dosimetry",
    "dosimetry-calc",
    "device",
    "physics-consult",
    "special-procedure",
    "port-image",
)


def services(bench: Bench, sessions: Sequence[Occurrence]) -> None:
    """Every service of the course beside its sessions (radiation-oncology.md 2.2-2.4, 5.5, 5.6, 6)."""
    coded: list[tuple[Occurrence, Decision, Charge]] = []
    kinds: dict[tuple[str, str], str] = {}
    for occurrence in bench.episode.of(*_KINDS):
        context = bench.context(occurrence)
        words = {fact.name: fact.value for fact in reversed(occurrence.facts)} | {"kind": occurrence.kind}
        decision = bench.decide("services", context, words)
        facts = looked_at(occurrence, decision.used, context)
        if isinstance(decision, Nothing):
            bench.undecided(decision, occurrence.kind, occurrence, facts, "services")
            continue
        plan = _primary(bench, occurrence)
        day = plan.day if plan else occurrence.day
        # Two kinds may be one service (an IMRT and a 3D plan of one order): each keeps a slot of its own.
        first = kinds.setdefault((decision.values["service"], occurrence.key), occurrence.kind)
        service = Billable(
            service=decision.values["service"],
            key=occurrence.key if first == occurrence.kind else f"{occurrence.kind}:{occurrence.key}",
            code=decision.values["code"],
            units=occurrence.whole("count") or 1,
            start=day,
            end=day,
            facts=(
                *facts,
                *((count,) if (count := occurrence.fact("count")) else ()),
                *((replace(plan.named, name="plan"),) if plan else ()),
            ),
            ref=decision.ref,
            about=occurrence.primary,
            place=bench.place(occurrence),
            diagnoses=bench.diagnoses(occurrence),
            rendering=occurrence.value("by"),
            overdue=decision.overdue,
        )
        coded.extend((occurrence, decision, line) for line in bench.lines(service))
    plans = [occurrence for occurrence, _, line in coded if occurrence.kind == "imrt-plan"]
    known: set[tuple[str, ...]] = set()
    for occurrence, decision, line in coded:
        about = occurrence.primary.id
        if taken_in := _inside_plan(bench, occurrence, line, plans):
            bench.hold("bundled", "", "", taken_in, would=line, about=about)
        elif refused := _too_often(bench, occurrence, decision, line, sessions, known):
            code, why = refused
            bench.hold(code, "", "", why, would=line, about=about)
        else:
            bench.bill([line], about)


def _primary(bench: Bench, occurrence: Occurrence) -> Occurrence | None:
    """The plan on whose date a motion simulation is reported, as an add-on of it (2.2); None for all other services.

    It is the next plan of the course that can carry it, else the last one before.
    """
    if occurrence.kind != "motion-simulation":
        return None
    plans = bench.episode.of("imrt-plan", "3d-plan")
    later = [plan for plan in plans if plan.day >= occurrence.day]
    return later[0] if later else plans[-1] if plans else None


def _too_often(
    bench: Bench,
    occurrence: Occurrence,
    decision: Decision,
    line: Charge,
    sessions: Sequence[Occurrence],
    known: set[tuple[str, ...]],
) -> tuple[str, Why] | None:
    """(hold, why) of a line past what a course, a plan or five sessions may have; else the line is noted as the one."""
    limit = bench.decide("course-limits", bench.context(occurrence), {"service": line.slot.service})
    if isinstance(limit, Decision) and limit.values.get("limit") == "1":
        key, code, ref = ("course", ""), limit.values.get("hold", "units-exceeded"), limit.ref
    elif decision.values.get("per") == "plan" and occurrence.value("plan"):
        key, code, ref = ("plan", occurrence.value("plan")), "units-exceeded", decision.ref
    elif decision.values.get("per") == "five-fractions":
        before = sum(session.day <= occurrence.day for session in sessions)
        key, code, ref = ("block", str(max(before - 1, 0) // 5)), "bundled", decision.ref
    else:
        return None
    once = (line.slot.service, "" if key[0] == "course" else line.code, line.slot.part, *key)
    if once in known:
        return code, Why(ref, line.why.facts)
    known.add(once)
    return None


def _inside_plan(bench: Bench, occurrence: Occurrence, line: Charge, plans: Sequence[Occurrence]) -> Why | None:
    """Why the line is part of an IMRT plan of the course, or None (section 6: a window of days around the plan)."""
    if occurrence.kind == "imrt-plan" or not plans:
        return None
    context = bench.context(occurrence)
    bills = next((e.bills.value for e in context.facility.entities if e.id == line.entity), "")
    words = {"code": line.code, "bills": bills, "reason": occurrence.value("reason")}
    window = bench.decide("imrt-window", context, {name: value for name, value in words.items() if value})
    if isinstance(window, Nothing) or "none" in window.values:
        return None
    before, after = int(window.values.get("days_before", "0")), int(window.values.get("days_after", "0"))
    for plan in plans:
        other = window.values.get("bypass_if") == "different-tumour-and-different-dos" and (
            occurrence.value("tumour") not in ("", plan.value("tumour")) and occurrence.day != plan.day
        )
        inside = "whole_course" in window.values or -before <= (occurrence.day - plan.day).days <= after
        if inside and not other:
            return Why(window.ref, (*line.why.facts, replace(plan.named, name="imrt plan")))
    return None
