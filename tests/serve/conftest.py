"""What the tests of the doors share: an invented site, a store in memory or in a file, messages of invented people."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.model.site import Site
from adapters.payers import PayerClient
from adapters.pipeline import House
from adapters.pipeline.receive import receive_fhir, receive_v2
from adapters.rules import Ruleset
from adapters.serve.lanes import Lanes
from adapters.settings import read_site, rules_of
from adapters.store import KeyRing, SqlStore, open_store
from fhir_server_stub.fees import Fees
from fhir_server_stub.payer import Stub
from fhir_server_stub.scenario import Scenario, parse
from fhir_server_stub.server import running

FAMILY, GIVEN, MRN, BORN = "Canaryfeather", "Ottoline", "CNRY-770031", "19480229"
"""Of an invented person; must never be seen outside the journal and the documents for payers."""

SITE = """
name = "Quiet Bay Clinic"
zone = "America/New_York"

[[facilities]]
id = "BAY"
name = "Quiet Bay Radiation Center"
npi = "1999999950"
setting = "freestanding"
place_of_service = "11"

[[facilities.entities]]
id = "bay"
name = "Quiet Bay Radiation Center"
npi = "1999999950"
tin = "990000077"
taxonomy = "261QX0203X"
bills = "global"
claim_type = "professional"

[[payers]]
id = "lakeside"
name = "Lakeside Mutual"
kind = "commercial"
aliases = ["LKSD"]
cycle = "day"

[payers.endpoint]
base_url = "{base_url}"
call = "{call}"
idempotent = {idempotent}
attempts = {attempts}
timeout_seconds = {timeout}
poll_after_seconds = 900
search_delay_seconds = 86400

[[feeds]]
name = "charges"
media = "hl7v2"
dialect = "plain-dft"
zone = "America/New_York"
facility = "BAY"
applications = ["QBAY"]
person_system = "urn:quietbay:mrn"

[[feeds]]
name = "ehr"
media = "fhir"
dialect = "codex-rt"
zone = "America/New_York"
facility = "BAY"
person_system = "urn:quietbay:mrn"

[[families]]
service = "dosimetry"
mode = "accept"
since = 2020-01-01

[[prices]]
code = "77300"
amount = 120.50
from = 2020-01-01
"""
FEES = "code,modifier,allowed,from,to\n77300,,66.85,2025-01-01,\n"


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 12, 15, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass(slots=True)
class Program:
    """The program put together for a test: what `adapters.wiring` would give, and the lanes."""

    site: Site
    house: House
    store: Any
    clock: Clock
    payers: Any
    lanes: Lanes
    slept: list[float] = field(default_factory=list)

    def states(self) -> list[str]:
        return [c.state.value for person in self.store.lanes() for c in self.store.load(person).claims]

    def works(self) -> list[tuple[str, str]]:
        return [(item.kind, item.code) for item in self.store.worklist()]


def endpoint(base_url: str = "", **over: object) -> str:
    said = {"call": "submit", "idempotent": "false", "attempts": "3", "timeout": "2.0"} | over
    return SITE.format(base_url=base_url, **said)


@pytest.fixture(scope="session")
def rules() -> Ruleset:
    """The mappings as shipped."""
    return rules_of()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at 2026-01-12 10:00 in New York."""
    return Clock()


@pytest.fixture
def program(rules: Ruleset, clock: Clock, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """`program(base_url, call=…, …)`: the program on a fresh store."""
    made: list[Program] = []

    def make(base_url: str = "", *, store: Any = None, payers: Any = None, **over: object) -> Program:
        site = read_site(endpoint(base_url, **over), "site.toml", rules)
        house = House.of(rules, site)
        kept: SqlStore = store or open_store("sqlite://", KeyRing.ephemeral("tests"), clock)
        slept: list[float] = []
        client = payers or PayerClient(sleep=slept.append, now=clock.now)
        one = Program(site, house, kept, clock, client, Lanes(kept, house, client, clock), slept)
        made.append(one)
        return one

    yield make
    for one in made:
        one.lanes.stop()
        if isinstance(one.payers, PayerClient):
            one.payers.close()
        one.store.close()


@pytest.fixture
def payer(clock: Clock) -> Iterator[Callable[..., tuple[Stub, str]]]:
    """`payer(toml)`: a stub payer on a real socket, with its FHIR base address."""
    open_ones = []

    def make(text: str = "") -> tuple[Stub, str]:
        stub = Stub(parse(text) if text else Scenario(), fees=Fees.parse(FEES), now=clock)
        served = running(stub)
        open_ones.append(served)
        return stub, f"{served.__enter__()}/fhir"

    yield make
    for served in open_ones:
        served.__exit__(None, None, None)


def dft(
    control: str = "C1",
    *,
    transaction: str = "T1",
    day: str = "20260105",
    mrn: str = MRN,
    mode: str = "P",
    version: str = "2.5.1",
    application: str = "QBAY",
    code: str = "77300",
    accept: str = "",
    extra: str = "",
) -> bytes:
    """A DFT^P03 with patient, insurance and one coded charge."""
    segments = [
        f"MSH|^~\\&|{application}|BAY|ONCO|BAY|20260105101500||DFT^P03^DFT_P03|{control}|{mode}|{version}|||{accept}",
        "EVN|P03|20260105101500",
        f"PID|1||{mrn}^^^BAY^MR||{FAMILY}^{GIVEN}||{BORN}|F|||1 Pier Rd^^Quiet Bay^ME^04001",
        "PV1|1|O|BAY",
        f"FT1|1|{transaction}||{day}101500|{day}|CG|L300||||1||||||||C61||||||{code}",
        segment("IN1", {1: "1", 2: "LKSD", 3: "LKSD", 4: "Lakeside Mutual", 12: "20250101", 17: "SEL", 36: "MEM0042"}),
    ]
    return "".join(f"{line}\r" for line in [*segments, *filter(None, [extra])]).encode()


def segment(name: str, values: dict[int, str]) -> str:
    """A segment with these fields, empty ones between."""
    return "|".join([name, *(values.get(n, "") for n in range(1, max(values) + 1))])


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def message() -> Callable[..., bytes]:
    """`message(control, transaction=…, mrn=…)`: a DFT^P03 of an invented person with one charge."""
    return dft


@pytest.fixture
def canaries() -> tuple[str, ...]:
    """What must never be seen in a log, a metric, an error or an acknowledgement."""
    return FAMILY, GIVEN, MRN, BORN, "1948-02-29", "MEM0042"


@pytest.fixture
def put(clock: Clock) -> Callable[..., Any]:
    """`put(program, body)`: a message into the journal as its listener would, without a socket."""

    def into(program: Program, body: bytes, **more: str) -> Any:
        said = {"listener": "charges", "peer": ""} | more
        intake = receive_v2(body, site=program.site, now=clock.now(), ack_id="A1", **said)
        assert intake.receipt is not None
        return program.store.receive(intake.receipt)

    return into


@pytest.fixture
def post(clock: Clock) -> Callable[..., Any]:
    """`post(program, resource)`: a FHIR body into the journal as its door would, without a socket."""

    def into(program: Program, resource: dict[str, Any], method: str = "PUT") -> Any:
        intake = receive_fhir(
            json.dumps(resource).encode(),
            feed="ehr",
            path_type=resource["resourceType"],
            path_id=resource.get("id", ""),
            method=method,
            now=clock.now(),
        )
        assert intake.receipt is not None
        return program.store.receive(intake.receipt)

    return into
