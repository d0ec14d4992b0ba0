"""The certificate files of a listener, looked at before they are used: modes, dates, and whether key and certificate fit.

Nothing of a key is ever told, and a key that others can read is refused.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from adapters.model.listening import TlsFiles

WARN_AHEAD: Final = timedelta(days=30)
"""How long before its end a certificate is told of."""


def certificate_ends(files: TlsFiles) -> dict[str, datetime]:
    """When the certificates end, aware, by `certificate` (the first of its chain to end) and `ca` (the first of them).

    What cannot be read is left out; `certificate_problems` tells of it.
    """
    ends: dict[str, datetime] = {}
    for which, path in (("certificate", files.certificate), ("ca", files.ca)):
        found, _ = _certificates(path) if path else ([], "")
        if found:
            ends[which] = min(one.not_valid_after_utc for one in found)
    return ends


def certificate_problems(files: TlsFiles) -> Iterator[str]:
    """Why these files cannot serve, however the clock stands; all reasons."""
    own, unread = _certificates(files.certificate)
    if unread:
        yield f"{files.certificate}: {unread}"
    _, unread = _certificates(files.ca) if files.ca else ([], "")
    if unread:
        yield f"{files.ca}: {unread}"
    try:
        held = Path(files.key)
        mode = stat.S_IMODE(held.stat().st_mode)
        body = held.read_bytes()
    except OSError as missing:
        yield f"{files.key}: cannot be read ({missing.strerror})"
        return
    if mode & 0o077:
        yield f"{files.key}: has mode {mode:04o}; a key file must be 0600"
    try:
        key = load_pem_private_key(body, None)
    except TypeError:
        yield f"{files.key}: the key is encrypted, and nobody is there to type its password"
        return
    except (ValueError, UnsupportedAlgorithm):
        yield f"{files.key}: holds no private key in PEM form"
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own and own[0].public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        yield f"{files.key}: is not the key of {files.certificate}"


def expiry_problems(files: TlsFiles, now: datetime) -> Iterator[str]:
    """Certificates that have ended, end within thirty days, or have not begun."""
    for path in filter(None, (files.certificate, files.ca)):
        found, _ = _certificates(path)
        for one in found:
            end = one.not_valid_after_utc
            if end <= now:
                yield f"{path}: a certificate ended on {end:%Y-%m-%d}"
            elif end - now <= WARN_AHEAD:
                yield f"{path}: a certificate ends on {end:%Y-%m-%d}, in {(end - now.astimezone(UTC)).days} days"
            if one.not_valid_before_utc > now:
                yield f"{path}: a certificate begins only on {one.not_valid_before_utc:%Y-%m-%d}"


def _certificates(path: str) -> tuple[list[x509.Certificate], str]:
    """The certificates of a PEM file, and why there are none."""
    try:
        return x509.load_pem_x509_certificates(Path(path).read_bytes()), ""
    except OSError as missing:
        return [], f"cannot be read ({missing.strerror})"
    except ValueError:
        return [], "holds no certificate in PEM form"
