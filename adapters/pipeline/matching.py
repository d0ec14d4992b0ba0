"""An answer of a payer that names nobody we know, matched to its claim by a person: for `match` and pages alike.

Its sums must be right all the same. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol

from adapters.fhir.response import read_answer
from adapters.model import money
from adapters.model.claim import ClaimOnFile
from adapters.model.decision import Saying, Verb, saying
from adapters.model.journal import JournalEntry
from adapters.model.money import Cents
from adapters.model.record import PersonRecord
from adapters.model.remittance import Remittance
from adapters.model.work import WorkItem
from adapters.pipeline.exchange import decode_exchange
from adapters.pipeline.misfits import told_of
from adapters.pipeline.remitting import ACTOR, LETTER, MEDIA, Letter, letter_of, resource_of
from adapters.posting import mismatches


class ClaimStore(Protocol):
    """The store as claims are found in it. Every method raises `StoreDown`."""

    def person_of_claim(self, claim: str) -> str:
        """The lane of a claim of ours, or the empty string."""
        ...

    def load(self, person: str) -> PersonRecord:
        """The person's record."""
        ...


@dataclass(frozen=True, slots=True)
class Matched:
    """An answer with the claim that it is for."""

    lane: str
    on_file: ClaimOnFile
    answer: Remittance
    letter: Letter
    """To be journalled: by it the answer is posted."""
    says: tuple[Saying, ...]

    @property
    def paid(self) -> Cents:
        """What the answer pays."""
        return _paid(self.answer)


def _paid(answer: Remittance) -> Cents:
    """What an answer says that it pays, or where it names no sum, what its lines do."""
    return answer.paid if answer.paid is not None else sum(line.paid for line in answer.lines)


def matched(
    store: ClaimStore, entry: JournalEntry, item: WorkItem | None, claim: str, by: str
) -> Matched | tuple[str, ...]:
    """The answer of a journal entry as this claim's, so that it can be posted; or every reason against it. `item` is the
    open one about the answer. Raises `StoreDown`."""
    lane = store.person_of_claim(claim)
    on_file = store.load(lane).claim(claim) if lane else None
    if on_file is None:
        return (f"{claim}: no claim on file has this id",)
    resource = _resource(entry)
    if not resource:
        return (f"{entry.id}: it does not hold exactly one answer to a claim",)
    letter = Letter(claim, resource=resource, matched_by=by, parked=entry.id, payer=_payer(entry))
    answer = _posts(letter, on_file, entry.id)
    if isinstance(answer, tuple):
        return answer
    words = (("entry", entry.id), ("claim", claim), ("item", item.id if item else ""))
    after = f"claim {claim}'s, {money.text(_paid(answer))} paid"
    return Matched(lane, on_file, answer, letter, (saying(Verb.MATCH, words, before="nobody's", after=after),))


class Fit(IntEnum):
    """How far an answer is a claim's."""

    NOT = 0
    SUMS = 1
    """By its sums: whose it is, nothing of that says."""
    PATIENT = 2
    """And it names the claim's patient."""


def fits(entry: JournalEntry, by: str) -> Callable[[ClaimOnFile], Fit]:
    """What tells of each claim that waits for an answer how far this one is its; the answer is read once for all."""
    resource, payer = _resource(entry), _payer(entry)
    answer = read_answer(resource.encode(), message=entry.id) if resource else None

    def fit(on_file: ClaimOnFile) -> Fit:
        claim = on_file.claim
        other = payer if payer != claim.payer.id else ""
        # Another payer's cannot be posted before the claim's own has decided (`misfits.against`).
        if not isinstance(answer, Remittance) or (other and claim.sequence == 1):
            return Fit.NOT
        if mismatches(claim, replace(answer, matched_by=by, payer=other)):
            return Fit.NOT
        named = answer.patient and answer.patient in (claim.member, claim.patient_identifier)
        return Fit.PATIENT if named else Fit.SUMS

    return fit


def closing_of(matched: Matched, item: WorkItem | None) -> tuple[Saying, ...]:
    """What closes the item of the answer where it lies with another person than the claim does; nothing where not."""
    if item is None or not item.person or item.person == matched.lane:
        return ()
    return (saying(Verb.CLOSE, (("item", item.id),)),)


def _resource(entry: JournalEntry) -> str:
    """The one ClaimResponse of an entry; empty where there is none, or more than one."""
    if entry.media in (MEDIA, LETTER):
        return resource_of(entry.body, entry.media)
    return resource_of(decode_exchange(entry.body).body, MEDIA)


def _payer(entry: JournalEntry) -> str:
    """Who decided what an entry holds: the payer that sent it, else the one that the letter names; empty: the claim's own."""
    if entry.media not in (MEDIA, LETTER):
        return ""
    sender = entry.actor.removeprefix(ACTOR) if entry.actor.startswith(ACTOR) else ""
    return sender or (letter_of(entry.body).payer if entry.media == LETTER else "")


def _posts(letter: Letter, on_file: ClaimOnFile, entry: str) -> Remittance | tuple[str, ...]:
    """The answer, which can be posted to the claim; or every reason against it."""
    answer = read_answer(letter.resource.encode(), message=entry)
    if not isinstance(answer, Remittance):
        return tuple(f"{entry}: {reason}" for reason in answer.reasons)
    other = letter.payer if letter.payer != on_file.claim.payer.id else ""
    wrong = mismatches(on_file.claim, replace(answer, matched_by=letter.matched_by, payer=other))
    return tuple(f"{on_file.claim.id}: {told_of(one)}" for one in wrong) or answer
