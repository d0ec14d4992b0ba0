"""TLS of listeners: MLLP asks both sides for certificates, and changed files hold from the next connection on."""

from __future__ import annotations

import hashlib
import ssl
from asyncio import sslproto
from pathlib import Path
from typing import Any, Final

from adapters.errors import BadSetup
from adapters.files.certificates import certificate_ends, certificate_problems
from adapters.model.listening import TlsFiles
from adapters.serve import metrics
from adapters.serve.logs import log

_LONGEST_NAME: Final = 120
_BUFFER: Final = 32 * 1024
"""Bytes that asyncio holds for what a TLS connection sends; its own 256 KiB make 250 MiB of a thousand idle peers."""
_Look = tuple[tuple[int, int, int, int], ...]


class Certificates:
    """The TLS context of a listener, made anew when its files change.

    Raises `BadSetup` with every problem of the files at the start. Later, files that cannot be used (half written, a key
    that does not fit) leave the context before them in force, are logged and counted, and are looked at again when they
    change again.
    """

    def __init__(self, listener: str, files: TlsFiles) -> None:
        sslproto.SSLProtocol.max_size = _BUFFER
        self._listener = listener
        self._files = files
        self._seen = self._look()
        self._context, self._ca = self._made()

    @property
    def context(self) -> ssl.SSLContext:
        """The context for a new connection; files that changed have been read."""
        self.refresh()
        return self._context

    def refresh(self) -> bool:
        """Read the files again if they changed; whether other clients are trusted now than before."""
        now = self._look()
        if now == self._seen:
            return False
        self._seen = now
        before = self._ca
        try:
            self._context, self._ca = self._made()
        except BadSetup as unusable:
            metrics.UNREADABLE_TLS.labels(self._listener).inc()
            log().error("certificates not reloaded", listener=self._listener, count=len(unusable.problems))
            return False
        log().info("certificates reloaded", listener=self._listener)
        return self._ca != before

    def _look(self) -> _Look:
        """What shows that a file was changed or put in another's place."""
        found = []
        for path in (self._files.certificate, self._files.key, self._files.ca):
            try:
                seen = Path(path).stat()
                found.append((seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_mode))
            except OSError:
                found.append((0, 0, 0, 0))
        return tuple(found)

    def _made(self) -> tuple[ssl.SSLContext, str]:
        if problems := tuple(certificate_problems(self._files)):
            raise BadSetup(problems)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED if self._files.ca else ssl.CERT_NONE
        # Without tickets every connection shows its certificate anew: a resumed one would outlive its end.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        try:
            context.load_cert_chain(self._files.certificate, self._files.key, lambda: "")
            trusted = ""
            if self._files.ca:
                context.load_verify_locations(self._files.ca)
                trusted = hashlib.sha256(Path(self._files.ca).read_bytes()).hexdigest()
        except (OSError, ValueError) as unusable:  # SSLError is an OSError
            raise BadSetup((f"{self._files.certificate}: {type(unusable).__name__}",)) from None
        for which, end in certificate_ends(self._files).items():
            metrics.CERTIFICATE_END.labels(self._listener, which).set(end.timestamp())
        return context, trusted


def name_of(certificate: dict[str, Any] | None, der: bytes | None) -> str:
    """What a client's verified certificate says its bearer is called; empty without one.

    The common name, else its first DNS name or URI; where there is none that can stand in a setting, the SHA-256 of the
    certificate as `sha256:…`. A renewed certificate of the same name is the same sender.
    """
    if not certificate and not der:
        return ""
    said = certificate or {}
    names = [value for part in said.get("subject", ()) for kind, value in part if kind == "commonName"]
    names += [value for kind, value in said.get("subjectAltName", ()) if kind in ("DNS", "URI")]
    for name in map(str, names):
        if name.isprintable() and "|" not in name and 0 < len(name) <= _LONGEST_NAME:
            return name
    return f"sha256:{hashlib.sha256(der or b'').hexdigest()}"
