"""What a person knows and no feed reported: `enter FILE`, checked against what is on file before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from adapters.cli.deciding import By, Reason, decide, supervising
from adapters.cli.options import Given, refuse, taking
from adapters.model.decision import Decision
from adapters.pipeline.entering import Placed, placed
from adapters.work.entered import read_entered


@taking()
def enter(
    given: Given,
    file: Annotated[Path, typer.Argument(help="TOML, or JSON of the same shape: see adapters/work/README.md.")],
    by: By,
    why: Reason,
) -> None:
    """Enter what no feed reported: an event, a fact, a line that is not billed or billed otherwise."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as wrong:
        raise refuse((f"{file.name}: cannot be read ({type(wrong).__name__})",)) from None
    with given.open(writes=True) as wired:
        as_json = file.suffix.lower() == ".json"
        entered = read_entered(text, as_json=as_json, zone=ZoneInfo(wired.site.zone))
        found = entered if isinstance(entered, tuple) else placed(wired.store, entered)
        if not isinstance(found, Placed):
            raise refuse(tuple(f"{file.name}: {problem}" for problem in found))
        decision = Decision(by, why, wired.clock.now(), found.says, found.person, supervising(wired, by))
        made = decide(wired, decision)
    typer.echo(f"decision {made}: {len(decision.says)} entered")
