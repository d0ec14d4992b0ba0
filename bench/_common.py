"""What every benchmark here needs: interleaved rounds, the machine in one line, tables, and the figures for the README.

A benchmark prints what it measured beside a peer or a limit of the same run: a ratio holds on another machine, a
duration does not. No test looks at any of it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED = 20260112
"""Of every draw in the benchmarks."""
BUILD = Path(__file__).resolve().parents[1] / "build"
"""Stores lie here while they are measured, on the disk of the checkout: a temporary folder may be memory."""
FIGURES = BUILD / "bench"
"""One file of README rows for each script of the last run; `table.py` puts them together."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Seconds for one call: median of the rounds, with the fastest and the slowest round."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> Figure:
        """The figure of these rounds."""
        return cls(statistics.median(rounds), min(rounds), max(rounds))

    @property
    def rate(self) -> float:
        """Calls a second, by the median."""
        return 1 / self.median


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the README's table."""

    what: str
    figure: str
    beside: str


def timed(calls: Mapping[str, Callable[[], object]], *, rounds: int = 7, seconds: float = 0.15) -> dict[str, Figure]:
    """Each call, in interleaved rounds of about `seconds` each (one call at least), so that a busy spell hits all."""
    times = {name: _repetitions(call, seconds) for name, call in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            with no_collection():
                start = time.perf_counter()
                for _ in range(times[name]):
                    call()
                taken[name].append((time.perf_counter() - start) / times[name])
    return {name: Figure.of(found) for name, found in taken.items()}


def on_processor(call: Callable[[], object], *, calls: int = 300) -> float:
    """Seconds of processor time for one call at best: what it takes where nobody else wants the core."""
    call()
    least = float("inf")
    with no_collection():
        for _ in range(calls):
            start = time.process_time()
            call()
            least = min(least, time.process_time() - start)
    return least


def _repetitions(call: Callable[[], object], seconds: float) -> int:
    call()  # caches and late imports are not what is measured
    start = time.perf_counter()
    call()
    return max(1, int(seconds / max(time.perf_counter() - start, 1e-7)))


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Without the cyclic garbage collector, as `timeit` does: whose garbage it meets is chance."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def on_one_core() -> str:
    """Keep this process and its threads on one core, where the system can; says which."""
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def machine() -> str:
    """CPU, cores, load, Python and SQLite in one line."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{_cpu()}, {os.cpu_count()} cores{load}; {platform.system()} {platform.release()}; "
        f"{platform.python_implementation()} {platform.python_version()}; SQLite {sqlite3.sqlite_version}"
    )


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def amount(seconds: float) -> str:
    """A duration in the unit in which it reads best."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def spread(figure: Figure) -> str:
    """Median, and the fastest to the slowest round."""
    return f"{amount(figure.median)} ({amount(figure.low)} to {amount(figure.high)})"


def rates(figure: Figure) -> str:
    """The same as calls a second."""
    return f"{figure.rate:,.0f}/s ({1 / figure.high:,.0f} to {1 / figure.low:,.0f})"


def against(figure: Figure, limit: float) -> str:
    """A duration beside the one aimed at."""
    verdict = "met" if figure.median <= limit else "MISSED"
    return f"aim: under {amount(limit)}; {verdict}, {figure.median / limit:.2f} of it"


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column to the left, the others to the right."""
    widths = [max(len(line[i]) for line in (columns, *rows)) for i in range(len(columns))]
    print(f"\n{title}")
    for line in (columns, *rows):
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        print("  " + "  ".join(cells).rstrip())
    sys.stdout.flush()


def keep(script: str, rows: Sequence[Row]) -> None:
    """Leave the rows of a script for `table.py`."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    text = json.dumps([[row.what, row.figure, row.beside] for row in rows], ensure_ascii=False, indent=1)
    (FIGURES / f"{Path(script).stem}.json").write_text(text + "\n", encoding="utf-8")


def kept() -> dict[str, list[Row]]:
    """The rows that the scripts of the last run left, by script."""
    found = {}
    for path in sorted(FIGURES.glob("*.json")):
        found[path.stem] = [Row(*row) for row in json.loads(path.read_text(encoding="utf-8"))]
    return found


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder on the disk of the checkout, gone afterwards."""
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=BUILD) as made:
        yield Path(made)
