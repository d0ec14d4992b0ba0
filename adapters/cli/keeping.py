"""Care of a store: verify it, and fold the journal again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from adapters.cli.options import Keys, Mappings, Now, SiteFile, Store, open_program, refuse
from adapters.model.journal import JournalEntry
from adapters.pipeline.fold import fold
from adapters.store import differences
from adapters.wiring import Wired

PAGE = 2000
"""Journal entries that are read at a time."""


def verify(store: Store = None, site: SiteFile = None, mappings: Mappings = None, keys: Keys = None) -> None:
    """Recompute digests and balances of the store; names every row that is wrong."""
    with open_program(store, site, mappings, None, keys) as wired:
        problems = wired.store.verify()
    if problems:
        raise refuse(problems)
    typer.echo("every digest and every balance is right")


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


def _journal(wired: Wired) -> Iterator[JournalEntry]:
    after = 0
    while page := wired.store.journal(after, PAGE):
        yield from page
        after = page[-1].seq
