"""What the page of a course shows, as values: the calendar of its sessions, and what became of each charge.

The nouns stand here; `course_read` makes them from a record. Amounts are cents. Nothing here is formatted: words and
marks of a fate are in `FATES`, everything else is the template's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from adapters.model.charge import Release
from adapters.model.ledger import Account, Money
from adapters.model.money import Cents


class Fate(StrEnum):
    """What became of a line, and (of a session) the fate that most wants attention."""

    HELD = "held"
    DENIED = "denied"
    RETURNED = "returned"
    UNKNOWN = "unknown"
    PART_DENIED = "part-denied"
    WAITING = "waiting"
    DUE = "due"
    CLAIMED = "claimed"
    SENT = "sent"
    SETTLED = "settled"
    PAID = "paid"
    NOT_PAYABLE = "not-payable"
    VOID = "void"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class FateWords:
    """How a fate is told without colour: a mark, one or two words, a sentence."""

    mark: str
    label: str
    sentence: str


FATES: Final[dict[Fate, FateWords]] = {
    Fate.HELD: FateWords("!", "held", "Kept back until a person acts; it is on the work list."),
    Fate.DENIED: FateWords("✕", "denied", "The payer refused it; open until someone acts."),
    Fate.RETURNED: FateWords("↩", "returned", "The payer returned the claim before deciding on it."),
    Fate.UNKNOWN: FateWords("?", "no answer", "Sent, and whether the payer has it is not known. It is not sent again."),
    Fate.PART_DENIED: FateWords("◩", "partly denied", "The payer paid a part and refused a part."),
    Fate.WAITING: FateWords("…", "waiting", "Kept back until something known happens; nobody needs to act."),
    Fate.DUE: FateWords("○", "due", "Owed; its claim is built when the billing cycle closes."),
    Fate.CLAIMED: FateWords("◐", "on claim", "On a claim that has not left yet."),
    Fate.SENT: FateWords("→", "sent", "The payer has the claim and has not decided."),
    Fate.SETTLED: FateWords("◇", "settled", "Decided: nothing denied, and nothing for the payer to pay."),
    Fate.PAID: FateWords("✓", "paid", "Decided and paid; nothing is denied."),
    Fate.NOT_PAYABLE: FateWords(
        "–", "not payable", "Never paid by itself: included in another service, or no code in force."
    ),
    Fate.VOID: FateWords("⌫", "undone", "Was billed and is not due any more; a correction takes it back."),
    Fate.NOTHING: FateWords("⊘", "nothing due", "Not delivered, taken back, or owing nothing by itself."),
}
"""In order of how much a fate wants attention: the first of a session's fates is the session's."""


def foremost(fates: list[Fate]) -> Fate:
    """The fate that most wants attention; `NOTHING` of none. A line that is never payable counts only when alone."""
    order = list(FATES)
    return min(fates, key=order.index, default=Fate.NOTHING)


@dataclass(frozen=True, slots=True)
class Told:
    """Why an outcome is what it is: the rule's version, and each fact with the message and the field it was read from."""

    rule: str
    file: str
    since: date
    digest: str
    cite: str
    facts: tuple[tuple[str, str, str, str], ...]
    """(name, value, journal id of the message, place in it)."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """One adjustment of the payer on a line: group and reason, what the reason means, and the amount."""

    code: str
    words: str
    amount: Cents


@dataclass(frozen=True, slots=True)
class LineView:
    """One line: a charge, or what would be one were it not held."""

    service: str
    code: str
    label: str
    """Our own short label of the code; empty where there is no code."""
    modifiers: tuple[str, ...]
    units: int
    amount: Cents | None
    component: str
    entity: str
    fate: Fate
    why: Told
    id: str = ""
    """Id of the charge; empty for a hold."""
    hold: str = ""
    """Code of the hold."""
    name: str = ""
    """Of a hold: its name in an address."""
    words: str = ""
    """What the hold says."""
    instead_of: bool = False
    """A better line kept back while a lesser one is billed."""
    claim: str = ""
    claim_line: int | None = None
    money: Money | None = None
    """What became of the amount at the payer; None before it was billed."""
    adjusted: tuple[Adjusted, ...] = ()

    @property
    def spelled(self) -> str:
        """Code with modifiers and units as a biller writes them: `77387-26`, `77300 ×5`."""
        code = "-".join((self.code, *self.modifiers)) if self.code else self.service
        return code if self.units == 1 else f"{code} ×{self.units}"


@dataclass(frozen=True, slots=True)
class ReportView:
    """One message that reported a session. `standing` is False for one that a later report of the same line restated."""

    message: str
    at: str
    feed: str
    said: datetime
    standing: bool = True


@dataclass(frozen=True, slots=True)
class SessionView:
    """One treatment session."""

    id: str
    """Short name of the session inside the page (`s7`)."""
    number: str
    """The number its report states, else its place among the delivered ones; empty for what was not delivered."""
    start: datetime
    day: date
    technique: str
    guidance: str
    plan: str
    state: str
    """`done`, `not-done` or `withdrawn`."""
    fate: Fate
    lines: tuple[LineView, ...]
    reports: tuple[ReportView, ...]
    marks: tuple[str, ...] = ()
    """Counted units that this session supports: `M1`, `P1`."""
    notes: tuple[str, ...] = ()

    @property
    def messages(self) -> int:
        """By how many messages it was reported."""
        return len({report.message for report in self.reports})


@dataclass(frozen=True, slots=True)
class Chip:
    """Something of a day that is no session: a service with its fate, or evidence without one."""

    label: str
    fate: Fate | None = None


@dataclass(frozen=True, slots=True)
class DayView:
    """One day of the calendar."""

    day: date
    sessions: tuple[SessionView, ...] = ()
    chips: tuple[Chip, ...] = ()
    boundary: str = ""
    """Words on the first day of a new code year or of other rules."""
    edge: bool = False
    """Among the seven days from a boundary on: the line of the boundary runs above it."""

    @property
    def empty(self) -> bool:
        """Whether nothing happened."""
        return not (self.sessions or self.chips)


@dataclass(frozen=True, slots=True)
class WeekView:
    """Monday to Sunday. `gap` weeks without anything were left out before it."""

    days: tuple[DayView, ...]
    gap: int = 0

    @property
    def empty(self) -> bool:
        """Whether nothing happened in the week."""
        return all(day.empty for day in self.days)


@dataclass(frozen=True, slots=True)
class UnitView:
    """One unit of a counted service (management, physics) and the sessions it covers."""

    mark: str
    service: str
    sessions: tuple[SessionView, ...]
    fate: Fate
    lines: tuple[LineView, ...]


@dataclass(frozen=True, slots=True)
class ServiceView:
    """Planning, simulation, devices, visits: everything that is neither a session nor counted."""

    day: date | None
    label: str
    fate: Fate
    lines: tuple[LineView, ...]


@dataclass(frozen=True, slots=True)
class ClaimView:
    """One claim that bills something of this course."""

    id: str
    form: str
    kind: str
    """`original`, `replacement` or `void`."""
    payer: str
    entity: str
    cycle: str
    state: str
    fate: Fate
    lines: int
    elsewhere: int
    """Lines of it that belong to another course."""
    total: Cents
    money: Money
    submitted: str = ""
    number: str = ""
    """The payer's number of the claim."""
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class HoldView:
    """A line kept back: what, why, and the one next step."""

    about: str
    day: date | None
    line: LineView
    release: Release
    detail: str
    next_step: str
    assigned: str = ""


@dataclass(frozen=True, slots=True)
class WorkView:
    """An open work item about a claim of this course."""

    kind: str
    code: str
    claim: str
    action: str
    detail: str
    amount: Cents
    due: date | None
    assigned: str


@dataclass(frozen=True, slots=True)
class FindingView:
    """A kind of finding with how often it was made: remarkable, changes no charge."""

    words: str
    count: int


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above everything: where, who, insured by whom."""

    clinic: str
    label: str
    """The course's label at the clinic, empty for services of no known course."""
    family: str
    given: str
    birth_date: date | None
    identifiers: tuple[str, ...]
    payers: tuple[str, ...]
    diagnoses: tuple[str, ...]
    visit: bool = False
    """Whether it is a visit for drugs, which has a picture of its minutes."""


@dataclass(frozen=True, slots=True)
class CourseView:
    """The whole page."""

    heading: Heading
    ended: bool
    delivered: int
    planned: int | None
    first: date | None
    last: date | None
    weeks: tuple[WeekView, ...]
    units: tuple[UnitView, ...]
    services: tuple[ServiceView, ...]
    claims: tuple[ClaimView, ...]
    holds: tuple[HoldView, ...]
    work: tuple[WorkView, ...]
    findings: tuple[FindingView, ...]
    balance: tuple[tuple[Account, Cents], ...]
    """Accounts of the claims above, only those that moved; together they are zero."""
    money: Money
    """Of the lines of this course that the payer has."""
    unsent: Cents
    """Charged, and not yet with the payer, or with the payer and not known to be."""
    held: Cents
    """What the lines held for a person or for time would add."""
    fates: tuple[Fate, ...] = field(default=())
    """The fates that occur, in the order of the legend."""

    @property
    def weekends(self) -> bool:
        """Whether anything is to be told of a Saturday or Sunday."""
        return any(not day.empty or day.boundary for week in self.weeks for day in week.days[5:])
