"""Records as they were read or written, kept in memory: a step's record is not read twice.

A record is an immutable value, so it is right as long as its revision is. A person of several lanes is the shares of
these, each kept by itself (`model.union`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection

from adapters.model.record import PersonRecord
from adapters.model.union import united
from adapters.store import ledger, members, people, records
from adapters.store.keys import KeyRing

_KEPT: Final = 64
"""How many records are kept in memory; a record of a course takes about a megabyte."""
_NOTHING: Final[records.Encoded] = {shelf.name: () for shelf in records.SHELVES}


@dataclass(frozen=True, slots=True)
class Kept:
    """A record as it was read or written, with its revision (None: not on file) and the bytes of its values."""

    record: PersonRecord
    revision: int | None
    encoded: records.Encoded
    free: int = 0
    """The first place of the ledger that an entry posted in the lane may take."""
    shares: tuple[Kept, ...] = ()
    """Of a person of several lanes, what each keeps, the root's first: then `encoded` is theirs alone."""

    @property
    def each(self) -> tuple[Kept, ...]:
        """What each lane keeps; the record itself where it is the only one."""
        return self.shares or (self,)


def whole(record: PersonRecord, shares: tuple[Kept, ...]) -> Kept:
    """A person's record over what its lanes keep."""
    return shares[0] if len(shares) == 1 else Kept(record, shares[0].revision, {}, shares[0].free, shares)


def following_of(kept: Kept) -> int:
    """The revision after this one."""
    return 1 if kept.revision is None else kept.revision + 1


class Memory:
    """The records of one store that were looked at last. Safe to use from many threads."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._shares: OrderedDict[str, Kept] = OrderedDict()
        self._wholes: OrderedDict[str, Kept] = OrderedDict()

    def load(self, connection: Connection, person: str) -> Kept:
        """The record on file: of a root with all its lanes, of any other lane what is kept in it."""
        return self.load_all(connection, [person])[person]

    def load_all(self, connection: Connection, persons: Sequence[str]) -> dict[str, Kept]:
        """The same of several, no two of one person."""
        shares = self._shared(connection, persons)
        beside = members.members(connection, persons)
        others = self._shared(connection, [lane for lanes in beside.values() for lane in lanes]) if beside else {}
        return {
            person: self._whole(person, (share, *(others[lane] for lane in beside[person])))
            if share.revision is not None and person in beside
            else share
            for person, share in shares.items()
        }

    def _whole(self, person: str, shares: tuple[Kept, ...]) -> Kept:
        with self._lock:
            kept = self._wholes.get(person)
        if kept is None or len(kept.shares) != len(shares) or any(a is not b for a, b in zip(kept.shares, shares)):  # noqa: B905
            kept = whole(united([one.record for one in shares]), shares)
        self.keep(kept)
        return kept

    def forget(self) -> None:
        """Read everything anew from now on."""
        with self._lock:
            self._shares.clear()
            self._wholes.clear()

    def known(self, record: PersonRecord) -> Kept | None:
        """What is kept of this very value, or None."""
        with self._lock:
            kept = (self._wholes if record.parts else self._shares).get(record.person)
        return kept if kept is not None and kept.record is record else None

    def keep(self, kept: Kept) -> None:
        """Keep a record, and what its lanes keep."""
        with self._lock:
            if kept.shares:
                _put(self._wholes, kept)
            for one in kept.each:
                _put(self._shares, one)

    def _shared(self, connection: Connection, lanes: Sequence[str]) -> dict[str, Kept]:
        """What each lane keeps."""
        revisions = records.revisions_of(connection, lanes)
        with self._lock:
            known = {lane: kept for lane in revisions if (kept := self._shares.get(lane)) is not None}
        known = {lane: kept for lane, kept in known.items() if kept.revision == revisions[lane]}
        missing = [lane for lane in revisions if lane not in known]
        read = records.load(connection, missing, self._keys) if missing else {}
        free = ledger.free_places(connection, missing) if missing else {}
        # Identifiers come by way of `person`, beside the steps that the revision counts.
        named = people.of_persons(connection, list(known), self._keys) if known else {}
        found: dict[str, Kept] = {}
        for lane in lanes:
            if lane not in revisions:
                found[lane] = Kept(PersonRecord(lane), None, _NOTHING)
                continue
            if lane in read:
                record, encoded = read[lane]
                kept = Kept(record, revisions[lane], encoded, max(len(record.entries), free.get(lane, 0)))
            else:
                kept = known[lane]
                if kept.record.identifiers != (identifiers := named.get(lane, ())):
                    kept = replace(kept, record=replace(kept.record, identifiers=identifiers))
            self.keep(kept)
            found[lane] = kept
        return found


def _put(shelf: OrderedDict[str, Kept], kept: Kept) -> None:
    shelf[kept.record.person] = kept
    shelf.move_to_end(kept.record.person)
    if len(shelf) > _KEPT:
        shelf.popitem(last=False)
