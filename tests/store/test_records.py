"""Records: what is saved is what is loaded, to the last byte; what is only ever added to is never changed."""

# ruff: noqa: S608  # raw SQL over our own table names is what these tests are about

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from adapters.model.journal import JournalKind
from adapters.model.record import ChargeStatus, Due, PersonRecord
from adapters.store import Overwrites, SqlStore, Stale
from adapters.store.records import same


def fresh(store: SqlStore, person: str) -> PersonRecord:
    """The record read from its rows, past what the store keeps in memory."""
    store._memory.forget()
    return store.load(person)


@pytest.fixture
def saved(store: SqlStore, make: SimpleNamespace) -> PersonRecord:
    record = make.course("p1", 4)
    store.save(PersonRecord("p1"), record, tick=make.NOW)
    return record


def test_a_new_person_is_empty(store: SqlStore) -> None:
    assert store.load("nobody") == PersonRecord("nobody")
    assert store.lanes() == ()


def test_saved_is_loaded(store: SqlStore, saved: PersonRecord) -> None:
    loaded = fresh(store, "p1")
    assert loaded is not saved
    assert loaded == saved
    assert same(loaded, saved)
    assert loaded.charges[0].charge.why == saved.charges[0].charge.why
    assert str(loaded.charges[0].charge.price) == "412.3350"


def test_a_step_writes_only_rows_that_differ(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    def rows(table: str) -> dict[tuple[str, str], bytes]:
        asked = f"SELECT person, id, sealed FROM {table}"
        return {(r[0], r[1]): r[2] for r in store._read(lambda c: c.exec_driver_sql(asked).all())}

    charges, events = rows("charges"), rows("events")
    changed = replace(saved.charges[2], status=ChargeStatus.SENT)
    after = replace(saved, charges=(*saved.charges[:2], changed, *saved.charges[3:]))
    store.save(saved, after, tick=make.NOW)
    differing = [key for key, sealed in rows("charges").items() if sealed != charges[key]]
    assert differing == [("p1", changed.id)]
    assert rows("events") == events
    assert same(fresh(store, "p1"), after)


def test_another_reason_for_the_same_charge_is_written(
    store: SqlStore, saved: PersonRecord, make: SimpleNamespace
) -> None:
    first = saved.charges[0]
    other = replace(first, charge=replace(first.charge, why=make.why(make.event(77))))
    assert other == first, "equality leaves the reason out"
    store.save(saved, replace(saved, charges=(other, *saved.charges[1:])), tick=make.NOW)
    assert fresh(store, "p1").charges[0].charge.why == other.charge.why


def test_outcomes_come_go_and_change_their_order(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    after = replace(
        saved,
        charges=tuple(reversed(saved.charges[1:])),
        holds=saved.holds[1:],
        skips=tuple(reversed(saved.skips)) * 2,
        findings=(),
        work=(make.work("p1", 2), *saved.work),
        due=(Due("poll", "c", make.NOW), *saved.due),
    )
    store.save(saved, after, tick=make.NOW)
    assert same(fresh(store, "p1"), after)
    store.save(after, replace(saved, work=()), tick=make.NOW)
    assert same(fresh(store, "p1"), replace(saved, work=()))


def test_a_late_event_may_stand_anywhere(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    after = replace(saved, events=(make.event(99), *saved.events))
    store.save(saved, after, tick=make.NOW)
    assert same(fresh(store, "p1"), after)


@pytest.mark.parametrize("field", ["events", "remittances", "entries", "claims"])
def test_what_is_only_added_to_never_goes(
    store: SqlStore, saved: PersonRecord, make: SimpleNamespace, field: str
) -> None:
    with pytest.raises(Overwrites):
        store.save(saved, replace(saved, **{field: getattr(saved, field)[1:]}), tick=make.NOW)
    assert same(fresh(store, "p1"), saved)


def test_what_is_only_added_to_never_changes(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    changes = (
        replace(saved, events=(replace(saved.events[0], line="other"), *saved.events[1:])),
        replace(saved, remittances=(replace(saved.remittances[0], paid=1),)),
        replace(saved, entries=(make.entry("p1", 0, 1), *saved.entries[1:])),
        replace(saved, entries=saved.entries[::-1]),
        replace(saved, entries=(make.entry("p1", 9), *saved.entries)),
    )
    for after in changes:
        with pytest.raises(Overwrites):
            store.save(saved, after, tick=make.NOW)
    assert same(fresh(store, "p1"), saved)


def test_two_things_of_one_id_are_refused(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    with pytest.raises(Overwrites, match="two things"):
        store.save(saved, replace(saved, charges=saved.charges + saved.charges[:1]), tick=make.NOW)
    with pytest.raises(Overwrites, match="two persons"):
        store.save(saved, replace(saved, person="p2"), tick=make.NOW)


def test_ledger_entries_are_added_at_the_end(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    undo = saved.entries[0].reversal(make.uid("undo"), make.NOW + timedelta(days=1), "payment:1")
    after = replace(saved, entries=(*saved.entries, undo))
    store.save(saved, after, tick=make.NOW)
    assert fresh(store, "p1").entries == after.entries
    assert [of.value for of in store.ledger_entries()] == list(after.entries)
    assert sum(store.trial_balance().values()) == 0
    assert store.trial_balance()["receivable"] == 41234


def test_the_second_of_two_steps_from_one_record_is_refused(
    store: SqlStore, saved: PersonRecord, make: SimpleNamespace
) -> None:
    before = store.load("p1")
    store.save(before, replace(before, findings=()), tick=make.NOW)
    for stale in (before, replace(before)):
        with pytest.raises(Stale):
            store.save(stale, replace(stale, due=()), tick=make.NOW)
    assert fresh(store, "p1").due == saved.due


def test_a_new_person_made_twice_is_refused(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    with pytest.raises(Stale):
        store.save(PersonRecord("p1"), make.course("p1", 1), tick=make.NOW)
    assert same(fresh(store, "p1"), saved)


def test_steps_in_a_race_lose_nothing(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    wins, losses = [], []

    def step(n: int) -> None:
        before = store.load("p1")
        try:
            store.save(before, replace(before, events=(*before.events, make.event(100 + n))), tick=make.NOW)
            wins.append(n)
        except Stale:
            losses.append(n)

    threads = [threading.Thread(target=step, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins
    assert len(wins) + len(losses) == 12
    on_file = {e.id for e in fresh(store, "p1").events}
    assert on_file == {e.id for e in saved.events} | {make.event(100 + n).id for n in wins}


def test_a_step_that_takes_an_unknown_entry_writes_nothing(
    store: SqlStore, saved: PersonRecord, make: SimpleNamespace
) -> None:
    with pytest.raises(Overwrites, match="not in the journal"):
        store.save(saved, replace(saved, findings=()), taken=["none"], tick=make.NOW)
    assert same(fresh(store, "p1"), saved)


def test_the_tick_is_a_journal_entry_when_something_changed(store: SqlStore, make: SimpleNamespace) -> None:
    entry = store.receive(make.receipt()).entry
    record = make.course("p1", 1)
    store.save(PersonRecord("p1"), record, taken=[entry], tick=make.NOW)
    ticks = [line for line in store.messages() if line.kind is JournalKind.TICK]
    assert [(t.actor, t.at, t.state) for t in ticks] == [("clock", make.NOW, "taken")]
    told = store.entry(ticks[0].id)
    assert told is not None
    assert json.loads(told.body) == {
        "person": "p1", "tick": "2026-03-02T15:30:00.123456+00:00", "revision": 1, "taken": [entry],
    }  # fmt: skip


def test_a_step_without_change_takes_its_entries_and_writes_no_tick(
    store: SqlStore, saved: PersonRecord, make: SimpleNamespace
) -> None:
    entry = store.receive(make.receipt()).entry
    ticks = store.counts().by_kind[JournalKind.TICK]
    store.save(saved, saved, taken=[entry, entry], tick=make.NOW)
    store.save(saved, replace(saved, charges=tuple(map(replace, saved.charges))), tick=make.NOW)
    assert store.unread(10) == ()
    assert store.counts().by_kind[JournalKind.TICK] == ticks


def test_the_same_instant_twice_is_two_ticks(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    without = replace(saved, findings=())
    store.save(saved, without, tick=make.NOW)
    store.save(without, saved, tick=make.NOW)
    assert store.counts().by_kind[JournalKind.TICK] == 3


def test_due_lanes_are_those_whose_instant_has_come(store: SqlStore, make: SimpleNamespace) -> None:
    for person, seconds in (("a", 0), ("b", 1), ("c", -5)):
        due = (Due("claim", "x", make.NOW + timedelta(seconds=seconds)), Due("poll", "y", make.NOW + timedelta(days=9)))
        store.save(PersonRecord(person), PersonRecord(person, due=due), tick=make.NOW)
    assert store.due_lanes(make.NOW) == ("a", "c")
    assert store.due_lanes(make.NOW + timedelta(seconds=1)) == ("a", "b", "c")
    assert store.due_lanes(make.NOW - timedelta(days=1)) == ()
    assert store.lanes() == ("a", "b", "c")


def test_a_claim_knows_its_lane(store: SqlStore, saved: PersonRecord) -> None:
    assert store.person_of_claim(saved.claims[0].claim.id) == "p1"
    assert store.person_of_claim("none") == ""


def test_a_claim_belongs_to_one_lane(store: SqlStore, saved: PersonRecord, make: SimpleNamespace) -> None:
    stolen = PersonRecord("p2", claims=saved.claims)
    with pytest.raises(Exception, match="could not write"):
        store.save(PersonRecord("p2"), stolen, tick=make.NOW)
    assert store.lanes() == ("p1",)


def test_a_parked_message_of_a_person_is_in_the_record(
    store: SqlStore, saved: PersonRecord, make: SimpleNamespace
) -> None:
    from adapters.model.record import Parked

    entry = store.receive(make.receipt()).entry
    item = make.work("p1", 7, kind="parked-message", about=entry)
    store.park(Parked(entry, "lane-failed"), item)
    assert store.load("p1").work == (*saved.work, item)
    with pytest.raises(Stale):
        store.save(saved, replace(saved, work=()), tick=make.NOW)
