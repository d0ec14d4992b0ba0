"""What a site says of itself: facilities, billing entities, payers and their settings, service families, feeds.

Read from the site file (TOML) by `adapters.settings`; values here, so that the pure levels can be handed them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum

from adapters.model.charge import Component
from adapters.model.claim import ClaimType
from adapters.model.listening import LARGEST_FRAME, Listening


class Setting(StrEnum):
    """What kind of place treats (radiation-oncology.md 5.8)."""

    FREESTANDING = "freestanding"
    HOSPITAL = "hospital"


class Mode(StrEnum):
    """Who codes a service family (design idea 4)."""

    DERIVE = "derive"
    ACCEPT = "accept"
    COMPARE = "compare"


@dataclass(frozen=True, slots=True)
class BillingEntity:
    """Who bills, and which component of a service."""

    id: str
    name: str
    npi: str
    tin: str
    taxonomy: str
    bills: Component
    claim_type: ClaimType


@dataclass(frozen=True, slots=True)
class Facility:
    """Where treatment happens, and who bills for it there: one entity for everything, or hospital and physicians."""

    id: str
    name: str
    npi: str
    setting: Setting
    place_of_service: str
    entities: tuple[BillingEntity, ...]
    aliases: tuple[str, ...] = ()
    """What feeds call it (PV1-3.4, Location names)."""


@dataclass(frozen=True, slots=True)
class PayerEndpoint:
    """How a payer's FHIR endpoint is spoken to. Nothing here is a secret; secrets are file references."""

    base_url: str = ""
    call: str = "submit"
    """`submit` (Claim/$submit) or `create` (conditional create on Claim.identifier)."""
    body: str = "claim"
    """`claim`, or `bundle` with the claim first."""
    idempotent: bool = False
    """Whether repeating the call with the same bytes was shown to be harmless (design idea 6)."""
    timeout_seconds: float = 15.0
    attempts: int = 4
    """Calls in all that one submission may make while the payer certainly did not take it (429, 503, refused connection)."""
    poll_after_seconds: int = 900
    search_delay_seconds: int = 86400
    """After how long a search that finds nothing is evidence of absence."""


@dataclass(frozen=True, slots=True)
class DatedOptions:
    """Options that hold for dates of service from a day on, over what held before."""

    since: date
    options: Mapping[str, str]


def options_on(always: Mapping[str, str], dated: Iterable[DatedOptions], day: date) -> Mapping[str, str]:
    """The options in force on the day: those without a date, and over them the dated ones, the later over the earlier."""
    begun = sorted((later for later in dated if later.since <= day), key=lambda later: later.since)
    return {**always, **{name: value for later in begun for name, value in later.options.items()}} if begun else always


@dataclass(frozen=True, slots=True)
class Payer:
    """A payer and its settings. `options` override what the mappings leave to payers; their names are in mappings/README.md."""

    id: str
    name: str
    kind: str
    """`medicare` or `commercial`: which code sets and indicators apply."""
    aliases: tuple[str, ...] = ()
    """What feeds call it: IN1-3/IN1-4 texts, Coverage.payor identifiers and displays."""
    options: Mapping[str, str] = field(default_factory=dict)
    endpoint: PayerEndpoint = field(default_factory=PayerEndpoint)
    cycle: str = "week"
    """How lines are gathered into claims: `day`, `week` or `month` of the date of service; a year is never crossed."""
    wait_days: int = 0
    timely_filing_days: int = 365
    after_sending: str = "replace"
    """What a change after sending does: `replace` (frequency 7), or `person`."""
    dated_options: tuple[DatedOptions, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """A service family's charging mode from a day on, at one facility or everywhere (empty)."""

    service: str
    mode: Mode
    since: date
    facility: str = ""
    prefer: str = "ours"
    """In mode compare: whose code is billed on a difference, `ours` or `theirs`."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A sender: what it may say, how it speaks, and whose times it means."""

    name: str
    media: str
    """`hl7v2` or `fhir`."""
    dialect: str
    """Id of the mapping in mappings/feeds."""
    zone: str
    facility: str
    processing: str = "P"
    """The MSH-11 that is taken."""
    applications: tuple[str, ...] = ()
    """Allowed MSH-3, empty for any."""
    person_system: str = ""
    """The site's name of the authority whose MRN this feed sends where it names none we know."""
    person_aliases: Mapping[str, str] = field(default_factory=dict)
    """Assigning authority or identifier system as sent → the site's name of it."""
    sending_facilities: tuple[str, ...] = ()
    """Allowed MSH-4, empty for any."""
    types: tuple[str, ...] = ()
    """Allowed MSH-9, as `DFT` or `ADT^A08`, empty for any; others are answered with AR."""
    certificates: tuple[str, ...] = ()
    """Names of the client certificates that may speak for it; nobody else may then, but for files. Empty for any."""
    frame_bytes: int = LARGEST_FRAME
    """Longest message or batch in bytes; a longer one is answered with AE."""
    application_ack: str = "never"
    """The application acknowledgement that an enhanced-mode sender asks for beside its commit acknowledgement: `never`,
    or `after-work`: on the same connection, once the message has been worked or parked."""
    batch_answer: str = "one"
    """A batch gets `one` acknowledgement, or a batch of them, one for `each` message."""


@dataclass(frozen=True, slots=True)
class Price:
    """One row of the fee table: charge per unit from a day on; empty modifier or entity holds for any."""

    code: str
    modifier: str
    entity: str
    amount: Decimal
    start: date
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """The whole of a site's settings."""

    name: str
    zone: str
    facilities: tuple[Facility, ...]
    payers: tuple[Payer, ...]
    feeds: tuple[Feed, ...]
    families: tuple[Family, ...]
    prices: tuple[Price, ...]
    crosswalk: Mapping[str, str] = field(default_factory=dict)
    """Local charge code → HCPCS code."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the site, below those of a payer."""
    dated_options: tuple[DatedOptions, ...] = ()
    people: Mapping[str, str] = field(default_factory=dict)
    """NPI → role (radiation-oncologist, nurse-practitioner, medical-physicist), for exams and reviews."""
    listeners: tuple[Listening, ...] = ()
    digest: str = ""

    def facility(self, id: str) -> Facility | None:
        """The facility of that id or alias, or None."""
        for facility in self.facilities:
            if id == facility.id or id in facility.aliases:
                return facility
        return None

    def payer(self, id: str) -> Payer | None:
        """The payer of that id, name or alias (letter case aside), or None."""
        wanted = id.casefold()
        for payer in self.payers:
            if wanted in {payer.id.casefold(), payer.name.casefold(), *(a.casefold() for a in payer.aliases)}:
                return payer
        return None

    def feed(self, name: str) -> Feed | None:
        """The feed of that name, or None."""
        return next((feed for feed in self.feeds if feed.name == name), None)

    def mode(self, service: str, day: date, facility: str) -> Family | None:
        """The family setting in force on the day: the facility's own before the site's, the later before the earlier."""
        fitting = [f for f in self.families if f.service == service and f.since <= day and f.facility in ("", facility)]
        return max(fitting, key=lambda f: (f.facility != "", f.since), default=None)
