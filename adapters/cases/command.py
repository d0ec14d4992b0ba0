"""The command: run cases, print what they came to, say what differs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from adapters.cases.case import Case, read_case
from adapters.cases.compare import differences
from adapters.cases.document import items
from adapters.cases.printed import Printed, printed
from adapters.cases.story import told
from adapters.rules import Ruleset
from adapters.settings import rules_of

Files = Annotated[list[Path], typer.Argument(help="Case files (YAML).", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a case instead of a table.")]
Mappings = Annotated[
    list[Path] | None,
    typer.Option("--mappings", help="Overlay folder of mappings; may be repeated.", show_default=False),
]


def case(files: Files, as_json: Json = False, mappings: Mappings = None) -> None:
    """Run acceptance cases: feed the events, print the outcome, compare with `expect` where there is one."""
    rules = rules_of(tuple(mappings or ()))
    ran: list[tuple[Case, Printed, list[str]]] = []
    refused = 0
    for file in files:
        read = _read(file)
        if not isinstance(read, Case):
            refused += 1
            for problem in read:
                typer.echo(problem, err=True)
            continue
        ran.append((read, *judged(read, rules)))
        if as_json:
            sys.stdout.write(json.dumps(ran[-1][1], ensure_ascii=False) + "\n")
    passed = sum(not wrong for _, _, wrong in ran)
    if as_json:
        for read, _, wrong in ran:
            for sentence in wrong:
                typer.echo(f"{read.id}: {sentence}", err=True)
    else:
        _table(ran)
        typer.echo(f"{passed} of {len(files)} cases pass")
    if refused or passed < len(ran):
        raise typer.Exit(1)


def judged(read: Case, rules: Ruleset) -> tuple[Printed, list[str]]:
    """What the case comes to, and what differs from what it expects; of a case that cannot be run, why."""
    result = printed(told(read, rules))
    if not_built := [str(problem) for problem in items(result.get("not_built"))]:
        return result, not_built
    return result, differences(read, result)


def _read(file: Path) -> Case | tuple[str, ...]:
    try:
        content = file.read_text(encoding="utf-8")
    except OSError as wrong:
        return (f"{file}: {wrong.strerror or 'cannot be read'}",)
    except UnicodeDecodeError:
        return (f"{file}: not UTF-8 text",)
    return read_case(content, str(file))


def _table(ran: list[tuple[Case, Printed, list[str]]]) -> None:
    sheet = Table(title="Cases", title_justify="left", header_style="bold")
    for column in ("case", "result", "differences"):
        sheet.add_column(column, overflow="fold")
    for read, result, wrong in ran:
        verdict = "not built" if result.get("not_built") else "fail" if wrong else "pass" if read.expect else "ran"
        sheet.add_row(read.id, verdict, "\n".join(wrong))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160, highlight=False, markup=False).print(sheet)
