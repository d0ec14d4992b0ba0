"""What a browser holds by which a user has signed in, so that strangers' wrong passwords keep that user out of no browser.

OWASP: Slow Down Online Guessing Attacks with Device Cookies. A mark lets nobody in: it only says whose count a wrong
password is for. It is an HMAC over user, role, password, when these were changed last, a number of its own and when it
ends, so that another password, another role and another user of the same name each make it worth nothing. Pure: key and
number are handed in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Final

from adapters.model.user import BROWSER_KNOWN, User

PURPOSE: Final = "known browsers"
"""What the key is derived for (`store.keys`)."""
_MARK: Final = re.compile(r"([A-Za-z0-9_-]{20,100})\.([0-9]{1,12})\.([0-9a-f]{64})", re.ASCII)


def mark_of(user: User, number: str, key: bytes, now: datetime) -> str:
    """What the browser is to hold by which this user has signed in now; `number` is fresh, and nobody can guess it."""
    until = int((now + BROWSER_KNOWN).timestamp())
    return f"{number}.{until}.{_mac(user, number, until, key)}"


def browser_of(mark: str, user: User, key: bytes, now: datetime) -> str:
    """The id of the browser that holds this mark (a digest), where the user as it is now has signed in by it; else empty."""
    read = _MARK.fullmatch(mark)
    if read is None:
        return ""
    number, until = read[1], int(read[2])
    genuine = hmac.compare_digest(_mac(user, number, until, key), read[3])
    # One that ends later than any could is of a clock that was put back since.
    lasts = 0 < until - now.timestamp() <= BROWSER_KNOWN.total_seconds()
    return hashlib.sha256(f"browser|{user.name}|{number}".encode()).hexdigest() if genuine and lasts else ""


def _mac(user: User, number: str, until: int, key: bytes) -> str:
    # Only the last part may have a bar of its own, so that no two users and marks make one text.
    said = (user.name, user.role.value, user.since.astimezone(UTC).isoformat(), number, str(until), user.secret)
    return hmac.new(key, "|".join(said).encode(), hashlib.sha256).hexdigest()
