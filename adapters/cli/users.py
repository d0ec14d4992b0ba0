"""`oncoclaims user`: who may sign in to the pages, and under which role. A password is never an argument of a command.

It is asked for twice where a person sits at the terminal, and is else the first line of a file or of standard input.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from adapters.cli.options import Json, refuse, upon_store
from adapters.files import show
from adapters.model.user import Role, User, user_name
from adapters.pipeline.settling import reason_problem
from adapters.smart.passwords import LONGEST, SALT_BYTES, problems_of, secret_of
from adapters.wiring import Wired

users_app = typer.Typer(no_args_is_help=True, help="Who may sign in to the pages.")

_CONSOLE: Final = "console"


def _named(value: str) -> str:
    name = user_name(value)
    if not name:
        said = "1 to 64 letters, digits and . _ @ -, the first one a letter or a digit"
        raise typer.BadParameter(f"{said}; not link, nobody, console or openid")
    return name


def _stated(value: str) -> str:
    if problem := reason_problem(value.strip()):
        raise typer.BadParameter(problem)
    return value.strip()


Name = Annotated[str, typer.Argument(help="The name one signs in and decides by.", callback=_named)]
As = Annotated[Role, typer.Option("--role", help="What the user may do; each role may what those before it may.")]
By = Annotated[str, typer.Option("--by", help="Who does it, for the journal.", callback=_stated)]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file", help="File whose first line is the password; - is standard input. Else: asked for."
    ),
]


@users_app.command("add")
@upon_store()
def add(wired: Wired, name: Name, role: As, password_file: PasswordFile = None, by: By = _CONSOLE) -> None:
    """Make a user."""
    if wired.store.user(name) is not None:
        raise refuse((f"{name} is a user already: `oncoclaims user role` or `user password` changes it",))
    secret = _secret(name, password_file)
    wired.store.put_user(User(name, role, secret, wired.clock.now()), by)
    typer.echo(f"user {name}: {role}")
    if name in wired.site.supervisors and not role.may(Role.SUPERVISOR):
        typer.echo(f"note: the site file names {name} a supervisor; from now on the role of the user says so: no")


@users_app.command("role")
@upon_store()
def role_of(wired: Wired, name: Name, role: As, by: By = _CONSOLE) -> None:
    """Give a user another role; whoever is signed in by this name has to sign in again."""
    user = _known(wired, name)
    wired.store.put_user(User(name, role, user.secret, wired.clock.now()), by)
    typer.echo(f"user {name}: {role}")


@users_app.command("password")
@upon_store()
def password(wired: Wired, name: Name, password_file: PasswordFile = None, by: By = _CONSOLE) -> None:
    """Give a user another password; a name that rests is let in again. Whoever is signed in has to sign in again."""
    user = _known(wired, name)
    secret = _secret(name, password_file)
    wired.store.put_user(User(name, user.role, secret, wired.clock.now()), by)
    typer.echo(f"user {name}: another password, and all its sessions are over")


@users_app.command("remove")
@upon_store()
def remove(wired: Wired, name: Name, by: By = _CONSOLE) -> None:
    """Let nobody in by this name any more, from this moment on. What was decided under it stays."""
    if not wired.store.remove_user(name, by, wired.clock.now()):
        raise refuse((f"there is no user {name}",))
    typer.echo(f"user {name} is removed, and all its sessions are over")


@users_app.command("list")
@upon_store()
def list_users(wired: Wired, as_json: Json = False) -> None:
    """Who may sign in, and how often each is signed in now."""
    now = wired.clock.now()
    signed_in = [one.user for one in wired.store.sessions(now)]
    rows = [
        {
            "name": user.name,
            "role": user.role.value,
            "since": user.since,
            "sessions": signed_in.count(user.name),
            "rests": user.rests(now),
            "elsewhere": user.elsewhere,
        }
        for user in wired.store.users()
    ]
    if as_json:
        show.json_lines(rows)
        return
    cells = [
        (
            row["name"],
            row["role"],
            f"{row['since']:%Y-%m-%d %H:%M}Z",
            row["sessions"],
            "rests" if row["rests"] else "by OpenID" if row["elsewhere"] else "",
        )
        for row in rows
    ]
    show.table("Users", ("name", "role", "since", "signed in", ""), cells, right=("signed in",))


def _known(wired: Wired, name: str) -> User:
    user = wired.store.user(name)
    if user is None:
        raise refuse((f"there is no user {name}",))
    return user


def _secret(name: str, file: Path | None) -> str:
    """What is kept of the password that is given; refuses one that is too easy."""
    said = _password(file)
    if problems := tuple(problems_of(said, name)):
        raise refuse(problems)
    return secret_of(said, secrets.token_bytes(SALT_BYTES))


def _password(file: Path | None) -> str:
    if file is None and sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        if file is None or str(file) == "-":
            line = sys.stdin.readline(4 * LONGEST)
        else:
            with file.open(encoding="utf-8") as opened:
                line = opened.readline(4 * LONGEST)
    except (OSError, UnicodeDecodeError) as wrong:
        raise refuse((f"the password cannot be read ({type(wrong).__name__})",)) from None
    return line.rstrip("\r\n")
