"""One page of an EHR's answer: the resources that were asked for, those beside them, what was deleted, the way on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from adapters.fhir import wire
from adapters.fhir.bundle import VALID_ID
from adapters.fhir.problem import Refused
from adapters.fhir.tree import Node
from adapters.fhir.wire import JsonObject

_FIRST_YEAR: Final = 1970
"""Before it no server changed anything."""


@dataclass(frozen=True, slots=True)
class Page:
    """A searchset or history Bundle, read."""

    matches: tuple[JsonObject, ...]
    """Resources of the type asked for, in their order."""
    beside: tuple[JsonObject, ...]
    """Resources that came with them (`search.mode` of `include`)."""
    deleted: tuple[JsonObject, ...]
    """Entries that say that a resource was deleted."""
    next: str
    """The link to the next page as it stands there; empty on the last."""
    total: int | None
    """How many there are on all pages, where the EHR says."""


def read_page(body: bytes, kind: str) -> Page | None:
    """The page in a body; None where it is no Bundle of a search or history."""
    read = wire.resource(body)
    if isinstance(read, Refused) or read["resourceType"] != "Bundle":
        return None
    bundle = Node(read, "Bundle")
    if bundle["type"].text not in ("searchset", "history"):
        return None
    matches, beside, deleted = [], [], []
    for entry in bundle.each("entry"):
        resource = entry["resource"]
        named = VALID_ID.fullmatch(resource["id"].text)
        if entry["request"]["method"].text == "DELETE":
            deleted.append(entry.object)
        elif named and resource["resourceType"].text == kind and entry["search"]["mode"].text in ("", "match"):
            matches.append(resource.object)
        elif named and resource["resourceType"].text and entry["search"]["mode"].text == "include":
            beside.append(resource.object)
    links = {link["relation"].text: link["url"].text for link in reversed(bundle.each("link"))}
    return Page(tuple(matches), tuple(beside), tuple(deleted), links.get("next", ""), bundle["total"].whole)


def name_of(resource: JsonObject) -> str:
    """`Type/id`."""
    return f"{resource['resourceType']}/{resource['id']}"


def version_of(resource: JsonObject) -> str:
    """What tells one version of a resource from another: versionId and lastUpdated; empty where it says neither."""
    meta = Node(resource, "")["meta"]
    version, at = meta["versionId"].text, meta["lastUpdated"].text
    return f"{version}@{at}" if version or at else ""


def updated(resource: JsonObject) -> datetime | None:
    """meta.lastUpdated as an instant, UTC; None where it says none."""
    return instant(Node(resource, "")["meta"]["lastUpdated"].text)


def instant(text: str) -> datetime | None:
    """A FHIR instant, UTC; None of anything else, and of what stands for none (year 1, with some servers)."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None and at.year >= _FIRST_YEAR else None
    except (ValueError, OverflowError):
        return None
