"""Add-on codes: each needs a primary of the same entity on the same date (radiation-oncology.md 7.3)."""

from __future__ import annotations

from adapters.edits.sieve import Day
from adapters.model.charge import Charge
from adapters.model.why import Fact, Source
from adapters.rules import AddOn


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
    standing = {line.code for line, addon in found if addon is None}
    others = bool(standing) and day.option("edits.unlisted_primary") == "take"
    while carried := [one for one in waiting if _carried(one[1], standing, others)]:
        standing |= {line.code for line, _ in carried}
        waiting = [one for one in waiting if not any(one[0] is line for line, _ in carried)]
    for line, addon in waiting:
        _hold(day, line, addon)


def _carried(addon: AddOn, standing: set[str], others: bool) -> bool:
    return bool(standing & set(addon.primaries)) or (addon.type in ("2", "3") and others)


def _hold(day: Day, line: Charge, addon: AddOn) -> None:
    wanted = ", ".join(addon.primaries) or "the contractor's list"
    fact = Fact("primaries", wanted, Source("rules", addon.ref.file))
    day.hold(line, "addon-without-primary", addon.ref, fact, detail=f"It goes with {wanted} ({addon.ref.file}).")
