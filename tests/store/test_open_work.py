"""The open work list as it is read again and again: what changes is seen, what closes is gone, what is kept is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.model.people import Identifier, PersonHint
from adapters.model.work import WorkItem, open_item
from adapters.store import SqlStore, listing
from adapters.store.keys import KeyRing
from adapters.store.listing import Of
from tests.store.conftest import NOW


def item(n: int, person: str, **more: object) -> WorkItem:
    made = open_item("denial", str(n), f"about-{n}", category="c", action="look", opened=NOW, person=person)
    return replace(made, **more)


def put(store: SqlStore, *items: WorkItem) -> str:
    """These items as the work of a person."""
    lane = store.person(PersonHint((Identifier("mrn", "1"),)), "")
    before = store.load(lane)
    store.save(before, replace(before, work=tuple(replace(one, person=lane) for one in items)), tick=NOW)
    return lane


def seen(store: SqlStore) -> dict[str, WorkItem]:
    listed = store.open_work()
    found = {one.item.code: one.item for one in listed}
    assert len(found) == len(listed)
    assert sorted(found.values(), key=lambda one: one.id) == sorted(store.worklist(), key=lambda one: one.id)
    return found


def test_it_is_the_work_list_after_every_change(store: SqlStore) -> None:
    assert seen(store) == {}
    lane = put(store, item(1, ""), item(2, ""))
    assert set(seen(store)) == {"1", "2"}
    assert set(seen(store)) == {"1", "2"}
    before = store.load(lane)
    one, two = before.work
    store.save(before, replace(before, work=(replace(one, assigned="kim"), two)), tick=NOW + timedelta(seconds=1))
    assert seen(store)["1"].assigned == "kim"
    before = store.load(lane)
    closed = replace(before.work[0], closed=NOW, closed_why="done", closed_by="kim")
    store.save(before, replace(before, work=(closed, before.work[1], item(3, lane))), tick=NOW + timedelta(seconds=2))
    assert set(seen(store)) == {"2", "3"}
    before = store.load(lane)
    again = replace(before.work[0], closed=None, closed_why="", closed_by="")
    store.save(before, replace(before, work=(again,)), tick=NOW + timedelta(seconds=3))
    assert set(seen(store)) == {"1"}


def test_what_is_unchanged_is_not_decrypted_again(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    lane = put(store, item(1, ""), item(2, ""))
    seen(store)
    opened: list[str] = []
    real = KeyRing.open

    def counted(self: KeyRing, key_id: str, data: bytes, place: str) -> bytes:
        opened.append(place)
        return real(self, key_id, data, place)

    monkeypatch.setattr(KeyRing, "open", counted)
    store.open_work()
    assert opened == []
    before = store.load(lane)
    opened.clear()
    store.save(before, replace(before, work=(replace(before.work[0], amount=7), before.work[1])), tick=NOW)
    opened.clear()
    store.open_work()
    assert len(opened) == 1


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("gone", [{"1"}, {"1", "2"}])
def test_what_goes_between_the_two_questions_is_not_told_and_hinders_nothing(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, known: bool, gone: set[str]
) -> None:
    """The store asks both in one snapshot; where a database gives less, no item is told as it was before."""
    lane = put(store, item(1, ""), item(2, ""))
    if known:
        seen(store)
        before = store.load(lane)
        store.save(before, replace(before, work=tuple(replace(one, amount=7) for one in before.work)), tick=NOW)
    real = listing.everyones

    def later(*asked: Any) -> tuple[Of[Any], ...]:
        return tuple(of for of in real(*asked) if of.value.code not in gone)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(listing, "everyones", later)
        assert {one.item.code for one in store.open_work()} == {"1", "2"} - gone
    assert {one.amount for one in seen(store).values()} == ({7} if known else {0})


def test_what_closes_between_the_two_questions_is_not_told_as_open(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, item(1, ""), item(2, ""))
    real = listing.everyones

    def later(*asked: Any) -> tuple[Of[Any], ...]:
        found = real(*asked)
        return tuple(Of(of.person, replace(of.value, closed=NOW) if of.value.code == "1" else of.value) for of in found)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(listing, "everyones", later)
        assert {one.item.code for one in store.open_work()} == {"2"}
    assert set(seen(store)) == {"1", "2"}
