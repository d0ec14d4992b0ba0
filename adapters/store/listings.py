"""The questions that listings, the page and the figures ask of a store: nothing here writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar, overload

from sqlalchemy import Connection, func, select

from adapters.model.charge import Finding, Hold, Skip
from adapters.model.claim import ClaimOnFile
from adapters.model.ledger import Account, Entry
from adapters.model.money import Cents
from adapters.model.record import ChargeOnFile, Parked
from adapters.model.remittance import Remittance
from adapters.model.work import WorkItem
from adapters.store import codec, journal, ledger, listing, records, schema
from adapters.store.keys import KeyRing
from adapters.store.listing import Counts, Found, JournalLine, Of

T = TypeVar("T")


class Listings(Protocol):
    """What a store is made of that answers these questions: a key ring, and a way to read one snapshot."""

    _keys: KeyRing

    def _read(self, ask: Callable[[Connection], T]) -> T:
        """Ask within one snapshot of the last commit."""
        ...

    def due_lanes(self, now: datetime) -> tuple[str, ...]:
        """Persons who have something due at or before the instant."""
        due = schema.due
        asked = select(due.c.person).distinct().where(due.c.not_before <= codec.micros(now)).order_by(due.c.person)
        return self._read(lambda c: tuple(c.execute(asked).scalars()))

    def next_due(self) -> datetime | None:
        """When the next thing falls due in any lane, or None when nothing waits."""
        asked = select(func.min(schema.due.c.not_before))
        found = self._read(lambda connection: connection.execute(asked).scalar_one_or_none())
        return None if found is None else codec.instant(int(found))

    def lanes(self) -> tuple[str, ...]:
        """All persons on file, by id."""
        asked = select(schema.persons.c.id).order_by(schema.persons.c.id)
        return self._read(lambda c: tuple(c.execute(asked).scalars()))

    def lanes_after(self, lane: str, limit: int) -> tuple[str, ...]:
        """The persons on file behind this one, by id, at most so many; with the empty text from the first."""
        persons = schema.persons
        asked = select(persons.c.id).where(persons.c.id > lane).order_by(persons.c.id).limit(limit)
        return self._read(lambda c: tuple(c.execute(asked).scalars()))

    @overload
    def charges(self, held: Literal[False] = False) -> tuple[Of[ChargeOnFile], ...]: ...
    @overload
    def charges(self, held: Literal[True]) -> tuple[Of[Hold], ...]: ...
    def charges(self, held: bool = False) -> tuple[Of[ChargeOnFile], ...] | tuple[Of[Hold], ...]:
        """Every charge on file, or every line held back."""
        return self._everyones(records.HOLDS if held else records.CHARGES)

    def claims(self) -> tuple[Of[ClaimOnFile], ...]:
        """Every claim and where it stands."""
        return self._everyones(records.CLAIMS)

    def skips(self) -> tuple[Of[Skip], ...]:
        """Every event that owes nothing by itself, and why."""
        return self._everyones(records.SKIPS)

    def findings(self) -> tuple[Of[Finding], ...]:
        """Every finding."""
        return self._everyones(records.FINDINGS)

    def remittances(self) -> tuple[Of[Remittance], ...]:
        """Every adjudication."""
        return self._everyones(records.REMITTANCES)

    def worklist(self, closed: bool = False) -> tuple[WorkItem, ...]:
        """Open work items by deadline, those without one last; with `closed`, the closed ones too."""
        return self._read(lambda c: listing.worklist(c, self._keys, closed=closed))

    def marks(self, lanes: Iterable[str]) -> Mapping[str, str]:
        """A mark of each of these records that is on file, another one after every change of it or of its lanes."""
        return self._read(lambda c: listing.marks(c, tuple(lanes)))

    def work_item(self, id: str) -> WorkItem | None:
        """The work item of this id, open or closed."""
        found = self._read(lambda c: listing.everyones(c, records.WORK, self._keys, schema.work_items.c.id == id))
        return found[0].value if found else None

    def ledger_entries(self) -> tuple[Of[Entry], ...]:
        """Every ledger entry, by person in the order made."""
        return self._read(lambda c: tuple(Of(person, entry) for person, entry in ledger.everyones(c)))

    def trial_balance(self) -> dict[Account, Cents]:
        """The sum of every account in minor units; together they are zero."""
        return self._read(ledger.trial_balance)

    def counts(self) -> Counts:
        """The journal by what became of its entries: what came in is unread, taken or parked, and nothing else."""
        return self._read(listing.counts)

    def parked(self) -> tuple[Parked, ...]:
        """All that is parked, with its reason, in the order of the journal."""
        return self._read(lambda c: journal.parked(c, self._keys))

    def conflicts(self) -> tuple[tuple[str, str, datetime], ...]:
        """Pairs of lanes that one message named as one person, and when last; nothing was merged."""
        asked = select(schema.conflicts).order_by(schema.conflicts.c.at)
        return self._read(lambda c: tuple((r.person, r.other, codec.instant(r.at)) for r in c.execute(asked)))

    def find(self, id: str) -> tuple[Found, ...]:
        """What an id is, and whose: mostly one thing, none for an unknown id."""
        return self._read(lambda c: listing.find(c, id))

    def messages(self, after: int = 0, limit: int = 1000) -> tuple[JournalLine, ...]:
        """The journal after a number, without bodies."""
        return self._read(lambda c: listing.messages(c, after, limit))

    def _everyones(self, shelf: records.Shelf) -> tuple[Of[Any], ...]:
        return self._read(lambda c: listing.everyones(c, shelf, self._keys))
