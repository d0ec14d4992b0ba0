"""`rehearse`: everything derived under other rules, tables or settings, and what it would change in money. Writes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.cli.options import Given, Json, instant, taking
from adapters.errors import BadSetup
from adapters.files import show
from adapters.model import money
from adapters.model.charge import Charge
from adapters.model.people import Identifier
from adapters.model.record import Tick
from adapters.pipeline import House
from adapters.pipeline.rehearse import Change, Outcome, Rehearsal, outcome_of, rehearse
from adapters.settings import Settings, rules_of, site_of
from adapters.wiring import SystemClock, WalkedClock, Wired, wire

_SHARE: Final = 25
"""Lanes that a worker takes at a time: few enough that the progress moves, enough that handing them over is cheap."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A lane's rehearsal with the identifier by which people know the person."""

    patient: str
    rehearsal: Rehearsal


@dataclass(slots=True)
class _Stage:
    """What one process works with: the program as it is, and the house that is rehearsed."""

    wired: Wired
    then: House
    at: datetime

    def play(self, lanes: Sequence[str]) -> list[_Told]:
        tick = Tick(self.at, self.at.astimezone(ZoneInfo(self.then.site.zone)).date())
        told: list[_Told] = []
        for lane in lanes:
            record = self.wired.store.load(lane)
            if record.root:
                continue  # derived with the person whom it is put together with
            told.append(_Told(_known_as(record.identifiers, lane), rehearse(record, self.wired.house, self.then, tick)))
        return told


_stage: _Stage | None = None
"""Of a worker process, set once when it starts."""


@taking("store", "site", "now", "keys")
def rehearse_command(
    given: Given,
    mappings: Annotated[
        list[Path] | None,
        typer.Option("--mappings", help="Overlay folder to rehearse, instead of those in force; may be repeated."),
    ] = None,
    new_site: Annotated[Path | None, typer.Option("--new-site", help="Site file to rehearse.")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that share the lanes.")] = 1,
    as_json: Json = False,
) -> None:
    """Derive every lane under other mappings or another site file, and print each line that would change; write nothing.

    What is in force is what the environment says (ONCOCLAIMS_MAPPINGS, ONCOCLAIMS_SITE). Exit code 1 where something
    differs.
    """
    if mappings is None and new_site is None:
        raise typer.BadParameter("say what to rehearse: --mappings, --new-site")
    said = given.settings()
    told = list(_rehearsed(said, _then(said, mappings, new_site), given.now, workers))
    outcome = outcome_of(lane.rehearsal for lane in told)
    if as_json:
        show.json_lines(_row(lane, change) for lane in told for change in lane.rehearsal.changes)
    else:
        _print(outcome)
    if outcome.drift:
        typer.echo(
            f"beside these, {outcome.drift} lines on file are not as what is in force derives them today: "
            "run `oncoclaims run-due`",
            err=True,
        )
    if outcome.lines:
        raise typer.Exit(1)


def _then(said: Settings, mappings: list[Path] | None, new_site: Path | None) -> Settings:
    changed: dict[str, object] = {}
    if mappings is not None:
        changed["mappings"] = tuple(mappings)
    if new_site is not None:
        changed["site"] = new_site
    return said.model_copy(update=changed)


def _rehearsed(said: Settings, then: Settings, now: str | None, workers: int) -> Iterator[_Told]:
    # Opened here in any case, so that every fault of the new files is told before the work begins.
    stage = _set(said, then, now)
    try:
        lanes = list(stage.wired.store.lanes())
        shares = [lanes[n : n + _SHARE] for n in range(0, len(lanes), _SHARE)]
        with _bar() as bar:
            task = bar.add_task("rehearsing", total=len(lanes))
            start = (said, then, stage.at.isoformat())
            for share, played in zip(shares, _played(stage, shares, workers, start), strict=True):
                bar.advance(task, len(share))
                yield from played
    finally:
        stage.wired.close()


def _played(
    stage: _Stage, shares: list[list[str]], workers: int, start: tuple[Settings, Settings, str]
) -> Iterator[list[_Told]]:
    if workers == 1 or len(shares) < 2:
        yield from map(stage.play, shares)
        return
    # Spawned, not forked: the store of this process has threads.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin, initargs=start) as pool:
        yield from pool.map(_play, shares)


def _begin(said: Settings, then: Settings, now: str) -> None:
    global _stage  # noqa: PLW0603  # what a worker process works with lives as long as the process
    _stage = _set(said, then, now)


def _play(lanes: Sequence[str]) -> list[_Told]:
    if _stage is None:
        raise BadSetup(("a worker was not set up",))
    return _stage.play(lanes)


def _set(said: Settings, then: Settings, now: str | None) -> _Stage:
    rules = rules_of(then.mappings)
    site = site_of(then.site, rules)
    at = SystemClock().now() if now is None else instant(now, site.zone)
    wired = wire(said, clock=WalkedClock(at))
    return _Stage(wired, House.of(rules, site, wired.house.tables), at)


def _known_as(identifiers: Iterable[Identifier], lane: str) -> str:
    return min((identifier.value for identifier in identifiers), default=lane)


def _bar() -> Progress:
    """A progress bar on standard error, where that is a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


# ---------------------------------------------------------------- printing


def _line(charge: Charge | None) -> dict[str, object] | None:
    if charge is None:
        return None
    amount = None if charge.price is None else money.text(charge.amount)
    return {"code": charge.code, "modifiers": list(charge.modifiers), "units": str(charge.units), "amount": amount}


def _row(lane: _Told, change: Change) -> dict[str, object]:
    return {
        "kind": change.turn.value,
        "patient": lane.patient,
        "charge": change.charge or None,
        "slot": {"service": change.slot.service, "key": change.slot.key, "part": change.slot.part},
        "date": change.day,
        "before": _line(change.before),
        "after": _line(change.after),
        "effect": money.text(change.effect),
        "hold": change.hold or None,
        "status": change.status or None,
        "claim": change.claim or None,
        "rule": {"id": change.rule.id, "since": change.rule.since.isoformat(), "cite": change.rule.cite},
    }


def _print(outcome: Outcome) -> None:
    columns = ("what", "now", "then", "hold", "lines", "units", "effect $", "of that sent", "decided by")
    rows = [(*g.key, g.lines, g.units, money.text(g.effect), g.sent, " ".join(g.rules)) for g in outcome.groups]
    if rows:
        show.table("What would change", columns, rows, right=("lines", "units", "effect $", "of that sent"))
    typer.echo(f"{outcome.changed} of {outcome.persons} persons, {outcome.lines} lines")
    due = f"due now ${money.text(outcome.before)}, then ${money.text(outcome.after)}"
    typer.echo(f"{due}: {_signed(outcome.effect)}")
    if outcome.corrections:
        typer.echo(f"{outcome.corrections} claims that are out would be corrected or voided")


def _signed(amount: int) -> str:
    return f"{'+' if amount >= 0 else '-'}${money.text(abs(amount))}"
