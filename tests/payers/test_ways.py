"""What a payer's profile asks of a call: headers, forms of asking, tokens, certificates; on the wire, byte for byte."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.model.endpoint import ClientTls, Login, PayerEndpoint
from adapters.model.site import Payer
from adapters.payers import PayerClient, credential_problems, write_new
from tests.contracts.authority import Authority

CLAIM = "6f0c5a52-3d0b-5f0e-9d6e-2c7a0c1f7a11"
DECIDED = {
    "resourceType": "ClaimResponse",
    "id": "r1",
    "outcome": "complete",
    "request": {"reference": "Claim/1", "identifier": {"value": CLAIM}},
}
GRANT = {"access_token": "t-1", "token_type": "bearer", "expires_in": 300, "scope": "system/Claim.c"}


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


# ---------------------------------------------------------------- what is asked


def test_a_payer_that_knows_keys_gets_the_same_one_each_time(wire, client, answer):
    one = wire(answer(503), answer(200, b"{}"))
    client[0].submit(CLAIM, one.payer(idempotency_header="Idempotency-Key"), b"{}")
    assert [f"Idempotency-Key: {CLAIM}".encode() in asked for asked in one.asked] == [True, True]


def test_an_answer_in_its_own_time_is_asked_for_where_the_profile_says_so(wire, client, answer):
    one = wire(answer(200, b"{}"))
    client[0].submit(CLAIM, one.payer(respond_async=True), b"{}")
    client[0].submit(CLAIM, one.payer(), b"{}")
    assert [b"Prefer: respond-async" in asked for asked in one.asked] == [True, False]


def test_a_search_by_address_names_the_claim_by_our_random_number_alone(wire, client, answer):
    one = wire(answer(200, as_json({"resourceType": "Bundle", "type": "searchset"})))
    assert client[0].search(CLAIM, one.payer(search="get")).matches == 0
    line = one.asked[0].split(b"\r\n")[0]
    assert line == f"GET /fhir/ClaimResponse?request.identifier=urn%3Aoncoclaims%3Aclaim%7C{CLAIM} HTTP/1.1".encode()


def test_a_payer_that_answers_no_search_is_not_asked(wire, client, answer):
    one = wire(answer(200, b"{}"))
    got = client[0].search(CLAIM, one.payer(search="none"))
    assert (got.status, got.failure, one.asked) == (None, "not-offered", [])


def test_a_task_that_names_the_answer_has_it_fetched(wire, client, answer):
    output = [{"type": {"text": "answer"}, "valueReference": {"reference": "ClaimResponse/r1"}}]
    task = {"resourceType": "Task", "status": "completed", "output": output}
    one = wire(answer(201, as_json(task)), answer(200, as_json(DECIDED)))
    got = client[0].poll(CLAIM, one.payer(ask="task"))
    assert (got.call, got.matches, json.loads(got.body)["id"]) == ("poll", 1, "r1")
    asked = json.loads(one.asked[0].partition(b"\r\n\r\n")[2])
    assert (asked["resourceType"], asked["code"]["coding"][0]["code"]) == ("Task", "poll")
    assert asked["focus"]["identifier"]["value"] == CLAIM
    assert one.asked[1].startswith(b"GET /fhir/ClaimResponse/r1 HTTP/1.1")


def test_a_task_that_holds_the_answer_needs_no_second_call(wire, client, answer):
    one = wire(answer(200, as_json({"resourceType": "Task", "status": "completed", "contained": [DECIDED]})))
    assert client[0].poll(CLAIM, one.payer(ask="task")).matches == 1
    assert len(one.asked) == 1


def test_an_answer_said_to_lie_elsewhere_is_not_fetched(wire, client, answer):
    other = wire(answer(200, as_json(DECIDED)))
    output = [{"valueReference": {"reference": f"{other.base}/fhir/ClaimResponse/r1"}}]
    one = wire(answer(200, as_json({"resourceType": "Task", "status": "completed", "output": output})))
    got = client[0].poll(CLAIM, one.payer(ask="task"))
    assert (got.body, got.matches, other.asked) == (b"", None, [])


def test_the_bundle_of_an_asynchronous_answer_holds_it_or_says_where(wire, client, answer):
    held = {"resourceType": "Bundle", "type": "batch-response", "entry": [{"resource": DECIDED}]}
    told = {
        "resourceType": "Bundle",
        "type": "batch-response",
        "entry": [{"response": {"location": "ClaimResponse/r1"}}],
    }
    for first in (held, told):
        one = wire(answer(200, as_json(first)), answer(200, as_json(DECIDED)))
        assert client[0].poll(CLAIM, one.payer(), f"{one.base}/fhir/jobs/7").matches == 1
    assert len(one.asked) == 2


def test_a_bundle_that_is_no_search_result_says_nothing_of_absence(wire, client, answer):
    one = wire(answer(200, as_json({"resourceType": "Bundle", "type": "batch-response"})))
    assert client[0].search(CLAIM, one.payer()).matches is None


# ---------------------------------------------------------------- patience


def test_calls_begin_no_faster_than_the_profile_says(wire, answer):
    slept: list[float] = []
    one = wire(answer(200, b"{}"))
    with PayerClient(sleep=slept.append, ticks=lambda: 100.0) as made:
        for _ in range(4):
            made.submit(CLAIM, one.payer(per_minute=30), b"{}")
    assert slept == [2.0, 4.0, 6.0]


def test_told_to_hurry_nobody_waits_for_another_attempt(wire, answer):
    one = wire(answer(503, Retry_After="30"), answer(200, b"{}"))
    begin = time.monotonic()
    with PayerClient() as made:
        threading.Timer(0.2, made.hurry).start()
        got = made.submit(CLAIM, one.payer(), b"{}")
    assert (got.status, got.retry_after, len(one.asked)) == (503, 30, 1)
    assert time.monotonic() - begin < 10


def test_told_to_hurry_what_waits_for_its_turn_does_not_leave(wire, answer):
    one = wire(answer(200, b"{}"))
    with PayerClient() as made:
        made.submit(CLAIM, one.payer(per_minute=2), b"{}")
        made.hurry()
        got = made.submit(CLAIM, one.payer(per_minute=2), b"{}")
    assert (got.failure, got.why, len(one.asked)) == ("not-sent", "the program is to end", 1)


def test_a_payer_that_fails_is_left_alone_for_a_while(wire, client, answer):
    one = wire(answer(500))
    payer = one.payer(rest_after=2, rest_seconds=30.0)
    assert client[0].rests(payer) == 0
    for _ in range(2):
        client[0].submit(CLAIM, payer, b"{}")
    assert 29 < client[0].rests(payer) <= 30
    assert client[0].rests(replace(payer, id="another")) == 0


def test_a_payer_that_asks_for_an_hour_is_left_alone_by_every_claim(wire, client, answer):
    one = wire(answer(429, Retry_After="1800"))
    client[0].submit(CLAIM, one.payer(), b"{}")
    assert 1790 < client[0].rests(one.payer()) <= 1800


def test_a_refusal_is_an_answer_and_no_reason_to_rest(wire, client, answer):
    one = wire(answer(422, b"{}"))
    for _ in range(5):
        client[0].submit(CLAIM, one.payer(rest_after=1), b"{}")
    assert client[0].rests(one.payer(rest_after=1)) == 0


# ---------------------------------------------------------------- tokens


def signing(one, tmp_path: Path, path: str = "/token") -> Login:
    if not (tmp_path / "key").exists():
        write_new(tmp_path / "key", "ES384")
    return Login(f"{one.base}{path}", "clinic", ("system/Claim.c",), (str(tmp_path / "key"),), "ES384")


def test_the_token_goes_with_the_claim_and_nowhere_else(wire, client, answer, tmp_path):
    other = wire(answer(200, b"{}"))
    door = wire(answer(200, as_json(GRANT)))
    one = wire(answer(202, Content_Location=f"{other.base}/fhir/jobs/1"), answer(307, Location=f"{other.base}/fhir"))
    payer = one.payer(login=signing(door, tmp_path))
    got = client[0].submit(CLAIM, payer, b"{}")
    client[0].poll(CLAIM, payer, f"{other.base}/fhir/jobs/1")
    assert (got.status, got.location, other.asked) == (202, "", [])
    assert all(b"Authorization: Bearer t-1\r\n" in asked for asked in one.asked)
    assert b"authorization" not in door.asked[0].lower()
    assert len(door.asked) == 1, "one token for both"


def test_a_token_endpoint_that_sends_us_elsewhere_is_not_followed(wire, client, answer, tmp_path):
    other = wire(answer(200, as_json(GRANT)))
    door = wire(answer(307, Location=f"{other.base}/token"))
    one = wire(answer(200, b"{}"))
    got = client[0].submit(CLAIM, one.payer(login=signing(door, tmp_path)), b"{}")
    assert (got.failure, got.why) == ("no-login", "the token endpoint refused: HTTP 307")
    assert (other.asked, one.asked) == ([], [])


def test_a_token_endpoint_that_is_away_is_tried_again_with_another_assertion(wire, client, answer, tmp_path):
    door, one = wire(answer(503), answer(200, as_json(GRANT))), wire(answer(200, b"{}"))
    assert client[0].submit(CLAIM, one.payer(login=signing(door, tmp_path)), b"{}").status == 200
    assert len(door.asked) == 2
    assert door.asked[0] != door.asked[1]
    assert len(one.asked) == 1


@pytest.mark.parametrize("url", ["http://payer.example/token", "ftp://127.0.0.1/t", "https://u@payer.example/t", ""])
def test_assertions_go_nowhere_in_the_clear(wire, client, answer, tmp_path, url):
    one = wire(answer(200, b"{}"))
    payer = one.payer(login=replace(signing(one, tmp_path), token_url=url))
    got = client[0].submit(CLAIM, payer, b"{}")
    assert (got.failure, one.asked) == ("not-sent", [])
    assert "token_url" in got.why


# ---------------------------------------------------------------- certificates


def told(secured: ssl.SSLSocket) -> None:
    """Read a request to its end: a connection closed with bytes unread is reset, and its answer lost with it."""
    head, _, body = secured.recv(65536).partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += secured.recv(65536)


@contextmanager
def guarded(authority: Authority) -> Iterator[tuple[str, list[str]]]:
    """A payer that wants a certificate of the authority; its address, and whom it has seen."""
    certificate, key = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    seen: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    told(secured)
                    names = dict(part[0] for part in (secured.getpeercert() or {}).get("subject", ()))
                    seen.append(names.get("commonName", ""))
                    secured.sendall(b"HTTP/1.1 201 C\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://localhost:{listener.getsockname()[1]}/fhir", seen
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def payer_with(base: str, tls: ClientTls | None) -> Payer:
    return Payer("p", "P", "commercial", endpoint=PayerEndpoint(base, attempts=1, timeout_seconds=3.0, tls=tls))


def test_a_payer_that_wants_our_certificate_gets_it_and_no_other_payer_does(client, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("clinic")
    with guarded(authority) as (base, seen):
        ours = ClientTls(str(certificate), str(key), str(authority.file))
        assert client[0].submit(CLAIM, payer_with(base, ours), b"{}").status == 201
        without = client[0].submit(CLAIM, payer_with(base, ClientTls(ca=str(authority.file))), b"{}")
        strange = client[0].submit(CLAIM, payer_with(base, None), b"{}")
    assert len(seen) == 1
    assert without.failure in ("no-answer", "not-sent")
    assert strange.failure == "not-sent", "a server of an unknown authority is not spoken to"


def test_files_that_do_not_fit_are_told_before_the_first_call(tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("clinic")
    other, _ = authority.issue("other")
    key.chmod(0o600)
    fits = ClientTls(str(certificate), str(key), str(authority.file))
    assert list(credential_problems(payer_with("https://payer.example", fits))) == []
    for wrong in (
        replace(fits, certificate=str(other)),
        replace(fits, ca=str(tmp_path / "nowhere")),
        replace(fits, key=str(certificate)),
    ):
        assert len(list(credential_problems(payer_with("https://payer.example", wrong)))) == 1
    key.chmod(0o640)
    (told,) = credential_problems(payer_with("https://payer.example", fits))
    assert "others can read it" in told
