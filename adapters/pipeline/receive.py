"""What arrives, made ready for the journal with the answer it will get. Pure: the doors store it and then answer.

AA, CA and 2xx mean: the bytes are stored and synced, nothing more. What is wrong with their content becomes work here,
never a refusal there, because a sender that is refused either skips the message or repeats it for ever
(standards/hl7v2.md 2.2, 2.3). Refused is only what is not meant for us: the wrong processing mode, a version that is
none, a type of resource that is not taken. That is not stored, so that nobody reads it.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from adapters.fhir import wire
from adapters.fhir.outcome import operation_outcome, received
from adapters.fhir.problem import Problem, Refused
from adapters.hl7v2.ack import AckError, Condition, Verdict, acknowledge, wants_accept
from adapters.hl7v2.envelope import Envelope, Unread, Unreadable, read_envelope
from adapters.model.journal import JournalKind
from adapters.model.site import Feed, Site
from adapters.ports import Receipt

FHIR_TYPES: Final = (
    "Appointment",
    "ChargeItem",
    "Condition",
    "Coverage",
    "DocumentReference",
    "Encounter",
    "MedicationAdministration",
    "Patient",
    "Procedure",
    "ServiceRequest",
)
"""Types of resource that are taken one by one. Answers of payers are taken from the payer's own channel only."""

_VERSION: Final = re.compile(r"2\.[0-9](\.[0-9])?")
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_LONGEST_CONTROL: Final = 199
_RESOURCES: Final = uuid.UUID("a4a5f0c6-1e0b-5d0c-8f53-0f3f7a0f9d21")
"""Namespace of the ids that are given to resources which came without one."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What to store and what to answer. Without a receipt nothing is stored and the answer is a refusal."""

    receipt: Receipt | None
    feed: str | None
    answer: bytes = field(repr=False)
    """To be given only after the receipt is stored; empty where the sender asked for no answer."""
    status: int = 200
    """HTTP status."""
    location: str = ""
    """Of a resource taken by POST: `Type/id`."""
    refusal: str = ""
    """Why it is not stored, as a stable code for counters."""


def receive_v2(payload: bytes, *, listener: str, peer: str, site: Site, now: datetime, ack_id: str) -> Intake:
    """A message (or batch) of HL7 v2 as it came out of its frame.

    `listener` is the name of the feed that the listener is for, or any other name of it; `peer` the authenticated
    sender, empty when there is none. `now` is aware, `ack_id` the acknowledgement's own MSH-10. Never raises on
    content: what has no readable MSH is stored as well, and parked when it is read.
    """
    subject = read_envelope(payload)
    header = subject.header if isinstance(subject, Unreadable) else subject
    feed = feed_of(site, header, listener)
    verdict, error = _verdict(subject, header, feed)
    code = wants_accept(subject, verdict)
    answer = b"" if code is None else acknowledge(subject, code, now=now, control_id=ack_id, error=error)
    name = feed.name if feed else None
    if verdict is Verdict.REFUSED:
        return Intake(None, name, answer, 200, refusal=error.condition.value if error else "refused")
    receipt = Receipt(
        kind=JournalKind.MESSAGE,
        channel=f"{listener}|{peer}" if peer else listener,
        sender=f"{header.sending_application}|{header.sending_facility}" if header else "",
        actor=f"feed:{name or ''}",
        media="hl7v2",
        control=subject.control_id[:_LONGEST_CONTROL],
        digest=hashlib.sha256(payload).hexdigest(),
        body=payload,
        answer=answer,
        at=now,
    )
    return Intake(receipt, name, answer)


FRAGMENT: Final = "fragment"
"""Media of bytes that never became a message: kept for people to look at, never read."""


def broken_frame(kept: bytes, *, listener: str, peer: str, reason: str, now: datetime) -> Intake:
    """What came in place of a frame (cut, unfinished, too long, no MLLP): kept and parked, never read as a message.

    A fragment can look like a whole message with its last charges missing; whoever sent it sends the whole again.
    """
    receipt = Receipt(
        kind=JournalKind.MESSAGE,
        channel=f"{listener}|{peer}" if peer else listener,
        sender=reason,
        actor="feed:",
        media=FRAGMENT,
        control="",
        digest=hashlib.sha256(kept).hexdigest(),
        body=kept,
        answer=b"",
        at=now,
    )
    return Intake(receipt, None, b"")


def feed_of(site: Site, header: Envelope | None, listener: str) -> Feed | None:
    """The feed whose applications name MSH-3, the listener's own before others; else one that takes any application."""
    feeds = [feed for feed in site.feeds if feed.media == "hl7v2"]
    application = header.sending_application if header else ""
    naming = [feed for feed in feeds if application and application in feed.applications]
    own = next((feed for feed in feeds if feed.name == listener), None)
    if naming:
        return own if own in naming else naming[0]
    if header is None and own is not None:
        return own  # nobody says who speaks, so nobody speaks for another
    open_ = [feed for feed in feeds if not feed.applications]
    if own is not None:
        return own if own in open_ else None
    return open_[0] if len(open_) == 1 else None


def _verdict(
    subject: Envelope | Unreadable, header: Envelope | None, feed: Feed | None
) -> tuple[Verdict, AckError | None]:
    """Stored, in error or refused, and why (standards/hl7v2.md 2.2)."""
    if header is None or (isinstance(subject, Unreadable) and subject.reason is not Unread.IS_BATCH):
        words = subject.words if isinstance(subject, Unreadable) else ""
        missing = isinstance(subject, Unreadable) and subject.reason is Unread.NO_CONTROL_ID
        condition = Condition.REQUIRED_FIELD if missing else Condition.SEGMENT_SEQUENCE
        return Verdict.ERROR, AckError(condition, words, "MSH", 1, 10 if missing else 0)
    if isinstance(subject, Unreadable):
        return Verdict.STORED, None  # the header of a batch has neither mode nor version
    mode = header.processing_id.upper()
    if feed is not None and mode and mode != feed.processing:
        words = f"this listener takes processing id {feed.processing}"
        return Verdict.REFUSED, AckError(Condition.PROCESSING_ID, words, "MSH", 1, 11)
    if header.version and not _VERSION.fullmatch(header.version):
        return Verdict.REFUSED, AckError(Condition.VERSION, "MSH-12 is no version 2.x", "MSH", 1, 12)
    return Verdict.STORED, None


def receive_fhir(body: bytes, *, feed: str, path_type: str, method: str, now: datetime, path_id: str = "") -> Intake:
    """A body that came to `[base]` (then `path_type` is `Bundle`), to `[base]/Type` or `[base]/Type/id`, or in a file
    (then it is empty, and any type is taken).

    `feed` is the name of the feed. Not JSON, a name said twice, no resource: answered with 400 and an OperationOutcome,
    and stored all the same, so that somebody sees it. A resource that does not belong to its path is refused and not stored.
    """
    read = wire.resource(body)
    if isinstance(read, Refused):
        answer = wire.dumps(operation_outcome(read.problems))
        return Intake(_fhir_receipt(body, feed, "", answer, now), feed, answer, 400)
    if refused := _misplaced(read, path_type, method, path_id):
        problem, status = refused
        return Intake(None, feed, wire.dumps(operation_outcome((problem,))), status, refusal=problem.code)
    answer = wire.dumps(received(read))
    receipt = _fhir_receipt(body, feed, _control_of(read), answer, now)
    if method == "PUT" or read["resourceType"] == "Bundle":
        return Intake(receipt, feed, answer)
    id = read.get("id")
    given = id if isinstance(id, str) and _ID.fullmatch(id) else str(uuid.uuid5(_RESOURCES, f"{feed}|{receipt.digest}"))
    return Intake(receipt, feed, answer, 201, f"{read['resourceType']}/{given}")


def _misplaced(read: wire.JsonObject, path_type: str, method: str, path_id: str) -> tuple[Problem, int] | None:
    kind = read["resourceType"]
    if not path_type:
        return None
    if path_type != "Bundle" and path_type not in FHIR_TYPES:
        return Problem("not-supported", "this type of resource is not taken here"), 404
    if kind != path_type:
        return Problem("business-rule", "the body is another type of resource than its path", "resourceType"), 400
    if method == "PUT" and read.get("id") != path_id:
        return Problem("business-rule", "the id in the body is not that of the path", f"{path_type}.id"), 400
    return None


def _control_of(read: wire.JsonObject) -> str:
    """Bundle.identifier, else the id: the sender's own name for what it sent."""
    identifier = read.get("identifier")
    if read["resourceType"] == "Bundle" and isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
        return str(identifier["value"])[:_LONGEST_CONTROL]
    id = read.get("id")
    # Of a resource that is updated in place the id says what it is about, not which sending this was.
    return id[:_LONGEST_CONTROL] if read["resourceType"] == "Bundle" and isinstance(id, str) else ""


def _fhir_receipt(body: bytes, feed: str, control: str, answer: bytes, now: datetime) -> Receipt:
    return Receipt(
        kind=JournalKind.MESSAGE,
        channel=f"fhir:{feed}",
        sender=feed,
        actor=f"feed:{feed}",
        media="fhir",
        control=control,
        digest=hashlib.sha256(body).hexdigest(),
        body=body,
        answer=answer,
        at=now,
    )
