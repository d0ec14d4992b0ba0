"""The part of the site file that says how FHIR and HL7 over HTTP come in beyond this machine: `[web]`, `[[clients]]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from adapters.model.listening import TlsFiles
from adapters.model.openid import OpenId
from adapters.model.user import Role
from adapters.model.web import Client, WebListening
from adapters.smart.scopes import scope


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tls(_Part):
    certificate: str = Field(min_length=1)
    key: str = Field(min_length=1)
    ca: str = ""


class OpenIdPart(_Part):
    """The `[web.openid]` part; see `model.openid.OpenId`."""

    issuer: str = Field(min_length=1)
    client_id: str = Field(min_length=1, max_length=200)
    roles: dict[Annotated[str, Field(min_length=1)], Role] = Field(min_length=1)
    role_claim: str = Field(default="roles", min_length=1)
    name_claim: str = Field(default="preferred_username", min_length=1)
    scopes: tuple[Annotated[str, Field(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$")], ...] = ("openid", "profile")
    prompt: Literal["", "login", "select_account", "consent"] = ""
    client_secret_file: str = ""
    keys: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), max_length=4)
    algorithm: Literal["RS384", "ES384"] = "RS384"
    ca: str = ""
    passwords: bool = True

    def openid(self, folder: Path) -> OpenId:
        """The same, its files by their paths from the folder that the site file lies in."""
        secret, ca = (str(folder / name) if name else "" for name in (self.client_secret_file, self.ca))
        files = {"client_secret_file": secret, "ca": ca, "keys": tuple(str(folder / key) for key in self.keys)}
        return OpenId(**{**self.model_dump(), "roles": tuple(self.roles.items()), **files})


class WebPart(_Part):
    """The `[web]` part; see `model.web.WebListening`."""

    base_url: str
    tls: _Tls
    host: str = "127.0.0.1"
    port: int = Field(default=8443, ge=0, le=65535)
    networks: tuple[str, ...] = ()
    pages: bool = False
    openid: OpenIdPart | None = None

    def listening(self, folder: Path) -> WebListening:
        """The listener, its files by their paths from the folder that the site file lies in."""
        certificate, key, ca = (str(folder / name) if name else "" for name in self.tls.model_dump().values())
        files = TlsFiles(certificate, key, ca)
        openid = self.openid.openid(folder) if self.openid else None
        return WebListening(self.base_url, files, self.host, self.port, self.networks, self.pages, openid)


def _scope(text: str) -> str:
    if scope(text) is None:
        raise ValueError("no scope of a system, as system/Procedure.c, system/*.write or hl7v2.write")
    return text


class ClientPart(_Part):
    """A `[[clients]]` entry; see `model.web.Client`."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")
    feed: str
    jwks: str = Field(min_length=1)
    scopes: tuple[Annotated[str, AfterValidator(_scope)], ...] = Field(min_length=1)

    def client(self, folder: Path) -> Client:
        """The client, its keys by their path from the folder that the site file lies in."""
        return Client(self.id, self.feed, str(folder / self.jwks), self.scopes)
