"""Every sample message at hand is read without an exception and can be answered.

The samples are other people's and stay where they are; this test reads them when they lie beside the checkout.
"""

from __future__ import annotations

import os
import pathlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import hl7
import pytest

import mappings
from adapters.hl7v2.ack import AckCode, Verdict, acknowledge, wants_accept
from adapters.hl7v2.capture import Refused, capture
from adapters.hl7v2.elements import REASONS
from adapters.hl7v2.envelope import Envelope, Unread, Unreadable, decode, read_envelope
from adapters.hl7v2.mllp import Decoder, Frame, wrap
from adapters.hl7v2.reader import Message, over_limits, split_batch
from adapters.hl7v2.syntax import unescape
from adapters.model.event import Event, Status
from adapters.model.record import Captured
from adapters.model.site import Feed
from adapters.rules.dialect import Dialect, parse_dialect

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


# ---------------------------------------------------------------- what is made of every sample

FEED = Feed("samples", "hl7v2", "plain-dft", "America/Chicago", "main", person_system="urn:mrn")


def dialect(name: str) -> Dialect:
    file = pathlib.Path(mappings.__file__).parent / "feeds" / f"{name}.toml"
    found = parse_dialect(tomllib.loads(file.read_text(encoding="utf-8")), file.name)
    assert isinstance(found, Dialect)
    return found


PLAIN = dialect("plain-dft")


def made_of(body: bytes, by: Dialect = PLAIN) -> tuple[Captured, ...] | Refused:
    return capture(body, feed=FEED, dialect=by, message="m", received=NOW)


def answer(body: bytes) -> str:
    """The acknowledgement code and what was made of the body, in one line without content."""
    found = read_envelope(body)
    if isinstance(found, Unreadable) and found.reason is not Unread.IS_BATCH:
        return f"{AckCode.AE.value} parked: {found.reason.value}"
    made = made_of(body)
    if isinstance(made, Refused):
        return f"{AckCode.AA.value} parked: " + ", ".join(sorted({problem.code for problem in made.problems}))
    kinds = Counter(event.kind for captured in made for event in captured.events)
    reasons = Counter(omission.reason for captured in made for omission in captured.omissions)
    told = [f"{n} {name}" for name, n in (*sorted(kinds.items()), *((f"({r})", n) for r, n in sorted(reasons.items())))]
    return f"{AckCode.AA.value} " + ", ".join(told)


@pytest.mark.slow
def test_the_table_of_answers(corpus: list[pathlib.Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Every sample with its answer: charges, context and omissions by name, or parked with its reasons."""
    rows = [(path.name, answer(path.read_bytes())) for path in corpus]
    with capsys.disabled():
        print()
        for name, words in rows:
            print(f"{name:46} {words}")
    assert all(re.match(r"(AA|AE) \S", words) for _, words in rows)
    parked = [name for name, words in rows if "parked" in words]
    # Three of the well-formed leave MSH-10 empty: answered with AE, so that the sender mends and sends them again.
    well_formed = [words for name, words in rows if not name.startswith(("mal-", "batch-")) and name in parked]
    assert set(well_formed) <= {"AE parked: no-control-id"}
    assert len(well_formed) <= 3


def test_every_sample_is_told_in_words_that_are_explained(corpus: list[pathlib.Path]) -> None:
    for path in corpus:
        made = made_of(path.read_bytes())
        if isinstance(made, Refused):
            assert made.problems, path.name
            continue
        for captured in made:
            assert {omission.reason for omission in captured.omissions} <= REASONS.keys(), path.name
            assert captured.events or captured.omissions, path.name


def dfts(corpus: list[pathlib.Path]) -> Iterator[tuple[str, bytes]]:
    for path in corpus:
        if path.name.startswith(("mal-", "batch-")):
            continue
        body = path.read_bytes()
        found = read_envelope(body)
        header = found.header if isinstance(found, Unreadable) else found
        if header is not None and header.message_type == "DFT":
            yield path.name, body


def test_every_field_of_every_charge_reads_as_python_hl7_reads_it(corpus: list[pathlib.Path]) -> None:
    """An independent reader, field by field, repetition by repetition, component by component."""
    values = 0
    for name, body in dfts(corpus):
        message = Message.parse(body)
        theirs = [s for s in hl7.parse("\r".join(message.lines)) if str(s[0]) == "FT1"]
        ours = message.segments("FT1")
        assert len(ours) == len(theirs) > 0, name
        for our, their in zip(ours, theirs, strict=True):
            assert len(our.parts) == len(their), name
            for n in range(1, len(their)):
                assert our.parts[n] == str(their[n]), (name, n)
                if our.parts[n] == '""':
                    continue
                for r in range(1, len(their[n]) + 1):
                    repetition = their[n][r - 1]
                    parts = (
                        [str(p) for p in repetition] if isinstance(repetition, hl7.Repetition) else [str(repetition)]
                    )
                    for c, raw in enumerate(parts, 1):
                        first = raw.partition(message.separators.subcomponent)[0]
                        assert our.text(n, c, 1, r) == unescape(first, message.separators), (name, n, c, r)
                        values += bool(first)
    assert values > 300


FACTS_OF_FIELDS = {
    3: "batch", 5: "posted", 6: "type", 7: "local_code", 10: "units", 11: "amount", 12: "unit_amount", 13: "department",
    19: "diagnosis", 23: "filler_order", 25: "code", 26: "modifier", 27: "abn", 28: "duplicate_reason", 29: "ndc",
    30: "payment_reference", 31: "transaction_reference", 36: "special", 37: "clinic", 38: "referral",
    39: "authorization", 40: "taxonomy", 41: "revenue", 42: "prescription", 43: "ndc.quantity",
}  # fmt: skip
"""Of each field that bears on a charge, the fact that must hold its value."""


def same(said: str, value: str) -> bool:
    """Whether a fact says what stood there: letter case, the point of a diagnosis, the sign of a credit set apart."""
    try:
        return abs(Decimal(said)) == abs(Decimal(value))
    except InvalidOperation:
        plain = re.sub(r"[^0-9A-Z]", "", said.upper())
        return plain == re.sub(r"[^0-9A-Z]", "", value.upper()) or plain[:8] == re.sub(r"[^0-9]", "", value)


def lost(ft1: hl7.Segment, ordinal: int, captured: tuple[Captured, ...]) -> Iterator[str]:
    """Values of an FT1, by python-hl7, that are in no fact read there and named by no omission."""
    at = "FT1" if ordinal == 1 else f"FT1[{ordinal}]"
    omitted = {omission.source.at for c in captured for omission in c.omissions}
    if at in omitted:
        return
    facts = [fact for c in captured for event in c.events for fact in event.facts]
    for n, name in FACTS_OF_FIELDS.items():
        field = str(ft1[n]) if n < len(ft1) else ""
        if not field or field == '""':
            continue
        repetitions = list(ft1[n]) if n in (19, 26) else [ft1[n][0]]
        for repetition in repetitions:
            value = str(repetition).partition("^")[0].partition("&")[0]
            place = f"{at}-{n}"
            here = [f for f in facts if re.match(re.escape(place) + r"(?:$|[.\[])", f.source.at) and f.name == name]
            told = any(re.match(re.escape(place) + r"(?:$|[.\[])", where) for where in omitted)
            if value and not any(same(value, fact.value) for fact in here) and not told:
                yield f"{place} ({name})"


def test_well_formed_charges_keep_every_value(corpus: list[pathlib.Path]) -> None:
    kept = 0
    for name, body in dfts(corpus):
        made = made_of(body)
        assert not isinstance(made, Refused), name
        text = "\r".join(Message.parse(body).lines)
        separators = Message.parse(body).separators
        if separators.field != "|":  # the comparison below cuts by the usual delimiters
            continue
        for ordinal, ft1 in enumerate((s for s in hl7.parse(text) if str(s[0]) == "FT1"), 1):
            assert list(lost(ft1, ordinal, made)) == [], name
            kept += 1
    assert kept > 25


def test_the_comparison_finds_a_value_that_is_lost(corpus: list[pathlib.Path]) -> None:
    """A self-test: with the facts of one field taken away it must be told."""
    name, body = next((name, body) for name, body in dfts(corpus) if name.startswith("onc-rt-daily"))
    made = made_of(body)
    assert not isinstance(made, Refused)
    ft1 = next(s for s in hl7.parse("\r".join(Message.parse(body).lines)) if str(s[0]) == "FT1")
    event = made[0].events[-1]
    without = Event(
        event.id, event.kind, event.feed, event.start, event.day, event.said, event.line, event.source,
        facts=tuple(fact for fact in event.facts if fact.name not in ("units", "code")),
    )  # fmt: skip
    assert list(lost(ft1, 1, (Captured(made[0].person, (without,)),))) == ["FT1-10 (units)", "FT1-25 (code)"], name


def one(corpus: list[pathlib.Path], stem: str, kind: str, by: str = "plain-dft") -> Event:
    (path,) = (path for path in corpus if path.stem == stem)
    made = made_of(path.read_bytes(), dialect(by))
    assert not isinstance(made, Refused)
    (event,) = (event for captured in made for event in captured.events if event.kind == kind)
    return event


def test_samples_of_every_kind_of_message_say_what_their_names_say(corpus: list[pathlib.Path]) -> None:
    refused = one(corpus, "onc-ras-refused", "administration")
    assert (refused.status, refused.value("completion")) == (Status.NOT_DONE, "refused")
    partial = one(corpus, "onc-ras-no-stop-time", "administration")
    assert (partial.end, partial.value("completion"), partial.value("dose")) == (None, "partial", "130")
    corrected = one(corpus, "onc-ras-correction-update", "administration")
    assert corrected.end is not None
    assert (corrected.end - corrected.start).total_seconds() == 97 * 60
    assert (corrected.value("action"), corrected.line) == ("update", refused.line)
    missed = one(corpus, "onc-siu-s26-noshow", "appointment")
    assert (missed.value("state"), missed.status, missed.value("code")) == ("no-show", Status.NOT_DONE, "77412")
    merged = one(corpus, "onc-adt-a34-merge-v23", "merge")
    assert (merged.value("survivor.value"), merged.value("merged.value")) == ("ONC100103", "ONC990009")
    cancelled = one(corpus, "onc-adt-a11-cancel", "encounter")
    assert (cancelled.status, cancelled.value("visit")) == (Status.WITHDRAWN, "V880104")
    summary = one(corpus, "onc-oru-rt-summary", "course-summary", "example-oru-course")
    assert (summary.value("fractions"), summary.value("delivered_dose"), summary.course) == ("30", "6000", "CRS1")
    assert (summary.value("first"), summary.value("last")) == ("2026-06-02", "2026-07-14")
    signed = one(corpus, "msfc-mdm-t02-01", "document")
    assert (signed.value("signed"), signed.value("document.type")) == ("true", "DI")
