"""The life of a work item."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adapters.model.charge import Release
from adapters.model.work import WorkItem, open_item
from adapters.work import CLAIM_INVALID, of_holds, settle
from tests.model.clinic import fraction, house, rules, screened

NOW = datetime(2026, 1, 5, 20, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def items(n: int = 1) -> tuple[WorkItem, ...]:
    days = [fraction(f"2025-12-{20 + i}T09:00", i) for i in range(1, n + 1)]
    outcomes = screened(days, house("freestanding", options={}))
    return of_holds(outcomes.holds, rules(), "p1", NOW)


def test_lines_that_wait_for_a_person_are_items_with_their_next_step() -> None:
    (item,) = items()
    assert (item.kind, item.code, item.category, item.person) == ("hold", "option-missing", "delivery", "p1")
    assert item.action == rules().hold("option-missing").next_step
    assert item.about == "p1/C1|delivery|n:#1|-"
    assert item.amount == 0


def test_an_item_is_worth_the_line_it_keeps_back() -> None:
    session = fraction("2026-01-05T09:00", 1, isocenters=None)
    (item,) = of_holds(screened([session]).holds, rules(), "p1", NOW)
    assert item.code == "isocenters-unknown"
    assert item.amount > 0


def test_what_waits_by_itself_or_is_never_paid_is_no_item() -> None:
    session = fraction("2026-01-05T09:00", 1, guidance="cbct")
    outcomes = screened([session])
    assert {h.release for h in outcomes.holds} == {Release.NEVER, Release.WAIT}
    assert of_holds(outcomes.holds, rules(), "p1", NOW) == ()


def test_an_item_is_opened_kept_and_closed_when_its_cause_is_gone() -> None:
    wanted = items(2)
    opened = settle((), wanted, NOW)
    assert opened == wanted
    assert settle(opened, wanted, LATER) == opened
    gone = settle(opened, wanted[:1], LATER)
    assert [(i.closed, i.closed_why) for i in gone] == [(None, ""), (LATER, "settled")]


def test_the_same_trouble_again_opens_its_item_again() -> None:
    wanted = items()
    closed = settle(wanted, (), LATER)
    (again,) = settle(closed, wanted, LATER)
    assert (again.id, again.closed, again.opened) == (wanted[0].id, None, LATER)


def test_an_open_item_says_what_is_so_now_and_keeps_whose_it_is() -> None:
    (item,) = items()
    mine = replace(item, assigned="kim", amount=1)
    (fresh,) = settle((mine,), (replace(item, amount=99, detail="other"),), LATER)
    assert (fresh.assigned, fresh.amount, fresh.detail, fresh.opened) == ("kim", 99, "other", NOW)


def test_what_a_person_closed_stays_closed() -> None:
    (item,) = items()
    done = replace(item, closed=NOW, closed_why="written off")
    assert settle((done,), (item,), LATER) == (done,)


def test_items_of_other_kinds_and_of_invalid_claims_are_left_alone() -> None:
    denial = open_item("denial", "197", "c1", category="authorization", action="get", opened=NOW)
    invalid = open_item("hold", CLAIM_INVALID, "c1", category="submission", action="repair", opened=NOW)
    assert settle((denial, invalid), (), LATER) == (denial, invalid)
