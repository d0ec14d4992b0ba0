"""A look over the whole store takes longer than a page may: it is made aside, once for all who ask, and kept a while.

What a look found is shown with how much has come since; whoever wants that as well has it looked for again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

T = TypeVar("T")

KEPT: Final = 6
"""Looks that are kept, the last ones asked for."""
AT_ONCE: Final = 6
"""Looks that are made or wait for their turn; who asks for a further one is told to ask again, which its page does."""
PATIENCE: Final = 0.8
"""Seconds that who asks first waits for it: a small clinic never sees a page that says to wait."""


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What a look found."""

    found: T
    at: datetime
    upto: int
    """The last entry of the journal that was there when it began."""


@dataclass(slots=True)
class _Look(Generic[T]):
    done: threading.Event = field(default_factory=threading.Event)
    seen: Seen[T] | None = None
    persons: int = 0
    """Looked at so far."""
    error: Exception | None = None
    """Why it found nothing."""


class Looks(Generic[T]):
    """Makes looks one at a time, in a thread of their own that ends with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._kept: OrderedDict[Hashable, Seen[T]] = OrderedDict()
        self._under_way: dict[Hashable, _Look[T]] = {}

    def seen(
        self,
        key: Hashable,
        make: Callable[[Callable[[], None]], T],
        *,
        at: datetime,
        upto: int,
        anew: bool = False,
        patience: float = PATIENCE,
    ) -> tuple[Seen[T] | None, int]:
        """What was found under this key; None while it is looked for, with how many persons were looked at so far.

        `make` is handed what it calls after each person. With `anew` a look that is kept is not used unless nothing has
        come since. A look that fails is not kept: whoever waits for it gets its error, the next who asks begins it again.
        """
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and (not anew or kept.upto == upto):
                self._kept.move_to_end(key)
                return kept, 0
            look = self._under_way.get(key)
            if look is None and len(self._under_way) >= AT_ONCE:
                return None, 0
            if look is None:
                look = self._under_way[key] = _Look()
                threading.Thread(target=self._make, args=(key, look, make, at, upto), daemon=True).start()
        look.done.wait(patience)
        if look.error is not None:
            raise look.error
        return look.seen, look.persons

    def _make(
        self, key: Hashable, look: _Look[T], make: Callable[[Callable[[], None]], T], at: datetime, upto: int
    ) -> None:
        def count() -> None:
            look.persons += 1

        try:
            with self._turn:
                look.seen = Seen(make(count), at, upto)
        except Exception as error:  # noqa: BLE001  # told to whoever asked, in whose thread it is answered
            look.error = error
        finally:
            with self._lock:
                del self._under_way[key]
                if look.seen is not None:
                    self._kept[key] = look.seen
                    self._kept.move_to_end(key)
                    while len(self._kept) > KEPT:
                        self._kept.popitem(last=False)
            look.done.set()
