"""Steps of several persons in one transaction: all of them are there, or none is; and what is read for many at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection

from adapters.model.journal import JournalKind
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import ChargeStatus, Due, PersonRecord
from adapters.store import Overwrites, Share, SqlStore, Stale, Stepped
from adapters.store.records import same


@pytest.fixture
def records(store: SqlStore, make: SimpleNamespace) -> list[PersonRecord]:
    """Three persons with a course each, the last of whom has identifiers; on file, and read from their rows."""
    named = store.person(PersonHint((Identifier("mrn", "7"), Identifier("mrn", "8"))), "aria")
    for person, number in (("p1", 3), ("p2", 4)):
        store.save(PersonRecord(person), make.course(person, number), tick=make.NOW)
    before = store.load(named)
    store.save(before, make.course(named, 2, before.identifiers), tick=make.NOW)
    store._memory.forget()
    return list(store.load_all(["p1", "p2", named]).values())


def changed(record: PersonRecord, n: int, make: SimpleNamespace) -> PersonRecord:
    """The record with a charge that was sent, another taken away, and something due."""
    first, *others, _ = record.charges
    due = Due("poll", f"claim-{n}", make.NOW + timedelta(hours=n))
    return replace(record, charges=(replace(first, status=ChargeStatus.SENT), *others), due=(*record.due, due))


def ticks(store: SqlStore) -> list[bytes]:
    return [entry.body for entry in store.journal() if entry.kind is JournalKind.TICK]


def test_what_is_read_for_many_is_what_is_read_for_each(store: SqlStore, records: list[PersonRecord]) -> None:
    assert [len(one.charges) for one in records] == [6, 8, 4]
    for one in records:
        store._memory.forget()
        assert same(store.load(one.person), one)
    asked = [one.person for one in records]
    assert store.load_all(asked) == dict(zip(asked, records, strict=True))
    assert store.load_all(["nobody", "p1"]) == {"nobody": PersonRecord("nobody"), "p1": records[0]}
    assert store.load_all([]) == {}


def test_steps_of_several_are_saved_with_a_tick_each(
    store: SqlStore, records: list[PersonRecord], make: SimpleNamespace
) -> None:
    before = len(ticks(store))
    after = [changed(one, n, make) for n, one in enumerate(records)]
    new = make.course("p9", 2)
    steps = [*(Stepped(was, now) for was, now in zip(records, after, strict=True)), Stepped(PersonRecord("p9"), new)]
    store.save_all(steps, tick=make.NOW)
    store._memory.forget()
    for one in (*after, new):
        assert same(store.load(one.person), one)
    assert [body.count(b'"person"') for body in ticks(store)[before:]] == [1] * 4
    assert [one.person.encode() in body for one, body in zip((*after, new), ticks(store)[before:], strict=True)] == [
        True
    ] * 4
    assert store.verify() == ()
    store.save_all([Stepped(one, one) for one in after], tick=make.NOW)
    assert len(ticks(store)) == before + 4


@pytest.mark.parametrize("spoilt", [0, 1, 2])
def test_where_one_is_stale_none_is_written(
    store: SqlStore, records: list[PersonRecord], make: SimpleNamespace, spoilt: int
) -> None:
    other = replace(records[spoilt], due=(Due("note", "somebody else", make.NOW),))
    steps = [Stepped(one, changed(one, n, make)) for n, one in enumerate(records)]
    store.save(records[spoilt], other, tick=make.NOW)
    before = ticks(store)
    with pytest.raises(Stale):
        store.save_all(steps, tick=make.NOW)
    store._memory.forget()
    on_file = [store.load(one.person) for one in records]
    assert all(same(one, other if n == spoilt else records[n]) for n, one in enumerate(on_file))
    assert ticks(store) == before
    assert store.verify() == ()


def test_a_lane_that_came_on_file_meanwhile_is_stale(store: SqlStore, make: SimpleNamespace) -> None:
    made = make.course("p1", 2)
    store.save(PersonRecord("p1"), made, tick=make.NOW)
    steps = [Stepped(PersonRecord("p2"), make.course("p2", 2)), Stepped(PersonRecord("p1"), made)]
    with pytest.raises(Stale):
        store.save_all(steps, tick=make.NOW)
    assert store.load("p2") == PersonRecord("p2")


def test_where_one_would_lose_what_is_only_added_to_none_is_written(
    store: SqlStore, records: list[PersonRecord], make: SimpleNamespace
) -> None:
    steps = [Stepped(one, changed(one, n, make)) for n, one in enumerate(records)]
    steps[1] = Stepped(records[1], replace(records[1], entries=records[1].entries[1:]))
    assert len(records[1].entries) > 0
    with pytest.raises(Overwrites):
        store.save_all(steps, tick=make.NOW)
    store._memory.forget()
    assert all(same(store.load(one.person), one) for one in records)


def test_an_entry_of_two_lanes_is_taken_when_both_have_left_it(
    store: SqlStore, records: list[PersonRecord], make: SimpleNamespace
) -> None:
    persons = [one.person for one in records]
    both, third, alone = (store.receive(make.receipt(b"MSH|%d" % n, control=str(n))).entry for n in range(3))
    rows = [entry.seq for entry in store.entries([both, third, alone])]
    store.sort([Share(both, rows[0], p, (0,), 2) for p in persons[:2]])
    store.sort([Share(third, rows[1], p, (0,), 2) for p in persons[1:]])
    steps = [
        Stepped(records[0], changed(records[0], 0, make), taken=[alone], read=[both, alone], left=[both]),
        Stepped(records[1], records[1], left=[both, third]),
    ]
    store.save_all(steps, tick=make.NOW)
    assert store.not_taken([both, third, alone]) == {third}
    assert store.waiting_in(persons) == {persons[2]: [Share(third, rows[1], persons[2], (0,), 2)]}
    store.save_all([Stepped(records[2], records[2], left=[third])], tick=make.NOW)
    assert store.not_taken([both, third, alone]) == frozenset()
    assert store.verify() == ()


def test_an_entry_that_is_not_in_the_journal_is_taken_by_nobody(
    store: SqlStore, records: list[PersonRecord], make: SimpleNamespace
) -> None:
    known = store.receive(make.receipt(b"MSH|1", control="1")).entry
    steps = [
        Stepped(records[0], changed(records[0], 0, make), taken=[known]),
        Stepped(records[1], changed(records[1], 1, make), taken=["none"]),
    ]
    with pytest.raises(Overwrites):
        store.save_all(steps, tick=make.NOW)
    assert store.not_taken([known]) == {known}
    store._memory.forget()
    assert same(store.load(records[0].person), records[0])


def test_claims_are_found_in_their_lanes(store: SqlStore, records: list[PersonRecord]) -> None:
    found = {one.claims[0].claim.id: one.person for one in records if one.claims}
    assert found
    assert store.persons_of_claims([*found, "none"]) == found
    assert store.persons_of_claims([]) == {}
    # A payer's body may name more than PostgreSQL takes values in a statement.
    assert store.persons_of_claims([*map(str, range(66_000)), *found]) == found
    assert store.groups_of(["p1", "nobody"]) == {"p1": ("p1",), "nobody": ("nobody",)}


def test_of_a_resource_that_several_name_the_last_has_it(store: SqlStore, make: SimpleNamespace) -> None:
    """One that is told of another person, in the same round: each of both has learnt of it."""
    name = "ref:ehr|ChargeItem/1"
    courses = [make.course(person, 2) for person in ("p1", "p2", "p3")]
    steps = [
        Stepped(
            PersonRecord(made.person), replace(made, events=(replace(made.events[0], keys=(key,)), *made.events[1:]))
        )
        for made, key in zip(courses, (name, name, "ref:ehr|ChargeItem/2"), strict=True)
    ]
    store.save_all(steps, tick=make.NOW)
    whose = [store.lane_of(PersonHint(reference=f"ChargeItem/{n}"), "ehr") for n in (1, 2, 3)]
    assert whose == ["p2", "p3", ""]
    assert all(same(store.load(one.after.person), one.after) for one in steps)


@pytest.mark.parametrize("spoilt", [0, 2, 3])
def test_where_one_changes_while_they_are_made_ready_none_is_written(
    store: SqlStore, records: list[PersonRecord], make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, spoilt: int
) -> None:
    """Seen inside the transaction alone; and what is kept in memory stays what is on file."""
    before = [*records, PersonRecord("p9")]
    after = [*(changed(one, n, make) for n, one in enumerate(records)), make.course("p9", 2)]
    other = replace(before[spoilt], due=(Due("note", "somebody else", make.NOW),))
    write = store._write

    def late(work: Callable[[Connection], object]) -> object:
        monkeypatch.undo()
        store.save(before[spoilt], other, tick=make.NOW)
        return write(work)

    monkeypatch.setattr(store, "_write", late)
    with pytest.raises(Stale):
        store.save_all([Stepped(was, now) for was, now in zip(before, after, strict=True)], tick=make.NOW)
    before[spoilt] = other
    for one in before:
        assert same(store.load(one.person), one)
    store._memory.forget()
    assert all(same(store.load(one.person), one) for one in before)
    assert store.verify() == ()
