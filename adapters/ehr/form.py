"""The part of the site file that says which EHRs are asked (`[[ehrs]]`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.model.ehr import Ehr, ehr_problems
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
