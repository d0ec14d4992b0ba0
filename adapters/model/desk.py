"""A desk of the clinic that is asked by HL7 v2: where its integration engine takes our messages, and how long it has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from adapters.model.address import is_loopback
from adapters.model.listening import TlsFiles

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the site file says of it (`[[desks]]`). Times in seconds unless said otherwise."""

    feed: str
    """The HL7 v2 feed about whose reports it is asked; the feed's dialect says how (`[question]`)."""
    host: str
    port: int
    tls: TlsFiles | None = None
    """Our certificate and key, and the CAs that the engine's certificate must be of; None on this machine alone."""
    server_name: str = ""
    """The name that the engine's certificate bears, where that is not the host."""
    timeout_seconds: float = 30.0
    """For the connection, and then for the acknowledgement."""
    every_seconds: int = 60
    """How often it is looked whether something is to be asked."""
    question_days: int = 7
    """Days that the clinic is given to answer."""
    question_reminder_days: int = 3
    """Days after which a question that is not answered is reminded of, once; 0 for never."""


def _is_host(host: str) -> bool:
    """Whether it can be the address or the name of a machine."""
    try:
        ip_address(host)
    except ValueError:
        return _NAME.fullmatch(host) is not None
    return True


def desk_problems(desks: Sequence[Desk], feeds: Iterable[str]) -> Iterator[str]:
    """Everything that is wrong with the desks of a site; `feeds` are the names of its HL7 v2 feeds."""
    known = set(feeds)
    yield from (
        f"desks: feed {name!r} is there twice" for name, times in Counter(d.feed for d in desks).items() if times > 1
    )
    for desk in desks:
        if desk.feed not in known:
            yield f"desks.{desk.feed}: there is no HL7 v2 feed of that name"
        if not _is_host(desk.host):
            yield f"desks.{desk.feed}: host: {desk.host!r} is no name or address"
        elif desk.tls is None and not is_loopback(desk.host):
            yield f"desks.{desk.feed}: beyond this machine it needs tls (certificate, key, ca)"
        if desk.server_name and desk.tls is None:
            yield f"desks.{desk.feed}: server_name says nothing without tls"
