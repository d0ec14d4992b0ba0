"""Lines and claims of a course's page: what is shown at all, and what became of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.model.claim import ClaimOnFile, ClaimState
from adapters.model.ledger import Money
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.work import open_item
from adapters.pages.course_books import Books
from adapters.pages.course_lines import Lines, fate_of_claim
from adapters.pages.course_view import Fate
from adapters.pipeline import House, step
from tests.model.clinic import background, exams, fed, house, moment, paid_in_full, sessions

MONDAY, NEXT = "2026-03-02", "2026-03-09"
EPISODE = "p1/C1"


@pytest.fixture(scope="module")
def at() -> House:
    return house("freestanding")


@pytest.fixture(scope="module")
def paid(at: House) -> PersonRecord:
    given = sessions(MONDAY, 5)
    record = fed([*background(), *given, *exams(given)], at, moment("2026-03-06"))
    return paid_in_full(step(record, [], at, moment(NEXT)), at, moment(NEXT))


def lines(record: PersonRecord, at: House) -> Lines:
    return Lines.of(record, at.rules, at.site)


def in_state(record: PersonRecord, state: ClaimState) -> PersonRecord:
    return replace(record, claims=tuple(replace(claim, state=state) for claim in record.claims))


@pytest.mark.parametrize(
    ("money", "fate"),
    [
        (Money(billed=10, paid=10), Fate.PAID),
        (Money(billed=10, paid=4, denied=6), Fate.PART_DENIED),
        (Money(billed=10, denied=10), Fate.DENIED),
        (Money(billed=10, contractual=10), Fate.SETTLED),
    ],
)
def test_a_claim_is_told_by_its_money_and_an_accepted_void_by_what_it_is(
    paid: PersonRecord, money: Money, fate: Fate
) -> None:
    (claim,) = paid.claims
    void = replace(claim, claim=replace(claim.claim, frequency="8"))
    assert fate_of_claim(claim, money) is fate
    assert fate_of_claim(void, money) is Fate.VOID
    assert fate_of_claim(replace(void, state=ClaimState.READY), money) is Fate.CLAIMED


def test_a_void_charge_is_shown_where_a_payer_once_had_it(paid: PersonRecord, at: House) -> None:
    charge = paid.charges[0]
    void = replace(charge, status=ChargeStatus.VOID)
    never = {ClaimState.BUILT, ClaimState.HELD, ClaimState.READY, ClaimState.ABANDONED}
    for state in ClaimState:
        seen = lines(in_state(paid, state), at)
        assert seen.shown(charge), "what is not void is always shown"
        assert seen.shown(void) is (state not in never), state
    assert not lines(paid, at).shown(replace(void, claim=""))


def test_a_claim_that_was_abandoned_is_not_in_the_books(paid: PersonRecord, at: House) -> None:
    (claim,) = paid.claims
    gone: ClaimOnFile = replace(claim, claim=replace(claim.claim, id="gone"), state=ClaimState.ABANDONED)
    both = replace(paid, claims=(gone, claim))
    books = Books.of(both, EPISODE, lines(both, at))
    assert [view.id for view in books.views()] == [claim.claim.id]
    assert Books.of(both, "p1/C2", lines(both, at)).views() == ()


def test_the_books_hold_the_money_and_the_open_work_of_their_claims_alone(paid: PersonRecord, at: House) -> None:
    (claim,) = paid.claims
    item = open_item(
        "denial", "16", claim.claim.id, category="c", action="look-again", opened=moment(NEXT).now, person="p1"
    )
    over = replace(item, id="over", closed=item.opened, closed_why="done", closed_by="kim")
    held, strange = replace(item, id="held", kind="hold"), replace(item, id="strange", about="another claim")
    record = replace(paid, work=(over, held, strange, item))
    elsewhere = tuple(
        replace(entry, id=f"{entry.id}-2", lines=tuple(replace(line, claim="another claim") for line in entry.lines))
        for entry in paid.entries
    )
    record = replace(record, entries=(*paid.entries, *elsewhere))
    books = Books.of(record, EPISODE, lines(record, at))
    assert [(work.claim, work.action) for work in books.work()] == [(claim.claim.id, "look again")]
    assert sum(amount for _, amount in books.balance()) == 0
    told = dict(books.balance())
    mine = [line for entry in paid.entries for line in entry.lines]
    assert told == {account: sum(x.amount for x in mine if x.account is account) for account in told}
    assert books.views()[0].money.paid == claim.claim.total
