"""Work items that concern nobody: changed in place, and left as a person closed them while their trouble says the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from adapters.model.decision import Decision, Verb, saying
from adapters.model.record import Parked
from adapters.model.work import WorkItem, open_item
from adapters.store import SqlStore
from adapters.work import decided_alone

NOW = datetime(2026, 1, 5, 20, tzinfo=UTC)


def item(entry: str, detail: str = "no feed") -> WorkItem:
    return open_item(
        "parked-message", "feed-unknown", entry, category="intake", action="mend", opened=NOW, detail=detail
    )


def closing(at: datetime = NOW) -> Decision:
    return Decision("kim", "a test message", at, (saying(Verb.CLOSE, item="x"),))


def test_an_item_of_nobody_is_changed_in_place(store: SqlStore, make: SimpleNamespace) -> None:
    entry = store.receive(make.receipt()).entry
    store.park(Parked(entry, "feed-unknown", "no feed"), item(entry))
    known = item(entry)
    decision = closing()
    assert store.change_item(known.id, lambda one: decided_alone(one, decision.says[0], decision))
    assert store.worklist() == ()
    (closed,) = store.worklist(closed=True)
    assert closed == replace(known, closed=NOW, closed_why="a test message", closed_by="kim")
    assert not store.change_item("another", lambda one: replace(one, assigned="kim"))
    assert store.verify() == ()


def test_trouble_that_says_the_same_stays_closed_and_other_trouble_opens(
    store: SqlStore, make: SimpleNamespace
) -> None:
    entry = store.receive(make.receipt()).entry
    store.park(Parked(entry, "feed-unknown", "no feed"), item(entry))
    decision = closing(NOW + timedelta(hours=1))
    store.change_item(item(entry).id, lambda one: decided_alone(one, decision.says[0], decision))
    assert store.unpark(entry)
    store.park(Parked(entry, "feed-unknown", "no feed"), item(entry))
    assert store.worklist() == ()
    assert store.unpark(entry)
    store.park(Parked(entry, "feed-unknown", "two feeds"), item(entry, "two feeds"))
    assert [one.detail for one in store.worklist()] == ["two feeds"]
    assert store.verify() == ()
