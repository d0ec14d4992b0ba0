"""The services: `serve` (the adapter) and `stub` (a payer and EHR by script)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from adapters.cli.options import Given, refuse, taking
from adapters.pages.links import Links
from adapters.serve.gate import Gate
from adapters.serve.lanes import Lanes
from adapters.serve.logs import configure
from adapters.serve.server import ROLES, serve_all
from adapters.serve.switching import Switching
from adapters.wiring import Wired
from fhir_server_stub.scenario import ScenarioError
from fhir_server_stub.server import load
from fhir_server_stub.server import serve as serve_stub

EVERYTHING = ",".join(ROLES)
Roles = Annotated[str, typer.Option("--role", help="Comma-separated: intake, worker, payer, web.")]


@taking("store", "site", "mappings", "keys")
def serve(
    given: Given,
    role: Roles = EVERYTHING,
    host: Annotated[str, typer.Option("--host", help="Loopback address to listen on.")] = "127.0.0.1",
    mllp_port: Annotated[
        int, typer.Option("--mllp-port", help="Port of HL7 v2 over MLLP, where the site lists no listeners.")
    ] = 2575,
    http_port: Annotated[int, typer.Option("--http-port", help="Port of FHIR and HL7 over HTTP.")] = 8000,
    health_port: Annotated[int, typer.Option("--health-port", help="Port of health and metrics.")] = 8080,
    fhir_feed: Annotated[str, typer.Option("--fhir-feed", help="The feed that FHIR comes from.")] = "",
) -> None:
    """Run the adapter until it is told to stop."""
    roles = tuple(part.strip() for part in role.split(",") if part.strip())
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise typer.BadParameter(f"no role {', '.join(unknown)}; there are {', '.join(ROLES)}")
    steps = bool(set(roles) - {"intake"})
    with given.open(create=True, writes=True, steps=steps) as wired:
        configure(wired.settings.log_level)
        lanes = Lanes(wired.store, wired.house, wired.payers, wired.clock, abreast=True)
        switching = Switching(wired, lanes, steps="worker" in roles)
        watched = switching.going_on() if {"worker", "payer"} & set(roles) else contextlib.nullcontext()
        with watched:
            serve_all(
                wired,
                roles,
                lanes=lanes,
                host=host,
                mllp_port=mllp_port,
                http_port=http_port,
                health_port=health_port,
                fhir_feed=fhir_feed,
                links=_links(wired, roles),
                gate=Gate(wired, wired.token_secret) if wired.site.web else None,
                log_level=wired.settings.log_level,
                tell=lambda link: typer.echo(f"pages, by a link that works once within 15 minutes: {link}"),
            )


def _links(wired: Wired, roles: tuple[str, ...]) -> Links | None:
    """One-time links, as long as nobody can sign in: for the first look, and for who makes the first user."""
    return Links(wired.random_token) if "web" in roles and not wired.store.users() else None


def stub(
    scenario: Annotated[Path | None, typer.Option("--scenario", help="TOML file of the payer's behaviour.")] = None,
    fees: Annotated[Path | None, typer.Option("--fees", help="CSV file of the payer's fee schedule.")] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 8090,
) -> None:
    """Run the FHIR server stub: a payer and an EHR by script."""
    try:
        made = load(scenario, fees)
    except ScenarioError as wrong:
        raise refuse(tuple(wrong.problems)) from wrong
    except (OSError, ValueError) as wrong:
        raise refuse((str(wrong),)) from wrong
    serve_stub(made, host=host, port=port)
