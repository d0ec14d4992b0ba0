"""Where a payer may be spoken to, and which of its links may be followed: the same scheme, host and port, or not at all.

A claim and its credentials must never reach another host, through a redirect, a Location or a `next` link; a comparison
of text prefixes is not enough (`https://payer.example.evil`), so origins are compared part by part.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urljoin, urlsplit

from adapters.model.site import Payer

_PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 2000
"""Characters of a link that is worth keeping."""


def origin(url: str) -> tuple[str, str, int] | None:
    """(scheme, host, port) of an absolute http or https URL without a user part; None of anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    return parts.scheme, host, port or _PORTS[parts.scheme]


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def endpoint_problems(payer: Payer) -> tuple[str, ...]:
    """Why a payer's endpoint may not be called; empty when it may. Beyond this machine only TLS will do."""
    base = payer.endpoint.base_url
    found = origin(base)
    if found is None:
        return (f"payer {payer.id}: base_url is no http or https address without a user",)
    problems = []
    if found[0] != "https" and not is_loopback(found[1]):
        problems.append(f"payer {payer.id}: base_url must be https beyond this machine")
    if urlsplit(base).query or urlsplit(base).fragment:
        problems.append(f"payer {payer.id}: base_url has a query or fragment")
    return tuple(problems)


def followed(base: str, link: str) -> str:
    """A link of an answer as an absolute URL where it stays in the origin of `base`; else the empty string.

    A query is not followed either: the servers that send one put a patient's identifier into it.
    """
    if not link or len(link) > _LONGEST or not link.isprintable():
        return ""
    try:
        url = urljoin(base.rstrip("/") + "/", link)
        parts = urlsplit(url)
    except ValueError:
        return ""
    if origin(url) is None or origin(url) != origin(base) or parts.query or parts.fragment:
        return ""
    return url
