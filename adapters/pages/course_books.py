"""The money side of a course's page: its claims, the work on them, and what its accounts sum to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Final

from adapters.model.claim import ClaimOnFile, ClaimState
from adapters.model.ledger import Account, Money
from adapters.model.money import Cents
from adapters.model.record import PersonRecord
from adapters.pages.course_lines import Lines, fate_of_claim
from adapters.pages.course_view import ClaimView, WorkView

_STATES: Final = {
    ClaimState.BUILT: "built",
    ClaimState.HELD: "held",
    ClaimState.READY: "ready to send",
    ClaimState.UNKNOWN: "sent, no answer",
    ClaimState.QUEUED: "queued at the payer",
}
"""Where the page says more than the word that listings and cases print."""
_KINDS: Final = {"1": "original", "7": "replacement", "8": "void"}


@dataclass(frozen=True, slots=True)
class Books:
    """The claims that bill something of one course. Abandoned ones never left and are not shown."""

    record: PersonRecord
    charges: frozenset[str]
    """Ids of all charges ever on file for the course."""
    claims: tuple[ClaimOnFile, ...]
    lines: Lines

    @classmethod
    def of(cls, record: PersonRecord, episode: str, lines: Lines) -> Books:
        """The books of the course."""
        ids = frozenset(c.id for c in record.charges if c.charge.slot.episode == episode)
        claims = (c for c in record.claims if c.state is not ClaimState.ABANDONED)
        mine = (c for c in claims if any(ids.intersection(line.charges) for line in c.claim.lines))
        return cls(record, ids, tuple(mine), lines)

    def views(self) -> tuple[ClaimView, ...]:
        """Each claim with what became of its money, in the order in which they were built."""
        return tuple(self._view(claim) for claim in self.claims)

    def _view(self, on_file: ClaimOnFile) -> ClaimView:
        claim = on_file.claim
        money = sum((m for (id, _), m in self.lines.moneys.items() if id == claim.id), Money())
        return ClaimView(
            id=claim.id,
            form=claim.type.value,
            kind=_KINDS.get(claim.frequency, claim.frequency),
            payer=claim.payer.name,
            entity=claim.entity.name,
            cycle=claim.cycle.rpartition(":")[2],
            state=_STATES.get(on_file.state) or on_file.printed_state.replace("-", " "),
            fate=fate_of_claim(on_file, money),
            lines=len(claim.lines),
            elsewhere=sum(1 for line in claim.lines if not self.charges.intersection(line.charges)),
            total=claim.total,
            money=money,
            submitted=on_file.submitted_at[:10],
            number=on_file.payer_claim_number,
            replaces=claim.replaces,
        )

    def work(self) -> tuple[WorkView, ...]:
        """Open work items about these claims, the earliest deadline first."""
        ids = {claim.claim.id for claim in self.claims}
        items = [w for w in self.record.work if w.kind != "hold" and w.closed is None and w.about in ids]
        return tuple(
            WorkView(w.kind, w.code, w.about, w.action.replace("-", " "), w.detail, w.amount, w.due, w.assigned)
            for w in sorted(items, key=lambda w: (w.due or date.max, w.opened, w.id))
        )

    def balance(self) -> tuple[tuple[Account, Cents], ...]:
        """The sums of the accounts over all lines of these claims; every entry balances, so together they are zero."""
        ids = {claim.claim.id for claim in self.claims}
        sums: dict[Account, Cents] = defaultdict(int)
        for entry in self.record.entries:
            for line in entry.lines:
                if line.claim in ids:
                    sums[line.account] += line.amount
        return tuple((account, sums[account]) for account in Account if account in sums)
