"""An integration engine of the tests on a real socket: it keeps what arrives, and answers as it is told to."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from adapters.hl7v2.mllp import Decoder, Frame, wrap
from adapters.hl7v2.reader import Message


@dataclass
class Engine:
    """What came, and how the next messages are answered; AA where nothing is said.

    `silent`, `reset` (after the message was read), `garbage`, `cut` (half a frame), `other` (an answer to another message
    alone), `other-first`, or MSA-1 with words behind a colon.
    """

    port: int = 0
    answers: list[str] = field(default_factory=list)
    came: list[Message] = field(default_factory=list)

    def seen(self, segment: str, number: int) -> list[str]:
        """A field of each message that came."""
        return [found.text(number) if (found := one.first(segment)) else "" for one in self.came]

    def raw(self) -> list[bytes]:
        """The bytes of each message that came."""
        return [one.raw for one in self.came]

    def take(self, peer: socket.socket) -> None:
        """One connection, to its end."""
        decoder = Decoder()
        peer.settimeout(5)
        while read := peer.recv(65536):
            for found in decoder.feed(read):
                assert isinstance(found, Frame)
                self.came.append(Message.parse(found.payload))
                if not self.answer(peer, self.answers.pop(0) if self.answers else "AA"):
                    return

    def answer(self, peer: socket.socket, how: str) -> bool:
        """Answer the last message; whether the connection is kept."""
        header = self.came[-1].first("MSH")
        control = header.text(10) if header else ""
        if how == "silent":
            return True
        if how == "reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if how == "garbage":
            peer.sendall(b"\x0bthis is no acknowledgement\x1c\r")
            return False
        if how == "cut":
            peer.sendall(wrap(acked("AA", control))[:-12])
            return False
        if how.startswith("other"):
            peer.sendall(wrap(acked("AA", "ANOTHER")))
            if how == "other":
                return False
            how = "AA"
        code, _, words = how.partition(":")
        peer.sendall(wrap(acked(code, control, words)))
        return True


def acked(code: str, control: str, words: str = "") -> bytes:
    """An acknowledgement."""
    return f"MSH|^~\\&|ENG|X|ONCOCLAIMS|Y|20260118||ACK|A1|P|2.5.1\rMSA|{code}|{control}|{words}\r".encode()


@contextmanager
def listening(engine: Engine, context: ssl.SSLContext | None = None) -> Iterator[Engine]:
    """The engine on a free port of this machine; with a context by TLS."""
    server = socket.create_server(("127.0.0.1", 0))
    engine.port = server.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                try:
                    with context.wrap_socket(peer, server_side=True) if context else peer as wire:
                        engine.take(wire)
                except OSError:
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield engine
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)
