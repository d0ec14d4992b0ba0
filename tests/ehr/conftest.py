"""An EHR of the tests on a real socket: FHIR search, history and reads over what a test puts into it; invented people."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.ehr import EhrClient
from adapters.model.ehr import Ehr
from adapters.rules import Ruleset
from adapters.settings import rules_of
from adapters.store import KeyRing, SqlStore, open_store
from tests.ehr.engine import Engine, listening
from tests.ehr.office import Made, Office, office_of

NOON = datetime(2026, 1, 12, 17, 0, tzinfo=UTC)


class Clock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Desk:
    """The EHR's side: what it holds, what was asked of it, and what it is told to do wrong."""

    clock: Clock
    base: str = ""
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: list[dict[str, Any]] = field(default_factory=list)
    """Entries of the history, newest last."""
    asked: list[str] = field(default_factory=list)
    written: list[tuple[str, str, Any]] = field(default_factory=list)
    seen: list[dict[str, str]] = field(default_factory=list)
    """Headers of each request."""
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Answers (status, headers) that come before anything else, one a request."""
    next_link: Callable[[str], str] = str
    refused: tuple[str, int] = ("", 0)
    """Writes to this type are answered with this status."""
    swallows: int = 0
    """Writes that it carries out and hangs up on, without an answer."""
    sorts: bool = True
    links: bool = True
    """Whether its pages have a link to the next one."""

    def put(self, resource: dict[str, Any], *, at: datetime | None = None) -> dict[str, Any]:
        """A new version of a resource."""
        name = f"{resource['resourceType']}/{resource['id']}"
        version = int(self.held[name]["meta"]["versionId"]) + 1 if name in self.held else 1
        told = (at or self.clock.now()).isoformat().replace("+00:00", "Z")
        kept = {**resource, "meta": {"versionId": str(version), "lastUpdated": told}}
        self.held[name] = kept
        entry = {"resource": kept, "request": {"method": "PUT", "url": name}}
        self.versions.append(entry)
        return kept

    def delete(self, name: str) -> None:
        """A resource is deleted."""
        del self.held[name]
        told = {"status": "204", "lastModified": self.clock.now().isoformat()}
        self.versions.append({"request": {"method": "DELETE", "url": name}, "response": told})

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        parts = path.strip("/").split("/")
        if len(parts) == 2 and parts[1] == "_history":
            fitting = [e for e in reversed(self.versions) if e["request"]["url"].startswith(f"{parts[0]}/")]
            return 200, self._paged(path, query, "history", fitting)
        if len(parts) == 2:
            found = self.held.get("/".join(parts))
            return (200, found) if found else (404, {"resourceType": "OperationOutcome", "issue": []})
        if not self.sorts and "_sort" in query:
            return 400, {"resourceType": "OperationOutcome", "issue": []}
        since = query.get("_lastUpdated", "").removeprefix("ge")
        fitting = [one for name, one in self.held.items() if name.startswith(f"{parts[0]}/")]
        if since:
            edge = datetime.fromisoformat(since)
            fitting = [one for one in fitting if datetime.fromisoformat(one["meta"]["lastUpdated"]) >= edge]
        if "url" in query:
            fitting = [one for one in fitting if one["channel"]["endpoint"] == query["url"]]
        if "identifier" in query:
            fitting = [one for one in fitting if self.bears(one, query["identifier"])]
        if self.sorts:
            fitting.sort(key=lambda one: one["meta"]["lastUpdated"])
        return 200, self._paged(path, query, "searchset", [{"resource": one} for one in fitting])

    @staticmethod
    def bears(resource: dict[str, Any], token: str) -> bool:
        """Whether a resource has the identifier `system|value`."""
        return token in {f"{one.get('system')}|{one.get('value')}" for one in resource.get("identifier", [])}

    def kept(self, kind: str, condition: str) -> dict[str, Any] | None:
        """What a conditional create finds there already."""
        token = parse_qs(condition).get("identifier", [""])[0]
        own = [one for name, one in self.held.items() if name.startswith(f"{kind}/")]
        return next((one for one in own if condition and self.bears(one, token)), None)

    def met(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]] | None:
        """The answer to a write that is not carried out: refused, there already, or of another version."""
        nothing: dict[str, Any] = {"resourceType": "OperationOutcome", "issue": []}
        if self.refused[0] and path.startswith(self.refused[0]):
            return self.refused[1], nothing
        if method == "POST" and (there := self.kept(path, headers.get("if-none-exist", ""))):
            return 200, there
        wanted = headers.get("if-match")
        return (412, nothing) if wanted and wanted != f'W/"{self.held[path]["meta"]["versionId"]}"' else None

    def _paged(self, path: str, query: dict[str, str], kind: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
        offset, count = int(query.get("_offset", "0")), int(query.get("_count", "50"))
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind, "entry": entries[offset : offset + count]}
        if kind == "searchset":
            bundle["total"] = len(entries)
        if self.links and offset + count < len(entries):
            kept = "&".join(f"{k}={v}" for k, v in query.items() if k != "_offset")
            url = f"{self.base}/{path.strip('/')}?{kept}&_offset={offset + count}"
            bundle["link"] = [{"relation": "next", "url": self.next_link(url)}]
        return bundle


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at noon in New York."""
    return Clock()


@pytest.fixture
def desk(clock: Clock) -> Iterator[Desk]:
    """An EHR on a free port."""
    one = Desk(clock)

    class Handler(BaseHTTPRequestHandler):
        def _reply(self, status: int, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
            sent = json.dumps(body).encode() if body is not None else b""
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(sent))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        def _begun(self) -> bool:
            one.asked.append(self.path)
            one.seen.append({name.lower(): value for name, value in self.headers.items()})
            if one.faults:
                status, headers = one.faults.pop(0)
                self._reply(status, {"resourceType": "OperationOutcome", "issue": []}, headers)
                return False
            return True

        def do_GET(self) -> None:
            if not self._begun():
                return
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self._reply(*one.answer(parts.path.removeprefix("/fhir"), query))

        def _write(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if not self._begun():
                return
            path = self.path.removeprefix("/fhir/")
            one.written.append((self.command, path, body))
            if self.command == "DELETE":
                one.delete(path)
                self._reply(204, None)
                return
            if met := one.met(self.command, path, one.seen[-1]):
                self._reply(*met)
                return
            if one.swallows:
                one.swallows -= 1
                one.put({**body, "id": body.get("id") or f"s{len(one.held)}"})
                self.close_connection = True
                return
            kept = one.put({**body, "id": body.get("id") or f"s{len(one.held)}"})
            self._reply(200 if self.command == "PUT" else 201, kept)

        do_POST = do_PUT = do_DELETE = _write  # noqa: N815  # the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.base = f"http://127.0.0.1:{server.server_port}/fhir"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield one
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def store(clock: Clock) -> Iterator[SqlStore]:
    """A store in memory."""
    with open_store("sqlite://", KeyRing.ephemeral("ehr"), clock) as opened:
        yield opened


@pytest.fixture
def slept() -> list[float]:
    """What the client would have waited."""
    return []


@pytest.fixture
def client(slept: list[float], clock: Clock) -> Iterator[EhrClient]:
    """A client that notes its waits instead of waiting."""
    with EhrClient(sleep=slept.append, now=clock.now) as made:
        yield made


@pytest.fixture
def ehr(desk: Desk) -> Callable[..., Ehr]:
    """`ehr(…)`: the EHR as a site file would say it."""

    def made(**over: Any) -> Ehr:
        said = {"types": ("Procedure",), "page_size": 2, "timeout_seconds": 2.0, "attempts": 3} | over
        return Ehr("emr", desk.base, **said)

    return made


@pytest.fixture(scope="session")
def mapped() -> Ruleset:
    """The mappings, read once."""
    return rules_of()


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An integration engine that takes everything."""
    with listening(Engine()) as one:
        yield one


@pytest.fixture
def hl7_office(store: SqlStore, clock: Clock, mapped: Ruleset, engine: Engine) -> Made:
    """`hl7_office(more, port)`: an office whose desk is the engine, or behind another port."""

    def made(more: str = "", port: int = 0) -> Office:
        return office_of(store, clock, mapped, port or engine.port, more)

    return made


def patient() -> dict[str, Any]:
    """An invented person."""
    return {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "urn:clinic:mrn", "value": "EHR-4401"}],
        "name": [{"family": "Quailthorn", "given": ["Isolde"]}],
        "birthDate": "1951-04-09",
    }


def condition() -> dict[str, Any]:
    """What is treated."""
    coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "C50.412"}
    return {
        "resourceType": "Condition",
        "id": "c1",
        "code": {"coding": [coding]},
        "subject": {"reference": "Patient/p1"},
    }


def course() -> dict[str, Any]:
    """A course; names its patient and condition."""
    return {
        "resourceType": "Procedure",
        "id": "course-1",
        "identifier": [
            {"use": "usual", "system": "urn:clinic:course", "value": "C1"},
            {"use": "official", "system": "urn:dicom:uid", "value": "urn:oid:2.25.71001"},
        ],
        "status": "in-progress",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1217123003"}]},
        "subject": {"reference": "Patient/p1"},
        "reasonReference": [{"reference": "Condition/c1"}],
        "performedPeriod": {"start": "2026-01-12T08:55:00-05:00"},
    }


def session(number: int) -> dict[str, Any]:
    """A session of the course."""
    codex = "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition/"
    return {
        "resourceType": "Procedure",
        "id": f"fx-{number}",
        "identifier": [{"use": "official", "system": "urn:dicom:uid", "value": f"urn:oid:2.25.7200{number}"}],
        "extension": [{"url": f"{codex}codexrt-radiotherapy-fraction-number-in-phase", "valuePositiveInt": number}],
        "status": "completed",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1297069006"}]},
        "subject": {"reference": "Patient/p1"},
        "partOf": [{"reference": "Procedure/course-1"}],
        "performedPeriod": {
            "start": f"2026-01-{11 + number:02}T09:00:00-05:00",
            "end": f"2026-01-{11 + number:02}T09:12:00-05:00",
        },
    }
