"""Acknowledgements: the right one, echoing exactly, and never more segments than were meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.ack import (
    AckCode,
    AckError,
    Condition,
    Severity,
    Verdict,
    acknowledge,
    wants_accept,
    wants_application,
)
from adapters.hl7v2.envelope import Envelope, Unreadable, read_envelope
from adapters.hl7v2.mllp import wrap
from adapters.hl7v2.reader import Message
from adapters.hl7v2.syntax import Separators

NOW = datetime(2026, 1, 5, 8, 15, 30, tzinfo=timezone(timedelta(hours=-6)))
ERROR = AckError(
    Condition.REQUIRED_FIELD, "no control id", "MSH", 1, 10, diagnostics="field 10 | empty", code="no-control-id"
)


def msh(*, version: str = "2.5.1", control_id: str = "C1", accept: str = "", application: str = "") -> bytes:
    return (
        f"MSH|^~\\&|APP^1.2^ISO|FAC|OURS|BILL|20260105||DFT^P03^DFT_P03|{control_id}|P|{version}|||{accept}|{application}"
    ).encode() + b"\rPID|1||7\r"


def envelope(**parts: str) -> Envelope:
    found = read_envelope(msh(**parts))
    assert isinstance(found, Envelope)
    return found


def lines(ack: bytes) -> list[bytes]:
    assert ack.endswith(b"\r")
    return ack.split(b"\r")[:-1]


def test_an_accept() -> None:
    ack = acknowledge(envelope(), AckCode.AA, now=NOW, control_id="A-9")
    assert lines(ack) == [
        b"MSH|^~\\&|OURS|BILL|APP^1.2^ISO|FAC|20260105081530-0600||ACK^P03^ACK|A-9|P|2.5.1",
        b"MSA|AA|C1",
    ]


@pytest.mark.parametrize(
    ("version", "kind", "shown"),
    [
        ("2.1", "ACK", "2.1"),
        ("2.2", "ACK", "2.2"),
        ("2.3", "ACK^P03", "2.3"),
        ("2.3.1", "ACK^P03^ACK", "2.3.1"),
        ("2.5.1^USA", "ACK^P03^ACK", "2.5.1^USA"),
        ("2.8.2", "ACK^P03^ACK", "2.8.2"),
        ("", "ACK^P03^ACK", "2.5.1"),
        ("three", "ACK^P03^ACK", "2.5.1"),
    ],
)
def test_msh_by_version(version: str, kind: str, shown: str) -> None:
    fields = lines(acknowledge(envelope(version=version), AckCode.CA, now=NOW, control_id="1"))[0].decode().split("|")
    assert (fields[8], fields[11]) == (kind, shown)


def test_err_from_2_5() -> None:
    segments = lines(acknowledge(envelope(version="2.5"), AckCode.AE, now=NOW, control_id="1", error=ERROR))
    assert segments[1:] == [
        b"MSA|AE|C1|no control id",
        b"ERR||MSH^1^10|101^required field missing^HL70357|E|no-control-id||field 10 \\F\\ empty|no control id",
    ]


def test_err_before_2_5() -> None:
    segments = lines(acknowledge(envelope(version="2.3"), AckCode.AR, now=NOW, control_id="1", error=ERROR))
    assert segments[1:] == [
        b"MSA|AR|C1|no control id",
        b"ERR|MSH^1^10^101&required field missing&HL70357",
    ]
    nowhere = AckError(Condition.INTERNAL, "try later", severity=Severity.FATAL)
    old = lines(acknowledge(envelope(version="2.4"), AckCode.AR, now=NOW, control_id="1", error=nowhere))
    assert old[2] == b"ERR|^^^207&internal error&HL70357"
    new = lines(acknowledge(envelope(version="2.6"), AckCode.AR, now=NOW, control_id="1", error=nowhere))
    assert new[2] == b"ERR|||207^internal error^HL70357|F||||try later"


def test_expected_sequence_number() -> None:
    ack = acknowledge(envelope(), AckCode.AE, now=NOW, control_id="1", expected_sequence=18)
    assert lines(ack)[1] == b"MSA|AE|C1||18"


def test_own_delimiters_are_answered_in_kind() -> None:
    found = read_envelope(b"MSH$%*!@#$A$B$C$D$2026$$DFT%P03$X!S!1$P$2.8")
    error = AckError(Condition.VERSION, "cost $5 * 2 # 1", "MSH", 1, 12)
    segments = lines(acknowledge(found, AckCode.AR, now=NOW, control_id="1", error=error))
    assert segments[0].startswith(b"MSH$%*!@#$C$D$A$B$")
    assert segments[1] == b"MSA$AR$X!S!1$cost !F!5 !R! 2 !P! 1"
    assert segments[2].startswith(b"ERR$$MSH%1%12$203%")


@pytest.mark.parametrize("charset", ["", "8859/1", "UNICODE UTF-8"])
@pytest.mark.parametrize("control", [b"C1", b" c-1 ", b"A^B\\T\\C", b"N\xfcm", "Nüm".encode(), b"x" * 199])
def test_msa2_repeats_msh10_byte_for_byte(control: bytes, charset: str) -> None:
    data = b"MSH|^~\\&|A|B|C|D|2026||DFT^P03|" + control + b"|P|2.5||||||" + charset.encode()
    ack = acknowledge(read_envelope(data), AckCode.AA, now=NOW, control_id="1")
    assert lines(ack)[1] == b"MSA|AA|" + control


@given(st.binary(min_size=1, max_size=30).filter(lambda b: not set(b) & set(b"|\r\n")))
def test_msa2_is_exact_or_empty(control: bytes) -> None:
    data = b"MSH|^~\\&|A|B|C|D|2026||DFT^P03|" + control + b"|P|2.5"
    segments = lines(acknowledge(read_envelope(data), AckCode.AA, now=NOW, control_id="1"))
    assert segments[1] in (b"MSA|AA|" + control, b"MSA|AA")
    if all(0x20 <= byte < 0x7F for byte in control) and control.strip():
        assert segments[1] == b"MSA|AA|" + control


@pytest.mark.parametrize("control", ["1\x01", "1\x7f", "x" * 200, "a\u202eb", "1\u2028MSA"])
def test_what_must_not_be_echoed(control: str) -> None:
    found = read_envelope(msh(control_id=control))
    assert lines(acknowledge(found, AckCode.AA, now=NOW, control_id="1"))[1] == b"MSA|AA"


def test_forged_envelopes_inject_nothing() -> None:
    good = envelope()
    for evil in ("1\rMSA|AA", "1|AA", "1\nMSA|AA|2", "\x1c\r"):
        fields = tuple(evil if n >= 3 else text for n, text in enumerate(good.fields))
        forged = replace(good, fields=fields, control_id=evil, trigger=evil, version=evil)
        ack = acknowledge(forged, AckCode.AE, now=NOW, control_id=evil, error=AckError(Condition.LENGTH, evil, evil))
        assert [segment[:3] for segment in lines(ack)] == [b"MSH", b"MSA", b"ERR"]
        assert ack.count(b"\n") == 0
        unread = Unreadable(read_unread().reason, "", evil)
        assert len(lines(acknowledge(unread, AckCode.AE, now=NOW, control_id="1"))) == 2


def read_unread() -> Unreadable:
    found = read_envelope(b"PID|1")
    assert isinstance(found, Unreadable)
    return found


separators = st.permutations(list("|^~\\&$%*!@#")).map(lambda marks: Separators(*marks[:6]))


@given(
    separators,
    st.text(max_size=60),
    st.text(max_size=60),
    st.text(max_size=60),
    st.sampled_from(AckCode),
    st.sampled_from(Condition),
    st.sampled_from(["2.2", "2.3.1", "2.4", "2.5.1", "2.8"]),
)
def test_n_segments_in_n_segments_out(
    marks: Separators, head: str, ours: str, words: str, code: AckCode, condition: Condition, version: str
) -> None:
    f = marks.field
    start = f"MSH{f}{marks.encoding_characters}{f}"
    data = (start + head + f"{f}B{f}C{f}D{f}2026{f}{f}DFT{f}{head}{f}P{f}{version}").encode("utf-8", "replace")
    error = AckError(condition, words, words, 1, 2, diagnostics=words, code=words)
    for found in (read_envelope(data), read_envelope(data[:20]), read_unread()):
        ack = acknowledge(found, code, now=NOW, control_id=ours, error=error)
        assert len(lines(ack)) == 3
        assert [s.name for s in Message.parse(ack)] == ["MSH", "MSA", "ERR"]
        assert wrap(ack)[1:-2] == ack
        answer = Message.parse(ack).first("MSA")
        assert answer is not None
        assert answer.text(1) == code.value


def test_python_hl7_reads_it() -> None:
    ack = acknowledge(envelope(), AckCode.CE, now=NOW, control_id="Z", error=ERROR)
    parsed = hl7.parse(ack.decode())
    assert str(parsed.segment("MSA")[2]) == "C1"
    assert str(parsed.segment("ERR")[3][0][0]) == "101"


def test_unreadable_messages_are_answered_with_what_there_is() -> None:
    found = read_envelope(b"MSH|^~\\&|APP|FAC|OURS|BILL|2026||DFT^P03||T|2.4")
    segments = lines(acknowledge(found, AckCode.AE, now=NOW, control_id="1", error=ERROR))
    assert segments[0] == b"MSH|^~\\&|OURS|BILL|APP|FAC|20260105081530-0600||ACK^P03^ACK|1|T|2.4"
    assert segments[1] == b"MSA|AE||no control id"
    nothing = lines(acknowledge(read_unread(), AckCode.AE, now=NOW, control_id="1"))
    assert nothing == [b"MSH|^~\\&|||||20260105081530-0600||ACK|1|P|2.5.1", b"MSA|AE"]
    batch = read_envelope(b"BHS|^~\\&|APP|FAC|OURS|BILL|2026|secret|name|comment|B7\r")
    assert lines(acknowledge(batch, AckCode.AA, now=NOW, control_id="1"))[1] == b"MSA|AA|B7"


def test_now_must_be_aware() -> None:
    with pytest.raises(ValueError, match="aware"):
        acknowledge(envelope(), AckCode.AA, now=NOW.replace(tzinfo=None), control_id="1")


S, E, R = Verdict.STORED, Verdict.ERROR, Verdict.REFUSED


@pytest.mark.parametrize(
    ("accept", "application", "answers", "later"),
    [
        ("", "", ("AA", "AE", "AR"), (None, None, None)),
        ("AL", "", ("CA", "CE", "CR"), (None, None, None)),
        ("AL", "NE", ("CA", "CE", "CR"), (None, None, None)),
        ("AL", "AL", ("CA", "CE", "CR"), ("AA", "AE", "AR")),
        ("al", "er", ("CA", "CE", "CR"), (None, "AE", "AR")),
        ("ER", "NE", (None, "CE", "CR"), (None, None, None)),
        ("SU", "SU", ("CA", None, None), ("AA", None, None)),
        ("NE", "NE", (None, None, None), (None, None, None)),
        ("NE", "AL", ("AA", "AE", "AR"), (None, None, None)),
        ("", "ER", (None, "AE", "AR"), (None, None, None)),
        ("NE", "SU", ("AA", None, None), (None, None, None)),
        ("Y", "", ("CA", "CE", "CR"), (None, None, None)),
    ],
)
def test_which_answer_is_owed(
    accept: str, application: str, answers: tuple[str | None, ...], later: tuple[str | None, ...]
) -> None:
    found = envelope(accept=accept, application=application)
    assert tuple(wants_accept(found, verdict) for verdict in (S, E, R)) == answers
    assert tuple(wants_application(found, verdict) for verdict in (S, E, R)) == later


def test_an_unreadable_message_is_owed_an_answer() -> None:
    assert wants_accept(read_unread(), E) is AckCode.AE
    quiet = read_envelope(b"MSH|^~\\&|A|B|C|D|2026||DFT^P03||P|2.5|||NE|NE")
    assert isinstance(quiet, Unreadable)
    assert wants_accept(quiet, E) is None


@pytest.mark.parametrize("body", [b"MSH", b"MSH\rPID|1", b"MSH\nPID|1", b"\x0bBHS\r"])
def test_a_header_of_three_letters_is_answered_with_the_recommended_delimiters(body: bytes) -> None:
    """Found by fuzzing: with no MSH-1 at all the delimiters moved up by one, and nobody could read the answer."""
    ack = acknowledge(read_envelope(body), AckCode.AE, now=NOW, control_id="A1")
    assert ack.startswith(b"MSH|^~\\&|")
    assert [segment.name for segment in Message.parse(ack)] == ["MSH", "MSA"]
