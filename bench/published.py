"""Reading pair edits: a million made-up rows in the published layout, made while they are read, and what they cost."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Iterator

from _common import Row, keep, machine, on_one_core, spread, table, timed

from adapters.model.tables import TableKind
from adapters.tables import Reading, SourceFile, canonical, digest_of, read_table

ROWS = 1_000_000
SECOND_CODES = 1_000
"""Rows of one column 1 code; in the published files it is some hundred."""
PUBLISHED = 4_506_527
"""Rows of the practitioner and the hospital tables of 2026Q4 together."""
NAME = "ccipra-v323r0-f1.txt"
HEAD = (
    b"A made-up notice\t\t\t\t\t\t\r\n",
    b"Column 1\tColumn 2\t*=in existence\tEffective\tDeletion\tModifier\tPTP Edit Rationale\r\n",
    b"\t\tprior to 1996\tDate\tDate\t0=not allowed\t\r\n",
)
WINDOWS = (b"20100101\t*\t1", b"20150701\t20201231\t0", b"20240401\t*\t9", b"19960101\t*\t1")
RATIONALES = (b"Made-up rationale one", b"Made-up rationale two", b"Made-up rationale three")


def lines(rows: int = ROWS) -> Iterator[bytes]:
    """A file of so many pairs, in the order of their codes."""
    yield from HEAD
    for at in range(rows):
        first, second = divmod(at, SECOND_CODES)
        yield b"Y%04d\tZ%04d\t\t%b\t%b\r\n" % (first, second, WINDOWS[at % 4], RATIONALES[at % 3])


def reading(rows: int = ROWS) -> Reading:
    """The reading of it."""
    found = read_table(TableKind.NCCI, [SourceFile(NAME, lines(rows))])
    assert isinstance(found, Reading)
    return found


def read() -> int:
    """All rows as objects."""
    found = reading()
    count = sum(1 for _ in found)
    assert (count, found.problems) == (ROWS, [])
    return count


def digested() -> str:
    """All rows, their canonical values and the digest of them."""
    found = reading()
    return digest_of(found.heading, map(canonical, found))


def made() -> int:
    """Making the lines: taken off what reading them costs."""
    return sum(1 for _ in lines())


def by_csv() -> int:
    """The standard library's CSV reader over the same lines, no cell looked at."""
    return sum(1 for _ in csv.reader((line.decode("ascii") for line in lines()), delimiter="\t"))


def peak() -> int:
    """Bytes at the highest point while a fifth of the rows are read and let go."""
    tracemalloc.start()
    count = sum(1 for _ in reading(ROWS // 5))
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == ROWS // 5
    return highest


def main() -> None:
    """Measure and print."""
    pinned = on_one_core()
    calls = {"making the lines": made, "our reader": read, "with canonical values and digest": digested, "csv": by_csv}
    found = timed(calls, rounds=3, seconds=0)
    bare = found["making the lines"].median
    print(machine(), pinned, sep="; ")
    table(
        f"{ROWS:,} pair edits; 3 rounds",
        ("", "all rows", "rows a second", f"{PUBLISHED:,} rows, lines given"),
        [
            (name, spread(figure), f"{ROWS / figure.median:,.0f}", f"{(figure.median - bare) * PUBLISHED / ROWS:.1f} s")
            for name, figure in found.items()
        ],
    )
    highest = peak() / 1e6
    print(f"\nAt most {highest:.1f} MB held while {ROWS // 5:,} rows were read.")
    whole = (found["our reader"].median - bare) * PUBLISHED / ROWS
    other = (found["csv"].median - bare) * PUBLISHED / ROWS
    keep(
        __file__,
        [
            Row(
                f"reading and checking a quarter's {PUBLISHED / 1e6:.1f} million pair edits",
                f"{whole:.0f} s",
                f"{whole / other:.1f}× splitting them by the csv module alone; {highest:.1f} MB held",
            )
        ],
    )


if __name__ == "__main__":
    main()
