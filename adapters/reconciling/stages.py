"""How far one thing has come: the mark of each stage, and the differences where it stops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final

from adapters.charges.expected import as_ordered
from adapters.model.charge import Finding, Hold, Release
from adapters.model.claim import ClaimState
from adapters.model.event import Event, Status
from adapters.model.ledger import Money
from adapters.model.money import Cents
from adapters.model.reconciliation import Difference, Mark, Stage, StageMark, Standing
from adapters.model.record import ChargeOnFile, ChargeStatus
from adapters.model.work import WorkItem
from adapters.reconciling.booked import Booked
from adapters.reconciling.claimed import LEFT, Claimed
from adapters.reconciling.drafts import CODED, Draft
from adapters.reconciling.naming import NEVER_OPEN, Namer
from adapters.rules import DifferenceSpec
from adapters.work.standing import about_hold, item_of_hold

_EVIDENCE: Final = frozenset({"on-treatment-visit", "igrt-review", "physics-check"})
_ORDER: Final = {stage: i for i, stage in enumerate(Stage)}
_SETTLED_BY_US: Final = frozenset({"not-coded", "coded-lower", "coded-higher", "coded-differently"})
"""Differences of what the EHR coded: once the line has left as the record supports it, they ask for nothing more."""


@dataclass(slots=True)
class Teller:
    """Tells the stages of one record's drafts."""

    namer: Namer
    booked: Booked
    claimed: Claimed
    _items: dict[str, WorkItem] = field(default_factory=dict)
    _by_hold: dict[str, DifferenceSpec] = field(default_factory=dict)
    _by_finding: dict[str, DifferenceSpec] = field(default_factory=dict)
    _skips: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        record = self.namer.record
        self._items = {item.id: item for item in record.work}
        self._skips = {skip.event: skip.reason for skip in record.skips}
        for spec in self.namer.desk.rules.differences.values():
            self._by_hold.update((code, spec) for code in spec.holds)
            self._by_finding.update((kind, spec) for kind in spec.findings)

    # ------------------------------------------------------------------ the whole row

    def told(self, draft: Draft) -> tuple[tuple[StageMark, ...], tuple[Difference, ...]]:
        """The six marks of a draft and its differences, the earliest stage first."""
        found = [*self._scheduling(draft), *self._of_delivery(draft)]
        found += [self._of_hold(hold) for hold in draft.holds if self._counts(hold)]
        found += [one for f in draft.findings if (one := self._of_finding(draft, f)) is not None]
        found += self._nothing(draft, found)
        for on_file in draft.charges:
            found += self.claimed.differences(on_file)
        merged = _merged(found)
        marks = (
            self._scheduled(draft),
            self._delivered(draft),
            self._documented(draft, merged),
            self._charged(draft, merged),
            self._claimed(draft, merged),
            self._paid(draft, merged),
        )
        return marks, merged

    def taken_back(self, draft: Draft, money: Money) -> tuple[Difference, ...]:
        """That a service is still billed whose report was taken back; nothing once the books have it undone."""
        if money.billed <= 0 or not draft.gone:
            return ()
        withdrawn = (e for e in self.namer.record.events if e.status is Status.WITHDRAWN and e.day == draft.day)
        since = max(map(self.namer.reported, withdrawn), default=self.namer.since(draft.gone[0].charge.why))
        return (self.namer.name("billed-not-delivered", draft.gone[0].id, money.billed, since),)

    # ------------------------------------------------------------------ booked and delivered

    def _scheduling(self, draft: Draft) -> Iterator[Difference]:
        one = draft.occurrence
        if (
            one is None
            or self.namer.desk.option("reconcile.unscheduled", draft.day, self.namer.desk.place(one)) == "off"
        ):
            return
        id = one.primary.id
        if id in self.booked.unordered:
            return  # said by the finding of that dose
        if self.booked.expected(one) and id not in self.booked.answered:
            since = self.namer.reported(one.primary)
            yield self.namer.name("not-scheduled", one.primary.source.message, 0, since, detail=f"on {one.day}")

    def _of_delivery(self, draft: Draft) -> Iterator[Difference]:
        booking = draft.booking
        if booking is None:
            return
        finding = next((f for f in self.namer.record.findings if f.about == booking.id), None)
        item = next((i for i in self.namer.record.work if i.about == booking.line and i.kind == "missed-dose"), None)
        amount = item.amount if item is not None else self._expected(booking)
        since = booking.day + timedelta(days=1)
        state = booking.value("state")
        detail = f"{'booked' if booking.kind == 'appointment' else 'ordered'} for {booking.day}"
        detail += f", {state}" if state not in ("", "booked", "new") else ""
        kind = finding.kind if finding is not None else ""
        yield self.namer.name(
            "not-delivered", booking.source.message, amount, since, code=kind, detail=detail, item=item
        )

    def _expected(self, booking: Event) -> Cents:
        """What a thing booked would have been charged: the drug of its order, or what the nearest session is charged."""
        if booking.value("expects") != "fraction":
            return self.namer.desk.worth(as_ordered(booking))
        charges = [c.charge for c in self.namer.record.charges if c.charge.slot.service == "delivery"]
        near = min(charges, key=lambda charge: (abs(charge.start - booking.day), charge.start), default=None)
        return near.amount if near is not None and near.price is not None else 0

    def _scheduled(self, draft: Draft) -> StageMark:
        stage = Stage.SCHEDULED
        if draft.booking is not None:
            return StageMark(stage, Mark.YES, draft.booking.source.message, draft.booking.day)
        one = draft.occurrence
        if one is None:
            return StageMark(stage, Mark.NOT_DUE)
        answered = self.booked.answered.get(one.primary.id)
        if answered is not None:
            return StageMark(stage, Mark.YES, answered.source.message, answered.day)
        missing = self.booked.expected(one) or one.primary.id in self.booked.unordered
        return StageMark(stage, Mark.NO if missing else Mark.NOT_DUE)

    def _delivered(self, draft: Draft) -> StageMark:
        stage = Stage.DELIVERED
        if draft.occurrence is not None:
            return StageMark(stage, Mark.YES, draft.occurrence.primary.source.message, draft.day)
        if draft.sessions:
            last = draft.sessions[-1]
            return StageMark(stage, Mark.YES, last.primary.source.message, last.day)
        alone = draft.kind == CODED and any(self._named(f) == "coded-without-service" for f in draft.findings)
        return StageMark(stage, Mark.NO if draft.booking is not None or alone else Mark.NOT_DUE)

    # ------------------------------------------------------------------ documented and charged

    def _counts(self, hold: Hold) -> bool:
        """Whether a hold is a difference: what is never payable is none, unless a person decided so."""
        return hold.release is not Release.NEVER or hold.code in self._by_hold

    def _of_hold(self, hold: Hold) -> Difference:
        spec = self._by_hold.get(hold.code)
        name = spec.name if spec else "waiting" if hold.release is Release.WAIT else "held"
        slot = hold.slot
        item = self._items.get(item_of_hold(hold))
        amount = hold.would.amount if hold.would is not None and hold.would.price is not None else 0
        if hold.instead_of and hold.would is not None:
            lesser = (c.charge for c in self.namer.record.charges if c.charge.slot == slot)
            amount -= next((c.amount for c in lesser if c.price is not None), 0)
        step = self.namer.desk.rules.hold(hold.code).next_step
        since = self.namer.local(item.opened) if item is not None else self.namer.since(hold.why)
        return self.namer.name(
            name, hold_id(hold), amount, since, code=hold.code, detail=hold.detail, item=item, next_step=step
        )

    def _named(self, finding: Finding) -> str:
        spec = self._by_finding.get(finding.kind)
        return spec.name if spec is not None else ""

    def _of_finding(self, draft: Draft, finding: Finding) -> Difference | None:
        spec = self._by_finding.get(finding.kind)
        if spec is None or (draft.booking is not None and finding.kind == "missed-dose"):
            return None
        slot = finding.slot
        mine = next((c for c in draft.charges if slot is not None and c.charge.slot == slot), None)
        amount = self._at_stake(draft, spec.name, finding, mine)
        sent = mine is not None and mine.status in (ChargeStatus.SENT, ChargeStatus.SETTLED)
        about = mine.id if mine is not None else finding.why.facts[0].source.message
        closed = sent and spec.name in _SETTLED_BY_US
        return self.namer.name(
            spec.name,
            about,
            amount,
            self.namer.since(finding.why),
            code=finding.kind,
            detail=finding.value,
            closed=closed,
        )

    def _at_stake(self, draft: Draft, name: str, finding: Finding, mine: ChargeOnFile | None) -> Cents:
        """What hangs on a difference between our charge and the one that the EHR coded."""
        if name in NEVER_OPEN:
            return 0
        ours = mine.charge.amount if mine is not None and mine.charge.price is not None else 0
        place = self.namer.desk.contexts.site.facility(draft.clinic) or self.namer.desk.contexts.site.facilities[0]
        theirs = self.namer.desk.price(finding.value, draft.day, place)
        if name in ("not-coded", "coded-without-service"):
            return ours or theirs
        return abs(ours - theirs) if ours and theirs else 0

    def _nothing(self, draft: Draft, found: Sequence[Difference]) -> Iterator[Difference]:
        """Delivered, and neither charge nor hold nor a reason why it owes none."""
        one = draft.occurrence
        if one is None or draft.charges or draft.holds or draft.coded or draft.beside:
            return
        named = any(d.stage in (Stage.CHARGED, Stage.DOCUMENTED) for d in found)
        if one.primary.id not in self._skips and not named:
            since = self.namer.reported(one.primary)
            yield self.namer.name(
                "not-charged", one.primary.source.message, 0, since, detail=f"{one.kind} on {one.day}"
            )

    def _documented(self, draft: Draft, found: Sequence[Difference]) -> StageMark:
        stage = Stage.DOCUMENTED
        if not draft.delivered:
            return StageMark(stage, Mark.NOT_DUE)
        stops = [d for d in found if d.stage is stage and d.standing is not Standing.CLOSED]
        if any(d.name != "waiting" for d in stops):
            return StageMark(stage, Mark.NO)
        if stops or not (draft.charges or any(h.release is not Release.NEVER for h in draft.holds)):
            return StageMark(stage, Mark.NOT_DUE)
        facts = [fact for c in draft.charges for fact in c.charge.why.facts]
        shown = next((f for f in facts if f.name == "event" and f.value.partition(" on ")[0] in _EVIDENCE), None)
        shown = shown or next((f for f in facts if f.name in ("guidance.reviewed_at", "event")), None)
        if shown is None:
            return StageMark(stage, Mark.YES, draft.occurrence.primary.source.message if draft.occurrence else "")
        return StageMark(stage, Mark.YES, shown.source.message, self.namer.said(shown.source.message, shown.source.at))

    def _charged(self, draft: Draft, found: Sequence[Difference]) -> StageMark:
        stage = Stage.CHARGED
        if any(d.stage is stage and d.standing is not Standing.CLOSED for d in found):
            return StageMark(stage, Mark.NO, draft.charges[0].id if draft.charges else "")
        if draft.charges:
            return StageMark(stage, Mark.YES, draft.charges[0].id, self.charged_on(draft))
        # What is never claimed (bundled, billed elsewhere, before the site went live) says why under its id; what is
        # charged with another thing (a unit of several sessions, doses put together) is followed there.
        return StageMark(stage, Mark.NOT_DUE, hold_id(draft.holds[0]) if draft.holds else draft.beside)

    def charged_on(self, draft: Draft) -> date | None:
        """The day on which the row's charges were known: that of the last report without which they are not due."""
        done = [one for one in (draft.occurrence, *draft.sessions) if one is not None]
        days = [min(self.namer.local(report.said) for report in one.reports) for one in done]
        own = [
            fact for c in draft.charges for fact in c.charge.why.facts if fact.name in ("event", "guidance.reviewed_at")
        ]
        evidence = (f for f in own if f.value.partition(" on ")[0] in (*_EVIDENCE, "coded charge", "course-end"))
        days += [day for f in evidence if (day := self.namer.said(f.source.message, f.source.at))]
        return max(days, default=None)

    # ------------------------------------------------------------------ claimed and paid

    def _claimed(self, draft: Draft, found: Sequence[Difference]) -> StageMark:
        stage = Stage.CLAIMED
        claims = [self.claimed.of(c) for c in draft.charges]
        left = [c for c in claims if c is not None and c.state in LEFT]
        if any(d.stage is stage and d.standing is not Standing.CLOSED for d in found):
            here = next((c.claim.id for c in claims if c is not None), "")
            return StageMark(stage, Mark.NO, here)
        if not left or len(left) < len(claims):
            return StageMark(stage, Mark.NOT_DUE)
        days = [day for c in left if (day := self.claimed.sent(c)) is not None]
        return StageMark(stage, Mark.YES, left[0].claim.id, max(days, default=None))

    def _paid(self, draft: Draft, found: Sequence[Difference]) -> StageMark:
        stage = Stage.PAID
        claims = [c for one in draft.charges if (c := self.claimed.of(one)) is not None]
        if any(d.stage is stage and d.standing is not Standing.CLOSED for d in found):
            return StageMark(stage, Mark.NO, claims[0].claim.id if claims else "")
        done = [c for c in claims if c.state is ClaimState.COMPLETE]
        if not done or len(done) < len(draft.charges):
            return StageMark(stage, Mark.NOT_DUE)
        days = [day for c in done if (day := self.claimed.decided.get(c.claim.id)) is not None]
        return StageMark(stage, Mark.YES, done[0].claim.id, max(days, default=None))


def hold_id(hold: Hold) -> str:
    """The name by which `explain` knows a hold."""
    return f"{about_hold(hold)}|{hold.code}"


def _merged(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Differences of one name, code and standing as one: two parts of a service that wait for the same thing."""
    kept: dict[tuple[str, str, Standing], Difference] = {}
    for one in found:
        key = (one.name, one.code, one.standing)
        if key in kept:
            first = kept[key]
            since = min(first.since, one.since)
            days = max(first.days, one.days)
            kept[key] = replace(first, amount=first.amount + one.amount, since=since, days=days)
        else:
            kept[key] = one
    return tuple(sorted(kept.values(), key=lambda d: (d.standing is Standing.CLOSED, _ORDER[d.stage], d.name, d.code)))
