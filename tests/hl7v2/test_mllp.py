"""MLLP framing: every cut of a stream gives the same frames, and nothing on the wire is unaccounted for."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2.mllp import KEPT, Decoder, Fault, FaultKind, Frame, wrap

MESSAGE = b"MSH|^~\\&|RTSYS|NORTH|ADAPTER|BILL|20260105||DFT^P03|C1|P|2.5.1\rPID|1||777^^^NORTH^MR\r"

payloads = st.binary(max_size=60).filter(lambda b: b"\x0b" not in b and b"\x1c" not in b)
# Bytes that matter to framing, more often than chance would give them.
noisy = st.lists(
    st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"MSH|", b"M", b"S", b"BHS|", b"x", b"\x00", wrap(MESSAGE)]),
    max_size=30,
).map(b"".join)


def outcome(found: list[Frame | Fault]) -> list[tuple[str, bytes]]:
    """What must not depend on how the bytes were cut; what a refused stranger sent so far may."""
    shown = []
    for item in found:
        if isinstance(item, Frame):
            shown.append(("frame", item.payload))
        else:
            shown.append((item.kind.value, b"" if item.kind is FaultKind.NOT_MLLP else item.kept))
    return shown


def run(data: bytes, cuts: list[int], limit: int = 1000) -> tuple[list[tuple[str, bytes]], int, bool, Fault | None]:
    decoder = Decoder(limit)
    found: list[Frame | Fault] = []
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for begin, end in itertools.pairwise(edges):
        found += decoder.feed(data[begin:end])
    closed = decoder.closed
    return outcome(found), decoder.skipped, closed, decoder.eof()


@given(noisy, st.lists(st.integers(0, 400), max_size=12), st.sampled_from([5, 40, 1000]))
def test_any_cut_of_a_stream_gives_the_same(data: bytes, cuts: list[int], limit: int) -> None:
    whole = run(data, [], limit)
    cut = run(data, cuts, limit)
    bytewise = run(data, list(range(len(data))), limit)
    assert cut[0] == whole[0] == bytewise[0]
    assert cut[2] == whole[2] == bytewise[2]
    assert cut[3] == whole[3] == bytewise[3]
    if not whole[2]:
        assert cut[1] == whole[1] == bytewise[1]


@given(st.lists(payloads, max_size=8), st.lists(st.integers(0, 500), max_size=12))
def test_framed_payloads_come_back_in_order(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(wrap(body) for body in bodies)
    found, skipped, closed, rest = run(stream, cuts)
    assert found == [("frame", body) for body in bodies]
    assert (skipped, closed, rest) == (0, False, None)


@given(noisy)
def test_every_byte_is_accounted_for(data: bytes) -> None:
    decoder = Decoder(10_000)
    found = decoder.feed(wrap(b"") + data)  # an opening frame: what follows is no stranger's greeting
    assert not decoder.closed
    rest = decoder.eof()
    kept = sum(len(item.payload) if isinstance(item, Frame) else len(item.kept) for item in found)
    kept += len(rest.kept) if rest else 0
    # Framing bytes: at most a start and two end bytes for every frame, one start for every cut.
    assert kept + decoder.skipped <= len(data) + 3
    assert kept + decoder.skipped + 3 * (len(found) + 1) >= len(data) + 3


def test_split_at_every_offset_and_pipelined() -> None:
    stream = wrap(MESSAGE) * 3
    for cut in range(len(stream)):
        assert run(stream, [cut])[0] == [("frame", MESSAGE)] * 3
    for count in range(1, 51):
        assert len(Decoder().feed(wrap(MESSAGE) * count)) == count


def test_junk_between_frames_is_skipped_and_counted() -> None:
    decoder = Decoder()
    found = decoder.feed(b"\r\n\x00" + wrap(MESSAGE) + b"\x00\n\n" + wrap(MESSAGE) + b"stray\r\n")
    assert outcome(found) == [("frame", MESSAGE)] * 2
    assert decoder.skipped == 3 + 3 + 7
    assert not decoder.closed
    assert not decoder.in_frame


def test_idle_bytes_never_close_a_connection() -> None:
    decoder = Decoder()
    for _ in range(10):
        assert decoder.feed(b"\x00\r\n" * KEPT) == []
    assert not decoder.closed
    assert outcome(decoder.feed(wrap(MESSAGE))) == [("frame", MESSAGE)]


def test_a_new_frame_inside_an_unfinished_one() -> None:
    decoder = Decoder()
    found = decoder.feed(b"\x0bMSH|^~\\&|half" + wrap(MESSAGE))
    assert outcome(found) == [("cut-frame", b"MSH|^~\\&|half"), ("frame", MESSAGE)]
    assert not decoder.closed


def test_a_vertical_tab_in_text_is_content() -> None:
    body = b"MSH|^~\\&|A\rNTE|1||first line\x0bsecond line MSH|\r"
    assert outcome(Decoder().feed(b"\x0b" + body + b"\x1c\r")) == [("frame", body)]


def test_an_end_byte_without_cr() -> None:
    body = b"MSH|^~\\&|A\x1cB\r"
    assert outcome(Decoder().feed(b"\x0b" + body + b"\x1c\r")) == [("frame", body)]
    assert outcome(Decoder().feed(b"\x0bone\x1c" + wrap(b"two"))) == [("frame", b"one"), ("frame", b"two")]


def test_a_doubled_start_byte_is_junk() -> None:
    decoder = Decoder()
    assert outcome(decoder.feed(b"\x0b\x0b" + wrap(MESSAGE))) == [("frame", MESSAGE)]
    assert decoder.skipped == 2


def test_over_the_limit_once_then_closed() -> None:
    decoder = Decoder(limit=100)
    assert outcome(decoder.feed(wrap(b"x" * 100))) == [("frame", b"x" * 100)]
    assert outcome(decoder.feed(b"\x0b" + b"y" * 5000)) == [("too-long", b"y" * 100)]
    assert decoder.closed
    assert not decoder.in_frame
    assert decoder.feed(wrap(MESSAGE)) == []
    assert decoder.eof() is None


def test_a_finished_frame_over_the_limit_is_refused_too() -> None:
    assert outcome(Decoder(limit=10).feed(wrap(b"z" * 11))) == [("too-long", b"z" * 10)]


@pytest.mark.parametrize(
    "opening",
    [
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /hl7v2 HTTP/1.1\r\n",
        b"\r\nOPTIONS * HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x0b\x0b",
        MESSAGE,
        b"BHS|^~\\&|A\r",
    ],
)
def test_strangers_are_named_and_closed(opening: bytes) -> None:
    decoder = Decoder()
    found = [item for byte in opening for item in decoder.feed(bytes([byte]))]
    assert [kind for kind, _ in outcome(found)] == ["not-mllp"]
    assert decoder.closed
    first = Decoder().feed(opening)[0]
    assert isinstance(first, Fault)
    assert first.kept
    assert opening[:3].strip() not in first.words.encode() or opening[:3] == b"MSH"


def test_endless_noise_is_closed_and_the_first_4_kb_kept() -> None:
    decoder = Decoder()
    found = decoder.feed(b"?" * 3000) + decoder.feed(b"!" * 3000)
    assert [kind for kind, _ in outcome(found)] == ["not-mllp"]
    fault = found[0]
    assert isinstance(fault, Fault)
    assert fault.kept == b"?" * 3000 + b"!" * 1096
    assert len(fault.kept) == KEPT


def test_http_words_between_frames_are_only_junk() -> None:
    decoder = Decoder()
    assert len(decoder.feed(wrap(MESSAGE) + b"GET lost\r\n" + wrap(MESSAGE))) == 2
    assert not decoder.closed


def test_the_end_of_a_connection() -> None:
    assert Decoder().eof() is None
    decoder = Decoder()
    decoder.feed(wrap(MESSAGE) + b"\x0bMSH|half\x1c")
    assert decoder.in_frame
    fault = decoder.eof()
    assert fault is not None
    assert (fault.kind, fault.kept) == (FaultKind.UNFINISHED, b"MSH|half\x1c")
    assert decoder.eof() is None


def test_wrap_refuses_what_would_be_cut() -> None:
    assert wrap(b"a") == b"\x0ba\x1c\r"
    for payload in (b"a\x1c\rb", b"\x0b", b"a\x1c"):
        with pytest.raises(ValueError, match="framing byte"):
            wrap(payload)
    with pytest.raises(ValueError, match="limit"):
        Decoder(0)


def test_faults_do_not_show_content_in_their_repr() -> None:
    found = Decoder().feed(b"\x0bMSH|SECRETNAME" + wrap(b"MSH|OTHERNAME"))
    assert "NAME" not in repr(found)


def test_two_megabytes_in_small_reads_take_linear_time() -> None:
    body = b"MSH|" + b"OBX|1|TX|x\x1c\x0b" * 150_000
    stream = b"\x0b" + body + b"\x1c\r"
    began = time.perf_counter()
    decoder = Decoder()
    found = [item for at in range(0, len(stream), 1460) for item in decoder.feed(stream[at : at + 1460])]
    took = time.perf_counter() - began
    # Half of the start bytes directly follow an end byte: each of those ends a frame.
    assert len(found) > 100_000
    decoder = Decoder()
    plain = b"\x0b" + b"x" * 2_000_000 + b"\x1c\r"
    found = [item for at in range(0, len(plain), 512) for item in decoder.feed(plain[at : at + 512])]
    assert outcome(found) == [("frame", b"x" * 2_000_000)]
    assert took < 5
    assert time.perf_counter() - began < 6
