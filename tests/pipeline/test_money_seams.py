"""Seams at which a line or a sum of money could be taken for another: openings in parts, answers of equal content."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from adapters.model.claim import ClaimEvent, ClaimState
from adapters.model.decision import Verb, saying
from adapters.model.people import Identifier
from adapters.model.record import PersonRecord, SubmissionNews
from adapters.model.remittance import Adjustment, Decision, Payment, ProviderAdjustment, Remittance, RemittanceLine
from adapters.model.tables import TableKind
from adapters.pipeline import House
from adapters.pipeline.misfits import about_answer
from adapters.pipeline.patients import account_now
from adapters.pipeline.payments import with_payment
from adapters.pipeline.step import step
from adapters.tables.held import HeldTables
from tests.claims.test_secondary import AT as CENTER
from tests.claims.test_secondary import BOTH, THIRD, answered, story, treated
from tests.model.clinic import (
    PERSON,
    background,
    diagnosed,
    fed,
    fraction,
    happened,
    insured,
    patient,
    report,
    rules,
    site,
)
from tests.pipeline.test_going_live import AFTER, MRN, back, due, edition, historic, over, row, run
from tests.pipeline.test_stated import says

OTHER = Identifier("urn:old:account", "A-9")
ALONE = (patient(), insured(), diagnosed())


# ---------------------------------------------------------------- the opening


def test_a_row_with_fewer_units_left_than_a_line_bears_asks_a_person() -> None:
    """Three units were billed elsewhere; the two lines of two units each are four."""
    events = [report("dosimetry-calc", f"2026-01-05T{hour:02}:00", count=2, line=f"D{hour}") for hour in (8, 14)]
    assert [c.charge.units for c in run(events, over()).charges] == [2, 2]
    record = run(events, over(opening=[row("dosimetry", "77300", "2026-01-05", units=3)]))
    assert [(h.code, h.detail) for h in record.holds] == [
        ("billed-elsewhere", ""),
        ("review-needed", "1 of 2 units were billed elsewhere before"),
    ]
    assert not due(record)


@pytest.mark.parametrize(
    ("modifiers", "elsewhere"), [(("26",), "aaa"), ((), "hospital"), (("TC",), "hospital")], ids=["26", "none", "TC"]
)
def test_a_row_takes_the_line_of_its_own_part_of_the_service(modifiers: tuple[str, ...], elsewhere: str) -> None:
    """One code of one day, by the hospital as it is and by its physicians with 26: whichever comes first in a list."""
    for physicians in ("aaa", "zzz"):
        plain = site("hospital")
        (there,) = [f for f in plain.facilities if len(f.entities) > 1]
        entities = tuple(replace(e, id=physicians) if e.id == "physicians" else e for e in there.entities)
        facilities = tuple(replace(f, entities=entities) if f is there else f for f in plain.facilities)
        spent = row("dosimetry", "77300", "2026-01-05", units=2, modifiers=modifiers)
        tables = HeldTables([(edition(TableKind.OPENING), (spent,))])
        record = run(
            [report("dosimetry-calc", "2026-01-05T08:00", count=2)],
            House.of(rules(), replace(plain, facilities=facilities), tables),
        )
        found = {h.would.entity for h in record.holds if h.would and h.code == "billed-elsewhere"}
        assert found == {physicians if elsewhere == "aaa" else elsewhere}
        assert len(due(record)) == 1


def test_a_row_that_is_listed_under_two_identifiers_of_one_person_takes_one_line() -> None:
    twice = [fraction("2026-01-05T09:00", 1), fraction("2026-01-05T16:00", 2)]
    one = row("delivery", "77402", "2026-01-05")
    elsewhere = replace(one, system=OTHER.system, identifier=OTHER.value)
    record = replace(PersonRecord(PERSON), identifiers=(MRN, OTHER))
    told = fed([*background(), *twice], over(opening=[one, elsewhere]), AFTER, record)
    assert len(back(told, "billed-elsewhere")) == 1
    assert len(due(told)) == 1


def test_which_identifier_was_told_first_decides_nothing() -> None:
    one = row("dosimetry", "77300", "2026-01-05", units=1)
    more = replace(one, units=2, system=OTHER.system, identifier=OTHER.value)
    calc = report("dosimetry-calc", "2026-01-05T08:00", count=2)
    found = {
        tuple((h.code, h.detail) for h in fed([*background(), calc], over(opening=[one, more]), AFTER, record).holds)
        for order in ((MRN, OTHER), (OTHER, MRN))
        for record in (replace(PersonRecord(PERSON), identifiers=order),)
    }
    assert len(found) == 1


def test_what_a_patient_paid_for_history_is_no_money_of_ours() -> None:
    paid = report("patient-payment", "2026-01-05", amount="100.00", line="P-1")
    old = run(historic([paid]), over())
    assert old.entries == ()
    doubted = report("patient-payment", "2026-01-05", amount="100.00", line="P-1", unposted="number")
    assert not run(historic([doubted]), over()).work
    # A later report of an old payment is of the old one; what was posted before somebody loaded it as history stays.
    again = replace(paid, id="later", said=paid.said.replace(year=2027))
    assert run([*historic([paid]), again], over()).entries == ()
    live = run([paid], over())
    assert len(live.entries) == 1
    assert fed(historic([again]), over(), AFTER, live).entries == live.entries


# ---------------------------------------------------------------- answers of equal content


def test_a_second_payers_answer_of_equal_words_is_not_the_firsts() -> None:
    record = treated(insurances=(*BOTH, THIRD))
    total = record.claims[0].claim.total
    same = "#digest"
    record = answered(record, record.claims[0], ("PR", "1", total), id=same, status="19")
    assert [i.kind for i in record.work if i.closed is None] == ["forwarded-claim"]
    record = answered(record, record.claims[0], ("PR", "1", total), id=same, payer="second", patient="S-9")
    assert [i.kind for i in record.work if i.closed is None] == []
    assert story(record)[1:] == [("first", 3, "1", "ready")]


def test_the_first_payer_takes_back_its_own_answer_and_not_the_seconds_of_equal_amounts() -> None:
    record = treated()
    claim = record.claims[0]
    total = claim.claim.total
    record = answered(record, claim, ("PR", "1", total), id="one", status="19")
    record = answered(
        record, record.claims[0], ("PR", "1", total), id="two", payer="second", patient="S-9", payer_claim_number=""
    )
    assert account_now(record, CENTER).share == total
    line = RemittanceLine(1, -total, 0, (Adjustment("PR", "1", -total),))
    taken = {"lines": (line,), "charge": -total, "paid": 0, "reversal": True}
    record = answered(record, record.claims[0], id="back", payer_claim_number="", **taken)  # type: ignore[arg-type]
    assert account_now(record, CENTER).share == 0


def test_an_answer_by_whom_the_site_does_not_know_is_nobodys_until_a_person_says_whose() -> None:
    record = treated()
    claim = record.claims[0]
    total = claim.claim.total
    record = answered(record, claim, ("PR", "1", total), id="one", status="19")
    strange = {"id": "#strange", "payer": "Gulf Mutual", "patient": "S-9", "payer_claim_number": "", "message": "m2"}
    asked = answered(record, record.claims[0], ("PR", "3", 2000), **strange)  # type: ignore[arg-type]
    assert asked.entries == record.entries
    assert asked.claims == record.claims
    (item,) = [i for i in asked.work if i.kind == "unmatched-response" and i.closed is None]
    assert (item.amount, about_answer(item)) == (total - 2000, "m2")
    assert "Gulf Mutual" in item.detail
    # The site file names it so from now on: the same entry, read again, is the second payer's.
    payers = tuple(
        replace(p, aliases=(*p.aliases, "Gulf Mutual")) if p.id == "second" else p for p in CENTER.site.payers
    )
    named = replace(CENTER, site=replace(CENTER.site, payers=payers))
    posted = answered(asked, asked.claims[0], ("PR", "3", 2000), at=named, **strange)  # type: ignore[arg-type]
    assert account_now(posted, named).share == 2000
    assert not [i for i in posted.work if i.kind == "unmatched-response" and i.closed is None]
    # Or a person says that it is the claim's own payer's.
    mine = answered(asked, asked.claims[0], ("PR", "3", 2000), **strange, matched_by="kim")  # type: ignore[arg-type]
    assert account_now(mine, CENTER).share == 2000
    assert mine.remittances[-1].payer == ""


def test_a_refusal_by_whom_the_site_does_not_know_refuses_no_claim_of_ours() -> None:
    record = treated()
    claim = record.claims[0]
    sent = happened(record, CENTER, AFTER, SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent"))
    refusal = Remittance("#r", claim.claim.id, Decision.REFUSED, errors=("not our member",), payer="Gulf Mutual")
    asked = happened(sent, CENTER, AFTER, SubmissionNews(claim.claim.id, ClaimEvent.FAIL, "delivered", refusal))
    assert asked.claims == sent.claims
    assert [i.kind for i in asked.work if i.closed is None] == ["unmatched-response"]


def test_a_later_payers_answer_is_set_aside_while_the_claims_own_payer_has_decided_nothing() -> None:
    record = treated()
    total = record.claims[0].claim.total
    record = answered(record, record.claims[0], ("OA", "133", total), id="pends")
    assert record.claims[0].state is ClaimState.QUEUED
    early = answered(record, record.claims[0], ("OA", "23", total - 2000), id="two", payer="second", patient="S-9")
    assert early.entries == record.entries
    (item,) = [i for i in early.work if i.closed is None]
    assert (item.kind, "own has not" in item.detail) == ("unmatched-response", True)


# ---------------------------------------------------------------- what is asked of the patient


def test_what_a_payer_has_taken_back_is_not_decided_and_gives_nobody_money_back() -> None:
    record = treated(insurances=ALONE)
    total = record.claims[0].claim.total
    record = answered(record, record.claims[0], ("PR", "1", 2000), id="one")
    record = fed([report("patient-payment", "2026-01-20", amount="20.00", line="P1")], CENTER, AFTER, record)
    line = RemittanceLine(1, -total, 2000 - total, (Adjustment("PR", "1", -2000),))
    taken = {"lines": (line,), "charge": -total, "paid": 2000 - total, "reversal": True}
    back = answered(record, record.claims[0], id="back", **taken)  # type: ignore[arg-type]
    account = account_now(back, CENTER)
    assert (account.paid, account.credit, account.awaited) == (2000, 0, (record.claims[0].claim.id,))
    (item,) = [i for i in back.work if i.closed is None]
    assert (item.kind, item.amount) == ("taken-back", total)
    # The correction settles it; or a person, who knows that none will come, and then the patient's money is owed back.
    paid = answered(back, back.claims[0], ("PR", "1", 1500), id="two")
    assert account_now(paid, CENTER).credit == 500
    assert [i.kind for i in paid.work if i.closed is None] == ["credit-balance"]
    closed = step(back, [says(saying(Verb.CLOSE, item=item.id), why="left the plan before")], CENTER, AFTER)
    assert account_now(closed, CENTER).credit == 2000
    assert [i.kind for i in closed.work if i.closed is None] == ["credit-balance"]
    # What was closed was about that take-back, and about no other.
    once_more = answered(closed, closed.claims[0], ("PR", "1", 2000), id="three")
    taken["lines"] = (replace(line, adjustments=(Adjustment("PR", "1", -2000),)),)
    once_more = answered(once_more, once_more.claims[0], id="again", **taken)  # type: ignore[arg-type]
    assert [i.kind for i in once_more.work if i.closed is None] == ["taken-back"]
    assert account_now(once_more, CENTER).credit == 0


def test_while_an_answer_of_the_payer_waits_for_a_person_the_patient_is_asked_for_nothing() -> None:
    record = treated(insurances=ALONE)
    total = record.claims[0].claim.total
    record = answered(record, record.claims[0], ("PR", "1", 2000), id="one")
    assert account_now(record, CENTER).statement == 2000
    less = answered(record, record.claims[0], ("PR", "1", 500), id="two", paid=total)
    assert [i.kind for i in less.work if i.closed is None] == ["out-of-balance"]
    assert account_now(less, CENTER).statement is None
    assert account_now(less, CENTER).withheld
    (item,) = [i for i in less.work if i.closed is None]
    over = replace(item, closed=AFTER.now, closed_by="kim", closed_why="the payer withdrew it")
    assert account_now(replace(less, work=(over,)), CENTER).statement == 2000


@pytest.mark.parametrize("event", [ClaimEvent.REFUSE, ClaimEvent.FAIL])
def test_while_a_later_payers_claim_came_back_unread_the_patient_is_asked_for_nothing(event: ClaimEvent) -> None:
    record = treated()
    record = answered(record, record.claims[0], ("CO", "45", 5000), ("PR", "1", 2000), id="one")
    second = record.claims[1].claim
    news = [SubmissionNews(second.id, one, "400") for one in (ClaimEvent.SEND, event)]
    record = happened(record, CENTER, AFTER, *news)
    assert [c.claim.sequence for c in record.claims if c.state in (ClaimState.REFUSED, ClaimState.ERROR)] == [2]
    assert account_now(record, CENTER).statement is None
    (item,) = [i for i in record.work if i.closed is None]
    closed = step(
        record, [says(saying(Verb.CLOSE, item=item.id), why="it is not theirs", minutes=100_000)], CENTER, AFTER
    )
    assert account_now(closed, CENTER).statement == 2000


def test_a_coverage_behind_whose_payer_the_site_does_not_know_is_asked_before_the_patient() -> None:
    nowhere = insured("nowhere", order=2, member="T-3", line="coverage|nowhere", start="2016-01-01")
    for behind in ((), (insured("second", order=3, member="S-9"),)):
        record = treated(insurances=(*ALONE, nowhere, *behind))
        record = answered(record, record.claims[0], ("CO", "45", 5000), ("PR", "1", 2000), id="one")
        assert story(record) == [("first", 1, "1", "complete")], "nor is the one behind it asked out of its turn"
        assert account_now(record, CENTER).statement is None
        (item,) = [i for i in record.work if i.closed is None]
        assert (item.kind, item.code, item.amount) == ("later-payer", "payer-unknown", 2000)
        assert "nowhere" in item.detail
        closed = step(record, [says(saying(Verb.CLOSE, item=item.id), why="it has ended")], CENTER, AFTER)
        assert account_now(closed, CENTER).statement == 2000
        assert not [i for i in closed.work if i.closed is None]
    nothing_left = treated(insurances=(*ALONE, nowhere))
    nothing_left = answered(nothing_left, nothing_left.claims[0], ("CO", "45", 5000), id="one")
    assert not nothing_left.work


def test_a_later_payer_who_gave_no_number_and_whose_ground_has_changed_is_asked_before_the_patient() -> None:
    record = treated()
    total = record.claims[0].claim.total
    record = answered(record, record.claims[0], ("CO", "45", 5000), ("PR", "1", 2000), id="one")
    record = answered(record, record.claims[1], ("OA", "23", total - 2000), id="two", payer_claim_number="")
    assert not [i for i in record.work if i.closed is None]
    more = answered(record, record.claims[0], ("CO", "45", 5000), ("PR", "1", 3000), id="three")
    assert account_now(more, CENTER).share == 1000
    assert account_now(more, CENTER).statement is None
    (item,) = [i for i in more.work if i.closed is None]
    assert (item.kind, item.code, item.about) == ("later-payer", "no-claim-number", record.claims[0].claim.id)
    known = answered(more, more.claims[1], ("OA", "23", total - 3000), id="four", payer_claim_number="N-2")
    assert account_now(known, CENTER).share == 0
    assert story(known)[-1][:3] == ("second", 2, "7"), "with a number of it, it is told"


# ---------------------------------------------------------------- payments


def payment(**more: object) -> Payment:
    plain = Payment("", "first", -5000, (), (ProviderAdjustment("WO", 5000, "R-1"),), date(2026, 2, 2), message="m1")
    return replace(plain, **more)  # type: ignore[arg-type]


def test_a_payment_without_a_number_that_comes_by_two_doors_posts_once() -> None:
    one = payment(amount=5000, adjustments=(ProviderAdjustment("L6", -5000, "R-1"),))
    record = with_payment(PersonRecord("payer-lane"), one, rules(), AFTER)
    again = with_payment(record, replace(one, message="m2"), rules(), AFTER)
    assert again.entries == record.entries
    assert [i.code for i in again.work if i.kind == "payment-again"] == ["payment-again"]


def test_what_a_person_closed_about_a_balance_stays_closed_while_it_is_the_same() -> None:
    applied = payment(
        number="1", amount=5000, claims=(("c", 10000),), adjustments=(ProviderAdjustment("FB", 5000, ""),)
    )
    record = with_payment(PersonRecord("payer-lane"), applied, rules(), AFTER)
    (item,) = [i for i in record.work if i.code == "FB"]
    closed = replace(item, closed=AFTER.now, closed_by="kim", closed_why="asked")
    record = replace(record, work=tuple(closed if i.id == item.id else i for i in record.work))
    other = payment(number="2", amount=5000, claims=(), adjustments=(ProviderAdjustment("L6", -5000, ""),))
    again = with_payment(record, other, rules(), AFTER)
    assert closed in again.work
