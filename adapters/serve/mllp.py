"""The MLLP listener: frames in, each stored before it is acknowledged, acknowledgements in order.

Plain MLLP has neither secrecy nor a sender one could trust, so beyond this machine the listener starts only with TLS
that asks for client certificates. When the store is down nothing is acknowledged: connections are closed and no new
ones are taken until it answers again, so that senders queue at their end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.errors import BadSetup, StoreDown
from adapters.hl7v2.ack import AckError, Condition, Verdict, acknowledge, wants_accept
from adapters.hl7v2.envelope import read_envelope
from adapters.hl7v2.mllp import DEFAULT_LIMIT, Decoder, Fault, FaultKind, Frame, wrap
from adapters.payers.origin import is_loopback
from adapters.pipeline.receive import FRAGMENT, broken_frame, receive_v2
from adapters.serve import metrics
from adapters.serve.intake import Reception, ack_id, nobody
from adapters.serve.logs import log
from adapters.serve.wired import Wired

_LINGER = 2.0
"""Seconds that are listened to a peer after the last answer to it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one peer may ask of the listener. Times in seconds, sizes in bytes."""

    frame: int = DEFAULT_LIMIT
    frame_seconds: float = 30.0
    """From the first byte of a frame to its last, however slowly they drip."""
    idle_seconds: float = 3600.0
    """Between two frames; engines keep connections open over a quiet night."""
    answer_seconds: float = 30.0
    """How long a peer may leave its acknowledgements unread."""
    connections: int = 256
    per_peer: int = 64
    retry_seconds: float = 1.0
    """First pause before a store that was down is asked again; doubled up to half a minute."""


class Listener:
    """A running listener. `port` is the one it got; `close` ends it, after what is being stored is acknowledged."""

    def __init__(self, thread: threading.Thread, doors: _Doors) -> None:
        self._thread = thread
        self._doors = doors
        self.port = doors.port

    @property
    def accepting(self) -> bool:
        """Whether connections are taken; not while the store is down, nor after `close`."""
        return self._doors.accepting

    def close(self) -> None:
        """Stop listening, finish what is at hand, close the connections. May be called twice."""
        self._doors.shut()
        self._thread.join()


def start_mllp(
    wired: Wired,
    host: str,
    port: int,
    feed_name: str,
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    wake: Callable[[], None] = nobody,
) -> Listener:
    """Listen in a thread of its own; port 0 takes a free one. `feed_name` is the feed that this listener is for.

    `wake` is called after each entry stored. Raises `BadSetup` for an address that cannot be had, and for one beyond
    this machine without TLS that requires client certificates.
    """
    if not is_loopback(host) and (tls is None or tls.verify_mode is not ssl.CERT_REQUIRED):
        raise BadSetup((f"MLLP on {host}: beyond this machine TLS with client certificates must be configured",))
    doors = _Doors(wired, host, port, feed_name, limits or Limits(), tls, wake)
    thread = threading.Thread(target=doors.run, name=f"mllp-{feed_name}", daemon=True)
    thread.start()
    doors.wait_until_open()
    return Listener(thread, doors)


class _Doors:
    """The listening socket and its connections, all on one event loop in one thread."""

    def __init__(
        self,
        wired: Wired,
        host: str,
        port: int,
        feed: str,
        limits: Limits,
        tls: ssl.SSLContext | None,
        wake: Callable[[], None],
    ) -> None:
        self.port = port
        self.accepting = False
        self.limits = limits
        self._wired = wired
        self._host = host
        self._feed = feed
        self._tls = tls
        self._reception = Reception(wired, wake)
        self._started = threading.Event()
        self._problem = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._down: asyncio.Event | None = None
        self._open: set[_Connection] = set()
        self._peers: Counter[str] = Counter()

    # Called from the thread that owns the listener

    def wait_until_open(self) -> None:
        """Wait for the first bind; raises `BadSetup` when it failed."""
        self._started.wait()
        if self._problem:
            raise BadSetup((self._problem,))

    def shut(self) -> None:
        """Ask the loop to end."""
        loop, ending = self._loop, self._ending
        if loop is not None and ending is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it ended between the question and the call
                loop.call_soon_threadsafe(ending.set)

    # On the loop

    def run(self) -> None:
        """The thread's body."""
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending, self._down = asyncio.Event(), asyncio.Event()
        server: asyncio.Server | None = None
        try:
            server = await self._listen()
        except OSError as error:
            self._problem = f"MLLP on {self._host}:{self.port}: {error.strerror or type(error).__name__}"
            self._started.set()
            return
        self._started.set()
        while server is not None:
            await self._first_of(self._ending, self._down)
            self.accepting = False
            server.close()
            await self._part(hurry=self._down.is_set())
            if self._ending.is_set():
                break
            server = await self._back()
        log().info("listener closed", listener="mllp", port=self.port)

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(
            self._met,
            self._host,
            self.port,
            ssl=self._tls,
            backlog=256,
            ssl_handshake_timeout=10 if self._tls else None,
        )
        self.port = server.sockets[0].getsockname()[1]
        self.accepting = True
        log().info("listening", listener="mllp", port=self.port, feed=self._feed)
        return server

    async def _first_of(self, *events: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _back(self) -> asyncio.Server | None:
        """Wait until the store answers, then listen again; None when the listener is to end."""
        if self._ending is None or self._down is None:
            return None
        pause = self.limits.retry_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ending.wait()
            if self._ending.is_set():
                return None
            if await self._reception.answers():
                self._down.clear()
                with contextlib.suppress(OSError):
                    return await self._listen()
            pause = min(2 * pause, 30.0)

    async def _part(self, *, hurry: bool) -> None:
        """End all connections: what is being stored is acknowledged first, unless the store is down."""
        for connection in list(self._open):
            connection.end(hurry=hurry)
        tasks = [connection.task for connection in self._open if connection.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self.limits.answer_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A peer connected."""
        peer = str((writer.get_extra_info("peername") or ("",))[0])
        if len(self._open) >= self.limits.connections or self._peers[peer] >= self.limits.per_peer:
            metrics.FAULTS.labels("mllp", "too-many-connections").inc()
            log().warning("connection refused", listener="mllp", reason="too many", count=len(self._open))
            writer.close()
            return
        connection = _Connection(self, reader, writer, asyncio.current_task())
        self._open.add(connection)
        self._peers[peer] += 1
        metrics.CONNECTIONS.inc()
        try:
            await connection.talk()
        finally:
            self._open.discard(connection)
            self._peers[peer] -= 1
            if not self._peers[peer]:
                del self._peers[peer]
            metrics.CONNECTIONS.dec()

    def store_is_down(self) -> None:
        """A receipt could not be stored: stop taking any."""
        if self._down is not None:
            self._down.set()

    async def answer(self, payload: bytes, peer: str) -> bytes:
        """Store a message and give its acknowledgement."""
        intake = receive_v2(
            payload,
            listener=self._feed,
            peer=peer,
            site=self._wired.site,
            now=self._wired.clock.now(),
            ack_id=ack_id(),
        )
        return await self._reception.take(intake, "hl7v2")

    async def keep(self, fault: Fault, peer: str) -> None:
        """Put what is no frame where people see it; nothing is acknowledged by that."""
        if fault.kept:
            now = self._wired.clock.now()
            intake = broken_frame(fault.kept, listener=self._feed, peer=peer, reason=fault.kind.value, now=now)
            await self._reception.take(intake, FRAGMENT)

    def too_long(self, fault: Fault) -> bytes:
        """The one negative answer to a frame over the limit: it would be as long when sent again."""
        subject = read_envelope(fault.kept)
        code = wants_accept(subject, Verdict.ERROR)
        if code is None:
            return b""
        error = AckError(Condition.LENGTH, "the message is longer than this listener takes", "MSH")
        return acknowledge(subject, code, now=self._wired.clock.now(), control_id=ack_id(), error=error)


class _Connection:
    """One conversation with one peer."""

    def __init__(
        self,
        doors: _Doors,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        task: asyncio.Task[None] | None,
    ) -> None:
        self.task = task
        self._doors = doors
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(doors.limits.frame)
        self._peer = _subject(writer)
        self._reading = False
        self._ended = False
        self._hurry = False

    def end(self, *, hurry: bool) -> None:
        """Say no more than what is being stored now; in a hurry, nothing more."""
        self._ended = True
        self._hurry = hurry
        if self.task is not None and (hurry or self._reading):
            self.task.cancel()

    async def talk(self) -> None:
        """Read, store, acknowledge, until either side ends it."""
        _no_delay(self._writer)
        try:
            await self._converse()
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass  # the peer went, or the listener ends: nothing is owed that was not acknowledged
        except StoreDown:
            self._doors.store_is_down()
        except Exception as error:  # noqa: BLE001  # one conversation must not end the others
            log().error("unexpected", listener="mllp", error=type(error).__name__)
        finally:
            if self._hurry:
                self._writer.transport.abort()
            self._writer.close()
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(5):
                    await self._writer.wait_closed()

    async def _converse(self) -> None:
        loop = asyncio.get_running_loop()
        limits = self._doors.limits
        began = loop.time()
        while not self._ended:
            allowed = began + limits.frame_seconds - loop.time() if self._decoder.in_frame else limits.idle_seconds
            data = await self._read(allowed)
            if data is None:
                self._fault("frame-too-slow" if self._decoder.in_frame else "idle")
                unfinished = self._decoder.eof()
                if unfinished is not None:
                    await self._doors.keep(unfinished, self._peer)
                return
            if not data:
                unfinished = self._decoder.eof()
                if unfinished is not None:
                    self._fault(unfinished.kind.value)
                    await self._doors.keep(unfinished, self._peer)
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
                return await self._reader.read(65536)
        except TimeoutError:
            return None
        finally:
            self._reading = False

    async def _answered(self, found: Sequence[Frame | Fault]) -> bool:
        """Store all that came together, then acknowledge in order; False when the conversation is over.

        Nothing is acknowledged behind a message that could not be stored: the peer would take it for that one's.
        """
        taken = [self._doors.answer(item.payload, self._peer) for item in found if isinstance(item, Frame)]
        answers = iter(await asyncio.gather(*taken, return_exceptions=True))
        for item in found:
            if isinstance(item, Frame):
                answer = next(answers)
                if isinstance(answer, BaseException):
                    raise answer
                await self._say(answer)
                continue
            self._fault(item.kind.value)
            await self._doors.keep(item, self._peer)
            if item.kind is FaultKind.TOO_LONG:
                await self._say(self._doors.too_long(item))
                await self._linger()
        return not self._decoder.closed

    async def _say(self, answer: bytes) -> None:
        """One acknowledgement in one write."""
        if not answer:
            return
        self._writer.write(wrap(answer))
        async with asyncio.timeout(self._doors.limits.answer_seconds):
            await self._writer.drain()

    async def _linger(self) -> None:
        """Let the peer read the answer: closing on what it is still sending would reset the connection under it."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER):
                while await self._reader.read(65536):
                    pass

    def _fault(self, kind: str) -> None:
        metrics.FAULTS.labels("mllp", kind).inc()
        log().warning("fault", listener="mllp", kind=kind)


def _subject(writer: asyncio.StreamWriter) -> str:
    """The common name of the peer's verified certificate; empty without TLS."""
    certificate = writer.get_extra_info("peercert") or {}
    for part in certificate.get("subject", ()):
        for name, value in part:
            if name == "commonName":
                return str(value)
    return ""


def _no_delay(writer: asyncio.StreamWriter) -> None:
    """An acknowledgement is small and waited for: Nagle's algorithm would hold it back."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
