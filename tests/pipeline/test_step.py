"""One step of a person's lane: events to charges on file, claims and what falls due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from adapters.model.claim import ClaimState
from adapters.model.event import Event, Omission, Status
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import OMITTED, Captured, ChargeStatus, PersonRecord, Reading
from adapters.model.why import Source
from adapters.pipeline import step, to_send
from adapters.pipeline.filing import charge_id
from adapters.pipeline.step import rederived
from tests.model.clinic import (
    PERSON,
    background,
    diagnosed,
    ended,
    exams,
    fed,
    fraction,
    house,
    insured,
    moment,
    of_state,
    paid_in_full,
    reading,
    report,
    sent,
    sessions,
    told,
)

AT = house("freestanding")
BEFORE, AFTER = moment("2026-01-05"), moment("2026-02-02")


def standing(record: PersonRecord) -> list[tuple[str, str, tuple[str, ...], int]]:
    return told(c.charge for c in record.charges if c.status is not ChargeStatus.VOID)


def test_charges_are_there_at_once_and_the_claim_when_its_cycle_is_over() -> None:
    record = fed([*background(), fraction("2026-01-05T09:00", 1)], AT, BEFORE)
    assert [c.status for c in record.charges] == [ChargeStatus.DUE]
    assert not record.claims
    assert [(d.what, d.not_before) for d in record.due] == [("claim", datetime(2026, 1, 12, 5, tzinfo=UTC))]
    later = step(record, [], AT, moment("2026-01-12", 1))
    assert [c.status for c in later.charges] == [ChargeStatus.CLAIMED]
    assert [c.state for c in later.claims] == [ClaimState.READY]
    assert to_send(later) == later.claims
    assert not later.due


def test_a_step_with_nothing_new_changes_nothing() -> None:
    record = fed([*background(), *sessions("2026-01-05", 6)], AT, AFTER)
    assert step(record, [], AT, AFTER) == record
    assert step(record, [reading(e) for e in sessions("2026-01-05", 6)], AT, AFTER) == record
    assert rederived(record, AT, AFTER) == record


def test_a_charge_that_is_no_longer_due_is_void_and_kept() -> None:
    done = fraction("2026-01-05T09:00", 1, line="L", said="2026-01-05T10:00")
    gone = fraction("2026-01-05T09:00", 1, line="L", said="2026-01-06T10:00", status=Status.WITHDRAWN)
    record = fed([*background(), done], AT, AFTER)
    record = fed([gone], AT, AFTER, record)
    assert [c.status for c in record.charges] == [ChargeStatus.VOID]
    assert [c.state for c in record.claims] == [ClaimState.ABANDONED]
    again = fraction("2026-01-05T09:00", 1, line="L", said="2026-01-07T10:00")
    record = fed([again], AT, AFTER, record)
    assert [c.status for c in record.charges] == [ChargeStatus.CLAIMED]
    assert [c.state for c in record.claims] == [ClaimState.ABANDONED, ClaimState.READY]


def test_learning_the_uid_moves_the_charge_and_touches_no_claim() -> None:
    session = fraction("2026-01-05T09:00", 1)
    record = sent(fed([*background(), session], AT, AFTER), AT, AFTER)
    learned = fraction("2026-01-05T09:00", 1, uid="2.25.1", feed="ehr", said="2026-01-06T10:00")
    moved = fed([learned], AT, AFTER, record)
    assert [(c.id, c.status) for c in moved.charges] == [(c.id, c.status) for c in record.charges]
    assert moved.charges[0].charge.slot.key == "uid:2.25.1"
    assert moved.claims == record.claims


def test_a_charge_that_takes_the_slot_another_first_had_gets_an_id_of_its_own() -> None:
    """The one on file moved on to its UID and kept its id; the late one is now the first without UID of that day."""
    first = fraction("2026-01-05T09:00")
    record = fed([*background(), first], AT, BEFORE)
    learned = replace(fraction("2026-01-05T09:00", uid="2.25.1"), line=first.line, said=first.said.replace(hour=23))
    record = fed([learned], AT, BEFORE, record)
    assert [c.charge.slot.key for c in record.charges] == ["uid:2.25.1"]
    late = fraction("2026-01-05T08:00")
    record = fed([late], AT, BEFORE, record)
    assert standing(record) == [("2026-01-05", "77407", (), 1), ("2026-01-05", "77407", ("76",), 1)]
    assert len({c.id for c in record.charges}) == 2
    assert step(record, [reading(late)], AT, BEFORE) == record


def test_ids_stay_apart_however_often_a_slot_is_left() -> None:
    record = fed(background(), AT, BEFORE)
    for i in range(4):
        bare = report("dosimetry-calc", "2026-01-05T09:00", line=f"L{i}", said=f"2026-01-05T1{i}:00")
        record = fed([bare], AT, BEFORE, record)
        named = replace(bare, keys=(f"order:{i}",), said=bare.said.replace(minute=30), id=f"named-{i}")
        record = fed([named], AT, BEFORE, record)
    assert [c.charge.slot.key for c in record.charges] == [f"order:{i}" for i in range(4)]
    assert len({c.id for c in record.charges}) == 4


def test_the_id_of_a_charge_is_that_of_its_slot() -> None:
    record = fed([*background(), fraction("2026-01-05T09:00", 1)], AT, BEFORE)
    assert record.charges[0].id == charge_id(record.charges[0].charge)


def test_what_was_sent_keeps_its_price_and_diagnoses() -> None:
    record = sent(fed([*background(), fraction("2026-01-05T09:00", 1)], AT, AFTER), AT, AFTER)
    dearer = house("freestanding", fees=[replace(p, amount=p.amount + 7) for p in AT.site.prices])
    changed = fed([replace(diagnosed("C61"), said=moment("2026-01-09").now)], dearer, AFTER, record)
    assert changed.charges == record.charges
    assert changed.charges[0].charge.diagnoses == ("C50.412",)
    unsent = fed([fraction("2026-01-06T09:00", 2)], dearer, AFTER, changed)
    new = next(c for c in unsent.charges if c.charge.start == date(2026, 1, 6))
    assert new.charge.diagnoses == ("C61",)
    assert new.charge.price != record.charges[0].charge.price


def test_an_unsent_claim_is_built_anew_when_its_charges_change() -> None:
    record = fed([*background(), fraction("2026-01-05T09:00", 1)], AT, AFTER)
    record = fed([fraction("2026-01-06T09:00", 2)], AT, AFTER, record)
    assert [(c.state, len(c.claim.lines)) for c in record.claims] == [(ClaimState.ABANDONED, 1), (ClaimState.READY, 2)]


def test_a_late_session_after_sending_goes_out_on_a_claim_of_its_own() -> None:
    record = sent(fed([*background(), fraction("2026-01-05T09:00", 1)], AT, AFTER), AT, AFTER)
    record = fed([fraction("2026-01-06T09:00", 2)], AT, AFTER, record)
    assert [(c.state, c.claim.frequency) for c in record.claims] == [
        (ClaimState.UNKNOWN, "1"),
        (ClaimState.READY, "1"),
    ]
    assert [line.start.day for line in record.claims[1].claim.lines] == [6]


def test_a_claim_that_a_hold_stops_is_held_and_released() -> None:
    whole = house("freestanding", payer_options={"claim.completeness": "cycle"})
    events = [*background(), *sessions("2026-01-05", 5), ended("2026-01-09")]
    record = fed(events, whole, AFTER)
    assert [c.state for c in record.claims] == [ClaimState.HELD]
    assert [i.code for i in record.work if i.closed is None] == ["documentation-missing"]
    record = fed(exams(sessions("2026-01-05", 5)), whole, AFTER, record)
    assert [c.state for c in record.claims] == [ClaimState.ABANDONED, ClaimState.READY]
    assert [i.closed_why for i in record.work] == ["settled"]


def test_context_is_accounted_for_and_so_is_what_gave_no_event() -> None:
    left = Omission("unknown-type", Source("m9", "Observation/1"), "Observation")
    captured = Captured(PersonHint((Identifier("mrn", "R-2"), Identifier("mrn", "R-1"))), (insured(),), (left, left))
    record = step(PersonRecord(PERSON), [Reading("m9", BEFORE.now, captured=captured)] * 2, AT, BEFORE)
    assert [s.reason for s in record.skips] == ["unknown-type", "context"]
    assert record.skips[0].event == f"{OMITTED}m9#Observation/1"
    assert record.identifiers == (Identifier("mrn", "R-2"), Identifier("mrn", "R-1"))


def test_a_claim_bears_the_smallest_identifier_whatever_came_first() -> None:
    event = fraction("2026-01-05T09:00", 1)
    hints = [PersonHint((Identifier("mrn", value),)) for value in ("R-7", "R-3")]
    for order in (hints, hints[::-1]):
        readings = [Reading("a", BEFORE.now, captured=Captured(hint, (*background(), event))) for hint in order]
        record = step(PersonRecord(PERSON), readings, AT, AFTER)
        assert [c.claim.patient_identifier for c in record.claims] == ["R-3"]


def test_every_report_rests_somewhere_or_is_skipped() -> None:
    events: list[Event] = [*background(), *sessions("2026-01-05", 7), *exams(sessions("2026-01-05", 7))]
    record = fed(events, AT, AFTER)
    whys = [c.charge.why for c in record.charges] + [h.why for h in record.holds]
    rests = {(f.source.message, f.source.at) for why in whys for f in why.facts}
    skipped = {s.event for s in record.skips}
    assert all((e.source.message, e.source.at) in rests or e.id in skipped for e in events)


def test_other_rules_or_settings_are_derived_anew() -> None:
    record = fed([*background(), *sessions("2026-01-05", 5), *exams(sessions("2026-01-05", 5))], AT, BEFORE)
    first = house("freestanding", payer_options={"management.dos": "first_fraction"})
    units = [c.charge.start.day for c in rederived(record, first, BEFORE).charges if c.charge.code == "77427"]
    assert units == [5]


def test_a_paid_course_stays_as_it_is() -> None:
    record = paid_in_full(fed([*background(), *sessions("2026-01-05", 3)], AT, AFTER), AT, AFTER)
    assert {c.status for c in record.charges} == {ChargeStatus.SETTLED}
    assert not of_state(record, ClaimState.READY)
    assert step(record, [], AT, moment("2026-03-02")) == record
