"""How charges go out: grouped into claims by entity, coverage and billing cycle; corrected once they were sent."""

from adapters.claims.after import asked, changes, noted, option_of, way
from adapters.claims.build import Patient
from adapters.claims.correct import Correction, corrections
from adapters.claims.cycles import cycle_of
from adapters.claims.group import Draft, Grouping, drafts
from adapters.claims.late import LATE
from adapters.claims.secondary import answer_to, later_claims, next_payers
from adapters.claims.sides import SIDES, sides
from adapters.claims.timely import EXPIRED, FilingClock

__all__ = [
    "EXPIRED",
    "LATE",
    "SIDES",
    "Correction",
    "Draft",
    "FilingClock",
    "Grouping",
    "Patient",
    "answer_to",
    "asked",
    "changes",
    "corrections",
    "cycle_of",
    "drafts",
    "later_claims",
    "next_payers",
    "noted",
    "option_of",
    "sides",
    "way",
]
