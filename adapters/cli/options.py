"""The options that every command takes, and what they mean for the settings and the clock."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from adapters.errors import BadSetup
from adapters.ports import Clock
from adapters.serve.logs import configure
from adapters.settings import Settings, of_environment, rules_of, site_of
from adapters.wiring import SystemClock, WalkedClock, Wired, wire

Json = Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")]
Store = Annotated[str | None, typer.Option("--store", help="Store URL (ONCOCLAIMS_STORE).", show_default=False)]
SiteFile = Annotated[Path | None, typer.Option("--site", help="Site file (ONCOCLAIMS_SITE).", show_default=False)]
Mappings = Annotated[
    list[Path] | None,
    typer.Option("--mappings", help="Overlay folder of mappings; may be repeated.", show_default=False),
]
Now = Annotated[
    str | None,
    typer.Option("--now", help="The instant to act at, or a date: noon at the site.", show_default=False),
]
Keys = Annotated[Path | None, typer.Option("--keys", help="Key file (ONCOCLAIMS_KEYS).", show_default=False)]


def settings(
    store: str | None = None,
    site: Path | None = None,
    mappings: list[Path] | None = None,
    keys: Path | None = None,
) -> Settings:
    """The environment's settings with the flags over them."""
    said = of_environment()
    given = {"store": store, "site": site, "mappings": tuple(mappings) if mappings else None, "keys": keys}
    return said.model_copy(update={name: value for name, value in given.items() if value is not None})


def instant(text: str, zone: str) -> datetime:
    """An instant with its offset, or a date that means noon at the site."""
    try:
        if len(text) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(text), time(12), ZoneInfo(zone))
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("not an instant (2026-01-05T08:00-05:00) nor a date (2026-01-05)") from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))


def clock_of(now: str | None, said: Settings) -> Clock:
    """The clock that `--now` asks for, else the system's."""
    if now is None:
        return SystemClock()
    return WalkedClock(instant(now, site_of(said.site, rules_of(said.mappings)).zone))


def open_program(
    store: str | None = None,
    site: Path | None = None,
    mappings: list[Path] | None = None,
    now: str | None = None,
    keys: Path | None = None,
    *,
    create: bool = False,
    writes: bool = False,
    steps: bool = True,
) -> Wired:
    """The program put together for one command; `writes` and `steps` as in `wiring.wire`."""
    said = settings(store, site, mappings, keys)
    configure("error")  # a command tells what it finds in its own words; the service sets its own level
    return wire(said, clock=clock_of(now, said), create=create, writes=writes, steps=steps)


def refuse(problems: BadSetup | tuple[str, ...]) -> typer.Exit:
    """Print problems to standard error, one line each, and give the exit of 'refused'."""
    for problem in problems.problems if isinstance(problems, BadSetup) else problems:
        typer.echo(problem, err=True)
    return typer.Exit(1)
