"""`compare`: our charges against the coded ones that the EHR sent, over a time, with money, trend and reasons."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated, Final

import typer

from adapters.cli.listings import records
from adapters.cli.options import Given, Json, refuse, taking
from adapters.comparing import By, compare, tallies, within
from adapters.files import show
from adapters.model import money
from adapters.model.comparison import Coding, Pair, Tally, Unlike
from adapters.model.spreadsheet import written
from adapters.pipeline.sides import sides_of

From = Annotated[str, typer.Option("--from", help="First date of service (2026-03-01).")]
To = Annotated[str, typer.Option("--to", help="Last date of service.")]
Csv = Annotated[bool, typer.Option("--csv", help="Comma-separated, safe to open in a spreadsheet.")]
Grouped = Annotated[By | None, typer.Option("--by", help="What they come to by this, instead of each difference.")]


@taking()
def compare_command(
    given: Given,
    since: From = "",
    until: To = "",
    by: Grouped = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Set our charges against the coded ones: matched, ours only, theirs only, held, and what differs in which word.

    Money on both sides is by the site's fees. Exit 1 where they differ.
    """
    first, last = _day(since, "--from"), _day(until, "--to")
    if first and last and first > last:
        raise typer.BadParameter("--from is after --to")
    if as_json and as_csv:
        raise typer.BadParameter("--json or --csv, not both")
    with given.open() as wired:
        names: dict[str, str] = {}
        found: list[Pair] = []
        for record in records(wired):
            names[record.person] = show.patient(record)
            found += sides_of(record, wired.house)
    pairs = within(found, first, last)
    outcome = compare(pairs)
    if by is not None:
        _groups(tallies(pairs, by), by, as_json=as_json, as_csv=as_csv)
    elif as_json or as_csv:
        rows = [_row(one, names) for one in outcome.unlike]
        _out(rows, _COLUMNS, as_csv=as_csv)
    else:
        for group in (By.WEEK, By.SERVICE):
            _groups(tallies(pairs, group), group, as_json=False, as_csv=False)
        _listed(outcome.unlike)
        _sum(outcome.total)
    if outcome.unlike:
        raise refuse((f"{len(outcome.unlike)} differences in {outcome.total.matched + len(outcome.unlike)} lines",))


_COLUMNS: Final = (
    "kind",
    "differs",
    "day",
    "service",
    "clinic",
    "entity",
    "payer",
    "patient",
    "ours",
    "theirs",
    "effect",
    "reason",
    "id",
    "look",
)


def _row(one: Unlike, names: dict[str, str]) -> dict[str, object]:
    pair = one.pair
    return {
        "kind": one.kind.value,
        "differs": [kind.value for kind in one.differs],
        "day": pair.day,
        "service": pair.service,
        "clinic": pair.clinic,
        "entity": pair.entity,
        "payer": pair.payer or None,
        "patient": names.get(pair.person, pair.person),
        "ours": _side(pair.ours),
        "theirs": _side(pair.theirs),
        "effect": money.decimal(pair.effect),
        "reason": one.reason,
        "id": one.id,
        "look": _look(pair),
    }


def _look(pair: Pair) -> str:
    """The command that takes the id."""
    return "explain" if pair.ours and pair.ours.id else "trace"


def _side(side: Coding | None) -> dict[str, object] | None:
    if side is None:
        return None
    return {
        "code": side.code,
        "modifiers": list(side.modifiers),
        "units": str(side.units),
        "day": side.day,
        "amount": money.text(side.amount),
        "held": side.held or None,
    }


def _groups(groups: Sequence[Tally], by: By, *, as_json: bool, as_csv: bool) -> None:
    columns = (by.value, "matched", "differ", "agree", "ours", "theirs", "over", "under")
    rows = [
        dict(
            zip(
                columns,
                (
                    one.name,
                    one.matched,
                    one.unlike,
                    f"{one.agreement:.1%}",
                    money.decimal(one.ours),
                    money.decimal(one.theirs),
                    money.decimal(one.over),
                    money.decimal(one.under),
                ),
                strict=True,
            )
        )
        for one in groups
    ]
    if as_json or as_csv:
        _out(rows, columns, as_csv=as_csv)
        return
    shown = (by.value, "matched", "differ", "agree", "ours $", "theirs $", "we more $", "they more $")
    show.table(f"By {by.value}", shown, [tuple(row.values()) for row in rows], right=shown[1:])


def _listed(unlike: Iterable[Unlike]) -> None:
    columns = ("day", "service", "difference", "effect $", "why", "id")
    cells = [
        (
            one.pair.day,
            one.pair.service,
            " ".join(one.differs),
            money.text(one.pair.effect),
            one.reason,
            f"{_look(one.pair)} {one.id}",
        )
        for one in unlike
    ]
    show.table("Differences", columns, cells, right=("effect $",))


def _sum(total: Tally) -> None:
    typer.echo(
        f"{total.matched} match, {total.unlike} differ ({total.agreement:.1%} agree); ours ${money.text(total.ours)}, "
        f"theirs ${money.text(total.theirs)}: ${money.text(total.over)} that they did not code, "
        f"${money.text(total.under)} that we would not bill"
    )


def _out(rows: Sequence[dict[str, object]], columns: Sequence[str], *, as_csv: bool) -> None:
    if not as_csv:
        show.json_lines(rows)
        return
    sys.stdout.write(written(columns, ([_told(row[column]) for column in columns] for row in rows)))


def _told(value: object) -> object:
    """What a column of the sheet says of it: a side in one text, a list by its words."""
    if isinstance(value, dict):
        modifiers = value["modifiers"]
        code = "-".join((str(value["code"]), *(map(str, modifiers) if isinstance(modifiers, list) else ())))
        return f"{code} x {value['units']} {value['day']} {value['amount']}"
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _day(text: str, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("not a date (2026-03-01)", param_hint=option) from None
