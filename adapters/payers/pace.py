"""How fast one payer is called: a limit on calls begun, a budget of retries, and a rest after it failed too often.

A payer that is away must cost little and get nothing that would wait in vain; when it may be back, one call finds out.
"""

from __future__ import annotations

import threading
from typing import Final

from adapters.model.endpoint import PayerEndpoint

MOST: Final = 4
"""So many times its first length a rest lasts at most."""
LONGEST_REST: Final = 3600.0
"""Seconds that a payer is left alone at most, whatever it asks for."""
_SPARE: Final = 20
"""Retries that are free; beyond them one in ten calls may be one (promise P10)."""
_PROBE: Final = 1.0
"""Seconds after which to look again while one call is finding out whether the payer is back."""


class Pace:
    """What is known of one payer. Instants are seconds of a clock that the caller names. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._begun_rest = 0.0
        self._rest = 0.0
        self._probing = False
        self._next = 0.0
        self._calls = 0
        self._retries = 0

    def rests(self, profile: PayerEndpoint, now: float) -> float:
        """Seconds for which the payer is to be left alone; 0 when it may be called."""
        with self._lock:
            # Also over when the clock was set back to before its beginning.
            if self._rest and self._begun_rest <= now < self._begun_rest + self._rest:
                return self._begun_rest + self._rest - now
            return _PROBE if self._probing and self._failures >= profile.rest_after else 0.0

    def begin(self, profile: PayerEndpoint) -> None:
        """A call begins, attempts and all."""
        with self._lock:
            self._calls += 1
            self._probing = self._failures >= profile.rest_after

    def slot(self, profile: PayerEndpoint, ticks: float) -> float:
        """Book the next free place for an attempt; seconds to wait for it. `ticks` never goes back."""
        if not profile.per_minute:
            return 0.0
        with self._lock:
            at = max(self._next, ticks)
            self._next = at + 60.0 / profile.per_minute
            return at - ticks

    def retry(self) -> bool:
        """Whether one more retry is within the budget; it is taken."""
        with self._lock:
            if self._retries >= _SPARE + self._calls // 10:
                return False
            self._retries += 1
            return True

    def end(self, profile: PayerEndpoint, now: float, *, failed: bool, asked: float = 0.0) -> None:
        """A call has ended; `failed` for the payer's sake. `asked`: seconds for which it wants to be left alone."""
        with self._lock:
            self._probing = False
            self._failures = self._failures + 1 if failed else 0
            beyond = self._failures - profile.rest_after
            rest = profile.rest_seconds * min(2 ** max(beyond, 0), MOST) if beyond >= 0 else 0.0
            self._begun_rest, self._rest = now, min(max(rest, asked), LONGEST_REST)
