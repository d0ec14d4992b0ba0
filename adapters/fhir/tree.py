"""Tolerant walking over JSON: a node is a value with its place, and what is absent is an empty node.

Inbound resources are read so, because one vendor element would make a typed model refuse the whole resource
(standards/fhir.md 7.1). Nothing here raises on content.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from adapters.fhir.wire import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Node:
    """A JSON value and where it stands (`Bundle.entry[3].resource.status`)."""

    value: JsonValue
    at: str

    def __getitem__(self, name: str) -> Node:
        """The member of that name; of a value that has none, an empty node."""
        found = self.value.get(name) if isinstance(self.value, dict) else None
        return Node(found, f"{self.at}.{name}")

    def each(self, name: str) -> tuple[Node, ...]:
        """The members of a repeating element that are there; a single value where a list belongs counts as one."""
        node = self[name]
        if isinstance(node.value, list):
            return tuple(Node(v, f"{node.at}[{i}]") for i, v in enumerate(node.value) if v is not None)
        return (node,) if node.value is not None else ()

    def first(self, name: str) -> Node:
        """The first of a repeating element, or an empty node."""
        return next(iter(self.each(name)), Node(None, f"{self.at}.{name}"))

    def __bool__(self) -> bool:
        return self.value is not None

    @property
    def object(self) -> JsonObject:
        """The value as an object; empty when it is none."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def text(self) -> str:
        """The value as text without blanks around it; empty when it is no text."""
        return self.value.strip() if isinstance(self.value, str) else ""

    @property
    def whole(self) -> int | None:
        """The value as a whole number; None when it is none (true is no number)."""
        return self.value if isinstance(self.value, int) and not isinstance(self.value, bool) else None

    @property
    def number(self) -> Decimal | None:
        """The value as an exact number; None when it is none, text among it."""
        if isinstance(self.value, Decimal):
            return self.value
        return None if self.whole is None else Decimal(self.whole)


def code_of(concept: Node, *systems: str) -> Node:
    """The first code of a CodeableConcept, of one of the systems where any is named; else an empty node."""
    for coding in concept.each("coding"):
        if coding["code"].text and (not systems or coding["system"].text in systems):
            return coding["code"]
    return Node(None, concept.at)


def codes_of(concept: Node) -> Iterator[tuple[str, str, Node]]:
    """(system, code, node of the code) of every coding of a CodeableConcept."""
    for coding in concept.each("coding"):
        if coding["code"].text:
            yield coding["system"].text, coding["code"].text, coding["code"]


def extensions(node: Node, url: str) -> tuple[Node, ...]:
    """The extensions of that URL, in the order sent."""
    return tuple(e for e in node.each("extension") if e["url"].text == url)


def value_of(extension: Node) -> Node:
    """The value of an extension, whatever its type; order of keys plays no part."""
    for name in extension.object:
        if name.startswith("value"):
            return extension[name]
    return Node(None, extension.at)


def identifier_value(node: Node, *, system: str = "", use: str = "", type_code: str = "") -> Node:
    """The value of the first identifier of `node` that fits all that is asked; else an empty node."""
    for identifier in node.each("identifier"):
        if system and identifier["system"].text != system:
            continue
        if use and identifier["use"].text != use:
            continue
        if type_code and type_code not in {code for _, code, _ in codes_of(identifier["type"])}:
            continue
        if identifier["value"].text:
            return identifier["value"]
    return Node(None, f"{node.at}.identifier")
