"""The form of a site file, part by part. Pydantic stands at this door and nowhere behind it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from adapters.ehr.form import DeskPart, EhrPart
from adapters.files.listeners import DoorPart, ListenerPart
from adapters.files.web import ClientPart, WebPart
from adapters.model.charge import Component
from adapters.model.claim import ClaimType
from adapters.model.site import Mode, Setting
from adapters.settings.endpoint_form import EndpointPart


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:  # OSError: a folder of zones, as `America`
        raise ValueError("not a time zone of the tz database") from unknown
    return name


_Zone = Annotated[str, AfterValidator(_zone)]
_Npi = Annotated[str, Field(pattern=r"^[0-9]{10}$")]


class StrictPart(BaseModel):
    """A part that takes no key it does not have."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LiveDays(StrictPart):
    """From which dates of service what it says it of is compared, and claimed."""

    shadow_from: date | None = None
    live_from: date | None = None


class LivePart(LiveDays):
    """The days of what is named together."""

    entity: str = ""
    payer: str = ""
    service: str = ""


class EntityPart(LiveDays):
    """Who bills."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    name: str
    npi: _Npi
    tin: str = Field(pattern=r"^[0-9]{9}$")
    taxonomy: str = ""
    bills: Component
    claim_type: ClaimType


class FacilityPart(StrictPart):
    """A place where patients are treated."""

    id: str
    name: str
    npi: _Npi
    setting: Setting
    place_of_service: str = Field(pattern=r"^[0-9]{2}$")
    aliases: tuple[str, ...] = ()
    entities: tuple[EntityPart, ...] = Field(min_length=1)


class DatedPart(StrictPart):
    """Options from a day on."""

    since: date
    options: dict[str, str] = Field(min_length=1)


class PayerPart(LiveDays):
    """A payer and its settings."""

    id: str
    name: str
    kind: Literal["medicare", "commercial"]
    aliases: tuple[str, ...] = ()
    preset: str = ""
    """Of the mappings: what this payer is known to want; options said here go before it."""
    options: dict[str, str] = {}
    endpoint: EndpointPart = EndpointPart()
    cycle: Literal["day", "week", "month", "visit", "series", "treatment"] = "week"
    wait_days: int = Field(default=0, ge=0)
    timely_filing_days: int | None = Field(default=None, gt=0)
    after_sending: Literal["replace", "person", "reopen"] = "replace"
    dated_options: tuple[DatedPart, ...] = ()


class FamilyPart(LiveDays):
    """The charging mode of a service family."""

    service: str
    mode: Mode
    since: date
    facility: str = ""
    prefer: Literal["ours", "theirs"] = "ours"


class FeedPart(StrictPart, DoorPart):
    """A sender."""

    name: str
    media: Literal["hl7v2", "fhir"]
    dialect: str
    zone: _Zone
    facility: str
    processing: Literal["P", "T", "D"] = "P"
    applications: tuple[str, ...] = ()
    person_system: str = ""
    person_aliases: dict[str, str] = {}
    payer: str = ""


class EnrolmentPart(StrictPart):
    """That a provider may bill a payer."""

    npi: str
    payer: str = ""
    start: date | None = Field(default=None, alias="from")
    end: date | None = Field(default=None, alias="to")
    filed: date | None = None


class PricePart(StrictPart):
    """A row of the fees."""

    code: str
    modifier: str = ""
    entity: str = ""
    amount: Decimal = Field(gt=0)
    start: date = Field(alias="from")
    end: date | None = Field(default=None, alias="to")


class SitePart(StrictPart):
    """The whole file."""

    name: str
    zone: _Zone
    facilities: tuple[FacilityPart, ...] = Field(min_length=1)
    payers: tuple[PayerPart, ...] = ()
    feeds: tuple[FeedPart, ...] = ()
    listeners: tuple[ListenerPart, ...] = ()
    web: WebPart | None = None
    clients: tuple[ClientPart, ...] = ()
    ehrs: tuple[EhrPart, ...] = ()
    desks: tuple[DeskPart, ...] = ()
    families: tuple[FamilyPart, ...] = ()
    live: tuple[LivePart, ...] = ()
    prices: tuple[PricePart, ...] = ()
    fees: str = ""
    """A CSV file beside the site file: code, modifier, entity, amount, from, to."""
    crosswalk: dict[str, str] = {}
    options: dict[str, str] = {}
    dated_options: tuple[DatedPart, ...] = ()
    people: dict[str, str] = {}
    enrolments: tuple[EnrolmentPart, ...] = ()
    revenue: dict[str, Annotated[str, Field(pattern=r"^[0-9]{4}$")]] = {}
    supervisors: tuple[str, ...] = ()
