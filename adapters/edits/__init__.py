"""May it go out: a list of checks over a person's due charges of the dates concerned."""

from adapters.edits.screen import Screened, screen

__all__ = ["Screened", "screen"]
