"""What is laid to a line, what a reversal takes back, what a payment says of no claim, what a denial means."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.ledger import Account
from adapters.model.record import PersonRecord
from adapters.model.remittance import Adjustment, Payment, ProviderAdjustment, Remittance
from adapters.pipeline.payments import with_payment
from adapters.posting import (
    adjudications,
    appealable,
    cash,
    denial_items,
    denial_of,
    entries_of,
    laid,
    mismatches,
    only_pends,
    out_by,
    payment_items,
    payment_mismatches,
    post,
    post_payment,
    posted_before,
    reversed_by,
)
from tests.model.clinic import adjudication, rules
from tests.posting.test_posting import AT, CLAIM, FILED, TICK, answer

ONE = replace(CLAIM, lines=CLAIM.lines[:1])


def whole(**adjustments: list[tuple[str, str, int]]) -> Remittance:
    """An answer about the claim's first line alone."""
    return adjudication(replace(FILED, claim=ONE), adjustments={1: adjustments.get("one", [])})


def negated(said: Remittance) -> Remittance:
    """What takes an answer back: all its amounts with the other sign, the groups as they were."""
    lines = tuple(
        replace(
            line,
            charge=-line.charge,
            paid=-line.paid,
            adjustments=tuple(replace(a, amount=-a.amount) for a in line.adjustments),
        )
        for line in said.lines
    )
    paid = None if said.paid is None else -said.paid
    charge = None if said.charge is None else -said.charge
    return replace(said, id=f"back-{said.id}", lines=lines, paid=paid, charge=charge, reversal=True)


# ---------------------------------------------------------------- at the level of the claim


def test_what_is_adjusted_at_claim_level_goes_to_the_only_line() -> None:
    said = replace(whole(), claim_adjustments=(Adjustment("PR", "2", 3000),), paid=7000)
    assert mismatches(ONE, said) == ()
    (line,) = laid(said).lines
    assert (line.charge, line.paid, line.adjustments) == (10000, 7000, (Adjustment("PR", "2", 3000),))
    (wrong,) = mismatches(ONE, replace(said, paid=10000))
    assert (wrong.code, wrong.amount) == ("out-of-balance", 3000)


def test_a_claim_level_that_says_the_lines_once_more_is_not_counted_twice() -> None:
    said = answer(one=[("CO", "45", 4000)], two=[("CO", "45", 500)])
    restated = replace(said, claim_adjustments=(Adjustment("CO", "45", 4500),))
    assert mismatches(CLAIM, restated) == ()
    assert laid(restated) == said
    assert mismatches(CLAIM, replace(said, claim_adjustments=(Adjustment("CO", "45", 4501),)))


def test_by_how_much_an_answer_is_out() -> None:
    said = answer(one=[("CO", "45", 4000)])
    first, second = said.lines
    wrong = mismatches(CLAIM, replace(said, lines=(replace(first, paid=7000), second), paid=9500))
    assert [(m.line, m.amount) for m in wrong] == [(1, 1000)]
    assert out_by(wrong) == 1000
    assert out_by(()) == 0


def test_who_says_whose_it_is_settles_the_names_and_no_sum() -> None:
    foreign = replace(answer(), claim="another", patient="M-77")
    assert len(mismatches(CLAIM, foreign)) == 2
    assert mismatches(CLAIM, replace(foreign, matched_by="kim")) == ()
    assert mismatches(CLAIM, replace(foreign, matched_by="kim", paid=1))


# ---------------------------------------------------------------- reversals


def test_a_reversal_balances_by_its_own_signs() -> None:
    back = negated(answer(one=[("CO", "45", 4000), ("PR", "2", 1000)]))
    assert mismatches(CLAIM, back) == ()
    assert mismatches(CLAIM, replace(back, reversal=False))
    first, second = back.lines
    assert mismatches(CLAIM, replace(back, lines=(replace(first, paid=5000), second), paid=None))


def test_a_reversal_takes_back_the_latest_that_says_the_same_and_each_once() -> None:
    first = replace(answer(one=[("CO", "45", 4000)]), claim=CLAIM.id)
    again = replace(first, id="again")
    other = replace(answer(one=[("CO", "45", 100)]), id="other", claim=CLAIM.id)
    back = negated(first)
    assert reversed_by(back, [first, other]) == first
    assert reversed_by(back, [first, again, other]) == again
    assert reversed_by(back, [first, back]) is None
    assert reversed_by(replace(back, id="back-2"), [first, again, back]) == first
    assert reversed_by(back, [replace(first, claim="another")]) is None
    assert reversed_by(back, [other]) is None


def test_the_groups_and_the_payers_number_tell_what_is_taken_back() -> None:
    first = replace(answer(one=[("CO", "45", 4000)]), claim=CLAIM.id)
    other_group = negated(replace(answer(one=[("PR", "45", 4000)]), claim=CLAIM.id))
    assert reversed_by(other_group, [first]) is None
    assert reversed_by(replace(negated(first), payer_claim_number="ANOTHER"), [first]) is None
    assert reversed_by(replace(negated(first), payer_claim_number=""), [first]) == first


def test_the_entries_of_an_answer_are_its_own() -> None:
    said = answer(one=[("CO", "45", 4000)])
    entries = post(CLAIM, said, rules(), AT).entries
    assert entries_of(said, adjudications(entries, CLAIM.id)) == list(entries)
    assert entries_of(replace(said, id="another"), entries) == []


def test_what_only_pends() -> None:
    assert only_pends(answer(one=[("OA", "133", 10000)], two=[("OA", "133", 2500)]), rules())
    assert not only_pends(answer(one=[("OA", "133", 10000)]), rules())
    assert not only_pends(answer(one=[("OA", "18", 10000)], two=[("OA", "18", 2500)]), rules())


# ---------------------------------------------------------------- payments


PAID = Payment(
    "EFT-1",
    "first",
    10237,
    (("a", 15900),),
    (ProviderAdjustment("L6", -537), ProviderAdjustment("WO", 6200, "OLD-7")),
)


def test_a_payment_is_its_claims_less_its_adjustments() -> None:
    assert payment_mismatches(PAID) == ()
    (wrong,) = payment_mismatches(replace(PAID, amount=10238))
    assert (wrong.code, wrong.amount) == ("out-of-balance", 1)
    less = replace(PAID, amount=-100, claims=(("a", 5563),))
    assert [m.reason for m in payment_mismatches(less)] == ["a payment is less than nothing"]


def test_interest_and_recovery_are_entries_of_no_claim() -> None:
    entries = post_payment(PAID, rules(), AT)
    sides = [(side.account, side.amount, side.claim) for entry in entries for side in entry.lines]
    assert sides == [
        (Account.INTEREST, 537, ""),
        (Account.PROVIDER_LEVEL, -537, ""),
        (Account.RECOUPMENT, 6200, ""),
        (Account.PROVIDER_LEVEL, -6200, ""),
    ]
    assert post_payment(PAID, rules(), AT) == entries


def test_a_balance_carried_forward_comes_back_as_it_went() -> None:
    away = replace(PAID, amount=0, claims=(("a", -800),), adjustments=(ProviderAdjustment("FB", -800),))
    back = replace(
        PAID, number="EFT-2", amount=200, claims=(("b", 1000),), adjustments=(ProviderAdjustment("FB", 800),)
    )
    assert payment_mismatches(away) == payment_mismatches(back) == ()
    sums = [side.amount for p in (away, back) for e in post_payment(p, rules(), AT) for side in e.lines]
    assert sum(sums[::2]) == 0


def test_what_a_person_looks_at_and_what_not() -> None:
    unknown = replace(PAID, adjustments=(*PAID.adjustments, ProviderAdjustment("ZZ", 100)))
    items = payment_items(unknown, rules(), "lane", TICK)
    assert [(i.code, i.action, i.amount) for i in items] == [("WO", "find-the-claim", 6200), ("ZZ", "review", 100)]


def test_a_payment_is_known_again() -> None:
    entries = post_payment(PAID, rules(), AT)
    assert posted_before(PAID, [], entries) == ""
    assert posted_before(PAID, entries, entries) == "same"
    other = replace(PAID, adjustments=(ProviderAdjustment("L6", -999),))
    assert posted_before(other, entries, post_payment(other, rules(), AT)) == "other"


# ---------------------------------------------------------------- denials


def denied(reason: str, *remarks: str, kind: str = "") -> tuple[str, str, bool, str]:
    line = replace(answer(one=[("CO", reason, 10000)]).lines[0])
    line = replace(line, adjustments=(replace(line.adjustments[0], remarks=remarks),))
    found = denial_of(line, rules(), "first", kind)
    assert found is not None
    return found.category, found.action, found.appealable, found.caught_by


@pytest.mark.parametrize(
    ("reason", "remarks", "kind", "means"),
    [
        ("197", (), "", ("authorization", "get-authorization", False, "authorization-missing")),
        ("16", ("M76",), "", ("technical", "fix-and-rebill", False, "diagnosis-missing")),
        ("16", ("M127",), "", ("documentation", "send-records", False, "")),
        ("96", ("N115",), "", ("medical-necessity", "appeal", True, "")),
        ("50", ("N211",), "", ("medical-necessity", "exception-review", False, "")),
        ("29", (), "commercial", ("timely-filing", "appeal-with-proof", True, "")),
        ("29", (), "medicare", ("timely-filing", "exception-review", False, "")),
        ("9999", ("N19",), "", ("unknown-reason", "review", False, "")),
    ],
)
def test_what_a_refusal_means(
    reason: str, remarks: tuple[str, ...], kind: str, means: tuple[str, str, bool, str]
) -> None:
    assert denied(reason, *remarks, kind=kind) == means


def test_what_is_paid_is_no_denial_and_an_item_names_the_edit() -> None:
    assert denial_of(answer().lines[0], rules()) is None
    (item,) = denial_items(CLAIM, answer(one=[("CO", "236", 10000)]), rules(), TICK)
    assert item.detail.endswith("(the edit pair-conflict would have held it)")
    assert [appealable(a) for a in ("appeal", "appeal-with-proof", "next-appeal", "review")] == [
        True,
        True,
        True,
        False,
    ]


def sums_of(*payments: Payment) -> dict[Account, int]:
    found: dict[Account, int] = {}
    for payment in payments:
        for entry in post_payment(payment, rules(), AT):
            for side in entry.lines:
                found[side.account] = found.get(side.account, 0) + side.amount
    return found


def test_each_kind_of_adjustment_moves_its_own_balance_and_all_add_up_to_the_payment() -> None:
    """Interest, a recovery, a refund acknowledged, a balance applied, tax withheld, and a code that nobody knows."""
    told = (("L6", -537), ("WO", 6200), ("72", -1000), ("FB", 800), ("IR", 300), ("ZZ", 45))
    taken = tuple(ProviderAdjustment(code, amount, f"R-{code}") for code, amount in told)
    payment = replace(PAID, amount=15900 - sum(a.amount for a in taken), adjustments=taken)
    assert payment_mismatches(payment) == ()
    sums = sums_of(payment)
    assert sums == {
        Account.INTEREST: 537,
        Account.RECOUPMENT: 5200,
        Account.BALANCE_FORWARD: 800,
        Account.WITHHELD: 345,
        Account.PROVIDER_LEVEL: -6882,
    }
    assert cash({**sums, Account.PAYER_PAYMENT: 15900}) == payment.amount


@given(st.lists(st.tuples(st.sampled_from(["L6", "WO", "72", "FB", "CS", "J1", "IR", "ZZ"]), st.integers(-9999, 9999))))
def test_the_cash_of_any_payment_is_its_amount(told: list[tuple[str, int]]) -> None:
    taken = tuple(ProviderAdjustment(code, amount) for code, amount in told)
    payment = replace(PAID, amount=100_000 - sum(a.amount for a in taken), claims=(("a", 100_000),), adjustments=taken)
    assert cash({**sums_of(payment), Account.PAYER_PAYMENT: 100_000}) == payment.amount


def paid_in(record: PersonRecord, *payments: Payment) -> PersonRecord:
    for payment in payments:
        record = with_payment(record, payment, rules(), TICK)
    return record


def open_codes(record: PersonRecord) -> list[tuple[str, int]]:
    return [(item.code, item.amount) for item in record.work if item.closed is None]


def of(number: str, *taken: ProviderAdjustment, claims: int = 100_000) -> Payment:
    amount = claims - sum(a.amount for a in taken)
    return Payment(number, "first", amount, (("a", claims),), taken)


def test_a_recovery_that_was_given_back_or_refunded_is_looked_at_no_more() -> None:
    taken, back = of("E1", ProviderAdjustment("WO", 6200, "OLD-7")), of("E2", ProviderAdjustment("72", -6200, "OLD-7"))
    once = paid_in(PersonRecord("lane"), taken)
    assert open_codes(once) == [("WO", 6200)]
    assert open_codes(paid_in(once, of("E3", ProviderAdjustment("72", -6200, "OLD-8")))) == [("WO", 6200)]
    assert open_codes(paid_in(once, of("E3", ProviderAdjustment("72", -200, "OLD-7")))) == [("WO", 6200)]
    both = paid_in(once, back)
    assert open_codes(both) == []
    assert [item.closed_why for item in both.work] == ["settled"]
    assert paid_in(both, taken, back) == both
    assert open_codes(paid_in(PersonRecord("lane"), back, taken)) == []


def test_more_applied_than_was_ever_carried_is_asked_about_until_it_is_explained() -> None:
    away = of("E1", ProviderAdjustment("FB", -800), claims=-800)
    back = of("E2", ProviderAdjustment("FB", 800))
    assert open_codes(paid_in(PersonRecord("lane"), away)) == []
    assert open_codes(paid_in(PersonRecord("lane"), away, back)) == []
    early = paid_in(PersonRecord("lane"), back)
    assert open_codes(early) == [("FB", 800)]
    assert open_codes(paid_in(early, away)) == []
    more = paid_in(PersonRecord("lane"), away, back, of("E3", ProviderAdjustment("FB", 50)))
    assert open_codes(more) == [("FB", 50)]
    assert open_codes(paid_in(more, of("E4", ProviderAdjustment("FB", 20)))) == [("FB", 70)]
