"""An issuer of the tests without a network: it answers as one that is right does, until a test has it do otherwise."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlsplit

import httpx

from adapters.model.openid import OpenId
from adapters.model.user import Role
from adapters.openid import Issuer
from tests.smart.signing import Signer

NAME = "https://login.test/clinic"
BASE = "https://adapter.test:8443"
RETURN = f"{BASE}/sign-in/openid"
SECRET = "s3cret/with+signs"
SAID = OpenId(
    NAME,
    "oncoclaims",
    (("billing", Role.BILLER), ("leads", Role.SUPERVISOR), ("it", Role.ADMIN)),
    role_claim="groups",
    client_secret_file="secret-file",
)
KEY = Signer("k1", "RS256")


class Pretended:
    """The issuer. `described` and `told` go before what it would say; `answers` before whole answers, by path."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.signer = KEY
        self.jwks = KEY.key_set()
        self.described: dict[str, Any] = {}
        self.told: dict[str, Any] = {}
        self.answers: dict[str, httpx.Response | Exception] = {}
        self.requests: list[httpx.Request] = []
        self.codes: dict[str, dict[str, str]] = {}

    def issuer(self, said: OpenId = SAID) -> Issuer:
        """Ours, speaking to it."""
        transport = httpx.MockTransport(self.answer)
        return Issuer(
            said,
            RETURN,
            self.clock.now,
            secret=lambda _: SECRET,
            sign=lambda url: f"signed-for {url}",
            transport=transport,
        )

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(request.url.path == path for request in self.requests)

    def signs_in(self, address: str, **claims: Any) -> str:
        """What the browser comes back with who was sent to this address and signed in there."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert (asked["response_type"], asked["client_id"], asked["redirect_uri"]) == ("code", "oncoclaims", RETURN)
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        self.told = {**self.told, **claims}
        return f"{RETURN}?code={code}&state={asked['state']}"

    def answer(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        self.requests.append(request)
        path = request.url.path
        if path in self.answers:
            said = self.answers[path]
            if isinstance(said, Exception):
                raise said
            return said
        if path == "/clinic/.well-known/openid-configuration":
            places = {f"{name}_endpoint": f"{NAME}/{name}" for name in ("authorization", "token")}
            return httpx.Response(200, json={"issuer": NAME, "jwks_uri": f"{NAME}/keys", **places, **self.described})
        if path == "/clinic/keys":
            return httpx.Response(200, content=self.jwks)
        assert path == "/clinic/token", path
        return self._token(request)

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        asked = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        fits = asked and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
        if not asked or not fits or not self._known(request, form) or form["redirect_uri"] != RETURN:
            return httpx.Response(400, json={"error": "invalid_grant"})
        now: datetime = self.clock.now()
        at = int(now.timestamp())
        claims = {"iss": NAME, "aud": "oncoclaims", "sub": "u-1", "iat": at, "exp": at + 300, "nonce": asked["nonce"]}
        claims |= {"preferred_username": "kim", "groups": ["billing"], **self.told}
        claims = {name: value for name, value in claims.items() if value is not None}
        return httpx.Response(200, json={"id_token": self.signer.token(claims), "access_token": "never-looked-at"})

    @staticmethod
    def _known(request: httpx.Request, form: dict[str, str]) -> bool:
        if form.get("client_assertion"):
            return form["client_assertion"] == f"signed-for {NAME}/token"
        if form.get("client_secret"):
            return (form["client_id"], form["client_secret"]) == ("oncoclaims", SECRET)
        kind, _, pair = request.headers.get("authorization", "").partition(" ")
        name, _, secret = base64.b64decode(pair).decode().partition(":")
        return (kind, unquote_plus(name), unquote_plus(secret)) == ("Basic", "oncoclaims", SECRET)


def body(**said: Any) -> bytes:
    """JSON."""
    return json.dumps(said).encode()
