"""Calls side by side: every payer has a queue and hands of its own, so that none waits for another."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Final, Self

AGAIN: Final = 30.0
"""Seconds after which a lane is looked at again while calls about it are still to be made."""


class Abreast:
    """The calls that are to be made now. For one thread that hands them out; use it as a context, which waits for all.

    `done` are the keys of all calls that were handed out: the same is not made twice. One that was not made after all (its
    payer had failed while it waited) is none of them any more.
    """

    def __init__(self) -> None:
        self.made = 0
        self.done: set[Hashable] = set()
        self.failed: list[BaseException] = []
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._under_way: dict[Future[int], tuple[str, Hashable]] = {}
        self._looked: dict[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=error is not None)

    def busy(self, lane: str) -> bool:
        """Whether calls about the lane are to be made still, and it was looked at not long ago. Where it is time to look
        at it again, it counts as looked at now."""
        if lane not in self._looked:
            return False
        now = time.monotonic()
        if now - self._looked[lane] < AGAIN:
            return True
        self._looked[lane] = now
        return False

    def put(self, payer: str, hands: int, lane: str, key: Hashable, call: Callable[[], int]) -> None:
        """Let a call be made, by one of so many hands of its payer, after those put before it."""
        pool = self._pools.get(payer)
        if pool is None:
            pool = self._pools[payer] = ThreadPoolExecutor(hands, thread_name_prefix=f"payer-{payer}")
        self.done.add(key)
        self._looked[lane] = time.monotonic()
        self._under_way[pool.submit(call)] = lane, key

    def settled(self, seconds: float) -> bool:
        """Wait so long at most; whether nothing is under way any more."""
        ended, _ = wait(self._under_way, timeout=seconds)
        for future in ended:
            _lane, key = self._under_way.pop(future)
            if future.cancelled():
                continue
            error = future.exception()
            if error is not None:
                self.failed.append(error)
            elif made := future.result():
                self.made += made
            else:
                self.done.discard(key)
        lanes = {lane for lane, _key in self._under_way.values()}
        self._looked = {lane: at for lane, at in self._looked.items() if lane in lanes}
        return not self._under_way

    def drop(self) -> None:
        """What nobody has begun is not made."""
        for future in self._under_way:
            future.cancel()
