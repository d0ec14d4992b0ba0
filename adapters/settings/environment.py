"""What the environment says; flags of the command line go before it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters.errors import BadSetup

_PREFIX = "ONCOCLAIMS_"


class Settings(BaseSettings):
    """What the environment says (`ONCOCLAIMS_STORE`, `ONCOCLAIMS_SITE` …); flags of the command line go before it."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore")

    store: str = "sqlite:///oncoclaims.db"
    site: Path = Path("site.toml")
    mappings: Annotated[tuple[Path, ...], NoDecode] = ()
    """Overlay folders; in the environment parted as in PATH."""
    keys: Path = Path("oncoclaims.keys")
    head: Path | None = None
    """Where the last seal is told outside the database; beside the file of SQLite if not said."""
    editions: Path | None = None
    """Folder of table editions; beside the file of SQLite, or in the database of PostgreSQL, if not said."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("mappings", mode="before")
    @classmethod
    def _folders(cls, said: object) -> object:
        return tuple(filter(None, said.split(os.pathsep))) if isinstance(said, str) else said

    @field_validator("log_level", mode="before")
    @classmethod
    def _small_letters(cls, said: object) -> object:
        return said.lower() if isinstance(said, str) else said


def of_environment() -> Settings:
    """The environment's settings; raises `BadSetup` with the name of every variable that cannot be used."""
    try:
        return Settings()
    except ValidationError as wrong:
        found = (f"{_PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in wrong.errors(include_url=False))
        raise BadSetup(tuple(found)) from wrong
