"""One administration as it counts: its parts, when they ran, and what keeps it from counting.

Missing stop times go by the payer's option; a planned duration is no time (medical-oncology-and-revenue-cycle.md 1.5).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from adapters.charges.infusion import HYDRATION, INFUSION, PUSH
from adapters.charges.lines import Bench
from adapters.charges.minutes import Span, union
from adapters.model.episode import Occurrence
from adapters.model.event import Event
from adapters.model.why import Fact
from adapters.rules import Nothing

TIMED: Final = frozenset({"infusion", "hydration"})
"""Kinds that are billed by their minutes."""
UNMATCHED: Final = "an amendment of a dose that does not tell which of several it amends"
_WRONG: Final = {"date-only": "a date without a time of day", "unusable": "the stop is no time after the start"}
"""What is wrong with times that were sent (`times` of a report): none of them is used, by whatever policy."""
_PER_HOUR: Final = frozenset({"ml/h", "ml/hr", "ml/hour"})
_HOUR: Final = frozenset({"h", "hr", "hour"})


class Given(NamedTuple):
    """An administration in the words of the time engine, or held."""

    occurrence: Occurrence
    form: str
    """`infusion`, `push`, `hydration`."""
    spans: tuple[Span, ...]
    """When it ran; empty where it is held."""
    hold: str = ""
    detail: str = ""
    assumed: bool = False
    """Whether an option stands in for a time that nobody recorded: an end reckoned by rate and volume, a bag as a push."""


def parts_of(occurrence: Occurrence) -> tuple[Event, ...]:
    """The reports that each say a part of it: the one that counts, and those that continue it; no second report of one."""
    if len(occurrence.reports) == 1:
        return occurrence.reports
    parts = [occurrence.primary]
    for report in occurrence.reports[1:]:
        own = {key for key in report.keys if key.startswith("part:")}
        continues = any(own & set(part.keys) for part in parts)
        if continues and all(report.start != part.start for part in parts):
            parts.append(report)
    return tuple(sorted(parts, key=lambda part: (part.start, part.id)))


def begun(occurrence: Occurrence) -> datetime:
    """When its first part began."""
    return parts_of(occurrence)[0].start


def day_of(bench: Bench, occurrence: Occurrence, at: datetime) -> date:
    """The local day of an instant at its place; of its own beginning the day that its report says."""
    first = parts_of(occurrence)[0]
    if at == first.start or bench.context(occurrence).option("infusion.midnight") == "first-date":
        return first.day
    feed = bench.contexts.site.feed(first.feed)
    return at.astimezone(ZoneInfo(feed.zone if feed else bench.contexts.site.zone)).date()


def facts_named(occurrence: Occurrence, *names: str) -> tuple[Fact, ...]:
    """The first fact of each of these names that it has."""
    return tuple(filter(None, map(occurrence.by_name.get, names)))


def class_of(bench: Bench, occurrence: Occurrence) -> tuple[str, tuple[Fact, ...]]:
    """Class of the drug (chemo, hormonal, therapeutic, hydration) with what decided it; empty where nothing does."""
    if occurrence.kind == "hydration":
        return "hydration", ()
    context, code = bench.context(occurrence), occurrence.value("code")
    barred = "yes" if code and code in context.option("infusion.not_chemo").split() else ""
    decision = bench.decide("drug-class", context, {"said": occurrence.value("class"), "code": code, "barred": barred})
    facts = facts_named(occurrence, "class", "code")
    return ("", facts) if isinstance(decision, Nothing) else (decision.values["class"], facts)


def given(bench: Bench, occurrence: Occurrence, drug_class: str) -> Given:
    """The administration with its times, or held because they are missing or impossible."""
    form = HYDRATION if drug_class == "hydration" else INFUSION if occurrence.kind in TIMED else PUSH
    parts = parts_of(occurrence)
    wrong = [times for part in parts if (times := bench.said(part).get("times"))]
    if "unmatched" in wrong:
        return Given(occurrence, form, (), "review-needed", UNMATCHED)
    if form == PUSH:
        at = parts[0].start
        return Given(occurrence, PUSH, ((at, at),))
    if wrong and (words := next((_WRONG[name] for name in sorted(wrong) if name in _WRONG), "")):
        return Given(occurrence, form, (), "invalid-time", words)
    spans: list[Span] = []
    assumed = False
    for part in parts:
        end = part.end
        if end is None:
            policy = bench.context(occurrence).option("infusion.missing_stop")
            if policy == "push" and form == INFUSION:
                return Given(occurrence, PUSH, ((part.start, part.start),), assumed=True)
            if policy == "compute-rate-volume":
                end, assumed = _reckoned(part), True
            if end is None:
                detail = "no stop time, and no charted rate and volume" if policy != "hold" else "no stop time"
                return Given(occurrence, form, (), "missing-stop-time", detail)
        if end <= part.start:
            return Given(occurrence, form, (), "invalid-time", "the stop is not after the start")
        spans.append((part.start, end))
    return Given(occurrence, form, union(spans), assumed=assumed)


def _reckoned(part: Event) -> datetime | None:
    """The end by volume and rate as charted, to the second; None where they do not give it."""
    volume, rate = part.value("volume"), part.value("rate")
    unit, per = part.value("rate.unit").lower(), part.value("rate.per").lower()
    hourly = unit in _PER_HOUR or (unit == "ml" and per in _HOUR)
    if not volume or not rate or part.value("volume.unit").lower() != "ml" or not hourly or Decimal(rate) <= 0:
        return None
    return part.start + timedelta(seconds=int(Decimal(volume) / Decimal(rate) * 3600))
