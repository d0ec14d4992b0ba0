"""A server of one answer: whatever bytes a test wants to see on the wire, and what was asked of it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from adapters.model.site import Payer, PayerEndpoint
from adapters.payers import PayerClient


@dataclass
class Wire:
    """A listener that answers each connection with the next of its scripts; `asked` are the requests as bytes."""

    scripts: list[Callable[[socket.socket], None]]
    asked: list[bytes] = field(default_factory=list)
    base: str = ""

    def payer(self, **over: object) -> Payer:
        said = {"base_url": f"{self.base}/fhir", "timeout_seconds": 0.5, "attempts": 3} | over
        return Payer("lakeside", "Lakeside Mutual", "commercial", endpoint=PayerEndpoint(**said))


def request(connection: socket.socket) -> bytes:
    """One HTTP request with its body."""
    read = b""
    while b"\r\n\r\n" not in read:
        piece = connection.recv(65536)
        if not piece:
            return read
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    length = next((int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    """`wire(answer, …)`: bytes to send, or a function of the connection; the last one stands for all that follow."""
    stops = []

    def make(*answers: bytes | Callable[[socket.socket], None]) -> Wire:
        scripts = [a if callable(a) else (lambda c, a=a: c.sendall(a)) for a in answers]
        one = Wire(scripts)
        listener = socket.create_server(("127.0.0.1", 0))
        one.base = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    one.asked.append(request(connection))
                    script = one.scripts.pop(0) if len(one.scripts) > 1 else one.scripts[0]
                    script(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        def stop() -> None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(5)

        stops.append(stop)
        return one

    yield make
    for stop in stops:
        stop()


@pytest.fixture
def client() -> Iterator[tuple[PayerClient, list[float]]]:
    """A client that notes its waits instead of waiting."""
    slept: list[float] = []
    with PayerClient(sleep=slept.append) as made:
        yield made, slept


@pytest.fixture
def answer() -> Callable[..., bytes]:
    """`answer(status, body, header=…)`: an HTTP answer as bytes."""

    def make(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body

    return make
