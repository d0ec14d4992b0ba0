"""One line of the page from a charge or a hold: what became of it, what the payer did with its money, and why it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from adapters.model.charge import Charge, Hold, Release
from adapters.model.claim import ClaimOnFile, ClaimState
from adapters.model.ledger import Money, moneys
from adapters.model.record import ChargeOnFile, ChargeStatus, PersonRecord
from adapters.model.remittance import Adjustment
from adapters.model.site import Site
from adapters.model.why import Why
from adapters.pages.course_view import Adjusted, Fate, LineView, Told
from adapters.pages.names import hold_name
from adapters.rules import Ruleset

_OF_RELEASE: Final = {
    Release.PERSON: Fate.HELD,
    Release.WAIT: Fate.WAITING,
    Release.NEVER: Fate.NOT_PAYABLE,
}
_OF_STATE: Final = {
    ClaimState.BUILT: Fate.CLAIMED,
    ClaimState.HELD: Fate.CLAIMED,
    ClaimState.READY: Fate.CLAIMED,
    ClaimState.UNKNOWN: Fate.UNKNOWN,
    ClaimState.ACCEPTED: Fate.SENT,
    ClaimState.QUEUED: Fate.SENT,
    ClaimState.ERROR: Fate.RETURNED,
    ClaimState.REFUSED: Fate.RETURNED,
    ClaimState.REPLACED: Fate.VOID,
    ClaimState.VOIDED: Fate.VOID,
    ClaimState.ABANDONED: Fate.VOID,
}
_NEVER_LEFT: Final = frozenset({ClaimState.BUILT, ClaimState.HELD, ClaimState.READY, ClaimState.ABANDONED})


def told(why: Why) -> Told:
    """The explanation of an outcome; a fact that two places of one rule looked at is told once."""
    rule = why.rule
    facts = dict.fromkeys((f.name, f.value, f.source.message, f.source.at) for f in why.facts)
    return Told(rule.id, rule.file, rule.since, rule.digest, rule.cite, tuple(facts))


def settled(money: Money) -> Fate:
    """The fate that the money of an adjudicated line tells."""
    if money.denied > 0:
        return Fate.PART_DENIED if money.paid > 0 else Fate.DENIED
    return Fate.PAID if money.paid > 0 else Fate.SETTLED


def fate_of_claim(claim: ClaimOnFile, money: Money) -> Fate:
    """Where a claim stands, in the words of the page. An accepted void has settled nothing: it took back."""
    if claim.state is not ClaimState.COMPLETE:
        return _OF_STATE[claim.state]
    return Fate.VOID if claim.claim.frequency == "8" else settled(money)


@dataclass(frozen=True, slots=True)
class Lines:
    """Makes the lines of one person's record."""

    rules: Ruleset
    claims: dict[str, ClaimOnFile]
    moneys: dict[tuple[str, int | None], Money]
    adjustments: dict[tuple[str, int], tuple[Adjustment, ...]]
    entities: dict[str, str]

    @classmethod
    def of(cls, record: PersonRecord, rules: Ruleset, site: Site) -> Lines:
        """Everything of the record and the site that a line is told from. Of two answers to a claim the later holds."""
        return cls(
            rules,
            {c.claim.id: c for c in record.claims},
            moneys(record.entries),
            {(r.claim, line.line): line.adjustments for r in record.remittances for line in r.lines},
            {e.id: e.name for facility in site.facilities for e in facility.entities},
        )

    def shown(self, on_file: ChargeOnFile) -> bool:
        """Whether a charge is worth a line: one that is void was only if it was once with a payer."""
        if on_file.status is not ChargeStatus.VOID:
            return True
        claim = self.claims.get(on_file.claim)
        return claim is not None and claim.state not in _NEVER_LEFT

    def of_charge(self, on_file: ChargeOnFile) -> LineView:
        """The line of a charge on file."""
        charge = on_file.charge
        claim = self.claims.get(on_file.claim)
        money = self.moneys.get((on_file.claim, on_file.line)) if claim else None
        return self._line(
            charge,
            self._fate(on_file, claim, money),
            charge.why,
            id=on_file.id,
            claim=on_file.claim,
            claim_line=on_file.line,
            money=money,
            adjusted=self._adjusted(self.adjustments.get((on_file.claim, on_file.line or 0), ())),
        )

    def of_hold(self, hold: Hold) -> LineView:
        """The line that a hold keeps back."""
        words = self.rules.hold(hold.code).words
        fate = _OF_RELEASE[hold.release]
        name = hold_name(hold.slot.episode.partition("/")[0], hold)
        if hold.would is not None:
            line = self._line(hold.would, fate, hold.why, hold=hold.code, words=words, instead_of=hold.instead_of)
            return replace(line, name=name)
        return LineView(
            service=hold.slot.service,
            code="",
            label="",
            modifiers=(),
            units=1,
            amount=None,
            component="",
            entity="",
            fate=fate,
            why=told(hold.why),
            hold=hold.code,
            words=words,
            instead_of=hold.instead_of,
            name=name,
        )

    def _line(
        self,
        charge: Charge,
        fate: Fate,
        why: Why,
        *,
        id: str = "",
        hold: str = "",
        words: str = "",
        instead_of: bool = False,
        claim: str = "",
        claim_line: int | None = None,
        money: Money | None = None,
        adjusted: tuple[Adjusted, ...] = (),
    ) -> LineView:
        attributes = self.rules.attributes(charge.code, charge.start)
        return LineView(
            service=charge.slot.service,
            code=charge.code,
            label=attributes.label if attributes else "",
            modifiers=charge.modifiers,
            units=charge.units,
            amount=None if charge.price is None else charge.amount,
            component=charge.component.value,
            entity=self.entities.get(charge.entity, charge.entity),
            fate=fate,
            why=told(why),
            id=id,
            hold=hold,
            words=words,
            instead_of=instead_of,
            claim=claim,
            claim_line=claim_line,
            money=money,
            adjusted=adjusted,
        )

    def _fate(self, on_file: ChargeOnFile, claim: ClaimOnFile | None, money: Money | None) -> Fate:
        if on_file.status is ChargeStatus.VOID:
            return Fate.VOID
        if claim is None or on_file.status is ChargeStatus.DUE:
            return Fate.DUE
        if claim.state is ClaimState.COMPLETE:
            return settled(money or Money())
        return _OF_STATE[claim.state]

    def _adjusted(self, adjustments: Sequence[Adjustment]) -> tuple[Adjusted, ...]:
        return tuple(
            Adjusted(f"{a.group}-{a.reason}", spec.label if (spec := self.rules.carc(a.reason)) else "", a.amount)
            for a in adjustments
        )
