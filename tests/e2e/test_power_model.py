"""The explorer of power cuts catches a writer that promises too early, and passes one that does not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.power import (
    Choice,
    Disk,
    Event,
    Opened,
    Removed,
    Renamed,
    Sized,
    Synced,
    Told,
    Wrote,
    events,
    states,
)
from tests.e2e.tracing import calls

MADE: list[Event] = [Opened("/d/log"), Synced("/d/log"), Synced("/d")]
GOOD: list[Event] = [
    *MADE,
    *(e for n in range(4) for e in (Wrote("/d/log", None, b"%d" % n * 600), Synced("/d/log"), Told(str(n)))),
]
EARLY: list[Event] = [
    *MADE,
    *(e for n in range(4) for e in (Wrote("/d/log", None, b"%d" % n * 600), Told(str(n)), Synced("/d/log"))),
]
REPLACED: list[Event] = [Opened("/d/old"), Wrote("/d/old", 0, b"old"), Synced("/d/old"), Synced("/d")]


def broken(recorded: Sequence[Event], number: int = 500) -> int:
    """In how many states something that was told is not there."""
    told = [event.what for event in recorded if isinstance(event, Told)]
    lost = 0
    for state in states(recorded, number, seed=1):
        content = state.image.get("/d/log", b"")
        lost += any(what.encode() * 600 not in content for what in told[: state.told])
    return lost


def test_a_writer_that_syncs_before_it_promises_is_never_found_broken() -> None:
    assert broken(GOOD) == 0


def test_a_writer_that_promises_before_it_syncs_is_caught() -> None:
    assert broken(EARLY) > 0


def test_a_file_whose_folder_was_not_synced_may_be_gone() -> None:
    assert broken([event for event in GOOD if event != Synced("/d")]) > 0


def images(*happened: Event) -> set[tuple[tuple[str, bytes], ...]]:
    """All that a cut after these events may leave."""
    disk = Disk()
    for event in happened:
        disk.do(event)
    chance = random.Random(2)
    drawn = (disk.left(Choice(chance, 0.5, pieces=True)) for _ in range(300))
    return {tuple(sorted(image.items())) for image in drawn}


NEW: list[Event] = [*REPLACED, Opened("/d/new"), Wrote("/d/new", 0, b"new")]


def test_a_rename_is_whole_and_may_be_lost() -> None:
    synced = [*NEW, Synced("/d/new"), Renamed("/d/new", "/d/old")]
    assert images(*synced) == {
        (("/d/old", b"new"),),
        (("/d/old", b"old"),),
        (("/d/new", b"new"), ("/d/old", b"old")),
    }
    assert images(*synced, Synced("/d")) == {(("/d/old", b"new"),)}


def test_a_rename_before_the_sync_may_leave_nothing_in_the_file() -> None:
    found = images(*NEW, Renamed("/d/new", "/d/old"), Synced("/d"))
    assert found == {(("/d/old", kept),) for kept in (b"", b"new", b"\0\0\0")}


def test_a_removal_and_a_size_may_be_lost_until_they_are_synced() -> None:
    assert images(*REPLACED, Removed("/d/old")) == {(("/d/old", b"old"),), ()}
    assert images(*REPLACED, Removed("/d/old"), Synced("/d")) == {()}
    assert images(*REPLACED, Sized("/d/old", 1)) == {(("/d/old", b"old"),), (("/d/old", b"o"),)}


def test_sectors_are_kept_each_by_itself_and_never_torn() -> None:
    disk = Disk()
    for event in (*MADE, Wrote("/d/log", 0, b"a" * 512 + b"b" * 512)):
        disk.do(event)
    chance = random.Random(3)
    found = {disk.left(Choice(chance, 0.5, pieces=True))["/d/log"] for _ in range(200)}
    a, b, none = b"a" * 512, b"b" * 512, bytes(512)
    assert found == {b"", a, none + b, a + b, a + none, none + none}


def test_states_are_all_different_and_workers_leave_none_out() -> None:
    def found(*shares: tuple[int, int]) -> list[tuple[bytes, int]]:
        return [(state.digest, state.told) for share in shares for state in states(GOOD, 10_000, 4, share)]

    whole = found((0, 1))
    assert len(set(whole)) == len(whole) > 20
    assert set(found((0, 2), (1, 2))) == set(whole)
    assert len(list(states(GOOD, 7, 4))) == 7


TRACE = r"""7 openat(AT_FDCWD<\x2f>, "\x2f\x64\x2f\x61", O_RDWR|O_CREAT, 0600) = 3<\x2f\x64\x2f\x61>
7 pwrite64(3<\x2f\x64\x2f\x61>, "\x78\x79", 2, 512) = 2
8 sendto(4<\x54\x43\x50>, "\x41\x43\x4b", 3, 0, NULL, 0 <unfinished ...>
7 fdatasync(3<\x2f\x64\x2f\x61>) = 0
8 <... sendto resumed>) = 3
7 rename("\x2f\x64\x2f\x61", "\x2f\x64\x2f\x62") = 0
7 pwrite64(9<\x2f\x65\x2f\x61>, "\x78\x79", 2, 0) = 2
7 fsync(5<\x2f\x64>) = 0
7 pwrite64(3<\x2f\x64\x2f\x61>, "\x78\x79", 2, 0) = ?
"""


def test_a_trace_is_read_as_events_and_a_promise_counts_from_its_beginning(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(TRACE)
    found = list(events(calls(trace), Path("/d"), lambda sent: [sent.decode()]))
    assert found == [
        Opened("/d/a"),
        Wrote("/d/a", 512, b"xy"),
        Told("ACK"),
        Synced("/d/a"),
        Renamed("/d/a", "/d/b"),
        Synced("/d"),
    ]


def test_a_call_that_the_model_does_not_know_is_no_surprise(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(r"7 fallocate(3<\x2f\x64\x2f\x61>, 0, 0, 4096) = 0" + "\n")
    with pytest.raises(ValueError, match="does not know fallocate"):
        list(events(calls(trace), Path("/d"), lambda _sent: []))
