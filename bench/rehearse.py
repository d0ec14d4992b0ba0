"""`oncoclaims rehearse` over many courses: lanes a second with one process and with two, memory, and the disk.

A thousand courses by default; `--courses 10000` is the size of a large network's year. The store is filled by stepping
every course for itself, so that each has claims, holds and work as a real one.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from _clinic import course, fees_text, house, readings, site_text
from _common import Row, amount, folder, keep, machine, table

from adapters.model.people import Identifier, PersonHint
from adapters.model.record import Tick
from adapters.pipeline import step
from adapters.store import KeyRing, open_store
from adapters.wiring import WalkedClock

FRACTIONS = (5, 10, 20)
"""Sessions of the courses, in turn."""
AT = datetime(2026, 4, 1, 12, tzinfo=UTC)
_COMMAND = "from adapters.cli import main; main()"


def fill(at: Path, courses: int) -> None:
    """A store with so many persons, one course each."""
    ring = KeyRing.generate(at / "keys")
    houses = house()
    with open_store(f"sqlite:///{at / 'serve.db'}", ring, WalkedClock(AT), create=True) as store:
        for number in range(courses):
            said = course(FRACTIONS[number % len(FRACTIONS)], number)
            found = readings(said, houses)
            person = store.person(PersonHint((Identifier("urn:clinic:mrn", f"MR{700_000 + number}"),)), "mosaiq")
            before = store.load(person)
            after = step(before, found, houses, Tick(AT, AT.date()))
            store.save(before, after, tick=AT)


def run(at: Path, courses: int, *words: str) -> tuple[float, float, str]:
    """(seconds, MiB of the largest process, closing lines) of a rehearsal in a process of its own."""
    environment = {
        **os.environ,
        "ONCOCLAIMS_STORE": f"sqlite:///{at / 'serve.db'}",
        "ONCOCLAIMS_SITE": str(at / "site.toml"),
        "ONCOCLAIMS_KEYS": str(at / "keys"),
    }
    start = time.perf_counter()
    command = [sys.executable, "-c", _COMMAND, "rehearse", *words, "--now", "2026-04-01"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    assert f"of {courses} persons" in done.stdout, done.stderr
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return seconds, largest, " · ".join(done.stdout.splitlines()[-2:])


def main() -> None:
    """Fill, rehearse an unchanged and a dearer price list, print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--courses", type=int, default=1000)
    courses = asked.parse_args().courses
    with folder() as at:
        fees = fees_text()
        (at / "site.toml").write_text(site_text(), encoding="utf-8")
        (at / "fees.csv").write_text(fees, encoding="utf-8")
        (at / "new").mkdir()
        (at / "new" / "site.toml").write_text(site_text(), encoding="utf-8")
        dearer = "".join(_raised(line) for line in fees.splitlines(keepends=True))
        (at / "new" / "fees.csv").write_text(dearer, encoding="utf-8")
        start = time.perf_counter()
        fill(at, courses)
        filled = time.perf_counter() - start
        size = sum(path.stat().st_size for path in at.glob("serve.db*")) / 2**20
        rows = []
        for workers in (1, 2):
            seconds, memory, said = run(
                at, courses, "--new-site", str(at / "new" / "site.toml"), "--workers", str(workers)
            )
            rows.append((f"{workers} process{'es' if workers > 1 else ''}", seconds, memory, said))
    print(machine())
    table(
        f"{courses} courses of {', '.join(map(str, FRACTIONS))} sessions, {size:,.0f} MiB on disk, filled in {amount(filled)}",
        ("", "seconds", "courses/s", "largest MiB"),
        [(name, f"{seconds:.1f}", f"{courses / seconds:,.0f}", f"{memory:,.0f}") for name, seconds, memory, _ in rows],
    )
    print(f"\n  {rows[0][3]}")
    print(f"  two processes: {rows[0][1] / rows[1][1]:.2f} times one")
    keep(
        __file__,
        [
            Row(
                f"`rehearse` over {courses:,} courses",
                f"{rows[0][1]:.0f} s",
                f"{courses / rows[0][1]:,.0f} courses/s, two processes {courses / rows[1][1]:,.0f}/s; "
                f"{rows[0][2]:,.0f} MiB",
            )
        ],
    )


def _raised(line: str) -> str:
    """A row of the fee table with a dollar more for one code."""
    cells = line.split(",")
    if cells[0] != "77427":
        return line
    cells[3] = f"{float(cells[3]) + 1:.2f}"
    return ",".join(cells)


if __name__ == "__main__":
    main()
