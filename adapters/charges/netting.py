"""Coded charges and credits that add up: of one code, modifiers, drug, date and entity the credits take units away.

Only a feed that credits by code and date does so (`credit` of a coded charge, by its dialect). Doses of a visit are coded
dose by dose, so that a further charge of the same line adds its units; nothing is ever negative
(medical-oncology-and-revenue-cycle.md 11; cases/medonc-rcm/README 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from adapters.charges.administration_lines import each_once
from adapters.charges.coded_lines import Coded
from adapters.charges.lines import Bench
from adapters.model.why import Why

_ADDING: Final = frozenset({"administration", "drug"})
"""Families of which two equal lines of a day are two services."""


def netted(bench: Bench, read: Sequence[Coded]) -> list[Coded]:
    """The lines that remain, each with the facts of all that it is the sum of; what more was credited is held."""
    visits: dict[tuple[object, ...], dict[str, None]] = {}
    for one in read:
        visits.setdefault(_line(one), {})[one.line.visit] = None
    sums: dict[tuple[object, ...], list[Coded]] = {}
    for one in read:
        # What names no visit, as credits by code and date do, is of the first that a line of its kind names.
        visit = one.line.visit or next((name for name in visits[_line(one)] if name), "")
        sums.setdefault((*_line(one), visit), []).append(one)
    found: list[Coded] = []
    for members in sums.values():
        credited = [one for one in members if one.credit]
        if not credited and (members[0].line.slot.service not in _ADDING or len(members) == 1):
            found.extend(members)
            continue
        units = sum(-one.line.units if one.credit else one.line.units for one in members)
        first = next((one for one in members if not one.credit), members[0])
        why = Why(first.why.rule, each_once([one.why.facts for one in members]))
        if units > 0:
            quantity = _quantity(members)
            line = replace(first.line, units=units, ndc_quantity=quantity, why=why)
            line = line if quantity is not None else replace(line, ndc_unit="")
            more = tuple(one.event for one in members if one is not first)
            found.append(replace(first, line=line, why=why, more=more))
        elif units == 0:
            for one in members:
                bench.skip(one.event, "credited")
        else:
            last = credited[-1]
            detail = f"{first.line.code}: {-units} units more were credited than charged; nothing goes below zero"
            bench.hold(
                "credit-exceeds-charge",
                first.line.slot.service,
                first.line.slot.key,
                why,
                about=last.event.id,
                detail=detail,
            )
    return found


def _line(one: Coded) -> tuple[object, ...]:
    """What tells a line of a day apart, its visit aside."""
    line = one.line
    return line.code, frozenset(line.modifiers), line.ndc, line.start, line.entity, line.component


def _quantity(members: Sequence[Coded]) -> Decimal | None:
    """What is left of the drug in the unit of its NDC; None where one of them does not say it, or in another unit."""
    told = [(one.line.ndc_quantity, one.line.ndc_unit, one.credit) for one in members]
    if len({unit for _, unit, _ in told}) > 1:
        return None
    total = Decimal(0)
    for quantity, _, credit in told:
        if quantity is None:
            return None
        total += -quantity if credit else quantity
    return total
