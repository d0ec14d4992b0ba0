"""MLLP framing without I/O: bytes of a connection in, frames and faults out (HL7 transport, MLLP release 1).

A block is 0x0B, the payload, 0x1C 0x0D. The decoder is told bytes as they come and answers with what became
complete; sockets, deadlines and acknowledgements are the listener's.

Decisions where the specification is silent:

* Anything between blocks (CR, LF, NUL, left-overs) is skipped and counted; some engines send it (Mirth #249).
* A start byte inside a block is content, unless a header segment (MSH, BHS, FHS) follows it at once: then the
  sender broke off and began anew; the broken block becomes a `cut-frame` fault with its bytes. A vertical tab
  pasted from a word processor must not make a message unacknowledgeable for ever.
* 0x1C followed by the next start byte ends a block too (the sender forgot the CR). Any other 0x1C is content.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

START = b"\x0b"
END = b"\x1c"
CR = b"\r"

DEFAULT_LIMIT = 32 * 1024 * 1024
"""Longest payload in bytes that is taken by default."""
KEPT = 4096
"""How many bytes of refused input a fault keeps, and how much noise a peer may send between frames."""

_HEADS = (b"MSH", b"BHS", b"FHS")
_IDLE = b"\x00\t\n\r"
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"\x16\x03", "a TLS handshake on a plain listener"),
    *((verb + b" ", "an HTTP request on an MLLP listener") for verb in (b"GET", b"PUT", b"POST", b"HEAD")),
    *((verb + b" ", "an HTTP request on an MLLP listener") for verb in (b"PATCH", b"DELETE", b"OPTIONS")),
    *((verb + b" ", "an HTTP request on an MLLP listener") for verb in (b"TRACE", b"CONNECT", b"PRI")),
    *((head, "HL7 text without a start byte") for head in _HEADS),
)
_LONGEST_STRANGER = max(len(prefix) for prefix, _ in _STRANGERS)


class FaultKind(StrEnum):
    """What was wrong with the stream; stable codes for counters and the quarantine."""

    CUT_FRAME = "cut-frame"
    UNFINISHED = "unfinished-frame"
    TOO_LONG = "too-long"
    NOT_MLLP = "not-mllp"


@dataclass(frozen=True, slots=True)
class Frame:
    """One complete block: the payload without its framing bytes."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """Input that is no frame. `kept` are its bytes for the quarantine: all of a cut or unfinished frame, else
    the first 4 kB.

    After `too-long` and `not-mllp` the decoder is closed: the listener answers (or not) and hangs up.
    `words` never quotes the input.
    """

    kind: FaultKind
    words: str
    kept: bytes = field(repr=False)


def wrap(payload: bytes) -> bytes:
    """`payload` as one block. ValueError if it holds a framing byte, which could cut it in two."""
    if START in payload or END in payload:
        raise ValueError("the payload holds an MLLP framing byte")
    return START + payload + END + CR


class Decoder:
    """The unfinished block of one connection. Time is linear in the bytes fed, however they are cut.

    `limit` is the longest payload taken, in bytes. `skipped` counts the bytes ignored between blocks,
    `closed` says that a fault ended the conversation; further bytes are then ignored.
    """

    __slots__ = ("_buffer", "_in_block", "_limit", "_noise", "_opening", "_scanned", "closed", "skipped")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        """A decoder at the start of a connection; ValueError for a limit below one byte."""
        if limit < 1:
            raise ValueError("the limit must be at least one byte")
        self._limit = limit
        self._buffer = bytearray()  # between feeds: the payload so far while in a block, else empty
        self._in_block = False
        self._scanned = 0  # how much of the buffer is known to hold no framing
        self._noise = bytearray()  # bytes other than idle ones since the last block, at most KEPT
        self._opening = True  # no block has begun yet on this connection
        self.skipped = 0
        self.closed = False

    @property
    def in_frame(self) -> bool:
        """Whether a block has begun and not ended: the listener's whole-frame deadline runs."""
        return self._in_block

    def feed(self, data: bytes) -> list[Frame | Fault]:
        """Take the next bytes of the connection; return, in order, what they completed."""
        found: list[Frame | Fault] = []
        if self.closed:
            return found
        self._buffer += data
        begin: int | None = 0
        while begin is not None and not self.closed:
            begin = self._next_event(begin, found) if self._in_block else self._next_block(begin, found)
        return found

    def eof(self) -> Fault | None:
        """The peer closed the connection: the unfinished block as a fault, or None between blocks."""
        if not self._in_block:
            return None
        kept = bytes(self._buffer)
        self._shut()
        return Fault(FaultKind.UNFINISHED, f"the connection ended {len(kept)} bytes into a frame", kept)

    def _next_block(self, at: int, found: list[Frame | Fault]) -> int | None:
        """Skip to the next start byte from `at`; where its payload begins, or None if there is none yet."""
        start = self._buffer.find(START, at)
        stop = len(self._buffer) if start < 0 else start
        if stop > at:
            fault = self._skip(bytes(self._buffer[at:stop]))
            if fault is not None:
                found.append(fault)
                return None
        if start < 0:
            self._buffer.clear()
            return None
        self._in_block = True
        self._opening = False
        self._noise.clear()
        self._scanned = start + 1
        return start + 1

    def _next_event(self, begin: int, found: list[Frame | Fault]) -> int | None:
        """What happens next to the block at `begin`: it ends, is broken off, or needs more bytes."""
        buffer = self._buffer
        position = self._scanned
        while True:
            end = buffer.find(END, position)
            restart = self._restart(position, len(buffer) if end < 0 else end)
            if restart is not None:
                return self._break_off(begin, restart, found)
            if end < 0 or end + 1 >= len(buffer):
                break
            if buffer[end + 1] in (CR[0], START[0]):
                if self._over(begin, end, found):
                    return None
                found.append(Frame(bytes(buffer[begin:end])))
                self._in_block = False
                return end + 2 if buffer[end + 1] == CR[0] else end + 1
            position = end + 1
        certain = len(buffer) - self._undecided_tail(begin)
        if self._over(begin, certain, found):
            return None
        del buffer[:begin]
        self._scanned = certain - begin
        return None

    def _break_off(self, begin: int, restart: int, found: list[Frame | Fault]) -> int | None:
        """The block at `begin` was given up by its sender for a new one at `restart`."""
        broken = bytes(self._buffer[begin:restart])
        if not broken.strip(START):
            self.skipped += len(broken) + 1  # only a start byte said several times
        elif self._over(begin, restart, found):
            return None
        else:
            words = f"a new frame began {len(broken)} bytes into an unfinished one"
            found.append(Fault(FaultKind.CUT_FRAME, words, broken))
        self._scanned = restart + 1
        return restart + 1

    def _restart(self, position: int, stop: int) -> int | None:
        """Where a start byte with a header segment after it stands in [position, stop), if anywhere."""
        at = self._buffer.find(START, position, stop)
        while at >= 0:
            if self._buffer[at + 1 : at + 4] in _HEADS:
                return at
            at = self._buffer.find(START, at + 1, stop)
        return None

    def _undecided_tail(self, begin: int) -> int:
        """How many of the last bytes may turn out to be framing once more has come."""
        for length in range(min(3, len(self._buffer) - begin), 0, -1):
            tail = bytes(self._buffer[-length:])
            if tail == END or (tail[:1] == START and any(head.startswith(tail[1:]) for head in _HEADS)):
                return length
        return 0

    def _over(self, begin: int, end: int, found: list[Frame | Fault]) -> bool:
        if end - begin <= self._limit:
            return False
        kept = bytes(self._buffer[begin : begin + min(KEPT, self._limit)])
        found.append(Fault(FaultKind.TOO_LONG, f"a frame is longer than {self._limit} bytes", kept))
        self._shut()
        return True

    def _skip(self, junk: bytes) -> Fault | None:
        """Count bytes between blocks; a fault if they show that the peer does not speak MLLP."""
        self.skipped += len(junk)
        noise = junk.translate(None, _IDLE)
        if not noise:
            return None
        fits = KEPT - len(self._noise)
        self._noise += noise[:fits]
        words = ""
        if self._opening:
            first = bytes(self._noise[:_LONGEST_STRANGER])
            words = next((told for prefix, told in _STRANGERS if first.startswith(prefix)), "")
        if not words and len(noise) > fits:
            words = f"more than {KEPT} bytes without a start byte"
        if not words:
            return None
        kept = bytes(self._noise)
        self._shut()
        return Fault(FaultKind.NOT_MLLP, words, kept)

    def _shut(self) -> None:
        self.closed = True
        self._in_block = False
        self._buffer.clear()
        self._noise.clear()
