"""What a resource names: the course of a session, the Condition behind it, the visit, the patient.

A Procedure alone does not say its diagnosis or its technique: other resources of the EHR do. So each fetched resource
is journalled with those that it names, and those that they name. They are looked for below the EHR's own base; a
reference to another host is never followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from adapters.ehr.client import within
from adapters.ehr.pages import name_of
from adapters.fhir.bundle import VALID_ID
from adapters.fhir.wire import JsonObject, JsonValue, dumps

MOST: Final = 60
"""Resources beside one."""
DEEPEST: Final = 5
"""Steps from one resource to the next: session, phase, course, condition; role, practitioner."""
_NAMING: Final = frozenset(
    {
        "actor", "basedOn", "beneficiary", "condition", "context", "diagnosis", "encounter", "individual", "location",
        "medicationReference", "participant", "partOf", "patient", "performer", "practitioner", "reasonReference",
        "request", "requester", "serviceProvider", "subject",
    }
)  # fmt: skip
"""Elements that name what charges rest on."""
_NAMED: Final = frozenset(
    {
        "Condition", "Encounter", "Location", "Medication", "MedicationRequest", "Organization", "Patient",
        "Practitioner", "PractitionerRole", "Procedure", "ServiceRequest",
    }
)  # fmt: skip
_LEAVES: Final = frozenset({"Condition", "Location", "Medication", "Organization", "Patient", "Practitioner"})
"""Types whose own references say nothing that a charge rests on."""
_NAME_PARTS: Final = 2


class Unfetched(Exception):
    """A resource that is named may be there and could not be read now; carries a stable code."""


def named_by(resource: JsonObject, base: str) -> Iterator[str]:
    """`Type/id` of what a resource names and the EHR holds, each once, in their order."""
    if resource.get("resourceType") in _LEAVES:
        return
    seen: set[str] = set()
    for reference in _references(resource):
        name = local_name(reference, base)
        if name and name.partition("/")[0] in _NAMED and name not in seen:
            seen.add(name)
            yield name


def local_name(reference: str, base: str) -> str:
    """`Type/id` of a literal reference to a resource of the EHR's; empty for any other host, and for `#contained`."""
    if reference.startswith(("#", "urn:")) or "?" in reference:
        return ""
    url = within(base, reference)
    if not url:
        return ""
    below = urlsplit(url).path[len(urlsplit(base).path.rstrip("/")) + 1 :].split("/")
    if len(below) > _NAME_PARTS and below[2] != "_history":
        return ""
    named = len(below) >= _NAME_PARTS and below[0].isalpha() and VALID_ID.fullmatch(below[1])
    return f"{below[0]}/{below[1]}" if named else ""


def _references(value: JsonValue) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        if isinstance(literal := value.get("reference"), str):
            yield literal
        for key, item in value.items():
            if key in _NAMING:
                yield from _references(item)


def around(resource: JsonObject, base: str, find: Callable[[str], JsonObject | None]) -> list[JsonObject]:
    """What a resource names, and what that names, the nearest first; `find` gives a resource, or None where the EHR has
    none. Raises what `find` raises."""
    own = name_of(resource)
    found: dict[str, JsonObject] = {}
    level = [resource]
    for _ in range(DEEPEST):
        below: list[JsonObject] = []
        for one in level:
            for name in named_by(one, base):
                if name == own or name in found or len(found) >= MOST:
                    continue
                if (there := find(name)) is not None:
                    found[name] = there
                    below.append(there)
        level = below
    return list(found.values())


def body_of(resource: JsonObject, beside: list[JsonObject], base: str) -> bytes:
    """The bytes to be journalled: the resource alone, or a collection of it and what stands around it.

    The same versions give the same bytes, so what is fetched twice is one entry.
    """
    if not beside:
        return dumps(resource)
    members = [resource, *sorted(beside, key=name_of)]
    root = base.rstrip("/")
    return dumps(
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"fullUrl": f"{root}/{name_of(one)}", "resource": one} for one in members],
        }
    )


def deletion_of(entry: JsonObject) -> bytes:
    """The bytes to be journalled of a deletion: a history Bundle of its one entry."""
    return dumps({"resourceType": "Bundle", "type": "history", "entry": [entry]})
