"""Billing cycles: which services stand on one bill, and when it is complete.

Of the calendar are `day`, `week` (Monday to Sunday) and `month`. By what the site gathers services under are `visit`
(the number of the visit; without one, the day), `series` (the account of a series, month by month; without one, the
month) and `treatment` (a cycle of treatment, however long; without one, the day). None crosses New Year, and a series
no month's end either (medical-oncology-and-revenue-cycle.md 4.3, D). Coverage, entity and authorization split them further.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from adapters.model.charge import Charge


def cycle_of(day: date, length: str) -> tuple[str, date]:
    """The billing cycle of a date of service by the calendar: its name and its last day."""
    if length == "month":
        first_of_next = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        return f"{day:%Y-%m}", first_of_next - timedelta(days=1)
    if length == "week":
        sunday = day + timedelta(days=6 - day.weekday())
        year, week, _ = day.isocalendar()
        return f"{day.year}:{year}-W{week:02}", min(sunday, date(day.year, 12, 31))
    return day.isoformat(), day


def name_of(charge: Charge, length: str) -> str:
    """The name of the cycle to which a line belongs."""
    if length == "series":
        month, _ = cycle_of(charge.start, "month")
        return f"{month}:series {charge.series}" if charge.series else month
    gathered = {"visit": charge.visit, "treatment": charge.series}.get(length, "")
    if gathered:
        return f"{charge.start.year}:{length} {gathered}"
    return cycle_of(charge.start, length)[0]


def last_day(charges: Iterable[Charge], length: str) -> date:
    """The last day of the cycle of these lines: of a calendar's its own, of a visit or treatment that of its last line."""
    latest = max(charge.start for charge in charges)
    if length in ("visit", "treatment"):
        return latest
    return cycle_of(latest, "month" if length == "series" else length)[1]
