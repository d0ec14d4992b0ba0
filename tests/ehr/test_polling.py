"""Rounds of asking an EHR: what is taken, once, in which pages; what is not followed; where a round goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from adapters.ehr import EhrClient, poll
from adapters.ehr.around import local_name
from adapters.ehr.notes import mark_of
from adapters.ehr.polling import Remembered, Trouble
from adapters.errors import BadSetup, StoreDown
from adapters.model.ehr import Ehr
from adapters.model.journal import JournalKind
from adapters.store import SqlStore
from tests.ehr.conftest import NOON, Clock, Desk, condition, course, patient, session

Made = Callable[..., Ehr]


def messages(store: SqlStore) -> list[Any]:
    """The bodies of all messages of the journal, in order."""
    return [json.loads(e.body) for e in store.journal() if e.kind is JournalKind.MESSAGE]


def main_of(body: Any) -> str:
    """Which resource a message is about."""
    first = body["entry"][0]["resource"] if body["resourceType"] == "Bundle" else body
    return f"{first['resourceType']}/{first['id']}"


def filled(desk: Desk, sessions: int) -> None:
    """A patient with a course and its sessions, a minute apart."""
    for number, resource in enumerate([patient(), condition(), course(), *map(session, range(1, sessions + 1))]):
        desk.put(resource, at=NOON - timedelta(minutes=60 - number))


def test_each_resource_is_taken_once_with_what_it_names(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 3)
    first = poll(ehr(), client, store, clock.now)
    assert (first.taken, first.repeated, first.pages, first.troubles) == (4, 0, 2, ())
    said = messages(store)
    assert [main_of(body) for body in said] == [f"Procedure/{id}" for id in ("course-1", "fx-1", "fx-2", "fx-3")]
    beside = [f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in said[1]["entry"]]
    assert beside == ["Procedure/fx-1", "Condition/c1", "Patient/p1", "Procedure/course-1"]
    # Another process, after a restart: the overlap is asked for again, and known.
    second = poll(ehr(), client, store, clock.now)
    assert (second.taken, second.repeated) == (0, 4)
    assert {entry.actor for entry in store.journal()} == {"feed:emr"}


def test_what_one_process_knows_it_does_not_look_at_again(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 2)
    remembered = Remembered()
    poll(ehr(), client, store, clock.now, remembered=remembered)
    before = len(desk.asked)
    desk.put(session(2))
    again = poll(ehr(), client, store, clock.now, remembered=remembered)
    assert (again.taken, again.repeated) == (1, 0)
    named = [path for path in desk.asked[before:] if "?" not in path]
    # The course stood on the page of the round.
    assert sorted(named) == ["/fhir/Condition/c1", "/fhir/Patient/p1"]


def test_the_mark_is_the_newest_that_is_known_and_the_window_laps_over(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 2)
    poll(ehr(), client, store, clock.now)
    assert mark_of(store, "emr", "Procedure").since == NOON - timedelta(minutes=56)
    desk.asked.clear()
    poll(ehr(overlap_seconds=120), client, store, clock.now)
    assert "_lastUpdated=ge2026-01-12T16%3A02%3A00.000Z" in desk.asked[0]
    assert desk.asked[0].startswith("/fhir/Procedure?")


def test_each_type_has_a_mark_of_its_own(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    for resource in (patient(), condition(), session(1)):
        desk.put(resource, at=NOON - timedelta(minutes=5))
    poll(ehr(types=("Patient", "Condition", "Procedure")), client, store, clock.now)
    marks = {mark_of(store, "emr", kind).since for kind in ("Patient", "Condition", "Procedure")}
    assert marks == {NOON - timedelta(minutes=5)}


def test_a_clock_that_is_wrong_at_the_ehr_hides_nothing(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    desk.put(patient())
    desk.put(session(1), at=NOON + timedelta(days=400))
    poll(ehr(), client, store, clock.now)
    assert mark_of(store, "emr", "Procedure").since == NOON
    desk.put(session(2), at=NOON + timedelta(minutes=1))
    assert poll(ehr(), client, store, clock.now).taken == 1


def test_a_round_goes_on_where_the_last_one_stopped(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 6)
    for brought, more in ((2, True), (2, True), (2, True), (1, False)):
        one = poll(ehr(pages=1), client, store, clock.now)
        assert (one.taken, one.repeated, one.more) == (brought, 0, more)
    assert len({main_of(body) for body in messages(store)}) == 7


def test_a_page_that_is_gone_is_begun_again(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 4)
    poll(ehr(pages=1), client, store, clock.now)
    desk.faults.append((410, {}))
    again = poll(ehr(overlap_seconds=0), client, store, clock.now)
    assert (again.taken, again.troubles, again.more) == (3, (), False)


def test_the_mark_stays_where_it_was_until_a_page_is_on_disk(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 4)

    class Failing:
        """A store that goes down with the third receipt."""

        def __init__(self) -> None:
            self.left = 2

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def receive_soon(self, receipt: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                raise StoreDown("gone")
            return store.receive_soon(receipt)

    with pytest.raises(StoreDown):
        poll(ehr(), client, Failing(), clock.now)
    assert mark_of(store, "emr", "Procedure").since == NOON - timedelta(minutes=57)
    rest = poll(ehr(), client, store, clock.now)
    assert rest.taken == 3
    assert len({main_of(body) for body in messages(store)}) == 5


def test_an_ehr_that_does_not_sort_is_read_to_the_end_before_the_mark_moves(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    desk.sorts = False
    desk.put(patient())
    for number, minutes in ((1, 1), (2, 30), (3, 20)):
        desk.put(session(number), at=NOON - timedelta(minutes=minutes))
    poll(ehr(pages=1), client, store, clock.now)
    assert mark_of(store, "emr", "Procedure").since is None
    poll(ehr(pages=1), client, store, clock.now)
    assert mark_of(store, "emr", "Procedure").since == NOON - timedelta(minutes=1)
    assert len(messages(store)) == 3


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/fhir/Procedure?page=2",
        "http://127.0.0.1:1/fhir/Procedure?page=2",
        "/other/Procedure?page=2",
        "/fhir/../other?page=2",
        "/fhir/%2e%2e/other?page=2",
        "//elsewhere.example/fhir",
        "file:///etc/hostname",
        "http://user@127.0.0.1/fhir",
    ],
)
def test_a_link_away_from_the_ehr_is_told_and_not_followed(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, link: str
) -> None:
    filled(desk, 3)
    desk.next_link = lambda _url: link
    one = poll(ehr(), client, store, clock.now)
    assert one.troubles == (Trouble("Procedure", "foreign-link"),)
    assert one.taken == 2
    assert not [path for path in desk.asked if "page=2" in path]


def test_pages_in_a_circle_end(desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made) -> None:
    filled(desk, 3)
    desk.next_link = lambda _url: f"{desk.base}/Procedure?_sort=_lastUpdated&_count=2"
    one = poll(ehr(), client, store, clock.now)
    assert one.troubles == (Trouble("Procedure", "same-page-again"),)
    assert one.pages <= 2


def test_an_ehr_that_shows_no_way_on_is_asked_from_the_newest_on(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    desk.links = False
    filled(desk, 6)
    one = poll(ehr(), client, store, clock.now)
    assert (one.taken, one.troubles) == (7, ())
    assert len({main_of(body) for body in messages(store)}) == 7


def test_an_ehr_that_hides_the_rest_of_one_moment_is_told_of(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    desk.links = False
    for number in range(1, 6):
        desk.put({**session(number), "partOf": []}, at=NOON - timedelta(minutes=1))
    assert poll(ehr(), client, store, clock.now).troubles == (Trouble("Procedure", "cut-short"),)
    assert poll(ehr(page_size=5), client, store, clock.now).troubles == ()
    assert len(messages(store)) == 5


def test_a_reference_to_another_host_is_never_followed(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    desk.put(patient())
    foreign = f"http://127.0.0.1:{int(desk.base.split(':')[2].split('/')[0]) + 1}/fhir/Condition/c9"
    ours = f"{desk.base}/Patient/p1"
    desk.put({**session(1), "partOf": [], "subject": {"reference": ours}, "reasonReference": [{"reference": foreign}]})
    assert poll(ehr(), client, store, clock.now).taken == 1
    beside = [main_of(entry["resource"]) for entry in messages(store)[0]["entry"]]
    assert beside == ["Procedure/fx-1", "Patient/p1"]


def test_an_ehr_that_is_busy_is_asked_again_when_it_says(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, slept: list[float]
) -> None:
    filled(desk, 1)
    desk.faults += [(429, {"Retry-After": "7"}), (503, {})]
    assert poll(ehr(), client, store, clock.now).taken == 2
    assert 7 <= slept[0] <= 8
    assert len(slept) == 2
    desk.faults.append((503, {"Retry-After": "3600"}))
    later = poll(ehr(types=("Procedure", "Encounter")), client, store, clock.now)
    assert later.troubles == (Trouble("Procedure", "status-503"),)
    assert len(slept) == 2


def test_a_type_that_the_ehr_does_not_have_keeps_no_other_from_being_asked(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 1)
    desk.faults += [(404, {})]
    one = poll(ehr(types=("Appointment", "Procedure")), client, store, clock.now)
    assert one.troubles == (Trouble("Appointment", "status-404"),)
    assert one.taken == 2


def test_what_is_named_and_cannot_be_read_now_holds_the_page_back(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 1)

    def answer(path: str, query: dict[str, str], plain: Any = desk.answer) -> Any:
        return (500, {}) if path.startswith("/Condition") else plain(path, query)

    desk.answer = answer  # type: ignore[method-assign]
    one = poll(ehr(), client, store, clock.now)
    assert (one.taken, one.troubles) == (0, (Trouble("Procedure", "status-500"),))
    assert mark_of(store, "emr", "Procedure").since is None


def test_what_is_named_and_is_not_there_is_left_out(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    desk.put(patient())
    desk.put(session(1))
    assert poll(ehr(), client, store, clock.now).taken == 1
    assert [main_of(e["resource"]) for e in messages(store)[0]["entry"]] == ["Procedure/fx-1", "Patient/p1"]


def test_a_history_tells_of_each_version_and_of_what_was_deleted(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    desk.put(patient())
    desk.put({**session(1), "partOf": [], "status": "in-progress"}, at=NOON - timedelta(minutes=9))
    desk.put({**session(1), "partOf": []}, at=NOON - timedelta(minutes=8))
    desk.put({**session(2), "partOf": []}, at=NOON - timedelta(minutes=7))
    desk.delete("Procedure/fx-2")
    one = poll(ehr(by="history", page_size=50), client, store, clock.now)
    assert one.taken == 4
    kinds = [body["type"] if body["resourceType"] == "Bundle" else "alone" for body in messages(store)]
    assert sorted(kinds) == ["collection", "collection", "collection", "history"]
    assert poll(ehr(by="history", page_size=50), client, store, clock.now).taken == 0
    assert any("_since=2026-01-12T16%3A48%3A00.000Z" in path for path in desk.asked)


def test_a_body_that_is_no_page_is_told(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    desk.answer = lambda _path, _query: (200, {"resourceType": "Patient"})  # type: ignore[method-assign,assignment,misc]
    assert poll(ehr(), client, store, clock.now).troubles == (Trouble("Procedure", "not-a-page"),)


def test_the_token_goes_to_the_ehr_only_and_must_be_a_secret(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, tmp_path: Any
) -> None:
    file = tmp_path / "token"
    file.write_text("a-token-of-the-ehr\n")
    file.chmod(0o644)
    with pytest.raises(BadSetup, match="others may read"):
        poll(ehr(token_file=str(file)), client, store, clock.now)
    file.chmod(0o600)
    filled(desk, 1)
    desk.faults.append((302, {"Location": "http://127.0.0.1:1/"}))
    one = poll(ehr(token_file=str(file)), client, store, clock.now)
    assert one.troubles == (Trouble("Procedure", "status-302"),)
    assert {headers["authorization"] for headers in desk.seen} == {"Bearer a-token-of-the-ehr"}


def test_an_ehr_beyond_this_machine_is_asked_by_tls_only(store: SqlStore, client: EhrClient, clock: Clock) -> None:
    plain = Ehr("emr", "http://ehr.example/fhir", ("Procedure",))
    assert poll(plain, client, store, clock.now).troubles == (Trouble("Procedure", "not-asked"),)


def test_a_round_that_is_told_to_stop_ends_with_the_page(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 6)
    stop = threading.Event()
    stop.set()
    assert poll(ehr(), client, store, clock.now, stop=stop).taken == 0
    assert desk.asked == []


def test_what_changes_while_an_ehr_without_an_order_is_read_is_not_missed(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    desk.sorts = False
    desk.put(patient())
    for number in range(1, 6):
        desk.put({**session(number), "partOf": []}, at=NOON - timedelta(minutes=9))
    poll(ehr(pages=1), client, store, clock.now)
    clock.forward(minutes=20)
    desk.put({**session(1), "partOf": [], "status": "not-done"})  # its page is behind the walk
    clock.forward(minutes=20)
    desk.put({**session(5), "partOf": [], "status": "not-done"})  # its page is before it
    assert poll(ehr(), client, store, clock.now).more is False
    assert mark_of(store, "emr", "Procedure").since == NOON
    again = poll(ehr(), client, store, clock.now)
    assert again.taken == 1
    assert main_of(messages(store)[-1]) == "Procedure/fx-1"


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_instant_that_stands_for_none_breaks_no_round(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, told: str
) -> None:
    desk.put(patient())
    desk.put({**session(1), "partOf": []})["meta"]["lastUpdated"] = told
    assert poll(ehr(), client, store, clock.now).taken == 1
    assert mark_of(store, "emr", "Procedure").since == NOON
    desk.sorts = False
    desk.held["Procedure/fx-1"]["meta"]["lastUpdated"] = "2026-01-12T17:00:00Z"
    assert poll(ehr(), client, store, clock.now).troubles == ()


def test_a_retry_after_of_no_year_is_none(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made, slept: list[float]
) -> None:
    filled(desk, 1)
    desk.faults.append((503, {"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}))
    assert poll(ehr(), client, store, clock.now).taken == 2
    assert len(slept) == 1


def test_a_token_that_runs_out_within_a_round_leaves_nothing_bare(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 1)
    remembered = Remembered()

    def answer(path: str, query: dict[str, str], plain: Any = desk.answer) -> Any:
        return (401, {}) if path.startswith("/Condition") else plain(path, query)

    plain, desk.answer = desk.answer, answer  # type: ignore[method-assign]
    one = poll(ehr(types=("Procedure", "Patient")), client, store, clock.now, remembered=remembered)
    assert (one.taken, one.troubles) == (0, (Trouble("Procedure", "status-401"),))
    desk.answer = plain  # type: ignore[method-assign]
    poll(ehr(), client, store, clock.now, remembered=remembered)
    assert "Condition/c1" in [main_of(entry["resource"]) for entry in messages(store)[-1]["entry"]]


def test_a_type_that_is_not_for_us_keeps_no_other_from_being_asked(
    desk: Desk, store: SqlStore, client: EhrClient, clock: Clock, ehr: Made
) -> None:
    filled(desk, 1)
    desk.faults.append((403, {}))
    one = poll(ehr(types=("Appointment", "Procedure")), client, store, clock.now)
    assert (one.taken, one.troubles) == (2, (Trouble("Appointment", "status-403"),))


@pytest.mark.parametrize(
    ("base", "reference"),
    [
        ("https://ehr.example/fhir", "https://ehr.example:443/fhir/Patient/p1"),
        ("https://ehr.example:443/fhir/", "https://ehr.example/fhir/Patient/p1/_history/2"),
        ("https://ehr.example/fhir", "https://EHR.example/fhir/Patient/p1"),
    ],
)
def test_one_origin_may_be_written_in_two_ways(base: str, reference: str) -> None:
    assert local_name(reference, base) == "Patient/p1"
