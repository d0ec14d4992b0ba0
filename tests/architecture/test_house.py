"""The house rules of the design, held by reading the code: levels, purity, named importers, words, names.

Each check is a function from a module to the offences in it, and each has a self-test that feeds it a bad
snippet, so that none of them can pass by seeing nothing.
"""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

Parse = Callable[[str, str], Any]
Check = Callable[[Any], Iterator[str]]

# Design, part 3. A module or folder directly in adapters/ has exactly one level.
LEVELS = {
    **dict.fromkeys(("model", "errors"), 0),
    **dict.fromkeys(("rules", "ports"), 1),
    **dict.fromkeys(("hl7v2", "fhir", "tables", "context", "charges", "edits", "claims", "posting", "work"), 2),
    **dict.fromkeys(("comparing", "explain", "letters", "pipeline", "reconciling", "smart", "timeline"), 3),
    **dict.fromkeys(("store", "payers", "ehr", "files", "openid", "pages"), 4),
    "settings": 5,
    "wiring": 6,
    "serve": 7,
    **dict.fromkeys(("cli", "demo", "cases"), 8),
}
# The meetings on one level: a noun that refuses to exist raises one of the errors, and the console script starts the
# demo and runs acceptance cases.
NEIGHBOURS = {("model", "errors"), ("cli", "demo"), ("cli", "cases")}
PURE = 2

# Library -> the paths in adapters/ that may import it.
IMPORTERS: Mapping[str, tuple[str, ...]] = {
    "hl7apy": ("adapters/hl7v2/conformance.py",),
    "fhir": ("adapters/fhir/check.py",),
    "fhir_core": ("adapters/fhir/check.py",),
    "fastapi": ("adapters/serve/", "adapters/pages/"),
    "starlette": ("adapters/serve/", "adapters/pages/"),
    "uvicorn": ("adapters/serve/",),
    "httpx": ("adapters/payers/", "adapters/ehr/", "adapters/openid/"),
    "tenacity": ("adapters/payers/", "adapters/ehr/"),
    "sqlalchemy": ("adapters/store/",),
    "alembic": ("adapters/store/",),
    "psycopg": ("adapters/store/",),
    "procrastinate": ("adapters/store/lanes/jobs.py",),
    "yaml": ("adapters/cases/",),
}
# Development only: nothing that runs may import them.
TEST_TOOLS = {"pytest", "hypothesis", "hl7", "playwright", "build", "hatchling", "mypy"}
STUB_LIBRARIES = {"cryptography", "fastapi", "starlette", "uvicorn", "httpx"}

# What reads a clock, a file, a socket, the environment or chance, or speaks to the outside by itself.
IMPURE = {
    "aiofiles",
    "alembic", "asyncio", "concurrent", "cryptography", "ctypes", "fastapi", "fileinput", "ftplib",
    "getpass", "glob", "http", "httpx", "importlib", "locale", "logging", "mmap", "multiprocessing", "os",
    "pathlib", "pkgutil", "playwright", "prometheus_client", "pydantic_settings", "queue", "random", "rich",
    "secrets", "select", "selectors", "shelve", "shutil", "signal", "smtplib", "socket", "socketserver",
    "sqlalchemy", "sqlite3", "ssl", "starlette", "structlog", "subprocess", "tempfile", "tenacity",
    "threading",
    "time", "typer", "uvicorn", "uvloop",
}  # fmt: skip
IMPURE_PARTS = {"urllib.request", "urllib.error", "urllib.robotparser", "xml.sax.saxutils.XMLGenerator"}
IMPURE_NAMES = {"uuid.uuid1", "uuid.uuid4", "sys.argv", "sys.stdin", "sys.stdout", "sys.stderr", "io.open"}
IMPURE_BUILTINS = {"open", "input", "print", "breakpoint", "exec", "eval", "compile", "__import__"}
IMPURE_METHODS = {
    "now", "utcnow", "today", "read_text", "read_bytes", "write_text", "write_bytes", "uuid1", "uuid4",
}  # fmt: skip
FORBIDDEN_WORDS = ("Manager", "Service", "Helper", "Helpers", "Util", "Utils", "Processor", "Engine")


def imports(module: Any) -> Iterator[tuple[int, str]]:
    """Every imported dotted name with its line: `from a import b` gives `a.b`; relative ones are resolved."""
    parts = module.path.removesuffix(".py").split("/")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = parts[: len(parts) - node.level]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                yield node.lineno, base if alias.name == "*" else f"{base}.{alias.name}"


def roots(module: Any) -> Iterator[tuple[int, str]]:
    """The first part of every imported name."""
    for line, name in imports(module):
        yield line, name.split(".")[0]


def place(path: str) -> str:
    """The folder or module directly in adapters/ that a path belongs to; empty for adapters/__init__.py."""
    part = path.split("/")[1].removesuffix(".py")
    return "" if part == "__init__" else part


def in_adapters(module: Any) -> bool:
    """Whether a module belongs to adapters."""
    return bool(module.path.startswith("adapters/"))


def offences_of_level(module: Any) -> Iterator[str]:
    """Imports only downwards; folders of one level do not know one another; every place has a level."""
    if not in_adapters(module):
        return
    own = place(module.path)
    if own and own not in LEVELS:
        yield f"{module.path}: '{own}' has no level in the design"
        return
    for line, name in imports(module):
        parts = name.split(".")
        if parts[0] != "adapters":
            continue
        other = parts[1] if len(parts) > 1 else ""
        if not own:
            yield f"{module.path}:{line}: adapters/__init__.py imports nothing"
        elif other not in LEVELS:
            yield f"{module.path}:{line}: '{name}' has no level in the design"
        elif other != own and (own, other) not in NEIGHBOURS and LEVELS[other] >= LEVELS[own]:
            yield f"{module.path}:{line}: {own} (level {LEVELS[own]}) imports {other} (level {LEVELS[other]})"


def offences_of_purity(module: Any) -> Iterator[str]:
    """Levels 0 to 2 read no clock, socket, file, log, database, environment or chance."""
    if not in_adapters(module) or LEVELS.get(place(module.path), 0) > PURE:
        return
    for line, name in imports(module):
        found = name.split(".")[0] in IMPURE or name in IMPURE_NAMES
        if found or any(name == part or name.startswith(part + ".") for part in IMPURE_PARTS):
            yield f"{module.path}:{line}: a pure level imports {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in IMPURE_NAMES:
            yield f"{module.path}:{node.lineno}: a pure level names {ast.unparse(node)}"
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in IMPURE_BUILTINS:
            yield f"{module.path}:{node.lineno}: a pure level calls {called.id}()"
        if isinstance(called, ast.Attribute):
            local_zone = called.attr == "astimezone" and not node.args and not node.keywords
            if called.attr in IMPURE_METHODS or local_zone:
                yield f"{module.path}:{node.lineno}: a pure level calls .{called.attr}()"


def offences_of_importers(module: Any) -> Iterator[str]:
    """Each heavy library has its named importers; test tools have none."""
    for line, root in roots(module):
        if root in TEST_TOOLS:
            yield f"{module.path}:{line}: {root} is for development only"
        allowed = IMPORTERS.get(root)
        if in_adapters(module) and allowed is not None and not module.path.startswith(allowed):
            yield f"{module.path}:{line}: {root} is imported by {', '.join(allowed)} alone"


def offences_of_r5(module: Any) -> Iterator[str]:
    """The top level of fhir.resources is FHIR R5 and takes R4 silently: only R4B is imported, and by name."""
    for line, name in imports(module):
        wide = name in ("fhir", "fhir.resources")
        other = name.startswith("fhir.resources.") and name.split(".")[2] != "R4B"
        if wide or other:
            yield f"{module.path}:{line}: {name} is not fhir.resources.R4B"


def offences_of_float(module: Any) -> Iterator[str]:
    """SQLAlchemy's Numeric is float on SQLite: money is integer minor units, prices are text decimals."""
    inexact = {"float", "numeric", "real", "double", "decimal", "double_precision"}
    aliases = {"sa", "sqlalchemy", "types", "sqltypes"}
    for line, name in imports(module):
        if name.split(".")[0] == "sqlalchemy" and name.split(".")[-1].lower() in inexact:
            yield f"{module.path}:{line}: {name} loses digits"
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Attribute) or ast.unparse(node.value).split(".")[-1] not in aliases:
            continue
        if node.attr.lower() in inexact and node.attr[0].isupper():
            yield f"{module.path}:{node.lineno}: {ast.unparse(node)} loses digits"


def offences_of_stub(module: Any) -> Iterator[str]:
    """The stub and the program do not know each other, so that agreeing means something."""
    if module.path.startswith("fhir_server_stub/"):
        for line, root in roots(module):
            known = root in STUB_LIBRARIES or root in sys.stdlib_module_names or root == "fhir_server_stub"
            if not known:
                yield f"{module.path}:{line}: the stub imports {root}"
    elif not (in_adapters(module) and place(module.path) in ("cli", "demo")):
        for line, root in roots(module):
            if root == "fhir_server_stub":
                yield f"{module.path}:{line}: only the console script and the demo start the stub"


def offences_of_mappings(module: Any) -> Iterator[str]:
    """mappings/ is data: one __init__.py with a docstring, no code."""
    if not module.path.startswith("mappings/"):
        return
    statements = [node for node in module.tree.body if not isinstance(node, ast.Expr)]
    if module.path != "mappings/__init__.py" or statements:
        yield f"{module.path}: mappings holds no code"


def offences_of_words(module: Any) -> Iterator[str]:
    """No class is a Manager, Service, Helper, Utils, Processor or Engine, and no module is named so."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and re.search(rf"({'|'.join(FORBIDDEN_WORDS)})$", node.name):
            yield f"{module.path}:{node.lineno}: class {node.name} says nothing of what it is"
    stem = module.path.rsplit("/", 1)[-1].removesuffix(".py")
    if stem.split("_")[-1].capitalize() in FORBIDDEN_WORDS:
        yield f"{module.path}: the name says nothing of what it holds"


def offences_of_docstrings(module: Any) -> Iterator[str]:
    """Modules, public functions and public classes say what they mean."""
    if ast.get_docstring(module.tree) is None:
        yield f"{module.path}: no docstring"
    for node in module.tree.body:
        named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if named and not node.name.startswith("_") and ast.get_docstring(node) is None:
            yield f"{module.path}:{node.lineno}: {node.name} has no docstring"


def offences_of_stubs(module: Any) -> Iterator[str]:
    """Nothing is called done that is not: no NotImplementedError."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield f"{module.path}:{node.lineno}: not implemented"


# Check -> snippets (path, text) in which it must find an offence, and others in which it must find none.
CHECKS: dict[Check, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    offences_of_level: (
        [
            ("adapters/model/money.py", "from adapters.rules import load"),
            ("adapters/charges/derive.py", "from adapters.edits.screen import screen"),
            ("adapters/charges/derive.py", "from adapters import edits"),
            ("adapters/charges/derive.py", "from ..edits import screen"),
            ("adapters/explain.py", "def late():\n    import adapters.pipeline"),
            ("adapters/store/sqlite.py", "from adapters.settings import Settings"),
            ("adapters/elsewhere/new.py", "x = 1"),
            ("adapters/__init__.py", "from adapters.model import money"),
            ("adapters/demo.py", "from adapters.cli import main"),
        ],
        [
            (
                "adapters/model/money.py",
                "from adapters.errors import Inexact\nfrom adapters.model import codes",
            ),
            ("adapters/charges/derive.py", "from adapters.rules import load\nfrom .radiation import due"),
            ("adapters/cli.py", "from adapters.demo import play\nfrom adapters.wiring import build"),
        ],
    ),
    offences_of_purity: (
        [
            ("adapters/model/money.py", "import time"),
            ("adapters/rules/load.py", "from pathlib import Path"),
            ("adapters/hl7v2/mllp.py", "import asyncio"),
            ("adapters/hl7v2/mllp.py", "import os.path as p"),
            ("adapters/fhir/wire.py", "from urllib.request import urlopen"),
            ("adapters/work/items.py", "from datetime import datetime as d\nx = d.now()"),
            ("adapters/work/items.py", "import datetime\nx = datetime.date.today()"),
            ("adapters/work/items.py", "from uuid import uuid4"),
            ("adapters/work/items.py", "import uuid\nx = uuid.uuid4()"),
            ("adapters/tables/csvs.py", "def f(name):\n    return open(name)"),
            ("adapters/ports.py", "import sys\nsys.stderr.write('x')"),
            ("adapters/context/day.py", "def f(at):\n    return at.astimezone()"),
        ],
        [
            ("adapters/work/items.py", "import uuid\nx = uuid.uuid5(uuid.NAMESPACE_URL, 'a')"),
            ("adapters/context/day.py", "def f(at, zone):\n    return at.astimezone(zone)"),
            ("adapters/fhir/wire.py", "import json\nfrom urllib.parse import quote"),
            ("adapters/store/sqlite.py", "import time, sqlite3"),
        ],
    ),
    offences_of_importers: (
        [
            ("adapters/hl7v2/reader.py", "import hl7apy.parser"),
            ("adapters/fhir/claim.py", "from fhir.resources.R4B.claim import Claim"),
            ("adapters/cli.py", "import fastapi"),
            ("adapters/pipeline.py", "from tenacity import retry"),
            ("adapters/files/reading.py", "import sqlalchemy as sa"),
            ("adapters/serve/app.py", "import httpx"),
            ("adapters/serve/app.py", "import hl7"),
        ],
        [
            ("adapters/hl7v2/conformance.py", "from hl7apy.parser import parse_segment"),
            ("adapters/ehr/poll.py", "import httpx"),
            ("adapters/store/sqlite.py", "import sqlalchemy as sa"),
            ("fhir_server_stub/app.py", "import fastapi, httpx"),
        ],
    ),
    offences_of_r5: (
        [
            ("adapters/fhir/check.py", "from fhir.resources.claim import Claim"),
            ("adapters/fhir/check.py", "import fhir.resources"),
            ("adapters/fhir/check.py", "from fhir.resources import get_fhir_model_class"),
        ],
        [("adapters/fhir/check.py", "from fhir.resources.R4B.claim import Claim")],
    ),
    offences_of_float: (
        [
            ("adapters/store/rows.py", "from sqlalchemy import Column, Numeric"),
            ("adapters/store/rows.py", "from sqlalchemy.types import Float"),
            ("adapters/store/rows.py", "import sqlalchemy as sa\nx = sa.Numeric(10, 2)"),
            ("adapters/store/rows.py", "from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION"),
        ],
        [
            (
                "adapters/store/rows.py",
                "import decimal\nimport sqlalchemy as sa\nx = sa.BigInteger, decimal.Decimal",
            )
        ],
    ),
    offences_of_stub: (
        [
            ("adapters/serve/app.py", "from fhir_server_stub.app import create_app"),
            ("mappings/__init__.py", "import fhir_server_stub"),
            ("fhir_server_stub/app.py", "from adapters.model import money"),
            ("fhir_server_stub/app.py", "import mappings"),
            ("fhir_server_stub/app.py", "import sqlalchemy"),
        ],
        [
            ("adapters/demo.py", "import fhir_server_stub"),
            ("adapters/cli.py", "from fhir_server_stub.app import create_app"),
            (
                "fhir_server_stub/app.py",
                "import json, fastapi\nfrom fhir_server_stub import books\nfrom . import books",
            ),
        ],
    ),
    offences_of_mappings: (
        [("mappings/__init__.py", "x = 1"), ("mappings/rules.py", '"""Rules."""')],
        [("mappings/__init__.py", '"""Data."""')],
    ),
    offences_of_words: (
        [
            ("adapters/claims/group.py", "class ClaimManager: ..."),
            ("adapters/claims/group.py", "def f():\n    class RuleEngine: ..."),
            ("adapters/claims/text_utils.py", "x = 1"),
        ],
        [("adapters/claims/group.py", "class ServiceDate: ...\nclass Grouping: ...")],
    ),
    offences_of_docstrings: (
        [
            ("adapters/claims/group.py", "x = 1"),
            ("adapters/claims/group.py", '"""M."""\ndef group(): ...'),
            ("adapters/claims/group.py", '"""M."""\nclass Group: ...'),
        ],
        [("adapters/claims/group.py", '"""M."""\ndef _inner(): ...\ndef group():\n    """Says."""')],
    ),
    offences_of_stubs: (
        [("adapters/claims/group.py", "def f():\n    raise NotImplementedError('later')")],
        [("adapters/claims/group.py", "def f():\n    raise ValueError('no')")],
    ),
}


def label(check: Check) -> str:
    """The name of a check in a test id."""
    return str(check.__name__).removeprefix("offences_of_")


@pytest.mark.parametrize("check", CHECKS, ids=label)
def test_the_house_keeps_the_rule(check: Check, modules: list[Any]) -> None:
    """No module of the three packages offends."""
    assert modules
    found = sorted({offence for module in modules for offence in check(module)})
    assert not found, "\n".join([check.__doc__ or "", *found])


@pytest.mark.parametrize(
    ("check", "snippet"),
    [(check, snippet) for check, (bad, _) in CHECKS.items() for snippet in bad],
    ids=lambda value: label(value) if callable(value) else value[1].splitlines()[-1].strip(),
)
def test_the_rule_can_be_broken(check: Check, snippet: tuple[str, str], parse: Parse) -> None:
    """A bad snippet is found: the check can fail."""
    assert list(check(parse(*snippet)))


@pytest.mark.parametrize(
    ("check", "snippet"),
    [(check, snippet) for check, (_, good) in CHECKS.items() for snippet in good],
    ids=lambda value: label(value) if callable(value) else value[1].splitlines()[-1].strip(),
)
def test_the_rule_forbids_no_more_than_it_says(check: Check, snippet: tuple[str, str], parse: Parse) -> None:
    """A good snippet is left alone."""
    assert not list(check(parse(*snippet)))


def foreign_owners(owners: Mapping[str, list[str]]) -> list[str]:
    """Distributions other than ours that own one of our three import names."""
    names = ("adapters", "mappings", "fhir_server_stub")
    return sorted({owner for name in names for owner in owners.get(name, []) if owner != "oncoclaims"})


def test_nobody_else_owns_our_names() -> None:
    """Both short names exist as packages of others; in our environment they are ours."""
    assert foreign_owners(importlib.metadata.packages_distributions()) == []
    assert importlib.metadata.metadata("oncoclaims").get_all("Classifier", []).count("Private :: Do Not Upload") == 1


def test_a_foreign_owner_is_seen() -> None:
    """The check can fail."""
    assert foreign_owners({"adapters": ["oncoclaims", "adapters"], "mappings": ["maps"]}) == [
        "adapters",
        "maps",
    ]


def over(limit: int, modules: list[Any]) -> list[str]:
    """`lines path` of each module longer than the limit, the longest first."""
    counted = sorted(((len(m.text.splitlines()), m.path) for m in modules), reverse=True)
    return [f"{lines:6d}  {path}" for lines, path in counted if lines > limit]


def test_long_modules_are_named(modules: list[Any], long_modules: list[str], parse: Parse) -> None:
    """A module over 400 lines is a question the run prints at its end; here the counting is checked."""
    long_modules[:] = over(400, modules)
    snippets = [parse("adapters/a.py", "x = 1\n" * 401), parse("adapters/b.py", "x = 1\n" * 400)]
    assert over(400, snippets) == ["   401  adapters/a.py"]
