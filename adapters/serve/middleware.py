"""Around every request: what is logged of it, what a fault of ours shows of itself, and who may ask at all."""

from __future__ import annotations

import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.fhir import wire
from adapters.fhir.outcome import operation_outcome
from adapters.fhir.problem import Problem
from adapters.payers.origin import is_loopback
from adapters.serve.logs import log

_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Contained:
    """Logs method, route and status (never path or query: both may name a patient), and contains exceptions.

    Of a page it says who looked (`user`) and at what by an id of ours (`about`): 45 CFR 164.312(b), audit controls.

    An exception becomes a 500 without a word of its text and a log line with its class; it goes no further, because a
    server's traceback would quote what it choked on. Answers that say nothing else are not to be stored by anyone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message.get("headers", [])}
                added = [(name, value) for name, value in _HEADERS if name not in present]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:  # noqa: BLE001  # see above
            log().error("unexpected", listener="http", error=type(error).__name__)
            if not status:
                await _plain(noted, 500, Problem("exception", "something went wrong here; nothing was taken"))
        finally:
            route = getattr(scope.get("route"), "path", "none")
            milliseconds = round(1000 * (time.monotonic() - began))
            looked = {name: said for name in ("user", "about") if (said := scope.get("state", {}).get(name))}
            told = {"method": scope["method"], "route": route, "status": status, "milliseconds": milliseconds}
            log().info("answered", **told, **looked)


class LoopbackOnly:
    """Answers only requests that name this machine as their host.

    A page of the web could let its own name point here, and a browser on this machine would then hand it every answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(named) != 1 or not is_loopback(_without_port(named[0])):
                await _plain(send, 421, Problem("forbidden", "this server answers for this machine only"))
                return
        await self._app(scope, receive, send)


def _without_port(host: str) -> str:
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]


async def _plain(send: Send, status: int, problem: Problem) -> None:
    body = wire.dumps(operation_outcome((problem,)))
    headers = [(b"content-type", b"application/fhir+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
