"""The EHR's side of the wire: an MLLP sender, a FHIR poster, and the playing of a story.

Like real senders it sends one message at a time, waits for the answer, compares MSA-2 with MSH-10 byte for
byte, and sends the same bytes again when no answer comes.
"""

import itertools
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import httpx

from fhir_server_stub.course import Outgoing, Story
from fhir_server_stub.wire import Json, dumps

_START, _END = b"\x0b", b"\x1c\r"
_ACCEPTED = {"AA", "CA"}


class UnansweredError(Exception):
    """No answer came, however often the message was sent; carries the control id, never the message."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The receiver's answer to one message: MSA-1, whether MSA-2 was ours, and how often we sent it."""

    control_id: str
    code: str
    matches: bool
    attempts: int
    raw: bytes

    @property
    def accepted(self) -> bool:
        """AA or CA for the message that was sent."""
        return self.matches and self.code in _ACCEPTED


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one message: `answer` is MSA-1 or the HTTP status; `attempts` counts the sendings."""

    message: Outgoing
    accepted: bool
    answer: str
    attempts: int


def send_mllp(
    host: str, port: int, messages: Iterable[bytes], *, timeout: float = 5.0, attempts: int = 3
) -> tuple[Ack, ...]:
    """Send messages in order over one connection, each after the answer to the one before.

    A closed connection or silence for `timeout` seconds opens a new connection and repeats the same bytes.
    Raises UnansweredError after `attempts` sendings of one message; OSError does not leave this function.
    """
    with _Line(host, port, timeout) as line:
        return tuple([_deliver(line, message, attempts) for message in messages])


def post_bundle(
    fhir_base: str,
    bundle: Json | bytes,
    *,
    timeout: float = 10.0,
    attempts: int = 3,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """POST a Bundle to the base (`http://host:port/fhir`); no answer, 429 or 5xx repeats the same bytes.

    Returns the last answer, whatever its status; `response.extensions["attempts"]` counts the sendings.
    Raises UnansweredError when no answer came at all.
    """
    body = bundle if isinstance(bundle, bytes) else dumps(bundle)
    sent = {"content-type": "application/fhir+json", "accept": "application/fhir+json"} | (headers or {})
    # A proxy of the machine has no business between two programs on loopback.
    with httpx.Client(timeout=timeout, trust_env=False) as client:
        response: httpx.Response | None = None
        for attempt in range(1, attempts + 1):
            try:
                response = client.post(fhir_base, content=body, headers=sent)
            except httpx.TransportError:
                continue
            response.extensions["attempts"] = attempt
            if response.status_code != 429 and response.status_code < 500:
                break
    if response is None:
        raise UnansweredError(f"no answer to a Bundle after {attempts} sendings")
    return response


def play(
    story: Story,
    *,
    mllp: tuple[str, int],
    fhir_base: str,
    until: datetime,
    since: datetime | None = None,
    timeout: float = 5.0,
    attempts: int = 3,
    headers: dict[str, str] | None = None,
) -> tuple[Sent, ...]:
    """Send, in the story's order, what leaves after `since` (or from the beginning) and up to `until`.

    Raises UnansweredError like the two senders; what was sent before stays sent, and may be sent again.
    """
    due = [m for m in story.messages if m.at <= until and (since is None or m.at > since)]
    log: list[Sent] = []
    for channel, run in itertools.groupby(due, key=lambda message: message.channel):
        messages = list(run)
        if channel == "mllp":
            bodies = [message.wire for message in messages]
            acks = send_mllp(*mllp, bodies, timeout=timeout, attempts=attempts)
            log += [
                Sent(message, ack.accepted, ack.code, ack.attempts) for message, ack in zip(messages, acks, strict=True)
            ]
            continue
        for message in messages:
            answer = post_bundle(fhir_base, message.wire, timeout=timeout, attempts=attempts, headers=headers)
            tries = int(answer.extensions["attempts"])
            log.append(Sent(message, answer.is_success, str(answer.status_code), tries))
    return tuple(log)


class _Line:
    """One connection, opened when first needed and again after it was lost."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.address, self.timeout = (host, port), timeout
        self.socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def ask(self, message: bytes) -> bytes:
        """Send one block and read the one that answers it; OSError (TimeoutError) when none comes."""
        if self.socket is None:
            self.socket = socket.create_connection(self.address, self.timeout)
        self.socket.sendall(_START + message + _END)
        answer = b""
        while _END not in answer:
            read = self.socket.recv(65536)
            if not read:
                raise ConnectionError("closed before an answer")
            answer += read
        return answer.partition(_START)[2].partition(_END)[0]

    def drop(self) -> None:
        """Close; a late answer on an old connection must never be taken for the next message's."""
        if self.socket:
            self.socket.close()
            self.socket = None


def _deliver(line: _Line, message: bytes, attempts: int) -> Ack:
    control_id = message.split(b"\r", 1)[0].split(b"|")[9].decode()
    for attempt in range(1, attempts + 1):
        try:
            raw = line.ask(message)
        except OSError:
            line.drop()
            continue
        code, echoed = _acknowledgement(raw)
        return Ack(control_id, code, echoed == control_id, attempt, raw)
    raise UnansweredError(f"no answer to message {control_id} after {attempts} sendings")


def _acknowledgement(raw: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-2 of an answer; empty texts where there is no MSA."""
    for segment in raw.decode("utf-8", "replace").split("\r"):
        fields = segment.split("|")
        if fields[0] == "MSA" and len(fields) > 2:
            return fields[1], fields[2]
    return "", ""
