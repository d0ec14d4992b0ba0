"""Two identities that a sender says are one person (or one account, one visit), as a value.

HL7 v2 says it by MRG beside PID (v2.5.1 chapter 3: A18, A30, A34 to A36, A39 to A51) and by A24 and A37. It is a
statement of one message; what becomes of the two records is decided where lanes are held, or by a person.
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.model.event import Event
from adapters.model.people import Identifier
from adapters.model.why import Source


@dataclass(frozen=True, slots=True)
class Merge:
    """`merged` became part of `survivor`. `scope` other than `person` concerns an account or a visit of one person."""

    survivor: Identifier
    merged: Identifier
    scope: str
    """`person`, `account`, `visit`, `move` (all of an identifier moved), `link` or `unlink`."""
    trigger: str
    """The event code as sent, `A40`."""
    birth_date: str
    """Of the survivor by this message (ISO), empty where it says none: two persons of other birth dates are not merged."""
    source: Source

    @property
    def of_people(self) -> bool:
        """Whether two persons are concerned, so that a person or a lane has to act."""
        return self.scope in ("person", "move", "link", "unlink")


def merge_of(event: Event) -> Merge | None:
    """What an event of kind `merge` says, None for any other event."""
    if event.kind != "merge":
        return None
    return Merge(
        survivor=Identifier(event.value("survivor.system"), event.value("survivor.value")),
        merged=Identifier(event.value("merged.system"), event.value("merged.value")),
        scope=event.value("scope"),
        trigger=event.value("trigger"),
        birth_date=event.value("birth_date"),
        source=event.source,
    )
