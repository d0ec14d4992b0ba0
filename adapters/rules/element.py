"""Where a fact stands in a FHIR resource, as a dialect writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

BASES: Final = ("self", "plan", "phase", "course", "request", "encounter", "medication")
"""From which resource a path starts: the one read, or one that it names and that the message holds."""

_STEP: Final = r"(?:extension\([^()\s]+\)|identifier\([^()\s]+\)|[a-z][A-Za-z]*)"
_ELEMENT: Final = re.compile(rf"(?:(?P<base>[a-z]+):)?(?P<path>{_STEP}(?:\.{_STEP})*)")
_DOCUMENT: Final = re.compile(r"document\((?P<type>[^()\s|]+\|[^()\s|]+)\)")
_STEPS: Final = re.compile(_STEP)


@dataclass(frozen=True, slots=True)
class ElementPath:
    """One place: `extension(urn:site:x)`, `plan:extension(urn:site:x)`, `request:bodySite`, or that a document is there.

    `document(system|code)` stands for `true` where the message holds a current DocumentReference of that type about the
    same person and the same visit, procedure or day.
    """

    base: str = "self"
    steps: tuple[str, ...] = ()
    """Names of elements, `extension(url)` for the extensions of a URL, `identifier(system)` for one of a system."""
    document: str = ""
    """`system|code` of the document's type; then there are no steps."""

    def __str__(self) -> str:
        if self.document:
            return f"document({self.document})"
        return f"{'' if self.base == 'self' else f'{self.base}:'}{'.'.join(self.steps)}"


def element(text: str) -> ElementPath | None:
    """The place so written, or None."""
    if found := _DOCUMENT.fullmatch(text):
        return ElementPath(document=found["type"])
    found = _ELEMENT.fullmatch(text)
    if found is None or (found["base"] or "self") not in BASES:
        return None
    return ElementPath(found["base"] or "self", tuple(_STEPS.findall(found["path"])))
