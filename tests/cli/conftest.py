"""Commands run as the console script runs them, in this process; a clinic in a folder; messages of invented people."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from adapters.cli import main

SITE = """
name = "Plover Bank"
zone = "America/New_York"

[[facilities]]
id = "PLOVER"
name = "Plover Bank Radiation Center"
npi = "1999999950"
setting = "freestanding"
place_of_service = "11"

[[facilities.entities]]
id = "plover"
name = "Plover Bank Radiation Center"
npi = "1999999950"
tin = "990000055"
taxonomy = "261QX0203X"
bills = "global"
claim_type = "professional"

[[payers]]
id = "sandbar"
name = "Sandbar Mutual"
kind = "commercial"
aliases = ["SDBR"]
cycle = "day"

[payers.endpoint]
base_url = "http://127.0.0.1:1/fhir"
attempts = 1
timeout_seconds = 1.0

[[feeds]]
name = "charges"
media = "hl7v2"
dialect = "plain-dft"
zone = "America/New_York"
facility = "PLOVER"
applications = ["PLIS"]
person_system = "urn:plover:mrn"

[[feeds]]
name = "ehr"
media = "fhir"
dialect = "codex-rt"
zone = "America/New_York"
facility = "PLOVER"
person_system = "urn:plover:mrn"

[[families]]
service = "dosimetry"
mode = "accept"
since = 2020-01-01

[[prices]]
code = "77300"
amount = 120.50
from = 2020-01-01
"""


@dataclass(slots=True)
class Ran:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """The JSON lines of its output."""
        return [json.loads(line) for line in self.out.splitlines()]


def run(words: tuple[str, ...], environment: dict[str, str], folder: Path) -> Ran:
    """The console script with these words, in this process and this folder."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    with (
        mock.patch.object(sys, "argv", ["oncoclaims", *words]),
        mock.patch.dict(os.environ, environment),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            root.setLevel(before[0])
            root.handlers[:] = before[1]
    return Ran(code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())


@dataclass(slots=True)
class Clinic:
    """Site file, keys and store in one folder, and the commands upon them."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str) -> Ran:
        return run(words, self.environment, self.folder)

    def file(self, name: str, body: bytes | str) -> str:
        """A file of the folder; its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body.encode() if isinstance(body, str) else body)
        return name


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """A folder with a site file and nothing else."""
    for name in [name for name in os.environ if name.startswith("ONCOCLAIMS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    clinic = Clinic(tmp_path)
    clinic.file("site.toml", SITE)
    return clinic


@pytest.fixture
def clinic(bare: Clinic) -> Clinic:
    """A clinic with keys and an empty store."""
    assert bare("init").code == 0
    return bare


@pytest.fixture(scope="module")
def day_after(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ran]:
    """The commands upon the store that the demo day leaves."""
    from adapters.demo.day import played

    folder = tmp_path_factory.mktemp("day")
    with played(folder, None):
        pass
    environment = {"ONCOCLAIMS_STORE": "sqlite:///demo.db", "ONCOCLAIMS_KEYS": "demo.keys", "COLUMNS": "250"}

    def command(*words: str) -> Ran:
        return run(words, environment, folder)

    return command


def segment(name: str, values: dict[int, str]) -> str:
    return "|".join([name, *(values.get(n, "") for n in range(1, max(values) + 1))])


def dft(
    control: str,
    *,
    transaction: str = "",
    on: str = "20260105",
    mrn: str = "PB-100",
    mode: str = "P",
    version: str = "2.5.1",
    application: str = "PLIS",
    kind: str = "DFT^P03^DFT_P03",
) -> bytes:
    """A charge message of an invented person."""
    segments = [
        f"MSH|^~\\&|{application}|PLOVER|ONCO|PLOVER|{on}101500||{kind}|{control}|{mode}|{version}",
        f"EVN|P03|{on}101500",
        f"PID|1||{mrn}^^^PLOVER^MR||Sandling^Merle||19520417|F|||2 Shore Rd^^Plover Bank^ME^04002",
        "PV1|1|O|PLOVER",
        f"FT1|1|{transaction or control}||{on}101500|{on}|CG|L300||||1||||||||C61||||||77300",
        segment("IN1", {1: "1", 2: "SDBR", 3: "SDBR", 4: "Sandbar Mutual", 12: "20250101", 17: "SEL", 36: "SB-7001"}),
    ]
    return "".join(f"{text}\r" for text in segments).encode()


@pytest.fixture(scope="session")
def say() -> SimpleNamespace:
    """What tests build their messages with."""
    return SimpleNamespace(dft=dft)
