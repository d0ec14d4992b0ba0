"""How long a test goes on: in every run of the suite, or in `make soak`.

The environment variable `ONCOCLAIMS_SOAK` is a factor: a whole number from 1. Without it a test has the size that
every run can bear; with it, so many times its long size.
"""

from __future__ import annotations

import os

VARIABLE = "ONCOCLAIMS_SOAK"


def size(ci: int, long: int) -> int:
    """`ci` in every run; in a soak `long` times its factor. ValueError for a factor that is none."""
    said = os.environ.get(VARIABLE, "")
    if not said:
        return ci
    if not said.isascii() or not said.isdigit() or int(said) < 1:
        raise ValueError(f"{VARIABLE} is a whole number from 1, and is not {said!r}")
    return long * int(said)


def seed() -> int:
    """Where chance begins: the same in every run; in a soak what `ONCOCLAIMS_SEED` says, so that a round can be repeated."""
    return int(os.environ.get("ONCOCLAIMS_SEED", "20260302"))
