"""Asking EHRs and desks: `poll --ehr`, `poll --desk`, and `subscribe`, which has EHRs tell us of news."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.cli.options import Given, Json, refuse, taking, upon_store
from adapters.ehr import EhrClient
from adapters.ehr.sending import MllpSender
from adapters.ehr.subscribing import subscribe as subscribe_at
from adapters.ehr.subscribing import unsubscribe
from adapters.errors import BadSetup
from adapters.files import show
from adapters.model.ehr import Ehr
from adapters.model.site import Site
from adapters.serve.asking import Asking
from adapters.serve.desks import Desks
from adapters.serve.lanes import Lanes
from adapters.serve.questioning import Questioned
from adapters.settings import rules_of, site_of
from adapters.wiring import SystemClock, Wired

EVERY: str = "all"
"""What `--ehr` says for all EHRs of the site."""


def ask_ehrs(wired: Wired, lanes: Lanes, names: list[str], *, as_json: bool) -> tuple[str, ...]:
    """Ask EHRs for what changed until nothing more waits there, and work what came; prints a line each.

    `names` are feeds, or `all`. Gives what went wrong. Raises `BadSetup` for a feed that has no EHR.
    """
    problems: list[str] = []
    rows: list[dict[str, object]] = []
    with EhrClient() as client:
        asking = Asking(wired, client)
        for ehr in _asked(wired.site, names):
            row: dict[str, object] = {"feed": ehr.feed, "taken": 0, "repeated": 0, "pages": 0}
            while True:
                done = asking.once(ehr)
                if done is None:
                    problems.append(f"{ehr.feed}: another process is asking this EHR now")
                    break
                row |= {k: int(str(row[k])) + getattr(done, k) for k in ("taken", "repeated", "pages")}
                problems += [f"{ehr.feed}: {trouble.kind}: {trouble.code}" for trouble in done.troubles]
                if not done.more or done.troubles:
                    break
            rows.append(row)
        lanes.work()
        for ehr, row in zip(_asked(wired.site, names), rows, strict=True):
            if (said := asking.question(ehr)) is not None:
                row["questions"] = _counts(said)
                problems += [f"{ehr.feed}: a question to the clinic: {code}" for code in said.troubles]
    if as_json:
        show.json_lines(rows)
    else:
        show.table(
            "EHRs",
            ("feed", "taken", "repeated", "pages"),
            [list(r.values())[:4] for r in rows],
            right=("taken", "repeated", "pages"),
        )
        for row in rows:
            if isinstance(counts := row.get("questions"), dict):
                typer.echo(_line(str(row["feed"]), counts))
    return tuple(problems)


def ask_desks(wired: Wired, lanes: Lanes, names: list[str], *, as_json: bool) -> tuple[str, ...]:
    """Work what waits, then ask desks what the record lacks; prints a line each, and gives what went wrong.

    `names` are feeds, or `all`. Raises `BadSetup` for a feed that has no desk.
    """
    site = wired.site
    if unknown := [name for name in names if name != EVERY and site.desk(name) is None]:
        raise BadSetup(tuple(f"the site has no desk for the feed {name!r}" for name in unknown))
    problems: list[str] = []
    desks = Desks(wired, MllpSender())
    lanes.work()
    for desk in site.desks:
        if EVERY not in names and desk.feed not in names:
            continue
        done = desks.once(desk)
        if done is None:
            problems.append(f"{desk.feed}: another process is asking this desk now")
            continue
        problems += [f"{desk.feed}: a question to the clinic: {code}" for code in done.troubles]
        if as_json:
            show.json_lines([{"feed": desk.feed, "questions": _counts(done)}])
        else:
            typer.echo(_line(desk.feed, _counts(done)))
    return tuple(problems)


def _counts(done: Questioned) -> dict[str, int]:
    return {name: getattr(done, name) for name in ("asked", "reminded", "answered", "withdrawn")}


def _line(feed: str, counts: dict[str, int]) -> str:
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{feed}: questions to the clinic: {told or 'nothing new'}"


def _asked(site: Site, names: list[str]) -> list[Ehr]:
    if EVERY in names:
        return list(site.ehrs)
    if unknown := [name for name in names if site.ehr(name) is None]:
        raise BadSetup(tuple(f"the site has no EHR for the feed {name!r}" for name in unknown))
    return [ehr for ehr in site.ehrs if ehr.feed in names]


@taking("store", "site", "mappings")
def subscribe(
    given: Given,
    feeds: Annotated[list[str], typer.Argument(help="Feeds whose EHRs are to tell us of news, or `all`.")],
    delete: Annotated[bool, typer.Option("--delete", help="Take our Subscriptions back.")] = False,
    as_json: Json = False,
) -> None:
    """Make our Subscriptions at EHRs, renew those that are there, or take them back."""
    said = given.settings()
    rows: list[dict[str, object]] = []
    with EhrClient() as client:
        for ehr in _asked(site_of(said.site, rules_of(said.mappings)), feeds):
            done = unsubscribe(ehr, client) if delete else subscribe_at(ehr, client, SystemClock().now())
            rows += [{"feed": ehr.feed, "type": one.kind, "done": one.done, "problem": one.problem} for one in done]
    if as_json:
        show.json_lines(rows)
    else:
        show.table("Subscriptions", ("feed", "type", "done", "problem"), [list(row.values()) for row in rows])
    if problems := tuple(
        f"{row['feed']}: {row['type'] or 'Subscription'}: {row['problem']}" for row in rows if row["problem"]
    ):
        raise refuse(problems)


@upon_store(writes=True)
def poll(
    wired: Wired,
    ehr: Annotated[
        list[str] | None, typer.Option("--ehr", help="Ask the EHR of this feed (or `all`) for what changed.")
    ] = None,
    desk: Annotated[
        list[str] | None, typer.Option("--desk", help="Ask the desk of this feed (or `all`) what the record lacks.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask payers for pended answers that are due; with --ehr ask EHRs for what changed, with --desk the clinic, instead."""
    from adapters.cli.running import lanes_of

    lanes = lanes_of(wired)
    if ehr or desk:
        problems = ask_ehrs(wired, lanes, ehr, as_json=as_json) if ehr else ()
        if problems := (*problems, *(ask_desks(wired, lanes, desk, as_json=as_json) if desk else ())):
            raise refuse(problems)
        return
    lanes.work()
    lanes.poll(wired.clock.now())
