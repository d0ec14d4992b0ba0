"""Lanes that are one person: put together, or apart, as soon as the statements on file say so (`pipeline.uniting`).

A step that learns of a merge is saved first; then all lanes concerned are held and grouped anew, in one transaction. A
crash between the two leaves a due row, by which the next look at the lane comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from adapters.model.merging import hint_of, waiting
from adapters.model.people import Identifier
from adapters.model.record import PersonRecord
from adapters.pipeline.identity import ASK, concerned
from adapters.pipeline.step import identities
from adapters.pipeline.uniting import Group, regrouped, unchanged, wanted
from adapters.serve.logs import log
from adapters.serve.stepping import Stepping, again

_ROUNDS: Final = 20
"""Times in a row that somebody else may regroup the same lanes meanwhile."""


class Uniting:
    """Groups lanes for one `Stepping`. The caller holds no lane."""

    def __init__(self, stepping: Stepping) -> None:
        self._stepping = stepping
        self._store = stepping.store

    def settle(self, lane: str, now: datetime) -> bool:
        """Put the lanes together, or apart, that the record of this lane speaks of; whether anything was done.

        Only after a step of it here that gave a reason to look. Raises `StoreDown`.
        """
        if lane not in self._stepping.unsettled:
            return False
        # Before the look, not after it: who steps the lane meanwhile may have learnt of more, and asks for another.
        self._stepping.unsettled.discard(lane)
        try:
            return self._settled(lane, now)
        except BaseException:
            self._stepping.unsettled.add(lane)
            raise

    def _settled(self, lane: str, now: datetime) -> bool:
        done = False
        for _ in range(_ROUNDS):
            record = self._store.load(self._store.lanes_of(lane)[0])
            # Of several lanes more may have become known that speaks against it.
            if not record.parts and not waiting(record.events, identities(record)):
                break
            persons, groups = self._as_wanted(record)
            if unchanged(persons, groups):
                break
            lanes = sorted(one for person in persons for one in person.lanes)
            with self._store.queue.held(lanes):
                done |= again(lane, partial(self._regroup, lane, lanes, now))
        return done

    def _regroup(self, lane: str, held: Sequence[str], now: datetime) -> bool:
        """Do it with these lanes held; false where others turn out to be concerned."""
        persons, groups = self._as_wanted(self._store.load(self._store.lanes_of(lane)[0]))
        if sorted(one for person in persons for one in person.lanes) != list(held):
            return False
        standing = {(person.person, frozenset(person.lanes)) for person in persons}
        new = [group for group in groups if (group[0], frozenset(group)) not in standing]
        if not new:
            return False
        lanes = {one for group in new for one in group}
        before = [person for person in persons if lanes.intersection(person.lanes)]
        with self._stepping.one_house():
            house = self._stepping.house
            after = regrouped(before, new, self._lane_of, house, self._stepping.tick(now))
            self._store.regroup(before, after, tick=now, under=house.tables.digest)
        log().info("lanes regrouped", lane=new[0][0], count=len(new))
        return True

    def _as_wanted(self, record: PersonRecord) -> tuple[list[PersonRecord], tuple[Group, ...]]:
        """All persons whom the statements of one name, and theirs again; and their lanes as they are to be grouped."""
        ordered = concerned(record, lambda one: self._store.lanes_of(self._lane_of(one))[0], self._store.load)
        ask = self._stepping.house.site.options.get(ASK) == "person"
        return ordered, wanted(ordered, self._lane_of, ask=ask)

    def _lane_of(self, identity: Identifier) -> str:
        """The lane of an identity, made if new: what comes under it later belongs to the same person."""
        return self._store.person(hint_of(identity), "")
