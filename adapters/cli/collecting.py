"""How often the interpreter looks for cycles: seldom, for a record is a tree of values that no cycle holds.

As it comes, CPython looks each time 700 objects were made and not let go, and now and then through everything there is.
A record of forty fractions is some ten thousand objects, so that reading one took twice the time it needs.
"""

from __future__ import annotations

import gc
from typing import Final

MADE: Final = 50_000
"""Objects made and not let go before the youngest are looked through; what cycles hold meanwhile is a few megabytes."""


def collect_seldom() -> None:
    """Look for cycles after so many objects, and never again among those that are there now: the program itself.

    Of the whole process; called once, where it starts.
    """
    gc.freeze()
    gc.set_threshold(MADE, 10, 10)
