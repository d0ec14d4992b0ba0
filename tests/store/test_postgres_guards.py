"""PostgreSQL itself holds what is only ever added to, the balance of the ledger, and who may do what. By raw SQL."""

# ruff: noqa: S608  # raw SQL over our own table names is what these tests are about

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import errors

from adapters.errors import BadSetup, StoreDown
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord
from adapters.store import KeyRing, migrate, open_store, roles, schema
from adapters.store.lanes import jobs as lane_jobs

pytestmark = pytest.mark.system

ADDED = ("journal", "entries", "entry_lines", "seals", "sealed_entries")
POSTED = "INSERT INTO entry_lines VALUES (%s, %s, 'charges', %s, 'c', 1)"
TABLES = tuple(sorted((*schema.metadata.tables, *lane_jobs.TABLES)))


@pytest.fixture
def filled(postgres, postgres_database: str, keys: KeyRing, make: SimpleNamespace) -> str:
    """A database with a message, a person, two ledger entries and a seal over them."""
    with open_store(postgres.url(postgres_database), keys) as store:
        store.receive(make.receipt())
        store.save(PersonRecord("p"), make.course("p", 1), tick=make.NOW)
        assert store.seal(make.NOW) == 2
    return postgres_database


@pytest.fixture
def raw(postgres, filled: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The superuser with a client of his own."""
    with postgres.connect(filled) as connection:
        yield connection


# What is only ever added to


@pytest.mark.parametrize("replica", [False, True])
@pytest.mark.parametrize("table", ADDED)
def test_rows_are_never_changed_deleted_or_replaced(raw, table: str, replica: bool) -> None:
    if replica:
        raw.execute("SET session_replication_role = replica")
    before = raw.execute(f"SELECT * FROM {table}").fetchall()
    assert before
    names = [c.name for c in schema.metadata.tables[table].columns]
    key = ", ".join(c.name for c in schema.metadata.tables[table].primary_key)
    upsert = f"ON CONFLICT ({key}) DO UPDATE SET {names[-1]} = excluded.{names[-1]}"
    merge = " AND ".join(f"t.{part} = s.{part}" for part in key.split(", "))
    for statement in (
        f"DELETE FROM {table}",
        f"DELETE FROM {table} WHERE false",
        f"TRUNCATE {table} CASCADE",
        *(f"UPDATE {table} SET {name} = {name}" for name in names),
        f"INSERT INTO {table} SELECT * FROM {table} {upsert}",
        f"MERGE INTO {table} t USING {table} s ON {merge} WHEN MATCHED THEN DELETE",
    ):
        with pytest.raises(errors.RestrictViolation if table != "entry_lines" else errors.IntegrityError):
            raw.execute(statement)
    with pytest.raises(errors.IntegrityError):
        raw.execute(f"INSERT INTO {table} SELECT * FROM {table}")
    assert raw.execute(f"SELECT * FROM {table}").fetchall() == before


def test_a_guard_that_is_off_or_gone_is_named(postgres, filled: str, keys: KeyRing) -> None:
    with open_store(postgres.url(filled), keys) as store:
        assert store.verify() == ()
        for off, on in (
            ("ALTER TABLE journal DISABLE TRIGGER ALL", "ALTER TABLE journal ENABLE TRIGGER ALL"),
            ("ALTER TABLE seals ENABLE REPLICA TRIGGER seals_only_added", ""),
        ):
            postgres.run(off, database=filled)
            (fault,) = store.verify()
            assert "its guard" in fault
            postgres.run(*([on] if on else []), database=filled)
            # Enabled is not enough: it must fire always.
            assert len(store.verify()) == 1
            table = off.split()[2]
            postgres.run(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_only_added", database=filled)
            assert store.verify() == ()


def test_a_row_changed_behind_the_guards_is_named(postgres, filled: str, keys: KeyRing) -> None:
    postgres.run(
        "ALTER TABLE entry_lines DISABLE TRIGGER entry_lines_only_added",
        "UPDATE entry_lines SET amount = amount + 1 WHERE place = 0",
        "ALTER TABLE entry_lines ENABLE ALWAYS TRIGGER entry_lines_only_added",
        database=filled,
    )
    with open_store(postgres.url(filled), keys) as store:
        faults = store.verify()
    assert len([f for f in faults if "do not sum to zero" in f]) == 2
    assert len([f for f in faults if f.startswith("entries|") and "seal 1" in f]) == 2


# The balance


def post(raw, lines: list[object], id: str = "e", place: int = 50) -> None:
    """Write an entry by hand, in one transaction."""
    with raw.transaction():
        for n, amount in enumerate(lines):
            raw.execute(POSTED, (id, n, amount))
        raw.execute("INSERT INTO entries VALUES (%s, 'p', %s, 0, 'payment:1', '')", (id, place))


@pytest.mark.parametrize("replica", [False, True])
@pytest.mark.parametrize("lines", [[], [1], [1, -2], [5, -5, 1], [2**62, 2**62, -(2**62)]])
def test_an_entry_out_of_balance_does_not_commit(raw, lines: list[object], replica: bool) -> None:
    if replica:
        raw.execute("SET session_replication_role = replica")
    with pytest.raises(errors.CheckViolation, match="sum to zero"):
        post(raw, lines)
    assert raw.execute("SELECT count(*) FROM entry_lines WHERE entry = 'e'").fetchone() == (0,)


def test_a_table_of_the_same_name_does_not_stand_in_the_way(raw) -> None:
    raw.execute("CREATE TEMP TABLE entry_lines (entry text, place bigint, account text, amount bigint)")
    raw.execute("INSERT INTO pg_temp.entry_lines VALUES ('e', 0, 'charges', 1), ('e', 1, 'charges', -1)")
    raw.execute("BEGIN")
    raw.execute("INSERT INTO public.entry_lines VALUES ('e', 0, 'charges', 500, 'c', 1)")
    raw.execute("INSERT INTO entries VALUES ('e', 'p', 50, 0, 'payment:1', '')")
    with pytest.raises(errors.CheckViolation, match="sum to zero"):
        raw.execute("COMMIT")


@pytest.mark.parametrize("lines", [["x", "-x"], [None, 0], [2**63, -(2**63)]])
def test_an_amount_is_a_whole_number_of_minor_units(raw, lines: list[object]) -> None:
    with pytest.raises((errors.DataError, errors.NotNullViolation)):
        post(raw, lines)


def test_a_balanced_entry_enters_and_takes_no_more_lines(raw) -> None:
    post(raw, [7, -3, -4])
    for amount in (0, 1):
        with pytest.raises(errors.CheckViolation, match="no more lines"):
            raw.execute(POSTED, ("e", 10, amount))
    assert raw.execute("SELECT sum(amount), count(*) FROM entry_lines WHERE entry = 'e'").fetchone() == (0, 3)


def test_no_line_slips_in_beside_an_entry_that_is_being_written(raw, postgres, filled: str) -> None:
    with postgres.connect(filled) as other:
        raw.execute("BEGIN")
        raw.execute(POSTED, ("e", 0, 7))
        other.execute("SET lock_timeout = '200ms'")
        with pytest.raises(errors.LockNotAvailable), other.transaction():
            other.execute(POSTED, ("e", 1, -7))
        raw.execute("ROLLBACK")


def test_lines_without_their_entry_do_not_commit(raw) -> None:
    with pytest.raises(errors.ForeignKeyViolation), raw.transaction():
        raw.execute(POSTED, ("lonely", 0, 0))


# Roles


@pytest.fixture(scope="session")
def logins(postgres) -> dict[str, str]:
    """A login for each role, and one for the program as it runs in a clinic. Made once: roles are the server's."""
    migrate(postgres.url(postgres.make()))
    made = {role: f"login_{role}" for role in roles.ROLES}
    postgres.run(*(f"CREATE ROLE {login} LOGIN IN ROLE {role}" for role, login in made.items()))
    program = ", ".join((roles.INTAKE, roles.WORKER, roles.POSTER))
    postgres.run(f"CREATE ROLE login_program LOGIN IN ROLE {program}", "CREATE ROLE login_nobody LOGIN")
    return {**made, "program": "login_program", "nobody": "login_nobody"}


@pytest.fixture
def as_role(postgres, filled: str, logins: dict[str, str]) -> Iterator[Callable[[str], psycopg.Connection]]:
    """Connects as a role."""
    held: list[psycopg.Connection] = []

    def connected(role: str) -> psycopg.Connection:
        held.append(postgres.connect(filled, logins[role]))
        return held[-1]

    yield connected
    for connection in held:
        connection.close()


EVERYBODY = (*roles.ROLES, "program", "nobody")


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("table", ADDED)
def test_no_role_changes_or_deletes_what_is_only_added_to(as_role, role: str, table: str) -> None:
    raw = as_role(role)
    name = next(iter(schema.metadata.tables[table].columns)).name
    for statement in (
        f"UPDATE {table} SET {name} = {name}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"DROP TABLE {table} CASCADE",
        f"CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION public.only_added() RETURNS trigger LANGUAGE sql AS 'SELECT 1'",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            raw.execute(statement)


_MAY = {
    roles.INTAKE: {
        "journal": {"INSERT"},
        "queue": {"INSERT"},
        "meta": {"SELECT"},
        "used_once": {"SELECT", "INSERT", "DELETE"},
    },
    roles.POSTER: {t: {"SELECT", "INSERT"} for t in ("entries", "entry_lines")} | {"meta": {"SELECT"}},
    roles.AUDITOR: {table: {"SELECT"} for table in TABLES},
    "nobody": {},
}


@pytest.mark.parametrize("role", sorted(_MAY))
def test_a_role_may_do_what_it_is_for_and_nothing_else(as_role, role: str) -> None:
    raw = as_role(role)
    asked = "SELECT has_table_privilege(%s, %s)"
    verbs = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    may = {t: {v for v in verbs if raw.execute(asked, (t, v)).fetchone() == (True,)} for t in TABLES}
    assert {table: found for table, found in may.items() if found} == _MAY[role]


def test_the_worker_posts_nothing_and_reads_all(as_role) -> None:
    raw = as_role(roles.WORKER)
    assert all(raw.execute(f"SELECT count(*) FROM {table}").fetchone() for table in TABLES)
    for statement in ("INSERT INTO entries SELECT * FROM entries", "INSERT INTO entry_lines SELECT * FROM entry_lines"):
        with pytest.raises(errors.InsufficientPrivilege):
            raw.execute(statement)
    for table in ("events", "remittances", "claims", "persons", "takings"):
        with pytest.raises(errors.InsufficientPrivilege):
            raw.execute(f"DELETE FROM {table}")


def test_the_intake_sees_no_body(as_role) -> None:
    raw = as_role(roles.INTAKE)
    assert raw.execute("SELECT id, answer FROM journal").fetchall()
    for column in ("body", "sender", "control", "*"):
        with pytest.raises(errors.InsufficientPrivilege):
            raw.execute(f"SELECT {column} FROM journal")


def test_the_poster_is_held_to_the_balance(as_role) -> None:
    raw = as_role(roles.POSTER)
    post(raw, [7, -7])
    with pytest.raises(errors.CheckViolation):
        post(raw, [7, -6], "f", 51)


@pytest.fixture
def as_store(postgres, filled: str, logins: dict[str, str], keys: KeyRing) -> Callable[[str], object]:
    """Opens the store as a role."""
    return lambda role: open_store(postgres.url(filled, logins[role]), keys)


def test_a_store_opened_by_the_intake_takes_receipts_only(as_store, make: SimpleNamespace) -> None:
    with as_store(roles.INTAKE) as store:
        assert store.receive(make.receipt()).repeated
        assert not store.receive(make.receipt(b"MSH|2", control="2")).repeated
        assert store.receive(make.receipt(b"MSH|3", control="2")).control_reused
        for asking in (
            lambda: store.unread(1),
            lambda: store.load("p"),
            lambda: store.save(PersonRecord("q"), make.course("q", 1), tick=make.NOW),
            lambda: store.person(PersonHint((Identifier("mrn", "1"),)), "aria"),
        ):
            with pytest.raises(StoreDown):
                asking()


def test_a_store_opened_by_the_program_does_all_of_its_work(as_store, make: SimpleNamespace) -> None:
    with as_store("program") as store:
        entry = store.receive(make.receipt(b"MSH|2", control="2")).entry
        person = store.person(PersonHint((Identifier("mrn", "1"),), "Patient/1"), "aria")
        before = store.load(person)
        course = make.course(person, 2, before.identifiers)
        store.save(before, course, taken=[entry], tick=make.NOW)
        fewer = replace(course, charges=course.charges[:1], holds=(), due=(), work=())
        store.save(course, fewer, tick=make.NOW)
        assert store.load(person) == fewer
        assert store.seal(make.NOW) > 0
        assert store.verify() == ()


def test_a_store_opened_by_the_worker_cannot_post(as_store, make: SimpleNamespace) -> None:
    with as_store(roles.WORKER) as store:
        with pytest.raises(StoreDown):
            store.save(PersonRecord("q"), make.course("q", 1), tick=make.NOW)
        assert store.lanes() == ("p",)
        store.save(PersonRecord("q"), replace(make.course("q", 1), entries=()), tick=make.NOW)
        assert store.lanes() == ("p", "q")


def test_a_store_opened_by_the_auditor_is_verified_and_takes_nothing(as_store, make: SimpleNamespace) -> None:
    with as_store(roles.AUDITOR) as store:
        assert store.verify() == ()
        with pytest.raises(StoreDown):
            store.receive(make.receipt(b"MSH|2", control="2"))


def test_a_login_without_a_role_opens_nothing(as_store) -> None:
    with pytest.raises(BadSetup):
        as_store("nobody")


def test_roles_that_are_missing_are_asked_for_by_name(new_postgres, keys: KeyRing) -> None:
    server = new_postgres()
    server.run("CREATE ROLE house LOGIN", "CREATE DATABASE clinic OWNER house")
    with pytest.raises(BadSetup) as refused:
        open_store(server.url("clinic", "house"), keys, create=True)
    assert all(f"CREATE ROLE {role} NOLOGIN" in str(refused.value) for role in roles.ROLES)
    server.run(*(f"CREATE ROLE {role} NOLOGIN" for role in roles.ROLES))
    with open_store(server.url("clinic", "house"), keys, create=True) as store:
        assert store.verify() == ()
