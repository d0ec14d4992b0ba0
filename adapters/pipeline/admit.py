"""Who may say what through which door: the feed that a message is of, and whether it is taken (standards/hl7v2.md 2.2).

Refused (AR) is only what is not meant for us: another processing mode, a version that is none, a type that the feed
does not send, a sender that its certificate or listener does not speak for. A message longer than its feed's limit gets
AE. Neither is read, and both are kept and parked, so that nothing that was sent has vanished.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.hl7v2.ack import AckError, Condition, Verdict
from adapters.hl7v2.batch import split_batch
from adapters.hl7v2.envelope import Envelope, Unread, Unreadable, read_envelope
from adapters.model.site import Feed, Site

REFUSALS: Final[Mapping[str, tuple[str, str]]] = {
    Condition.PROCESSING_ID.value: (
        "processing-id",
        "its processing id (MSH-11) is not the one that the feed takes",
    ),
    Condition.VERSION.value: ("version", "MSH-12 is no version 2.x"),
    Condition.MESSAGE_TYPE.value: ("message-type", "the feed does not send this type of message (MSH-9)"),
    Condition.EVENT_CODE.value: ("message-type", "the feed does not send this event (MSH-9)"),
    Condition.UNKNOWN_KEY.value: (
        "sender-not-allowed",
        "the certificate or listener does not speak for this sender (MSH-3, MSH-4)",
    ),
    Condition.LENGTH.value: ("too-long", "the message is longer than the feed may send"),
}
"""Of a message that was answered with AR or AE and is kept unread, by condition: the reason it is parked for, in words."""

_VERSION: Final = re.compile(r"2\.[0-9](\.[0-9])?")


@dataclass(frozen=True, slots=True)
class Admission:
    """What a message is and what becomes of it at the door. `refusal` is a key of `REFUSALS`, else empty."""

    subject: Envelope | Unreadable
    feed: Feed | None
    verdict: Verdict
    error: AckError | None = None
    refusal: str = ""
    parts: tuple[Envelope | Unreadable, ...] = ()
    """Of a batch, the envelope of each message."""


def admit(payload: bytes, *, site: Site, listener: str, peer: str | None, feeds: Sequence[str] = ()) -> Admission:
    """What becomes of a payload that came by the listener; never raises on content.

    `peer` is the name in the client's certificate, empty where the door asks for none, None where there is no peer (a
    file that somebody hands in). `feeds` are those that the listener is for, empty for all.
    """
    subject = read_envelope(payload)
    header = subject.header if isinstance(subject, Unreadable) else subject
    every = [feed for feed in site.feeds if feed.media == "hl7v2"]
    here = [feed for feed in every if (not feeds or feed.name in feeds) and _may_speak(peer, feed)]
    feed = _pick(here, header, listener)
    if feed is not None and len(payload) > feed.frame_bytes:
        words = f"the message is longer than {feed.frame_bytes} bytes"
        return _refused(subject, feed, AckError(Condition.LENGTH, words, "MSH"), Verdict.ERROR)
    if header is None or (isinstance(subject, Unreadable) and subject.reason is not Unread.IS_BATCH):
        return Admission(subject, feed, Verdict.ERROR, _unreadable(subject))
    if feed is None and (peer or feeds or _pick(every, header, listener) is not None):
        return _refused(subject, None, _stranger(header))
    if not isinstance(subject, Unreadable):
        error = _unwanted(header, feed)
        return _refused(subject, feed, error) if error else Admission(subject, feed, Verdict.STORED)
    parts = tuple(read_envelope(message) for message in split_batch(payload).messages)
    error = next(_unwanted_parts(parts, feed), None)
    if error is not None:
        return _refused(subject, feed, error)
    return Admission(subject, feed, Verdict.STORED, parts=parts)


def feed_of(site: Site, header: Envelope | None, listener: str) -> Feed | None:
    """The feed whose applications name MSH-3, the listener's own before others; else one that takes any application."""
    return _pick([feed for feed in site.feeds if feed.media == "hl7v2"], header, listener)


def _pick(feeds: Sequence[Feed], header: Envelope | None, listener: str) -> Feed | None:
    application = header.sending_application if header else ""
    facility = header.sending_facility if header else ""
    placed = [feed for feed in feeds if not feed.sending_facilities or facility in feed.sending_facilities]
    naming = [feed for feed in placed if application and application in feed.applications]
    own = next((feed for feed in feeds if feed.name == listener), None)
    if naming:
        return own if own in naming else naming[0]
    if header is None and own is not None:
        return own  # nobody says who speaks, so nobody speaks for another
    open_ = [feed for feed in placed if not feed.applications]
    if own is not None:
        return own if own in open_ else None
    return open_[0] if len(open_) == 1 else None


def _may_speak(peer: str | None, feed: Feed) -> bool:
    return peer is None or not feed.certificates or peer in feed.certificates


def _refused(
    subject: Envelope | Unreadable, feed: Feed | None, error: AckError, verdict: Verdict = Verdict.REFUSED
) -> Admission:
    return Admission(subject, feed, verdict, error, error.condition.value)


def _unreadable(subject: Envelope | Unreadable) -> AckError:
    words = subject.words if isinstance(subject, Unreadable) else ""
    missing = isinstance(subject, Unreadable) and subject.reason is Unread.NO_CONTROL_ID
    condition = Condition.REQUIRED_FIELD if missing else Condition.SEGMENT_SEQUENCE
    return AckError(condition, words, "MSH", 1, 10 if missing else 0)


def _stranger(header: Envelope) -> AckError:
    words = "the connection does not speak for the sender in MSH-3 and MSH-4"
    name = header.fields[0] if header.fields else "MSH"
    return AckError(Condition.UNKNOWN_KEY, words, name, 1, 3, code="sender-not-allowed")


def _unwanted(header: Envelope, feed: Feed | None) -> AckError | None:
    """Why a message is not for this feed: its mode, its version, its type."""
    mode = header.processing_id.upper()
    if feed is not None and mode and mode != feed.processing:
        words = f"this listener takes processing id {feed.processing}"
        return AckError(Condition.PROCESSING_ID, words, "MSH", 1, 11)
    if header.version and not _VERSION.fullmatch(header.version):
        return AckError(Condition.VERSION, "MSH-12 is no version 2.x", "MSH", 1, 12)
    if feed is None or not feed.types:
        return None
    if {header.message_type, f"{header.message_type}^{header.trigger}"}.intersection(feed.types):
        return None
    known = any(header.message_type == kind.partition("^")[0] for kind in feed.types)
    condition = Condition.EVENT_CODE if known else Condition.MESSAGE_TYPE
    return AckError(condition, "this feed does not send this type of message", "MSH", 1, 9)


def _unwanted_parts(parts: Sequence[Envelope | Unreadable], feed: Feed | None) -> Iterator[AckError]:
    """The same of the messages of a batch, which is read by one feed: none may be another sender's or mode's."""
    for part in parts:
        if isinstance(part, Unreadable):
            continue
        if feed is not None and part.sending_application and _pick([feed], part, "") is None:
            yield _stranger(part)
        elif error := _unwanted(part, feed):
            yield error
