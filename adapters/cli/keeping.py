"""Care of a store: verify it, fold the journal again, bring it to a newer schema, back it up and bring it back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.options import Keys, Mappings, Now, SiteFile, Store, open_program, refuse, settings
from adapters.model.journal import JournalEntry
from adapters.pipeline.fold import fold
from adapters.store import Reach, Sealing, differences, open_store
from adapters.store import migrate as bring_up
from adapters.store import restore as bring_back
from adapters.store.migration import HEAD as SCHEMA
from adapters.wiring import SystemClock, Wired, key_ring

PAGE = 2000
"""Journal entries that are read at a time."""
HEAD_FAULT = "head: "
"""How the store begins what it says of the head file."""


def verify(
    unsealed: Annotated[bool, typer.Option("--unsealed", help="Take seals that nobody signed.")] = False,
    new_head: Annotated[
        bool, typer.Option("--new-head", help="Write the head file anew, once its loss was looked into.")
    ] = False,
    store: Store = None,
    keys: Keys = None,
) -> None:
    """Recompute digests, seals and balances of the store; names every row that is wrong, and what no seal holds yet."""
    said = settings(store=store, keys=keys)
    with open_store(said.store, key_ring(said.keys), SystemClock(), head=said.head) as opened:
        problems = opened.verify(unsealed=unsealed)
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


def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Compare with what is on file; writes nothing.")] = False,
    store: Store = None,
    site: SiteFile = None,
    mappings: Mappings = None,
    now: Now = None,
    keys: Keys = None,
) -> None:
    """Fold the journal again and compare byte for byte; under other rules or settings it shows what would differ."""
    if not check:
        raise typer.BadParameter("only --check is there: a rebuild compares and writes nothing")
    with open_program(store, site, mappings, now, keys) as wired:
        folded = fold(_journal(wired), wired.house, wired.store.person)
        on_file = [wired.store.load(person) for person in wired.store.lanes()]
        found = [line for record in on_file for line in differences(record, folded.get(record.person))]
        lanes = len(on_file)
    if found:
        raise refuse(tuple(found))
    typer.echo(f"{lanes} lanes folded again from the journal, byte for byte as they are on file")


def migrate(store: Store = None) -> None:
    """Bring the store to this program's schema, in one step that is done or not done; nothing else may be running."""
    before = bring_up(settings(store=store).store, create=False)
    typer.echo(f"schema {before}: nothing to do" if before == SCHEMA else f"schema {before} is now {SCHEMA}")


def backup(
    file: Annotated[Path, typer.Argument(help="The new file; its head is written beside it.")],
    store: Store = None,
    keys: Keys = None,
) -> None:
    """Copy the store into a new file while everything goes on, and verify the copy. The key file is not in it."""
    said = settings(store=store, keys=keys)
    clock = SystemClock()
    with open_store(said.store, key_ring(said.keys), clock, head=said.head) as opened:
        reach = opened.back_up(file, clock.now())
    typer.echo(f"{file} and {file}.head: {_reached(reach)}; verified")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    unsealed: Annotated[bool, typer.Option("--unsealed", help="Take one without a head, or unsigned.")] = False,
    store: Store = None,
    keys: Keys = None,
) -> None:
    """Verify a backup and put it where no store is; says up to which entry it reaches."""
    said = settings(store=store, keys=keys)
    back = bring_back(file, said.store, key_ring(said.keys), said.head, unsealed=unsealed)
    if back.migrated:
        typer.echo(f"schema {back.migrated} is now {SCHEMA}")
    typer.echo(f"{said.store}: {_reached(back.reach)}; verified")
    typer.echo("every message that was acknowledged after that must be sent again; what is on file is known again")
    if back.lost is not None:
        first = back.reach.journal + 1
        typer.echo(f"the lost store had sealed up to entry {back.lost.last}: {first} to {back.lost.last} are not here")
    typer.echo("claims that left after that stand as not sent: serve with --role intake,worker,web first, and compare")


def _reached(reach: Reach) -> str:
    return "an empty journal" if reach.at is None else f"up to journal entry {reach.journal} of {reach.at.isoformat()}"


def _journal(wired: Wired) -> Iterator[JournalEntry]:
    after = 0
    while page := wired.store.journal(after, PAGE):
        yield from page
        after = page[-1].seq
