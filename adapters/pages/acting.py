"""What is decided on a page: written into the journal as a command would, and waited for until it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from adapters.model.decision import Decision
from adapters.model.user import Role
from adapters.pages.admission import Asked, Doors
from adapters.pipeline.deciding import receipt_of
from adapters.ports import Receipt

PATIENCE: Final = 3.0
"""Seconds that a page waits for the lanes to take what was decided; it is done later all the same."""
_LOOK: Final = 0.02


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a decision."""

    entry: str
    taken: bool
    """False: it is written, and whoever works the lanes will take it."""
    problem: str = ""
    """Why it cannot be read again: it is parked, and nothing came of it."""


def decide(
    doors: Doors,
    decision: Decision,
    pause: Callable[[float], None] = time.sleep,
    *,
    also: Iterable[Receipt] = (),
) -> Done:
    """Write a decision into the journal, and `also` what follows from it, wake the lanes, and wait a short while for them.

    Raises `StoreDown`.
    """
    store = doors.wired.store
    entry = store.receive(receipt_of(decision)).entry
    written = [entry, *(store.receive(receipt).entry for receipt in also)]
    doors.wake()
    until = time.monotonic() + PATIENCE
    while waiting := bool(store.not_taken(written)):
        if time.monotonic() >= until:
            break
        pause(_LOOK)
    why = (None if waiting else store.parked_because(one) for one in written)
    parked = next(filter(None, why), None)
    return Done(entry, not waiting, parked.reason if parked else "")


def supervises(asked: Asked) -> bool:
    """Whether what this visitor decides is a supervisor's: the role says so, and nothing else."""
    return asked.visitor.may(Role.SUPERVISOR)
