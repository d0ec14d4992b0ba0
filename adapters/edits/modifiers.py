"""Modifiers of a line: whether they may stand together, in what order, and whether one is missing.

What contradicts, what is demanded and how modifiers rank are rules (mappings/edits/modifiers.toml,
modifiers-required.toml, modifier-order.toml). Nothing is mended silently: a line is held, unless the payer's option
says that the order may be set right.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Final

from adapters.edits.sieve import Day, Sieve
from adapters.model.charge import Charge
from adapters.model.why import Fact, Source
from adapters.rules import Decision

MOST: Final = 4
"""Modifiers that a claim line can hold (SV101, SV202)."""
_UNRANKED: Final = "9"


def consistent(sieve: Sieve, charge: Charge) -> Charge | None:
    """Modifiers in force on the date, at most four, none that contradict, those that decide the payment first."""
    if not charge.modifiers or sieve.option(charge, "edits.modifiers") == "off":
        return charge
    seen = sieve.looked_at("modifiers", charge)
    if sieve.rules.tables is None and seen in sieve.clean:
        return charge
    if len(charge.modifiers) > MOST:
        ref = sieve.ref("modifiers", charge.start)
        sieve.hold(charge, "modifier-conflict", ref, detail=f"{len(charge.modifiers)} modifiers, {MOST} fit a line.")
        return None
    if ended := _not_in_force(sieve, charge):
        ref = sieve.ref("modifiers", charge.start)
        sieve.hold(charge, "modifier-conflict", ref, detail=f"{ended} is not in force on the date.")
        return None
    decision = sieve.decide("modifiers", charge.start, _words(sieve, charge))
    if decision is not None and (conflict := decision.values.get("conflict", "")):
        sieve.hold(charge, "modifier-conflict", decision.ref, detail=conflict)
        return None
    ordered = _ordered(sieve, charge)
    if ordered is charge and sieve.option(charge, "edits.modifier_order") == "hold":
        sieve.clean.add(seen)
    return ordered


def _not_in_force(sieve: Sieve, charge: Charge) -> str:
    """A modifier that a loaded edition has, but not for the date; empty where there is none."""
    tables = sieve.rules.tables
    if tables is None:
        return ""
    dated = (m for m in charge.modifiers if tables.knows(m) and tables.code(m, charge.start) is None)
    return next(dated, "")


def _words(sieve: Sieve, charge: Charge) -> dict[str, str]:
    """The line as the rules of modifiers ask it: each of its modifiers by name, and what it is on."""
    attributes = sieve.attributes(charge)
    billing = sieve.billing(charge.entity)
    return {
        "family": sieve.rules.service_of(charge.code),
        "pctc": attributes.pctc if attributes else "",
        "table": sieve.table(charge.entity),
        "bills": billing.bills.value if billing else "",
        **dict.fromkeys(charge.modifiers, "yes"),
    }


def _ordered(sieve: Sieve, charge: Charge) -> Charge | None:
    if len(charge.modifiers) < 2:
        return charge
    ranked = tuple(sorted(charge.modifiers, key=lambda m: _rank(sieve, charge, m)[0]))
    if ranked == charge.modifiers:
        return charge
    match sieve.option(charge, "edits.modifier_order"):
        case "sort":
            return replace(charge, modifiers=ranked)
        case "off":
            return charge
    ref = _rank(sieve, charge, ranked[0])[1]
    sieve.hold(charge, "modifier-order", ref.ref if ref else sieve.ref("modifiers", charge.start), detail=_said(ranked))
    return None


def _said(ranked: tuple[str, ...]) -> str:
    return f"In order: {', '.join(ranked)}."


def _rank(sieve: Sieve, charge: Charge, modifier: str) -> tuple[str, Decision | None]:
    decision = sieve.decide("modifier-order", charge.start, {"modifier": modifier})
    return (decision.values.get("rank", _UNRANKED) if decision else _UNRANKED), decision


def required(day: Day) -> None:
    """Hold lines that lack a modifier which their entity, their code or another line of the date demands."""
    if day.option("edits.modifiers") == "off":
        return
    seen = day.sieve.looked_at("modifiers-required", *day.lines)
    if seen in day.sieve.clean:
        return
    before = len(day.lines)
    families = {line.code: day.rules.service_of(line.code) for line in day.lines}
    same: dict[str, list[Charge]] = defaultdict(list)
    for line in day.lines:
        same[line.code].append(line)
    for code, lines in same.items():
        besides = sorted({family for other, family in families.items() if other != code}) or [""]
        lacking = [(line, missing) for line in lines if (missing := _missing(day, line, besides))]
        for line, missing in lacking:
            _lacks(day, line, missing)
        standing = [line for line in lines if not day.sieve.fell(line)]
        # One line of a code may stand plain; the others are services of their own and must say so.
        repeats = [(line, m) for line in standing if (m := _missing(day, line, [""], "true"))] if standing[1:] else []
        for line, missing in repeats[1:]:
            _lacks(day, line, missing)
    if len(day.lines) == before:
        day.sieve.clean.add(seen)


def _missing(day: Day, line: Charge, besides: list[str], repeat: str = "false") -> Decision | None:
    words = _words(day.sieve, line)
    for beside in besides:
        decision = day.sieve.decide("modifiers-required", day.start, {**words, "beside": beside, "repeat": repeat})
        if decision is not None and decision.values.get("modifier"):
            return decision
    return None


def _lacks(day: Day, line: Charge, missing: Decision) -> None:
    wanted = missing.values["modifier"]
    fact = Fact("modifier wanted", wanted, Source("rules", missing.ref.file))
    day.hold(line, "modifier-missing", missing.ref, fact, detail=f"Modifier {wanted}.")
