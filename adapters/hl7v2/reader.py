"""Lazy reading of a whole message: the raw bytes are kept, and only what is asked for is split.

The yardstick is a charge message with four FT1, about ten fields of each read: no fewer than 30,000 a second on
one core (35,000 to 38,000 measured; hl7apy manages 47). Hence strings that are split on access and no objects
for what nobody asks for. Reading never raises on content: what is wrong with a
message is told by `Message.strays`, `over_limits` and the states of its fields.

What a caller needs beside `Message` (segments, timestamps, numbers, batches) can be imported from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.hl7v2.batch import Batch, split_batch
from adapters.hl7v2.envelope import decode, read_envelope
from adapters.hl7v2.segment import Field, Segment, State, Value
from adapters.hl7v2.syntax import HEADERS, STANDARD, Problem, Separators, separators_of
from adapters.hl7v2.values import Precision, Timestamp, parse_number, parse_ts

__all__ = [
    "Batch",
    "Field",
    "Group",
    "Limits",
    "Message",
    "Precision",
    "Problem",
    "Segment",
    "State",
    "Timestamp",
    "Value",
    "over_limits",
    "parse_number",
    "parse_ts",
    "split_batch",
]

_SPLIT_SEGMENTS = 100_000  # beyond these ceilings nothing is split further: memory stays bounded
_SPLIT_FIELDS = 5_000


@dataclass(frozen=True, slots=True)
class Group:
    """A segment with the segments that belong to it: a charge with its procedures and notes."""

    anchor: Segment
    members: tuple[Segment, ...] = ()

    def all(self, name: str) -> tuple[Segment, ...]:
        """The members of this name, in order."""
        return tuple(segment for segment in self.members if segment.name == name)

    def first(self, name: str) -> Segment | None:
        """The first member of this name."""
        return next((segment for segment in self.members if segment.name == name), None)


_SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")


@dataclass(frozen=True, slots=True)
class Message:
    """A message as received (`raw`) with its lines of text, read on demand.

    `charset_guessed` says that the text comes from a guess (see `envelope.decode`) and should be looked at
    before names are trusted. Z segments are segments like any other.
    """

    raw: bytes = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)
    separators: Separators
    charset: str
    charset_guessed: bool

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """Any bytes as a message; never raises on content.

        Framing bytes and a byte order mark are stripped, NULs dropped (databases refuse them), CRLF and LF
        read as CR. A lone LF inside a message that separates its segments by CR is text, unless a segment
        name follows. Where MSH-1 or MSH-2 is not usable the standard
        delimiters stand in.
        """
        if data.isascii() and b"\x1b" not in data:
            text, charset, guessed = data.decode("ascii"), "ascii", False
        else:
            decoded = decode(data, read_envelope(data))
            text, charset, guessed = decoded.text, decoded.charset, decoded.guessed
        if "\x00" in text:
            text = text.replace("\x00", "")
        text = text.lstrip("\ufeff\x0b\t\r\n ").rstrip("\x1c\r\n")
        separators = STANDARD
        if text[:3] in HEADERS and len(text) > 4:
            mark = text[3]
            declared = text[4:16].partition(mark)[0].partition("\r")[0].partition("\n")[0]
            usable = separators_of(mark, declared) or separators_of(mark, STANDARD.encoding_characters)
            separators = usable or STANDARD
        if "\n" in text:
            text = _with_cr(text, separators)
        lines = [line for line in text.split("\r", _SPLIT_SEGMENTS) if line]
        return cls(data, tuple(lines), separators, charset, guessed)

    def __iter__(self) -> Iterator[Segment]:
        """All segments in order, also those whose name is none (see `strays`)."""
        seen: dict[str, int] = {}
        mark = self.separators.field
        for line in self.lines:
            name = line.partition(mark)[0]
            ordinal = seen[name] = seen.get(name, 0) + 1
            yield self._segment(name, ordinal, line)

    def _segment(self, name: str, ordinal: int, line: str) -> Segment:
        mark = self.separators.field
        parts = line.split(mark, _SPLIT_FIELDS)
        if name in HEADERS:
            parts.insert(1, mark)
        return Segment(name, ordinal, tuple(parts), self.separators)

    def segments(self, name: str) -> tuple[Segment, ...]:
        """The segments of this name, in order."""
        prefix = name + self.separators.field
        lines = [line for line in self.lines if line.startswith(prefix) or line == name]
        return tuple([self._segment(name, i, line) for i, line in enumerate(lines, 1)])

    def first(self, name: str) -> Segment | None:
        """The first segment of this name."""
        prefix = name + self.separators.field
        for line in self.lines:
            if line.startswith(prefix) or line == name:
                return self._segment(name, 1, line)
        return None

    def groups(self, anchor: str, members: tuple[str, ...], until: tuple[str, ...] = ()) -> tuple[Group, ...]:
        """Each `anchor` segment with the segments named in `members` that follow it before the next anchor.

        Other segments between them are passed over. A segment named in `until` closes the group: in DFT^P03
        the diagnoses and the insurance come after the last charge, and what follows them is not its own.
        """
        found: list[Group] = []
        head: Segment | None = None
        following: list[Segment] = []
        seen: dict[str, int] = {}
        mark = self.separators.field
        wanted = {anchor, *members}
        for line in self.lines:
            name = line.partition(mark)[0]
            if name in wanted:
                ordinal = seen[name] = seen.get(name, 0) + 1
                if name == anchor:
                    if head is not None:
                        found.append(Group(head, tuple(following)))
                    head, following = self._segment(name, ordinal, line), []
                elif head is not None:
                    following.append(self._segment(name, ordinal, line))
            if head is not None and name in until:
                found.append(Group(head, tuple(following)))
                head, following = None, []
        if head is not None:
            found.append(Group(head, tuple(following)))
        return tuple(found)

    @property
    def strays(self) -> tuple[int, ...]:
        """The numbers (from 1) of lines that do not begin with a segment name.

        Mostly a line break inside a text, which cut the segment before it short: its later fields read as
        absent, so a charge just before a stray line must not be trusted to be whole.
        """
        mark = self.separators.field
        return tuple(
            number
            for number, line in enumerate(self.lines, 1)
            if not _SEGMENT_NAME.fullmatch(line, 0, 3) or line[3:4] not in ("", mark)
        )


def _with_cr(text: str, separators: Separators) -> str:
    text = text.replace("\r\n", "\r")
    if "\r" not in text:
        return text.replace("\n", "\r")
    mark = re.escape(separators.field)
    return re.sub(rf"\n(?=[A-Z][A-Z0-9]{{2}}(?:{mark}|[\r\n]|\Z)|[\r\n])", "\r", text)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one message may hold before it is set aside unread; counts, not bytes."""

    segments: int = 20_000
    fields: int = 1_000
    repetitions: int = 1_000
    parts: int = 1_000


DEFAULT_LIMITS = Limits()


def over_limits(message: Message, limits: Limits = DEFAULT_LIMITS) -> tuple[Problem, ...]:
    """Which limits the message exceeds, at most one problem a segment; checked before any field is read."""
    problems: list[Problem] = []
    if len(message.lines) > limits.segments:
        problems.append(Problem("too-many-segments", "", f"more than {limits.segments} segments"))
    separators = message.separators
    seen: dict[str, int] = {}
    for line in message.lines[: limits.segments]:
        name = line[:3]
        seen[name] = seen.get(name, 0) + 1
        if len(line) <= min(limits.fields, limits.repetitions, limits.parts):
            continue
        where = name if seen[name] == 1 else f"{name}[{seen[name]}]"
        if not _SEGMENT_NAME.fullmatch(name):
            where = ""
        if line.count(separators.field) > limits.fields:
            problems.append(Problem("too-many-fields", where, f"more than {limits.fields} fields"))
            continue
        problem = _over_in_fields(line, where, separators, limits)
        if problem is not None:
            problems.append(problem)
    return tuple(problems)


def _over_in_fields(line: str, where: str, separators: Separators, limits: Limits) -> Problem | None:
    shift = 1 if line[:3] in HEADERS else 0
    for number, text in enumerate(line.split(separators.field)):
        if text.count(separators.repetition) >= limits.repetitions:
            place = f"{where}-{number + shift}"
            return Problem("too-many-repetitions", place, f"more than {limits.repetitions} repetitions")
        if text.count(separators.component) + text.count(separators.subcomponent) >= limits.parts:
            place = f"{where}-{number + shift}"
            return Problem("too-many-parts", place, f"more than {limits.parts} components and sub-components")
    return None
