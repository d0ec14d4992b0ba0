"""A later payer's answer: what it takes over comes off the patient's share of the first claim's lines.

It restates in its own words what payers before it did (OA-23, often CO-45 once more); that posts nothing, for it is
posted already. Only what is new is: its payment, what it gives up or refuses of what was left to the patient
(medical-oncology-and-revenue-cycle.md 6.9). The entries stand on the lines of the claim to the first payer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.model.claim import Claim
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.money import Cents
from adapters.model.record import Tick
from adapters.model.remittance import Remittance, RemittanceLine
from adapters.model.work import WorkItem
from adapters.posting.denials import denial_item, denial_of
from adapters.posting.post import Posting, account_of, entry_id, taken_back
from adapters.rules import Ruleset

CAUSE: Final = "later-payer:"
"""How the cause of such an entry begins; the id of the answer follows."""


def of_later_payer(claim: Claim, answer: Remittance) -> bool:
    """Whether the answer is by a payer after the first: to a claim of its own, or to one that was sent on to it."""
    return claim.sequence > 1 or answer.payer not in ("", claim.payer.id)


@dataclass(frozen=True, slots=True)
class Share:
    """What a later payer does with a line's patient share; all in minor units."""

    paid: Cents
    given_up: Cents
    denied: Cents

    @property
    def taken(self) -> Cents:
        """What comes off the patient's share."""
        return self.paid + self.given_up + self.denied


def share_of(line: RemittanceLine, left: Cents, rules: Ruleset, *payers: str) -> Share:
    """What the answer takes off what was `left` to the patient on the line.

    A reduction counts only as far as something is left: what exceeds it was given up to an earlier payer before. What it
    leaves to the patient (PR) stays there.
    """
    sums: dict[Account, Cents] = {}
    for adjustment in line.adjustments:
        account = account_of(adjustment, rules, *payers)
        if account is not None:
            sums[account] = sums.get(account, 0) + adjustment.amount
    room = max(0, left - line.paid - max(0, sums.get(Account.PATIENT_RESPONSIBILITY, 0)))
    given_up = min(room, max(0, sums.get(Account.CONTRACTUAL, 0)))
    denied = min(room - given_up, max(0, sums.get(Account.DENIED, 0)))
    return Share(line.paid, given_up, denied)


def post_later(
    claim: Claim,
    answer: Remittance,
    rules: Ruleset,
    at: datetime,
    standing: Sequence[Entry],
    earlier: Iterable[str],
    kind: str = "",
) -> Posting:
    """The entries of a later payer's answer to `claim`, on the lines of the claim to the first payer.

    `earlier`: ids of answers of the same payer that this one stands in place of; they are taken back first. `kind` is
    the payer's kind: its own reading of a reason goes before the table's.
    """
    first = claim.follows or claim.id
    cause = f"{CAUSE}{answer.id}"
    causes = {f"{CAUSE}{id}" for id in earlier}
    over = {entry.reverses for entry in standing if entry.reverses}
    before = [e for e in standing if e.cause in causes and not e.reverses and e.id not in over]
    entries = list(taken_back(before, cause, at))
    left, readings = shares((*standing, *entries), first), _readings(claim, answer, kind)
    lines: list[EntryLine] = []
    denied = 0
    # A cancel, and an answer that takes another back, post nothing of their own.
    for line in () if answer.reversal or claim.frequency == "8" else answer.lines:
        share = share_of(line, left.get(line.line, 0), rules, *readings)
        denied += share.denied > 0 and not share.paid
        sides = (
            (Account.PAYER_PAYMENT, share.paid),
            (Account.CONTRACTUAL, share.given_up),
            (Account.DENIED, share.denied),
            (Account.PATIENT_RESPONSIBILITY, -share.taken),
        )
        lines += [EntryLine(account, amount, first, line.line) for account, amount in sides if amount]
    if lines:
        entries.append(Entry(entry_id("later", first, answer.id), at, cause, tuple(lines)))
    settlement = "paid" if not denied else "denied" if denied == len(claim.lines) else "partially-paid"
    return Posting(tuple(entries), settlement)


def earlier_answers(
    claim: Claim, answer: Remittance, remittances: Iterable[Remittance], claims: Mapping[str, Claim]
) -> tuple[str, ...]:
    """Ids of the same payer's answers about the same lines before this one: to this claim, or to one that it corrects."""
    versions = [claim.id]
    while (known := claims.get(versions[-1])) is not None and known.replaces and known.replaces not in versions:
        versions.append(known.replaces)
    return tuple(
        one.id for one in remittances if one.claim in versions and one.payer == answer.payer and one.id != answer.id
    )


def later_denials(
    claim: Claim, answer: Remittance, entries: Iterable[Entry], rules: Ruleset, tick: Tick, kind: str = ""
) -> tuple[WorkItem, ...]:
    """One item for each line of which a later payer has refused what was left to the patient; `kind` is the payer's."""
    first = claim.follows or claim.id
    refused: dict[int, Cents] = {}
    for entry in entries:
        for line in entry.lines:
            if line.claim == first and line.account is Account.DENIED and line.line is not None and not entry.reverses:
                refused[line.line] = refused.get(line.line, 0) + line.amount
    readings = _readings(claim, answer, kind)
    found = ((line.line, refused.get(line.line, 0), denial_of(line, rules, *readings)) for line in answer.lines)
    return tuple(denial_item(claim, n, denial, amount, tick) for n, amount, denial in found if amount > 0 and denial)


def standing_denials(
    claim: Claim,
    answers: Iterable[Remittance],
    entries: Sequence[Entry],
    rules: Ruleset,
    tick: Tick,
    kind: str = "",
) -> tuple[WorkItem, ...]:
    """The items of what later payers have refused of the claim by those of the answers whose entries stand."""
    over = {entry.reverses for entry in entries if entry.reverses}
    found: list[WorkItem] = []
    for answer in answers:
        if answer.claim == claim.id and of_later_payer(claim, answer):
            cause = f"{CAUSE}{answer.id}"
            mine = [e for e in entries if e.cause == cause and not e.reverses and e.id not in over]
            found += later_denials(claim, answer, mine, rules, tick, kind) if mine else ()
    return tuple(found)


def _readings(claim: Claim, answer: Remittance, kind: str) -> tuple[str, ...]:
    """Whose own reading of a reason goes before the table's: the answering payer's. `kind` is of the claim's payer."""
    return (claim.payer.id, kind) if answer.payer in ("", claim.payer.id) else (answer.payer,)


def shares(entries: Iterable[Entry], claim: str) -> dict[int, Cents]:
    """What is left to the patient of each line of a claim, by line number."""
    found: dict[int, Cents] = {}
    for entry in entries:
        for line in entry.lines:
            if line.claim == claim and line.account is Account.PATIENT_RESPONSIBILITY and line.line is not None:
                found[line.line] = found.get(line.line, 0) + line.amount
    return found
