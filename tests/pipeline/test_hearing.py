"""Listening to a feed: every state follows from the journal, each trouble is told once, and speaking ends a silence."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.rhythm import Rhythm
from adapters.model.site import Feed
from adapters.pipeline.hearing import (
    FAR,
    SPEAKS,
    Hearing,
    begun,
    differences,
    expected_number,
    going_on,
    hearing_of,
    hushed,
    items,
    listen,
    opens,
    receipt_of,
    watched,
    worth_telling,
)

MONDAY = datetime(2026, 1, 5, 14, tzinfo=UTC)  # nine in the morning there
FEED = Feed(
    "rt",
    "hl7v2",
    "plain-dft",
    "America/New_York",
    "BAY",
    rhythm=Rhythm(timedelta(hours=2), opens=time(8), closes=time(18)),
    sequence_numbers=True,
)


def message(seq: int, number: str = "", minutes: int = 0, *, feed: str = "rt", media: str = "hl7v2") -> JournalEntry:
    body = f"MSH|^~\\&|A|B|C|D|20260105||DFT^P03|C{seq}|P|2.5.1|{number}\rPID|1||M1\r".encode()
    at = MONDAY + timedelta(minutes=minutes)
    return JournalEntry(seq, f"e{seq}", JournalKind.MESSAGE, at, f"feed:{feed}", media, f"C{seq}", "", body)


def told(hearing: Hearing, seq: int) -> JournalEntry:
    """The entry of the journal that says it."""
    receipt = receipt_of(hearing)
    assert hashlib.sha256(receipt.body).hexdigest() == receipt.digest
    return JournalEntry(
        seq, f"f{seq}", receipt.kind, receipt.at, receipt.actor, "json", receipt.control, receipt.digest, receipt.body
    )


def test_only_what_is_promised_is_watched() -> None:
    assert watched(FEED)
    assert watched(replace(FEED, rhythm=None))
    assert watched(replace(FEED, sequence_numbers=False))
    assert not watched(replace(FEED, rhythm=None, sequence_numbers=False))


def test_the_first_look_misses_nothing_and_knows_who_spoke_last() -> None:
    late = MONDAY + timedelta(days=1)
    first = begun(FEED, [message(1, "7"), message(2, "20", 5), message(3, feed="other")], 3, late)
    assert first.last is not None
    assert (first.last.control, first.number, first.upto, first.found) == ("C2", 20, 3, ())
    assert hushed(first, FEED, late) == first
    assert hushed(first, FEED, late + timedelta(hours=1, minutes=59)) == first
    silent = hushed(first, FEED, late + timedelta(hours=2))
    (item,) = opens(silent)
    assert item.detail == (
        "nothing since 2026-01-05T14:05:00+00:00; expected by 2026-01-06T16:00:00+00:00; last control id C2"
    )
    assert (item.kind, item.code, item.about, silent.silent) == ("feed-silent", "silent", "rt", item.id)


def test_a_silence_is_told_once_and_ended_by_the_next_word() -> None:
    quiet = begun(FEED, [message(1)], 1, MONDAY)
    silent = going_on(hushed(quiet, FEED, MONDAY + timedelta(hours=3)))
    assert silent.silent
    assert hushed(silent, FEED, MONDAY + timedelta(hours=30)) == silent
    still = listen(silent, FEED, [message(2, feed="other")], 2, MONDAY + timedelta(hours=4))
    assert (still.silent, still.spoke) == (silent.silent, "")
    spoken = listen(still, FEED, [message(3, minutes=245)], 3, MONDAY + timedelta(hours=5))
    assert (spoken.silent, spoken.spoke) == ("", silent.silent)
    again = hushed(going_on(spoken), FEED, MONDAY + timedelta(hours=8))
    assert again.silent not in ("", silent.silent)


def test_what_is_refused_or_unreadable_is_speaking_too() -> None:
    silent = going_on(hushed(begun(FEED, [], 0, MONDAY), FEED, MONDAY + timedelta(hours=3)))
    for media in ("refused:application", "hl7v2"):
        entry = replace(message(1, minutes=200, media=media), body=b"noise")
        assert listen(silent, FEED, [entry], 1, MONDAY + timedelta(hours=4)).spoke == silent.silent


def test_numbers_are_compared_only_where_the_feed_counts_its_messages() -> None:
    first = begun(FEED, [message(1, "5")], 1, MONDAY)
    after = listen(first, FEED, [message(2, "6"), message(3, "9"), message(4, "9")], 4, MONDAY)
    assert [(gap.code, gap.control, gap.detail) for gap in after.found] == [
        ("sequence-gap", "C2", "MSH-13 goes from 6 to 9")
    ]
    assert after.number == 9
    mute = replace(FEED, sequence_numbers=False)
    assert listen(first, mute, [message(2, "60")], 2, MONDAY).found == ()
    anew = listen(after, FEED, [message(5, "-1")], 5, MONDAY)
    assert anew.number is None
    assert len(listen(anew, FEED, [message(6, "70")], 6, MONDAY).found) == 1


@pytest.mark.parametrize(
    ("said", "last", "expected"),
    [
        ("7", 6, 8),
        ("7", None, 8),
        ("9", 6, 10),
        ("0", 41, 42),
        ("0", None, -1),
        ("-1", 41, -1),
        ("", 3, None),
        ("x", 3, None),
    ],
)
def test_the_number_expected_next(said: str, last: int | None, expected: int | None) -> None:
    assert expected_number(said, last) == expected


def test_it_is_told_how_far_it_was_listened_to_now_and_then() -> None:
    first = begun(FEED, [], 0, MONDAY)
    assert worth_telling(first, first)
    known = going_on(hearing_of(told(first, 1)))
    assert known.entry == "f1"
    assert not worth_telling(listen(known, FEED, [message(2)], FAR - 1, MONDAY), known)
    assert worth_telling(listen(known, FEED, [message(2)], FAR, MONDAY), known)


def test_a_rebuild_names_the_items_that_are_others_than_the_journal_gives() -> None:
    silent = hushed(begun(FEED, [], 0, MONDAY), FEED, MONDAY + timedelta(hours=3))
    again = items([told(silent, 1)])
    (item,) = again.values()
    assert list(differences([item, replace(item, id="theirs", kind="hold")], again)) == []
    # What is told of an EHR or a desk bears the same kind, and is no message's: nothing of a feed says it again.
    assert list(differences([item, replace(item, id="ehrs", code="ehr-not-asked")], again)) == []
    assert list(differences([], again)) == [f"work|{item.id}: only in the fold"]
    assert list(differences([item], {})) == [f"work|{item.id}: only on file"]
    assert list(differences([replace(item, detail="x")], again)) == [
        f"work|{item.id}: another one on file than in the fold"
    ]
    theirs = replace(item, closed=MONDAY, closed_why="known", closed_by="person:kim", assigned="kim")
    assert list(differences([theirs], again)) == []
    assert len(list(differences([replace(item, closed=MONDAY)], again))) == 1


@given(
    st.lists(st.tuples(st.sampled_from(["", "0", "-1", "1", "2", "3", "7"]), st.integers(0, 300)), max_size=14),
    st.data(),
)
def test_however_the_looks_fall_the_same_gaps_are_told_and_the_journal_gives_all_items_again(
    said: list[tuple[str, int]], data: st.DataObject
) -> None:
    minutes, entries = 0, []
    for seq, (number, pause) in enumerate(said, 1):
        minutes += pause
        entries.append(message(seq, number, minutes))
    end = MONDAY + timedelta(minutes=minutes)
    whole = listen(begun(FEED, [], 0, MONDAY), FEED, entries, len(entries), end)
    known, opened, notes = begun(FEED, [], 0, MONDAY), {}, []
    cut = 0
    while cut < len(entries):
        size = data.draw(st.integers(1, 4))
        part = entries[cut : cut + size]
        cut += size
        now = part[-1].at + timedelta(minutes=data.draw(st.integers(0, 200)))
        known = hushed(listen(known, FEED, part, part[-1].seq, now), FEED, now)
        if known.spoke:
            opened[known.spoke] = replace(opened[known.spoke], closed=now, closed_why=SPEAKS)
        opened |= {item.id: item for item in opens(known)}
        if worth_telling(known, going_on(known)):
            notes.append(told(known, 1000 + len(notes)))
            assert hearing_of(notes[-1]) == replace(known, entry=notes[-1].id)
            known = going_on(hearing_of(notes[-1]))
    again = items(notes)
    assert again == opened
    gaps = {item.detail for item in again.values() if item.code != "silent"}
    assert gaps == {item.detail for item in opens(whole)}
    assert known.last == whole.last
