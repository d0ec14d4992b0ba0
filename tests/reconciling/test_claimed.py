"""Claims and their money in the rows: which day, which amount and which work a difference bears."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from adapters.model.charge import Hold, Release
from adapters.model.claim import ClaimEvent, ClaimOnFile, ClaimState
from adapters.model.event import Event, Status
from adapters.model.ledger import Account, Entry, EntryLine, Money
from adapters.model.reconciliation import RowMoney, Stage
from adapters.model.record import PersonRecord, SubmissionNews
from adapters.model.site import Mode
from adapters.model.work import WorkItem, item_id, open_item
from adapters.pipeline import House, step
from tests.model.clinic import (
    adjudication,
    background,
    exams,
    fed,
    fraction,
    happened,
    house,
    moment,
    of_state,
    paid_in_full,
    sent,
    sessions,
)
from tests.reconciling.looking import coded, comparing, looked, marks, named, only, row_of, shared

MONDAY = "2026-03-02"
NEXT = "2026-03-09"
TOLD = moment("2026-03-11")


def at(**more: object) -> House:
    return house("freestanding", **more)


def week() -> list[Event]:
    given = sessions(MONDAY, 5)
    return [*background(), *given, *exams(given)]


def due(events: list[Event], clinic: House, day: str) -> PersonRecord:
    """The record after the events came, and after the evening of a later day."""
    return step(fed(events, clinic, moment(max(e.said for e in events).date())), [], clinic, moment(day))


def decided(
    record: PersonRecord,
    clinic: House,
    adjustments: dict[int, list[tuple[str, str, int]]],
    paid_on: date | None = None,
) -> PersonRecord:
    """The record after its claims left, and were decided two days later."""
    ready = of_state(record, ClaimState.READY)
    record = sent(record, clinic, moment(NEXT))
    for claim in ready:
        answer = replace(adjudication(claim, adjustments=adjustments), paid_on=paid_on)
        news = SubmissionNews(claim.claim.id, ClaimEvent.ADJUDICATE, "200", answer)
        record = happened(record, clinic, TOLD, news)
    return record


def line_of(claim: ClaimOnFile, record: PersonRecord, day: str) -> tuple[int, int, str]:
    """Line number, amount and charge of the session of a day."""
    ids = [c.id for c in record.charges if c.charge.slot.service == "delivery" and c.charge.start.isoformat() == day]
    (line,) = (line for line in claim.claim.lines if set(line.charges) & set(ids))
    return line.line, line.amount, line.charges[0]


def about(claim: ClaimOnFile, code: str, detail: str) -> WorkItem:
    """An item about a claim."""
    made = open_item("claim-late", code, claim.claim.id, category="test", action="look", opened=TOLD.now, person="p1")
    return replace(made, detail=detail)


# ---------------------------------------------------------------- before it leaves


def test_a_due_charge_is_named_the_day_after_its_cycle_closed() -> None:
    clinic = at(cycle="month")
    record = due(week(), clinic, "2026-03-20")
    assert named(row_of(shared(record, clinic, "2026-04-01"), "session 1")) == []
    late = only(row_of(shared(record, clinic, "2026-04-02"), "session 1"))
    assert (late.name, late.days, late.since) == ("not-claimed", 1, date(2026, 4, 1))


def test_a_correction_bears_what_the_line_comes_to_now() -> None:
    clinic = at()
    paid = paid_in_full(due(week(), clinic, NEXT), clinic, moment(NEXT))
    known_better = fraction(f"{MONDAY}T09:00", 1, said="2026-03-10T08:00", isocenters=2)
    record = step(fed([known_better], clinic, moment("2026-03-10"), paid), [], clinic, moment("2026-03-16"))
    (waits,) = of_state(record, ClaimState.READY)
    (before,) = of_state(record, ClaimState.COMPLETE)
    _, now, _ = line_of(waits, record, MONDAY)
    assert now != before.claim.lines[0].amount
    assert only(row_of(shared(record, clinic, "2026-03-30"), "session 1")).amount == now


def test_a_claim_that_waits_says_what_its_open_work_says() -> None:
    clinic = at()
    record = due(week(), clinic, NEXT)
    (claim,) = of_state(record, ClaimState.READY)
    first, second = about(claim, "a", "the network is down"), about(claim, "b", "and the lamp is broken")
    over = replace(first, closed=TOLD.now, closed_why="done", closed_by="kim")

    def said(*work: WorkItem) -> tuple[str, str]:
        found = shared(replace(record, work=work), clinic, "2026-03-12")
        difference = only(row_of(found, "session 1"))
        return difference.detail, difference.item

    assert said() == (f"built on {claim.claim.built_on}, ready", "")
    assert said(first, second) == (first.detail, first.id)
    assert said(over, second) == (second.detail, second.id)
    assert said(over) == (f"built on {claim.claim.built_on}, ready", "")


def test_a_held_claim_with_work_of_its_own_names_that_and_no_line() -> None:
    clinic = at(payer_options={"claim.completeness": "cycle"})
    record = due([*background(), *sessions(MONDAY, 5)], clinic, NEXT)
    (claim,) = of_state(record, ClaimState.HELD)
    item = about(claim, "a", "somebody looks at it")
    found = shared(replace(record, work=(*record.work, item)), clinic, "2026-03-12")
    difference = row_of(found, "session 1").differences[0]
    assert (difference.detail, difference.code, difference.item) == (item.detail, "", item.id)


def test_a_held_claim_waits_for_a_line_of_its_own_entity() -> None:
    clinic = at(payer_options={"claim.completeness": "cycle"})
    record = due([*background(), *sessions(MONDAY, 5)], clinic, NEXT)
    (claim,) = of_state(record, ClaimState.HELD)
    (mine,) = (h for h in record.holds if h.would is not None and h.would.entity == claim.claim.entity.id)
    assert mine.would is not None
    other = replace(mine, code="review-needed", would=replace(mine.would, entity="somebody-else"))
    charge = next(c for c in record.charges if c.claim == claim.claim.id)
    found = shared(replace(record, holds=(other, *record.holds)), clinic, "2026-03-12")
    (row,) = (row for row in found.rows if charge.id in row.charges)
    assert {d.code for d in row.differences if d.name == "not-claimed"} == {mine.code}


# ---------------------------------------------------------------- at the payer


def test_what_a_payer_refuses_is_dated_by_its_work() -> None:
    clinic = at()
    record = sent(due(week(), clinic, NEXT), clinic, moment(NEXT))
    (claim,) = of_state(record, ClaimState.UNKNOWN)
    refused = happened(record, clinic, TOLD, SubmissionNews(claim.claim.id, ClaimEvent.REFUSE, "422"))
    (item,) = (one for one in refused.work if one.kind == "refused-claim" and one.about == claim.claim.id)
    other = about(claim, "a", "of another kind")
    row = row_of(shared(replace(refused, work=(other, *refused.work)), clinic, "2026-03-13"), "session 1")
    difference = only(row)
    assert (marks(row), difference.name, difference.item) == (".+++!.", "refused", item.id)
    assert (difference.since, difference.days) == (date(2026, 3, 11), 2)
    bare = shared(replace(refused, work=()), clinic, "2026-03-13")
    assert only(row_of(bare, "session 1")).since == date(2026, 3, 9), "the day on which it left"


def test_what_is_paid_in_part_is_told_apart_from_what_is_not_paid() -> None:
    clinic = at()
    record = due(week(), clinic, NEXT)
    (claim,) = of_state(record, ClaimState.READY)
    (first, amount, _), (second, whole, _) = (line_of(claim, record, day) for day in (MONDAY, "2026-03-03"))
    told = {first: [("CO", "197", amount - 100)], second: [("CO", "197", whole)]}
    share = shared(decided(record, clinic, told), clinic, "2026-03-12")
    part, none = (only(row_of(share, name)) for name in ("session 1", "session 2"))
    assert (part.name, part.amount, part.since) == ("part-denied", amount - 100, date(2026, 3, 11))
    assert (none.name, none.amount, none.since) == ("denied", whole, date(2026, 3, 11))
    assert marks(row_of(share, "session 3")) == ".+++++"


def test_a_denial_bears_the_work_that_is_open() -> None:
    clinic = at()
    record = due(week(), clinic, NEXT)
    (claim,) = of_state(record, ClaimState.READY)
    line, amount, _ = line_of(claim, record, MONDAY)
    record = decided(record, clinic, {line: [("CO", "197", amount)]})
    (first,) = (i for i in record.work if i.kind == "denial")
    again = replace(first, id=item_id("denial", f"{claim.claim.id}|{line}", "16"), code="16")

    def over(one: WorkItem) -> WorkItem:
        return replace(one, closed=one.opened, closed_why="done", closed_by="kim")

    for work, item in (((first, over(again)), first), ((over(first), again), again), ((over(first),), first)):
        difference = shared(replace(record, work=work), clinic, "2026-03-12")
        found = only(row_of(difference, "session 1"))
        assert (found.item, found.code) == (item.id, item.code)


@pytest.mark.parametrize(("paid_on", "day"), [(date(2026, 3, 10), "2026-03-10"), (None, "2026-03-11")])
def test_a_line_is_paid_on_the_day_that_the_payer_says(paid_on: date | None, day: str) -> None:
    clinic = at()
    record = decided(due(week(), clinic, NEXT), clinic, {}, paid_on)
    ours = Entry(
        "later",
        moment("2026-03-20").now,
        "credit:1",
        tuple(
            EntryLine(account, amount, record.claims[0].claim.id, 1)
            for account, amount in ((Account.PAYER_PAYMENT, 5), (Account.RECEIVABLE, -5))
        ),
    )
    share = shared(replace(record, entries=(*record.entries, ours)), clinic, "2026-03-21")
    assert row_of(share, "session 2").at(Stage.PAID).on == date.fromisoformat(day)
    assert {lag.paid for lag in share.lags} == {date.fromisoformat(day)}


def test_a_row_has_left_and_is_paid_only_with_all_its_lines() -> None:
    """The technical part and the professional part of a session are two lines, on claims of two entities."""
    clinic = house("hospital", payer_options={"claim.completeness": "none"})
    days = [f"2026-03-0{day}" for day in range(2, 7)]
    given = [
        fraction(f"{day}T09:00", n, guidance="cbct", guidance__reviewed_at=f"{day}T10:00:00-05:00")
        for n, day in enumerate(days, 1)
    ]
    record = due([*background(), *given, *exams(given)], clinic, NEXT)
    share = shared(record, clinic, NEXT)
    row = next(row for row in share.rows if row.name == "session 1" and len(row.charges) > 1)
    claims = {c.claim for c in record.charges if c.id in row.charges}
    assert len(claims) == 2
    one = next(claim for claim in of_state(record, ClaimState.READY) if claim.claim.id in claims)
    gone = happened(record, clinic, moment(NEXT), SubmissionNews(one.claim.id, ClaimEvent.SEND, "sent"))
    gone = happened(gone, clinic, moment(NEXT), SubmissionNews(one.claim.id, ClaimEvent.TAKE, "202"))
    assert marks(row_of(shared(gone, clinic, NEXT), "session 1"))[4:] == ".."
    paid = happened(
        gone, clinic, moment(NEXT), SubmissionNews(one.claim.id, ClaimEvent.ADJUDICATE, "200", adjudication(one))
    )
    assert marks(row_of(shared(paid, clinic, NEXT), "session 1"))[4:] == ".."
    assert marks(row_of(shared(paid_in_full(paid, clinic, moment(NEXT)), clinic, NEXT), "session 1"))[4:] == "++"


# ---------------------------------------------------------------- money


def test_money_of_a_claim_without_a_line_is_in_the_row_of_its_first_line() -> None:
    clinic = at()
    record = paid_in_full(due(week(), clinic, NEXT), clinic, moment(NEXT))
    (claim,) = record.claims
    first = claim.claim.lines[0].charges[0]
    sides = ((Account.PAYER_PAYMENT, -700), (Account.RECEIVABLE, 700))
    loose = tuple(EntryLine(account, amount, claim.claim.id, None) for account, amount in sides)
    strange = tuple(EntryLine(account, amount, claim.claim.id, 99) for account, amount in sides)
    nobodys = tuple(EntryLine(account, amount, "no-claim-of-ours", 1) for account, amount in sides)
    more = tuple(Entry(str(i), TOLD.now, "payment:1", lines) for i, lines in enumerate((loose, strange, nobodys)))
    before = shared(record, clinic, "2026-03-12")
    after = shared(replace(record, entries=(*record.entries, *more)), clinic, "2026-03-12")
    for row, was in zip(after.rows, before.rows, strict=True):
        moved = Money(paid=-1400, open=1400) if first in row.charges else Money()
        assert row.money == was.money + RowMoney.of(moved)
    assert (before.elsewhere, after.elsewhere) == (Money(), Money(paid=-700, open=700))


def test_a_better_line_kept_back_beside_a_lesser_one_is_not_held_money() -> None:
    clinic = at()
    record = fed([*background(), *sessions(MONDAY, 1)], clinic, moment(MONDAY))
    (lesser,) = (one for one in record.charges if one.charge.slot.service == "delivery")
    would = replace(lesser.charge, price=Decimal("999.00"))
    better = Hold(lesser.charge.slot, "documentation-missing", Release.PERSON, would, would.why, instead_of=True)
    row = row_of(shared(replace(record, holds=(better,)), clinic, "2026-03-03"), "session 1")
    alone = row_of(
        shared(replace(record, holds=(replace(better, instead_of=False),)), clinic, "2026-03-03"), "session 1"
    )
    assert (row.money.held, alone.money.held) == (0, 99900)
    assert [d.amount for d in row.differences] == [99900 - lesser.charge.amount]
    assert [d.amount for d in alone.differences] == [99900]


def test_a_service_taken_back_is_told_as_long_as_it_is_billed_and_since_its_own_report() -> None:
    clinic = at()
    both = [fraction(f"2026-03-0{day}T09:00", n, line=f"l{n}") for n, day in ((1, 2), (2, 3))]
    paid = paid_in_full(due([*background(), *both], clinic, NEXT), clinic, moment(NEXT))
    gone = [
        fraction(f"2026-03-0{day}T09:00", n, line=f"l{n}", said=f"2026-03-1{n}T08:00", status=Status.WITHDRAWN)
        for n, day in ((1, 2), (2, 3))
    ]
    record = fed(gone, clinic, moment("2026-03-12"), paid)
    told = {row.day.day: only(row) for row in shared(record, clinic, "2026-03-13").rows if row.differences}
    assert {day: (d.name, d.since.day) for day, d in told.items()} == {
        2: ("billed-not-delivered", 11),
        3: ("billed-not-delivered", 12),
    }
    billed = [x for e in record.entries for x in e.lines if x.account is Account.CHARGES]
    undone = tuple(
        Entry(
            f"u{i}",
            TOLD.now,
            "claim:undone",
            (replace(x, amount=-x.amount), EntryLine(Account.RECEIVABLE, x.amount, x.claim, x.line)),
        )
        for i, x in enumerate(billed)
    )
    after = shared(replace(record, entries=(*record.entries, *undone)), clinic, "2026-03-13")
    assert [(row.money.billed, named(row)) for row in after.rows] == [(0, []), (0, [])], "what was paid is still there"


# ---------------------------------------------------------------- whose, and when


def test_a_lane_of_another_person_gives_no_row_of_its_own() -> None:
    record = fed(week(), at(), moment("2026-03-06"))
    assert shared(record, at(), NEXT).rows
    assert shared(replace(record, root="p9"), at(), NEXT).rows == ()


def test_detections_and_lags_keep_to_the_span_and_to_what_was_delivered() -> None:
    clinic = comparing("delivery")
    extra = coded("77407", "2026-03-04")
    events = [*background(), fraction(f"{MONDAY}T09:00", 1), extra]
    whole = looked(events, clinic, "2026-03-30")
    assert whole.detections
    accepted = looked(events, comparing("delivery", mode=Mode.ACCEPT), "2026-03-30")
    assert row_of(accepted, "charge 77407").charges, "it is charged, and nothing was delivered"
    for share in (whole, accepted):
        assert {lag.row for lag in share.lags} <= {row.id for row in share.rows if row.kind == "fraction"}
    assert whole.lags
    record = fed(events, clinic, moment("2026-03-30"))
    days = {one.day for one in whole.detections}
    for day in sorted(days | {date(2026, 3, 5)}):
        kept = shared(record, clinic, "2026-03-30", (day, day)).detections
        assert [one.about for one in kept] == [one.about for one in whole.detections if one.day == day]
