"""What the journal keeps of an EHR beside its messages: how far it was asked, and what it told us of.

Entries of kind `ehr`; they change no charge. News that an EHR tells is on file before it is answered, and stays open
until what it names is journalled, so a crash in between loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from adapters.ehr.pages import instant
from adapters.fhir.notification import Notice
from adapters.model.journal import JournalEntry, JournalKind
from adapters.ports import Receipt, Received


class EhrStore(Protocol):
    """The store as the asking of EHRs uses it."""

    def receive_soon(self, receipt: Receipt) -> Future[Received]:
        """Store without waiting: the future is done after the COMMIT."""
        ...

    def note(
        self, channel: str, control: str, make: Callable[[JournalEntry | None], Receipt | None]
    ) -> JournalEntry | None:
        """Write the entry that `make` draws up from the last one of its channel and control id."""
        ...

    def noted(self, channel: str, control: str) -> Sequence[JournalEntry]:
        """All entries of the channel with this control id, in order."""
        ...

    def last_noted(self, channel: str, control: str) -> JournalEntry | None:
        """The last of them, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one type of an EHR's resources was asked for."""

    since: datetime | None = None
    """All that changed before is in the journal; None: nothing is known to be."""
    high: datetime | None = None
    """The newest of the walk that is under way."""
    next: str = ""
    """The page that the walk goes on with; empty when it came to its end."""
    rising: bool = True
    """Whether all pages of the walk so far came in rising order of change; then `since` moves with each."""
    got: int = 0
    """Resources on the pages of the walk so far, since it last asked by a time."""
    began: datetime | None = None
    """When the walk began; None where none is under way."""


@dataclass(frozen=True, slots=True)
class News:
    """A notification that was taken and not followed yet."""

    seq: int
    """Of its journal entry."""
    day: date
    method: str
    named: tuple[str, ...]
    body: bytes
    full: bool
    """Whether it asks for a whole round: it names nothing, or others before it are missing."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a notification told."""

    missed: tuple[int, int] | None = None
    """The event numbers between which some are missing: the last one heard of, and the next."""


_HANDLED = "handled"
_DAY = timedelta(days=1)


def channel_of(feed: str) -> str:
    """The journal's channel of notes about a feed's EHR."""
    return f"ehr:{feed}"


def mark_of(store: EhrStore, feed: str, kind: str) -> Mark:
    """How far this type was asked for."""
    entry = store.last_noted(channel_of(feed), f"mark|{kind}")
    said: dict[str, Any] = json.loads(entry.body) if entry else {}
    return Mark(
        instant(said.get("since", "")),
        instant(said.get("high", "")),
        said.get("next", ""),
        said.get("rising", True),
        said.get("got", 0),
        instant(said.get("began", "")),
    )


def put_mark(store: EhrStore, feed: str, kind: str, mark: Mark, now: datetime) -> None:
    """Note how far this type was asked for; nothing where that is what stands there."""
    if mark == mark_of(store, feed, kind):
        return
    said = {
        "since": _text(mark.since),
        "high": _text(mark.high),
        "next": mark.next,
        "rising": mark.rising,
        "got": mark.got,
        "began": _text(mark.began),
    }
    store.note(channel_of(feed), f"mark|{kind}", lambda last: _receipt(feed, f"mark|{kind}", said, last, now))


def hear(store: EhrStore, feed: str, notice: Notice, *, method: str, path: str, body: bytes, now: datetime) -> Heard:
    """Put a notification on file, to be followed by the next round; what its number says is missing.

    `path` is what stood behind the address of the hook (`Procedure/12`), empty for nothing. Handshakes and heartbeats are
    counted and not kept.
    """
    missed: list[tuple[int, int]] = []

    def counted(last: JournalEntry | None) -> Receipt | None:
        before = None if last is None else int(json.loads(last.body)["event"])
        after, gap = _counted(notice, before)
        missed.extend([gap] if gap else [])
        if after is None or after == before:
            return None
        return _receipt(feed, counter, {"event": after}, last, now)

    counter = f"events|{notice.subscription}"
    day = now.astimezone(UTC).date()
    news = notice.what not in ("handshake", "heartbeat", "query-status")
    if news:
        named = [path] if path else list(notice.named)
        # One that only says that there is news is kept as one of nothing: it asks for a whole round.
        told = body.decode("utf-8-sig") if named or notice.content or notice.deleted else ""
        said = {"method": method, "named": named, "body": told}
        control = f"news|{day.isoformat()}"
        _begin(store, feed, day, now)
        store.note(channel_of(feed), control, lambda last: _receipt(feed, control, said, last, now))
    if notice.subscription:
        # After the news: a crash in between makes a gap out of nothing, which costs a round; the other way round loses one.
        store.note(channel_of(feed), counter, counted)
    if missed:
        said = {"method": "", "named": [], "body": ""}
        control = f"news|{day.isoformat()}"
        _begin(store, feed, day, now)
        store.note(channel_of(feed), control, lambda last: _receipt(feed, control, said, last, now))
    return Heard(missed[0] if missed else None)


def _counted(notice: Notice, before: int | None) -> tuple[int | None, tuple[int, int] | None]:
    """The last event number known now, and the gap that shows."""
    told = max([*notice.events, *([notice.since_start] if notice.since_start is not None else [])], default=None)
    if notice.what == "handshake":
        return told or 0, None
    if told is None or before is None:
        return told if told is not None else before, None
    if told < before and notice.since_start is not None and notice.since_start < before:
        return told, None  # its numbers began again: it was made anew
    next_ = min(notice.events, default=told + 1)
    gap = (before, next_) if next_ > before + 1 else None
    return max(told, before), gap


def _begin(store: EhrStore, feed: str, day: date, now: datetime) -> None:
    """The first news of a feed: from here on, what was followed is noted."""

    def first(last: JournalEntry | None) -> Receipt | None:
        return _receipt(feed, _HANDLED, {"day": day.isoformat(), "seq": 0}, last, now) if last is None else None

    if store.last_noted(channel_of(feed), _HANDLED) is None:
        store.note(channel_of(feed), _HANDLED, first)


def unfollowed(store: EhrStore, feed: str, now: datetime) -> Iterator[News]:
    """News that no round has followed yet, in order."""
    return iter(sorted(_unfollowed(store, feed, now), key=lambda news: news.seq))


def _unfollowed(store: EhrStore, feed: str, now: datetime) -> Iterator[News]:
    handled = store.last_noted(channel_of(feed), _HANDLED)
    if handled is None:
        return
    last: dict[str, Any] = json.loads(handled.body)
    # A day more at both ends: two may write about midnight at once, and a clock may be put back.
    day, today = date.fromisoformat(last["day"]) - _DAY, now.astimezone(UTC).date() + _DAY
    while day <= today:
        for entry in store.noted(channel_of(feed), f"news|{day.isoformat()}"):
            if entry.seq > last["seq"]:
                said: dict[str, Any] = json.loads(entry.body)
                named, body = tuple(said["named"]), said["body"].encode()
                yield News(entry.seq, day, said["method"], named, body, full=not named and not body)
        day += _DAY


def followed(store: EhrStore, feed: str, news: News, now: datetime) -> None:
    """Note that the news, and all before it, were followed: what they name is in the journal."""
    said = {"day": news.day.isoformat(), "seq": news.seq}
    store.note(channel_of(feed), _HANDLED, lambda last: _receipt(feed, _HANDLED, said, last, now))


def item_note(feed: str, code: str, detail: str, last: JournalEntry | None, now: datetime) -> Receipt:
    """The entry beside the work item of this code: that it stands with this detail, or (empty) that it is over."""
    return _receipt(feed, item_control(code), {"detail": detail}, last, now)


def item_control(code: str) -> str:
    """The control id of the entries beside the work item of this code."""
    return f"item|{code}"


def standing_detail(last: JournalEntry | None) -> str:
    """The detail of the work item that the last of these entries is beside; empty where none is open."""
    return str(json.loads(last.body)["detail"]) if last is not None else ""


def _text(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat() if at else ""


def _receipt(feed: str, control: str, said: dict[str, Any], last: JournalEntry | None, now: datetime) -> Receipt:
    # An entry is named by its bytes: with what it follows in them the same thing said again, or of another, is another.
    whole = {**said, "of": control, "before": "" if last is None else last.id}
    return Receipt.of_ours(JournalKind.EHR, channel_of(feed), whole, now, actor=f"feed:{feed}", control=control)


def restarted(mark: Mark, now: datetime) -> Mark:
    """The mark of a walk that begins now: the first, or again because its next page is gone."""
    return replace(mark, high=None, next="", rising=True, got=0, began=now)
