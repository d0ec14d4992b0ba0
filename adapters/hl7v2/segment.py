"""A segment and what is in it: fields, repetitions, components, their states and their places.

Fields are split when the segment is asked for, everything below only when it is read. Field n, repetition r,
component c, sub-component s all count from 1, as in the standard.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from adapters.hl7v2.syntax import HEADERS, STANDARD, Separators, unescape

NULL_TEXT = '""'
_SPLIT_PARTS = 5_000  # repetitions split at most: memory stays bounded


class State(Enum):
    """What a sender says about an element (v2.5.1 section 2.5.3): three ways of giving no value differ.

    ABSENT: beyond the end of its segment or field. EMPTY: no statement. NULL (`""`): delete what you have.
    """

    ABSENT = "absent"
    EMPTY = "empty"
    NULL = "null"
    VALUE = "value"


def _state(raw: str | None) -> State:
    if raw is None:
        return State.ABSENT
    if not raw:
        return State.EMPTY
    return State.NULL if raw == NULL_TEXT else State.VALUE


@dataclass(frozen=True, slots=True)
class Value:
    """One component or sub-component. `raw` is as received, None when absent."""

    raw: str | None
    separators: Separators = field(default=STANDARD, repr=False)

    @property
    def state(self) -> State:
        """Absent, empty, null or a value."""
        return _state(self.raw)

    @property
    def text(self) -> str:
        """The plain text, '' unless the state is VALUE."""
        return unescape(self.raw, self.separators) if self.raw and self.raw != NULL_TEXT else ""


@dataclass(frozen=True, slots=True)
class Field:
    """A field, or one repetition of it. `raw` is as received, None when the segment ends before it.

    `literal` marks MSH-1 and MSH-2, which hold the delimiters themselves and are never split.
    """

    raw: str | None
    separators: Separators = field(default=STANDARD, repr=False)
    literal: bool = False

    @property
    def state(self) -> State:
        """Absent, empty, null or a value (of the whole field)."""
        return _state(self.raw)

    @property
    def text(self) -> str:
        """The plain text of the first sub-component of the first component of the first repetition."""
        return self.component(1).text

    @property
    def repetitions(self) -> tuple[Field, ...]:
        """Each repetition as a field; none for an absent, empty or null field.

        An empty one between others keeps its place. `""` in FT1-26 thus reads as no modifiers.
        """
        if not self.raw or self.raw == NULL_TEXT:
            return ()
        if self.literal or self.separators.repetition not in self.raw:
            return (self,)
        parts = self.raw.split(self.separators.repetition, _SPLIT_PARTS)
        return tuple(Field(part, self.separators) for part in parts)

    def component(self, c: int, s: int = 1) -> Value:
        """Component `c`, sub-component `s`, of the first repetition."""
        if self.raw is None:
            return Value(None, self.separators)
        if self.literal:
            # Read as if nothing were to unescape: the text of MSH-2 contains the escape character.
            return Value(self.raw if c == s == 1 else None, _UNESCAPED)
        return Value(_component(self.raw, self.separators, c, s), self.separators)


_UNESCAPED = Separators(escape="\x00")


def _component(raw: str, separators: Separators, c: int, s: int) -> str | None:
    part = raw.split(separators.repetition, 1)[0]
    components = part.split(separators.component, c)
    if c > len(components):
        return None
    subs = components[c - 1].split(separators.subcomponent, s)
    return subs[s - 1] if s <= len(subs) else None


def _plain(raw: str, separators: Separators, c: int, s: int) -> str:
    """The text of a component of one repetition; as `Field.component(c, s).text`, but no objects."""
    if separators.component in raw:
        components = raw.split(separators.component, c)
        raw = components[c - 1] if c <= len(components) else ""
    elif c > 1:
        return ""
    if raw.isalnum():  # letters and digits hold no delimiter
        return raw if s == 1 else ""
    if separators.subcomponent in raw:
        subs = raw.split(separators.subcomponent, s)
        raw = subs[s - 1] if s <= len(subs) else ""
    elif s > 1:
        return ""
    if separators.escape in raw:
        return unescape(raw, separators)
    return "" if raw == NULL_TEXT else raw


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its name, its place among those of that name (from 1), its fields as received.

    `parts[n]` is field n, `parts[0]` the name.
    """

    name: str
    ordinal: int
    parts: tuple[str, ...] = field(repr=False)
    separators: Separators = field(default=STANDARD, repr=False)

    @property
    def line(self) -> str:
        """The segment as received, without its end."""
        parts = self.parts
        if self.name in HEADERS:  # MSH-1 is the separator before MSH-2, not a text between two
            parts = (parts[0], *parts[2:])
        return self.separators.field.join(parts)

    def texts(self, n: int, c: int = 1, s: int = 1) -> tuple[str, ...]:
        """The plain text of an element in each repetition of field `n`; () if the field has no value.

        A repetition without a value keeps its place as ''. `texts(26)` of FT1 is the list of modifiers.
        """
        parts = self.parts
        raw = parts[n] if n < len(parts) else ""
        if not raw or raw == NULL_TEXT:
            return ()
        separators = self.separators
        if separators.repetition not in raw or (n < 3 and self.name in HEADERS):
            return (self.text(n, c, s),)
        pieces = raw.split(separators.repetition, _SPLIT_PARTS)
        return tuple([_plain(piece, separators, c, s) for piece in pieces])

    def text(self, n: int, c: int = 1, s: int = 1, r: int = 1) -> str:
        """The plain text of one element; '' when it is absent, empty or null. The quick way to a value."""
        parts = self.parts
        if n >= len(parts):
            return ""
        raw = parts[n]
        separators = self.separators
        if not raw or raw.isalnum():  # letters and digits hold no delimiter
            return raw if c == 1 and s == 1 and r == 1 else ""
        if n < 3 and self.name in HEADERS:
            return raw if c == s == r == 1 else ""
        if separators.repetition in raw:
            pieces = raw.split(separators.repetition, r)
            raw = pieces[r - 1] if r <= len(pieces) else ""
        elif r > 1:
            return ""
        return _plain(raw, separators, c, s)

    def field(self, n: int) -> Field:
        """Field `n` with its state, repetitions and components. ValueError for n < 1, a caller's mistake."""
        if n < 1:
            raise ValueError("fields are numbered from 1")
        raw = self.parts[n] if n < len(self.parts) else None
        return Field(raw, self.separators, literal=n < 3 and self.name in HEADERS)

    def path(self, n: int, r: int = 1, c: int = 0, s: int = 0) -> str:
        """Where an element stands, as provenance shows it: `FT1[2]-10`, `PID-3[2].1`, `PV1-7.9.2`.

        Ordinals and repetitions of 1 are not written; c = 0 means the whole field, s = 0 the whole component.
        """
        place = self.name if self.ordinal == 1 else f"{self.name}[{self.ordinal}]"
        place += f"-{n}" if r == 1 else f"-{n}[{r}]"
        if c:
            place += f".{c}.{s}" if s else f".{c}"
        return place
