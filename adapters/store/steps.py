"""Steps of lanes: records as they are read for one, and what one makes of them, written in one transaction.

A step is all there or not at all. Several steps of different persons may be one transaction: then all of them are there,
or none is, and whoever asked tries each by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, bindparam, select

from adapters.model.record import PersonRecord
from adapters.store import changes, codec, journal, members, people, records, schema, taking
from adapters.store.keys import KeyRing
from adapters.store.memory import Kept, Memory, following_of
from adapters.store.refusals import Stale
from adapters.store.schema import State
from adapters.store.taking import Taking
from adapters.store.unions import Change, unindexed

T = TypeVar("T")

_OF_CLAIMS = select(schema.claims.c.id, schema.claims.c.person).where(
    schema.claims.c.id.in_(bindparam("ids", expanding=True))
)


_AT_ONCE: Final = 500
"""Claims in one statement: a payer's body may name more of them than a database takes values."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """The record before and after a step, and the entries that it read."""

    before: PersonRecord
    after: PersonRecord
    taken: Sequence[str] = ()
    """Those that are done with."""
    read: Sequence[str] = ()
    """All of them, in their order."""
    left: Sequence[str] = ()
    """Those that waited in the lane: they wait there no more, and are taken when they wait nowhere else."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A step made ready outside the transaction."""

    change: Change
    person: str
    lanes: tuple[str, ...]
    taken: Sequence[str]
    left: Sequence[str]
    named: tuple[tuple[str, str, str], ...]
    tick: dict[str, Any] | None

    def takings(self, connection: Connection) -> list[Taking]:
        """What is taken in which lanes. Of a person of several it is not told in which of them an entry waited: in any."""
        if not self.taken and not self.left:
            return []
        known = self.change or records.revisions_of(connection, [self.person])
        return [Taking(lane, self.taken, self.left) for lane in (self.lanes if known else ("",))]


class StepRows(Protocol):
    """The part of a store that reads records and writes steps."""

    _keys: KeyRing
    _memory: Memory

    def _read(self, ask: Callable[[Connection], T]) -> T:
        """Ask within one snapshot of the last commit."""
        ...

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do it in one transaction of the writer."""
        ...

    def load(self, person: str) -> PersonRecord:
        """The person's record; empty for a new person."""
        return self._read(lambda c: self._memory.load(c, person)).record

    def load_all(self, persons: Sequence[str]) -> dict[str, PersonRecord]:
        """The records of several persons, as of one instant."""
        found = self._read(lambda c: self._memory.load_all(c, persons))
        return {person: kept.record for person, kept in found.items()}

    def groups_of(self, lanes: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """For each of these lanes all lanes of its person, the root first."""
        return self._read(lambda c: members.groups_of(c, lanes))

    def persons_of_claims(self, claims: Iterable[str]) -> dict[str, str]:
        """The lane of each of these claims that is one of ours."""
        asked = list(dict.fromkeys(claims))
        if not asked:
            return {}

        def found(connection: Connection) -> dict[str, str]:
            parts = (asked[at : at + _AT_ONCE] for at in range(0, len(asked), _AT_ONCE))
            return {row[0]: row[1] for part in parts for row in connection.execute(_OF_CLAIMS, {"ids": part})}

        return self._read(found)

    def _behind(self, before: PersonRecord) -> Kept:
        """The record as it was read, with its revision; raises `Stale` when it is not what is on file."""
        kept = self._memory.known(before)
        if kept is not None:
            return kept
        on_file = self._read(lambda c: self._memory.load(c, before.person))
        # Identifiers may have become known since; a step writes what it changed of them only.
        if not records.same(unindexed(before), unindexed(on_file.record)):
            raise Stale("the lane's record changed since the step began")
        return on_file

    def save(
        self,
        before: PersonRecord,
        after: PersonRecord,
        *,
        taken: Iterable[str] = (),
        read: Iterable[str] = (),
        left: Iterable[str] = (),
        tick: datetime,
        under: str = "",
        again: bool = False,
    ) -> None:
        """Write what changed, mark the entries as taken and note the lane's tick, in one transaction.

        `left` are entries that waited in the lane: they wait there no more, and are taken when they wait nowhere else.
        `under` is the digest of the tables that the step asked; `again` says that everything was derived anew.
        The tick becomes a journal entry when something changed. Raises `Overwrites` when the step would change or lose
        what is only ever added to, `Stale` when the record on file is no longer `before`; nothing is written then.
        """
        self.save_all(
            [Stepped(before, after, list(taken), list(read), list(left))], tick=tick, under=under, again=again
        )

    def save_all(self, steps: Sequence[Stepped], *, tick: datetime, under: str = "", again: bool = False) -> None:
        """The same of steps of different persons, all in one transaction: where one of them is refused, none is written."""
        at = codec.micros(tick)
        ready = [one for one in (self._ready(step, at, under, again=again) for step in steps) if one is not None]
        if not ready:
            return
        changed = [one for one in ready if one.change]
        ticks = [one.tick for one in changed if one.tick is not None]

        def work(connection: Connection) -> None:
            if changed:
                changes.write(connection, [lane for one in changed for lane in one.change.writes], self._keys)
                people.point(connection, [name for one in changed for name in one.named], self._keys)
                journal.append(connection, ticks, State.TAKEN, at)
            taking.take(connection, [each for one in ready for each in one.takings(connection)], at)

        self._write(work)
        for one in changed:
            self._memory.keep(one.change.kept)

    def _ready(self, step: Stepped, at: int, under: str, *, again: bool) -> _Ready | None:
        """None where there is nothing to write."""
        before, after = step.before, step.after
        taken, left = list(dict.fromkeys(step.taken)), list(dict.fromkeys(step.left))
        if before is after and not taken and not left:
            return None
        behind = self._behind(before)
        change = Change.of(before, after, behind, self._keys)
        if not change and not taken and not left:
            return None
        read = list(dict.fromkeys((*step.read, *taken, *left)))
        following = following_of(behind)
        tick = journal.tick_row(after.person, following, at, read, self._keys, under, again=again) if change else None
        named = people.named_since(before, after)
        return _Ready(change, after.person, after.lanes, taken, left, named, tick)
