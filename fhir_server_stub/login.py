"""The payer's authorization server: SMART Backend Services, client_credentials with a signed assertion.

Signatures are verified with the cryptography library alone: a second reading of the standards, beside whatever the
program under test signs with.
"""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from fhir_server_stub.wire import Json

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST = 300
_SKEW = 60


@dataclass(frozen=True)
class Login:
    """Who may come in: a client, its public keys (JWKs), what it may ask for and what it is granted, a token's seconds."""

    client: str
    keys: tuple[Json, ...]
    scopes: tuple[str, ...]
    granted: tuple[str, ...]
    seconds: int = 300

    @classmethod
    def read(cls, table: Any, problems: list[str]) -> "Login | None":
        """The login of a scenario; what is wrong with it goes to `problems`."""
        if not isinstance(table, dict):
            problems.append("login is no table")
            return None
        unknown = sorted(table.keys() - {"client", "keys", "scopes", "granted", "seconds"})
        problems += [f"login knows no {key}" for key in unknown]
        scopes: Any = table.get("scopes", [])
        keys: Any = table.get("keys", [])
        granted: Any = table.get("granted", scopes)
        seconds: Any = table.get("seconds", 300)
        for name, value, kind in (("scopes", scopes, str), ("granted", granted, str), ("keys", keys, dict)):
            if not isinstance(value, list) or not all(isinstance(one, kind) for one in value):
                problems.append(f"login.{name} is no list of {kind.__name__}")
                return None
        if not isinstance(table.get("client"), str) or type(seconds) is not int:
            problems.append("login has no client, or seconds is no whole number")
            return None
        return cls(table["client"], tuple(keys), tuple(scopes), tuple(granted), seconds)


@dataclass(slots=True)
class Desk:
    """Gives tokens out and knows them again."""

    now: Callable[[], datetime]
    seen: set[str] = field(default_factory=set)
    tokens: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    """Why assertions were refused, in order, for tests."""

    def token(self, login: Login, form: dict[str, str], url: str) -> tuple[int, Json]:
        """The answer to a token request that came to the URL (RFC 6749, 5.1 and 5.2)."""
        wrong = self._wrong(login, form, url)
        if wrong:
            self.refused.append(wrong)
            return 401, {"error": "invalid_client", "error_description": wrong}
        asked = form.get("scope", "").split()
        if not asked or not set(asked) <= set(login.scopes):
            return 400, {"error": "invalid_scope"}
        token = secrets.token_urlsafe(24)
        self.tokens[token] = self.now().timestamp() + login.seconds
        granted = " ".join(one for one in asked if one in login.granted)
        return 200, {"access_token": token, "token_type": "bearer", "expires_in": login.seconds, "scope": granted}

    def admits(self, header: str) -> bool:
        """Whether an Authorization header holds a token that still lasts."""
        kind, _, token = header.partition(" ")
        return kind.lower() == "bearer" and self.tokens.get(token, 0.0) > self.now().timestamp()

    def _wrong(self, login: Login, form: dict[str, str], url: str) -> str:
        """What is wrong with the assertion; empty when nothing is."""
        if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != ASSERTION:
            return "no client_credentials with a JWT assertion"
        try:
            signed, _, signature = form.get("client_assertion", "").rpartition(".")
            head, claims = (json.loads(_bytes(part)) for part in signed.split("."))
            jwk = next((key for key in login.keys if key.get("kid") == head["kid"]), None)
            if jwk is None:
                return "no key of that name"
            if not _signed(jwk, head["alg"], signed.encode(), _bytes(signature)):
                return "the signature is wrong"
            now, expires, name = self.now().timestamp(), claims["exp"], claims["jti"]
        except (ValueError, KeyError, TypeError):
            return "no assertion"
        if claims.get("iss") != login.client or claims.get("sub") != login.client:
            return "another client"
        if claims.get("aud") != url:
            return "for another audience"
        if not now - _SKEW < expires <= now + _LONGEST + _SKEW:
            return "expired, or for longer than five minutes"
        if name in self.seen:
            return "a replay"
        self.seen.add(name)
        return ""


def _signed(jwk: Json, algorithm: str, signed: bytes, signature: bytes) -> bool:
    """Whether the key made the signature, by RS384 or ES384 (RFC 7518, 3.3 and 3.4)."""
    try:
        if algorithm == "RS384" and jwk["kty"] == "RSA":
            public = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
            public.verify(signature, signed, padding.PKCS1v15(), SHA384())
        elif algorithm == "ES384" and jwk["kty"] == "EC" and len(signature) == 96:
            point = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP384R1()).public_key()
            halves = (int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big"))
            point.verify(encode_dss_signature(*halves), signed, ec.ECDSA(SHA384()))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")
