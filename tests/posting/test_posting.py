"""What came back: does it belong, does it balance, where does every cent go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState, ClaimType, Party
from adapters.model.ledger import Account, Entry
from adapters.model.record import Tick
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.posting import billed, denial_items, mismatches, post, settlement_of, taken_back
from adapters.posting.post import account_of, adjudications, denied_amount
from tests.model.clinic import adjudication, rules

AT = datetime(2026, 2, 2, 12, tzinfo=UTC)
TICK = Tick(AT, date(2026, 2, 2))
DAY = date(2026, 1, 5)


def line(number: int, amount: int) -> ClaimLine:
    return ClaimLine(number, (f"c{number}",), "77407", (), 1, DAY, DAY, amount, (1,), "technical")


PARTY = Party("a", "A")
CLAIM = Claim(
    id="claim-1",
    type=ClaimType.PROFESSIONAL,
    person="p1",
    patient_identifier="R-1",
    entity=PARTY,
    payer=PARTY,
    coverage="first|M-1",
    member="M-1",
    lines=(line(1, 10000), line(2, 2500)),
    diagnoses=("C61",),
    built_on=DAY,
    facility=PARTY,
)
FILED = ClaimOnFile(CLAIM, ClaimState.ACCEPTED)


def answer(**adjustments: list[tuple[str, str, int]]) -> Remittance:
    """An answer; `one` and `two` are the adjustments of the lines."""
    names = {"one": 1, "two": 2}
    return adjudication(FILED, adjustments={names[name]: said for name, said in adjustments.items()})


def totals(entries: tuple[Entry, ...], claim: str = "claim-1") -> dict[Account, int]:
    found: dict[Account, int] = {}
    for entry in entries:
        for side in entry.lines:
            assert side.claim == claim
            found[side.account] = found.get(side.account, 0) + side.amount
    return {account: amount for account, amount in found.items() if amount}


# ---------------------------------------------------------------- match


def test_an_answer_that_belongs_and_balances_has_no_mismatch() -> None:
    assert mismatches(CLAIM, answer(one=[("CO", "45", 4000), ("PR", "2", 1000)])) == ()
    assert mismatches(CLAIM, replace(answer(), patient="M-1")) == ()
    assert mismatches(CLAIM, replace(answer(), patient="R-1", claim="")) == ()


GOOD = answer(one=[("CO", "45", 4000)])
FIRST, SECOND = GOOD.lines


@pytest.mark.parametrize(
    ("bad", "code", "reason"),
    [
        (replace(GOOD, claim="other"), "unmatched-response", "the answer names another claim"),
        (replace(GOOD, patient="M-77"), "unmatched-response", "the answer names another patient"),
        (
            replace(GOOD, lines=(FIRST, SECOND, replace(SECOND, line=3)), paid=None),
            "unmatched-response",
            "the answer has a line that the claim does not have",
        ),
        (
            replace(GOOD, lines=(FIRST, SECOND, SECOND), paid=None),
            "out-of-balance",
            "a line is adjudicated twice in one answer",
        ),
        (replace(GOOD, lines=(FIRST,), paid=None), "out-of-balance", "a line of the claim is not adjudicated"),
        (
            replace(GOOD, lines=(replace(FIRST, charge=9000, paid=5000), SECOND), paid=None),
            "out-of-balance",
            "the charge of a line is not what was billed",
        ),
        (
            replace(GOOD, lines=(replace(FIRST, paid=5999), SECOND), paid=None),
            "out-of-balance",
            "charge is not paid plus adjustments",
        ),
        (
            replace(
                GOOD,
                lines=(replace(FIRST, paid=11000, adjustments=(Adjustment("CO", "45", -1000),)), SECOND),
                paid=None,
            ),
            "out-of-balance",
            "more is paid than was billed",
        ),
        (
            replace(
                GOOD,
                lines=(replace(FIRST, paid=-1000, adjustments=(Adjustment("CO", "45", 11000),)), SECOND),
                paid=None,
            ),
            "out-of-balance",
            "a payment is negative outside a reversal",
        ),
        (
            replace(GOOD, claim_adjustments=(Adjustment("CO", "45", 1),)),
            "out-of-balance",
            "adjustments at claim level cannot be laid to lines",
        ),
        (replace(GOOD, paid=1), "out-of-balance", "the payment is not the sum of the lines"),
        (replace(GOOD, charge=1), "out-of-balance", "the total is not what was billed"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_each_reason_against_posting_is_named(bad: Remittance, code: str, reason: str) -> None:
    assert [(m.code, m.reason) for m in mismatches(CLAIM, bad)] == [(code, reason)]


def test_all_reasons_are_told_at_once_and_a_pended_answer_need_not_balance() -> None:
    bad = replace(GOOD, claim="other", patient="x", lines=(), charge=1, paid=None)
    assert len(mismatches(CLAIM, bad)) == 5
    assert mismatches(CLAIM, replace(GOOD, decision=Decision.PENDED, lines=(), paid=3)) == ()


# ---------------------------------------------------------------- post


def test_a_claim_at_the_payer_is_receivable_line_by_line() -> None:
    entry = billed(CLAIM, AT)
    assert totals((entry,)) == {Account.RECEIVABLE: 12500, Account.CHARGES: -12500}
    assert {side.line for side in entry.lines} == {1, 2}
    assert billed(CLAIM, AT + timedelta(days=1)).id == entry.id


@pytest.mark.parametrize(
    ("group", "reason", "account"),
    [
        ("CO", "45", Account.CONTRACTUAL),
        ("CO", "253", Account.CONTRACTUAL),
        ("CO", "197", Account.DENIED),
        ("CO", "18", Account.DENIED),
        ("CO", "9999", Account.DENIED),
        ("PR", "1", Account.PATIENT_RESPONSIBILITY),
        ("PR", "2", Account.PATIENT_RESPONSIBILITY),
        ("PR", "9999", Account.PATIENT_RESPONSIBILITY),
        # Not covered is what a payer may say to the patient; whether somebody is its insured at all is not.
        ("PR", "96", Account.PATIENT_RESPONSIBILITY),
        ("PR", "31", Account.DENIED),
        ("PR", "27", Account.DENIED),
        ("PR", "197", Account.DENIED),
        ("CO", "96", Account.DENIED),
        ("OA", "23", None),
        ("OA", "133", None),
        ("OA", "97", Account.DENIED),
        ("OA", "9999", Account.DENIED),
        ("PI", "45", Account.DENIED),
        ("PI", "97", Account.DENIED),
        ("", "45", Account.DENIED),
    ],
)
def test_an_adjustment_goes_where_group_and_reason_say(group: str, reason: str, account: Account | None) -> None:
    assert account_of(Adjustment(group, reason, 100), rules()) == account
    posting = post(CLAIM, answer(one=[(group, reason, 4000)]), rules(), AT)
    found = totals(posting.entries)
    taken = 12500 - 4000 + (4000 if account else 0)
    assert found[Account.RECEIVABLE] == -taken
    if account:
        assert found[account] == 4000
    assert found[Account.PAYER_PAYMENT] == 8500


def test_a_line_is_paid_given_up_the_patients_denied_or_open_to_the_cent() -> None:
    said = answer(one=[("CO", "45", 3333), ("PR", "2", 667), ("OA", "23", 1000), ("CO", "50", 5000)])
    entries = (billed(CLAIM, AT), *post(CLAIM, said, rules(), AT).entries)
    assert totals(entries) == {
        Account.CHARGES: -12500,
        Account.RECEIVABLE: 1000,
        Account.PAYER_PAYMENT: 2500,
        Account.CONTRACTUAL: 3333,
        Account.PATIENT_RESPONSIBILITY: 667,
        Account.DENIED: 5000,
    }
    assert denied_amount(said.lines[0], rules()) == 5000


def test_a_second_adjudication_takes_the_first_back() -> None:
    first = post(CLAIM, answer(one=[("CO", "197", 10000)]), rules(), AT)
    standing = (billed(CLAIM, AT), *first.entries)
    better = replace(answer(one=[("CO", "45", 4000)]), id="era-2")
    second = post(CLAIM, better, rules(), AT, standing)
    back = second.entries[0]
    assert back.reverses == first.entries[0].id
    assert totals((*standing, *second.entries)) == {
        Account.CHARGES: -12500,
        Account.PAYER_PAYMENT: 8500,
        Account.CONTRACTUAL: 4000,
    }
    assert [e.id for e in adjudications((*standing, *second.entries), CLAIM.id)] == [second.entries[-1].id]
    assert adjudications(standing, "other") == []


def test_an_answer_that_moves_nothing_makes_no_entry() -> None:
    pended = answer(one=[("OA", "133", 10000)], two=[("OA", "133", 2500)])
    assert post(CLAIM, pended, rules(), AT).entries == ()


def test_taking_back_names_each_entry() -> None:
    entry = billed(CLAIM, AT)
    (back,) = taken_back([entry], "claim:x", AT)
    assert (back.reverses, back.cause) == (entry.id, "claim:x")
    assert totals((entry, back)) == {}


@pytest.mark.parametrize(
    ("said", "settlement"),
    [
        ({}, "paid"),
        ({"one": [("CO", "45", 10000)]}, "paid"),
        ({"one": [("PR", "1", 10000)], "two": [("PR", "1", 2500)]}, "paid"),
        ({"one": [("CO", "197", 10000)]}, "partially-paid"),
        ({"one": [("CO", "197", 10000)], "two": [("CO", "50", 2500)]}, "denied"),
        ({"one": [("CO", "197", 9000)]}, "paid"),
    ],
)
def test_how_the_claim_stands(said: dict[str, list[tuple[str, str, int]]], settlement: str) -> None:
    assert settlement_of(CLAIM, answer(**said), rules()) == settlement


# ---------------------------------------------------------------- denials


def test_each_denied_line_is_an_item_with_its_step_and_deadline() -> None:
    items = denial_items(CLAIM, answer(one=[("CO", "197", 10000)], two=[("CO", "16", 500)]), rules(), TICK)
    assert [(i.code, i.amount, i.about, i.person) for i in items] == [
        ("197", 10000, "claim-1", "p1"),
        ("16", 500, "claim-1", "p1"),
    ]
    authorization, technical = items
    assert authorization.category == "authorization"
    assert authorization.action == "get-authorization"
    assert authorization.due == date(2026, 2, 2) + timedelta(days=120)
    assert technical.due is None
    assert len({i.id for i in items}) == 2


def test_two_lines_denied_alike_are_two_items() -> None:
    items = denial_items(CLAIM, answer(one=[("CO", "197", 10000)], two=[("CO", "197", 2500)]), rules(), TICK)
    assert len({i.id for i in items}) == 2


def test_an_unknown_reason_is_worked_by_review_and_what_is_no_denial_not_at_all() -> None:
    (item,) = denial_items(CLAIM, answer(one=[("CO", "9999", 1)]), rules(), TICK)
    assert (item.category, item.action, item.due) == ("unknown-reason", "review", None)
    assert denial_items(CLAIM, answer(one=[("CO", "45", 10000), ("PR", "2", 0)]), rules(), TICK) == ()


def test_a_line_of_the_answer_carries_its_units_and_trace() -> None:
    told = RemittanceLine(1, 100, 100, (), allowed=80, units=1, code="77407", trace="t")
    assert (told.allowed, told.units, told.code, told.trace) == (80, 1, "77407", "t")
