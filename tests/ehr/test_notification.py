"""What notifications say, in each of their forms, and what is kept of them until it is followed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from adapters.ehr import EhrClient, hear, poll
from adapters.ehr.notes import unfollowed
from adapters.fhir.notification import Notice, read_notice
from adapters.fhir.problem import Refused
from adapters.model.ehr import Ehr
from adapters.store import SqlStore
from tests.ehr.conftest import Clock, Desk, course, patient, session
from tests.ehr.test_polling import main_of, messages

Made = Callable[..., Ehr]


def status(what: str, *events: int, total: int | None = None, focus: str = "Procedure/fx-{}") -> dict[str, Any]:
    """A SubscriptionStatus as R5 and R4B have it."""
    said: dict[str, Any] = {
        "resourceType": "SubscriptionStatus",
        "status": "active",
        "type": what,
        "subscription": {"reference": "Subscription/s1"},
        "notificationEvent": [{"eventNumber": str(n), "focus": {"reference": focus.format(n)}} for n in events],
    }
    return said | ({"eventsSinceSubscriptionStart": str(total)} if total is not None else {})


def parameters(what: str, *events: int, total: int | None = None) -> dict[str, Any]:
    """The same as the backport has it in R4."""
    said: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": "Subscription/s1"}},
        {"name": "status", "valueCode": "active"},
        {"name": "type", "valueCode": what},
    ]
    if total is not None:
        said.append({"name": "events-since-subscription-start", "valueString": str(total)})
    said += [
        {
            "name": "notification-event",
            "part": [
                {"name": "event-number", "valueString": str(n)},
                {"name": "focus", "valueReference": {"reference": f"Procedure/fx-{n}"}},
            ],
        }
        for n in events
    ]
    return {"resourceType": "Parameters", "parameter": said}


def bundle(first: dict[str, Any], *entries: dict[str, Any], kind: str = "subscription-notification") -> bytes:
    """The notification."""
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": [{"resource": first}, *entries]}).encode()


@pytest.mark.parametrize(("form", "kind"), [(status, "subscription-notification"), (parameters, "history")])
def test_the_forms_say_the_same(form: Any, kind: str) -> None:
    told = read_notice(bundle(form("event-notification", 3, 4, total=4), kind=kind))
    assert told == Notice("event-notification", "Subscription/s1", (3, 4), 4, ("Procedure/fx-3", "Procedure/fx-4"))
    beat = read_notice(bundle(form("heartbeat", total=9), kind=kind))
    assert beat == Notice("heartbeat", "Subscription/s1", (), 9)


def test_a_rest_hook_without_a_topic() -> None:
    assert read_notice(b"  ") == Notice("empty")
    one = read_notice(json.dumps(session(1)).encode())
    assert isinstance(one, Notice)
    assert (one.what, main_of(one.content[0])) == ("resource", "Procedure/fx-1")


def test_entries_may_name_and_may_tell_of_deletions() -> None:
    named = {
        "fullUrl": "https://ehr.example/fhir/Procedure/fx-8",
        "request": {"method": "PUT", "url": "Procedure/fx-8"},
    }
    gone = {
        "fullUrl": "https://ehr.example/fhir/Procedure/fx-9",
        "request": {"method": "DELETE", "url": "Procedure/fx-9"},
    }
    told = read_notice(bundle(status("event-notification", 1), named, gone))
    assert isinstance(told, Notice)
    assert told.named == ("Procedure/fx-1", "https://ehr.example/fhir/Procedure/fx-8")
    assert told.deleted == (gone,)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": []}).encode(),
        bundle({"resourceType": "Patient"}),
        bundle(status("song")),
        bundle(status("")),
    ],
)
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    assert isinstance(read_notice(body), Refused)


def test_numbers_that_are_none_do_no_harm() -> None:
    odd = status("event-notification", 1)
    odd["notificationEvent"] += [{"eventNumber": "x"}, {"eventNumber": None}, {"eventNumber": "9" * 400}, "nothing"]
    told = read_notice(bundle(odd))
    assert isinstance(told, Notice)
    assert told.events == (1,)


class Telling:
    """An EHR that notifies a store."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self.store, self.clock = store, clock

    def __call__(self, body: bytes = b"", *, method: str = "POST", path: str = "") -> tuple[int, int] | None:
        notice = read_notice(body)
        assert isinstance(notice, Notice)
        now = self.clock.now()
        return hear(self.store, "emr", notice, method=method, path=path, body=body, now=now).missed


@pytest.fixture
def tell(store: SqlStore, clock: Clock) -> Telling:
    """`tell(body)`: the gap that it shows."""
    return Telling(store, clock)


def test_an_id_is_fetched_with_what_stands_around_it(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, tell: Telling
) -> None:
    for resource in (patient(), course(), session(1)):
        desk.put(resource)
    tell(bundle(status("event-notification", 1)))
    done = poll(ehr(), client, store, clock.now, changed=False)
    assert (done.taken, done.pages) == (1, 0)
    assert main_of(messages(store)[0]) == "Procedure/fx-1"
    assert not list(unfollowed(store, "emr", clock.now()))
    # Told twice, and found by the round as well: one entry.
    tell(bundle(status("event-notification", 1)))
    again = poll(ehr(), client, store, clock.now)
    assert (again.taken, len(messages(store))) == (1, 2)
    assert {main_of(body) for body in messages(store)} == {"Procedure/fx-1", "Procedure/course-1"}


def test_a_resource_that_came_along_is_the_version_that_is_taken(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, tell: Telling
) -> None:
    desk.put(patient())
    sent = desk.put({**session(1), "partOf": []})
    tell(json.dumps(sent).encode(), method="PUT", path="Procedure/fx-1")
    before = len(desk.asked)
    poll(ehr(), client, store, clock.now, changed=False)
    assert desk.asked[before:] == ["/fhir/Patient/p1"]
    assert poll(ehr(), client, store, clock.now).repeated == 1
    assert len(messages(store)) == 1


def test_nothing_said_asks_for_a_whole_round(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, tell: Telling
) -> None:
    desk.put(patient())
    desk.put(session(1))
    tell(b"")
    assert poll(ehr(), client, store, clock.now, changed=False).taken == 1
    assert poll(ehr(), client, store, clock.now, changed=False).pages == 0


def test_news_stays_open_while_the_ehr_does_not_answer_and_over_midnight(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, tell: Telling
) -> None:
    desk.put(patient())
    desk.put(session(1))
    tell(bundle(status("event-notification", 1)))
    desk.faults += [(503, {})] * 3
    failed = poll(ehr(), client, store, clock.now, changed=False)
    assert [trouble.kind for trouble in failed.troubles] == ["notifications"]
    clock.forward(days=3)
    assert len(list(unfollowed(store, "emr", clock.now()))) == 1
    assert poll(ehr(), client, store, clock.now, changed=False).taken == 1
    assert not list(unfollowed(store, "emr", clock.now()))


@pytest.mark.parametrize("days", [1, -1])
def test_news_is_followed_whichever_way_the_clock_was_put(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, tell: Telling, days: int
) -> None:
    tell(b"")
    poll(ehr(), client, store, clock.now, changed=False)
    clock.forward(days=days)
    tell(bundle(status("event-notification", 1)))
    clock.forward(days=-days)
    tell(bundle(status("event-notification", 2)))
    news = list(unfollowed(store, "emr", clock.now()))
    assert len(news) == 2
    assert news[0].seq < news[1].seq, "in the order in which it came"
    desk.put(patient())
    desk.put(session(1))
    desk.put(session(2))
    assert poll(ehr(), client, store, clock.now, changed=False).taken == 2
    assert not list(unfollowed(store, "emr", clock.now()))


def test_a_gap_in_the_numbers_is_told_and_asks_for_a_whole_round(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, tell: Telling
) -> None:
    for number in (1, 2, 3, 4):
        desk.put({**session(number), "partOf": []})
    assert tell(bundle(status("handshake", total=0))) is None
    assert tell(bundle(status("event-notification", 1, total=1))) is None
    assert tell(bundle(status("event-notification", 4, total=4))) == (1, 4)
    assert poll(ehr(), client, store, clock.now, changed=False).taken == 4
    assert len({main_of(body) for body in messages(store)}) == 4
    # Resent, in any order: no gap. A heartbeat that counts more than was told of: one.
    assert tell(bundle(status("event-notification", 2, total=4))) is None
    assert tell(bundle(status("heartbeat", total=4))) is None
    assert tell(bundle(status("heartbeat", total=6))) == (4, 7)
    assert tell(bundle(status("handshake", total=0))) is None
    assert tell(bundle(status("event-notification", 1, total=1))) is None


def test_a_deletion_is_journalled_as_one(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, tell: Telling
) -> None:
    tell(method="DELETE", path="Procedure/fx-1")
    assert poll(ehr(), client, store, clock.now, changed=False).taken == 1
    assert messages(store)[0]["entry"][0]["request"] == {"method": "DELETE", "url": "Procedure/fx-1"}


def test_a_name_on_another_host_is_not_asked_for(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, tell: Telling
) -> None:
    tell(bundle(status("event-notification", 1, focus="https://elsewhere.example/fhir/Procedure/fx-{}")))
    done = poll(ehr(), client, store, clock.now, changed=False)
    assert (done.taken, done.troubles, desk.asked) == (0, (), [])
