"""What the README promises is there: its commands, the lines of its example, the files it points to."""

from __future__ import annotations

import pathlib
import re
import sys
from collections.abc import Iterator

import pytest
import typer.main

from adapters.cli.app import app

PAGES = ("README.md", "adapters/README.md", "mappings/README.md", "fhir_server_stub/README.md", "CHANGELOG.md")


@pytest.fixture(scope="module")
def readme(source_tree: pathlib.Path) -> str:
    """The text of the front page."""
    return (source_tree / "README.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands under a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def commands() -> dict[str, set[str]]:
    """Every command with its options."""
    group = typer.main.get_command(app)
    found: dict[str, set[str]] = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        for inner, one in getattr(command, "commands", {"": command}).items():
            found[f"{name} {inner}".strip()] = {option for p in one.params for option in p.opts}
    return found


def promised(readme: str) -> Iterator[tuple[str, list[str]]]:
    """(command, options) as the table of commands names them."""
    for row in re.findall(r"^\| (`.*?`) \|", section(readme, "Commands"), re.MULTILINE):
        for said in re.findall(r"`([^`]+)`", row):
            words = re.sub(r"[\[\]]", " ", said).split()
            name = " ".join(words[:2]) if " ".join(words[:2]) in commands() else words[0]
            yield name, re.findall(r"--[a-z-]+", said)


def test_the_commands_of_the_table_exist_with_their_options(readme: str) -> None:
    there = commands()
    named = dict(promised(readme))
    assert len(named) > 15
    assert {name: [o for o in options if o not in there.get(name, set())] for name, options in named.items()} == {
        name: [] for name in named
    }
    assert set(named) <= set(there)


def test_every_command_is_in_the_table(readme: str) -> None:
    assert set(commands()) - {name for name, _ in promised(readme)} == set()


def test_commands_named_elsewhere_exist(readme: str) -> None:
    there = {name.split()[0] for name in commands()} | {"COMMAND"}
    named = {words.split()[0] for words in re.findall(r"`oncoclaims ([^`]+)`", readme)}
    assert named <= there


def test_make_knows_the_two_commands(readme: str, source_tree: pathlib.Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (source_tree / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= set(re.findall(r"make ([a-z]+)", readme)) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_pointed_to_exist(source_tree: pathlib.Path, page: str) -> None:
    path = source_tree / page
    text = path.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    named = re.findall(r"`((?:adapters|mappings|fhir_server_stub|tests|bench)/[A-Za-z0-9_./-]+)`", text)
    missing = [link for link in links if not (path.parent / link).exists()]
    missing += [name for name in named if not (source_tree / name).exists()]
    assert missing == []
    assert text.startswith("# ")


def test_no_place_is_left_to_be_filled(source_tree: pathlib.Path) -> None:
    for page in PAGES:
        words = set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", (source_tree / page).read_text(encoding="utf-8")))
        assert {word for word in words if word.endswith(("_TABLE", "_HERE"))} == set(), page


@pytest.mark.system
def test_the_example_is_what_the_demo_says(readme: str, tmp_path: pathlib.Path) -> None:
    from adapters.demo.day import played
    from adapters.explain import describer, explain

    example = [line[4:] for line in section(readme, "One explanation").splitlines() if line.startswith("    ")]
    assert len(example) >= 6
    said: list[str] = []
    with played(tmp_path, None) as day:
        describe = describer(day.wired.store.messages(limit=sys.maxsize >> 32))
        for record in day.records:
            for charge in record.charges:
                told = explain(record, charge.id, day.wired.rules, describe)
                assert told is not None
                lines = [
                    "  " * depth + ("- " if depth else "") + words + (f"   [{source}]" if source else "")
                    for depth, words, source in told.lines()
                ]
                if pattern(example[0]).fullmatch(lines[0]):
                    said = lines
    assert said, "the charge of the example is among those of the demo"
    at = 0
    for line in example:
        found = [number for number in range(at, len(said)) if pattern(line).fullmatch(said[number])]
        assert found, f"the demo does not say, in this order: {line}"
        at = found[0] + 1


def pattern(line: str) -> re.Pattern[str]:
    """A line of the example; a dash of three dots stands for anything."""
    return re.compile(".*?".join(map(re.escape, line.split("…"))))
