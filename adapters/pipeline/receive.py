"""What arrives, made ready for the journal with the answer it will get. Pure: the doors store it and then answer.

AA, CA and 2xx mean: the bytes are stored and synced, nothing more. What is wrong with their content becomes work here,
never a refusal there, because a sender that is refused either skips the message or repeats it for ever
(standards/hl7v2.md 2.2, 2.3). Refused is only what is not meant for us (`pipeline.admit`): of HL7 v2 it is kept unread
and parked; a FHIR resource of a type that is not taken is not stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from adapters.errors import StoreDown
from adapters.fhir import wire
from adapters.fhir.bundle import VALID_ID, given_id
from adapters.fhir.condition import problem_of
from adapters.fhir.outcome import etag, operation_outcome, received
from adapters.fhir.payment import is_delivery
from adapters.fhir.problem import Problem, Refused
from adapters.fhir.tree import Node
from adapters.hl7v2.ack import Verdict, acknowledge, acknowledge_batch, wants_accept, wants_application
from adapters.hl7v2.envelope import Envelope, Unreadable
from adapters.model.journal import JournalKind
from adapters.model.site import Feed, Site
from adapters.pipeline.admit import Admission, admit
from adapters.pipeline.hearing import begins_session, expected_number
from adapters.pipeline.remitting import remittance_receipt
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

HISTORY: Final = "history"
"""In place of `feed` in the actor of a message that is taken as history, and the end of its channel."""
PROCESS_MESSAGE: Final = "$process-message"
"""In place of the id in a path: the operation that takes messages, and nothing else."""
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
    last_number: Callable[[Feed], int | None] = lambda _feed: None,
) -> Intake:
    """A message (or batch) of HL7 v2 as it came out of its frame.

    `listener` is the name of the listener, or of the feed that it is for; `peer` the authenticated sender, empty when
    there is none, None for a file; `feeds` those that may come by the listener, empty for all. `now` is aware, `ack_id`
    the acknowledgement's own MSH-10. `last_number` gives the last sequence number taken of a feed that declares them; it
    is asked at the start of a session only. Never raises on content: what has no readable MSH is stored as well, and parked
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
        answer=_answer(found, now, ack_id, last_number),
        at=now,
    )
    return Intake(receipt, name, receipt.answer, refusal=found.refusal, later=_later(found))


def as_history(receipt: Receipt) -> Receipt:
    """The receipt of a message that is taken as history: under a channel of its own, so that the feed may send it too."""
    name = receipt.actor.partition(":")[2]
    return replace(receipt, actor=f"{HISTORY}:{name}", channel=f"{receipt.channel}|{HISTORY}")


def _answer(found: Admission, now: datetime, ack_id: str, last_number: Callable[[Feed], int | None]) -> bytes:
    subject = found.subject
    if isinstance(subject, Envelope) and subject.message_type in _ANSWERS and subject.accept_ack.upper() in ("", "NE"):
        return b""  # an acknowledgement of an acknowledgement would go to and fro for ever

    def expected(part: Envelope | Unreadable) -> int | None:
        return _expected(part, found, last_number)

    if found.parts and found.verdict is Verdict.STORED and found.feed is not None and found.feed.batch_answer == "each":
        return acknowledge_batch(subject, found.parts, now=now, control_id=ack_id, expected=expected)
    code = wants_accept(subject, found.verdict)
    if code is None:
        return b""
    return acknowledge(
        subject, code, now=now, control_id=ack_id, error=found.error, expected_sequence=expected(subject)
    )


def _expected(
    subject: Envelope | Unreadable, found: Admission, last_number: Callable[[Feed], int | None]
) -> int | None:
    """MSA-4 of what is taken, where the feed declares sequence numbers; None where there is none to give."""
    feed = found.feed
    if feed is None or not feed.sequence_numbers or found.verdict is not Verdict.STORED:
        return None
    if isinstance(subject, Unreadable):
        return None
    try:
        last = last_number(feed) if begins_session(subject) else None
    except StoreDown:
        return None  # who only takes receipts may not read the journal: the number is left out, the message taken
    return expected_number(subject.sequence_number, last)


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
    payer: str = "",
) -> Intake:
    """A body that came to `[base]` (then `path_type` is `Bundle`), to `[base]/Type` or `[base]/Type/id`, or in a file
    (then it is empty, and any type is taken).

    `feed` is the name of the feed, `condition` the search of a conditional create or update. `payer` is the payer whose
    feed it is: its answers are taken whole, to be taken apart when they are sorted (`pipeline.remitting`). Not JSON, a name said
    twice, no resource: answered with 400 and an OperationOutcome, and stored all the same, so that somebody sees it. A
    resource that does not belong to its path is refused and not stored.
    """
    read = wire.resource(body)
    if isinstance(read, Refused):
        answer = wire.dumps(operation_outcome(read.problems))
        return Intake(_fhir_receipt(body, feed, "", answer, now), feed, answer, 400)
    if payer and method == "POST" and path_type in ("", "Bundle", read["resourceType"]) and is_delivery(read):
        return _of_payer(read, body, feed, payer, now)
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


def _of_payer(read: wire.JsonObject, body: bytes, feed: str, payer: str, now: datetime) -> Intake:
    """A payer's answers, taken as they came; the answer to them says no more than that."""
    digest = hashlib.sha256(body).hexdigest()
    answer = wire.dumps(received(read, digest))
    receipt = replace(remittance_receipt(body, payer, now, f"fhir:{feed}"), answer=answer)
    if read["resourceType"] == "Bundle":
        return Intake(receipt, feed, answer)
    return Intake(receipt, feed, answer, 201, f"{read['resourceType']}/{given_id(digest, '')}", etag=etag(read))


def receive_deletion(*, feed: str, kind: str, id: str, now: datetime) -> Intake:
    """A DELETE of `[base]/Type/id`: journalled as a history of its one entry, which is read like any other.

    A resource that is not on file may have been deleted too, or not come yet: both are answered with 200. A type that
    is not taken is refused and not stored.
    """
    if kind not in FHIR_TYPES or not VALID_ID.fullmatch(id):
        problem = Problem("not-supported", "this type of resource is not taken here")
        return Intake(None, feed, wire.dumps(operation_outcome((problem,))), 404, refusal=problem.code)
    entry: wire.JsonObject = {
        "request": {"method": "DELETE", "url": f"{kind}/{id}"},
        # What is deleted twice with a new version between was deleted twice.
        "response": {"status": "200", "lastModified": now.isoformat()},
    }
    body = wire.dumps({"resourceType": "Bundle", "type": "history", "entry": [entry]})
    answer = wire.dumps(operation_outcome(()))
    return Intake(_fhir_receipt(body, feed, "", answer, now), feed, answer)


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
    if path_id == PROCESS_MESSAGE and (read.get("type") != "message" or not _headed(read)):
        # R4 Bundle, bdl-12. Without it nobody knows which message is answered.
        return Problem("business-rule", "a message begins with its MessageHeader", "Bundle.entry[0]"), 400
    if condition is not None and (problem := problem_of(read, condition)):
        return problem, 412
    if method == "PUT" and condition is None and read.get("id") != path_id:
        return Problem("business-rule", "the id in the body is not that of the path", f"{path_type}.id"), 400
    return None


def _headed(message: wire.JsonObject) -> bool:
    first = next(iter(Node(message, "Bundle").each("entry")), Node(None, ""))
    return first["resource"]["resourceType"].text == "MessageHeader"


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
