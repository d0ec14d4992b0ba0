"""Where HL7 v2 may come in by MLLP, as the site file says it: addresses, certificates, networks, and what is too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from adapters.model.site import Feed

LARGEST_FRAME: Final = 32 * 1024 * 1024
"""Bytes of one message that are taken where the site file says nothing else."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of PEM files: our certificate with its chain, its key, and the CAs whose clients may connect.

    An empty `ca`, which HTTPS alone may have, asks clients for no certificate.
    """

    certificate: str
    key: str
    ca: str


@dataclass(frozen=True, slots=True)
class Listening:
    """One MLLP listener. Sizes in bytes, times in seconds.

    With `tls` a client must show a certificate of one of its CAs. Without, it is plain MLLP: for this machine, and for
    peers in `networks` where these are named, one by one, by somebody who answers for the wire.
    """

    name: str
    host: str = "127.0.0.1"
    port: int = 2575
    feeds: tuple[str, ...] = ()
    """Names of the feeds that may speak here; empty for all of HL7 v2."""
    tls: TlsFiles | None = None
    networks: tuple[str, ...] = ()
    """CIDR blocks of the peers that are let in, this machine always; empty for any, which needs `tls`."""
    frame_bytes: int = LARGEST_FRAME
    frame_seconds: float = 30.0
    idle_seconds: float = 3600.0
    connections: int = 256
    per_peer: int = 64

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it; False for anything that is not an address."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def admits(self, peer: str) -> bool:
        """Whether a peer of that address may connect at all, whatever it then shows."""
        return admitted(peer, self.networks)


def admitted(peer: str, networks: Sequence[str]) -> bool:
    """Whether an address lies in one of these CIDR blocks or on this machine; any does where there are none."""
    if not networks:
        return True
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or any(address in ip_network(network) for network in networks)


def listening_problems(listeners: Sequence[Listening], feeds: Sequence[Feed]) -> Iterator[str]:
    """Everything that is wrong with the listeners of a site, each with its place."""
    for what, said in (
        ("name", [one.name for one in listeners]),
        ("address", [f"{one.host} port {one.port}" for one in listeners if one.port]),
    ):
        for value, times in Counter(said).items():
            if times > 1:
                yield f"listeners: the {what} {value!r} is there twice"
    by_name = {feed.name: feed for feed in feeds if feed.media == "hl7v2"}
    for one in listeners:
        yield from (f"listeners.{one.name}: {problem}" for problem in _of_one(one, by_name.values()))
        unknown = [name for name in one.feeds if name not in by_name]
        yield from (f"listeners.{one.name}: feeds: no HL7 v2 feed {name!r}" for name in unknown)


def _of_one(one: Listening, feeds: Iterable[Feed]) -> Iterator[str]:
    try:
        ip_address(one.host)
    except ValueError:
        if one.host != "localhost":
            yield f"host: {one.host!r} is no IP address"
    for network in one.networks:
        try:
            if ip_network(network).prefixlen == 0:
                yield f"networks: {network} is everybody; name the networks that the senders are in"
        except ValueError:
            yield f"networks: {network!r} is no CIDR block"
    if not one.local and one.tls is None and not one.networks:
        yield "beyond this machine it needs tls (certificate, key, ca), or the networks that may speak without it"
    if one.tls is None:
        bound = [feed.name for feed in feeds if feed.name in one.feeds and feed.certificates]
        yield from (f"the feed {name!r} speaks by certificate only, and there is no tls here" for name in bound)
    else:
        free = [feed.name for feed in feeds if feed.name in (one.feeds or (feed.name,)) and not feed.certificates]
        yield from (
            f"the feed {name!r} names no certificates: any client of the CA could speak for it" for name in free
        )
