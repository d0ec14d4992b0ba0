"""Lanes that are one person, in rows: nothing lost, everything where it belongs, on either database."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord
from adapters.model.union import shares, united
from adapters.store import Overwrites, SqlStore, Stale

A, B = Identifier("mrn", "1"), Identifier("mrn", "2")


@pytest.fixture
def two(store: SqlStore, make: SimpleNamespace) -> tuple[PersonRecord, PersonRecord]:
    """Two persons with a course each, on file."""
    found = []
    for mrn in (A, B):
        lane = store.person(PersonHint((mrn,)), "aria")
        empty = store.load(lane)
        store.save(empty, make.course(lane, 4, (mrn,)), tick=make.NOW)
        found.append(store.load(lane))
    return found[0], found[1]


def together(one: PersonRecord, other: PersonRecord) -> PersonRecord:
    """All of the other in the first's lane, but what stays in its own."""
    own = replace(
        one,
        charges=one.charges + other.charges,
        claims=one.claims + other.claims,
        remittances=one.remittances + other.remittances,
        entries=one.entries + other.entries,
        work=one.work + tuple(replace(item, person=one.person) for item in other.work),
        due=one.due + other.due,
    )
    left = PersonRecord(other.person, other.identifiers, other.events, root=one.person)
    return united((own, left))


def anew(store: SqlStore, lane: str) -> PersonRecord:
    """The record read from its rows."""
    store._memory.forget()
    return store.load(lane)


def test_put_together_is_read_as_written(store: SqlStore, two: tuple[PersonRecord, ...], make: SimpleNamespace) -> None:
    one, other = two
    whole = together(one, other)
    money, balance = store.ledger_entries(), store.trial_balance()
    store.regroup((one, other), (whole,), tick=make.NOW)
    assert store.load(one.person) == whole
    assert anew(store, one.person) == whole
    left = anew(store, other.person)
    assert left == PersonRecord(other.person, (B,), other.events, root=one.person)
    for lane in (one.person, other.person):
        assert store.lanes_of(lane) == (one.person, other.person)
    assert store.person(PersonHint((B,)), "aria") == other.person  # its identifiers stay its own
    assert store.person_of_claim(other.claims[0].claim.id) == one.person
    assert {of.person for of in store.ledger_entries()} == {one.person}
    assert len(store.ledger_entries()) == len(money)
    assert store.trial_balance() == balance
    assert store.verify(unsealed=True) == ()
    tick = store.journal()[-1]
    assert b'"groups"' in tick.body


def test_a_step_writes_each_lane_its_own(store: SqlStore, two: tuple[PersonRecord, ...], make: SimpleNamespace) -> None:
    one, other = two
    store.regroup((one, other), (together(one, other),), tick=make.NOW)
    before = store.load(one.person)
    new = make.event(9, "late", other.person)
    parts = (before.parts[0], replace(before.parts[1], events=(*before.parts[1].events, new.id)))
    entry = make.entry(one.person, 7)
    after = replace(before, events=(*before.events, new), parts=parts, entries=(*before.entries, entry))
    store.save(before, after, tick=make.NOW)
    assert anew(store, one.person) == after
    assert anew(store, other.person).events[-1] == new
    # And apart again, with what came meanwhile where it belongs, and no entry of the ledger changed.
    whole = store.load(one.person)
    first, second = shares(whole)
    mine = {claim.claim.id for claim in one.claims}
    charges = {charge.id for charge in one.charges}
    works = {item.id for item in one.work}
    entries = {e.id for e in one.entries} | {entry.id}
    apart = (
        replace(
            first,
            charges=tuple(c for c in whole.charges if c.id in charges),
            claims=tuple(c for c in whole.claims if c.claim.id in mine),
            remittances=tuple(r for r in whole.remittances if r.claim in mine),
            entries=tuple(e for e in whole.entries if e.id in entries),
            work=tuple(w for w in whole.work if w.id in works),
            due=one.due,
        ),
        replace(
            second,
            root="",
            charges=tuple(c for c in whole.charges if c.id not in charges),
            claims=tuple(c for c in whole.claims if c.claim.id not in mine),
            remittances=tuple(r for r in whole.remittances if r.claim not in mine),
            entries=tuple(e for e in whole.entries if e.id not in entries),
            work=tuple(replace(w, person=other.person) for w in whole.work if w.id not in works),
            due=other.due,
        ),
    )
    store.regroup((whole,), apart, tick=make.NOW)
    for record in apart:
        assert anew(store, record.person) == record
        assert store.lanes_of(record.person) == (record.person,)
    assert store.verify(unsealed=True) == ()
    # A further entry stands after all that were ever posted in the lane.
    back = store.load(other.person)
    more = replace(back, entries=(*back.entries, make.entry(other.person, 8)))
    store.save(back, more, tick=make.NOW)
    assert anew(store, other.person) == more


def test_nothing_kept_is_lost_by_it(store: SqlStore, two: tuple[PersonRecord, ...], make: SimpleNamespace) -> None:
    one, other = two
    whole = together(one, other)
    for lost in (
        replace(whole, claims=one.claims),
        replace(whole, remittances=one.remittances),
        replace(whole, entries=one.entries),
    ):
        with pytest.raises(Overwrites):
            store.regroup((one, other), (lost,), tick=make.NOW)
    with pytest.raises(Overwrites):
        store.regroup((one, other), (one,), tick=make.NOW)
    assert anew(store, one.person) == one
    assert anew(store, other.person) == other
    assert store.lanes_of(other.person) == (other.person,)


def test_somebody_elses_step_meanwhile_is_noticed(
    store: SqlStore, two: tuple[PersonRecord, ...], make: SimpleNamespace
) -> None:
    one, other = two
    store.save(other, replace(other, due=()), tick=make.NOW)
    with pytest.raises(Stale):
        store.regroup((one, other), (together(one, other),), tick=make.NOW)
    now = store.load(other.person)
    store.regroup((one, now), (together(one, now),), tick=make.NOW)
    with pytest.raises(Stale):
        store.save(one, replace(one, due=()), tick=make.NOW)
    with pytest.raises(Stale):
        store.save(now, replace(now, work=()), tick=make.NOW)


def test_what_a_lane_was_told_is_traced_to_the_person(
    store: SqlStore, two: tuple[PersonRecord, ...], make: SimpleNamespace
) -> None:
    one, other = two
    received = store.receive(make.receipt())
    before = store.load(other.person)
    event = make.event(5, received.entry, other.person)
    store.save(before, replace(before, events=(*before.events, event)), taken=[received.entry], tick=make.NOW)
    other = store.load(other.person)
    store.regroup((one, other), (together(one, other),), tick=make.NOW)
    traced = store.trace(received.entry)
    assert traced is not None
    assert traced.persons == (other.person,)
    assert [of.person for of in traced.events] == [one.person]
