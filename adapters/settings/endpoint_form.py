"""The part of the site file that says how a payer is called; see `model.endpoint.PayerEndpoint`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.model.endpoint import ClientTls, Login, PayerEndpoint


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LoginPart(_Part):
    """`[payers.endpoint.login]`: SMART Backend Services."""

    token_url: str = Field(min_length=1)
    client_id: str = Field(min_length=1)
    scopes: tuple[Annotated[str, Field(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$")], ...] = Field(min_length=1)
    keys: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1, max_length=4)
    algorithm: Literal["RS384", "ES384"] = "RS384"

    def login(self, folder: Path) -> Login:
        """The login, its keys by their paths from the folder that the site file lies in."""
        keys = tuple(str(folder / key) for key in self.keys)
        return Login(self.token_url, self.client_id, self.scopes, keys, self.algorithm)


class ClientTlsPart(_Part):
    """`[payers.endpoint.tls]`: certificate and key for mutual TLS, the payer's own CA, or both."""

    certificate: str = ""
    key: str = ""
    ca: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        return self

    def tls(self, folder: Path) -> ClientTls:
        """The same with paths from the folder that the site file lies in."""
        return ClientTls(*(str(folder / name) if name else "" for name in (self.certificate, self.key, self.ca)))


class EndpointPart(_Part):
    """Where and how a payer is called."""

    policy: str = ""
    """Of the mappings: how patient calls are; what is said here goes before it."""
    base_url: str = ""
    call: Literal["submit", "create"] = "submit"
    body: Literal["claim", "bundle"] = "claim"
    line_traces: bool = False
    idempotent: bool = False
    idempotent_seconds: int = Field(default=0, ge=0)
    idempotency_header: str = Field(default="", pattern=r"^([A-Za-z][A-Za-z0-9-]{0,63})?$")
    search: Literal["post", "get", "none"] = "post"
    respond_async: bool = False
    ask: Literal["search", "task"] = "search"
    timeout_seconds: float = Field(default=15.0, gt=0)
    attempts: int = Field(default=4, ge=1, le=20)
    resend_after_seconds: int = Field(default=60, ge=0)
    poll_after_seconds: int = Field(default=900, ge=0)
    search_delay_seconds: int = Field(default=86400, ge=0)
    first_wait_seconds: float = Field(default=0.5, gt=0)
    longest_wait_seconds: float = Field(default=30.0, gt=0, le=60)
    in_flight: int = Field(default=4, ge=1, le=64)
    per_minute: int = Field(default=0, ge=0)
    rest_after: int = Field(default=5, ge=1)
    rest_seconds: float = Field(default=10.0, gt=0)
    hook_secret_file: str = ""
    login: LoginPart | None = None
    tls: ClientTlsPart | None = None

    def endpoint(self, terms: Mapping[str, int | float], folder: Path) -> PayerEndpoint:
        """The endpoint: what is said here over the terms of its policy over what holds for every payer."""
        said = self.model_dump(exclude_unset=True, exclude={"policy", "login", "tls", "hook_secret_file"})
        return PayerEndpoint(
            **{
                **terms,
                **said,
                "hook_secret_file": str(folder / self.hook_secret_file) if self.hook_secret_file else "",
                "login": self.login.login(folder) if self.login else None,
                "tls": self.tls.tls(folder) if self.tls else None,
            }
        )
