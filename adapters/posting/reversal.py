"""What a reversal takes back: the answer on file whose amounts it negates, with the groups they were posted under.

medical-oncology-and-revenue-cycle.md 6.3 (C-A): all amounts negated, the original group codes kept; the correction comes
by itself and has a real status. What was never posted cannot be taken back: such a reversal is parked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from adapters.model.ledger import Entry
from adapters.model.money import Cents
from adapters.model.remittance import Remittance

_Content: TypeAlias = "tuple[tuple[int, Cents, Cents, tuple[tuple[str, str, Cents], ...]], ...]"


def reversed_by(reversal: Remittance, on_file: Iterable[Remittance]) -> Remittance | None:
    """The answer that this one takes back: the latest that stands of the same claim, payer and amounts; None where there
    is none. A claim that was sent on has answers of several payers, and each takes back its own.

    `on_file` are the answers posted so far, in order, reversals among them. The payer's numbers decide only where both
    are given: a correction may come under a new one.
    """
    wanted = _content(reversal, -1)
    standing: list[Remittance] = []
    for known in on_file:
        if (known.claim, known.payer) != (reversal.claim, reversal.payer):
            continue
        if known.reversal:
            last = _latest(standing, _content(known, -1), known.payer_claim_number)
            if last is not None:
                standing.remove(last)
        else:
            standing.append(known)
    return _latest(standing, wanted, reversal.payer_claim_number)


def gone(on_file: Sequence[Remittance]) -> frozenset[str]:
    """Ids of the answers on file, in order, that later ones have taken back."""
    found = (reversed_by(answer, on_file[:nth]) for nth, answer in enumerate(on_file) if answer.reversal)
    return frozenset(answer.id for answer in found if answer is not None)


def _latest(standing: Sequence[Remittance], wanted: _Content, number: str) -> Remittance | None:
    alike = [known for known in standing if _content(known, 1) == wanted]
    same = [
        known for known in alike if not number or not known.payer_claim_number or known.payer_claim_number == number
    ]
    return same[-1] if same else None


def _content(answer: Remittance, sign: int) -> _Content:
    """What it says about money, line by line; adjustments of one group and reason as their sum."""
    found = []
    for line in sorted(answer.lines, key=lambda line: line.line):
        sums: Counter[tuple[str, str]] = Counter()
        for one in line.adjustments:
            sums[one.group, one.reason] += sign * one.amount
        taken = tuple((group, reason, amount) for (group, reason), amount in sorted(sums.items()) if amount)
        found.append((line.line, sign * line.charge, sign * line.paid, taken))
    return tuple(found)


def entries_of(answer: Remittance, standing: Iterable[Entry]) -> list[Entry]:
    """Those of the standing entries that this answer made."""
    return [entry for entry in standing if entry.cause == f"remittance:{answer.id}"]
