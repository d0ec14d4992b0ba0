"""An answer that decides nothing (OA with a neutral reason, such as 18) leaves what was posted before untouched.

medical-oncology-and-revenue-cycle.md 6.5: OA is neutral; a payer that answers a resent claim as its own duplicate takes
no payment back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.record import PersonRecord, SubmissionNews, Tick
from adapters.pipeline.life import with_news
from adapters.posting import denial_items, post
from tests.model.clinic import adjudication, rules, site
from tests.posting.test_posting import CLAIM

AT = datetime(2026, 2, 2, 12, tzinfo=UTC)
TICK = Tick(AT, date(2026, 2, 2))
FILED = ClaimOnFile(CLAIM, ClaimState.ACCEPTED)
PAID = adjudication(FILED, adjustments={1: [("CO", "45", 4000)], 2: [("PR", "2", 500)]})
DUPLICATE = replace(adjudication(FILED, adjustments={1: [("OA", "18", 10000)], 2: [("OA", "18", 2500)]}), id="again")


def test_a_duplicate_denial_posts_nothing_and_takes_nothing_back():
    first = post(CLAIM, PAID, rules(), AT)
    second = post(CLAIM, DUPLICATE, rules(), AT, first.entries)
    assert first.entries
    assert second.entries == ()


def test_the_paid_claim_stays_paid_and_somebody_checks_the_original():
    record = PersonRecord("p1", claims=(FILED,))
    for answer in (PAID, DUPLICATE):
        news = SubmissionNews(CLAIM.id, ClaimEvent.ADJUDICATE, "an answer", answer)
        record = with_news(record, news, rules(), site(), TICK)
    (claim,) = record.claims
    assert (claim.state, claim.settlement) == (ClaimState.COMPLETE, "paid")
    assert not any(entry.reverses for entry in record.entries)
    open_items = [(i.kind, i.code, i.category, i.action) for i in record.work if i.closed is None]
    assert open_items == [("denial", "18", "duplicate", "check-original")] * 2


def test_a_first_answer_that_is_neutral_leaves_the_claim_open_and_not_paid():
    record = PersonRecord("p1", claims=(FILED,))
    news = SubmissionNews(CLAIM.id, ClaimEvent.ADJUDICATE, "an answer", DUPLICATE)
    record = with_news(record, news, rules(), site(), TICK)
    (claim,) = record.claims
    assert claim.printed_state == "denied"
    assert len(denial_items(CLAIM, DUPLICATE, rules(), TICK)) == 2
