"""A conformance report of a message against the standard and against what this adapter needs.

Why hl7apy stands here and nowhere else: it carries the field dictionary of the standard (which fields exist,
must be there, may repeat, of which data type), typed by others and worth having as a second opinion. It is
not fit to read what is billed: by name it hides FT1-26 in older versions, re-encoding moves fields in v2.6
and v2.8, grouping loses Z segments, escapes are never decoded, and it reads 40 messages a second. So each
segment is parsed alone, always by version 2.7 (whose tables keep withdrawn fields in place), tolerantly,
and only to compare it with the dictionary; values are read by `reader`.

Off the hot path: used while a feed is set up, sampled or on demand. It costs milliseconds a segment and, on
hostile input, more: run it where it can be stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_segment

from adapters.hl7v2.envelope import Unreadable, read_envelope
from adapters.hl7v2.reader import Message, Segment, State, over_limits, parse_number, parse_ts
from adapters.hl7v2.syntax import HEADERS, Problem

DICTIONARY_VERSION = "2.7"
LONGEST_SEGMENT = 16_384
"""Characters beyond which a segment is not given to hl7apy, whose time grows faster than its input."""

_NEEDED_SEGMENTS = {
    "DFT": ("PID", "FT1"),
    "RAS": ("PID", "RXA"),
    "ADT": ("EVN", "PID"),
    "SIU": ("SCH",),
    "BAR": ("PID",),
    "MDM": ("PID", "TXA"),
    "ORM": ("PID", "ORC"),
    "ORU": ("PID", "OBR"),
}
# What the adapter cannot do without. Where one of several fields will do they stand together.
_NEEDED_FIELDS: dict[str, tuple[tuple[int, ...], ...]] = {
    "MSH": ((3,), (7,), (9,), (10,), (11,), (12,)),
    "PID": ((3,),),
    "FT1": ((2,), (4,), (6,), (7, 25)),
    "DG1": ((3,),),
    "IN1": ((3, 4), (36,)),
    "MRG": ((1,),),
    "PR1": ((3,),),
    "RXA": ((3,), (5,), (6,)),
    "SCH": ((1, 2),),
    "TXA": ((12,),),
}
_MERGES = ("A18", "A30", "A34", "A35", "A36", "A39", "A40", "A47")


def report(data: bytes) -> tuple[Problem, ...]:
    """Everything found wrong with one message, in the order of the message; empty if nothing is.

    Codes: those of `envelope.Unread` and of `over_limits`; `charset-guessed`, `stray-line`,
    `segment-missing`, `needed-field` (the adapter cannot work without it), and against the dictionary
    `unknown-segment`, `required-field`, `unknown-field`, `withdrawn-field`, `repeats`, `data-type`,
    `structure`, `not-checked`.
    Words never quote the message. Never raises on content.
    """
    envelope = read_envelope(data)
    message = Message.parse(data)
    problems: list[Problem] = []
    if isinstance(envelope, Unreadable):
        problems.append(Problem(envelope.reason.value, "", envelope.words))
    else:
        problems.extend(_missing_segments(message, envelope.message_type, envelope.trigger))
    if message.charset_guessed:
        problems.append(Problem("charset-guessed", "MSH-18", "the character set is not declared, or wrongly"))
    excess = over_limits(message)
    problems.extend(excess)
    if excess:
        return tuple(problems)
    strays = message.strays
    problems.extend(Problem("stray-line", f"line {n}", "does not begin with a segment name") for n in strays)
    skipped = set(strays)
    for number, segment in enumerate(message, 1):
        if number in skipped or segment.name.startswith("Z"):
            continue
        problems.extend(_needed(segment))
        problems.extend(_against_dictionary(segment))
    return tuple(problems)


def _missing_segments(message: Message, message_type: str, trigger: str) -> Iterator[Problem]:
    wanted = [*_NEEDED_SEGMENTS.get(message_type, ())]
    if message_type == "ADT" and trigger in _MERGES:
        wanted.append("MRG")
    for name in wanted:
        if message.first(name) is None:
            yield Problem("segment-missing", "", f"{message_type} without {name}")


def _needed(segment: Segment) -> Iterator[Problem]:
    for choice in _NEEDED_FIELDS.get(segment.name, ()):
        if not any(segment.field(n).state is State.VALUE for n in choice):
            where = " or ".join(segment.path(n) for n in choice)
            yield Problem("needed-field", where, "is needed and has no value")


def _against_dictionary(segment: Segment) -> Iterator[Problem]:
    place = segment.path(0).removesuffix("-0")
    if len(segment.line) > LONGEST_SEGMENT:
        yield Problem("not-checked", place, f"is longer than {LONGEST_SEGMENT} characters")
        return
    separators = segment.separators
    delimiters = {
        "FIELD": separators.field,
        "COMPONENT": separators.component,
        "SUBCOMPONENT": separators.subcomponent,
        "REPETITION": separators.repetition,
        "ESCAPE": separators.escape,
    }
    try:
        parsed = parse_segment(
            segment.line,
            version=DICTIONARY_VERSION,
            encoding_chars=delimiters,
            validation_level=VALIDATION_LEVEL.TOLERANT,
        )
        allowed: dict[str, tuple[int, int]] = dict(parsed.repetitions)
        types: dict[str, str] = {child.name: child.datatype for child in parsed.children if child.name}
    except Exception as error:  # noqa: BLE001 - fuzzing finds errors of hl7apy that are not its own exceptions
        code = "unknown-segment" if type(error).__name__ == "InvalidName" else "structure"
        yield Problem(code, place, f"hl7apy cannot read it ({type(error).__name__})")
        return
    if not allowed:
        yield Problem("unknown-segment", place, f"is not in version {DICTIONARY_VERSION}")
        return
    yield from _compare(segment, allowed, types)


def _compare(segment: Segment, allowed: dict[str, tuple[int, int]], types: dict[str, str]) -> Iterator[Problem]:
    """Cardinality and data types from the dictionary, values from our own reading."""
    known = {int(name.rpartition("_")[2]): bounds for name, bounds in allowed.items()}
    first = 3 if segment.name in HEADERS else 1
    for n in sorted(known.keys() | set(range(1, len(segment.parts)))):
        if n < first:
            continue
        found = segment.field(n)
        has_value = found.state is State.VALUE
        if n not in known:
            if has_value:
                yield Problem("unknown-field", segment.path(n), f"is not in version {DICTIONARY_VERSION}")
            continue
        least, most = known[n]
        if least and not has_value:
            yield Problem("required-field", segment.path(n), "is required by the standard and has no value")
        if has_value and most == 0:
            yield Problem("withdrawn-field", segment.path(n), f"is withdrawn in version {DICTIONARY_VERSION}")
        elif most > 0 and len(found.repetitions) > most:
            yield Problem("repeats", segment.path(n), f"has more than {most} repetitions")
        if has_value:
            yield from _wrong_type(segment, n, types.get(f"{segment.name}_{n}", ""))


def _wrong_type(segment: Segment, n: int, datatype: str) -> Iterator[Problem]:
    for r, repetition in enumerate(segment.field(n).repetitions, 1):
        value = repetition.component(1)
        if value.state is not State.VALUE:
            continue
        text = value.text
        wrong = (datatype in ("NM", "SI") and parse_number(text) is None) or (
            datatype in ("DT", "DTM", "TS", "DR") and parse_ts(text) is None
        )
        if wrong:
            yield Problem("data-type", segment.path(n, r), f"is not of type {datatype}")


def tally(reports: list[tuple[Problem, ...]]) -> list[tuple[str, str, int]]:
    """Problems of many messages counted by code and place, most frequent first: how a feed differs."""
    counts = Counter((problem.code, _general(problem.where)) for found in reports for problem in found)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(code, where, count) for (code, where), count in ranked]


def _general(where: str) -> str:
    """The place without ordinals: FT1[2]-10 and FT1-10 are one finding about a feed."""
    head, _, rest = where.partition("[")
    return head + _general(rest.partition("]")[2]) if rest else head
