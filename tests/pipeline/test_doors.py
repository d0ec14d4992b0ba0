"""One answer by every door, in any order, however often: it posts once, and the ledger is the same to the byte."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.fhir import wire
from adapters.model.claim import ClaimOnFile
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.record import PersonRecord, SubmissionNews
from adapters.pipeline.exchange import Exchange, interpret
from adapters.pipeline.remitting import MEDIA, letter_of, letter_receipt, letters_of, said_by
from tests.model.clinic import background, fed, happened, house, moment, sent, sessions

AT = house("freestanding")
NOW = moment("2026-02-02")
CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
Json = dict[str, Any]
Door = Callable[[ClaimOnFile, Json, str], SubmissionNews]


def answer(on_file: ClaimOnFile, named: Json) -> Json:
    """The claim's adjudication, a tenth of each line given up; `named` says what stands around it."""

    def part(category: str, cents: int) -> Json:
        money = {"value": Decimal(cents).scaleb(-2), "currency": "USD"}
        return {"category": {"coding": [{"code": category}]}, "amount": money}

    items = []
    for line in on_file.claim.lines:
        off = line.amount // 10
        taken = part("adjustment", off) | {"reason": {"coding": [{"system": CARC, "code": "45"}], "text": "CO"}}
        said = [part("submitted", line.amount), taken, part("benefit", line.amount - off)]
        items.append({"itemSequence": line.line, "adjudication": said})
    built = {"resourceType": "ClaimResponse", "status": "active", "use": "claim", "outcome": "complete", "item": items}
    return built | named


def collection(on_file: ClaimOnFile, resource: Json, kind: str) -> Json:
    claim = {"resourceType": "Claim", "id": "k", "identifier": [{"value": on_file.claim.id}]}
    said = resource | {"request": {"reference": "Claim/k"}}
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": said}, {"resource": claim}]}


def asked(call: str, body: Callable[[ClaimOnFile, Json], Json]) -> Door:
    """The outcome of a call of ours."""

    def come(on_file: ClaimOnFile, resource: Json, message: str) -> SubmissionNews:
        found = 1 if call == "search" else None
        sent_back = wire.dumps(body(on_file, resource))
        return interpret(Exchange(on_file.claim.id, call, 200, body=sent_back, matches=found), message)

    return come


def delivered(sender: str, body: Callable[[ClaimOnFile, Json], Json]) -> Door:
    """What comes unasked, taken apart into its letter."""

    def come(on_file: ClaimOnFile, resource: Json, message: str) -> SubmissionNews:
        whole = wire.dumps(body(on_file, resource))
        entry = JournalEntry(1, message, JournalKind.ANSWER, NOW.now, f"payer:{sender}", MEDIA, "", "d", whole)
        (letter,) = letters_of(entry, AT.site).letters
        # What names no claim of ours is laid to it by the payer's number, or by a person.
        written = letter_receipt(replace(letter, claim=on_file.claim.id), entry, datetime(2026, 2, 2, tzinfo=UTC))
        said = said_by(letter_of(written.body), message, sender)
        assert isinstance(said, SubmissionNews)
        return said

    return come


DOORS: dict[str, Door] = {
    "the answer to the submission": asked("create", lambda _, found: found),
    "a poll": asked("poll", lambda _, found: found | {"request": {"reference": "https://payer.example/Claim/9"}}),
    "a search": asked("search", lambda claim, found: collection(claim, found, "searchset")),
    "a subscription": delivered("first", lambda claim, found: collection(claim, found, "history")),
    "a feed": delivered("first", lambda claim, found: found | {"request": {"identifier": {"value": claim.claim.id}}}),
    "a file of the payer": delivered("first", lambda _, found: found),
    "a file of nobody": delivered("", lambda _, found: found | {"insurer": {"display": "FIRST HEALTH"}}),
}
NAMED: tuple[Json, ...] = ({}, {"id": "r1"}, {"identifier": [{"system": "urn:icn", "value": "ICN-1"}]})


def two_claims_out() -> PersonRecord:
    return sent(fed([*background(), *sessions("2026-01-05", 6)], AT, NOW), AT, NOW)


def ledger(record: PersonRecord) -> list[str]:
    """The entries as they would be written, in an order that no telling decides."""
    return sorted(repr(entry) for entry in record.entries)


@pytest.mark.parametrize("named", NAMED, ids=["nameless", "with an id", "with the payer's identifier"])
def test_an_answer_has_one_ledger_by_any_doors_in_any_order_and_twice(named: Json) -> None:
    dice = random.Random(20260302)
    origin = two_claims_out()
    assert len(origin.claims) == 2
    said = [(one, answer(one, named)) for one in origin.claims]
    expected, waits = None, [item.kind for item in origin.work]
    for _ in range(60):
        record = origin
        news = [
            door(one, found if dice.random() < 0.5 else {**found, "created": "2026-02-01"}, f"m{dice.random()}")
            for one, found in said
            for door in dice.sample(list(DOORS.values()), dice.randint(1, len(DOORS)))
            for _ in range(dice.randint(1, 2))
        ]
        dice.shuffle(news)
        for one in news:
            record = happened(record, AT, NOW, one)
        assert [c.printed_state for c in record.claims] == ["paid", "paid"]
        assert len(record.remittances) == 2
        expected = expected or ledger(record)
        assert ledger(record) == expected
        assert [item.kind for item in record.work if item.closed is None] == waits


@pytest.mark.parametrize("door", DOORS)
def test_each_door_alone_posts_it(door: str) -> None:
    origin = two_claims_out()
    one = origin.claims[0]
    record = happened(origin, AT, NOW, DOORS[door](one, answer(one, {}), "m"))
    assert record.claims[0].printed_state == "paid"
    assert len(record.remittances) == 1
