"""Key sets of clients: what is a key here, and what makes a file unfit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.smart.keys import key_set, set_problems
from tests.smart.signing import Signer

EC = Signer("e1")
RSA = Signer("r1", "RS384")


def body(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def test_both_kinds_of_keys_are_read() -> None:
    found = key_set(EC.key_set(RSA))
    assert [(key.id, key.algorithm) for key in found.keys] == [("e1", "ES384"), ("r1", "RS384")]
    assert found.problems == ()
    assert found.key("r1") is found.keys[1]
    assert found.key("../../e1") is None
    assert found.holds(found.keys[0].thumbprint)
    assert not found.holds("")
    assert list(set_problems(found, "x")) == []


def test_a_key_without_a_use_or_algorithm_is_one() -> None:
    bare = {name: value for name, value in EC.jwk().items() if name not in ("alg", "use")}
    assert [key.algorithm for key in key_set(body(bare)).keys] == ["ES384"]


def test_a_key_for_encryption_is_passed_over() -> None:
    found = key_set(body(EC.jwk(use="enc"), RSA.jwk()))
    assert ([key.id for key in found.keys], found.problems) == (["r1"], ())


@pytest.mark.parametrize("name", ["d", "p", "k"])
def test_a_set_with_something_secret_is_refused_whole(name: str) -> None:
    found = key_set(body(RSA.jwk(), EC.jwk(**{name: "AAAA"})))
    assert found.keys == ()
    assert "known now" in found.problems[0]
    assert "AAAA" not in repr(found)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (EC.jwk(kid=None), "no kid"),
        (EC.jwk(kid=""), "no kid"),
        (EC.jwk(alg="ES256"), "RS384 or ES384"),
        (RSA.jwk(alg="RS256"), "RS384 or ES384"),
        (Signer("x", "ES256", curve=ec.SECP256R1()).jwk(), "RS384 or ES384"),
        (Signer("x", "ES384", curve=ec.SECP256R1()).jwk(), "P-384"),
        (Signer("x", "RS384", bits=1024).jwk(), "2048"),
        (EC.jwk(key_ops=["sign"]), "not for verifying"),
        ({"kty": "oct", "kid": "x", "alg": "HS256"}, "RS384 or ES384"),
        ({"kty": "EC", "kid": "x", "crv": "P-384"}, "cannot be read"),
        (EC.jwk(x="!!"), "cannot be read"),
        (EC.jwk(x=EC.jwk()["y"]), "cannot be read"),
        (3, "no JSON object"),
    ],
)
def test_a_key_that_cannot_be_used_is_said(key: Any, words: str) -> None:
    found = key_set(body(key, RSA.jwk()))
    assert [one.id for one in found.keys] == ["r1"]
    assert any(words in problem for problem in found.problems), found.problems


def test_a_kid_names_one_key() -> None:
    found = key_set(body(EC.jwk(), RSA.jwk(kid="e1")))
    assert [key.algorithm for key in found.keys] == ["ES384"]
    assert found.problems == ("key 2: its kid is there twice",)


@pytest.mark.parametrize(
    "said", [b"", b"[]", b"{}", b'{"keys": 1}', b"\xff", b'{"keys": [], "keys": []}', b"x" * 70_000]
)
def test_what_is_no_key_set_holds_no_key(said: bytes) -> None:
    found = key_set(said)
    assert found.keys == ()
    assert found.problems


def test_an_empty_set_is_said() -> None:
    assert list(set_problems(key_set(body()), "file")) == ["file: holds no key, so its client may do nothing"]
