"""Provenance: where a fact was read, and which rule looked at which facts to reach an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from adapters.model.born import Newborn, open_, twin


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where a value was read: the journal id of the message and the place inside it (`FT1[2]-10`, `Procedure.status`)."""

    message: str
    at: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One value that a rule looked at, as canonical text, with the place it came from.

    Text, so that a fact reads the same in a message, a store and an explanation; whoever computes with it types it
    by the schema of its event kind (`model.facts.FACTS`). An assumed value has a source whose `at` begins `assumed`.
    """

    name: str
    value: str
    source: Source


class Told:
    """Something that carries facts, asked by name. An absent fact is not the same as an empty one."""

    __slots__ = ()
    facts: tuple[Fact, ...]

    def fact(self, name: str) -> Fact | None:
        """The first fact of that name, or None."""
        for fact in self.facts:
            if fact.name == name:
                return fact
        return None

    def value(self, name: str, default: str = "") -> str:
        """The value of the first fact of that name, or the default."""
        for fact in self.facts:
            if fact.name == name:
                return fact.value
        return default

    def values(self, name: str) -> tuple[str, ...]:
        """All values of that name in the order sent (diagnoses, modifiers)."""
        return tuple(fact.value for fact in self.facts if fact.name == name)

    def whole(self, name: str) -> int | None:
        """The fact as a whole number, or None where it is absent."""
        fact = self.fact(name)
        return None if fact is None else int(fact.value)

    def flag(self, name: str) -> bool | None:
        """The fact as yes or no, or None where it is absent."""
        fact = self.fact(name)
        return None if fact is None else fact.value == "true"

    def instant(self, name: str) -> datetime | None:
        """The fact as an aware instant, or None where it is absent."""
        fact = self.fact(name)
        return None if fact is None else datetime.fromisoformat(fact.value)


@dataclass(frozen=True, slots=True)
class RuleRef:
    """The exact version of a rule: file, the day it holds from, digest of its text and its citation."""

    id: str
    file: str
    since: date
    digest: str
    cite: str


@dataclass(frozen=True, slots=True)
class Why:
    """Why an outcome is what it is. An outcome that cannot say why cannot be built."""

    rule: RuleRef
    facts: tuple[Fact, ...]

    def __init__(self, rule: RuleRef, facts: tuple[Fact, ...]) -> None:
        if not facts:
            raise ValueError(f"an outcome of {rule.id} rests on no fact")
        new: Newborn = self
        open_(self, _OPEN_WHY)
        new.rule = rule
        new.facts = facts
        new.__class__ = Why

    def messages(self) -> frozenset[str]:
        """The journal ids of all messages whose facts were looked at."""
        return frozenset(fact.source.message for fact in self.facts)


_OPEN_WHY: Final = twin(Why)
