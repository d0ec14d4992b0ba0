"""What may be used once only: remembered in the database, so that neither a restart nor a second process forgets it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection, delete, insert, select

from adapters.store import codec
from adapters.store.schema import used_once

T = TypeVar("T")

_LONGER: Final = timedelta(hours=1)
"""How much longer it is remembered than asked for: a clock may be put back."""


class OnceRows(Protocol):
    """The part of a store that remembers what was used, over its way to write."""

    def _write(self, work: Callable[[Connection], T]) -> T:
        """Do it in one transaction of the writer."""
        ...

    def first_use(self, id: str, until: datetime, now: datetime) -> bool:
        """Whether nobody used it before; from now on somebody has. Returns after the COMMIT that holds it.

        `id` is a digest, never what was sent; it is remembered until `until` (aware) and an hour longer. Raises
        `StoreDown`: then nobody knows, and it must be taken for used.
        """
        forgotten, kept = codec.micros(now - _LONGER), codec.micros(until)

        def work(connection: Connection) -> bool:
            connection.execute(delete(used_once).where(used_once.c.until < forgotten))
            if connection.execute(select(used_once.c.id).where(used_once.c.id == id)).first() is not None:
                return False
            connection.execute(insert(used_once), [{"id": id, "until": kept}])
            return True

        return self._write(work)
