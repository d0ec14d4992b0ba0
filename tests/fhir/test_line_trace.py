"""Our number of a line, sent with it and found again in its answer: however the payer numbers, splits or names."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.fhir import wire
from adapters.fhir.claim import document
from adapters.fhir.line_trace import SYSTEM, URL, trace_of
from adapters.fhir.payment import read_delivery
from adapters.fhir.response import read_answer
from adapters.fhir.tree import Node
from adapters.model.endpoint import PayerEndpoint
from adapters.model.remittance import Remittance, Unread
from adapters.posting import mismatches
from tests.fhir.test_response import adjusted, entry, item, read, reasons, response
from tests.model.clinic import background, fed, house, moment, sent, sessions

Json = dict[str, Any]
AT = house("freestanding")
NOW = moment("2026-02-02")
OURS = "5f0e7c1e-1111-5222-8333-444455556666"


def traced(one: Json, value: str, system: str = SYSTEM, url: str = URL) -> Json:
    return one | {"extension": [{"url": url, "valueIdentifier": {"system": system, "value": value}}]}


def bare(**changes: Any) -> Json:
    return response(payment={}, total=[], **changes)


def test_each_line_of_a_claim_bears_our_number_where_the_payer_is_said_to_repeat_it() -> None:
    claim = sent(fed([*background(), *sessions("2026-01-05", 3)], AT, NOW), AT, NOW).claims[0].claim
    at = datetime(2026, 2, 2, tzinfo=UTC)
    plain = document(claim, profile=PayerEndpoint(), created=at)
    numbered = document(claim, profile=PayerEndpoint(line_traces=True), created=at)
    assert [{k: v for k, v in one.object.items() if k != "extension"} for one in Node(numbered, "").each("item")] == [
        one.object for one in Node(plain, "").each("item")
    ]
    traces = [trace_of(one) for one in Node(numbered, "").each("item")]
    assert [(t.claim, t.line) for t in traces] == [(claim.id, line.line) for line in claim.lines]
    assert all(len(t.text) <= 50 for t in traces), "REF 6R has room for no more"
    in_bundle = document(claim, profile=PayerEndpoint(body="bundle", line_traces=True), created=at)
    (first, *_) = Node(in_bundle, "").each("entry")
    assert [trace_of(one) for one in first["resource"].each("item")] == traces


@pytest.mark.parametrize(
    ("value", "system", "url", "expected"),
    [
        (f"{OURS}/2", SYSTEM, URL, (OURS, 2)),
        (f"{OURS}.1/12", "", URL, (f"{OURS}.1", 12)),
        (
            f"{OURS}/2",
            "urn:payer",
            "http://hl7.org/fhir/us/davinci-pct/StructureDefinition/gfeBillingProviderLineItemCtrlNum",
            (OURS, 2),
        ),
        ("C-1/7", SYSTEM, URL, ("C-1", 7)),
        ("C-1/7", "urn:payer", URL, ("", 0)),
        (f"{OURS}/0", SYSTEM, URL, ("", 0)),
        ("1122334", "http://example.org/ITEM_TRACE_NUMBER", URL, ("", 0)),
        (f"{OURS}/2", SYSTEM, "urn:else", ("", 0)),
    ],
)
def test_whose_number_it_is(value: str, system: str, url: str, expected: tuple[str, int]) -> None:
    found = trace_of(Node(traced({}, value, system, url), "item"))
    assert (found.claim, found.line) == expected


def test_the_number_of_r5_and_ours_among_others() -> None:
    own: Json = {"system": "urn:payer", "value": "P-9"}
    assert trace_of(Node({"traceNumber": [own, {"system": SYSTEM, "value": "c1/3"}]}, "item")).line == 3
    two: Json = {
        "extension": [
            {"url": URL, "valueIdentifier": own},
            {"url": URL, "valueIdentifier": {"system": SYSTEM, "value": "c1/4"}},
        ]
    }
    assert trace_of(Node(two, "item")).line == 4
    assert trace_of(Node({"extension": two["extension"][:1]}, "item")).text == "P-9"


def test_a_payer_that_numbers_its_lines_anew_is_read_by_our_numbers() -> None:
    """Three lines come back as four, the second in two parts, in an order and with numbers of the payer's own."""
    told = [
        traced(item(1, "30.00", "30.00"), "C-000017/3"),
        traced(item(2, "12.00", "10.00", adjusted("CO", "45", "2.00")), "C-000017/2"),
        traced(item(3, "10.00", "10.00"), "C-000017/1"),
        traced(item(4, "8.00", "8.00"), "C-000017/2"),
    ]
    found = read(bare(item=told))
    assert {line.line: (line.charge, line.paid) for line in found.lines} == {
        1: (1000, 1000),
        2: (2000, 1800),
        3: (3000, 3000),
    }
    assert found.claim == "C-000017"


def test_our_numbers_name_the_claim_where_nothing_else_does() -> None:
    told = bare(item=[traced(item(1, "10.00", "10.00"), f"{OURS}/1")])
    told.pop("request")
    assert read(told).claim == OURS
    (answer,) = read_delivery(wire.dumps(told), "m").answers
    assert answer.claim == OURS
    assert answer.resource["request"] == {"identifier": {"value": OURS}}
    two = told | {"item": [*told["item"], traced(item(2, "5.00", "5.00"), f"{OURS}.1/2")]}
    assert reasons(two) == (
        "line-of-another-claim at ClaimResponse.item[0]",
        "line-of-another-claim at ClaimResponse.item[1]",
    )


def test_a_line_of_another_claim_is_no_line_of_this_one() -> None:
    told = bare(item=[traced(item(1, "10.00", "10.00"), "C-000018/1")])
    assert reasons(told) == ("line-of-another-claim at ClaimResponse.item[0]",)


def test_a_number_stands_in_for_one_that_is_missing_and_contradicts_none() -> None:
    first = item(1, "10.00", "10.00")
    nameless = {k: v for k, v in item(0, "20.00", "20.00").items() if k != "itemSequence"}
    found = read(bare(item=[first], addItem=[traced(nameless, "C-000017/2")]))
    assert [(line.line, line.trace) for line in found.lines] == [(1, ""), (2, "C-000017/2")]
    assert reasons(bare(item=[first], addItem=[nameless])) == ("line-added at ClaimResponse.addItem[0]",)
    wrong = [first, traced(item(3, "20.00", "20.00"), "C-000017/2")]
    assert reasons(bare(item=wrong)) == ("line-number-contradicts-trace at ClaimResponse.item[1]",)
    # What balances and is whole is still asked of posting: a line twice in full is not what was billed.
    twice = read(bare(item=[traced(first, "C-000017/1"), traced(first, "C-000017/1")]))
    assert twice.lines[0].charge == 2000


def test_a_whole_claim_however_it_is_cut_up_and_shuffled_posts_line_by_line() -> None:
    """What goes out with traces comes back in parts with any numbers: every answer is this claim's, and balances."""
    dice = random.Random(20260302)
    claim = sent(fed([*background(), *sessions("2026-01-05", 5)], AT, NOW), AT, NOW).claims[0].claim
    for _ in range(100):
        parts = []
        for line in claim.lines:
            left = line.amount
            while left:
                part = left if dice.random() < 0.5 else dice.randint(1, left)
                off = dice.randint(0, part)
                said = [entry("submitted", f"{part / 100:.2f}"), adjusted("CO", "45", f"{off / 100:.2f}")]
                said.append(entry("benefit", f"{(part - off) / 100:.2f}"))
                parts.append(traced({"itemSequence": 0, "adjudication": said}, f"{claim.id}/{line.line}"))
                left -= part
        dice.shuffle(parts)
        for number, one in enumerate(parts, 1):
            one["itemSequence"] = number
        kept = dice.randint(0, len(parts) - 1)
        told = bare(item=parts[kept:], addItem=[{**one, "itemSequence": [n]} for n, one in enumerate(parts[:kept], 1)])
        told |= {"request": {}, "patient": {}}
        found = read_answer(wire.dumps(told), message="m")
        assert isinstance(found, Remittance), found
        assert (found.claim, mismatches(claim, found)) == (claim.id, ())


def test_what_is_no_identifier_is_no_number() -> None:
    odd = item(1, "10.00", "10.00") | {
        "extension": [{"url": URL}, {"url": URL, "valueIdentifier": {"value": 7}}, 3],
        "traceNumber": "x",
    }
    found = read_answer(wire.dumps(bare(item=[odd])), message="m")
    assert not isinstance(found, Unread)
    assert found.lines[0].trace in ("", "x", "7")
