"""One MLLP conversation: read, store, acknowledge in order, until either side ends it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from adapters.errors import StoreDown
from adapters.hl7v2.envelope import Envelope
from adapters.hl7v2.mllp import Decoder, Fault, FaultKind, Frame, wrap
from adapters.model.listening import LARGEST_FRAME, Listening
from adapters.serve import metrics
from adapters.serve.logs import log

_LINGER: Final = 2.0
"""Seconds that are listened to a peer after the last answer to it."""
_CLOSING: Final = 5.0
"""Seconds that the last bytes may take to leave."""
_PIECE: Final = 65536
_UNREAD: Final = 65536
"""Bytes of acknowledgements that the system may hold for a peer which does not read them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may ask of the listener. Times in seconds, sizes in bytes."""

    frame: int = LARGEST_FRAME
    frame_seconds: float = 30.0
    """From the first byte of a frame to its last, however slowly they drip."""
    idle_seconds: float = 3600.0
    """Between two frames; engines keep connections open over a quiet night."""
    answer_seconds: float = 30.0
    """How long a peer may leave its acknowledgements unread."""
    connections: int = 256
    per_peer: int = 64
    handshake_seconds: float = 10.0
    retry_seconds: float = 1.0
    """First pause before a store that was down is asked again; doubled up to half a minute."""
    watch_seconds: float = 10.0
    """How often changed certificate files are looked for while nobody connects."""
    later_seconds: float = 0.25
    """How often it is asked whether a message that is owed an application acknowledgement has been worked."""
    later_at_most: float = 600.0
    """After how long that acknowledgement is not given any more."""

    @classmethod
    def of(cls, said: Listening) -> Limits:
        """The limits of a listener of the site file."""
        return cls(
            frame=said.frame_bytes,
            frame_seconds=said.frame_seconds,
            idle_seconds=said.idle_seconds,
            connections=said.connections,
            per_peer=said.per_peer,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a message gets now (b"" for nothing), and whether more follows when the entry has been worked."""

    now: bytes
    entry: str = ""
    later: Envelope | None = None


class Desk(Protocol):
    """What a conversation hands its messages to."""

    @property
    def limits(self) -> Limits:
        """What one peer may ask."""
        ...

    async def answer(self, payload: bytes, peer: str) -> Answer:
        """Store a message and give its acknowledgement; raises `StoreDown`: then give none."""
        ...

    async def keep(self, fault: Fault, peer: str) -> None:
        """Put what is no frame where people see it; nothing is acknowledged by that."""
        ...

    def too_long(self, fault: Fault) -> bytes:
        """The one negative answer to a frame over the limit."""
        ...

    async def when_worked(self, answer: Answer) -> bytes:
        """The application acknowledgement, once the entry was worked or parked; b"" where none is due or none in time."""
        ...

    def store_is_down(self) -> None:
        """A receipt could not be stored: stop taking any."""
        ...


class Conversation:
    """One connection with one peer."""

    def __init__(
        self, desk: Desk, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str, address: str
    ) -> None:
        """`peer` is the name in its certificate, empty without one; `address` where it comes from."""
        self.task: asyncio.Task[None] | None = None
        self.address = address
        self._desk = desk
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(desk.limits.frame)
        self._peer = peer
        self._reading = False
        self._ended = False
        self._hurry = False
        self._owed: set[asyncio.Task[None]] = set()

    def end(self, *, hurry: bool) -> None:
        """Say no more than what is being stored now; in a hurry, nothing more."""
        self._ended = True
        self._hurry = hurry
        if self.task is not None and (hurry or self._reading):
            self.task.cancel()

    async def talk(self) -> None:
        """Read, store, acknowledge, until either side ends it."""
        _prepare(self._writer)
        try:
            await self._converse()
        except TimeoutError:
            self._hurry = True  # it does not read its acknowledgements: what is still to be sent never will be
        except (ConnectionError, asyncio.CancelledError):
            pass  # the peer went, or the listener ends: nothing is owed that was not acknowledged
        except StoreDown:
            self._desk.store_is_down()
        except Exception as error:  # noqa: BLE001  # one conversation must not end the others
            log().error("unexpected", listener="mllp", error=type(error).__name__)
        finally:
            for task in self._owed:
                task.cancel()
            if self._hurry:
                self._writer.transport.abort()
            self._writer.close()
            try:
                async with asyncio.timeout(_CLOSING):
                    await self._writer.wait_closed()
            except (OSError, TimeoutError, asyncio.CancelledError):
                self._writer.transport.abort()

    async def _converse(self) -> None:
        loop = asyncio.get_running_loop()
        limits = self._desk.limits
        began = loop.time()
        while not self._ended:
            allowed = began + limits.frame_seconds - loop.time() if self._decoder.in_frame else limits.idle_seconds
            data = await self._read(allowed)
            if data is None:
                self._fault("frame-too-slow" if self._decoder.in_frame else "idle")
                unfinished = self._decoder.eof()
                if unfinished is not None:
                    await self._desk.keep(unfinished, self._peer)
                return
            if not data:
                unfinished = self._decoder.eof()
                if unfinished is not None:
                    self._fault(unfinished.kind.value)
                    await self._desk.keep(unfinished, self._peer)
                return
            was_in_frame = self._decoder.in_frame
            found = self._decoder.feed(data)
            if found or not was_in_frame:
                began = loop.time()
            if not await self._answered(found):
                return

    async def _read(self, seconds: float) -> bytes | None:
        """What came, empty at the end, None when nothing came in time."""
        self._reading = True
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                return await self._reader.read(_PIECE)
        except TimeoutError:
            return None
        finally:
            self._reading = False

    async def _answered(self, found: Sequence[Frame | Fault]) -> bool:
        """Store all that came together, then acknowledge in order; False when the conversation is over.

        Nothing is acknowledged behind a message that could not be stored: the peer would take it for that one's.
        """
        taken = [self._desk.answer(item.payload, self._peer) for item in found if isinstance(item, Frame)]
        answers = iter(await asyncio.gather(*taken, return_exceptions=True))
        for item in found:
            if isinstance(item, Frame):
                answer = next(answers)
                if isinstance(answer, BaseException):
                    raise answer
                await self._say(answer.now)
                self._owe(answer)
                continue
            self._fault(item.kind.value)
            await self._desk.keep(item, self._peer)
            if item.kind is FaultKind.TOO_LONG:
                await self._say(self._desk.too_long(item))
                await self._linger()
        return not self._decoder.closed

    async def _say(self, answer: bytes) -> None:
        """One acknowledgement in one write."""
        if not answer:
            return
        self._writer.write(wrap(answer))
        async with asyncio.timeout(self._desk.limits.answer_seconds):
            await self._writer.drain()

    def _owe(self, answer: Answer) -> None:
        """Give the application acknowledgement on this connection once it is due; with the connection it goes too."""
        if answer.later is None:
            return
        task = asyncio.ensure_future(self._say_later(answer))
        self._owed.add(task)
        task.add_done_callback(self._owed.discard)

    async def _say_later(self, answer: Answer) -> None:
        with contextlib.suppress(OSError, TimeoutError, StoreDown):
            await self._say(await self._desk.when_worked(answer))

    async def _linger(self) -> None:
        """Let the peer read the answer: closing on what it is still sending would reset the connection under it."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while await self._reader.read(_PIECE):
                    pass

    def _fault(self, kind: str) -> None:
        metrics.FAULTS.labels("mllp", kind).inc()
        log().warning("fault", listener="mllp", kind=kind)


def _prepare(writer: asyncio.StreamWriter) -> None:
    """An acknowledgement is small and waited for: Nagle's algorithm would hold it back. Dead peers are found out."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)
