"""News from payers folded into a record: what a claim becomes, what is posted, what waits for a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.record import ChargeStatus, PersonRecord, SubmissionNews
from adapters.model.remittance import Adjustment, Decision, Remittance, Unread
from adapters.pipeline import House, step
from adapters.pipeline.misfits import about_answer
from adapters.work import CLAIM_INVALID
from tests.model.clinic import (
    adjudication,
    background,
    fed,
    fraction,
    happened,
    house,
    moment,
    sent,
    sessions,
)

AT = house("freestanding")
NOW, LATER = moment("2026-02-02"), moment("2026-02-03")
S, E = ClaimState, ClaimEvent


def ready(at: House = AT, days: int = 2) -> PersonRecord:
    return fed([*background(), *sessions("2026-01-05", days)], at, NOW)


def news(
    record: PersonRecord, event: ClaimEvent, answer: Remittance | Unread | None = None, **more: object
) -> SubmissionNews:
    return SubmissionNews(record.claims[0].claim.id, event, event.value, answer, **more)  # type: ignore[arg-type]


def only(record: PersonRecord) -> ClaimOnFile:
    (claim,) = record.claims
    return claim


def posted(record: PersonRecord) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in record.entries:
        for line in entry.lines:
            found[line.account] = found.get(line.account, 0) + line.amount
    return {account: amount for account, amount in found.items() if amount}


def opened(record: PersonRecord) -> list[str]:
    return [item.kind for item in record.work if item.closed is None]


def test_the_intent_is_on_file_before_the_call_and_no_money_yet() -> None:
    record = sent(ready(), AT, NOW)
    assert only(record).state is S.UNKNOWN
    assert only(record).submitted_at == NOW.now.isoformat()
    assert not record.entries
    assert {c.status for c in record.charges} == {ChargeStatus.SENT}


def test_news_of_a_claim_that_is_not_ours_changes_nothing() -> None:
    record = ready()
    assert happened(record, AT, NOW, SubmissionNews("nobody", E.TAKE, "200")) == record


@pytest.mark.parametrize("event", [E.TAKE, E.QUEUE, E.ADJUDICATE, E.NOT_SENT, E.LOST, E.REFUSE, E.FAIL, E.RELEASE])
def test_news_that_the_state_has_no_step_for_changes_no_claim(event: ClaimEvent) -> None:
    record = ready()
    after = happened(record, AT, NOW, news(record, event))
    assert after.claims == record.claims
    assert after.entries == record.entries


@pytest.mark.parametrize(("event", "state"), [(E.TAKE, S.ACCEPTED), (E.QUEUE, S.QUEUED)])
def test_what_the_payer_took_is_receivable_once_and_polled(event: ClaimEvent, state: ClaimState) -> None:
    at = house("freestanding", base_url="https://payer.example")
    record = sent(ready(at), at, NOW)
    record = happened(record, at, NOW, news(record, event, location="https://payer.example/poll/1", wait_seconds=7200))
    again = happened(record, at, NOW, news(record, event))
    assert only(again).state is state
    assert only(again).poll_at == "https://payer.example/poll/1"
    assert posted(again) == {"receivable": only(again).claim.total, "charges": -only(again).claim.total}
    (due,) = [d for d in record.due if d.what == "poll"]
    assert due.not_before == NOW.now + timedelta(seconds=7200)


def test_an_adjudication_posts_and_settles_and_the_same_again_posts_once() -> None:
    record = sent(ready(), AT, NOW)
    answer = adjudication(only(record), adjustments={1: [("CO", "45", 100)]})
    record = happened(record, AT, NOW, news(record, E.ADJUDICATE, answer))
    assert (only(record).state, only(record).settlement) == (S.COMPLETE, "paid")
    assert only(record).payer_claim_number == answer.payer_claim_number
    assert posted(record)["contractual"] == 100
    assert "receivable" not in posted(record)
    again = happened(record, AT, LATER, news(record, E.ADJUDICATE, answer))
    assert again.entries == record.entries
    assert again.remittances == record.remittances == (answer,)


def test_a_changed_adjudication_takes_the_first_back_and_its_denial_items_with_it() -> None:
    record = sent(ready(), AT, NOW)
    claim = only(record)
    full = claim.claim.lines[0].amount
    denied = adjudication(claim, adjustments={1: [("CO", "197", full)]}, id="era-1")
    record = happened(record, AT, NOW, news(record, E.ADJUDICATE, denied))
    assert only(record).settlement == "partially-paid"
    assert opened(record) == ["denial"]
    assert posted(record)["denied"] == full
    paid = adjudication(claim, id="era-2")
    record = happened(record, AT, LATER, news(record, E.ADJUDICATE, paid))
    assert only(record).settlement == "paid"
    assert opened(record) == []
    assert "denied" not in posted(record)
    assert posted(record)["payer-payment"] == claim.claim.total
    assert sum(bool(e.reverses) for e in record.entries) == 1
    again = adjudication(claim, adjustments={1: [("CO", "197", full)]}, id="era-3")
    record = happened(record, AT, LATER, news(record, E.ADJUDICATE, again))
    assert opened(record) == ["denial"], "what is denied again is somebody's to do again"


def test_an_answer_that_does_not_balance_is_parked_whole_and_the_claim_is_known_to_be_there() -> None:
    record = sent(ready(), AT, NOW)
    bad = replace(adjudication(only(record)), paid=1)
    record = happened(record, AT, NOW, news(record, E.ADJUDICATE, bad))
    assert only(record).state is S.ACCEPTED
    assert opened(record) == ["out-of-balance"]
    assert not record.remittances
    assert posted(record)["receivable"] == only(record).claim.total
    good = happened(record, AT, LATER, news(record, E.ADJUDICATE, adjudication(only(record), id="era-2")))
    assert opened(good) == []
    assert only(good).settlement == "paid"


def test_an_answer_to_another_claim_is_matched_by_a_person() -> None:
    record = sent(ready(), AT, NOW)
    record = happened(record, AT, NOW, news(record, E.ADJUDICATE, replace(adjudication(only(record)), claim="x")))
    assert opened(record) == ["unmatched-response"]
    assert record.work[0].action == "match"


@pytest.mark.parametrize("answer", [None, Unread(("not json",))])
def test_an_adjudication_without_an_answer_changes_nothing(answer: Unread | None) -> None:
    record = sent(ready(), AT, NOW)
    assert only(happened(record, AT, NOW, news(record, E.ADJUDICATE, answer))).state is S.UNKNOWN


def test_an_answer_to_a_claim_that_awaits_none_is_an_item() -> None:
    record = sent(ready(), AT, NOW)
    record = happened(record, AT, NOW, news(record, E.REFUSE))
    record = happened(record, AT, LATER, news(record, E.ADJUDICATE, adjudication(only(record))))
    assert opened(record) == ["refused-claim", "unmatched-response"]
    assert posted(record) == {}


def test_a_lost_answer_is_searched_for_and_never_simply_sent_again() -> None:
    at = house("freestanding", base_url="https://payer.example")
    record = sent(ready(at), at, NOW)
    record = happened(record, at, NOW, news(record, E.LOST))
    assert only(record).state is S.UNKNOWN
    assert [d.what for d in record.due] == ["search"]
    assert record.due[0].not_before == NOW.now + timedelta(days=1)
    assert opened(record) == ["unknown-outcome"]
    assert record.work[0].amount == only(record).claim.total
    found = happened(record, at, LATER, news(record, E.TAKE))
    assert opened(found) == []


def test_a_lost_answer_is_repeated_where_that_was_shown_harmless_but_not_after_a_conflict() -> None:
    at = house("freestanding", base_url="https://payer.example", idempotent=True)
    record = sent(ready(at), at, NOW)
    assert [d.what for d in record.due] == ["repeat"]
    lost = happened(record, at, NOW, news(record, E.LOST))
    assert [d.what for d in lost.due] == ["repeat"]
    assert opened(lost) == []
    conflict = happened(record, at, NOW, news(record, E.LOST, Unread(("the payer has a claim of this name",))))
    assert [d.what for d in conflict.due] == ["search"]
    assert opened(conflict) == ["unknown-outcome"]


def test_what_was_certainly_not_sent_is_ready_again_after_a_pause() -> None:
    at = house("freestanding", base_url="https://payer.example")
    record = sent(ready(at), at, NOW)
    record = happened(record, at, NOW, news(record, E.NOT_SENT, wait_seconds=5000))
    assert only(record).state is S.READY
    assert only(record).submitted_at == ""
    assert [(d.what, d.not_before) for d in record.due] == [("send", NOW.now + timedelta(seconds=5000))]


@pytest.mark.parametrize(("event", "state"), [(E.REFUSE, S.REFUSED), (E.FAIL, S.ERROR)])
def test_what_the_payer_refused_is_for_a_person_and_owes_nothing(event: ClaimEvent, state: ClaimState) -> None:
    record = sent(ready(), AT, NOW)
    errors = Remittance("e", "", Decision.REFUSED, errors=("member not found", "no such code"))
    record = happened(record, AT, NOW, news(record, E.TAKE)) if event is E.FAIL else record
    record = happened(record, AT, NOW, news(record, event, errors))
    assert only(record).state is state
    assert posted(record) == {}
    assert [(i.kind, i.detail) for i in record.work] == [("refused-claim", "member not found; no such code")]
    assert {c.status for c in record.charges} == {ChargeStatus.CLAIMED}
    assert step(record, [], AT, moment("2026-03-02")).claims == record.claims


def test_more_than_one_claim_of_our_name_is_an_item() -> None:
    record = sent(ready(), AT, NOW)
    record = happened(record, AT, NOW, news(record, E.TAKE, Unread(("the payer has 2 claims of this name",))))
    assert only(record).state is S.ACCEPTED
    assert [(i.kind, i.detail) for i in record.work] == [("unmatched-response", "the payer has 2 claims of this name")]


def test_a_claim_whose_document_may_not_leave_is_held_until_a_person_closes_the_item() -> None:
    record = ready()
    record = happened(record, AT, NOW, news(record, E.HOLD))
    assert only(record).state is S.HELD
    assert [i.code for i in record.work] == [CLAIM_INVALID]
    assert step(record, [], AT, LATER).claims == record.claims
    closed = replace(record, work=tuple(replace(i, closed=LATER.now, closed_why="repaired") for i in record.work))
    again = step(closed, [], AT, LATER)
    assert only(again).state is S.READY
    held = happened(again, AT, LATER, news(again, E.HOLD))
    assert only(held).state is S.HELD
    assert opened(held) == ["hold"]


def test_an_invalid_claim_that_is_no_longer_wanted_closes_its_item() -> None:
    record = happened(ready(), AT, NOW, news(ready(), E.HOLD))
    record = fed([fraction("2026-01-07T09:00", 3)], AT, LATER, record)
    assert [c.state for c in record.claims] == [S.ABANDONED, S.READY]
    assert opened(record) == []


def test_a_hold_of_a_claim_that_left_already_changes_nothing() -> None:
    record = sent(ready(), AT, NOW)
    assert happened(record, AT, NOW, news(record, E.HOLD)).claims == record.claims


def test_a_late_search_does_not_undo_an_answer() -> None:
    record = sent(ready(), AT, NOW)
    record = happened(record, AT, NOW, news(record, E.ADJUDICATE, adjudication(only(record))))
    for event in (E.LOST, E.NOT_SENT, E.TAKE, E.QUEUE, E.REFUSE, E.FAIL):
        assert happened(record, AT, LATER, news(record, event)).claims == record.claims


# ---------------------------------------------------------------- taken back, pended, laid to the line


def taken_back(answer: Remittance, id: str) -> Remittance:
    lines = tuple(
        replace(
            line,
            charge=-line.charge,
            paid=-line.paid,
            adjustments=tuple(replace(a, amount=-a.amount) for a in line.adjustments),
        )
        for line in answer.lines
    )
    charge, paid = -(answer.charge or 0), -(answer.paid or 0)
    return replace(answer, id=id, lines=lines, charge=charge, paid=paid, reversal=True)


def answered(record: PersonRecord, *answers: Remittance) -> PersonRecord:
    return happened(record, AT, LATER, *(news(record, E.ADJUDICATE, answer) for answer in answers))


def test_a_reversal_and_its_correction_in_one_go_leave_the_correction() -> None:
    record = sent(ready(), AT, NOW)
    first = adjudication(only(record), adjustments={1: [("CO", "197", 100)]}, id="one")
    better = adjudication(only(record), adjustments={1: [("CO", "45", 300)]}, id="two", number="NEW")
    back = taken_back(first, "back")
    after = answered(record, first, back, better)
    direct = answered(record, better)
    assert posted(after) == posted(direct)
    assert [e.reverses != "" for e in after.entries] == [False, False, True, False]
    assert opened(after) == []
    again = answered(after, back, first, better, back)
    assert (again.entries, again.remittances) == (after.entries, after.remittances)
    between = answered(record, first, back)
    assert (only(between).printed_state, posted(between).keys()) == ("accepted", {"receivable", "charges"})


def test_a_reversal_of_what_was_never_posted_waits_and_is_settled_when_it_comes_again() -> None:
    record = sent(ready(), AT, NOW)
    first = adjudication(only(record), adjustments={1: [("CO", "45", 100)]}, id="one")
    back = taken_back(first, "back")
    early = answered(record, back)
    assert opened(early) == ["unmatched-response"]
    assert "it takes back what was never posted" in early.work[0].detail
    assert posted(early) == {"receivable": only(record).claim.total, "charges": -only(record).claim.total}
    settled = answered(early, first, back)
    assert opened(settled) == ["taken-back"]
    assert posted(settled) == posted(early)


def test_a_reversal_finds_what_was_laid_from_the_claims_level_to_its_line() -> None:
    record = sent(ready(days=1), AT, NOW)
    whole = adjudication(only(record), id="one")
    first = replace(whole, claim_adjustments=(Adjustment("CO", "253", 200),), paid=(whole.paid or 0) - 200)
    back = replace(taken_back(first, "back"), claim_adjustments=(Adjustment("CO", "253", -200),))
    after = answered(record, first, back)
    assert opened(after) == ["taken-back"]
    assert posted(after) == {"receivable": only(record).claim.total, "charges": -only(record).claim.total}


def test_an_adjudication_that_only_pends_posts_nothing_and_is_taken_back() -> None:
    record = sent(ready(), AT, NOW)
    claim = only(record)
    pends = adjudication(claim, adjustments={n.line: [("OA", "133", n.amount)] for n in claim.claim.lines}, id="one")
    waiting = answered(record, pends)
    assert (only(waiting).state, opened(waiting)) == (S.QUEUED, [])
    done = answered(waiting, taken_back(pends, "back"), adjudication(claim, id="two"))
    assert posted(done) == {"charges": -claim.claim.total, "payer-payment": claim.claim.total}
    assert (only(done).printed_state, opened(done)) == ("paid", [])


def test_what_was_taken_back_and_comes_once_more_is_asked_about_and_never_dropped() -> None:
    record = sent(ready(), AT, NOW)
    first = replace(adjudication(only(record), id="one"), payment_number="EFT-1", message="m1")
    back = replace(taken_back(first, "back"), payment_number="EFT-2")
    again = replace(first, message="m9")
    asked = answered(record, first, back, again)
    assert "payer-payment" not in posted(asked)
    (item,) = [i for i in asked.work if i.closed is None]
    assert (item.kind, item.amount) == ("unmatched-response", only(record).claim.total)
    assert "was taken back" in item.detail
    assert about_answer(item) == "m9"
    said = answered(asked, replace(again, matched_by="kim"))
    assert posted(said) == posted(answered(record, first))
    assert opened(said) == []
    assert answered(said, replace(again, matched_by="kim"), again, first).entries == said.entries
    assert opened(answered(said, again)) == [], "a copy of what stands"


def test_what_was_taken_back_and_is_paid_by_another_payment_posts_again() -> None:
    record = sent(ready(), AT, NOW)
    first = replace(adjudication(only(record), id="one"), payment_number="EFT-1")
    back = replace(taken_back(first, "back"), payment_number="EFT-2")
    again = replace(first, payment_number="EFT-3")
    paid = answered(record, first, back, again)
    assert posted(paid) == posted(answered(record, first))
    assert opened(paid) == []
    assert len(paid.remittances) == 3
    copies = answered(paid, first, replace(first, payment_number=""), again)
    assert (copies.entries, copies.remittances, opened(copies)) == (paid.entries, paid.remittances, [])
    twice = answered(paid, replace(again, payment_number="EFT-4"))
    assert (twice.entries, opened(twice)) == (paid.entries, ["unmatched-response"]), "paid twice, and never taken back"
    # Taken back once more with equal words: told by its payment, else asked about.
    asked = answered(paid, back)
    assert (asked.entries, opened(asked)) == (paid.entries, ["unmatched-response"])
    twice = answered(paid, replace(back, payment_number="EFT-5"))
    assert "payer-payment" not in posted(twice)
    assert opened(twice) == ["taken-back"]
    assert answered(twice, replace(back, payment_number="EFT-5"), back).entries == twice.entries


def test_without_a_number_of_the_first_payment_another_number_tells_nothing() -> None:
    record = sent(ready(), AT, NOW)
    first = adjudication(only(record), id="one")
    asked = answered(record, first, taken_back(first, "back"), replace(first, payment_number="EFT-3"))
    assert "payer-payment" not in posted(asked)
    assert opened(asked) == ["unmatched-response"]


def test_what_only_pended_and_pends_again_is_no_money_and_no_work() -> None:
    record = sent(ready(), AT, NOW)
    claim = only(record)
    pends = adjudication(claim, adjustments={n.line: [("OA", "133", n.amount)] for n in claim.claim.lines}, id="one")
    waiting = answered(record, pends, taken_back(pends, "back"), pends, taken_back(pends, "back"))
    assert (only(waiting).state, opened(waiting)) == (S.QUEUED, [])


def test_a_denial_that_was_taken_back_and_is_said_again_is_asked_about() -> None:
    record = sent(ready(), AT, NOW)
    claim = only(record)
    denied = adjudication(claim, adjustments={n.line: [("CO", "197", n.amount)] for n in claim.claim.lines}, id="one")
    asked = answered(record, denied, taken_back(denied, "back"), denied)
    assert opened(asked) == ["unmatched-response"]


def test_another_payer_answers_only_after_the_claims_own() -> None:
    record = sent(ready(), AT, NOW)
    other = next(payer.id for payer in AT.site.payers if payer.id != only(record).claim.payer.id)
    strange = replace(adjudication(only(record), id="strange"), payer=other)
    early = answered(record, strange)
    assert opened(early) == ["unmatched-response"]
    assert "another payer answers" in early.work[0].detail
    assert "payer-payment" not in posted(early)
    own = replace(strange, id="own", payer=only(record).claim.payer.id)
    assert posted(answered(record, own))["payer-payment"] == only(record).claim.total


def test_an_answer_set_aside_says_by_how_much_and_which_answer() -> None:
    record = sent(ready(), AT, NOW)
    right = adjudication(only(record), adjustments={1: [("CO", "45", 100)]}, id="one")
    first, *rest = right.lines
    wrong = replace(
        right, id="bad", lines=(replace(first, paid=first.paid + 1000), *rest), paid=(right.paid or 0) + 1000
    )
    after = answered(record, wrong)
    (item,) = after.work
    assert (item.kind, item.amount, item.action) == ("out-of-balance", 1000, "repair-response")
    assert item.detail.startswith("line 1: charge is not paid plus adjustments (by 10.00)")
    assert item.detail.endswith(f"[answer {wrong.message}]")
