"""How charges go out: grouped into claims by entity, coverage and billing cycle; corrected once they were sent."""

from adapters.claims.build import Patient
from adapters.claims.correct import Correction, corrections
from adapters.claims.group import Draft, Grouping, cycle_of, drafts

__all__ = ["Correction", "Draft", "Grouping", "Patient", "corrections", "cycle_of", "drafts"]
