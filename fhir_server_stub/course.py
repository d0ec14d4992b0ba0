"""The nouns of a clinic's story: who is treated, what is delivered, what is said about it.

Frozen values only.  `Script` is what really happens (the author's knowledge); `Story` is the same told as
messages, with the list of services delivered, which is what the books of any billing program are checked
against.  All instants are aware, in the clinic's own zone.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from fhir_server_stub.wire import Json, dumps

Setting = Literal["hospital", "freestanding"]
PayerKind = Literal["medicare", "commercial"]
Channel = Literal["mllp", "fhir"]
Technique = Literal["imrt", "3d"]

# The clinic's clock: messages of HL7 v2 carry local time without an offset, FHIR carries the offset.
CLINIC_ZONE = "America/New_York"


@dataclass(frozen=True, slots=True)
class Person:
    """An invented patient."""

    mrn: str
    family: str
    given: str
    born: date
    sex: Literal["F", "M"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One coverage of the patient: the payer, the member number and the days it holds."""

    payer_id: str
    payer_name: str
    plan_id: str
    plan_name: str
    member: str
    group: str
    start: date
    order: int = 1
    end: date | None = None


@dataclass(frozen=True, slots=True)
class Clinician:
    """A person of the clinic with a National Provider Identifier (check digit right, person invented)."""

    npi: str
    family: str
    given: str


PHYSICIAN = Clinician("1999999901", "Ardenne", "Mira")
PHYSICIST = Clinician("1999999919", "Okoro", "Teun")


@dataclass(frozen=True, slots=True)
class Correction:
    """The first report of a session was wrong; the right one follows at `at` under the same identity."""

    at: datetime
    wrong_isocenters: int
    wrong_technique: Technique


@dataclass(frozen=True, slots=True)
class Session:
    """One fraction as it was delivered, and how it becomes known.

    `reported_at`: when the first report leaves; `again`: the same bytes once more; `void_at`: the report is
    taken back, the fraction was never delivered; `reviewed_at`: when the physician approved the guidance
    image (None: never); `review_inside`: that instant stands in the session's own report, not in a message
    of its own.  `activity` is its code in FT1-7; `phase` and `plan` where they are not the script's.
    """

    number: int
    start: datetime
    end: datetime
    channels: tuple[Channel, ...]
    technique: Technique
    isocenters: int
    guidance: Literal["none", "cbct", "ultrasound", "stereo-xray"]
    reported_at: datetime
    motion: bool = False
    motion_documented: bool = False
    reviewed_at: datetime | None = None
    review_inside: bool = False
    again: datetime | None = None
    correction: Correction | None = None
    void_at: datetime | None = None
    activity: str = "RTTX"
    phase: str = ""
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Replan:
    """A second plan within the course, of a boost or because the patient changed: from its approval on it is in force."""

    approved: datetime
    phase: str
    plan: str
    technique: Technique
    fractions: int


@dataclass(frozen=True, slots=True)
class Visit:
    """An on-treatment visit by the physician."""

    at: datetime
    channel: Channel


@dataclass(frozen=True, slots=True)
class Script:
    """What really happens in one course of treatment."""

    tag: str
    setting: Setting
    payer_kind: PayerKind
    person: Person
    policies: tuple[Policy, ...]
    diagnosis: str
    course: str
    phase: str
    plan: str
    technique: Technique
    planned_fractions: int
    isocenters: int
    registered_at: datetime
    simulation: datetime
    planning: datetime | None
    plan_approved: datetime
    calculations: int
    device: Literal["mlc", "block"]
    devices: int
    sessions: tuple[Session, ...]
    visits: tuple[Visit, ...]
    physics: tuple[datetime, ...]
    ended_at: datetime
    end_channels: tuple[Channel, ...] = ("mllp",)
    machine: str = "TX1"
    replans: tuple[Replan, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """One service that was really delivered: the EHR's own truth.

    `service`: planning, simulation, imrt-plan, 3d-plan, calculation, device, delivery, guidance, visit,
    physics.  `key`: the session's DICOM UID for delivery and guidance, the transaction id or visit number
    for the rest.  `detail`: named facts as text.
    """

    service: str
    day: date
    key: str
    detail: tuple[tuple[str, str], ...] = ()

    def said(self, name: str) -> str:
        """The fact of that name, or an empty text."""
        return dict(self.detail).get(name, "")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message leaving the EHR at an instant.

    `body`: HL7 v2 bytes without MLLP framing for `mllp`, a transaction Bundle for `fhir`.  `about`: the
    keys of the services it speaks of (delivered, or voided in the story); empty for registration.
    `door` names the receiver's door where it has several of a channel.
    """

    at: datetime
    channel: Channel
    body: bytes | Json
    about: tuple[str, ...]
    note: str
    door: str = ""

    @property
    def wire(self) -> bytes:
        """The bytes that travel, without MLLP framing."""
        return self.body if isinstance(self.body, bytes) else dumps(self.body)


class Sent:
    """Something told as messages, in the order in which they leave."""

    __slots__ = ()
    messages: tuple[Outgoing, ...]

    @property
    def begins(self) -> datetime:
        """The instant of the first message."""
        return self.messages[0].at

    @property
    def ends(self) -> datetime:
        """The instant of the last message."""
        return self.messages[-1].at


@dataclass(frozen=True, slots=True)
class Story(Sent):
    """A course told as messages, with the truth beside it.

    `delivered` is what was done; `voided` holds the keys that were reported and taken back and must not be
    paid.  `messages` are in the order in which they leave.
    """

    seed: int | None
    setting: Setting
    payer_kind: PayerKind
    patient: Person
    coverages: tuple[Policy, ...]
    diagnosis: str
    course: str
    plan: str
    delivered: tuple[Delivered, ...]
    voided: tuple[str, ...]
    messages: tuple[Outgoing, ...]
