"""Failed tries by the address they came from, so that guessing is slow and cheap to refuse."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final

MOST: Final = 20
WITHIN: Final = timedelta(seconds=60)
"""So many failed tries in such a time are one too many; then none is looked at until the time is over."""
_KEPT: Final = 4096
"""Addresses that are remembered; the one that failed longest ago goes first."""


class Tries:
    """Counts failed tries in memory. Safe to use from many threads."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._since: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def failed(self, peer: str, now: datetime) -> None:
        """One more failed try from the address."""
        with self._lock:
            since, count = self._since.pop(_place(peer), (now, 0))
            if now - since >= WITHIN or now < since:
                since, count = now, 0
            self._since[_place(peer)] = (since, count + 1)
            if len(self._since) > _KEPT:
                self._since.popitem(last=False)

    def wait(self, peer: str, now: datetime) -> int:
        """Seconds until the address may try again; 0 where it may now."""
        with self._lock:
            since, count = self._since.get(_place(peer), (now, 0))
        left = (since + WITHIN - now).total_seconds()
        return math.ceil(left) if count >= self._most and 0 < left <= WITHIN.total_seconds() else 0


def _place(peer: str) -> str:
    """An IPv4 address, or the network of an IPv6 one: a host has a whole /64 to itself."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address) if address.version == 4 else str(ip_network(f"{address}/64", strict=False))
