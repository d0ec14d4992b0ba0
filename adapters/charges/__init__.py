"""What is due: a person's events become episodes, an episode becomes outcomes, outcomes are set against what is on file."""

from adapters.charges.assemble import Assembly, assemble, deleted_context
from adapters.charges.bounds import Bounds, within_bounds
from adapters.charges.derive import derive
from adapters.charges.difference import Change, Difference, difference

__all__ = [
    "Assembly",
    "Bounds",
    "Change",
    "Difference",
    "assemble",
    "deleted_context",
    "derive",
    "difference",
    "within_bounds",
]
