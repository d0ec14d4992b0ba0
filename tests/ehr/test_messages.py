"""Questions to the clinic by HL7 v2: asked once whatever the wire does, reminded of, ended; who says nothing is asked again."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.model.question import By, Stage, Step, Taken, question_words
from adapters.pipeline import questions
from adapters.pipeline.receive import receive_v2
from adapters.rules import Ruleset
from tests.ehr.engine import Engine
from tests.ehr.office import START, Made, done, examined, session


def test_it_is_asked_once_about_the_patient_of_the_report(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    assert one.counts() == {"asked": 1}
    assert one.counts(hours=1) == {}
    (told,) = engine.came
    assert (engine.seen("MSH", 9), engine.seen("OBR", 25)) == (["ORU"], ["P"])
    person = told.first("PID")
    assert person is not None
    assert person.parts[3] == "PB-44^^^PLOVER^MR"
    question = one.question()
    assert engine.seen("OBR", 3) == [question.id]
    assert "no physician examination is recorded from 2026-01-12 to 2026-01-16" in engine.seen("OBX", 5)[0]
    assert (question.stage, question.by, question.message, question.taken) == (Stage.OPEN, By.MLLP, "", Taken.YES)
    assert question_words(question) == ("the clinic was asked on 2026-01-18 17:00Z by charges, for 2026-01-25",)


def test_the_document_answers_it_and_the_desk_is_told_so(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    one.round()
    one.clock.at = START + timedelta(days=1)
    one.takes(examined())
    assert one.counts(days=2) == {"answered": 1}
    assert (engine.seen("OBR", 25), len(set(engine.seen("OBR", 3)))) == (["P", "F"], 1)
    assert engine.seen("OBX", 5)[1] == "Nothing is left to do: the record is complete."
    question = one.question()
    assert (question.stage, question.told) == (Stage.ANSWERED, True)
    (entry,) = one.wired.store.entries([question.answer])
    assert b"RTOTV" in entry.body
    assert one.counts(days=3) == {}


def test_it_is_withdrawn_when_nothing_is_due_any_more(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    one.round()
    one.clock.at = START + timedelta(days=1)
    one.takes(*(session(number, credit=True) for number in range(1, 6)))
    assert one.counts(days=2) == {"withdrawn": 1}
    assert engine.seen("OBR", 25) == ["P", "X"]
    assert engine.seen("OBX", 5)[1] == "Nothing is left to do: the line is not due any more."


def test_one_reminder_refers_to_the_first(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    one.round()
    assert one.counts(days=2) == {}
    assert one.counts(days=3) == {"reminded": 1}
    assert one.counts(days=5) == {}
    assert (len(set(engine.seen("MSH", 10))), len(set(engine.seen("OBR", 3)))) == (2, 1)
    assert engine.seen("OBX", 5)[1].startswith("Reminder: this was asked on 2026-01-18, for 2026-01-25")
    assert one.question().reminded == START + timedelta(days=3)


def test_another_dialect_asks_by_documents(hl7_office: Made, engine: Engine, mapped: Ruleset) -> None:
    # The same feed by a dialect whose table says the other message: no line of Python differs.
    zseg, course = mapped.dialect("example-dft-zseg"), mapped.dialect("example-oru-course")
    both = dict(mapped.dialects) | {"example-dft-zseg": replace(zseg, question=course.question)}
    one = hl7_office()
    one.wired.house = replace(one.wired.house, rules=replace(mapped, dialects=both))
    one.round()
    one.round(days=3)
    one.takes(examined())
    assert one.counts(days=4) == {"answered": 1}
    assert engine.seen("EVN", 1) == ["T02", "T06", "T08"]
    assert [engine.seen("TXA", n)[1] for n in (12, 13)] == [one.question().control(Step.REMINDED), one.question().id]
    assert engine.seen("TXA", 17) == ["IN", "IN", "DO"]


@pytest.mark.parametrize(
    ("how", "trouble"),
    [
        ("silent", "no-answer"),
        ("reset", "no-answer"),
        ("cut", "no-answer"),
        ("garbage", "broken-answer"),
        ("other", "other-answer"),
    ],
)
def test_without_an_answer_the_same_bytes_go_again_after_a_while(
    hl7_office: Made, engine: Engine, how: str, trouble: str
) -> None:
    one = hl7_office()
    engine.answers = [how, how]
    assert one.counts() == {trouble: 1}
    assert (one.question().stage, one.question().taken, one.question().unheard) == (Stage.ASKING, Taken.PERHAPS, 1)
    assert one.counts(seconds=30) == {}
    assert one.counts(seconds=61) == {trouble: 1}
    assert one.counts(seconds=121) == {}
    assert one.counts(seconds=182) == {"asked": 1}
    assert len(set(engine.raw())) == 1
    assert len(engine.came) == 3
    states = [questions.question_in(e).taken for e in one.notes()]
    assert states == [Taken.NO, Taken.PERHAPS, Taken.PERHAPS, Taken.YES]


def test_an_answer_to_another_message_is_passed_over(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    engine.answers = ["other-first"]
    assert one.counts() == {"asked": 1}


def test_what_cannot_be_connected_was_certainly_not_asked(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office(port=1)
    assert one.counts() == {"not-connected": 1}
    assert one.question().taken is Taken.NO
    one.takes(examined())
    # Nobody knows of it there, so nobody is told of its end.
    assert one.counts(minutes=2) == {"answered": 1}
    assert (one.question().told, engine.came) == (True, [])


def test_what_may_have_been_taken_is_closed_too(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    engine.answers = ["silent"]
    one.round()
    one.takes(examined())
    assert one.counts(seconds=10) == {"answered": 1}
    assert engine.seen("OBR", 25) == ["P", "F"]


def test_a_refusal_is_work_with_its_words_and_is_mended_under_the_same_number(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    engine.answers = ["AE:no order for PB-44 Marshwiggle"]
    assert one.counts() == {"refused-AE": 1}
    item = one.item("question-refused")
    assert (item.detail, item.closed, item.about) == ("AE: no order for … …", None, "charges")
    assert "(refused-AE)" in question_words(one.question())[0]
    assert one.counts(hours=1) == {}
    assert one.item("question-refused").closed is None
    assert one.counts(days=1) == {"asked": 1}
    assert one.item("question-refused").closed is not None
    assert len(set(engine.seen("MSH", 10))) == 1
    assert engine.seen("MSH", 7) == ["20260118120000-0500", "20260119120000-0500"]


def test_what_was_refused_and_never_taken_is_not_closed_there(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    engine.answers = ["AR:no"]
    one.round()
    one.takes(examined())
    assert one.counts(hours=1) == {"answered": 1}
    assert (len(engine.came), one.question().told) == (1, True)
    assert one.item("question-refused").closed is not None


@pytest.mark.parametrize("dialect", ["example-dft-zseg", "example-oru-course"])
def test_our_own_messages_sent_back_to_us_answer_nothing(
    hl7_office: Made, engine: Engine, mapped: Ruleset, dialect: str
) -> None:
    one = hl7_office()
    form = mapped.dialect(dialect).question
    spoken = replace(mapped.dialect("example-dft-zseg"), question=form)
    both = dict(mapped.dialects) | {"example-dft-zseg": spoken}
    one.wired.house = replace(one.wired.house, rules=replace(mapped, dialects=both))
    one.round()
    one.round(days=3)
    one.takes(*(raw.replace(b"|ONCOCLAIMS|PLOVER|PLIS|", b"|PLIS|PLOVER|ONCO|") for raw in engine.raw()))
    assert one.counts(days=4) == {}
    assert (one.question().stage, one.item().closed) == (Stage.OPEN, None)


def test_nothing_is_asked_of_what_is_still_in_shadow(hl7_office: Made, engine: Engine) -> None:
    shadow = hl7_office(more="\n[[live]]\nshadow_from = 2026-01-01\nlive_from = 2026-03-01\n")
    assert shadow.counts() == {}
    held = {hold.code for hold in shadow.wired.store.load(shadow.wired.store.lanes()[0]).holds}
    assert "shadow" in held
    assert engine.came == []


def test_a_line_that_two_told_of_is_asked_about_by_the_first_alone(hl7_office: Made, engine: Engine) -> None:
    feed = """
[[feeds]]
name = "second"
media = "hl7v2"
dialect = "example-dft-zseg"
zone = "America/New_York"
facility = "PLOVER"
applications = ["PLIS2"]
person_system = "urn:plover:mrn"

[[desks]]
feed = "second"
port = {port}
timeout_seconds = 0.3
"""
    one = hl7_office(more=feed.format(port=engine.port))
    again = session(3).replace(b"|PLIS|", b"|PLIS2|").replace(b"|S3|", b"|Z3|")
    intake = receive_v2(again, listener="second", peer=None, site=one.wired.site, now=one.clock.at, ack_id="Z")
    assert intake.receipt is not None
    one.wired.store.receive(intake.receipt)
    one.lanes.work()
    first, second = one.wired.site.desks
    told = one.desks.once(second)
    assert told is not None
    assert told.asked == 0
    assert one.counts() == {"asked": 1}
    assert one.desks.once(second) is not None
    assert len(engine.came) == 1
    assert first.feed == "charges"


def test_the_hold_that_comes_back_is_another_question(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    one.round()
    one.clock.at = START + timedelta(days=1)
    one.takes(examined())
    one.round(days=1)
    later = done("RTOTV", "OTV2", "20260114", {5: ""}, credit=True).replace(b"|20260114101500||", b"|20260119101500||")
    one.takes(later)
    assert one.counts(days=2) == {"asked": 1}
    assert (one.question().number, len(set(engine.seen("OBR", 3)))) == (2, 2)


def test_a_running_service_asks_by_itself(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    with one.desks.going_on():
        deadline = time.monotonic() + 10
        while not one.question_if_any() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(engine.came) == 1
    assert one.question().stage is Stage.OPEN
