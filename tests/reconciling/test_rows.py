"""Rows: every delivered service once, its six stages, where it stops, since when and for how much."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from adapters.model.charge import Hold, Release
from adapters.model.claim import ClaimEvent, ClaimState
from adapters.model.event import Event, Status
from adapters.model.ledger import Money
from adapters.model.live import Live
from adapters.model.reconciliation import Mark, RowMoney, Stage, Standing
from adapters.model.record import PersonRecord, SubmissionNews
from adapters.model.site import Mode
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
    report,
    sent,
    sessions,
)
from tests.model.visits import DAY as VISIT_DAY
from tests.model.visits import dose, everything, place
from tests.reconciling.looking import SINCE, coded, comparing, looked, marks, named, only, row_of, shared

MONDAY = "2026-03-02"
NEXT = "2026-03-09"


def at(**more: object) -> House:
    return house("freestanding", **more)


def week(**more: object) -> list[Event]:
    given = sessions(MONDAY, 5, **more)
    return [*background(), *given, *exams(given)]


def due(events: list[Event], clinic: House, day: str) -> PersonRecord:
    """The record after the events came, and after the evening of a later day."""
    record = fed(events, clinic, moment(max(e.said for e in events).date()))
    return step(record, [], clinic, moment(day))


def booking(day: str, hour: int = 9, expects: str = "fraction", **more: object) -> Event:
    """A booked session at a machine."""
    facts: dict[str, object] = {"state": "booked", "expects": expects, "machine": "LINAC1", **more}
    return report("appointment", f"{day}T{hour:02}:00", course="", line=f"appointment|{day}|{hour}", **facts)  # type: ignore[arg-type]


# ---------------------------------------------------------------- the path of a session


def test_a_session_goes_from_booking_to_payment() -> None:
    clinic = at()
    events = [*week(), *(booking(str(date.fromisoformat(MONDAY) + timedelta(days=i))) for i in range(5))]
    fresh = fed(events, clinic, moment("2026-03-06"))
    assert marks(row_of(shared(fresh, clinic, "2026-03-06"), "session 2")) == "++++.."
    built = step(fresh, [], clinic, moment(NEXT))
    assert of_state(built, ClaimState.READY)
    paid = paid_in_full(built, clinic, moment(NEXT))
    row = row_of(shared(paid, clinic, "2026-03-10"), "session 2")
    assert marks(row) == "++++++"
    assert (row.machine, row.clinic, row.course, row.kind) == ("LINAC1", "CENTER", "C1", "fraction")
    assert row.at(Stage.PAID).on == date.fromisoformat(NEXT)
    assert row.differences == ()
    assert row.money.paid == row.money.billed > 0
    assert row.money.open == 0


def test_a_claim_that_does_not_leave_is_named_the_day_after() -> None:
    clinic = at()
    built = due(week(), clinic, NEXT)
    assert marks(row_of(shared(built, clinic, NEXT), "session 1")) == ".+++.."
    row = row_of(shared(built, clinic, "2026-03-12"), "session 1")
    difference = only(row)
    assert (difference.name, difference.stage, difference.days, difference.actor) == (
        "not-claimed",
        Stage.CLAIMED,
        3,
        "biller",
    )
    assert difference.amount == row.money.unbilled > 0
    assert difference.standing is Standing.CARRIED
    assert row.at(Stage.CLAIMED).mark is Mark.NO


def test_a_due_charge_waits_for_its_cycle() -> None:
    clinic = at(cycle="month")
    share = shared(due(week(), clinic, "2026-03-20"), clinic, "2026-03-20")
    assert marks(row_of(share, "session 1")) == ".+++.."
    assert named(row_of(share, "session 1")) == []


def test_a_claim_of_unknown_fate_is_named() -> None:
    clinic = at()
    gone = sent(due(week(), clinic, NEXT), clinic, moment(NEXT))
    row = row_of(shared(gone, clinic, "2026-03-10"), "session 1")
    assert (marks(row), named(row)) == (".+++!.", ["outcome-unknown"])


def test_a_payer_that_does_not_decide_is_named_after_its_days() -> None:
    clinic = at()
    gone = sent(due(week(), clinic, NEXT), clinic, moment(NEXT))
    for claim in of_state(gone, ClaimState.UNKNOWN):
        gone = happened(gone, clinic, moment(NEXT), SubmissionNews(claim.claim.id, ClaimEvent.TAKE, "202"))
    assert marks(row_of(shared(gone, clinic, "2026-04-08"), "session 1")) == ".++++."
    row = row_of(shared(gone, clinic, "2026-04-09"), "session 1")
    assert (marks(row), named(row), only(row).standing) == (".++++!", ["answer-overdue"], Standing.NEW)
    assert only(row_of(shared(gone, clinic, "2026-04-10"), "session 1")).standing is Standing.CARRIED


def test_what_a_payer_denies_is_named_with_its_money() -> None:
    clinic = at()
    record = due(week(), clinic, NEXT)
    for claim in of_state(record, ClaimState.READY):
        denied = {line.line: [("CO", "197", line.amount)] for line in claim.claim.lines}
        record = happened(
            record,
            clinic,
            moment(NEXT),
            SubmissionNews(claim.claim.id, ClaimEvent.SEND, "sent"),
            SubmissionNews(claim.claim.id, ClaimEvent.ADJUDICATE, "200", adjudication(claim, adjustments=denied)),
        )
    row = row_of(shared(record, clinic, "2026-03-10"), "session 1")
    assert (marks(row), named(row)) == (".++++!", ["denied"])
    assert only(row).code == "197"
    assert only(row).item
    assert only(row).amount == row.money.denied == row.money.billed


# ---------------------------------------------------------------- booked


def test_a_booking_whose_day_is_over_without_a_session_is_named() -> None:
    events = [*week(), booking("2026-03-09"), booking("2026-03-10"), booking("2026-03-11", state="cancelled")]
    share = looked(events, at(), "2026-03-10")
    row = row_of(share, "fraction")
    assert (row.day.isoformat(), marks(row), named(row), row.machine) == (
        "2026-03-09",
        "+!....",
        ["not-delivered"],
        "LINAC1",
    )
    assert only(row).standing is Standing.NEW


def test_a_no_show_and_a_withdrawn_booking_are_not_expected() -> None:
    gone = [booking("2026-03-09", state="no-show", status=Status.NOT_DONE)]
    gone.append(booking("2026-03-10", state="deleted", status=Status.WITHDRAWN))
    assert [r.name for r in looked([*week(), *gone], at(), "2026-03-20").rows if r.kind == "fraction"] == [
        f"session {n}" for n in range(1, 6)
    ]


def test_a_session_without_a_booking_is_named_where_bookings_are_sent() -> None:
    row = row_of(looked([*week(), booking(MONDAY)], at(), "2026-03-10"), "session 2")
    assert (row.at(Stage.SCHEDULED).mark, "not-scheduled" in named(row)) == (Mark.NO, True)
    off = at(options={"reconcile.unscheduled": "off"})
    assert "not-scheduled" not in named(row_of(looked([*week(), booking(MONDAY)], off, "2026-03-10"), "session 2"))
    assert row_of(looked(week(), at(), "2026-03-10"), "session 2").at(Stage.SCHEDULED).mark is Mark.NOT_DUE


def test_two_sessions_of_a_day_answer_two_bookings_by_time() -> None:
    twice = [fraction(f"{MONDAY}T08:00", 1), fraction(f"{MONDAY}T15:00", 2)]
    both = [booking(MONDAY, 8, machine="LINAC1"), booking(MONDAY, 15, machine="LINAC2")]
    share = looked([*twice, *both], at(), "2026-03-10")
    assert [(r.name, r.machine) for r in share.rows if r.kind == "fraction"] == [
        ("session 1", "LINAC1"),
        ("session 2", "LINAC2"),
    ]


# ---------------------------------------------------------------- documented and charged


def test_a_unit_without_its_examination_stops_at_the_record() -> None:
    share = looked(sessions(MONDAY, 5), at(), "2026-03-10")
    row = row_of(share, "management unit 1")
    difference = only(row)
    assert marks(row) == ".+!..."
    assert (difference.name, difference.code, difference.actor) == ("not-documented", "documentation-missing", "clinic")
    assert difference.amount == row.money.held > 0
    assert difference.item


def test_what_only_a_setting_keeps_back_goes_to_settings() -> None:
    share = looked([*background(), *sessions(MONDAY, 1)], at(fees=()), "2026-03-10")
    assert (named(row_of(share, "session 1")), only(row_of(share, "session 1")).actor) == (
        ["held-by-settings"],
        "settings",
    )


@pytest.mark.parametrize(("code", "name"), [("77402", "coded-lower"), ("77412", "coded-higher"), ("", "not-coded")])
def test_what_the_ehr_coded_otherwise_is_named_with_the_money_between(code: str, name: str) -> None:
    events = [*background(), fraction(f"{MONDAY}T09:00", 1)]
    events += [coded(code, MONDAY)] if code else []
    share = looked(events, comparing("delivery"), "2026-03-10")
    row = row_of(share, "session 1")
    assert named(row)[0] == name
    assert row.differences[0].amount > 0
    assert row.differences[0].standing is not Standing.CLOSED
    assert len(row.events) == len(events) - 3


def test_once_the_line_has_left_as_recorded_the_coders_slip_is_closed() -> None:
    clinic = comparing("delivery")
    record = due([*background(), fraction(f"{MONDAY}T09:00", 1)], clinic, NEXT)
    before = row_of(shared(record, clinic, NEXT), "session 1")
    assert before.open[0].name == "not-coded"
    after = row_of(shared(paid_in_full(record, clinic, moment(NEXT)), clinic, NEXT), "session 1")
    assert (after.open, after.differences[0].standing) == ((), Standing.CLOSED)


def test_a_charge_without_a_service_is_a_row_of_its_own() -> None:
    extra = coded("77407", "2026-03-04")
    share = looked([*background(), fraction(f"{MONDAY}T09:00", 1), extra], comparing("delivery"), "2026-03-10")
    row = row_of(share, "charge 77407")
    assert (row.id, marks(row), named(row)) == (extra.id, ".!.!..", ["coded-without-service"])


def test_a_second_report_is_told_and_asks_for_nothing() -> None:
    again = fraction(f"{MONDAY}T09:00", 1, line="again", message="m-2", said="2026-03-02T20:00")
    share = looked([*background(), fraction(f"{MONDAY}T09:00", 1), again], at(), "2026-03-03")
    row = row_of(share, "session 1")
    assert [(d.name, d.standing) for d in row.differences] == [("charged-twice", Standing.CLOSED)]
    assert again.id in row.events


def test_in_mode_accept_the_session_bears_their_charge() -> None:
    theirs = coded("77412", MONDAY)
    events = [*background(), fraction(f"{MONDAY}T09:00", 1), theirs]
    share = looked(events, comparing("delivery", mode=Mode.ACCEPT), "2026-03-03")
    row = row_of(share, "session 1")
    assert (row.codes, theirs.id in row.events, len(share.rows)) == (("77412",), True, 1)


def test_an_order_without_a_dose_is_a_row_with_what_the_drug_is_worth() -> None:
    order = report(
        "order",
        VISIT_DAY,
        course="",
        code="J9267",
        drug="J9267",
        dose=300,
        dose__unit="mg",
        route="IV",
        scheduled=f"{VISIT_DAY}T09:00:00-04:00",
        expects="infusion",
        keys=("order:O-1",),
    )
    clinic = place("freestanding")
    row = row_of(looked([order], clinic, "2026-05-10"), "infusion J9267")
    assert (marks(row), named(row)) == ("+!....", ["not-delivered"])
    assert only(row).amount > 0
    assert only(row).item
    given = dose(
        "infusion",
        "09:00",
        "10:00",
        "paclitaxel",
        "chemo",
        code="J9267",
        dose=300,
        dose__unit="mg",
        keys=("order:O-1",),
    )
    both = looked([order, given], clinic, "2026-05-10")
    assert row_of(both, "infusion J9267").at(Stage.SCHEDULED).mark is Mark.YES


# ---------------------------------------------------------------- every thing once, every cent once


def delivered(record: PersonRecord) -> set[str]:
    """Ids of all reports of delivered services."""
    return {e.id for e in record.events if e.role.value == "service" and e.status is Status.DONE}


@pytest.mark.parametrize("setting", ["freestanding", "hospital"])
def test_every_report_charge_and_cent_is_in_one_row(setting: str) -> None:
    clinic = place(setting)
    events = [*background(), *everything(), *week()[3:], coded("77263", MONDAY), booking("2026-03-20")]
    record = paid_in_full(due(events, clinic, "2026-06-01"), clinic, moment("2026-06-01"))
    share = shared(record, clinic, "2026-06-02")
    ids = [id for row in share.rows for id in row.events]
    assert len(ids) == len(set(ids))
    assert delivered(record) <= set(ids)
    charges = [id for row in share.rows for id in row.charges]
    assert sorted(charges) == sorted(c.id for c in record.charges if c.status.value != "void")
    money = sum((row.money for row in share.rows), RowMoney())
    assert share.elsewhere == Money()
    totals: dict[str, int] = {}
    for entry in record.entries:
        for line in entry.lines:
            totals[line.account.value] = totals.get(line.account.value, 0) + line.amount
    assert money.billed == -totals["charges"] > 0
    assert money.paid == totals["payer-payment"]
    assert money.open == totals["receivable"]
    waiting = (c.charge.amount for c in record.charges if c.status.value in ("due", "claimed"))
    assert money.unbilled == sum(waiting)


def test_only_the_span_is_told() -> None:
    clinic = at()
    record = fed(week(), clinic, moment("2026-03-06"))
    span = (date(2026, 3, 3), date(2026, 3, 4))
    assert [r.name for r in shared(record, clinic, "2026-03-07", span).rows] == ["session 2", "session 3"]


def test_a_share_of_another_record_gives_nothing() -> None:
    assert shared(PersonRecord("p2", root="p1"), at(), MONDAY).rows == ()


def test_sessions_before_the_first_booking_was_sent_need_none() -> None:
    first = booking("2026-03-05", said="2026-03-04T08:00")
    share = looked([*week(), first], at(), "2026-03-10")
    unbooked = [r.name for r in share.rows if "not-scheduled" in named(r)]
    assert unbooked == ["session 3", "session 5"]


# ---------------------------------------------------------------- what persons decided, and what is not ours to claim


def test_what_a_person_closed_is_told_and_asks_for_nothing() -> None:
    clinic = at()
    record = fed([*background(), *sessions(MONDAY, 5)], clinic, moment("2026-03-06"))
    work = tuple(replace(item, closed=item.opened, closed_why="note on paper", closed_by="kim") for item in record.work)
    row = row_of(shared(replace(record, work=work), clinic, "2026-03-10"), "management unit 1")
    assert (only(row).standing, row.open, row.at_stake) == (Standing.CLOSED, (), 0)
    assert row.at(Stage.DOCUMENTED).mark is not Mark.NO
    assert row_of(shared(record, clinic, "2026-03-10"), "management unit 1").at_stake > 0


def test_a_line_that_a_person_dropped_is_told_as_dropped() -> None:
    clinic = at()
    record = fed([*background(), *sessions(MONDAY, 1)], clinic, moment("2026-03-02"))
    (first,) = (one for one in record.charges if one.charge.slot.service == "delivery")
    dropped = Hold(first.charge.slot, "not-billed", Release.NEVER, first.charge, first.charge.why)
    record = replace(record, charges=(), holds=(*record.holds, dropped))
    row = row_of(shared(record, clinic, "2026-03-10"), "session 1")
    assert (only(row).name, only(row).standing, only(row).amount) == ("dropped", Standing.CLOSED, first.charge.amount)
    assert row.money.held == 0


def test_a_line_of_the_shadow_time_is_charged_nowhere_and_no_difference() -> None:
    clinic = at()
    site = replace(clinic.site, live=(Live(shadow_from=SINCE, place="site.toml"),))
    shadow = House.of(clinic.rules, site)
    record = fed([*background(), *sessions(MONDAY, 1)], shadow, moment("2026-03-02"))
    row = row_of(shared(record, shadow, "2026-03-10"), "session 1")
    assert (marks(row), named(row), row.money) == (".+....", [], RowMoney())
    assert row.at(Stage.CHARGED).ref.endswith("|shadow")


def test_money_taken_back_of_a_service_that_was_withdrawn_keeps_its_row() -> None:
    clinic = at()
    session = fraction(f"{MONDAY}T09:00", 1, line="one")
    paid = paid_in_full(due([*background(), session], clinic, NEXT), clinic, moment(NEXT))
    gone = fraction(f"{MONDAY}T09:00", 1, line="one", said="2026-03-10T08:00", status=Status.WITHDRAWN)
    record = fed([gone], clinic, moment("2026-03-10"), paid)
    share = shared(record, clinic, "2026-03-11")
    money = sum((row.money for row in share.rows), RowMoney())
    assert money.billed == -sum(x.amount for e in record.entries for x in e.lines if x.account.value == "charges")
    assert share.elsewhere == Money()
    billed = [(marks(row), named(row), row.at_stake) for row in share.rows if row.money.billed]
    assert billed == [(".!....", ["billed-not-delivered"], money.billed)]
    voided = paid_in_full(record, clinic, moment("2026-03-12"))
    assert shared(voided, clinic, "2026-03-13").rows == ()


def test_a_correction_that_does_not_leave_is_named_as_one() -> None:
    """What was billed and paid before is no service that nobody claimed."""
    clinic = at()
    paid = paid_in_full(due(week(), clinic, NEXT), clinic, moment(NEXT))
    known_better = fraction(f"{MONDAY}T09:00", 1, said="2026-03-10T08:00", isocenters=2)
    record = step(fed([known_better], clinic, moment("2026-03-10"), paid), [], clinic, moment("2026-03-16"))
    (waits,) = of_state(record, ClaimState.READY)
    assert waits.claim.replaces
    assert all(named(row) == [] for row in shared(record, clinic, str(waits.claim.built_on)).rows), "it has the day"
    difference = only(row_of(shared(record, clinic, "2026-03-30"), "session 1"))
    assert (difference.name, difference.stage, difference.about) == (
        "correction-waiting",
        Stage.CLAIMED,
        waits.claim.id,
    )
    assert [named(row) for row in shared(record, clinic, "2026-03-30").rows].count([]) == 6, "the other lines stand"
    assert all(
        named(row) == []
        for row in shared(paid_in_full(record, clinic, moment("2026-03-30")), clinic, "2026-04-01").rows
    )


def test_a_claim_that_waits_for_a_held_line_says_for_which() -> None:
    clinic = at(payer_options={"claim.completeness": "cycle"})
    record = due([*background(), *sessions(MONDAY, 5)], clinic, NEXT)
    assert of_state(record, ClaimState.HELD)
    difference = row_of(shared(record, clinic, "2026-03-12"), "session 1").differences[0]
    assert (difference.name, difference.code) == ("not-claimed", "documentation-missing")
    assert difference.detail.endswith("it waits for a line that is kept back (documentation-missing)")
    assert difference.next_step == clinic.rules.hold("documentation-missing").next_step
