"""The tree as it is committed: what lies at the top, what no file may name, what every test must do."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator

import pytest

TOP = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "Dockerfile", "LICENSE", "Makefile", "NOTICE",
    "README.md", "adapters", "bench", "compose.yaml", "fhir_server_stub", "mappings", "pyproject.toml",
    "requirements.lock", "tests",
}  # fmt: skip

# Somebody's home folder in a file: what works for one machine only.
MACHINE = [r"(?<![\w.}/])/(?:root|home/[a-z]\w*)/", r"~/\.\w"]
ASSERTS = re.compile(r"\bassert\b|\braises\(|\bwarns\(|\bassert_\w+\(|\bfail\(|\bcheck\w*\(|\bexpect\w*\(")


def committed(tree: pathlib.Path) -> list[str]:
    """What git tracks or would add: the paths of the checkout, relative to it."""
    if not (tree / ".git").exists():
        pytest.skip("no git checkout: what is committed cannot be listed")
    command = ["git", "-C", str(tree), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sorted({name for name in listing.split("\0") if name and (tree / name).is_file()})


def strangers(paths: Iterable[str]) -> list[str]:
    """Names at the top of the tree that the design does not know."""
    return sorted({path.split("/")[0] for path in paths} - TOP)


def machine_names(path: str, text: str) -> Iterator[str]:
    """Lines that name somebody's home folder."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern in MACHINE:
            if re.search(pattern, line):
                yield f"{path}:{number}: names a path of one machine ({pattern})"


def silent_tests(path: str, text: str) -> Iterator[str]:
    """Test functions that assert nothing: neither themselves nor by a function named check or expect."""
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            body = "\n".join(ast.unparse(part) for part in node.body)
            if not ASSERTS.search(body):
                yield f"{path}:{node.lineno}: {node.name} asserts nothing"


def test_only_known_names_at_the_top(source_tree: pathlib.Path) -> None:
    """The top of the tree is the one of the design."""
    assert strangers(committed(source_tree)) == []


def test_a_stranger_at_the_top_is_seen() -> None:
    """The check can fail."""
    assert strangers(["adapters/x.py", "utils/x.py", "notes.txt"]) == ["notes.txt", "utils"]


def test_no_file_names_a_path_of_one_machine(source_tree: pathlib.Path) -> None:
    """What is committed works anywhere."""
    found: list[str] = []
    for name in committed(source_tree):
        try:
            text = (source_tree / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not a text
        found += machine_names(name, text)
    assert found == []


def test_the_lock_names_no_address(source_tree: pathlib.Path) -> None:
    """Where packages come from is the business of whoever installs them."""
    assert "://" not in (source_tree / "requirements.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "line",
    ["HOME=/" + "root/x", "in /" + "home/kim/store", "~/" + ".profile"],
)
def test_a_machine_path_is_seen(line: str) -> None:
    """The check can fail."""
    assert len(list(machine_names("x.md", f"good\n{line}\n"))) == 1


@pytest.mark.parametrize(
    "line", ["adapters/work/items.py", "/work/{item}", "src/home/page", "the /data volume", "network"]
)
def test_a_path_of_the_tree_is_no_machine_path(line: str) -> None:
    """The check forbids no more than it says."""
    assert list(machine_names("x.md", line)) == []


def test_every_test_asserts(source_tree: pathlib.Path) -> None:
    """No test passes by saying nothing."""
    files = [name for name in committed(source_tree) if re.fullmatch(r"tests/(?:.+/)?test_\w+\.py", name)]
    assert files
    found = [x for name in files for x in silent_tests(name, (source_tree / name).read_text(encoding="utf-8"))]
    assert found == []


def test_a_silent_test_is_seen() -> None:
    """The check can fail."""
    text = "def test_a():\n    run()\ndef test_b():\n    assert run()\nasync def test_c():\n    await run()\n"
    assert [line.split()[1] for line in silent_tests("t.py", text)] == ["test_a", "test_c"]


def parts(lock: str) -> list[set[str]]:
    """The distribution names in each part of the lock: to run, to build, to test."""
    pieces = re.split(r"^# == (?:development only|tests and tools) ==$", lock, flags=re.MULTILINE)
    return [set(re.findall(r"^([a-z0-9-]+)==", piece, flags=re.MULTILINE)) for piece in pieces]


def canonical(requirement: str) -> str:
    """The normalized distribution name of a requirement (PEP 503)."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_the_lock_holds_what_the_project_declares(source_tree: pathlib.Path) -> None:
    """Every declared requirement is locked in its part, each entry has hashes, none stands twice."""
    project = tomllib.loads((source_tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (source_tree / "requirements.lock").read_text(encoding="utf-8")
    runtime, build, tests = parts(lock)
    extras = project["optional-dependencies"]
    assert {canonical(name) for name in project["dependencies"]} <= runtime
    assert {canonical(name) for name in extras["build"]} <= runtime | build
    assert {canonical(name) for name in extras["dev"]} <= runtime | build | tests
    assert not runtime & build
    assert not (runtime | build) & tests
    entries = re.split(r"\n(?=[a-z0-9#])", lock)
    assert all("--hash=sha256:" in entry for entry in entries if not entry.startswith("#"))
    assert "pytest" in tests
