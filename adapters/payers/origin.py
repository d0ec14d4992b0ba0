"""Where a payer may be spoken to, and which of its links may be followed: the same scheme, host and port, or not at all.

A claim and its credentials must never reach another host, through a redirect, a Location or a `next` link; a comparison
of text prefixes is not enough (`https://payer.example.evil`), so origins are compared part by part.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin, urlsplit

from adapters.model.address import base_problems, is_loopback, origin
from adapters.model.site import Payer

__all__ = ["endpoint_problems", "followed", "is_loopback", "origin"]

_LONGEST: Final = 2000
"""Characters of a link that is worth keeping."""


def endpoint_problems(payer: Payer) -> tuple[str, ...]:
    """Why a payer's endpoint may not be called; empty when it may. Beyond this machine only TLS will do."""
    problems = base_problems(payer.endpoint.base_url)
    if payer.endpoint.login is not None:
        problems += _token_problems(payer.endpoint.login.token_url)
    return tuple(f"payer {payer.id}: {problem}" for problem in problems)


def _token_problems(url: str) -> tuple[str, ...]:
    """Why assertions may not go there: each is as good as a password for as long as it lasts."""
    found = origin(url)
    if found is None or urlsplit(url).fragment:
        return ("token_url is no http or https address without a user",)
    if found[0] != "https" and not is_loopback(found[1]):
        return ("token_url must be https beyond this machine",)
    return ()


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
