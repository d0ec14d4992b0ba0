"""Coded charges of a visit for drugs that bear a later date than its doses: of its hours after midnight, or of a wrong date.

A system that dates a charge by the day on which it was entered codes a dose that we derive of its own date: both would
be billed. So a coded charge of a few days after a dose, which repeats what is derived of it and which nobody has coded on
its own date, waits for a person; every other one is billed as it would be by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adapters.charges.coded_lines import Coded
from adapters.charges.lines import Bench
from adapters.model.episode import Occurrence
from adapters.model.why import Fact, Why

_ONE_DAY: Final = timedelta(days=1)
_OF_VISITS: Final = frozenset({"administration", "drug"})


def told_apart(bench: Bench, read: Sequence[Coded]) -> tuple[list[Coded], list[Coded]]:
    """(those of the dates of the visit, those of later dates); without a visit all are of the first kind."""
    if bench.episode.kind != "infusion" or not read:
        return list(read), []
    met: list[Coded] = []
    apart: list[Coded] = []
    for one in read:
        (met if one.line.slot.service not in _OF_VISITS or _of_its_dates(bench, one.event.day) else apart).append(one)
    return met, apart


def _of_its_dates(bench: Bench, day: date) -> bool:
    """Whether something was given on the day, or ran into it, or the site codes the day after."""
    for one in bench.episode.occurrences:
        if any(report.day == day for report in one.reports):
            return True
        if one.happened and one.day < day:
            after = bench.context(one).option("infusion.coded_next_day") == "visit"
            if day <= _last_day(bench, one) or (after and day == one.day + _ONE_DAY):
                return True
    return False


def _last_day(bench: Bench, one: Occurrence) -> date:
    """The local day on which it ended."""
    if one.end is None:
        return one.day
    feed = bench.contexts.site.feed(one.primary.feed)
    # An end at midnight is the end of the day before.
    last = one.end - timedelta(microseconds=1)
    return max(one.day, last.astimezone(ZoneInfo(feed.zone if feed else bench.contexts.site.zone)).date())


def kept_apart(bench: Bench, apart: Sequence[Coded], met: Sequence[Coded]) -> list[Coded]:
    """Those of them that may be billed; what seems to repeat a line of ours of the days before is held.

    Comes when `met` are set against what was derived: of a family that is billed as coded nothing of ours is left.
    """
    coded = {(one.line.slot.service, one.line.code) for one in met}
    free: list[Coded] = []
    for one in apart:
        service, code = one.line.slot.service, one.line.code
        repeated = None if (service, code) in coded else _repeated(bench, one)
        if repeated is None:
            # What is no line of this visit bears its number only if its sender said so.
            free.append(replace(one, line=replace(one.line, visit=one.event.value("visit"))))
            continue
        day, fact = repeated
        days = (one.event.day - day).days
        words = f"{days} day{'s' if days > 1 else ''} before"
        detail = f"{code} is derived of {day.isoformat()}, {words}, and no coded charge is of that date"
        why = Why(one.why.rule, (*one.why.facts, fact))
        bench.hold("duplicate-suspected", "", "", why, would=one.line, about=one.event.id, detail=detail)
    return free


def _repeated(bench: Bench, one: Coded) -> tuple[date, Fact] | None:
    """The last day, within those that the payer or site says, of which we derived the same code, and the fact of it."""
    place = bench.contexts.place(one.event.value("facility"), one.event.feed)
    within = bench.contexts.of(one.event.day, place).option("infusion.coded_days_apart")
    if within == "off":
        return None
    held = [hold.would for hold in bench.holds if hold.would is not None and not hold.instead_of]
    near = [
        line
        for line in (*bench.charges, *held)
        if line.slot.service == one.line.slot.service
        and line.code == one.line.code
        and 0 < (one.event.day - line.start).days <= int(within)
    ]
    if not near:
        return None
    last = max(near, key=lambda line: line.start)
    return last.start, replace(last.why.facts[0], name="derived of")
