"""The way to each payer: one HTTP client a payer, with its own certificates and its own share of connections.

No payer can use up the connections of another. Redirects and proxies of the environment are off, TLS is verified always.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import threading
from pathlib import Path
from typing import Final, TypeAlias

import httpx

from adapters.errors import BadSetup
from adapters.model.endpoint import ClientTls
from adapters.model.site import Payer

_Key: TypeAlias = tuple[str, ClientTls | None, int, tuple[int, ...]]
_SPARE: Final = 2
"""Connections beyond the calls in flight, for tokens."""

for _library in ("httpx", "httpcore"):
    # They log URLs and headers; there is nothing in them that the journal does not have.
    logging.getLogger(_library).setLevel(logging.CRITICAL)


def tls_context(files: ClientTls | None) -> ssl.SSLContext:
    """The context of a payer, always verifying; raises `BadSetup` for files that cannot be used."""
    if files is None:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cafile=files.ca or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.certificate:
            if Path(files.key).stat().st_mode & 0o077:
                raise BadSetup((f"{files.key}: others can read it; a key file must be 0600",))
            context.load_cert_chain(files.certificate, files.key, password=_nobody)
    except OSError as wrong:
        # ssl.SSLError is one as well: a file that is no PEM, or a key that is not the certificate's.
        words = wrong.strerror or type(wrong).__name__
        named = ", ".join(name for name in (files.certificate, files.key, files.ca) if name)
        raise BadSetup((f"{named}: cannot be used for TLS ({words})",)) from None
    return context


def _nobody() -> str:
    """The password of an encrypted key, which nobody is there to type."""
    return ""


class Lines:
    """The HTTP clients of all payers. Safe to use from several threads."""

    def __init__(self, verify: ssl.SSLContext | None, transport: httpx.BaseTransport | None) -> None:
        self._verify = verify
        self._transport = transport
        self._clients: dict[_Key, httpx.Client] = {}
        self._lock = threading.Lock()

    def to(self, payer: Payer) -> httpx.Client:
        """The client for the payer; another one once its certificate files have changed. Raises `BadSetup`."""
        profile = payer.endpoint
        key = (payer.id, profile.tls, profile.in_flight, _stamps(profile.tls))
        with self._lock:
            found = self._clients.get(key)
            if found is None:
                # The one before is kept until the end: calls may be under way on it.
                found = self._clients[key] = self._made(profile.tls, profile.in_flight)
            return found

    def _made(self, files: ClientTls | None, in_flight: int) -> httpx.Client:
        if files is None and self._verify is None and self._transport is None:
            self._verify = tls_context(None)
        context = self._verify if files is None and self._verify is not None else None
        if context is None and self._transport is None:
            context = tls_context(files)
        return httpx.Client(
            verify=context if context is not None else True,
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
            # A connection that the payer closed while it was idle would fail in the middle of a claim, and nobody
            # could say whether it was taken. A new one fails before anything is sent.
            limits=httpx.Limits(max_connections=in_flight + _SPARE, max_keepalive_connections=0),
        )

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def _stamps(files: ClientTls | None) -> tuple[int, ...]:
    """When the files were written last: a renewed certificate is used without a restart."""
    stamps: list[int] = []
    for path in (files.certificate, files.key, files.ca) if files else ():
        with contextlib.suppress(OSError):
            stamps.append(Path(path).stat().st_mtime_ns if path else 0)
    return tuple(stamps)
