"""May it go out: an ordered list of checks over a person's due charges; see README.md of this folder."""

from adapters.edits.screen import Screened, screen

__all__ = ["Screened", "screen"]
