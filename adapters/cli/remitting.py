"""What payers deliver in files, and answers that a person matches to their claim: `remit PATH…`, `match RESPONSE CLAIM`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.deciding import By, Reason, decide, supervising
from adapters.cli.options import Given, Json, refuse, taking, upon_store
from adapters.cli.running import files_of, lanes_of
from adapters.files import show
from adapters.model import money
from adapters.model.decision import Decision
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.people import PersonHint
from adapters.model.work import WorkItem
from adapters.pipeline.matching import closing_of, matched
from adapters.pipeline.misfits import about_answer
from adapters.pipeline.remitting import letter_receipt, remittance_receipt
from adapters.posting import UNBALANCED, UNMATCHED
from adapters.wiring import Wired


@taking()
def remit(
    given: Given,
    paths: Annotated[list[Path], typer.Argument(help="Files or folders: .json (a resource or Bundle), .ndjson.")],
    payer: Annotated[str, typer.Option("--payer", help="Id of the payer that sent them (site file).")] = "",
    as_json: Json = False,
) -> None:
    """Take a payer's answers and payments from files and post them; what cannot be posted is parked, with the reason.

    Exit code 1 when anything of it waits for a person.
    """
    found = files_of(paths, (".json", ".ndjson"))
    with given.open(writes=True) as wired:
        if payer and wired.site.payer(payer) is None:
            raise typer.BadParameter(f"the site has no payer {payer!r}")
        before = {item.id for item in wired.store.worklist()}
        rows: list[dict[str, object]] = []
        for path in found:
            for number, body in enumerate(_bodies(path), 1):
                taken = wired.store.receive(remittance_receipt(body, payer, wired.clock.now()))
                outcome = "duplicate" if taken.repeated else "accepted"
                rows.append(
                    {"file": path.name, "message": number, "entry": taken.entry, "outcome": outcome, "why": None}
                )
        lanes_of(wired).work()
        parked = {p.entry: p for p in wired.store.parked()}
        waits = [item for item in wired.store.worklist() if item.id not in before]
    for row in rows:
        if why := parked.get(str(row["entry"])):
            row |= {"outcome": "parked", "why": f"{why.reason}: {why.detail}"}
    items = [show.work_row(item) for item in waits]
    if as_json:
        show.json_lines([*rows, *({"work": item} for item in items)])
    else:
        for row in rows:
            typer.echo(f"{row['file']} {row['message']}: {row['outcome']}" + (f" ({row['why']})" if row["why"] else ""))
        for item in waits:
            amount = f", ${money.text(item.amount)}" if item.amount else ""
            typer.echo(f"work {item.id}: {item.kind} {item.code}{amount}: {item.detail or item.action}")
    if any(row["outcome"] == "parked" for row in rows) or any(i.kind in (UNMATCHED, UNBALANCED) for i in waits):
        raise typer.Exit(1)


def _bodies(path: Path) -> Iterator[bytes]:
    """The bodies of a file: all of it, or a line each."""
    if path.suffix.lower() != ".ndjson":
        yield path.read_bytes()
        return
    with path.open("rb") as lines:
        yield from (line.strip() for line in lines if line.strip())


@upon_store(writes=True)
def match(
    wired: Wired,
    response: Annotated[str, typer.Argument(help="Journal id of the answer, or id of its work item.")],
    claim: Annotated[str, typer.Argument(help="Id of the claim that it is for.")],
    by: By,
    why: Reason,
) -> None:
    """Say whose an answer is that names nobody we know, and post it. Its sums must be right all the same."""
    entry, item = _answer_of(wired, response)
    found = matched(wired.store, entry, item, claim, by)
    if isinstance(found, tuple):
        raise refuse(found)
    supervisor = supervising(wired, by)
    made = decide(wired, Decision(by, why, wired.clock.now(), found.says, PersonHint(lane=found.lane), supervisor))
    wired.store.receive(letter_receipt(found.letter, entry, wired.clock.now(), f"person:{by}"))
    lanes_of(wired).work()
    wired.store.settle_parked(entry.id, by, why)
    if closed := closing_of(found, item):
        decide(
            wired,
            Decision(by, why, wired.clock.now(), closed, PersonHint(lane=item.person if item else ""), supervisor),
        )
    after = wired.store.load(wired.store.person_of_claim(claim)).claim(claim)
    state = after.printed_state if after else "gone"
    paid = money.text(found.paid)
    typer.echo(f"decision {made}: the answer is matched, ${paid} paid; the claim is {state}")


def _answer_of(wired: Wired, id: str) -> tuple[JournalEntry, WorkItem | None]:
    """The journal entry of an answer, with the open item about it; refuses what is none."""
    items = wired.store.worklist()
    item = next((one for one in items if one.id == id), None)
    entry = wired.store.entry(about_answer(item) if item else id)
    if entry is None or entry.kind is not JournalKind.ANSWER:
        raise refuse((f"{id}: no answer of a payer on file has this id",))
    item = item or next((one for one in items if about_answer(one) == entry.id), None)
    return entry, item
