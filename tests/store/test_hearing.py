"""An entry about a feed and its work items: together or not at all, and after the entry that its writer knew."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace

from adapters.model.journal import JournalKind
from adapters.model.work import open_item
from adapters.ports import Receipt
from adapters.store import SqlStore
from adapters.store.hearing import Told


def receipt(make: SimpleNamespace, body: bytes, feed: str = "rt") -> Receipt:
    digest = hashlib.sha256(body).hexdigest()
    return Receipt(JournalKind.FEED, "feeds", "", "clock", "json", feed, digest, body, b"", make.NOW)


def test_only_who_knows_the_last_entry_writes_the_next(store: SqlStore, make: SimpleNamespace) -> None:
    item = open_item("feed-silent", "silent", "rt", category="feed", action="ask", opened=make.NOW)
    first = store.tell_of_feed(Told(receipt(make, b"1"), (item,)), "")
    assert first is not None
    assert store.tell_of_feed(Told(receipt(make, b"2"), (replace(item, id="other"),)), "") is None
    assert store.tell_of_feed(Told(receipt(make, b"x", "ehr")), "") is not None
    second = store.tell_of_feed(Told(receipt(make, b"2"), (), item.id, "it spoke"), first.id)
    assert second is not None
    assert store.last_noted("feeds", "rt") == second
    assert store.worklist(closed=True) == (replace(item, closed=make.NOW, closed_why="it spoke"),)
    assert store.unread(9) == ()


def test_what_a_person_closed_stays_as_it_is(store: SqlStore, make: SimpleNamespace) -> None:
    item = open_item("feed-silent", "silent", "rt", category="feed", action="ask", opened=make.NOW)
    first = store.tell_of_feed(Told(receipt(make, b"1"), (item,)), "")
    assert first is not None
    theirs = replace(item, closed=make.NOW, closed_why="known", closed_by="person:kim")
    assert store.change_item(item.id, lambda _item: theirs)
    assert store.tell_of_feed(Told(receipt(make, b"2"), (), item.id, "it spoke"), first.id) is not None
    assert store.worklist(closed=True) == (theirs,)
