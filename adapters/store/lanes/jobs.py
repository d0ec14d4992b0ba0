"""The queue of lanes on PostgreSQL: procrastinate's jobs, one for a lane, shared by the workers of all processes.

A job is put on the connection and in the transaction of the data. Its `lock` is the lane, so no lane is worked by two at
once; its `queueing_lock` is the lane as well, so many messages are one job; its arguments are the lane's id and nothing
else. Finished jobs are deleted. A worker that dies leaves its job begun: its heartbeat tells, and a task that runs every
minute has the job begun again.

What procrastinate keeps are lanes that are runnable; what waits in them is in our own table `waiting`. So a job that is
lost costs a minute, and one too many finds nothing to do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from adapters.errors import StoreDown
from adapters.ports import LaneCounts, LaneQueue
from adapters.store.lanes.locks import PATIENCE, NamedLocks
from adapters.store.lanes.threads import Ask, Together, delay

if TYPE_CHECKING:
    from procrastinate import App, JobContext
    from procrastinate.manager import JobManager
    from psycopg import AsyncConnection

# Procrastinate takes a quarter of a second to import, and a store on SQLite needs none of it: imported where used.

_LOG: Final = logging.getLogger(__name__)
LANE: Final = "lane"
"""The task of a lane."""
_RETRY: Final = "retry-stalled"
_QUEUE: Final = "lanes"
TABLES: Final = (
    "procrastinate_jobs",
    "procrastinate_events",
    "procrastinate_periodic_defers",
    "procrastinate_workers",
)
_AWAY: Final = 5.0
"""Seconds that a server that is away is waited for; a worker that stops waits that long to say so."""
_SWEEPER: Final = 1
"""Priority over lanes."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How workers show that they live, and when they are taken for dead."""

    heartbeat: float = 10.0
    """Seconds between two signs of life."""
    stalled: float = 30.0
    """Seconds without one."""
    retries: str = "* * * * *"
    """When stalled jobs are looked for: a cron expression; a sixth field is of seconds."""
    poll: float = 1.0
    """Seconds after which an idle worker looks without having been told."""


def make_tables(connection: Connection) -> None:
    """Make procrastinate's tables in the store's schema, vacuumed and analyzed after 500 changes however large.

    By the server's default a table is looked at after a fifth of it changed; a queue is then read through its dead rows
    and planned without statistics (measurements, part 6.1: 95 jobs a second in place of 620).
    """
    from procrastinate.schema import SchemaManager

    raw: Any = connection.connection.dbapi_connection
    raw.execute(SchemaManager.get_schema())
    for table in TABLES[:3]:
        raw.execute(
            f"ALTER TABLE {table} SET ("
            "autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0, "
            "autovacuum_vacuum_insert_threshold = 500, autovacuum_vacuum_insert_scale_factor = 0, "
            "autovacuum_analyze_threshold = 500, autovacuum_analyze_scale_factor = 0)"
        )


# A job that stands is left, and locked until our COMMIT: a worker that begins it now would look for what waits before
# our rows can be seen.
_STANDING: Final = """
SELECT queueing_lock FROM procrastinate_jobs
WHERE status = 'todo' AND queueing_lock = ANY (%s) FOR NO KEY UPDATE
"""
_NOBODY_SAYS: Final = """
SELECT person FROM waiting
WHERE NOT EXISTS (SELECT FROM procrastinate_jobs j WHERE j.lock = person AND j.status IN ('todo', 'doing'))
GROUP BY person ORDER BY min(seq), person
"""
_COUNTS: Final = """
SELECT count(*) FILTER (WHERE j.status = 'todo'), count(*) FILTER (WHERE j.status = 'doing'),
       count(*) FILTER (WHERE j.status = 'doing' AND (w.id IS NULL OR w.last_heartbeat < now() - make_interval(secs => %s)))
FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
WHERE j.task_name = %s AND j.status IN ('todo', 'doing')
"""
_RUNNABLE: Final = """
SELECT EXISTS (
    SELECT FROM procrastinate_jobs j
    WHERE j.status = 'todo' AND j.task_name = %s AND (j.scheduled_at IS NULL OR j.scheduled_at <= now())
      AND NOT EXISTS (SELECT FROM procrastinate_jobs o WHERE o.lock = j.lock AND o.status = 'doing')
)
"""
_KEY: Final = "hashtextextended(current_schema() || %s, 0)"
"""Of an advisory lock: stores in two schemas of a database do not wait for each other."""
# Sorted aside, and then locked in that order, one after the other.
_HOLD: Final = """
SELECT pg_advisory_lock(hashtextextended(current_schema() || name, 0))
FROM (SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS asked (name, place) ORDER BY place OFFSET 0) AS lanes
"""


class LaneJobs:
    """Implements `ports.LaneQueue` over all processes of a store. `locks`: connections that hold advisory locks."""

    def __init__(
        self, connecting: dict[str, Any], locks: Engine, read: Ask, write: Ask, pace: Pace | None = None
    ) -> None:
        self.pace = pace or Pace()
        """Read when workers start."""
        self._connecting = connecting
        self._locks = locks
        self._read = read
        self._write = write
        self._lanes = NamedLocks()
        self._tasks = NamedLocks()
        self._failures: dict[str, int] = {}
        self._begun: set[int] = set()
        self._suspects: frozenset[int] = frozenset()
        self._putting: JobManager | None = None

    # Runnable lanes

    def put(self, transaction: Connection, lanes: Iterable[str]) -> None:
        """Make lanes runnable inside the transaction."""
        self._put(transaction, lanes, None)

    def _put(self, transaction: Connection, lanes: Iterable[str], at: datetime | None) -> None:
        from procrastinate.exceptions import ConnectorException
        from procrastinate.jobs import Job

        wanted = list(dict.fromkeys(lanes))
        standing = set(transaction.exec_driver_sql(_STANDING, (wanted,)).scalars()) if wanted else set()
        jobs = [
            Job(
                queue=_QUEUE, lock=lane, queueing_lock=lane, task_name=LANE, task_kwargs={"lane": lane}, scheduled_at=at
            )
            for lane in wanted
            if lane not in standing
        ]
        if jobs:
            try:
                self._manager().batch_defer_jobs(jobs, connection=transaction.connection.dbapi_connection)
            except ConnectorException as error:
                raise StoreDown("the store could not put lanes") from error

    def _manager(self) -> JobManager:
        """Puts jobs on a connection that it is handed; opens none."""
        if self._putting is None:
            from procrastinate import SyncPsycopgConnector
            from procrastinate.manager import JobManager

            self._putting = JobManager(SyncPsycopgConnector())
        return self._putting

    def wake(self) -> None:
        """Nothing: the COMMIT notifies the workers of every process."""

    def counts(self) -> LaneCounts:
        """How many lanes wait, are worked, are stalled, in all processes."""
        asked = (self.pace.stalled, LANE)
        row = self._read(lambda c: c.exec_driver_sql(_COUNTS, asked).one())
        return LaneCounts(*map(int, row))

    # Workers

    def run(
        self,
        work: Callable[[str], None],
        *,
        workers: int,
        stopped: Callable[[], bool],
        together: Together = None,  # noqa: ARG002  # a job is one lane
    ) -> None:
        """Work lanes until `stopped`; a worker that the server's weather ends is begun again."""
        while not stopped():
            try:
                asyncio.run(self._until(self._worked(work, workers, wait=True), stopped))
            except Exception:  # noqa: BLE001  # whatever it was, the lanes go on
                _LOG.exception("the workers of the lanes ended, and are begun again")
            _pause(self.pace.poll, stopped)

    def drain(
        self,
        work: Callable[[str], None],
        *,
        workers: int,
        together: Together = None,  # noqa: ARG002  # as above
    ) -> None:
        """Work lanes until none is runnable now."""
        while self._read(lambda c: c.exec_driver_sql(_RUNNABLE, (LANE,)).scalar_one()):
            try:
                asyncio.run(self._worked(work, workers, wait=False))
            except Exception as error:
                raise StoreDown(f"the lanes cannot be worked ({type(error).__name__})") from error

    async def _until(self, working: Coroutine[Any, Any, None], stopped: Callable[[], bool]) -> None:
        """Workers that are cancelled begin nothing more and finish what they have begun."""
        running = asyncio.create_task(working)
        while not running.done():
            await asyncio.wait({running}, timeout=PATIENCE)
            if stopped():
                running.cancel()
                await asyncio.wait({running})
        if not running.cancelled():
            await running

    async def _worked(self, work: Callable[[str], None], workers: int, *, wait: bool) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(workers + 2, "lane"))
        app = self._app()

        @app.task(name=LANE, queue=_QUEUE, pass_context=True)
        def lane(context: JobContext, lane: str) -> None:
            self._begin(context.job.id or 0, lane, work)

        @app.periodic(cron=self.pace.retries)
        @app.task(name=_RETRY, queue=_QUEUE, priority=_SWEEPER, pass_context=True)
        async def retry(context: JobContext, timestamp: int) -> None:  # noqa: ARG001  # procrastinate's own argument
            await self._retried(context.app.job_manager, context.job.worker_id)
            await asyncio.to_thread(self._sweep)

        async with app.open_async():
            await app.run_worker_async(
                queues=[_QUEUE],
                concurrency=workers,
                wait=wait,
                fetch_job_polling_interval=self.pace.poll,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=self.pace.heartbeat,
                stalled_worker_timeout=self.pace.stalled,
            )

    def _app(self) -> App:
        from procrastinate import App, PsycopgConnector

        return App(
            connector=PsycopgConnector(
                conninfo="", kwargs=self._connecting, configure=_by_statement, min_size=1, max_size=4, timeout=_AWAY
            )
        )

    def _begin(self, job: int, lane: str, work: Callable[[str], None]) -> None:
        """One job. It never fails: what raises is put again for later, beside the job that ends now.

        Procrastinate's own retry makes the job itself wait again, which its queueing lock forbids when another message
        of the lane came meanwhile.
        """
        self._begun.add(job)
        try:
            work(lane)
            self._failures.pop(lane, None)
        except Exception:  # noqa: BLE001  # whoever works tells of it; the lane comes again
            self._failures[lane] = self._failures.get(lane, 0) + 1
            at = datetime.now(UTC) + timedelta(seconds=delay(self._failures[lane]))
            self._write(lambda connection: self._put(connection, [lane], at))
        finally:
            self._begun.discard(job)

    # What was begun and never finished

    def retry_stalled(self) -> int:
        """Have begun again what a dead worker had begun, and put lanes in which something waits and no job says so."""
        return asyncio.run(self._retried_once()) + self._sweep()

    async def _retried_once(self) -> int:
        app = self._app()
        async with app.open_async():
            return await self._retried(app.job_manager, None)

    async def _retried(self, manager: JobManager, own: int | None) -> int:
        stalled = list(await manager.get_stalled_jobs(queue=_QUEUE, seconds_since_heartbeat=self.pace.stalled))
        if own is not None:
            stalled += await self._orphans(manager, own)
        for job in stalled:
            await _again(manager, job.id or 0, delete=job.task_name != LANE)
        return len(stalled)

    async def _orphans(self, manager: JobManager, own: int) -> list[Any]:
        """Jobs of a worker that lives, which it is not at: the server went when it wanted to say that they are done.

        Taken for such at the second look, since a job is begun in the database before its thread has it.
        """
        doing = await manager.list_jobs_async(queue=_QUEUE, task=LANE, status="doing", worker_id=own)
        idle = {job.id: job for job in doing if job.id is not None and job.id not in self._begun}
        found = [job for id, job in idle.items() if id in self._suspects]
        self._suspects = frozenset(idle)
        return found

    def _sweep(self) -> int:
        lost: list[str] = self._read(lambda c: list(c.exec_driver_sql(_NOBODY_SAYS).scalars()))
        if lost:
            self._write(lambda connection: self.put(connection, lost))
        return len(lost)

    # Locks

    @contextmanager
    def held(self, lanes: Iterable[str]) -> Iterator[None]:
        """Hold lanes in all processes. Raises `StoreDown` when somebody else holds one for longer than 30 seconds."""
        with self._lanes.held(lanes) as ordered, self._session() as session:
            if ordered:
                _say(session, _HOLD, [f"|lane|{lane}" for lane in ordered])
            yield

    @contextmanager
    def alone(self, task: str, *, wait: Callable[[], bool] | None = None) -> Iterator[bool]:
        """Be the only one at a task, in all processes."""
        with self._tasks.alone(task, wait) as here:
            if not here:
                yield False
                return
            with self._session() as session:
                asked = f"SELECT pg_try_advisory_lock({_KEY})"
                while not (mine := bool(_say(session, asked, f"|task|{task}"))) and wait is not None and wait():
                    time.sleep(PATIENCE)
                yield mine

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        """A connection whose locks go with it, or else when it is given back."""
        try:
            session = self._locks.connect()
        except SQLAlchemyError as error:
            raise StoreDown(f"the store cannot lock ({type(error).__name__})") from error
        try:
            yield session
        finally:
            try:
                session.exec_driver_sql("SELECT pg_advisory_unlock_all()")
            except SQLAlchemyError:
                session.invalidate()
            session.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._locks.dispose()


async def _by_statement(connection: AsyncConnection[Any]) -> None:
    """Each statement of procrastinate is whole by itself: no round trips for its BEGIN and COMMIT."""
    await connection.set_autocommit(True)


def _say(session: Connection, statement: str, name: str | list[str]) -> Any:
    try:
        return session.exec_driver_sql(statement, (name,)).scalar()
    except SQLAlchemyError as error:
        raise StoreDown(f"the store cannot lock ({type(error).__name__})") from error


async def _again(manager: JobManager, job: int, *, delete: bool) -> None:
    from procrastinate.exceptions import ConnectorException, UniqueViolation
    from procrastinate.jobs import Status

    try:
        if not delete:
            await manager.retry_job_by_id_async(job, retry_at=datetime.now(UTC))
    except UniqueViolation:
        delete = True  # the lane was put again meanwhile: that job does for both
    except ConnectorException:
        return  # somebody else was faster
    if delete:
        with suppress(ConnectorException):
            await manager.finish_job_by_id_async(job, Status.FAILED, delete_job=True)


def _pause(seconds: float, stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not stopped() and time.monotonic() < until:
        time.sleep(PATIENCE)


def _is_a_queue(queue: LaneJobs) -> LaneQueue:
    """Nobody calls this: the type checker holds the class to its port here."""
    return queue
