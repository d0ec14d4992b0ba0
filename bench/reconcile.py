"""`oncoclaims reconcile` over a clinic's month: rows a second, the whole time with its start, and where the time goes.

Three hundred courses by default, about as many as a centre with six machines has on its books in a month. The store is
filled by stepping every course for itself, so that each has claims, holds and work as a real one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from _clinic import fees_text, site_text
from _common import Row, amount, folder, keep, machine, table
from rehearse import AT, fill

from adapters.cli.reconcile import reconciled
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by, person_contexts
from adapters.reconciling import Desk, reconcile_record
from adapters.reconciling.detectors import detected
from adapters.settings import Settings
from adapters.wiring import WalkedClock, wire

SPAN = (date(2026, 1, 1), date(2026, 3, 31))
_COMMAND = "from adapters.cli import main; main()"


def whole(at: Path) -> float:
    """Seconds of the command in a process of its own."""
    environment = {
        **os.environ,
        "ONCOCLAIMS_STORE": f"sqlite:///{at / 'serve.db'}",
        "ONCOCLAIMS_SITE": str(at / "site.toml"),
        "ONCOCLAIMS_KEYS": str(at / "keys"),
    }
    words = ("reconcile", "--from", SPAN[0].isoformat(), "--to", SPAN[1].isoformat(), "--json", "--now", "2026-04-01")
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *words], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    assert '"record": "sum"' in done.stdout, done.stderr
    return seconds


def main() -> None:
    """Fill, reconcile in a process of its own and in this one, print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--courses", type=int, default=300)
    courses = asked.parse_args().courses
    with folder() as at:
        (at / "site.toml").write_text(site_text(), encoding="utf-8")
        (at / "fees.csv").write_text(fees_text(), encoding="utf-8")
        fill(at, courses)
        command = whole(at)
        settings = Settings(store=f"sqlite:///{at / 'serve.db'}", site=at / "site.toml", keys=at / "keys")
        with wire(settings, clock=WalkedClock(AT)) as wired:
            start = time.perf_counter()
            report = reconciled(wired, *SPAN)
            inside = time.perf_counter() - start
            start = time.perf_counter()
            records = [wired.store.load(person) for person in wired.store.lanes()]
            loaded = time.perf_counter() - start
            family, at_work = family_by(wired.house), wired.house
            start = time.perf_counter()
            put = [(one, assembled(one.person, one.events, family)) for one in records]
            assembling = time.perf_counter() - start
            desks = [Desk(person_contexts(assembly, at_work), at_work.rules, at_work.prices) for _, assembly in put]
            start = time.perf_counter()
            for (one, assembly), desk in zip(put, desks, strict=True):
                reconcile_record(one, assembly, desk, *SPAN, AT.date())
            pure = time.perf_counter() - start
            start = time.perf_counter()
            for (one, assembly), desk in zip(put, desks, strict=True):
                list(detected(one, assembly, desk, AT.date()))
            detecting = time.perf_counter() - start
    rows = len(report.rows)
    print(machine())
    steps = {
        "whole command": command,
        "in one process": inside,
        "loading the records": loaded,
        "putting reports together": assembling,
        "rows and detectors": pure,
        "of that the detectors again": detecting,
    }
    cells = [(name, amount(seconds), f"{rows / seconds:,.0f}") for name, seconds in steps.items()]
    table(f"{courses} courses, {rows:,} rows", ("", "time", "rows/s"), cells)
    keep(
        __file__,
        [
            Row(
                f"`reconcile` over {courses:,} courses, {rows:,} rows",
                f"{command:.1f} s",
                f"{rows / inside:,.0f} rows/s with loading, {rows / pure:,.0f} without; detectors {amount(detecting)}",
            )
        ],
    )


if __name__ == "__main__":
    main()
