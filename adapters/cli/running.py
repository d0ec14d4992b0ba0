"""What changes the store: init, ingest, run-due, replay, submit; the services; and the set-up's check."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from adapters.cli import bulk
from adapters.cli.options import Given, Json, refuse, taking, upon_store
from adapters.errors import BadSetup
from adapters.files import show
from adapters.files.certificates import certificate_ends, certificate_problems, expiry_problems
from adapters.hl7v2.batch import split_batch
from adapters.hl7v2.conformance import report, tally
from adapters.model import money
from adapters.model.claim import Claim
from adapters.model.record import Tick
from adapters.model.site import Site
from adapters.payers import credential_problems
from adapters.pipeline import step
from adapters.pipeline.receive import Intake, as_history, receive_fhir, receive_v2
from adapters.rules import check as check_rules
from adapters.serve.gate import read_keys
from adapters.serve.lanes import Lanes
from adapters.serve.mllp import listener_problems, shown
from adapters.serve.openid import issuer_of
from adapters.serve.switching import Switching
from adapters.settings import rules_of, site_of, told
from adapters.smart.keys import set_problems
from adapters.store import KeyRing, open_store, printable
from adapters.wiring import SystemClock, Wired, name_problems

CONFORM_SECONDS = 5
"""What hl7apy may take for one message; it runs in a process of its own because hostile input costs it minutes."""


@taking("store", "site", "mappings", "keys")
def init(given: Given) -> None:
    """Make a key file (0600) and an empty store for the site file."""
    said = given.settings()
    site_of(said.site, rules_of(said.mappings))
    ring = KeyRing.load(said.keys) if said.keys.exists() else KeyRing.generate(said.keys)
    if not ring.signs:
        ring = KeyRing.add_signer(said.keys)
    open_store(said.store, ring, SystemClock(), create=True).close()
    typer.echo(f"store {printable(said.store)} and keys {said.keys} are ready")


@taking()
def ingest(
    given: Given,
    paths: Annotated[list[Path], typer.Argument(help="Files or folders: .hl7, .json, .ndjson.")],
    feed: Annotated[str, typer.Option("--feed", help="Feed of FHIR files; default: the site's first.")] = "",
    historic: Annotated[
        bool, typer.Option("--historic", help="Derive from it, but claim nothing of it and open no work for it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take files as if they had come by the wire; a line a message: accepted, duplicate, parked."""
    found = files_of(paths, (".hl7", ".json", ".ndjson"))
    with given.open(writes=True) as wired:
        if feed and wired.site.feed(feed) is None:
            raise typer.BadParameter(f"the site has no feed {feed!r}")
        rows: list[dict[str, object]] = []
        faults: list[str] = []
        for path in found:
            if path.suffix.lower() == ".ndjson":
                rows += bulk.rows(wired, path, _fhir_feed(wired, feed), historic=historic)
                continue
            rows += [
                {"file": path.name, "message": number, **_stored(wired, intake, historic=historic)}
                for number, intake in enumerate(_intakes(wired, path, feed, faults), 1)
            ]
        lanes_of(wired).work()
        parked = {p.entry: p for p in wired.store.parked()}
    for row in rows:
        if why := parked.get(str(row["entry"])):
            row |= {"outcome": "parked", "why": why.reason}
    if as_json:
        show.json_lines(rows)
    else:
        for row in rows:
            typer.echo(f"{row['file']} {row['message']}: {row['outcome']}" + (f" ({row['why']})" if row["why"] else ""))
    if faults:
        raise refuse(tuple(faults))
    if any(row["outcome"] in ("parked", "refused") for row in rows):
        raise typer.Exit(1)


def _stored(wired: Wired, intake: Intake, *, historic: bool) -> dict[str, object]:
    if intake.receipt is None:
        return {"entry": None, "outcome": "refused", "why": intake.refusal}
    received = wired.store.receive(as_history(intake.receipt) if historic else intake.receipt)
    return {"entry": received.entry, "outcome": "duplicate" if received.repeated else "accepted", "why": None}


def files_of(paths: Iterable[Path], suffixes: tuple[str, ...], *, strict: bool = True) -> list[Path]:
    """The files named, and those of a folder in name order; refuses at once what is not there or, if strict, of
    another kind."""
    problems: list[str] = []
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
        elif not path.exists():
            problems.append(f"{path}: no such file")
        elif strict and path.suffix.lower() not in suffixes:
            problems.append(f"{path}: not a file of {', '.join(suffixes)}")
        else:
            found.append(path)
    if problems:
        raise refuse(tuple(problems))
    return found


def _intakes(wired: Wired, path: Path, feed: str, faults: list[str]) -> Iterable[Intake]:
    """What a file holds, made ready for the journal as the doors would; what is wrong with a batch goes to `faults`."""
    body = path.read_bytes()
    now = wired.clock.now()
    suffix = path.suffix.lower()
    if suffix == ".hl7":
        batch = split_batch(body)
        faults += [f"{path.name}: {problem.where}: {problem.words}" for problem in batch.problems]
        for number, message in enumerate(batch.messages, 1):
            yield receive_v2(message, listener=feed or "file", peer=None, site=wired.site, now=now, ack_id=f"F{number}")
        return
    if body.strip():
        yield receive_fhir(body, feed=_fhir_feed(wired, feed), path_type="", method="POST", now=now)


def _fhir_feed(wired: Wired, feed: str) -> str:
    """The feed named, else the site's first of FHIR; refuses where there is none."""
    name = feed or next((f.name for f in wired.site.feeds if f.media == "fhir"), "")
    if not name:
        raise refuse(("the site file has no FHIR feed",))
    return name


@upon_store(writes=True)
def run_due(wired: Wired) -> None:
    """Do what is due now: read what waits, build and send claims, ask for pended answers."""
    lanes = lanes_of(wired)
    lanes.work()
    lanes.run_due(wired.clock.now())
    wired.store.seal(wired.clock.now())


@taking()
def submit(
    given: Given,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
) -> None:
    """Send the claims that are ready."""
    with given.open(writes=not dry_run) as wired:
        if not dry_run:
            lanes_of(wired).send(wired.clock.now())
            return
        for claim in _leaving(wired):
            lines = f"{len(claim.lines)} line{'s' if len(claim.lines) > 1 else ''}"
            typer.echo(f"{claim.id} to {claim.payer.id}: {claim.type}, {lines}, ${money.text(claim.total)}")


def _leaving(wired: Wired) -> Iterable[Claim]:
    """The claims that would leave now, those included whose billing cycle has closed since anybody looked."""
    now = wired.clock.now()
    tick = Tick(now, now.astimezone(ZoneInfo(wired.site.zone)).date())
    for person in wired.store.lanes():
        record = step(wired.store.load(person), (), wired.house, tick)
        for due in record.due:
            on_file = record.claim(due.about)
            if due.what in ("send", "repeat") and due.not_before <= now and on_file is not None:
                yield on_file.claim


@upon_store(writes=True)
def replay(wired: Wired, ids: Annotated[list[str], typer.Argument(help="Journal ids of parked messages.")]) -> None:
    """Read parked messages again, once what parked them is mended."""
    unknown = [id for id in ids if not wired.store.unpark(id)]
    lanes_of(wired).work()
    again = {parked.entry: parked.reason for parked in wired.store.parked()}
    problems = [f"{id}: not parked" for id in unknown]
    problems += [f"{id}: parked again ({again[id]})" for id in ids if id in again]
    if problems:
        raise refuse(tuple(problems))


def lanes_of(wired: Wired) -> Lanes:
    """The lanes of the program, for one command; stepped again first where other tables have come into force."""
    lanes = Lanes(wired.store, wired.house, wired.payers, wired.clock, abreast=True)
    Switching(wired, lanes).once()
    return lanes


def conform(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders of HL7 v2 messages.")], as_json: Json = False
) -> None:
    """What is wrong with a feed's messages by the standard's dictionary and by what the adapter needs."""
    reports = []
    with ProcessPoolExecutor(max_workers=1) as aside:
        for path in files_of(paths, (".hl7",), strict=False):
            for number, message in enumerate(split_batch(path.read_bytes()).messages, 1):
                try:
                    problems = aside.submit(report, message).result(timeout=CONFORM_SECONDS)
                except TimeoutError:
                    for process in list(aside._processes.values()):  # noqa: SLF001 - no public way to stop one
                        process.kill()
                    raise refuse((f"{path.name} {number}: not read within {CONFORM_SECONDS} seconds",)) from None
                reports.append(problems)
                if as_json:
                    rows = [
                        {"file": path.name, "message": number, "code": p.code, "at": p.where, "words": p.words}
                        for p in problems
                    ]
                    show.json_lines(rows)
    if not as_json:
        show.table("Conformance", ("code", "where", "times"), tally(reports), right=("times",))


def _of_listeners(site: Site) -> Iterable[str]:
    """A line for each listener; what keeps it from starting, or will within thirty days."""
    problems = list(listener_problems(site.listeners))
    for one in site.listeners:
        ends = certificate_ends(one.tls) if one.tls else {}
        until = f", certificate until {ends['certificate']:%Y-%m-%d}" if "certificate" in ends else ""
        typer.echo(f"listener {one.name}: {one.host} port {one.port}, {'tls' if one.tls else 'plain'}{until}")
        if note := shown(one):
            typer.echo(f"note: {note}")
        if one.tls:
            problems += [f"listener {one.name}: {said}" for said in expiry_problems(one.tls, SystemClock().now())]
    return problems


def _of_desks(site: Site) -> Iterable[str]:
    """A line for each desk; what keeps it from being asked, or will within thirty days."""
    problems: list[str] = []
    for desk in site.desks:
        typer.echo(f"desk of {desk.feed}: {desk.host} port {desk.port}, {'tls' if desk.tls else 'plain'}")
        if desk.tls:
            told = (*certificate_problems(desk.tls), *expiry_problems(desk.tls, SystemClock().now()))
            problems += [f"desk {desk.feed}: {said}" for said in told]
    return problems


def _of_web(site: Site) -> Iterable[str]:
    """A line for the HTTPS listener and each client; what keeps them from working, or will within thirty days."""
    if site.web is None:
        return ()
    ends = certificate_ends(site.web.tls)
    until = f", certificate until {ends['certificate']:%Y-%m-%d}" if "certificate" in ends else ""
    typer.echo(f"https: {site.web.host} port {site.web.port}, called {site.web.base_url}{until}")
    problems = [f"web: {said}" for said in certificate_problems(site.web.tls)]
    problems += [f"web: {said}" for said in expiry_problems(site.web.tls, SystemClock().now())]
    if site.web.openid is not None and (issuer := issuer_of(site.web, SystemClock())) is not None:
        typer.echo(f"people sign in at {site.web.openid.issuer}, and come back to {site.web.return_url}")
        problems += [f"web.openid: {said}" for said in issuer.problems()]
    for client in site.clients:
        keys = read_keys(Path(client.jwks))
        names = ", ".join(key.id for key in keys.keys)
        typer.echo(f"client {client.id}: feed {client.feed}, {' '.join(client.scopes)}; keys: {names or 'none'}")
        problems += [f"client {client.id}: {said}" for said in set_problems(keys, client.jwks)]
    return problems


@taking("store", "site", "mappings", "keys")
def doctor(given: Given) -> None:
    """Check the set-up: names, rules, site file, certificates, keys, store, clock, disk."""
    said = given.settings()
    problems: list[str] = list(name_problems())
    typer.echo(f"python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")
    try:
        rules = rules_of(said.mappings)
        typer.echo(f"rules {rules.digest[:16]}, {len(rules.rules)} dated rules")
        stale = check_rules(rules, SystemClock().now().astimezone(UTC).date())
        problems += [told(problem, said.mappings) for problem in stale]
        site_now = site_of(said.site, rules)
        typer.echo(f"site {site_now.name}, {len(site_now.feeds)} feeds, {len(site_now.payers)} payers")
        problems += _of_listeners(site_now)
        problems += _of_desks(site_now)
        problems += [said for payer in site_now.payers for said in credential_problems(payer)]
        problems += _of_web(site_now)
        with open_store(said.store, KeyRing.load(said.keys), SystemClock()) as opened:
            there = opened.counts()
            told_of = f"{there.journal} journal entries, {there.unread} unread, {there.parked} parked"
            typer.echo(f"store {printable(said.store)}: {told_of}")
    except BadSetup as bad:
        problems += bad.problems
    with contextlib.suppress(OSError):
        free = os.statvfs(Path.cwd())
        typer.echo(f"disk {free.f_bavail * free.f_frsize // 2**20} MiB free here")
    if problems:
        raise refuse(tuple(problems))
    typer.echo("all is well")
