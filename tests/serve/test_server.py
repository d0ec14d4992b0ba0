"""The whole service: every role, told to stop by a signal; and nothing of a patient in what it says on the way."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import logging
import os
import signal
import socket
import threading
import time
from dataclasses import replace

import pytest
import structlog

from adapters.errors import BadSetup
from adapters.model.listening import Listening, TlsFiles
from adapters.payers import PayerClient
from adapters.serve import logs, server
from adapters.serve.http import create_app
from adapters.serve.server import serve_all, serving

pytestmark = pytest.mark.slow


@pytest.fixture
def stream(monkeypatch):
    """What the service logs."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    written = io.StringIO()
    monkeypatch.setattr(server, "configure", lambda said: logs.configure(said, written))
    yield written
    structlog.reset_defaults()
    root.handlers[:] = before
    root.setLevel(level)


def ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ready(port: int) -> bool:
    for _ in range(500):
        with contextlib.suppress(OSError):
            if get(port, "/readyz")[0] == 200:
                return True
        time.sleep(0.01)
    return False


def run(wired, act, **more) -> list[object]:
    """Run the service in this (main) thread; `act(mllp, http, health)` runs beside it, then the signal comes."""
    mllp, web, health = ports(3)
    found: list[object] = []

    def beside() -> None:
        try:
            assert ready(health)
            found.append(act(mllp, web, health))
        except BaseException as error:  # noqa: BLE001  # told below, in the test's own thread
            found.append(error)
        finally:
            os.kill(os.getpid(), more.get("number", signal.SIGTERM))

    thread = threading.Thread(target=beside)
    thread.start()
    serve_all(
        wired, more.get("roles", server.ROLES), mllp_port=mllp, http_port=web, health_port=health, lanes=wired.lanes
    )
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found


def send(port: int, body: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as peer:
        peer.sendall(b"\x0b" + body + b"\x1c\r")
        return peer.recv(65536)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_message_goes_all_the_way_and_the_service_ends(program, payer, message, stream, number):
    stub, base = payer()
    one = program(base)
    before = signal.getsignal(number)
    threads = set(threading.enumerate())

    def act(mllp, _web, _health):
        assert b"MSA|AA|C1" in send(mllp, message("C1"))
        for _ in range(500):
            if one.states() == ["complete"]:
                return True
            time.sleep(0.01)
        return False

    assert run(one, act, number=number) == [True]
    assert len(stub.books.accounts) == 1
    assert signal.getsignal(number) is before
    assert json.loads(stream.getvalue().splitlines()[-1])["event"] == "stopped"
    assert one.store.counts().unread == 0
    left = [thread.name for thread in threading.enumerate() if thread not in threads]
    assert left == []


def test_a_wait_for_a_payer_does_not_hold_up_the_end(program, payer, message, stream):
    """The payer asked for half a minute of patience; what it did not take leaves after the next start."""
    stub, base = payer('[[rule]]\nverb = "throttle"\nretry_after = 30\n')
    one = program(base, payers=PayerClient())

    def act(mllp, _web, _health):
        assert b"MSA|AA|C1" in send(mllp, message("C1"))
        for _ in range(500):
            if stub.requests:
                return time.monotonic()
            time.sleep(0.01)
        return None

    [called] = run(one, act)
    assert time.monotonic() - called < 15
    assert one.states() == ["ready"]
    assert len(stub.requests) == 1


def test_only_the_roles_asked_for_run(program, stream, message):
    one = program()

    def act(mllp, web, health):
        with pytest.raises(ConnectionRefusedError):
            send(mllp, message())
        with pytest.raises(ConnectionRefusedError):
            get(web, "/fhir/metadata")
        return get(health, "/healthz")

    assert run(one, act, roles=("worker",)) == [(200, b"alive\n")]


def test_the_listeners_are_those_of_the_site_file(program, stream, message):
    one = program()
    first, second = ports(2)
    vpn = Listening("vpn", "0.0.0.0", second, networks=("198.51.100.0/24",))  # noqa: S104
    one.site = replace(one.site, listeners=(Listening("inside", port=first), vpn))

    def act(mllp, _web, health):
        with pytest.raises(ConnectionRefusedError):
            send(mllp, message())
        assert b"MSA|AA|C1" in send(first, message("C1"))
        assert b"MSA|AA|C2" in send(second, message("C2"))
        return get(health, "/readyz")

    note = f"note: plain MLLP on 0.0.0.0 port {second}, open to 198.51.100.0/24\n"
    assert run(one, act, roles=("intake",)) == [(200, f"ready\n{note}".encode())]
    assert {line.channel for line in one.store.messages()} == {"inside", "vpn"}
    (warned,) = [json.loads(line) for line in stream.getvalue().splitlines() if "beyond this machine" in line]
    assert (warned["level"], warned["listener"], warned["host"]) == ("warning", "vpn", "198.51.100.0/24")


def test_no_listener_starts_where_one_cannot(program, stream, tmp_path):
    one = program()
    files = TlsFiles(*(str(tmp_path / name) for name in ("a.pem", "a.key", "ca.pem")))
    one.site = replace(one.site, listeners=(Listening("inside", port=0), Listening("engine", port=0, tls=files)))
    with pytest.raises(BadSetup) as told:
        serve_all(one, ("intake",), lanes=one.lanes)
    assert len(told.value.problems) == 3
    assert one.lanes._threads == []


def test_an_unknown_role_is_said(program):
    with pytest.raises(BadSetup, match="no role 'cook'"):
        serve_all(program(), ("cook",))


def test_a_listener_that_cannot_be_had_leaves_nothing_behind(program, stream):
    one = program()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadSetup):
        serve_all(one, ("web", "worker"), http_port=taken.getsockname()[1], lanes=one.lanes)
    assert one.lanes._threads == []


def test_nothing_of_a_patient_is_said_anywhere(program, payer, message, canaries, stream):
    """A day with everything that can go wrong, and then every place where it could have been told."""
    _stub, base = payer('[[rule]]\nverb = "hang_up"\nwhen = { nth = 1 }\n[[rule]]\nverb = "garble"\n')
    one = program(base)
    family, _given, mrn, *_ = canaries
    told: list[bytes] = []

    def post(web: int, path: str, body: bytes, media: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", web, timeout=5)
        connection.request("POST", path, body, {"Content-Type": media})
        answer = connection.getresponse()
        told.append(answer.read() + repr(answer.getheaders()).encode())
        connection.close()

    def act(mllp, web, health):
        told.append(send(mllp, message("C1")))
        told.append(send(mllp, message("C2", transaction="T2", day="20260106")))
        told.append(send(mllp, message("C3", mode="T")))
        told.append(send(mllp, message("C4", application="NOBODY")))
        told.append(send(mllp, message("", transaction="T9")))
        told.append(send(mllp, b"PID|1||" + mrn.encode() + b"||" + family.encode()))
        told.append(send(mllp, message("C5", extra="ZZZ" + "|x" * 5000 + family)))
        for path in ("/fhir", "/fhir/Patient", f"/fhir/{family}", f"/fhir/Patient?name={family}"):
            for body in (f'{{"resourceType":"{family}"}}', f'{{"{family}":', f'{{"{mrn}":1,"{mrn}":2}}'):
                post(web, path, body.encode(), "application/fhir+json")
        post(web, "/hl7v2", message("C6"), "application/hl7-v2")
        post(web, "/hl7v2", message("C6"), f"application/{family.lower()}")
        get(web, f"/fhir/Claim/{mrn}")
        get(web, f"/{family}?mrn={mrn}")
        for _ in range(500):
            if one.states() and not {"built", "ready"}.intersection(one.states()) and not one.store.counts().unread:
                break
            time.sleep(0.01)
        told.append(get(health, "/metrics")[1])
        return True

    assert run(one, act) == [True]
    logged = stream.getvalue()
    assert logged.count("\n") > 30
    parked = [(p.reason, p.detail, *p.problems) for p in one.store.parked()]
    work = [(i.kind, i.code, i.category, i.action, i.detail) for i in one.store.worklist()]
    assert parked
    assert work
    for canary in canaries:
        assert canary not in logged
        assert canary not in repr(parked)
        assert canary not in repr(work)
        assert not [answer for answer in told if canary.encode() in answer]


def test_serving_gives_a_free_port_and_ends(program):
    one = program()
    with serving(create_app(one)) as base:
        port = int(base.rpartition(":")[2])
        assert get(port, "/fhir/metadata")[0] == 200
    with pytest.raises(ConnectionRefusedError):
        get(port, "/fhir/metadata")
