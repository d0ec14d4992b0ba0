"""A process that ends between the journal and the wire, or the wire and the journal: no question goes twice under two ids."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.ehr.sending import MllpSender
from adapters.model.question import Step, question_words
from adapters.pipeline import questions
from adapters.serve.desks import Desks
from tests.ehr.engine import Engine
from tests.ehr.office import START, Away, Dies, Made, examined, session


@pytest.mark.parametrize("left", [False, True], ids=["before it left", "before its outcome was on file"])
@pytest.mark.parametrize("step", [Step.ASKED, Step.REMINDED, Step.ANSWERED, Step.WITHDRAWN])
def test_after_a_crash_the_message_on_file_goes_and_no_other(
    hl7_office: Made, engine: Engine, step: Step, *, left: bool
) -> None:
    one = hl7_office()
    if step is not Step.ASKED:
        one.round()
    if step is Step.ANSWERED:
        one.takes(examined())
    elif step is Step.WITHDRAWN:
        one.takes(*(session(number, credit=True) for number in range(1, 6)))
    before = len(engine.came)
    one.clock.at = START + timedelta(days=3)
    with pytest.raises(SystemExit):
        Desks(one.wired, Dies(MllpSender() if left else None)).once(one.wired.site.desks[0])
    on_file = questions.question_in(one.notes()[-1])
    assert (on_file.step, on_file.message != "") == (step, True)
    restarted = Desks(one.wired, MllpSender())
    one.clock.at = START + timedelta(days=3, minutes=30)
    assert restarted.once(one.wired.site.desks[0]) is not None
    after = engine.raw()[before:]
    assert (len(after), set(after)) == (1 + left, {on_file.message.encode()})
    assert one.question().message == ""


def test_what_left_before_a_crash_is_closed_though_the_desk_was_away_afterwards(
    hl7_office: Made, engine: Engine
) -> None:
    one = hl7_office()
    with pytest.raises(SystemExit):
        Desks(one.wired, Dies(MllpSender())).once(one.wired.site.desks[0])
    one.clock.at = START + timedelta(minutes=5)
    assert Desks(one.wired, Away()).once(one.wired.site.desks[0]) is not None
    one.takes(examined())
    assert one.counts(hours=1) == {"answered": 1}
    assert engine.seen("OBR", 25) == ["P", "F"]


def test_a_crash_before_the_outcome_of_a_reminder_or_end_repeats_its_message(hl7_office: Made, engine: Engine) -> None:
    one = hl7_office()
    one.round()
    engine.answers = ["silent"]
    assert one.counts(days=3) == {"no-answer": 1}
    assert one.counts(days=3, minutes=2) == {"reminded": 1}
    one.takes(examined())
    engine.answers = ["reset"]
    assert one.counts(days=4) == {"answered": 1, "no-answer": 1}
    assert one.question().told is False
    assert "the desk has not been told yet" in question_words(one.question())
    assert one.counts(days=4, minutes=2) == {}
    assert one.question().told is True
    raw = engine.raw()
    assert (raw[1], raw[3]) == (raw[2], raw[4])
    assert len(set(raw)) == 3
