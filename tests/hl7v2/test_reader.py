"""The reader: positions, states, escapes, groups, batches, limits, and a second opinion by python-hl7."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.reader import (
    Limits,
    Message,
    Precision,
    Segment,
    State,
    over_limits,
    parse_number,
    parse_ts,
    split_batch,
)
from adapters.hl7v2.syntax import STANDARD, Separators, escape, separators_of, unescape

HEAD = b"MSH|^~\\&|RTSYS|NORTH|ADAPTER|BILL|20260105||DFT^P03|C1|P|2.5.1\r"
CHARGES = (
    HEAD
    + b"EVN|P03|20260105\r"
    + b'PID|1||777^^^NORTH&1.2.3&ISO^MR~SSN9^^^US^SS||Birch^Ada||19600102|F|||""\r'
    + b"FT1|1|T1|B1|20260105081500|20260106|CG|LOC1^Mgmt^L|||1|150.00&USD^UP||||||||C50.911^x^I10~C79.51^y^I10"
    + b"|1999999984^Oak^Ira^^^^^^NPI&2.16&ISO|||||77427^own^C4|26~59\r"
    + b"PR1|1||77427\r"
    + b"ZRT|a|b\r"
    + b'FT1|2|T2||20260105||CG|LOC2||||||||||||||||||77014|""\r'
    + b"NTE|1||two\r"
    + b"DG1|1||C50.911^x^I10\r"
    + b"ZRT|after\r"
)


def first(message: Message, name: str) -> Segment:
    segment = message.first(name)
    assert segment is not None
    return segment


def value(raw: str, n: int = 1, **at: int) -> str:
    return first(Message.parse(HEAD + b"ZZZ|" + raw.encode()), "ZZZ").text(n, **at)


# --- access ------------------------------------------------------------------------------------------------


def test_positions() -> None:
    m = Message.parse(CHARGES)
    assert m.raw is CHARGES
    pid = first(m, "PID")
    assert (pid.text(3), pid.text(3, 4), pid.text(3, 4, 2), pid.text(3, 5)) == ("777", "NORTH", "1.2.3", "MR")
    assert (pid.text(3, r=2), pid.text(3, 5, r=2), pid.text(3, r=3)) == ("SSN9", "SS", "")
    assert (pid.text(5), pid.text(5, 2), pid.text(5, 3)) == ("Birch", "Ada", "")
    one, two = m.segments("FT1")
    assert (one.ordinal, two.ordinal) == (1, 2)
    assert (one.text(11), one.text(11, 1, 2), one.text(11, 2)) == ("150.00", "USD", "UP")
    assert one.texts(26) == ("26", "59")
    assert one.texts(19) == ("C50.911", "C79.51")
    assert one.text(20, 9) == "NPI"
    assert two.texts(26) == ()
    assert m.first("GT1") is None
    assert m.segments("GT1") == ()


def test_msh_is_numbered_from_its_separator() -> None:
    msh = first(Message.parse(CHARGES), "MSH")
    assert (msh.text(1), msh.text(2), msh.text(3), msh.text(9, 2), msh.text(10)) == (
        "|",
        "^~\\&",
        "RTSYS",
        "P03",
        "C1",
    )
    assert msh.field(2).component(1).text == "^~\\&"
    assert msh.field(2).repetitions == (msh.field(2),)
    assert msh.texts(2) == ("^~\\&",)
    assert msh.line.encode() + b"\r" == HEAD


def test_absent_empty_null_value() -> None:
    m = Message.parse(CHARGES)
    one, two = m.segments("FT1")
    assert one.field(26).state is State.VALUE
    assert two.field(26).state is State.NULL
    assert two.field(26).text == ""
    assert two.field(26).repetitions == ()
    assert two.field(8).state is State.EMPTY
    assert two.field(27).state is State.ABSENT
    assert two.field(27).component(2).state is State.ABSENT
    assert one.field(7).component(3).state is State.VALUE
    assert one.field(7).component(4).state is State.ABSENT
    assert one.field(20).component(4).state is State.EMPTY
    assert first(m, "PID").field(11).state is State.NULL
    with pytest.raises(ValueError, match="numbered from 1"):
        one.field(0)


def test_an_empty_repetition_keeps_its_place() -> None:
    field = first(Message.parse(HEAD + b"ZZZ|a~~c"), "ZZZ").field(1)
    assert [part.state for part in field.repetitions] == [State.VALUE, State.EMPTY, State.VALUE]
    assert [part.text for part in field.repetitions] == ["a", "", "c"]
    assert field.text == "a"


def test_places() -> None:
    m = Message.parse(CHARGES)
    one, two = m.segments("FT1")
    assert one.path(10) == "FT1-10"
    assert two.path(10) == "FT1[2]-10"
    assert first(m, "PID").path(3, 2, 1) == "PID-3[2].1"
    assert first(m, "PID").path(3, 1, 4, 2) == "PID-3.4.2"


def test_groups() -> None:
    m = Message.parse(CHARGES)
    one, two = m.groups("FT1", ("PR1", "ZRT", "NTE"), until=("DG1",))
    assert [s.name for s in one.members] == ["PR1", "ZRT"]
    assert [s.name for s in two.members] == ["NTE"]
    assert (one.anchor.text(2), two.anchor.text(2), two.anchor.ordinal) == ("T1", "T2", 2)
    procedure = one.first("PR1")
    assert procedure is not None
    assert procedure.text(3) == "77427"
    assert two.first("PR1") is None
    assert [s.text(3) for s in two.all("NTE")] == ["two"]
    open_end = m.groups("FT1", ("PR1", "ZRT", "NTE"))
    assert [(s.name, s.ordinal) for s in open_end[1].members] == [("NTE", 1), ("ZRT", 2)]
    assert m.groups("GT1", ("NTE",)) == ()


def test_iteration_counts_each_name() -> None:
    names = [(s.name, s.ordinal) for s in Message.parse(CHARGES)]
    assert names[:3] == [("MSH", 1), ("EVN", 1), ("PID", 1)]
    assert names[-3:] == [("NTE", 1), ("DG1", 1), ("ZRT", 2)]


def test_segment_names_match_whole() -> None:
    m = Message.parse(HEAD + b"ZZ1|a\rZZ\rZZ1\rZZ1X|b\r")
    assert [s.text(1) for s in m.segments("ZZ1")] == ["a", ""]
    assert len(m.segments("ZZ")) == 1


# --- line ends, junk, delimiters ---------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
@pytest.mark.parametrize("lead", [b"", b"\xef\xbb\xbf", b"\x0b", b"\r\n"])
@pytest.mark.parametrize("tail", [b"", b"\x1c\r", b"\r\n\x00"])
def test_line_ends_and_framing(end: bytes, lead: bytes, tail: bytes) -> None:
    m = Message.parse(lead + CHARGES.replace(b"\r", end) + tail)
    assert m.lines == Message.parse(CHARGES).lines
    assert m.strays == ()


def test_a_lone_line_feed_is_text_where_cr_ends_segments() -> None:
    m = Message.parse(HEAD + b"NTE|1||one\ntwo|x\rPID|1\nPV1|1\n\n")
    assert first(m, "NTE").text(3) == "one\ntwo"
    assert first(m, "NTE").text(4) == "x"
    assert first(m, "PV1").text(1) == "1"
    assert m.strays == ()


def test_a_cr_in_text_is_told() -> None:
    m = Message.parse(HEAD + b"FT1|1|T1||2026|||X|first\rsecond||5\rlower|1\rPID")
    assert m.strays == (3, 4)
    assert first(m, "FT1").field(10).state is State.ABSENT


def test_nul_never_reaches_text() -> None:
    m = Message.parse(HEAD + b"PID|1||7\x007\r\x00")
    assert first(m, "PID").text(3) == "77"


def test_own_delimiters() -> None:
    m = Message.parse(b"MSH$%*!@$A$B$C$D$2026$$DFT%P03$9$P$2.3\rFT1$1$T|1$$$$$L!S!1%x%y$$$1*2@3")
    ft1 = first(m, "FT1")
    assert (ft1.text(2), ft1.text(7), ft1.text(7, 2), ft1.text(10, 1, 2, 2)) == ("T|1", "L%1", "x", "3")


def test_without_usable_msh_the_standard_delimiters_are_taken() -> None:
    m = Message.parse(b"PID|1||7^8")
    assert m.separators == STANDARD
    assert first(m, "PID").text(3, 2) == "8"
    assert Message.parse(b"MSH|0000|x\rPID|1").separators == STANDARD
    assert first(Message.parse(b"MSH$^^$x\rPID$1$$7^8"), "PID").text(3, 2) == "8"
    assert Message.parse(b"").lines == ()
    assert Message.parse(b"MSH|^~\\&").separators == STANDARD


def test_charset_of_the_text() -> None:
    m = Message.parse(HEAD + b"PID|1||7||M\xfcller")
    assert (m.charset, m.charset_guessed, first(m, "PID").text(5)) == ("cp1252", True, "Müller")
    m = Message.parse(HEAD + "PID|1||7||Müller".encode())
    assert (m.charset, m.charset_guessed, first(m, "PID").text(5)) == ("utf-8", False, "Müller")


# --- escapes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (r"SMITH \T\ SONS", "SMITH & SONS"),
        (r"a\F\b\S\c\R\d\E\e", "a|b^c~d\\e"),
        (r"\X41\\X4A4B\ \XC3BC\ \XFC\ ", "AJK ü ü "),
        (r"one\.br\two\.sp2\three", "one\ntwo\nthree"),
        (r"\H\bold\N\ plain", "bold plain"),
        (r"\Z01\ x \C2842\ \.in+4\ ", r"\Z01\ x \C2842\ \.in+4\ "),
        ("trailing \\", "trailing \\"),
        (r"C:\DIR\T\FILE", "C:\\DIR&FILE"),
        (r"\X00\ \X4\ \Xzz\ ", r"\X00\ \X4\ \Xzz\ "),
        (r"\P\ ", "# "),
        (r"\\", r"\\"),
    ],
)
def test_escapes(raw: str, text: str) -> None:
    assert value(raw) == text
    assert first(Message.parse(HEAD + b"ZZZ|" + raw.encode()), "ZZZ").field(1).text == text


def test_escaped_delimiters_do_not_split() -> None:
    assert value(r"a\S\b^c", c=2) == "c"
    assert value(r"a\R\b~c", r=2) == "c"
    assert value(r"a\T\b&c", s=2) == "c"


@given(st.text(max_size=40).filter(lambda t: "\x00" not in t))
def test_escape_round_trip(text: str) -> None:
    for separators in (STANDARD, Separators("$", "%", "*", "!", "@", "#")):
        safe = escape(text, separators)
        assert not set(safe) & set("\r\n\x0b\x1c" + separators.field + separators.component)
        assert unescape(safe, separators) == text


def test_separators_that_cannot_be_used() -> None:
    assert separators_of("|", "^~\\&") == STANDARD
    for declared in ("", "^^\\&", "^~\\&#!", "^~\\|", "ab\\&", '^~\\"', "^~\\ ", "^~\\é"):
        assert separators_of("|", declared) is None
    assert separators_of("&", "^~\\") is None


# --- a second opinion --------------------------------------------------------------------------------------

# Flat tokens, not nested lists: as many shapes, drawn far faster.
tokens = st.sampled_from(["a", "BC", "1.50", "x y", "é", "-", '""', "|", "|", "|", "^", "^", "~", "&"])
segment_text = st.tuples(
    st.sampled_from(["PID", "PV1", "FT1", "PR1", "ZRT", "DG1"]), st.lists(tokens, max_size=25).map("".join)
).map("|".join)


@given(st.lists(segment_text, min_size=1, max_size=6))
def test_same_as_python_hl7(lines: list[str]) -> None:
    data = HEAD + "\r".join(lines).encode() + b"\r"
    theirs = hl7.parse(data.decode())
    ours = list(Message.parse(data))
    assert [s.name for s in ours] == [str(s[0]) for s in theirs]
    for mine, other in zip(ours[1:], list(theirs)[1:], strict=True):
        assert mine.line == str(other)
        for n in range(1, len(other)):
            assert mine.field(n).raw == str(other[n])
            repetitions = mine.field(n).repetitions or (mine.field(n),)
            for repetition, their_repetition in zip(repetitions, other[n], strict=True):
                assert repetition.raw == str(their_repetition)
            for r, c, s in itertools.product((1, 2, 3), (1, 2, 4), (1, 2, 3)):
                assert mine.text(n, c, s, r) == theirs_at(other[n], r, c, s)


def theirs_at(field: hl7.Field, r: int, c: int, s: int) -> str:
    """python-hl7's reading of one sub-component; '' where it has none, and for HL7 null."""
    node: object = field
    for index in (r, c, s):
        if isinstance(node, str):
            node = node if index == 1 else ""
        else:
            assert isinstance(node, list)
            node = node[index - 1] if index <= len(node) else ""
    return "" if node == '""' else str(node)


@given(st.lists(segment_text, min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 4), st.integers(1, 3))
def test_the_quick_way_and_the_full_way_agree(lines: list[str], n: int, c: int, s: int) -> None:
    for segment in Message.parse(HEAD + "\r".join(lines).encode()):
        field = segment.field(n)
        assert segment.text(n, c, s) == field.component(c, s).text
        assert segment.texts(n, c, s) == tuple(part.component(c, s).text for part in field.repetitions)


@given(st.binary(max_size=200))
def test_reading_never_raises(data: bytes) -> None:
    for body in (data, HEAD + data):
        message = Message.parse(body)
        assert message.raw == body
        for segment in message:
            for n in range(1, 4):
                assert isinstance(segment.text(n, 2, 2, 2), str)
                assert segment.field(n).state in State
        assert isinstance(message.strays, tuple)
        assert isinstance(over_limits(message), tuple)
        batch = split_batch(body)
        assert batch.messages or batch.enveloped


# --- limits ------------------------------------------------------------------------------------------------


def test_limits() -> None:
    small = Limits(segments=4, fields=10, repetitions=5, parts=5)
    ok = HEAD.replace(b"|BILL|", b"|B|").replace(b"|20260105|", b"||")
    assert over_limits(Message.parse(CHARGES)) == ()

    def codes(body: bytes) -> list[tuple[str, str]]:
        return [(p.code, p.where) for p in over_limits(Message.parse(ok + body), small) if p.where != "MSH"]

    assert codes(b"PID|1||7") == []
    assert codes(b"ZZZ|1\r" * 4) == [("too-many-segments", "")]
    assert codes(b"FT1|1\rFT1" + b"|" * 11) == [("too-many-fields", "FT1[2]")]
    assert codes(b"FT1|1|" + b"~".join([b"x"] * 6)) == [("too-many-repetitions", "FT1-2")]
    assert codes(b"FT1|1|" + b"&".join([b"x"] * 6)) == [("too-many-parts", "FT1-2")]
    assert codes(b"FT1|1|" + b"~".join([b"x"] * 5)) == []


@pytest.mark.parametrize(
    "bomb", [b"\r" * 8_000_000, b"|" * 8_000_000, b"~" * 8_000_000, b"PID|\r" * 1_600_000, b"\\" * 4_000_000]
)
def test_bombs_are_cheap(bomb: bytes) -> None:
    began = time.perf_counter()
    message = Message.parse(HEAD + b"PID|1||" + bomb)
    problems = over_limits(message)
    pid = first(message, "PID")
    assert pid.text(3) is not None
    assert len(pid.parts) <= 5_001
    assert len(message.lines) <= 100_001
    assert time.perf_counter() - began < 3
    assert bool(problems) == (bomb[:1] in b"|~P")


# --- batches -----------------------------------------------------------------------------------------------

ONE = HEAD + b"PID|1||7\r"
TWO = HEAD.replace(b"|C1|", b"|C2|") + b"PID|1||8\r"


def test_a_batch() -> None:
    data = b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ONE + TWO + b"BTS|2\rFTS|1\r"
    batch = split_batch(data)
    assert batch.messages == (ONE, TWO)
    assert (batch.enveloped, batch.declared, batch.problems) == (True, 2, ())


def test_several_messages_without_headers() -> None:
    batch = split_batch(b"\r\n" + ONE + b"\r\n" + TWO)
    assert [m.strip() for m in batch.messages] == [ONE.strip(), TWO.strip()]
    assert (batch.enveloped, batch.problems) == (False, ())


@pytest.mark.parametrize("alone", [ONE, b"\xef\xbb\xbf" + ONE, b"PID|1", b"", b"{}", b"\x0b" + ONE + b"\x1c\r"])
def test_one_message_stays_as_it_is(alone: bytes) -> None:
    assert split_batch(alone).messages == (alone,)
    assert not split_batch(alone).enveloped


def test_words_that_only_look_like_headers() -> None:
    body = HEAD + b"NTE|1||see MSH| and BTS|9\rMSHOME|1\r"
    assert split_batch(body).messages == (body,)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"BHS|^~\\&\r" + ONE + b"BTS|3\r", [("batch-count", "after message 1")]),
        (b"BHS|^~\\&\r" + ONE + b"BTS|x\r", [("count-unreadable", "after message 1")]),
        (b"BHS|^~\\&\r" + ONE + b"BTS\r", []),
        (b"BHS|^~\\&\r" + ONE, [("no-batch-trailer", "after message 1")]),
        (ONE + b"BTS|1\r", [("trailer-misplaced", "after message 1")]),
        (b"FHS|^~\\&\r" + ONE, [("no-file-trailer", "after message 1")]),
        (b"FHS|^~\\&\rBHS|^~\\&\r" + ONE + b"FTS|1\r", [("no-batch-trailer", "after message 1")]),
        (b"FHS|^~\\&\rBHS|^~\\&\r" + ONE + b"BTS|1\rFTS|2", [("file-count", "after message 1")]),
        (b"FTS|0\r" + ONE, [("trailer-misplaced", "after message 0")]),
        (b"note\r" + ONE, [("text-outside", "after message 0")]),
        (b"BHS|^~\\&\rPID|1\r" + ONE + b"BTS|1\r", [("text-outside", "after message 0")]),
        (
            b"BHS|^~\\&\r" + ONE + b"BHS|^~\\&\r" + TWO + b"BTS|2\r",
            [("header-misplaced", "after message 1")],
        ),
        (ONE + b"FHS|^~\\&\rFTS\r", [("header-misplaced", "after message 1")]),
    ],
)
def test_what_is_wrong_with_a_batch(data: bytes, found: list[tuple[str, str]]) -> None:
    batch = split_batch(data)
    assert [(p.code, p.where) for p in batch.problems] == found
    assert ONE in batch.messages


def test_a_file_without_batch_headers_is_one_batch() -> None:
    batch = split_batch(b"FHS|^~\\&\r" + ONE + TWO + b"FTS|1\r")
    assert (batch.messages, batch.enveloped, batch.declared, batch.problems) == ((ONE, TWO), True, None, ())


def test_own_field_separator_in_the_trailer() -> None:
    batch = split_batch(b"BHS$%*!@\rMSH$%*!@$A\rBTS$1$end\r")
    assert (len(batch.messages), batch.declared, batch.problems) == (1, 1, ())


# --- timestamps and numbers --------------------------------------------------------------------------------

CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("text", "precision", "iso"),
    [
        ("2026", Precision.YEAR, "2026-01-01T00:00:00-06:00"),
        ("202607", Precision.MONTH, "2026-07-01T00:00:00-05:00"),
        ("20260714", Precision.DAY, "2026-07-14T00:00:00-05:00"),
        ("2026071418", Precision.HOUR, "2026-07-14T18:00:00-05:00"),
        (" 202607141815 ", Precision.MINUTE, "2026-07-14T18:15:00-05:00"),
        ("20260714181530", Precision.SECOND, "2026-07-14T18:15:30-05:00"),
        ("20260714181530.1234", Precision.FRACTION, "2026-07-14T18:15:30.123400-05:00"),
        ("20260714181530.123456789", Precision.FRACTION, "2026-07-14T18:15:30.123456-05:00"),
        ("20260714181530+0200", Precision.SECOND, "2026-07-14T11:15:30-05:00"),
        ("20260308023000", Precision.SECOND, "2026-03-08T03:30:00-05:00"),  # skipped hour, moved forward
        ("20261101013000", Precision.SECOND, "2026-11-01T01:30:00-05:00"),  # repeated hour, the first one
        ("20240229", Precision.DAY, "2024-02-29T00:00:00-06:00"),
    ],
)
def test_timestamps(text: str, precision: Precision, iso: str) -> None:
    ts = parse_ts(text)
    assert ts is not None
    assert ts.precision is precision
    assert ts.instant(CHICAGO).isoformat() == iso
    assert ts.has_time == (precision >= Precision.HOUR)


def test_the_day_is_the_day_as_written() -> None:
    ts = parse_ts("20260714233000-0500")
    assert ts is not None
    assert ts.offset == timedelta(hours=-5)
    assert ts.day == date(2026, 7, 14)
    assert ts.instant(UTC) == datetime(2026, 7, 15, 4, 30, tzinfo=UTC)
    month = parse_ts("202607")
    assert month is not None
    assert month.day is None
    end = parse_ts("99991231235959-0500")
    assert end is not None
    assert end.instant(CHICAGO).year == 9999


@pytest.mark.parametrize(
    "text",
    [
        "",
        "26",
        "20261",
        "20261301",
        "20260229",
        "20260230",
        "00000000",
        "00010101",
        "2026071424",
        "202607141860",
        "20260714181560",
        "2026-07-14",
        "20260714T181530",
        "20260714181530.",
        "202607141815.5",
        "20260714+9900",
        "20260714+02",
        "٢٠٢٦٠٧١٤",
        "20260714x",
        "07/14/2026",
    ],
)
def test_invalid_timestamps(text: str) -> None:
    assert parse_ts(text) is None


@given(st.datetimes(datetime(1800, 1, 1), datetime(9999, 12, 31)))  # noqa: DTZ001 - as written, no zone
def test_timestamps_round_trip(moment: datetime) -> None:
    written = f"{moment.year:04}{moment:%m%d%H%M%S.%f}"
    ts = parse_ts(written)
    assert ts is not None
    assert ts.local == moment
    assert ts.day == moment.date()


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", "1"), ("1.0", "1.0"), ("-2.50", "-2.50"), ("+3", "3"), (".5", "0.5"), ("7.", "7"), (" 4 ", "4")],
)
def test_numbers(text: str, number: str) -> None:
    assert str(parse_number(text)) == str(Decimal(number))


@pytest.mark.parametrize("text", ["", " ", "1,5", "1 O", "1O", "1e3", "NaN", "--1", ".", "-", "٣", "1" * 41, "1\n"])
def test_no_numbers(text: str) -> None:
    assert parse_number(text) is None


# --- speed -------------------------------------------------------------------------------------------------


def test_reads_thousands_of_charge_messages_a_second() -> None:
    """A floor far below the measured 35,000 a second, so that only a change of kind trips it."""

    def read() -> int:
        message = Message.parse(CHARGES)
        found = 0
        for charge in message.segments("FT1"):
            found += sum(len(charge.text(n)) for n in (2, 4, 5, 6, 7, 10, 11, 19, 20, 25)) + len(charge.texts(26))
        return found

    assert read() > 0
    began = time.process_time()
    for _ in range(2_000):
        read()
    assert time.process_time() - began < 1.0
