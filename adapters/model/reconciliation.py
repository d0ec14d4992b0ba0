"""The daily reconciliation as values: what was scheduled, delivered, documented, charged, claimed and paid, and where it stops.

Nouns only: `reconciling` makes them from a record; commands and pages show them. Nothing in them names a person but the
lane; amounts are minor units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from adapters.model.ledger import Money
from adapters.model.money import Cents
from adapters.model.why import Fact


class Stage(StrEnum):
    """What must have happened to a service before it is paid, in this order."""

    SCHEDULED = "scheduled"
    DELIVERED = "delivered"
    DOCUMENTED = "documented"
    CHARGED = "charged"
    CLAIMED = "claimed"
    PAID = "paid"


STAGES: Final = tuple(Stage)


class Mark(StrEnum):
    """Whether a stage is reached."""

    YES = "yes"
    NO = "no"
    NOT_DUE = "not-due"
    """Not expected, or not yet: nothing is wrong."""


class Standing(StrEnum):
    """How long a difference is known, and whether it still asks for anything."""

    NEW = "new"
    """It came up on the day of the look."""
    CARRIED = "carried"
    """Open, and it was there the day before."""
    CLOSED = "closed"
    """A person decided it; it is kept in sight and asks for nothing."""


class Side(StrEnum):
    """Whose lines a detector looked at."""

    OURS = "ours"
    THEIRS = "theirs"
    """The charges that the EHR coded."""


class By(StrEnum):
    """What rows are added up by."""

    MACHINE = "machine"
    CLINIC = "clinic"
    DAY = "day"
    COURSE = "course"


@dataclass(frozen=True, slots=True)
class StageMark:
    """One stage of one row."""

    stage: Stage
    mark: Mark
    ref: str = ""
    """Where it is seen: journal id of a message (scheduled, delivered, documented), id of a charge, of a claim."""
    on: date | None = None
    """The day on which it was reached, where that is known."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One reason why a service, or a part of its lines, stops at a stage. Its words stand in mappings/labels/differences.toml."""

    name: str
    """Name of the difference in the labels: `not-delivered`, `held`, `answer-overdue`, `denied` …"""
    stage: Stage
    about: str
    """What `oncoclaims explain` or `trace` takes: id of a charge, `slot|code` of a hold, id of a claim, journal id."""
    amount: Cents
    """What hangs on it: the line's charge, or what the fee table says it would be; 0 where nobody knows."""
    since: date
    """The day since which it is known."""
    days: int
    """Its age on the day of the look."""
    actor: str
    """Who acts next: clinic, coder, biller, payer, supervisor, settings; `nobody` where time or an answer settles it."""
    next_step: str
    standing: Standing
    code: str = ""
    """Code of the hold, kind of the finding or category of the denial behind it."""
    detail: str = ""
    item: str = ""
    """Id of its work item, where it has one."""


@dataclass(frozen=True, slots=True)
class RowMoney(Money):
    """What became of a row's lines, from the ledger, and what has not left yet. Adds up over rows to the ledger."""

    unbilled: Cents = 0
    """Charges on file whose claim has not left."""
    held: Cents = 0
    """What the lines that are kept back would bill (not in the ledger, nor in `unbilled`)."""

    @classmethod
    def of(cls, posted: Money, unbilled: Cents = 0, held: Cents = 0) -> RowMoney:
        """What the ledger has, with what has not left."""
        return cls(
            posted.billed, posted.paid, posted.contractual, posted.patient, posted.denied, posted.open, unbilled, held
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One delivered or expected service from its booking to its payment. Every delivered service is in exactly one row."""

    id: str
    """Of a delivered thing the id of the event that counts, else of the slot; the same at every look."""
    person: str
    """Lane of the person."""
    episode: str
    """Id of the course or visit; empty for a booking of no known course."""
    course: str
    """The clinic's label of the course; empty for a visit for drugs."""
    kind: str
    """Kind of the event (`fraction`, `infusion` …), `coded-charge`, or of a counted unit its service (`management`)."""
    name: str
    """What it is, for people: `session 7`, `management unit 2`, `J9271 …`. No PHI."""
    day: date
    machine: str
    clinic: str
    """Id of the facility."""
    stages: tuple[StageMark, ...]
    """All six, in order."""
    differences: tuple[Difference, ...] = ()
    """The earliest stage first; none where all is as it should be."""
    charges: tuple[str, ...] = ()
    """Ids of the charges on file that are in this row; each charge is in one row."""
    codes: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    """Ids of all events that the row accounts for."""
    money: RowMoney = RowMoney()

    def at(self, stage: Stage) -> StageMark:
        """The stage's mark."""
        return self.stages[STAGES.index(stage)]

    @property
    def open(self) -> tuple[Difference, ...]:
        """The differences that still ask for something."""
        return tuple(d for d in self.differences if d.standing is not Standing.CLOSED)

    @property
    def at_stake(self) -> Cents:
        """What hangs on its open differences."""
        return sum(d.amount for d in self.open)


@dataclass(frozen=True, slots=True)
class Detection:
    """A leakage detector fired. Its words and citation stand in mappings/reconciling/detectors.toml."""

    detector: str
    side: Side
    person: str
    episode: str
    day: date
    amount: Cents
    """What is lost (positive) or would have to be given back (negative); 0 where nobody knows."""
    detail: str
    about: str = ""
    """Id of the event, charge or coded charge that it is about."""
    row: str = ""
    """Id of the row that the event or charge is in; empty where that row lies outside the span."""
    facts: tuple[Fact, ...] = ()
    clinic: str = ""
    course: str = ""


@dataclass(frozen=True, slots=True)
class Lag:
    """Days between two stages at one clinic."""

    clinic: str
    step: str
    """`service-charge`, `charge-claim`, `claim-paid`, `service-paid`."""
    count: int
    median: float
    worst: int
    worst_row: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows added up by a machine, clinic, day or course."""

    key: str
    rows: int
    reached: tuple[tuple[Stage, int, int], ...]
    """(stage, rows that reached it, rows that should have and did not)."""
    open: int
    """Open differences."""
    new: int
    at_stake: Cents
    money: RowMoney


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What one look finds between two days of service, both inside."""

    start: date
    end: date
    looked: date
    rows: tuple[Row, ...] = ()
    detections: tuple[Detection, ...] = ()
    lags: tuple[Lag, ...] = ()
    money: RowMoney = RowMoney()
    """The sum over all rows."""
    elsewhere: Money = field(default_factory=Money)
    """What the ledger has of claims of which no line is in a row, whatever the span."""

    @property
    def differing(self) -> tuple[Row, ...]:
        """Rows with an open difference."""
        return tuple(row for row in self.rows if row.open)
