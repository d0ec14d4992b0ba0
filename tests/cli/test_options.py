"""The options that commands have in common: given by one piece of code, last in the help, the same in every command."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from adapters.cli.app import app
from adapters.cli.options import Given, taking, upon_store
from adapters.wiring import Wired

ORDER = [field.name for field in fields(Given)]
OWN = {("rehearse", "mappings")}
"""What a command says otherwise than all others: here the mappings to rehearse, not those in force."""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def made(command: Any, *words: str) -> Any:
    """A program of one command, run with these words."""
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    program.command()(command)
    return CliRunner().invoke(program, list(words))


def test_they_stand_last_in_one_order_and_say_the_same_in_every_command() -> None:
    """However a command comes by them."""
    said: dict[str, set[tuple[object, ...]]] = {name: set() for name in ORDER}
    seen = 0
    for path, command in commands(typer.main.get_command(app)):
        options = [option for option in command.params if option.name in ORDER and (path, option.name) not in OWN]
        names = [option.name for option in options]
        ours = [option.name for option in command.params if option.name != "help"]
        assert ours[len(ours) - len(names) :] == names == sorted(names, key=ORDER.index), path
        for option in options:
            said[option.name].add((tuple(option.opts), option.help, option.required, option.default, option.multiple))
        seen += bool(names)
    assert seen > 40
    assert {name: len(ways) for name, ways in said.items()} == dict.fromkeys(ORDER, 1)


def test_a_command_is_handed_what_was_given_and_its_own() -> None:
    """Only the options that it takes are there."""
    handed: list[tuple[Given, str, int]] = []

    @taking("keys", "store")
    def command(given: Given, what: str, times: Annotated[int, typer.Option("--times")] = 1) -> None:
        """Do it."""
        handed.append((given, what, times))

    assert list(inspect.signature(command).parameters) == ["what", "times", "store", "keys"]
    assert made(command, "it", "--keys", "a.keys", "--times", "3").exit_code == 0
    assert handed == [(Given(keys=Path("a.keys")), "it", 3)]
    assert made(command, "it", "--site", "site.toml").exit_code == 2


def test_flags_go_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not given stays as the environment says."""
    monkeypatch.setenv("ONCOCLAIMS_STORE", "sqlite:///here.db")
    monkeypatch.setenv("ONCOCLAIMS_KEYS", "here.keys")
    said = Given(store="sqlite:///there.db", mappings=[Path("a"), Path("b")]).settings()
    assert (said.store, said.keys, said.mappings) == (
        "sqlite:///there.db",
        Path("here.keys"),
        (Path("a"), Path("b")),
    )


@pytest.mark.parametrize("writes", [False, True])
def test_upon_a_store_the_program_is_opened_as_said_and_closed_whatever_happens(
    clinic: Any, monkeypatch: pytest.MonkeyPatch, *, writes: bool
) -> None:
    """It stands where `--now` says; what the command raises comes out of it."""
    monkeypatch.chdir(clinic.folder)
    seen: list[tuple[Wired, datetime, bool]] = []
    closed: list[Wired] = []
    close = Wired.close

    def closing(wired: Wired) -> None:
        closed.append(wired)
        close(wired)

    monkeypatch.setattr(Wired, "close", closing)

    @upon_store(writes=writes)
    def command(wired: Wired, code: int) -> None:
        """Do it."""
        seen.append((wired, wired.clock.now(), bool(wired.force_now().entry)))
        assert not closed
        raise typer.Exit(code)

    assert made(command, "7", "--now", "2026-01-05T08:00-05:00").exit_code == 7
    ((wired, at, told),) = seen
    assert closed == [wired]
    assert at == datetime(2026, 1, 5, 13, tzinfo=UTC)
    assert told is writes, "what writes tells the journal first of the rules in force"


def test_the_options_are_resolved_where_they_are_said() -> None:
    """Typer reads no name of this module's: every annotation is a type by then."""
    hints = get_type_hints(Given, include_extras=True)

    @upon_store()
    def command(wired: Wired) -> None:
        """Do it."""

    parameters = inspect.signature(command).parameters
    assert list(parameters) == ORDER
    assert {name: option.annotation for name, option in parameters.items()} == hints
