"""An HL7 v2 message as events: what a feed says, in our words, with every part of it accounted for.

DFT^P03 and P11 give clinical events and coded charges (`charges`), registration patient, visit, coverage and guarantor
(`registration`), merges the two identities (`identity`), SIU appointments (`schedule`), orders what is expected
(`orders`), RAS and RDS the doses given and dispensed (`drugs`), MDM documents (`documents`), ORU what the dialect knows
by its code (`results`), REF and RPA what a payer authorized (`authorizations`). Whatever no reader took is named by an
omission, so that nothing that came is lost from sight. Who speaks, what its words mean and where its elements stand is
the feed's dialect (`rules.dialect`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from adapters.hl7v2.authorizations import read_authorizations
from adapters.hl7v2.batch import split_batch
from adapters.hl7v2.charges import read_charges
from adapters.hl7v2.documents import read_documents
from adapters.hl7v2.drugs import read_administrations, read_dispenses
from adapters.hl7v2.elements import NEEDS_A_PERSON, REASONS, Gathered, Speech, place
from adapters.hl7v2.envelope import Envelope, Unread, Unreadable, read_envelope
from adapters.hl7v2.identity import SCOPES, read_merge
from adapters.hl7v2.orders import read_orders
from adapters.hl7v2.reader import Message, over_limits
from adapters.hl7v2.registration import CANCELLED_VISITS, UNDONE, person_hint, read_cancelled, read_registration
from adapters.hl7v2.results import read_results
from adapters.hl7v2.schedule import read_schedule
from adapters.hl7v2.segment import Segment
from adapters.hl7v2.syntax import Problem
from adapters.hl7v2.values import parse_ts
from adapters.model.event import Omission
from adapters.model.people import PersonHint
from adapters.model.record import Captured
from adapters.model.site import Feed
from adapters.model.why import Source
from adapters.rules.dialect import Dialect

__all__ = ["NEEDS_A_PERSON", "REASONS", "Refused", "capture"]

_CODE: Final = re.compile(r"[A-Z][A-Z0-9]{2}")

_PATIENT_BOUND: Final = frozenset({"ADT", "BAR", "DFT", "MDM", "RAS", "RDE", "RDS", "RGV", "REF", "VXU"})
"""Types that are about a patient by their structure; of all others one without PID concerns nobody."""

_ORDERS: Final = frozenset({"ORM", "OMG", "OMI", "OML", "OMP", "OMS", "OMN", "OMD", "RDE", "RGV"})
"""Orders: what is asked for, in the wards, the laboratory, imaging and pharmacy."""

_CONTEXT: Final = frozenset(
    {"MSH", "EVN", "SFT", "UAC", "PID", "PD1", "NK1", "PV1", "PV2", "ROL", "PRT", "ARV", "CON", "NTE", "DB1", "AL1"}
    | {"DSC", "MSA", "ERR", "QAK", "QPD", "QRD", "QRF", "RCP", "TQ1", "TQ2", "FHS", "BHS", "BTS", "FTS"}
)
"""Segments that carry no charge and, where nothing was read from them, need not be read."""

_READ_FOR_ALL: Final = ("MSH", "EVN", "PID")
"""What the message is, when it was said, and whom it is about (each part has but one PID)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A body that cannot be read as messages of a person; every reason found, with its place and no content."""

    problems: tuple[Problem, ...]


def capture(
    body: bytes, *, feed: Feed, dialect: Dialect, message: str, received: datetime
) -> tuple[Captured, ...] | Refused:
    """What a received body says, one `Captured` for each person it names, in order.

    `message` is its journal id, from which all event ids follow; `received` (aware) stands for the time of saying
    where MSH-7 and EVN-2 give none. A body of several messages is read whole or refused whole; places then begin
    with `message[n]/`. Never raises on content. A person hint without identifiers: the message concerns nobody.
    """
    if dialect.media != "hl7v2":
        raise ValueError(f"the dialect {dialect.id} is not one of HL7 v2")
    batch = split_batch(body)
    bodies = batch.messages or (body,)
    captured: list[Captured] = []
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    for number, single in enumerate(bodies, 1):
        prefix = f"message[{number}]/" if len(bodies) > 1 else ""
        read = _message(single, feed, dialect, message, received, prefix, lines)
        if isinstance(read, Refused):
            problems += read.problems
        else:
            captured += read
    if problems:
        return Refused(tuple(problems))
    if captured and batch.problems:
        # What came is used; that a message of the batch may be missing is told beside the first one.
        told = (Omission("ill-formed", Source(message, f"batch ({p.code})"), p.where) for p in batch.problems)
        captured[0] = replace(captured[0], omissions=(*captured[0].omissions, *told))
    return tuple(captured)


def _message(
    body: bytes, feed: Feed, dialect: Dialect, message: str, received: datetime, prefix: str, lines: dict[str, int]
) -> list[Captured] | Refused:
    envelope = read_envelope(body)
    if isinstance(envelope, Unreadable):
        # Without MSH-10 a message cannot be acknowledged properly, but what it says can be read.
        if envelope.header is None or envelope.reason is not Unread.NO_CONTROL_ID:
            return Refused((Problem(envelope.reason.value, prefix, envelope.words),))
        envelope = envelope.header
    text = Message.parse(body)
    beyond = over_limits(text)
    if beyond:
        return Refused(tuple(Problem(p.code, prefix + p.where, p.words) for p in beyond))
    segments = list(text)
    strays = frozenset(text.strays)
    zone = ZoneInfo(feed.zone)
    speech = Speech(feed, dialect, message, zone, _said(envelope, segments, zone, received), prefix)
    pids = [s for s in segments if s.name == "PID"]
    parts = [_part(speech, envelope, part, strays, lines, pids) for part in _by_person(list(enumerate(segments, 1)))]
    refused = tuple(part for part in parts if isinstance(part, Problem))
    if refused:
        return Refused(refused)
    found = [part for part in parts if isinstance(part, Captured)]
    if text.charset_guessed:
        told = Gathered(speech)
        told.omit("charset-guessed", "MSH-18")
        first = found[0]
        found[0] = Captured(first.person, first.events, (*told.omissions, *first.omissions))
    return found


def _said(envelope: Envelope, segments: Sequence[Segment], zone: ZoneInfo, received: datetime) -> datetime:
    """When the sender said it: MSH-7, else EVN-2, else when it came."""
    recorded = next((s.text(2) for s in segments if s.name == "EVN"), "")
    for text in (envelope.sent_at, recorded):
        stamp = parse_ts(text) if text else None
        if stamp is not None and stamp.day is not None:
            return stamp.instant(zone).astimezone(UTC)
    return received.astimezone(UTC)


_Numbered = list[tuple[int, Segment]]


def _by_person(segments: _Numbered) -> list[_Numbered]:
    """The message cut before every PID but the first; what stands before the first belongs to its part."""
    parts: list[_Numbered] = [[]]
    seen = False
    for number, segment in segments:
        if segment.name == "PID":
            if seen:
                parts.append([])
            seen = True
        parts[-1].append((number, segment))
    return parts


def _part(
    speech: Speech,
    envelope: Envelope,
    part: _Numbered,
    strays: frozenset[int],
    lines: dict[str, int],
    pids: Sequence[Segment],
) -> Captured | Problem:
    """What one person's part of a message says. `pids` are all of the message: A24 and A37 name two."""
    segments = [segment for number, segment in part if number not in strays]
    pid = next((segment for segment in segments if segment.name == "PID"), None)
    hint = PersonHint() if pid is None else person_hint(pid, speech.feed)
    if not hint.known and (pid is not None or envelope.message_type in _PATIENT_BOUND):
        words = "the message names no patient" if pid is None else "PID holds no identifier"
        return Problem("no-patient", speech.prefix + ("PID" if pid is None else place(pid)), words)
    gathered = Gathered(speech, lines=lines)
    trigger = envelope.trigger or next((s.text(1) for s in segments if s.name == "EVN"), "")
    read = speech.dialect.states_people(envelope.message_type, trigger)
    if read:
        read_registration(gathered, segments)
    read |= _read_type(gathered, segments, envelope.message_type, trigger, _linked(pids, pid, trigger))
    if not read and pid is not None and envelope.message_type != "DFT":
        gathered.omit("not-used-yet", "MSH-9", _known_type(envelope.message_type, trigger))
    if envelope.message_type == "DFT":
        cut = frozenset(place(s) for number, s in part if number + 1 in strays and number not in strays)
        read_charges(gathered, segments, each_its_own=trigger == "P11", cut=cut)
    _account_for_rest(gathered, part, strays)
    return Captured(hint, tuple(gathered.events), tuple(gathered.omissions))


def _linked(pids: Sequence[Segment], pid: Segment | None, trigger: str) -> Segment | None:
    """The other person of A24 and A37. That two are not one is told of both, for either may know that they were."""
    if len(pids) > 1 and pid is pids[0]:
        return pids[1]
    return pids[0] if len(pids) > 1 and pid is pids[1] and SCOPES.get(trigger) == "unlink" else None


def _read_type(
    gathered: Gathered, segments: Sequence[Segment], message_type: str, trigger: str, linked: Segment | None
) -> bool:
    """Read what a type says beside people and charges; False where there is nothing that reads it."""
    pid = any(segment.name == "PID" for segment in segments)
    if not pid:
        return False  # concerns nobody: a slot, a catalogue
    match message_type:
        case "ADT" if trigger in SCOPES:
            if SCOPES[trigger] not in ("link", "unlink") or linked is not None:
                read_merge(gathered, segments, trigger, linked)
        case "ADT" if trigger in CANCELLED_VISITS | UNDONE:
            read_cancelled(gathered, segments, trigger)
        case "SIU":
            read_schedule(gathered, segments, trigger)
        case "ORU":
            read_results(gathered, segments)
        case "RAS":
            read_administrations(gathered, segments)
        case "RDS":
            read_orders(gathered, segments)
            read_dispenses(gathered, segments)
        case "MDM":
            read_documents(gathered, segments, trigger)
        case "REF" | "RPA":
            read_authorizations(gathered, segments)
        case _ if message_type in _ORDERS:
            read_orders(gathered, segments)
        case _:
            return False
    return True


def _known_type(message_type: str, trigger: str) -> str:
    """The type for an omission's detail; only where it has the form of one, so that no content slips through."""
    return "^".join(part for part in (message_type, trigger) if _CODE.fullmatch(part))


def _account_for_rest(gathered: Gathered, part: _Numbered, strays: frozenset[int]) -> None:
    """Name every segment that no event rests on and no omission names yet.

    One that was read and gave no fact of its own (a course label, an identity, a code said twice) is context.
    """
    prefix = len(gathered.speech.prefix)
    sources = [omission.source.at for omission in gathered.omissions]
    for event in gathered.events:
        sources.append(event.source.at)
        sources += [fact.source.at for fact in event.facts]
    seen = {at[prefix:].partition("-")[0] for at in sources}
    for number, segment in part:
        at = f"line {number}" if number in strays else place(segment)
        if at in seen or segment.name in _READ_FOR_ALL:
            continue
        if number in strays:
            gathered.omit("stray-line", at)
        elif segment.name in _CONTEXT or at in gathered.used:
            gathered.omit("context", at)
        elif segment.name.startswith("Z"):
            gathered.omit("local-segment", at)
        else:
            gathered.omit("not-used-yet", at)
    if not gathered.events and not gathered.omissions:
        gathered.omit("context", "MSH")
