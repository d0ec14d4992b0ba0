"""Sealing: the chain of seals goes on, its last seal is signed and told outside the database.

Whoever changes, swaps or takes out a sealed row must make all later seals anew, and cannot sign them; whoever cuts off
the end together with its seals leaves a head that knows better. What came after the last seal is the unsealed tail: its
rows open and fit or are named, but that its end is gone cannot be seen. All this is as safe as the key file and the
head file are: keep the head where the database's owner cannot write (ONCOCLAIMS_HEAD).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import Connection, func, select

from adapters.store import dialect
from adapters.store.chain import LOOSE, Seal, draw, ends, head_of, last_of, put, signable
from adapters.store.head import Head, HeadFile
from adapters.store.keys import KeyRing, Signed
from adapters.store.refusals import Damaged
from adapters.store.schema import journal, seals

T = TypeVar("T")


class Transaction(Protocol):
    """Runs work inside one transaction and gives what it gave."""

    def __call__(self, work: Callable[[Connection], T], /) -> T: ...


@dataclass(frozen=True, slots=True)
class Sealing:
    """How far the seals reach: `sealed` and `journal` are numbers of journal entries, those between are the tail."""

    seals: int
    sealed: int
    journal: int
    entries: int
    """Ledger entries that no seal holds yet."""

    @property
    def tail(self) -> int:
        """Journal entries that no seal holds yet."""
        return self.journal - self.sealed


class Sealer:
    """Seals one store. Safe to use from many threads and processes: a number is given once."""

    def __init__(self, read: Transaction, write: Transaction, keys: KeyRing, head: HeadFile | None) -> None:
        self._read = read
        self._write = write
        self._keys = keys
        self._head = head
        self._one_at_a_time = threading.RLock()

    def seal(self, now: datetime) -> int:
        """Seal what no seal holds yet and write the head; how many journal entries were sealed.

        Cheap when there is nothing. Raises `StoreDown`; `Damaged` where the head and the seals on file do not fit, for
        writing the head anew would hide what it knows.
        """
        with self._one_at_a_time:
            said = self.head()
            last, own = self._read(lambda c: ends(c, said))
            if said is None and last is not None:
                # Another process may have made the first seal between the two looks, and a head before it.
                said = self.head()
                last, own = self._read(lambda c: ends(c, said))
            wrong = tuple(_unfit(said, last, own, self._keys)) if self._head is not None else ()
            if wrong:
                raise Damaged(f"{wrong[0]}; nothing is sealed until `oncoclaims verify` is in order")
            done = 0
            while drawn := self._read(lambda c: draw(c, now, self._keys)):
                if last is None:
                    # Not before something is drawn: a journal that is empty now may not be a moment later.
                    self._begin()
                if self._write(partial(put, drawn=drawn)):
                    done += drawn.seal.last - drawn.seal.first + 1
                last = drawn.seal
                # Before the next: a cut of power may leave the head one seal behind, never more.
                self.write_head()
                said = self.head()
            if last is not None and (said is None or said.number < last.number):
                self.write_head()
            return done

    def _begin(self) -> None:
        """Write a head of no seal before the first one: a store with seals and no head has lost it, whenever seen."""
        head = self._head
        if head is None:
            return

        def work(connection: Connection) -> None:
            if connection.execute(_JOURNAL_END).scalar() is not None and last_of(connection) is None:
                none = Head(0, 0, "", "", b"")
                head.write(Head(0, 0, "", *self._keys.sign(signable(none))))

        with self._one_at_a_time:
            if self._read(lambda c: c.execute(_JOURNAL_END).scalar()) is not None:
                self._write(work)

    def write_head(self) -> None:
        """Write the head from the last seal on file, whatever the head said before."""
        head = self._head
        if head is None:
            return

        # In a writer's turn: of two processes that seal, the one that was first must not write its head last.
        def work(connection: Connection) -> None:
            last = last_of(connection)
            if last is not None:
                head.write(head_of(last))

        with self._one_at_a_time:
            self._write(work)

    def faults(self, check: Callable[[Connection], Iterable[str]]) -> tuple[str, ...]:
        """What `check` finds, and in what the head does not fit the seals, in one snapshot."""
        if self._head is None:
            return self._read(lambda c: tuple(check(c)))
        # Before the snapshot: the head is written after its seal, so this one cannot rightly be the newer of the two.
        try:
            said = self._head.read()
            found, (last, own) = self._read(lambda c: (tuple(check(c)), _ends_of_any_text(c, said)))
            # A head that is behind, or not there yet, may have been written while we looked.
            behind = last is not None and (said is None or said.number < last.number)
            again = self._head.read() if behind else said
        except Damaged as damaged:
            return (*self._read(lambda c: tuple(check(c))), str(damaged))
        if said is None and again is not None:
            return found
        told = [*_unfit(said, last, own, self._keys)]
        if not told and last is not None and again is not None and again.number < last.number:
            told.append(f"head: it is of seal {again.number}, the store has {last.number}; sealing mends that")
        return (*found, *told)

    def head(self) -> Head | None:
        """What the head file says; None where there is none. Raises `Damaged` for one that cannot be read."""
        return None if self._head is None else self._head.read()

    def state(self) -> Sealing:
        """How far the seals reach."""
        return self._read(state_of)


_JOURNAL_END = select(func.max(journal.c.seq))


def state_of(connection: Connection) -> Sealing:
    """How far the seals reach, in the caller's snapshot."""
    count, sealed = connection.execute(select(func.count(), func.coalesce(func.max(seals.c.last), 0))).one()
    last = connection.execute(_JOURNAL_END).scalar()
    loose = connection.execute(select(func.count()).select_from(LOOSE.subquery())).scalar_one()
    return Sealing(int(count), int(sealed), int(last or 0), int(loose))


def unfit(connection: Connection, said: Head, keys: KeyRing) -> tuple[str, ...]:
    """Why the head is not one that the seals on file ever had; nothing when it is one of theirs."""
    return tuple(_unfit(said, *ends(connection, said), keys))


def _unfit(said: Head | None, last: Seal | None, own: Seal | None, keys: KeyRing) -> Iterator[str]:
    """Why the head is not one that these seals ever had: the last one, and the one of the head's number."""
    if said is None:
        if last is not None:
            yield f"head: the head file is missing, the store has {last.number} seals"
    elif said.signature and not keys.has_signed(signable(said), Signed(said.key_id, said.signature)):
        yield "head: its signature is not that of a signer in the key file"
    elif own is None and said.number == 0:
        return  # the head before the first seal
    elif own is None:
        number, reached = (last.number, last.last) if last is not None else (0, 0)
        yield (
            f"head: it is of seal {said.number} up to journal entry {said.last}, the store's seals end with "
            f"{number} at entry {reached}: the journal was cut off"
        )
    elif head_of(own) != said:
        yield f"head: it is not of this store's seal {said.number}"


def _ends_of_any_text(connection: Connection, said: Head | None) -> tuple[Seal | None, Seal | None]:
    """The last seal and the one that the head names, also where a flipped bit left no UTF-8: that is to be told, not raised."""
    with dialect.spoken(connection).any_text(connection):
        return ends(connection, said)
