"""The resources of a message, each with its place, and the resolution of references among them (R4 Bundle, References).

A reference is looked up as `#contained`, fullUrl, `Type/id` (whatever the base), `Type?identifier=system|value` and by
its logical identifier, in that order.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from adapters.fhir.tree import Node
from adapters.fhir.wire import JsonObject
from adapters.model.event import Omission
from adapters.model.why import Source

_RELATIVE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?$")
_BY_NUMBER = re.compile(r"[A-Z][A-Za-z]+\?[^&]+")
_CONDITIONAL = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)\?identifier=([^&]+)$")


VALID_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""The form of a logical id (R4 Datatypes, id)."""
_PERSONS: Final = frozenset({"Patient", "Person", "RelatedPerson"})
_GIVEN: Final = uuid.UUID("a4a5f0c6-1e0b-5d0c-8f53-0f3f7a0f9d21")
"""Namespace of the ids that are given to what came without one."""


def given_id(body: str, place: str) -> str:
    """The id given to the resource at a place of a body (named by its digest): the same bytes get the same again."""
    return str(uuid.uuid5(_GIVEN, f"{body}|{place}"))


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of a message."""

    node: Node
    type: str
    url: str = ""
    """Its fullUrl, empty where there is none."""
    sent: Node | None = None
    """Bundle.timestamp of the Bundle that holds it."""
    temporary: bool = False
    """Its id is the sender's stand-in for one that a server is to give (POST in a transaction)."""
    given: str = ""
    """The id that it was given instead, by which its sender may name it from then on."""

    @property
    def place(self) -> str:
        """Where it stands, for people: `Bundle.entry[3].resource (Procedure)`."""
        return self.node.at if self.node.at == self.type else f"{self.node.at} ({self.type})"

    @property
    def reference(self) -> str:
        """`Type/id`, by which later messages of the feed may name it; empty when its id does not last."""
        id = self.node["id"].text
        return f"{self.type}/{id}" if id and not self.temporary else ""

    @property
    def name(self) -> str:
        """What another resource calls it: `Type/id`, else its fullUrl, else its first identifier."""
        if self.reference or self.url:
            return self.reference or self.url
        return next((f"{self.type}?{key}" for key in _identifiers(self.node)), "")

    @property
    def names(self) -> tuple[str, ...]:
        """All that later resources of the feed may call it; of a person never a number, which may be a secret one."""
        given = f"{self.type}/{self.given}" if self.given else ""
        found = [self.reference, given, *([self.url, *_ways(self.url)] if self.url else ())]
        if self.type not in _PERSONS:
            found += [f"{self.type}?{key}" for key in _identifiers(self.node)]
        return tuple(dict.fromkeys(name for name in found if name))


@dataclass(frozen=True, slots=True)
class Deleted:
    """An entry that says that its sender deleted a resource (R4 http.html#delete, Bundle history)."""

    name: str
    """`Type/id`, or `Type?system|value` of a conditional deletion."""
    entry: Node
    said: tuple[Node, ...]
    """Where it is said when, the best first."""

    @property
    def type(self) -> str:
        """The type of the resource."""
        return self.name.partition("?")[0].partition("/")[0]


@dataclass(frozen=True, slots=True)
class Message:
    """All resources of a message, those of Bundles within Bundles among them."""

    resources: tuple[Resource, ...]
    empty: tuple[Omission, ...]
    """Entries that hold no resource."""
    _known: dict[str, Resource] = field(repr=False)
    deleted: tuple[Deleted, ...] = ()

    def resolve(self, reference: Node, within: Resource, expected: str = "") -> Resource | None:
        """The resource that a Reference of `within` names, or None where the message does not hold it.

        `expected` is the type that a logical reference without a type means.
        """
        text = reference["reference"].text
        if text.startswith("#"):
            return _contained(within, text[1:])
        for key in _ways(text):
            if key in self._known:
                return self._known[key]
        kind = reference["type"].text or expected
        logical = (f"{kind}?{key}" for key in _identifiers(reference))
        return next((self._known[key] for key in logical if key in self._known), None)


def named(reference: Node, expected: str = "") -> str:
    """A Reference in one form, its resource in the message or not: `Type/id`, `urn:…`, `Type?system|value`."""
    text = reference["reference"].text
    if text.startswith("#"):
        return ""
    if text:
        return text if text.startswith("urn:") else list(_ways(text))[-1]
    kind = reference["type"].text or expected
    return next((f"{kind}?{key}" for key in _identifiers(reference)), "")


def read(body: JsonObject, message: str, digest: str = "") -> Message:
    """The resources of a body: of a Bundle of any type its entries, else the one resource.

    With the `digest` of the body's bytes what its sender left unnamed bears the id that it was given in the answer.
    """
    kind = str(body.get("resourceType", ""))
    resources: list[Resource] = []
    empty: list[Omission] = []
    deleted: list[Deleted] = []
    if kind == "Bundle":
        resources.extend(_entries(Node(body, "Bundle"), empty, deleted, message, digest))
    else:
        node = Node(body, kind)
        named_ = VALID_ID.fullmatch(node["id"].text)
        resources.append(Resource(node, kind, given="" if named_ or not digest else given_id(digest, "")))
    known: dict[str, Resource] = {}
    # The last version stands for the thing: in a history Bundle that is the one said last.
    for resource in sorted(resources, key=lambda r: r.node["meta"]["lastUpdated"].text, reverse=True):
        for key in _keys(resource):
            known.setdefault(key, resource)
    return Message(tuple(resources), tuple(empty), known, tuple(deleted))


def _entries(
    bundle: Node, empty: list[Omission], deleted: list[Deleted], message: str, digest: str
) -> Iterator[Resource]:
    for entry in bundle.each("entry"):
        node = entry["resource"]
        kind = node["resourceType"].text
        if not kind:
            name = deleted_name(entry)
            if name:
                deleted.append(Deleted(name, entry, (entry["response"]["lastModified"], bundle["timestamp"])))
            else:
                gone = entry["request"]["method"].text == "DELETE"
                empty.append(Omission("deleted" if gone else "no-resource", Source(message, entry.at)))
        elif kind == "Bundle":
            yield from _entries(node, empty, deleted, message, digest)
        else:
            url = entry["fullUrl"].text
            made = entry["request"]["method"].text == "POST" and (not url or url.startswith("urn:"))
            given = given_id(digest, entry.at) if digest and entry["request"]["method"].text == "POST" else ""
            yield Resource(node, kind, url, bundle["timestamp"], temporary=made, given=given)


def deleted_name(entry: Node) -> str:
    """What an entry says was deleted; empty where it says no such thing, or not of what."""
    if entry["request"]["method"].text != "DELETE":
        return ""
    ways = (list(_ways(place.text)) for place in (entry["request"]["url"], entry["fullUrl"]))
    names = (found[-1] for found in ways if found)
    return next((name for name in names if _RELATIVE.fullmatch(name) or _BY_NUMBER.fullmatch(name)), "")


def _keys(resource: Resource) -> Iterator[str]:
    if resource.url:
        yield from _ways(resource.url)
    if id := resource.node["id"].text:
        yield f"{resource.type}/{id}"
    for key in _identifiers(resource.node):
        yield f"{resource.type}?{key}"


def _ways(text: str) -> Iterator[str]:
    if not text:
        return
    yield text
    if text.startswith("urn:"):
        return
    if match := _CONDITIONAL.search(text):
        yield f"{match[1]}?{match[2]}"
    elif match := _RELATIVE.search(text):
        yield match[1]


def _identifiers(node: Node) -> Iterator[str]:
    for identifier in node.each("identifier"):
        if identifier["value"].text:
            yield f"{identifier['system'].text}|{identifier['value'].text}"


def _contained(within: Resource, id: str) -> Resource | None:
    for node in within.node.each("contained"):
        if node["id"].text == id and node["resourceType"].text:
            return Resource(node, node["resourceType"].text, temporary=True)
    return None
