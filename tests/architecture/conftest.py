"""Reads the modules of the three packages from where they are imported: the tree or the installed wheel."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import pathlib

import pytest

PACKAGES = ("adapters", "mappings", "fhir_server_stub")
_LONG = pytest.StashKey[list[str]]()


@dataclasses.dataclass(frozen=True, slots=True)
class Module:
    """One Python file: `path` relative to the folder that holds the packages, with its text and its tree."""

    path: str
    text: str
    tree: ast.Module


def parse(path: str, text: str) -> Module:
    """A module from its text, as the checks take it; snippets of the self-tests are made by this too."""
    return Module(path, text, ast.parse(text, path))


def read_package(name: str) -> list[Module]:
    """All modules of an importable package, by path."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"{name} cannot be imported"
    assert spec.origin is not None, f"{name} has no __init__.py"
    folder = pathlib.Path(spec.origin).parent
    files = sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)
    return [parse(p.relative_to(folder.parent).as_posix(), p.read_text(encoding="utf-8")) for p in files]


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """Every module of adapters, mappings and fhir_server_stub."""
    return [module for name in PACKAGES for module in read_package(name)]


@pytest.fixture(scope="session", name="parse")
def parse_fixture() -> object:
    """`parse(path, text) -> Module`, for self-tests that feed a check a bad snippet."""
    return parse


@pytest.fixture
def long_modules(request: pytest.FixtureRequest) -> list[str]:
    """A list whose lines are printed when the run ends; a long module is a question, not a failure."""
    return request.config.stash.setdefault(_LONG, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what `long_modules` gathered."""
    lines = config.stash.get(_LONG, [])
    if lines:
        terminalreporter.section("modules over 400 lines: one idea, or several?")
        for line in lines:
            terminalreporter.write_line(line)
