"""The claim and its life. `LIFE` is the whole life cycle; a pair that it does not have is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from adapters.errors import Forbidden
from adapters.model.money import Cents
from adapters.model.remittance import Adjustment


class ClaimType(StrEnum):
    """The form of the bill: 837P or 837I in X12, `professional` or `institutional` in FHIR."""

    PROFESSIONAL = "professional"
    INSTITUTIONAL = "institutional"


LINES: Final = {ClaimType.PROFESSIONAL: 50, ClaimType.INSTITUTIONAL: 999}
"""Service lines a claim may have (837P/I of 5010, medical-oncology-and-revenue-cycle.md 4.1, C-T)."""
DIAGNOSES: Final = {ClaimType.PROFESSIONAL: 12, ClaimType.INSTITUTIONAL: 25}
"""Diagnoses a claim may have (the same)."""
AUTHORIZATIONS: Final = "|"
"""What stands between the numbers of several prior authorizations of one claim."""
POINTERS: Final = 4
"""Diagnoses that a line of a professional claim may point at (the same); a line of ours never names more."""


class ClaimState(StrEnum):
    """Where a claim stands."""

    BUILT = "built"
    HELD = "held"
    READY = "ready"
    UNKNOWN = "sent?"
    """Sent, and whether the payer has it is not known: leaves this state only by evidence."""
    ACCEPTED = "accepted"
    QUEUED = "queued"
    COMPLETE = "complete"
    """Adjudicated and posted; what was paid is told by `settlement`."""
    ERROR = "error"
    REFUSED = "refused"
    REPLACED = "replaced"
    VOIDED = "voided"
    ABANDONED = "abandoned"
    """Never sent, and none of its charges is due any more."""


class ClaimEvent(StrEnum):
    """What can happen to a claim."""

    HOLD = "hold"
    RELEASE = "release"
    SEND = "send"
    TAKE = "take"
    """The payer has it (2xx with nothing to post yet, or a search found it)."""
    QUEUE = "queue"
    ADJUDICATE = "adjudicate"
    FAIL = "fail"
    """The payer could not process it: outcome error."""
    REFUSE = "refuse"
    """4xx: not taken, will not be by sending the same bytes."""
    NOT_SENT = "not-sent"
    """Certainly not received (connection refused, 429, 503 before processing): may be sent again."""
    LOST = "lost"
    """The call went out and no answer came, or one that says nothing: whether the payer has the claim is unknown."""
    REPLACE = "replace"
    VOID = "void"
    ABANDON = "abandon"


_S, _E = ClaimState, ClaimEvent

LIFE: Final[dict[tuple[ClaimState, ClaimEvent], ClaimState]] = {
    (_S.BUILT, _E.HOLD): _S.HELD,
    (_S.BUILT, _E.RELEASE): _S.READY,
    (_S.BUILT, _E.ABANDON): _S.ABANDONED,
    (_S.HELD, _E.RELEASE): _S.READY,
    (_S.HELD, _E.ABANDON): _S.ABANDONED,
    (_S.READY, _E.HOLD): _S.HELD,
    (_S.READY, _E.SEND): _S.UNKNOWN,
    (_S.READY, _E.ABANDON): _S.ABANDONED,
    (_S.UNKNOWN, _E.TAKE): _S.ACCEPTED,
    (_S.UNKNOWN, _E.QUEUE): _S.QUEUED,
    (_S.UNKNOWN, _E.ADJUDICATE): _S.COMPLETE,
    (_S.UNKNOWN, _E.FAIL): _S.ERROR,
    (_S.UNKNOWN, _E.REFUSE): _S.REFUSED,
    (_S.UNKNOWN, _E.NOT_SENT): _S.READY,
    (_S.UNKNOWN, _E.LOST): _S.UNKNOWN,
    (_S.UNKNOWN, _E.SEND): _S.UNKNOWN,
    (_S.ACCEPTED, _E.TAKE): _S.ACCEPTED,
    (_S.QUEUED, _E.TAKE): _S.QUEUED,
    (_S.ACCEPTED, _E.QUEUE): _S.QUEUED,
    (_S.ACCEPTED, _E.ADJUDICATE): _S.COMPLETE,
    (_S.ACCEPTED, _E.FAIL): _S.ERROR,
    (_S.QUEUED, _E.QUEUE): _S.QUEUED,
    (_S.QUEUED, _E.ADJUDICATE): _S.COMPLETE,
    (_S.QUEUED, _E.FAIL): _S.ERROR,
    (_S.COMPLETE, _E.ADJUDICATE): _S.COMPLETE,
    (_S.COMPLETE, _E.REPLACE): _S.REPLACED,
    (_S.COMPLETE, _E.VOID): _S.VOIDED,
    (_S.ACCEPTED, _E.REPLACE): _S.REPLACED,
    (_S.ACCEPTED, _E.VOID): _S.VOIDED,
}
"""(state, event) → state. Taken from design idea 6: SENT? is left by evidence only."""


def step(state: ClaimState, event: ClaimEvent) -> ClaimState:
    """The state after the event; raises `Forbidden` where the table has no such step."""
    try:
        return LIFE[state, event]
    except KeyError:
        raise Forbidden(f"a claim that is {state} cannot take the step {event}") from None


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One line. `charges` are the ids of the charges it bills; amounts are pinned when the claim is built."""

    line: int
    charges: tuple[str, ...]
    code: str
    modifiers: tuple[str, ...]
    units: int
    start: date
    end: date
    amount: Cents
    diagnoses: tuple[int, ...]
    """Pointers: 1-based positions in the claim's diagnoses, at most four."""
    component: str
    rendering: str = ""
    ordering: str = ""
    """NPI of who ordered the service, where a report says (837P loop 2420E)."""
    place: str = ""
    """Place of service of the line (two digits), empty on institutional claims."""
    revenue: str = ""
    ndc: str = ""
    ndc_quantity: Decimal | None = None
    """How much of the drug the line is for, in `ndc_unit`; None where the payer's unit or the volume is not known."""
    ndc_unit: str = ""
    """F2, GR, ME, ML or UN."""
    narrative: str = ""
    """What the line is in words, where its code does not say it (837P SV101-7)."""


@dataclass(frozen=True, slots=True)
class Party:
    """Someone whom a claim names: a billing entity, a payer, a facility."""

    id: str
    name: str
    npi: str = ""
    tin: str = ""
    taxonomy: str = ""


@dataclass(frozen=True, slots=True)
class PriorLine:
    """What an earlier payer decided about one line (837 loop 2430: SVD and CAS)."""

    line: int
    paid: Cents
    adjustments: tuple[Adjustment, ...] = ()


@dataclass(frozen=True, slots=True)
class PriorPayer:
    """An earlier payer's adjudication, which a later payer's claim restates (837 loops 2320, 2330B and 2430)."""

    payer: Party
    member: str
    paid: Cents
    lines: tuple[PriorLine, ...]
    claim_number: str = ""
    """The payer's own number of its claim."""
    adjudicated_on: date | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it goes out; carries all that an 837P/I of this project's lines needs. Immutable once built."""

    id: str
    """Our Claim.identifier: the payer's duplicate check and the key of every answer."""
    type: ClaimType
    person: str
    patient_identifier: str
    entity: Party
    payer: Party
    coverage: str
    member: str
    lines: tuple[ClaimLine, ...]
    diagnoses: tuple[str, ...]
    built_on: date
    facility: Party
    frequency: str = "1"
    """1 original, 7 replacement, 8 void (NUBC frequency, meanings in the domain facts)."""
    replaces: str = ""
    payer_claim_number: str = ""
    """The payer's number of the claim that this one replaces or voids."""
    relationship: str = "self"
    authorization: str = ""
    """Number of its prior authorization; several, where a payer takes them on one claim, with AUTHORIZATIONS between."""
    dropped: tuple[str, ...] = ()
    """Diagnoses that had no place on it, the lowest in rank; no line of it cites them."""
    cycle: str = ""
    """The billing cycle that made it, e.g. `2026-W01`; with entity and coverage it says why these lines stand together."""
    family: str = field(default="", repr=False)
    given: str = field(default="", repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: str = ""
    sequence: int = 1
    """Place of its payer in the order of benefits: 1 primary, 2 secondary, 3 tertiary (837 SBR01)."""
    follows: str = ""
    """Of a later payer's claim: our claim to the first payer, whose lines it repeats and to which its answer is posted."""
    prior: tuple[PriorPayer, ...] = ()
    """What the payers before this one decided, the first first."""
    condition_codes: tuple[str, ...] = ()
    """Why a claim was changed or cancelled, where the payer asks for it (Medicare's D0 to E0)."""

    @property
    def total(self) -> Cents:
        """Sum of its lines in minor units."""
        return sum(line.amount for line in self.lines)


@dataclass(frozen=True, slots=True)
class ClaimOnFile:
    """A claim with where it stands."""

    claim: Claim
    state: ClaimState
    settlement: str = ""
    """After adjudication: paid, partially-paid or denied."""
    payer_claim_number: str = ""
    submitted_at: str = ""
    deadline: date | None = None
    poll_at: str = field(default="", repr=False)
    """Where the payer said that the answer will be (Content-Location); empty: ask by search."""

    @property
    def printed_state(self) -> str:
        """The state as contract and cases print it."""
        match self.state:
            case ClaimState.BUILT | ClaimState.HELD:
                return "held"
            case ClaimState.READY:
                return "held"
            case ClaimState.UNKNOWN:
                return "submitted"
            case ClaimState.ACCEPTED:
                return "accepted"
            case ClaimState.QUEUED:
                return "submitted"
            case ClaimState.COMPLETE:
                return self.settlement or "accepted"
            case ClaimState.ERROR | ClaimState.REFUSED:
                return "rejected"
            case ClaimState.REPLACED:
                return "replaced"
            case ClaimState.VOIDED:
                return "voided"
            case ClaimState.ABANDONED:
                return "abandoned"
