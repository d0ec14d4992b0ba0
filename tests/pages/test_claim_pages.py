"""The pages of claims: the list with its filters and its file, one claim from its lines to its ledger, its letters."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapters.model.lists import ClaimsAsked
from adapters.model.user import Role
from adapters.pages.names import hold_name, thing_name
from tests.pages.clinic import CANARIES, Clinic, clinic, shown
from tests.pages.filled import DENIED, ENTRY, HOSTILE, NUMBER, UNSENT, filled, lane, message_of
from tests.pages.visiting import logged


@pytest.fixture(scope="module")
def made() -> Iterator[Clinic]:
    built = filled()
    built.signed_in(Role.VIEWER)
    yield built
    built.close()


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_oldest_claim_stands_first(made: Clinic) -> None:
    page = shown(made, "/claims")
    assert 0 < page.index(f"/claims/{DENIED}") < page.index(f"/claims/{UNSENT}")
    assert "denied" in page
    assert "ready to send" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("state=decided", {DENIED}),
        ("state=unsent", {UNSENT}),
        ("state=returned", set()),
        ("payer=lakeside", {DENIED, UNSENT}),
        ("payer=other", set()),
        ("days=5", {DENIED}),
        ("days=4", {DENIED, UNSENT}),
        ("days=nonsense&state=nonsense", {DENIED, UNSENT}),
    ],
)
def test_the_list_and_its_file_are_narrowed_alike(made: Clinic, query: str, expected: set[str]) -> None:
    page = shown(made, f"/claims?{query}")
    assert {id for id in (DENIED, UNSENT) if f'href="/claims/{id}"' in page} == expected
    _head, *found = rows(shown(made, f"/claims.csv?{query}"))
    assert {row[0] for row in found} & {DENIED, UNSENT} == expected


def test_the_list_goes_on_after_a_key(made: Clinic) -> None:
    first = made.store.claims_page(ClaimsAsked(limit=1))
    second = made.store.claims_page(replace(ClaimsAsked(limit=1), after=first.after))
    assert [one.on_file.claim.id for one in (*first.things, *second.things)] == [DENIED, UNSENT]
    assert first.after
    page = shown(made, f"/claims?after={first.after}")
    assert f'href="/claims/{UNSENT}"' in page
    assert f'href="/claims/{DENIED}"' not in page
    assert "To the beginning" in page


def test_a_file_runs_nothing_and_keeps_its_numbers(made: Clinic) -> None:
    head, first, *_others = rows(shown(made, "/claims.csv"))
    cells = dict(zip(head, first, strict=True))
    assert cells["total"] == "250.00"
    assert cells["patient"].endswith(HOSTILE)
    assert not any(
        cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows(shown(made, "/claims.csv")) for cell in row
    )


def test_a_claim_is_told_from_its_lines_to_its_ledger(made: Clinic) -> None:
    page = shown(made, f"/claims/{DENIED}")
    for words in ("77407", "$250.00", NUMBER, "CO-50", "not deemed necessary", "Quiet Bay Center", "Lakeside Mutual"):
        assert words in page, words
    assert f"/explain/{thing_name(lane(made), ENTRY)}" in page, "what a payer wrote stands in no address"
    assert f"/claims/{DENIED}/appeal" in page
    assert "&#34;resourceType&#34;: &#34;Claim&#34;" in page, "the document as it leaves, escaped"
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert f"/claims/{DENIED}/appeal" not in shown(made, f"/claims/{UNSENT}")


def test_its_letters_say_what_the_commands_say(made: Clinic) -> None:
    appeal = shown(made, f"/claims/{DENIED}/appeal")
    assert "Appeal of your decision about claim PAYNO-4711" in appeal
    assert "name and signature of whoever appeals" in appeal
    assert "Dear " in shown(made, f"/claims/{DENIED}/statement")
    assert "our claim, 1 lines" in shown(made, f"/claims/{DENIED}/packet")
    assert "No line of this claim is denied" in shown(made, f"/claims/{UNSENT}/appeal", 404)


@pytest.mark.parametrize("path", ["", "/statement", "/appeal", "/packet"])
def test_an_unknown_claim_is_not_found(made: Clinic, path: str) -> None:
    assert "Nothing on file" in shown(made, f"/claims/55555555-5555-4555-8555-555555555555{path}", 404)
    assert "Nothing on file" in shown(made, f"/claims/no-such{path}", 404)


def test_nothing_of_a_patient_stands_in_addresses_titles_or_the_log(made: Clinic) -> None:
    with logged() as said:
        pages = [shown(made, path) for path in ("/claims", f"/claims/{DENIED}", f"/claims/{DENIED}/statement")]
    for page in pages:
        addresses = [part.split('"')[0] for part in page.split('href="')[1:]]
        title = page.split("<title>")[1].split("</title>")[0]
        for canary in (*CANARIES, "script"):
            assert not any(canary in address for address in addresses)
            assert canary not in title
    assert not any(canary in said.getvalue() for canary in CANARIES)


def test_the_log_says_who_looked_at_what_by_our_own_ids_alone(made: Clinic) -> None:
    with logged() as said:
        shown(made, f"/claims/{DENIED}")
        shown(made, "/claims/99887766", 404)
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    told = [(line.get("user"), line["route"], line.get("about")) for line in lines if line["event"] == "answered"]
    assert told[0][1:] == ("/claims/{id}", DENIED)
    assert told[0][0]
    assert told[1] == (told[0][0], "/claims/{id}", None), "what somebody typed may be the number of a patient"
    assert not any("dropped" in line for line in lines)


def test_the_log_says_of_which_held_line_somebody_asked_why() -> None:
    made = clinic(treated=True)
    record = made.store.load(lane(made))
    name = hold_name(record.person, record.holds[0])
    with logged() as said:
        assert made.signed_in(Role.VIEWER).get(f"/explain/{name}").status_code == 200
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [line["about"] for line in lines if line.get("route") == "/explain/{name}"] == [name]
    made.close()


def test_it_is_for_whoever_has_signed_in(made: Clinic) -> None:
    token = dict(made.client.cookies)
    made.client.cookies.clear()
    for path in (
        "/claims",
        "/claims.csv",
        f"/claims/{DENIED}",
        f"/explain/{DENIED}",
        "/messages",
        "/search",
        "/denials",
    ):
        answer = made.client.get(path)
        assert answer.status_code == 403, path
        assert "Lakeside Mutual" not in answer.text
    made.client.cookies.update(token)


# ---------------------------------------------------------------- why


def test_why_says_what_the_command_says_and_leads_to_the_field(made: Clinic) -> None:
    page = shown(made, "/explain/33333333-3333-4333-8333-333333333333")
    assert "77407 × 1 at 250.00 = $250.00 on 2026-01-05" in page
    assert "a clause of the facts" in page
    assert f"/messages/{message_of(made, 'C1')}#FT1-1" in page
    assert f"/claims/{DENIED}" in page


def test_why_of_a_ledger_entry_and_a_claim(made: Clinic) -> None:
    entry = shown(made, f"/explain/{thing_name(lane(made), ENTRY)}")
    assert "ledger entry of" in entry
    assert "denied $250.00" in entry
    assert "professional claim, frequency 1, $250.00: denied" in shown(made, f"/explain/{DENIED}")


def test_why_of_a_hold() -> None:
    treated = clinic(treated=True)
    treated.signed_in(Role.VIEWER)
    (person,) = [one for one in treated.store.lanes() if treated.store.load(one).holds]
    for hold in treated.store.load(person).holds:
        page = treated.client.get(f"/explain/{hold_name(person, hold)}")
        assert page.status_code == 200
        assert f"held ({hold.release}): {hold.code}" in page.text
        assert set(hold_name(person, hold)) <= set("0123456789abcdef-."), "a lane and a hash"
    treated.close()


@pytest.mark.parametrize("name", ["nothing", "55555555-5555-4555-8555-555555555555", f"{DENIED}.{'0' * 16}"])
def test_why_of_nothing_is_not_found(made: Clinic, name: str) -> None:
    assert "Nothing on file bears this address." in shown(made, f"/explain/{name}", 404)
