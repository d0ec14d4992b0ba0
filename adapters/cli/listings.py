"""What stands in the store: charges, claims, work, ledger; explanations and traces."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from adapters.cli.balances import By, aged, balances, show_ages, show_balances
from adapters.cli.options import Given, Json, refuse, taking, upon_store
from adapters.explain import describer, questioned, with_question
from adapters.explain import explain as explained
from adapters.explain import trace as traced
from adapters.files import show
from adapters.model import money
from adapters.model.record import ChargeStatus, PersonRecord
from adapters.pipeline.questions import question_about
from adapters.pipeline.sending import document_of
from adapters.pipeline.visiting import visit_of_line, visit_view
from adapters.timeline import svg as drawn
from adapters.wiring import Wired

EVERY = 1_000_000
"""More journal entries than one listing looks at."""
Held = Annotated[bool, typer.Option("--held", help="Slots that are held, with what they would bill.")]
Fhir = Annotated[bool, typer.Option("--fhir", help="The FHIR Claim of each, one a line.")]


def records(wired: Wired) -> Iterable[PersonRecord]:
    """Every person's record, in a stable order."""
    return (wired.store.load(person) for person in wired.store.lanes())


@upon_store()
def charges(wired: Wired, held: Held = False, as_json: Json = False) -> None:
    """Charges on file; with --held the slots that are kept back."""
    if held:
        rows = [show.held_row(record, hold) for record in records(wired) for hold in record.holds]
    else:
        rows = [
            show.charge_row(record, charge)
            for record in records(wired)
            for charge in record.charges
            if charge.status is not ChargeStatus.VOID
        ]
    if as_json:
        show.json_lines(rows)
        return
    columns = ("date", "code", "units", "part", "entity", "price $", "status", "id")
    show.table(
        "Held" if held else "Charges",
        columns,
        [
            (
                row["service_start"] or "",
                "-".join([str(row["code"] or "?"), *map(str, _list(row["modifiers"]))]),
                row["units"] or "",
                row["component"] or "",
                row["entity"] or "",
                row["price"] or "",
                f"{row['status']} {' '.join(str(h['code']) for h in _list(row['holds']) if isinstance(h, dict))}".strip(),
                row["id"],
            )
            for row in sorted(rows, key=lambda r: (str(r["service_start"] or ""), str(r["code"])))
        ],
        right=("units", "price $"),
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


@upon_store()
def claims(wired: Wired, fhir: Fhir = False, as_json: Json = False) -> None:
    """Claims and where they stand."""
    found = [(record, claim) for record in records(wired) for claim in record.claims]
    if fhir:
        for _, claim in found:
            payer = wired.site.payer(claim.claim.payer.id)
            if payer is not None:
                typer.echo(document_of(claim.claim, payer).body.decode())
        return
    rows = [show.claim_row(record, claim) for record, claim in found]
    if as_json:
        show.json_lines(rows)
        return
    columns = ("cycle", "type", "payer", "freq", "lines", "total $", "state", "payer's number", "id")
    by_id = {claim.claim.id: claim.claim for _, claim in found}
    show.table(
        "Claims",
        columns,
        [
            (
                by_id[str(row["id"])].cycle,
                row["type"],
                row["payer"],
                row["frequency"],
                len(_list(row["lines"])),
                row["total"],
                row["state"],
                row["payer_claim_number"] or "",
                row["id"],
            )
            for row in rows
        ],
        right=("lines", "total $"),
    )


@upon_store()
def worklist(wired: Wired, as_json: Json = False) -> None:
    """What waits for a person, with the next step."""
    rows = [show.work_row(item) for item in wired.store.worklist()]
    if as_json:
        show.json_lines(rows)
        return
    columns = ("kind", "code", "amount $", "due", "next step", "detail", "id")
    cells = [(r["kind"], r["code"], r["amount"], r["due"] or "", r["action"], r["detail"], r["id"]) for r in rows]
    show.table("Work", columns, cells, right=("amount $",))


@taking()
def ledger(
    given: Given,
    at: Annotated[str, typer.Option("--at", help="Balances at the end of this day (2026-01-31); else of today.")] = "",
    by: Annotated[By | None, typer.Option("--by", help="Balances about each of these, not entries.")] = None,
    aged_: Annotated[bool, typer.Option("--ageing", help="What is open, by its age.")] = False,
    as_json: Json = False,
) -> None:
    """Ledger entries and the trial balance; or what it came to on a day, about whom, and how old it is."""
    try:
        day = date.fromisoformat(at) if at else None
    except ValueError:
        raise typer.BadParameter("not a date (2026-01-05)", param_hint="--at") from None
    if at or by or aged_:
        with given.open() as wired:
            day = day or wired.clock.now().astimezone(ZoneInfo(wired.site.zone)).date()
            ages = aged(wired, day) if aged_ else ()
            found = () if aged_ else balances(wired, by or By.ACCOUNT, day)
        if aged_:
            show_ages(ages, as_json=as_json)
        else:
            show_balances(found, by or By.ACCOUNT, as_json=as_json)
        return
    with given.open() as wired:
        entries = [entry.value for entry in wired.store.ledger_entries()]
        balance = wired.store.trial_balance()
    if as_json:
        show.json_lines(show.entry_row(entry) for entry in entries)
        return
    rows = [
        (
            entry.at.date(),
            entry.cause.partition(":")[0],
            line.account.value,
            money.text(line.amount),
            line.claim,
            line.line,
        )
        for entry in entries
        for line in entry.lines
    ]
    show.table("Ledger", ("date", "cause", "account", "amount $", "claim", "line"), rows, right=("amount $", "line"))
    show.balance_table(balance)


@upon_store()
def explain(
    wired: Wired,
    id: Annotated[str, typer.Argument(help="Id of a charge, hold, claim or ledger entry.")],
    as_json: Json = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Draw the visit of a drug charge or its hold into this file.")
    ] = None,
) -> None:
    """Why: from a charge, claim or ledger entry back to rule, fact, message and field."""
    describe = describer(wired.store.messages(limit=EVERY))
    for record in records(wired):
        found = explained(record, id, wired.rules, describe)
        if found is not None:
            if svg is not None:
                _draw(record, id, wired, svg)
            if item := questioned(record, id):
                found = with_question(found, question_about(wired.store, wired.site.asked_feeds, item))
            if as_json:
                show.json_lines([show.explanation_row(found)])
            else:
                show.explanation(found)
            return
    raise refuse((f"nothing on file has the id {id}",))


def _draw(record: PersonRecord, id: str, wired: Wired, file: Path) -> None:
    """Write the picture of the visit that the line is of; what is of no visit is refused."""
    view = visit_view(record, visit_of_line(record, id), wired.house)
    if view is None:
        raise refuse((f"{id} is no line of a visit for drugs, so there is nothing to draw",))
    try:
        file.write_text(drawn(view), encoding="utf-8")
    except OSError as problem:
        raise refuse((f"{file}: {problem.strerror}",)) from None


@upon_store()
def trace(
    wired: Wired,
    message: Annotated[str, typer.Argument(help="Journal id of a message, or its own control id.")],
    as_json: Json = False,
) -> None:
    """From a message forward: its events, what they became, and what came back."""
    describe = describer(wired.store.messages(limit=EVERY))
    ids = [line.id for line in wired.store.messages(limit=EVERY) if message in (line.id, line.control)]
    shown = [
        found
        for id in ids
        for record in records(wired)
        if (found := traced(record, id, describe, wired.rules)) is not None
    ]
    if not ids:
        raise refuse((f"no message on file has the id {message}",))
    if not shown:
        typer.echo("on file, and nothing rests on it (see `oncoclaims worklist` if it is parked)", err=as_json)
    for found in shown:
        if as_json:
            typer.echo(json.dumps(show.explanation_row(found)))
        else:
            show.explanation(found)
