"""Work items outside the step of a lane: those of nobody (a parked message), and those that are read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection, func, insert, select, update

from adapters.model.work import WorkItem
from adapters.store import changes, codec, listing, records
from adapters.store.keys import KeyRing
from adapters.store.schema import work_items

T = TypeVar("T")


def put(connection: Connection, item: WorkItem, keys: KeyRing) -> None:
    """Write a work item: over the one of its id, or at the end of its lane."""
    sealed = keys.seal(codec.encode(item), records.WORK.place_of(item.person, item.id))
    content = {"key_id": sealed.key_id, "sealed": sealed.data, **records.work_columns(item)}
    same = (work_items.c.person == item.person) & (work_items.c.id == item.id)
    if connection.execute(update(work_items).where(same).values(**content)).rowcount == 0:
        last = select(func.coalesce(func.max(work_items.c.place) + 1, 0)).where(work_items.c.person == item.person)
        place = connection.execute(last).scalar_one()
        connection.execute(insert(work_items), [{"person": item.person, "id": item.id, "place": place, **content}])
    if item.person:
        changes.touch(connection, item.person)


def of_nobody(connection: Connection, id: str, keys: KeyRing) -> WorkItem | None:
    """The item of this id that concerns no person, open or closed; None where there is none."""
    asked = (work_items.c.person == "", work_items.c.id == id)
    found = listing.everyones(connection, records.WORK, keys, *asked)
    return found[0].value if found else None


def put_trouble(connection: Connection, item: WorkItem, keys: KeyRing) -> None:
    """Write an item about trouble that is there again; one that a person closed stays closed while it says the same."""
    known = of_nobody(connection, item.id, keys)
    if known is None or not known.closed_by or known.detail != item.detail:
        put(connection, item, keys)


class ItemRows(Protocol):
    """The part of a store that changes items which concern nobody."""

    _keys: KeyRing

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do it in one transaction of the writer."""
        ...

    def change_item(self, id: str, change: Callable[[WorkItem], WorkItem]) -> bool:
        """Write what a change makes of a work item that concerns no person; False where there is none of this id."""

        def work(connection: Connection) -> bool:
            known = of_nobody(connection, id, self._keys)
            if known is not None and (changed := change(known)) != known:
                put(connection, changed, self._keys)
            return known is not None

        return self._write(work)
