"""What a decision would make of a person's lines, claims and work, before it is made. Writes nothing.

Both sides are derived from the same events at the same instant, so that a difference is the decision's doing; and by the
very step that would take it, so that what is shown is what comes.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from adapters.model.charge import Charge, Hold, Slot
from adapters.model.claim import ClaimState
from adapters.model.decision import Decision, Verb
from adapters.model.journal import JournalEntry
from adapters.model.ledger import Account
from adapters.model.merging import hint_of
from adapters.model.money import Cents
from adapters.model.people import Identifier
from adapters.model.record import ChargeStatus, PersonRecord, Reading, SubmissionNews, Tick
from adapters.pipeline.deciding import captured_of, receipt_of
from adapters.pipeline.entering import PersonStore
from adapters.pipeline.identity import ASK, concerned
from adapters.pipeline.step import House, step
from adapters.pipeline.uniting import Group, regrouped, wanted

Key = tuple[str, str, str, str]
"""A slot without its lane."""
_NAMESPACE: Final = uuid.UUID("0b6c9a57-0a8e-5d0b-9a3f-61f6f6f0d3a1")
_OF_TWO: Final = frozenset({Verb.MERGE, Verb.UNMERGE, Verb.WITHDRAW})
"""What may change who is one person."""


@dataclass(frozen=True, slots=True)
class LineSeen:
    """A line as a person sees it: what it bills, and where it stands."""

    day: date | None
    spelled: str
    """Code, modifiers and units; the service of a line that bills nothing."""
    amount: Cents | None
    entity: str
    state: str
    """The status of the charge; or `held` with the code of the hold."""


@dataclass(frozen=True, slots=True)
class LineTurn:
    """One line before and after; None where there is none."""

    before: LineSeen | None
    after: LineSeen | None


@dataclass(frozen=True, slots=True)
class ClaimTurn:
    """One claim that is drawn up, changed or given up."""

    id: str
    """Empty for one that is drawn up."""
    kind: str
    """Its frequency: `1` an original, `7` a replacement, `8` a void."""
    replaces: str
    payer: str
    before: ClaimState | None
    """Its state now; None for one that is drawn up."""
    after: ClaimState
    was: Cents
    total: Cents


@dataclass(frozen=True, slots=True)
class WorkTurn:
    """Items of the work list that come or go."""

    kind: str
    code: str
    action: str
    amount: Cents
    comes: bool


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a decision would change."""

    lines: tuple[LineTurn, ...] = ()
    claims: tuple[ClaimTurn, ...] = ()
    work: tuple[WorkTurn, ...] = ()
    ledger: tuple[tuple[Account, Cents], ...] = ()
    """What would be posted, by account."""
    before: Cents = 0
    """All charges that are due or billed now, together."""
    after: Cents = 0
    persons: tuple[Group, ...] = ()
    """The lanes of those who would be other persons than now, each group one person; the root first."""

    @property
    def nothing(self) -> bool:
        """Whether nothing would change that is billed, claimed, posted or to be done."""
        return not (self.lines or self.claims or self.work or self.ledger or self.persons)

    @property
    def mark(self) -> str:
        """A mark of all that is foreseen: what was agreed to upon one is not done upon another."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:32]


def foreseen(
    store: PersonStore, decision: Decision, house: House, tick: Tick, news: SubmissionNews | None = None
) -> Foreseen:
    """What the decision would change at the tick, with the news of a claim that it brings about. Raises `StoreDown`."""
    records = _after(store, decision, house, tick, news)
    old = [_now(store.load(root), house, tick) for root in sorted(records)]
    new = list(records.values())
    groups: tuple[Group, ...] = ()
    if any(one.verb in _OF_TWO for one in decision.says):
        old, new, groups = _regrouped(store, old, new, house, tick)
    return Foreseen(
        lines=tuple(_line_turns(old, new)),
        claims=tuple(_claim_turns(old, new)),
        work=tuple(_work_turns(old, new)),
        ledger=_posted(old, new),
        before=_due(old),
        after=_due(new),
        persons=groups,
    )


def _now(record: PersonRecord, house: House, tick: Tick) -> PersonRecord:
    """The record as it is at the tick with nothing decided: what time alone has brought is no doing of the decision."""
    return step(record, (), house, tick, again=True)


def _after(
    store: PersonStore, decision: Decision, house: House, tick: Tick, news: SubmissionNews | None
) -> dict[str, PersonRecord]:
    """The records that the decision is captured into, each after its own step; by root."""
    receipt = receipt_of(decision)
    entry = JournalEntry(
        seq=0,
        id=str(uuid.uuid5(_NAMESPACE, receipt.digest)),
        kind=receipt.kind,
        at=receipt.at,
        actor=receipt.actor,
        media=receipt.media,
        control=receipt.control,
        digest=receipt.digest,
        body=receipt.body,
    )
    readings: dict[str, list[Reading]] = defaultdict(list)
    for captured in captured_of(entry, decision, ZoneInfo(house.site.zone)):
        if lane := store.lane_of(captured.person, ""):
            readings[store.lanes_of(lane)[0]].append(Reading(entry.id, entry.at, captured=captured, lane=lane))
    if news is not None:
        whose = next((one.person for one in store.find(news.claim) if one.kind == "claim"), "")
        readings[store.lanes_of(whose)[0]].append(Reading(entry.id, entry.at, news=news))
    return {root: step(store.load(root), told, house, tick, again=True) for root, told in sorted(readings.items())}


def _regrouped(
    store: PersonStore, old: list[PersonRecord], new: list[PersonRecord], house: House, tick: Tick
) -> tuple[list[PersonRecord], list[PersonRecord], tuple[Group, ...]]:
    """Both sides with everybody who is concerned, and who would be one person; nobody where that does not change."""
    if not new:
        return old, new, ()
    stepped = {record.person: record for record in new}

    def lane_of(identity: Identifier) -> str:
        return store.lane_of(hint_of(identity), "")

    def root_of(identity: Identifier) -> str:
        lane = lane_of(identity)
        return store.lanes_of(lane)[0] if lane else ""

    persons = concerned(new[0], root_of, lambda root: stepped.get(root) or _now(store.load(root), house, tick))
    groups = wanted(persons, lane_of, ask=house.site.options.get(ASK) == "person")
    standing = {(person.person, frozenset(person.lanes)) for person in persons}
    others = [group for group in groups if (group[0], frozenset(group)) not in standing]
    if not others:
        return old, new, ()
    lanes = {lane for group in others for lane in group}
    before = [person for person in persons if lanes.intersection(person.lanes)]
    known = {record.person: record for record in old}
    was = [known.get(p.person) or _now(store.load(p.person), house, tick) for p in before]
    return was, list(regrouped(before, others, lane_of, house, tick)), tuple(others)


def _standing(records: Iterable[PersonRecord]) -> Iterator[tuple[Key, LineSeen]]:
    """All lines that stand, each under a name that outlasts another lane."""
    for record in records:
        for on_file in record.charges:
            if on_file.status is not ChargeStatus.VOID:
                yield _key(on_file.charge.slot), _seen(on_file.charge, on_file.status.value)
        for hold in record.holds:
            yield _key(hold.slot), _held(hold)


def _key(slot: Slot) -> Key:
    return slot.episode.partition("/")[2], slot.service, slot.key, slot.part


def _seen(charge: Charge, state: str) -> LineSeen:
    spelled = f"{'-'.join((charge.code, *charge.modifiers))} x {charge.units}"
    amount = None if charge.price is None else charge.amount
    return LineSeen(charge.start, spelled, amount, charge.entity, state)


def _held(hold: Hold) -> LineSeen:
    state = f"held: {hold.code}"
    if hold.would is not None:
        return _seen(hold.would, state)
    return LineSeen(None, hold.slot.service, None, "", state)


def _line_turns(old: Iterable[PersonRecord], new: Iterable[PersonRecord]) -> Iterable[LineTurn]:
    """The lines that differ, what was and what comes of one slot together."""
    before, after = Counter(_standing(old)), Counter(_standing(new))
    gone: dict[Key, list[LineSeen]] = defaultdict(list)
    for key, seen in (before - after).elements():
        gone[key].append(seen)
    turns: list[LineTurn] = []
    for key, seen in (after - before).elements():
        same = gone[key]
        turns.append(LineTurn(same.pop(0) if same else None, seen))
    turns += [LineTurn(seen, None) for left in gone.values() for seen in left]
    return sorted(turns, key=_order)


def _order(turn: LineTurn) -> tuple[date, str, str]:
    one = turn.after or turn.before
    return ((one.day or date.min), one.spelled, one.state) if one else (date.min, "", "")


def _claim_turns(old: Iterable[PersonRecord], new: Iterable[PersonRecord]) -> Iterable[ClaimTurn]:
    before = {claim.claim.id: claim for record in old for claim in record.claims}
    after = {claim.claim.id: claim for record in new for claim in record.claims}
    for id, then in after.items():
        now = before.get(id)
        if now is None or (now.state, now.claim.total) != (then.state, then.claim.total):
            yield ClaimTurn(
                id=id if now else "",  # of one that is not drawn up yet nobody can know it
                kind=then.claim.frequency,
                replaces=then.claim.replaces,
                payer=then.claim.payer.name,
                before=now.state if now else None,
                after=then.state,
                was=now.claim.total if now else 0,
                total=then.claim.total,
            )


def _work_turns(old: Iterable[PersonRecord], new: Iterable[PersonRecord]) -> Iterable[WorkTurn]:
    before, after = _open_work(old), _open_work(new)
    for (kind, code, action, amount), count in sorted((after - before).items()):
        yield from [WorkTurn(kind, code, action, amount, comes=True)] * count
    for (kind, code, action, amount), count in sorted((before - after).items()):
        yield from [WorkTurn(kind, code, action, amount, comes=False)] * count


def _open_work(records: Iterable[PersonRecord]) -> Counter[tuple[str, str, str, Cents]]:
    items = (item for record in records for item in record.work if item.closed is None)
    return Counter((item.kind, item.code, item.action, item.amount) for item in items)


def _posted(old: Iterable[PersonRecord], new: Iterable[PersonRecord]) -> tuple[tuple[Account, Cents], ...]:
    known = {entry.id for record in old for entry in record.entries}
    sums: dict[Account, Cents] = defaultdict(int)
    for entry in (entry for record in new for entry in record.entries if entry.id not in known):
        for line in entry.lines:
            sums[line.account] += line.amount
    return tuple((account, sums[account]) for account in Account if sums.get(account))


def _due(records: Iterable[PersonRecord]) -> Cents:
    charges = (charge for record in records for charge in record.charges)
    return sum(one.charge.amount for one in charges if one.status is not ChargeStatus.VOID)
