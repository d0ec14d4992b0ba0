"""The envelope: what MSH says, read from any bytes without raising."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.envelope import Decoded, Envelope, Unread, Unreadable, decode, read_envelope

MSH = (
    rb"MSH|^~\&|RT\T\SYS^1.2.3^ISO|NORTH|ADAPTER|BILL|20260105081500-0600^S||DFT^P03^DFT_P03|C 0001"
    rb"|P^T|2.5.1^USA|17||AL|NE||8859/1~UNICODE UTF-8"
)


def readable(data: bytes) -> Envelope:
    envelope = read_envelope(data)
    assert isinstance(envelope, Envelope)
    return envelope


def unreadable(data: bytes) -> Unreadable:
    envelope = read_envelope(data)
    assert isinstance(envelope, Unreadable)
    return envelope


def test_every_field() -> None:
    e = readable(MSH + b"\rPID|1\r")
    assert (e.sending_application, e.sending_facility) == ("RT&SYS", "NORTH")
    assert (e.receiving_application, e.receiving_facility) == ("ADAPTER", "BILL")
    assert e.sent_at == "20260105081500-0600"
    assert (e.message_type, e.trigger, e.structure) == ("DFT", "P03", "DFT_P03")
    assert (e.control_id, e.processing_id, e.version) == ("C 0001", "P", "2.5.1")
    assert (e.sequence_number, e.accept_ack, e.application_ack) == ("17", "AL", "NE")
    assert e.charsets == ("8859/1", "UNICODE UTF-8")
    assert (e.charset, e.charset_guessed) == ("ascii", False)
    assert e.separators.encoding_characters == "^~\\&"
    assert e.fields[:3] == ("MSH", "|", "^~\\&")
    assert e.fields[12] == "2.5.1^USA"


def test_missing_later_fields_are_empty() -> None:
    e = readable(b"MSH|^~\\&|||||||ADT|7")
    assert (e.control_id, e.message_type, e.trigger) == ("7", "ADT", "")
    assert (e.version, e.processing_id, e.accept_ack, e.charsets) == ("", "", "", ())


@pytest.mark.parametrize("lead", [b"\xef\xbb\xbf", b"\r\n", b" \t\n", b"\x0b", b"\x00\x00", b"\x0b\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b""])
def test_what_stands_before_and_how_lines_end(lead: bytes, end: bytes) -> None:
    assert readable(lead + MSH + end + b"PID|1" + end).control_id == "C 0001"


def test_own_delimiters_of_four_and_five_characters() -> None:
    e = readable(b"MSH$%*!@$APP%x@y$FAC$$$2026$$DFT%P03$9!S!9$P$2.3")
    assert (e.sending_application, e.trigger, e.version) == ("APP", "P03", "2.3")
    assert e.control_id == "9!S!9"  # exactly as received
    five = readable(b"MSH|^~\\&#|A|||||| ADT^A08 |5|P|2.8")
    assert (five.separators.truncation, five.message_type) == ("#", "ADT")


def test_short_msh2_takes_the_recommended_characters() -> None:
    e = readable(b"MSH|^~|A&B^C||||2026||DFT^P03|1|P|2.5")
    assert (e.separators.subcomponent, e.sending_application) == ("&", "A")


def test_null_is_no_text() -> None:
    assert readable(b'MSH|^~\\&|""|F||||| DFT^P03|1').sending_application == ""


@pytest.mark.parametrize(
    ("data", "reason", "control_id"),
    [
        (b"", Unread.EMPTY, ""),
        (b" \r\n\x00", Unread.EMPTY, ""),
        (b"PID|1||7", Unread.NO_MSH, ""),
        (b'{"resourceType":"ChargeItem"}', Unread.NO_MSH, ""),
        (b"MSHX|", Unread.NO_MSH, ""),
        (b"\x19MSH|^~\\&|", Unread.NO_MSH, ""),
        (b"MSH", Unread.BAD_SEPARATORS, ""),
        (b"MSH|", Unread.BAD_SEPARATORS, ""),
        (b"MSH|0000||H", Unread.BAD_SEPARATORS, ""),
        (b"MSH|^^\\&|A", Unread.BAD_SEPARATORS, ""),
        (b"MSH|^~\\&#x|A", Unread.BAD_SEPARATORS, ""),
        (b"MSH\x01^~\\&\x01A", Unread.BAD_SEPARATORS, ""),
        (b"MSH|^~\\&|A|B|C|D|2026||DFT^P03", Unread.NO_CONTROL_ID, ""),
        (b"MSH|^~\\&|A|B|C|D|2026||DFT^P03|  |P", Unread.NO_CONTROL_ID, "  "),
        (b"BHS|^~\\&|A|B|C|D|2026||||BATCH7\rMSH|", Unread.IS_BATCH, "BATCH7"),
        ("MSH|^~\\&|A".encode("utf-16"), Unread.WIDE_CHARACTERS, ""),
        ("MSH|^~\\&|A".encode("utf-16-le"), Unread.WIDE_CHARACTERS, ""),
    ],
)
def test_unreadable(data: bytes, reason: Unread, control_id: str) -> None:
    found = unreadable(data)
    assert (found.reason, found.control_id) == (reason, control_id)
    assert found.words


def test_what_can_be_echoed_is_kept() -> None:
    found = unreadable(b"MSH|^~\\&|APP|FAC|C|D|2026||DFT^P03||P|2.4")
    assert found.header is not None
    assert (found.header.sending_application, found.header.version) == ("APP", "2.4")
    doubled = unreadable(b"MSH|^~\\\\&|APP|FAC|C|D|2026||ADT^A01|102|T|2.6")
    assert (doubled.reason, doubled.control_id) == (Unread.BAD_SEPARATORS, "102")
    batch = unreadable(b"FHS|^~\\&|APP|FAC|C|D|2026||n||B1\r").header
    assert batch is not None
    assert batch.sending_facility == "FAC"


@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda b: b"MSH|^~\\&|" + b))
def test_never_raises(data: bytes) -> None:
    envelope = read_envelope(data)
    assert isinstance(envelope, Envelope | Unreadable)
    text = decode(data, envelope).text
    assert len(text) <= len(data)


def msh18(name: str) -> bytes:
    return b"MSH|^~\\&|A|B|C|D|2026||ADT^A08|1|P|2.5||||||" + name.encode() + b"\rPID|1||7||"


@pytest.mark.parametrize(
    ("declared", "octets", "text", "charset", "guessed"),
    [
        ("", b"Mller", "Mller", "ascii", False),
        ("UNICODE UTF-8", "Müller".encode(), "Müller", "utf-8", False),
        ("", "Müller".encode(), "Müller", "utf-8", False),
        ("", b"M\xfcller", "Müller", "cp1252", True),
        ("", b"O\x92Hara \x81", "O’Hara \x81", "cp1252", True),
        ("8859/1", b"M\xfcller", "Müller", "iso8859-1", False),
        ("ISO-8859-15", b"\xa4", "€", "iso8859-15", False),
        ("ASCII", "Müller".encode(), "Müller", "utf-8", True),
        ("ASCII", b"M\xfcller", "Müller", "cp1252", True),
        ("UNICODE UTF-8", b"M\xfcller", "Müller", "cp1252", True),
        ("NOSUCHSET", "Müller".encode(), "Müller", "utf-8", True),
        ("NOSUCHSET", b"Mller", "Mller", "ascii", False),
        ("GB 18030-2000", "李".encode("gb18030"), "李", "gb18030", False),
        ("BIG-5", "許功蓋".encode("big5"), "許功蓋", "big5", False),
        ("~ISO IR87", "山田".encode("iso2022_jp"), "山田", "iso2022_jp_ext", False),
    ],
)
def test_charset_rule(declared: str, octets: bytes, text: str, charset: str, guessed: bool) -> None:
    data = msh18(declared) + octets
    decoded = decode(data, read_envelope(data))
    assert decoded.text.endswith("||" + text)
    assert (decoded.charset, decoded.guessed) == (charset, guessed)


def test_trail_bytes_that_look_like_delimiters() -> None:
    # In Big5 the second byte of these characters is 0x5C, the escape character.
    name = "許功蓋".encode("big5")
    data = b"MSH|^~\\&|" + name + b"|B|C|D|2026||ADT^A08|1|P|2.5||||||BIG-5"
    assert readable(data).sending_application == "許功蓋"


def test_decode_without_an_envelope() -> None:
    assert decode(b"\xef\xbb\xbfabc", None) == Decoded("abc", "ascii", False)


def test_a_huge_first_line_is_bounded() -> None:
    e = readable(MSH + b"|" * 5_000_000)
    assert e.control_id == "C 0001"
    assert len(e.fields) <= 27
