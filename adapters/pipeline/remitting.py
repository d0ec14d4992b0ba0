"""What payers deliver by themselves: one body into letters, each about one claim or about the payment beside the claims.

The body is journalled whole as it came, by whatever door (media `remittance`). Sorting takes it apart: each letter is an
entry of its own (media `letter`), made of nothing but the body and our claims on file then, so that the same body twice
makes the same letters, one letter can be parked without the others, and the journal alone says what was posted.
A payment that does not add up is parked whole, and with it every answer that came in its body.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from adapters.fhir import wire
from adapters.fhir.payment import Answer, Delivery, read_delivery
from adapters.fhir.response import read_answer
from adapters.model import money
from adapters.model.claim import ClaimEvent
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.record import Captured, Parked, SubmissionNews
from adapters.model.remittance import Decision, Payment, ProviderAdjustment, Remittance, Unread
from adapters.model.site import Site
from adapters.pipeline.payments import lane_of_payer
from adapters.ports import Receipt
from adapters.posting import UNBALANCED, UNMATCHED, out_by, payment_mismatches

MEDIA: Final = "remittance"
"""Media of a payer's body as it came."""
LETTER: Final = "letter"
"""Media of one letter of it."""
ACTOR: Final = "payer:"
_LONG: Final = 200
"""Characters of a payer's name that are kept."""
NOT_FETCHED: Final = "answer-not-fetched"
"""Reason of a body that only names answers, which their payer does not have, or which lie elsewhere."""
_EVENTS: Final = {
    Decision.ADJUDICATED: ClaimEvent.ADJUDICATE,
    Decision.PENDED: ClaimEvent.QUEUE,
    Decision.REFUSED: ClaimEvent.FAIL,
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One thing that a body says: the answer to one claim, or (without a resource) a payment."""

    claim: str = ""
    number: str = ""
    """The payer's number of the claim, to find it by where the answer names none of ours."""
    resource: str = ""
    """The ClaimResponse as JSON."""
    payment: Payment | None = None
    matched_by: str = ""
    """Who said that it is this claim's."""
    parked: str = ""
    """The entry that this one settles."""
    payer: str = ""
    """The payer that decided, where the door names none and the answer does: the site's id, or a name it does not know."""
    paid_in: str = ""
    """The number of the payment of the same body that pays it."""


@dataclass(frozen=True, slots=True)
class Letters:
    """What a body says, letter by letter, or why it is set aside whole."""

    letters: tuple[Letter, ...] = ()
    parked: Parked | None = None


def remittance_receipt(body: bytes, payer: str, now: datetime, channel: str = "") -> Receipt:
    """The journal entry of a body that a payer sent. `payer` is the site's id, empty where only the body may say it."""
    return Receipt(
        kind=JournalKind.ANSWER,
        channel=channel or f"remittance:{payer}",
        sender=payer,
        actor=f"{ACTOR}{payer}",
        media=MEDIA,
        control="",
        digest=hashlib.sha256(body).hexdigest(),
        body=body,
        answer=b"",
        at=now,
    )


def names_of(references: Iterable[str]) -> bytes:
    """The body that says only where answers were said to be: a Bundle of addresses with nothing at them."""
    entries: list[wire.JsonValue] = [{"fullUrl": reference} for reference in references]
    return wire.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def letters_of(entry: JournalEntry, site: Site) -> Letters:
    """What a payer's body says, or why it is parked whole: unreadable, of no payer of ours, out of balance, or nothing
    but names of answers that cannot be had."""
    found = read_delivery(entry.body, entry.id)
    if found.names_only:
        why = "the payer told of answers that it does not have, or that lie elsewhere: the entry has their addresses"
        return Letters(parked=Parked(entry.id, NOT_FETCHED, why))
    if found.reasons:
        return Letters(parked=Parked(entry.id, "answer-unreadable", "; ".join(found.reasons)[:400]))
    payments: list[Payment] = []
    for payment in found.payments:
        payer = _payer(payment.payer, entry.actor.removeprefix(ACTOR), site)
        if not payer and payment.adjustments:
            return Letters(parked=Parked(entry.id, "payer-unknown", "no payer of the site file made this payment"))
        payments.append(replace(payment, payer=payer))
    if wrong := _unbalanced(found, payments, entry.id):
        return Letters(parked=wrong)
    sender = entry.actor.removeprefix(ACTOR)
    paid_in = {reference: payment.number for payment in payments for reference, _ in payment.claims if reference}
    answers = (
        Letter(
            a.claim,
            a.number,
            wire.dumps(a.resource).decode(),
            payer="" if sender else _insurer(a, site),
            paid_in=paid_in.get(a.reference, ""),
        )
        for a in found.answers
    )
    beside = (Letter(payment=payment) for payment in payments if payment.adjustments)
    return Letters((*answers, *beside))


def _payer(named: str, sender: str, site: Site) -> str:
    """The site's id of the payer: by the sender whose door it came through, else by how the payment names it."""
    if sender:
        return sender
    known = site.payer(named) if named else None
    return known.id if known else ""


def _insurer(answer: Answer, site: Site) -> str:
    """The site's id of the payer that an answer names as its own; the first of its names where the site knows none."""
    known = filter(None, (site.payer(name) for name in answer.insurers))
    return next((payer.id for payer in known), next((name[:_LONG] for name in answer.insurers), ""))


def _unbalanced(found: Delivery, payments: Iterable[Payment], entry: str) -> Parked | None:
    """The whole body set aside where a payment is not the sum of its parts, or pays an answer otherwise than it says."""
    told: Counter[str] = Counter()
    for payment in payments:
        if wrong := payment_mismatches(payment):
            why = f"{'; '.join(m.reason for m in wrong)} (by {money.text(out_by(wrong))})"
            return Parked(entry, UNBALANCED, why, amount=out_by(wrong))
        for reference, amount in payment.claims:
            told[reference] += amount
    paid: Counter[str] = Counter()
    # An answer that stands in the body twice is one letter, and is paid once. Most bodies tell of no payment.
    answers = {wire.dumps(answer.resource): answer for answer in found.answers} if told else {}
    for body, answer in answers.items():
        read = read_answer(body, message=entry) if answer.reference in told else None
        if isinstance(read, Remittance):
            paid[answer.reference] += _paid(read)
    for reference in told.keys() & {a.reference for a in found.answers if a.reference}:
        if (out := abs(told[reference] - paid[reference])) != 0:
            why = f"the payment pays an answer otherwise than the answer says (by {money.text(out)})"
            return Parked(entry, UNBALANCED, why, amount=out)
    return None


def _paid(read: Remittance) -> int:
    return read.paid if read.paid is not None else sum(line.paid for line in read.lines)


def letter_receipt(letter: Letter, entry: JournalEntry, now: datetime, actor: str = "") -> Receipt:
    """The journal entry of a letter of an entry."""
    said: dict[str, Any] = {
        **{name: said for name, said in (("payer", letter.payer), ("paid_in", letter.paid_in)) if said},
        "claim": letter.claim,
        "number": letter.number,
        "resource": letter.resource,
        "matched_by": letter.matched_by,
        "parked": letter.parked,
        "payment": None if letter.payment is None else asdict(letter.payment),
    }
    channel = f"letter:{entry.actor}"
    return Receipt.of_ours(JournalKind.ANSWER, channel, said, now, actor=actor or entry.actor, media=LETTER)


def letter_of(body: bytes) -> Letter:
    """The letter of a journal body. Raises `ValueError`, `KeyError` or `TypeError` for one that is none of ours."""
    said = json.loads(body)
    payment = said["payment"]
    if payment is not None:
        payment = Payment(
            **{
                **payment,
                "claims": tuple((name, amount) for name, amount in payment["claims"]),
                "adjustments": tuple(ProviderAdjustment(**one) for one in payment["adjustments"]),
                "day": date.fromisoformat(payment["day"]) if payment["day"] else None,
            }
        )
    return Letter(
        said["claim"],
        said["number"],
        said["resource"],
        payment,
        said["matched_by"],
        said["parked"],
        # What is not said is not written, nor by programs of before it was read.
        said.get("payer", ""),
        said.get("paid_in", ""),
    )


def said_by(letter: Letter, entry: str, payer: str = "") -> SubmissionNews | Captured | Parked:
    """What a letter says: news of its claim, the payer's own money, or why it waits for a person.

    `payer` is the site's id of the sender, empty where the door names none.
    """
    if letter.payment is not None:
        return Captured(lane_of_payer(letter.payment.payer), payment=replace(letter.payment, message=entry))
    answer = read_answer(letter.resource.encode(), message=entry)
    if isinstance(answer, Unread):
        if not letter.claim:
            return Parked(entry, UNMATCHED, f"the answer names no claim of ours; {'; '.join(answer.reasons)}"[:400])
        return SubmissionNews(letter.claim, ClaimEvent.TAKE, "an answer that cannot be read", answer)
    amount = abs(answer.paid if answer.paid is not None else sum(line.paid for line in answer.lines))
    if not letter.claim:
        return Parked(entry, UNMATCHED, "the answer is for no claim of ours", amount=amount)
    # The same adjudication may also have come as the answer to our own question: it has one identity by every door.
    mine = replace(
        answer,
        id=f"{answer.id}|{letter.claim}",
        matched_by=letter.matched_by,
        payer=payer or letter.payer,
        payment_number=answer.payment_number or letter.paid_in,
    )
    return SubmissionNews(letter.claim, _EVENTS[answer.decision], "delivered by the payer", mine)


def resource_of(body: bytes, media: str) -> str:
    """The ClaimResponse of a parked entry as JSON, empty where it holds none, or several."""
    if media == LETTER:
        return letter_of(body).resource
    found = read_delivery(body, "")
    return wire.dumps(found.answers[0].resource).decode() if len(found.answers) == 1 else ""
