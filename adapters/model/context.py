"""What holds on a date of service, as the derivations and edits are handed it. `adapters.context` works it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from adapters.model.born import Newborn, open_, twin
from adapters.model.coverage import Authorization, Coverage, Eligibility
from adapters.model.site import Enrolment, Facility, Payer, Site


@dataclass(frozen=True, slots=True)
class Context:
    """All that a rule may ask beside the event itself, on one date of service at one place."""

    day: date
    facility: Facility
    coverage: Coverage | None
    payer: Payer | None
    options: Mapping[str, str]
    """The payer's options over the site's, by plain name; what neither says takes the registry's default."""
    words: Mapping[str, str]
    """Facts for rule tables: `setting`, `payer.kind`, `payer`, and every option as `option.<name>`."""

    def __init__(
        self,
        day: date,
        facility: Facility,
        coverage: Coverage | None,
        payer: Payer | None,
        options: Mapping[str, str],
        words: Mapping[str, str],
    ) -> None:
        new: Newborn = self
        open_(self, _OPEN_CONTEXT)
        new.day = day
        new.facility = facility
        new.coverage = coverage
        new.payer = payer
        new.options = options
        new.words = words
        new.__class__ = Context

    def option(self, name: str) -> str:
        """The option's value for this payer and site."""
        return self.words[f"option.{name}"]


_OPEN_CONTEXT: Final = twin(Context)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """How a provider stands with a payer on a day of service."""

    may_bill: bool
    enrolment: Enrolment | None = None
    """The one that says so; of a provider who may not bill, the one that begins next, or None for none at all."""
    since: date | None = None
    """First day that may be billed under it; None: from ever."""


class Contexts(Protocol):
    """The contexts of one person."""

    @property
    def site(self) -> Site:
        """The site's settings."""
        ...

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """Diagnoses that the person's encounters and courses state."""
        ...

    @property
    def authorizations(self) -> tuple[Authorization, ...]:
        """The person's prior authorizations."""
        ...

    def answered(self, coverage: Coverage, day: date) -> Eligibility | None:
        """What the payer answered last about the coverage and the day, None where nobody asked."""
        ...

    def enrolled(self, npi: str, payer: str, day: date, bill_back_days: int) -> Enrolled:
        """How a provider stands with a payer on a day of service."""
        ...

    def ranked(self, day: date) -> tuple[Coverage, ...]:
        """The coverages in force on the day in the order of benefits, the first payer first."""
        ...

    def of(self, day: date, facility: Facility) -> Context:
        """The context on that date of service at that facility."""
        ...

    def under(self, payer: str, day: date, facility: Facility) -> Context:
        """The context as it holds for a payer by its id, whoever pays first on the day."""
        ...

    def place(self, named: str, feed: str) -> Facility:
        """The facility that a report names, else the one of its feed, else the site's first."""
        ...
