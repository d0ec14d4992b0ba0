"""What goes to people outside: `statement`, `appeal`, `packet`, `chain`; and `void`, which cancels a claim at its payer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from adapters.cli.deciding import By, Reason, decide, supervising
from adapters.cli.options import Given, Json, refuse, taking, upon_store
from adapters.context import demographics
from adapters.files import show
from adapters.letters import appeal as drafted
from adapters.letters import history, page
from adapters.letters import packet as gathered
from adapters.letters import statement as stated
from adapters.model import money
from adapters.model.decision import Decision
from adapters.model.people import PersonHint
from adapters.model.record import PersonRecord
from adapters.pipeline.cancelling import REASONS, cancelling
from adapters.pipeline.patients import account_now
from adapters.wiring import Wired

CONTACT = "statement.contact"

Claim = Annotated[str, typer.Argument(help="Id of the claim (`claims`).")]


def _found(wired: Wired, id: str) -> PersonRecord:
    """The record that has the claim; refuses where none has."""
    for record in _records(wired):
        if record.claim(id) is not None:
            return record
    raise refuse((f"no claim has the id {id}",))


def _records(wired: Wired) -> Iterator[PersonRecord]:
    for lane in wired.store.lanes():
        record = wired.store.load(lane)
        if not record.root:
            yield record


@upon_store()
def statement(
    wired: Wired,
    id: Annotated[str, typer.Argument(help="A person (lane or identifier), or a claim.")],
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page into this file.")] = None,
    as_json: Json = False,
) -> None:
    """The patient's statement as text or page: what was done, what insurance paid, what is due and why, how to ask for help.

    It asks for nothing that a payer has not decided. Exit 1 where nobody or several are named so.
    """
    named = [
        record
        for record in _records(wired)
        if id in record.lanes or record.claim(id) is not None or any(i.value == id for i in record.identifiers)
    ]
    if len(named) != 1:
        raise refuse(("several persons are named so: name a lane or a claim" if named else f"nobody is named {id}",))
    record = named[0]
    claim = record.claim(id)
    context = [event for event in record.events if event.kind == "patient"]
    found = stated(
        record,
        account_now(record, wired.house),
        demographics(context),
        wired.rules,
        sender=wired.site.name,
        contact=wired.rules.option(CONTACT, wired.site.options) or "",
        on=wired.clock.now().astimezone(ZoneInfo(wired.site.zone)).date(),
        claim=(claim.claim.follows or claim.claim.id) if claim else "",
    )
    if as_json:
        row = asdict(found)
        due = None if found.due is None else money.text(found.due)
        rows = [
            {**r, **{k: money.text(r[k]) for k in ("charged", "insurance", "reduced", "refused", "yours")}}
            for r in row["rows"]
        ]
        show.json_lines(
            [
                {
                    "due": due,
                    "paid": money.text(found.paid),
                    "credit": money.text(found.credit),
                    "rows": rows,
                    "reasons": [{"why": words, "amount": money.text(amount)} for words, amount in found.reasons],
                    "waiting": [{"from": day, "total": money.text(total)} for day, total in found.waiting],
                }
            ]
        )
        return
    if html is not None:
        try:
            html.write_text(page(found), encoding="utf-8")
        except OSError as error:
            raise refuse((f"{html}: {error.strerror}",)) from error
        return
    typer.echo(found.text, nl=False)


@upon_store()
def appeal(wired: Wired, claim: Claim, as_json: Json = False) -> None:
    """The letter of an appeal against a claim's open denials, drafted from what is on file, with what it still lacks."""
    record = _found(wired, claim)
    today = wired.clock.now().astimezone(ZoneInfo(wired.site.zone)).date()
    who = demographics([event for event in record.events if event.kind == "patient"])
    zone = ZoneInfo(wired.site.zone)
    found = drafted(record, claim, who, wired.rules, on=today, zone=zone)
    if found is None:
        raise refuse((f"{claim}: no line of it is denied",))
    text, missing = found
    if as_json:
        show.json_lines([{"claim": claim, "letter": text, "missing": list(missing)}])
    else:
        typer.echo(text, nl=False)


@upon_store()
def packet(wired: Wired, claim: Claim, as_json: Json = False) -> None:
    """What an auditor wants of a claim, by reference, and what is not there."""
    found = gathered(_found(wired, claim), claim)
    if found is None:
        raise refuse((f"no claim has the id {claim}",))
    if as_json:
        show.json_lines([asdict(found)])
        return
    rows = [("" if r.line is None else r.line, r.what, r.where) for r in found.references]
    show.table(f"Packet of claim {claim}", ("line", "what", "where it was read"), rows)
    for gap in found.gaps:
        typer.echo(f"missing: {gap}")


@upon_store()
def chain(wired: Wired, claim: Claim, as_json: Json = False) -> None:
    """A claim end to end: its versions, the claims to later payers, and every answer, with what each version changed."""
    found = history(_found(wired, claim), claim, ZoneInfo(wired.site.zone))
    steps = found.steps if found else ()
    if as_json:
        show.json_lines([{**asdict(step), "total": money.text(step.total)} for step in steps])
        return
    columns = ("on", "what", "payer", "amount $", "state", "payer's number", "changed", "id")
    show.table(
        "Claim end to end",
        columns,
        [(s.on, s.what, s.payer, money.text(s.total), s.state, s.number, "; ".join(s.differs), s.claim) for s in steps],
        right=("amount $",),
    )


@taking()
def void(
    given: Given,
    claim: Claim,
    by: By,
    why: Reason,
    reason: Annotated[str, typer.Option("--reason", help=f"One of {', '.join(REASONS)}.")] = "duplicate",
) -> None:
    """Cancel an adjudicated claim at its payer: its lines are not billed again, and what was paid is to be given back."""
    if reason not in REASONS:
        raise typer.BadParameter(f"one of {', '.join(REASONS)}")
    with given.open(writes=True) as wired:
        record = _found(wired, claim)
        one = cancelling(record, claim, reason)
        if isinstance(one, str):
            raise refuse((f"{claim}: {one}",))
        person = PersonHint(lane=record.person)
        made = Decision(by, why, wired.clock.now(), (one,), person, supervising(wired, by))
        entry = decide(wired, made)
    typer.echo(f"decision {entry}: void; the cancel goes out as any claim does")
