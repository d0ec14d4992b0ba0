"""The options that nearly every command takes, and what they mean for the settings, the clock and the store.

A command names none of them: `taking` gives it those that it needs, after its own, and hands it what was given;
`upon_store` opens the program for it as well.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, Literal
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
Named = Literal["store", "site", "mappings", "now", "keys"]
"""A common option, as `taking` is asked for it."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was given of the common options, each None where it was not. In this order they stand in a command's help."""

    store: Store = None
    site: SiteFile = None
    mappings: Mappings = None
    now: Now = None
    keys: Keys = None

    def settings(self) -> Settings:
        """The environment's settings with the flags over them."""
        flags = {
            "store": self.store,
            "site": self.site,
            "mappings": tuple(self.mappings) if self.mappings else None,
            "keys": self.keys,
        }
        return of_environment().model_copy(update={name: flag for name, flag in flags.items() if flag is not None})

    def clock(self) -> Clock:
        """The clock that `--now` asks for, else the system's."""
        return _clock_of(self.now, self.settings())

    def open(self, *, create: bool = False, writes: bool = False, steps: bool = True) -> Wired:
        """The program put together for one command; `create`, `writes` and `steps` as in `wiring.wire`."""
        said = self.settings()
        configure("error")  # a command tells what it finds in its own words; the service sets its own level
        return wire(said, clock=_clock_of(self.now, said), create=create, writes=writes, steps=steps)


_OPTIONS = inspect.signature(Given, eval_str=True).parameters


def taking(*names: Named) -> Callable[[Callable[Concatenate[Given, ...], None]], Callable[..., None]]:
    """A command with these common options, or with all of them, after its own; it is handed them as its first argument.

    For what opens no store, and what looks at its own arguments first.
    """

    def of(command: Callable[Concatenate[Given, ...], None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        common = [option for name, option in _OPTIONS.items() if not names or name in names]

        @wraps(command)
        def run(**said: Any) -> None:  # the values that Typer read by the signature below
            given = Given(**{option.name: said.pop(option.name) for option in common})
            command(given, **said)

        own = list(signature.parameters.values())[1:]
        run.__signature__ = signature.replace(parameters=(*own, *common))  # type: ignore[attr-defined]
        return run

    return of


def upon_store(*, writes: bool = False) -> Callable[[Callable[Concatenate[Wired, ...], None]], Callable[..., None]]:
    """A command with all common options after its own, which is handed the program put together, and closed after it.

    `writes` as in `wiring.wire`: for what changes the store.
    """

    def of(command: Callable[Concatenate[Wired, ...], None]) -> Callable[..., None]:
        @wraps(command)
        def upon(given: Given, **own: Any) -> None:
            with given.open(writes=writes) as wired:
                command(wired, **own)

        return taking()(upon)

    return of


def instant(text: str, zone: str) -> datetime:
    """An instant with its offset, or a date that means noon at the site."""
    try:
        if len(text) == len("2026-01-01"):
            return datetime.combine(date.fromisoformat(text), time(12), ZoneInfo(zone))
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("not an instant (2026-01-05T08:00-05:00) nor a date (2026-01-05)") from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))


def _clock_of(now: str | None, said: Settings) -> Clock:
    if now is None:
        return SystemClock()
    return WalkedClock(instant(now, site_of(said.site, rules_of(said.mappings)).zone))


def refuse(problems: BadSetup | tuple[str, ...]) -> typer.Exit:
    """Print problems to standard error, one line each, and give the exit of 'refused'."""
    for problem in problems.problems if isinstance(problems, BadSetup) else problems:
        typer.echo(problem, err=True)
    return typer.Exit(1)
