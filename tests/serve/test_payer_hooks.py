"""Payers that tell of answers by themselves: what a notification brings is posted, once, whatever way it came before."""

from __future__ import annotations

import dataclasses
import http.client
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from adapters.errors import BadSetup
from adapters.model.ehr import Ehr
from adapters.pipeline.fold import fold
from adapters.serve.http import create_app
from adapters.serve.server import serving
from adapters.store import differences

pytestmark = pytest.mark.slow

SECRET = "a-secret-of-more-than-thirty-two-characters"
TAKE_BACK = '[[rule]]\nverb = "take_back"\nseconds = 864000\nlines = "all"\n'


@pytest.fixture
def told(program: Callable[..., Any], payer: Callable[..., Any], tmp_path: Any) -> Iterator[Callable[..., Any]]:
    """`told(scenario)`: a program whose payer has a hook and plays the scenario; how to notify, what the books say."""
    file = tmp_path / "hook"
    file.write_text(SECRET)
    file.chmod(0o600)
    running = []

    def made(scenario: str = "") -> Any:
        _stub, base = payer(scenario)
        one = program(base)
        [first] = one.site.payers
        hooked = dataclasses.replace(first, endpoint=dataclasses.replace(first.endpoint, hook_secret_file=str(file)))
        one.site = dataclasses.replace(one.site, payers=(hooked,))
        one.house = dataclasses.replace(one.house, site=one.site)
        one.lanes.house = one.house
        web = serving(create_app(one))
        running.append(web)
        address = urlsplit(web.__enter__()).netloc

        def notify(
            body: object, path: str = "", method: str = "POST", secret: str = SECRET, id: str = "lakeside"
        ) -> int:
            connection = http.client.HTTPConnection(address, timeout=10)
            said = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, f"/hooks/payers/{id}{path}", said, {"Authorization": f"Bearer {secret}"})
            status = connection.getresponse().status
            connection.close()
            one.lanes.work()
            return status

        def answers() -> list[dict[str, Any]]:
            """All ClaimResponses that the payer holds, in order."""
            found = httpx.get(f"{base}/ClaimResponse", params={"use": "claim"}, trust_env=False).json()
            return [entry["resource"] for entry in found.get("entry", [])]

        return SimpleNamespace(one=one, notify=notify, answers=answers, base=base)

    yield made
    for web in running:
        web.__exit__(None, None, None)


def paid(one: Any) -> int:
    """What the books say the payer has paid, in cents."""
    return {account.value: amount for account, amount in one.store.trial_balance().items()}.get("payer-payment", 0)


def decided(told: Callable[..., Any], put: Any, message: Any, clock: Any) -> tuple[Any, dict[str, Any]]:
    """A claim paid in the first place and taken back ten days later; the answer that says so."""
    at = told(TAKE_BACK)
    put(at.one, message())
    at.one.lanes.run_due()
    assert at.one.states() == ["complete"]
    assert paid(at.one) > 0
    clock.forward(days=11)
    at.one.lanes.run_due()
    assert paid(at.one) > 0, "nobody asks about a claim that is decided"
    [_, last] = at.answers()
    return at, last


def test_a_payment_taken_back_after_the_claim_was_decided_is_learnt(told, put, message, clock) -> None:
    at, last = decided(told, put, message, clock)
    assert at.notify(last, f"/ClaimResponse/{last['id']}", "PUT") == 200
    assert (at.one.states(), paid(at.one)) == (["complete"], 0)
    assert [kind for kind, _ in at.one.works()] == ["denial"]
    entries = at.one.store.counts().journal
    assert at.notify(last) == 200, "told again by another method it is the same entry"
    assert (paid(at.one), at.one.store.counts().journal) == (0, entries)
    assert at.one.store.verify() == ()


def test_an_answer_that_came_to_our_question_is_not_posted_again(told, put, message) -> None:
    at = told()
    put(at.one, message())
    at.one.lanes.run_due()
    before = paid(at.one)
    [answer] = at.answers()
    assert at.notify(answer) == 200
    assert (at.one.states(), paid(at.one), at.one.works()) == (["complete"], before, [])


def test_an_answer_may_come_before_the_one_to_our_question(told, put, message, clock) -> None:
    at = told('[[rule]]\nverb = "pend"\npolls = 1\n')
    put(at.one, message())
    at.one.lanes.run_due()
    assert at.one.states() == ["queued"]
    at.answers()
    assert at.notify(at.answers()[-1]) == 200
    assert at.one.states() == ["complete"]
    before = paid(at.one)
    clock.forward(seconds=900)
    at.one.lanes.run_due()
    assert (paid(at.one), at.one.works()) == (before, [])


@pytest.mark.parametrize("content", [True, False], ids=["full-resource", "id-only"])
def test_a_notification_by_topic_brings_or_names_it(told, put, message, clock, content) -> None:
    at, last = decided(told, put, message, clock)
    name = f"{at.base}/ClaimResponse/{last['id']}"
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "subscription": {"reference": "Subscription/1"},
        "notificationEvent": [{"eventNumber": "1", "focus": {"reference": name}}],
    }
    entries: list[dict[str, Any]] = [{"resource": status}]
    entries += [{"fullUrl": name, "resource": last}] if content else []
    assert at.notify({"resourceType": "Bundle", "type": "subscription-notification", "entry": entries}) == 200
    assert paid(at.one) == 0


def test_what_is_named_in_two_ways_is_fetched_once(told, put, message, clock, monkeypatch) -> None:
    at, last = decided(told, put, message, clock)
    fetched: list[str] = []
    read = at.one.payers.read
    monkeypatch.setattr(at.one.payers, "read", lambda payer, name: (fetched.append(name), read(payer, name))[1])
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "notificationEvent": [{"eventNumber": "1", "focus": {"reference": f"ClaimResponse/{last['id']}"}}],
    }
    entries = [{"resource": status}, {"fullUrl": f"{at.base}/ClaimResponse/{last['id']}"}]
    assert at.notify({"resourceType": "Bundle", "type": "subscription-notification", "entry": entries}) == 200
    assert fetched == [f"ClaimResponse/{last['id']}"]
    assert paid(at.one) == 0


def test_an_answer_that_names_the_claim_by_the_payers_reference_alone_is_its_claims(told, put, message, clock) -> None:
    at, last = decided(told, put, message, clock)
    unnamed = {key: value for key, value in last.items() if key != "identifier"}
    assert at.notify(unnamed | {"request": {"reference": last["request"]["reference"]}}) == 200
    assert (paid(at.one), at.one.store.counts().parked) == (0, 0)


def naming(*names: str) -> dict[str, Any]:
    """A notification by topic that only names answers."""
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "notificationEvent": [{"eventNumber": str(n), "focus": {"reference": name}} for n, name in enumerate(names, 1)],
    }
    return {"resourceType": "Bundle", "type": "subscription-notification", "entry": [{"resource": status}]}


@pytest.mark.parametrize("said", [None, b"<html>Sign in</html>"], ids=["no-answer", "page"])
def test_what_cannot_be_fetched_now_is_not_taken_so_that_it_is_told_again(
    told, put, message, clock, monkeypatch, said
) -> None:
    at, last = decided(told, put, message, clock)
    entries = at.one.store.counts().journal
    with monkeypatch.context() as away:
        away.setattr(at.one.payers, "read", lambda _payer, _name: said)
        assert at.notify(naming(f"ClaimResponse/{last['id']}")) == 503
    assert at.one.store.counts().journal == entries
    assert paid(at.one) > 0
    assert at.notify(naming(f"ClaimResponse/{last['id']}")) == 200
    assert paid(at.one) == 0


def test_what_can_never_be_fetched_is_on_file_and_waits_for_a_person(told, put, message, clock) -> None:
    at, last = decided(told, put, message, clock)
    gone, elsewhere = f"{at.base}/ClaimResponse/none", "https://elsewhere.example/fhir/ClaimResponse/1"
    assert at.notify(naming(gone, elsewhere, f"ClaimResponse/{last['id']}")) == 200
    assert paid(at.one) == 0, "what can be had is posted all the same"
    [parked] = at.one.store.parked()
    assert parked.reason == "answer-not-fetched"
    entry = at.one.store.entry(parked.entry)
    assert [one["fullUrl"] for one in json.loads(entry.body)["entry"]] == [gone, elsewhere]
    [item] = [item for item in at.one.store.worklist() if item.about == parked.entry]
    assert (item.code, item.action[:13]) == ("answer-not-fetched", "ask the payer")
    assert at.notify(naming(gone, elsewhere)) == 200, "told again it is the same entry"
    assert [one.entry for one in at.one.store.parked()] == [parked.entry]
    again = fold(at.one.store.journal(limit=1000), at.one.house, at.one.store.person)
    for lane in at.one.store.lanes():
        assert list(differences(at.one.store.load(lane), again[lane])) == []


def test_a_resource_that_is_no_answer_is_no_answer_later_either(told, put, message, clock, monkeypatch) -> None:
    at, last = decided(told, put, message, clock)
    monkeypatch.setattr(at.one.payers, "read", lambda _payer, _name: b'{"resourceType": "OperationOutcome"}')
    assert at.notify(naming(f"ClaimResponse/{last['id']}")) == 200
    assert [one.reason for one in at.one.store.parked()] == ["answer-not-fetched"]


def test_an_answer_for_no_claim_of_ours_waits_for_a_person(told, put, message) -> None:
    at = told()
    put(at.one, message())
    at.one.lanes.run_due()
    before = paid(at.one)
    [answer] = at.answers()
    stranger = answer | {"id": "x", "request": {"identifier": {"value": "of-somebody-else"}}}
    stranger["identifier"] = [{"value": "N-77"}]
    assert at.notify(stranger) == 200
    assert paid(at.one) == before
    assert at.one.store.counts().parked == 1


def test_nothing_is_taken_without_the_secret_of_this_payer(told) -> None:
    at = told()
    body = {"resourceType": "ClaimResponse"}
    assert at.notify(body, secret="x" * 40) == 401
    assert at.notify(body, id="nobody") == 401
    assert at.notify(body, id="nobody", secret="") == 401
    assert at.one.store.counts().journal == 0


def test_a_handshake_is_answered_and_what_says_nothing_is_refused(told) -> None:
    at = told()
    status = {"resourceType": "SubscriptionStatus", "type": "handshake"}
    shake = {"resourceType": "Bundle", "type": "subscription-notification", "entry": [{"resource": status}]}
    assert at.notify(shake) == 200
    assert at.notify(b"") == 400
    assert at.notify(b"{") == 400
    assert at.notify({"resourceType": "Patient"}) == 400
    assert at.one.store.counts().journal == 0


def test_a_hook_needs_a_secret_worth_the_name(told, tmp_path) -> None:
    at = told()
    file = tmp_path / "short"
    file.write_text("short")
    file.chmod(0o600)
    [one] = at.one.site.payers
    short = dataclasses.replace(one, endpoint=dataclasses.replace(one.endpoint, hook_secret_file=str(file)))
    at.one.site = dataclasses.replace(at.one.site, payers=(short,))
    with pytest.raises(BadSetup, match=r"payers\.lakeside: the hook's secret has less than 32 characters"):
        create_app(at.one)


def test_no_feed_may_have_the_address_of_payers(told, tmp_path) -> None:
    at = told()
    ehr = Ehr("payers", "http://127.0.0.1:1/fhir", types=("Patient",), hook_secret_file=str(tmp_path / "hook"))
    at.one.site = dataclasses.replace(at.one.site, ehrs=(ehr,))
    with pytest.raises(BadSetup, match=r"ehrs\.payers"):
        create_app(at.one)
