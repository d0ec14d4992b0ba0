"""Lanes: what waits is read and stepped; what cannot be is parked alone, and the rest goes on."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.errors import DoubleCharge, StoreDown
from adapters.model.journal import JournalKind
from adapters.model.record import Due
from adapters.pipeline import Exchange, encode_exchange
from adapters.pipeline.fold import fold
from adapters.ports import Receipt
from adapters.serve import lanes as lanes_
from adapters.serve import stepping
from adapters.store import Stale, codec, differences
from adapters.store.lanes import threads as lane_threads


def reasons(program) -> list[tuple[str, str]]:
    return [(parked.reason, parked.detail) for parked in program.store.parked()]


def counts(program) -> tuple[int, int, int]:
    told = program.store.counts()
    return told.unread, told.taken - told.by_kind.get(JournalKind.TICK, 0), told.parked


def until(there, seconds: float = 10) -> bool:
    """Whether it came to that in time."""
    last = time.monotonic() + seconds
    while not there():
        if time.monotonic() > last:
            return False
        time.sleep(0.005)
    return True


def at_once(program) -> None:
    """Sort and work in one go."""
    program.lanes.work()


def by_the_queue(program) -> None:
    """Sort first, then work the lanes one by one, as the service's workers do on PostgreSQL."""
    while program.lanes.sort() or program.store.at_hand(1, "").lanes:
        program.store.queue.drain(program.lanes._work_lane, workers=2)


def several(program) -> None:
    """The same with several lanes in one transaction, as they do on SQLite."""
    lanes = program.lanes
    while lanes.sort() or program.store.at_hand(1, "").lanes:
        program.store.queue.drain(lanes._work_lane, workers=2, together=lanes._work_several)


def patient(id: str = "p1", mrn: str = "FH-11") -> dict:
    return {
        "resourceType": "Patient",
        "id": id,
        "identifier": [{"system": "urn:quietbay:mrn", "value": mrn}],
        "name": [{"family": "Canaryfeather"}],
    }


def procedure(id: str = "x1", subject: str = "Patient/p1") -> dict:
    return {"resourceType": "Procedure", "id": id, "status": "completed", "subject": {"reference": subject}}


def test_a_charge_becomes_a_claim(program, put, message):
    one = program()
    put(one, message())
    assert one.lanes.work() == 1
    assert one.states() == ["ready"]
    assert counts(one) == (0, 1, 0)
    assert one.lanes.work() == 0
    assert one.lanes.steps == 1


def test_the_order_of_messages_plays_no_part(program, put, message):
    bodies = [message(f"C{n}", transaction=f"T{n}", day=f"2026010{n}") for n in (5, 6, 7, 8)]
    found = []
    for order in (bodies, bodies[::-1]):
        one = program()
        for body in order:
            put(one, body)
            if order is not bodies:
                one.lanes.work()
        one.lanes.work()
        record = one.store.load(one.store.lanes()[0])
        found.append(
            (sorted((c.id, c.charge.amount) for c in record.charges), sorted(c.claim.id for c in record.claims))
        )
    assert found[0] == found[1]
    assert len(found[0][0]) == 4


def test_each_person_has_a_lane(program, put, message):
    one = program()
    for n in range(6):
        put(one, message(f"C{n}", transaction=f"T{n}", mrn=f"M{n % 3}"))
    one.lanes.work()
    assert len(one.store.lanes()) == 3
    assert one.lanes.steps == 3
    assert sorted(len(one.store.load(p).charges) for p in one.store.lanes()) == [2, 2, 2]


def test_one_round_takes_no_more_than_its_limit(program, put, message):
    one = program()
    for n in range(5):
        put(one, message(f"C{n}", transaction=f"T{n}"))
    assert one.lanes.work_once(limit=2) == 2
    assert counts(one) == (3, 2, 0)
    assert one.lanes.work() == 3


def test_what_cannot_be_read_is_parked_with_its_reason(program, put, message):
    one = program()
    put(one, message("C1"))
    put(one, b"no message at all")
    put(one, message("C2", application="STRANGER"), listener="charges")
    assert one.lanes.work() == 3
    assert [reason for reason, _ in reasons(one)] == ["no-msh", "feed-unknown"]
    assert one.works().count(("parked-message", "no-msh")) == 1
    assert one.states() == ["ready"]


def test_an_exception_while_reading_parks_one_message(program, put, message, monkeypatch):
    one = program()
    bad = put(one, message("C1", transaction="T1")).entry
    put(one, message("C2", transaction="T2"))
    reading = stepping.read

    def breaking(entry, rules, site):
        if entry.id == bad:
            raise ZeroDivisionError("Canaryfeather")
        return reading(entry, rules, site)

    monkeypatch.setattr(stepping, "read", breaking)
    one.lanes.work()
    assert reasons(one) == [("exception", "ZeroDivisionError")]
    assert counts(one) == (0, 1, 1)
    monkeypatch.setattr(stepping, "read", reading)
    assert one.store.unpark(bad)
    one.lanes.work()
    assert reasons(one) == []
    assert len(one.store.load(one.store.lanes()[0]).charges) == 2


@pytest.mark.parametrize("how", [at_once, by_the_queue, several])
@pytest.mark.parametrize("bad", range(7))
def test_an_exception_in_a_step_is_bisected_to_its_message(program, put, message, monkeypatch, bad, how):
    one = program()
    entries = [put(one, message(f"C{n}", transaction=f"T{n}")).entry for n in range(7)]
    stepping_ = stepping.step

    def breaking(record, readings, house, tick, **more):
        if any(reading.entry == entries[bad] for reading in readings):
            raise DoubleCharge("two due charges with one slot")
        return stepping_(record, readings, house, tick, **more)

    monkeypatch.setattr(stepping, "step", breaking)
    how(one)
    assert [(p.entry, p.reason, p.detail) for p in one.store.parked()] == [(entries[bad], "exception", "DoubleCharge")]
    assert counts(one) == (0, 6, 1)
    assert len(one.store.load(one.store.lanes()[0]).charges) == 6


def test_a_message_about_two_persons_is_taken_with_the_last_lane(program, put, message, monkeypatch):
    one = program()
    second = message("X", transaction="T2", mrn="OTHER").split(b"\r", 2)[2]
    put(one, message("C1") + second)
    save_all = one.store.save_all
    seen = []

    def counting(steps, **more):
        seen.extend((step.taken, step.read) for step in steps)
        save_all(steps, **more)

    monkeypatch.setattr(one.store, "save_all", counting)
    one.lanes.work()
    # Taken with the last lane, and named by the tick of each: a rebuild needs to know who read what.
    assert [(len(taken), len(read)) for taken, read in seen] == [(0, 1), (1, 1)]
    assert sorted(len(one.store.load(p).charges) for p in one.store.lanes()) == [1, 1]


@pytest.mark.parametrize("how", [at_once, several])
def test_one_that_breaks_among_several_is_parked_and_the_others_are_stepped(program, put, message, monkeypatch, how):
    one = program()
    entries = [put(one, message(f"C{n}", transaction=f"T{n}", mrn=f"M{n}")).entry for n in range(5)]
    stepping_, save_all, sizes = stepping.step, one.store.save_all, []

    def breaking(record, readings, house, tick, **more):
        if any(reading.entry == entries[2] for reading in readings):
            raise DoubleCharge("two due charges with one slot")
        return stepping_(record, readings, house, tick, **more)

    def counting(steps, **more):
        sizes.append(len(steps))
        save_all(steps, **more)

    monkeypatch.setattr(stepping, "step", breaking)
    monkeypatch.setattr(one.store, "save_all", counting)
    how(one)
    assert [(p.entry, p.detail) for p in one.store.parked()] == [(entries[2], "DoubleCharge")]
    assert counts(one) == (0, 4, 1)
    assert sorted(len(one.store.load(lane).charges) for lane in one.store.lanes()) == [0, 1, 1, 1, 1]
    # Nothing was written together: each was stepped by itself.
    assert set(sizes) == {1}
    monkeypatch.undo()
    put(one, message("C9", transaction="T9", mrn="M9"))
    how(one)
    assert counts(one) == (0, 5, 1)


@pytest.mark.parametrize("how", [at_once, several])
def test_steps_of_several_persons_are_one_transaction_and_a_lane_that_changed_costs_a_round(
    program, put, message, monkeypatch, how
):
    one = program()
    for n in range(5):
        put(one, message(f"C{n}", transaction=f"T{n}", mrn=f"M{n}"))
    load_all, save_all, sizes = one.store.load_all, one.store.save_all, []
    stale = [True]

    def old(persons):
        records = load_all(persons)
        if stale:
            stale.clear()
            lane = persons[1]
            before = records[lane]
            one.store.save(before, replace(before, due=(Due("note", lane, one.clock.now()),)), tick=one.clock.now())
        return records

    def counting(steps, **more):
        sizes.append(len(steps))
        save_all(steps, **more)

    monkeypatch.setattr(one.store, "load_all", old)
    monkeypatch.setattr(one.store, "save_all", counting)
    how(one)
    assert sizes == [1, 5, 1, 1, 1, 1, 1]
    assert counts(one) == (0, 5, 0)
    assert {len(one.store.load(lane).charges) for lane in one.store.lanes()} == {1}
    sizes.clear()
    for n in range(5):
        put(one, message(f"D{n}", transaction=f"U{n}", mrn=f"M{n}"))
    how(one)
    assert sizes == [5]
    assert {len(one.store.load(lane).charges) for lane in one.store.lanes()} == {2}
    assert one.store.verify() == ()


def test_what_somebody_else_took_before_a_lane_changed_is_not_read_again(program, put, message, monkeypatch):
    """Another process steps one of several lanes after they were read: none is read twice by this one."""
    one = program()
    entries = [put(one, message(f"C{n}", transaction=f"T{n}", mrn=f"M{n}")).entry for n in range(3)]
    load_all, step, read = one.store.load_all, stepping.step, []

    def late(persons):
        records = load_all(persons)
        before = records[persons[1]]
        other = replace(before, due=(Due("note", persons[1], one.clock.now()),))
        one.store.save(before, other, taken=entries[1:2], tick=one.clock.now())
        return records

    def noting(record, readings, house, tick, **more):
        read.append([reading.entry for reading in readings])
        return step(record, readings, house, tick, **more)

    monkeypatch.setattr(one.store, "load_all", late)
    monkeypatch.setattr(stepping, "step", noting)
    one.lanes.work()
    assert read == [[entry] for entry in entries] + [entries[:1], [], entries[2:]]
    assert counts(one) == (0, 3, 0)


def test_what_one_lane_broke_on_is_told_the_others_that_are_stepped_one_by_one(program, put, message, monkeypatch):
    """An entry of two lanes of two transactions; the second of these is taken back for another reason."""
    monkeypatch.setattr(lanes_, "SEVERAL", 2)
    one = program()
    about = message("X", transaction="T2", mrn="M2").split(b"\r", 2)[2]
    put(one, message("C0", transaction="T0", mrn="M0"))
    both = put(one, message("C1", transaction="T1", mrn="M1") + about).entry
    put(one, message("C3", transaction="T3", mrn="M3"))
    step, seen = stepping.step, []

    def breaking(record, readings, house, tick, **more):
        seen.append(record.person)
        if len(seen) in (2, 4):
            raise DoubleCharge("two due charges with one slot")
        if len(seen) == 6:
            raise Stale("as if somebody else had written in the lane")
        return step(record, readings, house, tick, **more)

    monkeypatch.setattr(stepping, "step", breaking)
    one.lanes.work()
    x, broken, other, y = dict.fromkeys(seen)
    assert seen == [x, broken, x, broken, other, y, other, y]
    assert [parked.entry for parked in one.store.parked()] == [both]
    assert [len(one.store.load(lane).charges) for lane in (x, broken, other, y)] == [1, 0, 1, 1]
    assert counts(one) == (0, 2, 1)


def test_a_reference_to_nobody_waits_for_the_patient(program, post):
    one = program()
    post(one, procedure())
    one.lanes.work()
    assert [reason for reason, _ in reasons(one)] == ["person-unknown"]
    post(one, patient())
    one.lanes.work()
    assert reasons(one) == []
    assert counts(one) == (0, 2, 0)
    assert [kind for kind, _ in one.works()] == []


def test_a_reference_waits_over_a_restart(program, post, rules):
    one = program()
    post(one, procedure())
    one.lanes.work()
    again = program(store=one.store)
    post(again, patient())
    again.lanes.work()
    assert reasons(again) == []


def test_a_patient_later_in_the_same_batch_is_early_enough(program, post):
    one = program()
    post(one, procedure())
    post(one, patient())
    one.lanes.work()
    assert reasons(one) == []
    assert counts(one) == (0, 2, 0)


def test_what_concerns_nobody_is_taken(program, post):
    one = program()
    post(one, {"resourceType": "ServiceRequest", "id": "s1", "status": "active"})
    assert one.lanes.work() == 1
    assert counts(one) == (0, 1, 0)
    assert one.store.lanes() == ()


def test_an_answer_for_no_claim_of_ours_is_parked(program, clock):
    one = program()
    body = encode_exchange(Exchange("no-such-claim", "submit", 200, body=b"{}"))
    import hashlib

    one.store.receive(
        Receipt(
            kind=JournalKind.ANSWER,
            channel="payer:lakeside",
            sender="lakeside",
            actor="payer:lakeside",
            media="json",
            control="no-such-claim",
            digest=hashlib.sha256(body).hexdigest(),
            body=body,
            answer=b"",
            at=clock.now(),
        )
    )
    one.lanes.work()
    assert one.works() == [("unmatched-response", "unmatched-response")]
    assert counts(one) == (0, 0, 1)


def test_another_writer_in_the_lane_costs_only_a_round(program, put, message, monkeypatch):
    one = program()
    put(one, message("C1", transaction="T1"))
    one.lanes.work()
    put(one, message("C2", transaction="T2"))
    load = one.store.load
    stale = [True]

    def old(person):
        record = load(person)
        return replace(record, charges=()) if stale and stale.pop() else record

    monkeypatch.setattr(one.store, "load", old)
    one.lanes.work()
    monkeypatch.undo()
    assert len(one.store.load(one.store.lanes()[0]).charges) == 2
    assert counts(one) == (0, 2, 0)


def test_sorting_gives_each_lane_its_part_and_working_takes_it(program, put, message):
    one = program()
    second = message("X", transaction="T2", mrn="OTHER").split(b"\r", 2)[2]
    both = put(one, message("C1") + second).entry
    put(one, message("C2", transaction="T3"))
    assert one.lanes.sort() == 2
    assert one.lanes.sort() == 0
    assert (counts(one), one.store.counts().waiting, one.lanes.steps) == ((2, 0, 0), 2, 0)
    lanes = sorted(one.store.at_hand(9, "").lanes, key=lambda lane: -len(one.store.waiting(lane)))
    assert [len(one.store.waiting(lane)) for lane in lanes] == [2, 1]
    one.lanes._work_lane(lanes[1])
    assert counts(one) == (2, 0, 0)
    one.lanes._work_lane(lanes[0])
    assert counts(one) == (0, 2, 0)
    assert one.lanes.steps == 2
    assert set(one.store.trace(both).persons) == set(lanes)
    assert sorted(len(one.store.load(p).charges) for p in lanes) == [1, 2]
    one.store.queue.drain(one.lanes._work_lane, workers=1)
    assert one.lanes.steps == 2


@pytest.mark.parametrize("how", [at_once, by_the_queue, several])
def test_what_was_sorted_before_a_crash_is_worked_once_afterwards(program, put, message, how):
    one = program()
    for n in range(4):
        put(one, message(f"C{n}", transaction=f"T{n}", mrn=f"M{n % 2}"))
    assert one.lanes.sort(3) == 3
    one.lanes._work_lane(one.store.at_hand(1, "").lanes[0])
    again = program(store=one.store)
    how(again)
    assert counts(again) == (0, 4, 0)
    assert sorted(len(again.store.load(p).charges) for p in again.store.lanes()) == [2, 2]
    assert again.store.verify() == ()


def test_both_ways_leave_the_same(program, put, message, post):
    found = []
    for how in (at_once, by_the_queue, several):
        one = program()
        for n in range(6):
            put(one, message(f"C{n}", transaction=f"T{n}", mrn=f"M{n % 3}", day=f"2026010{n + 1}"))
        post(one, procedure())
        post(one, patient())
        put(one, b"no message at all")
        how(one)
        found.append([codec.encode(replace(one.store.load(p), identifiers=())) for p in one.store.lanes()])
        assert counts(one) == (0, 8, 1)
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 4


def test_an_entry_that_says_something_else_by_the_rules_now_in_force_is_sorted_again(program, put, message):
    one = program()
    second = message("X", transaction="T2", mrn="OTHER").split(b"\r", 2)[2]
    put(one, message("C1") + second)
    put(one, message("C2", transaction="T3"))
    one.lanes.sort()
    lane = max(one.store.at_hand(9, "").lanes, key=lambda lane: len(one.store.waiting(lane)))
    entry = one.store.waiting(lane)[0].entry
    # As if the rules had made three things of it then.
    one.store._write(lambda c: c.exec_driver_sql("UPDATE waiting SET captured = 3 WHERE entry = ?", (entry,)) and None)
    one.lanes._work_lane(lane)
    assert [found.id for found in one.store.at_hand(9, "").unread] == [entry]
    assert len(one.store.load(lane).charges) == 1
    one.lanes.work()
    assert counts(one) == (0, 2, 0)
    assert sorted(len(one.store.load(p).charges) for p in one.store.lanes()) == [1, 2]


def test_a_command_takes_what_must_be_sorted_again_in_the_same_go(program, put, message):
    """A cycle must not close over a correction that was sorted by other rules."""
    one = program()
    put(one, message("C1"))
    assert one.lanes.sort() == 1
    one.store._write(lambda c: c.exec_driver_sql("UPDATE waiting SET captured = 3") and None)
    again = program(store=one.store)
    assert again.lanes.work() == 1
    assert counts(again) == (0, 1, 0)


def test_nothing_goes_to_the_lane_of_somebody_whom_the_rules_now_in_force_do_not_find_in_it(program, put, message):
    one = program()
    second = message("X", transaction="T2", mrn="OTHER").split(b"\r", 2)[2]
    put(one, message("C1") + second)
    one.lanes.sort()
    lanes = one.store.at_hand(9, "").lanes
    # As if by the rules of then the things were as many, but each of the other person.
    swapped = "UPDATE waiting SET parts = CASE parts WHEN '0' THEN '1' ELSE '0' END"
    one.store._write(lambda c: c.exec_driver_sql(swapped) and None)
    again = program(store=one.store)
    by_the_queue(again)
    assert counts(again) == (0, 1, 0)
    assert set(again.store.lanes()) == set(lanes)
    folded = fold(again.store.journal(), again.lanes.house, again.store.person)
    for lane in lanes:
        record = again.store.load(lane)
        assert len(record.charges) == 1
        assert list(differences(record, folded[lane])) == []


def test_the_house_is_exchanged_between_steps(program, put, message, monkeypatch):
    one = program()
    put(one, message())
    inside, go_on, exchanged = threading.Event(), threading.Event(), threading.Event()
    step, used = stepping.step, []
    other = replace(one.house)

    def slow(record, readings, house, tick, **more):
        inside.set()
        assert go_on.wait(10)
        assert not exchanged.is_set()
        used.append(house)
        return step(record, readings, house, tick, **more)

    def exchange() -> None:
        one.lanes.house = other
        exchanged.set()

    monkeypatch.setattr(stepping, "step", slow)
    before = one.lanes.house
    working = threading.Thread(target=one.lanes.work)
    working.start()
    assert inside.wait(10)
    exchanging = threading.Thread(target=exchange)
    exchanging.start()
    exchanging.join(0.1)
    go_on.set()
    working.join(10)
    exchanging.join(10)
    assert used[0] is before
    assert one.lanes.house is other


def test_a_store_that_is_down_parks_nothing(program, put, message, monkeypatch):
    one = program()
    put(one, message())

    def down(*_args, **_more):
        raise StoreDown("the store could not write")

    monkeypatch.setattr(one.store, "save", down)
    with pytest.raises(StoreDown):
        one.lanes.work()
    monkeypatch.undo()
    assert counts(one) == (1, 0, 0)


def test_a_lane_that_cannot_be_stepped_comes_again_and_keeps_no_other(program, put, message, monkeypatch):
    monkeypatch.setattr(lane_threads, "FIRST_DELAY", 0.02)
    one = program()
    for n in range(6):
        put(one, message(f"C{n}", transaction=f"T{n}", mrn=f"M{n}"))
    one.lanes.sort()
    bad = one.store.at_hand(9, "").lanes[0]
    load, load_all, refused = one.store.load, one.store.load_all, []

    def spoiled(person):
        if person == bad and len(refused) < 3:
            refused.append(person)
            raise StoreDown("the store could not read")
        return load(person)

    def spoiled_with_others(persons):
        if bad in persons and len(refused) < 3:
            raise StoreDown("the store could not read")
        return load_all(persons)

    monkeypatch.setattr(one.store, "load", spoiled)
    monkeypatch.setattr(one.store, "load_all", spoiled_with_others)
    one.lanes.start(["worker"], every=timedelta(seconds=60))
    assert until(lambda: counts(one) == (0, 6, 0))
    one.lanes.stop()
    assert len(refused) == 3
    assert reasons(one) == []


def test_threads_that_stop_leave_the_rest_on_file(program, put, message, monkeypatch):
    one = program()
    for n in range(80):
        put(one, message(f"C{n}", transaction=f"T{n}", mrn=f"M{n}"))
    step, go_on = stepping.step, threading.Event()

    def held_up(*args, **more):
        assert one.lanes.steps < 2 or go_on.wait(10)
        return step(*args, **more)

    monkeypatch.setattr(stepping, "step", held_up)
    one.lanes.start(["worker"], every=timedelta(milliseconds=5))
    assert until(lambda: one.lanes.steps >= 2)
    stopping = threading.Thread(target=one.lanes.stop)
    stopping.start()
    assert until(lambda: one.lanes._stop.is_set() or not stopping.is_alive())
    go_on.set()
    stopping.join(10)
    unread, taken, parked = counts(one)
    assert unread + taken == 80
    assert min(unread, taken) > 0
    assert parked == 0
    monkeypatch.undo()
    one.lanes.work()
    assert counts(one) == (0, 80, 0)
    assert one.lanes.steps == 80


def test_threads_read_when_woken(program, put, message):
    one = program()
    one.lanes.start(["worker"], every=timedelta(seconds=60))
    assert one.lanes.running
    put(one, message())
    one.lanes.wake()
    assert until(one.states)
    one.lanes.stop()
    assert one.states() == ["ready"]


def test_a_cycle_closes_by_the_clock(program, put, message, clock):
    one = program()
    put(one, message("C1", day="20260112"))
    one.lanes.work()
    assert one.states() == []
    clock.forward(hours=13)  # midnight in New York is at 05:00 UTC
    one.lanes.run_due()
    assert one.states() == []
    clock.forward(hours=2)
    one.lanes.run_due()
    assert one.states() == ["ready"]


def test_what_is_sorted_already_is_read_before_a_cycle_closes(program, put, message):
    one = program()
    put(one, message("C1"))
    one.lanes.work()
    put(one, message("C2", transaction="T2"))
    one.lanes.sort()
    (lane,) = one.store.lanes()
    # As the payer's thread does it beside the workers: a lane in which something is due is worked with what waits.
    with one.store.queue.held([lane]):
        record = one.lanes._stepping.catch_up(lane, one.clock.now())
    assert len(record.charges) == 2
    assert counts(one) == (0, 2, 0)


def test_no_cycle_closes_over_what_is_to_be_sorted_again(program, put, message, clock):
    one = program()
    put(one, message("C1", day="20260112"))
    one.lanes.work()
    put(one, message("C2", transaction="T2", day="20260112"))
    one.lanes.sort()
    one.store._write(lambda c: c.exec_driver_sql("UPDATE waiting SET captured = 3") and None)
    again = program(store=one.store)
    clock.forward(hours=15)
    # Whoever sends comes upon the lane before the sorting has come upon the entry.
    assert again.lanes.send() == 0
    assert again.states() == []
    assert again.store.counts().waiting == 0
    again.lanes._sort_and_call()
    assert again.states() == ["ready"]
    (claim,) = again.store.load(again.store.lanes()[0]).claims
    assert len(claim.claim.lines) == 2


def test_somebody_whom_only_the_rules_now_in_force_find_gets_his_part(program, put, message):
    one = program()
    second = message("X", transaction="T2", mrn="OTHER").split(b"\r", 2)[2]
    put(one, message("C1") + second)
    one.lanes.sort()
    # As if by the rules of then the second thing had been of nobody.
    one.store._write(lambda c: c.exec_driver_sql("DELETE FROM waiting WHERE parts = '1'") and None)
    one.store._write(lambda c: c.exec_driver_sql("UPDATE waiting SET captured = 1") and None)
    again = program(store=one.store)
    by_the_queue(again)
    assert counts(again) == (0, 1, 0)
    assert [len(again.store.load(lane).charges) for lane in again.store.lanes()] == [1, 1]


def test_what_one_house_read_no_other_steps(program, put, message, monkeypatch):
    one = program()
    put(one, message())
    one.lanes.sort()
    again = program(store=one.store)
    inside, go_on = threading.Event(), threading.Event()
    read, step, used = stepping.read, stepping.step, []

    def slow(entry, rules, site):
        inside.set()
        assert go_on.wait(10)
        return read(entry, rules, site)

    def noting(record, readings, house, tick, **more):
        used.append(house)
        return step(record, readings, house, tick, **more)

    monkeypatch.setattr(stepping, "read", slow)
    monkeypatch.setattr(stepping, "step", noting)
    before, other = again.lanes.house, replace(again.house)
    working = threading.Thread(target=lambda: again.store.queue.drain(again.lanes._work_lane, workers=1))
    working.start()
    assert inside.wait(10)
    exchanging = threading.Thread(target=lambda: setattr(again.lanes, "house", other))
    exchanging.start()
    exchanging.join(0.1)
    go_on.set()
    working.join(10)
    exchanging.join(10)
    assert used == [before]
    assert again.lanes.house is other
