"""What clients sign, and the tokens they get: every way to be let in that is none."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.smart.keys import KeySet, key_set
from adapters.smart.tokens import Access, Assertion, Reason, access, assertion, claims_of
from tests.smart.signing import Signer, b64, mac, unsigned

NOW = datetime(2026, 1, 12, 15, 0, tzinfo=UTC)
TOKEN_URL = "https://adapter.example:8443/token"
ISSUER = "https://adapter.example:8443"
FHIR = f"{ISSUER}/fhir"
EC, RSA, OTHER = Signer("e1"), Signer("r1", "RS384"), Signer("o1")
SETS = {"clinic": key_set(EC.key_set(RSA)), "other": key_set(OTHER.key_set())}


def seconds(**by: float) -> int:
    return int((NOW + timedelta(**by)).timestamp())


def claims(**more: Any) -> dict[str, Any]:
    said = {"iss": "clinic", "sub": "clinic", "aud": TOKEN_URL, "exp": seconds(minutes=5), "jti": "one", **more}
    return {name: value for name, value in said.items() if value is not None}


def look(token: str, now: datetime = NOW) -> Assertion | Reason:
    return assertion(token, audience=TOKEN_URL, keys_of=SETS.get, now=now)


@pytest.mark.parametrize("signer", [EC, RSA], ids=["ES384", "RS384"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"aud": [TOKEN_URL]},
        {"iat": seconds(), "nbf": seconds()},
        {"iat": seconds(seconds=59), "exp": seconds(minutes=5, seconds=59)},
        {"exp": seconds(seconds=-59)},
        {"exp": seconds(minutes=5) + 0.5},
    ],
    ids=["plain", "aud as a list", "iat and nbf", "their clock is ahead", "their clock is behind", "part of a second"],
)
def test_a_good_assertion_is_accepted(signer: Signer, more: dict[str, Any]) -> None:
    found = look(signer.token(claims(**more)))
    assert isinstance(found, Assertion)
    assert (found.client, len(found.use)) == ("clinic", 64)
    assert found.until > NOW  # remembered for as long as it could come again


def test_one_jti_of_two_clients_is_two_uses() -> None:
    first = look(EC.token(claims()))
    second = look(OTHER.token(claims(iss="other", sub="other")))
    again = look(RSA.token(claims(exp=seconds(minutes=1))))
    assert isinstance(first, Assertion)
    assert isinstance(second, Assertion)
    assert isinstance(again, Assertion)
    assert first.use == again.use != second.use


@pytest.mark.parametrize(
    ("why", "more"),
    [
        (Reason.AUDIENCE, {"aud": FHIR}),
        (Reason.AUDIENCE, {"aud": f"{TOKEN_URL}/"}),
        (Reason.AUDIENCE, {"aud": f"{TOKEN_URL}.evil.example"}),
        (Reason.AUDIENCE, {"aud": [TOKEN_URL, "https://elsewhere.example"]}),
        (Reason.AUDIENCE, {"aud": None}),
        (Reason.EXPIRED, {"exp": seconds(seconds=-61)}),
        (Reason.TOO_LONG_LIVED, {"exp": seconds(minutes=7)}),
        (Reason.TOO_LONG_LIVED, {"exp": seconds(days=365)}),
        (Reason.NOT_YET, {"iat": seconds(seconds=90)}),
        (Reason.NOT_YET, {"nbf": seconds(seconds=90)}),
        (Reason.CLAIMS, {"exp": None}),
        (Reason.CLAIMS, {"exp": "never"}),
        (Reason.CLAIMS, {"exp": True}),
        (Reason.CLAIMS, {"exp": -1}),
        (Reason.CLAIMS, {"exp": 10**30}),
        (Reason.CLAIMS, {"jti": None}),
        (Reason.CLAIMS, {"jti": ""}),
        (Reason.CLAIMS, {"jti": 7}),
        (Reason.CLAIMS, {"jti": "x" * 300}),
        (Reason.ISSUER, {"sub": "other"}),
        (Reason.ISSUER, {"sub": None}),
        (Reason.UNKNOWN_CLIENT, {"iss": "nobody", "sub": "nobody"}),
        (Reason.UNKNOWN_CLIENT, {"iss": None}),
        (Reason.UNKNOWN_CLIENT, {"iss": ["clinic"]}),
        (Reason.UNKNOWN_KEY, {"iss": "other", "sub": "other"}),  # kid of another client
    ],
)
def test_claims_that_are_not_accepted(why: Reason, more: dict[str, Any]) -> None:
    assert look(EC.token(claims(**more))) is why


def _altered(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{b64(json.dumps(claims(jti='two')).encode())}.{signature}"


def _doubled(_: Signer) -> str:
    """Says two things to two readers: the first `sub`, or the last."""
    body = json.dumps(claims())[:-1] + ', "sub": "clinic"}'
    return EC.token(body.encode())


FORGED: dict[str, tuple[Reason, Callable[[], str]]] = {
    "alg none": (Reason.ALGORITHM, lambda: unsigned(claims(), "e1")),
    "alg none without a signature": (Reason.MALFORMED, lambda: unsigned(claims(), "e1").rpartition(".")[0] + "."),
    "HS256 with the public key": (Reason.ALGORITHM, lambda: mac(claims(), "e1", EC.pem())),
    "HS384 with the public key": (Reason.ALGORITHM, lambda: mac(claims(), "r1", RSA.pem(), "HS384")),
    "RS256": (Reason.ALGORITHM, lambda: EC.token(claims(), alg="RS256")),
    "ES384 for an RSA key": (Reason.ALGORITHM, lambda: EC.token(claims(), kid="r1")),
    "RS384 for an EC key": (Reason.ALGORITHM, lambda: RSA.token(claims(), kid="e1")),
    "alg in a list": (Reason.ALGORITHM, lambda: EC.token(claims(), alg=["ES384"])),
    "another's signature": (Reason.SIGNATURE, lambda: OTHER.token(claims(), kid="e1")),
    "altered": (Reason.SIGNATURE, lambda: _altered(EC.token(claims()))),
    "signature of zeros": (Reason.SIGNATURE, lambda: EC.token(claims()).rpartition(".")[0] + "." + b64(bytes(96))),
    "another curve": (
        Reason.SIGNATURE,
        lambda: Signer("e1", "ES384", curve=ec.SECP256R1()).token(claims()),
    ),
    "no kid": (Reason.UNKNOWN_KEY, lambda: EC.token(claims(), kid=None)),
    "kid is a path": (Reason.UNKNOWN_KEY, lambda: EC.token(claims(), kid="../../e1")),
    "kid is a list": (Reason.UNKNOWN_KEY, lambda: EC.token(claims(), kid=["e1"])),
    "crit": (Reason.ALGORITHM, lambda: EC.token(claims(), crit=["exp"], exp=1)),
    "b64": (Reason.ALGORITHM, lambda: EC.token(claims(), b64=False)),
    "type of an access token": (Reason.TYPE, lambda: EC.token(claims(), typ="at+jwt")),
    "too long": (Reason.TOO_LONG, lambda: EC.token(claims(filling="x" * 9000))),
    "claim twice": (Reason.MALFORMED, lambda: _doubled(EC)),
    "claims are a list": (Reason.MALFORMED, lambda: EC.token(b"[1]")),
    "five parts": (Reason.MALFORMED, lambda: "a.b.c.d.e"),
    "two parts": (Reason.MALFORMED, lambda: "a.b"),
    "empty": (Reason.MALFORMED, lambda: ""),
    "not ASCII": (Reason.MALFORMED, lambda: EC.token(claims()).replace(".", "\u2024")),
    "line break": (Reason.MALFORMED, lambda: EC.token(claims()) + "\n"),
    "padding": (Reason.MALFORMED, lambda: EC.token(claims()) + "="),
    "NaN": (Reason.MALFORMED, lambda: EC.token(b'{"exp": NaN}')),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_assertion_is_not_accepted(name: str) -> None:
    why, make = FORGED[name]
    assert look(make()) is why


def test_keys_and_addresses_in_a_header_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger brings the key along, in every way that RFC 7515 knows; nothing is called, and it opens nothing."""
    called: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *said, **_: called.append(said))
    monkeypatch.setattr(socket.socket, "connect", lambda _self, to: called.append(to))
    stranger = Signer("e1")
    address = "https://127.0.0.1:1/keys"
    brought: dict[str, Any] = {"jwk": stranger.jwk(), "jku": address, "x5u": address, "x5c": ["AAAA"]}
    for name, value in brought.items():
        assert look(stranger.token(claims(), **{name: value})) is Reason.SIGNATURE
        # The client's own key still opens, whatever else its header carries.
        assert isinstance(look(EC.token(claims(), **{name: value})), Assertion)
    assert called == []


# Access tokens


OURS = Signer("ours")
OUR_SET = key_set(OURS.key_set())
GIVEN = Access("clinic", "thumb", ("system/Procedure.c", "system/Patient.u"), NOW + timedelta(minutes=5))


def ours(**more: Any) -> dict[str, Any]:
    said = json.loads(claims_of(GIVEN, issuer=ISSUER, audience=FHIR, id="r", now=NOW))
    return {name: value for name, value in {**said, **more}.items() if value is not None}


def known(token: str, keys: KeySet = OUR_SET, now: datetime = NOW) -> Access | Reason:
    return access(token, issuer=ISSUER, audience=FHIR, ours=keys, now=now)


def test_an_access_token_says_what_it_was_given_for() -> None:
    assert known(OURS.token(ours(), typ="at+jwt")) == GIVEN


@pytest.mark.parametrize(
    ("why", "make"),
    [
        (Reason.TYPE, lambda: OURS.token(ours())),
        (Reason.TYPE, lambda: OURS.token(ours(), typ=None)),
        (Reason.TYPE, lambda: EC.token(claims())),  # an assertion is no access token
        (Reason.UNKNOWN_KEY, lambda: EC.token(ours(), typ="at+jwt")),
        (Reason.SIGNATURE, lambda: EC.token(ours(), typ="at+jwt", kid="ours")),
        (Reason.ALGORITHM, lambda: unsigned(ours(), "ours")),
        (Reason.AUDIENCE, lambda: OURS.token(ours(aud=TOKEN_URL), typ="at+jwt")),
        (Reason.AUDIENCE, lambda: OURS.token(ours(aud=[FHIR, ISSUER]), typ="at+jwt")),
        (Reason.ISSUER, lambda: OURS.token(ours(iss="https://elsewhere.example"), typ="at+jwt")),
        (Reason.EXPIRED, lambda: OURS.token(ours(exp=seconds(seconds=-61)), typ="at+jwt")),
        (Reason.NOT_YET, lambda: OURS.token(ours(iat=seconds(minutes=3)), typ="at+jwt")),
        (Reason.TOO_LONG_LIVED, lambda: OURS.token(ours(exp=seconds(hours=1)), typ="at+jwt")),
        (Reason.CLAIMS, lambda: OURS.token(ours(scope=None), typ="at+jwt")),
        (Reason.CLAIMS, lambda: OURS.token(ours(key=None), typ="at+jwt")),
        (Reason.CLAIMS, lambda: OURS.token(ours(client_id=7), typ="at+jwt")),
        (Reason.TOO_LONG, lambda: OURS.token(ours(filling="x" * 9000), typ="at+jwt")),
    ],
)
def test_an_access_token_that_is_none(why: Reason, make: Callable[[], str]) -> None:
    assert known(make()) is why
