"""State = fold(journal): the demo day folded again, under its own rules and under others."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.demo.day import played
from adapters.pipeline import House
from adapters.pipeline.fold import fold
from adapters.store import differences


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
