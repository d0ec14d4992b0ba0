"""Signing in to the pages at an issuer of the clinic (OpenID Connect), as the site file says it. Nothing here is a secret."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from adapters.model.address import is_loopback, origin
from adapters.model.user import ELSEWHERE, Role

RETURN_PATH: Final = "/sign-in/openid"
"""Where a browser comes back to, beneath `base_url`."""


@dataclass(frozen=True, slots=True)
class OpenId:
    """The issuer, who we are there, and what it says that lets somebody in."""

    issuer: str
    """To the letter as its tokens and its discovery document name it."""
    client_id: str
    roles: tuple[tuple[str, Role], ...]
    """What a value of `role_claim` lets one be; of several the role that may most."""
    role_claim: str = "roles"
    name_claim: str = "preferred_username"
    """What the user is named by; the subject where a token does not say it."""
    scopes: tuple[str, ...] = ("openid", "profile")
    prompt: str = ""
    """What the issuer is asked to ask of the person each time, as `login`; empty: what it does by itself."""
    client_secret_file: str = ""
    """Path of the secret that the issuer gave us (0600); or `keys`."""
    keys: tuple[str, ...] = ()
    """Paths of private keys (PEM, 0600): we sign what we ask with the first (private_key_jwt)."""
    algorithm: str = "RS384"
    ca: str = ""
    """Path of the CAs that the issuer's certificate must come from, in place of the usual ones."""
    passwords: bool = True
    """Whether an admin may still sign in by a password of ours; nobody else does."""

    def role(self, values: Collection[str]) -> Role | None:
        """What these values let one be; None for nothing, which lets nobody in."""
        return max((role for value, role in self.roles if value in values), key=lambda role: role.rank, default=None)

    def secret(self, subject: str) -> str:
        """What is kept of a user in place of a password: of whom the name is. No password fits it."""
        whose = f"{len(self.issuer)}:{self.issuer}{subject}"
        return f"{ELSEWHERE}{hashlib.sha256(whose.encode()).hexdigest()}"

    @property
    def discovery_url(self) -> str:
        """Where the issuer describes itself (OpenID Connect Discovery 1.0, 4)."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


class Begun(NamedTuple):
    """A sign-in that a browser began: what must come back (`state`, `nonce`), and what shows that we asked (RFC 7636)."""

    state: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """What the issuer is told of the verifier beforehand, by S256."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Trouble(StrEnum):
    """Why nobody can be asked of, or no token was to be had: words for logs and counters."""

    UNREACHABLE = "issuer-unreachable"
    """No answer, an answer that was too large or too slow, or one that says to try again later."""
    DESCRIPTION = "issuer-description"
    """What the issuer says of itself is not what it should: another issuer, an address that may not be called."""
    SETUP = "setup"
    """Our secret or key cannot be used."""
    NOT_GIVEN = "code-refused"
    """The issuer gave no token for the code."""


def address_problem(url: str) -> str:
    """Why nothing of a sign-in may go to an address; empty where it may. Beyond this machine only TLS will do."""
    found = origin(url)
    if found is None or urlsplit(url).fragment:
        return "is no http or https address without a user"
    if found[0] != "https" and not is_loopback(found[1]):
        return "must be https beyond this machine"
    return ""


def openid_problems(said: OpenId, *, pages: bool) -> Iterator[str]:
    """Everything that is wrong with it, each with its place."""
    if problem := address_problem(said.issuer) or ("has a query" if urlsplit(said.issuer).query else ""):
        yield f"openid.issuer: {problem}"
    if bool(said.client_secret_file) == bool(said.keys):
        yield "openid: either client_secret_file or keys says who we are"
    if "openid" not in said.scopes:
        yield "openid.scopes: the scope openid is missing"
    if not pages:
        yield "openid: nobody signs in here as long as pages is not true"
