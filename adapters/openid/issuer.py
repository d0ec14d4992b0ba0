"""The issuer at which people sign in: its description, its keys, and whom it vouches for in exchange for a code.

OpenID Connect Core 1.0 (authorization code flow), Discovery 1.0, PKCE with S256 (RFC 7636), the issuer in the answer
(RFC 9207). Of what the issuer gives only the ID token is looked at; no access token is used or kept. Nothing of a code, a
token or a secret stands in what is told.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx

from adapters.errors import BadSetup
from adapters.fhir import wire
from adapters.model.openid import Begun, OpenId, Trouble, address_problem
from adapters.openid.request import LARGEST, asked
from adapters.smart.id_tokens import Identity, identity, issuer_keys
from adapters.smart.keys import KeySet
from adapters.smart.tokens import Reason

KEPT: Final = timedelta(hours=1)
"""How long what the issuer says of itself, and its keys, are believed."""
AGAIN: Final = timedelta(minutes=1)
"""How long after its keys were asked for they are asked for again for the sake of a key that is not among them."""
PATIENCE: Final = timedelta(seconds=10)
"""How long after a failure the issuer is left alone."""
_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class _Described:
    """What the issuer says of itself."""

    authorization: str
    token: str
    jwks: str
    basic: bool
    """Whether it takes a secret by HTTP Basic; else in the form."""
    names_itself: bool
    """Whether each of its answers bears its name (RFC 9207)."""


class Issuer:
    """Asks the issuer of the site file. Safe to use from several threads; each call may wait for the network."""

    def __init__(
        self,
        said: OpenId,
        return_url: str,
        now: Callable[[], datetime],
        *,
        secret: Callable[[str], str],
        sign: Callable[[str], str],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`secret` reads the file of our secret, `sign` makes an assertion for a token address; both raise `BadSetup`."""
        self._said = said
        self._return_url = return_url
        self._now = now
        self._secret = secret
        self._sign = sign
        self._transport = transport
        self._lock = threading.Lock()
        self._described: tuple[datetime, _Described | Trouble] | None = None
        self._keys: tuple[datetime, KeySet | Trouble] | None = None

    @property
    def said(self) -> OpenId:
        """What the site file says."""
        return self._said

    def address(self, begun: Begun) -> str | Trouble:
        """Where the browser signs in, and comes back from with a code for this sign-in alone."""
        described = self._description()
        if isinstance(described, Trouble):
            return described
        asks = {
            "response_type": "code",
            "client_id": self._said.client_id,
            "redirect_uri": self._return_url,
            "scope": " ".join(self._said.scopes),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": begun.challenge,
            "code_challenge_method": "S256",
        }
        if self._said.prompt:
            asks["prompt"] = self._said.prompt
        joint = "&" if urlsplit(described.authorization).query else "?"
        return f"{described.authorization}{joint}{urlencode(asks)}"

    def identity(self, code: str, begun: Begun, named: str) -> Identity | Reason | Trouble:
        """Whom the issuer vouches for in exchange for the code; `named` is the issuer that the answer bears, or empty."""
        described = self._description()
        if isinstance(described, Trouble):
            return described
        if (named or described.names_itself) and named != self._said.issuer:
            return Reason.ISSUER
        token = self._exchanged(code, begun, described)
        if isinstance(token, Trouble):
            return token
        keys = self._key_set(described, KEPT)
        found = keys if isinstance(keys, Trouble) else self._read(token, begun, keys)
        if found is Reason.UNKNOWN_KEY:
            keys = self._key_set(described, AGAIN)
            found = keys if isinstance(keys, Trouble) else self._read(token, begun, keys)
        return found

    def problems(self) -> Iterator[str]:
        """What would keep people from signing in, looked at before the first one does: files, description, keys."""
        try:
            if self._said.keys:
                self._sign(self._said.issuer)
            else:
                self._secret(self._said.client_secret_file)
        except BadSetup as bad:
            yield from bad.problems
        described = self._description()
        keys = described if isinstance(described, Trouble) else self._key_set(described, KEPT)
        if isinstance(keys, Trouble):
            yield f"{self._said.discovery_url}: {_WORDS[keys]}"
        elif not keys.keys:
            yield f"{self._said.issuer}: its key set holds no key that is used here (RS256, ES256, RS384, ES384)"

    def _read(self, token: str, begun: Begun, keys: KeySet) -> Identity | Reason:
        return identity(
            token,
            issuer=self._said.issuer,
            client=self._said.client_id,
            nonce=begun.nonce,
            keys=keys,
            name_claim=self._said.name_claim,
            role_claim=self._said.role_claim,
            now=self._now(),
        )

    def _exchanged(self, code: str, begun: Begun, described: _Described) -> str | Trouble:
        """The ID token for the code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._return_url,
            "code_verifier": begun.verifier,
        }
        headers: dict[str, str] = {}
        try:
            if self._said.keys:
                form |= {"client_id": self._said.client_id, "client_assertion_type": _JWT_BEARER}
                form["client_assertion"] = self._sign(described.token)
            elif described.basic:
                # Each part is encoded as in a form first (RFC 6749, 2.3.1).
                pair = f"{quote_plus(self._said.client_id)}:{quote_plus(self._secret(self._said.client_secret_file))}"
                headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                form["client_id"] = self._said.client_id
                form["client_secret"] = self._secret(self._said.client_secret_file)
            answer = asked(
                "POST",
                described.token,
                form=urlencode(form).encode(),
                headers=headers,
                ca=self._said.ca,
                transport=self._transport,
            )
        except BadSetup:
            return Trouble.SETUP
        if answer.passing:
            return Trouble.UNREACHABLE
        read = wire.loads(answer.body, limit=LARGEST)
        token = read.get("id_token") if answer.status == 200 and isinstance(read, dict) else None
        return token if isinstance(token, str) else Trouble.NOT_GIVEN

    def _description(self) -> _Described | Trouble:
        with self._lock:
            now = self._now()
            if self._described is None or not _holds(*self._described, now, KEPT):
                body = self._got(self._said.discovery_url)
                self._described = now, body if isinstance(body, Trouble) else _described(body, self._said.issuer)
            return self._described[1]

    def _key_set(self, described: _Described, kept: timedelta) -> KeySet | Trouble:
        """The issuer's keys, asked for again where they are older than `kept`."""
        with self._lock:
            now = self._now()
            if self._keys is None or not _holds(*self._keys, now, kept):
                body = self._got(described.jwks)
                self._keys = now, body if isinstance(body, Trouble) else issuer_keys(body)
            return self._keys[1]

    def _got(self, url: str) -> bytes | Trouble:
        try:
            answer = asked("GET", url, ca=self._said.ca, transport=self._transport)
        except BadSetup:
            return Trouble.SETUP
        if answer.passing:
            return Trouble.UNREACHABLE
        return answer.body if answer.status == 200 else Trouble.DESCRIPTION


def _holds(at: datetime, found: object, now: datetime, kept: timedelta) -> bool:
    """Whether what was found then is still good; a clock that was put back makes nothing good for longer."""
    return at <= now < at + (min(kept, PATIENCE) if isinstance(found, Trouble) else kept)


def _described(body: bytes, issuer: str) -> _Described | Trouble:
    """The description, if it is this issuer's own and names addresses that may be called (Discovery 1.0, 3 and 4.3)."""
    said = wire.loads(body, limit=LARGEST)
    if not isinstance(said, dict):
        return Trouble.DESCRIPTION
    places = [said.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    authorization, token, jwks = (place if isinstance(place, str) else "" for place in places)
    if said.get("issuer") != issuer or any(map(address_problem, (authorization, token, jwks))):
        return Trouble.DESCRIPTION
    ways = said.get("token_endpoint_auth_methods_supported")
    basic = not isinstance(ways, list) or "client_secret_basic" in ways
    return _Described(
        authorization, token, jwks, basic, said.get("authorization_response_iss_parameter_supported") is True
    )


_WORDS: Final = {
    Trouble.UNREACHABLE: "the issuer does not answer",
    Trouble.DESCRIPTION: "what the issuer says of itself or its keys is not this issuer's, or cannot be used",
    Trouble.SETUP: "the file of CAs cannot be used",
    Trouble.NOT_GIVEN: "the issuer gives no token",
}
