"""Whole messages: the demonstration's feed, bodies of several messages, any bytes at all; nothing is lost from sight."""

from __future__ import annotations

import os
import pathlib
import time
import tomllib
from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mappings
from adapters.hl7v2.capture import NEEDS_A_PERSON, REASONS, Refused, capture
from adapters.hl7v2.reader import Message
from adapters.model.event import Status, problems_of
from adapters.model.record import Captured
from adapters.model.site import Feed
from adapters.rules.dialect import Dialect, parse_dialect
from fhir_server_stub.story import make_story

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)
FEED = Feed("mosaiq", "hl7v2", "example-dft-zseg", "America/New_York", "main", person_system="urn:clinic:mrn")
KINDS = {
    "RTTX": "fraction",
    "RTSIM": "simulation",
    "RTPLN": "planning",
    "RTIMRT": "imrt-plan",
    "RT3D": "3d-plan",
    "RTCALC": "dosimetry-calc",
    "RTDEV": "device",
    "RTOTV": "on-treatment-visit",
    "RTPHY": "physics-check",
    "RTREV": "igrt-review",
    "RTEND": "course-end",
}
HEAD = "MSH|^~\\&|MOSAIQ|RADONC|ONC|BILL|20260106080000||DFT^P03|C{n}|P|2.5.1\rPID|1||MR{n}^^^CLINIC^MR||Quill^Petra\r"
FT1 = "FT1|1|T{n}||20260105||CG|RTTX^^L|||1\rZRT|1|C1|P|Plan|{n}|2.25.{n}|imrt|1|N^^|cbct|20260105110000|6\r"


@cache
def shipped(name: str) -> Dialect:
    file = pathlib.Path(mappings.__file__).parent / "feeds" / f"{name}.toml"
    found = parse_dialect(tomllib.loads(file.read_text(encoding="utf-8")), file.name)
    assert isinstance(found, Dialect)
    return found


MOSAIQ, PLAIN = shipped("example-dft-zseg"), shipped("plain-dft")


def read(body: bytes, dialect: Dialect = MOSAIQ) -> tuple[Captured, ...]:
    found = capture(body, feed=FEED, dialect=dialect, message="m1", received=NOW)
    assert not isinstance(found, Refused), found
    return found


def unaccounted(body: bytes, found: tuple[Captured, ...]) -> set[str]:
    """Segments that neither an event rests on nor an omission names; MSH, EVN and the PID of the hint set apart."""
    sources = [fact.source.at for c in found for event in c.events for fact in event.facts]
    sources += [event.source.at for c in found for event in c.events]
    sources += [omission.source.at for c in found for omission in c.omissions]
    seen = {at.removeprefix("assumed: ").partition("-")[0] for at in sources}
    message = Message.parse(body)
    strays = set(message.strays)
    named = set()
    for number, segment in enumerate(message, 1):
        if number in strays:
            named.add(f"line {number}")
        elif segment.name not in ("MSH", "EVN", "PID"):
            named.add(segment.name if segment.ordinal == 1 else f"{segment.name}[{segment.ordinal}]")
    return named - seen


@pytest.mark.parametrize("seed", [None, 1, 2, 3, 5, 8, 13, 21])
def test_the_demonstration_is_captured_whole(seed: int | None) -> None:
    story = make_story(seed)
    reviewed: set[str] = set()
    treated: set[str] = set()
    messages = 0
    for number, outgoing in enumerate(story.messages):
        if outgoing.channel != "mllp":
            continue
        assert isinstance(outgoing.body, bytes)
        messages += 1
        found = capture(outgoing.body, feed=FEED, dialect=MOSAIQ, message=f"m{number}", received=NOW)
        assert not isinstance(found, Refused)
        (captured,) = found
        assert captured.person.identifiers[0].value == story.patient.mrn
        assert captured.omissions == ()
        assert unaccounted(outgoing.body, found) <= {"PV1"}
        charges = Message.parse(outgoing.body).segments("FT1")
        clinical = [event for event in captured.events if event.fact("activity")]
        assert [event.kind for event in clinical] == [KINDS[ft1.text(7)] for ft1 in charges]
        for ft1, event in zip(charges, clinical, strict=True):
            assert list(problems_of(event)) == []
            assert event.course == story.course
            assert event.line == f"mosaiq|{ft1.text(2)}"
            assert event.status is (Status.WITHDRAWN if ft1.text(6) == "CD" else Status.DONE)
            assert event.value("diagnosis").replace(".", "") == story.diagnosis.replace(".", "")
            assert event.value("facility") in ("MAIN", "CENTER")
            if event.kind == "fraction":
                treated.add(f"uid:{event.value('uid')}")
                assert f"uid:{event.value('uid')}" in event.keys
                assert {"n", "technique", "isocenters", "motion.active", "guidance"} <= {f.name for f in event.facts}
                assert event.end is not None
            if event.kind == "igrt-review":
                reviewed.add(event.value("about"))
                assert not [key for key in event.keys if key.startswith(("uid:", "order:"))]
            if event.kind in ("device", "dosimetry-calc"):
                assert event.whole("count") == int(ft1.text(10))
        if not charges:
            assert [event.kind for event in captured.events] == ["patient", "encounter", "coverage"]
            assert captured.events[0].value("family") == story.patient.family
    assert messages > 3
    delivered = {f"uid:{service.key}" for service in story.delivered if service.service == "delivery"}
    voided = {f"uid:{key}" for key in story.voided}
    assert treated <= delivered | voided
    assert reviewed <= delivered | voided


def test_the_story_takes_back_what_it_takes_back() -> None:
    """Some drawn course voids a fraction over HL7 v2; its withdrawal meets the first report's line."""
    for seed in range(1, 200):
        lines: dict[str, list[Status]] = {}
        for number, outgoing in enumerate(make_story(seed).messages):
            if outgoing.channel == "mllp" and isinstance(outgoing.body, bytes):
                found = capture(outgoing.body, feed=FEED, dialect=MOSAIQ, message=f"m{number}", received=NOW)
                assert not isinstance(found, Refused)
                for event in found[0].events:
                    lines.setdefault(event.line, []).append(event.status)
        withdrawn = [said for said in lines.values() if Status.WITHDRAWN in said]
        if withdrawn:
            assert withdrawn[0][0] is Status.DONE
            return
    pytest.fail("no drawn course voids a fraction")


def test_a_body_of_several_messages_names_the_message_in_every_place() -> None:
    body = "".join((HEAD + FT1).format(n=n) for n in (1, 2)).encode()
    found = read(body)
    assert [c.person.identifiers[0].value for c in found] == ["MR1", "MR2"]
    first, second = (c.events[0] for c in found)
    assert (first.source.at, second.source.at) == ("message[1]/FT1", "message[2]/FT1")
    assert first.id != second.id
    assert set(first.keys).isdisjoint(second.keys)
    assert {fact.source.at.partition("/")[0] for fact in second.facts} == {"message[2]"}


def test_of_several_messages_one_without_a_patient_refuses_the_body_by_name() -> None:
    body = ((HEAD + FT1).format(n=1) + HEAD.format(n=2).replace("MR2", "")).encode()
    found = capture(body, feed=FEED, dialect=MOSAIQ, message="m1", received=NOW)
    assert isinstance(found, Refused)
    assert [(p.code, p.where) for p in found.problems] == [("no-patient", "message[2]/PID")]


@pytest.mark.parametrize("body", [b"", b"{}", b"PID|1||MR1", b"MSH|\r", b"MSH$$$$$$\rPID$1"])
def test_what_is_no_message_is_refused_without_its_content(body: bytes) -> None:
    found = capture(body, feed=FEED, dialect=MOSAIQ, message="m1", received=NOW)
    assert isinstance(found, Refused)
    assert found.problems
    assert all("MR1" not in problem.words for problem in found.problems)


def test_a_message_over_the_limits_is_refused() -> None:
    body = (HEAD.format(n=1) + "NTE|1" + "|" * 1100).encode()
    found = capture(body, feed=FEED, dialect=MOSAIQ, message="m1", received=NOW)
    assert isinstance(found, Refused)
    assert [problem.code for problem in found.problems] == ["too-many-fields"]


def test_a_message_without_a_control_id_is_read() -> None:
    assert len(read((HEAD + FT1).format(n=1).replace("|C1|P", "||P").encode())[0].events) == 1


def test_a_guessed_character_set_is_told() -> None:
    body = (HEAD + FT1).format(n=1).replace("Petra", "Zoë").encode("cp1252")
    (captured,) = read(body)
    assert captured.omissions[0].reason == "charset-guessed"
    assert len(captured.events) == 1


def test_a_message_that_says_nothing_is_named_itself() -> None:
    (captured,) = read(HEAD.format(n=1).encode())
    assert [(o.reason, o.source.at) for o in captured.omissions] == [("context", "MSH")]


def test_a_dialect_of_another_media_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="codex-rt"):
        capture(b"", feed=FEED, dialect=shipped("codex-rt"), message="m1", received=NOW)


def test_reasons_that_need_a_person_are_reasons() -> None:
    assert REASONS.keys() >= NEEDS_A_PERSON


_NAMES = st.sampled_from([
    "FT1", "PR1", "ZRT", "DG1", "IN1", "IN2", "IN3", "NTE", "PID", "PV1", "OBX", "GT1", "ZZZ", "ft1", "MRG", "ORC",
    "OBR", "RXA", "RXE", "RXD", "RXR", "TQ1", "SCH", "AIS", "AIL", "TXA",
])  # fmt: skip
_VALUES = st.sampled_from(
    ["", "1", '""', "T1", "20260105", "20260105^20260106", "CG", "CD", "PY", "RTTX", "RTREV", "77412^^C4", "-1", "26~59",
     "^~&", "\\F\\", "RTFX", "RTSUM", "NW", "CA", "AU", "F", "2026-01-05", "MR2^^^CLINIC^MR~MR3", "999", "mg",
     "1999999901^A^B^^^^^^NPI", "MR1^^^CLINIC^MR", "C61^^I10C~X^^SCT", "imrt", "Y^N^x"]
)  # fmt: skip
_SEGMENTS = st.builds(lambda name, fields: "|".join([name, *fields]), _NAMES, st.lists(_VALUES, max_size=26))


_KINDS = [
    "DFT^P03", "DFT^P11", "ADT^A08", "ADT^A40", "ADT^A24", "ADT^A35", "ADT^A11", "ADT^A13", "BAR^P05", "ORU^R01",
    "SIU^S12", "SIU^S26", "ORM^O01", "RDE^O11", "RGV^O15", "RDS^O13", "RAS^O17", "MDM^T02", "MDM^T11", "OML^O21",
]  # fmt: skip


@given(st.lists(_SEGMENTS, max_size=12), st.sampled_from(_KINDS))
def test_any_segments_are_read_and_each_is_accounted_for(segments: list[str], kind: str) -> None:
    head = f"MSH|^~\\&|A|B|C|D|20260106||{kind}|C1|P|2.5.1"
    body = "\r".join([head, "PID|1||MR1", *segments]).encode()
    for dialect in (MOSAIQ, PLAIN, shipped("example-ras"), shipped("example-oru-course"), shipped("example-dft-flat")):
        found = capture(body, feed=FEED, dialect=dialect, message="m1", received=NOW)
        if isinstance(found, Refused):  # a further PID without an identifier
            assert {problem.code for problem in found.problems} == {"no-patient"}
            continue
        assert found == capture(body, feed=FEED, dialect=dialect, message="m1", received=NOW)
        events = [event for c in found for event in c.events]
        assert [problem for event in events for problem in problems_of(event)] == []
        assert len({event.id for event in events}) == len(events)
        statements = [(event.line, event.said) for event in events]
        assert len(set(statements)) == len(statements)
        assert unaccounted(body, found) == set()


@given(st.binary(max_size=60), st.integers(0, 400))
def test_no_bytes_raise(noise: bytes, at: int) -> None:
    body = (HEAD + FT1).format(n=1).encode()
    for broken in (noise, body[:at] + noise + body[at:], body[:at]):
        found = capture(broken, feed=FEED, dialect=MOSAIQ, message="m1", received=NOW)
        assert isinstance(found, (Refused, tuple))


def corpus() -> list[pathlib.Path]:
    shared = os.environ.get("ONCOCLAIMS_SHARED")
    tree = pathlib.Path(os.environ.get("ONCOCLAIMS_TREE") or pathlib.Path(__file__).parents[2])
    root = pathlib.Path(shared) if shared else tree.parent / "shared"
    return sorted((root / "corpus" / "hl7v2").glob("*.hl7"))


def test_every_sample_of_the_corpus_is_read_or_refused_with_each_segment_accounted_for() -> None:
    files = corpus()
    if not files:
        pytest.skip("NO CORPUS: set ONCOCLAIMS_SHARED to the folder that holds corpus/hl7v2")
    charges = refused = 0
    for file in files:
        body = file.read_bytes()
        for dialect in (PLAIN, MOSAIQ):
            found = capture(body, feed=FEED, dialect=dialect, message="m1", received=NOW)
            if isinstance(found, Refused):
                refused += 1
                assert not file.name.startswith("onc-"), file.name
                continue
            events = [event for c in found for event in c.events]
            assert [problem for event in events for problem in problems_of(event)] == [], file.name
            charges += sum(event.kind == "coded-charge" for event in events)
            if "batch" not in file.name:  # BHS and BTS are of the batch, not of a message
                assert unaccounted(body, found) == set(), file.name
    assert charges > 50
    assert refused < len(files) // 3


def test_the_oncology_samples_say_what_their_names_say() -> None:
    files = {file.stem: file.read_bytes() for file in corpus() if file.name.startswith("onc-")}
    if not files:
        pytest.skip("NO CORPUS: set ONCOCLAIMS_SHARED to the folder that holds corpus/hl7v2")
    credit = read(files["onc-rt-credit-positive-qty"], PLAIN)[0].events[-1]
    charge = read(files["onc-rt-daily-delivery"], PLAIN)[0].events[-1]
    assert (credit.line, credit.status) == (charge.line, Status.WITHDRAWN)
    week = read(files["onc-rt-weekly-mgmt-range"], PLAIN)[0].events[-1]
    assert week.end is not None
    assert (week.day.isoformat(), week.end.date().isoformat()) == ("2026-07-08", "2026-07-14")
    assert read(files["onc-aria-null-vs-empty"], PLAIN)[0].events[-1].values("modifier") == ()
    assert read(files["onc-aria-custom-delims"], PLAIN)[0].events[-1].values("modifier") == ("26", "59")
    nothing = read(files["onc-beacon-adjustment-types"], PLAIN)[0]
    assert [o.reason for o in nothing.omissions] == ["not-a-charge"] * 4
    waste = [e for e in read(files["onc-beacon-drug-waste-jw"], PLAIN)[0].events if e.kind == "coded-charge"]
    assert [(e.value("units"), e.values("modifier")) for e in waste] == [("65", ()), ("5", ("JW",))]
    assert read(files["onc-oncoemr-em-labs"], PLAIN)[0].events[-1].value("authorization") == "PA12345"


def test_capturing_keeps_up_with_a_backlog() -> None:
    """A message of four charges takes well under five milliseconds: 100,000 of them are read within minutes."""
    body = (HEAD.format(n=1) + "".join(FT1.format(n=n) for n in range(4))).encode()
    begun = time.perf_counter()
    for _ in range(50):
        read(body)
    assert (time.perf_counter() - begun) / 50 < 0.005
