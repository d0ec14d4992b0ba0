"""The journal's pages: what is parked first, an entry raw beside what was read of it, and reading it again."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapters.model.journal import JournalKind
from adapters.model.user import Role
from adapters.pages.message_read import body_of
from adapters.pipeline.exchange import Exchange, encode_exchange
from tests.pages.clinic import CANARIES, Clinic, shown
from tests.pages.filled import filled, message_of
from tests.pages.visiting import logged, sent
from tests.serve.conftest import FAMILY, MRN


@pytest.fixture
def made() -> Iterator[Clinic]:
    built = filled()
    built.signed_in(Role.VIEWER)
    yield built
    built.close()


def test_what_is_parked_stands_first_and_once(made: Clinic) -> None:
    bad, good = message_of(made, "BAD1"), message_of(made, "C1")
    page = shown(made, "/messages")
    assert page.index(bad) < page.index("Messages and answers") < page.index(f"/messages/{good}")
    assert page.count(f'"/messages/{bad}"') == 1
    assert "no patient" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=parked", {"BAD1"}),
        ("state=taken", {"C1"}),
        ("day=2026-01-20", {"C1", "BAD1"}),
        ("day=2026-01-19", set()),
        ("day=9999-12-31", set()),
        ("day=nonsense", {"C1", "BAD1"}),
        ("kind=answers", set()),
        ("from=feed%3Anobody", set()),
    ],
)
def test_list_and_file_are_narrowed_alike(made: Clinic, query: str, expected: set[str]) -> None:
    text = shown(made, f"/messages.csv?{query}").removeprefix("\ufeff")
    head, *rows = csv.reader(io.StringIO(text))
    assert {row[head.index("control id")] for row in rows if row} == expected
    after = shown(made, f"/messages?{query}").partition("Show</button>")[2]
    assert {control for control in ("C1", "BAD1") if f"<td>{control}</td>" in after} == expected - {"BAD1"} | (
        {"BAD1"} if query == "state=parked" else set()
    )


def test_the_list_goes_on_after_a_number(made: Clinic) -> None:
    (line,) = made.store.numbered("BAD1", 1)
    page = shown(made, f"/messages?after={line.seq}")
    assert message_of(made, "C1") in page
    assert message_of(made, "BAD1") not in page
    assert shown(made, "/messages?after=nonsense&kind=all")


def test_an_entry_is_shown_raw_beside_what_was_read(made: Clinic) -> None:
    page = shown(made, f"/messages/{message_of(made, 'C1')}")
    raw, read = page.split("As it was read")
    assert 'id="FT1-1"' in raw
    assert f"{MRN}^^^BAY^MR" in raw
    assert FAMILY in read
    assert re.search(r"coded-charge on 2026-01-05|charge on 2026-01-05|on 2026-01-05", read)
    assert "Replay" not in page


def test_a_parked_entry_says_why_and_a_viewer_cannot_replay_it(made: Clinic) -> None:
    id = message_of(made, "BAD1")
    page = shown(made, f"/messages/{id}")
    assert "Parked: no patient." in page
    assert "Nothing of it is used as long as it is parked." in page
    assert "Replay</button>" not in page
    refused = sent(made.client, "/search", f"/messages/{id}/replay", {})
    assert refused.status_code == 403
    assert made.store.parked_because(id) is not None


def test_a_biller_replays_it_by_the_function_of_the_command(made: Clinic) -> None:
    id = message_of(made, "BAD1")
    made.signed_in(Role.BILLER)
    answer = sent(made.client, f"/messages/{id}", f"/messages/{id}/replay", {})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/messages/{id}")
    assert "It is read again." in shown(made, f"/messages/{id}")
    (line,) = made.store.lines([id])
    assert line.state == "parked", "nothing was mended, so the lanes have parked it again"
    (told,) = [one for one in made.store.journal() if one.kind is JournalKind.USER and b"replayed" in one.body]
    said = json.loads(told.body)
    assert (said["by"], said["entry"], told.actor) == ("a.biller", id, "person:a.biller")
    assert [item.about for item in made.store.worklist() if item.kind == "parked-message"] == [id], "it is there again"
    made.store.settle_parked(id, "lee", "sent again by the sender")
    answer = sent(made.client, "/search", f"/messages/{id}/replay", {})
    assert answer.status_code == 303
    assert "It was not parked; nothing was done." in shown(made, f"/messages/{id}")


def test_a_replay_needs_a_form_of_ours(made: Clinic) -> None:
    id = message_of(made, "BAD1")
    made.signed_in(Role.BILLER)
    assert made.client.post(f"/messages/{id}/replay", data={}).status_code == 403
    unknown = sent(made.client, f"/messages/{id}", "/messages/55555555-5555-4555-8555-555555555555/replay", {})
    assert unknown.status_code == 404
    shown(made, "/messages/55555555-5555-4555-8555-555555555555", 404)


def test_an_answer_is_told_with_its_outcome(made: Clinic) -> None:
    (entry,) = [one for one in made.store.journal() if one.control == "C1"]
    body = encode_exchange(Exchange("k", "poll", 200, body=b'{"a": {"b": 1}}', retry_after=30))
    told = body_of(replace(entry, kind=JournalKind.ANSWER, media="json", body=body))
    assert told.about == (("call", "poll"), ("status", "HTTP 200"), ("asked to wait", "30 seconds"))
    assert told.text == '{\n  "a": {\n    "b": 1\n  }\n}'
    odd = body_of(replace(entry, media="fhir", body=b"\xff\x00not json"))
    assert odd.text.endswith("not json")


def test_nothing_of_a_patient_stands_in_addresses_titles_or_the_log(made: Clinic) -> None:
    with logged() as said:
        pages = [
            shown(made, "/messages"),
            shown(made, f"/messages/{message_of(made, 'C1')}"),
            shown(made, "/messages.csv"),
        ]
    assert MRN in pages[1]
    assert not any(canary in pages[0] + pages[2] for canary in CANARIES), "lists are of the outside alone"
    for part in pages[1].split('href="')[1:]:
        assert not any(canary in part.split('"')[0] for canary in CANARIES)
    assert not any(canary in said.getvalue() for canary in CANARIES)
