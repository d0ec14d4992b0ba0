"""What a change after sending does: replacement and void, only after the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.event import Event, Status
from adapters.model.record import ChargeStatus, PersonRecord, SubmissionNews
from adapters.pipeline import House, step
from tests.model.clinic import (
    adjudication,
    background,
    fed,
    fraction,
    happened,
    house,
    insured,
    moment,
    of_state,
    paid_in_full,
    report,
    sent,
)

AT = house("freestanding")
NOW = moment("2026-02-02")


def session(day: int, **more: object) -> Event:
    return fraction(f"2026-01-{day:02}T09:00", day, line=f"L{day}", **more)


def changed(day: int, hour: int = 20, **more: object) -> Event:
    return session(day, said=f"2026-01-20T{hour}:00", **more)


def paid(at: House = AT, days: tuple[int, ...] = (5, 6)) -> PersonRecord:
    return paid_in_full(fed([*background(), *(session(d) for d in days)], at, NOW), at, NOW)


def story(record: PersonRecord) -> list[tuple[str, str, int]]:
    return [(c.claim.frequency, c.state.value, len(c.claim.lines)) for c in record.claims]


def receivable(record: PersonRecord) -> int:
    return sum(line.amount for e in record.entries for line in e.lines if line.account == "receivable")


def test_a_changed_line_replaces_the_whole_claim_and_names_the_payers_number() -> None:
    record = fed([changed(6, isocenters=2)], AT, NOW, paid())
    assert story(record) == [("1", "complete", 2), ("7", "ready", 2)]
    original, correction = record.claims
    assert correction.claim.replaces == original.claim.id
    assert correction.claim.payer_claim_number == original.payer_claim_number
    assert [line.code for line in correction.claim.lines] == ["77407", "77412"]
    assert correction.claim.cycle == original.claim.cycle
    record = paid_in_full(record, AT, NOW)
    assert story(record) == [("1", "replaced", 2), ("7", "complete", 2)]
    assert {(c.status, c.claim) for c in record.charges} == {(ChargeStatus.SETTLED, correction.claim.id)}
    assert receivable(record) == 0


def test_a_line_that_is_gone_is_left_out_of_the_replacement() -> None:
    record = fed([changed(6, status=Status.WITHDRAWN)], AT, NOW, paid())
    assert story(record) == [("1", "complete", 2), ("7", "ready", 1)]


def test_that_the_original_is_taken_back_is_no_news_after_the_replacement_was_answered() -> None:
    record = fed([changed(6, status=Status.WITHDRAWN)], AT, NOW, paid())
    (first,) = record.remittances
    record = paid_in_full(record, AT, NOW)
    lines = tuple(replace(line, charge=-line.charge, paid=-line.paid) for line in first.lines)
    back = replace(first, id="back", lines=lines, charge=-(first.charge or 0), paid=-(first.paid or 0), reversal=True)
    claim = record.claims[0].claim.id
    after = happened(record, AT, NOW, SubmissionNews(claim, ClaimEvent.ADJUDICATE, "delivered", back))
    assert (after.claims, after.entries, after.work) == (record.claims, record.entries, record.work)
    strange = replace(back, id="strange", lines=lines[:1])
    after = happened(record, AT, NOW, SubmissionNews(claim, ClaimEvent.ADJUDICATE, "delivered", strange))
    assert [(i.kind, i.closed) for i in after.work if i not in record.work] == [("out-of-balance", None)]


def test_a_claim_of_which_nothing_is_due_is_voided() -> None:
    record = fed([changed(5, status=Status.WITHDRAWN), changed(6, status=Status.WITHDRAWN)], AT, NOW, paid())
    assert story(record) == [("1", "complete", 2), ("8", "ready", 2)]
    record = paid_in_full(record, AT, NOW)
    assert story(record) == [("1", "voided", 2), ("8", "complete", 2)]
    assert record.claims[1].settlement == "accepted"
    assert {c.status for c in record.charges} == {ChargeStatus.VOID}
    balances: dict[str, int] = {}
    for entry in record.entries:
        for line in entry.lines:
            balances[line.account] = balances.get(line.account, 0) + line.amount
    assert set(balances.values()) == {0}


@pytest.mark.parametrize("event", [None, ClaimEvent.TAKE, ClaimEvent.QUEUE])
def test_nothing_is_corrected_before_the_answer(event: ClaimEvent | None) -> None:
    record = sent(fed([*background(), session(5)], AT, NOW), AT, NOW)
    if event:
        record = happened(record, AT, NOW, SubmissionNews(record.claims[0].claim.id, event, "202"))
    record = fed([changed(5, isocenters=2)], AT, NOW, record)
    assert len(record.claims) == 1
    claim = record.claims[0]
    answered = happened(
        record, AT, NOW, SubmissionNews(claim.claim.id, ClaimEvent.ADJUDICATE, "200", adjudication(claim))
    )
    assert [c.claim.frequency for c in answered.claims] == ["1", "7"]


def test_a_claim_without_the_payers_number_cannot_be_corrected() -> None:
    record = sent(fed([*background(), session(5)], AT, NOW), AT, NOW)
    claim = record.claims[0]
    answer = adjudication(claim)
    bare = type(answer)(**{f: getattr(answer, f) for f in answer.__slots__} | {"payer_claim_number": ""})
    record = happened(record, AT, NOW, SubmissionNews(claim.claim.id, ClaimEvent.ADJUDICATE, "200", bare))
    assert len(fed([changed(5, isocenters=2)], AT, NOW, record).claims) == 1


def test_a_correction_that_has_not_left_is_built_anew() -> None:
    record = fed([changed(6, isocenters=2)], AT, NOW, paid())
    again = step(record, [], AT, moment("2026-02-09"))
    assert again.claims == record.claims
    record = fed([changed(5, 21, isocenters=2)], AT, NOW, record)
    assert story(record) == [("1", "complete", 2), ("7", "abandoned", 2), ("7", "ready", 2)]
    back = fed([changed(5, 22), changed(6, 22)], AT, NOW, record)
    assert [c.state for c in back.claims if c.claim.frequency == "7"] == [ClaimState.ABANDONED] * 2
    once_more = fed([changed(6, 23, isocenters=2)], AT, NOW, back)
    assert len({c.claim.id for c in once_more.claims}) == len(once_more.claims) == 4


def test_a_correction_under_way_is_not_corrected_by_a_second_one() -> None:
    record = sent(fed([changed(6, isocenters=2)], AT, NOW, paid()), AT, NOW)
    record = fed([changed(5, 21, isocenters=2)], AT, NOW, record)
    assert story(record) == [("1", "complete", 2), ("7", "sent?", 2)]
    claim = record.claims[1]
    record = happened(
        record, AT, NOW, SubmissionNews(claim.claim.id, ClaimEvent.ADJUDICATE, "200", adjudication(claim))
    )
    assert story(record) == [("1", "replaced", 2), ("7", "complete", 2), ("7", "ready", 2)]
    assert record.claims[2].claim.replaces == claim.claim.id


def refused(record: PersonRecord, claim: ClaimOnFile) -> PersonRecord:
    return happened(
        record,
        AT,
        NOW,
        SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent"),
        SubmissionNews(claim.claim.id, ClaimEvent.REFUSE, "422"),
    )


@pytest.mark.parametrize("gone", [False, True], ids=["replacement", "void"])
def test_a_correction_that_was_refused_is_not_sent_again_as_it_was(gone: bool) -> None:
    """Each step would else send it once more: a payer that refuses corrections would be asked for ever."""
    status = Status.WITHDRAWN if gone else Status.DONE
    record = fed([changed(5, isocenters=2, status=status)], AT, NOW, paid(days=(5,)))
    record = refused(record, record.claims[1])
    assert not of_state(record, ClaimState.READY)
    assert not of_state(step(record, [], AT, moment("2026-02-09")), ClaimState.READY)
    assert [i.kind for i in record.work if i.closed is None] == ["refused-claim"]
    other = fed([changed(5, 21, technique="2d", isocenters=1)], AT, NOW, record)
    (ready,) = of_state(other, ClaimState.READY)
    assert (ready.claim.frequency, ready.claim.lines[0].code) == ("7", "77402")


def test_a_payer_may_want_a_person_to_look_first() -> None:
    careful = house("freestanding", after_sending="person")
    record = fed([changed(6, isocenters=2)], careful, NOW, paid(careful))
    assert [c.state for c in record.claims] == [ClaimState.COMPLETE, ClaimState.HELD]


def test_insurance_that_turns_out_to_be_another_voids_here_and_bills_there() -> None:
    record = paid()
    record = fed(
        [insured("first", to="2026-01-04", said="2026-01-20"), insured("second", "2026-01-05", member="M-9")],
        AT,
        NOW,
        record,
    )
    assert story(record) == [("1", "complete", 2), ("8", "ready", 2)]
    record = paid_in_full(record, AT, NOW)
    assert [(c.claim.payer.id, c.claim.frequency, c.state.value) for c in record.claims] == [
        ("first", "1", "voided"),
        ("first", "8", "complete"),
        ("second", "1", "ready"),
    ]


def test_insurance_that_turns_out_to_be_another_for_one_date_replaces_here_and_bills_there() -> None:
    record = paid()
    record = fed(
        [insured("first", to="2026-01-05", said="2026-01-20"), insured("second", "2026-01-06", member="M-9")],
        AT,
        NOW,
        record,
    )
    assert story(record)[1:] == [("7", "ready", 1)]
    record = paid_in_full(record, AT, NOW)
    assert [(c.claim.payer.id, c.state.value) for c in record.claims][2:] == [("second", "ready")]


def test_a_replaced_claim_is_looked_at_no_more() -> None:
    record = paid_in_full(fed([changed(6, isocenters=2)], AT, NOW, paid()), AT, NOW)
    record = fed([changed(6, 21)], AT, NOW, record)
    assert story(record)[2:] == [("7", "ready", 2)]
    assert record.claims[2].claim.replaces == record.claims[1].claim.id


@pytest.mark.parametrize(
    ("options", "wanted"), [({}, ["C50.412"]), ({"claim.diagnoses": "all"}, ["C50.412", "C79.51"])]
)
def test_a_replacement_bears_the_diagnoses_that_its_payer_wants_on_a_claim(
    options: dict[str, str], wanted: list[str]
) -> None:
    at = house("freestanding", payer_options=options)
    more = report("encounter", "2015-01-02", course="", line="encounter|2", diagnosis="C79.51")
    days = [session(5, diagnosis="C50.412"), session(6, diagnosis="C50.412")]
    record = paid_in_full(fed([*background(), more, *days], at, NOW), at, NOW)
    record = fed([changed(6, status=Status.WITHDRAWN, diagnosis="C50.412")], at, NOW, record)
    assert [(c.claim.frequency, list(c.claim.diagnoses)) for c in record.claims] == [("1", wanted), ("7", wanted)]


@pytest.mark.parametrize("after_sending", ["replace", "person"])
def test_a_hospitals_correction_says_why_also_where_a_person_sees_it_first(after_sending: str) -> None:
    at = house("hospital", after_sending=after_sending)
    record = fed([changed(6, isocenters=2)], at, NOW, paid(at))
    told = {(c.claim.type.value, c.claim.frequency): c.claim.condition_codes for c in record.claims}
    assert told["institutional", "7"] == ("D2",)
    record = fed([changed(d, status=Status.WITHDRAWN) for d in (5, 6)], at, NOW, paid(at))
    told = {(c.claim.type.value, c.claim.frequency): c.claim.condition_codes for c in record.claims}
    assert told["institutional", "8"] == ("D6",)
