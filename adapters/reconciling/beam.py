"""Detectors of radiation courses (radiation-oncology.md 10.2, nos. 1 to 10). Each reads what was done and what is charged.

Which codes they look at stands in mappings/reconciling/code-roles.toml, what they say in detectors.toml.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Final

from adapters.charges.radiation import PHYSICIANS
from adapters.charges.reviews import reviews_of
from adapters.charges.special import STEREOTACTIC
from adapters.model.charge import Component
from adapters.model.episode import Occurrence
from adapters.model.money import Cents
from adapters.model.reconciliation import Detection
from adapters.reconciling.scene import Line, Scene, by_day
from adapters.rules import Decision, Nothing

_TECHNICAL: Final = Component.TECHNICAL
_PROFESSIONAL: Final = Component.PROFESSIONAL
_WEEKLY: Final = ("weekly-management", "short-management")
_LEVELS: Final = ("level-1", "level-2", "level-3")
_PLANS: Final = ("imrt-plan", "3d-plan")


def fraction_uncharged(scene: Scene) -> Iterator[Detection]:
    """No. 1: sessions of a day against the units of delivery charged for it; stereotactic ones by the day."""
    desk = scene.desk
    for day, sessions in by_day(scene.sessions).items():
        place = desk.place(sessions[0])
        owing = [one for one in sessions if one.primary.id not in scene.idle]
        if not owing or not scene.late(day, place) or not scene.covers("delivery", day, place):
            continue
        if not desk.bills(place, _TECHNICAL):
            continue
        daily = any(one.value("regime") in (*STEREOTACTIC, "surface") for one in sessions)
        need = 1 if daily else len(owing)
        charged = [line for line in scene.of("delivery") if line.day == day]
        have = sum(line.units for line in charged) + scene.units_told("delivery", day)
        for session in owing[have:need]:
            code = _delivery_code(scene, session)
            worth = desk.price(code, day, place, (_TECHNICAL,))
            said = f"{len(sessions)} sessions on {day}, {have} charged" if len(sessions) > 1 else f"session on {day}"
            yield scene.found("fraction-uncharged", session, worth, f"{said} {code}".strip(), "delivery")


def _delivery_code(scene: Scene, session: Occurrence) -> str:
    """The code that a session is worth: what its record supports, else what its neighbours are charged."""
    code = "" if session.value("regime") else scene.supports(session)
    near = min(scene.of("delivery"), key=lambda line: abs(line.day - session.day), default=None)
    return code or (near.code if near is not None else "")


def guidance_uncharged(scene: Scene) -> Iterator[Detection]:
    """No. 2: images that were reviewed before the next session, and no line for the review (2.6)."""
    desk, sessions = scene.desk, scene.daily
    reviews = reviews_of(scene.episode, sessions)
    in_time: list[Occurrence] = []
    for i, session in enumerate(sessions):
        review = reviews.get(session.key)
        following = sessions[i + 1] if i + 1 < len(sessions) else None
        if review is not None and (following is None or review.at < following.start):
            in_time.append(session)
    for day, ones in by_day(in_time).items():
        place = desk.place(ones[0])
        if not scene.late(day, place) or not scene.covers("guidance", day, place):
            continue
        if not desk.bills(place, _PROFESSIONAL):
            continue
        charged = [line for line in scene.of("guidance") if line.day == day and not line.technical]
        have = sum(line.units for line in charged) + scene.units_told("guidance", day, technical=False)
        for session in ones[have:]:
            words = {fact.name: fact.value for fact in reversed(session.facts)}
            said = desk.rules.decide("guidance", day, {**desk.on(day, place).words, **words})
            code = said.values.get("code", "") if isinstance(said, Decision) else ""
            if code:
                worth = desk.price(code, day, place, (_PROFESSIONAL,), ("26",))
                detail = f"review of the images of {day}: {code}"
                yield scene.found("guidance-uncharged", session, worth, detail, "guidance")


def management_units(scene: Scene) -> Iterator[Detection]:
    """No. 3: units of weekly management against those that the sessions of the course earn (5.1)."""
    return _units(scene, "management-units", "management", scene.daily, _WEEKLY, _PROFESSIONAL)


def physics_units(scene: Scene) -> Iterator[Detection]:
    """No. 5: units of continuing physics against those that the sessions of the course earn (5.4)."""
    return _units(scene, "physics-units", "physics", scene.beam, ("physics",), _TECHNICAL)


def _units(
    scene: Scene,
    detector: str,
    rule: str,
    sessions: list[Occurrence],
    roles: tuple[str, ...],
    component: Component,
) -> Iterator[Detection]:
    if not sessions:
        return
    desk, last = scene.desk, sessions[-1]
    place = desk.place(last)
    if not scene.covers(rule, last.day, place) or not desk.bills(place, component):
        return
    options = desk.on(last.day, place).options
    plan = desk.rules.blocks(rule, last.day, len(sessions), scene.closed, options)
    most = desk.rules.blocks(rule, last.day, len(sessions), True, options)
    if isinstance(plan, Nothing) or isinstance(most, Nothing):
        return
    lines = scene.with_role(*roles)
    held = sum(n for (service, _, _), n in scene.told.items() if service == rule)
    have = sum(line.units for line in lines) + held
    due = [block for block in plan.blocks if scene.late(sessions[block.last - 1].day, place)]
    for block in due[have:]:
        on = sessions[block.last - 1]
        worth = desk.price(block.code, on.day, place, (component,))
        detail = f"unit {block.number} of {len(due)} for {len(sessions)} sessions: {block.code}; {have} charged"
        yield scene.found(detector, on, worth, detail, rule)
    for line, amount in _beyond(lines, len(most.blocks)):
        detail = f"{have} units of {line.code} for {len(sessions)} sessions, which earn {len(most.blocks)}"
        yield scene.found(detector, line, -amount, detail)


def _beyond(lines: list[Line], most: int) -> list[tuple[Line, Cents]]:
    """The lines with units past so many, and what those units are charged at; what is held is not charged."""
    units = [line for line in lines if not line.held for _ in range(line.units)]
    return [(line, past * (line.amount // line.units)) for line, past in Counter(units[most:]).items()]


def management_without_exam(scene: Scene) -> Iterator[Detection]:
    """No. 4: a unit of weekly management without a physician's examination in its span (5.1)."""
    desk, sessions = scene.desk, scene.daily
    people = desk.contexts.site.people
    exams = [
        visit.day
        for visit in scene.episode.of("on-treatment-visit")
        if (visit.value("by.role") or people.get(visit.value("by"), "")) in PHYSICIANS
    ]
    units = [line for line in scene.with_role("weekly-management") for _ in range(line.units)]
    for number, line in enumerate(units):
        span = sessions[5 * number : 5 * number + 5]
        if line.held or not span:
            continue
        if desk.option("management.exam_span", span[-1].day, desk.place(span[-1])) == "off":
            continue
        first, last = span[0].day, span[-1].day
        if not any(first <= day <= last for day in exams):
            detail = f"unit {number + 1} on {line.day}: no examination by a physician from {first} to {last}"
            yield scene.found("management-without-exam", line, -(line.amount // line.units), detail)


def imrt_pair(scene: Scene) -> Iterator[Detection]:
    """No. 6: an IMRT plan without its device, or a device without its plan (2.4)."""
    desk = scene.desk
    plans, devices = scene.with_role("imrt-plan"), scene.with_role("imrt-device")
    if plans and not devices:
        line = plans[-1]
        place = desk.place_of(line.charge.entity)
        held = any(service == "device" for service, _, _ in scene.told)
        if scene.late(line.day, place) and scene.covers("device", line.day, place) and not held:
            code = desk.code_of("imrt-device", line.day)
            worth = desk.price(code, line.day, place)
            yield scene.found("imrt-pair", line, worth, f"{line.code} on {line.day} without {code}")
    elif devices and not plans:
        line = devices[0]
        place = desk.place_of(line.charge.entity)
        if not line.held and scene.covers("plan", line.day, place):
            yield scene.found("imrt-pair", line, -line.amount, f"{line.code} on {line.day} without its plan")


def motion_simulation(scene: Scene) -> Iterator[Detection]:
    """No. 7: a motion simulation charged without a plan of its date, or made and not charged (2.2)."""
    desk = scene.desk
    lines = scene.with_role("motion-simulation")
    planned = {line.day for line in scene.with_role(*_PLANS)}
    for line in lines:
        place = desk.place_of(line.charge.entity)
        if not line.held and line.day not in planned and scene.covers("plan", line.day, place):
            yield scene.found("motion-simulation", line, -line.amount, f"{line.code} on {line.day} without a plan")
    made = [one for one in scene.episode.of("motion-simulation") if one.primary.id not in scene.idle]
    if not made or lines or any(service == "motion-simulation" for service, _, _ in scene.told):
        return
    place = desk.place(made[-1])
    # It is charged with the plan: until that is approved nothing is missed.
    plan = next(iter(scene.episode.of("imrt-plan", "3d-plan")), None)
    if plan is None or not scene.late(plan.day, place) or not scene.covers("motion-simulation", plan.day, place):
        return
    code = desk.code_of("motion-simulation", plan.day)
    worth = desk.price(code, plan.day, place)
    detail = f"made on {made[-1].day}, {code} is not charged with the plan of {plan.day}"
    yield scene.found("motion-simulation", made[-1], worth, detail, "motion-simulation")


def simulation_in_plan(scene: Scene) -> Iterator[Detection]:
    """No. 8: a simulation in the days around an IMRT plan in which its payer takes it for a part of the plan (6)."""
    desk = scene.desk
    plans = [line for line in scene.with_role("imrt-plan") if not line.held]
    for line in scene.with_role("simulation") if plans else ():
        if line.held:
            continue
        place = desk.place_of(line.charge.entity)
        made = next((o for o in scene.episode.of("simulation") if o.day == line.day), None)
        words = {"code": line.code, "bills": line.charge.component.value}
        if made is not None and made.value("reason"):
            words["reason"] = made.value("reason")
        said = desk.rules.decide("imrt-window", line.day, {**desk.on(line.day, place).words, **words})
        values: Mapping[str, str] = said.values if isinstance(said, Decision) else {}
        if "none" in values or values.get("bypass_modifier", "-") in line.charge.modifiers:
            continue
        plan = next((one for one in plans if _within(line, one, values)), None)
        if plan is not None:
            detail = f"{line.code} on {line.day}, {plan.code} on {plan.day}"
            yield scene.found("simulation-in-plan", line, -line.amount, detail)


def _within(line: Line, plan: Line, values: Mapping[str, str]) -> bool:
    if values.get("whole_course") == "true":
        return True
    if "days_before" not in values:
        return False
    before, after = int(values["days_before"]), int(values.get("days_after") or "0")
    return plan.day - timedelta(days=before) <= line.day <= plan.day + timedelta(days=after)


def level_mismatch(scene: Scene) -> Iterator[Detection]:
    """No. 9: the level charged against the one that isocenters and motion management of the session support (3)."""
    desk = scene.desk
    charged = [line for line in scene.of("delivery") if line.role in _LEVELS]
    if not charged:
        return
    sessions = by_day(scene.daily)
    for day, lines in _lines_by_day(charged).items():
        ones = sessions.get(day, [])
        if len(ones) != len(lines):
            continue
        wanted = sorted((role, code, i) for i, one in enumerate(ones) for role, code in (_level(scene, one),))
        for (role, code, i), line in zip(wanted, sorted(lines, key=lambda x: x.role), strict=True):
            if not role or role == line.role or line.held:
                continue
            place = desk.place_of(line.charge.entity)
            right = desk.price(code, day, place, (_TECHNICAL,))
            amount = right - line.amount // line.units if right else 0
            sign = "less" if role > line.role else "more"
            detail = f"{line.code} is charged on {day}, {sign} than the record of the session supports: {code}"
            yield scene.found("level-mismatch", line, amount, detail, facts=(ones[i].named,))


def _level(scene: Scene, session: Occurrence) -> tuple[str, str]:
    code = scene.supports(session)
    role = scene.desk.role(code, session.day) if code else ""
    return (role, code) if role in _LEVELS else ("", code)


def _lines_by_day(lines: list[Line]) -> dict[date, list[Line]]:
    found: dict[date, list[Line]] = {}
    for line in lines:
        found.setdefault(line.day, []).extend([line] * line.units)
    return found


def management_conflict(scene: Scene) -> Iterator[Detection]:
    """No. 10: stereotactic and weekly management in one course, or more stereotactic sessions than one may have (5.2)."""
    stereotactic = [line for line in scene.with_role("stereotactic-management") if not line.held]
    weekly = [line for line in scene.with_role(*_WEEKLY) if not line.held]
    if stereotactic and weekly and not scene.daily:
        for line in weekly:
            detail = f"{line.code} on {line.day} beside {stereotactic[0].code} on {stereotactic[0].day}"
            yield scene.found("management-conflict", line, -line.amount, detail)
    given = [line for line in scene.with_role("stereotactic-session") if not line.held]
    if given:
        desk = scene.desk
        most = desk.days("reconcile.stereotactic_sessions", given[0].day, desk.place_of(given[0].charge.entity))
        for line, amount in _beyond(given, most):
            detail = f"{sum(x.units for x in given)} sessions of {line.code} in one course, which may have {most}"
            yield scene.found("management-conflict", line, -amount, detail)
