"""JSON Web Signatures made by hand from the primitives, so that they are not read by what wrote them; also forged ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int = 0) -> str:
    """A whole number as RFC 7518 writes it."""
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Signer:
    """A key pair of a client."""

    def __init__(self, kid: str, algorithm: str = "ES384", *, bits: int = 2048, curve: Any = None) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.key: Any = (
            rsa.generate_private_key(65537, bits)
            if algorithm.startswith("RS")
            else ec.generate_private_key(curve or ec.SECP384R1())
        )

    def jwk(self, **more: Any) -> dict[str, Any]:
        """The public key."""
        public = self.key.public_key().public_numbers()
        if self.algorithm.startswith("RS"):
            made = {"kty": "RSA", "n": number(public.n), "e": number(public.e)}
        else:
            size = (self.key.curve.key_size + 7) // 8
            name = {256: "P-256", 384: "P-384"}[self.key.curve.key_size]
            made = {"kty": "EC", "crv": name, "x": number(public.x, size), "y": number(public.y, size)}
        return {**made, "kid": self.kid, "alg": self.algorithm, "use": "sig", **more}

    def pem(self) -> bytes:
        """The public key as text: what a confused verifier would take for a shared key."""
        form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        return self.key.public_key().public_bytes(*form)

    def signature(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5, or ECDSA in the two halves of RFC 7518 3.4, with SHA-384 (256 where the name says so)."""
        digest = hashes.SHA256() if self.algorithm.endswith("256") else hashes.SHA384()
        if self.algorithm.startswith("RS"):
            return bytes(self.key.sign(data, padding.PKCS1v15(), digest))
        size = (self.key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(digest)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    def token(self, claims: dict[str, Any] | bytes, **header: Any) -> str:
        """A signed token; what `header` says goes before what a good one would say, None takes it away."""
        said = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **header}
        said = {name: value for name, value in said.items() if value is not None}
        body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        signed = f"{b64(json.dumps(said).encode())}.{b64(body)}"
        return f"{signed}.{b64(self.signature(signed.encode()))}"

    def key_set(self, *others: Signer) -> bytes:
        """A key set with this key and others."""
        return json.dumps({"keys": [one.jwk() for one in (self, *others)]}).encode()


def unsigned(claims: dict[str, Any], kid: str) -> str:
    """A token of the algorithm none, with a signature of nothing (one character less and its form would be broken)."""
    return f"{b64(json.dumps({'alg': 'none', 'kid': kid}).encode())}.{b64(json.dumps(claims).encode())}.AA"


def mac(claims: dict[str, Any], kid: str, secret: bytes, algorithm: str = "HS256") -> str:
    """A token whose signature is a MAC under the secret."""
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384}[algorithm]
    signed = f"{b64(json.dumps({'alg': algorithm, 'kid': kid}).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), digest))}"
