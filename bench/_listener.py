"""An MLLP listener in a process of its own, over a store of one of four kinds, for the benchmark of the front door."""

from __future__ import annotations

import contextlib
import resource
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from _clinic import house

from adapters.model.listening import Listening, TlsFiles
from adapters.ports import Receipt, Received
from adapters.serve.logs import configure
from adapters.serve.mllp import Limits, start_listener
from adapters.store import KeyRing, open_store
from adapters.wiring import SystemClock

if TYPE_CHECKING:
    from tests.contracts.authority import Authority

SLOW = 1000
"""Slow peers at once, which a listener must have room for."""


class Nothing:
    """A store that says "stored" and writes nothing: what the listener costs without one."""

    def receive_soon(self, receipt: Receipt) -> Future[Received]:
        """Done at once."""
        done: Future[Received] = Future()
        done.set_result(Received("none", receipt.answer))
        return done


class OneByOne:
    """A store that commits each message by itself, as one that knows no groups does."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._turn = ThreadPoolExecutor(1)

    def receive_soon(self, receipt: Receipt) -> Future[Received]:
        """Done after its own COMMIT."""
        return self._turn.submit(self._store.receive, receipt)


def serve(kind: str, url: str, tls: str) -> None:
    """Listen until standard input ends; the port is the first line said."""
    configure("error")
    raise_limit()
    files = TlsFiles(*(str(Path(tls) / name) for name in ("server.pem", "server.key", "root-ca.pem"))) if tls else None
    limits = Limits(connections=4 * SLOW, per_peer=4 * SLOW, frame_seconds=300)
    with contextlib.ExitStack() as stack:
        store: Any = Nothing()
        if kind != "nothing":
            store = stack.enter_context(open_store(url, KeyRing.ephemeral("bench"), create=True))
        if kind == "one-by-one":
            store = OneByOne(store)
        wired: Any = SimpleNamespace(site=house().site, store=store, clock=SystemClock())
        listener = start_listener(wired, Listening("mosaiq", port=0, tls=files), limits=limits)
        print(listener.port, flush=True)
        sys.stdin.read()
        listener.close()


@dataclass(slots=True)
class Server:
    """A running server, as its senders see it."""

    pid: int
    port: int
    context: ssl.SSLContext | None

    def resident(self) -> float:
        """MiB now."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


@contextlib.contextmanager
def served(kind: str, url: str, authority: Authority | None) -> Iterator[Server]:
    """A server of that kind."""
    tls = str(authority.folder) if authority else ""
    command = [sys.executable, __file__, kind, url, tls]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield Server(process.pid, port, client(str(authority.folder)) if authority else None)
        process.stdin.close()
        assert process.wait(60) == 0


def client(tls: str) -> ssl.SSLContext:
    """What a sender speaks with, by the certificates in that folder."""
    context = ssl.create_default_context(cafile=str(Path(tls) / "root-ca.pem"))
    context.load_cert_chain(Path(tls) / "engine.pem", Path(tls) / "engine.key")
    return context


def raise_limit() -> None:
    """As many open sockets as the system lets this process have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    serve(*sys.argv[1:4])
