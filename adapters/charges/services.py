"""The services around the sessions of a course: planning, simulation, dosimetry, devices, physics consult, port images.

How often each may be billed stands in mappings/charges/services.toml (per event, plan, course, five sessions) and in
mappings/edits/course-limits.toml; what an IMRT plan includes in mappings/edits/imrt-window.toml.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from adapters.charges.lines import Bench
from adapters.model.charge import Charge, Finding
from adapters.model.episode import Occurrence
from adapters.model.event import Event
from adapters.model.why import RuleRef, Why
from adapters.rules import Decision, Nothing

_KINDS = (
    "planning",
    "simulation",
    "motion-simulation",
    "imrt-plan",
    "3d-plan",
    "isodose-plan",
    "brachy-plan",
    "special-port-plan",
    "brachy-application",
    "hyperthermia",
    "surface-planning",
    "source-handling",
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
        decision = bench.decide("services", context, {**bench.words(occurrence), "kind": occurrence.kind})
        facts = bench.looked_at(occurrence, decision.used)
        if isinstance(decision, Nothing):
            bench.undecided(decision, occurrence.kind, occurrence, facts, "services")
            continue
        plan = _primary(bench, occurrence)
        day = plan.day if plan else occurrence.day
        # Two kinds may be one service (an IMRT and a 3D plan of one order): each keeps a slot of its own.
        first = kinds.setdefault((decision.values["service"], occurrence.key), occurrence.kind)
        if count := occurrence.fact("count"):
            facts = (*facts, count)
        if plan:
            facts = (*facts, replace(plan.named, name="plan"))
        service = bench.owed(decision.values["service"], occurrence, decision, facts)
        service.units = occurrence.whole("count") or 1
        service.start = service.end = day
        if first != occurrence.kind:
            service.key = f"{occurrence.kind}:{occurrence.key}"
        coded.extend((occurrence, decision, line) for line in bench.lines(service))
    plans = [occurrence for occurrence, _, line in coded if occurrence.kind == "imrt-plan"]
    known: Counter[tuple[str, ...]] = Counter()
    for occurrence, decision, coded_line in coded:
        about = occurrence.primary.id
        taken_in, line = _beside_plans(bench, occurrence, coded_line, plans)
        if taken_in:
            detail = f"part of the {taken_in.facts[-1].value.replace(' on ', ' of ')}"
            bench.hold("bundled", "", "", taken_in, would=line, about=about, detail=detail)
        elif cold := _heated_alone(bench, occurrence, sessions):
            code, ref, detail = cold
            bench.hold(code, "", "", Why(ref, line.why.facts), would=line, about=about, detail=detail)
        elif alone := _without_plan(bench, occurrence):
            code, ref = alone
            detail = "a device of an IMRT plan, and the plan it names is none"
            bench.hold(code, "", "", Why(ref, line.why.facts), would=line, about=about, detail=detail)
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
    known: Counter[tuple[str, ...]],
) -> tuple[str, Why] | None:
    """(hold, why) of a line past what a course, a plan or five sessions may have; else its units are counted.

    The limit of a course is of all codes of its service together, or of the code alone where the rule tests the code.
    """
    words = {"service": line.slot.service, "code": line.code}
    limit = bench.decide("course-limits", bench.context(occurrence), words)
    counts: list[tuple[tuple[str, ...], int, str, RuleRef]] = []
    key: tuple[str, ...]
    if isinstance(limit, Decision) and "limit" in limit.values:
        of = line.code if "code" in limit.used else ""
        key = ("course", line.slot.service, of, line.slot.part)
        counts.append((key, int(limit.values["limit"]), limit.values.get("hold", "units-exceeded"), limit.ref))
    if decision.values.get("per") == "plan" and occurrence.value("plan"):
        key = ("plan", line.slot.service, line.code, line.slot.part, occurrence.value("plan"))
        counts.append((key, line.units, "units-exceeded", decision.ref))
    elif decision.values.get("per") == "five-fractions":
        before = sum(session.day <= occurrence.day for session in sessions)
        key = ("block", line.slot.service, line.code, line.slot.part, str(max(before - 1, 0) // 5))
        counts.append((key, line.units, "bundled", decision.ref))
    for key, most, code, ref in counts:
        if known[key] + line.units > most:
            return code, Why(ref, line.why.facts)
    for key, *_ in counts:
        known[key] += line.units
    return None


def _beside_plans(
    bench: Bench, occurrence: Occurrence, line: Charge, plans: Sequence[Occurrence]
) -> tuple[Why | None, Charge]:
    """Why the line is part of an IMRT plan (section 6: a window of days around it), or None and the line to bill.

    Near a plan for another tumour, on another date, it is billed with the modifier that the payer names. A plan of
    another course counts where both name their tumour: without one nobody can tell whether it is the same.
    """
    if occurrence.kind == "imrt-plan":
        return None, line
    tumour = occurrence.value("tumour")
    abroad = [
        plan
        for episode in bench.others
        for plan in episode.of("imrt-plan")
        if tumour and plan.happened and plan.value("tumour")
    ]
    if not plans and not abroad:
        return None, line
    context = bench.context(occurrence)
    bills = next((e.bills.value for e in context.facility.entities if e.id == line.entity), "")
    words = {"code": line.code, "bills": bills, "reason": occurrence.value("reason")}
    window = bench.decide("imrt-window", context, {name: value for name, value in words.items() if value})
    if isinstance(window, Nothing) or "none" in window.values:
        return None, line
    before, after = int(window.values.get("days_before", "0")), int(window.values.get("days_after", "0"))
    for plan in (*plans, *abroad):
        own = plan in plans
        inside = -before <= (occurrence.day - plan.day).days <= after or (own and "whole_course" in window.values)
        bypass = window.values.get("bypass_if") == "different-tumour-and-different-dos"
        if not inside or (not own and tumour != plan.value("tumour") and not bypass):
            continue  # a simulation for another tumour's course is no part of this plan; a payer may want to be told so
        near = Why(window.ref, (*line.why.facts, replace(plan.named, name="imrt plan")))
        other = tumour not in ("", plan.value("tumour")) and occurrence.day != plan.day
        if not bypass or not other:
            return near, line
        modifier = window.values.get("bypass_modifier", "")
        if modifier and modifier not in line.modifiers:
            line = replace(line, modifiers=(*line.modifiers, modifier), why=Why(line.why.rule, near.facts))
    return None, line


def _heated_alone(
    bench: Bench, occurrence: Occurrence, sessions: Sequence[Occurrence]
) -> tuple[str, RuleRef, str] | None:
    """(hold, rule, words) of hyperthermia in a course without any session or implant, where the payer minds (8)."""
    if occurrence.kind != "hyperthermia" or sessions or bench.episode.of("brachy-application"):
        return None
    decision = bench.decide("course-remarks", bench.context(occurrence), {"kind": "heated-alone"})
    if isinstance(decision, Nothing) or "hold" not in decision.values:
        return None
    return decision.values["hold"], decision.ref, decision.values.get("detail", "")


def _pairing(bench: Bench, occurrence: Occurrence, gives: str) -> tuple[str, RuleRef] | None:
    """What the rule on plans and devices says of a missing counterpart, with the rule."""
    words = {"kind": occurrence.kind, "device_type": occurrence.value("device_type")}
    decision = bench.decide("device-pairing", bench.context(occurrence), {k: v for k, v in words.items() if v})
    if isinstance(decision, Nothing) or gives not in decision.values:
        return None
    return decision.values[gives], decision.ref


def _without_plan(bench: Bench, occurrence: Occurrence) -> tuple[str, RuleRef] | None:
    """(hold, rule) of a device for IMRT whose plan is none (10.2)."""
    named = occurrence.value("plan")
    if occurrence.kind != "device" or not named or any(_same(p, occurrence) for p in bench.episode.of("imrt-plan")):
        return None
    return _pairing(bench, occurrence, "hold")


def _same(one: Occurrence, other: Occurrence) -> bool:
    """Whether two reports are of one plan, as far as they name it."""
    return one.value("plan") == other.value("plan") or "" in (one.value("plan"), other.value("plan"))


def unpaired(bench: Bench, coded: Sequence[Event]) -> None:
    """Name every IMRT plan without its device, whoever codes it (10.2)."""
    devices = [d for d in bench.episode.of("device") if d.value("device_type") == "imrt-mlc"]
    for plan in bench.episode.of("imrt-plan"):
        words = {"kind": "device", "device_type": "imrt-mlc"}
        device = bench.decide("services", bench.context(plan), words)
        code = device.values.get("code", "") if isinstance(device, Decision) else ""
        if any(_same(plan, one) for one in devices) or any(event.value("code") == code for event in coded):
            continue
        if missing := _pairing(bench, plan, "finding"):
            kind, ref = missing
            bench.findings.append(Finding(kind, plan.primary.id, Why(ref, (plan.named,)), code))
