"""Where FHIR and HL7 over HTTP may come in beyond this machine, and the programs that may send, as the site file says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from adapters.model.listening import TlsFiles, admitted
from adapters.model.openid import RETURN_PATH, OpenId, openid_problems

if TYPE_CHECKING:
    from adapters.model.site import Feed


@dataclass(frozen=True, slots=True)
class WebListening:
    """The HTTPS listener. It has no form without TLS."""

    base_url: str
    """How clients call it, without a slash at the end: `https://adapter.clinic.example:8443`. Tokens are for it alone."""
    tls: TlsFiles
    """With a `ca` a client must also show a certificate of one of its CAs."""
    host: str = "127.0.0.1"
    port: int = 8443
    networks: tuple[str, ...] = ()
    """CIDR blocks of the peers that are let in, this machine always; empty for any."""
    pages: bool = False
    """Whether people sign in to the pages here as well; they are on this machine's own HTTP in any case."""
    openid: OpenId | None = None
    """Where people sign in to the pages, if not by passwords of ours."""

    @property
    def fhir_url(self) -> str:
        """The base of FHIR: the audience of access tokens."""
        return f"{self.base_url}/fhir"

    @property
    def token_url(self) -> str:
        """Where tokens are asked for: the audience of what clients sign."""
        return f"{self.base_url}/token"

    @property
    def return_url(self) -> str:
        """Where an issuer sends a browser back to who has signed in there: our `redirect_uri`."""
        return f"{self.base_url}{RETURN_PATH}"

    def admits(self, peer: str) -> bool:
        """Whether a peer of that address may connect at all, whatever it then shows."""
        return admitted(peer, self.networks)


@dataclass(frozen=True, slots=True)
class Client:
    """A program of the clinic or its vendor that may send: one system, one feed."""

    id: str
    feed: str
    """The feed that everything it sends is of; what a body says of its sender changes nothing."""
    jwks: str
    """File of its public keys (RFC 7517), read again when it changes; without keys the client may do nothing."""
    scopes: tuple[str, ...]
    """The most that it may be given, as `system/Procedure.c` or `system/*.write`."""


def web_problems(web: WebListening | None, clients: Sequence[Client], feeds: Sequence[Feed]) -> Iterator[str]:
    """Everything that is wrong with the HTTPS listener and the clients of a site, each with its place."""
    if web is not None:
        yield from (f"web: {problem}" for problem in _of_listener(web))
        if web.openid is not None:
            yield from (f"web: {problem}" for problem in openid_problems(web.openid, pages=web.pages))
        if not clients and not web.pages:
            yield "web: nobody may send: name the clients"
    elif clients:
        yield "clients: they have nowhere to send to: there is no [web]"
    for value, times in Counter(client.id for client in clients).items():
        if times > 1:
            yield f"clients: {value!r} is there twice"
    by_name = {feed.name: feed for feed in feeds}
    for client in clients:
        feed = by_name.get(client.feed)
        if feed is None:
            yield f"clients.{client.id}: no feed {client.feed!r}"
        elif feed.certificates and client.id not in feed.certificates:
            yield f"clients.{client.id}: the feed {feed.name!r} is for those that its certificates name"


def _of_listener(web: WebListening) -> Iterator[str]:
    try:
        ip_address(web.host)
    except ValueError:
        if web.host != "localhost":
            yield f"host: {web.host!r} is no IP address"
    try:
        parts = urlsplit(web.base_url)
        said = (parts.scheme, bool(parts.hostname), parts.port is None or parts.port > 0)
    except ValueError:
        parts, said = urlsplit(""), ("", False, False)
    if said != ("https", True, True) or "@" in parts.netloc:
        yield "base_url: is no https address without a user"
    elif parts.query or parts.fragment or web.base_url.endswith("/"):
        yield "base_url: has a query, a fragment or a slash at its end"
    for network in web.networks:
        try:
            if ip_network(network).prefixlen == 0:
                yield f"networks: {network} is everybody; leave it out, or name the networks that the clients are in"
        except ValueError:
            yield f"networks: {network!r} is no CIDR block"
