"""What other rules, tables or settings would change in a lane, and for how much money. Writes nothing.

Both sides are derived from the same events at the same tick, so that a difference is the rules' doing: not the time's that
has passed since the lane was stepped last, nor that of a message still waiting. How far the record on file differs from
what the rules in force give today is told apart, as drift. What comes of all lanes is one `Outcome`, which the command
prints and the page shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from adapters.model.charge import Charge, Hold, Slot
from adapters.model.claim import ClaimState
from adapters.model.money import Cents
from adapters.model.record import ChargeOnFile, ChargeStatus, PersonRecord, Tick
from adapters.model.why import RuleRef
from adapters.pipeline.step import House, rederived

_SENT: Final = frozenset({ChargeStatus.SENT.value, ChargeStatus.SETTLED.value})


class Turn(StrEnum):
    """What becomes of a line."""

    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    HELD = "held"
    """Due now, held then."""
    RELEASED = "released"
    """Held now, due then."""
    HELD_OTHERWISE = "held otherwise"
    """Held on both sides, for another reason or for another line."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line that would be another."""

    turn: Turn
    slot: Slot
    day: date | None
    before: Charge | None
    """The line as it stands or would stand if it were not held; None where there is none."""
    after: Charge | None
    effect: Cents
    """What is due after less what is due before; what is held is not due."""
    hold: str
    """Code of the hold that comes or goes; `before > after` where one takes the other's place."""
    rule: RuleRef
    """The rule version that decides: of the new side where it has the line."""
    charge: str = ""
    """Id of the charge on file, empty where there is none."""
    status: str = ""
    """Where that charge stands: what is `sent` or `settled` would be corrected at the payer."""
    claim: str = ""

    @property
    def sent(self) -> bool:
        """Whether the line has gone to a payer: then the change is a correction there."""
        return self.status in _SENT

    @property
    def group(self) -> tuple[str, str, str, str]:
        """What it has in common with changes that are alike: turn, line now, line then, hold."""
        return (self.turn.value, name_of(self.before), name_of(self.after), self.hold)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would change in one lane."""

    person: str
    changes: tuple[Change, ...]
    before: Cents
    """All that is due under what is in force."""
    after: Cents
    corrections: int
    """Corrected claims and voids that the change would draw up."""
    drift: int
    """Lines on file that what is in force derives otherwise today."""


@dataclass(frozen=True, slots=True)
class Group:
    """Changes that are alike, of all persons."""

    turn: str
    before: str
    """Code and modifiers of the line now, empty where there is none."""
    after: str
    hold: str
    lines: int
    units: int
    effect: Cents
    sent: int
    """Lines of these that have gone to a payer."""
    rules: tuple[str, ...]
    """Ids of the rules that decide."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the changes have in common (`Change.group`)."""
        return (self.turn, self.before, self.after, self.hold)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would change in all lanes together."""

    persons: int
    changed: int
    """Persons of these of whom at least one line would change."""
    lines: int
    before: Cents
    after: Cents
    sent: int
    """Lines that would change and have gone to a payer."""
    sent_effect: Cents
    corrections: int
    drift: int
    groups: tuple[Group, ...]
    """The greatest effect first, whichever way it goes."""

    @property
    def effect(self) -> Cents:
        """What is due then less what is due now."""
        return self.after - self.before


@dataclass(slots=True)
class _Sum:
    lines: int = 0
    units: int = 0
    effect: Cents = 0
    sent: int = 0
    rules: set[str] = field(default_factory=set)

    def add(self, change: Change) -> None:
        line = change.after or change.before
        self.lines += 1
        self.units += line.units if line else 0
        self.effect += change.effect
        self.sent += change.sent
        self.rules.add(change.rule.id)


def outcome_of(rehearsals: Iterable[Rehearsal]) -> Outcome:
    """All lanes together; each is looked at once, so that they may come one by one out of a large store."""
    groups: dict[tuple[str, str, str, str], _Sum] = {}
    persons = changed = before = after = sent_effect = corrections = drift = 0
    for one in rehearsals:
        persons += 1
        changed += bool(one.changes)
        before += one.before
        after += one.after
        corrections += one.corrections
        drift += one.drift
        sent_effect += sum(change.effect for change in one.changes if change.sent)
        for change in one.changes:
            groups.setdefault(change.group, _Sum()).add(change)
    ordered = sorted(groups.items(), key=lambda group: (-abs(group[1].effect), group[0]))
    return Outcome(
        persons=persons,
        changed=changed,
        lines=sum(of.lines for of in groups.values()),
        before=before,
        after=after,
        sent=sum(of.sent for of in groups.values()),
        sent_effect=sent_effect,
        corrections=corrections,
        drift=drift,
        groups=tuple(
            Group(*key, of.lines, of.units, of.effect, of.sent, tuple(sorted(of.rules))) for key, of in ordered
        ),
    )


def name_of(charge: Charge | None) -> str:
    """Code and modifiers of a line, as `77300-26`; empty where there is none."""
    return "" if charge is None else "-".join((charge.code, *charge.modifiers))


def rehearse(record: PersonRecord, now: House, then: House, tick: Tick) -> Rehearsal:
    """Set a lane under `now` beside the same lane under `then`."""
    old = rederived(record, now, tick)
    new = rederived(record, then, tick)
    changes = tuple(sorted(_changes(old, new), key=_order))
    return Rehearsal(
        person=record.person,
        changes=changes,
        before=_due(old.charges),
        after=_due(new.charges),
        corrections=_corrections(new) - _corrections(old),
        drift=sum(1 for _ in _differing(_standing(record), _standing(old))),
    )


def _standing(record: PersonRecord) -> dict[str, ChargeOnFile]:
    return {c.id: c for c in record.charges if c.status is not ChargeStatus.VOID}


def _due(charges: Iterable[ChargeOnFile]) -> Cents:
    return sum(c.charge.amount for c in charges if c.status is not ChargeStatus.VOID)


def _corrections(record: PersonRecord) -> int:
    """Replacements and voids that have not left yet."""
    unsent = (ClaimState.BUILT, ClaimState.READY, ClaimState.HELD)
    return sum(1 for c in record.claims if c.claim.replaces and c.state in unsent)


def _differing(
    old: dict[str, ChargeOnFile], new: dict[str, ChargeOnFile]
) -> Iterator[tuple[ChargeOnFile | None, ChargeOnFile | None]]:
    for id in dict.fromkeys((*old, *new)):
        before, after = old.get(id), new.get(id)
        if before is None or after is None or before.charge != after.charge:
            yield before, after


def _changes(old: PersonRecord, new: PersonRecord) -> Iterator[Change]:
    held_before, held_after = _held(old.holds), _held(new.holds)
    told: set[Slot] = set()
    for before, after in _differing(_standing(old), _standing(new)):
        on_file = before or after
        if on_file is None:
            continue
        slot = on_file.charge.slot
        told.add(slot)
        ours, theirs = before and before.charge, after and after.charge
        going = held_after.get(slot) if theirs is None else None
        coming = held_before.get(slot) if ours is None else None
        turn = (
            (Turn.CHANGED if theirs is not None else Turn.HELD if going else Turn.GONE)
            if ours is not None
            else (Turn.RELEASED if coming else Turn.NEW)
        )
        hold = going or coming
        deciding = going.why.rule if going else (theirs or on_file.charge).why.rule
        yield Change(
            turn=turn,
            slot=slot,
            day=on_file.charge.start,
            before=ours or (coming.would if coming else None),
            after=theirs or (going.would if going else None),
            effect=(theirs.amount if theirs else 0) - (ours.amount if ours else 0),
            hold=hold.code if hold else "",
            rule=deciding,
            charge=before.id if before else "",
            status=before.status.value if before else "",
            claim=before.claim if before else "",
        )
    yield from _holds(held_before, held_after, told)


def _holds(before: dict[Slot, Hold], after: dict[Slot, Hold], told: set[Slot]) -> Iterator[Change]:
    """Holds that come, go or change where no due line does."""
    for slot in dict.fromkeys((*before, *after)):
        old, new = before.get(slot), after.get(slot)
        if slot in told or old == new:
            continue
        some = new or old
        if some is None:
            continue
        would = some.would
        turn = Turn.HELD_OTHERWISE if old and new else Turn.HELD if new else Turn.GONE
        codes = f"{old.code} > {new.code}" if old and new and old.code != new.code else some.code
        yield Change(
            turn=turn,
            slot=slot,
            day=would.start if would else None,
            before=old.would if old else None,
            after=new.would if new else None,
            effect=0,
            hold=codes,
            rule=some.why.rule,
        )


def _held(holds: Iterable[Hold]) -> dict[Slot, Hold]:
    """The hold of each slot that has one; of several the one that says most: a line kept back before a better one."""
    found: dict[Slot, Hold] = {}
    for hold in holds:
        if hold.slot not in found or (found[hold.slot].instead_of and not hold.instead_of):
            found[hold.slot] = hold
    return found


def _order(change: Change) -> tuple[date, str, str, str]:
    return (change.day or date.min, change.slot.service, change.slot.key, change.slot.part)
