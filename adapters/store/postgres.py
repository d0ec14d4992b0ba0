"""PostgreSQL: connections, what they promise, guards, the intake. Only `roles`, `lanes.jobs` and `editions.postgres`
beside it speak its dialect.

Durability is fsync, full_page_writes and a synchronous_commit that waits for the disk: read whenever a connection is
made, for a server comes back from a restart with other settings. All writers of a database take turns by one advisory
lock, held to the COMMIT: so the journal's numbers have no gaps, and no smaller one comes after a number once seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from adapters.errors import BadSetup, StoreDown
from adapters.store import roles
from adapters.store.lanes import jobs as lane_jobs
from adapters.store.lanes.jobs import LaneJobs
from adapters.store.lanes.threads import Ask

NAME: Final = "postgresql"
DRIVER: Final = "postgresql+psycopg"

OLDEST: Final = 150000
"""server_version_num of the oldest server that the tests run on."""
_READERS: Final = 16
_LOCKERS: Final = 16
"""Connections that hold lanes, at most: one for each thread that does."""
_LOCK: Final = 0x6F6E636F636C61
"""The advisory lock of all writers of a database."""
_BEGIN_WRITING: Final = f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({_LOCK})"
"""One round trip. Read committed: every later statement sees what the writer before us committed."""
_BEGIN_READING: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SESSION: Final = {
    "lock_timeout": "30s",
    # A process that hangs inside a transaction lets go of the lock.
    "idle_in_transaction_session_timeout": "60s",
    "TimeZone": "UTC",
}
_SETTING: Final = "SELECT " + ", ".join(["set_config(%s, %s, false)"] * len(_SESSION))
_CONNECT: Final = {
    "application_name": "oncoclaims",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

GUARDED: Final = ("journal", "entries", "entry_lines")
_ADDED_LATER: Final = ("seals", "sealed_entries")
"""Guarded by the migrations that made them."""


class Untrusted(StoreDown):
    """The server does not promise what an acknowledgement promises."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


# Connections


def is_memory(_url: URL) -> bool:
    """Never: a database of a server outlives its connections."""
    return False


def exists(_url: URL) -> bool:
    """Whether it does is seen when it is opened: there is no looking without."""
    return True


def turns(_url: URL) -> Callable[[], AbstractContextManager[None]]:
    """The advisory lock of a writing transaction sees to the turns."""
    return nullcontext


def open_writer(url: URL) -> Engine:
    """An engine of one connection, whose transactions exclude all other writers of the database.

    Raises `BadSetup` for a server that cannot be reached, is too old, only reads, or could lose what it committed.
    """
    engine = _engine(url, _BEGIN_WRITING, _vouch_for_writing, pool_size=1, max_overflow=0)
    try:
        with engine.connect():
            pass
    except Untrusted as error:
        engine.dispose()
        raise BadSetup(error.problems) from None
    except SQLAlchemyError as error:
        engine.dispose()
        # The driver's texts name hosts and users.
        raise BadSetup((f"the PostgreSQL database does not open: {type(error).__name__}",)) from None
    return engine


def open_readers(url: URL) -> Engine | None:
    """An engine of reading connections: a transaction reads one snapshot of the last commit and cannot write."""
    return _engine(url, _BEGIN_READING, _vouch_for_reading, pool_size=4, max_overflow=_READERS - 4)


def lane_queue(url: URL, read: Ask, write: Ask) -> LaneJobs:
    """Jobs of the database itself, for the workers of all processes. Nothing is connected until it is used."""
    locks = _engine(url, "", _vouch_for_reading, pool_size=2, max_overflow=_LOCKERS - 2)
    _, said = locks.dialect.create_connect_args(url.set(drivername=DRIVER))
    connecting = {**_connecting(url), **{name: value for name, value in said.items() if name != "context"}}
    return LaneJobs(connecting, locks, read, write)


def _connecting(url: URL) -> dict[str, str]:
    return {name: value for name, value in _CONNECT.items() if name not in url.query}


def _engine(url: URL, begin: str, vouch: Callable[[Any], None], *, pool_size: int, max_overflow: int) -> Engine:
    _choose_secrecy(url)
    engine = create_engine(
        url.set(drivername=DRIVER),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_timeout=30,
        connect_args=_connecting(url),
        hide_parameters=True,
        use_native_hstore=False,
    )

    @event.listens_for(engine, "connect", insert=True)
    def _set(connection: Any, _record: Any) -> None:
        # Transactions begin where we say, and a group of statements needs no round trip for it.
        connection.autocommit = True
        connection.execute(_SETTING, [word for setting in _SESSION.items() for word in setting])
        vouch(connection)

    if begin:

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

    return engine


def _choose_secrecy(url: URL) -> None:
    """Over a network somebody has said whether the server is known and the line is secret: libpq falls back silently."""
    host = url.query.get("host") or url.host or ""
    hosts = (host,) if isinstance(host, str) else host
    local = all(h.startswith(("/", "@")) or h in ("", "localhost", "127.0.0.1", "::1") for h in hosts)
    if not local and "sslmode" not in url.query:
        raise BadSetup(("a PostgreSQL server on another machine: say ?sslmode=verify-full in the store's URL",))


_PROMISES: Final = """
SELECT current_setting('server_version_num')::int, current_setting('fsync'), current_setting('full_page_writes'),
       -- The same again, for this session: a reload of the server's settings does not change it under us.
       set_config('synchronous_commit', current_setting('synchronous_commit'), false),
       current_setting('server_encoding'), pg_is_in_recovery(), current_setting('default_transaction_read_only')
"""


def _vouch_for_writing(connection: Any) -> None:
    problems = broken_promises(connection.execute(_PROMISES).fetchone())
    if problems:
        raise Untrusted(problems)


def _vouch_for_reading(_connection: Any) -> None:
    """Reading promises nothing; a standby may be read."""


def broken_promises(said: Sequence[Any]) -> tuple[str, ...]:
    """What is wrong with a server that said this of itself (`_PROMISES`); empty when all is well."""
    version, fsync, pages, commit, encoding, standby, read_only = said
    problems = []
    if version < OLDEST:
        problems.append(f"PostgreSQL {version // 10000} is older than {OLDEST // 10000}")
    if fsync != "on":
        problems.append("PostgreSQL fsync is off: acknowledged messages would not survive a power cut")
    if pages != "on":
        problems.append("PostgreSQL full_page_writes is off: a page half written in a power cut stays so")
    if commit not in ("on", "local", "remote_write", "remote_apply"):
        problems.append("PostgreSQL synchronous_commit is off: acknowledged messages would not survive a crash")
    if encoding != "UTF8":
        problems.append(f"the PostgreSQL database is encoded in {encoding}, not UTF8")
    if standby or read_only != "off":
        problems.append("the PostgreSQL server only reads: a standby, or default_transaction_read_only")
    return tuple(problems)


def in_transaction(connection: Connection) -> bool:
    """Whether the transaction would be written: after a fault that nobody saw, COMMIT quietly rolls back."""
    from psycopg.pq import TransactionStatus

    inner: Any = connection.connection.dbapi_connection
    return bool(inner.info.transaction_status == TransactionStatus.INTRANS)


# Guards. A function finds its tables by the trigger's own schema, and nothing else by the caller's search path: a
# temporary table of the same name would otherwise stand in the way.

_HEAD: Final = "RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS"
_REFUSE: Final = f"""CREATE FUNCTION only_added() {_HEAD} $$
BEGIN
    RAISE EXCEPTION '%: rows are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$"""
_BALANCE: Final = f"""CREATE FUNCTION entries_balance() {_HEAD} $$
DECLARE total numeric;
BEGIN
    EXECUTE format('SELECT sum(amount) FROM %I.entry_lines WHERE entry = $1', TG_TABLE_SCHEMA) INTO total USING NEW.id;
    -- Without lines the sum is null: an entry without lines is not balanced either.
    IF total IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'entries: the lines do not sum to zero' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$"""
# The lock: the entry may be in a transaction that has not committed yet.
_LINES_FIRST: Final = f"""CREATE FUNCTION entry_lines_before_entry() {_HEAD} $$
DECLARE there boolean;
BEGIN
    PERFORM pg_advisory_xact_lock({_LOCK});
    EXECUTE format('SELECT EXISTS (SELECT FROM %I.entries WHERE id = $1)', TG_TABLE_SCHEMA) INTO there USING NEW.entry;
    IF there THEN
        RAISE EXCEPTION 'entry_lines: an entry on file takes no more lines' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$"""


class _Trigger(NamedTuple):
    name: str
    table: str
    text: str


def _only_added(table: str) -> _Trigger:
    when = f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION only_added()"
    return _Trigger(f"{table}_only_added", table, f"CREATE TRIGGER {table}_only_added {when}")


def _triggers() -> Iterator[_Trigger]:
    yield from map(_only_added, GUARDED)
    yield _Trigger(
        "entries_balance",
        "entries",
        "CREATE CONSTRAINT TRIGGER entries_balance AFTER INSERT ON entries DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION entries_balance()",
    )
    yield _Trigger(
        "entry_lines_before_entry",
        "entry_lines",
        "CREATE TRIGGER entry_lines_before_entry BEFORE INSERT ON entry_lines "
        "FOR EACH ROW EXECUTE FUNCTION entry_lines_before_entry()",
    )


def guards() -> Iterator[str]:
    """The triggers that hold what is only ever added to, and the balance of the ledger at the COMMIT.

    They fire always: `session_replication_role`, by which a superuser silences triggers, does not silence these.
    """
    yield from (_REFUSE, _BALANCE, _LINES_FIRST)
    for trigger in _triggers():
        yield from _made(trigger)


def append_only(table: str, _key: str) -> Iterator[str]:
    """The trigger of one more table whose rows are only ever added; a row of the same key is refused anyway."""
    yield from _made(_only_added(table))


def _made(trigger: _Trigger) -> Iterator[str]:
    yield trigger.text
    yield f"ALTER TABLE {trigger.table} ENABLE ALWAYS TRIGGER {trigger.name}"


def make_queue(connection: Connection) -> None:
    """The tables of the jobs, in the store's schema; run by a migration."""
    lane_jobs.make_tables(connection)


def any_text(_connection: Connection) -> AbstractContextManager[None]:
    """The server lets no text be that is none."""
    return nullcontext()


def beside(_url: URL) -> Path | None:
    """Nowhere: beside a server's files is not ours. ONCOCLAIMS_HEAD says where."""
    return None


_ENABLED: Final = """
SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND t.tgenabled = 'A'
"""


def damage(connection: Connection) -> tuple[str, ...]:
    """Guards that somebody took away or switched off. Pages are the server's to check (data_checksums, pg_amcheck)."""
    there = set(connection.exec_driver_sql(_ENABLED).scalars())
    due = (*_triggers(), *map(_only_added, _ADDED_LATER))
    return tuple(f"{t.table}: its guard {t.name} is gone or switched off" for t in due if t.name not in there)


# What follows an upgrade


def settle(connection: Connection) -> None:
    """Make the roles and grant them what is new; raises `BadSetup` when one is missing that this login may not make."""
    roles.settle(connection)


# The intake

_COLUMNS: Final = {
    "id": "text",
    "kind": "text",
    "at": "bigint",
    "actor": "text",
    "channel": "text",
    "sender": "text",
    "media": "text",
    "control": "text",
    "digest": "text",
    "key_id": "text",
    "body": "bytea",
    "answer": "bytea",
    "control_key": "text",
}
_NAMES: Final = ", ".join(_COLUMNS)
_SETS: Final = ", ".join(f"%({name})b::{kind}[]" for name, kind in _COLUMNS.items())

# Every part sees the journal as it was before: the lock was taken by the statement that began the transaction.
# ruff: noqa: S608  # our own column names; every value is a parameter
_ENTER: Final = f"""
WITH came AS (
    SELECT * FROM unnest({_SETS}) WITH ORDINALITY AS came ({_NAMES}, place)
), on_file AS (
    SELECT id, key_id, answer FROM journal WHERE id = ANY (%(id)b::text[])
), used AS (
    SELECT DISTINCT control_key FROM journal WHERE control_key = ANY (%(control_key)b::text[])
), entered AS (
    INSERT INTO journal (seq, {_NAMES})
    SELECT (SELECT coalesce(max(seq), 0) FROM journal) + row_number() OVER (ORDER BY place), {_NAMES}
    FROM came WHERE id NOT IN (SELECT id FROM on_file)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, seq
), queued AS (
    INSERT INTO queue (entry, seq, state, reason, tick)
    SELECT id, seq, %(state)s::text, '', %(tick)s::bigint FROM entered
)
SELECT came.id, entered.seq, on_file.key_id, on_file.answer, used.control_key
FROM came
LEFT JOIN entered ON entered.id = came.id
LEFT JOIN on_file ON on_file.id = came.id
LEFT JOIN used ON used.control_key = came.control_key
ORDER BY came.place
"""


class Entered(NamedTuple):
    """What became of a row for the journal: its new number, or else the answer that is on file."""

    id: str
    seq: int | None
    key_id: str | None
    answer: bytes | None
    control_used: str | None
    """Its control key, when an entry on file has the same."""


def enter(connection: Connection, rows: Sequence[dict[str, Any]], state: str, tick: int | None) -> list[Entered]:
    """Write those of these rows that are not on file at the end of the journal and into its queue, in one statement.

    The rows are of distinct ids; their order is kept. Raises `StoreDown` when a row came on file meanwhile, by someone
    who writes without the lock.
    """
    sets: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
    found = connection.exec_driver_sql(_ENTER, {**sets, "state": state, "tick": tick})
    told = [Entered(*row) for row in found]
    if any(one.seq is None and one.key_id is None for one in told):
        raise StoreDown("a row came into the journal beside the lock of all writers")
    return told
