"""Editions on disk: the contract of tables on both databases, and that an edition is whole or not there."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from adapters.errors import BadSetup, StoreDown
from adapters.model.tables import Edition, LimitRow, OpeningRow, PairRow, Row, TableKind, Tables
from adapters.store import KeyRing, open_store
from adapters.store.editions.kept import Editions, Loaded, NotLoaded, copied, open_editions
from adapters.store.editions.rows import code_number, code_of, day_number, day_of
from adapters.store.refusals import Damaged
from adapters.tables import Heading, Reading
from adapters.tables.source import Problems
from tests.tables.contract import CHECKS, EDITIONS, NEW, OPENINGS, check_nothing_loaded, name_of

DAY = date(2026, 10, 15)


def reading(heading: Heading, rows: Iterator[Row] | Sequence[Row], problems: Problems | None = None) -> Reading:
    """A reading that gives these rows."""
    return Reading(heading, lambda _reading: iter(rows), problems or Problems())


def heading(
    kind: TableKind = TableKind.NCCI, scope: str = "practitioner", release: str = "v1", start: date = NEW
) -> Heading:
    """A heading without an end."""
    return Heading(kind, scope, release, start, None)


def of(edition: Edition) -> Heading:
    """The heading of an edition."""
    return Heading(edition.kind, edition.scope, edition.release, edition.start, edition.end)


def pairs(count: int, until: date | None = None) -> Iterator[PairRow]:
    """So many pairs in order: a column 1 code of Y has a hundred column 2 codes of Z."""
    for n in range(count):
        yield PairRow(f"Y{n // 100:04d}", f"Z{n % 100:04d}", date(2020, 1, 1), until, "019"[n % 3], "made up")


def loaded(
    editions: Editions, head: Heading, rows: Iterator[Row] | Sequence[Row], files: tuple[str, ...] = ()
) -> Edition:
    """The edition of these rows, which must load."""
    done = editions.load(reading(head, rows), lambda: files)
    assert isinstance(done, Loaded)
    return done.edition


def stored(postgres: Any, ring: KeyRing) -> str:
    """The URL of a new database of the server with a store in it."""
    url = str(postgres.url(postgres.make()))
    open_store(url, ring, create=True).close()
    return url


@pytest.fixture(scope="module")
def ring() -> KeyRing:
    return KeyRing.ephemeral("tests")


@pytest.fixture(scope="module")
def database_url(request: pytest.FixtureRequest, ring: KeyRing) -> str:
    """A PostgreSQL database with a store in it."""
    return stored(request.getfixturevalue("postgres"), ring)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.system)])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store whose editions are looked at."""
    if request.param == "postgres":
        return str(request.getfixturevalue("database_url"))
    return f"sqlite:///{tmp_path_factory.mktemp('editions')}/store.db"


@pytest.fixture
def editions(place: str, ring: KeyRing) -> Iterator[Editions]:
    """The place, empty."""
    with open_editions(place, ring) as opened:
        opened.prune(())
        yield opened


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.system)])
def tables(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, ring: KeyRing) -> Iterator[Tables]:
    """All editions of the contract, opened, in a place of their own."""
    if request.param == "postgres":
        url = stored(request.getfixturevalue("postgres"), ring)
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('contract')}/store.db"
    with open_editions(url, ring) as opened:
        digests = [loaded(opened, of(edition), rows).digest for edition, rows in EDITIONS]
        assert digests == [edition.digest for edition, _ in EDITIONS]
        held = opened.tables(digests)
        yield held
        held.close()


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_the_contract(check: Callable[[Tables], None], tables: Tables) -> None:
    check(tables)


def test_nothing_in_force(place: str, ring: KeyRing) -> None:
    with open_editions(place, ring) as opened:
        check_nothing_loaded(opened.tables(()))


def test_the_contract_from_many_threads(tables: Tables) -> None:
    with ThreadPoolExecutor(8) as threads:
        done = [threads.submit(check, tables) for _ in range(4) for check in CHECKS]
        assert [one.exception() for one in done] == [None] * len(done)


def test_what_the_catalogue_says(editions: Editions) -> None:
    edition = loaded(editions, heading(), list(pairs(250)), ("made-up.txt 00",))
    assert editions.known() == (edition,)
    assert (edition.rows, edition.files, edition.name) == (250, ("made-up.txt 00",), "ncci.practitioner v1")
    assert tuple(editions.faults([edition.digest])) == ()


def test_the_same_rows_twice_are_one_edition(editions: Editions) -> None:
    first = loaded(editions, heading(), list(pairs(250)))
    again = editions.load(reading(heading(), pairs(250)))
    assert isinstance(again, Loaded)
    assert (again.new, again.edition.digest) == (False, first.digest)
    other = loaded(editions, heading(release="v2"), list(pairs(250)))
    assert other.digest != first.digest
    assert len(editions.known()) == 2


def test_problems_load_nothing_and_are_told_all_at_once(editions: Editions) -> None:
    problems = Problems()

    def rows() -> Iterator[Row]:
        for n, row in enumerate(pairs(120_000)):
            if n % 40_000 == 7:
                problems.add("made-up.txt", n, "the indicator is not 0, 1 or 9")
            else:
                yield row

    refused = editions.load(reading(heading(), rows(), problems))
    assert isinstance(refused, NotLoaded)
    assert [p.line for p in refused.problems] == [7, 40_007, 80_007]
    assert editions.known() == ()
    empty = editions.load(reading(heading(), ()))
    assert isinstance(empty, NotLoaded)
    assert "no row" in str(empty.problems[0])


def test_rows_in_any_order_are_kept_and_two_for_one_day_are_refused(editions: Editions) -> None:
    rows = [*pairs(500)][::-1]
    edition = loaded(editions, heading(), rows)
    held = editions.tables([edition.digest])
    assert [r.column2 for r in held.pairs(["Y0001", "Z0007", "Z0003"], DAY, "practitioner")] == ["Z0003", "Z0007"]
    assert tuple(editions.faults([edition.digest])) == ()
    since = date(2020, 1, 1)
    twice = [
        PairRow("Y0009", "Z0001", since, None, "0"),
        PairRow("Y0001", "Z0001", since, date(2021, 1, 1), "0"),
        PairRow("Y0001", "Z0001", date(2021, 1, 1), None, "1"),
        PairRow("Y0002", "Z0001", since, date(2021, 1, 1), "0"),
        PairRow("Y0002", "Z0001", date(2021, 1, 2), None, "1"),
        PairRow("Y0009", "Z0001", since, None, "1"),
    ]
    refused = editions.load(reading(heading(release="v2"), twice))
    assert isinstance(refused, NotLoaded)
    told = sorted(str(problem) for problem in refused.problems)
    assert len(told) == 2 or "Y0001 with Z0001" in told[0]
    assert any("Y0001 with Z0001" in words for words in told)
    assert not any("Y0002" in words for words in told)
    assert len(editions.known()) == 1


def test_a_row_that_fits_no_column_is_refused(editions: Editions) -> None:
    for row in (PairRow("Y01", "Z0001", DAY, None, "0"), PairRow("Y0001", "Z0001", date(1800, 1, 1), None, "0")):
        refused = editions.load(reading(heading(), [row]))
        assert isinstance(refused, NotLoaded)
    assert editions.known() == ()


def test_numbers_of_codes_and_days() -> None:
    codes = ["00000", "00001", "0000A", "77300", "A0001", "ZZZZZ"]
    assert [code_of(n) for code in codes if (n := code_number(code)) is not None] == codes
    assert sorted(codes, key=lambda code: code_number(code) or 0) == sorted(codes)
    assert [code_number(code) for code in ("7730", "773000", "7730a", "77 00", "-7730", "7730é", "")] == [None] * 7
    for day in (date(1910, 5, 1), date(1999, 12, 31), date(2000, 1, 1), date(2089, 1, 1)):
        assert day_of(day_number(day)) == day


def test_missing_editions_are_named(editions: Editions) -> None:
    edition = loaded(editions, heading(), list(pairs(10)))
    with pytest.raises(BadSetup) as refused:
        editions.tables([edition.digest, "a" * 64, "b" * 64])
    assert [problem.partition(":")[0] for problem in refused.value.problems] == [f"edition {c * 64}" for c in "ab"]
    assert [fault.partition(":")[0] for fault in editions.faults(["a" * 64, edition.digest])] == [f"edition {'a' * 64}"]


def test_prune_keeps_what_it_is_told(editions: Editions) -> None:
    kept, gone = (loaded(editions, heading(release=name), list(pairs(10))) for name in ("v1", "v2"))
    assert editions.prune({kept.digest}) == (gone,)
    assert editions.known() == (kept,)


def test_who_was_billed_before_is_nowhere_in_plain_text(
    tmp_path: pathlib.Path, ring: KeyRing, database_url_or_none: str | None
) -> None:
    canary = OpeningRow("urn:canary:mrn", "CANARY-0042", "delivery", "Y0001", (), 1, DAY, "group", "CANARY-CLAIM")
    url = database_url_or_none or f"sqlite:///{tmp_path}/store.db"
    with open_editions(url, ring) as opened:
        edition = loaded(opened, heading(TableKind.OPENING, ""), [canary])
        assert opened.tables([edition.digest]).opening("urn:canary:mrn", "CANARY-0042") == (canary,)
        assert tuple(opened.faults([edition.digest])) == ()
    if database_url_or_none is None:
        files = list((tmp_path / "store.editions").iterdir())
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert not any(b"CANARY" in file.read_bytes() or "CANARY" in file.name for file in files)
    with open_editions(url, KeyRing.ephemeral("another")) as opened:
        assert opened.tables([edition.digest]).opening("urn:canary:mrn", "CANARY-0042") == ()
        with open_editions(url, None) as keyless, pytest.raises(BadSetup, match="key file"):
            keyless.load(reading(heading(TableKind.OPENING, ""), OPENINGS))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.system)])
def database_url_or_none(request: pytest.FixtureRequest) -> str | None:
    """The URL of the PostgreSQL database, or None for SQLite."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("database_url"))


# Whole or not there


@pytest.mark.system
def test_two_loads_of_the_same_rows_at_once(editions: Editions) -> None:
    together = threading.Barrier(2)

    def rows() -> Iterator[Row]:
        together.wait(30)
        yield from pairs(3_000)

    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(editions.load, reading(heading(), rows())) for _ in range(2)]
        results = [one.result() for one in done]
    assert all(isinstance(one, Loaded) for one in results)
    assert sorted(one.new for one in results if isinstance(one, Loaded)) == [False, True]
    (edition,) = editions.known()
    assert tuple(editions.faults([edition.digest])) == ()
    assert len(editions.tables([edition.digest]).pairs(["Y0001", "Z0007", "Z0003"], DAY, "practitioner")) == 2


def test_a_load_that_breaks_leaves_nothing(editions: Editions, place: str) -> None:
    def rows() -> Iterator[Row]:
        yield from pairs(120_000)
        raise OSError("the disk with the file is gone")

    with pytest.raises(BadSetup) if place.startswith("sqlite") else pytest.raises(OSError, match="gone"):
        editions.load(reading(heading(), rows()))
    assert editions.known() == ()
    assert left_over(place) == []
    assert loaded(editions, heading(), list(pairs(10))).rows == 10


def left_over(place: str) -> list[str]:
    """What a draft left in the place, by name."""
    if place.startswith("sqlite"):
        folder = pathlib.Path(place.removeprefix("sqlite:///")).with_suffix(".editions")
        return [file.name for file in folder.iterdir() if file.suffix not in (".db", ".json")]
    import psycopg

    with psycopg.connect(place, autocommit=True) as raw:
        found = raw.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'edition_draft%'").fetchall()
    return [name for (name,) in found]


KILLED = """
import sys, time
from tests.store.test_editions import heading, pairs, reading
from adapters.store.editions.kept import open_editions

def rows():
    for n, row in enumerate(pairs(10**7)):
        if n == 200_000:
            print("half", flush=True)
        yield row

open_editions(sys.argv[1]).load(reading(heading(), rows()))
"""


@pytest.mark.system
def test_a_loader_that_is_killed_leaves_nothing_and_is_in_nobodys_way(
    editions: Editions, place: str, source_tree: pathlib.Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(source_tree)}
    loader = subprocess.Popen(
        [sys.executable, "-c", KILLED, place], stdout=subprocess.PIPE, env=environment, cwd=source_tree
    )
    try:
        assert loader.stdout is not None
        assert loader.stdout.readline() == b"half\n"
        assert editions.known() == ()
        beside = loaded(editions, heading(release="v2"), list(pairs(10)))
        assert editions.known() == (beside,)
    finally:
        loader.send_signal(signal.SIGKILL)
        loader.wait(30)
        if loader.stdout is not None:
            loader.stdout.close()
    until = time.monotonic() + 30
    edition = loaded(editions, heading(release="v3"), list(pairs(20)))
    while left_over(place) and time.monotonic() < until:  # a server sees a dead client when it writes to it
        time.sleep(0.05)
    assert left_over(place) == []
    assert set(editions.known()) == {beside, edition}
    assert loaded(editions, heading(), list(pairs(500))).rows == 500


def files_of(place: str, edition: Edition) -> tuple[pathlib.Path, pathlib.Path]:
    """The rows and the words of an edition in a folder."""
    folder = pathlib.Path(place.removeprefix("sqlite:///")).with_suffix(".editions")
    return folder / f"{edition.digest}.db", folder / f"{edition.digest}.json"


@pytest.fixture
def sqlite_place(tmp_path: pathlib.Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.mark.parametrize("how", ["flipped", "cut", "gone", "another's", "foreign"])
def test_a_file_that_is_not_what_was_loaded_answers_nothing(sqlite_place: str, ring: KeyRing, how: str) -> None:
    with open_editions(sqlite_place, ring) as editions:
        edition = loaded(editions, heading(), list(pairs(5_000)))
        other = loaded(editions, heading(release="v2"), list(pairs(100)))
        held = editions.tables([edition.digest])
        file, _ = files_of(sqlite_place, edition)
        whole = file.read_bytes()
        middle = len(whole) // 2
        if how == "flipped":
            file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        elif how == "cut":
            file.write_bytes(whole[:middle])
        elif how == "gone":
            file.unlink()
        elif how == "another's":
            file.write_bytes(files_of(sqlite_place, other)[0].read_bytes())
        else:
            file.write_bytes(b"made up")
        with pytest.raises(StoreDown):
            held.pairs(["Y0001", "Z0001"], DAY, "practitioner")
        (fault,) = editions.faults([edition.digest, other.digest])
        assert edition.digest in fault
        (quick,) = editions.damage([edition.digest])
        assert edition.digest in quick
        # Loading the same files again mends it.
        assert loaded(editions, heading(), list(pairs(5_000))).digest == edition.digest
        assert len(editions.tables([edition.digest]).pairs(["Y0001", "Z0001"], DAY, "practitioner")) == 1
        assert tuple(editions.faults([edition.digest])) == ()


def test_rows_altered_together_with_the_words_are_seen_by_their_digest(sqlite_place: str, ring: KeyRing) -> None:
    from adapters.store.editions.sqlite import file_digest

    limits = [LimitRow(f"Y{n:04d}", 2, "2", "made up") for n in range(50)]
    with open_editions(sqlite_place, ring) as editions:
        one = loaded(editions, heading(), list(pairs(500)))
        two = loaded(editions, heading(TableKind.MUE), limits)
        for edition, statement in (
            (one, "UPDATE pairs SET note = 1 WHERE column1 = (SELECT min(column1) FROM pairs)"),
            (two, "UPDATE found SET body = replace(CAST(body AS TEXT), ',2,', ',9,') WHERE place = 3"),
        ):
            file, words = files_of(sqlite_place, edition)
            with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as raw:
                assert raw.execute(statement).rowcount > 0
            said = json.loads(words.read_bytes())
            words.write_text(json.dumps(said | {"check": file_digest(file)}))
            assert tuple(editions.damage([edition.digest])) == ()
            (fault,) = editions.faults([edition.digest])
            assert "its rows are not those of its digest" in fault


@pytest.mark.system
def test_rows_altered_in_the_database_are_seen(database_url: str, postgres: Any, ring: KeyRing) -> None:
    with open_editions(database_url, ring) as editions:
        edition = loaded(editions, heading(release="altered"), list(pairs(500)))
        name = f"edition_{edition.digest[:16]}"
        database = database_url.partition("?")[0].rpartition("/")[2]
        held = editions.tables([edition.digest])
        postgres.run(
            f"UPDATE {name}.pairs SET note = 1 WHERE column2 = (SELECT min(column2) FROM {name}.pairs)",  # noqa: S608
            database=database,
        )
        (fault,) = editions.damage([edition.digest])
        assert edition.digest in fault
        postgres.run(
            f"DELETE FROM {name}.pairs WHERE column2 = (SELECT min(column2) FROM {name}.pairs)",  # noqa: S608
            database=database,
        )
        with pytest.raises(Damaged):
            held.pairs(["Y0001", "Z0001"], DAY, "practitioner")
        postgres.run(f"DROP SCHEMA {name} CASCADE", database=database)
        (gone,) = editions.faults([edition.digest])
        assert "is not there" in gone


@pytest.mark.system
def test_a_worker_reads_editions_and_changes_none(database_url: str, postgres: Any, ring: KeyRing) -> None:
    import psycopg

    database = database_url.partition("?")[0].rpartition("/")[2]
    with open_editions(database_url, ring) as editions:
        edition = loaded(editions, heading(release="roles"), list(pairs(10)))
    postgres.run("CREATE ROLE edition_reader LOGIN IN ROLE oncoclaims_worker", database=database)
    url = postgres.url(database, "edition_reader")
    with open_editions(url, ring) as editions:
        held = editions.tables([edition.digest])
        assert len(held.pairs(["Y0000", "Z0001"], DAY, "practitioner")) == 1
        with pytest.raises(BadSetup, match="owner"):
            editions.load(reading(heading(release="other"), pairs(10)))
    name = f"edition_{edition.digest[:16]}"
    with psycopg.connect(url) as raw, pytest.raises(psycopg.errors.InsufficientPrivilege):
        raw.execute(f"DELETE FROM {name}.pairs")  # noqa: S608


@pytest.mark.system
def test_a_server_that_was_killed_is_asked_again(new_postgres: Callable[[], Any], ring: KeyRing) -> None:
    server = new_postgres()
    url = server.url(server.make())
    open_store(url, ring, create=True).close()
    with open_editions(url, ring) as editions:
        edition = loaded(editions, heading(), list(pairs(300)))
        held = editions.tables([edition.digest])
        assert len(held.pairs(["Y0001", "Z0001"], DAY, "practitioner")) == 1
        server.kill()
        with pytest.raises(StoreDown):
            held.pairs(["Y0001", "Z0002"], DAY, "practitioner")
        server.start()
        assert len(held.pairs(["Y0001", "Z0003"], DAY, "practitioner")) == 1
        assert editions.known() == (edition,)


# Where editions lie


def test_the_folder_is_beside_the_store_or_where_it_is_said(tmp_path: pathlib.Path, ring: KeyRing) -> None:
    url = f"sqlite:///{tmp_path}/clinic.db"
    with open_editions(url, ring) as editions:
        assert editions.known() == ()
        assert not (tmp_path / "clinic.editions").exists()
        loaded(editions, heading(), list(pairs(3)))
    assert len(list((tmp_path / "clinic.editions").iterdir())) == 2
    with open_editions(url, ring, tmp_path / "elsewhere") as editions:
        assert editions.known() == ()
    with open_editions("sqlite://", ring) as editions:
        assert editions.known() == ()
        with pytest.raises(BadSetup, match="ONCOCLAIMS_EDITIONS"):
            editions.load(reading(heading(), pairs(3)))


def test_editions_are_copied_once_and_whole(tmp_path: pathlib.Path, sqlite_place: str, ring: KeyRing) -> None:
    with open_editions(sqlite_place, ring) as editions:
        one, two = (loaded(editions, heading(release=name), list(pairs(50))) for name in ("v1", "v2"))
        target = tmp_path / "backup" / "editions"
        assert editions.copy_to(target, [one.digest, "a" * 64]) == ("a" * 64,)
        assert {file.stem for file in target.iterdir()} == {one.digest}
        before = {file: file.stat().st_mtime_ns for file in target.iterdir()}
        assert editions.copy_to(target, [one.digest]) == ()
        assert {file: file.stat().st_mtime_ns for file in target.iterdir()} == before
        file, _ = files_of(sqlite_place, two)
        file.write_bytes(b"made up")
        with pytest.raises(BadSetup, match="not what was loaded"):
            editions.copy_to(target, [two.digest])
        assert {file.stem for file in target.iterdir()} == {one.digest}
    again = tmp_path / "again"
    assert copied(target, again, [one.digest, two.digest]) == (two.digest,)
    with open_editions("sqlite://", ring, again) as editions:
        assert editions.known() == (one,)
        assert tuple(editions.faults([one.digest])) == ()
        assert len(editions.tables([one.digest]).pairs(["Y0000", "Z0001"], DAY + timedelta(1), "practitioner")) == 1
