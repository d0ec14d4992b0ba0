"""What the rules answer: decisions, block plans, and the registries' entries. Values only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from adapters.model.charge import Release
from adapters.model.why import RuleRef


@dataclass(frozen=True, slots=True)
class Decision:
    """What the first matching row says, and by which version."""

    values: Mapping[str, str]
    ref: RuleRef
    used: tuple[str, ...]
    """Names of the facts that the row tests or takes a value from; `option.…` among them."""
    overdue: bool = False
    """The day asked for is on or past the version's `review_by`: the outcome gets the finding `rule-unreviewed`."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No answer, which is a hold and never a default.

    `not-in-force`: no version holds on the day. `no-row`: no row fits the facts. `option-missing`: the row that fits
    takes its value from an option (or fact) that nobody has set.
    """

    reason: str
    detail: str
    ref: RuleRef | None = None
    used: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """One counted unit: the fractions `first` to `last` (1-based positions in the course) earn `code` once."""

    number: int
    first: int
    last: int
    code: str
    partial: bool = False
    """Fewer fractions than a full block: the tail of a closed course, or a short course."""


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """The units that a count of fractions earns, in order."""

    blocks: tuple[Block, ...]
    ref: RuleRef
    overdue: bool = False
    used: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attributes:
    """What holds for a code on a date of service."""

    code: str
    label: str
    """Our own short label, no AMA text."""
    service: str
    start: date
    end: date | None
    pctc: str
    """PC/TC indicator of the fee schedule: 0 physician, 1 splits, 2 professional, 3 technical, 5 incident, 9 none."""
    tc_bundled: bool
    """The technical row is bundled in the fee schedule: only the professional part is reported, with 26."""
    packaged_technical: bool
    """The technical part is packaged on a hospital's claim."""
    status: str
    """Status indicator of the fee schedule (A active, B bundled, C contractor priced, I not for Medicare)."""
    addon_of: tuple[str, ...]
    mue: int | None
    """Units a day, practitioner table; None where no value is known."""
    mue_hospital: int | None
    mai: str
    """MUE adjudication indicator: 1 line, 2 absolute per date, 3 per date with records."""
    ref: RuleRef
    cite: str
    outdated: tuple[str, ...] = ()
    """Names of the loaded editions that this rests on although they had ended before the day."""
    facility_na: bool = False
    """A loaded fee schedule says that a practitioner may not report it in a facility: its 26 row, else its only row."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Most units of a code on one date of service (medically unlikely edit)."""

    code: str
    table: str
    """`practitioner` or `hospital`."""
    units: int
    mai: str
    """1 by line, 2 absolute per date, 3 per date, where records may overturn it."""
    ref: RuleRef
    outdated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddOn:
    """What an add-on code is added to."""

    code: str
    primaries: tuple[str, ...]
    type: str
    """1 the primaries are all, 2 none is listed and the contractor decides, 3 some are listed."""
    ref: RuleRef
    outdated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HoldSpec:
    """An entry of the registry of holds."""

    code: str
    release: Release
    words: str
    next_step: str
    let_go: str = ""
    """Who may let the line go: `release` (a person who answers the question), `override` (a supervisor, over an edit);
    empty where only a fact, a rule or a setting settles it."""


@dataclass(frozen=True, slots=True)
class DifferenceSpec:
    """An entry of the registry of differences: why a service stops between its booking and its payment."""

    name: str
    stage: str
    """The stage that is not reached: scheduled, delivered, documented, charged, claimed, paid."""
    words: str
    actor: str
    """Who acts next; `nobody` where time or an answer settles it."""
    next_step: str
    holds: tuple[str, ...] = ()
    """Codes of holds that are this difference."""
    findings: tuple[str, ...] = ()
    """Kinds of findings that are this difference."""


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """An entry of the registry of leakage detectors."""

    id: str
    words: str
    cite: str
    actor: str
    next_step: str


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An entry of the registry of options: what a payer or site may say, and what holds when nobody does."""

    name: str
    words: str
    default: str
    """Empty: there is no default, the rule that needs it holds the charge."""
    cite: str
    allowed: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    def fits(self, value: str) -> bool:
        """Whether the value is one that the registry allows."""
        if self.pattern is not None:
            return self.pattern.fullmatch(value) is not None
        return value in self.allowed


@dataclass(frozen=True, slots=True)
class PresetSpec:
    """What a payer that many sites have is known to want: options that a site file takes over by the preset's name."""

    name: str
    names: tuple[str, ...]
    """What the payer is called."""
    options: Mapping[str, str]
    cite: str


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """How patient calls to a payer are: what a site file takes over by the policy's name."""

    name: str
    words: str
    terms: Mapping[str, int | float]
    """Fields of `model.endpoint.PayerEndpoint` (those of PATIENCE) and their values."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two codes that exclude one another on one date: the column-2 line falls."""

    column1: str
    column2: str
    table: str
    """`practitioner`, `hospital` or `both`."""
    indicator: str
    """0 never, 1 with a modifier where the record supports it, 9 not applicable."""
    rationale: str
    start: date
    end: date | None
    ref: RuleRef
    cite: str
    outdated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CarcSpec:
    """How a claim adjustment reason is posted and worked."""

    code: str
    label: str
    post: str
    """contractual, patient, denied, not-covered (denied, but the patient's under group PR), neutral or pend."""
    category: str
    action: str
    deadline_days: int | None
    """Days from the remittance until the action must be done; None where timely filing is the only bound."""
    ref: RuleRef
    cite: str


@dataclass(frozen=True, slots=True)
class RarcSpec:
    """What a remark code adds to an adjustment reason: a finer category and next step."""

    code: str
    label: str
    category: str
    action: str
    """Empty never; `by-reason` where the reason's own step stands."""
    caught_by: str
    """The hold that would have kept the line back before it left; empty where none would."""
    ref: RuleRef
    cite: str


@dataclass(frozen=True, slots=True)
class PlbSpec:
    """Where money of a payment goes that no claim explains."""

    code: str
    label: str
    books: str
    """interest, recoupment, forward (carried between payments), or review: withheld, and looked at."""
    action: str
    ref: RuleRef
    cite: str
