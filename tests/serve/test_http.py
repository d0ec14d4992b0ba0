"""FHIR and HL7 v2 over HTTP on real sockets: stored before it is answered, and no word of it in an error."""

from __future__ import annotations

import http.client
import json
import socket
import time
from concurrent.futures import Future
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from adapters.errors import BadSetup, StoreDown
from adapters.pipeline.receive import FHIR_TYPES
from adapters.serve import http as door
from adapters.serve.health import create_health_app
from adapters.serve.http import create_app
from adapters.serve.server import serving
from adapters.settings import read_site

FHIR = "application/fhir+json"
V2 = "application/hl7-v2"


class Asking:
    """Requests to one server; every answer as (status, headers, body)."""

    def __init__(self, base: str) -> None:
        self.host = urlsplit(base).netloc

    def __call__(self, method, path, body=None, media=FHIR, **headers):
        connection = http.client.HTTPConnection(self.host, timeout=10)
        sent = {"Content-Type": media, **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.request(method, path, body, {k: v for k, v in sent.items() if v})
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), read

    def fhir(self, method, path, resource):
        status, headers, body = self(method, path, json.dumps(resource).encode())
        return status, headers, json.loads(body)


@pytest.fixture
def served(program):
    """A program, its application on a socket, and how to ask it."""
    import contextlib

    with contextlib.ExitStack() as stack:

        def start(one=None, **more):
            one = one or program()
            return one, Asking(stack.enter_context(serving(create_app(one, **more))))

        yield start


def problem(body) -> str:
    outcome = json.loads(body) if isinstance(body, bytes) else body
    assert outcome["resourceType"] == "OperationOutcome"
    return outcome["issue"][0]["details"]["coding"][0]["code"]


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "identifier": [{"system": "urn:quietbay:mrn", "value": "CNRY-770031"}],
    "name": [{"family": "Canaryfeather", "given": ["Ottoline"]}],
}


def test_hl7_over_http(served, message):
    one, ask = served()
    status, headers, body = ask("POST", "/hl7v2", message("C1"), V2)
    assert (status, headers["content-type"]) == (200, V2)
    assert b"MSA|AA|C1" in body
    assert one.store.counts().journal == 1
    one.lanes.work()
    assert one.states() == ["ready"]


def test_a_frame_of_mllp_around_it_is_taken_off(served, message):
    one, ask = served()
    for body in (message("C1"), b"\x0b" + message("C1") + b"\x1c\r", b"\x0b" + message("C1") + b"\x1c"):
        assert ask("POST", "/hl7v2", body, V2)[0] == 200
    assert one.store.counts().journal == 1


def test_no_answer_wanted_is_no_content(served, message):
    _, ask = served()
    assert ask("POST", "/hl7v2", message("C1", accept="NE|NE"), V2)[0] == 204


def test_a_refused_message_is_answered_in_its_own_words(served, message):
    one, ask = served()
    status, _, body = ask("POST", "/hl7v2", message("C1", mode="T"), V2)
    assert (status, b"MSA|AR|C1" in body) == (200, True)
    one.lanes.work()
    assert [parked.reason for parked in one.store.parked()] == ["processing-id"]


@pytest.mark.parametrize(
    "media",
    ["application/hl7-v2", "application/hl7-v2+er7; charset=utf-8", "X-Application/HL7-v2+ER7", "text/plain"],
)
def test_the_names_of_hl7_v2_that_are_taken(served, message, media):
    _, ask = served()
    status, headers, body = ask("POST", "/hl7v2", message("C1"), media)
    assert (status, headers["content-type"], b"MSA|AA|C1" in body) == (200, V2, True)


def test_how_long_a_message_may_be_is_the_feeds(served, program, message):
    one = program()
    feeds = tuple(replace(f, frame_bytes=2000) if f.media == "hl7v2" else f for f in one.site.feeds)
    longest = replace(feeds[0], name="files", applications=("FILES",), frame_bytes=5000)
    one.site = replace(one.site, feeds=(*feeds, longest))
    one, ask = served(one)
    body = message("C1", extra="NTE|1||" + "x" * 2000)
    status, _, answer = ask("POST", "/hl7v2", body, V2)
    assert (status, b"MSA|AE|C1" in answer, b"|104^" in answer) == (200, True, True)
    status, _, answer = ask("POST", "/hl7v2", body.replace(b"|QBAY|BAY|", b"|FILES|BAY|", 1), V2)
    assert (status, b"MSA|AA|C1" in answer) == (200, True)
    status, _, answer = ask("POST", "/hl7v2", body + b"x" * 5000, V2)
    assert (status, problem(answer)) == (413, "too-long")


def test_a_feed_that_speaks_by_certificate_does_not_speak_over_http(served, program, message):
    one = program()
    one.site = replace(one.site, feeds=tuple(replace(f, certificates=("bay",)) for f in one.site.feeds))
    _, ask = served(one)
    assert b"MSA|AR|C1" in ask("POST", "/hl7v2", message("C1"), V2)[2]


@pytest.mark.parametrize("media", ["", "application/json", "multipart/form-data; boundary=x"])
def test_hl7_by_another_name_is_not_taken(served, message, media):
    one, ask = served()
    status, _, body = ask("POST", "/hl7v2", message(), media)
    assert (status, problem(body)) == (415, "not-supported")
    assert one.store.counts().journal == 0


def test_a_bundle_is_answered_entry_by_entry(served):
    one, ask = served()
    entry = {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/p1"}}
    status, headers, answer = ask.fhir(
        "POST", "/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]}
    )
    assert (status, headers["content-type"]) == (200, FHIR)
    assert [e["response"]["status"] for e in answer["entry"]] == ["200 OK"] * 2
    assert one.store.counts().journal == 1
    one.lanes.work()
    assert len(one.store.lanes()) == 1


def test_create_and_update(served):
    one, ask = served()
    status, headers, _ = ask.fhir("POST", "/fhir/Patient", PATIENT)
    assert status == 201
    assert headers["location"] == f"http://{ask.host}/fhir/Patient/p1"
    assert ask.fhir("PUT", "/fhir/Patient/p1", PATIENT | {"active": True})[0] == 200
    assert one.store.counts().journal == 2


@pytest.mark.parametrize(
    ("method", "path", "resource", "status", "code"),
    [
        ("POST", "/fhir", PATIENT, 400, "business-rule"),
        ("POST", "/fhir/Coverage", PATIENT, 400, "business-rule"),
        ("PUT", "/fhir/Patient/other", PATIENT, 400, "business-rule"),
        ("POST", "/fhir/ClaimResponse", {"resourceType": "ClaimResponse"}, 404, "not-supported"),
        ("GET", "/fhir/Patient/p1", None, 405, "not-supported"),
        ("GET", "/fhir/Claim/none", None, 404, "not-found"),
        ("DELETE", "/fhir/Claim/c1", None, 404, "not-supported"),
        ("DELETE", "/fhir/Procedure/a_b", None, 404, "not-supported"),
        ("DELETE", "/fhir/Patient", None, 405, "not-supported"),
        ("GET", "/nowhere", None, 404, "not-found"),
        ("GET", "/docs", None, 404, "not-found"),
        ("GET", "/openapi.json", None, 404, "not-found"),
    ],
)
def test_what_is_not_there(served, method, path, resource, status, code):
    one, ask = served()
    got, headers, answer = ask.fhir(method, path, resource)
    assert (got, headers["content-type"], problem(answer)) == (status, FHIR, code)
    assert one.store.counts().journal == 0


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"resourceType":"Patient","a":1,"a":2}', b""])
def test_what_is_no_fhir_is_refused_kept_and_parked(served, body):
    one, ask = served()
    status, _, answer = ask("POST", "/fhir/Patient", body)
    assert status == 400
    assert problem(answer)
    one.lanes.work()
    assert one.store.counts().parked == 1


def test_xml_is_not_taken(served):
    _, ask = served()
    status, _, answer = ask("POST", "/fhir/Patient", b"<Patient/>", "application/fhir+xml")
    assert (status, problem(answer)) == (415, "not-supported")


def test_a_resend_is_answered_as_before(served):
    one, ask = served()
    first = ask("POST", "/fhir/Patient", json.dumps(PATIENT).encode())
    again = ask("POST", "/fhir/Patient", json.dumps(PATIENT).encode())
    assert (first[0], first[2]) == (again[0], again[2])
    assert one.store.counts().journal == 1


def test_the_capabilities_are_what_is_there(served):
    _, ask = served()
    status, _, body = ask("GET", "/fhir/metadata")
    statement = json.loads(body)
    assert (status, statement["fhirVersion"]) == (200, "4.0.1")
    told = {r["type"]: {i["code"] for i in r["interaction"]} for r in statement["rest"][0]["resource"]}
    assert told.pop("Claim") == {"read"}
    assert set(told) == set(FHIR_TYPES)
    for kind in told:
        resource = {"resourceType": kind, "id": "x"}
        assert ask.fhir("POST", f"/fhir/{kind}", resource)[0] == 201
        assert ask.fhir("PUT", f"/fhir/{kind}/x", resource | {"language": "en"})[0] == 200


def test_the_capabilities_are_r4(served):
    from fhir.resources.R4B.capabilitystatement import CapabilityStatement

    _, ask = served()
    statement = json.loads(ask("GET", "/fhir/metadata")[2])
    assert CapabilityStatement.model_validate(statement).kind == "instance"


def test_a_claim_can_be_read(served, message):
    one, ask = served()
    ask("POST", "/hl7v2", message("C1"), V2)
    one.lanes.work()
    (claim,) = one.store.load(one.store.lanes()[0]).claims
    status, _, body = ask("GET", f"/fhir/Claim/{claim.claim.id}")
    read = json.loads(body)
    assert (status, read["id"], read["resourceType"]) == (200, claim.claim.id, "Claim")
    assert b'"value":120.50' in body


def test_a_body_over_the_limit_is_refused_while_it_comes(served, monkeypatch):
    one, ask = served()
    monkeypatch.setattr(door, "LARGEST_BODY", 10_000)
    status, _, answer = ask("POST", "/fhir/Patient", b"x" * 10_001)
    assert (status, problem(answer)) == (413, "too-long")
    pieces = (b"x" * 1000 for _ in range(1000))
    connection = http.client.HTTPConnection(ask.host, timeout=10)
    try:
        connection.request("POST", "/fhir/Patient", pieces, {"Content-Type": FHIR}, encode_chunked=True)
        assert connection.getresponse().status == 413
    except ConnectionError:
        pass  # it hung up on what it did not want to read
    finally:
        connection.close()
    assert one.store.counts().journal == 0


def test_a_body_that_drips_is_given_an_end(served, monkeypatch):
    one, ask = served()
    monkeypatch.setattr(door, "BODY_SECONDS", 0.2)
    host, port = ask.host.split(":")
    with socket.create_connection((host, int(port)), 5) as peer:
        peer.sendall(f"POST /fhir/Patient HTTP/1.1\r\nHost: {ask.host}\r\nContent-Type: {FHIR}\r\n".encode())
        peer.sendall(b"Content-Length: 100\r\n\r\n{")
        assert b"408" in peer.recv(65536).split(b"\r\n")[0]
    assert one.store.counts().journal == 0


def test_another_name_for_this_machine_is_not_answered(served):
    one, ask = served()
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"):
        status, _, _ = ask("GET", "/fhir/metadata", Host=host)
        assert status == 421
    assert ask("GET", "/fhir/metadata", Host="localhost")[0] == 200
    assert ask("GET", "/fhir/metadata", Host="[::1]:80")[0] == 200
    assert one.store.counts().journal == 0


def test_a_store_that_is_down_takes_nothing(served, program, message):
    class Down:
        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            return getattr(self._store, name)

        def receive_soon(self, _receipt):
            failed: Future = Future()
            failed.set_exception(StoreDown("disk full"))
            return failed

        def person_of_claim(self, _claim):
            raise StoreDown("disk full")

    one = program()
    one.store = Down(one.store)
    _, ask = served(one)
    for path, body, media in (("/hl7v2", message(), V2), ("/fhir/Patient", json.dumps(PATIENT).encode(), FHIR)):
        status, headers, answer = ask("POST", path, body, media)
        assert (status, problem(answer), headers["retry-after"]) == (503, "store-down", "5")
    assert ask("GET", "/fhir/Claim/x")[0] == 503


def test_a_fault_of_ours_says_nothing_of_itself(served, program, capsys):
    class Broken:
        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            return getattr(self._store, name)

        def person_of_claim(self, _claim):
            raise ZeroDivisionError("Canaryfeather")

    one = program()
    one.store = Broken(one.store)
    _, ask = served(one)
    status, _, answer = ask("GET", "/fhir/Claim/x")
    assert (status, problem(answer)) == (500, "exception")
    logged = capsys.readouterr().err
    assert "ZeroDivisionError" in logged
    assert "Canaryfeather" not in logged + answer.decode()


def test_entries_wake_the_lanes(served, message):
    woken = []
    _, ask = served(wake=lambda: woken.append(1))
    ask("POST", "/hl7v2", message(), V2)
    ask("POST", "/hl7v2", message(mode="T"), V2)
    assert woken == [1, 1]


def test_answers_are_not_to_be_kept_by_anyone(served):
    _, ask = served()
    _, headers, _ = ask("GET", "/fhir/metadata")
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert "server" not in headers


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::"])  # noqa: S104
def test_beyond_this_machine_it_does_not_start(program, host):
    with pytest.raises(BadSetup, match="authentication"), serving(create_app(program()), host, 0):
        pass


def test_a_port_that_is_taken_is_said(program):
    app = create_app(program())
    with serving(app) as base:
        port = urlsplit(base).port
        with pytest.raises(BadSetup, match=str(port)), serving(app, port=port):
            pass


def test_several_fhir_feeds_must_be_told_apart(program, rules):
    one = program()
    one.site = read_site(SITES, "site.toml", rules)
    with pytest.raises(BadSetup, match="several FHIR feeds"):
        create_app(one)
    with pytest.raises(BadSetup, match="no FHIR feed"):
        create_app(one, fhir_feed="radiology")
    assert create_app(one, fhir_feed="b")


SITES = """
name = "Two"
zone = "UTC"
[[facilities]]
id = "A"
name = "A"
npi = "1999999950"
setting = "freestanding"
place_of_service = "11"
[[facilities.entities]]
id = "a"
name = "A"
npi = "1999999950"
tin = "990000077"
bills = "global"
claim_type = "professional"
[[feeds]]
name = "a"
media = "fhir"
dialect = "codex-rt"
zone = "UTC"
facility = "A"
[[feeds]]
name = "b"
media = "fhir"
dialect = "codex-rt"
zone = "UTC"
facility = "A"
"""


# ---------------------------------------------------------------- health


@pytest.fixture
def healthy(program):
    """The health application of a program on a socket."""
    import contextlib

    with contextlib.ExitStack() as stack:

        def start(one, **more):
            return Asking(stack.enter_context(serving(create_health_app(one, **more))))

        yield start


def test_health_and_readiness(program, healthy):
    one = program()
    ready = {"mllp": True}
    ask = healthy(one, lanes=one.lanes, checks={"mllp": lambda: ready["mllp"]})
    assert ask("GET", "/healthz")[::2] == (200, b"alive\n")
    assert ask("GET", "/readyz")[::2] == (200, b"ready\n")
    ready["mllp"] = False
    assert ask("GET", "/readyz")[::2] == (503, b"mllp: not ready\n")
    one.store.close()
    status, _, body = ask("GET", "/readyz")
    assert (status, b"store: not ready" in body) == (503, True)
    assert ask("GET", "/healthz")[0] == 200
    assert ask("GET", "/metrics")[0] == 503


def test_metrics_say_for_how_long_a_payer_is_left_alone(program, healthy, put, message, clock):
    one = program("http://127.0.0.1:1/fhir", attempts="1")
    site = replace(one.site, payers=(replace(p := one.site.payers[0], endpoint=replace(p.endpoint, rest_after=1)),))
    one.site, one.lanes.house = site, replace(one.house, site=site)
    ask = healthy(one)
    assert 'oncoclaims_payer_rest_seconds{payer="lakeside"} 0.0' in ask("GET", "/metrics")[2].decode()
    put(one, message("C1"))
    one.lanes.run_due()
    clock.forward(seconds=4)
    assert 'oncoclaims_payer_rest_seconds{payer="lakeside"} 6.0' in ask("GET", "/metrics")[2].decode()


def test_metrics_count_what_came_and_what_became_of_it(program, healthy, put, message):
    one = program()
    put(one, message("C1"))
    put(one, b"no message")
    one.lanes.work()
    ask = healthy(one, lanes=one.lanes)
    status, headers, body = ask("GET", "/metrics")
    lines = body.decode().splitlines()
    assert (status, headers["content-type"].startswith("text/plain")) == (200, True)
    for line in (
        'oncoclaims_entries{state="parked"} 1.0',
        'oncoclaims_claims{state="ready"} 1.0',
        'oncoclaims_claims{state="complete"} 0.0',
        "oncoclaims_lane_steps_total 1.0",
    ):
        assert line in lines
    put(one, message("C2", transaction="T2", day="20260106"))
    one.lanes.work()
    assert 'oncoclaims_claims{state="ready"} 1.0' in ask("GET", "/metrics")[2].decode()  # counted once a minute


def test_a_socket_is_answered_quickly(program, healthy):
    ask = healthy(program())
    began = time.monotonic()
    for _ in range(20):
        assert ask("GET", "/healthz")[0] == 200
    assert time.monotonic() - began < 5
