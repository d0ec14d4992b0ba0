"""The databases that a store can lie in: SQLite and PostgreSQL, and the one list of what each of them gives.

Everything else of the store is SQL that both speak. `of` goes by a URL, `spoken` by a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from sqlalchemy import URL, Connection, Engine

from adapters.errors import BadSetup
from adapters.ports import LaneQueue
from adapters.store import postgres, sqlite
from adapters.store.lanes.threads import Ask

Turn: TypeAlias = Callable[[], AbstractContextManager[None]]


class StoreQueue(LaneQueue, Protocol):
    """The queue of a store's lanes, which closes with it."""

    def close(self) -> None:
        """Let go of what is open."""


class Dialect(Protocol):
    """What a database must give to be a store."""

    def is_memory(self, url: URL, /) -> bool:
        """Whether the database has one connection only and is gone when it closes."""

    def exists(self, url: URL, /) -> bool:
        """Whether there is a database to open; what is in it is looked at then."""

    def open_writer(self, url: URL, /) -> Engine:
        """An engine of one connection at a time, which writes in transactions that exclude all other writers.

        Raises `BadSetup` when the database does not promise that what was committed survives a power cut.
        """

    def open_readers(self, url: URL, /) -> Engine | None:
        """An engine of connections that read one snapshot each transaction; None where the writer must read."""

    def turns(self, url: URL, /) -> Turn:
        """Gives a context manager that holds while this process may write, where the database does not see to it."""

    def in_transaction(self, connection: Connection, /) -> bool:
        """Whether the transaction that was begun still is one that a COMMIT would write."""

    def guards(self) -> Iterator[str]:
        """The statements that make the triggers of what is only ever added to; run by the first migration."""

    def append_only(self, table: str, key: str, /) -> Iterator[str]:
        """The statements that make the triggers of one more table whose rows, known by `key`, are only ever added."""

    def make_queue(self, connection: Connection, /) -> None:
        """Make what the queue of lanes keeps; run by a migration."""

    def lane_queue(self, url: URL, read: Ask, write: Ask, /) -> StoreQueue:
        """The queue of the store's lanes; `read` and `write` run inside a transaction of the store."""

    def any_text(self, connection: Connection, /) -> AbstractContextManager[None]:
        """Within it a check reads text that is none any more, where the database lets such text be."""

    def beside(self, url: URL, /) -> Path | None:
        """Where the head of the seals is kept when nobody says where; None where there is no such place."""

    def settle(self, connection: Connection, /) -> None:
        """What is to be done once more after every upgrade, such as granting what is new."""

    def damage(self, connection: Connection, /) -> tuple[str, ...]:
        """What the database's own check finds; empty when all is well."""


_SPOKEN: Final[dict[str, Dialect]] = {"sqlite": sqlite, "postgresql": postgres}


def of(url: URL) -> Dialect:
    """The database that a URL names; raises `BadSetup` for one that no store speaks."""
    found = _SPOKEN.get(url.get_backend_name())
    if found is None:
        raise BadSetup((f"no store speaks {url.get_backend_name()}",))
    return found


def spoken(connection: Connection) -> Dialect:
    """The database at the other end of a connection."""
    return _SPOKEN[connection.dialect.name]
