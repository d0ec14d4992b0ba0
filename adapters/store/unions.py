"""The change of a person's rows, over one lane or several; and lanes that are put together or apart.

All that a transaction writes about a person goes by lane: each lane's own rows, checked against the revision that the
step began from. Of lanes that are put together the rows of charges and claims go over to the root's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from adapters.model.record import PersonRecord
from adapters.model.union import shares
from adapters.store import changes, codec, journal, members
from adapters.store.changes import Moves, Writes
from adapters.store.keys import KeyRing
from adapters.store.memory import Kept, Memory, following_of, whole
from adapters.store.records import CLAIMS, REMITTANCES
from adapters.store.refusals import Overwrites
from adapters.store.schema import State

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """What turns a person's record into the next, lane by lane, ready to be written."""

    writes: tuple[tuple[Writes, int | None], ...]
    """Of each lane that changes, and of the root: its rows and the revision that they are written over."""
    kept: Kept
    """The record after it."""
    changed: bool

    def __bool__(self) -> bool:
        return self.changed

    @classmethod
    def of(cls, before: PersonRecord, after: PersonRecord, behind: Kept, keys: KeyRing) -> Change:
        """The change between two records of a person of the same lanes. Raises `Overwrites`."""
        if before.person != after.person:
            raise Overwrites("the records before and after a step are of two persons")
        if before.lanes != after.lanes:
            raise Overwrites("a step would change which lanes are a person")
        found = [
            _drawn(was, now, kept, keys)
            for was, now, kept in zip(shares(before), shares(after), behind.each, strict=True)
        ]
        changed = any(one.writes for one in found)
        # The root's revision counts every step of the person, also one that only adds to another lane.
        written = [one for n, one in enumerate(found) if one.writes or (changed and n == 0)]
        each = tuple(one.after if one in written else one.before for one in found)
        return cls(tuple((one.writes, one.before.revision) for one in written), _over(after, each), changed)


def _over(after: PersonRecord, each: tuple[Kept, ...]) -> Kept:
    return replace(each[0], record=after) if len(each) == 1 else whole(after, each)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """The rows of one lane, and what is kept of it before and after."""

    writes: Writes
    before: Kept
    after: Kept


def _drawn(was: PersonRecord, now: PersonRecord, kept: Kept, keys: KeyRing, moved: Moves | None = None) -> _Drawn:
    writes, encoded = changes.difference(was, now, kept.encoded, keys, free=kept.free, moved=moved)
    added = max(0, len(now.entries) - len(was.entries))
    free = max(kept.free + added, len(now.entries))
    return _Drawn(writes, kept, Kept(now, following_of(kept), encoded, free))


def unindexed(record: PersonRecord) -> PersonRecord:
    """The record without identifiers: they are an index, and become known beside the steps."""
    parts = tuple(replace(part, identifiers=()) for part in record.parts)
    return replace(record, identifiers=(), parts=parts)


class UnionRows(Protocol):
    """The part of a store that says which lanes are one person, and puts them together or apart."""

    _keys: KeyRing
    _memory: Memory

    def _read(self, ask: Callable[[Connection], T]) -> T:
        """Ask within one snapshot of the last commit."""
        ...

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do it in one transaction of the writer."""
        ...

    def _behind(self, before: PersonRecord) -> Kept:
        """The record as it was read; raises `Stale` when it is not what is on file."""
        ...

    def lanes_of(self, lane: str) -> tuple[str, ...]:
        """All lanes of the person of whom this is one, the root first."""
        return self._read(lambda c: members.lanes_of(c, lane))

    def regroup(
        self, before: Sequence[PersonRecord], after: Sequence[PersonRecord], *, tick: datetime, under: str = ""
    ) -> None:
        """Write records whose lanes were put together or apart, with one tick that says so, in one transaction.

        Both sides are of the same lanes. Events stay in the lane of their identifiers; charges, claims, answers and work
        go where the records have them. Raises `Overwrites` when anything would be lost that is only ever added to,
        `Stale` when a record on file is no longer what it was.
        """
        kept = {one.record.person: one for person in before for one in self._behind(person).each}
        was = {share.person: share for person in before for share in shares(person)}
        now = {share.person: share for person in after for share in shares(person)}
        if set(was) != set(now):
            raise Overwrites("the lanes before and after are not the same")
        _same_ledger(before, after)
        moved = moves(list(was.values()), list(now.values()))
        found = {lane: _drawn(was[lane], now[lane], kept[lane], self._keys, moved[lane]) for lane in sorted(now)}
        at, first = codec.micros(tick), after[0].person
        groups = [person.lanes for person in after]
        ticked = journal.tick_row(
            first, following_of(kept[first]), at, (), self._keys, under, again=True, groups=groups
        )

        def work(connection: Connection) -> None:
            changes.write(connection, [(one.writes, one.before.revision) for one in found.values()], self._keys)
            members.put(connection, after)
            journal.append(connection, [ticked], State.TAKEN, at)

        self._write(work)
        for person in after:
            self._memory.keep(_over(person, tuple(found[lane].after for lane in person.lanes)))


def moves(before: Sequence[PersonRecord], after: Sequence[PersonRecord]) -> dict[str, Moves]:
    """What goes where between the shares of lanes, lane by lane."""
    was = {thing: share.person for share in before for thing in _kept_things(share)}
    now = {thing: share.person for share in after for thing in _kept_things(share)}
    return {
        share.person: Moves(
            {thing: was[thing] for thing, lane in now.items() if lane == share.person and was.get(thing, lane) != lane},
            frozenset(thing for thing, lane in was.items() if lane == share.person and now.get(thing, lane) != lane),
        )
        for share in after
    }


def _kept_things(share: PersonRecord) -> Iterator[tuple[str, str]]:
    yield from ((CLAIMS.name, one.claim.id) for one in share.claims)
    yield from ((REMITTANCES.name, one.id) for one in share.remittances)


def _same_ledger(before: Sequence[PersonRecord], after: Sequence[PersonRecord]) -> None:
    sides = [sorted((e for person in side for e in person.entries), key=lambda e: e.id) for side in (before, after)]
    if sides[0] != sides[1]:
        raise Overwrites("entries: putting lanes together would change, add or lose a ledger entry")
