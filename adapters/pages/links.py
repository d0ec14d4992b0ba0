"""One-time links to the pages, and the sessions they open. Kept in memory: a restart ends them all.

Only hashes are kept, so that nobody who reads the memory or a dump of it can open a page.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

LINK_VALID: Final = timedelta(minutes=15)
SESSION_VALID: Final = timedelta(hours=8)
LINKED: Final = "link"
"""Who came by a link: nobody knows whom. Such a visitor only looks."""


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class Links:
    """Issues links and remembers sessions. Safe to use from many threads."""

    def __init__(self, random_token: Callable[[], str]) -> None:
        """`random_token` gives a fresh text that nobody can guess, safe in a URL (`secrets.token_urlsafe`)."""
        self._random_token = random_token
        self._lock = threading.Lock()
        self._links: dict[bytes, datetime] = {}
        self._sessions: dict[bytes, datetime] = {}

    def issue(self, now: datetime) -> str:
        """A token that opens the pages once, until `LINK_VALID` after now."""
        token = self._random_token()
        with self._lock:
            self._forget(now)
            self._links[_hash(token)] = now + LINK_VALID
        return token

    def redeem(self, token: str, now: datetime) -> str | None:
        """A new session for the token; None for one that is unknown, used or too old."""
        session = self._random_token()
        with self._lock:
            self._forget(now)
            if self._links.pop(_hash(token), None) is None:
                return None
            self._sessions[_hash(session)] = now + SESSION_VALID
        return session

    def admits(self, session: str, now: datetime) -> bool:
        """Whether the session was opened by a link and is not over."""
        with self._lock:
            ends = self._sessions.get(_hash(session))
        return ends is not None and now < ends

    def end(self, session: str) -> None:
        """End a session, if there is one of this name."""
        with self._lock:
            self._sessions.pop(_hash(session), None)

    def _forget(self, now: datetime) -> None:
        for kept in (self._links, self._sessions):
            for key in [key for key, ends in kept.items() if ends <= now]:
                del kept[key]
