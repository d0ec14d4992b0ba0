"""Add-on codes: each needs a primary of the same entity on the same date (radiation-oncology.md 7.3).

The hours of a visit that runs past midnight have theirs on the day before
(medical-oncology-and-revenue-cycle.md 1.4 M1: one initial service for the whole encounter).
"""

from __future__ import annotations

from adapters.edits.sieve import Day
from adapters.model.charge import Charge
from adapters.model.why import Fact, Source
from adapters.rules import AddOn

_VISIT = "administration"
"""Service family whose lines of one visit lie on the dates on which each was given."""


def with_primary(day: Day) -> None:
    """Hold add-ons that no standing primary carries.

    A primary may be an add-on itself; then it must be carried too. So lines are taken in from those that need nobody,
    and two add-ons that name one another carry neither. Types 2 and 3 leave further primaries to the contractor: by the
    option any other service that is no add-on is taken for one.
    """
    found = [(line, day.rules.addons(line.code, day.start)) for line in day.lines]
    waiting = [(line, addon) for line, addon in found if addon is not None]
    if not waiting:
        return
    standing = {line.code for line, addon in found if addon is None} | _begun_before(day)
    others = bool(standing) and day.option("edits.unlisted_primary") == "take"
    while carried := [one for one in waiting if _carried(one[1], standing, others)]:
        standing |= {line.code for line, _ in carried}
        waiting = [one for one in waiting if not any(one[0] is line for line, _ in carried)]
    for line, addon in waiting:
        _hold(day, line, addon)


def _begun_before(day: Day) -> set[str]:
    """Codes that stand on earlier dates of a visit that reaches into this one."""
    visits = {line.slot.episode for line in day.lines if line.slot.service == _VISIT}
    if not visits:
        return set()
    return {
        line.code
        for line in day.sieve.lines
        if line.slot.service == _VISIT
        and line.slot.episode in visits
        and (line.entity, True) == (day.entity, line.start < day.start)
        and not day.sieve.fell(line)
    }


def _carried(addon: AddOn, standing: set[str], others: bool) -> bool:
    return bool(standing & set(addon.primaries)) or (addon.type in ("2", "3") and others)


def _hold(day: Day, line: Charge, addon: AddOn) -> None:
    wanted = ", ".join(addon.primaries) or "the contractor's list"
    fact = Fact("primaries", wanted, Source("rules", addon.ref.file))
    day.hold(line, "addon-without-primary", addon.ref, fact, detail=f"It goes with {wanted} ({addon.ref.file}).")
