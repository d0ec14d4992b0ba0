"""A claim from its first version to its last, and to every payer: read end to end in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from adapters.model.claim import ClaimOnFile
from adapters.model.money import Cents
from adapters.model.record import PersonRecord
from adapters.model.remittance import Remittance

_HOW = {"1": "original", "7": "replacement", "8": "void"}


@dataclass(frozen=True, slots=True)
class Step:
    """One version of a claim, or one answer to it."""

    claim: str
    what: str
    payer: str
    on: str
    """The day on which it was built or sent; empty where no day is known."""
    total: Cents
    state: str
    number: str
    """The payer's number of it."""
    of: str = ""
    """The claim that it replaces, voids or follows."""
    differs: tuple[str, ...] = ()
    """What differs from the version that it replaces, line by line."""


@dataclass(frozen=True, slots=True)
class History:
    """All versions of a claim and what came back, in order."""

    steps: tuple[Step, ...]


def history(record: PersonRecord, id: str, zone: tzinfo = UTC) -> History | None:
    """The chain in which the claim stands: all that it replaces and that replaces it, and the claims to later payers.

    Days of sending are those of the zone. None where the record has no such claim.
    """
    if record.claim(id) is None:
        return None
    chain = {id}
    while True:
        more = {
            c.claim.id for c in record.claims if c.claim.id in chain or {c.claim.replaces, c.claim.follows} & chain
        } | {
            other
            for c in record.claims
            if c.claim.id in chain
            for other in (c.claim.replaces, c.claim.follows)
            if other
        }
        if more <= chain:
            break
        chain |= more
    steps: list[Step] = []
    for on_file in record.claims:
        if on_file.claim.id in chain:
            steps.append(_version(record, on_file, zone))
            steps += [_answer(on_file, answer) for answer in record.remittances if answer.claim == on_file.claim.id]
    return History(tuple(steps))


def _version(record: PersonRecord, on_file: ClaimOnFile, zone: tzinfo) -> Step:
    claim = on_file.claim
    before = record.claim(claim.replaces) if claim.replaces else None
    kind = _HOW.get(claim.frequency, f"frequency {claim.frequency}")
    place = "" if claim.sequence == 1 else f" to payer {claim.sequence}"
    sent = (
        datetime.fromisoformat(on_file.submitted_at).astimezone(zone).date() if on_file.submitted_at else claim.built_on
    )
    why = f" ({', '.join(claim.condition_codes)})" if claim.condition_codes else ""
    return Step(
        claim.id,
        f"{kind}{place}{why}",
        claim.payer.id,
        _day(sent),
        claim.total,
        on_file.printed_state,
        on_file.payer_claim_number,
        claim.replaces or claim.follows,
        tuple(_differences(before, on_file)) if before and claim.frequency != "8" else (),
    )


def _answer(on_file: ClaimOnFile, answer: Remittance) -> Step:
    return Step(
        on_file.claim.id,
        "taken back" if answer.reversal else "answer",
        answer.payer or on_file.claim.payer.id,
        _day(answer.paid_on) if answer.paid_on else "",
        answer.paid if answer.paid is not None else sum(line.paid for line in answer.lines),
        f"{answer.decision.value}" + (", sent on to the next payer" if _sent_on(answer) else ""),
        answer.payer_claim_number,
    )


def _sent_on(answer: Remittance) -> bool:
    """Whether the answer says in the words of an 835 that its payer has sent the claim on (CLP02 19 to 21, NM1 TT)."""
    return bool(answer.forwarded_to) or answer.status in ("19", "20", "21")


def _day(day: date) -> str:
    return day.isoformat()


def _differences(before: ClaimOnFile, after: ClaimOnFile) -> Iterable[str]:
    """What the later version bills otherwise, told by the charges that both bill."""
    old = {charge: line for line in before.claim.lines for charge in line.charges}
    new = {charge: line for line in after.claim.lines for charge in line.charges}
    for charge, line in old.items():
        now = new.get(charge)
        if now is None:
            yield f"line {line.line} is gone: {line.code} x{line.units}"
            continue
        for name in ("code", "modifiers", "units", "start", "amount"):
            was, became = getattr(line, name), getattr(now, name)
            if was != became:
                yield f"line {line.line} {name}: {_said(was)} -> {_said(became)}"
    for charge, line in new.items():
        if charge not in old:
            yield f"line {line.line} is new: {line.code} x{line.units}"


def _said(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
