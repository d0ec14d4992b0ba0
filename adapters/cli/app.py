"""The commands, put under one name. A command whose capability is not built does not exist yet."""

from __future__ import annotations

import sys
from datetime import date
from typing import Annotated

import typer

from adapters.cases import case
from adapters.cli import identity, keeping, listings, patients, polling, running, tables
from adapters.cli.collecting import collect_seldom
from adapters.cli.comparing import compare_command
from adapters.cli.deciding import work_app
from adapters.cli.entering import enter
from adapters.cli.going_live import golive
from adapters.cli.keys import keys_app
from adapters.cli.learn import learn
from adapters.cli.options import Given, refuse, taking
from adapters.cli.reconcile import reconcile
from adapters.cli.rehearse import rehearse_command
from adapters.cli.remitting import match, remit
from adapters.cli.serving import serve, stub
from adapters.cli.users import users_app
from adapters.demo import demo
from adapters.errors import BadSetup, OncoclaimsError
from adapters.rules import check
from adapters.settings import rules_of, told

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
rules_app = typer.Typer(no_args_is_help=True, help="The dated rules.")
app.add_typer(rules_app, name="rules")
app.add_typer(keys_app, name="keys")
app.add_typer(work_app, name="work")
app.add_typer(users_app, name="user")

for name, command in (
    ("demo", demo),
    ("doctor", running.doctor),
    ("init", running.init),
    ("serve", serve),
    ("stub", stub),
    ("ingest", running.ingest),
    ("run-due", running.run_due),
    ("replay", running.replay),
    ("enter", enter),
    ("merge", identity.merge),
    ("unmerge", identity.unmerge),
    ("submit", running.submit),
    ("remit", remit),
    ("match", match),
    ("poll", polling.poll),
    ("subscribe", polling.subscribe),
    ("charges", listings.charges),
    ("claims", listings.claims),
    ("worklist", listings.worklist),
    ("ledger", listings.ledger),
    ("explain", listings.explain),
    ("trace", listings.trace),
    ("chain", patients.chain),
    ("statement", patients.statement),
    ("appeal", patients.appeal),
    ("packet", patients.packet),
    ("void", patients.void),
    ("verify", keeping.verify),
    ("rebuild", keeping.rebuild),
    ("migrate", keeping.migrate),
    ("backup", keeping.backup),
    ("restore", keeping.restore),
    ("load", tables.load),
    ("tables", tables.tables),
    ("golive", golive),
    ("conform", running.conform),
    ("learn", learn),
    ("rehearse", rehearse_command),
    ("compare", compare_command),
    ("reconcile", reconcile),
    ("case", case),
):
    app.command(name)(command)


@rules_app.command("check")
@taking("store", "mappings", "keys")
def rules_check(
    given: Given, on: Annotated[str | None, typer.Option("--on", help="Also list what is stale on this date.")] = None
) -> None:
    """Load all mappings, run every rule's examples, list what is stale.

    Where there is a store, also: what its tables in force say otherwise than our own facts on the day (--on, or today),
    and which of them have run out.
    """
    try:
        day = date.fromisoformat(on) if on else None
    except ValueError:
        raise typer.BadParameter("not a date (2026-01-05)") from None
    said = given.settings()
    rules = rules_of(said.mappings)
    problems = tuple(told(problem, said.mappings) for problem in check(rules, day))
    problems += tables.apart(said, rules, day)
    if problems:
        raise refuse(problems)
    examples = sum(len(version.examples) for rule in rules.rules for version in rule.versions)
    typer.echo(f"{len(rules.rules)} dated rules, {examples} examples, all as they say; digest {rules.digest[:16]}")


rules_app.command("activate")(tables.activate)
rules_app.command("deactivate")(tables.deactivate)


def main() -> None:
    """Run the console script; a bad set-up is told line by line with exit code 1, never as a traceback."""
    collect_seldom()
    try:
        app(prog_name="oncoclaims")
    except BadSetup as bad:
        for problem in bad.problems:
            sys.stderr.write(f"{problem}\n")
        sys.exit(1)
    except OncoclaimsError as failed:
        sys.stderr.write(f"{failed}\n")
        sys.exit(1)
