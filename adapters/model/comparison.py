"""Two codings of one service set beside each other: what we would bill, and what another system coded.

Money on both sides is by the site's own fees, so that a difference of money is one of coding and not of price lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from adapters.model.money import Cents


@dataclass(frozen=True, slots=True)
class Coding:
    """A line as one side has it."""

    code: str
    modifiers: tuple[str, ...]
    units: int
    day: date
    amount: Cents
    """By the fees in force; 0 where there is no price."""
    diagnoses: tuple[str, ...] = ()
    """Those that the side itself names; empty where it names none."""
    held: str = ""
    """Code of the hold that keeps it back; only ours can be held."""
    id: str = ""
    """What `explain` takes: a charge, or a held line; of theirs the journal entry, for `trace`."""
    why: str = ""
    """The rule and its source, or what holds the line, in words."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One service as both sides have it; one of the two may be absent."""

    person: str
    """The lane."""
    service: str
    entity: str
    clinic: str
    payer: str
    ours: Coding | None
    theirs: Coding | None
    evidence: str = ""
    """Where only one side has it: what is on file of it, in words."""

    @property
    def day(self) -> date:
        """The date of service: ours where we have one, for it rests on what was delivered."""
        side = self.ours or self.theirs
        if side is None:
            raise ValueError("a pair of nothing")
        return side.day

    @property
    def effect(self) -> Cents:
        """What we would bill less what they coded; what we hold is not billed."""
        ours = self.ours.amount if self.ours and not self.ours.held else 0
        return ours - (self.theirs.amount if self.theirs else 0)


class Kind(StrEnum):
    """How the two sides stand to each other; of several the first of these is named."""

    OURS_ONLY = "ours-only"
    THEIRS_ONLY = "theirs-only"
    HELD = "held"
    """They coded it, and we hold it."""
    CODE = "code"
    MODIFIERS = "modifiers"
    UNITS = "units"
    DATE = "date"
    DIAGNOSIS = "diagnosis"


@dataclass(frozen=True, slots=True)
class Unlike:
    """One difference, with its reason."""

    kind: Kind
    pair: Pair
    differs: tuple[Kind, ...]
    """All in which the sides differ."""
    reason: str
    id: str
    """What `explain` takes, or where we have no line `trace`."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a group of pairs comes to."""

    name: str
    matched: int
    unlike: int
    ours: Cents
    """What we would bill."""
    theirs: Cents
    over: Cents
    """Of the difference, what we would bill and they did not."""
    under: Cents
    """Of the difference, what they coded and we would not bill."""

    @property
    def agreement(self) -> float:
        """Share of the pairs that match, 0 to 1; 1 of no pairs."""
        of = self.matched + self.unlike
        return self.matched / of if of else 1.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome over a time."""

    total: Tally
    unlike: tuple[Unlike, ...]
    """By date, then service."""
