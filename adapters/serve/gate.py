"""Who may come in by HTTPS: tokens for clients that sign for them, and what a token allows on each request.

The adapter is its own authorization server for systems (SMART Backend Services): a clinic needs no other for it, and
a token of ours says which client it is for, so that the feed of everything it sends is known before a body is read.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.jwk import ECKey

from adapters.model.site import Site
from adapters.model.web import Client, WebListening
from adapters.ports import Clock
from adapters.serve import metrics
from adapters.serve.logs import log
from adapters.serve.tries import Tries
from adapters.smart import scopes, tokens
from adapters.smart.keys import LARGEST_SET, KeySet, PublicKey, key_set
from adapters.smart.scopes import Scope
from adapters.smart.tokens import Access, Reason

_ORDER: Final = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16
)
"""Of the group of P-384 (SP 800-186, 3.2.1.4)."""
_TOLD: Final = frozenset(
    {Reason.ISSUER, Reason.AUDIENCE, Reason.EXPIRED, Reason.TOO_LONG_LIVED, Reason.NOT_YET, Reason.USED, Reason.CLAIMS}
)
"""Reasons that a client is told: those found after its signature held."""


class OnceStore(Protocol):
    """What remembers what was used."""

    def first_use(self, id: str, until: datetime, now: datetime) -> bool:
        """Whether nobody used it before; from now on somebody has, also after a restart."""
        ...


class GateWired(Protocol):
    """What the gate needs of the program put together."""

    @property
    def site(self) -> Site:
        """The site, with its listener and clients."""
        ...

    @property
    def store(self) -> OnceStore:
        """The store."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock."""
        ...


class Grant(NamedTuple):
    """What a request may do: as which client, for which feed, with which scopes."""

    client: str
    feed: str
    media: str
    scopes: tuple[str, ...]

    def allows(self, needed: Scope) -> bool:
        """Whether it may: by its scopes, and HL7 v2 for feeds of HL7 v2 alone, FHIR for all others."""
        return (needed.kind == "hl7v2") == (self.media == "hl7v2") and scopes.allows(self.scopes, needed)


@dataclass(frozen=True, slots=True)
class Denied:
    """Why not: an HTTP status, the OAuth error code, words for the client; `wait` seconds before another try."""

    status: int
    error: str
    words: str
    wait: int = 0


class Issued(NamedTuple):
    """An access token, how long it holds, and what for."""

    token: str
    seconds: int
    scope: str


class Gate:
    """Issues access tokens and knows them again. Safe to use from many threads; calls may wait for the disk."""

    def __init__(self, wired: GateWired, secret: bytes) -> None:
        """`secret` is of the key ring (`KeyRing.secret`): every process of a store knows the tokens of every other."""
        if wired.site.web is None:
            raise ValueError("the site has no HTTPS listener")
        self.web: WebListening = wired.site.web
        self._wired = wired
        self._clients = {client.id: client for client in wired.site.clients}
        self._media = {feed.name: feed.media for feed in wired.site.feeds}
        self._keys = ClientKeys(wired.site.clients)
        self._signer, self._ours = _signer(secret)
        self._tries = Tries()

    @property
    def clients(self) -> Sequence[Client]:
        """The clients of the site."""
        return self._wired.site.clients

    def issue(self, assertion: str, asked: str, peer: str) -> Issued | Denied:
        """A token for a client's signed assertion and the scopes that it asks for; raises `StoreDown`.

        The assertion is remembered as used in the store before the token is given.
        """
        now = self._wired.clock.now()
        if wait := self._tries.wait(peer, now):
            return Denied(429, "temporarily_unavailable", "too many failed tries", wait)
        found = tokens.assertion(assertion, audience=self.web.token_url, keys_of=self._keys_of, now=now)
        if isinstance(found, Reason):
            return self._refused("assertion", found, peer, now, Denied(401, "invalid_client", _words(found)))
        if not self._wired.store.first_use(found.use, found.until, now):
            return self._refused(
                "assertion", Reason.USED, peer, now, Denied(401, "invalid_client", _words(Reason.USED))
            )
        client = self._clients[found.client]
        given = scopes.granted(asked.split()[:100], client.scopes)
        if not given:
            return Denied(400, "invalid_scope", "none of these scopes may be given to this client")
        until = now + tokens.LONGEST_LIFE
        access = Access(client.id, found.thumbprint, given, until)
        claims = tokens.claims_of(
            access, issuer=self.web.base_url, audience=self.web.fhir_url, id=secrets.token_urlsafe(16), now=now
        )
        header = {"alg": "ES384", "typ": tokens.ACCESS, "kid": self._ours.keys[0].id}
        log().info("token issued", feed=client.feed)
        metrics.TOKENS.inc()
        token = jws.serialize_compact(header, claims, self._signer, ["ES384"])
        return Issued(token, int(tokens.LONGEST_LIFE.total_seconds()), " ".join(given))

    def grant(self, token: str, peer: str) -> Grant | Denied:
        """What the access token of a request allows, now: its client and the key that asked for it are on file still."""
        now = self._wired.clock.now()
        found = tokens.access(token, issuer=self.web.base_url, audience=self.web.fhir_url, ours=self._ours, now=now)
        if isinstance(found, Access):
            client = self._clients.get(found.client)
            keys = self._keys_of(found.client)
            if client is not None and keys is not None and keys.holds(found.thumbprint):
                given = scopes.granted(found.scopes, client.scopes)
                return Grant(client.id, client.feed, self._media[client.feed], given)
            found = Reason.REVOKED
        denied = Denied(401, "invalid_token", _words(found))
        # A token that holds is never kept waiting for the failures of others at its address.
        if wait := self._tries.wait(peer, now):
            denied = Denied(429, "temporarily_unavailable", "too many failed tries", wait)
        if found is Reason.EXPIRED:  # every client meets this once in five minutes
            return denied
        return self._refused("token", found, peer, now, denied)

    def _refused(self, what: str, why: Reason, peer: str, now: datetime, denied: Denied) -> Denied:
        self._tries.failed(peer, now)
        metrics.TOKENS_REFUSED.labels(what, why.value).inc()
        log().warning(f"{what} refused", listener="https", reason=why.value, host=peer)
        return denied

    def _keys_of(self, client: str) -> KeySet | None:
        return self._keys.of(client)


class ClientKeys:
    """The public keys of clients from their files, read again when these change.

    A file that is gone or cannot be used gives no keys: whoever takes it away ends what its client may do, at once.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self._files = {client.id: Path(client.jwks) for client in clients}
        self._lock = threading.Lock()
        self._read: dict[str, tuple[tuple[int, ...], KeySet]] = {}

    def of(self, client: str) -> KeySet | None:
        """The keys of a client now; None where there is no such client."""
        path = self._files.get(client)
        if path is None:
            return None
        look = _look(path)
        with self._lock:
            known = self._read.get(client)
        if known is not None and known[0] == look:
            return known[1]
        found = read_keys(path)
        if found.problems:
            log().error("keys of a client not usable", listener="https", count=len(found.problems))
        with self._lock:
            self._read[client] = (look, found)
        return found


def read_keys(path: Path) -> KeySet:
    """The key set of a file; one that cannot be read holds no key, and says why."""
    try:
        with path.open("rb") as file:
            return key_set(file.read(LARGEST_SET + 1))
    except OSError as missing:
        return KeySet(problems=(f"cannot be read ({missing.strerror})",))


def _look(path: Path) -> tuple[int, ...]:
    """What shows that a file was changed or put in another's place."""
    try:
        seen = path.stat()
    except OSError:
        return ()
    return (seen.st_ino, seen.st_size, seen.st_mtime_ns)


def _words(why: Reason) -> str:
    return f"not accepted: {why.value}" if why in _TOLD else "not accepted"


def _signer(secret: bytes) -> tuple[ECKey, KeySet]:
    """Our private key of P-384, made of the secret, and the set with its public half."""
    if len(secret) < 64:
        raise ValueError("a secret of 64 bytes is needed, or the key would lean to one side")
    number = int.from_bytes(secret, "big") % (_ORDER - 1) + 1
    made = ec.derive_private_key(number, ec.SECP384R1())
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = ECKey.import_key(made.private_bytes(*form))
    thumbprint = key.thumbprint()
    public = ECKey.import_key(key.as_dict(private=False))
    return key, KeySet((PublicKey(thumbprint, "ES384", public, thumbprint),))
