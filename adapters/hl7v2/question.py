"""A question to the clinic as an HL7 v2 message, by the form that its feed's dialect gives, and what the answer to it means.

The patient is who the feed's own report says: of a message that names several nobody is asked. No value ends its own field
or segment, and what stands in the report is copied part by part, never its delimiters or its `""`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from adapters.hl7v2.reader import Message
from adapters.hl7v2.segment import NULL_TEXT, Segment
from adapters.hl7v2.syntax import SEGMENT_END, STANDARD, Separators, escape, unescape
from adapters.model.question import Question, Step
from adapters.rules.location import Location
from adapters.rules.question_form import Blank, QuestionForm

_ACCEPTED: Final = frozenset({"AA", "CA"})
_REFUSED: Final = frozenset({"AE", "AR", "CE", "CR"})
_LONGEST_WORDS: Final = 120
_SHORT: Final = 3
_SHORTEST: Final = 2
"""Characters from which on a value of these is blanked in what a desk says:"""
_OF_PERSON: Final = frozenset({"PID", "PD1", "NK1", "PV1", "PV2", "GT1", "IN1", "IN2"})


@dataclass(frozen=True, slots=True)
class Writer:
    """What stands in every message of a desk: how it is written, whose times it tells, who asks."""

    form: QuestionForm
    zone: ZoneInfo
    office: str
    npi: str


def message_of(question: Question, step: Step, report: bytes, writer: Writer, now: datetime) -> str | None:
    """The message of a step, each segment ended by CR; None where the report names no patient, or more than one."""
    told = Message.parse(report)
    persons = told.segments("PID")
    if len(persons) != 1 or not persons[0].text(3):
        return None
    values = {**_values(question, step, writer, now), "charset": writer.form.charset}
    return "".join(
        "".join(_filled(piece, values, told, ascii_only=writer.form.charset == "ASCII") for piece in pieces)
        + SEGMENT_END
        for pieces in writer.form.steps[step]
    )


def _values(question: Question, step: Step, writer: Writer, now: datetime) -> dict[str, str]:
    """What the names of `rules.question_form.FILLED` mean now, as plain text."""
    days: dict[str, date] = {
        "asked": question.asked.astimezone(writer.zone).date(),
        "due": question.due,
        "day": question.day,
    }
    said = {
        "now": now.astimezone(writer.zone).strftime("%Y%m%d%H%M%S%z"),
        "control": question.control(step),
        "first": question.control(Step.ASKED),
        "question": question.id,
        "office": writer.office,
        "npi": writer.npi,
        "service": question.service.replace("-", " "),
        "code": question.code,
        "missing": question.detail,
        "why": question.why,
    }
    said |= {name: f"{day:%Y%m%d}" for name, day in days.items()}
    return said | {f"{name}.text": day.isoformat() for name, day in days.items()}


def _filled(piece: str | Blank, values: Mapping[str, str], report: Message, *, ascii_only: bool) -> str:
    """A piece of a segment as it leaves."""
    if isinstance(piece, str):
        return piece
    if piece.place is None:
        text = escape(values[piece.name])
    else:
        text = _copied(report, piece.place)
    if ascii_only and not text.isascii():
        text = "".join(one if one.isascii() else f"\\X{one.encode().hex().upper()}\\" for one in text)
    return text or piece.otherwise


def _copied(report: Message, at: Location) -> str:
    """What stands at a place of the report, by our delimiters; empty where the segment is not there exactly once."""
    named = 3 if at.segment == "OBX" else 1
    found = [one for one in report.segments(at.segment) if not at.qualifier or one.text(named) == at.qualifier]
    if len(found) != 1:
        return ""
    if at.component:
        return escape(found[0].text(at.field, at.component, at.sub or 1))
    return _field(found[0], at.field)


def _field(segment: Segment, number: int) -> str:
    raw = segment.parts[number] if number < len(segment.parts) else ""
    theirs = segment.separators

    def parts(text: str, marks: tuple[tuple[str, str], ...]) -> str:
        if not marks:
            return "" if text == NULL_TEXT else escape(unescape(text, theirs))
        (mark, ours), *below = marks
        return ours.join(parts(one, tuple(below)) for one in text.split(mark)).rstrip(ours)

    return parts(raw, _marks(theirs))


def _marks(theirs: Separators) -> tuple[tuple[str, str], ...]:
    return (
        (theirs.repetition, STANDARD.repetition),
        (theirs.component, STANDARD.component),
        (theirs.subcomponent, STANDARD.subcomponent),
    )


class Heard(StrEnum):
    """What an answer means for the message that was sent."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    OTHER = "other-answer"
    """It is of another message."""
    BROKEN = "broken-answer"
    """It is no acknowledgement."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read."""

    heard: Heard
    code: str = ""
    """MSA-1."""
    words: str = ""
    """Of a refusal: what it says (MSA-3, else ERR), without what it repeats of the patient."""


def reply_of(answer: bytes, control: str, sent: str) -> Reply:
    """What an answer says of the message `sent` with this control id."""
    told = Message.parse(answer)
    msa = told.first("MSA") if told.first("MSH") is not None else None
    code = msa.text(1).strip().upper() if msa is not None else ""
    if msa is None or code not in _ACCEPTED | _REFUSED:
        return Reply(Heard.BROKEN)
    if msa.text(2).strip() != control:
        return Reply(Heard.OTHER)
    if code in _ACCEPTED:
        return Reply(Heard.ACCEPTED, code)
    err = told.first("ERR")
    places = [(msa, 3, 1)] + ([(err, 8, 1), (err, 7, 1), (err, 3, 2), (err, 5, 2)] if err is not None else [])
    words = next((said for segment, field, part in places if (said := segment.text(field, part).strip())), "")
    return Reply(Heard.REFUSED, code, _without_person(words, sent)[:_LONGEST_WORDS])


def _without_person(words: str, sent: str) -> str:
    """What a desk says, in printable characters, with what it repeats of the patient and the visit blanked."""
    shown = " ".join("".join(one if one.isprintable() else " " for one in words).split())
    for value in sorted(_of_person(sent), key=len, reverse=True):
        # A short value is blanked as a word: MR of an identifier would else be cut out of other words.
        edge = "" if len(value) > _SHORT else r"\b"
        shown = re.sub(f"{edge}{re.escape(value)}{edge}", "…", shown, flags=re.IGNORECASE)
    return shown


def _of_person(sent: str) -> Iterator[str]:
    """The values that were sent of the patient and the visit, and the words of each."""
    of = [segment for segment in Message.parse(sent.encode()) if segment.name in _OF_PERSON]
    for raw in (raw for segment in of for raw in segment.parts[2:]):
        for repetition in raw.split(STANDARD.repetition):
            for component in repetition.split(STANDARD.component):
                for value in component.split(STANDARD.subcomponent):
                    plain = unescape(value)
                    yield from (one for one in dict.fromkeys((plain, *plain.split())) if len(one) >= _SHORTEST)
