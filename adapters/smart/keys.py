"""Public keys of clients: a JSON Web Key Set (RFC 7517) read strictly, so that a key is used as what it is or not at all.

Taken are RSA keys of 2048 to 8192 bits for RS384 and keys on the curve P-384 for ES384 (SMART App Launch 2, Asymmetric
Authentication). A set with a private or a shared key in it is refused whole: such a file should not be here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from adapters.fhir import wire
from adapters.fhir.wire import JsonObject, JsonValue

ALGORITHMS: Final = ("RS384", "ES384")
"""Of what clients sign. No other is ever verified, whatever a token or a key says of itself."""
LARGEST_SET: Final = 64 * 1024
"""Bytes of a key set."""
_MOST_KEYS: Final = 32
_LONGEST_ID: Final = 200
_RSA_BITS: Final = range(2048, 8193)
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384"}
"""What each algorithm is on (RFC 7518, 3.4)."""
_SECRET: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies signatures of one algorithm."""

    id: str
    algorithm: str
    key: RSAKey | ECKey
    thumbprint: str
    """RFC 7638, SHA-256."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of a set that can be used, and what is wrong with the others."""

    keys: tuple[PublicKey, ...] = ()
    problems: tuple[str, ...] = ()

    def key(self, id: str) -> PublicKey | None:
        """The key of that id, or None."""
        return next((key for key in self.keys if key.id == id), None)

    def holds(self, thumbprint: str) -> bool:
        """Whether the key of that thumbprint is in it."""
        return any(key.thumbprint == thumbprint for key in self.keys)


def key_set(body: bytes, algorithms: Sequence[str] = ALGORITHMS) -> KeySet:
    """The key set of a JSON text, of the keys for these algorithms; keys for encryption are passed over.

    A key is for the algorithm that it names, else for the first one of its kind. Never raises on content.
    """
    read = wire.loads(body, limit=LARGEST_SET)
    said = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(said, list) or len(said) > _MOST_KEYS:
        return KeySet(problems=(f"is no JSON Web Key Set of at most {_MOST_KEYS} keys",))
    whole = [one for one in said if isinstance(one, dict)]
    if any(name in one for one in whole for name in _SECRET):
        return KeySet(
            problems=("holds a private or shared key: only public keys belong here, and this one is known now",)
        )
    problems = ["a key is no JSON object"] * (len(said) - len(whole))
    keys: list[PublicKey] = []
    for number, one in enumerate(whole, start=1):
        if one.get("use", "sig") != "sig":
            continue
        made = _key(one, algorithms)
        if isinstance(made, str):
            problems.append(f"key {number}: {made}")
        elif any(made.id == key.id for key in keys):
            problems.append(f"key {number}: its kid is there twice")
        else:
            keys.append(made)
    return KeySet(tuple(keys), tuple(problems))


def _key(said: JsonObject, algorithms: Sequence[str]) -> PublicKey | str:
    """The key, or why it cannot be used."""
    kid, kind = said.get("kid"), said.get("kty")
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_ID:
        return "it has no kid"
    family = {"RSA": "RS", "EC": "ES"}.get(kind) if isinstance(kind, str) else None
    mine = [one for one in algorithms if family and one.startswith(family)]
    # A curve has one algorithm; of a key on a curve that has none here the first one says what is wanted of it.
    mine = [one for one in mine if _CURVES.get(one) == said.get("crv")] or mine
    algorithm = said.get("alg", mine[0] if mine else None)
    if algorithm not in mine or not isinstance(algorithm, str):
        return f"it is no key for {' or '.join(algorithms)}"
    for_use = said.get("key_ops")
    if for_use is not None and not (isinstance(for_use, list) and "verify" in for_use):
        return "it is not for verifying"
    # Nothing but the numbers of the key goes on: certificates and addresses in it (x5c, x5u) are not looked at.
    numbers = {name: said[name] for name in ("kty", "n", "e", "crv", "x", "y") if isinstance(said.get(name), str)}
    try:
        if algorithm.startswith("RS"):
            modulus = base64.urlsafe_b64decode(f"{numbers['n']}==")
            if int.from_bytes(modulus, "big").bit_length() not in _RSA_BITS:
                return "an RSA key has 2048 to 8192 bits"
            key: RSAKey | ECKey = RSAKey.import_key(_texts(numbers))
        else:
            key = ECKey.import_key(_texts(numbers))
            if key.curve_name != _CURVES[algorithm]:
                return f"an EC key is on the curve {_CURVES[algorithm]}"
        return PublicKey(kid, algorithm, key, key.thumbprint())
    except (JoseError, ValueError, KeyError, TypeError) as unusable:
        return f"it cannot be read ({type(unusable).__name__})"


def _texts(said: Mapping[str, JsonValue]) -> dict[str, str | list[str]]:
    return {name: value for name, value in said.items() if isinstance(value, str)}


def set_problems(found: KeySet, where: str) -> Iterator[str]:
    """What is wrong with a key set, each with its place; also that it has no keys."""
    yield from (f"{where}: {problem}" for problem in found.problems)
    if not found.keys and not found.problems:
        yield f"{where}: holds no key, so its client may do nothing"
