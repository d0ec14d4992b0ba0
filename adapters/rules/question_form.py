"""How a feed's dialect has questions to the clinic written: segments as they stand on the wire, with what is filled in.

`[question]` of a dialect gives `segments`, and for each step of a question (`asked`, `reminded`, `answered`, `withdrawn`)
what is said then: names and texts that its segments take up, or `segments` of its own where the step is another message.
`{name}` is filled in, `{name:text}` where nothing is known with the text; a place (`{PID-3}`, `{PV1-19.1}`) is copied from
the report that the question is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from adapters.model.question import Step
from adapters.rules.location import Location, location
from adapters.rules.strict import Table

FILLED: Final = frozenset(
    {
        *("now", "control", "first", "charset", "question", "office", "npi", "service", "code", "missing", "why"),
        *("asked", "asked.text", "due", "due.text", "day", "day.text"),
    }
)
"""What may be filled in beside places of the report; mappings/README.md says what each is."""
CHARSETS: Final = ("UNICODE UTF-8", "ASCII")
_HEADER: Final = "MSH|^~\\&|"
_BLANK: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9.()-]*)(?::([^{}|]*))?\}")
_NAME: Final = re.compile(r"[a-z][a-z-]{0,30}")
_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}\|")
_TYPE: Final = re.compile(r"[A-Z]{3}\^[A-Z][A-Z0-9]{2}(\^[A-Z]{3}_[A-Z0-9]{3})?")
_VERSION: Final = re.compile(r"2\.[0-9](\.[0-9])?")


@dataclass(frozen=True, slots=True)
class Blank:
    """A place in a text that is filled in: by a value of ours, or by what stands at a place of the report."""

    name: str
    """One of `FILLED`; empty where it is copied."""
    place: Location | None = None
    otherwise: str = ""
    """As it stands on the wire, where nothing is known."""


@dataclass(frozen=True, slots=True)
class QuestionForm:
    """How questions are written. Each step has its segments, each segment its pieces: text of the wire, and blanks."""

    steps: Mapping[Step, tuple[tuple[str | Blank, ...], ...]]
    charset: str = CHARSETS[0]
    """MSH-18. With ASCII all other characters leave as escapes of their UTF-8 bytes."""


def question_form(top: Table) -> QuestionForm | None:
    """The form that the table `question` of a dialect says, all its faults told; None where there is none."""
    if "question" not in top.left:
        return None
    said = top.left.pop("question")
    if not isinstance(said, Mapping):
        top.problem("question", "question must be a table")
        return None
    table = Table(top.told, ("question",), said)
    charset = table.one_of("charset", CHARSETS[0], CHARSETS)
    shared = table.texts("segments")
    steps = {}
    for step in Step:
        inner = table.left.pop(step.value, {})
        if not isinstance(inner, Mapping):
            table.problem(step.value, f"{step} must be a table")
            continue
        steps[step] = _step(Table(top.told, ("question", step.value), inner), step, shared, charset)
    table.done()
    return QuestionForm(MappingProxyType(steps), charset)


def _step(table: Table, step: Step, shared: tuple[str, ...], charset: str) -> tuple[tuple[str | Blank, ...], ...]:
    """The segments of a step with its own texts put in; what cannot be is told."""
    segments = table.texts("segments", shared)
    texts = {name: table.text(name) for name in list(table.left)}
    for name in [name for name in texts if name in FILLED or not _NAME.fullmatch(name)]:
        table.problem(name, f"{name!r} cannot name a text of a step")
        del texts[name]

    def taken_up(found: re.Match[str]) -> str:
        return texts.get(found[1], found[0])

    whole = [_BLANK.sub(taken_up, segment) for segment in segments]
    for problem in dict.fromkeys((*_misfits(whole, step), *_faults(whole, charset))):
        table.problem("", f"{step}: {problem}")
    return tuple(tuple(_pieces(segment)) for segment in whole)


def _pieces(segment: str) -> Iterator[str | Blank]:
    end = 0
    for found in _BLANK.finditer(segment):
        if found.start() > end:
            yield segment[end : found.start()]
        end = found.end()
        name = found[1]
        yield Blank(name if name in FILLED else "", None if name in FILLED else location(name), found[2] or "")
    if end < len(segment):
        yield segment[end:]


def _faults(segments: list[str], charset: str) -> Iterator[str]:
    """What is wrong with each segment by itself."""
    for segment in segments:
        if not _SEGMENT.match(segment):
            yield f"no segment: {segment[:20]!r}"
        if not segment.isprintable() or (charset == "ASCII" and not segment.isascii()):
            yield f"{segment[:3]}: a character that cannot stand there"
        for found in _BLANK.finditer(segment):
            if found[1] not in FILLED and location(found[1]) is None:
                yield f"{segment[:3]}: nothing is called {found[1]!r}, and it is no place in a message"
        if re.search(r"[{}]", _BLANK.sub("", segment)):
            yield f"{segment[:3]}: a brace that opens or closes nothing"


def _misfits(segments: list[str], step: Step) -> Iterator[str]:
    """What the message as a whole must have, and has not."""
    header = segments[0].split("|") if segments else []
    if not segments or not segments[0].startswith(_HEADER) or len(header) < 12:
        yield f"segments must begin with {_HEADER}…, up to MSH-12"
        return
    for number, wanted, form in (
        (7, "{now}", re.compile(r"\{now\}")),
        (9, "a type like ORU^R01^ORU_R01", _TYPE),
        (10, "{control}", re.compile(r"\{control\}")),
        (12, "a version like 2.5.1", _VERSION),
    ):
        if not form.fullmatch(header[number - 1]):
            yield f"MSH-{number} must be {wanted}"
    names = [segment[:3] for segment in segments]
    persons = [segment.split("|") for segment in segments if segment.startswith("PID|")]
    if len(persons) != 1 or len(persons[0]) < 4 or persons[0][3] not in ("{PID-3}", "{PID-3.1}"):
        yield "there must be one PID, with {PID-3} in its third field"
    if names.count("MSH") > 1:
        yield "MSH is there twice"
    if not any("{question}" in segment for segment in segments):
        yield "{question} must stand somewhere: it is the number by which the clinic knows the question"
    if step is Step.ASKED and not any("{missing}" in segment for segment in segments):
        yield "{missing} must stand somewhere: it says what is asked for"
