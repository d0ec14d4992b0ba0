"""ID tokens: every field that must hold, each broken alone; and forged ones, made by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.smart.id_tokens import Identity, identity, issuer_keys
from adapters.smart.tokens import Reason
from tests.smart.signing import Signer, mac, unsigned

NOW = datetime(2026, 1, 20, 14, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
ISSUER, CLIENT, NONCE = "https://login.test/clinic", "oncoclaims", "n" * 43
RSA = Signer("r1", "RS256")
OTHERS = {"RS384": Signer("r2", "RS384"), "ES256": Signer("e1", "ES256", curve=ec.SECP256R1()), "ES384": Signer("e2")}
STRANGER = Signer("r1", "RS256")
KEYS = issuer_keys(RSA.key_set(*OTHERS.values()))


def claims(**more: Any) -> dict[str, Any]:
    """What a good token says; None takes a claim away."""
    said = {
        "iss": ISSUER,
        "sub": "u-1001",
        "aud": CLIENT,
        "exp": AT + 3600,
        "iat": AT,
        "nonce": NONCE,
        "preferred_username": "Kim@Clinic.Test",
        "groups": ["staff", "billing"],
        **more,
    }
    return {name: value for name, value in said.items() if value is not None}


def read(token: str, keys: Any = KEYS, **more: Any) -> Identity | Reason:
    said: dict[str, Any] = {
        "issuer": ISSUER,
        "client": CLIENT,
        "nonce": NONCE,
        "keys": keys,
        "name_claim": "preferred_username",
        "role_claim": "groups",
        "now": NOW,
    }
    return identity(token, **{**said, **more})


@pytest.mark.parametrize("signer", [RSA, *OTHERS.values()], ids=lambda one: one.algorithm)
def test_a_good_token_says_who_it_is(signer: Signer) -> None:
    found = Identity("u-1001", "Kim@Clinic.Test", frozenset({"staff", "billing"}))
    assert read(signer.token(claims())) == found
    assert read(signer.token(claims(aud=[CLIENT], azp=CLIENT), typ=None)) == found


def test_who_has_no_name_is_named_by_the_subject_and_one_word_is_a_role() -> None:
    assert read(RSA.token(claims(preferred_username=None, groups="billing"))) == Identity(
        "u-1001", "u-1001", frozenset({"billing"})
    )
    assert read(RSA.token(claims(groups={"billing": True}))) == Identity("u-1001", "Kim@Clinic.Test", frozenset())


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"iss": f"{ISSUER}/"}, Reason.ISSUER),
        ({"iss": None}, Reason.ISSUER),
        ({"aud": "another"}, Reason.AUDIENCE),
        ({"aud": [CLIENT, "another"]}, Reason.AUDIENCE),
        ({"aud": None}, Reason.AUDIENCE),
        ({"azp": "another"}, Reason.AUDIENCE),
        ({"nonce": "m" * 43}, Reason.NONCE),
        ({"nonce": None}, Reason.NONCE),
        ({"nonce": 1}, Reason.NONCE),
        ({"exp": AT - 60}, Reason.EXPIRED),
        ({"exp": None}, Reason.CLAIMS),
        ({"iat": None}, Reason.CLAIMS),
        ({"iat": "now"}, Reason.CLAIMS),
        ({"iat": True}, Reason.CLAIMS),
        ({"iat": AT + 61}, Reason.NOT_YET),
        ({"nbf": AT + 61}, Reason.NOT_YET),
        ({"iat": AT - 601}, Reason.EXPIRED),
        ({"sub": None}, Reason.CLAIMS),
        ({"sub": ""}, Reason.CLAIMS),
        ({"sub": "x" * 256}, Reason.CLAIMS),
    ],
    ids=str,
)
def test_a_token_with_one_thing_wrong_is_refused(said: dict[str, Any], why: Reason) -> None:
    assert read(RSA.token(claims(**said))) is why


def test_clocks_may_differ_by_a_minute() -> None:
    assert isinstance(read(RSA.token(claims(exp=AT - 59, iat=AT - 300))), Identity)
    assert isinstance(read(RSA.token(claims(iat=AT + 60))), Identity)


def test_an_empty_nonce_fits_no_token() -> None:
    assert read(RSA.token(claims(nonce="")), nonce="") is Reason.NONCE


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (unsigned(claims(), "r1"), Reason.ALGORITHM),
        (mac(claims(), "r1", RSA.pem()), Reason.ALGORITHM),
        (mac(claims(), "r1", RSA.pem(), "HS384"), Reason.ALGORITHM),
        (STRANGER.token(claims()), Reason.SIGNATURE),
        (RSA.token(claims(), kid="unknown"), Reason.UNKNOWN_KEY),
        (RSA.token(claims(), kid=None), Reason.UNKNOWN_KEY),
        (STRANGER.token(claims(), jwk=STRANGER.jwk(), jku="https://evil.test/jwks", kid="x"), Reason.UNKNOWN_KEY),
        (RSA.token(claims(), alg="RS384"), Reason.ALGORITHM),
        (RSA.token(claims(), alg="PS256"), Reason.ALGORITHM),
        (OTHERS["ES256"].token(claims(), alg="ES384"), Reason.ALGORITHM),
        (RSA.token(claims(), typ="at+jwt"), Reason.TYPE),
        (RSA.token(claims(), crit=["exp"]), Reason.ALGORITHM),
        (RSA.token(b'{"iss": "a", "iss": "b"}'), Reason.MALFORMED),
        ("a.b", Reason.MALFORMED),
        (RSA.token(claims(pad="x" * 40_000)), Reason.TOO_LONG),
    ],
)
def test_a_forged_token_is_refused(token: str, why: Reason) -> None:
    assert read(token) is why


def test_a_changed_claim_breaks_the_signature() -> None:
    head, _, signature = RSA.token(claims()).split(".")
    other = RSA.token(claims(groups=["admins"])).split(".")[1]
    assert read(f"{head}.{other}.{signature}") is Reason.SIGNATURE


def test_two_keys_of_one_kid_are_none() -> None:
    keys = issuer_keys(RSA.key_set(STRANGER, OTHERS["ES384"]))
    assert read(RSA.token(claims()), keys) is Reason.UNKNOWN_KEY
    assert read(STRANGER.token(claims()), keys) is Reason.UNKNOWN_KEY
    assert isinstance(read(OTHERS["ES384"].token(claims()), keys), Identity)


def test_the_key_of_a_kid_stays_one_where_another_is_for_encryption() -> None:
    body = json.dumps({"keys": [RSA.jwk(), STRANGER.jwk(use="enc")]}).encode()
    assert isinstance(read(RSA.token(claims()), issuer_keys(body)), Identity)


def test_a_key_that_does_not_say_its_algorithm_is_for_one() -> None:
    bare = [{n: v for n, v in one.jwk().items() if n != "alg"} for one in (RSA, *OTHERS.values())]
    keys = issuer_keys(json.dumps({"keys": bare}).encode())
    assert [(key.id, key.algorithm) for key in keys.keys] == [
        ("r1", "RS256"), ("r2", "RS256"), ("e1", "ES256"), ("e2", "ES384"),
    ]  # fmt: skip
    assert read(OTHERS["RS384"].token(claims()), keys) is Reason.ALGORITHM


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"keys": 1}', b'{"keys": [3]}'])
def test_what_is_no_key_set_has_no_key(body: bytes) -> None:
    assert issuer_keys(body).keys == ()
