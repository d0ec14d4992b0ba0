"""What rests on a loaded edition that had ended before the date of service: a finding, no hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapters.edits.sieve import Day, Sieve
from adapters.model.charge import Charge, Finding
from adapters.model.tables import TableKind
from adapters.model.why import Fact, Source, Why


def outdated(sieve: Sieve, days: Sequence[Day]) -> None:
    """One finding a line that names every outdated edition which was asked about it, by kind and release."""
    for day in days:
        across = tuple(_across(day))
        for line in day.lines:
            if names := sorted({*across, *_of(day, line)} - {""}):
                facts = tuple(Fact("edition", name, Source("rules", name)) for name in names)
                why = Why(sieve.ref("edition", day.start), (*line.why.facts, *facts))
                sieve.findings.append(Finding("table-outdated", "", why, ", ".join(names), line.slot))


def _across(day: Day) -> Iterator[str]:
    """Outdated editions that are asked about the date as a whole; empty for one that is not outdated."""
    if day.option("edits.units") == "on":
        yield day.rules.outdated(TableKind.MUE, day.start, day.table)
    if day.option("edits.pairs") == "on" and len({line.code for line in day.lines}) > 1:
        yield day.rules.outdated(TableKind.NCCI, day.start, day.table)


def _of(day: Day, line: Charge) -> Iterator[str]:
    """Outdated editions that say what the line's code is, what it is added to, and what it costs."""
    attributes, addon = day.sieve.attributes(line), day.rules.addons(line.code, day.start)
    yield from attributes.outdated if attributes else ()
    yield from addon.outdated if addon else ()
    if any(fact.name == "price" and fact.source.message == "rules" for fact in line.why.facts):
        yield day.rules.outdated(TableKind.FEES, day.start)
