"""The checks, in the order in which a line meets them. A line that fails one is held with the rule that says so.

Screened are all due charges of the person, sent ones too, because edits look across lines: pairs and unit limits of a
date, parents of add-on codes. What decides between two lines in conflict stands in README.md of this folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.edits.addons import with_primary
from adapters.edits.authorization import authorized
from adapters.edits.coverage import covered, diagnosed
from adapters.edits.enrolment import enrolled, numbered, ordered
from adapters.edits.in_force import in_force, priced
from adapters.edits.modifiers import consistent, required
from adapters.edits.outdated import outdated
from adapters.edits.pairs import pairs
from adapters.edits.sieve import DayCheck, Lets, LineCheck, Screened, Sieve, days_of, facility_of, nobody
from adapters.edits.units import units
from adapters.model.charge import Charge
from adapters.model.context import Contexts
from adapters.rules import Ruleset

__all__ = ["Screened", "facility_of", "screen"]

BY_LINE: Final[tuple[LineCheck, ...]] = (
    in_force,
    covered,
    diagnosed,
    numbered,
    ordered,
    enrolled,
    priced,
    consistent,
)
"""What one line must be by itself."""
BY_DATE: Final[tuple[DayCheck, ...]] = (with_primary, pairs, required, units, with_primary)
"""What the lines of one entity on one date must be together. Add-ons are looked at twice: one that never had its
primary shall fell no other line, and one whose primary has fallen since goes with it."""


def screen(charges: Sequence[Charge], contexts: Contexts, rules: Ruleset, lets: Lets = nobody) -> Screened:
    """Every check over the person's due charges; a line that a person lets go goes on to the checks that follow."""
    by_date = sorted(charges, key=lambda c: c.start)  # stable: of one date they come in the order of service
    sieve = Sieve(contexts, rules, by_date, lets=lets)
    for look in BY_LINE:
        sieve.lines = [seen for line in sieve.lines if (seen := look(sieve, line)) is not None]
    sieve.settle()
    sieve.let_go()
    days = days_of(sieve, sieve.lines)
    if rules.tables is not None:
        outdated(sieve, days)
    for day in days:
        for check in BY_DATE:
            if day.lines:
                check(day)
    sieve.settle()
    sieve.let_go()
    authorized(sieve)
    sieve.let_go()
    return Screened(tuple(sieve.lines), tuple(sieve.held), tuple(sieve.findings))
