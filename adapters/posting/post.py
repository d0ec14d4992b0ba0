"""From an adjudication to balanced entries: every cent of a line is paid, given up, the patient's, denied or open.

Groups and reasons: medical-oncology-and-revenue-cycle.md 6.5. A denial is never by itself a write-off nor the
patient's; what a neutral reason takes away stays open.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from adapters.model.claim import Claim
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.money import Cents
from adapters.model.remittance import Adjustment, Remittance, RemittanceLine
from adapters.rules import Ruleset

NAMESPACE: Final = uuid.UUID("0f6f3a4e-7a43-5be1-bb0b-6a9a5d9c3e77")
_TAKEN: Final = (Account.PAYER_PAYMENT, Account.CONTRACTUAL, Account.PATIENT_RESPONSIBILITY, Account.DENIED)


@dataclass(frozen=True, slots=True)
class Posting:
    """The entries of one answer, and how the claim stands after it."""

    entries: tuple[Entry, ...]
    settlement: str


def entry_id(*parts: str) -> str:
    """Id of an entry from what caused it, so that the same answer posts the same entry."""
    return str(uuid.uuid5(NAMESPACE, "|".join(parts)))


def billed(claim: Claim, at: datetime) -> Entry:
    """The claim is at the payer: its lines become receivable."""
    lines: list[EntryLine] = []
    for line in claim.lines:
        lines.append(EntryLine(Account.RECEIVABLE, line.amount, claim.id, line.line))
        lines.append(EntryLine(Account.CHARGES, -line.amount, claim.id, line.line))
    return Entry(entry_id("billed", claim.id), at, f"claim:{claim.id}", tuple(lines))


def post(
    claim: Claim,
    answer: Remittance,
    rules: Ruleset,
    at: datetime,
    standing: Sequence[Entry] = (),
    kind: str = "",
) -> Posting:
    """Entries of an answer that matches and balances. An earlier adjudication is taken back first, never changed.

    An answer that decides nothing about money leaves an earlier one as it stands: a claim sent twice and answered as
    its own duplicate stays paid. `kind` is the payer's kind: its own reading of a reason goes before the table's.
    """
    payers = (claim.payer.id, kind)
    if all(undecided(line, rules, *payers) for line in answer.lines):
        return Posting((), settlement_of(claim, answer, rules, kind))
    cause = f"remittance:{answer.id}"
    entries = list(taken_back(adjudications(standing, claim.id), cause, at))
    lines: list[EntryLine] = []
    for line in answer.lines:
        for account, amount in sorted(_sides(line, rules, *payers).items()):
            if amount:
                lines.append(EntryLine(account, amount, claim.id, line.line))
                lines.append(EntryLine(Account.RECEIVABLE, -amount, claim.id, line.line))
    if lines:
        entries.append(Entry(entry_id("posted", claim.id, answer.id), at, cause, tuple(lines)))
    return Posting(tuple(entries), settlement_of(claim, answer, rules, kind))


def adjudications(entries: Iterable[Entry], claim: str) -> list[Entry]:
    """The claim's posted adjudications that stand: not reversals, and not reversed."""
    mine = [e for e in entries if any(line.claim == claim for line in e.lines)]
    reversed_ids = {e.reverses for e in mine if e.reverses}
    return [e for e in mine if e.cause.startswith("remittance:") and not e.reverses and e.id not in reversed_ids]


def taken_back(entries: Iterable[Entry], cause: str, at: datetime) -> tuple[Entry, ...]:
    """The reversals of these entries, each naming what it takes back."""
    return tuple(e.reversal(entry_id("reversal", e.id, cause), at, cause) for e in entries)


def account_of(adjustment: Adjustment, rules: Ruleset, *payers: str) -> Account | None:
    """Where an adjustment goes: by its group, and within it by what the reason means. None: it stays open.

    An unknown reason is a denial until somebody says otherwise: nothing is given up by not knowing. Nor does a refusal
    become the patient's by its group alone: a payer writes PR with "not our insured", and most of those are ours to mend.
    """
    spec = rules.carc(adjustment.reason, *payers)
    if adjustment.group == "PR" and (spec is None or spec.post != "denied"):
        return Account.PATIENT_RESPONSIBILITY
    meaning = spec.post if spec else "denied"
    if adjustment.group == "OA" and meaning in ("neutral", "pend"):
        return None
    if adjustment.group == "CO" and meaning == "contractual":
        return Account.CONTRACTUAL
    return Account.DENIED


def _sides(line: RemittanceLine, rules: Ruleset, *payers: str) -> dict[Account, Cents]:
    sides: dict[Account, Cents] = defaultdict(int)
    sides[Account.PAYER_PAYMENT] += line.paid
    for adjustment in line.adjustments:
        account = account_of(adjustment, rules, *payers)
        if account is not None:
            sides[account] += adjustment.amount
    return sides


def undecided(line: RemittanceLine, rules: Ruleset, *payers: str) -> bool:
    """Whether the answer says nothing about the line's money: not paid, and all of it adjusted by neutral reasons."""
    return line.charge != 0 and not any(_sides(line, rules, *payers).values())


def only_pends(answer: Remittance, rules: Ruleset, *payers: str) -> bool:
    """Whether the answer decides nothing because lines are still looked at (OA 133): it will be taken back first."""
    reasons = [rules.carc(a.reason, *payers) for line in answer.lines for a in line.adjustments if a.group == "OA"]
    waits = any(spec is not None and spec.post == "pend" for spec in reasons)
    return waits and all(undecided(line, rules, *payers) for line in answer.lines)


def denied_amount(line: RemittanceLine, rules: Ruleset, *payers: str) -> Cents:
    """What of the line the payer refused."""
    return _sides(line, rules, *payers).get(Account.DENIED, 0)


def settlement_of(claim: Claim, answer: Remittance, rules: Ruleset, kind: str = "") -> str:
    """paid, partially-paid (some lines denied) or denied (all lines), as the cases print it.

    A line left undecided is not paid: it counts with the denied ones.
    """
    payers = (claim.payer.id, kind)
    denied = sum(
        1
        for line in answer.lines
        if undecided(line, rules, *payers) or (line.paid == 0 and denied_amount(line, rules, *payers) > 0)
    )
    if denied == 0:
        return "paid"
    return "denied" if denied == len(claim.lines) else "partially-paid"
