"""The payer client against servers that answer anything at all."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import struct
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters.model.site import Payer, PayerEndpoint
from adapters.payers import PayerClient
from adapters.payers import client as client_module

CLAIM = "6f0c5a52-3d0b-5f0e-9d6e-2c7a0c1f7a11"
RESPONSE = {
    "resourceType": "ClaimResponse",
    "id": "r1",
    "outcome": "complete",
    "request": {"reference": "Claim/1", "identifier": {"value": CLAIM}},
    "payment": {"amount": {"value": 12.50, "currency": "USD"}},
}


def bundle(*resources: dict) -> bytes:
    entries = [{"resource": one} for one in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(connection: socket.socket) -> None:
    connection.settimeout(2)
    connection.recv(1)


def refused() -> Payer:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Payer("p", "P", "commercial", endpoint=PayerEndpoint(f"http://127.0.0.1:{port}/fhir", attempts=3))


def test_a_submission_says_what_the_profile_wants(wire, client, answer):
    one = wire(answer(200, b"{}"))
    got = client[0].submit(CLAIM, one.payer(), b'{"resourceType":"Claim"}')
    assert (got.claim, got.call, got.status, got.body) == (CLAIM, "submit", 200, b"{}")
    head, _, body = one.asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /fhir/Claim/$submit HTTP/1.1")
    assert b"Content-Type: application/fhir+json" in head
    assert body == b'{"resourceType":"Claim"}'
    assert b"if-none-exist" not in head.lower()


def test_a_create_is_conditional_on_our_identifier(wire, client, answer):
    one = wire(answer(201, b'{"resourceType":"Claim"}', Location="/fhir/Claim/9/_history/1"))
    got = client[0].submit(CLAIM, one.payer(call="create"), b"{}")
    assert (got.call, got.status, got.body, got.location) == ("create", 201, b"", "")
    head = one.asked[0].partition(b"\r\n\r\n")[0]
    assert head.startswith(b"POST /fhir/Claim HTTP/1.1")
    assert b"If-None-Exist: identifier=urn%3Aoncoclaims%3Aclaim%7C" + CLAIM.encode() in head


def test_a_create_may_answer_with_the_decision(wire, client, answer):
    one = wire(answer(201, json.dumps(RESPONSE).encode()))
    assert client[0].submit(CLAIM, one.payer(call="create"), b"{}").body


def test_nothing_left_this_machine(client):
    got = client[0].submit(CLAIM, refused(), b"{}")
    assert (got.status, got.failure) == (None, "not-sent")
    assert len(client[1]) == 2


@pytest.mark.parametrize(
    "script",
    [
        silence,
        reset,
        lambda connection: None,
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
    ids=["silence", "reset", "closed", "no http", "cut short", "bad chunk", "bad gzip"],
)
def test_sent_and_no_answer_is_never_tried_again(wire, client, script):
    one = wire(script)
    got = client[0].submit(CLAIM, one.payer(), b"{}")
    assert (got.status, got.failure) == (None, "no-answer")
    assert (len(one.asked), client[1]) == (1, [])


def test_a_payer_that_dribbles_is_given_an_end(wire, client):
    def dribble(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.1)

    one = wire(dribble)
    began = time.monotonic()
    got = client[0].submit(CLAIM, one.payer(timeout_seconds=0.3), b"{}")
    assert got.failure == "no-answer"
    assert time.monotonic() - began < 3


def test_429_and_503_are_tried_again_as_asked(wire, client, answer):
    one = wire(answer(429, Retry_After="7"), answer(503, Retry_After="3"), answer(200, b"{}"))
    got = client[0].submit(CLAIM, one.payer(), b"{}")
    assert got.status == 200
    first, second = client[1]
    assert 7 <= first <= 8
    assert 3 <= second <= 4
    assert one.asked[0] == one.asked[1] == one.asked[2]


def test_without_retry_after_the_waits_are_jittered_and_bounded(wire, client, answer):
    one = wire(answer(503))
    client[0].submit(CLAIM, one.payer(attempts=10), b"{}")
    assert len(client[1]) == 9
    assert all(0 <= seconds <= client_module.LONGEST_WAIT / 2 for seconds in client[1])
    assert len(set(client[1])) > 1


def test_attempts_end(wire, client, answer):
    one = wire(answer(429))
    assert client[0].submit(CLAIM, one.payer(attempts=2), b"{}").status == 429
    assert len(one.asked) == 2


def test_a_payer_that_asks_for_an_hour_is_not_waited_for(wire, client, answer):
    one = wire(answer(429, Retry_After="3600"))
    got = client[0].submit(CLAIM, one.payer(), b"{}")
    assert (got.status, got.retry_after) == (429, 3600)
    assert (len(one.asked), client[1]) == (1, [])


def test_retry_after_may_be_a_date(wire, answer):
    now = datetime(2026, 1, 12, 15, 0, tzinfo=UTC)
    slept = []
    one = wire(answer(503, Retry_After=format_datetime(now + timedelta(seconds=20), usegmt=True)), answer(200, b"{}"))
    with PayerClient(sleep=slept.append, now=lambda: now) as made:
        assert made.submit(CLAIM, one.payer(), b"{}").status == 200
    assert 20 <= slept[0] <= 22


@pytest.mark.parametrize("said", ["soon", "-5", "1e9", "", "Mon, 99 Jan 2026 00:00:00 GMT"])
def test_a_retry_after_that_says_nothing_is_no_retry_after(wire, client, answer, said):
    one = wire(answer(503, Retry_After=said))
    assert client[0].submit(CLAIM, one.payer(attempts=1), b"{}").retry_after is None


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 500, 502, 504])
def test_every_other_status_is_told_at_once(wire, client, answer, status):
    one = wire(answer(status, b'{"resourceType":"OperationOutcome"}'))
    got = client[0].submit(CLAIM, one.payer(), b"{}")
    assert (got.status, got.failure, len(one.asked)) == (status, "", 1)
    assert got.body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("header", ["Location", "Content_Location"])
def test_redirects_and_links_to_other_hosts_are_not_followed(wire, client, answer, status, header):
    other = wire(answer(200, b"{}"))
    one = wire(answer(status, **{header: f"{other.base}/fhir/Claim/$submit"}))
    got = client[0].submit(CLAIM, one.payer(), b"{}")
    assert (got.status, got.location) == (status, "")
    assert other.asked == []


def test_a_place_for_the_answer_is_asked_when_it_is_the_payers_own(wire, client, answer):
    one = wire(answer(202, Content_Location="/fhir/jobs/7"), answer(200, json.dumps(RESPONSE).encode()))
    payer = one.payer()
    got = client[0].submit(CLAIM, payer, b"{}")
    assert got.location == f"{one.base}/fhir/jobs/7"
    asked = client[0].poll(CLAIM, payer, got.location)
    assert (asked.call, asked.status, asked.matches) == ("poll", 200, 1)
    assert one.asked[1].startswith(b"GET /fhir/jobs/7 HTTP/1.1")


def test_a_place_elsewhere_is_searched_for_instead(wire, client, answer):
    other, one = wire(answer(200, b"{}")), wire(answer(200, bundle()))
    client[0].poll(CLAIM, one.payer(), f"{other.base}/fhir/jobs/7")
    assert other.asked == []
    assert one.asked[0].startswith(b"POST /fhir/ClaimResponse/_search")


def test_a_place_that_is_gone_is_searched_for_instead(wire, client, answer):
    one = wire(answer(404), answer(200, bundle(RESPONSE)))
    got = client[0].poll(CLAIM, one.payer(), f"{one.base}/fhir/jobs/7")
    assert (got.call, got.matches, len(one.asked)) == ("poll", 1, 2)


def test_a_search_has_nothing_in_its_address(wire, client, answer):
    one = wire(answer(200, bundle(RESPONSE)))
    got = client[0].search(CLAIM, one.payer())
    assert (got.call, got.status, got.matches) == ("search", 200, 1)
    head, _, body = one.asked[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /fhir/ClaimResponse/_search HTTP/1.1"
    assert b"application/x-www-form-urlencoded" in head
    assert body == b"request.identifier=urn%3Aoncoclaims%3Aclaim%7C" + CLAIM.encode()


def test_amounts_keep_their_digits(wire, client, answer):
    body = bundle(RESPONSE).replace(b"12.5", b"12.500")
    one = wire(answer(200, body))
    assert b'"value":12.500' in client[0].search(CLAIM, one.payer()).body


def test_the_decided_and_latest_answer_counts(wire, client, answer):
    queued = RESPONSE | {"id": "q", "outcome": "queued", "meta": {"lastUpdated": "2026-03-01T00:00:00Z"}}
    first = RESPONSE | {"id": "a", "meta": {"lastUpdated": "2026-01-01T00:00:00Z"}}
    last = RESPONSE | {"id": "b", "meta": {"lastUpdated": "2026-02-01T00:00:00Z"}}
    one = wire(answer(200, bundle(first, queued, last, {"resourceType": "OperationOutcome", "issue": []})))
    got = client[0].search(CLAIM, one.payer())
    assert (json.loads(got.body)["id"], got.matches) == ("b", 1)


def test_answers_to_two_claims_are_told(wire, client, answer):
    other = RESPONSE | {"request": {"reference": "Claim/2"}}
    one = wire(answer(200, bundle(RESPONSE, other)))
    assert client[0].search(CLAIM, one.payer()).matches == 2


@pytest.mark.parametrize(
    ("body", "matches"),
    [
        (b"", None),
        (b"{", None),
        (b'{"resourceType":"Patient"}', None),
        (bundle(), 0),
        (bundle({"resourceType": "Claim"}), None),
    ],
)
def test_nothing_found_is_not_the_same_as_nothing_understood(wire, client, answer, body, matches):
    one = wire(answer(200, body))
    got = client[0].search(CLAIM, one.payer())
    assert (got.status, got.body, got.matches) == (200, b"", matches)


def test_an_endless_answer_is_cut_and_its_status_counts(wire, client, monkeypatch):
    monkeypatch.setattr(client_module, "LARGEST_ANSWER", 100_000)
    packed = gzip.compress(b" " * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    one = wire(head + packed)
    got = client[0].submit(CLAIM, one.payer(), b"{}")
    assert (got.status, got.failure, got.body) == (200, "", b"")


@pytest.mark.parametrize(
    "base",
    ["http://payer.example/fhir", "ftp://127.0.0.1/fhir", "", "https://user@payer.example", "http://[", "file:///x"],
)
def test_an_address_that_may_not_be_called_is_not_called(client, base):
    payer = Payer("p", "P", "commercial", endpoint=PayerEndpoint(base, attempts=1))
    assert client[0].submit(CLAIM, payer, b"{}").failure == "not-sent"


def test_proxies_of_the_environment_are_not_used(wire, answer, monkeypatch):
    proxy, one = wire(answer(200, b"{}")), wire(answer(200, b"{}"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.base)
    with PayerClient() as made:
        assert made.submit(CLAIM, one.payer(), b"{}").status == 200
    assert proxy.asked == []


def test_httpx_says_nothing(wire, client, answer, caplog):
    caplog.set_level(logging.DEBUG)
    one = wire(answer(200, b"{}"))
    client[0].submit(CLAIM, one.payer(), b"{}")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, b'{"resourceType":"ClaimResponse"}', b'{"resourceType":"ClaimResponse"}'),
        (200, b"", None),
        (404, b"{}", b""),
        (410, b"{}", b""),
        (401, b"{}", None),
        (503, b"{}", None),
    ],
)
def test_what_a_payer_names_is_there_or_comes_later_or_never(wire, client, answer, status, body, found):
    one = wire(answer(status, body))
    assert client[0].read(one.payer(), "ClaimResponse/r1") == found
    assert one.asked[0].startswith(b"GET /fhir/ClaimResponse/r1 HTTP/1.1")


def test_what_lies_elsewhere_is_never_asked_for(wire, client, answer):
    one = wire(answer(200, b"{}"))
    assert client[0].read(one.payer(), "https://elsewhere.example/fhir/ClaimResponse/r1") == b""
    assert one.asked == []
    assert client[0].read(refused(), "ClaimResponse/r1") is None
