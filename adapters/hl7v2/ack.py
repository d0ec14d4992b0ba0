"""Acknowledgements from a template: which one a sender is owed now, and its bytes.

Semantics: v2.5.1 chapter 2, section 2.9 (processing rules), 2.15.8 (MSA), 2.15.5 (ERR). AA or CA means: the
bytes are stored and synced, nothing more. What is wrong with their content becomes work, not a negative
answer, because engines drop or for ever repeat what is refused.

Nothing here quotes a message beyond its own MSH, and no value can end its field or segment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from adapters.hl7v2.envelope import Envelope, Unread, Unreadable
from adapters.hl7v2.syntax import SEGMENT_END, STANDARD, Separators, escape

DEFAULT_VERSION = "2.5.1"
_LONGEST_CONTROL_ID = 199  # ST of MSH-10 from v2.7; older versions allow 20
_LONGEST_ROUTING = 227  # HD of MSH-3 to MSH-6
_LONGEST_TEXT = 80  # ST of MSA-3
_LONGEST_WORDS = 250  # TX of ERR-7 and ERR-8


class AckCode(StrEnum):
    """MSA-1, table 0008: A for the application acknowledgement, C for the accept (commit) acknowledgement."""

    AA = "AA"
    AE = "AE"
    AR = "AR"
    CA = "CA"
    CE = "CE"
    CR = "CR"


class Verdict(Enum):
    """What became of a message: durably stored; in error (correct it, then send again); refused as such."""

    STORED = "stored"
    ERROR = "error"
    REFUSED = "refused"


_APPLICATION = {Verdict.STORED: AckCode.AA, Verdict.ERROR: AckCode.AE, Verdict.REFUSED: AckCode.AR}
_ACCEPT = {Verdict.STORED: AckCode.CA, Verdict.ERROR: AckCode.CE, Verdict.REFUSED: AckCode.CR}


class Condition(StrEnum):
    """ERR-3, table 0357, the codes this adapter uses."""

    SEGMENT_SEQUENCE = "100"
    REQUIRED_FIELD = "101"
    DATA_TYPE = "102"
    TABLE_VALUE = "103"
    LENGTH = "104"
    MESSAGE_TYPE = "200"
    EVENT_CODE = "201"
    PROCESSING_ID = "202"
    VERSION = "203"
    UNKNOWN_KEY = "204"
    DUPLICATE_KEY = "205"
    RECORD_LOCKED = "206"
    INTERNAL = "207"


_CONDITION_WORDS = {
    Condition.SEGMENT_SEQUENCE: "segments out of order or missing",
    Condition.REQUIRED_FIELD: "required field missing",
    Condition.DATA_TYPE: "wrong data type",
    Condition.TABLE_VALUE: "value not in its table",
    Condition.LENGTH: "value too long",
    Condition.MESSAGE_TYPE: "message type not accepted",
    Condition.EVENT_CODE: "trigger event not accepted",
    Condition.PROCESSING_ID: "processing id not accepted",
    Condition.VERSION: "version not accepted",
    Condition.UNKNOWN_KEY: "unknown key",
    Condition.DUPLICATE_KEY: "duplicate key",
    Condition.RECORD_LOCKED: "record locked",
    Condition.INTERNAL: "internal error",
}


class Severity(StrEnum):
    """ERR-4, table 0516."""

    FATAL = "F"
    ERROR = "E"
    WARNING = "W"
    INFORMATION = "I"


@dataclass(frozen=True, slots=True)
class AckError:
    """Why a message was not accepted, for ERR and MSA-3.

    `words` (ERR-8, MSA-3) and `diagnostics` (ERR-7) are read by people at the sender: no patient data, no
    content of the message. `segment`, `sequence` (from 1) and `field` say where; '' and 0 leave them out.
    `code` is the adapter's own code (ERR-5).
    """

    condition: Condition
    words: str
    segment: str = ""
    sequence: int = 1
    field: int = 0
    severity: Severity = Severity.ERROR
    code: str = ""
    diagnostics: str = ""


def wants_accept(subject: Envelope | Unreadable, verdict: Verdict) -> AckCode | None:
    """The code to answer with on the connection, now; None when the sender asked for no answer.

    | MSH-15 | MSH-16 | answer now |
    | --- | --- | --- |
    | empty | empty | original mode: AA, AE, AR |
    | AL, or ER / SU that fits the verdict | any | enhanced mode: CA, CE, CR |
    | ER / SU that does not fit | any | none |
    | NE or empty | AL, or ER / SU that fits | AA, AE, AR: the application answer, at once |
    | NE or empty | NE, or ER / SU that does not fit | none |

    In the fourth row the sender waits for an application acknowledgement and nothing else; withholding it
    would stop a feed that sends in order. A condition outside table 0155 counts as AL: an answer too many
    does less harm than a sender that waits. A message without readable MSH is answered in original mode.
    """
    header = subject.header if isinstance(subject, Unreadable) else subject
    accept = header.accept_ack.upper() if header else ""
    application = header.application_ack.upper() if header else ""
    if not accept and not application:
        return _APPLICATION[verdict]
    if accept not in ("", "NE"):
        return _ACCEPT[verdict] if _asked(accept, verdict) else None
    return _APPLICATION[verdict] if _asked(application, verdict) else None


def wants_application(envelope: Envelope, verdict: Verdict) -> AckCode | None:
    """The code of the application acknowledgement owed later, in a message of its own; None if none is.

    Owed only in enhanced mode with an accept condition in MSH-15: otherwise the answer given at once was
    already the application's (see `wants_accept`).
    """
    if envelope.accept_ack.upper() in ("", "NE"):
        return None
    return _APPLICATION[verdict] if _asked(envelope.application_ack.upper(), verdict) else None


def _asked(condition: str, verdict: Verdict) -> bool:
    """Table 0155; an empty condition beside a valued one is NE."""
    if condition in ("", "NE"):
        return False
    if condition == "ER":
        return verdict is not Verdict.STORED
    if condition == "SU":
        return verdict is Verdict.STORED
    return True


def acknowledge(
    subject: Envelope | Unreadable,
    code: AckCode,
    *,
    now: datetime,
    control_id: str,
    error: AckError | None = None,
    expected_sequence: int | None = None,
) -> bytes:
    """The acknowledgement of a message, unframed, each segment ended by CR.

    Delimiters, version, processing id and character set are the sender's; MSH-3/4 and MSH-5/6 change places;
    MSH-9 has as many components as the version knows. MSA-2 repeats MSH-10 byte for byte if it is printable
    and at most 199 characters, else it is empty. `control_id` is the acknowledgement's own MSH-10, `now` its
    MSH-7 (ValueError if it is not aware). `error` gives ERR, by the layout of the sender's version, and
    MSA-3. `expected_sequence` is MSA-4, for feeds with the sequence number protocol.
    """
    if now.utcoffset() is None:
        raise ValueError("now must be aware")
    header = subject.header if isinstance(subject, Unreadable) else subject
    separators = header.separators if header else STANDARD
    version = _version(header)
    echoed = _echo(header, 10, _LONGEST_CONTROL_ID) if header else _printable(subject, separators)
    short = escape(error.words[:_LONGEST_TEXT], separators) if error else ""
    expected = "" if expected_sequence is None else str(expected_sequence)
    segments = [
        _msh(header, separators, version, now, control_id),
        _join(separators, ["MSA", code.value, echoed, short, expected]),
    ]
    if error is not None:
        modern = _number(version) >= (2, 5)
        segments.append(_err(error, separators) if modern else _old_err(error, separators))
    text = "".join(segment + SEGMENT_END for segment in segments)
    try:
        return text.encode(header.charset if header else "ascii")
    except UnicodeEncodeError:
        # Only our own words or an id that came by guessing can be outside the sender's character set.
        return text.encode("ascii", "replace")


def acknowledge_batch(
    subject: Envelope | Unreadable,
    parts: Sequence[Envelope | Unreadable],
    *,
    now: datetime,
    control_id: str,
    expected: Callable[[Envelope | Unreadable], int | None] = lambda _part: None,
) -> bytes:
    """One batch of acknowledgements for a stored batch: BHS, an MSH and MSA for each message, BTS (section 2.10.3.3).

    BHS-12 repeats the control id of the batch. A message whose MSH cannot be acted on gets AE, one whose sender wants no
    answer none; b"" where no message wants one. Control ids are `control_id` with a number behind it; `expected` gives
    MSA-4 of each.
    """
    acks: list[bytes] = []
    for number, part in enumerate(parts, 1):
        error = None
        if isinstance(part, Unreadable):
            missing = part.reason is Unread.NO_CONTROL_ID
            condition = Condition.REQUIRED_FIELD if missing else Condition.SEGMENT_SEQUENCE
            error = AckError(condition, part.words, "MSH", number, 10 if missing else 0)
        code = wants_accept(part, Verdict.ERROR if error else Verdict.STORED)
        if code is not None:
            own = f"{control_id[:14]}-{number}"
            number_due = None if error else expected(part)
            acks.append(acknowledge(part, code, now=now, control_id=own, error=error, expected_sequence=number_due))
    if not acks:
        return b""
    header = subject.header if isinstance(subject, Unreadable) else subject
    separators = header.separators if header else STANDARD
    receiver = [_echo(header, number, _LONGEST_ROUTING) for number in (5, 6)]
    sender = [_echo(header, number, _LONGEST_ROUTING) for number in (3, 4)]
    sent = now.strftime("%Y%m%d%H%M%S%z")
    batch = _echo(header, 10, _LONGEST_CONTROL_ID)
    codes = separators.encoding_characters
    opening = ["BHS", codes, *receiver, *sender, sent, "", "", "", escape(control_id, separators), batch]
    head = _join(separators, opening) + SEGMENT_END
    tail = separators.field.join(["BTS", str(len(acks))]) + SEGMENT_END
    try:
        opened = head.encode(header.charset if header else "ascii")
    except UnicodeEncodeError:
        opened = head.encode("ascii", "replace")
    return opened + b"".join(acks) + tail.encode("ascii")


def _msh(header: Envelope | None, separators: Separators, version: str, now: datetime, control_id: str) -> str:
    sender = [_echo(header, number, _LONGEST_ROUTING) for number in (3, 4)]
    receiver = [_echo(header, number, _LONGEST_ROUTING) for number in (5, 6)]
    trigger = header.trigger if header and re.fullmatch(r"[A-Z][A-Z0-9]{2}", header.trigger) else ""
    kind = ["ACK"]
    if trigger and _number(version) >= (2, 3):
        kind.append(trigger)
        if _number(version) >= (2, 3, 1):
            kind.append("ACK")
    declared = "" if header is None or header.charset == "ascii" else _echo(header, 18, 100)
    fields = [
        "MSH",
        separators.encoding_characters,
        *receiver,
        *sender,
        now.strftime("%Y%m%d%H%M%S%z"),
        "",
        separators.component.join(kind),
        escape(control_id, separators),
        _echo(header, 11, 10) or "P",
        _echo(header, 12, 60) if header and header.version == version else version,
        "",
        "",
        "",
        "",
        "",
        declared,
    ]
    return _join(separators, fields)


def _err(error: AckError, separators: Separators) -> str:
    """ERR from v2.5: location, condition, severity, own code, diagnostics and words, a field each."""
    location = [escape(error.segment, separators), str(error.sequence)] if error.segment else []
    if location and error.field:
        location.append(str(error.field))
    condition = [error.condition.value, _CONDITION_WORDS[error.condition], "HL70357"]
    fields = [
        "ERR",
        "",
        separators.component.join(location),
        separators.component.join(condition),
        error.severity.value,
        escape(error.code, separators),
        "",
        escape(error.diagnostics[:_LONGEST_WORDS], separators),
        escape(error.words[:_LONGEST_WORDS], separators),
    ]
    return _join(separators, fields)


def _old_err(error: AckError, separators: Separators) -> str:
    """ERR up to v2.4: ERR-1 alone, segment^sequence^field^code, the code's own parts as sub-components."""
    words = _CONDITION_WORDS[error.condition]
    condition = separators.subcomponent.join([error.condition.value, words, "HL70357"])
    place = [
        escape(error.segment, separators),
        str(error.sequence) if error.segment else "",
        str(error.field) if error.field else "",
        condition,
    ]
    return _join(separators, ["ERR", separators.component.join(place)])


def _join(separators: Separators, fields: list[str]) -> str:
    return separators.field.join(fields).rstrip(separators.field)


def _echo(header: Envelope | None, number: int, longest: int) -> str:
    """MSH-n as received, if it is harmless: printable, within its length and a single field; else ''."""
    if header is None or number >= len(header.fields):
        return ""
    text = header.fields[number]
    return text if _harmless(text, header.separators, longest) else ""


def _printable(subject: Envelope | Unreadable, separators: Separators) -> str:
    text = subject.control_id
    return text if text.isascii() and _harmless(text, separators, _LONGEST_CONTROL_ID) else ""


def _harmless(text: str, separators: Separators, longest: int) -> bool:
    return len(text) <= longest and text.isprintable() and separators.field not in text


def _version(header: Envelope | None) -> str:
    """MSH-12 if it looks like a version, else the adapter's own."""
    version = header.version if header else ""
    return version if re.fullmatch(r"2\.[0-9](\.[0-9])?", version) else DEFAULT_VERSION


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
