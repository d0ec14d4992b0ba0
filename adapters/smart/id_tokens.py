"""Who signed in elsewhere: an ID token (OpenID Connect Core 1.0, 3.1.3.7), verified field by field. Pure: `now` is handed in.

A token is for us alone: an audience beside us is refused, also one that is trusted there. Its keys come from the issuer's
key set by `kid`; a `kid` that two keys bear names none of them.
"""

from __future__ import annotations

import hmac
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from adapters.fhir import wire
from adapters.smart.keys import LARGEST_SET, KeySet, key_set
from adapters.smart.tokens import Reason, in_time, opened, verified

SIGNED_BY: Final = ("RS256", "ES256", "RS384", "ES384")
"""What an issuer may sign by; a key that does not say its own is for the first one of its kind, or of its curve."""
LONGEST_ID_TOKEN: Final = 32 * 1024
"""Characters: the groups of a person may be many."""
FRESH: Final = timedelta(minutes=10)
"""How long ago a token may be made: it comes straight from the issuer, for a code of one minute."""
MOST_VALUES: Final = 1000
_LONGEST_SUBJECT: Final = 255


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom an issuer vouches for."""

    subject: str
    """The one name that the issuer never gives to somebody else."""
    name: str
    """What one is called there, as it is said; the subject where nothing is."""
    values: frozenset[str] = field(default=frozenset())
    """What is said of roles or groups."""


def issuer_keys(body: bytes) -> KeySet:
    """The keys of an issuer's key set that tokens may be signed by. Never raises on content."""
    found = key_set(body, SIGNED_BY)
    read = wire.loads(body, limit=LARGEST_SET)
    said = read.get("keys") if isinstance(read, dict) else None
    listed = said if isinstance(said, list) else []
    times = Counter(str(one.get("kid")) for one in listed if isinstance(one, dict) and one.get("use", "sig") == "sig")
    return KeySet(tuple(key for key in found.keys if times[key.id] == 1), found.problems)


def identity(
    token: str,
    *,
    issuer: str,
    client: str,
    nonce: str,
    keys: KeySet,
    name_claim: str,
    role_claim: str,
    now: datetime,
) -> Identity | Reason:
    """Whom the ID token vouches for to this client, or why it is not accepted. `nonce` is what the browser began with."""
    read = opened(token, SIGNED_BY, LONGEST_ID_TOKEN)
    if isinstance(read, Reason):
        return read
    header, claims = read
    if header.get("typ", "JWT") not in ("JWT", "jwt"):
        return Reason.TYPE
    key = verified(token, header, keys)
    if isinstance(key, Reason):
        return key
    if claims.get("iss") != issuer:
        return Reason.ISSUER
    if claims.get("aud") not in (client, [client]) or claims.get("azp", client) != client:
        return Reason.AUDIENCE
    until = in_time(claims, now, None)
    if isinstance(until, Reason):
        return until
    made = claims.get("iat")
    if isinstance(made, bool) or not isinstance(made, int | Decimal):
        return Reason.CLAIMS
    if datetime.fromtimestamp(int(made), UTC) < now - FRESH:
        return Reason.EXPIRED
    said = claims.get("nonce")
    if not isinstance(said, str) or not nonce or not hmac.compare_digest(said.encode(), nonce.encode()):
        return Reason.NONCE
    subject, name = claims.get("sub"), claims.get(name_claim)
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT or not subject.isprintable():
        return Reason.CLAIMS
    told = claims.get(role_claim)
    values = told if isinstance(told, list) else [told]
    words = frozenset(value for value in values[:MOST_VALUES] if isinstance(value, str))
    return Identity(subject, name if isinstance(name, str) and name.strip() else subject, words)
