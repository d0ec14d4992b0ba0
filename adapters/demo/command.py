"""The command: play a day, print what became of it, say whether it ended well, and leave the page open for a while."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from adapters.demo.check import problems
from adapters.demo.day import Day, played
from adapters.demo.month_command import month
from adapters.explain import Explanation, describer, explain, trace
from adapters.files import show
from adapters.model import money
from adapters.model.ledger import Account
from adapters.model.record import PersonRecord
from adapters.serve.logs import configure
from fhir_server_stub.month import COURSES
from fhir_server_stub.month_faults import FEWEST

EVERY = 100_000
"""More journal entries than any day of the demo has."""
Seed = Annotated[int | None, typer.Option("--seed", help="Play another course, drawn from this number.", min=0)]
Folder = Annotated[Path, typer.Option("--folder", help="Where site file, keys and store of the demo lie.")]
Minutes = Annotated[
    int, typer.Option("--page-minutes", help="How long the page stays open; 0: no page.", min=0, max=60)
]
Month = Annotated[bool, typer.Option("--month", help="Play a clinic's month with seeded faults, and look for them.")]
Courses = Annotated[int, typer.Option("--courses", help="Courses of the month.", min=FEWEST, max=1000)]


def demo(
    seed: Seed = None,
    folder: Folder = Path(".demo"),
    page_minutes: Minutes = 10,
    whole_month: Month = False,
    courses: Courses = COURSES,
) -> None:
    """A clinic day on loopback: a course from its messages to its paid claims, every cent explained.

    With --month a clinic's month of many courses with faults made on purpose: each must be found, and nothing invented.
    """
    configure("error")
    if whole_month:
        month(folder, 1 if seed is None else seed, courses)
        if page_minutes:
            _leave_page_open(folder, page_minutes)
        return
    with played(folder, seed) as day:
        wrong = problems(day)
        _tell(day, seed)
        typer.echo(f"end of the day: {digest(day)}")
    if page_minutes:
        _leave_page_open(folder, page_minutes)
    typer.echo(
        f"look around:  cd {folder} && ONCOCLAIMS_STORE=sqlite:///demo.db ONCOCLAIMS_KEYS=demo.keys oncoclaims charges"
    )
    if wrong:
        for problem in wrong:
            typer.echo(problem, err=True)
        raise typer.Exit(1)
    typer.echo(
        f"{len(day.story.delivered)} services delivered, each with exactly one outcome; "
        "our ledger equals the payer's books to the cent."
    )


def digest(day: Day) -> str:
    """A fingerprint of everything on file at the end; the same day gives the same one."""
    rows: list[object] = []
    for record in day.records:
        rows += [{**show.charge_row(record, c), "id": "", "episode": ""} for c in record.charges]
        rows += [_anonymous(show.claim_row(record, c)) for c in record.claims]
        rows += sorted((x.account.value, x.amount, x.line or 0) for e in record.entries for x in e.lines)
    text = json.dumps(rows, default=str, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _anonymous(row: show.Row) -> dict[str, object]:
    return {key: value for key, value in row.items() if key in ("type", "payer", "state", "total", "frequency")}


def _tell(day: Day, seed: int | None) -> None:
    story = day.story
    for name, address in day.addresses:
        typer.echo(f"{name}: {address}")
    which = "the demo course" if seed is None else f"the course of seed {seed}"
    sessions = sum(d.service == "delivery" for d in story.delivered)
    typer.echo(
        f"{which}: {story.setting}, {story.payer_kind} payer, {sessions} sessions, {len(day.sent)} messages "
        f"from {story.begins.date()} to {story.ends.date()}\n"
    )
    for record in day.records:
        _claims(record)
        _held(record)
    _one_explanation(day)
    _one_trace(day)
    show.balance_table(day.wired.store.trial_balance())


def _claims(record: PersonRecord) -> None:
    """Each claim with its state and where every dollar of it is."""
    rows = []
    for on_file in record.claims:
        claim = on_file.claim
        sums = dict.fromkeys(Account, 0)
        for entry in record.entries:
            for side in entry.lines:
                if side.claim == claim.id:
                    sums[side.account] += side.amount
        rows.append(
            (
                claim.cycle.partition(":")[2] or claim.cycle,
                claim.entity.id,
                claim.type.value,
                {"1": "original", "7": "replacement", "8": "void"}[claim.frequency],
                len(claim.lines),
                money.text(claim.total),
                on_file.printed_state,
                money.text(sums[Account.PAYER_PAYMENT]),
                money.text(sums[Account.CONTRACTUAL]),
                money.text(sums[Account.PATIENT_RESPONSIBILITY]),
                money.text(sums[Account.DENIED]),
                money.text(sums[Account.RECEIVABLE]),
            )
        )
    columns = (
        "cycle",
        "entity",
        "type",
        "kind",
        "lines",
        "billed",
        "state",
        "paid",
        "contract",
        "patient",
        "denied",
        "open",
    )
    show.table("What became of it, in dollars", columns, rows, right=columns[4:6] + columns[7:])


def _held(record: PersonRecord) -> None:
    rows = [
        (
            hold.would.start if hold.would else "",
            "-".join((hold.would.code, *hold.would.modifiers)) if hold.would else hold.slot.service,
            hold.code,
            hold.detail,
        )
        for hold in record.holds
        if hold.release.value != "never"
    ]
    if rows:
        show.table("Held back", ("date", "line", "reason", "what is wrong"), rows)


def _one_explanation(day: Day) -> None:
    """The whole explanation of the delivery that was reported most often, of equal ones the last: it has a story."""
    best: tuple[tuple[int, date], Explanation] | None = None
    describe = describer(day.wired.store.messages(limit=EVERY))
    for record in day.records:
        for charge in record.charges:
            if charge.charge.slot.service != "delivery":
                continue
            found = explain(record, charge.id, day.wired.rules, describe)
            reports = sum(fact.name == "event" for fact in charge.charge.why.facts)
            weight = (reports, charge.charge.start)
            if found is not None and (best is None or weight > best[0]):
                best = (weight, found)
    if best is not None:
        typer.echo("\nWhy one line is what it is (oncoclaims explain):")
        show.explanation(best[1])


def _one_trace(day: Day) -> None:
    """The trace of the first FHIR message that brought a fraction, or of the first message at all."""
    describe = describer(day.wired.store.messages(limit=EVERY))
    lines = day.wired.store.messages(limit=EVERY)
    for line in sorted(lines, key=lambda one: (one.media != "fhir", one.seq)):
        for record in day.records:
            if any(e.kind == "fraction" and e.source.message == line.id for e in record.events):
                found = trace(record, line.id, describe, day.wired.rules)
                if found is not None:
                    typer.echo("\nWhat became of one message (oncoclaims trace):")
                    show.explanation(found)
                    typer.echo("")
                    return


def _leave_page_open(folder: Path, minutes: int) -> None:
    """Serve the page from a process of its own, which ends by itself; print its one-time link."""
    child = subprocess.Popen(  # noqa: S603 - this very Python, this very package
        [sys.executable, "-m", "adapters.demo.page", str(folder), str(minutes)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    if child.stdout is None:
        raise RuntimeError("a pipe was asked for")
    link = child.stdout.readline().strip()
    typer.echo(f"the page, open for {minutes} minutes, behind a link that works once: {link}" if link else "no page")
