"""Going live: from which dates of service what is claimed, decided by a person and put in force like any table.

A decision makes a new edition of the table `live` (what was decided before, with the change) and puts it in force by an
entry of the journal, with who and why. So every step on record says under which days it was made, and `rebuild` folds a
journal over a going live to the same bytes; another site file would make of it a rehearsal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

from adapters.cli.options import Given, Json, refuse, taking
from adapters.cli.tables import By, WhyGiven, Word, activated, decided
from adapters.errors import BadSetup
from adapters.files import show
from adapters.model.live import Live, decided_over, governing, live_problems
from adapters.model.site import Site
from adapters.model.tables import Row, TableKind
from adapters.pipeline.force import Turn
from adapters.settings import Settings, rules_of, site_of
from adapters.settings.going_live import services_of
from adapters.store import KeyRing, open_store
from adapters.store.editions.kept import Editions, NotLoaded, open_editions
from adapters.tables import Heading, Reading
from adapters.tables.source import Problems
from adapters.wiring import force_of, key_ring, switch

_EVER: Final = date(2000, 1, 1)
"""First day of every edition of the table: a later one takes the place of the earlier."""
Family = Annotated[str, typer.Option("--family", help="Service family, or `radiation` or `infusion`; any if not said.")]
PayerId = Annotated[str, typer.Option("--payer", help="Id of a payer; any if not said.")]
EntityId = Annotated[str, typer.Option("--entity", help="Id of a billing entity; any if not said.")]
From = Annotated[str, typer.Option("--from", help="First date of service that is claimed (2026-03-02).")]
ShadowFrom = Annotated[str, typer.Option("--shadow-from", help="First date of service that is compared.")]
Withdraw = Annotated[bool, typer.Option("--withdraw", help="What was decided of it holds no more: the site file does.")]


@taking()
def golive(
    given: Given,
    family: Family = "",
    payer: PayerId = "",
    entity: EntityId = "",
    live_from: From = "",
    shadow_from: ShadowFrom = "",
    withdraw: Withdraw = False,
    by: By = "",
    why: WhyGiven = "",
    as_json: Json = False,
) -> None:
    """Decide from which dates of service what is claimed; without a day: say what holds.

    Lines of earlier dates are derived and compared, and never claimed; what was sent stays as it is.
    """
    days = _day(shadow_from, "--shadow-from"), _day(live_from, "--from")
    if withdraw and any(days):
        raise typer.BadParameter("--withdraw takes no day")
    changes = withdraw or any(days)
    if changes:
        decided(by, why)
    said = given.settings()
    site = site_of(said.site, rules_of(said.mappings))
    ring = key_ring(said.keys)
    with open_editions(said.store, ring, said.editions) as editions:
        before = _decided_before(said, ring, editions)
        if not changes:
            _tell(site, before, as_json=as_json)
            if strange := _problems(site, before, said):  # a name that the site file has no more binds nothing
                raise refuse(strange)
            return
        change = Live(entity, payer, family, *days, place="golive")
        after = tuple(row for row in before if row.scope != change.scope)
        if withdraw and len(after) == len(before):
            raise refuse((f"golive: nothing was decided of {change.words}",))
        if not withdraw:
            after = (*after, change)
            if problems := _problems(site, [change], said):
                raise refuse(problems)
        typer.echo(_in_force(said, ring, editions, after, Word(by, why, given.clock())))
        now = (replace(row, place="decided") for row in after)
        held = governing(decided_over(site.live, now), entity, payer, family)
    typer.echo(f"{change.words}: {_words(held)}")


def _problems(site: Site, rows: Iterable[Live], said: Settings) -> tuple[str, ...]:
    entities = [e.id for f in site.facilities for e in f.entities]
    payers = [payer.id for payer in site.payers]
    return tuple(live_problems(rows, entities, payers, services_of(rules_of(said.mappings))))


def _decided_before(said: Settings, ring: KeyRing, editions: Editions) -> tuple[Live, ...]:
    """What was decided and is in force, each row with its edition."""
    with open_store(said.store, ring, Given().clock(), head=said.head) as opened:
        tables = editions.tables(force_of(opened).editions)
    edition = tables.edition(TableKind.LIVE, date.max)
    return () if edition is None else tuple(replace(row, place=edition.name) for row in tables.live())


def _in_force(said: Settings, ring: KeyRing, editions: Editions, rows: tuple[Live, ...], word: Word) -> str:
    """Put these rows in force in place of those that are; what changed, in words."""
    if not rows:
        return _none_in_force(said, ring, editions, word)
    now = word.clock.now().astimezone(ZoneInfo(site_of(said.site, rules_of(said.mappings)).zone))
    heading = Heading(TableKind.LIVE, "", now.date().isoformat(), _EVER, None)
    plain = sorted((replace(row, place="") for row in rows), key=lambda row: row.scope)

    def given(_: Reading) -> Iterator[Row]:
        return iter(plain)

    loaded = editions.load(Reading(heading, given, Problems()))
    if isinstance(loaded, NotLoaded):
        raise BadSetup(tuple(map(str, loaded.problems)))
    return activated(said, ring, editions, (loaded.edition,), word)


def _none_in_force(said: Settings, ring: KeyRing, editions: Editions, word: Word) -> str:
    """Take the table out of force: nothing is decided any more."""
    gone = {edition.digest for edition in editions.known() if edition.kind is TableKind.LIVE}

    def change(before: tuple[str, ...]) -> Iterable[str]:
        return (digest for digest in before if digest not in gone)

    rules = rules_of(said.mappings).digest
    with open_store(said.store, ring, word.clock, head=said.head) as opened:
        switch(opened, word.clock, Turn.DEACTIVATED, rules, change, by=word.by, why=word.why)
    return "nothing is decided any more: the site file says all"


def _tell(site: Site, before: tuple[Live, ...], *, as_json: bool) -> None:
    """What holds, row by row, with where it is said."""
    rows = [
        {
            "family": row.service or None,
            "payer": row.payer or None,
            "entity": row.entity or None,
            "shadow_from": row.shadow_from,
            "live_from": row.live_from,
            "said": row.place,
        }
        for row in decided_over(site.live, before)
    ]
    if as_json:
        show.json_lines(rows)
        return
    if not rows:
        typer.echo("everything is claimed: neither the site file nor a decision says from when on")
        return
    columns = ("family", "payer", "entity", "compared from", "claimed from", "said in")
    cells = [[str(value or "") for value in row.values()] for row in rows]
    show.table("Going live", columns, cells)


def _words(row: Live | None) -> str:
    if row is None:
        return "claimed, whatever the date of service"
    since = f"compared from {row.shadow_from} on, " if row.shadow_from else ""
    return since + (f"claimed from {row.live_from} on" if row.live_from else "not claimed yet") + f" ({row.place})"


def _day(text: str, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("not a date (2026-03-02)", param_hint=option) from None
