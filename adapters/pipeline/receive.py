"""What arrives, made ready for the journal with the answer it will get. Pure: the doors store it and then answer.

AA, CA and 2xx mean: the bytes are stored and synced, nothing more. What is wrong with their content becomes work here,
never a refusal there, because a sender that is refused either skips the message or repeats it for ever
(standards/hl7v2.md 2.2, 2.3). Refused is only what is not meant for us (`pipeline.admit`): of HL7 v2 it is kept unread
and parked; a FHIR resource of a type that is not taken is not stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from adapters.fhir import wire
from adapters.fhir.bundle import VALID_ID, given_id
from adapters.fhir.condition import problem_of
from adapters.fhir.outcome import etag, operation_outcome, received
from adapters.fhir.problem import Problem, Refused
from adapters.hl7v2.ack import Verdict, acknowledge, acknowledge_batch, wants_accept, wants_application
from adapters.hl7v2.envelope import Envelope, Unreadable
from adapters.model.journal import JournalKind
from adapters.model.site import Site
from adapters.pipeline.admit import Admission, admit
from adapters.ports import Receipt

FHIR_TYPES: Final = (
    "Appointment",
    "ChargeItem",
    "Condition",
    "Coverage",
    "DocumentReference",
    "Encounter",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "Patient",
    "Procedure",
    "ServiceRequest",
)
"""Types of resource that are taken one by one. Answers of payers are taken from the payer's own channel only."""

_ANSWERS: Final = ("ACK", "MCF", "NAK")
_LONGEST_CONTROL: Final = 199


@dataclass(frozen=True, slots=True)
class Intake:
    """What to store and what to answer. Without a receipt (FHIR only) nothing is stored and the answer is a refusal."""

    receipt: Receipt | None
    feed: str | None
    answer: bytes = field(repr=False)
    """To be given only after the receipt is stored; empty where the sender asked for no answer."""
    status: int = 200
    """HTTP status."""
    location: str = ""
    """Of a resource taken by POST: `Type/id`."""
    etag: str = ""
    """Of a resource taken by itself (`outcome.etag`)."""
    refusal: str = ""
    """Why it is not taken, as a stable code for counters: a condition of table 0357, or a word of ours for FHIR."""
    later: Envelope | None = field(default=None, repr=False)
    """The message that an application acknowledgement follows when it is worked."""


def receive_v2(
    payload: bytes,
    *,
    listener: str,
    peer: str | None,
    site: Site,
    now: datetime,
    ack_id: str,
    feeds: Sequence[str] = (),
) -> Intake:
    """A message (or batch) of HL7 v2 as it came out of its frame.

    `listener` is the name of the listener, or of the feed that it is for; `peer` the authenticated sender, empty when
    there is none, None for a file; `feeds` those that may come by the listener, empty for all. `now` is aware, `ack_id`
    the acknowledgement's own MSH-10. Never raises on content: what has no readable MSH is stored as well, and parked
    when it is read; so is what is refused, under a channel of its own, so that it is taken when it comes again after
    the site file was mended.
    """
    found = admit(payload, site=site, listener=listener, peer=peer, feeds=feeds)
    subject = found.subject
    header = subject.header if isinstance(subject, Unreadable) else subject
    name = found.feed.name if found.feed else None
    channel = f"{listener}|{peer}" if peer else listener
    receipt = Receipt(
        kind=JournalKind.MESSAGE,
        channel=f"{channel}|{REFUSED}" if found.refusal else channel,
        sender=f"{header.sending_application}|{header.sending_facility}" if header else "",
        actor=f"feed:{name or ''}",
        media=f"{REFUSED}:{found.refusal}" if found.refusal else "hl7v2",
        control=subject.control_id[:_LONGEST_CONTROL],
        digest=hashlib.sha256(payload).hexdigest(),
        body=payload,
        answer=_answer(found, now, ack_id),
        at=now,
    )
    return Intake(receipt, name, receipt.answer, refusal=found.refusal, later=_later(found))


def _answer(found: Admission, now: datetime, ack_id: str) -> bytes:
    subject = found.subject
    if isinstance(subject, Envelope) and subject.message_type in _ANSWERS and subject.accept_ack.upper() in ("", "NE"):
        return b""  # an acknowledgement of an acknowledgement would go to and fro for ever
    if found.parts and found.verdict is Verdict.STORED and found.feed is not None and found.feed.batch_answer == "each":
        return acknowledge_batch(subject, found.parts, now=now, control_id=ack_id)
    code = wants_accept(subject, found.verdict)
    return b"" if code is None else acknowledge(subject, code, now=now, control_id=ack_id, error=found.error)


def _later(found: Admission) -> Envelope | None:
    """The message to which an application acknowledgement is owed once it is worked, where the feed says so."""
    subject = found.subject
    if found.verdict is not Verdict.STORED or isinstance(subject, Unreadable) or found.feed is None:
        return None
    if found.feed.application_ack != "after-work":
        return None
    return subject if any(wants_application(subject, verdict) for verdict in (Verdict.STORED, Verdict.ERROR)) else None


REFUSED: Final = "refused"
"""Media, with `:` and a key of `admit.REFUSALS`, of a message that was answered with AR or AE and is kept unread."""
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


def receive_fhir(
    body: bytes,
    *,
    feed: str,
    path_type: str,
    method: str,
    now: datetime,
    path_id: str = "",
    condition: str | None = None,
) -> Intake:
    """A body that came to `[base]` (then `path_type` is `Bundle`), to `[base]/Type` or `[base]/Type/id`, or in a file
    (then it is empty, and any type is taken).

    `feed` is the name of the feed, `condition` the search of a conditional create or update. Not JSON, a name said
    twice, no resource: answered with 400 and an OperationOutcome, and stored all the same, so that somebody sees it. A
    resource that does not belong to its path is refused and not stored.
    """
    read = wire.resource(body)
    if isinstance(read, Refused):
        answer = wire.dumps(operation_outcome(read.problems))
        return Intake(_fhir_receipt(body, feed, "", answer, now), feed, answer, 400)
    if refused := _misplaced(read, path_type, method, path_id, condition):
        problem, status = refused
        return Intake(None, feed, wire.dumps(operation_outcome((problem,))), status, refusal=problem.code)
    digest = hashlib.sha256(body).hexdigest()
    answer = wire.dumps(received(read, digest))
    receipt = _fhir_receipt(body, feed, _control_of(read), answer, now)
    if read["resourceType"] == "Bundle":
        return Intake(receipt, feed, answer)
    if method == "PUT":
        return Intake(receipt, feed, answer, etag=etag(read))
    id = read.get("id")
    given = id if isinstance(id, str) and VALID_ID.fullmatch(id) else given_id(digest, "")
    return Intake(receipt, feed, answer, 201, f"{read['resourceType']}/{given}", etag=etag(read))


def _misplaced(
    read: wire.JsonObject, path_type: str, method: str, path_id: str, condition: str | None
) -> tuple[Problem, int] | None:
    kind = read["resourceType"]
    if not path_type:
        return None
    if path_type != "Bundle" and path_type not in FHIR_TYPES:
        return Problem("not-supported", "this type of resource is not taken here"), 404
    if kind != path_type:
        return Problem("business-rule", "the body is another type of resource than its path", "resourceType"), 400
    if condition is not None and (problem := problem_of(read, condition)):
        return problem, 412
    if method == "PUT" and condition is None and read.get("id") != path_id:
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
