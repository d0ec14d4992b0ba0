"""Ten thousand courses derived anew on every core, as a change of a rule asks for: courses a second, and memory.

A process on each core holds so many different courses of five to forty fractions and derives them over and over, each
from its events: put together, derived, bounded, screened. One course a time is in memory beside them, so that the
figure is what a rebuild needs for a person, not for all.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from dataclasses import dataclass

from _clinic import course, events_of, house, readings
from _common import Row, keep, machine, table

from adapters.charges import assemble
from adapters.pipeline.step import outcomes_of, person_contexts

COURSES = 10_000
KINDS = (5, 10, 16, 20, 25, 28, 30, 33, 35, 40)
"""Fractions of the different courses; each is told of a hospital and of a freestanding centre."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one process did."""

    courses: int
    charges: int
    fractions: int
    seconds: float
    before: float
    """MiB resident with the rules and the events of the different courses, before any was derived."""
    most: float
    """MiB resident at most."""


def derive(courses: int) -> Share:
    """So many courses, in a process of its own."""
    at = house()
    told = [
        (n, events_of(readings(course(n, setting=where), at))) for n in KINDS for where in ("hospital", "freestanding")
    ]
    before = _resident()
    charges = fractions = 0
    start = time.perf_counter()
    for number in range(courses):
        n, events = told[number % len(told)]
        assembly = assemble(f"person {number}", events)
        charges += len(outcomes_of(assembly, person_contexts(assembly, at), at).charges)
        fractions += n
    return Share(courses, charges, fractions, time.perf_counter() - start, before, _resident())


def _resident() -> float:
    """MiB that the process has had resident at most."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure and print."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    each = COURSES // cores
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        shares = pool.map(derive, [each] * cores, chunksize=1)
    courses, charges = sum(s.courses for s in shares), sum(s.charges for s in shares)
    assert charges > courses * 10, f"{charges} charges of {courses} courses"
    rate = sum(s.courses / s.seconds for s in shares)
    fractions = sum(s.fractions for s in shares)
    most, grown = max(s.most for s in shares), max(s.most - s.before for s in shares)
    print(machine())
    table(
        f"{courses:,} courses of 5 to 40 fractions, {fractions:,} fractions, {charges:,} charges, {cores} processes",
        ("", ""),
        [
            ("courses a second, all cores", f"{rate:,.0f}"),
            ("courses a second, one core", f"{rate / cores:,.0f}"),
            ("time for all", f"{max(s.seconds for s in shares):.1f} s"),
            ("memory of a process at most", f"{most:.0f} MiB"),
            ("of it beyond rules and events", f"{grown:.0f} MiB"),
        ],
    )
    keep(
        __file__,
        [
            Row(
                f"{courses:,} courses derived anew on {cores} cores",
                f"{rate:,.0f}/s",
                f"5 to 40 fractions, events to screened lines; {most:.0f} MiB a process, {grown:.0f} MiB of it for deriving",
            )
        ],
    )


if __name__ == "__main__":
    main()
