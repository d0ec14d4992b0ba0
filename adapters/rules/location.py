"""Where an element stands in an HL7 v2 message, as a dialect writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_LOCATION: Final = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\((?P<qualifier>[^()]{1,40})\))?-(?P<field>[1-9][0-9]{0,2})"
    r"(?:\.(?P<component>[1-9][0-9]?))?(?:\.(?P<sub>[1-9][0-9]?))?"
)


@dataclass(frozen=True, slots=True)
class Location:
    """One element of a message: `ZRT-9.2`, `FT1-11.1.1`, `OBX(TECH)-5`.

    The qualifier picks among several segments of a name: OBX by its identifier (OBX-3.1), any other by its first
    field. `component` 0 was not written and reads as the first.
    """

    segment: str
    field: int
    component: int = 0
    sub: int = 0
    qualifier: str = ""

    def __str__(self) -> str:
        picked = f"({self.qualifier})" if self.qualifier else ""
        parts = "".join(f".{part}" for part in (self.component, self.sub) if part)
        return f"{self.segment}{picked}-{self.field}{parts}"


def location(text: str) -> Location | None:
    """The location so written, or None."""
    match = _LOCATION.fullmatch(text)
    if match is None:
        return None
    number = {name: int(match[name] or 0) for name in ("field", "component", "sub")}
    return Location(match["segment"], **number, qualifier=match["qualifier"] or "")
