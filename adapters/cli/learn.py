"""`learn`: what a day of messages says about its feed's dialect, and a dialect file to begin with. Stores nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.options import Json, refuse
from adapters.files import show
from adapters.hl7v2.learn import study
from adapters.hl7v2.proposal import DIALECT_ID, proposal


def learn(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders of HL7 v2 messages.")],
    id: Annotated[str, typer.Option("--id", help="Id of the dialect proposed.")] = "learned",
    as_json: Json = False,
) -> None:
    """What a day of messages says about its dialect: counts, and a TOML file proposed from them.

    Nothing is told of people: values come from closed lists, places are named, contents never.
    """
    if not DIALECT_ID.fullmatch(id):
        raise typer.BadParameter("a dialect is named by lower-case letters, digits and hyphens", param_hint="--id")
    found = study(path.read_bytes() for path in _files(paths))
    proposed = proposal(found, id)
    rows = [
        {
            "topic": seen.topic,
            "where": seen.where,
            "value": seen.value,
            "count": seen.count,
            "of": seen.of,
            "confidence": seen.confidence,
        }
        for seen in found.seen()
    ]
    unread = [
        {"topic": "unread", "where": "", "value": reason, "count": count, "of": found.messages + found.unread.total()}
        for reason, count in sorted(found.unread.items())
    ]
    if as_json:
        show.json_lines([*rows, *({**row, "confidence": None} for row in unread)])
        show.json_lines([{"topic": "proposal", "where": id, "value": proposed}])
        return
    cells = ([row[key] for key in _KEYS] for row in (*rows, *unread))
    show.table(f"{found.messages} messages", _KEYS, cells, right=("count", "of"))
    typer.echo(proposed)


_KEYS = ("topic", "where", "value", "count", "of")


def _files(paths: list[Path]) -> Iterator[Path]:
    """The files named, and the `.hl7` files of a folder in name order; refuses what is not there before any is read."""
    missing = tuple(f"{path}: no such file" for path in paths if not path.exists())
    if missing:
        raise refuse(missing)
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix.lower() == ".hl7" and p.is_file())
        else:
            yield path
