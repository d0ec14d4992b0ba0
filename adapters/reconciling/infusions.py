"""Detectors of visits for drugs: each reads doses and their times, and what is charged of the visit.

The rules behind them are those of medical-oncology-and-revenue-cycle.md 1.1 to 1.3 and 2.1 to 2.2; which codes begin a
visit and which are added stands in mappings/reconciling/code-roles.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from adapters.charges import Assembly
from adapters.charges.administered import parts_of
from adapters.charges.administration_lines import derives
from adapters.charges.doses import amount, as_billed, down, vial
from adapters.charges.drugs import Refused, billing_unit
from adapters.charges.expected import as_ordered, regimen, worth
from adapters.charges.lines import Bench
from adapters.charges.minutes import minutes, without
from adapters.model.episode import Episode, Occurrence
from adapters.model.reconciliation import Detection, Side
from adapters.model.site import Mode
from adapters.reconciling.desk import Desk
from adapters.reconciling.scene import GIVEN, Line, Scene
from adapters.rules import Decision

_THROUGH_A_NEEDLE: Final = ("infusion", "push", "injection")
_TIMED: Final = ("infusion", "hydration")
_DISTINCT: Final = frozenset({"59", "XE", "XP", "XS", "XU", "76"})
DRUG: Final = "drug"
ADMINISTRATION: Final = "administration"


def _charged(scene: Scene, bench: Bench, one: Occurrence, family: str) -> bool:
    """Whether the side charges such a dose's family at all."""
    place = scene.desk.place(one)
    if scene.side is Side.THEIRS:
        return scene.covers(family, one.day, place)
    return derives(bench, one, family) or scene.desk.mode(family, one.day, place) in (Mode.ACCEPT, Mode.COMPARE)


def _missing(scene: Scene, one: Occurrence, family: str) -> bool:
    """Whether nothing explains that the dose has no line of the family: it is late, not idle, and nothing is held of it."""
    told = scene.units_told(family, one.day)
    return one.primary.id not in scene.idle and scene.late(one.day, scene.desk.place(one)) and not told


def dose_uncharged(scene: Scene) -> Iterator[Detection]:
    """A dose of a drug with a code, and no line of that code on its date."""
    bench = scene.desk.bench(scene.episode)
    charged = {(line.code, line.day) for line in scene.of(DRUG)}
    for one in scene.episode.of(*GIVEN):
        code = one.value("code")
        if not code or (code, one.day) in charged or not _charged(scene, bench, one, DRUG):
            continue
        if _missing(scene, one, DRUG):
            known = worth(bench, one)
            detail = f"{code} ×{known.units or '?'} given on {one.day}"
            yield scene.found("dose-uncharged", one, known.amount, detail, DRUG)


def administration_uncharged(scene: Scene) -> Iterator[Detection]:
    """A dose through a needle, and no administration at all on its date."""
    bench = scene.desk.bench(scene.episode)
    charged = {line.day for line in scene.of(ADMINISTRATION)}
    seen: set[date] = set()
    for one in scene.episode.of(*_THROUGH_A_NEEDLE):
        if one.day in charged or one.day in seen or not _charged(scene, bench, one, ADMINISTRATION):
            continue
        if _missing(scene, one, ADMINISTRATION):
            seen.add(one.day)
            detail = f"{one.kind} of {one.value('code') or 'a drug'} on {one.day}, and no administration"
            yield scene.found("administration-uncharged", one, 0, detail, ADMINISTRATION)


def drug_without_dose(scene: Scene) -> Iterator[Detection]:
    """A drug charged on a date on which doses are recorded, of which none is of it; such a line may be of no visit."""
    days = {day for _, day in scene.given}
    for line in scene.of(DRUG):
        if not line.held and line.day in days and (line.code, line.day) not in scene.given:
            detail = f"{line.code} ×{line.units} on {line.day}, and no dose of it"
            yield scene.found("drug-without-dose", line, -line.amount, detail)


def drug_units(scene: Scene) -> Iterator[Detection]:
    """Units charged of a drug on a date against those of the doses given; discarded ones aside."""
    bench = scene.desk.bench(scene.episode)
    lines: dict[tuple[str, date], list[Line]] = {}
    for line in scene.of(DRUG):
        if "JW" not in line.charge.modifiers:
            lines.setdefault((line.code, line.day), []).append(line)
    for (code, day), ones in lines.items():
        doses = [one for one in scene.episode.of(*GIVEN) if one.value("code") == code and one.day == day]
        known = [worth(bench, one) for one in doses if len(parts_of(one)) == 1]
        if not doses or len(known) != len(doses) or not all(one.units for one in known):
            continue
        if any(line.held for line in ones):
            continue
        given, have = sum(one.units for one in known), sum(line.units for line in ones)
        if given != have:
            each = ones[0].amount // ones[0].units if ones[0].units else 0
            detail = f"{code} on {day}: {have} units charged, the doses are {given}"
            yield scene.found("drug-units", ones[0], (given - have) * each, detail)


def wastage_unmarked(scene: Scene) -> Iterator[Detection]:
    """What was discarded of single-dose vials, or that nothing was, and no modifier that says so (2.2)."""
    desk = scene.desk
    bench = desk.bench(scene.episode)
    for line in scene.of(DRUG):
        place = desk.place_of(line.charge.entity)
        said = desk.rules.decide("drug-modifiers", line.day, {**desk.on(line.day, place).words, "about": "wastage"})
        if line.held or not isinstance(said, Decision) or "JW" in line.charge.modifiers:
            continue
        doses = [o for o in scene.episode.of(*GIVEN) if o.value("code") == line.code and o.day == line.day]
        vials = [vial(text) for one in doses for part in parts_of(one) for text in part.values("vial")]
        units = _discarded(bench, doses)
        if units is None or not vials or not all(one is not None and one.single_dose for one in vials):
            continue
        beside = [x for x in scene.of(DRUG) if (x.code, x.day) == (line.code, line.day) and "JW" in x.charge.modifiers]
        if units > 0 and said.values.get("jw") == "yes" and not beside:
            each = line.amount // line.units if line.units else 0
            detail = f"{line.code} on {line.day}: {units} units were discarded, and no line says so"
            yield scene.found("wastage-unmarked", line, units * each, detail)
        elif units == 0 and not beside and said.values.get("jz") == "yes" and "JZ" not in line.charge.modifiers:
            detail = f"{line.code} on {line.day}: nothing was discarded, and the line does not say so"
            yield scene.found("wastage-unmarked", line, line.amount, detail)


def _discarded(bench: Bench, doses: Sequence[Occurrence]) -> int | None:
    """Whole billing units that were discarded: less than one is none (2.2 W5). None where the units do not tell."""
    total = 0
    for one in doses:
        unit = billing_unit(bench, one)
        wasted = amount(one.value("waste", "0"), one.value("waste.unit") or one.value("dose.unit"))
        if isinstance(unit, Refused) or wasted is None:
            return None
        quantity = as_billed(wasted, unit[0].unit, ())
        if quantity is None:
            return None
        total += down(quantity / unit[0].value)
    return total


def initial_missing(scene: Scene) -> Iterator[Detection]:
    """Further services of a visit, and no initial one."""
    further = [line for line in scene.with_role("further") if not line.held]
    held = any(service == ADMINISTRATION for service, _, _ in scene.told)
    if further and not scene.with_role("initial") and not held:
        yield scene.found(
            "initial-missing", further[0], 0, f"{further[0].code} on {further[0].day}, and nothing begins"
        )


def initial_doubled(scene: Scene) -> Iterator[Detection]:
    """Two initial services on one date, with one access site and no modifier that tells them apart."""
    by_day: dict[date, list[Line]] = {}
    for line in scene.with_role("initial"):
        if not line.held:
            by_day.setdefault(line.day, []).extend([line] * line.units)
    for day, lines in by_day.items():
        sites = {one.value("site").strip() for one in scene.episode.of(*GIVEN) if one.day == day} - {""}
        apart = any(_DISTINCT & set(line.charge.modifiers) for line in lines)
        if len(lines) > 1 and len(sites) < 2 and not apart:
            lesser = min(lines, key=lambda line: (line.charge.price or 0, line.code))
            detail = f"{' and '.join(line.code for line in lines)} on {day}, one access site"
            yield scene.found("initial-doubled", lesser, -(lesser.amount // lesser.units), detail)


def hydration_beside(scene: Scene) -> Iterator[Detection]:
    """Hydration charged that ran beside another infusion, or for too few minutes alone."""
    desk = scene.desk
    waters = [one for one in scene.episode.of("hydration") if one.end is not None]
    others = [one for one in scene.episode.of("infusion") if one.end is not None]
    for line in scene.of(ADMINISTRATION):
        spans = [(one.start, one.end) for one in waters if one.day == line.day and one.end is not None]
        if line.held or not spans or desk.rules.service_of(line.code) != ADMINISTRATION:
            continue
        if not _of_hydration(scene, line):
            continue
        beside = [(one.start, one.end) for one in others if one.end is not None]
        alone = minutes(without(spans, beside))
        least = desk.days("infusion.hydration_min_minutes", line.day, desk.place_of(line.charge.entity))
        if alone < least:
            detail = f"{line.code} on {line.day}: {alone} minutes alone, of {least} that are billed"
            yield scene.found("hydration-beside", line, -line.amount, detail)


def _of_hydration(scene: Scene, line: Line) -> bool:
    """Whether the code is one of hydration by the table of administrations."""
    desk = scene.desk
    words = desk.on(line.day, desk.place_of(line.charge.entity)).words
    for role in ("initial", "additional", "sequential"):
        said = desk.rules.decide(
            "infusion", line.day, {**words, "form": "hydration", "class": "hydration", "role": role}
        )
        if isinstance(said, Decision) and said.values.get("code") == line.code:
            return True
    return False


def stop_time_missing(scene: Scene) -> Iterator[Detection]:
    """An infusion that is charged by its minutes although its record has no stop time.

    Of what we charge from the record ourselves an option says what an open end becomes, and a hold tells of it.
    """
    bench = scene.desk.bench(scene.episode)
    days = {line.day for line in scene.of(ADMINISTRATION) if not line.held}
    for one in scene.episode.of(*_TIMED):
        place = scene.desk.place(one)
        accepted = scene.desk.mode(ADMINISTRATION, one.day, place) is Mode.ACCEPT
        if scene.side is Side.OURS and derives(bench, one, ADMINISTRATION) and not accepted:
            continue
        if one.day in days and one.primary.id not in scene.idle and all(part.end is None for part in parts_of(one)):
            detail = f"{one.kind} of {one.value('code') or 'a drug'} on {one.day} without a stop time"
            yield scene.found("stop-time-missing", one, 0, detail, ADMINISTRATION)


def orders_without_dose(desk: Desk, assembly: Assembly, person: str, today: date) -> Iterator[Detection]:
    """Doses ordered or booked whose day is over and of which nothing is reported; each with what its drug is worth."""
    bench = desk.bench(Episode("expected", person, "infusion", "", ()))
    for order in regimen(assembly.context, assembly.episodes).open:
        if order.day >= today:
            continue
        dose = as_ordered(order)
        known = worth(bench, dose)
        name = order.value("drug.name") or order.value("drug") or "visit for drugs"
        yield Detection(
            "order-without-dose",
            Side.OURS,
            person,
            "",
            order.day,
            known.amount,
            f"{name} {known.code}".strip() + f", due on {order.day}",
            order.id,
            facts=dose.told,
            clinic=desk.place(order).id,
        )
