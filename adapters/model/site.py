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
from adapters.model.desk import Desk
from adapters.model.ehr import Ehr
from adapters.model.endpoint import PayerEndpoint
from adapters.model.listening import LARGEST_FRAME, Listening
from adapters.model.live import Live
from adapters.model.rhythm import Rhythm
from adapters.model.web import Client, WebListening


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
    timely_filing_days: int | None = None
    """By contract; None: no last day is known, but the one that Medicare's rule gives."""
    after_sending: str = "replace"
    """What a change after sending does: `replace` (frequency 7), or `person`."""
    dated_options: tuple[DatedOptions, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """That a provider may bill a payer, from a day on; both end days are inside."""

    npi: str
    payer: str
    """Id of the payer; empty: every payer."""
    start: date | None = None
    end: date | None = None
    filed: date | None = None
    """When the application that was approved was filed, where it limits how far back may be billed."""


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
    payer: str = ""
    """Id of the payer whose answers it brings (ClaimResponse, PaymentReconciliation, also as notifications); empty: none."""
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
    rhythm: Rhythm | None = None
    """When it is expected to speak; None where nothing is promised."""
    sequence_numbers: bool = False
    """Whether it numbers its messages in MSH-13 (v2.5.1 section 2.10.1): then gaps are told, and MSA-4 is given."""
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
    enrolments: tuple[Enrolment, ...] = ()
    """Who may bill whom, from when; asked where a payer's option `edits.enrolment` is on."""
    revenue: Mapping[str, str] = field(default_factory=dict)
    """HCPCS code or service family → revenue code of the facility's claims, where the charge master says none."""
    supervisors: tuple[str, ...] = ()
    """Who may let a line go that an edit holds, by the names that decisions are made under."""
    listeners: tuple[Listening, ...] = ()
    web: WebListening | None = None
    """The HTTPS listener beyond this machine; None: HTTP is for this machine only."""
    clients: tuple[Client, ...] = ()
    ehrs: tuple[Ehr, ...] = ()
    desks: tuple[Desk, ...] = ()
    """Where questions to the clinic go by HL7 v2."""
    live: tuple[Live, ...] = ()
    """From which dates of service what is compared and claimed; none: everything is claimed."""
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

    @property
    def asked_feeds(self) -> tuple[str, ...]:
        """The feeds whose senders may be asked questions, in the order in which they are: EHRs before desks."""
        return (*(ehr.feed for ehr in self.ehrs), *(desk.feed for desk in self.desks))

    def desk(self, feed: str) -> Desk | None:
        """The desk that is asked about what the feed of that name told, or None."""
        return next((desk for desk in self.desks if desk.feed == feed), None)

    def ehr(self, feed: str) -> Ehr | None:
        """The EHR behind the feed of that name, or None."""
        return next((ehr for ehr in self.ehrs if ehr.feed == feed), None)

    def mode(self, service: str, day: date, facility: str) -> Family | None:
        """The family setting in force on the day: the facility's own before the site's, the later before the earlier."""
        fitting = [f for f in self.families if f.service == service and f.since <= day and f.facility in ("", facility)]
        return max(fitting, key=lambda f: (f.facility != "", f.since), default=None)
