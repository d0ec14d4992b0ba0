"""Which feeds are silent, and where a feed left something out: gaps in MSH-13, FT1-1 and the counts of batches.

The standard's sequence number protocol (v2.5.1 section 2.10.1): MSH-13 of 0 starts a session and asks which number comes
next, -1 asks to begin anew, else each message has one more than the last. FT1-1 numbers the charges of one message from
1. BTS-1 counts the messages of a batch. What is missing is told with the last control id, so that the sender can find it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.hl7v2.batch import split_batch
from adapters.hl7v2.reader import Message
from adapters.model.rhythm import Rhythm
from adapters.model.work import WorkItem, open_item

KIND: Final = "feed-silent"
"""Kind of the work items of a feed."""
_ACTIONS: Final[Mapping[str, str]] = {
    "silent": "ask the sender's interface desk whether its queue stands, and have it send what waits",
    "sequence-gap": "have the sender resend the messages between the two numbers",
    "sequence-back": "have the sender say why its numbers began again",
    "charge-gap": "compare the message with the sender's own: a charge line is missing in it",
    "batch-count": "compare the batch with the sender's own: messages are missing in it",
}
CODES: Final = frozenset(_ACTIONS)
"""The codes of what a feed leaves out."""
_WHOLE: Final = re.compile(r"-?[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one stored body tells about its feed's completeness; no content."""

    at: datetime
    """When it was received."""
    control: str
    """MSH-10 of its first message."""
    sequences: tuple[int, ...] = ()
    """MSH-13 of its messages that have one, in order."""
    charge_gaps: tuple[str, ...] = ()
    """Places where FT1-1 skips a number (`FT1[3]-1`)."""
    batch_short: bool = False
    """Whether a trailer of a batch counts other than what came."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that a feed left out."""

    feed: str
    code: str
    """`silent`, `sequence-gap`, `sequence-back`, `charge-gap` or `batch-count`."""
    since: datetime
    """Receipt of the last message before the silence, or of the message that shows the gap."""
    control: str
    """The last control id before it; empty where the feed was never heard."""
    detail: str
    """One sentence without PHI."""


def heard(body: bytes, at: datetime) -> Heard:
    """What a received body tells. Never raises on content."""
    batch = split_batch(body)
    control = ""
    sequences: list[int] = []
    gaps: list[str] = []
    for number, single in enumerate(batch.messages or (body,), 1):
        message = Message.parse(single)
        msh = message.first("MSH")
        if msh is None:
            continue
        control = control or msh.text(10)
        if _WHOLE.fullmatch(msh.text(13).strip()):
            sequences.append(int(msh.text(13)))
        prefix = f"message[{number}]/" if len(batch.messages) > 1 else ""
        gaps += [prefix + at for at in _charge_gaps(message)]
    short = any(problem.code in ("batch-count", "file-count") for problem in batch.problems)
    return Heard(at, control, tuple(sequences), tuple(gaps), short)


def _charge_gaps(message: Message) -> Iterator[str]:
    last = 0
    for ft1 in message.segments("FT1"):
        text = ft1.text(1).strip()
        if not _WHOLE.fullmatch(text):
            return  # a feed that does not number its charges leaves nothing to compare
        if last and int(text) > last + 1:
            yield ft1.path(1)
        last = int(text)


def silence(
    feed: str, rhythm: Rhythm, zone: ZoneInfo, last: Heard | None, watched_since: datetime, now: datetime
) -> Gap | None:
    """The feed's silence at `now`, None while it keeps its rhythm. What was missed before `watched_since` is nobody's
    fault: its time begins with that.
    """
    since = watched_since if last is None else last.at
    due = rhythm.expected_by(max(since, watched_since), zone)
    if due is None or now < due:
        return None
    told = "nothing was ever received" if last is None else f"nothing since {since.isoformat()}"
    return Gap(feed, "silent", since, "" if last is None else last.control, f"{told}; expected by {due.isoformat()}")


def gaps(feed: str, receipts: Sequence[Heard]) -> tuple[Gap, ...]:
    """What the receipts of one feed, in order of receipt, leave out. The first is only compared with the next: give the
    last one of the stretch before with each stretch, its numbers being what `standing` makes of all so far. A repeated
    number is a resend, no gap; after the start of a session (0) a sender may count from 1 again.
    """
    found: list[Gap] = []
    number: int | None = None
    started = False
    control = ""
    for one in receipts:
        for sequence in one.sequences:
            if sequence == 0:
                started = True
                continue
            if sequence > 0 and number is not None and sequence > number + 1:
                words = f"MSH-13 goes from {number} to {sequence}"
                found.append(Gap(feed, "sequence-gap", one.at, control, words))
            elif sequence > 0 and number is not None and sequence < number and not started:
                words = f"MSH-13 goes back from {number} to {sequence}"
                found.append(Gap(feed, "sequence-back", one.at, control, words))
            number, started = (None if sequence < 0 else sequence), False
        found += [Gap(feed, "charge-gap", one.at, one.control, f"{at} skips a number") for at in one.charge_gaps]
        if one.batch_short:
            found.append(Gap(feed, "batch-count", one.at, one.control, "a trailer counts other than what came"))
        control = one.control or control
    return tuple(found)


def standing(sequences: Sequence[int]) -> tuple[int, ...]:
    """What of all numbers so far matters for those to come: the last one, and whether a session was started since."""
    number: tuple[int, ...] = ()
    started: tuple[int, ...] = ()
    for sequence in sequences:
        if sequence == 0:
            started = (0,)
        else:
            number, started = ((sequence,) if sequence > 0 else ()), ()
    return number + started


def item_of(gap: Gap, opened: datetime) -> WorkItem:
    """The work item of a gap: of no person, the same for the same gap, so that looking twice opens one."""
    return open_item(
        KIND,
        gap.code,
        gap.feed,
        category="feed",
        action=_ACTIONS[gap.code],
        opened=opened,
        detail=f"{gap.detail}; last control id {gap.control or 'none'}",
        which=f"{gap.since.isoformat()}|{gap.detail if gap.code != 'silent' else ''}",
    )
