"""A certificate authority of the tests: certificates and keys in files, of invented names."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = dt.datetime.now(dt.UTC)


class Authority:
    """A CA with its files in a folder."""

    def __init__(self, folder: Path, name: str = "root") -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}-ca.pem"
        self.file.write_bytes(pem(self._signed(self.name, self.key.public_key(), ca=True)))

    def _signed(
        self,
        subject: x509.Name,
        public: Any,
        *,
        ca: bool = False,
        days: int = 90,
        names: tuple[str, ...] = ("localhost",),
    ) -> x509.Certificate:
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=400))
            .not_valid_after(NOW + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            shown = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            built = built.add_extension(shown, critical=False)
        return built.sign(self.key, hashes.SHA256())

    def issue(self, file: str, common: str | None = None, **more: Any) -> tuple[Path, Path]:
        """Certificate and key file of a new key; `common` is the name in it, empty for none."""
        key = ec.generate_private_key(ec.SECP256R1())
        said = file if common is None else common
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, said)] if said else [])
        certificate, held = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        certificate.write_bytes(pem(self._signed(subject, key.public_key(), **more)))
        held.unlink(missing_ok=True)
        held.touch(0o600)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        held.write_bytes(key.private_bytes(*form))
        return certificate, held


def pem(certificate: x509.Certificate) -> bytes:
    """The certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM)
