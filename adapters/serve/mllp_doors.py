"""The listening socket of one MLLP listener and the conversations behind it, on one event loop in one thread.

Connections are counted and their networks looked at before a byte is read, a TLS handshake included. When the store is
down nothing is acknowledged: connections are closed and no new ones are taken until it answers again, so that senders
queue at their end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from adapters.errors import BadSetup
from adapters.hl7v2.ack import AckError, Condition, Verdict, acknowledge, wants_accept, wants_application
from adapters.hl7v2.envelope import read_envelope
from adapters.hl7v2.mllp import Fault
from adapters.model.listening import Listening
from adapters.pipeline.receive import FRAGMENT, Intake, broken_frame, receive_v2
from adapters.serve import metrics
from adapters.serve.hearing import last_number
from adapters.serve.intake import Reception, ack_id
from adapters.serve.logs import log
from adapters.serve.mllp_talk import Answer, Conversation, Limits
from adapters.serve.tls import Certificates, name_of
from adapters.serve.wired import Wired

_BACKLOG: Final = 256
_BREATH: Final = 0.1
"""Seconds before another try where the machine has no more sockets to give."""
_LARGE: Final = 256 * 1024
"""Bytes from which on a message is looked at beside the loop, so that nobody waits for another's batch."""


class Doors:
    """One listener: `run` in a thread of its own, `wait_until_open` and `shut` from elsewhere."""

    def __init__(
        self,
        wired: Wired,
        said: Listening,
        limits: Limits,
        certificates: Certificates | None,
        wake: Callable[[], None],
    ) -> None:
        self.port = said.port
        self.accepting = False
        self._limits = limits
        self._said = said
        self._wired = wired
        self._certificates = certificates
        self._reception = Reception(wired, wake)
        self._started = threading.Event()
        self._problem = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self._down = asyncio.Event()
        self._talks: set[Conversation] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._peers: Counter[str] = Counter()

    @property
    def limits(self) -> Limits:
        """What one peer may ask."""
        return self._limits

    # Called from the thread that owns the listener

    def wait_until_open(self) -> None:
        """Wait for the first bind; raises `BadSetup` when it failed."""
        self._started.wait()
        if self._problem:
            raise BadSetup((self._problem,))

    def shut(self) -> None:
        """Ask the loop to end."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it ended between the question and the call
                loop.call_soon_threadsafe(self._ending.set)

    # On the loop

    def run(self) -> None:
        """The thread's body."""
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            listening = self._bound()
        except OSError as error:
            self._problem = f"MLLP on {self._said.host}:{self.port}: {error.strerror or type(error).__name__}"
            self._started.set()
            return
        self._started.set()
        while True:
            await self._serve(listening)
            again = None if self._ending.is_set() else await self._back()
            if again is None:
                break
            listening = again
        log().info("listener closed", listener=self._said.name, port=self.port)

    async def _serve(self, listening: socket.socket) -> None:
        """Take connections until the listener ends or the store is down, then end them."""
        beside = [asyncio.ensure_future(self._accept(listening))]
        if self._certificates is not None:
            beside.append(asyncio.ensure_future(self._watch(self._certificates)))
        await self._first_of(self._ending, self._down)
        self.accepting = False
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        listening.close()
        await self._part(hurry=self._down.is_set())

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._said.host else socket.AF_INET
        made = socket.create_server((self._said.host, self.port), family=family, backlog=_BACKLOG)
        made.setblocking(False)
        self.port = made.getsockname()[1]
        self.accepting = True
        secured = "tls" if self._certificates is not None else "plain"
        log().info("listening", listener=self._said.name, port=self.port, kind=secured)
        if self._certificates is None and not self._said.local:
            for network in self._said.networks:
                log().warning("plain MLLP beyond this machine", listener=self._said.name, host=network, port=self.port)
        return made

    async def _first_of(self, *events: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _back(self) -> socket.socket | None:
        """Wait until the store answers, then listen again; None when the listener is to end."""
        pause = self._limits.retry_seconds
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ending.wait()
            if self._ending.is_set():
                return None
            if await self._reception.answers():
                self._down.clear()
                with contextlib.suppress(OSError):
                    return self._bound()
            pause = min(2 * pause, 30.0)

    async def _part(self, *, hurry: bool) -> None:
        """End all connections: what is being stored is acknowledged first, unless the store is down."""
        talking = {talk.task for talk in self._talks}
        for task in self._tasks - talking:
            task.cancel()  # nothing was said before the handshake was done
        for talk in list(self._talks):
            talk.end(hurry=hurry)
        if tasks := set(self._tasks):
            _, late = await asyncio.wait(tasks, timeout=self._limits.answer_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listening)
            except OSError as error:  # out of sockets, or a peer that went while it waited
                log().error("connection not accepted", listener=self._said.name, error=type(error).__name__)
                await asyncio.sleep(_BREATH)
                continue
            peer = str(address[0])
            if reason := self._unwelcome(peer):
                metrics.FAULTS.labels("mllp", reason).inc()
                log().warning(
                    "connection refused", listener=self._said.name, reason=reason, count=sum(self._peers.values())
                )
                sock.close()
                continue
            self._peers[peer] += 1
            self._begin(self._met(sock, peer))

    def _unwelcome(self, peer: str) -> str:
        if not self._said.admits(peer):
            return "network-not-allowed"
        if sum(self._peers.values()) >= self._limits.connections or self._peers[peer] >= self._limits.per_peer:
            return "too-many-connections"
        return ""

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _met(self, sock: socket.socket, address: str) -> None:
        """A peer connected."""
        metrics.CONNECTIONS.inc()
        try:
            talk = await self._introduced(sock, address)
            if talk is not None:
                self._talks.add(talk)
                try:
                    await talk.talk()
                finally:
                    self._talks.discard(talk)
        finally:
            self._peers[address] -= 1
            if not self._peers[address]:
                del self._peers[address]
            metrics.CONNECTIONS.dec()

    async def _introduced(self, sock: socket.socket, address: str) -> Conversation | None:
        """The conversation, after the handshake where there is TLS; None where that came to nothing."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        context = self._certificates.context if self._certificates is not None else None
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                sock,
                ssl=context,
                ssl_handshake_timeout=self._limits.handshake_seconds if context else None,
                ssl_shutdown_timeout=5 if context else None,
            )
        except (OSError, asyncio.CancelledError) as error:  # SSLError and TimeoutError are OSErrors
            sock.close()
            kind = "ended" if isinstance(error, asyncio.CancelledError) else "handshake"
            metrics.FAULTS.labels("mllp", kind).inc()
            log().warning("no handshake", listener=self._said.name, error=type(error).__name__)
            return None
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        peer = ""
        if context is not None:
            shown = transport.get_extra_info("ssl_object")
            peer = name_of(transport.get_extra_info("peercert"), shown.getpeercert(binary_form=True))
        talk = Conversation(self, reader, writer, peer, address)
        talk.task = asyncio.current_task()
        if self._ending.is_set() or self._down.is_set():
            talk.end(hurry=True)
        return talk

    async def _watch(self, certificates: Certificates) -> None:
        """Look for changed files while nobody connects. Who is not trusted any more is not listened to any longer."""
        while True:
            await asyncio.sleep(self._limits.watch_seconds)
            if certificates.refresh():
                for talk in list(self._talks):
                    talk.end(hurry=False)

    # For conversations

    def store_is_down(self) -> None:
        """A receipt could not be stored: stop taking any."""
        self._down.set()

    async def answer(self, payload: bytes, peer: str) -> Answer:
        """Store a message and give its acknowledgement; raises `StoreDown`: then give none."""
        if len(payload) > _LARGE:
            intake = await asyncio.to_thread(self._intake, payload, peer)
        else:
            intake = self._intake(payload, peer)
        received = await self._reception.take(intake, "hl7v2")
        return Answer(received.answer, received.entry, intake.later)

    def _intake(self, payload: bytes, peer: str) -> Intake:
        return receive_v2(
            payload,
            listener=self._said.name,
            peer=peer,
            site=self._wired.site,
            now=self._wired.clock.now(),
            ack_id=ack_id(),
            feeds=self._said.feeds,
            last_number=partial(last_number, self._wired.store),
        )

    async def keep(self, fault: Fault, peer: str) -> None:
        """Put what is no frame where people see it; nothing is acknowledged by that."""
        if fault.kept:
            now = self._wired.clock.now()
            name = self._said.name
            intake = broken_frame(fault.kept, listener=name, peer=peer, reason=fault.kind.value, now=now)
            await self._reception.take(intake, FRAGMENT)

    def too_long(self, fault: Fault) -> bytes:
        """The one negative answer to a frame over the limit: it would be as long when sent again."""
        subject = read_envelope(fault.kept)
        code = wants_accept(subject, Verdict.ERROR)
        if code is None:
            return b""
        error = AckError(Condition.LENGTH, "the message is longer than this listener takes", "MSH")
        return acknowledge(subject, code, now=self._wired.clock.now(), control_id=ack_id(), error=error)

    async def when_worked(self, answer: Answer) -> bytes:
        """The application acknowledgement, once the entry was worked (AA) or parked (AE, with the reason as ERR-5).

        b"" where its sender asked for none of that kind, or it was not worked in time.
        """
        if answer.later is None:
            return b""
        reason = await self._fate(answer.entry)
        if reason is None:
            log().warning("no application acknowledgement", listener=self._said.name, entry=answer.entry)
            return b""
        error = None
        if reason:
            error = AckError(Condition.INTERNAL, "taken, and set aside for a person", code=reason)
        code = wants_application(answer.later, Verdict.ERROR if error else Verdict.STORED)
        if code is None:
            return b""
        return acknowledge(answer.later, code, now=self._wired.clock.now(), control_id=ack_id(), error=error)

    async def _fate(self, entry: str) -> str | None:
        """Why an entry was parked, empty where it was worked, None where neither happened in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.later_at_most):
                while True:
                    traced = await asyncio.to_thread(self._wired.store.trace, entry)
                    if traced is not None and traced.line.state != "unread":
                        return traced.line.reason if traced.line.state == "parked" else ""
                    await asyncio.sleep(self._limits.later_seconds)
        return None
