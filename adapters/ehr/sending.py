"""HL7 v2 sent by MLLP: one message a connection, its acknowledgement awaited, every outcome a value.

What is not certainly refused or taken stays unknown: it is sent again under the same control id. Nothing of a message or
an answer stands in a log or an exception.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from adapters.errors import BadSetup
from adapters.hl7v2.mllp import Decoder, Frame, wrap
from adapters.hl7v2.question import Heard, reply_of
from adapters.model.desk import Desk
from adapters.model.listening import TlsFiles

NOT_CONNECTED: Final = "not-connected"
"""Nothing was sent: the address does not answer, or shows a certificate that is not to be trusted."""
NO_ANSWER: Final = "no-answer"
"""It was sent, in whole or part, and nothing came back in time."""
LARGEST_ANSWER: Final = 256 * 1024
"""Bytes of an acknowledgement that are read."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message. `problem` is empty where it was taken."""

    problem: str = ""
    """`not-connected`, `no-answer`, `broken-answer`, `other-answer`, or `refused-` and MSA-1."""
    words: str = ""
    """Why it was refused, in the desk's words without the patient."""


class Sends(Protocol):
    """Takes a message to a desk."""

    def send(self, desk: Desk, message: str, control: str) -> Sent:
        """Send the message with this control id, and hear what became of it."""
        ...


class MllpSender:
    """Speaks MLLP to desks. Safe to use from several threads."""

    def send(self, desk: Desk, message: str, control: str) -> Sent:
        """Send one message. Answers to others are passed over until the time is up.

        Raises `BadSetup` where the certificate files cannot be used.
        """
        context = _context(desk.tls) if desk.tls is not None else None
        try:
            plain = socket.create_connection((desk.host, desk.port), timeout=desk.timeout_seconds)
        except (OSError, UnicodeError):  # a name that is none raises UnicodeError
            return Sent(NOT_CONNECTED)
        with contextlib.closing(plain):
            try:
                wire = context.wrap_socket(plain, server_hostname=desk.server_name or desk.host) if context else plain
            except (OSError, ValueError):
                return Sent(NOT_CONNECTED)
            with contextlib.closing(wire):
                return _exchanged(wire, desk.timeout_seconds, message, control)


def _exchanged(wire: socket.socket, seconds: float, message: str, control: str) -> Sent:
    deadline = time.monotonic() + seconds
    decoder = Decoder(LARGEST_ANSWER)
    heard = Sent(NO_ANSWER)
    try:
        wire.settimeout(seconds)
        wire.sendall(wrap(message.encode()))
        while (left := deadline - time.monotonic()) > 0 and not decoder.closed:
            wire.settimeout(left)
            read = wire.recv(65536)
            if not read:
                return heard
            for found in decoder.feed(read):
                if not isinstance(found, Frame):
                    heard = Sent(Heard.BROKEN)
                    continue
                reply = reply_of(found.payload, control, message)
                if reply.heard is Heard.ACCEPTED:
                    return Sent()
                if reply.heard is Heard.REFUSED:
                    return Sent(f"refused-{reply.code}", reply.words)
                heard = Sent(reply.heard)
    except OSError:  # timeouts and errors of TLS are some of them
        return heard
    return heard


def _context(files: TlsFiles) -> ssl.SSLContext:
    """Our certificate, and trust in the engine's CAs alone. Raises `BadSetup`."""
    try:
        if stat.S_IMODE(Path(files.key).stat().st_mode) & 0o077:
            raise BadSetup((f"{files.key}: others may read the key: chmod 600",))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(files.ca)
        context.load_cert_chain(files.certificate, files.key, lambda: "")
    except (OSError, ValueError) as unusable:  # SSLError is an OSError
        raise BadSetup((f"{files.certificate}: cannot be used ({type(unusable).__name__})",)) from None
    return context
