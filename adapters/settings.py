"""Settings: environment and flags, the site file, the mappings on disk. Pydantic stands at this door; values go inside.

Every fault of a file is told at once, with the file and the place in it (`BadSetup`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from adapters.errors import BadSetup
from adapters.model.charge import Component
from adapters.model.claim import ClaimType
from adapters.model.site import (
    BillingEntity,
    DatedOptions,
    Facility,
    Family,
    Feed,
    Mode,
    Payer,
    PayerEndpoint,
    Price,
    Setting,
    Site,
)
from adapters.payers.origin import endpoint_problems
from adapters.rules import Problem, Ruleset, load

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


# ---------------------------------------------------------------- the site file


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as unknown:
        raise ValueError("not a time zone of the tz database") from unknown
    return name


_Zone = Annotated[str, AfterValidator(_zone)]
_Npi = Annotated[str, Field(pattern=r"^[0-9]{10}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Entity(_Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    name: str
    npi: _Npi
    tin: str = Field(pattern=r"^[0-9]{9}$")
    taxonomy: str = ""
    bills: Component
    claim_type: ClaimType


class _Facility(_Strict):
    id: str
    name: str
    npi: _Npi
    setting: Setting
    place_of_service: str = Field(pattern=r"^[0-9]{2}$")
    aliases: tuple[str, ...] = ()
    entities: tuple[_Entity, ...] = Field(min_length=1)


class _Endpoint(_Strict):
    base_url: str = ""
    call: Literal["submit", "create"] = "submit"
    body: Literal["claim", "bundle"] = "claim"
    idempotent: bool = False
    timeout_seconds: float = Field(default=15.0, gt=0)
    attempts: int = Field(default=4, ge=1, le=20)
    poll_after_seconds: int = Field(default=900, ge=0)
    search_delay_seconds: int = Field(default=86400, ge=0)


class _Dated(_Strict):
    since: date
    options: dict[str, str] = Field(min_length=1)


class _Payer(_Strict):
    id: str
    name: str
    kind: Literal["medicare", "commercial"]
    aliases: tuple[str, ...] = ()
    options: dict[str, str] = {}
    endpoint: _Endpoint = _Endpoint()
    cycle: Literal["day", "week", "month"] = "week"
    wait_days: int = Field(default=0, ge=0)
    timely_filing_days: int = Field(default=365, gt=0)
    after_sending: Literal["replace", "person"] = "replace"
    dated_options: tuple[_Dated, ...] = ()


class _Family(_Strict):
    service: str
    mode: Mode
    since: date
    facility: str = ""
    prefer: Literal["ours", "theirs"] = "ours"


class _Feed(_Strict):
    name: str
    media: Literal["hl7v2", "fhir"]
    dialect: str
    zone: _Zone
    facility: str
    processing: Literal["P", "T", "D"] = "P"
    applications: tuple[str, ...] = ()
    person_system: str = ""
    person_aliases: dict[str, str] = {}


class _Price(_Strict):
    code: str
    modifier: str = ""
    entity: str = ""
    amount: Decimal = Field(gt=0)
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to")


class _Site(_Strict):
    name: str
    zone: _Zone
    facilities: tuple[_Facility, ...] = Field(min_length=1)
    payers: tuple[_Payer, ...] = ()
    feeds: tuple[_Feed, ...] = ()
    families: tuple[_Family, ...] = ()
    prices: tuple[_Price, ...] = ()
    fees: str = ""
    """A CSV file beside the site file: code, modifier, entity, amount, from, to."""
    crosswalk: dict[str, str] = {}
    options: dict[str, str] = {}
    dated_options: tuple[_Dated, ...] = ()
    people: dict[str, str] = {}


def read_site(text: str, name: str, rules: Ruleset, fees: str = "", fees_name: str = "fees") -> Site:
    """The site of a site file's text, with the rows of its fee table; raises `BadSetup` with all problems."""
    problems: list[str] = []
    try:
        raw = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as broken:
        raise BadSetup((f"{name}: {broken}",)) from broken
    prices = tuple(_read_fees(fees, fees_name, problems)) if fees else ()
    try:
        said = _Site.model_validate(raw)
    except ValidationError as wrong:
        raise BadSetup((*problems, *(f"{name}: {said}" for said in _said(wrong)))) from wrong
    problems.extend(_cross_checked(said, name, rules))
    entities = {entity.id for facility in said.facilities for entity in facility.entities}
    for where, named in (
        *((f"{name}: prices", price.entity) for price in said.prices),
        *((fees_name, price.entity) for price in prices),
    ):
        if named and named not in entities:
            problems.append(f"{where}: there is no entity {named!r}")
    if problems:
        raise BadSetup(tuple(problems))
    digest = hashlib.sha256(f"{text}\0{fees}".encode()).hexdigest()
    site = _built(said, prices, digest)
    unsafe = [f"{name}: {one}" for p in site.payers if p.endpoint.base_url for one in endpoint_problems(p)]
    if unsafe:
        raise BadSetup(tuple(unsafe))
    return site


def _said(wrong: ValidationError) -> Iterable[str]:
    """Every fault with its place. A list of faulty parts is counted as empty too; that is no fault of its own."""
    errors = wrong.errors(include_url=False)
    for error in errors:
        place = error["loc"]
        within = any(len(e["loc"]) > len(place) and e["loc"][: len(place)] == place for e in errors)
        if not (error["type"] == "too_short" and within):
            yield f"{'.'.join(map(str, place))}: {error['msg']}"


def _cross_checked(said: _Site, name: str, rules: Ruleset) -> Iterable[str]:
    """What the parts of the site file say of one another and of the mappings."""
    for where, options, dated in [
        ("", said.options, said.dated_options),
        *((f"payers.{p.id}.", p.options, p.dated_options) for p in said.payers),
    ]:
        parts = [("options", options), *((f"dated_options.{later.since}", later.options) for later in dated)]
        for part, values in parts:
            for option, value in values.items():
                if problem := rules.option_problem(option, value):
                    yield f"{name}: {where}{part}: {problem}"
        days = [later.since for later in dated]
        yield from (
            f"{name}: {where}dated_options.{day}: is there twice"
            for day in sorted({d for d in days if days.count(d) > 1})
        )
    places = {f.id for f in said.facilities}
    for kind, ids in (
        ("facilities", [f.id for f in said.facilities]),
        ("payers", [p.id for p in said.payers]),
        ("feeds", [f.name for f in said.feeds]),
        ("entities", [e.id for f in said.facilities for e in f.entities]),
    ):
        yield from (f"{name}: {kind}: {id!r} is there twice" for id in sorted({i for i in ids if ids.count(i) > 1}))
    for feed in said.feeds:
        if feed.facility not in places:
            yield f"{name}: feeds.{feed.name}: no facility {feed.facility!r}"
        if feed.dialect not in rules.dialects:
            yield f"{name}: feeds.{feed.name}: no dialect {feed.dialect!r} in the mappings"
        elif rules.dialect(feed.dialect).media != feed.media:
            yield f"{name}: feeds.{feed.name}: dialect {feed.dialect!r} is not for {feed.media}"
    for family in said.families:
        if family.facility and family.facility not in places:
            yield f"{name}: families.{family.service}: no facility {family.facility!r}"


def _built(said: _Site, prices: Sequence[Price], digest: str) -> Site:
    return Site(
        name=said.name,
        zone=said.zone,
        facilities=tuple(
            Facility(
                f.id,
                f.name,
                f.npi,
                f.setting,
                f.place_of_service,
                tuple(BillingEntity(e.id, e.name, e.npi, e.tin, e.taxonomy, e.bills, e.claim_type) for e in f.entities),
                f.aliases,
            )
            for f in said.facilities
        ),
        payers=tuple(
            Payer(
                p.id,
                p.name,
                p.kind,
                p.aliases,
                p.options,
                PayerEndpoint(**p.endpoint.model_dump()),
                p.cycle,
                p.wait_days,
                p.timely_filing_days,
                p.after_sending,
                tuple(DatedOptions(later.since, later.options) for later in p.dated_options),
            )
            for p in said.payers
        ),
        feeds=tuple(Feed(**f.model_dump()) for f in said.feeds),
        families=tuple(Family(**f.model_dump()) for f in said.families),
        prices=(*(Price(p.code, p.modifier, p.entity, p.amount, p.start, p.end) for p in said.prices), *prices),
        crosswalk=said.crosswalk,
        options=said.options,
        dated_options=tuple(DatedOptions(later.since, later.options) for later in said.dated_options),
        people=said.people,
        digest=digest,
    )


_FEE_COLUMNS = ("code", "modifier", "entity", "amount", "from", "to")


def _read_fees(text: str, name: str, problems: list[str]) -> Iterable[Price]:
    """The rows of a fee table; ill-formed rows, and those that end before they begin, are problems with line numbers."""
    reader = csv.DictReader(io.StringIO(text))
    missing = [column for column in _FEE_COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        problems.append(f"{name}:1: missing columns: {', '.join(missing)}")
        return
    for row in reader:
        try:
            amount = Decimal(row["amount"])
            if not amount.is_finite() or amount <= 0:
                raise ValueError("amount is not above zero")
            start = date.fromisoformat(row["from"])
            end = date.fromisoformat(row["to"]) if row["to"] else None
            if not row["code"] or (end is not None and end < start):
                raise ValueError("no code, or an end before the start")
            yield Price(row["code"], row["modifier"], row["entity"], amount, start, end)
        except (InvalidOperation, ValueError, TypeError):
            problems.append(f"{name}:{reader.line_num}: not a row of code, modifier, entity, amount > 0, from, to")


def site_of(path: Path, rules: Ruleset) -> Site:
    """The site of a site file on disk, with the fee table that it names beside it."""
    text = _text(path, f"{path}: the site file")
    fees_name = ""
    try:
        fees_name = str(tomllib.loads(text).get("fees", ""))
    except tomllib.TOMLDecodeError:
        fees_name = ""  # read_site tells what is wrong with the text
    fees = _text(path.parent / fees_name, f"{path}: fees: {fees_name}") if fees_name else ""
    return read_site(text, str(path), rules, fees, fees_name)


def _text(path: Path, what: str) -> str:
    """A file's text; raises `BadSetup` where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as missing:
        raise BadSetup((f"{what} cannot be read ({missing.strerror})",)) from missing
    except UnicodeDecodeError as other:
        raise BadSetup((f"{what} is not UTF-8",)) from other


# ---------------------------------------------------------------- the mappings on disk


def _walk(folder: Traversable, prefix: str = "") -> Iterable[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        elif entry.name.endswith((".toml", ".csv")):
            yield path, entry.read_bytes()


def rules_of(overlays: Sequence[Path] = ()) -> Ruleset:
    """The mappings of this package under the overlays, loaded whole; raises `BadSetup` with every problem."""
    base = dict(_walk(resources.files("mappings")))
    missing = tuple(f"{overlay}: no such folder of mappings" for overlay in overlays if not overlay.is_dir())
    if missing:
        raise BadSetup(missing)
    loaded = load(base, [dict(_walk(overlay)) for overlay in overlays])
    if isinstance(loaded, Ruleset):
        return loaded
    raise BadSetup(tuple(told(problem, overlays) for problem in loaded))


def told(problem: Problem, overlays: Sequence[Path] = ()) -> str:
    """A problem of the mappings as `file:line: words`, the file of the n-th overlay (`overlay-n/…`) by its own path."""
    first, _, rest = problem.file.partition("/")
    number = first.removeprefix("overlay-")
    known = first != number and number.isdecimal() and 0 < int(number) <= len(overlays)
    file = str(overlays[int(number) - 1] / rest) if known else problem.file
    return f"{file}:{problem.line}: {problem.message}"
