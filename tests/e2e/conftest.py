"""A clinic in a folder, the program as a process of its own, and peers that speak to it over sockets."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from adapters.cli import main
from adapters.hl7v2.mllp import END, START

HOME = ZoneInfo("America/New_York")

SITE = """
name = "Tern Point Clinic"
zone = "America/New_York"

[[facilities]]
id = "TERN"
name = "Tern Point Radiation Center"
npi = "1999999950"
setting = "freestanding"
place_of_service = "11"

[[facilities.entities]]
id = "tern"
name = "Tern Point Radiation Center"
npi = "1999999950"
tin = "990000088"
taxonomy = "261QX0203X"
bills = "global"
claim_type = "professional"

[[payers]]
id = "harborside"
name = "Harborside Mutual"
kind = "commercial"
aliases = ["HBSD"]
cycle = "day"

[payers.endpoint]
base_url = "{base_url}"
call = "{call}"
attempts = 2
timeout_seconds = 5.0
poll_after_seconds = {poll_after}
search_delay_seconds = {search_delay}

[[feeds]]
name = "charges"
media = "hl7v2"
dialect = "plain-dft"
zone = "America/New_York"
facility = "TERN"
applications = ["TERNIS"]
person_system = "urn:tern:mrn"

[[feeds]]
name = "ehr"
media = "fhir"
dialect = "codex-rt"
zone = "America/New_York"
facility = "TERN"
person_system = "urn:tern:mrn"

[[families]]
service = "dosimetry"
mode = "accept"
since = 2020-01-01

[[prices]]
code = "77300"
amount = 120.50
from = 2020-01-01
"""

OTHER_FEED = """
[[feeds]]
name = "second"
media = "hl7v2"
dialect = "plain-dft"
zone = "America/New_York"
facility = "TERN"
applications = ["OTHERIS"]
person_system = "urn:tern:mrn"
"""


def script() -> str:
    """The console script of this environment."""
    beside = Path(sys.executable).with_name("oncoclaims")
    found = str(beside) if beside.exists() else shutil.which("oncoclaims")
    if not found:
        pytest.fail("the console script oncoclaims is not installed here")
    return found


@dataclass(slots=True)
class Ran:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """The JSON lines of its output."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(slots=True)
class Served:
    """A running `oncoclaims serve`."""

    process: subprocess.Popen[bytes]
    http: int
    mllp: int
    health: int
    link: str
    errors: Path

    def said(self) -> str:
        """Its standard error so far."""
        return self.errors.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End it at once, without a word (SIGKILL)."""
        self.process.kill()
        self.process.wait(timeout=20)

    def stop(self) -> int:
        """Tell it to stop; its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=40)

    def post(self, path: str, body: bytes, media: str = "application/fhir+json", method: str = "POST") -> Answer:
        """One request to the HTTP listener."""
        return asked(f"http://127.0.0.1:{self.http}{path}", body, media, method)

    def get(self, path: str, *, health: bool = False) -> Answer:
        """One GET from the HTTP or the health listener."""
        return asked(f"http://127.0.0.1:{self.health if health else self.http}{path}", None, "", "GET")

    def line(self) -> Line:
        """A connection to the MLLP listener."""
        return Line(self.mllp)

    def tell(self, payload: bytes) -> Ack:
        """One message over a connection of its own."""
        with self.line() as line:
            return line.ask(payload)


@dataclass(slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.body)


def asked(url: str, body: bytes | None, media: str, method: str) -> Answer:
    headers = {"Content-Type": media} if media else {}
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return Answer(answer.status, answer.read(), dict(answer.headers))
    except urllib.error.HTTPError as refused:
        return Answer(refused.code, refused.read(), dict(refused.headers))


@dataclass(slots=True)
class Ack:
    """An acknowledgement, read field by field."""

    raw: bytes

    def fields(self, name: str) -> list[str]:
        """The fields of its first segment of that name; empty where there is none."""
        for segment in self.raw.decode().split("\r"):
            if segment.startswith(name + "|"):
                return segment.split("|")
        return []

    @property
    def code(self) -> str:
        return (self.fields("MSA") or ["", ""])[1]

    @property
    def control(self) -> str:
        return (self.fields("MSA") or ["", "", ""])[2]

    @property
    def error(self) -> str:
        """ERR-3.1, the condition of table 0357; empty without ERR."""
        return (self.fields("ERR") or ["", "", "", ""])[3].partition("^")[0]

    @property
    def place(self) -> str:
        """ERR-2: the segment and field at fault."""
        return (self.fields("ERR") or ["", "", ""])[2]


class Line:
    """One MLLP connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 15)
        self.pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, payload: bytes) -> Ack:
        """Send one message and read the answer to it."""
        self.socket.sendall(START + payload + END + b"\r")
        return self.read()

    def read(self) -> Ack:
        """The next answer; ConnectionError where the peer closed instead."""
        while END not in self.pending:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError("closed without an answer")
            self.pending += piece
        answer, _, rest = self.pending.partition(END)
        self.pending = rest.removeprefix(b"\r")
        return Ack(answer.removeprefix(START))


@dataclass(slots=True)
class Clinic:
    """Site file, keys and store in one folder, and the commands upon them."""

    folder: Path
    site: str
    mappings: tuple[Path, ...] = ()
    running: list[Served] = field(default_factory=list)

    LOCK: ClassVar[threading.Lock] = threading.Lock()

    def write(self, site: str | None = None) -> None:
        """Write the site file, perhaps another one than before."""
        self.site = self.site if site is None else site
        (self.folder / "site.toml").write_text(self.site, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ONCOCLAIMS_STORE": f"sqlite:///{self.folder / 'store.db'}",
            "ONCOCLAIMS_SITE": str(self.folder / "site.toml"),
            "ONCOCLAIMS_KEYS": str(self.folder / "keys"),
        }

    def run(self, *words: str) -> Ran:
        """A command of the console script, run in this very process by the function that the script calls."""
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        environment = {**os.environ, **self.environment}
        with (
            self.LOCK,
            mock.patch.object(sys, "argv", ["oncoclaims", *words]),
            mock.patch.dict(os.environ, environment),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
        return Ran(code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())

    def work(self) -> list[dict[str, Any]]:
        """The open work items."""
        shown = self.run("worklist", "--json")
        assert shown.code == 0, shown.err
        return shown.rows()

    def process(self, *words: str, timeout: float = 60) -> Ran:
        """A command as a process of its own."""
        done = subprocess.run(
            [script(), *words],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def serve(self, *words: str, **environment: str) -> Served:
        """Start the service on free ports and wait until it is ready; it is ended with the test."""
        number = len(self.running)
        errors, out = self.folder / f"serve{number}.err", self.folder / f"serve{number}.out"
        ports = ("--mllp-port", "0", "--http-port", "0", "--health-port", "0")
        with errors.open("wb") as err, out.open("wb") as said:
            process = subprocess.Popen(
                [script(), "serve", *ports, *words],
                cwd=self.folder,
                env={**os.environ, **self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=err,
            )
        deadline = time.monotonic() + 30
        found: dict[str, int] = {}
        while "health" not in found:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"serve did not start: {errors.read_text()[-2000:]}")
            time.sleep(0.02)
            found = {
                row["listener"]: row["port"]
                for text in errors.read_text().splitlines()
                if (row := loaded(text)).get("event") == "listening"
            }
        link = re.search(r"http://\S+", out.read_text())
        served = Served(
            process, found.get("http", 0), found.get("mllp", 0), found["health"], link[0] if link else "", errors
        )
        self.running.append(served)
        return served

    def end(self) -> None:
        """End whatever still runs."""
        for served in self.running:
            if served.process.poll() is None:
                served.process.kill()
                served.process.wait(timeout=20)


def loaded(text: str) -> dict[str, Any]:
    """A line of the log; nothing for a line that was caught half written."""
    try:
        row = json.loads(text)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}


def eventually(asked: Callable[[], Any], seconds: float = 20) -> Any:
    """What the question gives once it gives something; fails when it never does."""
    deadline = time.monotonic() + seconds
    while True:
        found = asked()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail("it did not come to that in time")
        time.sleep(0.05)


def site(
    base_url: str = "", *, call: str = "submit", poll_after: int = 900, search_delay: int = 86400, more: str = ""
) -> str:
    """The site file of Tern Point."""
    return SITE.format(base_url=base_url, call=call, poll_after=poll_after, search_delay=search_delay) + more


def day(back: int = 3) -> str:
    """A date some days ago, as HL7 v2 writes it."""
    return (datetime.now(HOME) - timedelta(days=back)).strftime("%Y%m%d")


def segment(name: str, values: dict[int, str]) -> str:
    return "|".join([name, *(values.get(n, "") for n in range(1, max(values) + 1))])


def dft(
    control: str,
    *,
    transaction: str = "",
    on: str = "",
    mrn: str = "TP-4471",
    name: str = "Quillfeather^Ondine",
    born: str = "19511103",
    member: str = "HB-90031",
    mode: str = "P",
    kind: str = "DFT^P03^DFT_P03",
    application: str = "TERNIS",
    version: str = "2.5.1",
) -> bytes:
    """A charge message of an invented person: patient, insurance, one coded charge."""
    on = on or day()
    segments = [
        f"MSH|^~\\&|{application}|TERN|ONCO|TERN|{on}101500||{kind}|{control}|{mode}|{version}",
        f"EVN|P03|{on}101500",
        f"PID|1||{mrn}^^^TERN^MR||{name}||{born}|F|||1 Wharf Rd^^Tern Point^ME^04001",
        "PV1|1|O|TERN",
        f"FT1|1|{transaction or control}||{on}101500|{on}|CG|L300||||1||||||||C61||||||77300",
        segment("IN1", {1: "1", 2: "HBSD", 3: "HBSD", 4: "Harborside Mutual", 12: "20250101", 17: "SEL", 36: member}),
    ]
    return "".join(f"{text}\r" for text in segments).encode()


@pytest.fixture(scope="module")
def make_clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Clinic]]:
    """`make_clinic(base_url, …)`: a clinic in a folder of its own, with keys and an empty store."""
    made: list[Clinic] = []

    def make(base_url: str = "", **over: Any) -> Clinic:
        clinic = Clinic(tmp_path_factory.mktemp("clinic"), site(base_url, **over))
        clinic.write()
        ready = clinic.run("init")
        assert ready.code == 0, ready.err
        made.append(clinic)
        return clinic

    yield make
    for clinic in made:
        clinic.end()


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """`stub(scenario)`: the payer as a process of its own; its FHIR base address."""
    started: list[subprocess.Popen[bytes]] = []

    def make(scenario: str) -> str:
        folder = tmp_path_factory.mktemp("payer")
        (folder / "scenario.toml").write_text(scenario, encoding="utf-8")
        process = subprocess.Popen(
            [script(), "stub", "--scenario", str(folder / "scenario.toml"), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        assert process.stdout is not None
        said = process.stdout.readline().decode()
        return said.rpartition(" ")[2].strip()

    yield make
    for process in started:
        process.kill()
        process.wait(timeout=20)
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """What tests build their messages and waits with."""
    return SimpleNamespace(dft=dft, day=day, site=site, eventually=eventually, segment=segment, other_feed=OTHER_FEED)


def rows_about(work: Sequence[dict[str, Any]], entry: str) -> list[dict[str, Any]]:
    """The work items about a journal entry."""
    return [row for row in work if row["about"] == entry]
