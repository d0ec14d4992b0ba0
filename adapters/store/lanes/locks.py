"""Who may touch a lane now, within one process: locks by name, made when they are wanted and gone when nobody does.

They are always taken in the order of their names, and a thread takes one set at a time, so that nobody waits in a ring.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

PATIENCE: Final = 0.05
"""Seconds between two looks at whether what somebody else is at is free."""


@dataclass(slots=True)
class _Lock:
    """A lock with the number of those who have it or wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted: int = 0


class NamedLocks:
    """Locks by name, between the threads of this process."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, _Lock] = {}
        self._mine = threading.local()

    @contextmanager
    def held(self, names: Iterable[str]) -> Iterator[tuple[str, ...]]:
        """Hold these, taken in their order; gives them so. Raises `RuntimeError` in a thread that holds some already."""
        if getattr(self._mine, "held", False):
            raise RuntimeError("this thread holds lanes already: two who add to what they hold could wait for ever")
        ordered = tuple(sorted(set(names)))
        with ExitStack() as stack:
            for name in ordered:
                stack.enter_context(self._one(name))
            self._mine.held = True
            try:
                yield ordered
            finally:
                self._mine.held = False

    @contextmanager
    def alone(self, name: str, wait: Callable[[], bool] | None = None) -> Iterator[bool]:
        """Hold the name if nobody else does; gives whether it is held. With `wait` it is tried until that is false."""
        with self._counted(name) as lock:
            mine = lock.acquire(blocking=False)
            while not mine and wait is not None and wait():
                mine = lock.acquire(timeout=PATIENCE)
            try:
                yield mine
            finally:
                if mine:
                    lock.release()

    @contextmanager
    def _one(self, name: str) -> Iterator[None]:
        with self._counted(name) as lock, lock:
            yield

    @contextmanager
    def _counted(self, name: str) -> Iterator[threading.Lock]:
        with self._guard:
            one = self._locks.setdefault(name, _Lock())
            one.wanted += 1
        try:
            yield one.lock
        finally:
            with self._guard:
                one.wanted -= 1
                if not one.wanted:
                    del self._locks[name]
