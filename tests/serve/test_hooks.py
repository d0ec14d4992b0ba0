"""EHRs that are asked by the service, and that tell it of news: secrets, what is kept, what people are told."""

from __future__ import annotations

import dataclasses
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapters.errors import BadSetup
from adapters.model.ehr import Ehr
from adapters.serve.asking import PATIENCE, Asking
from adapters.serve.gate import Denied
from adapters.serve.http import create_app
from adapters.serve.server import serving

SECRET = "a-secret-of-more-than-thirty-two-characters"
SYSTEM = "urn:quietbay:mrn"
PATIENT = {"resourceType": "Patient", "id": "p1", "identifier": [{"system": SYSTEM, "value": "QB-1"}]}
CHARGE = {
    "resourceType": "ChargeItem",
    "id": "ch-1",
    "status": "billable",
    "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "77300"}]},
    "subject": {"reference": "Patient/p1"},
    "occurrenceDateTime": "2026-01-05",
}


class Answers:
    """What the EHR's client gives: an EHR without a wire."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {"Patient/p1": PATIENT, "ChargeItem/ch-1": CHARGE}
        self.asked: list[str] = []
        self.status = 200

    def get(self, ehr: Ehr, url: str) -> Any:
        self.asked.append(url)
        path = url.removeprefix(f"{ehr.base_url}/")
        if self.status != 200:
            return SimpleNamespace(status=self.status, failure="", problem=f"status-{self.status}", body=b"")
        if "?" in path:
            kind = path.partition("?")[0]
            found = [{"resource": one} for name, one in self.held.items() if name.startswith(f"{kind}/")]
            body: Any = {"resourceType": "Bundle", "type": "searchset", "entry": found}
        else:
            body = self.held.get(path)
        status = 200 if body else 404
        problem = "" if body else "status-404"
        return SimpleNamespace(status=status, failure="", problem=problem, body=json.dumps(body).encode())


@pytest.fixture
def hooked(program: Callable[..., Any], tmp_path: Any) -> Iterator[Callable[..., Any]]:
    """`hooked()`: a program whose feed `ehr` has an EHR with a hook; the application on a socket; its asking."""
    file = tmp_path / "hook"
    file.write_text(SECRET)
    file.chmod(0o600)
    stack = []

    def made(**over: Any) -> Any:
        one = program()
        said = {"types": ("ChargeItem",), "hook_secret_file": str(file), "every_seconds": 3600} | over
        one.site = dataclasses.replace(one.site, ehrs=(Ehr("ehr", "http://127.0.0.1:1/fhir", **said),))
        answers = Answers()
        asking = Asking(one, answers, wake=lambda: None)  # type: ignore[arg-type]
        running = serving(create_app(one, news=asking.tell))
        base = running.__enter__()
        stack.append(running)

        def ask(method: str, path: str, body: bytes = b"", secret: str = SECRET) -> tuple[int, Any]:
            connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
            connection.request(method, path, body, {"Authorization": f"Bearer {secret}"} if secret else {})
            answer = connection.getresponse()
            read = answer.read()
            connection.close()
            return answer.status, json.loads(read) if read else None

        return SimpleNamespace(one=one, ask=ask, asking=asking, answers=answers)

    yield made
    for running in stack:
        running.__exit__(None, None, None)


def notice(what: str, *events: int, total: int | None = None) -> bytes:
    told = {
        "resourceType": "SubscriptionStatus",
        "status": "active",
        "type": what,
        "subscription": {"reference": "Subscription/s1"},
        "notificationEvent": [{"eventNumber": str(n), "focus": {"reference": "ChargeItem/ch-1"}} for n in events],
    }
    told |= {"eventsSinceSubscriptionStart": str(total)} if total is not None else {}
    return json.dumps(
        {"resourceType": "Bundle", "type": "subscription-notification", "entry": [{"resource": told}]}
    ).encode()


def test_a_notification_becomes_a_charge(hooked: Callable[..., Any]) -> None:
    at = hooked()
    assert at.ask("POST", "/hooks/ehr", notice("handshake", total=0)) == (200, None)
    assert at.ask("POST", "/hooks/ehr", notice("event-notification", 1, total=1)) == (200, None)
    done = at.asking.once(at.one.site.ehrs[0], changed=False)
    assert (done.taken, done.pages) == (1, 0)
    at.one.lanes.work()
    [person] = at.one.store.lanes()
    record = at.one.store.load(person)
    assert [(event.kind, event.feed) for event in record.events if event.kind != "patient"] == [("coded-charge", "ehr")]


@pytest.mark.parametrize("secret", ["", "another-secret-of-more-than-thirty-two-signs", SECRET[:-1], f"{SECRET}x"])
def test_without_its_secret_nothing_is_taken(hooked: Callable[..., Any], secret: str) -> None:
    at = hooked()
    for path in ("/hooks/ehr", "/hooks/charges", "/hooks/nobody", "/hooks/ehr/Procedure/1"):
        status, answer = at.ask("PUT", path, notice("event-notification", 1), secret)
        assert (status, answer["issue"][0]["code"]) == (401, "login")
    assert at.one.store.counts().journal == 0


def test_other_feeds_have_no_hook(hooked: Callable[..., Any]) -> None:
    at = hooked()
    assert at.ask("POST", "/hooks/charges", notice("heartbeat"))[0] == 401
    at = hooked(hook_secret_file="")
    assert at.ask("POST", "/hooks/ehr", notice("heartbeat"))[0] == 401
    assert at.ask("POST", "/hooks/ehr", notice("heartbeat"), "")[0] == 401


def test_rest_hooks_of_r4(hooked: Callable[..., Any]) -> None:
    at = hooked()
    sent = json.dumps(CHARGE).encode()
    assert at.ask("PUT", "/hooks/ehr/ChargeItem/ch-1", sent)[0] == 200
    assert at.ask("POST", "/hooks/ehr/ChargeItem", sent)[0] == 200
    assert at.ask("DELETE", "/hooks/ehr/ChargeItem/ch-1")[0] == 200
    assert at.ask("PUT", "/hooks/ehr/ChargeItem/..%2f..%2fx", sent)[0] == 404
    assert at.ask("POST", "/hooks/ehr", b"{")[0] == 400
    assert at.ask("POST", "/hooks/ehr")[0] == 200
    # The resource and its deletion; the round for what was not named finds what is known.
    done = at.asking.once(at.one.site.ehrs[0], changed=False)
    assert (done.taken, done.walked) == (2, True)


def test_a_notification_that_only_says_there_is_news_asks_for_a_whole_round(hooked: Callable[..., Any]) -> None:
    at = hooked()
    told = json.loads(notice("event-notification", 1, total=1))
    del told["entry"][0]["resource"]["notificationEvent"]
    at.ask("POST", "/hooks/ehr", notice("handshake", total=0))
    assert at.ask("POST", "/hooks/ehr", json.dumps(told).encode())[0] == 200
    done = at.asking.once(at.one.site.ehrs[0], changed=False)
    assert (done.taken, done.walked) == (1, True)
    assert at.asking.once(at.one.site.ehrs[0], changed=False).walked is False


def test_news_of_the_day_before_are_followed_after_those_of_today(hooked: Callable[..., Any]) -> None:
    """A clock that is put back, or two notifications about midnight: what came last stands under the earlier day."""
    at = hooked()
    [ehr] = at.one.site.ehrs
    at.ask("DELETE", "/hooks/ehr/ChargeItem/ch-1")
    assert at.asking.once(ehr, changed=False).taken == 1
    at.one.clock.forward(hours=-20)
    at.ask("PUT", "/hooks/ehr/ChargeItem/ch-1", json.dumps(CHARGE).encode())
    assert at.asking.once(ehr, changed=False).taken == 1
    assert at.asking.once(ehr, changed=False).taken == 0


def test_a_gap_is_a_work_item_until_all_that_changed_was_asked_for(hooked: Callable[..., Any]) -> None:
    at = hooked()
    at.ask("POST", "/hooks/ehr", notice("handshake", total=0))
    at.ask("POST", "/hooks/ehr", notice("event-notification", 3, total=3))
    assert at.one.works() == [("feed-silent", "notification-gap")]
    at.answers.status = 503
    assert at.asking.once(at.one.site.ehrs[0], changed=False).troubles
    assert at.one.works() == [("feed-silent", "notification-gap")]
    at.answers.status = 200
    assert at.asking.once(at.one.site.ehrs[0], changed=False).walked
    assert at.one.works() == []


def test_people_are_told_of_an_ehr_that_will_not_be_asked(hooked: Callable[..., Any]) -> None:
    at = hooked()
    at.answers.status = 403
    for _ in range(2):
        at.asking.once(at.one.site.ehrs[0])
    assert at.one.works() == [("feed-silent", "ehr-not-asked")]
    assert [item.detail for item in at.one.store.worklist()] == ["ChargeItem: status-403"]
    at.answers.status = 500
    at.asking.once(at.one.site.ehrs[0])
    assert at.one.works() == [("feed-silent", "ehr-not-asked")]
    at.answers.status = 200
    at.asking.once(at.one.site.ehrs[0])
    assert at.one.works() == []
    # Weather is told when it does not pass.
    at.answers.status = 500
    for _ in range(PATIENCE - 1):
        at.asking.once(at.one.site.ehrs[0])
    assert at.one.works() == []
    at.asking.once(at.one.site.ehrs[0])
    assert at.one.works() == [("feed-silent", "ehr-not-asked")]


def test_a_deletion_of_what_never_came_is_for_a_person_once(hooked: Callable[..., Any]) -> None:
    at = hooked()
    for _ in range(2):
        assert at.ask("DELETE", "/hooks/ehr/ChargeItem/ch-1")[0] == 200
        done = at.asking.once(at.one.site.ehrs[0], changed=False)
        assert len(done.deleted) == 1
        at.one.lanes.work()
        # Nothing is on file of it: it may still come, and is taken back then.
        [item] = at.one.store.worklist()
        assert (item.kind, item.code, item.about) == ("parked-message", "person-unknown", done.deleted[0])
        assert "deleted" in item.detail
        assert "ch-1" not in item.detail + item.action


def test_one_process_asks_at_a_time(hooked: Callable[..., Any]) -> None:
    at = hooked()
    with at.one.store.queue.alone("ehr:ehr") as mine:
        assert mine
        elsewhere: list[Any] = []
        thread = threading.Thread(target=lambda: elsewhere.append(at.asking.once(at.one.site.ehrs[0])))
        thread.start()
        thread.join(10)
        assert elsewhere == [None]


def test_the_service_asks_by_itself_and_when_it_is_told(hooked: Callable[..., Any]) -> None:
    at = hooked()
    with at.asking.going_on():
        until(lambda: any("ChargeItem?" in url for url in at.answers.asked) and at.one.store.counts().journal >= 2)
        at.answers.held["ChargeItem/ch-1"] = {**CHARGE, "status": "billed"}
        rounds = len([url for url in at.answers.asked if "?" in url])
        at.ask("POST", "/hooks/ehr", notice("event-notification", 1))
        until(lambda: f"{at.one.site.ehrs[0].base_url}/ChargeItem/ch-1" in at.answers.asked)
        # What was named was fetched, and nothing else was asked for.
        assert len([url for url in at.answers.asked if "?" in url]) == rounds


def test_a_short_or_readable_secret_keeps_the_service_from_starting(program: Callable[..., Any], tmp_path: Any) -> None:
    file = tmp_path / "hook"
    one = program()
    one.site = dataclasses.replace(
        one.site, ehrs=(Ehr("ehr", "http://127.0.0.1:1/fhir", ("Procedure",), hook_secret_file=str(file)),)
    )
    for said, mode, words in (("short", 0o600, "less than 32"), (SECRET, 0o640, "others may read")):
        file.write_text(said)
        file.chmod(mode)
        with pytest.raises(BadSetup, match=words):
            create_app(one)


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_behind_the_gate_a_hook_asks_for_its_own_secret_and_nothing_else_is_open(hooked: Callable[..., Any]) -> None:
    at = hooked()

    class Gate:
        """A gate that knows no token."""

        web = SimpleNamespace(token_url="", fhir_url="", openid=None, pages=False)
        clients = ()

        def grant(self, _token: str, _peer: str) -> Any:
            return Denied(401, "invalid_token", "unknown")

    with serving(create_app(at.one, gate=Gate())) as base:  # type: ignore[arg-type]

        def status(path: str, secret: str) -> int:
            connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
            connection.request("POST", path, notice("heartbeat"), {"Authorization": f"Bearer {secret}"})
            told = connection.getresponse().status
            connection.close()
            return told

        assert status("/hooks/ehr", SECRET) == 200
        assert status("/hooks/ehr", "a-token-of-somebody-else-that-is-long-enough") == 401
        for path in (
            "/fhir",
            "/fhir/Patient",
            "/hl7v2",
            "/hooks",
            "/hooks/../fhir/Patient",
            "/hooks/%2e%2e/fhir/Patient",
        ):
            assert status(path, SECRET) == 401
    assert at.one.store.counts().journal == 0
