"""The parts of the site file that say which EHRs are asked (`[[ehrs]]`), and which desks by HL7 v2 (`[[desks]]`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.model.desk import Desk, desk_problems
from adapters.model.ehr import Ehr, ehr_problems
from adapters.model.listening import TlsFiles
from adapters.pipeline.receive import FHIR_TYPES


class EhrPart(BaseModel):
    """An `[[ehrs]]` entry; see `model.ehr.Ehr`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feed: str = Field(min_length=1)
    base_url: str = Field(min_length=1)
    types: tuple[str, ...] = Field(default=FHIR_TYPES, min_length=1)
    by: Literal["search", "history"] = "search"
    since: datetime | None = None
    every_seconds: int = Field(default=300, ge=1)
    overlap_seconds: int = Field(default=300, ge=0)
    page_size: int = Field(default=100, ge=1, le=10_000)
    pages: int = Field(default=100, ge=1)
    timeout_seconds: float = Field(default=30.0, gt=0)
    attempts: int = Field(default=4, ge=1, le=20)
    token_file: str = ""
    hook_url: str = ""
    hook_secret_file: str = ""
    hook_hours: int = Field(default=720, ge=1)
    questions: Literal["task", "off"] = "off"
    question_owner: str = ""
    question_days: int = Field(default=7, ge=1, le=365)
    question_reminder_days: int = Field(default=3, ge=0, le=365)

    def ehr(self, folder: Path) -> Ehr:
        """The EHR, its files by their paths from the folder that the site file lies in."""
        said = self.model_dump()
        for name in ("token_file", "hook_secret_file"):
            said[name] = str(folder / said[name]) if said[name] else ""
        return Ehr(**said)


def ehr_part_problems(parts: Sequence[EhrPart], feeds: Mapping[str, str]) -> Iterable[str]:
    """What the EHRs say that cannot be; `feeds` are the site's: name → media."""
    names = [part.feed for part in parts]
    yield from (f"ehrs: feed {name!r} is there twice" for name in sorted({n for n in names if names.count(n) > 1}))
    for part in parts:
        if feeds.get(part.feed) != "fhir":
            yield f"ehrs.{part.feed}: there is no FHIR feed of that name"
        yield from (f"ehrs.{part.feed}: {kind!r} is not taken here" for kind in part.types if kind not in FHIR_TYPES)
        yield from ehr_problems(part.ehr(Path()))


class _Tls(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    certificate: str = Field(min_length=1)
    key: str = Field(min_length=1)
    ca: str = Field(min_length=1)


class DeskPart(BaseModel):
    """A `[[desks]]` entry; see `model.desk.Desk`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    feed: str = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    tls: _Tls | None = None
    server_name: str = Field(default="", max_length=253)
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    every_seconds: int = Field(default=60, ge=1)
    question_days: int = Field(default=7, ge=1, le=365)
    question_reminder_days: int = Field(default=3, ge=0, le=365)

    def desk(self, folder: Path) -> Desk:
        """The desk, its files by their paths from the folder that the site file lies in."""
        files = None
        if self.tls is not None:
            files = TlsFiles(*(str(folder / name) for name in (self.tls.certificate, self.tls.key, self.tls.ca)))
        return Desk(**self.model_dump(exclude={"tls"}), tls=files)


def desk_part_problems(
    parts: Sequence[DeskPart], feeds: Mapping[str, str], writing: Mapping[str, bool]
) -> Iterable[str]:
    """What the desks say that cannot be; `feeds` are the site's: name → media, `writing`: name → whether its dialect says
    how a question is written."""
    spoken = [name for name, media in feeds.items() if media == "hl7v2"]
    yield from desk_problems([part.desk(Path()) for part in parts], spoken)
    for part in parts:
        if part.feed in spoken and not writing.get(part.feed, True):
            yield f"desks.{part.feed}: the dialect of this feed says no question: give it [question]"
