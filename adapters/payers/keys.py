"""Our keys for signing in at payers: read from files that nobody else can read, and published as a JWKS.

SMART Backend Services knows a client by its public keys. While they are changed two are published: the first of a
login's files signs, the others are still (or already) in the JWKS that the payer fetches. A file that changes is read
again, so that nothing has to be restarted.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey, RSAKey

from adapters.errors import BadSetup
from adapters.model.endpoint import Login

PrivateKey: TypeAlias = RSAKey | ECKey
LEAST_BITS: Final = 2048
"""Of an RSA key (NIST SP 800-131A); new ones have 3072."""
_CURVE: Final = "secp384r1"
"""What ES384 is of (RFC 7518, 3.4)."""
_LARGEST: Final = 65536


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its name (its RFC 7638 thumbprint) and the one algorithm that it is used with."""

    key: PrivateKey
    id: str
    algorithm: str

    @property
    def public(self) -> dict[str, object]:
        """The public key as a JWK (RFC 7517) for verifying signatures."""
        found = {name: value for name, value in self.key.as_dict(private=False).items() if value}
        return {**found, "kid": self.id, "use": "sig", "alg": self.algorithm, "key_ops": ["verify"]}


def signer(path: str, algorithm: str) -> Signer:
    """The key of a PEM file for the algorithm; raises `BadSetup` in words that say nothing of the key."""
    try:
        with Path(path).open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            body = file.read(_LARGEST)
    except OSError as missing:
        raise BadSetup((f"{path}: cannot be read ({missing.strerror})",)) from None
    if mode & 0o077:
        raise BadSetup((f"{path}: has mode {mode:04o}; a key file must be 0600",))
    try:
        raw = load_pem_private_key(body, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadSetup((f"{path}: holds no private key in PEM form that is not encrypted",)) from None
    if isinstance(raw, RSAPrivateKey) and algorithm == "RS384":
        if raw.key_size < LEAST_BITS:
            raise BadSetup((f"{path}: the RSA key is shorter than {LEAST_BITS} bits",))
        rsa = RSAKey.import_key(raw)
        return Signer(rsa, rsa.thumbprint(), algorithm)
    if isinstance(raw, EllipticCurvePrivateKey) and algorithm == "ES384":
        if raw.curve.name != _CURVE:
            raise BadSetup((f"{path}: the key is of {raw.curve.name}, and ES384 needs {_CURVE}",))
        elliptic = ECKey.import_key(raw)
        return Signer(elliptic, elliptic.thumbprint(), algorithm)
    raise BadSetup((f"{path}: the key is of another kind than {algorithm} needs",))


def published(logins: Iterable[Login]) -> dict[str, list[dict[str, object]]]:
    """The JWKS of these logins: every key once, public parts only. Raises `BadSetup` with all problems."""
    found: dict[str, dict[str, object]] = {}
    problems: list[str] = []
    for login in logins:
        for path in login.keys:
            try:
                one = signer(path, login.algorithm)
            except BadSetup as bad:
                problems += bad.problems
            else:
                found[one.id] = one.public
    if problems:
        raise BadSetup(tuple(dict.fromkeys(problems)))
    return {"keys": list(found.values())}


def write_new(path: Path, algorithm: str) -> Signer:
    """Make a key and write it to a file that is not there yet (0600); raises `BadSetup` where that cannot be."""
    key: PrivateKey = RSAKey.generate_key(3072) if algorithm == "RS384" else ECKey.generate_key("P-384")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.as_pem(private=True))
            file.flush()
            os.fsync(file.fileno())
    except OSError as wrong:
        raise BadSetup((f"{path}: cannot be made ({wrong.strerror})",)) from None
    return signer(str(path), algorithm)


class Signers:
    """The signing keys of logins, read once and again when their file has changed. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[tuple[int, int], Signer]] = {}
        self._lock = threading.Lock()

    def of(self, login: Login) -> Signer:
        """The key that signs for the login now; raises `BadSetup`."""
        path = login.keys[0]
        try:
            found = Path(path).stat()
        except OSError as missing:
            raise BadSetup((f"{path}: cannot be read ({missing.strerror})",)) from None
        stamp = (found.st_mtime_ns, found.st_ino)
        with self._lock:
            known = self._known.get((path, login.algorithm))
            if known is None or known[0] != stamp:
                known = (stamp, signer(path, login.algorithm))
                self._known[path, login.algorithm] = known
            return known[1]
