"""A case file as a tree of typed values: every fault of the file at once, each with its line.

Scalars are read as text and typed by the shape that the place has, so that `77402`, `2026-01-02`, `no` and `1e3` are
never what a YAML resolver makes of them. A key twice, a key that no shape has, and an alias are faults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Protocol, TypeAlias

import yaml

Value: TypeAlias = "bool | int | str | list[Value] | dict[str, Value] | None"
Tree: TypeAlias = "dict[str, Value]"

LINE: Final = "line of the file"
"""Key under which a record that asks for it carries the line it begins on."""
_NOTHING: Final = frozenset({"", "null", "~"})


@dataclass(slots=True)
class Faults:
    """What is wrong with one file, in the order of its lines."""

    file: str
    found: list[tuple[int, str]] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)

    def add(self, node: yaml.Node, words: str) -> None:
        """Note a fault at the node's line."""
        self.found.append((node.start_mark.line + 1, words))

    def first_sight(self, node: yaml.Node) -> bool:
        """Whether the node is met for the first time; a second time it is an alias, which cases do not have."""
        if id(node) in self._seen:
            self.add(node, "an alias; say it again instead")
            return False
        self._seen.add(id(node))
        return True

    @property
    def lines(self) -> tuple[str, ...]:
        """Each fault as `file:line: words`."""
        return tuple(f"{self.file}:{line}: {words}" for line, words in sorted(self.found))


class Shape(Protocol):
    """What a place in a case may hold."""

    def read(self, node: yaml.Node, at: str, faults: Faults) -> Value:
        """The value of the node, or None beside a fault."""
        ...


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NOTHING


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar of one form. `null` and an empty place are not given (None)."""

    words: str
    pattern: re.Pattern[str]
    kind: str = "text"
    """`text`, `whole`, `flag`, `day` or `instant`: what the text is turned into or checked as."""

    def read(self, node: yaml.Node, at: str, faults: Faults) -> Value:
        if _is_null(node):
            return None
        if not isinstance(node, yaml.ScalarNode) or not self.pattern.fullmatch(node.value):
            faults.add(node, f"{at} must be {self.words}")
            return None
        text: str = node.value
        try:
            if self.kind == "day":
                date.fromisoformat(text)
            elif self.kind == "instant":
                datetime.fromisoformat(text)
        except ValueError:
            faults.add(node, f"{at} must be {self.words}")
            return None
        return int(text) if self.kind == "whole" else text == "true" if self.kind == "flag" else text


TEXT: Final = Scalar("text", re.compile(r".+", re.DOTALL))
WHOLE: Final = Scalar("a whole number", re.compile(r"-?(0|[1-9][0-9]{0,8})"), "whole")
FLAG: Final = Scalar("true or false", re.compile(r"true|false"), "flag")
DAY: Final = Scalar("a date (2026-01-05)", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "day")
INSTANT: Final = Scalar(
    "a local time (2026-01-05T09:00)",
    re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?"),
    "instant",
)
MONEY: Final = Scalar("an amount (12.50)", re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,4})?"))
CODE: Final = Scalar("a procedure code", re.compile(r"[A-Z0-9]{5}"))
NPI: Final = Scalar("ten digits", re.compile(r"[0-9]{10}"))


def one_of(*words: str) -> Scalar:
    """A scalar that is one of these words."""
    return Scalar(f"one of {', '.join(words)}", re.compile("|".join(map(re.escape, words))))


@dataclass(frozen=True, slots=True)
class Items:
    """A list of things of one shape."""

    shape: Shape

    def read(self, node: yaml.Node, at: str, faults: Faults) -> Value:
        if _is_null(node):
            return None
        if not isinstance(node, yaml.SequenceNode):
            faults.add(node, f"{at} must be a list")
            return None
        if not faults.first_sight(node):
            return None
        return [self.shape.read(item, at, faults) for item in node.value]


@dataclass(frozen=True, slots=True)
class Fields:
    """A record: the keys that it may have, and those that it must have."""

    shapes: Mapping[str, Shape]
    needed: frozenset[str] = frozenset()
    with_line: bool = False

    def read(self, node: yaml.Node, at: str, faults: Faults) -> Value:
        if _is_null(node):
            return None
        found: Tree = {}
        for key, value in _pairs(node, at, faults):
            shape = self.shapes.get(key.value)
            if shape is None:
                faults.add(key, f"{at} has no key {key.value!r}")
            else:
                found[key.value] = shape.read(value, f"{at}.{key.value}", faults)
        if isinstance(node, yaml.MappingNode):
            said = {key.value for key, value in node.value if not _is_null(value)}
            for name in sorted(self.needed - said):
                faults.add(node, f"{at} must say {name}")
        if self.with_line:
            found[LINE] = node.start_mark.line + 1
        return found


@dataclass(frozen=True, slots=True)
class Table:
    """A record whose keys are data (codes, labels) and whose values have one shape."""

    shape: Shape

    def read(self, node: yaml.Node, at: str, faults: Faults) -> Value:
        if _is_null(node):
            return None
        return {
            key.value: self.shape.read(value, f"{at}.{key.value}", faults) for key, value in _pairs(node, at, faults)
        }


@dataclass(frozen=True, slots=True)
class Anything:
    """A value whose form is not looked at: what is not built is named, not read."""

    def read(self, node: yaml.Node, at: str, faults: Faults) -> Value:
        if _is_null(node):
            return None
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, at, faults) for item in node.value] if faults.first_sight(node) else None
        return {key.value: self.read(value, f"{at}.{key.value}", faults) for key, value in _pairs(node, at, faults)}


def _pairs(node: yaml.Node, at: str, faults: Faults) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """Key and value nodes of a mapping, each key once."""
    if not isinstance(node, yaml.MappingNode):
        faults.add(node, f"{at} must be a record of keys and values")
        return []
    if not faults.first_sight(node):
        return []
    found: dict[str, tuple[yaml.ScalarNode, yaml.Node]] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            faults.add(key, f"a key of {at} must be plain text")
        elif key.value in found:
            faults.add(key, f"{at} has the key {key.value!r} twice")
        else:
            found[key.value] = (key, value)
    return list(found.values())


def composed(text: str, faults: Faults) -> yaml.Node | None:
    """The nodes of the file, or None beside the fault that made them impossible."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        faults.found.append(
            (mark.line + 1 if mark else 1, f"not YAML: {wrong.problem or wrong.context or 'unreadable'}")
        )
        return None
    except (yaml.YAMLError, RecursionError):
        faults.found.append((1, "not YAML"))
        return None
    if node is None:
        faults.found.append((1, "an empty file"))
    return node


def words(said: str) -> frozenset[str]:
    """The words of a text: a list of names reads better than one of quoted strings."""
    return frozenset(said.split())


# ---------------------------------------------------------------- asking a tree that a shape has typed


def tree(value: Value) -> Tree:
    """The value as a record; an absent one is an empty record."""
    return value if isinstance(value, dict) else {}


def items(value: Value) -> list[Value]:
    """The value as a list; an absent one is an empty list, a single one a list of it."""
    return value if isinstance(value, list) else [] if value is None else [value]


def text(value: Value) -> str:
    """The value as text; an absent one is empty."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def texts(value: Value) -> tuple[str, ...]:
    """The value as texts."""
    return tuple(text(item) for item in items(value))
