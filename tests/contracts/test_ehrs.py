"""EHRs and FHIR clients that others wrote: two servers that are polled and subscribed to, clients that write to us."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from adapters.ehr import EhrClient, poll
from adapters.ehr.notes import mark_of
from adapters.ehr.questions import Asker, ask, remind, tell_of_end
from adapters.ehr.subscribing import subscribe, unsubscribe
from adapters.fhir import bundle as bundles
from adapters.fhir import wire
from adapters.model.journal import JournalKind
from adapters.model.question import Question, Stage
from adapters.pipeline import House
from adapters.pipeline.receive import FHIR_TYPES
from adapters.serve.asking import Asking
from adapters.serve.http import create_app
from adapters.serve.lanes import Lanes
from adapters.serve.server import serving
from adapters.settings import read_site, rules_of
from adapters.store import KeyRing, open_store
from adapters.wiring import SystemClock
from tests.contracts.elsewhere import EHRS, ran, reached

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

SECRET = "a-secret-of-more-than-thirty-two-characters"
EHR = """
[[ehrs]]
feed = "ehr"
base_url = "{base}"
types = [{types}]
page_size = {size}
"""


@pytest.fixture
def sekmet(peers: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`sekmet(…)`: sekmet as EHR, with a peer at this address: its own address, and how to have it play a scenario."""
    running = []

    def started(peer: str = "") -> Any:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        base = f"http://127.0.0.1:{port}/fhir"
        said = f"base_url: {base}\nhost: 127.0.0.1\nport: {port}\ndata_dir: {tmp_path}/data\n"
        said += f"peers:\n  adapter:\n    base_url: {peer}\n    mode: messaging\n" if peer else ""
        settings = tmp_path / "settings.yaml"
        settings.write_text(said)
        command = [str(peers / "sekmet"), "serve", "--config", str(settings)]
        running.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        reached(port)

        def play(name: str, at: str = "self") -> None:
            done = ran(peers / "sekmet", "scenario", "run", name, "--peer", at, "--config", settings, cwd=tmp_path)
            assert "1/1 scenarios passed" in done.stdout, done.stdout[-2000:]

        return SimpleNamespace(base=base, play=play)

    yield started
    for process in running:
        process.terminate()
        process.wait(20)


@pytest.fixture
def house(site_text: str) -> Iterator[Callable[..., Any]]:
    """`house(base, …)`: the demo's site with an EHR at this base address, a store in memory, the lanes."""
    opened = []

    def made(base: str = "", types: tuple[str, ...] = ("Patient",), size: int = 2, more: str = "") -> Any:
        rules = rules_of()
        listed = ", ".join(f'"{kind}"' for kind in types)
        said = site_text + (EHR.format(base=base, types=listed, size=size) + more if base else "")
        site = read_site(said, "site.toml", rules)
        store = open_store("sqlite://", KeyRing.ephemeral("ehrs"), SystemClock())
        opened.append(store)
        lanes = Lanes(store, House.of(rules, site), SimpleNamespace(), SystemClock())  # type: ignore[arg-type]
        return SimpleNamespace(site=site, store=store, clock=SystemClock(), lanes=lanes)

    yield made
    for store in opened:
        store.close()


def on_file(store: Any) -> list[str]:
    """`Type/id` of the first resource of each message of the journal, in order."""
    read = []
    for entry in store.journal():
        if entry.kind is JournalKind.MESSAGE:
            body = wire.resource(entry.body)
            assert isinstance(body, dict)
            first = bundles.read(body, "").resources[0].node
            read.append(f"{first['resourceType'].text}/{first['id'].text}")
    return read


def held(base: str, kind: str) -> list[str]:
    """`Type/id` of what an EHR holds."""
    found = httpx.get(f"{base}/{kind}", params={"_count": "200"}, trust_env=False).json()
    return [f"{kind}/{entry['resource']['id']}" for entry in found.get("entry", [])]


def test_medplum_is_polled(medplum: str, house: Callable[..., Any]) -> None:
    one = house(medplum, ("Patient", "Procedure", "ChargeItem"))
    person = {"resourceType": "Patient", "identifier": [{"system": "urn:clinic:mrn", "value": "MP-1"}]}
    with httpx.Client(base_url=medplum, trust_env=False) as writer:
        patient = writer.post("/Patient", json=person).json()
        subject = {"reference": f"Patient/{patient['id']}"}
        coding = [{"system": "http://www.ama-assn.org/go/cpt", "code": "77300"}]
        for day in range(1, 8):
            # One moment apart: it tells milliseconds, and shows no way to a second page.
            time.sleep(0.005)
            told = {"status": "billable", "code": {"coding": coding}, "occurrenceDateTime": f"2026-01-0{day}"}
            writer.post("/ChargeItem", json={"resourceType": "ChargeItem", "subject": subject, **told})
        with EhrClient() as client:
            first = poll(one.site.ehrs[0], client, one.store, one.clock.now)
            assert (first.taken, first.troubles) == (8, ())
            [charge] = [name for name in on_file(one.store) if name.startswith("ChargeItem")][-1:]
            changed = writer.get(f"/{charge}").json() | {"status": "entered-in-error"}
            writer.put(f"/{charge}", json=changed)
            again = poll(one.site.ehrs[0], client, one.store, one.clock.now)
    assert (again.taken, again.repeated, again.troubles) == (1, 7, ())
    assert sorted(set(on_file(one.store))) == sorted(held(medplum, "Patient") + held(medplum, "ChargeItem"))
    assert mark_of(one.store, "ehr", "ChargeItem").since is not None
    one.lanes.work()
    [lane] = one.store.lanes()
    coded = [event for event in one.store.load(lane).events if event.kind == "coded-charge"]
    assert sorted({event.day.isoformat() for event in coded}) == [f"2026-01-0{day}" for day in range(1, 8)]


def test_medplum_takes_a_question_once_and_its_end(medplum: str, house: Callable[..., Any]) -> None:
    ehr = house(medplum).site.ehrs[0]
    asker, now = Asker("Billing of the clinic", "1999999950"), SystemClock().now()
    with httpx.Client(base_url=medplum, trust_env=False) as writer, EhrClient() as client:
        who = writer.post("/Patient", json={"resourceType": "Patient"}).json()["id"]
        question = Question(
            "item",
            "ehr",
            f"Patient/{who}",
            f"Patient/{who}",
            "management",
            "77427",
            now.date(),
            "no note",
            now,
            now.date(),
        )
        first = ask(ehr, client, question, asker, now, again=False)
        assert (first.stage, first.problem) == (Stage.OPEN, "")
        # Its outcome was not heard of: looked for; made again all the same: not made.
        assert ask(ehr, client, question, asker, now, again=True).task == first.task
        assert ask(ehr, client, question, asker, now, again=False).task == first.task
        assert remind(ehr, client, first, asker, now).reminded == now
        over = replace(first, stage=Stage.ANSWERED, closed=now, why="the record is complete")
        assert tell_of_end(ehr, client, over, asker, now).told
        task = writer.get(f"/Task/{first.task}").json()
    assert len(held(medplum, "Task")) == 1
    assert (task["status"], task["priority"]) == ("completed", "urgent")


def test_sekmet_is_polled_and_tells_of_news(
    sekmet: Callable[..., Any], house: Callable[..., Any], tmp_path: Path
) -> None:
    types = ("Patient", "Encounter", "Coverage", "ChargeItem")
    emr = sekmet()
    emr.play("billing_claim")
    secret = tmp_path / "hook"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hook = f'hook_url = "http://127.0.0.1:{port}/hooks/ehr"\nhook_secret_file = "{secret}"\n'
    one = house(emr.base, types, 1, hook)
    ehr = one.site.ehrs[0]
    with EhrClient() as client:
        first = poll(ehr, client, one.store, one.clock.now)
        assert first.troubles == ()
        assert first.pages >= len(types)
        asking = Asking(one, client)
        with serving(create_app(one, fhir_feed="ehr", news=asking.tell), port=port):
            assert {one_.done for one_ in subscribe(ehr, client, one.clock.now())} == {"made"}
            assert {one_.done for one_ in subscribe(ehr, client, one.clock.now())} == {"renewed"}
            before = set(on_file(one.store))
            emr.play("billing_claim")
            deadline = time.monotonic() + 30
            while len(set(on_file(one.store)) - before) < len(types):
                assert time.monotonic() < deadline
                done = asking.once(ehr, changed=False)
                assert done is not None
                assert (done.troubles, done.walked) == ((), False)
                time.sleep(0.2)
            assert {one_.done for one_ in unsubscribe(ehr, client)} == {"taken-back"}
        last = poll(ehr, client, one.store, one.clock.now)
    assert last.troubles == ()
    assert set(on_file(one.store)) == {name for kind in types for name in held(emr.base, kind)}
    one.lanes.work()
    assert len(one.store.lanes()) == 2


def test_sekmet_sends_messages(sekmet: Callable[..., Any], house: Callable[..., Any]) -> None:
    one = house()
    with serving(create_app(one, fhir_feed="ehr")) as base:
        # Admission, order, result, discharge; and one that is no message, which must be refused.
        sekmet(f"{base}/fhir").play("messaging_adt_orders", at="adapter")
    assert [name.partition("/")[0] for name in on_file(one.store)] == ["MessageHeader"] * 5
    one.lanes.work()
    assert len(one.store.lanes()) == 1
    assert one.store.counts().parked == 0


def test_fhirpy_writes_to_us(peers: Path, house: Callable[..., Any]) -> None:
    one = house()
    with serving(create_app(one, fhir_feed="ehr")) as base:
        done = ran(peers / "python", EHRS / "clients/with_fhirpy.py", f"{base}/fhir", seconds=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["patient"] == "fp-1"
    charged(one, "2026-01-05")


def test_fhirclient_writes_to_us(peers: Path, house: Callable[..., Any]) -> None:
    one = house()
    with serving(create_app(one, fhir_feed="ehr")) as base:
        done = ran(peers / "python", EHRS / "clients/with_fhirclient.py", f"{base}/fhir", seconds=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bundle"] == "transaction-response"
    charged(one, "2026-01-06")


def charged(one: Any, day: str) -> None:
    """One person is on file with one coded charge of the day."""
    one.lanes.work()
    [lane] = one.store.lanes()
    coded = [event for event in one.store.load(lane).events if event.kind == "coded-charge"]
    assert [event.day.isoformat() for event in coded] == [day]


def test_schemathesis_finds_no_answer_of_ours_that_is_a_fault(
    peers: Path, house: Callable[..., Any], tmp_path: Path
) -> None:
    one = house()
    app = create_app(one, fhir_feed="ehr")
    described = app.openapi()
    kinds = {"resourceType": {"enum": [*FHIR_TYPES, "Bundle"]}, "id": {"type": "string"}}
    fhir = {"type": "object", "required": ["resourceType"], "properties": kinds}
    for path, operations in described["paths"].items():
        v2 = path == "/hl7v2"
        content = {"text/plain": {"schema": {"type": "string"}}} if v2 else {"application/fhir+json": {"schema": fhir}}
        for method in set(operations) & {"post", "put"}:
            operations[method]["requestBody"] = {"content": content}
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(described))
    with serving(app) as base:
        options = ("--seed", "7", "--max-examples", "15", "--checks", "not_a_server_error", "--phases", "fuzzing")
        done = ran(peers / "schemathesis", "run", file, "--url", base, *options, "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]
    assert one.store.counts().journal > 0
