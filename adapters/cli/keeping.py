"""Care of a store: verify it, fold the journal again, bring it to a newer schema, back it up and bring it back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.options import Given, refuse, taking
from adapters.model.journal import JournalEntry, JournalKind
from adapters.pipeline import hearing
from adapters.pipeline.fold import Folding
from adapters.pipeline.force import ever
from adapters.settings import Settings
from adapters.store import KeyRing, Reach, Sealing, differences, open_store
from adapters.store import migrate as bring_up
from adapters.store import restore as bring_back
from adapters.store.editions.kept import absent, open_editions
from adapters.store.migration import HEAD as SCHEMA
from adapters.wiring import SystemClock, Wired, force_of, forces_of, key_ring

PAGE = 2000
"""Journal entries that are read at a time."""
EDITIONS = "editions"
"""The folder beside backups that has the editions which they name."""
HEAD_FAULT = "head: "
"""How the store begins what it says of the head file."""


@taking("store", "keys")
def verify(
    given: Given,
    unsealed: Annotated[bool, typer.Option("--unsealed", help="Take seals that nobody signed.")] = False,
    new_head: Annotated[
        bool, typer.Option("--new-head", help="Write the head file anew, once its loss was looked into.")
    ] = False,
) -> None:
    """Recompute digests, seals and balances of the store, and the digests of the editions in force; names every row that
    is wrong, every edition that is missing or another, and what no seal holds yet."""
    said = given.settings()
    ring = key_ring(said.keys)
    with open_store(said.store, ring, SystemClock(), head=said.head) as opened:
        problems = opened.verify(unsealed=unsealed)
        with open_editions(said.store, ring, said.editions) as editions:
            problems += tuple(editions.faults(force_of(opened).editions))
        sealing = opened.sealer.state()
        if new_head:
            if not all(problem.startswith(HEAD_FAULT) for problem in problems):
                raise refuse((*problems, "more than the head is wrong: it is not written anew"))
            opened.sealer.write_head()
            for problem in problems:
                typer.echo(f"no more: {problem}")
            problems = ()
        if problems:
            raise refuse(problems)
        typer.echo("every digest and every balance is right")
        typer.echo(told(sealing))
        if sealing.seals and opened.sealer.head() is None:
            typer.echo("no head file is kept (ONCOCLAIMS_HEAD): that a journal was cut off at its end is not seen")


def told(sealing: Sealing) -> str:
    """How far the seals reach, and the tail that they do not."""
    if not sealing.journal:
        return "the journal is empty"
    if not sealing.seals:
        return f"nothing is sealed yet: {sealing.tail} journal entries, {sealing.entries} ledger entries"
    reach = f"{sealing.seals} seals, up to journal entry {sealing.sealed}"
    if not sealing.tail:
        return f"{reach}: all of it"
    tail = f"{sealing.sealed + 1} to {sealing.journal}"
    return f"{reach}; the unsealed tail: {sealing.tail} journal entries ({tail}), {sealing.entries} ledger entries"


@taking()
def rebuild(
    given: Given,
    check: Annotated[bool, typer.Option("--check", help="Compare with what is on file; writes nothing.")] = False,
) -> None:
    """Fold the journal again and compare byte for byte; under other rules or settings it shows what would differ."""
    if not check:
        raise typer.BadParameter("only --check is there: a rebuild compares and writes nothing")
    with given.open() as wired:
        folding = Folding(wired.house, wired.store.person, wired.editions.tables)
        heard: list[JournalEntry] = []
        for entry in _journal(wired):
            folding.add(entry)
            if entry.kind is JournalKind.FEED:
                heard.append(entry)
        folded = folding.records
        on_file = [wired.store.load(person) for person in wired.store.lanes()]
        found = [line for record in on_file for line in differences(record, folded.get(record.person))]
        found += hearing.differences(wired.store.worklist(closed=True), hearing.items(heard))
        lanes = len(on_file)
    if found:
        raise refuse((*folding.foreign, *found))
    for words in folding.foreign:
        typer.echo(words)
    typer.echo(f"{lanes} lanes folded again from the journal, byte for byte as they are on file")


@taking("store", "keys")
def migrate(given: Given) -> None:
    """Bring the store to this program's schema, in one step that is done or not done; nothing else may be running.

    What lists and search ask of older rows is written afterwards; a run that is killed there is run again.
    """
    said = given.settings()
    before = bring_up(said.store, create=False)
    with open_store(said.store, key_ring(said.keys), SystemClock(), head=said.head) as opened:
        opened.fill_lists()
    typer.echo(f"schema {before}: nothing to do" if before == SCHEMA else f"schema {before} is now {SCHEMA}")


@taking("store", "keys")
def backup(
    given: Given, file: Annotated[Path, typer.Argument(help="The new file; its head is written beside it.")]
) -> None:
    """Copy the store into a new file while everything goes on, and verify the copy. The key file is not in it.

    The file is the same whether the store lies in SQLite or PostgreSQL, and is restored to either. The editions that the
    journal names are copied beside it, into the folder `editions`, once for all backups there.
    """
    said = given.settings()
    clock, ring = SystemClock(), key_ring(said.keys)
    with open_store(said.store, ring, clock, head=said.head) as opened:
        reach = opened.back_up(file, clock.now())
        needed = sorted(ever(forces_of(opened)))
    typer.echo(f"{file} and {file}.head: {_reached(reach)}; verified")
    with open_editions(said.store, ring, said.editions) as editions:
        missing = editions.copy_to(file.parent / EDITIONS, needed)
    if needed:
        typer.echo(f"{file.parent / EDITIONS}: {len(needed) - len(missing)} editions of tables, which belong to it")
    if missing:
        raise refuse(tuple(map(absent, missing)))


@taking("store", "keys")
def restore(
    given: Given,
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    unsealed: Annotated[bool, typer.Option("--unsealed", help="Take one without a head, or unsigned.")] = False,
) -> None:
    """Verify a backup and put it where no store is, a new file or an empty PostgreSQL database; says up to which entry it
    reaches.

    Editions that the journal names are brought back from the folder `editions` beside the backup.
    """
    said = given.settings()
    ring = key_ring(said.keys)
    back = bring_back(file, said.store, ring, said.head, unsealed=unsealed)
    missing = _brought_back(said, ring, file.parent / EDITIONS)
    if back.migrated:
        typer.echo(f"schema {back.migrated} is now {SCHEMA}")
    typer.echo(f"{back.place}: {_reached(back.reach)}; verified")
    typer.echo("every message that was acknowledged after that must be sent again; what is on file is known again")
    if back.lost is not None:
        first = back.reach.journal + 1
        typer.echo(f"the lost store had sealed up to entry {back.lost.last}: {first} to {back.lost.last} are not here")
    typer.echo("claims that left after that stand as not sent: serve with --role intake,worker,web first, and compare")
    if missing:
        raise refuse(tuple(map(absent, missing)))


def _brought_back(said: Settings, ring: KeyRing, source: Path) -> tuple[str, ...]:
    """Bring back the editions that the store's journal names; those that are neither there nor here."""
    with open_store(said.store, ring, SystemClock(), head=said.head) as opened:
        opened.fill_lists()
        needed = sorted(ever(forces_of(opened)))
    with open_editions(said.store, ring, said.editions) as editions:
        return editions.take_from(source, needed)


def _reached(reach: Reach) -> str:
    return "an empty journal" if reach.at is None else f"up to journal entry {reach.journal} of {reach.at.isoformat()}"


def _journal(wired: Wired) -> Iterator[JournalEntry]:
    after = 0
    while page := wired.store.journal(after, PAGE):
        yield from page
        after = page[-1].seq
