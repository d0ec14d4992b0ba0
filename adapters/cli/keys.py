"""Our keys for signing in at payers (SMART Backend Services): make one, publish the public parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from adapters.cli.options import Given, refuse, taking
from adapters.payers import published, write_new
from adapters.serve.openid import login_of
from adapters.settings import rules_of, site_of

keys_app = typer.Typer(no_args_is_help=True, help="Keys for signing in at payers.")


@keys_app.command("new")
def new(
    file: Annotated[Path, typer.Argument(help="The file to make; it must not be there yet.")],
    algorithm: Annotated[Literal["RS384", "ES384"], typer.Option("--algorithm", help="RS384 or ES384.")] = "ES384",
) -> None:
    """Make a private key (0600). To change keys: add it as the last of a login's `keys`, publish, wait until the payer
    knows it, then make it the first."""
    typer.echo(f"{file}: {algorithm} key {write_new(file, algorithm).id}")


@keys_app.command("jwks")
@taking("site", "mappings")
def jwks(
    given: Given,
    payer: Annotated[str, typer.Argument(help="Payer of the site file; all of them if not said.")] = "",
    openid: Annotated[bool, typer.Option("--openid", help="For the issuer at which people sign in.")] = False,
) -> None:
    """Print the JWKS that payers, or an issuer, are to know us by: public parts only, as a file to publish."""
    said = given.settings()
    found = site_of(said.site, rules_of(said.mappings))
    chosen = [p for p in found.payers if not payer or p.id == payer]
    logins = [p.endpoint.login for p in chosen if p.endpoint.login is not None]
    if openid:
        elsewhere = found.web.openid if found.web else None
        logins = [login_of(elsewhere)] if elsewhere and elsewhere.keys else []
    if not logins:
        raise refuse((f"the site file says no login of {'openid' if openid else payer or 'any payer'}",))
    typer.echo(json.dumps(published(logins), indent=2))
