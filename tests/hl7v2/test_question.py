"""Questions to the clinic as messages: valid by another's dictionary, escaped, of one patient; and what answers to them mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from adapters.hl7v2.conformance import report
from adapters.hl7v2.question import Heard, Reply, Writer, message_of, reply_of
from adapters.hl7v2.reader import Message
from adapters.model.question import By, Question, Stage, Step
from adapters.rules import Ruleset
from adapters.rules.question_form import QuestionForm
from adapters.settings import rules_of

NOW = datetime(2026, 1, 18, 17, 0, tzinfo=UTC)
REPORT = "\r".join(
    (
        "MSH|^~\\&|QSYS|QBAY|BILL|DESK|20260116090500||DFT^P03|R1|P|2.5.1",
        'PID|1||QB-77^^^BAY^MR~990-1^^^BAY&2.25.9&ISO^PI||Heronsby^Ana\\T\\Lu^^^^""||19520304|F',
        "PV1|1|O|||||||||||||||||V-19^^^BAY",
        "FT1|1|TX1||20260116|20260116|CG|RTTX",
        "FT1|2|TX2||20260116|20260116|CG|RTTX",
        "",
    )
).encode()
QUESTION = Question(
    item="item-1",
    feed="engine",
    focus="entry-1",
    patient="",
    service="office-visit",
    code="77427",
    day=date(2026, 1, 16),
    detail="no physician examination is recorded",
    asked=NOW,
    due=date(2026, 1, 25),
    by=By.MLLP,
)


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    """The mappings, read once."""
    return rules_of()


def form_of(rules: Ruleset, dialect: str) -> QuestionForm:
    form = rules.dialect(dialect).question
    assert form is not None
    return form


@pytest.fixture
def writer(rules: Ruleset) -> Writer:
    """Writes as the demonstration clinic's charge feed has it."""
    return Writer(form_of(rules, "example-dft-zseg"), ZoneInfo("America/New_York"), "Billing", "1999999950")


def written(writer: Writer, step: Step = Step.ASKED, question: Question = QUESTION, said: bytes = REPORT) -> Message:
    text = message_of(question, step, said, writer, NOW)
    assert text is not None
    return Message.parse(text.encode())


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("dialect", ["example-dft-zseg", "example-oru-course"])
def test_what_is_shipped_is_valid_by_the_dictionary_of_others(rules: Ruleset, dialect: str, step: Step) -> None:
    writer = Writer(form_of(rules, dialect), ZoneInfo("America/New_York"), "Billing", "1999999950")
    ended = replace(QUESTION, stage=Stage.ANSWERED, why="the record is complete")
    text = message_of(ended, step, REPORT, writer, NOW)
    assert text is not None
    # Tolerant while it parses: hl7apy takes any OBX-5 for an ST, of 199 characters. What it then validates is whole.
    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
    assert parsed.validate()
    # Ours is by version 2.7, which has withdrawn EVN-1 that 2.5.1 knows.
    assert [problem for problem in report(text.encode()) if problem.where != "EVN-1"] == []


def test_a_question_says_who_what_and_until_when(writer: Writer) -> None:
    told = written(writer)
    header, person, visit, order = (told.first(name) for name in ("MSH", "PID", "PV1", "OBR"))
    assert header is not None
    assert person is not None
    assert visit is not None
    assert order is not None
    assert [header.text(n) for n in (3, 4, 5, 6, 7)] == ["ONCOCLAIMS", "DESK", "QSYS", "QBAY", "20260118120000-0500"]
    assert (header.text(10), len(header.text(10))) == (QUESTION.control(Step.ASKED), 20)
    assert person.parts[3] == "QB-77^^^BAY^MR~990-1^^^BAY&2.25.9&ISO^PI"
    assert person.parts[5] == "Heronsby^Ana\\T\\Lu"
    assert (visit.text(2), visit.text(19)) == ("O", "V-19")
    assert (order.text(3), order.text(25)) == (QUESTION.id, "P")
    first, second = told.segments("OBX")
    assert first.text(5) == (
        "A claim line (office visit, 2026-01-16) cannot be billed: no physician examination is recorded. Please complete "
        "the record by 2026-01-25; nothing else needs to be sent, and this closes by itself when it arrives."
    )
    assert second.text(5) == "20260125"


def test_later_messages_have_their_own_control_id_and_the_number_of_the_first(rules: Ruleset, writer: Writer) -> None:
    def seen(step: Step, by: Writer, place: tuple[str, int]) -> str:
        segment = written(by, step).first(place[0])
        assert segment is not None
        return segment.text(place[1])

    assert len({seen(step, writer, ("MSH", 10)) for step in Step}) == 4
    assert {seen(step, writer, ("OBR", 3)) for step in Step} == {QUESTION.id}
    assert [seen(step, writer, ("OBR", 25)) for step in Step] == ["P", "P", "F", "X"]
    documents = replace(writer, form=form_of(rules, "example-oru-course"))
    assert [seen(step, documents, ("EVN", 1)) for step in Step] == ["T02", "T06", "T08", "T11"]
    assert (seen(Step.REMINDED, documents, ("TXA", 13)), seen(Step.WITHDRAWN, documents, ("TXA", 19))) == (
        QUESTION.id,
        "CA",
    )
    assert QUESTION.control(Step.ASKED) != replace(QUESTION, number=2).control(Step.ASKED)


def test_no_value_ends_its_field_or_segment(writer: Writer) -> None:
    hostile = "a|b^c~d&e\\f\rPID|2||EVIL\n\x0b\x1c\x00end"
    told = written(writer, question=replace(QUESTION, detail=hostile))
    plain = written(writer)
    assert [segment.name for segment in told] == [segment.name for segment in plain]
    assert [len(segment.parts) for segment in told] == [len(segment.parts) for segment in plain]
    first = told.first("OBX")
    assert first is not None
    assert hostile.removesuffix("\x00end") in first.text(5)
    assert not any(byte in told.raw for byte in (b"\x0b", b"\x1c", b"\x00", b"\n"))


def test_a_report_of_other_delimiters_is_copied_part_by_part(writer: Writer) -> None:
    plain = REPORT.replace(b"\\T\\", b"")
    other = plain.decode().translate(str.maketrans({"|": "!", "^": "*", "~": "+", "&": "%"})).encode()
    assert b"PID!1!!QB-77***BAY*MR+990-1***BAY%2.25.9%ISO*PI!" in other
    assert written(writer, said=other).lines[1:] == written(writer, said=plain).lines[1:]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        REPORT.replace(b"PID|1||QB-77", b"PID|2||QB-78^^^BAY^MR\rPID|1||QB-77"),
        REPORT.replace(b"PID|", b"ZID|"),
        REPORT.replace(b"QB-77^^^BAY^MR~990-1^^^BAY&2.25.9&ISO^PI", b'""'),
    ],
    ids=["nothing", "two", "none", "null"],
)
def test_of_a_report_without_one_patient_nothing_is_written(writer: Writer, said: bytes) -> None:
    assert message_of(QUESTION, Step.ASKED, said, writer, NOW) is None


def test_what_is_there_more_than_once_is_left_empty(writer: Writer) -> None:
    twice = REPORT.replace(b"PV1|1|O", b"PV1|1|I|||||||||||||||||V-1\rPV1|2|O")
    visit = written(writer, said=twice).first("PV1")
    assert visit is not None
    assert (visit.text(2), visit.text(19)) == ("U", "")


def test_ascii_says_other_letters_as_escapes_that_read_back(writer: Writer) -> None:
    said = REPORT.replace(b"Heronsby", "Höronsby".encode()).replace(b"|2.5.1", b"|2.5.1||||||UNICODE UTF-8")
    told = written(replace(writer, form=replace(writer.form, charset="ASCII")), said=said)
    person, header = told.first("PID"), told.first("MSH")
    assert person is not None
    assert header is not None
    assert told.raw.isascii()
    assert (person.text(5), header.text(18)) == ("Höronsby", "ASCII")


SENT = (
    "MSH|^~\\&|A|B|C|D|1||ORU^R01|C1|P|2.5.1\rPID|1||QB-77^^^BAY^MR||Heronsby^Ana||19520304|F\r"
    "PV1|1|O|||||||||||||||||V-19^^^BAY\r"
)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("MSA|AA|C1", Reply(Heard.ACCEPTED, "AA")),
        ("MSA|CA|C1", Reply(Heard.ACCEPTED, "CA")),
        ("MSA|AE|C1|no such order", Reply(Heard.REFUSED, "AE", "no such order")),
        ("MSA|AR|C1\rERR||PID^1^3|204^Unknown key^HL70357|E||||nobody here", Reply(Heard.REFUSED, "AR", "nobody here")),
        ("MSA|CE|C1\rERR||PID^1^3|204^Unknown key^HL70357|E", Reply(Heard.REFUSED, "CE", "Unknown key")),
        ("MSA|AE|C1|HERONSBY, Ana (QB-77) unknown; MR", Reply(Heard.REFUSED, "AE", "…, … (…) unknown; …")),
        ("MSA|AE|C1|visit V-19 is over", Reply(Heard.REFUSED, "AE", "visit … is over")),
        ("MSA|AE|C1", Reply(Heard.REFUSED, "AE", "")),
        ("MSA|AA|C2", Reply(Heard.OTHER)),
        ("MSA|AA|", Reply(Heard.OTHER)),
        ("MSA|ZZ|C1", Reply(Heard.BROKEN)),
        ("ZSA|AA|C1", Reply(Heard.BROKEN)),
    ],
)
def test_what_an_answer_means(answer: str, reply: Reply) -> None:
    whole = f"MSH|^~\\&|C|D|A|B|1||ACK|X|P|2.5.1\r{answer}\r"
    assert reply_of(whole.encode(), "C1", SENT) == reply


def test_an_answer_without_a_header_is_none() -> None:
    assert reply_of(b"MSA|AA|C1\r", "C1", SENT) == Reply(Heard.BROKEN)
    assert reply_of(b"\xff\xfe\x00", "C1", SENT) == Reply(Heard.BROKEN)
