"""A journal entry becomes readings: what it says about whom, or why it cannot be read now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from zoneinfo import ZoneInfo

from adapters.fhir.capture import capture as capture_fhir
from adapters.fhir.problem import Refused as RefusedFhir
from adapters.hl7v2.capture import Refused as RefusedV2
from adapters.hl7v2.capture import capture as capture_v2
from adapters.hl7v2.envelope import Unread, Unreadable, read_envelope
from adapters.model.decision import Decision
from adapters.model.event import HISTORIC
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.record import Captured, Parked, SubmissionNews
from adapters.model.site import Feed, Site
from adapters.model.why import Fact
from adapters.pipeline.admit import REFUSALS, feed_of
from adapters.pipeline.deciding import captured_of, decision_of
from adapters.pipeline.exchange import decode_exchange, intended, interpret
from adapters.pipeline.hearing import begins_session
from adapters.pipeline.receive import FRAGMENT, HISTORY, REFUSED
from adapters.pipeline.remitting import ACTOR, LETTER, MEDIA, Letter, letter_of, letters_of, said_by
from adapters.rules import Ruleset


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """What an entry says."""

    entry: JournalEntry
    captured: tuple[Captured, ...] = ()
    news: SubmissionNews | None = None
    parked: Parked | None = None
    letters: tuple[Letter, ...] = ()
    """What a payer's body says, to be journalled letter by letter; then nothing else of the entry is used."""
    decision: Decision | None = None
    """What a person decided; where it concerns a person it is captured too."""


def read(entry: JournalEntry, rules: Ruleset, site: Site) -> ReadEntry:
    """Read one entry. An entry that cannot be read is parked whole with its reasons; nothing of it is used."""
    found = _read(entry, rules, site)
    if entry.actor.partition(":")[0] != HISTORY:
        return found
    return replace(found, captured=tuple(map(_as_history, found.captured)))


def _as_history(captured: Captured) -> Captured:
    """What a message says that was taken as history: every event and omission of it bears the mark."""
    events = (replace(e, facts=(*e.facts, Fact(HISTORIC, "true", e.source))) for e in captured.events)
    omissions = (replace(omission, historic=True) for omission in captured.omissions)
    return replace(captured, events=tuple(events), omissions=tuple(omissions))


def _read(entry: JournalEntry, rules: Ruleset, site: Site) -> ReadEntry:
    if entry.kind is JournalKind.ANSWER:
        return _answered(entry, site)
    if entry.kind is JournalKind.CALL:
        return ReadEntry(entry, news=intended(entry.body))
    if entry.kind is JournalKind.DECISION:
        return _decided(entry, site)
    if entry.kind is not JournalKind.MESSAGE:
        return ReadEntry(entry)
    if entry.media == FRAGMENT:
        return ReadEntry(entry, parked=Parked(entry.id, "broken-frame", "the connection brought no whole frame"))
    if entry.media.startswith(REFUSED):
        # Answered with AR or AE, so its sender knows that it was not taken; it is never read, whatever the site says now.
        return ReadEntry(entry, parked=Parked(entry.id, *REFUSALS[entry.media.partition(":")[2]]))
    feed = site.feed(entry.actor.partition(":")[2]) or _feed_since(entry, site)
    if isinstance(feed, Parked):
        return ReadEntry(entry, parked=feed)
    dialect = rules.dialect(feed.dialect)
    if feed.media == "hl7v2" and (refused := _answered_with_an_error(entry)):
        return ReadEntry(entry, parked=refused)
    if feed.sequence_numbers and _only_begins(entry):
        return ReadEntry(entry)
    if feed.media == "hl7v2":
        result = capture_v2(entry.body, feed=feed, dialect=dialect, message=entry.id, received=entry.at.astimezone(UTC))
        if isinstance(result, RefusedV2):
            return ReadEntry(
                entry, parked=_parked(entry, [(p.code, f"{p.where} {p.words}".strip()) for p in result.problems])
            )
        return ReadEntry(entry, captured=result)
    found = capture_fhir(
        entry.body,
        feed=feed,
        dialect=dialect,
        message=entry.id,
        received=entry.at.astimezone(UTC),
        zone=ZoneInfo(feed.zone),
    )
    if isinstance(found, RefusedFhir):
        return ReadEntry(entry, parked=_parked(entry, [(p.code, str(p)) for p in found.problems]))
    return ReadEntry(entry, captured=found)


def _answered(entry: JournalEntry, site: Site) -> ReadEntry:
    """What a payer said: a body that it sent, a letter of one, or the outcome of a call of ours."""
    if entry.media == MEDIA:
        found = letters_of(entry, site)
        return ReadEntry(entry, letters=found.letters, parked=found.parked)
    if entry.media != LETTER:
        return ReadEntry(entry, news=interpret(decode_exchange(entry.body), entry.id))
    said = said_by(
        letter_of(entry.body), entry.id, entry.actor.removeprefix(ACTOR) if entry.actor.startswith(ACTOR) else ""
    )
    if isinstance(said, Captured):
        return ReadEntry(entry, captured=(said,))
    return ReadEntry(entry, parked=said) if isinstance(said, Parked) else ReadEntry(entry, news=said)


def _decided(entry: JournalEntry, site: Site) -> ReadEntry:
    """What a person decided. A body that this program did not write (a newer one did) is parked, not guessed at."""
    try:
        decision = decision_of(entry)
        return ReadEntry(entry, captured=captured_of(entry, decision, ZoneInfo(site.zone)), decision=decision)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ReadEntry(
            entry, parked=Parked(entry.id, "decision-unreadable", "this program does not know what it says")
        )


def _feed_since(entry: JournalEntry, site: Site) -> Feed | Parked:
    """The feed of an entry that came when none of the site file was its sender's: one may have been added since.

    What was not asked at the door is asked here: that the feed takes the processing mode of the message.
    """
    unknown = Parked(entry.id, "feed-unknown", "no feed of the site file is this sender's: add one, or its application")
    if entry.media != "hl7v2":
        return unknown
    subject = read_envelope(entry.body)
    header = subject.header if isinstance(subject, Unreadable) else subject
    if isinstance(subject, Unreadable) and header is None:
        return Parked(entry.id, subject.reason.value, subject.words)
    feed = feed_of(site, header, "")
    if feed is None or header is None:
        return unknown
    mode = header.processing_id.upper()
    if mode and mode != feed.processing:
        return Parked(entry.id, "processing-id", f"the feed {feed.name} takes processing id {feed.processing}")
    return feed


def _only_begins(entry: JournalEntry) -> bool:
    """Whether a message starts a session of numbered messages and says nothing else (v2.5.1 section 2.10.1)."""
    subject = read_envelope(entry.body)
    return not isinstance(subject, Unreadable) and begins_session(subject) and not subject.message_type


def _answered_with_an_error(entry: JournalEntry) -> Parked | None:
    """Parked is what the door answered with AE: its sender mends and sends it again, and would be billed twice."""
    subject = read_envelope(entry.body)
    if isinstance(subject, Unreadable) and subject.reason is not Unread.IS_BATCH:
        return _parked(entry, [(subject.reason.value, subject.words)])
    return None


def _parked(entry: JournalEntry, problems: Sequence[tuple[str, str]]) -> Parked:
    """The entry set aside, with every reason in words that repeat nothing of it."""
    code, words = problems[0] if problems else ("unreadable", "the message cannot be read")
    return Parked(entry.id, code, words, tuple(said for _, said in problems))
