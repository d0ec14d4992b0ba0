"""`reconcile`: scheduled, delivered, documented, charged, claimed and paid, and where each service stops."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

from adapters.cli.listings import records
from adapters.cli.options import Given, Json, taking
from adapters.files import show
from adapters.model import money
from adapters.model.reconciliation import (
    By,
    Detection,
    Difference,
    Group,
    Lag,
    Mark,
    Reconciliation,
    Row,
    RowMoney,
    Stage,
)
from adapters.model.spreadsheet import written
from adapters.pipeline.stated import assembled
from adapters.pipeline.step import family_by, person_contexts
from adapters.reconciling import Desk, gathered, grouped, reconcile_record
from adapters.rules import Ruleset
from adapters.wiring import Wired

From = Annotated[str, typer.Option("--from", help="First date of service (2026-03-01); else yesterday.")]
To = Annotated[str, typer.Option("--to", help="Last date of service; else yesterday.")]
Csv = Annotated[bool, typer.Option("--csv", help="Comma-separated, safe to open in a spreadsheet.")]
Grouped = Annotated[By | None, typer.Option("--by", help="What they come to by this, instead of each row.")]
All = Annotated[bool, typer.Option("--all", help="Every service, not only those that stop somewhere.")]
_SIGNS: Final = {Mark.YES: "+", Mark.NO: "!", Mark.NOT_DUE: "."}


def reconciled(wired: Wired, start: date, end: date, names: dict[str, str] | None = None) -> Reconciliation:
    """The reconciliation of the whole store between two dates of service, both inside, as it stands now.

    `names` is filled with the identifier by which people know the person of each lane.
    """
    house = wired.house
    today = wired.clock.now().astimezone(ZoneInfo(wired.site.zone)).date()
    family = family_by(house)
    shares = []
    for record in records(wired):
        if record.root:
            continue
        if names is not None:
            names[record.person] = show.patient(record)
        assembly = assembled(record.person, record.events, family)
        desk = Desk(person_contexts(assembly, house), house.rules, house.prices)
        shares.append(reconcile_record(record, assembly, desk, start, end, today))
    return gathered(shares, start, end, today)


@taking()
def reconcile(
    given: Given,
    since: From = "",
    until: To = "",
    by: Grouped = None,
    every: All = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Follow each service from its booking to its payment, and name where it stops, with money, age and who acts next.

    Also what the leakage detectors find, and how many days each step took.
    """
    first, last = _day(since, "--from"), _day(until, "--to")
    if as_json and as_csv:
        raise typer.BadParameter("--json or --csv, not both")
    with given.open() as wired:
        yesterday = wired.clock.now().astimezone(ZoneInfo(wired.site.zone)).date() - timedelta(days=1)
        first = first or min(last or yesterday, yesterday)
        last = last or max(first, yesterday)
        if first > last:
            raise typer.BadParameter("--from is after --to")
        names: dict[str, str] = {}
        report = reconciled(wired, first, last, names)
        rules = wired.rules
    rows = report.rows if every else tuple(row for row in report.rows if row.differences)
    if as_json:
        show.json_lines(_json(report, rows, by, names, rules))
    elif as_csv:
        sys.stdout.write(_csv(report, rows, by, names))
    elif by is not None:
        _groups(grouped(report.rows, by), by)
    else:
        _printed(report, rows, names, rules)


# ---------------------------------------------------------------------- JSON lines


def _json(
    report: Reconciliation, rows: Sequence[Row], by: By | None, names: dict[str, str], rules: Ruleset
) -> Iterable[dict[str, object]]:
    if by is not None:
        yield from ({"record": "group"} | _group_row(group, by) for group in grouped(report.rows, by))
    else:
        yield from ({"record": "row"} | _row(row, names) for row in rows)
        yield from ({"record": "detection"} | _detection(one, names, rules) for one in report.detections)
        yield from ({"record": "lag"} | _lag(lag) for lag in report.lags)
    open_ = [difference for row in report.rows for difference in row.open]
    yield {
        "record": "sum",
        "from": report.start,
        "to": report.end,
        "looked": report.looked,
        "rows": len(report.rows),
        "differing": len(report.differing),
        "at_stake": money.text(sum(one.amount for one in open_)),
        "detections": len(report.detections),
        "money": _money(report.money),
        "elsewhere": _money(RowMoney.of(report.elsewhere)),
    }


def _row(row: Row, names: dict[str, str]) -> dict[str, object]:
    return {
        "id": row.id,
        "patient": names.get(row.person, row.person),
        "person": row.person,
        "episode": row.episode or None,
        "course": row.course or None,
        "kind": row.kind,
        "name": row.name,
        "day": row.day,
        "machine": row.machine or None,
        "clinic": row.clinic or None,
        "stages": {
            mark.stage.value: {"mark": mark.mark.value, "ref": mark.ref or None, "on": mark.on} for mark in row.stages
        },
        "differences": [_difference(one) for one in row.differences],
        "charges": list(row.charges),
        "codes": list(row.codes),
        "events": list(row.events),
        "money": _money(row.money),
    }


def _difference(one: Difference) -> dict[str, object]:
    return {
        "name": one.name,
        "stage": one.stage.value,
        "about": one.about,
        "amount": money.text(one.amount),
        "since": one.since,
        "days": one.days,
        "actor": one.actor,
        "next_step": one.next_step,
        "standing": one.standing.value,
        "code": one.code or None,
        "detail": one.detail,
        "item": one.item or None,
    }


def _detection(one: Detection, names: dict[str, str], rules: Ruleset) -> dict[str, object]:
    spec = rules.detectors[one.detector]
    return {
        "detector": one.detector,
        "side": one.side.value,
        "patient": names.get(one.person, one.person),
        "person": one.person,
        "episode": one.episode or None,
        "course": one.course or None,
        "clinic": one.clinic or None,
        "day": one.day,
        "amount": money.text(one.amount),
        "words": spec.words,
        "detail": one.detail,
        "actor": spec.actor,
        "next_step": spec.next_step,
        "cite": spec.cite,
        "about": one.about or None,
        "row": one.row or None,
    }


def _lag(lag: Lag) -> dict[str, object]:
    return {
        "clinic": lag.clinic,
        "step": lag.step,
        "count": lag.count,
        "median": lag.median,
        "worst": lag.worst,
        "row": lag.worst_row,
    }


def _group_row(group: Group, by: By) -> dict[str, object]:
    return {
        by.value: group.key,
        "rows": group.rows,
        "stages": {stage.value: {"yes": yes, "no": no} for stage, yes, no in group.reached},
        "open": group.open,
        "new": group.new,
        "at_stake": money.text(group.at_stake),
        "money": _money(group.money),
    }


def _money(found: RowMoney) -> dict[str, str]:
    return {
        "unbilled": money.text(found.unbilled),
        "held": money.text(found.held),
        "billed": money.text(found.billed),
        "paid": money.text(found.paid),
        "contractual": money.text(found.contractual),
        "patient": money.text(found.patient),
        "denied": money.text(found.denied),
        "open": money.text(found.open),
    }


# ---------------------------------------------------------------------- for people


def _printed(report: Reconciliation, rows: Sequence[Row], names: dict[str, str], rules: Ruleset) -> None:
    columns = ("day", "where", "patient", "what", "s d d c c p", "difference", "$", "days", "who", "look")
    cells = []
    for row in rows:
        where = " ".join(filter(None, (row.clinic, row.machine)))
        signs = " ".join(_SIGNS[mark.mark] for mark in row.stages)
        first = (row.day, where, names.get(row.person, row.person), row.name, signs)
        if not row.differences:
            cells.append((*first, "", "", "", "", row.id))
        for i, one in enumerate(row.differences):
            said = f"{one.name} {one.code}".strip() + f" ({one.standing.value})"
            lead = first if i == 0 else ("", "", "", "", "")
            cells.append((*lead, said, money.text(one.amount), one.days, one.actor, one.about))
    title = f"Services of {report.start} to {report.end}, as of {report.looked}"
    show.table(title, columns, cells, right=("$", "days"))
    if report.detections:
        found = [
            (
                one.day,
                one.side.value,
                one.detector,
                one.detail,
                money.text(one.amount),
                rules.detectors[one.detector].actor,
            )
            for one in report.detections
        ]
        show.table("Detected", ("day", "side", "detector", "detail", "$", "who"), found, right=("$",))
    if report.lags:
        lags = [(one.clinic, one.step, one.count, one.median, one.worst) for one in report.lags]
        show.table(
            "Days between", ("clinic", "step", "rows", "median", "worst"), lags, right=("rows", "median", "worst")
        )
    open_ = [difference for row in report.rows for difference in row.open]
    typer.echo(
        f"{len(report.rows)} services, {len(report.differing)} stop somewhere with "
        f"${money.text(sum(one.amount for one in open_))} at stake; {len(report.detections)} detected. "
        f"Charged and not billed ${money.text(report.money.unbilled)}, held ${money.text(report.money.held)}, "
        f"billed ${money.text(report.money.billed)}, paid ${money.text(report.money.paid)}, "
        f"payers owe ${money.text(report.money.open)}, denied ${money.text(report.money.denied)}"
    )
    typer.echo("s d d c c p: scheduled delivered documented charged claimed paid; + yes, ! no, . not due")


def _groups(groups: Sequence[Group], by: By) -> None:
    columns = (by.value, "rows", *(stage.value for stage in Stage), "open", "new", "at stake $", "billed $", "paid $")
    cells = [
        (
            group.key,
            group.rows,
            *(f"{yes}" + (f" !{no}" if no else "") for _, yes, no in group.reached),
            group.open,
            group.new,
            money.text(group.at_stake),
            money.text(group.money.billed),
            money.text(group.money.paid),
        )
        for group in groups
    ]
    show.table(f"By {by.value}: reached, and !missing", columns, cells, right=columns[1:])


# ---------------------------------------------------------------------- CSV


def _csv(report: Reconciliation, rows: Sequence[Row], by: By | None, names: dict[str, str]) -> str:
    """The groups, or a line a difference (a line a row without one) and after them the detections."""
    stages = [stage.value for stage in Stage]
    if by is not None:
        heads = (by.value, "rows", *stages, *(f"{name} missing" for name in stages), "open", "new", "at stake")
        return written(heads, map(_group_cells, grouped(report.rows, by)))
    heads = ("day", "clinic", "machine", "patient", "course", "what", *stages)
    words = ("difference", "code", "standing", "amount", "days", "who", "next step", "detail", "look")
    return written((*heads, *words), _cells(report, rows, names))


def _group_cells(group: Group) -> tuple[object, ...]:
    reached = (*(yes for _, yes, _ in group.reached), *(no for _, _, no in group.reached))
    return (group.key, group.rows, *reached, group.open, group.new, money.decimal(group.at_stake))


def _cells(report: Reconciliation, rows: Sequence[Row], names: dict[str, str]) -> Iterable[tuple[object, ...]]:
    for row in rows:
        lead = (row.day, row.clinic, row.machine, names.get(row.person, row.person), row.course, row.name)
        marks = tuple(mark.mark.value for mark in row.stages)
        for one in row.differences or (None,):
            told: tuple[object, ...] = ("",) * 9
            if one is not None:
                words = (one.name, one.code, one.standing.value, money.decimal(one.amount), one.days)
                told = (*words, one.actor, one.next_step, one.detail, one.about)
            yield (*lead, *marks, *told)
    for found in report.detections:
        lead = (found.day, found.clinic, "", names.get(found.person, found.person), found.course, found.detector)
        told = ("detected", found.side.value, "", money.decimal(found.amount), "", "", "", found.detail, found.about)
        yield (*lead, *("",) * len(Stage), *told)


def _day(text: str, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("not a date (2026-03-01)", param_hint=option) from None
