"""Listening to feeds: silence and gaps become work items, by a command's look and by the service's, once for all."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.errors import StoreDown
from adapters.model.journal import JournalKind
from adapters.pipeline.hearing import FAR, SPEAKS, differences, items
from adapters.pipeline.receive import receive_v2
from adapters.serve.hearing import GRACE, FeedWatch, last_number
from adapters.serve.mllp import start_mllp
from tests.serve.conftest import dft
from tests.serve.test_server import run, send, stream  # noqa: F401  # a fixture

RHYTHM = """
sequence_numbers = true
[feeds.rhythm]
every_minutes = 120
opens = 08:00:00
closes = 18:00:00
holidays = [2026-01-19]
"""


@pytest.fixture
def watched(program, monkeypatch):
    """`watched()`: the program of a site whose feed of charges speaks every two working hours and counts its messages."""
    from tests.serve import conftest

    begin, rest = conftest.SITE.split('name = "charges"')
    feed, after = rest.split("\n\n", 1)
    monkeypatch.setattr(conftest, "SITE", f'{begin}name = "charges"{feed}{RHYTHM}\n{after}')
    return program


def numbered(control: str, number: str = "", **more: str) -> bytes:
    """A message with this MSH-13."""
    return dft(control, **more).replace(b"|2.5.1|", f"|2.5.1|{number}".encode(), 1)


def told(program) -> list[tuple[str, str, bool]]:
    """The items of feeds: code, detail, whether it is closed."""
    found = [item for item in program.store.worklist(closed=True) if item.kind == "feed-silent"]
    return [(item.code, item.detail, item.closed is not None) for item in found]


def kept(program) -> None:
    """What is on file of feeds is what the journal gives."""
    assert list(differences(program.store.worklist(closed=True), items(program.store.journal()))) == []
    assert program.store.verify() == ()


def test_a_feed_without_promises_costs_nothing(program, put, message):
    one = program()
    put(one, message())
    one.lanes.run_due()
    assert JournalKind.FEED not in one.store.counts().by_kind


def test_a_feed_that_misses_its_rhythm_is_told_until_it_speaks(watched, put, clock):
    one = watched()
    clock.forward(hours=-1)  # nine there, on a Monday
    put(one, numbered("C1", "1"))
    one.lanes.run_due()
    assert told(one) == []
    clock.forward(minutes=119)
    one.lanes.run_due()
    assert told(one) == []
    clock.forward(minutes=1)
    one.lanes.run_due()
    silent = "nothing since 2026-01-12T14:00:00+00:00; expected by 2026-01-12T16:00:00+00:00; last control id C1"
    assert told(one) == [("silent", silent, False)]
    clock.forward(hours=20)
    watched(store=one.store).lanes.run_due()
    assert told(one) == [("silent", silent, False)]
    put(one, numbered("C2", "2", transaction="T2"))
    one.lanes.run_due()
    assert told(one) == [("silent", silent, True)]
    (item,) = [item for item in one.store.worklist(closed=True) if item.kind == "feed-silent"]
    assert (item.closed, item.closed_why, item.about, item.person) == (clock.now(), SPEAKS, "charges", "")
    kept(one)


def test_nights_weekends_and_holidays_are_not_missed(watched, put, clock):
    one = watched()
    clock.forward(days=4, hours=7)  # Friday, five in the afternoon there; Monday is a holiday
    put(one, numbered("C1"))
    one.lanes.run_due()
    clock.forward(days=3, hours=15, minutes=59)
    one.lanes.run_due()
    assert told(one) == []
    clock.forward(hours=1, minutes=1)
    one.lanes.run_due()
    assert [code for code, _, _ in told(one)] == ["silent"]


def test_the_first_look_does_not_cry_but_knows_the_last_word(watched, put, clock):
    one = watched()
    put(one, numbered("C1"))
    clock.forward(days=3)
    one.lanes.run_due()
    assert told(one) == []
    clock.forward(hours=2)
    one.lanes.run_due()
    ((code, detail, closed),) = told(one)
    assert (code, closed) == ("silent", False)
    assert "nothing since 2026-01-12T15:00:00" in detail
    assert "last control id C1" in detail


def test_gaps_in_numbers_and_in_batches_are_told(watched, put, clock):
    one = watched()
    put(one, numbered("C1", "1"))
    one.lanes.run_due()
    put(one, numbered("C2", "2", transaction="T2"))
    put(one, numbered("C5", "5", transaction="T5"))
    batch = b"BHS|^~\\&|QBAY|BAY|ONCO|BAY|20260112||||B1\r" + numbered("C6", "6", transaction="T6") + b"BTS|2\r"
    put(one, batch)
    one.lanes.run_due()
    assert told(one) == [
        ("sequence-gap", "MSH-13 goes from 2 to 5; last control id C2", False),
        ("batch-count", "a trailer counts other than what came; last control id C6", False),
    ]
    clock.forward(minutes=1)
    one.lanes.run_due()
    watched(store=one.store).lanes.run_due()
    assert len(told(one)) == 2
    kept(one)


def test_two_processes_tell_a_thing_once(watched, put, clock):
    one = watched()
    other = watched(store=one.store)
    put(one, numbered("C1", "1"))
    one.lanes.run_due()
    other.lanes.run_due()
    put(one, numbered("C4", "4", transaction="T4"))
    clock.forward(hours=1)
    for lanes in (one.lanes, other.lanes, other.lanes):
        lanes.run_due()
    assert [code for code, _, _ in told(one)] == ["sequence-gap"]
    clock.forward(hours=2)
    both = [threading.Thread(target=lanes.run_due) for lanes in (one.lanes, other.lanes)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert [code for code, _, _ in told(one)] == ["sequence-gap", "silent"]
    other.lanes.run_due()
    kept(one)


def test_what_was_found_is_told_when_the_store_is_back(watched, put, clock, monkeypatch):
    one = watched()
    watch = FeedWatch(one.store)
    put(one, numbered("C1", "1"))
    watch.look(one.site.feeds, clock.now())
    put(one, numbered("C4", "4", transaction="T4"))

    def down(*_args):
        raise StoreDown("the store could not write")

    monkeypatch.setattr(one.store, "tell_of_feed", down)
    with pytest.raises(StoreDown):
        watch.look(one.site.feeds, clock.now())
    monkeypatch.undo()
    assert watch.look(one.site.feeds, clock.now()) == 1
    assert [code for code, _, _ in told(one)] == ["sequence-gap"]


def test_a_long_journal_is_listened_to_in_parts_and_told_now_and_then(watched, put, clock):
    one = watched()
    one.lanes.run_due()
    for n in range(FAR + 2):
        put(one, numbered(f"C{n}", str(n + 1), transaction=f"T{n}"))
    watch = FeedWatch(one.store)
    assert watch.look(one.site.feeds, clock.now()) == 1
    assert watch.look(one.site.feeds, clock.now()) == 0
    assert told(one) == []
    assert last_number(one.store, one.site.feeds[0]) == FAR + 2


def test_a_closing_by_a_person_stays(watched, put, clock):
    one = watched()
    put(one, numbered("C1", "1"))
    one.lanes.run_due()
    clock.forward(hours=3)
    one.lanes.run_due()
    (item,) = [item for item in one.store.worklist() if item.kind == "feed-silent"]
    closed = replace(item, closed=clock.now(), closed_why="their server moves today", closed_by="person:kim")
    one.store.change_item(item.id, lambda _item: closed)
    clock.forward(hours=1)
    one.lanes.run_due()
    put(one, numbered("C2", "2", transaction="T2"))
    one.lanes.run_due()
    assert [found for found in one.store.worklist(closed=True) if found.id == item.id] == [closed]


def test_the_service_tells_by_its_clock_and_is_patient_after_its_start(watched, put, clock):
    one = watched()
    put(one, numbered("C1", "1"))
    one.lanes.run_due()
    clock.forward(hours=3)
    one.lanes.start(["payer"], every=timedelta(milliseconds=2))
    try:
        time.sleep(0.1)
        assert told(one) == []
        clock.at += GRACE
        assert until(lambda: [code for code, _, _ in told(one)] == ["silent"])
        put(one, numbered("C2", "2", transaction="T2"))
        assert until(lambda: told(one)[0][2])
    finally:
        one.lanes.stop()
    kept(one)


@pytest.mark.system
@pytest.mark.usefixtures("stream")
def test_the_whole_service_tells_of_a_feed_that_fell_silent_and_speaks_again(watched, clock):
    one = watched()

    def act(mllp, _web, _health):
        assert b"MSA|AA|C1||2" in send(mllp, numbered("C1", "1"))
        assert until(lambda: one.store.counts().by_kind.get(JournalKind.FEED) == 1)
        clock.forward(hours=1)
        time.sleep(0.1)
        before = told(one)
        clock.forward(hours=2)
        assert until(lambda: [code for code, _, _ in told(one)] == ["silent"])
        assert b"MSA|AA|C2||3" in send(mllp, numbered("C2", "2", transaction="T2"))
        assert until(lambda: told(one)[0][2])
        return before

    assert run(one, act) == [[]]
    kept(one)


def until(there, seconds: float = 10) -> bool:
    last = time.monotonic() + seconds
    while not there():
        if time.monotonic() > last:
            return False
        time.sleep(0.005)
    return True


def expected(answer: bytes) -> str:
    """MSA-4 of an acknowledgement."""
    msa = next(line for line in answer.split(b"\r") if line.startswith(b"MSA")).split(b"|")
    assert msa[1] == b"AA"
    return msa[4].decode() if len(msa) > 4 else ""


def test_the_acknowledgement_says_which_number_comes_next(watched, put, clock):
    from tests.serve.test_mllp import END, heard, talking

    one = watched()
    link = b"MSH|^~\\&|QBAY|BAY|ONCO|BAY|20260112100000||^|L%d|P|2.5.1|0\r"
    one.lanes.run_due()
    listener = start_mllp(one, "127.0.0.1", 0, "charges")
    try:
        with talking(listener) as peer:

            def say(body: bytes) -> str:
                peer.sendall(b"\x0b" + body + END)
                return expected(heard(peer, 1)[0])

            assert say(link % 1) == "-1"
            assert say(numbered("C1", "41")) == "42"
            assert say(link % 2) == "42"
            assert say(numbered("C2", "42", transaction="T2")) == "43"
            assert say(numbered("C4", "44", transaction="T4")) == "45"
            assert say(numbered("C5", "", transaction="T5")) == ""
            assert say(numbered("C6", "-1", transaction="T6")) == "-1"
    finally:
        listener.close()
    one.lanes.run_due()
    # A message that only starts a session is nobody's trouble.
    assert one.store.parked() == ()
    assert [code for code, _, _ in told(one)] == ["sequence-gap"]


def test_each_message_of_a_batch_is_told_its_number(watched, clock):
    one = watched()
    each = replace(one.site, feeds=(replace(one.site.feeds[0], batch_answer="each"), *one.site.feeds[1:]))
    batch = b"BHS|^~\\&|QBAY|BAY|ONCO|BAY|20260112||||B1\r" + numbered("C6", "6") + numbered("C7", "7") + b"BTS|2\r"
    intake = receive_v2(batch, listener="charges", peer="", site=each, now=clock.now(), ack_id="A1")
    assert b"MSA|AA|C6||7\r" in intake.answer
    assert b"MSA|AA|C7||8\r" in intake.answer


def test_without_the_protocol_no_number_is_said(program, put, message):
    from tests.serve.test_mllp import END, heard, talking

    one = program()
    listener = start_mllp(one, "127.0.0.1", 0, "charges")
    try:
        with talking(listener) as peer:
            peer.sendall(b"\x0b" + numbered("C1", "41") + END)
            assert expected(heard(peer, 1)[0]) == ""
    finally:
        listener.close()


def test_who_may_not_read_the_journal_leaves_the_number_out(watched, put, clock):
    """On PostgreSQL a process that only takes receipts may not."""

    def refused(_feed):
        raise StoreDown("the store could not read")

    one = watched()
    body = numbered("L1", "0")
    intake = receive_v2(
        body, listener="charges", peer="", site=one.site, now=clock.now(), ack_id="A1", last_number=refused
    )
    assert intake.receipt is not None
    assert expected(intake.answer) == ""
