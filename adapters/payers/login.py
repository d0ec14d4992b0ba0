"""SMART Backend Services from our side: an access token for an assertion that we sign (RFC 7523, private_key_jwt).

Every request has an assertion of its own: a repeated one is a replay, and a server that saw the first refuses it. A
token whose scope is less than what was asked is no token: a server may grant less with status 200 and say so in
nothing but the scope.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError

from adapters.errors import BadSetup
from adapters.model.endpoint import Login
from adapters.payers.keys import Signers

ASSERTION_SECONDS: Final = 240
"""Life of an assertion; SMART allows five minutes, and the clocks of the two sides differ."""
_SPARE_SECONDS: Final = 30
"""A token is not used any more so long before its end: a call takes its time."""
_LONGEST: Final = 3600
_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ERROR: Final = re.compile(r"[a-z_]{1,40}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""A bearer token (RFC 6750, 2.1)."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of posting a form: status None when no answer came."""

    status: int | None
    body: bytes = b""


class NoTokenError(Exception):
    """No token was to be had. `passing`: trying again may help. The words are ours and say nothing secret."""

    def __init__(self, words: str, *, passing: bool) -> None:
        super().__init__(words)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    until: float


class Tokens:
    """The access tokens of all payers, each fetched by one thread at a time and kept until shortly before its end."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._signers = Signers()
        self._held: dict[tuple[str, Login], _Held] = {}
        self._locks: dict[tuple[str, Login], threading.Lock] = {}
        self._guard = threading.Lock()

    def token(self, payer: str, login: Login, post: Callable[[str, bytes], Posted]) -> str:
        """A token for calls to the payer; `post` sends a form. Raises `NoTokenError`."""
        key = (payer, login)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            held = self._held.get(key)
            now = self._now().timestamp()
            # A clock that was set back must not keep a token for ever.
            if held is not None and now < held.until <= now + _LONGEST:
                return held.token
            held = self._fetched(login, post, now)
            self._held[key] = held
            return held.token

    def forget(self, payer: str, login: Login, token: str) -> None:
        """The payer does not take this token any more."""
        with self._guard:
            held = self._held.get((payer, login))
            if held is not None and held.token == token:
                del self._held[payer, login]

    def _fetched(self, login: Login, post: Callable[[str, bytes], Posted], now: float) -> _Held:
        form = {
            "grant_type": "client_credentials",
            "scope": " ".join(login.scopes),
            "client_assertion_type": _TYPE,
            "client_assertion": self._assertion(login, int(now)),
        }
        posted = post(login.token_url, urlencode(form).encode())
        status = posted.status
        if status is None or status == 429 or status >= 500:
            raise NoTokenError("the token endpoint gave no answer", passing=True)
        said = _object(posted.body)
        if status != 200:
            error = said.get("error")
            code = error if isinstance(error, str) and _ERROR.fullmatch(error) else f"HTTP {status}"
            raise NoTokenError(f"the token endpoint refused: {code}", passing=False)
        return _granted(said, login, now)

    def _assertion(self, login: Login, now: int) -> str:
        try:
            return assertion(login, self._signers, now)
        except BadSetup as bad:
            raise NoTokenError("; ".join(bad.problems), passing=False) from None


def assertion(login: Login, signers: Signers, now: int) -> str:
    """A new assertion (SMART Backend Services, `Authentication JWT`): iss and sub are the client, aud the token URL.

    `now` in seconds since 1970; raises `BadSetup` where the login's key cannot be used.
    """
    claims = {
        "iss": login.client_id,
        "sub": login.client_id,
        "aud": login.token_url,
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
        "jti": str(uuid.uuid4()),
    }
    with_key = signers.of(login)
    header = {"alg": login.algorithm, "kid": with_key.id, "typ": "JWT"}
    try:
        return jwt.encode(header, claims, with_key.key, algorithms=[login.algorithm])
    except (JoseError, ValueError):
        raise BadSetup(("the key does not sign",)) from None


def _granted(said: dict[str, object], login: Login, now: float) -> _Held:
    """The token of a token response (RFC 6749, 5.1); SMART makes `scope` and `expires_in` required."""
    token, kind = said.get("access_token"), said.get("token_type")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or str(kind).casefold() != "bearer":
        raise NoTokenError("the token endpoint gave no bearer token", passing=False)
    scope = said.get("scope")
    granted = set(scope.split()) if isinstance(scope, str) else set()
    missing = [one for one in login.scopes if one not in granted]
    if missing:
        raise NoTokenError(f"not granted: {' '.join(missing)}", passing=False)
    seconds = said.get("expires_in")
    lasts = seconds if isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0 else 0
    # One that ends soon is used while it lasts, by half; one of unknown life for the call at hand.
    return _Held(token, now + min(max(lasts - _SPARE_SECONDS, lasts // 2), _LONGEST))


def _object(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
