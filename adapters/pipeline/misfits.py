"""Answers that cannot be posted, set aside whole as work items, and closed again when the very answer is posted after all."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from adapters.model import money
from adapters.model.claim import Claim, ClaimOnFile, ClaimState
from adapters.model.money import Cents
from adapters.model.record import PersonRecord, Tick
from adapters.model.remittance import Remittance, Unread
from adapters.model.work import WorkItem, item_id, open_item
from adapters.posting import UNBALANCED, UNMATCHED, Mismatch, gone, laid, mismatches, reversed_by
from adapters.posting.later import CAUSE

_AGAIN: Final = "|again "
"""What is added to the identity of an answer that says once more what was taken back; its number among them follows."""
_ANSWER: Final = " [answer "
"""How the detail of an item names the journal entry of its answer."""


def about_answer(item: WorkItem) -> str:
    """The journal entry of the answer that an item is about; empty where it is about none."""
    if item.kind not in (UNMATCHED, UNBALANCED):
        return ""
    _, found, entry = item.detail.partition(_ANSWER)
    return entry.rstrip("]") if found else item.about


def unread(on_file: ClaimOnFile, answer: Unread, person: str, tick: Tick) -> WorkItem:
    """The item of an answer that could not be read."""
    return open_item(
        "unmatched-response",
        "unreadable",
        on_file.claim.id,
        category="posting",
        action="ask the payer for the answer again",
        opened=tick.now,
        amount=on_file.claim.total,
        person=person,
        detail="; ".join(answer.reasons),
    )


def told_of(wrong: Mismatch) -> str:
    """A mismatch in words: where, what, by how much."""
    said = wrong.reason if wrong.line is None else f"line {wrong.line}: {wrong.reason}"
    return f"{said} (by {money.text(wrong.amount)})" if wrong.amount else said


def unparked(record: PersonRecord, on_file: ClaimOnFile, answer: Remittance, tick: Tick) -> PersonRecord:
    """The record with the items about this very answer closed: it is posted now, or is posted already."""
    said = answer.id.partition(_AGAIN)[0]
    # Set aside as a stranger's, or as a copy, it had no more than what it says itself for an identity.
    known = {answer.id, said, said.removesuffix(f"|{answer.payer}")}
    ids = {item_id(kind, f"{on_file.claim.id}|{id}", kind) for kind in (UNMATCHED, UNBALANCED) for id in known}
    return settled(record, ids, tick)


def settled(record: PersonRecord, ids: Collection[str], tick: Tick) -> PersonRecord:
    """The record with these items closed as settled, as far as they are open."""
    work = tuple(
        replace(item, closed=tick.now, closed_why="settled") if item.id in ids and item.closed is None else item
        for item in record.work
    )
    return replace(record, work=work)


def close_items(record: PersonRecord, kind: str, about: str, tick: Tick) -> PersonRecord:
    """The record with the open items of that kind about that thing closed as settled."""
    return settled(record, {item.id for item in record.work if item.kind == kind and item.about == about}, tick)


def misfit(
    on_file: ClaimOnFile,
    answer: Remittance,
    code: str,
    reasons: str,
    record: PersonRecord,
    tick: Tick,
    out: Cents = 0,
) -> WorkItem:
    """The answer set aside whole: with by how much it is out, or with what it would have paid."""
    amount = out if code == UNBALANCED else abs(answer.paid or 0)
    return open_item(
        code,
        code,
        on_file.claim.id,
        category="posting",
        action="repair-response" if code == UNBALANCED else "match",
        opened=tick.now,
        amount=amount or on_file.claim.total,
        person=record.person,
        detail=f"{reasons}{_ANSWER}{answer.message}]" if answer.message else reasons,
        which=answer.id,
    )


def _same(answer: Remittance, record: PersonRecord) -> list[Remittance]:
    """The answers on file that say just this of just this claim, in order."""
    return [r for r in record.remittances if r.id == answer.id or r.id.startswith(f"{answer.id}{_AGAIN}")]


def _stands(answer: Remittance, record: PersonRecord, same: Sequence[Remittance]) -> bool:
    """Whether what an answer says is so already: one of the same stands, or nothing is left that it could take back.

    So is what never moved money, as an answer that only pended.
    """
    if answer.reversal:
        return reversed_by(laid(answer), record.remittances) is None
    causes = {f"{how}{one.id}" for one in same for how in (CAUSE, "remittance:")}
    moved = any(entry.cause in causes for entry in record.entries)
    return not moved or not {one.id for one in same} <= gone(record.remittances)


def _of_another_payment(answer: Remittance, same: Iterable[Remittance]) -> bool:
    """Whether the number of its payment says that it is none of these; where one of them has none, it may be."""
    return bool(answer.payment_number) and all(one.payment_number not in ("", answer.payment_number) for one in same)


def copied(answer: Remittance, record: PersonRecord) -> bool:
    """Whether an answer is on file and this is just a copy of it, which changes nothing."""
    same = _same(answer, record)
    if not same or not _stands(answer, record, same):
        return False
    return bool(answer.matched_by) or answer.reversal or not _of_another_payment(answer, same)


def anew(answer: Remittance, record: PersonRecord) -> Remittance:
    """The answer under an identity of its own where it says once more what was taken back: so its payment or a person says.

    Else it is as it was: a copy of what was taken back says the same (`against` sets it aside).
    """
    same = _same(answer, record)
    if not same or _stands(answer, record, same) or not (answer.matched_by or _of_another_payment(answer, same)):
        return answer
    return replace(answer, id=f"{answer.id}{_AGAIN}{len(same) + 1}")


def _own_has_decided(claim: Claim, record: PersonRecord) -> bool:
    """Whether the claim's own payer has decided about it; one that has only pended it has not."""
    on_file = record.claim(claim.id)
    waits = on_file is None or on_file.state in (ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED)
    return not waits and any(r.claim == claim.id and not r.payer for r in record.remittances)


def against(claim: Claim, answer: Remittance, record: PersonRecord) -> tuple[Mismatch, ...]:
    """Every reason against posting an answer to a claim of the record; empty where there is none."""
    # One to whom the claim was sent on knows the person by a number of its own.
    wrong = list(mismatches(claim, replace(answer, patient="") if answer.payer else answer))
    # Answers are on file with what stood at claim level laid to its line: it is asked for as it would be filed.
    if answer.reversal and not wrong and reversed_by(laid(replace(answer, claim=claim.id)), record.remittances) is None:
        wrong.append(Mismatch(UNMATCHED, "it takes back what was never posted", amount=abs(answer.paid or 0)))
    if answer.payer and claim.sequence == 1 and not _own_has_decided(claim, record):
        wrong.append(Mismatch(UNMATCHED, "another payer answers, and the claim's own has not"))
    if any(known.id == answer.id for known in record.remittances):
        wrong.append(
            Mismatch(UNMATCHED, "just this was said before and was taken back, or another payment pays it too")
        )
    return tuple(wrong)


def unmatched(entry: str, amount: Cents, why: str, tick: Tick) -> WorkItem:
    """The item of an answer that is for no claim of ours: parked whole until a person says whose it is."""
    return open_item(
        UNMATCHED,
        UNMATCHED,
        entry,
        category="posting",
        action="match",
        opened=tick.now,
        amount=amount,
        detail=why,
    )
