"""Editions of published and site tables: load them, list them, put them in force, take them out of force."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.cli.options import Given, Json, refuse, taking
from adapters.errors import BadSetup
from adapters.files import show
from adapters.model.tables import Edition, TableKind
from adapters.pipeline.force import InForce, Turn, ever, since
from adapters.ports import Clock
from adapters.rules import Ruleset
from adapters.rules.editions import disagreements, ended
from adapters.settings import Settings, rules_of
from adapters.store import KeyRing, dialect, migration, open_store
from adapters.store.editions.kept import Editions, NotLoaded, open_editions
from adapters.tables import MAX_LINE, SourceFile, read_table
from adapters.wiring import SystemClock, force_of, forces_of, key_ring, switch

SHOWN: Final = 12
"""Digits of a digest in a table for people; enough to name an edition by."""
FEWEST: Final = 6
"""Digits that name an edition at least."""
BLOCK: Final = 1 << 20
By = Annotated[str, typer.Option("--by", help="Who decides it.")]
WhyGiven = Annotated[str, typer.Option("--why", help="Why, for those who read the journal later.")]
Digests = Annotated[list[str], typer.Argument(help="Digests of editions, or their first six digits and more.")]


@dataclass(frozen=True, slots=True)
class Word:
    """Who puts editions in force, why and when."""

    by: str
    why: str
    clock: Clock


@taking()
def load(
    given: Given,
    kind: Annotated[TableKind, typer.Argument(help="Which table it is.")],
    files: Annotated[list[Path], typer.Argument(help="The file as published, or all its parts.")],
    scope: Annotated[
        str, typer.Option("--scope", help="Which of several tables: practitioner, hospital, a contractor.")
    ] = "",
    release: Annotated[
        str, typer.Option("--release", help="Name of the release, where the file does not say it.")
    ] = "",
    start: Annotated[str, typer.Option("--from", help="First date of service, where the file does not say it.")] = "",
    activate: Annotated[bool, typer.Option("--activate", help="Put it in force at once; with --by and --why.")] = False,
    by: By = "",
    why: WhyGiven = "",
    as_json: Json = False,
) -> None:
    """Read a table from files and keep it as an edition; with any problem nothing is loaded."""
    if kind is TableKind.LIVE:
        raise typer.BadParameter("from when on what is claimed is decided with `oncoclaims golive`")
    if activate:
        decided(by, why)
    said = given.settings()
    # Published tables need no keys; a table that names patients does, and says so.
    ring = key_ring(said.keys) if activate or said.keys.exists() else None
    with open_editions(said.store, ring, said.editions) as editions, _opened(files) as sources:
        reading = read_table(kind, [source.file for source in sources], scope=scope, release=release, start=_day(start))
        if isinstance(reading, tuple):
            raise refuse(tuple(map(str, reading)))
        loaded = editions.load(reading, lambda: tuple(source.named() for source in sources))
        if isinstance(loaded, NotLoaded):
            more = (f"and {loaded.more} problems more",) if loaded.more else ()
            raise refuse((*map(str, loaded.problems), *more, "nothing was loaded"))
        edition = loaded.edition
        change = (
            activated(said, ring, editions, (edition,), Word(by, why, given.clock()))
            if activate and ring is not None
            else ""
        )
    if as_json:
        show.json_lines([{**_row(edition), "new": loaded.new, "active": activate}])
        return
    typer.echo(f"{edition.name}: {edition.rows:,} rows, {_days(edition)}")
    typer.echo(f"digest {edition.digest}" + ("" if loaded.new else ": the same rows were loaded before"))
    typer.echo(
        change or f"put it in force:  oncoclaims rules activate {edition.digest[:SHOWN]} --by WHO --why WHAT-FOR"
    )


@taking("store", "keys")
def tables(
    given: Given,
    prune: Annotated[bool, typer.Option("--prune", help="Remove editions that were never in force.")] = False,
    as_json: Json = False,
) -> None:
    """The editions that are loaded, and which of them are in force."""
    said = given.settings()
    ring = key_ring(said.keys)
    with open_store(said.store, ring, SystemClock(), head=said.head) as opened:
        history = forces_of(opened)
    with open_editions(said.store, ring, said.editions) as editions:
        if prune:
            for gone in editions.prune(ever(history)):
                typer.echo(f"removed: {gone.name}, {gone.digest}")
            return
        known = editions.known()
    forced = since(history)
    rows = [_row(edition) | _since(forced.get(edition.digest)) for edition in known]
    missing = sorted(set(forced) - {edition.digest for edition in known})
    if as_json:
        show.json_lines(rows)
    else:
        columns = ("kind", "scope", "release", "from", "to", "rows", "digest", "in force since", "by")
        cells = [
            (
                row["kind"],
                row["scope"],
                row["release"],
                row["from"],
                row["to"] or "",
                f"{row['rows']:,}",
                str(row["digest"])[:SHOWN],
                str(row["since"] or "")[:16],
                row["by"] or "",
            )
            for row in rows
        ]
        show.table("Tables", columns, cells, right=("rows",))
    if missing:
        raise refuse(tuple(f"edition {digest}: in force, and not there: load its files again" for digest in missing))


@taking()
def activate(given: Given, digests: Digests, by: By = "", why: WhyGiven = "") -> None:
    """Put editions in force. One of the same table that began on the same day goes out of force."""
    decided(by, why)
    said = given.settings()
    ring = key_ring(said.keys)
    with open_editions(said.store, ring, said.editions) as editions:
        known = {edition.digest: edition for edition in editions.known()}
        wanted = tuple(known[digest] for digest in _named(digests, known))
        typer.echo(activated(said, ring, editions, wanted, Word(by, why, given.clock())))


@taking()
def deactivate(given: Given, digests: Digests, by: By = "", why: WhyGiven = "") -> None:
    """Take editions out of force; they are kept."""
    decided(by, why)
    said = given.settings()
    rules = rules_of(said.mappings).digest
    clock = given.clock()
    with open_store(said.store, key_ring(said.keys), clock, head=said.head) as opened:
        gone = _named(digests, force_of(opened).editions)

        def change(before: tuple[str, ...]) -> Iterable[str]:
            return (digest for digest in before if digest not in gone)

        done = switch(opened, clock, Turn.DEACTIVATED, rules, change, by=by, why=why)
    typer.echo(_told(done, {}))


def apart(said: Settings, rules: Ruleset, day: date | None) -> tuple[str, ...]:
    """What the tables in force say otherwise than our own facts, and which have run out; nothing without a store."""
    if not (said.keys.exists() and _there(said.store)):
        return ()
    ring = KeyRing.load(said.keys)
    with open_store(said.store, ring, SystemClock(), head=said.head) as opened:
        force = force_of(opened)
    if not force.editions:
        return ()
    on = day or SystemClock().now().date()
    with open_editions(said.store, ring, said.editions) as editions:
        held = editions.tables(force.editions)
        stale = (f"{edition.name}: it ended on {edition.end}, load a later release" for edition in ended(held, on))
        return (*map(str, disagreements(rules, held, on)), *stale)


def _there(store: str) -> bool:
    """Whether there may be a store at the URL; a server is asked when it is opened."""
    parsed = migration.parse(store)
    return dialect.of(parsed).exists(parsed)


def activated(said: Settings, ring: KeyRing, editions: Editions, wanted: tuple[Edition, ...], word: Word) -> str:
    """Put editions in force; what changed, in words. Raises the exit of 'refused' with all that is wrong."""
    places = [(edition.kind, edition.scope, edition.start) for edition in wanted]
    problems = [
        f"{edition.name} {edition.digest[:SHOWN]}: two editions of one table that begin on {edition.start}"
        for edition, place in zip(wanted, places, strict=True)
        if places.count(place) > 1
    ]
    problems += editions.damage(edition.digest for edition in wanted)
    if problems:
        raise refuse(tuple(problems))
    known = {edition.digest: edition for edition in editions.known()}
    rules = rules_of(said.mappings).digest
    came = {edition.digest for edition in wanted}

    def change(before: tuple[str, ...]) -> Iterable[str]:
        yield from came
        for digest in before:
            held = known.get(digest)
            if held is None or (held.kind, held.scope, held.start) not in places:
                yield digest

    with open_store(said.store, ring, word.clock, head=said.head) as opened:
        done = switch(opened, word.clock, Turn.ACTIVATED, rules, change, by=word.by, why=word.why)
        lanes = len(opened.lanes())
    told = _told(done, known)
    return told if done is None or not lanes else f"{told}\n{lanes} lanes are stepped again: by `serve`, or `run-due`"


def _told(done: InForce | None, known: dict[str, Edition]) -> str:
    if done is None:
        return "nothing changes: that is in force already"
    words = []
    for digest in done.about:
        name = f"{known[digest].name} {digest[:SHOWN]}" if digest in known else digest[:SHOWN]
        words.append(f"{'in force now' if digest in done.editions else 'out of force'}: {name}")
    return "\n".join(sorted(words))


def decided(by: str, why: str) -> None:
    """Refuse, as wrong use, a decision of nobody or for no reason."""
    if not by.strip() or not why.strip():
        raise typer.BadParameter("a decision takes --by and --why")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("--from is not a date (2026-01-05)") from None


def _named(digests: Iterable[str], known: Collection[str]) -> tuple[str, ...]:
    """The whole digests that these words begin; refuses what is short, unknown or more than one."""
    found: dict[str, None] = {}
    problems = []
    for word in digests:
        fitting = [digest for digest in known if digest.startswith(word.lower())]
        if len(word) < FEWEST or len(fitting) != 1:
            reason = (
                "at least six digits" if len(word) < FEWEST else "several begin so" if fitting else "none begins so"
            )
            problems.append(f"edition {word}: {reason}; see `oncoclaims tables`")
        else:
            found[fitting[0]] = None
    if problems:
        raise refuse(tuple(problems))
    return tuple(found)


def _row(edition: Edition) -> dict[str, object]:
    return {
        "kind": edition.kind.value,
        "scope": edition.scope,
        "release": edition.release,
        "from": edition.start,
        "to": edition.end,
        "rows": edition.rows,
        "digest": edition.digest,
        "files": list(edition.files),
    }


def _since(force: InForce | None) -> dict[str, object]:
    return {
        "since": None if force is None else force.at,
        "by": None if force is None else force.by,
        "why": None if force is None else force.why,
    }


def _days(edition: Edition) -> str:
    return f"from {edition.start}" + ("" if edition.end is None else f" to {edition.end}")


# Files


@dataclass(slots=True, eq=False)
class _Source:
    """A file on its way through the reader: its lines, its digest, how far it is read."""

    path: Path
    handle: BinaryIO
    seen: Callable[[int], None]
    digest: str = ""

    @property
    def file(self) -> SourceFile:
        """The file as readers take it."""
        return SourceFile(self.path.name, self.lines())

    def lines(self) -> Iterator[bytes]:
        """The lines, of a very long one the beginning only; blocks are hashed as they come."""
        sha = hashlib.sha256()
        rest = b""
        while block := self.handle.read(BLOCK):
            sha.update(block)
            self.seen(len(block))
            *lines, last = block.split(b"\n")
            if lines:
                yield rest + lines[0]
                yield from lines[1:]
                rest = last
            elif len(rest) <= MAX_LINE:  # what is longer is refused by the reader, and not kept
                rest += last
        if rest:
            yield rest
        self.digest = sha.hexdigest()

    def named(self) -> str:
        """`name sha256`, once it is read."""
        return f"{self.path.name} {self.digest}"


@contextlib.contextmanager
def _opened(paths: Iterable[Path]) -> Iterator[list[_Source]]:
    """The files opened, with a bar of progress on a terminal; refuses at once all that cannot be read."""
    with contextlib.ExitStack() as stack:
        sources, problems, size = [], [], 0
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            disable=not sys.stderr.isatty(),
        )
        task = bar.add_task("reading")
        for path in dict.fromkeys(paths):
            try:
                handle = stack.enter_context(path.open("rb"))
                size += path.stat().st_size
                sources.append(_Source(path, handle, lambda done: bar.advance(task, done)))
            except OSError as error:
                problems.append(f"{path}: cannot be read ({error.strerror or type(error).__name__})")
        if problems:
            raise BadSetup(tuple(problems))
        bar.update(task, total=size)
        stack.enter_context(bar)
        yield sources
