"""Passwords of people: what is kept in their place, whether one fits, and whether one may be taken at all.

Kept is `scrypt$LOG2_N$R$P$SALT$HASH` (RFC 7914), so that the cost may rise later without a new password. Pure: the salt
is handed in by who makes a secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SHORTEST: Final = 12
LONGEST: Final = 200
"""Characters. NIST SP 800-63B-4, 3.1.1.2: long beats odd; no rule of which letters, no change by the calendar."""
SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Cost:
    """What a guess costs: memory of 128·N·r bytes, p times."""

    log2_n: int = 15
    r: int = 8
    p: int = 3


COST: Final = Cost()
"""32 MiB three times, about a fifth of a second (OWASP Password Storage Cheat Sheet: N=2^15, r=8, p=3)."""
_AT_ONCE: Final = threading.BoundedSemaphore(2)
"""So many are looked at side by side: whoever sends many tries can neither fill the memory nor take all cores."""


def problems_of(password: str, name: str) -> Iterator[str]:
    """Why a password is not taken; never with the password itself."""
    text = _canonical(password)
    if not SHORTEST <= len(text) <= LONGEST:
        yield f"a password has {SHORTEST} to {LONGEST} characters"
    if len(set(text)) < 5:
        yield "a password has at least five different characters"
    if name and name in text.lower() and len(text) - len(name) < SHORTEST - 4:
        yield "a password is more than the name with something beside it"
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        yield "a password is one line without control characters"


def secret_of(password: str, salt: bytes, cost: Cost = COST) -> str:
    """What is kept in place of a password; `salt` is random, of `SALT_BYTES`."""
    hashed = _hash(password, salt, cost)
    return "$".join(("scrypt", str(cost.log2_n), str(cost.r), str(cost.p), _text(salt), _text(hashed)))


NOBODYS: Final = "scrypt$15$8$3$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAA=="
"""A secret that no password fits, looked at for a name that is no user's: the answer takes as long."""


def fits(password: str, secret: str) -> bool:
    """Whether the password is the one; takes as long whether it is or not. False for what is no secret."""
    parts = secret.split("$")
    try:
        kind, log2_n, r, p = parts[0], int(parts[1]), int(parts[2]), int(parts[3])
        salt, kept = base64.b64decode(parts[4], validate=True), base64.b64decode(parts[5], validate=True)
    except (IndexError, ValueError):
        return False
    if kind != "scrypt" or len(password) > 4 * LONGEST:
        return False
    return hmac.compare_digest(_hash(password, salt, Cost(log2_n, r, p)), kept)


def _hash(password: str, salt: bytes, cost: Cost) -> bytes:
    n = 2**cost.log2_n
    with _AT_ONCE:
        return hashlib.scrypt(
            _canonical(password).encode("utf-8", "surrogatepass"),
            salt=salt,
            n=n,
            r=cost.r,
            p=cost.p,
            maxmem=256 * n * cost.r,
            dklen=_HASH_BYTES,
        )


def _canonical(password: str) -> str:
    """The same letters however a keyboard composes them (RFC 8265, 4.2.2, in short)."""
    return unicodedata.normalize("NFC", password)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
