"""What goes wrong in a simulation, where it is decided and counted: the store, the way to it, and the clock.

Every fault has a name in `FAULTS`; a simulation counts each that fired, and the test asserts that all of them did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from adapters.errors import StoreDown
from adapters.model.journal import JournalKind
from adapters.store import SqlStore

FAULTS = (
    # on the way from the sender
    "message not sent",
    "acknowledgement lost",
    "message sent again",
    "message late by days",
    # of the program and its store
    "crash before a write",
    "crash after a write",
    "store down",
    "disk full",
    "clock ahead",
    "clock behind",
    "clock set back",
    # of the payers
    "payer away",
    "payer refuses connection",
    "request lost",
    "answer lost",
    "request late",
    "request doubled",
    "request doubled late",
    "500 before the claim took effect",
    "500 after the claim took effect",
    "429",
    "503",
    "answer garbled",
    "answer twice",
    "found only later",
    "question unanswered",
    "question 500",
    "question garbled",
    "pended",
    "denied",
)
"""Every kind of fault."""


class Crash(BaseException):  # no Exception: nothing of the program may catch it
    """The process is gone."""


@dataclass(slots=True)
class Storm:
    """What is wrong at this moment, drawn from the seed; `fired` counts what happened."""

    dice: Random
    fired: Counter[str] = field(default_factory=Counter)
    places: Counter[str] = field(default_factory=Counter)
    """Crashes by the write at which they happened."""
    raging: bool = True
    calm: bool = False
    """Whether nothing goes wrong by chance, though the clock may."""
    store_down: bool = False
    full: int = 0
    """Writes that are refused from now on."""
    writes_to_crash: int | None = None
    after: bool = False
    """Whether the crash comes after the write that it waits for."""
    written: list[str] = field(default_factory=list)
    """The writes since somebody looked last, for the trace."""

    def chance(self, name: str, share: float) -> bool:
        """Whether that fault happens now."""
        if self.raging and not self.calm and self.dice.random() < share:
            self.fired[name] += 1
            return True
        return False

    def asked(self) -> None:
        """A read of the store."""
        if self.store_down:
            self.fired["store down"] += 1
            raise StoreDown("the store is away")

    def about_to(self, place: str) -> None:
        """A write of the store begins; raises what hits it."""
        self.asked()
        if self.full:
            self.full -= 1
            self.fired["disk full"] += 1
            raise StoreDown("the disk is full")
        if self.writes_to_crash is not None:
            self.writes_to_crash -= 1
            if self.writes_to_crash < 0 and not self.after:
                self._crash("before", place)

    def done(self, place: str) -> None:
        """A write was committed."""
        self.written.append(place)
        if self.writes_to_crash is not None and self.writes_to_crash < 0 and self.after:
            self._crash("after", place)

    def _crash(self, when: str, place: str) -> None:
        self.writes_to_crash = None
        self.fired[f"crash {when} a write"] += 1
        self.places[f"{when} {place}"] += 1
        raise Crash(place)


_READS = frozenset(
    {
        "unread",
        "at_hand",
        "waiting",
        "waiting_in",
        "held",
        "alone",
        "journal",
        "entry",
        "person_of_claim",
        "persons_of_claims",
        "groups_of",
        "load",
        "load_all",
        "due_lanes",
        "next_due",
        "lanes",
        "charges",
        "claims",
        "skips",
        "findings",
        "remittances",
        "worklist",
        "ledger_entries",
        "trial_balance",
        "counts",
        "parked",
        "conflicts",
        "find",
        "messages",
        "trace",
        "verify",
    }
)
"""What asks the store and changes nothing; whatever else it can do is taken for a write."""


class StormyStore:
    """The store, with the storm around each of its methods: every write is a durable step that may be the last one."""

    def __init__(self, store: SqlStore, storm: Storm) -> None:
        self._store = store
        self._storm = storm

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found) or name.startswith("_"):
            return found
        return self._asking(found) if name in _READS else self._writing(name, found)

    def _asking(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*given: Any, **named: Any) -> Any:
            self._storm.asked()
            return ask(*given, **named)

        return asked

    def _writing(self, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*given: Any, **named: Any) -> Any:
            kind = getattr(given[0], "kind", None) if given else None
            place = f"{name} {kind.value}" if isinstance(kind, JournalKind) else name
            self._storm.about_to(place)
            result = write(*given, **named)
            self._storm.done(place)
            return result

        return written
