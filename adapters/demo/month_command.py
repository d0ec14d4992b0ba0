"""`oncoclaims demo --month`: play the month, print what was made wrong and what was found, fail where they differ."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import typer

from adapters.demo.check import money_problems
from adapters.demo.month import Played, played_month
from adapters.demo.month_check import FOUND_BY, Sighting, Verdict, reconciled, verdict
from adapters.files import show
from adapters.model import money
from adapters.model.reconciliation import Reconciliation
from fhir_server_stub.month_faults import KINDS, RATES, Fault

ROWS = 60
"""Faults and findings that are printed one by one."""


def month(folder: Path, seed: int, courses: int) -> None:
    """Play the month of the seed; exit code 1 where a fault was not found, something was invented, or money is lost."""
    with played_month(folder, seed, courses) as played:
        report = reconciled(played)
        found = verdict(played, report)
        wrong = (*(f"not taken: {answer}" for answer in played.refused), *money_problems(played))
        _tell(played, report, found)
    hint = f"cd {folder} && ONCOCLAIMS_STORE=sqlite:///demo.db ONCOCLAIMS_KEYS=demo.keys oncoclaims"
    typer.echo(f"look around:  {hint} reconcile --from {report.start} --to {report.end} --now {report.looked}")
    for problem in wrong:
        typer.echo(problem, err=True)
    for fault in found.missed:
        typer.echo(f"not found: {fault.id}, {fault.words}", err=True)
    for one in found.invented:
        typer.echo(f"no fault is behind it: {_sighting(one)}", err=True)
    if wrong or not found.holds:
        raise typer.Exit(1)
    typer.echo(
        f"{len(found.found)} faults made, each found; nothing else was found; "
        "our ledger equals the payers' books to the cent."
    )


def _tell(played: Played, report: Reconciliation, found: Verdict) -> None:
    made, pace = played.month, played.pace
    sessions = sum(one.service == "delivery" for one in made.delivered)
    typer.echo(
        f"the month of seed {made.seed}: {len(made.courses)} courses on {len({one.machine for one in made.courses})} "
        f"machines with {sessions} sessions, {len(made.infusions)} patients for infusions, "
        f"{len(made.messages)} messages from {made.begins.date()} to {made.ends.date()}"
    )
    whole, taken = pace.messages / pace.whole, pace.messages / pace.taking
    typer.echo(
        f"{whole:.0f} messages per second from the wire to the ledger ({pace.whole:.1f} s in all); "
        f"stored and acknowledged, one after the other: {taken:.0f} per second\n"
    )
    _kinds(found)
    _faults(found)
    _invented(found.invented)
    lost = sum(row.at_stake for row in report.rows)
    typer.echo(
        f"{len(report.rows)} services reconciled, {len(report.differing)} with an open difference "
        f"worth ${money.text(lost)}; {len(report.detections)} detectors fired"
    )


def _kinds(found: Verdict) -> None:
    """One row a kind: the rate, how many were made, how many were found, and by what."""
    made, seen = Counter(f.kind for f, _ in found.found), Counter(f.kind for f, s in found.found if s)
    rows = [
        (kind, f"{RATES[kind]:.1%}", made[kind], seen[kind], " or ".join(sorted(FOUND_BY[kind])))
        for kind in KINDS
        if made[kind]
    ]
    show.table(
        "Made wrong on purpose, and found",
        ("kind", "rate", "made", "found", "by"),
        rows,
        right=("rate", "made", "found"),
    )


def _faults(found: Verdict) -> None:
    rows = [(fault.id, fault.mrn, _day(fault), fault.words, _seen(seen)) for fault, seen in found.found[:ROWS]]
    show.table("Each fault", ("fault", "patient", "day", "what was made wrong", "what found it"), rows)


def _invented(invented: tuple[Sighting, ...]) -> None:
    if not invented:
        typer.echo("Found without a fault behind it: nothing.\n")
        return
    rows = [(one.name, one.mrn, one.day.isoformat() if one.day else "", one.words) for one in invented[:ROWS]]
    show.table("Found without a fault behind it", ("finding", "patient", "day", "what it says"), rows)


def _day(fault: Fault) -> str:
    return fault.day.isoformat() if fault.day else ""


def _seen(seen: tuple[Sighting, ...]) -> str:
    if not seen:
        return "NOTHING"
    more = f" and {len(seen) - 1} more" if len(seen) > 1 else ""
    return f"{seen[0].name}: {seen[0].words}{more}"


def _sighting(one: Sighting) -> str:
    return ", ".join(filter(None, (one.name, one.mrn, one.day.isoformat() if one.day else "", one.words, one.about)))
