"""The one writer: a thread that takes all that waits, writes it in one transaction, commits once, and then answers.

While a commit reaches the disk the next group gathers; there is no waiting for company. Nobody is answered before the
COMMIT that holds their rows has returned. One bad unit of work fails alone: units run in savepoints of their own, and
should the group still fail (a bad receipt in a set, a deferred constraint at the COMMIT), each of it is run again in a
transaction of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from adapters.errors import StoreDown
from adapters.store.dialect import Turn, spoken

T = TypeVar("T")

Work = Callable[[Connection], T]
"""What is done inside the transaction. It may be run again after a rollback, so it changes nothing but rows."""

_LARGEST_GROUP: Final = 256


@dataclass(frozen=True, slots=True)
class _Unit(Generic[T]):
    """Work with the promise of its result."""

    work: Work[T]
    promise: Future[T] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    """One of many things alike, which a set-based statement writes together."""

    value: Any
    promise: Future[T] = field(default_factory=Future)


class Writer(Generic[T]):
    """`take_all` writes a set of like items (receipts) in one go and gives their results in the same order."""

    def __init__(
        self, engine: Engine, turn: Turn, take_all: Callable[[Connection, Sequence[Any]], Sequence[T]]
    ) -> None:
        self._engine = engine
        self._turn = turn
        self._take_all = take_all
        self._waiting: SimpleQueue[_Unit[Any] | _Item[T] | None] = SimpleQueue()
        # Guards the moment of closing only: nothing may be put behind the stop mark.
        self._gate = threading.Lock()
        self._closed = False
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def take(self, value: Any) -> Future[T]:
        """Queue an item for the next set; the future is done after its COMMIT."""
        item: _Item[T] = _Item(value)
        self._put(item)
        return item.promise

    def run(self, work: Work[Any]) -> Future[Any]:
        """Queue a unit of work for the next group; the future is done after its COMMIT."""
        unit: _Unit[Any] = _Unit(work)
        self._put(unit)
        return unit.promise

    def close(self) -> None:
        """Write what waits, then stop. Whoever comes later gets `StoreDown`."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._thread.join()

    def _put(self, job: _Unit[Any] | _Item[T]) -> None:
        with self._gate:
            if self._closed:
                raise StoreDown("the store is closed")
            self._waiting.put(job)

    def _run(self) -> None:
        while True:
            group: list[_Unit[Any] | _Item[T]] = []
            job = self._waiting.get()
            while job is not None:
                if job.promise.set_running_or_notify_cancel():
                    group.append(job)
                if len(group) == _LARGEST_GROUP:
                    break
                try:
                    job = self._waiting.get_nowait()
                except Empty:
                    break
            if group:
                self._commit(group)
            if job is None:
                break
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> Connection:
        """The one connection, opened when it is first needed; SQLAlchemy opens one that was cut when it is used again."""
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _commit(self, group: Sequence[_Unit[Any] | _Item[T]]) -> None:
        """One transaction for the group; answers everyone in it."""
        done: list[tuple[Future[Any], Any]] = []
        failed: list[tuple[Future[Any], BaseException]] = []
        try:
            with self._turn():
                connection = self._connected()
                try:
                    with connection.begin():
                        self._write(connection, group, done, failed)
                        # A full disk makes SQLite roll back by itself, and a fault that was swallowed makes PostgreSQL
                        # do so at the COMMIT; both say nothing.
                        if not spoken(connection).in_transaction(connection):
                            raise StoreDown("the database took its transaction back")
                except BaseException:
                    _roll_back(connection)
                    raise
        except Exception as error:  # noqa: BLE001  # handed to whoever asked; the writer goes on
            if len(group) == 1 or _is_weather(error):
                for job in group:
                    _fail(job.promise, error)
            else:
                for job in group:
                    self._commit([job])
            return
        for promise, result in done:
            promise.set_result(result)
        for promise, reason in failed:
            _fail(promise, reason)

    def _write(
        self,
        connection: Connection,
        group: Sequence[_Unit[Any] | _Item[T]],
        done: list[tuple[Future[Any], Any]],
        failed: list[tuple[Future[Any], BaseException]],
    ) -> None:
        items = [job for job in group if isinstance(job, _Item)]
        units = [job for job in group if isinstance(job, _Unit)]
        if not units:
            done += self._written(connection, items)
            return
        if len(group) == 1:
            done.append((units[0].promise, units[0].work(connection)))
            return
        if items:
            try:
                with connection.begin_nested():
                    done += self._written(connection, items)
            except Exception:  # noqa: BLE001  # found again at the one item that causes it
                for item in items:
                    _attempt(connection, self._one(item.value), item.promise, done, failed)
        for unit in units:
            _attempt(connection, unit.work, unit.promise, done, failed)

    def _written(self, connection: Connection, items: Sequence[_Item[T]]) -> list[tuple[Future[Any], Any]]:
        results = self._take_all(connection, [item.value for item in items])
        return [(item.promise, result) for item, result in zip(items, results, strict=True)]

    def _one(self, value: Any) -> Work[T]:
        return lambda connection: self._take_all(connection, [value])[0]


def _attempt(
    connection: Connection,
    work: Work[Any],
    promise: Future[Any],
    done: list[tuple[Future[Any], Any]],
    failed: list[tuple[Future[Any], BaseException]],
) -> None:
    try:
        with connection.begin_nested():
            result = work(connection)
    except Exception as error:  # noqa: BLE001  # handed to whoever asked; the group goes on
        failed.append((promise, error))
        return
    done.append((promise, result))


def _is_weather(error: BaseException) -> bool:
    """Whether it would be the same for everyone in the group."""
    gone = isinstance(error, DBAPIError) and error.connection_invalidated
    return gone or isinstance(error, OperationalError | OSError | StoreDown)


def _roll_back(connection: Connection) -> None:
    """End the transaction that a refused COMMIT left open: SQLAlchemy takes it for ended."""
    if connection.invalidated:  # the line is cut; the server rolls back by itself
        return
    inner = connection.connection.dbapi_connection
    if inner is not None:
        inner.rollback()


def _fail(promise: Future[Any], error: BaseException) -> None:
    if isinstance(error, SQLAlchemyError | OSError):
        # The driver's text may name columns, never values: parameters are hidden in every engine.
        down = StoreDown(f"the store could not write ({type(error).__name__})")
        down.__cause__ = error
        error = down
    promise.set_exception(error)
