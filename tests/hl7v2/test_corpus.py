"""Every sample message at hand is read without an exception and can be answered.

The samples are other people's and stay where they are; this test reads them when they lie beside the checkout.
"""

from __future__ import annotations

import os
import pathlib
from datetime import UTC, datetime

import pytest

from adapters.hl7v2.ack import AckCode, Verdict, acknowledge, wants_accept
from adapters.hl7v2.envelope import Envelope, Unread, Unreadable, decode, read_envelope
from adapters.hl7v2.mllp import Decoder, Frame, wrap
from adapters.hl7v2.reader import Message, over_limits, split_batch

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def samples() -> list[pathlib.Path]:
    beside = pathlib.Path(__file__).resolve().parents[2].parent / "shared"
    shared = pathlib.Path(os.environ.get("ONCOCLAIMS_SHARED", beside))
    return sorted((shared / "corpus" / "hl7v2").glob("*.hl7"))


@pytest.fixture(scope="module")
def corpus() -> list[pathlib.Path]:
    found = samples()
    if not found:
        pytest.skip("NO SAMPLE MESSAGES: set ONCOCLAIMS_SHARED to the folder that holds corpus/hl7v2")
    return found


def test_every_sample_gets_a_defined_answer(corpus: list[pathlib.Path]) -> None:
    for path in corpus:
        data = path.read_bytes()
        found = read_envelope(data)
        assert isinstance(found, Envelope | Unreadable), path.name
        verdict = Verdict.STORED if isinstance(found, Envelope) else Verdict.ERROR
        code = wants_accept(found, verdict) or AckCode.AA
        ack = acknowledge(found, code, now=NOW, control_id="A1")
        assert [segment.name for segment in Message.parse(ack)] == ["MSH", "MSA"], path.name
        answer = Message.parse(ack).first("MSA")
        assert answer is not None
        assert answer.field(2).raw in (None, "", found.control_id), path.name
        if isinstance(found, Envelope) and found.control_id.isprintable():
            assert answer.field(2).raw == found.control_id, path.name


def test_every_sample_is_read_whole(corpus: list[pathlib.Path]) -> None:
    for path in corpus:
        data = path.read_bytes()
        batch = split_batch(data)
        for body in batch.messages:
            message = Message.parse(body)
            assert message.raw == body
            assert over_limits(message) == (), path.name
            text = decode(body, read_envelope(body)).text
            for segment in message:
                assert segment.line in text.replace("\x00", ""), path.name
                for n in range(1, len(segment.parts)):
                    for repetition in segment.field(n).repetitions:
                        assert isinstance(repetition.component(1).text, str)
        if not path.name.startswith("mal-"):
            # Some of the batch samples lack a trailer or have one too many; no single message may look like one.
            assert batch.problems == () or path.name.startswith("batch-"), path.name
            assert all(Message.parse(body).strays == () for body in batch.messages), path.name


def test_well_formed_samples_are_readable(corpus: list[pathlib.Path]) -> None:
    readable = 0
    for path in corpus:
        if path.name.startswith("mal-"):
            continue
        for body in split_batch(path.read_bytes()).messages:
            found = read_envelope(body)
            if isinstance(found, Unreadable):  # three of the samples leave MSH-10 empty
                assert found.reason is Unread.NO_CONTROL_ID, path.name
                continue
            assert found.message_type, path.name
            readable += 1
    assert readable >= len([path for path in corpus if not path.name.startswith("mal-")]) - 3


def test_framed_together_they_come_back(corpus: list[pathlib.Path]) -> None:
    bodies = [body for body in (path.read_bytes() for path in corpus) if not set(body) & {0x0B, 0x1C}]
    found = Decoder().feed(b"".join(wrap(body) for body in bodies))
    assert [frame.payload for frame in found if isinstance(frame, Frame)] == bodies
    assert len(bodies) > len(corpus) - 10
