"""HTTPS beyond this machine: TLS from the site's files, and connections that may not wait for ever to say what they want."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from adapters.model.web import WebListening
from adapters.serve import metrics
from adapters.serve.tls import Certificates

HEAD_SECONDS: Final = 10.0
"""How long a connection may take to say what it wants, from its beginning or from its last answer."""
CONNECTIONS: Final = 256
PER_PEER: Final = 64
"""Open connections of one address; one more is closed."""


def context_of(web: WebListening) -> ssl.SSLContext:
    """The TLS context of the listener; changed files hold from the next connection on. Raises `BadSetup`."""
    certificates = Certificates("https", web.tls)
    context = certificates.context

    def newest(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = certificates.context

    context.sni_callback = newest  # called for clients without a name as well
    return context


def config_of(app: ASGIApp, web: WebListening, *, grace: int) -> uvicorn.Config:
    """How the server runs; `grace` seconds are given to requests at hand when it ends. Raises `BadSetup`."""
    context = context_of(web)

    def made(*args: Any, **named: Any) -> Door:
        return Door(web.admits, *args, **named)

    def ours(_config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        return context

    return uvicorn.Config(
        app,
        http=made,  # type: ignore[arg-type]  # called as a class is
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=grace,
        ssl_context_factory=ours,
    )


class Door(HttpToolsProtocol):
    """A connection: refused from other networks and beyond so many of one address, and ended if it says nothing."""

    def __init__(self, admits: Callable[[str], bool], *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._admits = admits
        self._patience: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> str:
        """The address of the other end."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """TLS is done; nothing was asked yet."""
        super().connection_made(transport)
        peer = self.peer
        mine = sum(isinstance(other, Door) and other.peer == peer for other in self.connections)
        if not self._admits(peer) or mine > PER_PEER:
            metrics.FAULTS.labels("https", "not-admitted").inc()
            transport.abort()
            return
        self._begin()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, or what stands between two of them."""
        if not self._at_work():
            self._begin()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """It said what it wants; how long its body may take is the application's to say."""
        self._end()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._end()
        super().connection_lost(exc)

    def _at_work(self) -> bool:
        """Whether a request is being answered."""
        asked: RequestResponseCycle | None = self.cycle  # none before the first request, whatever its type says
        return asked is not None and not asked.response_complete

    def _begin(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _end(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        metrics.FAULTS.labels("https", "slow-head").inc()
        self.transport.abort()
