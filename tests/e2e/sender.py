"""A foreign sender (python-hl7's client), which sends until it has its answer, and the books it keeps of that."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from hl7.client import MLLPClient


@dataclass(frozen=True, slots=True)
class Try:
    """One frame that was sent, and what came back: the code of MSA-1 with the message that MSA-2 names, or nothing."""

    control: str
    digest: str
    code: str = ""
    named: str = ""


def tried(control: str, payload: bytes, answer: bytes) -> Try:
    """A frame with its answer (empty: the connection ended instead)."""
    said = next((s.split(b"|") for s in answer.split(b"\r") if s.startswith(b"MSA|")), [b"MSA", b"", b""])
    return Try(control, hashlib.sha256(payload).hexdigest(), said[1].decode(), said[2].decode())


class _Client(MLLPClient):  # type: ignore[misc]
    """The client on a connection that is there: its own constructor leaves a socket open where nobody listens."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.encoding = "utf-8"


@dataclass(slots=True)
class Sender:
    """Sends what it is given, in order, one message at a time, and again until it is answered."""

    port: int
    pause: float = 0.05
    """Seconds before it connects again."""
    tries: list[Try] = field(default_factory=list)
    acked: dict[str, bytes] = field(default_factory=dict)
    """Control id → the message, of all that were acknowledged with AA."""
    _queue: SimpleQueue[tuple[str, bytes] | None] = field(default_factory=SimpleQueue)
    _waiting: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Sender:
        """Begin in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()
        return self

    def send(self, control: str, payload: bytes) -> None:
        """Have this sent, after what waits already."""
        self._waiting += 1
        self._queue.put((control, payload))

    @property
    def waiting(self) -> int:
        """How many messages have no answer yet."""
        return self._waiting

    def end(self) -> None:
        """Stop, whatever waits."""
        self._stop.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(30)

    def _run(self) -> None:
        client: _Client | None = None
        while (job := self._queue.get()) is not None:
            control, payload = job
            while not self._stop.is_set():
                client, answer = self._once(client, payload)
                if answer is not None:
                    one = tried(control, payload, answer)
                    self.tries.append(one)
                    if one.code:
                        if one.code == "AA":
                            self.acked[control] = payload
                        self._waiting -= 1
                        break
                self._stop.wait(self.pause)
        if client is not None:
            client.close()

    def _once(self, client: _Client | None, payload: bytes) -> tuple[_Client | None, bytes | None]:
        """The answer, empty where the connection ended instead; None where nothing could be sent."""
        if client is None:
            try:
                client = _Client(self.port)
            except OSError:
                return None, None
        try:
            answer = bytes(client.send_message(payload))
        except OSError:
            answer = b""
        if not answer:
            client.close()
            return None, b""
        return client, answer


def unexplained(tries: Sequence[Try], journal: Iterable[Any]) -> list[str]:
    """P2, nothing vanishes: frames in = answered and stored + connection errors. A line for each frame or entry of the
    journal (`SqlStore.messages`) that this leaves unexplained; empty when all is accounted for.

    What was answered is stored, exactly once however often it was sent, and also where it was refused (AR: kept unread);
    what was never answered may be stored or not; nothing is in the journal that nobody sent.
    """
    stored = Counter(line.digest for line in journal if line.kind == "message")
    sent = {one.digest for one in tries}
    wrong = [f"{one.control}: the answer names {one.named!r}" for one in tries if one.code and one.named != one.control]
    wrong += [
        f"{one.control}: answered {one.code}, not stored" for one in tries if one.code and one.digest not in stored
    ]
    wrong += [f"{digest}: stored {number} times" for digest, number in stored.items() if number != 1]
    wrong += [f"{digest}: stored, and nobody sent it" for digest in stored if digest not in sent]
    return wrong


def wait_for(asked: Callable[[], object], seconds: float, pause: float = 0.01) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not asked():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
