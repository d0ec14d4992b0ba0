"""Bulk Data files: NDJSON, a resource a line, of any length in memory that does not grow with the file's text.

Lines are read one at a time and several are on their way into the store together, so that one sync serves many. An import
that was broken off is simply begun again: what the store has already is a duplicate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.fhir.wire import SIZE_LIMIT
from adapters.pipeline.receive import Intake, as_history, receive_fhir
from adapters.ports import Received
from adapters.wiring import Wired

WINDOW: Final = 256
"""Lines on their way into the store at once; what one sync may serve, and all that is lost to a crash unanswered."""


def rows(wired: Wired, path: Path, feed: str, *, historic: bool = False) -> Iterator[dict[str, object]]:
    """A row for each line that is not blank, in order: file, line, entry, outcome, why. A bar on a terminal."""
    on_their_way: deque[tuple[int, Intake, Future[Received] | None]] = deque()
    with path.open("rb") as file, _progress() as progress:
        task = progress.add_task(path.name, total=path.stat().st_size)
        number = 0
        # A line longer than any body is read in pieces, none of which is JSON: each is refused and kept.
        while line := file.readline(SIZE_LIMIT + 2):
            progress.update(task, completed=file.tell())
            if not line.strip():
                continue
            number += 1
            taken = receive_fhir(line.strip(), feed=feed, path_type="", method="POST", now=wired.clock.now())
            receipt = as_history(taken.receipt) if taken.receipt and historic else taken.receipt
            future = wired.store.receive_soon(receipt) if receipt else None
            on_their_way.append((number, taken, future))
            if len(on_their_way) >= WINDOW:
                yield _row(path, *on_their_way.popleft())
        while on_their_way:
            yield _row(path, *on_their_way.popleft())


def _row(path: Path, number: int, taken: Intake, future: Future[Received] | None) -> dict[str, object]:
    row: dict[str, object] = {"file": path.name, "message": number}
    if future is None:
        return {**row, "entry": None, "outcome": "refused", "why": taken.refusal}
    received = future.result()
    return {**row, "entry": received.entry, "outcome": "duplicate" if received.repeated else "accepted", "why": None}


def _progress() -> Progress:
    """A bar on standard error, where that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
