"""Claims to later payers: built when the payer before has answered, restating it, and followed when it changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState, PriorLine
from adapters.model.record import ChargeStatus, PersonRecord, SubmissionNews
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.pipeline import House
from adapters.pipeline.patients import account_now
from tests.model.clinic import (
    diagnosed,
    fed,
    fraction,
    happened,
    house,
    insured,
    moment,
    of_state,
    patient,
    rules,
    site,
)

AT = house("freestanding")
NOW = moment("2026-02-02")
BOTH = (patient(), insured(), insured("second", order=2, member="S-9"), diagnosed())


def answered(
    record: PersonRecord,
    claim: ClaimOnFile,
    *adjustments: tuple[str, str, int],
    at: House = AT,
    id: str = "",
    **more: object,
) -> PersonRecord:
    """The record after the one-line claim went out and was answered: what is not adjusted is paid."""
    line = claim.claim.lines[0]
    taken = tuple(Adjustment(*one) for one in adjustments)
    paid = line.amount - sum(a.amount for a in taken)
    answer = Remittance(
        id=id or f"era-{claim.claim.id}",
        claim=claim.claim.id,
        decision=Decision.ADJUDICATED,
        payer_claim_number=f"N-{claim.claim.id[:6]}",
        lines=(RemittanceLine(line.line, line.amount, paid, taken),),
        charge=line.amount,
        paid=paid,
    )
    news = SubmissionNews(claim.claim.id, ClaimEvent.ADJUDICATE, "200", replace(answer, **more))  # type: ignore[arg-type]
    if claim.state is ClaimState.READY:
        record = happened(record, at, NOW, SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent"))
    return happened(record, at, NOW, news)


def treated(at: House = AT, insurances: tuple[object, ...] = BOTH) -> PersonRecord:
    return fed([*insurances, fraction("2026-01-05T09:00", 1, line="L1")], at, NOW)  # type: ignore[list-item]


def balance(record: PersonRecord, account: str) -> int:
    return sum(line.amount for entry in record.entries for line in entry.lines if line.account == account)


def story(record: PersonRecord) -> list[tuple[str, int, str, str]]:
    return [(c.claim.payer.id, c.claim.sequence, c.claim.frequency, c.state.value) for c in record.claims]


def test_the_second_payer_is_asked_when_the_first_has_left_something() -> None:
    record = treated()
    assert story(record) == [("first", 1, "1", "ready")]
    record = answered(record, record.claims[0], ("CO", "45", 5_000), ("PR", "2", 3_000))
    assert story(record) == [("first", 1, "1", "complete"), ("second", 2, "1", "ready")]
    first, second = (c.claim for c in record.claims)
    assert (second.member, second.follows, second.total) == ("S-9", first.id, first.total)
    (prior,) = second.prior
    assert (prior.payer.id, prior.claim_number) == ("first", f"N-{first.id[:6]}")
    assert prior.lines == (
        PriorLine(1, first.total - 8_000, (Adjustment("CO", "45", 5_000), Adjustment("PR", "2", 3_000))),
    )


def test_a_second_claim_has_the_last_day_of_its_own_payer_where_a_rule_gives_one() -> None:
    """That another payer pays first extends nothing with Medicare; of a commercial payer no rule here speaks."""
    other_way = (patient(), insured("second", order=1, member="S-9"), insured(order=2), diagnosed())
    for insurances, last in ((BOTH, (date(2027, 1, 5), None)), (other_way, (date(2027, 1, 5), date(2027, 1, 5)))):
        record = treated(insurances=insurances)
        record = answered(record, record.claims[0], ("PR", "2", 3_000))
        assert tuple(c.deadline for c in record.claims) == last


@pytest.mark.parametrize("adjustment", [("CO", "45", 5_000), ("CO", "197", 5_000)], ids=["paid", "denied in part"])
def test_where_nothing_is_left_to_the_patient_no_further_payer_is_asked(adjustment: tuple[str, str, int]) -> None:
    record = treated()
    record = answered(record, record.claims[0], adjustment)
    assert story(record) == [("first", 1, "1", "complete")]


def test_what_the_second_payer_pays_comes_off_the_patients_share_and_is_not_billed_twice() -> None:
    record = treated()
    record = answered(record, record.claims[0], ("CO", "45", 5_000), ("PR", "2", 3_000))
    total = record.claims[0].claim.total
    record = answered(record, record.claims[1], ("OA", "23", total - 3_000), ("PR", "2", 500))
    assert balance(record, "patient-responsibility") == 500
    assert balance(record, "contractual") == 5_000
    assert balance(record, "charges") == -total
    assert balance(record, "receivable") == 0
    assert [c.settlement for c in record.claims] == ["paid", "paid"]
    assert {(c.status, c.claim) for c in record.charges} == {(ChargeStatus.SETTLED, record.claims[0].claim.id)}


def test_a_third_payer_is_told_of_both_before_it() -> None:
    third = insured("first", order=3, member="T-3", line="coverage|third", start="2016-01-01")
    record = treated(insurances=(*BOTH, third))
    record = answered(record, record.claims[0], ("PR", "1", 9_000))
    record = answered(record, record.claims[1], ("OA", "23", record.claims[0].claim.total - 9_000), ("PR", "2", 4_000))
    assert story(record)[2] == ("first", 3, "1", "ready")
    claim = record.claims[2].claim
    assert [p.member for p in claim.prior] == ["M-1", "S-9"]
    assert claim.follows == record.claims[0].claim.id


@pytest.mark.parametrize("said", ["forwarded", "remark", "remark of the claim"])
def test_a_claim_that_the_payer_sends_on_itself_is_not_sent_by_us(said: str) -> None:
    record = treated()
    first = record.claims[0]
    if said == "forwarded":
        record = answered(record, first, ("PR", "2", 3_000), forwarded_to="second")
    elif said == "remark of the claim":
        record = answered(record, first, ("PR", "2", 3_000), remarks=("MA07",))
    else:
        line = first.claim.lines[0]
        told = Adjustment("PR", "2", 3_000, ("MA18",))
        lines = (RemittanceLine(1, line.amount, line.amount - 3_000, (told,)),)
        record = answered(record, first, ("PR", "2", 3_000), lines=lines)
    assert story(record) == [("first", 1, "1", "complete")]
    assert [(i.kind, i.due and i.due.isoformat()) for i in record.work] == [("forwarded-claim", "2026-03-19")]
    number = record.claims[0].payer_claim_number
    amount = record.claims[0].claim.total
    answer = (("OA", "23", amount - 3_000), ("PR", "2", 1_000))
    record = answered(record, record.claims[0], *answer, id="era-on", payer="SECOND HEALTH", patient="S-9")
    assert balance(record, "patient-responsibility") == 1_000
    assert [i.kind for i in record.work if i.closed is None] == []
    assert record.claims[0].payer_claim_number == number


def test_a_second_payers_refusal_is_worked_and_not_the_patients() -> None:
    record = treated()
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    total = record.claims[0].claim.total
    record = answered(record, record.claims[1], ("OA", "23", total - 3_000), ("CO", "197", 3_000))
    assert balance(record, "patient-responsibility") == 0
    assert balance(record, "denied") == 3_000
    assert [(i.kind, i.about == record.claims[1].claim.id, i.amount) for i in record.work] == [("denial", True, 3_000)]
    assert record.claims[1].settlement == "denied"


def test_a_second_payer_that_still_looks_at_it_has_decided_nothing() -> None:
    at = house("freestanding", base_url="https://payer.example")
    record = treated(at)
    record = answered(record, record.claims[0], ("PR", "2", 3_000), at=at)
    total = record.claims[0].claim.total
    record = answered(record, record.claims[1], ("OA", "133", total), id="pends", at=at)
    assert (record.claims[1].state, balance(record, "patient-responsibility")) == (ClaimState.QUEUED, 3_000)
    (pends,) = [a for a in record.remittances if a.id == "pends"]
    (line,) = pends.lines
    back = replace(line, charge=-total, paid=0, adjustments=(Adjustment("OA", "133", -total),))
    due = record.due
    assert [(d.what, d.about) for d in due] == [("poll", pends.claim)]
    news = replace(pends, id="back", lines=(back,), charge=-total, paid=0, reversal=True)
    record = happened(record, at, NOW, SubmissionNews(pends.claim, ClaimEvent.ADJUDICATE, "delivered", news))
    assert record.claims[1].state is ClaimState.QUEUED, "the decision is still to come"
    assert record.due == due
    record = answered(record, record.claims[1], ("OA", "23", total - 3_000), id="decided", at=at)
    assert (record.claims[1].printed_state, balance(record, "patient-responsibility")) == ("paid", 0)
    assert [i.kind for i in record.work if i.closed is None] == []


def test_a_second_payer_that_pays_after_all_settles_its_refusal() -> None:
    record = treated()
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    total = record.claims[0].claim.total
    record = answered(record, record.claims[1], ("OA", "23", total - 3_000), ("CO", "197", 3_000))
    record = answered(record, record.claims[1], ("OA", "23", total - 3_000), id="better")
    assert [(i.kind, i.closed_why) for i in record.work] == [("denial", "settled")]
    assert balance(record, "denied") == 0
    record = answered(record, record.claims[1], ("OA", "23", total - 3_000), ("CO", "197", 3_000), id="worse")
    assert [(i.kind, i.closed) for i in record.work] == [("denial", None)]


def test_another_answer_of_the_first_payer_corrects_the_second_claim() -> None:
    record = treated()
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    total = record.claims[0].claim.total
    record = answered(record, record.claims[1], ("OA", "23", total - 3_000), ("PR", "2", 1_000))
    record = answered(record, record.claims[0], ("PR", "2", 7_000), id="era-again")
    assert story(record)[2] == ("second", 2, "7", "ready")
    assert record.claims[2].claim.replaces == record.claims[1].claim.id
    record = answered(record, record.claims[2], ("OA", "23", total - 7_000), ("PR", "2", 2_000))
    assert [c.state.value for c in record.claims] == ["complete", "replaced", "complete"]
    assert balance(record, "patient-responsibility") == 2_000
    assert balance(record, "receivable") == 0


def test_the_same_answer_twice_makes_nothing_new() -> None:
    record = treated()
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    again = answered(record, record.claims[0], ("PR", "2", 3_000))
    assert (again.claims, again.entries, again.work) == (record.claims, record.entries, record.work)


def test_a_second_claim_goes_with_the_first_when_that_is_voided() -> None:
    from adapters.model.event import Status

    record = treated()
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    total = record.claims[0].claim.total
    record = answered(record, record.claims[1], ("OA", "23", total - 3_000), ("PR", "2", 1_000))
    gone = fraction("2026-01-05T09:00", 1, line="L1", status=Status.WITHDRAWN, said="2026-01-20T20:00")
    record = fed([gone], AT, NOW, record)
    void = of_state(record, ClaimState.READY)[0]
    assert (void.claim.frequency, void.claim.replaces) == ("8", record.claims[0].claim.id)
    record = answered(record, void)
    later = of_state(record, ClaimState.READY)[0]
    assert (later.claim.frequency, later.claim.replaces) == ("8", record.claims[1].claim.id)
    record = answered(record, later)
    assert not of_state(record, ClaimState.READY)
    assert {name: balance(record, name) for name in ("payer-payment", "patient-responsibility", "receivable")} == {
        "payer-payment": 0,
        "patient-responsibility": 0,
        "receivable": 0,
    }


# ---------------------------------------------------------------- sent on by the payer itself


SENT_TO = "urn:first:sent-to"
SAYS = {"crossover.status_at": "urn:first:status", "crossover.payer_at": SENT_TO}
THIRD = insured("first", order=3, member="T-3", line="coverage|third", start="2016-01-01")


@pytest.mark.parametrize(
    ("options", "said", "sent_on"),
    [
        ({}, {"status": "19"}, True),
        ({}, {"status": "1"}, False),
        ({"crossover.statuses": "77"}, {"status": "19"}, False),
        (SAYS, {"extensions": (("urn:first:status", "20"),)}, True),
        (SAYS, {"extensions": (("urn:first:status", "1"),)}, False),
        (SAYS, {"extensions": ((SENT_TO, "whoever"),)}, True),
        ({}, {"extensions": (("urn:first:status", "20"), (SENT_TO, "second"))}, False),
    ],
)
def test_a_payer_says_that_it_has_sent_the_claim_on_where_its_profile_says(
    options: dict[str, str], said: dict[str, object], sent_on: bool
) -> None:
    at = house("freestanding", payer_options=options)
    record = treated(at)
    record = answered(record, record.claims[0], ("PR", "2", 3_000), at=at, **said)  # type: ignore[arg-type]
    assert len(record.claims) == (1 if sent_on else 2)
    assert [i.kind for i in record.work] == (["forwarded-claim"] if sent_on else [])


def test_how_long_the_next_payers_answer_is_waited_for_is_said_by_the_payers_profile() -> None:
    at = house("freestanding", payer_options={"crossover.days": "30"})
    record = treated(at)
    record = answered(record, record.claims[0], ("PR", "2", 3_000), at=at, status="19")
    assert [i.due and i.due.isoformat() for i in record.work] == ["2026-03-04"]


def crossed(at: House = AT, insurances: tuple[object, ...] = BOTH, **said: object) -> PersonRecord:
    """The first payer has left 30.00 and sent the claim on."""
    record = treated(at, insurances)
    return answered(record, record.claims[0], ("PR", "2", 3_000), at=at, status="19", **said)  # type: ignore[arg-type]


def onward(record: PersonRecord, *adjustments: tuple[str, str, int], id: str, at: House = AT) -> PersonRecord:
    """The second payer's answer to the claim that was sent on to it."""
    return answered(record, record.claims[0], *adjustments, id=id, payer="second", patient="S-9", at=at)


def test_a_second_payer_that_still_looks_at_what_was_sent_on_has_not_answered() -> None:
    record = crossed()
    total = record.claims[0].claim.total
    record = onward(record, ("OA", "133", total), id="pends")
    assert [i.kind for i in record.work if i.closed is None] == ["forwarded-claim"]
    assert account_now(record, AT).statement is None
    record = onward(record, ("OA", "23", total - 3_000), ("PR", "2", 1_000), id="decides")
    assert [i.kind for i in record.work if i.closed is None] == []
    assert account_now(record, AT).statement == 1_000


def test_an_answer_of_the_first_payer_that_only_pends_is_restated_to_nobody() -> None:
    record = treated()
    total = record.claims[0].claim.total
    record = answered(record, record.claims[0], ("PR", "2", 3_000))
    told = record.claims[1].claim
    record = answered(record, record.claims[0], ("OA", "133", total), id="pends")
    assert record.claims[1].claim == told
    assert len(record.claims) == 2


def test_what_a_second_payer_refused_of_what_was_sent_on_is_settled_by_its_next_answer() -> None:
    record = crossed()
    total = record.claims[0].claim.total
    record = onward(record, ("OA", "23", total - 3_000), ("CO", "197", 3_000), id="refuses")
    (denial,) = [i for i in record.work if i.closed is None]
    assert (denial.kind, denial.about, denial.amount) == ("denial", record.claims[0].claim.id, 3_000)
    # The first payer's second answer, a correction, says nothing of what the second refused.
    again = answered(record, record.claims[0], ("PR", "2", 3_000), id="corrected", status="19")
    assert denial in again.work
    record = onward(record, ("OA", "23", total - 3_000), id="pays")
    assert [(i.kind, i.closed_why) for i in record.work if i.closed is None or i.kind == "denial"] == [
        ("denial", "settled")
    ]
    assert balance(record, "denied") == 0
    assert balance(record, "patient-responsibility") == 0


def test_a_refusal_of_the_first_payer_stays_open_when_a_second_pays_what_was_left() -> None:
    record = treated()
    total = record.claims[0].claim.total
    record = answered(record, record.claims[0], ("CO", "197", 500), ("PR", "2", 3_000), status="19")
    assert [(i.kind, i.amount) for i in record.work if i.closed is None] == [
        ("denial", 500),
        ("forwarded-claim", total),
    ]
    record = onward(record, ("OA", "23", total - 3_000), id="pays")
    assert [(i.kind, i.amount) for i in record.work if i.closed is None] == [("denial", 500)]


def test_after_a_crossover_the_third_payer_is_told_of_both_by_us() -> None:
    record = crossed(insurances=(*BOTH, THIRD))
    total = record.claims[0].claim.total
    assert len(record.claims) == 1
    record = onward(record, ("OA", "23", total - 3_000), ("PR", "2", 1_000), id="on")
    assert story(record)[1:] == [("first", 3, "1", "ready")]
    claim = record.claims[1].claim
    assert [(p.payer.id, p.member, p.paid) for p in claim.prior] == [
        ("first", "M-1", total - 3_000), ("second", "S-9", 2_000),
    ]  # fmt: skip
    assert (claim.member, claim.follows) == ("T-3", record.claims[0].claim.id)
    record = answered(record, record.claims[1], ("OA", "23", total - 1_000), id="third")
    assert account_now(record, AT).share == 0


def test_the_payer_that_the_answer_names_is_waited_for_and_not_the_next_one() -> None:
    """The first payer sent it to the third of the person's insurances: so the second is not asked, nor waited for."""
    third = insured("third", order=3, member="T-3", line="coverage|third")
    clinic = site("freestanding", payer_options=SAYS)
    payers = (*clinic.payers, replace(clinic.payers[1], id="third", name="Third", aliases=()))
    at = House.of(rules(), replace(clinic, payers=payers))
    record = treated(at, (*BOTH, third))
    record = answered(record, record.claims[0], ("PR", "2", 3_000), at=at, extensions=((SENT_TO, "third"),))
    (item,) = [i for i in record.work if i.closed is None]
    assert (item.kind, len(record.claims)) == ("forwarded-claim", 1)
    total = record.claims[0].claim.total
    taken = (("OA", "23", total - 3_000), ("PR", "2", 1_000))
    record = answered(record, record.claims[0], *taken, at=at, id="on", payer="third", patient="T-3")
    assert [i.kind for i in record.work if i.closed is None] == []
    assert len(record.claims) == 1
