"""Where a peer may be spoken to: scheme, host and port of an address, compared part by part and never as text prefixes."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}


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


def base_problems(base: str) -> tuple[str, ...]:
    """Why a base address may not be called; empty when it may. Beyond this machine only TLS will do."""
    found = origin(base)
    if found is None:
        return ("base_url is no http or https address without a user",)
    problems = []
    if found[0] != "https" and not is_loopback(found[1]):
        problems.append("base_url must be https beyond this machine")
    if urlsplit(base).query or urlsplit(base).fragment:
        problems.append("base_url has a query or fragment")
    return tuple(problems)
