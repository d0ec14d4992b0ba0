"""A proxy before a payer that loses, delays, doubles and garbles by lot, over real sockets; seeded and counted.

What it makes of a submission (of a question the faults that change nothing):

    lost      the payer has it, its answer never comes      late      it arrives only when told to (`deliver`)
    refused   closed before the payer hears of it           error     500, the payer has it not
    after     500, the payer has it                         busy      429 with Retry-After, the payer has it not
    cut       the answer ends in its middle                 page      200 with a login page in place of the answer
    reset     the payer has it, the line is torn down       doubled   it arrives twice (only where that is harmless)
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import socketserver
import ssl
import struct
import threading
from collections import Counter
from random import Random
from typing import ClassVar
from urllib.parse import urlsplit

FAULTS = ("lost", "late", "refused", "error", "after", "busy", "cut", "page", "reset")
QUESTIONED = ("lost", "refused", "error", "busy", "cut", "page", "reset")
DOUBLED = "doubled"
_DROPPED = {"host", "connection", "content-length", "transfer-encoding"}


class Weather(socketserver.ThreadingTCPServer):
    """The proxy. `chance` of a fault for each request; 0 lets everything through.

    `doubles`: requests arrive twice as well. `outside` and `inside` are the TLS contexts towards the sender and the payer.
    """

    daemon_threads = True
    request_queue_size: ClassVar[int] = 128

    def __init__(
        self,
        upstream: str,
        seed: int,
        chance: float,
        *,
        doubles: bool = False,
        outside: ssl.SSLContext | None = None,
        inside: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        parts = urlsplit(upstream)
        self.upstream = (str(parts.hostname), int(parts.port or 80))
        self.base = f"http{'s' if outside else ''}://127.0.0.1:{self.server_address[1]}{parts.path}"
        self.faults = (*FAULTS, DOUBLED) if doubles else FAULTS
        self._outside, self._inside = outside, inside
        self.chance = chance
        self.fired: Counter[str] = Counter()
        self._dice = Random(seed)
        self._turn: Counter[bool] = Counter()
        self._lock = threading.Lock()
        self._held: list[tuple[str, str, bytes, dict[str, str]]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def get_request(self) -> tuple[socket.socket, object]:
        """A connection; its handshake is left to the thread that reads it."""
        line, peer = super().get_request()
        if self._outside is not None:
            line = self._outside.wrap_socket(line, server_side=True, do_handshake_on_connect=False)
        return line, peer

    def draw(self, question: bool) -> str:
        """The fault of a request; empty for none."""
        with self._lock:
            if self._dice.random() >= self.chance:
                self.fired["passed"] += 1
                return ""
            # Each fault in its turn: that all happen is not left to chance.
            self._turn[question] += 1
            kinds = QUESTIONED if question else self.faults
            fault = kinds[self._turn[question] % len(kinds)]
            self.fired[fault] += 1
            return fault

    def hold(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Keep a request that is to arrive late."""
        with self._lock:
            self._held.append((method, path, body, headers))

    def deliver(self) -> int:
        """Let everything arrive that is under way; how many that were."""
        with self._lock:
            held, self._held = self._held, []
        for request in held:
            self.forward(*request)
        return len(held)

    def forward(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]]:
        """The payer's own answer."""
        line = (
            http.client.HTTPSConnection(*self.upstream, timeout=20, context=self._inside)
            if self._inside
            else http.client.HTTPConnection(*self.upstream, timeout=20)
        )
        try:
            line.request(method, path, body, headers)
            answer = line.getresponse()
            return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            line.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is weather."""


class _Talk(socketserver.StreamRequestHandler):
    server: Weather

    def handle(self) -> None:
        request = self.rfile.readline(65536).decode("latin1").split()
        if len(request) != 3:
            return
        headers = {k.lower(): v for k, v in http.client.parse_headers(self.rfile).items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        method, path = request[0], request[1]
        kept = {k: v for k, v in headers.items() if k not in _DROPPED}
        fault = self.server.draw(method == "GET" or path.endswith("_search"))
        if fault == "refused":
            return
        if fault == "late":
            self.server.hold(method, path, body, kept)
            return
        if fault in ("error", "busy"):
            self._say(500 if fault == "error" else 429, b"", {"retry-after": "1"} if fault == "busy" else {})
            return
        status, answer, said = self.server.forward(method, path, body, kept)
        if fault == "lost":
            return
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        if fault == DOUBLED:
            status, answer, said = self.server.forward(method, path, body, kept)
        if fault == "after":
            self._say(500, b"", {})
        elif fault == "page":
            self._say(200, b"<html>Sign in</html>", {"content-type": "text/html"})
        else:
            self._say(status, answer, said, cut=fault == "cut")

    def _say(self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False) -> None:
        told = {
            k: v for k, v in headers.items() if k in ("content-type", "location", "content-location", "retry-after")
        }
        told |= {"content-length": str(len(body)), "connection": "close"}
        lines = [f"HTTP/1.1 {status} Said", *(f"{k}: {v}" for k, v in told.items()), "", ""]
        with contextlib.suppress(OSError):
            self.wfile.write("\r\n".join(lines).encode() + (body[: len(body) // 2] if cut else body))
