"""The journal's contract: what is received stays, once, with the answer first given; and its queue."""

from __future__ import annotations

import threading
from concurrent.futures import wait
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from adapters.errors import StoreDown
from adapters.model.journal import JournalKind
from adapters.model.record import Parked, PersonRecord
from adapters.store import Overwrites, SqlStore


def test_received_is_unread_whole_and_in_order(store: SqlStore, make: SimpleNamespace) -> None:
    got = [store.receive(make.receipt(b"MSH|%d" % n, control=f"C{n}")) for n in range(5)]
    entries = store.unread(10)
    assert [e.id for e in entries] == [g.entry for g in got]
    assert [e.seq for e in entries] == [1, 2, 3, 4, 5]
    first = entries[0]
    assert (first.body, first.control, first.at, first.kind) == (b"MSH|0", "C0", make.NOW, JournalKind.MESSAGE)
    assert (first.actor, first.media, first.digest) == ("feed:aria", "hl7v2", make.digest(b"MSH|0"))
    assert store.entry(first.id) == first
    assert store.unread(2) == entries[:2]
    assert store.entry("none") is None


def test_a_resend_gives_the_answer_stored_first(store: SqlStore, make: SimpleNamespace) -> None:
    first = store.receive(make.receipt(answer=b"AA first"))
    again = store.receive(make.receipt(answer=b"AA second", at=make.NOW + timedelta(hours=1)))
    assert (first.repeated, again.repeated) == (False, True)
    assert again.answer == b"AA first"
    assert again.entry == first.entry
    assert not again.control_reused
    assert len(store.unread(10)) == 1


def test_a_control_id_used_for_another_body_keeps_both(store: SqlStore, make: SimpleNamespace) -> None:
    store.receive(make.receipt(b"MSH|1", control="C1"))
    other = store.receive(make.receipt(b"MSH|2", control="C1"))
    assert other.control_reused
    assert not other.repeated
    assert [e.body for e in store.unread(10)] == [b"MSH|1", b"MSH|2"]


def test_the_same_control_id_of_another_sender_or_channel_is_another(store: SqlStore, make: SimpleNamespace) -> None:
    store.receive(make.receipt(b"MSH|1"))
    assert not store.receive(make.receipt(b"MSH|2", sender="MOSAIQ|SOUTH")).control_reused
    assert not store.receive(make.receipt(b"MSH|3", channel="fhir")).control_reused
    assert not store.receive(make.receipt(b"MSH|1", sender="MOSAIQ|SOUTH")).repeated


def test_without_a_control_id_the_digest_tells(store: SqlStore, make: SimpleNamespace) -> None:
    assert not store.receive(make.receipt(b"{1}", control="")).repeated
    assert store.receive(make.receipt(b"{1}", control="")).repeated
    other = store.receive(make.receipt(b"{2}", control=""))
    assert (other.repeated, other.control_reused) == (False, False)


def test_resends_and_reuse_within_one_group(store: SqlStore, make: SimpleNamespace) -> None:
    gate = threading.Event()
    held = store._writer.run(lambda _: gate.wait(10))
    futures = [
        store.receive_soon(r)
        for r in (
            make.receipt(b"MSH|1"),
            make.receipt(b"MSH|1", answer=b"later"),
            make.receipt(b"MSH|2"),
            make.receipt(b"MSH|3", control="C3"),
        )
    ]
    gate.set()
    assert held.result(10)
    got = [f.result(10) for f in futures]
    assert [g.repeated for g in got] == [False, True, False, False]
    assert [g.control_reused for g in got] == [False, False, True, False]
    assert got[1].answer == got[0].answer
    assert [e.body for e in store.unread(10)] == [b"MSH|1", b"MSH|2", b"MSH|3"]


def test_many_threads_one_message_is_stored_once(store: SqlStore, make: SimpleNamespace) -> None:
    got = []
    threads = [threading.Thread(target=lambda: got.append(store.receive(make.receipt()))) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(g.repeated for g in got) == [False] + [True] * 23
    assert len({g.answer for g in got}) == 1
    assert store.counts().journal == 1


def test_a_digest_that_is_not_the_bodys_is_a_bug(store: SqlStore, make: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        store.receive(make.receipt(digest="00"))
    assert store.counts().journal == 0


def test_one_bad_receipt_does_not_fail_its_group(store: SqlStore, make: SimpleNamespace) -> None:
    gate = threading.Event()
    store._writer.run(lambda _: gate.wait(10))
    good = [store.receive_soon(make.receipt(b"MSH|%d" % n, control=str(n))) for n in range(3)]
    bad = store.receive_soon(make.receipt(b"bad", actor=["not", "text"]))
    more = [store.receive_soon(make.receipt(b"MSH|%d" % n, control=str(n))) for n in range(3, 6)]
    gate.set()
    with pytest.raises(StoreDown):
        bad.result(10)
    assert [f.result(10).repeated for f in good + more] == [False] * 6
    assert store.counts().journal == 6


def test_one_bad_unit_does_not_fail_its_group(store: SqlStore, make: SimpleNamespace) -> None:
    gate = threading.Event()
    store._writer.run(lambda _: gate.wait(10))
    lines = "INSERT INTO entry_lines VALUES ('no-entry', 0, 'charges', 5, 'c', 1)"
    received = store.receive_soon(make.receipt())
    # A deferred constraint: refused at the COMMIT of the whole group, not where it is written.
    broken = store._writer.run(lambda c: c.exec_driver_sql(lines) and None)
    boom = store._writer.run(lambda _: 1 // 0)
    after = store.receive_soon(make.receipt(b"MSH|2", control="C2"))
    gate.set()
    with pytest.raises(StoreDown):
        broken.result(10)
    with pytest.raises(ZeroDivisionError):
        boom.result(10)
    wait([received, after], 10)
    assert store.entry(received.result().entry) is not None
    assert store.entry(after.result().entry) is not None


def test_a_cancelled_receipt_is_not_written(store: SqlStore, make: SimpleNamespace) -> None:
    gate = threading.Event()
    held = store._writer.run(lambda _: gate.wait(10))
    future = store.receive_soon(make.receipt())
    assert future.cancel()
    gate.set()
    held.result(10)
    assert store.counts().journal == 0


def test_a_closed_store_takes_nothing(open_file, make: SimpleNamespace) -> None:
    store = open_file()
    store.close()
    with pytest.raises(StoreDown, match="closed"):
        store.receive(make.receipt())


def test_closing_writes_what_waits(open_file, make: SimpleNamespace) -> None:
    store = open_file()
    futures = [store.receive_soon(make.receipt(b"MSH|%d" % n, control=str(n))) for n in range(300)]
    store.close()
    assert all(not f.result(0).repeated for f in futures)
    with open_file() as again:
        assert again.counts().unread == 300


def test_parked_is_set_aside_with_its_work_item_and_comes_back(store: SqlStore, make: SimpleNamespace) -> None:
    entry = store.receive(make.receipt()).entry
    parked = Parked(entry, "unreadable", "segment 3", ("FT1[1]-7: no code", "PID-3: none"))
    store.park(parked, make.work("", 1, kind="parked-message", about=entry))
    assert store.unread(10) == ()
    assert store.parked() == (parked,)
    assert [w.about for w in store.worklist()] == [entry]
    assert store.unpark(entry) is True
    assert [e.id for e in store.unread(10)] == [entry]
    assert store.parked() == ()
    assert store.worklist() == ()
    (closed,) = store.worklist(closed=True)
    assert (closed.closed, closed.closed_why) == (make.NOW, "read again")
    assert store.unpark(entry) is False


def test_parking_again_reopens_the_one_item(store: SqlStore, make: SimpleNamespace) -> None:
    entry = store.receive(make.receipt()).entry
    item = make.work("", 1, kind="parked-message", about=entry)
    for _ in range(2):
        store.park(Parked(entry, "unreadable"), item)
        assert store.worklist() == (item,)
        store.unpark(entry)
    assert len(store.worklist(closed=True)) == 1


def test_parking_what_is_not_there_writes_no_item(store: SqlStore, make: SimpleNamespace) -> None:
    with pytest.raises(Overwrites):
        store.park(Parked("none", "unreadable"), make.work("", 1))
    assert store.worklist() == ()


def test_closed_entries_are_taken(store: SqlStore, make: SimpleNamespace) -> None:
    entry = store.receive(make.receipt()).entry
    store.close_entry(entry)
    assert store.unread(10) == ()
    (line,) = store.messages()
    assert (line.id, line.state, line.taken_at, line.sender) == (entry, "taken", make.NOW, "ARIA|NORTH")
    with pytest.raises(Overwrites):
        store.close_entry("none")


def test_counts_account_for_every_entry(store: SqlStore, make: SimpleNamespace) -> None:
    ids = [store.receive(make.receipt(b"MSH|%d" % n, control=str(n))).entry for n in range(4)]
    store.receive(make.receipt(b"{}", kind=JournalKind.ANSWER, control=""))
    store.close_entry(ids[0])
    store.park(Parked(ids[1], "unreadable"), make.work("", 1))
    record = make.course("p1", 1)
    store.save(PersonRecord("p1"), record, taken=[ids[2]], tick=make.NOW)
    counts = store.counts()
    assert (counts.journal, counts.unread, counts.taken, counts.parked) == (6, 2, 3, 1)
    assert counts.by_kind == {JournalKind.MESSAGE: 4, JournalKind.ANSWER: 1, JournalKind.TICK: 1}
    assert counts.journal == counts.unread + counts.taken + counts.parked


def test_an_entry_that_another_lane_parked_stays_parked(store: SqlStore, make: SimpleNamespace) -> None:
    entry = store.receive(make.receipt()).entry
    store.park(Parked(entry, "lane-failed"), make.work("", 1, about=entry))
    store.save(PersonRecord("p1"), make.course("p1", 1), taken=[entry], tick=make.NOW)
    assert [p.entry for p in store.parked()] == [entry]


def test_listing_the_journal_pages(store: SqlStore, make: SimpleNamespace) -> None:
    for n in range(5):
        store.receive(make.receipt(b"MSH|%d" % n, control=str(n)))
    assert [line.seq for line in store.messages(limit=2)] == [1, 2]
    assert [line.control for line in store.messages(after=3)] == ["3", "4"]


def test_a_naive_instant_is_a_bug(store: SqlStore, make: SimpleNamespace) -> None:
    bad = replace(make.receipt(), at=make.NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="zone"):
        store.receive(bad)
    assert store.counts().journal == 0
