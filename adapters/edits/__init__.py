"""May it go out: an ordered list of checks over a person's due charges; see README.md of this folder."""

from adapters.edits.screen import Screened, facility_of, screen
from adapters.edits.sieve import Lets, nobody

__all__ = ["Lets", "Screened", "facility_of", "nobody", "screen"]
