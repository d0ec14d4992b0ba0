"""What payers deliver by themselves: a body into letters, letters into news, each posted once by whatever door."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters.fhir import wire
from adapters.fhir.payment import is_delivery, read_delivery
from adapters.model.claim import ClaimEvent
from adapters.model.journal import JournalEntry, JournalKind
from adapters.model.people import Identifier
from adapters.model.record import Captured, Parked, PersonRecord, SubmissionNews
from adapters.model.remittance import Payment, ProviderAdjustment, Remittance
from adapters.model.work import WorkItem
from adapters.pipeline.misfits import about_answer, unmatched
from adapters.pipeline.payments import lane_of_payer, with_payment
from adapters.pipeline.read import read as read_entry
from adapters.pipeline.receive import receive_fhir
from adapters.pipeline.remitting import (
    LETTER,
    MEDIA,
    Letter,
    letter_of,
    letter_receipt,
    letters_of,
    remittance_receipt,
    resource_of,
    said_by,
)
from tests.model.clinic import moment, rules, site

AT = datetime(2026, 2, 2, 12, tzinfo=UTC)
NOW = moment("2026-02-02")
CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
Json = dict[str, Any]


def usd(amount: str) -> Json:
    return {"value": Decimal(amount), "currency": "USD"}


def part(category: str, amount: str) -> Json:
    return {"category": {"coding": [{"code": category}]}, "amount": usd(amount)}


def response(id: str = "r1", claim: str = "C-1", paid: str = "60.00", off: str = "40.00", **changes: Any) -> Json:
    adjusted = {"category": {"text": "CO"}, "reason": {"coding": [{"system": CARC, "code": "45"}]}, "amount": usd(off)}
    return {
        "resourceType": "ClaimResponse",
        "id": id,
        "identifier": [{"system": "urn:icn", "value": f"ICN-{id}"}],
        "status": "active",
        "use": "claim",
        "outcome": "complete",
        "request": {"identifier": {"value": claim}},
        "item": [{"itemSequence": 1, "adjudication": [part("submitted", "100.00"), adjusted, part("benefit", paid)]}],
    } | changes


def payment(amount: str, *details: Json) -> Json:
    return {
        "resourceType": "PaymentReconciliation",
        "status": "active",
        "paymentIssuer": {"display": "First Mutual"},
        "paymentIdentifier": {"value": "EFT-1"},
        "paymentDate": "2026-02-01",
        "paymentAmount": usd(amount),
        "detail": list(details),
    }


def detail(code: str, amount: str, of: str = "", **more: Any) -> Json:
    built = {"type": {"coding": [{"code": code}]}, "amount": usd(amount), **more}
    return built | ({"response": {"reference": f"ClaimResponse/{of}"}} if of else {})


def bundle(*resources: Json, kind: str = "collection") -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": r} for r in resources]}


def entry(body: Json | bytes, payer: str = "first", media: str = MEDIA) -> JournalEntry:
    made = body if isinstance(body, bytes) else wire.dumps(body)
    return JournalEntry(1, "j1", JournalKind.ANSWER, AT, f"payer:{payer}", media, "", "d", made)


def test_a_body_is_taken_apart_answer_by_answer_with_what_it_refers_to() -> None:
    claim = {"resourceType": "Claim", "id": "k", "identifier": [{"value": "C-77"}]}
    body = bundle(response("r1", request={"reference": "Claim/k"}), claim, response("r2", "C-2"))
    letters = letters_of(entry(body), site()).letters
    assert [(letter.claim, letter.number) for letter in letters] == [("C-77", "ICN-r1"), ("C-2", "ICN-r2")]
    for letter in letters:
        made = said_by(letter_of(letter_receipt(letter, entry(body), AT).body), "j2")
        assert isinstance(made, SubmissionNews)
        assert (made.claim, made.event) == (letter.claim, ClaimEvent.ADJUDICATE)
        assert isinstance(made.answer, Remittance)
        assert (made.answer.claim, made.answer.message, made.answer.paid) == (letter.claim, "j2", None)


def test_a_letter_has_one_identity_by_every_door() -> None:
    alone, among = letters_of(entry(response()), site()), letters_of(entry(bundle(response("r0"), response())), site())
    one, other = (said_by(found.letters[-1], "j") for found in (alone, among))
    assert isinstance(one, SubmissionNews)
    assert isinstance(other, SubmissionNews)
    assert isinstance(one.answer, Remittance)
    assert isinstance(other.answer, Remittance)
    assert one.answer.id == other.answer.id
    assert one.answer.id.endswith("|C-1")


def test_a_notification_with_an_answer_is_a_delivery() -> None:
    status = {"resourceType": "Parameters", "parameter": [{"name": "type", "valueCode": "event-notification"}]}
    told = bundle(status, response(), kind="history")
    assert is_delivery(told)
    assert [letter.claim for letter in letters_of(entry(told), site()).letters] == ["C-1"]
    assert not is_delivery(bundle(status))
    assert not is_delivery({"resourceType": "Patient"})


def test_what_a_payment_says_beside_its_claims() -> None:
    told = payment(
        "35.50",
        detail("payment", "60.00", "r1"),
        detail("L6", "0.50"),
        detail("adjustment", "-20.00", identifier={"value": "OLD-1"}, extension=[{"valueCode": "WO"}]),
        detail("adjustment", "-5.00"),
    )
    found = read_delivery(wire.dumps(bundle(response(), told)), "m")
    (made,) = found.payments
    assert made.claims == (("r1", 6000),)
    assert made.adjustments == (
        ProviderAdjustment("L6", -50),
        ProviderAdjustment("WO", 2000, "OLD-1"),
        ProviderAdjustment("CS", 500),
    )
    assert (made.number, made.amount, str(made.day)) == ("EFT-1", 3550, "2026-02-01")
    letters = letters_of(entry(bundle(response(), told)), site()).letters
    assert [letter.payment is not None for letter in letters] == [False, True]
    said = said_by(letter_of(letter_receipt(letters[1], entry(b""), AT).body), "j3")
    assert isinstance(said, Captured)
    assert said.person == lane_of_payer("first")
    assert said.payment == replace(made, payer="first", message="j3")


@pytest.mark.parametrize(
    ("body", "payer", "reason"),
    [
        (b"{", "", "answer-unreadable"),
        ({"resourceType": "Patient"}, "", "answer-unreadable"),
        (bundle(response(), payment("61.00", detail("payment", "60.00", "r1"))), "", "out-of-balance"),
        (bundle(response(), payment("50.00", detail("payment", "50.00", "r1"))), "", "out-of-balance"),
        (payment("60.00", detail("payment", "60.00", "r1")) | {"status": "cancelled"}, "", "answer-unreadable"),
        (payment("0.50", detail("L6", "0.50")) | {"paymentIssuer": {"display": "Nobody"}}, "", "payer-unknown"),
    ],
)
def test_what_does_not_add_up_is_set_aside_whole(body: Json | bytes, payer: str, reason: str) -> None:
    found = read_entry(entry(body, payer), rules(), site())
    assert found.parked is not None
    assert (found.parked.reason, found.letters, found.news, found.captured) == (reason, (), None, ())


def test_an_answer_that_stands_in_a_body_twice_is_paid_once() -> None:
    paid = payment("60.00", detail("payment", "60.00", "r1"))
    found = letters_of(entry(bundle(response("r1"), response("r1"), paid)), site())
    assert found.parked is None
    first, second = (letter_receipt(letter, entry(b"{}"), AT) for letter in found.letters)
    assert first.digest == second.digest


def test_a_letter_that_names_nobody_waits_with_its_money() -> None:
    letter = Letter("", "ICN-9", wire.dumps(response()).decode())
    receipt = letter_receipt(letter, entry(b""), AT)
    found = read_entry(entry(receipt.body, media=LETTER), rules(), site())
    assert found.parked == Parked("j1", "unmatched-response", "the answer is for no claim of ours", amount=6000)
    broken = said_by(Letter("", "", wire.dumps(response(item=[{"itemSequence": 1}])).decode()), "j")
    assert isinstance(broken, Parked)
    known = said_by(Letter("C-1", "", wire.dumps(response(item=[{"itemSequence": 1}])).decode()), "j")
    assert isinstance(known, SubmissionNews)
    assert known.event is ClaimEvent.TAKE


def test_the_one_answer_of_an_entry() -> None:
    body = wire.dumps(response())
    assert "ICN-r1" in resource_of(body, MEDIA)
    assert resource_of(wire.dumps(bundle(response(), response("r2"))), MEDIA) == ""
    letter = Letter("C-1", "", body.decode(), matched_by="kim", parked="j0")
    receipt = letter_receipt(letter, entry(b""), AT, "person:kim")
    assert (receipt.actor, resource_of(receipt.body, LETTER)) == ("person:kim", body.decode())
    assert letter_of(receipt.body) == letter


@pytest.mark.parametrize(
    ("insurer", "sender", "expected"),
    [
        ({"display": "SECOND HEALTH"}, "", "second"),
        ({"identifier": {"value": "second"}, "display": "whoever"}, "", "second"),
        ({"identifier": {"value": "60054"}, "display": "Second"}, "", "second"),
        ({"reference": "Organization/o"}, "", "second"),
        ({"display": "a clearing house"}, "", "a clearing house"),
        ({"identifier": {"value": "60054"}, "display": "a clearing house"}, "", "60054"),
        ({"reference": "Organization/elsewhere"}, "", ""),
        ({"display": "SECOND HEALTH"}, "first", "first"),
    ],
)
def test_who_decided_is_the_door_else_whom_the_answer_names(insurer: Json, sender: str, expected: str) -> None:
    organization = {"resourceType": "Organization", "id": "o", "name": "second health"}
    came = entry(bundle(response(insurer=insurer), organization), sender)
    (letter,) = letters_of(came, site()).letters
    said = said_by(letter_of(letter_receipt(letter, came, AT).body), "j2", sender)
    assert isinstance(said, SubmissionNews)
    assert isinstance(said.answer, Remittance)
    assert said.answer.payer == expected


def test_an_answer_that_names_no_payment_is_of_the_one_that_pays_it() -> None:
    paid = payment("60.00", detail("payment", "60.00", "r1"))
    for told, number in ((response(), "EFT-1"), (response(payment={"identifier": {"value": "E-7"}}), "E-7")):
        came = entry(bundle(told, paid))
        (letter,) = letters_of(came, site()).letters
        said = said_by(letter_of(letter_receipt(letter, came, AT).body), "j2", "first")
        assert isinstance(said, SubmissionNews)
        assert isinstance(said.answer, Remittance)
        assert said.answer.payment_number == number
    alone = letters_of(entry(response()), site()).letters[0]
    said = said_by(alone, "j3", "first")
    assert isinstance(said, SubmissionNews)
    assert isinstance(said.answer, Remittance)
    assert said.answer.payment_number == ""
    # By what it is paid in makes it no other answer.
    (letter,) = letters_of(entry(bundle(response(), paid)), site()).letters
    paid_in = said_by(letter, "j4", "first")
    assert isinstance(paid_in, SubmissionNews)
    assert isinstance(paid_in.answer, Remittance)
    assert paid_in.answer.id == said.answer.id


def test_the_same_body_is_one_entry_and_the_same_letter_too() -> None:
    one, other = (remittance_receipt(b"{}", "first", AT) for _ in range(2))
    assert (one.channel, one.digest, one.media) == (other.channel, other.digest, MEDIA)
    letter = letters_of(entry(response()), site()).letters[0]
    again = letters_of(replace(entry(response()), id="j9", at=NOW.now), site()).letters[0]
    assert letter_receipt(letter, entry(b""), AT).digest == letter_receipt(again, entry(b""), NOW.now).digest


# ---------------------------------------------------------------- the door


def test_a_payers_feed_may_bring_answers_and_no_other() -> None:
    def come(body: Json, path: str, payer: str = "first") -> tuple[int, str]:
        made = receive_fhir(wire.dumps(body), feed="payer", path_type=path, method="POST", now=AT, payer=payer)
        return made.status, f"{made.receipt.kind.value} {made.receipt.media}" if made.receipt else ""

    assert come(response(), "ClaimResponse") == (201, "answer remittance")
    assert come(bundle(response()), "Bundle") == (200, "answer remittance")
    assert come(payment("0.00"), "PaymentReconciliation") == (201, "answer remittance")
    assert come(response(), "ClaimResponse", payer="") == (404, "")
    assert come(response(), "Patient") == (400, "")
    assert come(bundle({"resourceType": "Patient"}), "Bundle") == (200, "message fhir")


# ---------------------------------------------------------------- the payer's lane


PAID = Payment("EFT-1", "first", 9550, (("a", 10000),), (ProviderAdjustment("L6", -50), ProviderAdjustment("WO", 500)))


def test_a_payers_lane_posts_a_payment_once_and_asks_about_another_of_its_number() -> None:
    once = with_payment(PersonRecord("lane"), PAID, rules(), NOW)
    assert (len(once.entries), [item.code for item in once.work]) == (2, ["WO"])
    assert with_payment(once, replace(PAID, message="other"), rules(), NOW) == once
    other = replace(PAID, adjustments=(ProviderAdjustment("L6", 450),))
    asked = with_payment(once, other, rules(), NOW)
    assert asked.entries == once.entries
    assert [item.kind for item in asked.work] == ["provider-adjustment", "payment-again"]
    assert with_payment(asked, other, rules(), NOW) == asked
    wrong = with_payment(once, replace(PAID, number="EFT-2", amount=1), rules(), NOW)
    assert (wrong.entries, wrong.work[-1].kind, wrong.work[-1].amount) == (once.entries, "out-of-balance", 9549)


def test_the_answer_that_an_item_is_about() -> None:
    item = unmatched("j7", 100, "nobody's", NOW)
    assert about_answer(item) == "j7"
    misfit: WorkItem = replace(item, about="C-1", detail="the answer names another patient [answer j8]")
    assert about_answer(misfit) == "j8"
    assert about_answer(replace(item, kind="denial")) == ""
    assert lane_of_payer("first").identifiers == (Identifier("payer", "first"),)
