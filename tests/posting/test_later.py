"""A later payer's answer: only what is new posts, never more than was left, and it can be taken back."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.claim import Claim, ClaimLine, ClaimType, Party
from adapters.model.ledger import Account, Entry
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.model.work import WorkItem
from adapters.posting import billed, post
from adapters.posting.later import earlier_answers, later_denials, of_later_payer, post_later, share_of, shares
from tests.model.clinic import moment, rules

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = date(2026, 2, 2)


def claim(id: str, *amounts: int, sequence: int = 1, follows: str = "") -> Claim:
    lines = tuple(
        ClaimLine(n, (f"ch{n}",), "77412", (), 1, DAY, DAY, amount, (1,), "global")
        for n, amount in enumerate(amounts, 1)
    )
    nobody = Party("x", "X")
    return Claim(
        id, ClaimType.PROFESSIONAL, "p", "1", nobody, Party("oak", "Oak"), "c", "m", lines, ("C61",), DAY, nobody,
        sequence=sequence, follows=follows,
    )  # fmt: skip


def answer(id: str, of: str, *lines: tuple[int, int, tuple[Adjustment, ...]], **more: object) -> Remittance:
    told = tuple(RemittanceLine(n, charge, charge - sum(a.amount for a in taken), taken) for n, charge, taken in lines)
    return Remittance(id, of, Decision.ADJUDICATED, lines=told, **more)  # type: ignore[arg-type]


def first_answered(charge: int, left: int) -> list[Entry]:
    """Entries of a one-line claim of which the first payer has left so much to the patient, giving up nothing."""
    one = claim("c1", charge)
    told = answer("a1", "c1", (1, charge, (Adjustment("PR", "2", left),)))
    return [billed(one, AT), *post(one, told, rules(), AT).entries]


def total(entries: list[Entry], account: Account) -> int:
    return sum(line.amount for entry in entries for line in entry.lines if line.account is account)


def test_who_is_a_later_payer() -> None:
    plain, later = answer("a", "c1"), answer("a", "c1", payer="elm")
    assert not of_later_payer(claim("c1", 100), plain)
    assert of_later_payer(claim("c1", 100), later)
    assert of_later_payer(claim("c2", 100, sequence=2, follows="c1"), plain)
    assert not of_later_payer(claim("c1", 100), answer("a", "c1", payer="oak"))


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ((Adjustment("OA", "23", 900), Adjustment("PR", "2", 20)), (80, 0, 0)),
        # One that writes its whole reduction as CO-45: what an earlier payer was given up already counts no second time.
        ((Adjustment("CO", "45", 920),), (80, 20, 0)),
        ((Adjustment("OA", "23", 900), Adjustment("CO", "197", 100)), (0, 0, 100)),
        ((Adjustment("OA", "23", 900), Adjustment("PR", "96", 100)), (0, 0, 0)),
    ],
)
def test_what_an_answer_takes_off_a_share_of_a_hundred(
    taken: tuple[Adjustment, ...], expected: tuple[int, int, int]
) -> None:
    line = answer("a2", "c2", (1, 1000, taken)).lines[0]
    share = share_of(line, 100, rules())
    assert (share.paid, share.given_up, share.denied) == expected


def test_a_second_answer_stands_in_place_of_the_first_and_a_reversal_in_place_of_none() -> None:
    entries = first_answered(1000, 100)
    second = claim("c2", 1000, sequence=2, follows="c1")
    one = answer("b1", "c2", (1, 1000, (Adjustment("OA", "23", 940),)))
    entries += post_later(second, one, rules(), AT, entries, ()).entries
    assert shares(entries, "c1") == {1: 40}
    two = answer("b2", "c2", (1, 1000, (Adjustment("OA", "23", 910),)))
    before = earlier_answers(second, two, [one], {"c2": second})
    assert before == ("b1",)
    entries += post_later(second, two, rules(), AT, entries, before).entries
    assert shares(entries, "c1") == {1: 10}
    back = answer("b3", "c2", (1, -1000, (Adjustment("OA", "23", -910),)), reversal=True)
    entries += post_later(second, back, rules(), AT, entries, ("b1", "b2")).entries
    assert shares(entries, "c1") == {1: 100}
    assert total(entries, Account.PAYER_PAYMENT) == 900


AMOUNTS = st.integers(0, 50_000)
SORTS = st.sampled_from([("CO", "45"), ("CO", "197"), ("OA", "23"), ("PR", "1"), ("PR", "2"), ("PI", "22")])


@given(AMOUNTS, st.data())
def test_any_later_answer_leaves_the_books_in_order(left: int, data: st.DataObject) -> None:
    """Nothing is receivable that was not, nothing given up beyond what was left, and an over-payment shows as credit."""
    charge = data.draw(st.integers(left, 90_000))
    rest, taken = charge, []
    for group, reason in data.draw(st.lists(SORTS, max_size=4)):
        amount = data.draw(st.integers(0, rest))
        rest -= amount
        taken.append(Adjustment(group, reason, amount))
    entries = first_answered(charge, left)
    open_before = total(entries, Account.RECEIVABLE)
    second = claim("c2", charge, sequence=2, follows="c1")
    told = answer("b", "c2", (1, charge, tuple(taken)))
    made = list(post_later(second, told, rules(), AT, entries, ()).entries)
    everything = [*entries, *made]
    assert total(everything, Account.RECEIVABLE) == open_before
    assert total(everything, Account.CHARGES) == -charge
    share = shares(everything, "c1").get(1, 0)
    assert total(made, Account.CONTRACTUAL) + total(made, Account.DENIED) <= max(0, left)
    if rest <= left:
        assert 0 <= share <= left
    else:
        assert share == left - rest
    again = list(post_later(second, told, rules(), AT, everything, ("b",)).entries)
    assert shares([*everything, *again], "c1") == shares(everything, "c1")


def test_a_later_payers_refusal_is_read_as_any_others() -> None:
    """By the payer's own reading of the reason, and by the remark where the reason only says that the remarks say why."""
    entries = first_answered(10_000, 3_000)
    second = claim("c2", 10_000, sequence=2, follows="c1")

    def item(*adjustments: Adjustment, kind: str = "") -> WorkItem:
        told = answer("b", "c2", (1, 10_000, (Adjustment("OA", "23", 7_000), *adjustments)))
        made = post_later(second, told, rules(), AT, entries, (), kind).entries
        (found,) = later_denials(second, told, made, rules(), moment("2026-03-02"), kind)
        assert found.amount == 3_000
        return found

    late = Adjustment("CO", "29", 3_000)
    assert item(late, kind="medicare").action == "exception-review"
    assert item(late).action != "exception-review"
    vague = Adjustment("CO", "16", 3_000)
    told = item(Adjustment("CO", "16", 3_000, ("N382",)))
    assert (told.category, "[N382]" in told.detail) == ("eligibility", True)
    assert item(vague).category != told.category
