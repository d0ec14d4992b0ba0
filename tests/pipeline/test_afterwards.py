"""What follows an answer: what waits is seen, what is asked is asked, cancels and credits are worked, nothing goes twice."""

from __future__ import annotations

import pytest

from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.event import Event
from adapters.model.record import PersonRecord, SubmissionNews, Tick
from adapters.model.remittance import Remittance
from adapters.pipeline import step
from adapters.pipeline.patients import account_now
from tests.claims.test_secondary import BOTH, answered, balance, treated
from tests.model.clinic import (
    adjudication,
    background,
    fed,
    fraction,
    happened,
    house,
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


def opened(record: PersonRecord, *kinds: str) -> list[tuple[str, str, int]]:
    items = [i for i in record.work if i.closed is None and (not kinds or i.kind in kinds)]
    return [(i.kind, i.code, i.amount) for i in items]


def decides(verb: str, at: str = "2026-02-03", **words: object) -> Event:
    return report("decision", at, course="", feed="by hand", verb=verb, by="kim", why="looked at it", **words)  # type: ignore[arg-type]


def story(record: PersonRecord) -> list[tuple[str, str]]:
    return [(c.claim.frequency, c.state.value) for c in record.claims]


def reversed_answer(claim: ClaimOnFile) -> Remittance:
    from dataclasses import replace

    told = adjudication(claim, id="era-back")
    lines = tuple(replace(x, charge=-x.charge, paid=-x.paid, adjustments=()) for x in told.lines)
    return replace(told, lines=lines, charge=-claim.claim.total, paid=-claim.claim.total, reversal=True)


def test_a_change_before_the_answer_waits_and_is_seen_to_wait() -> None:
    record = sent(fed([*background(), session(5)], AT, NOW), AT, NOW)
    record = fed([changed(5, isocenters=2)], AT, NOW, record)
    assert story(record) == [("1", "sent?")]
    assert opened(record) == [("waits-for-answer", "code", record.claims[0].claim.total)]
    news = SubmissionNews(record.claims[0].claim.id, ClaimEvent.ADJUDICATE, "200", adjudication(record.claims[0]))
    record = happened(record, AT, NOW, news)
    assert story(record) == [("1", "complete"), ("7", "ready")]
    assert opened(record) == []


def test_a_payer_that_takes_neither_replacement_nor_void_is_asked_to_reopen() -> None:
    at = house("freestanding", after_sending="reopen")
    record = paid_in_full(fed([*background(), session(5)], at, NOW), at, NOW)
    record = fed([changed(5, isocenters=2)], at, NOW, record)
    assert story(record) == [("1", "complete")]
    assert opened(record) == [("reopen-claim", "code", record.claims[0].claim.total)]
    record = fed([changed(5, 21)], at, NOW, record)
    assert opened(record) == []


def test_changes_are_collected_for_as_many_days_as_the_payer_wants() -> None:
    at = house("freestanding", payer_options={"after_sending.days": "5"})
    record = paid_in_full(fed([*background(), session(5), session(6)], at, NOW), at, NOW)
    record = fed([changed(5, isocenters=2)], at, NOW, record)
    assert story(record) == [("1", "complete")]
    (due,) = [d for d in record.due if d.what == "correct"]
    assert due.not_before.date().isoformat() == "2026-02-08"
    later = moment("2026-02-05")
    record = fed([changed(6, 21, isocenters=2)], at, later, record)
    assert story(record) == [("1", "complete")]
    assert [d.not_before for d in record.due if d.what == "correct"] == [due.not_before]
    ripe = Tick(due.not_before, moment("2026-02-08").today)
    record = step(record, [], at, ripe)
    assert story(record) == [("1", "complete"), ("7", "ready")]
    assert [line.code for line in record.claims[1].claim.lines] == ["77412", "77412"]
    assert not [d for d in record.due if d.what == "correct"]
    assert story(step(record, [], at, ripe)) == story(record)


def test_what_the_payer_does_not_want_corrected_is_left_alone() -> None:
    at = house("freestanding", payer_options={"after_sending.correct": "units"})
    record = paid_in_full(fed([*background(), session(5)], at, NOW), at, NOW)
    record = fed([changed(5, isocenters=2)], at, NOW, record)
    assert story(record) == [("1", "complete")]
    assert opened(record) == []
    assert [(f.kind, f.value) for f in record.findings] == [("changed-after-sending", "code")]


def test_another_diagnosis_after_sending_is_asked_about_and_not_corrected() -> None:
    record = paid_in_full(fed([*background(), session(5)], AT, NOW), AT, NOW)
    fresh = report("encounter", "2015-01-01", course="", line="encounter|1", said="2026-01-20", diagnosis="C50.911")
    record = fed([fresh], AT, NOW, record)
    assert story(record) == [("1", "complete")]
    assert opened(record) == [("changed-after-sending", "diagnosis", record.claims[0].claim.total)]
    before = report("encounter", "2015-01-01", course="", line="encounter|1", said="2026-01-21", diagnosis="C50.412")
    record = fed([before], AT, NOW, record)
    assert opened(record) == []


def test_a_cancel_may_be_answered_by_the_amounts_negated() -> None:
    record = paid_in_full(fed([*background(), session(5)], AT, NOW), AT, NOW)
    first = record.claims[0]
    record = fed([decides("void", mark=first.claim.id, reason="duplicate")], AT, moment("2026-02-03"), record)
    record = sent(record, AT, moment("2026-02-03"))
    void = record.claims[1]
    news = SubmissionNews(void.claim.id, ClaimEvent.ADJUDICATE, "200", reversed_answer(void))
    record = happened(record, AT, moment("2026-02-20"), news)
    assert story(record) == [("1", "voided"), ("8", "complete")]
    assert record.claims[1].settlement == "accepted"
    assert opened(record, "credit-balance") == []
    assert balance(record, "payer-payment") == 0


def test_a_claim_that_is_one_too_many_is_cancelled_given_back_and_not_billed_again() -> None:
    record = paid_in_full(fed([*background(), session(5)], AT, NOW), AT, NOW)
    first = record.claims[0]
    total = first.claim.total
    record = fed([decides("void", mark=first.claim.id, reason="duplicate")], AT, moment("2026-02-03"), record)
    assert story(record) == [("1", "complete"), ("8", "ready")]
    (item,) = [i for i in record.work if i.kind == "credit-balance"]
    assert (item.about, item.action, item.amount) == (first.claim.id, "return-to-payer", total)
    assert item.due is not None
    assert item.due.isoformat() == "2026-04-04"
    record = sent(record, AT, moment("2026-02-03"))
    back = SubmissionNews(first.claim.id, ClaimEvent.ADJUDICATE, "200", reversed_answer(first))
    record = happened(record, AT, moment("2026-02-20"), back)
    assert story(record) == [("1", "voided"), ("8", "complete")]
    assert opened(record, "credit-balance") == []
    assert balance(record, "payer-payment") == 0
    record = step(record, [], AT, moment("2026-03-20"))
    assert story(record) == [("1", "voided"), ("8", "complete")]
    withdrawn = record.events[-1].source.message
    assert record.events[-1].value("verb") == "void"
    record = fed([decides("withdraw", "2026-03-21", entry=withdrawn)], AT, moment("2026-03-21"), record)
    assert story(record)[2:] == [("1", "ready")]


def test_a_returned_claim_goes_again_as_a_new_original_when_a_person_says_so() -> None:
    record = sent(fed([*background(), session(5)], AT, NOW), AT, NOW)
    first = record.claims[0]
    record = happened(record, AT, NOW, SubmissionNews(first.claim.id, ClaimEvent.REFUSE, "422"))
    assert story(record) == [("1", "refused")]
    assert [f.kind for f in record.findings] == ["front-end-rejected"]
    assert story(step(record, [], AT, moment("2026-02-09"))) == [("1", "refused")]
    record = fed([decides("release", hold="rejected", mark=first.claim.id)], AT, moment("2026-02-09"), record)
    assert story(record) == [("1", "refused"), ("1", "ready")]
    second = record.claims[1].claim
    assert second.id != first.claim.id
    assert second.lines == first.claim.lines
    assert opened(record, "refused-claim") == []
    assert len(paid_in_full(record, AT, NOW).claims) == 2


def test_what_the_patient_paid_too_much_is_given_back_once_every_payer_has_decided() -> None:
    record = treated()
    payment = report("patient-payment", "2026-01-05", course="", amount="50.00")
    record = fed([payment], AT, NOW, record)
    assert opened(record, "credit-balance") == []
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    assert account_now(record, AT).statement is None
    assert opened(record, "credit-balance") == []
    total = record.claims[0].claim.total
    record = answered(record, record.claims[1], ("OA", "23", total - 3_000), ("PR", "2", 1_500))
    assert opened(record, "credit-balance") == [("credit-balance", "patient", 3_500)]
    more = report("patient-payment", "2026-02-05", course="", line="refund", amount="-35.00")
    record = fed([more], AT, NOW, record)
    assert opened(record, "credit-balance") == []


def test_a_second_payer_that_pays_beyond_what_was_left_is_owed_it_back() -> None:
    record = treated()
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    total = record.claims[0].claim.total
    record = answered(record, record.claims[1], ("OA", "23", total - 4_000))
    assert opened(record) == [("credit-balance", "payer", 1_000)]
    (item,) = record.work
    assert (item.about, item.action) == (record.claims[1].claim.id, "return-to-payer")


@pytest.mark.parametrize("second", ["open", "final"])
def test_no_statement_while_a_payer_is_open(second: str) -> None:
    record = treated()
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    if second == "final":
        total = record.claims[0].claim.total
        record = answered(record, record.claims[1], ("OA", "23", total - 3_000), ("PR", "2", 800))
    account = account_now(record, AT)
    assert (account.statement, account.withheld) == ((800, False) if second == "final" else (None, True))


def test_the_order_of_benefits_is_corrected_on_the_claim_and_told() -> None:
    at = house("freestanding", kind="medicare")
    old = [
        BOTH[0],
        report("coverage", "2015-01-01", course="", line="m", payer="first", member="M-1", order=2, **{"from": "2015-01-01"}),
        report(
            "coverage", "2015-01-01", course="", line="p", payer="second", member="S-9", order=1,
            **{"from": "2015-01-01", "employer__size": 12, "basis": "current-employment"},
        ),
        BOTH[3],
    ]  # fmt: skip
    record = fed([*old, session(5)], at, NOW)
    assert [c.claim.payer.id for c in record.claims] == ["first"]
    assert [(f.kind, f.value) for f in record.findings] == [("coverage-order-corrected", "first")]
    record = answered(record, record.claims[0], ("PR", "2", 3_000), at=at)
    assert [c.claim.payer.id for c in record.claims] == ["first", "second"]


def test_all_of_it_again_changes_nothing() -> None:
    record = treated()
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    record = fed([report("patient-payment", "2026-01-05", course="", amount="50.00")], AT, NOW, record)
    again = step(record, [], AT, NOW, again=True)
    assert (again.claims, again.entries, again.work) == (record.claims, record.entries, record.work)
    assert of_state(again, ClaimState.READY)[0].claim.sequence == 2


# ---------------------------------------------------------------- payments that a feed told of


def test_a_payment_that_is_not_said_to_be_the_patients_is_seen_and_not_posted() -> None:
    told = report(
        "patient-payment", "2026-01-05", course="", line="rt|P1|payment", amount="50.00", unposted="insurance"
    )
    record = fed([told], AT, NOW, treated())
    assert opened(record, "payment-told") == [("payment-told", "insurance", 5_000)]
    assert balance(record, "patient-payment") == 0
    assert fed([told], AT, NOW, record).work == record.work
    # A person closes it; told once more, it stays closed.
    (item,) = [i for i in record.work if i.kind == "payment-told"]
    closed = fed([decides("close", item=item.id)], AT, NOW, record)
    assert opened(closed, "payment-told") == []
    again = report("patient-payment", "2026-01-05", course="", line="rt|P1|payment", amount="50.00", unposted="insurance",
                   said="2026-01-06")  # fmt: skip
    assert opened(fed([again], AT, NOW, closed), "payment-told") == []
    # Restated without its insurance it is the patient's, and posted once.
    plain = report("patient-payment", "2026-01-05", course="", line="rt|P1|payment", amount="50.00", said="2026-01-07")
    record = fed([plain], AT, NOW, record)
    assert opened(record, "payment-told") == []
    assert balance(record, "patient-payment") == 5_000
    back = report("patient-payment", "2026-01-05", course="", line="rt|P1|payment", amount="50.00", said="2026-01-08",
                  unposted="note")  # fmt: skip
    assert balance(fed([back], AT, NOW, record), "patient-payment") == 0
