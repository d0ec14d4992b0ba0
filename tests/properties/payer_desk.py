"""A payer's desk for the state machine: what took effect there, what of it counts, and what it would answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from adapters.model.claim import Claim, ClaimLine, ClaimOnFile
from adapters.model.remittance import Remittance
from tests.model.clinic import adjudication


@dataclass(slots=True)
class Desk:
    """Takes claims in by their identifier, and knows which of them still count."""

    taken: dict[str, Claim] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    """Identifiers of claims that were replaced or voided, and of the voiding claims."""
    doubled: list[str] = field(default_factory=list)
    """Identifiers that came in a second time, or corrected what did not count any more: there must be none."""

    def take(self, claim: Claim) -> None:
        """The claim takes effect."""
        if claim.id in self.taken:
            self.doubled.append(claim.id)
            return
        self.taken[claim.id] = claim
        if claim.replaces:
            if claim.replaces not in self.taken or claim.replaces in self.over:
                self.doubled.append(claim.id)
            self.over.add(claim.replaces)
        if claim.frequency == "8":
            self.over.add(claim.id)

    def answer(self, on_file: ClaimOnFile, *, denied: bool) -> Remittance:
        """What the desk says of a claim that it has: paid in full, or every line denied."""
        lines = {line.line: [("CO", "50", line.amount)] for line in on_file.claim.lines} if denied else None
        return adjudication(on_file, adjustments=lines)

    def net(self) -> Counter[tuple[ClaimLine, str, str]]:
        """The lines that count, each with payer and billing entity."""
        return Counter(
            (line, claim.payer.id, claim.entity.id)
            for claim in self.taken.values()
            if claim.id not in self.over
            for line in claim.lines
        )
