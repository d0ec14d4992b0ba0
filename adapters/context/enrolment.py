"""From which day a provider may bill a payer (medical-oncology-and-revenue-cycle.md 8)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from adapters.model.context import Enrolled
from adapters.model.site import Enrolment


def earliest(enrolment: Enrolment, bill_back_days: int) -> date | None:
    """The first day that may be billed: the start, or so many days before the application was filed, whichever is later
    (N6, N7, C-A). None: from ever."""
    if enrolment.filed is None:
        return enrolment.start
    back = enrolment.filed - timedelta(days=bill_back_days)
    return back if enrolment.start is None else max(enrolment.start, back)


def enrolled(enrolments: Iterable[Enrolment], npi: str, payer: str, day: date, bill_back_days: int) -> Enrolled:
    """How a provider stands with a payer on a day of service; of several enrolments any that holds is enough."""
    ours = [e for e in enrolments if e.npi == npi and e.payer in ("", payer)]
    later: list[tuple[date, Enrolment]] = []
    for one in ours:
        since = earliest(one, bill_back_days)
        if (since is None or since <= day) and (one.end is None or day <= one.end):
            return Enrolled(True, one, since)
        if since is not None and since > day:
            later.append((since, one))
    if not later:
        return Enrolled(False)
    since, following = min(later, key=lambda pair: pair[0])
    return Enrolled(False, following, since)
