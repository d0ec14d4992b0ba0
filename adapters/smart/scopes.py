"""Scopes of systems: what they are called, what they allow, and what a request needs (SMART App Launch 2, Scopes).

Version 2 names letters (`system/Procedure.cu`), version 1 words (`system/Procedure.write`); both are taken. Scopes with
a search (`?category=…`) are not: this server cannot hold them. HL7 v2 over HTTP has no scope in any standard; here it
is `hl7v2.write`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.fhir.bundle import deleted_name
from adapters.fhir.tree import Node
from adapters.fhir.wire import JsonObject

LETTERS: Final = "cruds"
"""Create, read, update, delete, search; always in this order."""
HL7V2: Final = "hl7v2.write"
_WORDS: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE: Final = re.compile(r"system/(\*|[A-Z][A-Za-z]{0,63})\.(c?r?u?d?s?|read|write|\*)")
_LETTER_OF: Final = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d", "GET": "r", "HEAD": "r"}
_TOLD: Final = frozenset("cu")
_ANY: Final = "*"
_TYPE: Final = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Scope:
    """Interactions with a type of resource, or with every type (`*`); of HL7 v2 the type is `hl7v2`."""

    kind: str
    letters: frozenset[str]

    def __str__(self) -> str:
        """The scope as version 2 says it."""
        if self.kind == "hl7v2":
            return HL7V2
        return f"system/{self.kind}.{''.join(letter for letter in LETTERS if letter in self.letters)}"

    def covers(self, other: Scope) -> bool:
        """Whether everything that the other allows is allowed by this one."""
        return (self.kind == other.kind or (self.kind == _ANY and other.kind != "hl7v2")) and (
            other.letters <= self.letters
        )

    def within(self, other: Scope) -> Scope | None:
        """What both allow; None where that is nothing."""
        letters = self.letters & other.letters
        fits = self.kind == other.kind or ("hl7v2" not in (self.kind, other.kind) and _ANY in (self.kind, other.kind))
        if not letters or not fits:
            return None
        return Scope(other.kind if self.kind == _ANY else self.kind, letters)


def scope(text: str) -> Scope | None:
    """The scope that a word says; None of one that is none, or not one of a system."""
    if text == HL7V2:
        return Scope("hl7v2", frozenset("c"))
    found = _SCOPE.fullmatch(text)
    if found is None or not found[2]:
        return None
    return Scope(found[1], frozenset(_WORDS.get(found[2], found[2])))


def granted(asked: Iterable[str], most: Sequence[str]) -> tuple[str, ...]:
    """What of the asked scopes is given to whom at most these may be given; empty where nothing is.

    A scope that may be given whole is given as it was asked for; of another one what may be, as version 2 says it.
    """
    given: list[str] = []
    limits = [limit for limit in map(scope, most) if limit is not None]
    for word in asked:
        wanted = scope(word)
        if wanted is None:
            continue
        if any(limit.covers(wanted) for limit in limits):
            given.append(word)
        else:
            given += [str(part) for limit in limits if (part := wanted.within(limit)) is not None]
    return tuple(dict.fromkeys(given))


def allows(given: Iterable[str], needed: Scope) -> bool:
    """Whether these scopes together allow it."""
    fitting = (one for one in map(scope, given) if one is not None and one.covers(Scope(needed.kind, frozenset())))
    return needed.letters <= frozenset().union(*(one.letters for one in fitting))


def of_request(method: str, path: str) -> Scope | None:
    """What a request needs by its address alone; None where no scope allows it. Without letters: see `of_bundle`."""
    parts = path.strip("/").split("/")
    if parts == ["hl7v2"] and method == "POST":
        return Scope("hl7v2", frozenset("c"))
    if parts[0] != "fhir" or len(parts) > 3:
        return None
    if parts in (["fhir"], ["fhir", "$process-message"]):
        return Scope("Bundle", frozenset()) if method == "POST" else None
    kind = parts[1]
    letter = {("POST", 2): "c", ("PUT", 2): "u", ("PUT", 3): "u", ("DELETE", 3): "d", ("GET", 3): "r"}.get(
        (method, len(parts))
    )
    if letter is None or not _is_type(kind):
        return None
    # What stands in a Bundle is asked one by one, whatever address it is sent to.
    return Scope(kind, frozenset() if kind == "Bundle" else frozenset(letter))


def of_bundle(body: JsonObject) -> frozenset[Scope]:
    """What a Bundle needs: each entry by its method, or creation where it has none, of its resource and its address.

    A Bundle inside a Bundle is looked through in the same way. What is no Bundle, and came to a Bundle's address all the
    same, is one entry: a payer's answer is taken there too.
    """
    if body.get("resourceType") != "Bundle":
        return frozenset(_of_entry(Node({"resource": body}, "entry")))
    needed: set[Scope] = set()
    waiting: list[JsonObject] = [body]
    while waiting:
        bundle = waiting.pop()
        entries = bundle.get("entry")
        for entry in entries if isinstance(entries, list) else []:
            if not isinstance(entry, dict):
                continue
            resource = entry.get("resource")
            if isinstance(resource, dict) and resource.get("resourceType") == "Bundle":
                waiting.append(resource)
            else:
                needed.update(_of_entry(Node(entry, "entry")))
    return frozenset(needed)


def _of_entry(entry: Node) -> Iterable[Scope]:
    method, url = entry["request"]["method"].text, entry["request"]["url"].text
    kind = entry["resource"].object.get("resourceType")
    letters = {_LETTER_OF.get(method, "c")}
    if kind and not letters & _TOLD:
        letters.add("c")  # a resource is taken as told, whatever method stands beside it
    named = _TYPE.match(url)
    # A type that is none is allowed to those alone who are allowed everything.
    for one in (kind, named[0] if named else None, _type_of(deleted_name(entry))):
        if one:
            yield Scope(one if isinstance(one, str) and _is_type(one) else _ANY, frozenset(letters))


def _type_of(name: str) -> str:
    """The type in `Type/id` or `Type?system|value`."""
    return name.partition("?")[0].partition("/")[0]


def _is_type(name: str) -> bool:
    """Whether a scope can name it."""
    return name != _ANY and scope(f"system/{name}.c") is not None
