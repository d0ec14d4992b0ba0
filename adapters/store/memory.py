"""Records as they were read or written, kept in memory: a step's record is not read twice.

A record is an immutable value, so it is right as long as its revision is. A person of several lanes is the shares of
these, each kept by itself (`model.union`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
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
        share = self._share(connection, person)
        others = members.members(connection, person) if share.revision is not None else ()
        if not others:
            return share
        shares = (share, *(self._share(connection, lane) for lane in others))
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

    def _share(self, connection: Connection, person: str) -> Kept:
        revision = records.revision_of(connection, person)
        if revision is None:
            return Kept(PersonRecord(person), None, _NOTHING)
        with self._lock:
            kept = self._shares.get(person)
        if kept is None or kept.revision != revision:
            record, encoded = records.load(connection, person, self._keys)
            free = max(len(record.entries), ledger.free_place(connection, person))
            kept = Kept(record, revision, encoded, free)
        else:
            # Identifiers come by way of `person`, beside the steps that the revision counts.
            identifiers = people.of_person(connection, person, self._keys)
            if kept.record.identifiers != identifiers:
                kept = replace(kept, record=replace(kept.record, identifiers=identifiers))
        self.keep(kept)
        return kept


def _put(shelf: OrderedDict[str, Kept], kept: Kept) -> None:
    shelf[kept.record.person] = kept
    shelf.move_to_end(kept.record.person)
    if len(shelf) > _KEPT:
        shelf.popitem(last=False)
