"""Every cent is somewhere: after any answers, in any order, however often; and nothing is billed twice at once."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.event import Status
from adapters.model.ledger import Account
from adapters.model.record import ChargeStatus, PersonRecord, SubmissionNews
from adapters.model.remittance import Adjustment, Remittance, RemittanceLine, Unread
from adapters.pipeline import House, step
from tests.model.clinic import (
    adjudication,
    background,
    fed,
    fraction,
    happened,
    house,
    moment,
    of_state,
    reading,
    sent,
    sessions,
)
from tests.properties.histories import History, histories

E = ClaimEvent
TAKING = (Account.PAYER_PAYMENT, Account.CONTRACTUAL, Account.PATIENT_RESPONSIBILITY, Account.DENIED)
NOW = moment("2026-02-02")
OVER = (ClaimState.ABANDONED, ClaimState.REPLACED, ClaimState.VOIDED, ClaimState.REFUSED, ClaimState.ERROR)


def balances(record: PersonRecord) -> dict[tuple[str, int | None], dict[Account, int]]:
    """What each line of each claim stands at, account by account."""
    found: dict[tuple[str, int | None], dict[Account, int]] = defaultdict(lambda: defaultdict(int))
    for entry in record.entries:
        assert sum(side.amount for side in entry.lines) == 0
        for side in entry.lines:
            found[side.claim, side.line][side.account] += side.amount
    return found


def every_cent_is_somewhere(record: PersonRecord) -> None:
    """charge = paid + contractual + patient + denied + open, line by line; of what is over, nothing stands.

    What is open is never below nothing, and what is paid is what the answer posted last says: no answer counts twice.
    """
    stands = balances(record)
    last = {answer.claim: answer for answer in record.remittances}
    for on_file in record.claims:
        for line in on_file.claim.lines:
            at = stands.get((on_file.claim.id, line.line), {})
            if not any(at.values()):
                continue
            assert on_file.state not in (ClaimState.REPLACED, ClaimState.VOIDED, ClaimState.REFUSED, ClaimState.ERROR)
            assert at[Account.CHARGES] == -line.amount
            assert line.amount == sum(at.get(account, 0) for account in TAKING) + at.get(Account.RECEIVABLE, 0)
            assert 0 <= at.get(Account.RECEIVABLE, 0) <= line.amount
            assert all(0 <= at.get(account, 0) <= line.amount for account in TAKING)
            answer = last.get(on_file.claim.id)
            paid = sum(said.paid for said in answer.lines if said.line == line.line) if answer else 0
            assert at.get(Account.PAYER_PAYMENT, 0) == paid
    assert sum(amount for line in stands.values() for amount in line.values()) == 0


@functools.cache
def clinic() -> House:
    return house("freestanding")


@functools.cache
def a_claim_out() -> PersonRecord:
    """Three sessions, sent and unheard of."""
    return sent(fed([*background(), *sessions("2026-01-05", 3)], clinic(), NOW), clinic(), NOW)


@st.composite
def answers(draw: st.DrawFn, claim: ClaimOnFile) -> Remittance:
    """An answer of a payer: most balance, some do not."""
    lines = []
    for line in claim.claim.lines:
        left, taken = line.amount, []
        for _ in range(draw(st.integers(0, 3))):
            amount = draw(st.integers(0, left))
            group = draw(st.sampled_from(["CO", "PR", "OA", "PI"]))
            reason = draw(st.sampled_from(["45", "1", "2", "97", "197", "23", "18", "133", "253", "9999"]))
            taken.append(Adjustment(group, reason, amount))
            left -= amount
        lines.append(RemittanceLine(line.line, line.amount, left, tuple(taken)))
    answer = replace(
        adjudication(claim, id=draw(st.sampled_from(["era-1", "era-2", "era-3", "era-4"]))),
        lines=tuple(lines),
        paid=sum(line.paid for line in lines),
    )
    match draw(st.integers(0, 9)):
        case 0:
            return replace(answer, lines=answer.lines[1:], paid=None)
        case 1:
            return replace(answer, claim="another")
        case 2:
            return replace(answer, paid=answer.paid + 1 if answer.paid is not None else 1)
        case 3:
            return replace(answer, lines=(replace(lines[0], paid=lines[0].paid + 1), *lines[1:]), paid=None)
        case _:
            return answer


@st.composite
def pieces(draw: st.DrawFn, claim: ClaimOnFile) -> SubmissionNews:
    """Any news about the claim."""
    event = draw(st.sampled_from([E.ADJUDICATE] * 5 + [E.TAKE, E.QUEUE, E.LOST, E.FAIL, E.REFUSE, E.NOT_SENT, E.SEND]))
    answer: Remittance | Unread | None = None
    if event is E.ADJUDICATE:
        answer = draw(answers(claim))
    elif event in (E.TAKE, E.LOST) and draw(st.booleans()):
        answer = Unread(("garbage",))
    return SubmissionNews(claim.claim.id, event, "said", answer)


@given(st.data())
def test_every_cent_of_a_line_is_somewhere_after_any_answers(data: st.DataObject) -> None:
    record = a_claim_out()
    claim = record.claims[0]
    for i in range(data.draw(st.integers(1, 7))):
        news = data.draw(pieces(claim))
        if news.event is E.SEND and not any(
            c.claim.id == claim.claim.id and c.state in (ClaimState.READY, ClaimState.UNKNOWN) for c in record.claims
        ):
            continue
        entries = len(record.entries)
        record = happened(record, clinic(), moment(NOW.today + timedelta(days=i)), news)
        every_cent_is_somewhere(record)
        assert len(record.entries) >= entries
        ids = [entry.id for entry in record.entries]
        assert len(set(ids)) == len(ids)
    assert len({r.id for r in record.remittances}) == len(record.remittances)


@given(st.data())
def test_an_answer_delivered_again_posts_nothing_more(data: st.DataObject) -> None:
    record = a_claim_out()
    claim = record.claims[0]
    said: list[SubmissionNews] = []
    for _ in range(data.draw(st.integers(1, 4))):
        said.append(SubmissionNews(claim.claim.id, E.ADJUDICATE, "200", data.draw(answers(claim))))
        record = happened(record, clinic(), NOW, said[-1])
    posted = {r.id for r in record.remittances}
    for news in said:
        assert isinstance(news.answer, Remittance)
        if news.answer.id in posted:
            again = happened(record, clinic(), NOW, news)
            assert again.entries == record.entries
            assert again.remittances == record.remittances


@given(st.data())
def test_garbage_is_parked_and_the_money_stays_as_it_was(data: st.DataObject) -> None:
    record = happened(a_claim_out(), clinic(), NOW, SubmissionNews(a_claim_out().claims[0].claim.id, E.TAKE, "202"))
    claim = record.claims[0]
    good = data.draw(answers(claim).filter(lambda a: a.claim == claim.claim.id and len(a.lines) == 3))
    wrong = replace(good, charge=claim.claim.total + 1)
    after = happened(record, clinic(), NOW, SubmissionNews(claim.claim.id, E.ADJUDICATE, "200", wrong))
    assert after.entries == record.entries
    assert after.claims == record.claims
    assert [item.kind for item in after.work] == ["out-of-balance"]


# ---------------------------------------------------------------- nothing is billed twice at once


def billed_once(record: PersonRecord) -> None:
    """No charge stands on two live claims, but for a correction and the claim that it stands for."""
    live = [c for c in record.claims if c.state not in OVER and c.claim.frequency != "8"]
    under_correction = {c.claim.replaces for c in record.claims if c.claim.replaces and c.state not in OVER}
    holders: dict[str, list[str]] = defaultdict(list)
    for on_file in live:
        if on_file.claim.id in under_correction:
            continue
        for line in on_file.claim.lines:
            for charge in line.charges:
                holders[charge].append(on_file.claim.id)
    assert not {charge: claims for charge, claims in holders.items() if len(claims) > 1}
    for on_file in record.claims:
        assert len({c for line in on_file.claim.lines for c in line.charges}) == len(on_file.claim.lines)


def ready_claims_say_what_is_due(record: PersonRecord) -> None:
    """What would leave now bills charges that stand, at what they say now."""
    now = {c.id: c for c in record.charges}
    for on_file in of_state(record, ClaimState.READY):
        if on_file.claim.frequency == "8":
            continue
        for line in on_file.claim.lines:
            charge = now[line.charges[0]]
            assert charge.status is not ChargeStatus.VOID
            assert (line.code, line.units, line.start) == (
                charge.charge.code,
                charge.charge.units,
                charge.charge.start,
            )
            assert line.amount == charge.charge.amount


@given(histories(longest=6), st.data())
def test_whatever_happens_no_charge_is_on_two_live_claims(history: History, data: st.DataObject) -> None:
    """Reports come in pieces while claims leave, are answered, refused, denied, corrected, and time goes on."""
    left = list(data.draw(st.permutations(history.events)))
    record = PersonRecord("p1")
    day = history.last + timedelta(days=40)
    for _ in range(data.draw(st.integers(2, 6))):
        size = data.draw(st.integers(0, 8))
        record = step(record, [reading(event) for event in left[:size]], history.at, moment(day))
        left = left[size:]
        for claim in [c for c in record.claims if c.state in (ClaimState.READY, ClaimState.ACCEPTED)]:
            if claim.state is ClaimState.READY:
                if not data.draw(st.booleans()):
                    continue
                record = happened(record, history.at, moment(day), SubmissionNews(claim.claim.id, E.SEND, "sent"))
            record = happened(record, history.at, moment(day), data.draw(pieces(claim).filter(_no_intent)))
        billed_once(record)
        ready_claims_say_what_is_due(record)
        every_cent_is_somewhere(record)
        assert step(record, [], history.at, moment(day)).claims == record.claims
        day += timedelta(days=1)


def _no_intent(news: SubmissionNews) -> bool:
    return news.event is not E.SEND


@given(st.lists(st.tuples(st.integers(5, 7), st.sampled_from(["one", "two", "gone"]), st.booleans()), max_size=8))
def test_corrections_follow_one_another_and_the_ledger_ends_at_what_is_due(
    changes: list[tuple[int, str, bool]],
) -> None:
    """Sessions are restated and taken back; claims are paid now or later; in the end everything due is paid once."""
    at = clinic()
    record = fed([*background(), *(_session(day, "one", 0) for day in (5, 6, 7))], at, NOW)
    for hour, (day, what, pay) in enumerate(changes, 1):
        record = fed([_session(day, what, hour)], at, NOW, record)
        billed_once(record)
        if pay:
            record = _all_paid(record, at)
    record = _all_paid(record, at)
    standing = [c for c in record.charges if c.status is not ChargeStatus.VOID]
    assert {c.status for c in standing} <= {ChargeStatus.SETTLED}
    paid = sum(side.amount for entry in record.entries for side in entry.lines if side.account is Account.PAYER_PAYMENT)
    assert paid == sum(c.charge.amount for c in standing)
    every_cent_is_somewhere(record)


def _session(day: int, what: str, hour: int) -> object:
    said = f"2026-01-2{hour // 24}T{hour % 24:02}:00"
    status = Status.WITHDRAWN if what == "gone" else Status.DONE
    isocenters = 2 if what == "two" else 1
    return fraction(f"2026-01-0{day}T09:00", day, line=f"L{day}", said=said, isocenters=isocenters, status=status)


def _all_paid(record: PersonRecord, at: House) -> PersonRecord:
    """Claims leave and are paid until nothing is ready."""
    for _ in range(9):
        ready = of_state(record, ClaimState.READY)
        if not ready:
            return record
        for claim in ready:
            record = happened(
                record,
                at,
                NOW,
                SubmissionNews(claim.claim.id, E.SEND, "sent"),
                SubmissionNews(claim.claim.id, E.ADJUDICATE, "200", adjudication(claim)),
            )
    raise AssertionError("claims are ready for ever")
