"""What clients sign, and the tokens they get for it: verified field by field, at an instant that is handed in.

A client's assertion (RFC 7523; SMART App Launch 2, Asymmetric Authentication): `iss` and `sub` are the client, `aud`
is our token address alone, `exp` at most five minutes ahead, `jti` never used before. An access token (RFC 9068) is
ours: signed by our key, for our FHIR address, bound to the client's key that asked for it.

The header of a token chooses a key among those on file by `kid` and says its algorithm; whatever else it carries (`jwk`,
`jku`, `x5u`, `x5c`) is not looked at, and no address in a token is ever called.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from adapters.fhir import wire
from adapters.fhir.wire import JsonObject
from adapters.smart.keys import ALGORITHMS, KeySet, PublicKey

LONGEST_TOKEN: Final = 8 * 1024
"""Characters of a token that is looked at."""
LONGEST_LIFE: Final = timedelta(minutes=5)
"""How far ahead the end of an assertion may lie, and how long an access token lives."""
SKEW: Final = timedelta(seconds=60)
"""How far two clocks may differ."""
ACCESS: Final = "at+jwt"
_LONGEST_JTI: Final = 256
_LATEST: Final = 2**33
"""Seconds since 1970 beyond which no instant is meant."""
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")


class Reason(StrEnum):
    """Why a token is not accepted: words for logs and counters, with nothing of the token in them."""

    TOO_LONG = "too-long"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    TYPE = "type"
    UNKNOWN_CLIENT = "unknown-client"
    UNKNOWN_KEY = "unknown-key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    AUDIENCE = "audience"
    ISSUER = "issuer"
    EXPIRED = "expired"
    TOO_LONG_LIVED = "too-long-lived"
    NOT_YET = "not-yet"
    USED = "used-before"
    REVOKED = "revoked"
    NONCE = "nonce"


class Assertion(NamedTuple):
    """A client's assertion that holds, if its `use` was not used before; remember that until `until`."""

    client: str
    thumbprint: str
    use: str
    """A digest of client and `jti`."""
    until: datetime


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token of ours says."""

    client: str
    thumbprint: str
    scopes: tuple[str, ...]
    until: datetime


def assertion(
    token: str, *, audience: str, keys_of: Callable[[str], KeySet | None], now: datetime
) -> Assertion | Reason:
    """The assertion that a client signed, or why it is not accepted.

    `keys_of` gives the keys of a client by its id, None where there is no such client; `now` is aware.
    """
    found = opened(token)
    if isinstance(found, Reason):
        return found
    header, claims = found
    if header.get("typ", "JWT") not in ("JWT", "jwt"):
        return Reason.TYPE
    client = claims.get("iss")
    keys = keys_of(client) if isinstance(client, str) else None
    if keys is None or not isinstance(client, str):
        return Reason.UNKNOWN_CLIENT
    key = verified(token, header, keys)
    if isinstance(key, Reason):
        return key
    if claims.get("sub") != client:
        return Reason.ISSUER
    if claims.get("aud") not in (audience, [audience]):
        return Reason.AUDIENCE
    until = in_time(claims, now)
    if isinstance(until, Reason):
        return until
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
        return Reason.CLAIMS
    use = hashlib.sha256(f"assertion {len(client)}:{client}{jti}".encode()).hexdigest()
    return Assertion(client, key.thumbprint, use, until + SKEW)


def claims_of(access: Access, *, issuer: str, audience: str, id: str, now: datetime) -> bytes:
    """The claims of an access token as JSON (RFC 9068); to be signed by our key with the type `at+jwt`. `id` is random."""
    return wire.dumps(
        {
            "iss": issuer,
            "aud": audience,
            "sub": access.client,
            "client_id": access.client,
            "scope": " ".join(access.scopes),
            "iat": int(now.timestamp()),
            "exp": int(access.until.timestamp()),
            "jti": id,
            "key": access.thumbprint,
        }
    )


def access(token: str, *, issuer: str, audience: str, ours: KeySet, now: datetime) -> Access | Reason:
    """What an access token of ours says, or why it is not accepted. Whether its client still may is not asked here."""
    found = opened(token)
    if isinstance(found, Reason):
        return found
    header, claims = found
    if header.get("typ") != ACCESS:
        return Reason.TYPE
    key = verified(token, header, ours)
    if isinstance(key, Reason):
        return key
    if claims.get("iss") != issuer:
        return Reason.ISSUER
    if claims.get("aud") != audience:
        return Reason.AUDIENCE
    until = in_time(claims, now)
    if isinstance(until, Reason):
        return until
    client, thumbprint, scopes = claims.get("client_id"), claims.get("key"), claims.get("scope")
    if not isinstance(client, str) or not isinstance(thumbprint, str) or not isinstance(scopes, str):
        return Reason.CLAIMS
    return Access(client, thumbprint, tuple(scopes.split()), until)


def opened(
    token: str, algorithms: Collection[str] = ALGORITHMS, longest: int = LONGEST_TOKEN
) -> tuple[JsonObject, JsonObject] | Reason:
    """Header and claims of a compact JWS, of which nothing is verified but the form and the algorithm's name."""
    if len(token) > longest:
        return Reason.TOO_LONG
    if _COMPACT.fullmatch(token) is None:
        return Reason.MALFORMED
    # Read strictly: a name that is there twice says two things to two readers.
    header, claims = (wire.loads(_decoded(part), limit=longest) for part in token.split(".")[:2])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        return Reason.MALFORMED
    if header.get("alg") not in algorithms or "crit" in header or "b64" in header:
        return Reason.ALGORITHM
    return header, claims


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:  # one character too many
        return b""


def verified(token: str, header: JsonObject, keys: KeySet) -> PublicKey | Reason:
    """The key that made the signature: the one that the header names, of the algorithm that the header names."""
    kid = header.get("kid")
    key = keys.key(kid) if isinstance(kid, str) else None
    if key is None:
        return Reason.UNKNOWN_KEY
    if header.get("alg") != key.algorithm:
        return Reason.ALGORITHM
    only = JWSRegistry(algorithms=[key.algorithm], strict_check_header=False)
    only.max_header_length = LONGEST_TOKEN
    try:
        jws.deserialize_compact(token, key.key, [key.algorithm], registry=only)
    except (JoseError, ValueError, TypeError):
        return Reason.SIGNATURE
    return key


def in_time(claims: JsonObject, now: datetime, longest: timedelta | None = LONGEST_LIFE) -> datetime | Reason:
    """When it ends; or that it has ended, has not begun, or ends later than `longest` from now."""
    times: dict[str, datetime] = {}
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is None and name != "exp":
            continue
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value < _LATEST:
            return Reason.CLAIMS
        times[name] = datetime.fromtimestamp(int(value), UTC)
    if times["exp"] + SKEW <= now:
        return Reason.EXPIRED
    if longest is not None and times["exp"] > now + longest + SKEW:
        return Reason.TOO_LONG_LIVED
    if any(times[name] > now + SKEW for name in ("nbf", "iat") if name in times):
        return Reason.NOT_YET
    return times["exp"]
