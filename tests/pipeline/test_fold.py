"""State = fold(journal): the demo day folded again, under its own rules and under others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from adapters.demo.day import played
from adapters.errors import BadSetup
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.tables import FeeRow, TableKind
from adapters.pipeline import House
from adapters.pipeline.fold import Folding, fold, ticked
from adapters.pipeline.force import (
    NOTHING,
    PROGRAM,
    Turn,
    applied,
    ever,
    in_force,
    receipt_of,
    since,
    site_in_force,
    site_receipt_of,
    switched,
)
from adapters.serve.lanes import Lanes
from adapters.serve.switching import Switching
from adapters.store import differences
from adapters.store.editions.kept import Loaded
from adapters.tables import Heading, Reading
from adapters.tables.source import Problems
from adapters.wiring import switch


@pytest.mark.parametrize("seed", [None, 29])
def test_the_journal_folds_to_what_is_on_file_and_notices_other_prices(tmp_path, seed):
    with played(tmp_path, seed) as day:
        store, house = day.wired.store, day.wired.house
        entries = store.journal(limit=100_000)
        again = fold(entries, house, store.person)
        assert day.records
        for record in day.records:
            assert list(differences(record, again[record.person])) == []
        dearer = tuple(replace(price, amount=price.amount + Decimal(1)) for price in house.site.prices)
        other = House.of(house.rules, replace(house.site, prices=dearer))
        rehearsed = fold(entries, other, store.person)
        told = [line for record in day.records for line in differences(record, rehearsed[record.person])]
        assert any(": charges: " in line for line in told)


def test_a_missing_entry_of_the_journal_is_noticed(tmp_path):
    with played(tmp_path, None) as day:
        store = day.wired.store
        entries = store.journal(limit=100_000)
        last_tick = max(entry.seq for entry in entries if entry.kind == "tick")
        again = fold([e for e in entries if e.seq != last_tick], day.wired.house, store.person)
        told = [line for record in day.records for line in differences(record, again.get(record.person))]
        assert told


def dearer(wired, release, more):
    """An edition of fees, each so much above the site file's; its digest."""
    start = date(2000, 1, 1)
    rows = [
        FeeRow(p.code, (p.modifier,) if p.modifier else (), "", p.entity, p.amount + more, start, None)
        for p in wired.site.prices
    ]
    heading = Heading(TableKind.FEES, "", release, start, None)
    loaded = wired.editions.load(Reading(heading, lambda _: iter(rows), Problems()))
    assert isinstance(loaded, Loaded)
    return loaded.edition.digest


def put(wired, turn, *digests):
    """Have exactly these editions in force."""
    done = switch(wired.store, wired.clock, turn, wired.rules.digest, lambda _: digests, by="kim", why="a test")
    assert done is not None
    return done


def dues(store):
    """What every charge that was never sent costs."""
    return [c.value.charge.price for c in store.charges()]


def test_every_tick_is_folded_under_the_tables_of_its_time(tmp_path):
    with played(tmp_path, None) as day:
        wired, store = day.wired, day.wired.store
        first, second = dearer(wired, "one", Decimal(1)), dearer(wired, "two", Decimal(2))
        lanes = Lanes(store, wired.house, wired.payers, wired.clock)
        watching = Switching(wired, lanes)
        before = dues(store)
        assert watching.once() == 0, "nothing is in force yet"
        put(wired, Turn.ACTIVATED, first)
        assert watching.look()
        assert not watching.look()
        assert (lanes.house.tables.digest, wired.house) == (wired.force.tables, lanes.house)
        assert dues(store) == before, "exchanged is not stepped yet"
        assert watching.step_all() == len(store.lanes())
        assert watching.step_all() == 0
        assert wired.force_now().turn is Turn.APPLIED
        under_first = dues(store)
        assert under_first != before
        lanes.run_due()
        put(wired, Turn.ACTIVATED, second)
        assert watching.once() == len(store.lanes())
        put(wired, Turn.ACTIVATED, first)
        assert watching.once() == len(store.lanes())
        assert lanes.house.tables.digest == wired.force.tables
        entries = store.journal(limit=100_000)
        steps = [ticked(entry) for entry in entries if entry.kind is JournalKind.TICK]
        assert any(step.again and step.under for step in steps)
        assert steps[0].under == ""

        def folds(house, kept=None):
            again = fold(entries, house, store.person, kept)
            records = [store.load(person) for person in store.lanes()]
            return [line for record in records for line in differences(record, again[record.person])]

        kept = wired.editions.tables
        assert folds(wired.house, kept) == []
        assert folds(House.of(wired.rules, wired.site), kept) == [], "whatever is in force now"
        with pytest.raises(BadSetup, match=second):
            folds(wired.house)
        with pytest.raises(BadSetup) as missing:
            folds(wired.house, lambda digests: wired.editions.tables([*digests, "f" * 64]))
        assert "f" * 64 in missing.value.problems[0]


def entry_of(seq, receipt):
    """A receipt as an entry of the journal."""
    return JournalEntry(
        seq, f"e{seq}", receipt.kind, receipt.at, receipt.actor, receipt.media, receipt.control, "", receipt.body
    )


def forced(before, turn, *editions, rules="r1", by="kim"):
    """What follows."""
    at = datetime(2026, 1, 5, 12, tzinfo=UTC)
    return switched(before, turn, rules=rules, editions=editions, by=by, why="a test", at=at)


def test_what_is_in_force_is_read_as_it_was_written():
    first = forced(NOTHING, Turn.ACTIVATED, "b", "a", "b")
    assert (first.editions, first.about, first.applied) == (("a", "b"), ("a", "b"), False)
    for force in (first, applied(first, first.at), forced(first, Turn.PROGRAM, "a", "b", by=PROGRAM)):
        receipt = receipt_of(force, "before")
        assert in_force(entry_of(7, receipt)) == replace(force, entry="e7")
        assert receipt.actor == ("person:kim" if force.by == "kim" else PROGRAM)
    assert in_force(None) == NOTHING
    at = first.at
    assert site_in_force(entry_of(1, site_receipt_of("s1", at, ""))) == "s1"
    assert site_in_force(None) == ""
    assert receipt_of(first, "").digest != receipt_of(first, "another").digest


def test_what_waits_to_be_stepped_is_carried_on():
    first = forced(NOTHING, Turn.ACTIVATED, "a")
    assert not forced(first, Turn.PROGRAM, "a", rules="r2").applied, "another program does not step for it"
    done = applied(first, first.at)
    assert forced(done, Turn.PROGRAM, "a", rules="r2").applied
    assert not forced(done, Turn.DEACTIVATED).applied
    assert forced(NOTHING, Turn.PROGRAM).applied


def test_since_when_an_edition_is_in_force():
    one = forced(NOTHING, Turn.ACTIVATED, "a")
    two = forced(one, Turn.ACTIVATED, "a", "b")
    three = forced(two, Turn.DEACTIVATED, "b")
    four = forced(three, Turn.ACTIVATED, "a", "b")
    assert since([one, two]) == {"a": one, "b": two}
    assert since([one, two, three]) == {"b": two}
    assert since([one, two, three, four]) == {"a": four, "b": two}
    assert ever([one, two, three]) == {"a", "b"}
    assert since([]) == {}


def test_other_rules_and_settings_are_named_where_they_begin(tmp_path):
    with played(tmp_path, None) as day:
        house, store = day.wired.house, day.wired.store
        entries = store.journal(limit=100_000)
        own = Folding(house, store.person)
        for entry in entries:
            own.add(entry)
        assert own.foreign == []
        other = Folding(replace(house, site=replace(house.site, digest="5" * 64)), store.person)
        for entry in entries:
            other.add(entry)
        (words,) = other.foreign
        said = next(entry.seq for entry in entries if entry.kind is JournalKind.SITE)
        assert words == (f"from journal entry {said} on: written under site file {house.site.digest[:16]}, a rehearsal")
        rules = forced(NOTHING, Turn.PROGRAM, rules="9" * 64, by=PROGRAM)
        later = [entry_of(10_001, receipt_of(rules, "")), entry_of(10_002, receipt_of(rules, "x"))]
        newer = Folding(house, store.person)
        for entry in (*entries, *later):
            newer.add(entry)
        assert newer.foreign == ["from journal entry 10001 on: written under rules 9999999999999999, a rehearsal"]
