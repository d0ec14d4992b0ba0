"""What is due, what is kept back, what owes nothing, and what is remarkable. Each says why, or it cannot be built."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from adapters.model.born import Newborn, open_, twin
from adapters.model.money import Cents, extend
from adapters.model.why import Why


class Component(StrEnum):
    """Which part of a service a line bills, by the PC/TC indicator of the fee schedule and by who bills."""

    PROFESSIONAL = "professional"
    TECHNICAL = "technical"
    GLOBAL = "global"


class Release(StrEnum):
    """What would settle a hold."""

    WAIT = "wait"
    """Something known will settle it; nobody needs to act before its date."""
    PERSON = "person"
    """A person must act: a work item."""
    NEVER = "never"
    """Not payable at all (bundled, not in force): explained, never worked."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """What is billable, whatever code it bears: one slot, at most one due charge.

    `service` is delivery, guidance, management, physics, simulation …; `key` the identity of the thing done, or the
    number of the unit for counted services; `part` the billing entity and component, e.g. `physicians:professional`.
    """

    episode: str
    service: str
    key: str
    part: str

    def __init__(self, episode: str, service: str, key: str, part: str) -> None:
        new: Newborn = self
        open_(self, _OPEN_SLOT)
        new.episode = episode
        new.service = service
        new.key = key
        new.part = part
        new.__class__ = Slot


_OPEN_SLOT: Final = twin(Slot)


@dataclass(frozen=True, slots=True)
class Charge:
    """One billable line. Two charges are the same bill when they are equal; `why` is left out of equality."""

    slot: Slot
    code: str
    modifiers: tuple[str, ...]
    units: int
    price: Decimal | None
    """Charge per unit from the fee table in force; None only inside a hold."""
    start: date
    end: date
    diagnoses: tuple[str, ...]
    component: Component
    entity: str
    why: Why = field(compare=False)
    ndc: str = ""
    """National drug code, 11 digits."""
    ndc_quantity: Decimal | None = None
    """How much of the drug the line is for, in `ndc_unit`; None where nobody has said in which unit it is told."""
    ndc_unit: str = ""
    """F2 international unit, GR gram, ME milligram, ML millilitre, UN vial."""
    rendering: str = ""
    """NPI of who performed it, empty when no report says."""
    ordering: str = ""
    """NPI of who ordered it, empty when no report says."""
    revenue: str = ""
    """Revenue code (four digits) for the facility's claim, from the charge master, the report or the site file."""
    visit: str = field(default="", compare=False)
    """The number of the visit it was registered on, empty when no report says."""
    series: str = field(default="", compare=False)
    """What the site gathers its services under: the account of a series or a cycle of treatment; empty for none."""
    served: str = field(default="", compare=False)
    """What puts lines of one date in order: when it was done, then when it was reported; empty where nobody says."""
    coverage: str = field(default="", compare=False)
    """Id of the coverage that the line is billed to, assigned by the screening on the date of service."""
    authorization: str = field(default="", compare=False)
    """Number of the prior authorization that covers the line, where its payer wants one; assigned by the screening."""
    narrative: str = ""
    """What was given in words, of a drug whose code does not say it; empty for all others."""

    def __init__(
        self,
        slot: Slot,
        code: str,
        modifiers: tuple[str, ...],
        units: int,
        price: Decimal | None,
        start: date,
        end: date,
        diagnoses: tuple[str, ...],
        component: Component,
        entity: str,
        why: Why,
        ndc: str = "",
        ndc_quantity: Decimal | None = None,
        ndc_unit: str = "",
        rendering: str = "",
        ordering: str = "",
        revenue: str = "",
        visit: str = "",
        series: str = "",
        served: str = "",
        coverage: str = "",
        authorization: str = "",
        narrative: str = "",
    ) -> None:
        new: Newborn = self
        open_(self, _OPEN_CHARGE)
        new.slot = slot
        new.code = code
        new.modifiers = modifiers
        new.units = units
        new.price = price
        new.start = start
        new.end = end
        new.diagnoses = diagnoses
        new.component = component
        new.entity = entity
        new.why = why
        new.ndc = ndc
        new.ndc_quantity = ndc_quantity
        new.ndc_unit = ndc_unit
        new.rendering = rendering
        new.ordering = ordering
        new.revenue = revenue
        new.visit = visit
        new.series = series
        new.served = served
        new.coverage = coverage
        new.authorization = authorization
        new.narrative = narrative
        new.__class__ = Charge

    @property
    def amount(self) -> Cents:
        """The line's charge in minor units; a charge without a price has none and must not be asked."""
        if self.price is None:
            raise ValueError("a charge without a price has no amount")
        return extend(self.price, self.units)


_OPEN_CHARGE: Final = twin(Charge)


@dataclass(frozen=True, slots=True)
class Hold:
    """A line that must not go out, or (with `instead_of`) the better line kept back while a lesser one is billed."""

    slot: Slot
    code: str
    release: Release
    would: Charge | None
    why: Why = field(compare=False)
    instead_of: bool = False
    about: str = ""
    """Id of the event concerned: of a unit, its last session."""
    detail: str = ""

    def __init__(
        self,
        slot: Slot,
        code: str,
        release: Release,
        would: Charge | None,
        why: Why,
        instead_of: bool = False,
        about: str = "",
        detail: str = "",
    ) -> None:
        new: Newborn = self
        open_(self, _OPEN_HOLD)
        new.slot = slot
        new.code = code
        new.release = release
        new.would = would
        new.why = why
        new.instead_of = instead_of
        new.about = about
        new.detail = detail
        new.__class__ = Hold


_OPEN_HOLD: Final = twin(Hold)


@dataclass(frozen=True, slots=True)
class Skip:
    """An event that owes nothing by itself: context, included in another service, a second report, not done."""

    event: str
    reason: str
    why: Why = field(compare=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something remarkable that changes no charge: a duplicate suppressed, a charge missed, a rule past its review."""

    kind: str
    about: str
    why: Why = field(compare=False)
    value: str = ""
    slot: Slot | None = None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All that is derived from one episode."""

    charges: tuple[Charge, ...] = ()
    holds: tuple[Hold, ...] = ()
    skips: tuple[Skip, ...] = ()
    findings: tuple[Finding, ...] = ()

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes(
            self.charges + other.charges,
            self.holds + other.holds,
            self.skips + other.skips,
            self.findings + other.findings,
        )
