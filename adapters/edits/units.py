"""Medically unlikely edits: most units of a code on a date, by the practitioner's or the hospital's table.

Indicator 1 looks at each line. 2 is absolute for the date: with more units than that no line of the code can be told to
be the right one, so all are held. 3 may be overturned with records: the lines past the limit are held, in the order of
service, so that the earlier service goes out, or all of them where the payer's option says so (radiation-oncology.md
7.2; revenue-cycle sheet 2.6).
"""

from __future__ import annotations

from collections import defaultdict

from adapters.edits.sieve import Day
from adapters.model.charge import Charge
from adapters.model.why import Fact, Source

_WASTED = "JW"
"""Modifier of the discarded part of a drug, on a line of its own."""


def units(day: Day) -> None:
    """Hold what is past the unit limits of the date; units of one code are summed over its lines."""
    if day.option("edits.units") == "off":
        return
    apart = any(_WASTED in line.modifiers for line in day.lines) and day.option("edits.wastage") == "apart"
    total: dict[tuple[str, bool], int] = defaultdict(int)
    for line in day.lines:
        total[_sum(line, apart)] += line.units
    running: dict[tuple[str, bool], int] = defaultdict(int)
    for line in tuple(day.lines):
        limit = day.rules.limit(line.code, day.start, day.table)
        if limit is None:
            continue
        key = _sum(line, apart)
        running[key] += line.units
        whole = limit.mai == "2" or (limit.mai == "3" and day.option("edits.over_limit") == "all")
        counted = line.units if limit.mai == "1" else total[key] if whole else running[key]
        if counted <= limit.units:
            continue
        most = Fact("unit limit of the date", str(limit.units), Source("rules", limit.ref.file))
        detail = f"{total[key]} units, the limit is {limit.units} ({limit.ref.file})."
        day.hold(line, "units-exceeded", limit.ref, most, detail=detail)


def _sum(line: Charge, apart: bool) -> tuple[str, bool]:
    """What the line is summed under: its code, discarded units by themselves where the payer counts them so."""
    return line.code, apart and _WASTED in line.modifiers
