"""The stub over real sockets: FHIR routes, control routes, and answers that do not arrive."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import httpx
import pytest

from fhir_server_stub.app import HungUpError, create_app
from fhir_server_stub.payer import Stub
from fhir_server_stub.server import load, main, running
from fhir_server_stub.wire import dumps, loads


@contextmanager
def talking(stub: Stub, timeout: float = 5.0) -> Iterator[httpx.Client]:
    with running(stub) as base, httpx.Client(base_url=base, timeout=timeout, trust_env=False) as client:
        yield client


def submit(client: httpx.Client, claim: dict) -> httpx.Response:
    return client.post("/fhir/Claim/$submit", content=dumps(claim))


def test_money_keeps_its_digits_on_the_wire(payer, claim, item):
    with talking(payer()) as client:
        answer = submit(client, claim("A1", item(1, "77407", "400.10")))
        stored = client.get("/fhir/Claim/claim-1")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json"
    assert b'"value":400.10' in stored.content
    assert loads(answer.content)["payment"]["amount"]["value"] == Decimal("248.00")
    assert b'"value":248.00' in answer.content


def test_hang_up_closes_the_connection_and_the_books_have_the_claim(payer, claim):
    stub = payer('[[rule]]\nverb = "hang_up"\n')
    with talking(stub) as client:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            submit(client, claim())
        books = client.get("/control/books").json()
        again = client.get("/fhir/Claim", params={"identifier": "urn:clinic:claim|A1"}).json()
        received = client.get("/control/requests").json()
    assert books["live"] == {"urn:clinic:claim|A1": 1}
    assert again["total"] == 1
    assert received["submissions"] == {"urn:clinic:claim|A1": 1}
    assert [one["status"] for one in received["requests"]] == [0, 200]


def test_hang_up_of_a_conditional_create_is_safe_to_repeat(payer, claim):
    stub = payer('[[rule]]\nverb = "hang_up"\n')
    condition = {"If-None-Exist": "identifier=urn:clinic:claim|A1"}
    with talking(stub) as client:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            client.post("/fhir/Claim", content=dumps(claim()), headers=condition)
        answer = client.post("/fhir/Claim", content=dumps(claim()), headers=condition)
        found = client.get("/fhir/ClaimResponse", params={"request": "Claim/claim-1"}).json()
    assert answer.status_code == 200
    assert stub.books.live_count("urn:clinic:claim|A1") == 1
    assert found["entry"][0]["resource"]["outcome"] == "complete"


def test_garbled_answer_is_cut_json(payer, claim):
    stub = payer('[[rule]]\nverb = "garble"\n')
    with talking(stub) as client:
        answer = submit(client, claim())
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"line 1 column"):
        loads(answer.content)
    assert len(stub.books.accounts) == 1


def test_slow_answer_meets_an_impatient_client(payer, claim):
    stub = payer('[[rule]]\nverb = "slow"\nseconds = 1\n')
    with talking(stub, timeout=0.15) as client, pytest.raises(httpx.ReadTimeout):
        submit(client, claim())
    assert len(stub.books.accounts) == 1


def test_a_slow_answer_does_not_hold_up_others(payer, claim):
    stub = payer('[[rule]]\nverb = "slow"\nseconds = 0.6\nwhen = { nth = 1 }\n')
    with talking(stub) as client:
        first = threading.Thread(target=submit, args=(client, claim("A1")))
        first.start()
        while not stub.requests:
            time.sleep(0.005)
        assert submit(client, claim("A2")).status_code == 200
        assert first.is_alive()
        first.join()
    assert len(stub.books.accounts) == 2


def test_throttle_carries_retry_after(payer, claim):
    with talking(payer('[[rule]]\nverb = "throttle"\nretry_after = 3\n')) as client:
        answers = [submit(client, claim()) for _ in range(2)]
    assert [a.status_code for a in answers] == [429, 200]
    assert answers[0].headers["retry-after"] == "3"


def test_reads_searches_and_versions(payer, claim):
    stub = payer('[[rule]]\nverb = "pend"\npolls = 1\n')
    with talking(stub) as client:
        for name in ("A1", "A2", "A3"):
            submit(client, claim(name))
        first = client.get("/fhir/ClaimResponse/claimresponse-1").json()
        second = client.get("/fhir/ClaimResponse/claimresponse-1").json()
        old = client.get("/fhir/ClaimResponse/claimresponse-1/_history/1").json()
        done = client.get("/fhir/ClaimResponse", params={"outcome": "complete"}).json()
        form = client.post("/fhir/Claim/_search", data={"identifier": "urn:clinic:claim|A3"}).json()
        page = client.get("/fhir/Claim", params={"_count": "2"}).json()
        following = next(link["url"] for link in page["link"] if link["relation"] == "next")
        rest = client.get(following).json()
        missing, unknown = client.get("/fhir/Claim/no"), client.get("/fhir/Claim", params={"colour": "red"})
    assert [first["outcome"], second["outcome"], old["outcome"]] == ["queued", "complete", "queued"]
    assert [e["resource"]["id"] for e in done["entry"]] == ["claimresponse-1"]
    assert form["total"] == 1
    assert (page["total"], len(page["entry"]), len(rest["entry"])) == (3, 2, 1)
    assert (missing.status_code, unknown.status_code) == (404, 400)
    assert "colour" in unknown.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/fhir/Claim/$submit", b"{cut", 400),
        ("/fhir/Claim/$submit", b"[]", 400),
        ("/fhir/Claim", b'{"resourceType":"Patient"}', 400),
        ("/fhir/ClaimResponse", b'{"resourceType":"ClaimResponse"}', 405),
        ("/fhir", b'{"resourceType":"Bundle","type":"message"}', 400),
        ("/fhir/Patient", b'{"resourceType":"Patient"}', 201),
        ("/control/scenario", b'[[rule]]\nverb = "explode"', 400),
        ("/control/clock", b'{"now":"2026-01-01T00:00:00"}', 400),
        ("/control/clock", b"{}", 400),
    ],
)
def test_bodies_that_fit_and_that_do_not(payer, path, body, status):
    stub = payer()
    with talking(stub) as client:
        assert client.post(path, content=body).status_code == status
    assert stub.books.accounts == []


def test_control_changes_scenario_and_clock(payer, claim):
    with talking(payer()) as client:
        told = client.post("/control/scenario", content=b'name = "hard"\n[[rule]]\nverb = "deny"\n').json()
        client.post("/control/clock", content=b'{"now":"2026-02-01T00:00:00+00:00"}')
        answer = submit(client, claim()).json()
        books = client.get("/control/books").json()
    assert told == {"name": "hard", "rules": 1}
    assert answer["created"] == "2026-02-01T00:00:00+00:00"
    assert books["totals"]["denied"] == "650.00"
    assert books["claims"][0]["lines"][0]["adjustments"] == [{"group": "CO", "carc": "50", "amount": "400.00"}]


def test_patients_and_conditional_create_of_anything(payer):
    body = dumps({"resourceType": "Patient", "identifier": [{"system": "s", "value": "1"}]})
    with talking(payer()) as client:
        condition = {"If-None-Exist": "identifier=s|1"}
        answers = [client.post("/fhir/Patient", content=body, headers=condition) for _ in range(2)]
        identity = answers[0].json()["id"]
        changed = dumps({"resourceType": "Patient", "id": identity, "gender": "female"})
        update = client.put(f"/fhir/Patient/{identity}", content=changed)
        forbidden = client.put("/fhir/Claim/claim-1", content=dumps({"resourceType": "Claim", "id": "claim-1"}))
        metadata = client.get("/fhir/metadata").json()
    assert [a.status_code for a in answers] == [201, 200]
    assert update.json()["meta"]["versionId"] == "2"
    assert forbidden.status_code == 405
    assert metadata["fhirVersion"] == "4.0.1"


def test_claims_of_a_patient_known_by_identifier(payer, claim):
    stub = payer()
    person = stub.resources.put({"resourceType": "Patient", "identifier": [{"system": "m", "value": "7"}]})
    stub.submit(claim("A1", patient={"reference": f"Patient/{person['id']}"}))
    stub.submit(claim("A2"))
    with talking(stub) as client:
        by_reference = client.get("/fhir/Claim", params={"patient": f"Patient/{person['id']}"}).json()
        by_identifier = client.get("/fhir/Claim", params={"patient.identifier": "m|7"}).json()
    assert by_reference["total"] == by_identifier["total"] == 1


def test_a_bundle_is_all_or_nothing(payer):
    good = {"resourceType": "Patient", "identifier": [{"system": "s", "value": "1"}]}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": good, "request": {"method": "POST", "url": "Patient"}},
            {"fullUrl": "urn:uuid:2", "resource": good, "request": {"method": "DELETE", "url": "Patient/1"}},
            {"fullUrl": "urn:uuid:3", "request": {"method": "POST", "url": "Patient"}},
        ],
    }
    stub = payer()
    with talking(stub) as client:
        answer = client.post("/fhir", content=dumps(bundle))
    assert answer.status_code == 400
    assert len(answer.json()["issue"]) == 2
    assert stub.resources.search("Patient", []) == []


async def _in_process(stub: Stub, body: bytes) -> None:
    transport = httpx.ASGITransport(app=create_app(stub))
    async with httpx.AsyncClient(transport=transport, base_url="http://stub") as client:
        await client.post("/fhir/Claim/$submit", content=body)


def test_in_process_a_hang_up_is_an_error(payer, claim):
    stub = payer('[[rule]]\nverb = "hang_up"\n')
    with pytest.raises(HungUpError):
        asyncio.run(_in_process(stub, dumps(claim())))
    assert len(stub.books.accounts) == 1


def test_wrong_use_of_the_command(tmp_path, capsys):
    bad = tmp_path / "bad.toml"
    bad.write_text('[[rule]]\nverb = "explode"\n')
    assert main(["--scenario", str(bad)]) == 2
    assert main(["--scenario", str(tmp_path / "none.toml")]) == 2
    assert "verb is none of" in capsys.readouterr().err


def test_a_stub_from_files(tmp_path, claim):
    fees, script = tmp_path / "fees.csv", tmp_path / "s.toml"
    fees.write_text("code,modifier,allowed,from,to\n77407,,1.00,2026-01-01,\n")
    script.write_text('name = "mine"\n')
    stub = load(script, fees)
    assert stub.scenario.name == "mine"
    assert stub.submit(claim()).body["item"][0]["adjudication"][1]["amount"]["value"] == Decimal("1.00")


@pytest.mark.system
def test_as_a_process(tmp_path):
    script = tmp_path / "s.toml"
    script.write_text('name = "a process"\n')
    command = [sys.executable, "-m", "fhir_server_stub", "--scenario", str(script), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base = process.stdout.readline().split()[-1]
            answer = httpx.get(f"{base}/metadata", trust_env=False)
        finally:
            process.terminate()
    assert answer.json()["resourceType"] == "CapabilityStatement"
