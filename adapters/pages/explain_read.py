"""An explanation as a page shows it: the sentences of `adapters.explain`, with the way to what each rests on. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.explain import Describe, Explanation, JournalOutside, describer, explain, hold_id
from adapters.model.record import PersonRecord
from adapters.pages.names import is_plain, thing_name
from adapters.rules import Ruleset

_SEGMENT: Final = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?")
_THING: Final = re.compile(r"\b(claim|charge|entry) ([0-9a-f-]{36})\b")


@dataclass(frozen=True, slots=True)
class Node:
    """A sentence with the way to what it rests on."""

    says: str
    source: str
    href: str
    """Where its source is to be seen; empty where it has none of its own."""
    parts: tuple[Node, ...]

    @property
    def size(self) -> int:
        """Sentences under it."""
        return sum(1 + part.size for part in self.parts)


def anchor(place: str) -> str:
    """The name of a segment on the page of a message, from a place in it: `FT1[2]-10` gives `FT1-2`."""
    found = _SEGMENT.match(place)
    return f"{found[1]}-{found[2] or 1}" if found else ""


def tree(found: Explanation, known: Callable[[str], bool], message: str = "") -> Node:
    """The explanation with its links. `known` tells whether an id is a journal entry's; `message` is the one above."""
    source, href = found.source, ""
    below = message
    if is_plain(source) and known(source):
        href, below = f"/messages/{source}", source
    elif is_plain(source):
        href, below = f"/explain/{source}", ""
    elif thing := _THING.search(f"{found.says} {source}"):
        href, below = f"/{'claims' if thing[1] == 'claim' else 'explain'}/{thing[2]}", ""
    elif message and source:
        place = anchor(source)
        href = f"/messages/{message}#{place}" if place else f"/messages/{message}"
    return Node(found.says, source, href, tuple(tree(part, known, below) for part in found.parts))


def explained(record: PersonRecord, name: str, rules: Ruleset, describe: Describe) -> Explanation | None:
    """The explanation of the thing that an address names: a plain id, or the hash of one of this record."""
    id = line_id(record, name)
    return explain(record, id, rules, describe) if id else None


def line_id(record: PersonRecord, name: str) -> str:
    """The id of the thing that an address names; empty where this record has none."""
    if is_plain(name):
        return name
    ids = (*(hold_id(hold) for hold in record.holds), *(entry.id for entry in record.entries))
    ids = (*ids, *(charge.id for charge in record.charges), *(claim.claim.id for claim in record.claims))
    return next((id for id in ids if thing_name(record.person, id) == name), "")


class Described:
    """Tells what journal entries are as they are asked for, each asked of the store once."""

    def __init__(self, lines: Callable[[Iterable[str]], Sequence[JournalOutside]]) -> None:
        self._lines = lines
        self._told: dict[str, str] = {}
        self._known: set[str] = set()

    def __call__(self, message: str) -> str:
        """What the entry is, without its content."""
        if message not in self._told:
            found = self._lines([message])
            self._known.update(line.id for line in found)
            self._told[message] = describer(found)(message)
        return self._told[message]

    def known(self, id: str) -> bool:
        """Whether an id is that of a journal entry."""
        self(id)
        return id in self._known
