"""What is heard of a feed, and that it is silent: a state per feed, told in the journal whenever something comes of it.

An entry of kind FEED says until which entry a feed was listened to, when it spoke last, and what was found: that it is
silent, that it speaks again, what it left out. All work items of kind `feed-silent` follow from these entries alone
(`items`). Between two of them the state is in memory, and found again by listening from the last one on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from adapters.hl7v2.envelope import Envelope
from adapters.hl7v2.silence import CODES, KIND, Gap, Heard, gaps, heard, item_of, silence, standing
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.site import Feed
from adapters.model.work import WorkItem
from adapters.ports import Receipt

CHANNEL: Final = "feeds"
"""The channel of all entries about what was heard of feeds; their control id is the feed's name."""
SPEAKS: Final = "the feed spoke again"
"""Why a silence is closed."""
FAR: Final = 500
"""Entries of the journal after which it is told how far a feed was listened to, though nothing came of it."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """How it stands with a feed."""

    feed: str
    since: datetime
    """Since when it is listened to."""
    at: datetime
    """When it was listened to last."""
    upto: int
    """The number of the journal entry up to which that was."""
    last: Heard | None = None
    """The last that came, with nothing but its instant, its control id and the numbers that stand (`silence.standing`)."""
    silent: str = ""
    """The work item of the silence that goes on; empty while it speaks."""
    found: tuple[Gap, ...] = ()
    """What was found since the entry before."""
    spoke: str = ""
    """The work item of a silence that has ended since."""
    entry: str = ""
    """The entry of the journal that says it; empty where none says it yet."""

    @property
    def number(self) -> int | None:
        """The last sequence number (MSH-13) that was taken; None before the first, and where the sender asked to begin
        anew."""
        return next((number for number in self.last.sequences if number), None) if self.last else None


def watched(feed: Feed) -> bool:
    """Whether the site file promises something of a feed that can be missed."""
    return feed.rhythm is not None or feed.sequence_numbers


def of_feed(entries: Iterable[JournalEntry], feed: str) -> Iterator[JournalEntry]:
    """The messages of a feed among these, those included that were refused or could not be read."""
    return (one for one in entries if one.kind is JournalKind.MESSAGE and one.actor == f"feed:{feed}")


def begun(feed: Feed, before: Sequence[JournalEntry], upto: int, now: datetime) -> Hearing:
    """The first look at a feed: nothing is missed yet. `before` are entries up to `upto`, to know what it said last."""
    _, last = _listened(feed, None, before)
    return Hearing(feed.name, now, now, upto, last)


def listen(before: Hearing, feed: Feed, entries: Sequence[JournalEntry], upto: int, now: datetime) -> Hearing:
    """How it stands after these entries, numbered up to `upto`; whether it is silent now is another question."""
    left_out, last = _listened(feed, before.last, [one for one in entries if one.seq > before.upto])
    spoke = before.silent if before.silent and last is not before.last else ""
    return replace(
        before,
        at=now,
        upto=max(upto, before.upto),
        last=last,
        silent="" if spoke else before.silent,
        found=(*before.found, *left_out),
        spoke=spoke or before.spoke,
    )


def _listened(feed: Feed, last: Heard | None, entries: Sequence[JournalEntry]) -> tuple[tuple[Gap, ...], Heard | None]:
    """What these leave out, and the last that was heard."""
    new = [_heard(feed, entry) for entry in of_feed(entries, feed.name)]
    if not new:
        return (), last
    numbers = [number for one in (*((last,) if last else ()), *new) for number in one.sequences]
    control = next((one.control for one in reversed(new) if one.control), last.control if last else "")
    return gaps(feed.name, [*([last] if last else []), *new]), Heard(new[-1].at, control, standing(numbers))


def _heard(feed: Feed, entry: JournalEntry) -> Heard:
    if entry.media != "hl7v2":
        return Heard(entry.at, entry.control)
    told = heard(entry.body, entry.at)
    return told if feed.sequence_numbers else replace(told, sequences=())


def hushed(before: Hearing, feed: Feed, now: datetime) -> Hearing:
    """The same, with the silence that it is at this instant, if there is one and it was not told yet."""
    if before.silent or feed.rhythm is None:
        return before
    gap = silence(feed.name, feed.rhythm, ZoneInfo(feed.zone), before.last, before.since, now)
    if gap is None:
        return before
    return replace(before, at=now, silent=item_of(gap, now).id, found=(*before.found, gap))


def worth_telling(now: Hearing, told: Hearing) -> bool:
    """Whether the journal is to know: something came of it, or it is far behind. `told` is what it knows."""
    return not told.entry or bool(now.found or now.spoke) or now.upto - told.upto >= FAR


def opens(hearing: Hearing) -> tuple[WorkItem, ...]:
    """The work items of what was found."""
    return tuple(item_of(gap, hearing.at) for gap in hearing.found)


def items(entries: Iterable[JournalEntry]) -> Mapping[str, WorkItem]:
    """All work items of feeds by id, as the journal alone gives them; what persons made of them is not in it."""
    made: dict[str, WorkItem] = {}
    for entry in entries:
        if entry.kind is JournalKind.FEED:
            hearing = hearing_of(entry)
            if hearing.spoke in made:
                made[hearing.spoke] = replace(made[hearing.spoke], closed=hearing.at, closed_why=SPEAKS)
            made |= {item.id: item for item in opens(hearing)}
    return made


def differences(on_file: Iterable[WorkItem], again: Mapping[str, WorkItem]) -> Iterator[str]:
    """In which items of feeds what is on file differs from what the journal gives; what persons decided aside.

    Items of EHRs and desks, which other codes tell apart, follow from how calls went: the journal says so, and they are
    not made again.
    """
    here = {item.id: item for item in on_file if item.kind == KIND and item.code in CODES}
    for id in sorted({*here, *again}):
        if id not in here or id not in again:
            yield f"work|{id}: {'only on file' if id in here else 'only in the fold'}"
            continue
        kept, made = here[id], again[id]
        if kept.closed_by:
            made = replace(made, closed=kept.closed, closed_why=kept.closed_why, closed_by=kept.closed_by)
        if kept != replace(made, assigned=kept.assigned):
            yield f"work|{id}: another one on file than in the fold"


def begins_session(envelope: Envelope) -> bool:
    """Whether a message of a feed with sequence numbers starts a session (MSH-13 is 0): it may say nothing else."""
    return envelope.sequence_number == "0"


def expected_number(said: str, last: int | None) -> int | None:
    """MSA-4 for a message whose MSH-13 is `said`, `last` being the last number taken (v2.5.1 section 2.10.1).

    One more than its own; at the start of a session (0) one more than the last, and -1 (whatever comes next is the
    first) where there is none or the sender asks to begin anew. None for what is no number. We take what comes after a
    gap, and tell the gap: refused, it would stop the feed until a person comes.
    """
    try:
        number = int(said)
    except ValueError:
        return None
    if number > 0:
        return number + 1
    return -1 if number < 0 or last is None else last + 1


def receipt_of(hearing: Hearing) -> Receipt:
    """The entry of kind FEED that follows the one with the id `hearing.entry` (empty: it is the first)."""
    last = hearing.last
    said = {
        "before": hearing.entry,
        "feed": hearing.feed,
        "since": hearing.since.isoformat(),
        "at": hearing.at.isoformat(),
        "upto": hearing.upto,
        "last": None
        if last is None
        else {"at": last.at.isoformat(), "control": last.control, "numbers": last.sequences},
        "silent": hearing.silent,
        "spoke": hearing.spoke,
        "found": [
            {"code": gap.code, "since": gap.since.isoformat(), "control": gap.control, "detail": gap.detail}
            for gap in hearing.found
        ],
    }
    return Receipt.of_ours(JournalKind.FEED, CHANNEL, said, hearing.at, actor="clock", control=hearing.feed)


def hearing_of(entry: JournalEntry) -> Hearing:
    """What an entry of kind FEED says."""
    said: dict[str, Any] = json.loads(entry.body)
    last = said["last"]
    feed = said["feed"]
    return Hearing(
        feed=feed,
        since=datetime.fromisoformat(said["since"]),
        at=datetime.fromisoformat(said["at"]),
        upto=said["upto"],
        last=last and Heard(datetime.fromisoformat(last["at"]), last["control"], tuple(last["numbers"])),
        silent=said["silent"],
        found=tuple(
            Gap(feed, gap["code"], datetime.fromisoformat(gap["since"]), gap["control"], gap["detail"])
            for gap in said["found"]
        ),
        spoke=said["spoke"],
        entry=entry.id,
    )


def going_on(told: Hearing) -> Hearing:
    """The state from which to listen on after an entry that said this: what it found is told."""
    return replace(told, found=(), spoke="")
