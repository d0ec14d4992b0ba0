"""Servers in threads, and the whole service until it is told to stop."""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from adapters.ehr import EhrClient
from adapters.ehr.sending import MllpSender
from adapters.errors import BadSetup
from adapters.model.listening import Listening
from adapters.model.web import WebListening
from adapters.pages.links import Links
from adapters.payers.origin import is_loopback
from adapters.serve import https
from adapters.serve.asking import Asking
from adapters.serve.desks import Desks
from adapters.serve.gate import Gate
from adapters.serve.health import create_health_app
from adapters.serve.http import create_app
from adapters.serve.lanes import Lanes
from adapters.serve.logs import configure, log
from adapters.serve.middleware import LoopbackOnly
from adapters.serve.mllp import listener_problems, shown, start_listener
from adapters.serve.wired import Wired

ROLES: Final = ("intake", "worker", "payer", "web")
"""intake: the MLLP listener; worker: reads what came; payer: does what is due; web: FHIR, HL7 over HTTP, the page."""
GRACE: Final = 20
"""Seconds that requests at hand are given when the service ends."""


@contextlib.contextmanager
def serving(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve an application in a thread; gives its address. Port 0 takes a free one.

    Raises `BadSetup` for an address that cannot be had, and for any beyond this machine: there is no authentication.
    """
    if not is_loopback(host):
        needed = "beyond this machine [web] with certificates, and [[clients]], in the site file open HTTPS"
        raise BadSetup((f"HTTP on {host} has no authentication: {needed}",))
    with _running("http", _config(app), host, port) as bound:
        yield f"http://{_shown(host)}:{bound}"


@contextlib.contextmanager
def serving_outside(app: FastAPI, web: WebListening) -> Iterator[str]:
    """Serve an application that asks for tokens, by HTTPS where the site says; gives its address on this machine.

    Raises `BadSetup` for certificates that cannot be used, and for an address that cannot be had.
    """
    with _running("https", https.config_of(app, web, grace=GRACE), web.host, web.port) as bound:
        yield f"https://{_shown(web.host)}:{bound}"


@contextlib.contextmanager
def _running(name: str, config: uvicorn.Config, host: str, port: int) -> Iterator[int]:
    """Run a server in a thread of that name; gives its port."""
    listener = _bound(host, port)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=name, daemon=True)
    thread.start()
    try:
        _wait_for(server, thread)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=GRACE + 5)
        listener.close()


def serve_all(
    wired: Wired,
    roles: Collection[str] = ROLES,
    *,
    host: str = "127.0.0.1",
    mllp_port: int = 2575,
    http_port: int = 8000,
    health_port: int = 8080,
    lanes: Lanes | None = None,
    fhir_feed: str = "",
    links: Links | None = None,
    gate: Gate | None = None,
    tell: Callable[[str], None] = lambda _address: None,
    log_level: str = "info",
) -> None:
    """Run these roles until SIGTERM or SIGINT; then stop listening, finish what was taken, and return.

    `tell` is given the address of the pages' one-time link where `links` is given and the web role runs.

    `gate` is needed where the web role runs and the site file has `[web]`; FHIR and HL7 then come in by HTTPS as well.

    Ports of 0 take free ones; `mllp_port` is for sites whose file lists no listeners. Raises `BadSetup` where a listener
    cannot be had.
    """
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise BadSetup(tuple(f"there is no role {role!r}" for role in unknown))
    configure(log_level)
    # The site file's listeners; without any, one for this machine.
    doors = wired.site.listeners or (Listening("mllp", host, mllp_port),)
    if "intake" in roles and (problems := listener_problems(doors)):
        raise BadSetup(problems)
    if "web" in roles and wired.site.web is not None and gate is None:
        raise BadSetup(("the site has an HTTPS listener, and nobody who looks at tokens",))
    worker = lanes or Lanes(wired.store, wired.house, wired.payers, wired.clock)
    with contextlib.ExitStack() as stack:
        told = stack.enter_context(_told_to_stop())
        checks = {"lanes": lambda: worker.running}
        # Ended in the reverse order: doors first, then the lanes behind them.
        worker.start([role for role in roles if role in ("worker", "payer")])
        stack.callback(worker.stop)
        stack.callback(wired.payers.hurry)
        client = stack.enter_context(EhrClient())
        asking = Asking(wired, client, wake=worker.wake)
        if "payer" in roles:
            stack.enter_context(asking.going_on())
            stack.enter_context(Desks(wired, MllpSender()).going_on())
        if "web" in roles:
            app = create_app(wired, fhir_feed=fhir_feed, wake=worker.wake, links=links, news=asking.tell)
            address = stack.enter_context(serving(app, host, http_port))
            if links is not None:
                tell(f"{address}/open/{links.issue(wired.clock.now())}")
            log().info("listening", listener="http", host=host, port=int(address.rpartition(":")[2]))
            if gate is not None:
                outside = create_app(wired, wake=worker.wake, gate=gate, news=asking.tell)
                address = stack.enter_context(serving_outside(outside, gate.web))
                log().info("listening", listener="https", host=gate.web.host, port=int(address.rpartition(":")[2]))
        if "intake" in roles:
            for said in doors:
                listener = start_listener(wired, said, wake=worker.wake)
                stack.callback(listener.close)
                checks[said.name] = functools.partial(getattr, listener, "accepting")
        notes = [note for note in map(shown, doors) if note] if "intake" in roles else []
        health = create_health_app(wired, lanes=worker, checks=checks, notes=notes)
        address = stack.enter_context(serving(health, "127.0.0.1", health_port))
        log().info("listening", listener="health", host="127.0.0.1", port=int(address.rpartition(":")[2]))
        # Handlers run in this thread, which nothing wakes when the system gave the signal to another one: look up.
        while not told.wait(1.0):
            pass
        log().info("stopping")
    log().info("stopped")


@contextlib.contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, where this is the main thread; the handlers before are put back."""
    told = threading.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        told.set()

    if threading.current_thread() is not threading.main_thread():
        yield told
        return
    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadSetup((f"HTTP on {host}:{port}: {error.strerror or type(error).__name__}",)) from None
    # Listening at once: whoever reads the address may connect before the server has started.
    listener.listen(256)
    return listener


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        LoopbackOnly(app),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=256,
        timeout_graceful_shutdown=GRACE,
    )


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _wait_for(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + 10
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise BadSetup(("the HTTP server does not start",))
        time.sleep(0.002)
