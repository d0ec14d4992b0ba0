"""Filing in time: until when a line must have reached its payer, and what becomes of one that would come too late.

Medicare takes twelve months from each professional line's date, from the through date of an institutional claim, to
receipt, not to sending; a last day on a weekend or federal holiday is the next workday, and of 29 February it is the
28th (medical-oncology-and-revenue-cycle.md 5.1). What rule holds for a payer stands in mappings/edits/timely-filing.toml.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final

from adapters.model.claim import Claim
from adapters.model.context import Context
from adapters.rules import Decision, Ruleset

EXPIRED: Final = "timely-filing-expired"
LIMIT: Final = "timely-filing-limit"
CLOSE: Final = "timely-filing-close"
NO_CUT_OFF: Final = "none"


def after(day: date, limit: str) -> date:
    """The day so long after another: `90-days`, or `12-months` to the same day of a later month, or to its last day."""
    count, _, unit = limit.partition("-")
    if unit == "days":
        return day + timedelta(days=int(count))
    year, month = divmod(day.year * 12 + day.month - 1 + int(count), 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@cache
def holidays(year: int) -> frozenset[date]:
    """Federal holidays of a year on the workdays on which they are observed (5 U.S.C. 6103)."""

    def nth(month: int, weekday: int, n: int) -> date:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))

    def observed(day: date) -> date:
        return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))

    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25), date(year + 1, 1, 1)]
    if year >= 2021:
        fixed.append(date(year, 6, 19))
    last_of_may = date(year, 5, 31) - timedelta(days=date(year, 5, 31).weekday())
    floating = [nth(1, 0, 3), nth(2, 0, 3), last_of_may, nth(9, 0, 1), nth(10, 0, 2), nth(11, 3, 4)]
    return frozenset(day for day in (*map(observed, fixed), *floating) if day.year == year)


def workday(day: date) -> date:
    """The day itself, or the next one that is no weekend and no federal holiday."""
    while day.weekday() >= 5 or day in holidays(day.year):
        day += timedelta(days=1)
    return day


def runs_on(claim: Claim, context: Context) -> bool:
    """Whether the time for a claim runs from its dates of service: of one to a later payer for Medicare only, which that
    another pays first gives no longer (5.1: MSP does not extend it, C-A [S16c]); of others no rule here says."""
    return not claim.follows or (context.payer is not None and context.payer.kind == "medicare")


def received(at: datetime, cut_off: str) -> date:
    """The day on which what is sent at a local time counts as received: the next one from the cut-off on (`18:00`)."""
    late = cut_off != NO_CUT_OFF and f"{at:%H:%M}" >= cut_off
    return at.date() + timedelta(days=1) if late else at.date()


@dataclass(slots=True)
class FilingClock:
    """Now at the site, and the rules by which payers count; remembers what it was told of a payer."""

    rules: Ruleset
    at: datetime
    """Local time of the site."""
    _asked: dict[tuple[object, ...], tuple[str, str]] = field(default_factory=dict)

    def last_day(self, since: date, context: Context) -> date | None:
        """The last day on which the payer takes what was done on a day; None where no rule and no contract says one."""
        limit, weekend = self._terms(context)
        if not limit:
            return None
        last = after(since, limit)
        return workday(last) if weekend == "next-workday" else last

    def arrives(self, context: Context) -> date:
        """The day on which the payer would have it, were it sent now."""
        return received(self.at, context.option("timely.cut_off"))

    def _terms(self, context: Context) -> tuple[str, str]:
        version = self.rules.version("timely-filing", context.day)
        payer = context.payer
        if payer is None or version is None:
            return "", ""
        key = (payer.id, version.since, id(context.words))
        known = self._asked.get(key)
        if known is None:
            days = payer.timely_filing_days
            facts = {**context.words, "contract": "" if days is None else f"{days}-days"}
            known = self._asked[key] = (
                self._said(context.day, {**facts, "asks": "limit"}, "limit"),
                self._said(context.day, {**facts, "asks": "weekend"}, "weekend"),
            )
        return known

    def _said(self, day: date, facts: dict[str, str], name: str) -> str:
        decision = self.rules.decide("timely-filing", day, facts)
        return decision.values.get(name, "") if isinstance(decision, Decision) else ""
