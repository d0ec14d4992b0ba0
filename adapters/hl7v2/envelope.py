"""The envelope of a message: MSH and nothing else, read from bytes (HL7 v2.5.1 chapter 2, section 2.15.9).

This is all that happens before a message is journalled and acknowledged, so it must be quick, bounded and
never raise on content: what cannot be acted on comes back as `Unreadable`, with what can be echoed to
its sender.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from adapters.hl7v2.syntax import HEADERS, STANDARD, Separators, separators_of, unescape, windows_1252

_LEAD = re.compile(rb"(?:\xef\xbb\xbf|[\x00\x0b\t\n\r ])*")
_LONGEST_HEADER = 65_536
_FIELDS = 25  # MSH has 21 fields in v2.5.1 and 25 in v2.8; the rest stays unsplit
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"M\x00S\x00H", b"\x00M\x00S\x00H", b"M\x00\x00\x00S")

# Table 0211 and the spellings found in traffic, without punctuation, to Python's codecs. UTF-16 and UTF-32
# are left out: their bytes cannot be framed by MLLP nor split before they are decoded.
_CODECS = {
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "UNICODEUTF8": "utf-8",
    "UNICODE": "utf-8",
    "UTF8": "utf-8",
    "WINDOWS1252": "cp1252",
    "CP1252": "cp1252",
    "ANSI": "cp1252",
    **{f"8859{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    **{f"ISO8859{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "ISOIR14": "iso2022_jp_ext",
    "ISOIR87": "iso2022_jp_ext",
    "ISOIR159": "iso2022_jp_ext",
    "GB180302000": "gb18030",
    "KSX1001": "euc_kr",
    "BIG5": "big5",
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What MSH says. Fields that are missing are ''; text is unescaped unless said otherwise; codes are
    trimmed of blanks.

    `control_id` is MSH-10 exactly as received (neither trimmed nor unescaped: a sender compares the echo byte
    for byte), `sent_at` the raw first component of MSH-7, `charsets` the declared names of MSH-18 in order.
    `charset` is the codec by which MSH was read, `charset_guessed` says that it was neither declared nor
    UTF-8, or that the declaration was wrong. `fields[n]` is MSH-n as received.
    """

    separators: Separators
    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    sent_at: str
    message_type: str
    trigger: str
    structure: str
    control_id: str
    processing_id: str
    version: str
    sequence_number: str
    accept_ack: str
    application_ack: str
    charsets: tuple[str, ...]
    charset: str
    charset_guessed: bool
    fields: tuple[str, ...] = field(repr=False)


class Unread(StrEnum):
    """Why an envelope cannot be acted on; stable codes for the quarantine and for counters."""

    EMPTY = "empty"
    NO_MSH = "no-msh"
    IS_BATCH = "is-batch"
    WIDE_CHARACTERS = "wide-characters"
    BAD_SEPARATORS = "bad-separators"
    NO_CONTROL_ID = "no-control-id"


_WORDS = {
    Unread.EMPTY: "the frame holds no message",
    Unread.NO_MSH: "the frame does not begin with an MSH segment",
    Unread.IS_BATCH: "the frame holds a batch; split it and read each message",
    Unread.WIDE_CHARACTERS: "the message is in UTF-16 or UTF-32, which cannot be framed",
    Unread.BAD_SEPARATORS: "MSH-1 and MSH-2 do not declare usable delimiters",
    Unread.NO_CONTROL_ID: "MSH-10, the message control id, is missing",
}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message whose envelope cannot be acted on.

    `words` never quotes the message. `control_id` is what may be echoed, or ''. `header` is what could be
    read of MSH, for the negative acknowledgement; of a batch header the fields that it shares with MSH, its
    control id as MSH-10.
    """

    reason: Unread
    words: str
    control_id: str = ""
    header: Envelope | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text of a message, the codec that gave it and whether that was a guess."""

    text: str = field(repr=False)
    charset: str
    guessed: bool


def read_envelope(data: bytes) -> Envelope | Unreadable:
    """The envelope of one message (payload of a frame, or one message of a file).

    A byte order mark, framing bytes and white space before MSH are passed over. Never raises on content.
    """
    lead = _LEAD.match(data)
    begin = lead.end() if lead else 0
    if begin == len(data):
        return _unreadable(Unread.EMPTY)
    if data.startswith(_WIDE) or data.startswith(_WIDE, begin):
        return _unreadable(Unread.WIDE_CHARACTERS)
    name = data[begin : begin + 3].decode("latin-1")
    if name not in HEADERS or data[begin + 3 : begin + 4].isalnum():
        return _unreadable(Unread.NO_MSH)
    segment = _first_segment(data, begin)
    mark, declared = _declared(segment)
    separators = separators_of(mark, declared)
    if separators is None:
        # With the recommended delimiters at least the control id can be echoed ("MSH|^~\\&|", a doubled escape
        # character, is found in traffic).
        guess = separators_of(mark, STANDARD.encoding_characters)
        return _unreadable(Unread.BAD_SEPARATORS, _header(segment, guess) if guess else None)
    header = _header(segment, separators)
    if name != "MSH":
        return _unreadable(Unread.IS_BATCH, header)
    if not header.control_id.strip():
        return _unreadable(Unread.NO_CONTROL_ID, header)
    return header


def _unreadable(reason: Unread, header: Envelope | None = None) -> Unreadable:
    return Unreadable(reason, _WORDS[reason], header.control_id if header else "", header)


def _first_segment(data: bytes, begin: int) -> bytes:
    segment = data[begin : begin + _LONGEST_HEADER]
    return segment.partition(b"\r")[0].partition(b"\n")[0]


def _declared(segment: bytes) -> tuple[str, str]:
    """MSH-1 and MSH-2 as they stand."""
    mark = segment[3:4]
    declared = segment[4:16].partition(mark)[0] if mark else b""
    return mark.decode("latin-1"), declared.decode("latin-1")


def _header(segment: bytes, separators: Separators) -> Envelope:
    """MSH (or FHS, BHS) as an envelope."""
    # MSH-18 is found by splitting bytes, which Shift-JIS or Big5 names before it could upset; the fields that
    # count are split again as text.
    bytewise = segment.split(separators.field.encode("ascii"), _FIELDS)
    charsets = _charsets(bytewise[17].decode("latin-1"), separators) if len(bytewise) > 17 else ()
    decoded = _decode(segment, charsets)
    parts = decoded.text.split(separators.field, _FIELDS)
    fields = (parts[0], separators.field, *parts[1:])
    if parts[0] != "MSH":
        # FHS and BHS number sender, receiver and date as MSH does, but their control id is field 11, and fields
        # 8 to 10 are security, name and comment (sections 2.15.2 and 2.15.6).
        fields = (*fields[:8], "", "", *fields[11:12])

    def part(number: int, component: int = 1) -> str:
        if number >= len(fields):
            return ""
        components = fields[number].split(separators.repetition, 1)[0].split(separators.component, component)
        if component > len(components):
            return ""
        first = components[component - 1].split(separators.subcomponent, 1)[0]
        return "" if first == '""' else unescape(first, separators)

    return Envelope(
        separators=separators,
        sending_application=part(3),
        sending_facility=part(4),
        receiving_application=part(5),
        receiving_facility=part(6),
        sent_at=part(7),
        message_type=part(9).strip(),
        trigger=part(9, 2).strip(),
        structure=part(9, 3).strip(),
        control_id=fields[10] if len(fields) > 10 else "",
        processing_id=part(11).strip(),
        version=part(12).strip(),
        sequence_number=part(13).strip(),
        accept_ack=part(15).strip(),
        application_ack=part(16).strip(),
        charsets=charsets,
        charset=decoded.charset,
        charset_guessed=decoded.guessed,
        fields=fields,
    )


def _charsets(declared: str, separators: Separators) -> tuple[str, ...]:
    names = (name.strip() for name in declared.split(separators.repetition, 10))
    return tuple(name for name in names if name and name != '""')


def decode(data: bytes, envelope: Envelope | Unreadable | None) -> Decoded:
    """The text of `data` by the charset its envelope declares.

    A declared charset is applied strictly; without one UTF-8; when that fails, or the declaration is wrong or
    unknown, UTF-8 and then Windows-1252, with `guessed` set. Plain ASCII is never a guess. What precedes the
    first segment (byte order mark, framing, blanks) is left out.
    """
    header = envelope.header if isinstance(envelope, Unreadable) else envelope
    lead = _LEAD.match(data)
    return _decode(data[lead.end() :] if lead else data, header.charsets if header else ())


def _decode(data: bytes, charsets: tuple[str, ...]) -> Decoded:
    if data.isascii() and b"\x1b" not in data:
        return Decoded(data.decode("ascii"), "ascii", guessed=False)
    codec = _codec(charsets)
    if codec is not None:
        try:
            return Decoded(data.decode(codec), codec, guessed=False)
        except UnicodeDecodeError:
            pass
    guessed = bool(charsets)
    try:
        return Decoded(data.decode("utf-8"), "utf-8", guessed and not data.isascii())
    except UnicodeDecodeError:
        return Decoded(windows_1252(data), "cp1252", guessed=True)


def _codec(charsets: tuple[str, ...]) -> str | None:
    names = [_CODECS.get("".join(c for c in name.upper() if c.isalnum())) for name in charsets]
    # Japanese sets are declared after ASCII and reached by escape sequences of ISO 2022.
    shifted = [name for name in names if name is not None and name.startswith("iso2022")]
    if shifted:
        return shifted[-1]
    return names[0] if names else None
