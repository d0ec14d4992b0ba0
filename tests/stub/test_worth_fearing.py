"""The verbs by which a payer is late, wants more, goes back on its word or says what is wrong; and who may come in."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fhir_server_stub.login import ASSERTION, Desk, Login
from fhir_server_stub.scenario import ScenarioError, parse
from fhir_server_stub.server import running
from fhir_server_stub.wire import dumps
from fhir_server_stub.wrong import WAYS

NAME = ("request.identifier", "urn:clinic:claim|A1")


@contextmanager
def talking(stub: Any) -> Iterator[httpx.Client]:
    with running(stub) as base, httpx.Client(base_url=base, timeout=5.0, trust_env=False) as client:
        yield client


def paid(stub: Any) -> Decimal:
    return stub.books.totals().paid


# ---------------------------------------------------------------- late, and wanting more


def test_a_deferred_answer_is_202_and_lies_where_it_was_said(payer: Any, claim: Any) -> None:
    stub = payer('[[rule]]\nverb = "defer"\npolls = 1\n')
    with talking(stub) as client:
        answer = client.post("/fhir/Claim/$submit", content=dumps(claim()))
        place = answer.headers["content-location"]
        asked = [client.get(place) for _ in range(2)]
        elsewhere = client.get("/fhir/status/claimresponse-9")
    assert (answer.status_code, answer.content) == (202, b"")
    assert [one.status_code for one in asked] == [202, 200]
    assert asked[0].headers["retry-after"] == "1"
    bundle = asked[1].json()
    assert bundle["type"] == "batch-response"
    assert bundle["entry"][0]["resource"]["outcome"] == "complete"
    assert elsewhere.status_code == 404
    assert paid(stub) > 0


def test_a_task_that_polls_is_completed_once_there_is_an_answer(payer: Any, claim: Any) -> None:
    stub = payer('[[rule]]\nverb = "pend"\npolls = 1\n')
    stub.submit(claim())
    focus = {"identifier": {"system": "urn:clinic:claim", "value": "A1"}}
    with talking(stub) as client:
        told = [client.post("/fhir/Task", json={"resourceType": "Task", "focus": focus}).json() for _ in range(2)]
        bad = client.post("/fhir/Task", json={"resourceType": "Task"})
    assert [one["status"] for one in told] == ["received", "completed"]
    assert told[1]["output"][0]["valueReference"]["reference"] == "ClaimResponse/claimresponse-1"
    assert bad.status_code == 400


def test_a_task_that_is_no_poll_is_kept_once_and_changed_only_as_it_was_read(payer: Any) -> None:
    asked = {"resourceType": "Task", "identifier": [{"system": "urn:q", "value": "1"}], "status": "requested"}
    once = {"If-None-Exist": "identifier=urn:q%7C1"}
    with talking(payer("")) as client:
        first, second = (client.post("/fhir/Task", json=asked, headers=once) for _ in range(2))
        done = first.json() | {"status": "completed"}
        told = [client.put(f"/fhir/Task/{done['id']}", json=done, headers={"If-Match": f'W/"{n}"'}) for n in (1, 1)]
    assert (first.status_code, second.status_code, second.json()["id"]) == (201, 200, first.json()["id"])
    assert [one.status_code for one in told] == [200, 412]


def test_documents_that_come_decide_the_claim(payer: Any, claim: Any) -> None:
    stub = payer('[[rule]]\nverb = "documents"\nseconds = 100\n')
    first = stub.submit(claim()).body
    assert first["outcome"] == "queued"
    wanted = stub.resources.read("CommunicationRequest", first["communicationRequest"][0]["reference"].split("/")[1])
    assert wanted["about"][0]["identifier"]["value"] == "A1"
    about = [{"identifier": {"system": "urn:clinic:claim", "value": "A1"}}]
    stub.heard({"resourceType": "Communication", "about": [{"identifier": {"value": "another"}}]})
    assert paid(stub) == 0
    stub.heard({"resourceType": "Communication", "about": about})
    assert paid(stub) > 0


def test_documents_that_do_not_come_deny_it_with_the_reason_of_the_rule(payer: Any, claim: Any, clock: Any) -> None:
    stub = payer('[[rule]]\nverb = "documents"\nseconds = 100\ncarc = "252"\n')
    stub.submit(claim())
    clock.forward(101)
    (account,) = stub.books.accounts
    assert {(a.group, a.carc) for line in account.lines for a in line.adjustments} == {("CO", "252")}
    assert paid(stub) == 0


# ---------------------------------------------------------------- going back, and saying what is wrong


def test_what_was_paid_is_taken_back_later_in_a_new_answer(payer: Any, claim: Any, clock: Any) -> None:
    stub = payer('[[rule]]\nverb = "take_back"\nseconds = 50\ncarc = "96"\nlines = [2]\n')
    first = stub.submit(claim()).body
    before = paid(stub)
    clock.forward(51)
    after = paid(stub)
    found = stub.search("ClaimResponse", [NAME])
    assert [one["id"] for one in found] == [first["id"], "claimresponse-2"]
    last = found[-1]
    assert last["payment"]["adjustment"]["value"] == -before
    assert last["payment"]["amount"]["value"] == after - before < 0
    denied = [entry for entry in last["item"][1]["adjudication"] if "reason" in entry]
    assert denied[0]["reason"]["coding"][0]["code"] == "96"
    assert last["item"][0] == first["item"][0]
    assert stub.books.doubles() == []


def test_it_is_taken_back_after_so_many_looks_too(payer: Any, claim: Any) -> None:
    stub = payer('[[rule]]\nverb = "take_back"\npolls = 1\nlines = "all"\n')
    stub.submit(claim())
    outcomes = [len(stub.search("ClaimResponse", [NAME])) for _ in range(3)]
    assert outcomes == [1, 2, 2]
    assert paid(stub) == 0


@pytest.mark.parametrize("how", WAYS)
def test_a_wrong_answer_is_wrong_once_and_the_books_are_right(payer: Any, claim: Any, how: str) -> None:
    stub, right = payer(f'[[rule]]\nverb = "wrong"\nhow = "{how}"\n'), payer()
    told, true = stub.submit(claim()).body, right.submit(claim()).body
    assert dumps(told) != dumps(true)
    assert dumps(stub.read("ClaimResponse", told["id"])) == dumps(true)
    assert paid(stub) == paid(right)


def test_how_wrong_must_be_a_way_that_is_known() -> None:
    with pytest.raises(ScenarioError, match="how is no value for it"):
        parse('[[rule]]\nverb = "wrong"\nhow = "slightly"\n')


# ---------------------------------------------------------------- keys and searches


def test_a_key_gets_the_same_answer_for_as_long_as_it_is_kept(payer: Any, claim: Any, clock: Any) -> None:
    stub = payer('key_header = "Idempotency-Key"\nkey_seconds = 60\n')
    with talking(stub) as client:
        sent = [
            client.post("/fhir/Claim/$submit", content=dumps(claim()), headers={"Idempotency-Key": "k"})
            for _ in range(2)
        ]
        other = client.post("/fhir/Claim/$submit", content=dumps(claim("B1")), headers={"Idempotency-Key": "k"})
        clock.forward(61)
        client.post("/fhir/Claim/$submit", content=dumps(claim()), headers={"Idempotency-Key": "k"})
    assert sent[0].content == sent[1].content
    assert other.status_code == 422
    assert stub.books.doubles() == ["urn:clinic:claim|A1"], "kept no longer, it is a second claim"


def test_a_payer_may_answer_no_search(payer: Any, claim: Any) -> None:
    stub = payer("searchable = false\n")
    with talking(stub) as client:
        assert client.get("/fhir/ClaimResponse", params={"_id": "x"}).status_code == 404
        assert client.post("/fhir/ClaimResponse/_search", data={"_id": "x"}).status_code == 404


# ---------------------------------------------------------------- who may come in


KEYS = {"RS384": RSAKey.generate_key(2048), "ES384": ECKey.generate_key("P-384")}
LOGIN = Login(
    "clinic",
    tuple({**key.as_dict(private=False), "kid": name} for name, key in KEYS.items()),
    ("system/Claim.c",),
    ("system/Claim.c",),
)
URL = "https://payer.example/token"


def form(clock: Any, algorithm: str = "ES384", header: dict[str, str] | None = None, **over: Any) -> dict[str, str]:
    now = int(clock().timestamp())
    claims = {"iss": "clinic", "sub": "clinic", "aud": URL, "iat": now, "exp": now + 240, "jti": str(uuid.uuid4())}
    claims = {name: value for name, value in (claims | over).items() if value is not None}
    head = {"alg": algorithm, "kid": algorithm} | (header or {})
    signed = jwt.encode(head, claims, KEYS[algorithm], algorithms=[algorithm])
    return {
        "grant_type": "client_credentials",
        "scope": "system/Claim.c",
        "client_assertion_type": ASSERTION,
        "client_assertion": signed,
    }


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_signed_assertion_gets_a_token_that_ends(clock: Any, algorithm: str) -> None:
    desk = Desk(clock)
    status, said = desk.token(LOGIN, form(clock, algorithm), URL)
    assert (status, said["scope"], said["expires_in"]) == (200, "system/Claim.c", 300)
    assert desk.admits(f"Bearer {said['access_token']}")
    clock.forward(301)
    assert not desk.admits(f"Bearer {said['access_token']}")
    assert not desk.admits("")


def test_the_same_assertion_twice_is_a_replay(clock: Any) -> None:
    desk, same = Desk(clock), form(clock)
    assert [desk.token(LOGIN, same, URL)[0] for _ in range(2)] == [200, 401]
    assert desk.refused == ["a replay"]


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"aud": "https://payer.example/other"}, "for another audience"),
        ({"iss": "somebody"}, "another client"),
        ({"sub": "somebody"}, "another client"),
        ({"exp": 0}, "expired"),
        ({"exp": 2**40}, "longer than five minutes"),
        ({"jti": None}, "no assertion"),
        ({"header": {"kid": "RS384"}}, "the signature is wrong"),
        ({"header": {"kid": "unknown"}}, "no key of that name"),
    ],
)
def test_what_is_wrong_with_an_assertion_gets_no_token(clock: Any, over: dict[str, Any], words: str) -> None:
    desk = Desk(clock)
    assert desk.token(LOGIN, form(clock, **over), URL)[0] == 401
    assert words in desk.refused[0]


@pytest.mark.parametrize("algorithm", ["none", "HS384", "RS256"])
def test_no_other_algorithm_is_taken(clock: Any, algorithm: str) -> None:
    desk, asked = Desk(clock), form(clock)
    _, claims, signature = asked["client_assertion"].split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "ES384"}).encode()).decode().rstrip("=")
    asked["client_assertion"] = f"{head}.{claims}.{signature}"
    assert desk.token(LOGIN, asked, URL)[0] == 401
    assert desk.refused == ["the signature is wrong"]


def test_more_than_the_client_may_have_is_refused_and_less_may_be_granted(clock: Any) -> None:
    asked = form(clock) | {"scope": "system/*.cruds"}
    assert Desk(clock).token(LOGIN, asked, URL) == (400, {"error": "invalid_scope"})
    short = Login(LOGIN.client, LOGIN.keys, LOGIN.scopes, ())
    assert Desk(clock).token(short, form(clock), URL)[1]["scope"] == ""


def test_without_a_token_only_the_capabilities_are_told(payer: Any, claim: Any, clock: Any) -> None:
    keys = ", ".join(json.dumps(dict(key)).replace('": ', '" = ') for key in LOGIN.keys)
    stub = payer(f'[login]\nclient = "clinic"\nscopes = ["system/Claim.c"]\nkeys = [{keys}]\n')
    with talking(stub) as client:
        assert client.get("/fhir/metadata").status_code == 200
        assert client.post("/fhir/Claim/$submit", content=dumps(claim())).status_code == 401
        asked = form(clock, aud=str(client.base_url.join("/token")))
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        said = client.post("/token", content=urlencode(asked), headers=kind)
        bearer = {"Authorization": f"Bearer {said.json()['access_token']}"}
        assert client.post("/fhir/Claim/$submit", content=dumps(claim()), headers=bearer).status_code == 200
        assert client.delete("/control/tokens").json() == {"revoked": 1}
        assert client.post("/fhir/Claim/$submit", content=dumps(claim()), headers=bearer).status_code == 401
    assert len(stub.books.accounts) == 1


def test_without_a_login_there_is_no_token_to_be_had(payer: Any) -> None:
    with talking(payer()) as client:
        assert client.post("/token", content="").status_code == 404


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("login = 1\n", "login is no table"),
        ('[login]\nscopes = ["a"]\nkeys = []\n', "no client"),
        ('[login]\nclient = "c"\nscopes = "a"\n', "login.scopes is no list"),
        ('[login]\nclient = "c"\nwhat = 1\n', "login knows no what"),
        ('key_seconds = "x"\n', "key_seconds is no number"),
        ("searchable = 1\n", "searchable is no bool"),
    ],
)
def test_a_scenario_that_says_it_wrongly_is_refused(text: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        parse(text)
