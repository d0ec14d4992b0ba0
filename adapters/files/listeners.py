"""The part of the site file that says how HL7 v2 comes in: listeners, and what each feed may send through them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.files.rhythm import RhythmPart
from adapters.model.listening import LARGEST_FRAME, Listening, TlsFiles

_LONGEST_LIMIT = 1024 * 1024 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DoorPart(_Part):
    """What a `[[feeds]]` entry says of its way in, and of when it comes; see `model.site.Feed`."""

    sending_facilities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    frame_bytes: int = Field(default=LARGEST_FRAME, ge=1024, le=_LONGEST_LIMIT)
    application_ack: Literal["never", "after-work"] = "never"
    batch_answer: Literal["one", "each"] = "one"
    rhythm: RhythmPart | None = None
    sequence_numbers: bool = False


class _Tls(_Part):
    certificate: str = Field(min_length=1)
    key: str = Field(min_length=1)
    ca: str = Field(min_length=1)


class ListenerPart(_Part):
    """A `[[listeners]]` entry; see `model.listening.Listening`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    host: str = "127.0.0.1"
    port: int = Field(default=2575, ge=0, le=65535)
    feeds: tuple[str, ...] = ()
    tls: _Tls | None = None
    networks: tuple[str, ...] = ()
    frame_bytes: int = Field(default=LARGEST_FRAME, ge=1024, le=_LONGEST_LIMIT)
    frame_seconds: float = Field(default=30.0, gt=0)
    idle_seconds: float = Field(default=3600.0, gt=0)
    connections: int = Field(default=256, ge=1)
    per_peer: int = Field(default=64, ge=1)

    def listening(self, folder: Path) -> Listening:
        """The listener, its files by their paths from the folder that the site file lies in."""
        said = self.model_dump(exclude={"tls"})
        files = None
        if self.tls is not None:
            files = TlsFiles(*(str(folder / name) for name in (self.tls.certificate, self.tls.key, self.tls.ca)))
        return Listening(**said, tls=files)
