"""The patient's account: what payers have left to the patient, what the patient has paid, what is due and what is owed back.

Only what payers put under PR is the patient's, and nothing is asked of anybody before every payer has decided
(medical-oncology-and-revenue-cycle.md 6.5, 9). Money of one person is never set against another's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from adapters.model.event import Event, Status
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.money import Cents, cents
from adapters.posting.post import entry_id

UNPOSTED: Final = "unposted"
"""The fact of a payment that was told and that nobody has decided to be the patient's."""
PAYMENT: Final = "patient-payment"
"""The kind of event that says that a patient paid, or with a negative amount that money was given back."""
CAUSE: Final = "patient-payment:"
"""How the cause of an entry of a patient's payment begins; what the payment is known by follows."""


@dataclass(frozen=True, slots=True)
class PatientAccount:
    """How a patient stands, in minor units."""

    shares: Mapping[str, Cents] = field(default_factory=dict)
    """Claim to the first payer → what all payers have left to the patient of it. Negative: paid more than was left."""
    paid: Cents = 0
    """What the patient has paid, refunds taken off."""
    awaited: tuple[str, ...] = ()
    """Claims whose payers have not all decided."""

    @property
    def share(self) -> Cents:
        """What is the patient's of all claims; what payers paid too much is theirs, not the patient's."""
        return sum(max(0, amount) for amount in self.shares.values())

    @property
    def decided(self) -> Cents:
        """What of it is of claims whose payers have all decided."""
        return sum(max(0, amount) for claim, amount in self.shares.items() if claim not in self.awaited)

    @property
    def statement(self) -> Cents | None:
        """What a statement would ask for now: what is decided, less what was paid; None where that is nothing."""
        due = self.decided - self.paid
        return due if due > 0 else None

    @property
    def withheld(self) -> bool:
        """Whether no statement goes out although something is left to the patient: some payer has not decided."""
        return self.statement is None and bool(self.awaited) and self.share > self.paid

    @property
    def credit(self) -> Cents:
        """What the patient has paid beyond everything that was left; 0 while a payer may still leave something."""
        return 0 if self.awaited else max(0, self.paid - self.share)


def account_of_patient(entries: Iterable[Entry], awaited: Iterable[str] = ()) -> PatientAccount:
    """The patient's account from the ledger. `awaited` are claims whose payers have not all decided."""
    shares: dict[str, Cents] = {}
    paid = 0
    for entry in entries:
        for line in entry.lines:
            if line.account is Account.PATIENT_RESPONSIBILITY:
                shares[line.claim] = shares.get(line.claim, 0) + line.amount
            elif line.account is Account.PATIENT_PAYMENT:
                paid += line.amount
    return PatientAccount({claim: amount for claim, amount in shares.items() if amount}, paid, tuple(awaited))


def payment_entries(events: Iterable[Event], standing: Sequence[Entry], at: datetime) -> tuple[Entry, ...]:
    """What turns the posted payments into those that the events say: one that was restated or withdrawn is taken back.

    One that nobody has decided to be the patient's posts nothing, nor does one that was taken as history: it pays what
    was billed elsewhere. What was posted before the same was taken as history stays.
    """
    events = tuple(events)
    over = {entry.reverses for entry in standing if entry.reverses}
    posted = {e.cause: e for e in standing if e.cause.startswith(CAUSE) and not e.reverses and e.id not in over}
    old = _history(events) - posted.keys()
    wanted = {
        cause: cents(Decimal(event.value("amount") or "0"))
        for cause, event in _latest(events).items()
        if event.status is Status.DONE and not event.value(UNPOSTED) and cause not in old
    }
    found: list[Entry] = []
    for cause, entry in posted.items():
        if _amount(entry) != wanted.get(cause, 0):
            found.append(entry.reversal(entry_id("reversal", entry.id, cause), at, cause))
    for cause, amount in wanted.items():
        if amount and (cause not in posted or _amount(posted[cause]) != amount):
            before = sum(e.cause == cause and not e.reverses for e in standing)
            lines = (EntryLine(Account.PATIENT_PAYMENT, amount, ""), EntryLine(Account.RECEIVABLE, -amount, ""))
            found.append(Entry(entry_id("payment", cause, str(amount), str(before)), at, cause, lines))
    return tuple(found)


def unposted(events: Iterable[Event]) -> tuple[Event, ...]:
    """The payments that were told, stand, and are not posted: it is not said that they are the patient's."""
    events = tuple(events)
    told = _latest(events)
    for cause in _history(events):
        told.pop(cause, None)
    return tuple(e for e in told.values() if e.status is Status.DONE and e.value(UNPOSTED))


def _history(events: Iterable[Event]) -> frozenset[str]:
    """The causes of the payments of which any report was taken as history."""
    return frozenset(cause_of_paid(event) for event in events if event.kind == PAYMENT and event.historic)


def _latest(events: Iterable[Event]) -> dict[str, Event]:
    latest: dict[str, Event] = {}
    for event in events:
        if event.kind != PAYMENT:
            continue
        cause = cause_of_paid(event)
        if cause not in latest or _rank(latest[cause]) < _rank(event):
            latest[cause] = event
    return latest


def cause_of_paid(event: Event) -> str:
    """The cause of all entries of what one payment of the patient, told once or again, came to."""
    return f"{CAUSE}{event.feed}|{event.line}"


def _rank(event: Event) -> tuple[object, ...]:
    return (event.said, event.source.message, event.id)


def _amount(entry: Entry) -> Cents:
    return sum(line.amount for line in entry.lines if line.account is Account.PATIENT_PAYMENT)


def paid_by_payers(entries: Iterable[Entry], claim: str) -> Cents:
    """What payers have paid on a claim, take-backs taken off."""
    lines = (line for entry in entries for line in entry.lines if line.claim == claim)
    return sum(line.amount for line in lines if line.account is Account.PAYER_PAYMENT)
