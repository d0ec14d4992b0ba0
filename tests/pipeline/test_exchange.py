"""One call to a payer as evidence: every way it can end, and what that says about the claim."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model.claim import LIFE, ClaimEvent, ClaimState
from adapters.model.remittance import Decision, Remittance, Unread
from adapters.pipeline import Exchange, decode_exchange, encode_exchange, interpret

E = ClaimEvent


def body(outcome: str = "complete", **more: object) -> bytes:
    """A ClaimResponse of one line, paid in full."""
    found: dict[str, object] = {
        "resourceType": "ClaimResponse",
        "id": "r1",
        "status": "active",
        "use": "claim",
        "outcome": outcome,
        "request": {"identifier": {"value": "c1"}},
        "identifier": [{"value": "ICN-1"}],
        "created": str(date(2026, 1, 20)),
        "patient": {"identifier": {"value": "M-1"}},
        "insurer": {"display": "First"},
        "type": {"coding": [{"code": "professional"}]},
    }
    if outcome == "complete":
        amount = {"value": 100, "currency": "USD"}
        kinds = "http://terminology.hl7.org/CodeSystem/adjudication"
        judged = [
            {"category": {"coding": [{"system": kinds, "code": code}]}, "amount": amount}
            for code in ("submitted", "benefit")
        ]
        found["item"] = [{"itemSequence": 1, "adjudication": judged}]
    return json.dumps(found | more).encode()


REFUSAL = json.dumps(
    {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "invalid", "diagnostics": "no member"}],
    }
).encode()


def said(call: str = "submit", **more: object) -> ClaimEvent:
    return interpret(Exchange("c1", call, **more), "m").event  # type: ignore[arg-type]


@pytest.mark.parametrize("call", ["submit", "create"])
@pytest.mark.parametrize(
    ("outcome", "first", "repeated"),
    [
        ({"failure": "not-sent"}, E.NOT_SENT, E.LOST),
        ({"failure": "no-answer"}, E.LOST, E.LOST),
        ({}, E.LOST, E.LOST),
        *(({"status": s}, E.NOT_SENT, E.LOST) for s in (401, 403, 404, 405, 407, 415, 429, 503)),
        *(({"status": s}, E.LOST, E.LOST) for s in (408, 409, 412, 423, 425, 500, 501, 502, 504, 301, 304, 307)),
        *(({"status": s, "body": REFUSAL}, E.REFUSE, E.LOST) for s in (400, 410, 413, 422)),
        *(({"status": s}, E.TAKE, E.TAKE) for s in (200, 201, 202, 204)),
        ({"status": 200, "body": b" \r\n"}, E.TAKE, E.TAKE),
        ({"status": 200, "body": b"<html>ok</html>"}, E.TAKE, E.TAKE),
        ({"status": 201, "body": body("queued")}, E.QUEUE, E.QUEUE),
        ({"status": 200, "body": body("complete")}, E.ADJUDICATE, E.ADJUDICATE),
        ({"status": 200, "body": body("error")}, E.FAIL, E.FAIL),
    ],
)
def test_what_a_submission_says(call: str, outcome: dict[str, object], first: ClaimEvent, repeated: ClaimEvent) -> None:
    """Once some call may have brought the claim there, nothing that stopped another one is evidence of absence."""
    assert said(call, **outcome) is first
    assert said(call, repeats=True, **outcome) is repeated


@pytest.mark.parametrize("call", ["poll", "search"])
@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        ({"failure": "not-sent"}, E.LOST),
        ({"failure": "no-answer"}, E.LOST),
        ({}, E.LOST),
        *(({"status": s}, E.LOST) for s in (301, 400, 401, 404, 409, 410, 422, 429, 500, 503)),
        ({"status": 202}, E.QUEUE),
        ({"status": 200}, E.LOST),
        ({"status": 200, "body": b"<html>"}, E.LOST),
        ({"status": 200, "matches": 1, "body": b"<html>"}, E.TAKE),
        ({"status": 200, "matches": 0}, E.LOST),
        ({"status": 200, "matches": 2}, E.TAKE),
        ({"status": 200, "body": body("queued"), "matches": 1}, E.QUEUE),
        ({"status": 200, "body": body("complete")}, E.ADJUDICATE),
        ({"status": 200, "body": body("error")}, E.FAIL),
    ],
)
def test_what_a_question_says(call: str, outcome: dict[str, object], event: ClaimEvent) -> None:
    assert said(call, **outcome) is event


def test_absence_is_evidence_only_after_the_payers_delay() -> None:
    assert said("search", status=200, matches=0, settled=True) is E.NOT_SENT
    assert said("search", status=200, matches=0) is E.LOST
    assert said("poll", status=200, matches=0, settled=True) is E.LOST


def test_an_adjudication_carries_its_answer_and_a_refusal_its_words() -> None:
    news = interpret(Exchange("c1", "submit", 200, body=body()), "m7")
    assert isinstance(news.answer, Remittance)
    assert (news.answer.decision, news.answer.claim, news.answer.message) == (Decision.ADJUDICATED, "c1", "m7")
    assert news.claim == "c1"
    refused = interpret(Exchange("c1", "submit", 422, body=REFUSAL), "m7").answer
    assert isinstance(refused, Remittance)
    assert [word for word in refused.errors if "no member" in word]


def test_a_conflict_and_a_refused_repetition_are_never_repeated_again() -> None:
    for exchange in (
        Exchange("c1", "submit", 409),
        Exchange("c1", "create", 412),
        Exchange("c1", "submit", 422, body=REFUSAL, repeats=True),
    ):
        assert isinstance(interpret(exchange, "m").answer, Unread)


def test_where_and_when_to_ask_is_kept() -> None:
    news = interpret(Exchange("c1", "submit", 202, location="https://payer.example/1", retry_after=90), "m")
    assert (news.location, news.wait_seconds) == ("https://payer.example/1", 90)
    assert interpret(Exchange("c1", "submit", 429, retry_after=30), "m").wait_seconds == 30


def test_evidence_is_one_sentence_without_the_answer() -> None:
    for status in (200, 202, 400, 409, 429, 500):
        evidence = interpret(Exchange("c1", "submit", status, body=REFUSAL), "m").evidence
        assert evidence
        assert "no member" not in evidence


@given(
    st.builds(
        Exchange,
        claim=st.text(max_size=40),
        call=st.sampled_from(["submit", "create", "poll", "search"]),
        status=st.none() | st.integers(100, 599),
        failure=st.sampled_from(["", "not-sent", "no-answer"]),
        location=st.text(max_size=40),
        retry_after=st.none() | st.integers(0, 10**6),
        body=st.binary(max_size=200),
        matches=st.none() | st.integers(0, 5),
        repeats=st.booleans(),
        settled=st.booleans(),
        at=st.just("2026-01-05T00:00:00Z"),
        number=st.integers(0, 9),
    )
)
def test_an_exchange_survives_the_journal_and_always_says_something(exchange: Exchange) -> None:
    assert decode_exchange(encode_exchange(exchange)) == exchange
    news = interpret(exchange, "m")
    assert news.claim == exchange.claim
    assert news.evidence
    assert (ClaimState.UNKNOWN, news.event) in LIFE
    if exchange.repeats and exchange.call in ("submit", "create"):
        assert news.event not in (ClaimEvent.NOT_SENT, ClaimEvent.REFUSE)


def test_two_claims_that_payers_number_and_decide_alike_have_an_answer_each() -> None:
    """Of one number and one decision, by payers who do not say whose numbers they are (found by the simulation)."""
    both = [interpret(Exchange(claim, "submit", 200, body=body()), "m").answer for claim in ("c1", "c2")]
    again = interpret(Exchange("c1", "poll", 200, matches=1, body=body()), "later").answer
    assert all(isinstance(answer, Remittance) for answer in (*both, again))
    assert both[0].id != both[1].id  # type: ignore[union-attr]
    assert both[0].id == again.id  # type: ignore[union-attr]
