"""Store, then answer: the one way from a door into the journal."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from adapters.errors import StoreDown
from adapters.pipeline.receive import Intake
from adapters.ports import Receipt, Received
from adapters.serve import metrics
from adapters.serve.logs import log
from adapters.serve.wired import Wired


def nobody() -> None:
    """What to call about new entries where nobody wants to know."""


class Reception:
    """Takes receipts for one event loop. An answer may be given only after `take` has returned it."""

    def __init__(self, wired: Wired, wake: Callable[[], None] = nobody) -> None:
        self._wired = wired
        self._wake = wake

    async def take(self, intake: Intake, media: str) -> Received:
        """The entry with the answer to give: of a resend the one given the first time.

        Raises `StoreDown`: then give none.
        """
        if intake.refusal:
            digest = intake.receipt.digest if intake.receipt else ""
            metrics.REFUSED.labels(media, intake.refusal).inc()
            log().warning("refused", media=media, code=intake.refusal, feed=intake.feed or "", digest=digest)
        if intake.receipt is None:
            return Received("", intake.answer)
        received = await self._stored(intake.receipt)
        metrics.RECEIVED.labels(media).inc()
        if received.repeated:
            metrics.REPEATED.labels(media).inc()
        if received.control_reused:
            metrics.REUSED.labels(media).inc()
        log().info(
            "received",
            entry=received.entry,
            media=media,
            feed=intake.feed or "",
            bytes=len(intake.receipt.body),
            repeated=received.repeated,
            control_reused=received.control_reused,
        )
        self._wake()
        return received

    async def _stored(self, receipt: Receipt) -> Received:
        try:
            return await asyncio.wrap_future(self._wired.store.receive_soon(receipt))
        except Exception as error:
            metrics.UNSTORED.inc()
            log().error("not stored", digest=receipt.digest, error=type(error).__name__)
            if isinstance(error, StoreDown):
                raise
            raise StoreDown("a receipt could not be stored") from error

    async def answers(self) -> bool:
        """Whether the store answers a question now; asked beside the event loop."""
        try:
            await asyncio.to_thread(self._wired.store.counts)
        except Exception as error:  # noqa: BLE001  # whatever it is, the store does not answer
            log().error("the store is down", error=type(error).__name__)
            return False
        return True


def ack_id() -> str:
    """A new message control id of ours: 20 characters, as the oldest versions allow (MSH-10)."""
    return secrets.token_hex(10)
