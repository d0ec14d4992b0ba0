"""Where the claim of a charge stops: not built, not left, of unknown fate, given back, undecided for too long, denied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from adapters.claims.cycles import name_of
from adapters.model.charge import Hold, Release
from adapters.model.claim import ClaimLine, ClaimOnFile, ClaimState
from adapters.model.ledger import Money
from adapters.model.reconciliation import Difference
from adapters.model.record import ChargeOnFile, ChargeStatus
from adapters.model.work import WorkItem, item_id
from adapters.reconciling.naming import Namer

LEFT: Final = frozenset({ClaimState.ACCEPTED, ClaimState.QUEUED, ClaimState.COMPLETE})
"""States of a claim that its payer has."""
_GIVEN_BACK: Final = frozenset({ClaimState.ERROR, ClaimState.REFUSED})
_HERE: Final = frozenset({ClaimState.BUILT, ClaimState.HELD, ClaimState.READY})


@dataclass(slots=True)
class Claimed:
    """The claims of one record."""

    namer: Namer
    moneys: Mapping[tuple[str, int | None], Money]
    """What became of each claim line."""
    decided: Mapping[str, date]
    """Claim → the day of the payer's last decision about it."""
    _claims: dict[str, ClaimOnFile] = field(default_factory=dict)
    _corrections: dict[str, ClaimOnFile] = field(default_factory=dict)
    """Claim → the one that is to replace it and has not left."""
    _asks: dict[str, WorkItem] = field(default_factory=dict)
    """What is open about each thing, the first of it on the list."""
    _opens: dict[str, date] = field(default_factory=dict)

    def __post_init__(self) -> None:
        record, local = self.namer.record, self.namer.local
        self._claims = {one.claim.id: one for one in record.claims}
        self._corrections = {one.claim.replaces: one for one in record.claims if one.state in _HERE}
        self._asks = {one.about: one for one in reversed(record.work) if one.closed is None}
        self._opens = {due.about: local(due.not_before) for due in record.due if due.what == "claim"}

    def of(self, on_file: ChargeOnFile) -> ClaimOnFile | None:
        """The claim that the charge is on, or None."""
        return self._claims.get(on_file.claim)

    def sent(self, claim: ClaimOnFile) -> date | None:
        """The day on which the claim left, None where it has not."""
        return self.namer.local(datetime.fromisoformat(claim.submitted_at)) if claim.submitted_at else None

    def differences(self, on_file: ChargeOnFile) -> Iterator[Difference]:
        """Where a charge stops on its way to its payment."""
        yield from self._of_claim(on_file)
        yield from self._correcting(on_file)

    def _correcting(self, on_file: ChargeOnFile) -> Iterator[Difference]:
        """What the payer has of the charge is wrong, and the claim that says it right has not left."""
        sent = self.of(on_file)
        waits = self._corrections.get(sent.claim.id) if sent is not None else None
        if sent is None or waits is None or waits.claim.built_on >= self.namer.today:
            return
        before, after = _line_of(sent, on_file.id), _line_of(waits, on_file.id)
        if before is not None and after is not None and before != after:
            id, built = waits.claim.id, waits.claim.built_on
            item = self._asks.get(id)
            detail = item.detail if item is not None else f"built on {built}, {waits.state.value}"
            yield self.namer.name("correction-waiting", id, after.amount, built, detail=detail, item=item)

    def _of_claim(self, on_file: ChargeOnFile) -> Iterator[Difference]:
        name, today = self.namer.name, self.namer.today
        amount, claim = on_file.charge.amount, self.of(on_file)
        if claim is None or on_file.status is ChargeStatus.DUE:
            closes = self._closes(on_file)
            if closes < today:
                yield name("not-claimed", on_file.id, amount, closes, detail="no claim was built")
            return
        id, built = claim.claim.id, claim.claim.built_on
        if claim.state in _HERE:
            if built < today:
                item = self._asks.get(id)
                kept = self._waits_for(claim) if claim.state is ClaimState.HELD and item is None else None
                detail = item.detail if item is not None else f"built on {built}, {claim.state.value}"
                detail += f": it waits for a line that is kept back ({kept.code})" if kept is not None else ""
                step = self.namer.desk.rules.hold(kept.code).next_step if kept is not None else ""
                code = kept.code if kept is not None else ""
                late = partial(name, "correction-waiting") if claim.claim.replaces else partial(name, "not-claimed")
                yield late(id, amount, built, code=code, detail=detail, item=item, next_step=step)
        elif claim.state is ClaimState.UNKNOWN:
            yield name("outcome-unknown", id, amount, self.sent(claim) or built)
        elif claim.state in _GIVEN_BACK:
            item = next((i for i in self.namer.record.work if i.about == id and i.kind == "refused-claim"), None)
            since = self.namer.local(item.opened) if item is not None else self.sent(claim) or built
            yield name("refused", id, amount, since, item=item)
        elif claim.state is ClaimState.COMPLETE:
            yield from self._denied(on_file, claim)
        elif claim.state in LEFT:
            sent = self.sent(claim)
            desk = self.namer.desk
            days = desk.days("reconcile.answer_days", on_file.charge.start, desk.place_of(on_file.charge.entity))
            if sent is not None and (today - sent).days > days:
                since = sent + timedelta(days=days + 1)
                yield name("answer-overdue", id, amount, since, detail=f"sent on {sent}")

    def _waits_for(self, claim: ClaimOnFile) -> Hold | None:
        """The held line of the claim's cycle and entity for which it waits, where its payer wants claims whole."""
        payer = self.namer.desk.contexts.site.payer(claim.claim.payer.id)
        for hold in self.namer.record.holds if payer is not None else ():
            would = hold.would
            if would is None or hold.release is Release.NEVER or would.entity != claim.claim.entity.id:
                continue
            if payer is not None and name_of(would, payer.cycle) == claim.claim.cycle:
                return hold
        return None

    def _denied(self, on_file: ChargeOnFile, claim: ClaimOnFile) -> Iterator[Difference]:
        money = self.moneys.get((claim.claim.id, on_file.line))
        if money is None or money.denied <= 0:
            return
        which = f"{claim.claim.id}|{on_file.line}"
        work = self.namer.record.work
        items = [i for i in work if i.kind == "denial" and item_id("denial", which, i.code) == i.id]
        item = next((i for i in items if i.closed is None), items[0] if items else None)
        since = self.decided.get(claim.claim.id) or self.sent(claim) or claim.claim.built_on
        yield self.namer.name(
            "part-denied" if money.paid > 0 else "denied",
            on_file.id,
            money.denied,
            since,
            code=item.code if item is not None else "",
            detail=item.detail if item is not None else "",
            item=item,
            next_step=item.action if item is not None else "",
        )

    def _closes(self, on_file: ChargeOnFile) -> date:
        """The day from which a due charge should be on a claim: its billing cycle's, else the day after it was known."""
        charge, desk = on_file.charge, self.namer.desk
        payer = desk.on(charge.start, desk.place_of(charge.entity)).payer
        cycle = name_of(charge, payer.cycle) if payer is not None else ""
        open_until = self._opens.get(f"{charge.entity}|{charge.coverage}|{cycle}")
        if open_until is not None:
            return open_until
        return max(self.namer.since(charge.why), charge.end + timedelta(days=1))


def _line_of(claim: ClaimOnFile, charge: str) -> ClaimLine | None:
    """The line of a claim that bills the charge, without its number; None where none does."""
    found = next((line for line in claim.claim.lines if charge in line.charges), None)
    return replace(found, line=0) if found is not None else None
