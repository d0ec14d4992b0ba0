"""Who is who: identifiers and the little that a claim must say about a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """An identifier with the authority that issued it. The authority is the site's own name for it, not a sender's spelling."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class Demographics:
    """What a claim says about a patient. Every field may be empty: unknown is not a reason to lose a charge."""

    family: str = ""
    given: str = ""
    birth_date: date | None = None
    sex: str = ""
    line: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""


@dataclass(frozen=True, slots=True)
class PersonHint:
    """How a message names its person: identifiers, and for FHIR the reference (`Patient/12`) that later messages may use."""

    identifiers: tuple[Identifier, ...] = ()
    reference: str = ""
    lane: str = ""
    """The lane itself, as a decision about something on file names it; it outranks the others."""

    @property
    def known(self) -> bool:
        """Whether there is anything to find a person by."""
        return bool(self.identifiers or self.reference or self.lane)
