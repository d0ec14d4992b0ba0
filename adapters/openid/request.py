"""One request to an issuer: no redirect, no proxy, TLS always verified, bounded in time and size. Every outcome is a value."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from adapters.errors import BadSetup

SECONDS: Final = 5.0
"""For each step of a request; twice as long for the whole: somebody waits before an empty page."""
LARGEST: Final = 128 * 1024
"""Bytes of an answer, after decompression."""
FORM: Final = "application/x-www-form-urlencoded"

for _library in ("httpx", "httpcore"):
    # They log addresses and headers.
    logging.getLogger(_library).setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status 0 where no whole answer did."""

    status: int = 0
    body: bytes = b""

    @property
    def passing(self) -> bool:
        """Whether it may be another one later."""
        return self.status in (0, 429) or self.status >= 500


def asked(
    method: str,
    url: str,
    *,
    form: bytes = b"",
    headers: Mapping[str, str] | None = None,
    ca: str = "",
    transport: httpx.BaseTransport | None = None,
) -> Answer:
    """The answer to a request; raises `BadSetup` where the file of CAs cannot be used. `transport` stands in for the net."""
    sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    if form:
        sent["Content-Type"] = FORM
    deadline = time.monotonic() + 2 * SECONDS
    try:
        with (
            _client(ca, transport) as client,
            client.stream(method, url, content=form or None, headers=sent) as response,
        ):
            read = bytearray()
            for piece in response.iter_bytes():
                read += piece
                if len(read) > LARGEST or time.monotonic() > deadline:
                    return Answer()
            return Answer(response.status_code, bytes(read))
    except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL):
        return Answer()


def _client(ca: str, transport: httpx.BaseTransport | None) -> httpx.Client:
    try:
        # Made for each request: sign-ins are few, and a changed file of CAs holds at once.
        verify = ssl.create_default_context(cafile=ca or None) if transport is None else True
    except OSError as wrong:  # ssl.SSLError is one as well
        raise BadSetup((f"{ca}: cannot be used for TLS ({wrong.strerror or type(wrong).__name__})",)) from None
    return httpx.Client(verify=verify, transport=transport, trust_env=False, follow_redirects=False, timeout=SECONDS)
