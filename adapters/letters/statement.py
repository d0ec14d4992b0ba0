"""The patient's statement: what was done, what insurance paid, what is due and why, and how to ask for help.

Plain and kind. It asks only for what every payer has left to the patient; what a payer has refused or not decided is
named as not due (medical-oncology-and-revenue-cycle.md 6.5, 9).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model import money
from adapters.model.claim import Claim, ClaimLine, ClaimState
from adapters.model.ledger import Account
from adapters.model.money import Cents
from adapters.model.people import Demographics
from adapters.model.record import PersonRecord
from adapters.posting.patient import PatientAccount
from adapters.rules import Ruleset

_SENT = frozenset({ClaimState.UNKNOWN, ClaimState.ACCEPTED, ClaimState.QUEUED, ClaimState.COMPLETE})
_WIDTH = 44
"""Characters of the words of a line."""


@dataclass(frozen=True, slots=True)
class Row:
    """One service on a statement; amounts in minor units."""

    day: date
    words: str
    charged: Cents
    insurance: Cents
    reduced: Cents
    """Taken off by agreement with the insurance."""
    refused: Cents
    """Refused by the insurance and looked at: nobody asks the patient for it."""
    yours: Cents


@dataclass(frozen=True, slots=True)
class Statement:
    """What a statement says. `due` is None where none may go out yet."""

    rows: tuple[Row, ...]
    reasons: tuple[tuple[str, Cents], ...]
    """Why something is the patient's, in words, and how much of it."""
    paid: Cents
    due: Cents | None
    waiting: tuple[tuple[date, Cents], ...]
    """(first day, total) of each claim that some payer has not decided."""
    credit: Cents
    name: str
    """Whom it greets; empty where no name is known."""
    sender: str
    contact: str
    on: date
    """The day on which it is written, at the clinic."""

    @property
    def text(self) -> str:
        """The statement as plain text."""
        return "\n".join(_text(self)) + "\n"


def statement(
    record: PersonRecord,
    account: PatientAccount,
    who: Demographics,
    rules: Ruleset,
    *,
    sender: str,
    contact: str,
    on: date,
    claim: str = "",
) -> Statement:
    """The statement of the whole account, or of one claim to a first payer. `contact` says where help is, `on` is the day
    at the clinic.

    What a patient pays is for the account and for no claim of it: of one claim never more is asked than of the account.
    """
    firsts = [
        c.claim
        for c in record.claims
        if c.claim.sequence == 1 and c.state in _SENT and c.claim.frequency != "8" and claim in ("", c.claim.id)
    ]
    final = [c for c in firsts if c.id not in account.awaited]
    waiting = tuple((min(x.start for x in c.lines), c.total) for c in firsts if c.id in account.awaited)
    rows = tuple(row for c in final for row in _rows(record, c, rules))
    share = max(0, sum(row.yours for row in rows))
    due = account.statement if not claim else min(share, account.statement or 0) or None
    reasons = tuple(_reasons(record, final, rules))
    paid = share - (due or 0) if claim else account.paid
    name = " ".join(part for part in (who.given, who.family) if part)
    return Statement(rows, reasons, paid, due, waiting, 0 if claim else account.credit, name, sender, contact, on)


def _rows(record: PersonRecord, claim: Claim, rules: Ruleset) -> Iterable[Row]:
    for line in claim.lines:
        sums = dict.fromkeys(Account, 0)
        for entry in record.entries:
            for side in entry.lines:
                if side.claim == claim.id and side.line == line.line:
                    sums[side.account] += side.amount
        yield Row(
            line.start,
            _words(line, rules),
            line.amount,
            sums[Account.PAYER_PAYMENT],
            sums[Account.CONTRACTUAL],
            sums[Account.DENIED],
            sums[Account.PATIENT_RESPONSIBILITY],
        )


def _words(line: ClaimLine, rules: Ruleset) -> str:
    known = rules.attributes(line.code, line.start)
    label = known.label if known else "service"
    return f"{label} ({line.code})"


def _reasons(record: PersonRecord, claims: Iterable[Claim], rules: Ruleset) -> Iterable[tuple[str, Cents]]:
    """Why something is left to the patient, by the last answer about each claim, in the words of the reason table."""
    told: dict[str, Cents] = {}
    for claim in claims:
        share = sum(
            side.amount
            for entry in record.entries
            for side in entry.lines
            if side.claim == claim.id and side.account is Account.PATIENT_RESPONSIBILITY
        )
        if share <= 0:
            continue
        family = {c.claim.id for c in record.claims if claim.id in (c.claim.id, c.claim.follows)}
        answers = [a for a in record.remittances if a.claim in family and a.lines and not a.reversal]
        last = [a for line in answers[-1].lines for a in line.adjustments if a.group == "PR"] if answers else []
        if sum(a.amount for a in last) == share:
            for adjustment in last:
                spec = rules.carc(adjustment.reason)
                words = spec.label if spec else f"reason {adjustment.reason}"
                told[words] = told.get(words, 0) + adjustment.amount
        else:
            words = "what is left after all your insurances have paid"
            told[words] = told.get(words, 0) + share
    return told.items()


def opening(found: Statement) -> str:
    """The first sentence after the greeting: what is to be paid now, or why nothing is."""
    if found.due is not None:
        return f"Your insurance has answered. What is left for you to pay is ${money.text(found.due)}."
    if found.credit:
        return f"You have paid ${money.text(found.credit)} more than was left for you. We give it back to you."
    if found.waiting:
        return "There is nothing for you to pay now. Your insurance has not decided everything yet; please wait for us."
    return "There is nothing for you to pay."


def greeting(found: Statement) -> str:
    """How it greets the patient."""
    return f"Dear {found.name}," if found.name else "Dear patient,"


DONE: Final = "What was done, and who pays for it"
REDUCED: Final = '"Reduced" is what we take off under our agreement with your insurance. You never owe it.'
WHY_YOURS: Final = "Why a part is yours"
STILL_WITH: Final = "Still with your insurance: you owe nothing for these now"
ASK_US: Final = (
    "If you cannot pay this at once, if a line is not clear, or if something looks wrong to you, please tell us:"
)
GLADLY: Final = (
    "We will gladly explain any line. We can also talk about smaller payments, and about who may help with the cost."
)


def _text(found: Statement) -> Iterable[str]:
    yield found.sender
    yield f"Statement of {found.on.isoformat()}"
    yield ""
    yield greeting(found)
    yield ""
    yield opening(found)
    if found.rows:
        yield ""
        yield DONE
        heads = (f"{'':10}", f"{'':{_WIDTH}}", "   charged", " insurance", "   reduced", "     yours")
        yield " ".join(heads).rstrip()
        for row in found.rows:
            amounts = (row.charged, row.insurance, row.reduced, row.yours)
            figures = " ".join(f"{money.text(amount):>10}" for amount in amounts)
            yield f"{row.day.isoformat()} {row.words[:_WIDTH]:{_WIDTH}} {figures}"
            if row.refused > 0:
                yield f"{'':10} your insurance has refused {money.text(row.refused)} of this; we look into it,"
                yield f"{'':10} and you owe nothing for it now"
    if any(row.reduced for row in found.rows):
        yield REDUCED
    if found.reasons and found.due is not None:
        yield ""
        yield WHY_YOURS
        for words, amount in found.reasons:
            yield f"  {words}: ${money.text(amount)}"
    if found.paid:
        yield ""
        yield f"You have paid ${money.text(found.paid)} already. Thank you."
    if found.due is not None:
        yield ""
        yield f"To pay now: ${money.text(found.due)}"
    if found.waiting:
        yield ""
        yield STILL_WITH
        for day, total in found.waiting:
            yield f"  services from {day.isoformat()}, ${money.text(total)} charged"
    yield ""
    yield ASK_US
    yield f"{found.contact}."
    yield GLADLY
