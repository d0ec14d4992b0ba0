"""What a payer answers: read exactly, whoever words it how; unread with every reason when an amount is in doubt."""

from __future__ import annotations

import copy
import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir import wire
from adapters.fhir.response import read_answer, read_answers
from adapters.model.remittance import Adjustment, Decision, Remittance, RemittanceLine, Unread

CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
RARC = "https://x12.org/codes/remittance-advice-remark-codes"
CORE = "http://terminology.hl7.org/CodeSystem/adjudication"
Json = dict[str, Any]


def usd(amount: str) -> Json:
    return {"value": Decimal(amount), "currency": "USD"}


def entry(category: str, amount: str | None = None, **more: Any) -> Json:
    built: Json = {"category": {"coding": [{"system": CORE, "code": category}]}, **more}
    return built | ({"amount": usd(amount)} if amount is not None else {})


def adjusted(group: str, carc: str, amount: str) -> Json:
    return {
        "category": {"coding": [{"code": "adjustment"}], "text": group},
        "reason": {"coding": [{"system": CARC, "code": carc}]},
        "amount": usd(amount),
    }


def item(number: int, charge: str, paid: str, *adjustments: Json, allowed: str | None = None) -> Json:
    entries = [entry("submitted", charge), *adjustments, entry("benefit", paid)]
    if allowed is not None:
        entries.insert(1, entry("eligible", allowed))
    return {"itemSequence": number, "adjudication": entries}


def response(*items: Json, **changes: Any) -> Json:
    return {
        "resourceType": "ClaimResponse",
        "id": "r1",
        "identifier": [{"system": "urn:payer:icn", "value": "ICN-1"}],
        "status": "active",
        "use": "claim",
        "patient": {"identifier": {"value": "77120"}},
        "created": "2026-01-20",
        "insurer": {"identifier": {"value": "60054"}},
        "request": {"identifier": {"system": "urn:oncoclaims:claim", "value": "C-000017"}},
        "outcome": "complete",
        "disposition": "Processed",
        "item": list(items),
        "payment": {"date": "2026-01-21", "amount": usd("280.00"), "identifier": {"value": "EFT-1"}},
        "total": [entry("submitted", "420.00"), entry("benefit", "280.00")],
    } | changes


def read(body: Json) -> Remittance:
    found = read_answer(wire.dumps(body), message="m9")
    assert isinstance(found, Remittance), found
    return found


def reasons(body: Json) -> tuple[str, ...]:
    found = read_answer(wire.dumps(body), message="m9")
    assert isinstance(found, Unread), found
    assert found.message == "m9"
    return found.reasons


PAID = item(1, "420.00", "280.00", adjusted("CO", "45", "120.00"), adjusted("PR", "3", "20.00"), allowed="300.00")


def test_an_adjudication() -> None:
    found = read(response(PAID))
    assert found.decision is Decision.ADJUDICATED
    assert found.lines == (
        RemittanceLine(1, 42000, 28000, (Adjustment("CO", "45", 12000), Adjustment("PR", "3", 2000)), allowed=30000),
    )
    assert (found.claim, found.payer_claim_number, found.patient) == ("C-000017", "ICN-1", "77120")
    assert (found.charge, found.paid, found.paid_on, found.payment_number) == (42000, 28000, date(2026, 1, 21), "EFT-1")
    assert (found.disposition, found.reversal, found.message) == ("Processed", False, "m9")
    assert found.id.startswith("urn:payer:icn|ICN-1#")


@pytest.mark.parametrize(
    "told",
    [
        {"category": {"text": "CO"}, "reason": {"coding": [{"code": "45"}]}},
        {"category": {"text": "co "}, "reason": {"coding": [{"system": CARC, "code": "45"}]}},
        {"category": {"coding": [{"code": "CO"}]}, "reason": {"coding": [{"system": CARC, "code": "45"}]}},
        {"category": {"coding": [{"code": "adjustment"}]}, "reason": {"coding": [{"code": "45"}], "text": "CO"}},
        {"category": {"coding": [{"code": "adjustment"}]}, "reason": {"coding": [{"code": "CO"}, {"code": "45"}]}},
        {"category": {"coding": [{"code": "adjustment"}]}, "reason": {"text": "CO-45"}},
        {"category": {"text": "CO45"}},
        {"category": {"coding": [{"code": "x"}]}, "reason": {"coding": [{"code": "45"}]},
         "extension": [{"url": "urn:payer:group", "valueCode": "CO"}]},
        {"category": {"coding": [{"code": "x"}]}, "reason": {"coding": [{"code": "45"}]},
         "extension": [{"url": "urn:payer:group", "valueCodeableConcept": {"coding": [{"code": "CO"}]}}]},
    ],
)  # fmt: skip
def test_the_group_wherever_it_stands(told: Json) -> None:
    found = read(response(item(1, "420.00", "300.00", told | {"amount": usd("120.00")})))
    assert found.lines[0].adjustments == (Adjustment("CO", "45", 12000),)


def test_categories_without_a_system_or_as_text() -> None:
    body = item(1, "10.00", "8.00")
    body["adjudication"][0]["category"] = {"text": "Submitted"}
    body["adjudication"][1]["category"] = {"coding": [{"code": "benefit"}]}
    found = read(response(body))
    assert (found.lines[0].charge, found.lines[0].paid) == (1000, 800)


def test_plain_patient_shares_stand_in_for_adjustments_of_their_group() -> None:
    shares = [entry("deductible", "10.00"), entry("coinsurance", "20.00"), entry("copay", "5.00")]
    found = read(response(item(1, "100.00", "65.00", *shares)))
    assert found.lines[0].adjustments == (
        Adjustment("PR", "1", 1000), Adjustment("PR", "2", 2000), Adjustment("PR", "3", 500),
    )  # fmt: skip
    both = read(response(item(1, "100.00", "80.00", entry("coinsurance", "20.00"), adjusted("PR", "2", "20.00"))))
    assert both.lines[0].adjustments == (Adjustment("PR", "2", 2000),)
    beside = read(response(item(1, "100.00", "60.00", entry("coinsurance", "20.00"), adjusted("CO", "45", "20.00"))))
    assert beside.lines[0].adjustments == (Adjustment("CO", "45", 2000), Adjustment("PR", "2", 2000))


def test_a_patient_share_with_its_reason_needs_no_group() -> None:
    told = entry("deductible", "10.00", reason={"coding": [{"system": CARC, "code": "1"}]})
    assert read(response(item(1, "10.00", "0.00", told))).lines[0].adjustments == (Adjustment("PR", "1", 1000),)


def test_remark_codes_stay_with_their_adjustment() -> None:
    remark = {"category": {"coding": [{"code": "adjustment"}]}, "reason": {"coding": [{"system": RARC, "code": "M15"}]}}
    found = read(response(item(1, "40.25", "0.00", adjusted("CO", "97", "40.25"), remark)))
    assert found.lines[0].adjustments == (Adjustment("CO", "97", 4025, ("M15",)),)
    early = read(response(item(1, "40.25", "0.00", remark, adjusted("CO", "97", "40.25"))))
    assert early.lines == found.lines


def test_adjustments_of_nothing_are_none_and_negative_ones_stay() -> None:
    found = read(response(item(1, "10.00", "12.00", adjusted("CO", "45", "0.00"), adjusted("CO", "144", "-2.00"))))
    assert found.lines[0].adjustments == (Adjustment("CO", "144", -200),)


def test_adjustments_of_the_whole_claim() -> None:
    found = read(response(PAID, adjudication=[adjusted("OA", "23", "5.00"), entry("submitted", "420.00")]))
    assert found.claim_adjustments == (Adjustment("OA", "23", 500),)


def test_an_added_line_in_place_of_one_of_ours() -> None:
    added = {"itemSequence": [2], "productOrService": {"coding": [{"code": "77407"}]},
             "adjudication": [entry("submitted", "50.00"), entry("benefit", "50.00")]}  # fmt: skip
    found = read(response(PAID, addItem=[added]))
    assert [(line.line, line.code) for line in found.lines] == [(1, ""), (2, "77407")]
    assert reasons(response(PAID, addItem=[added | {"itemSequence": []}])) == (
        "line-added at ClaimResponse.addItem[0]",
    )


def test_a_line_that_the_payer_split_or_replaced_comes_together() -> None:
    rest = {"itemSequence": [1], "productOrService": {"coding": [{"code": "77407"}]},
            "adjudication": [entry("submitted", "50.00"), adjusted("CO", "45", "20.00"), entry("benefit", "30.00")]}  # fmt: skip
    (line,) = read(response(item(1, "100.00", "60.00", adjusted("CO", "45", "40.00")), addItem=[rest])).lines
    assert (line.line, line.charge, line.paid, line.code) == (1, 15000, 9000, "77407")
    assert [(a.reason, a.amount) for a in line.adjustments] == [("45", 4000), ("45", 2000)]
    twice = response(item(1, "100.00", "60.00"), item(1, "100.00", "60.00"))
    assert reasons(twice) == ("line-twice at ClaimResponse.item[1]",)


def test_trace_modifiers_and_remarks_of_a_line() -> None:
    told = item(1, "100.00", "100.00") | {
        "modifier": [{"coding": [{"code": "59"}]}],
        "revenue": {"coding": [{"code": "0333"}]},
        "extension": [{"url": "http://example.org/itemTraceNumber", "valueIdentifier": {"value": "T-1"}}],
    }
    told["adjudication"].append(
        {"category": {"coding": [{"code": "note"}]}, "reason": {"coding": [{"system": RARC, "code": "N19"}]}}
    )
    (line,) = read(response(told)).lines
    assert (line.trace, line.modifiers, line.revenue, line.remarks) == ("T-1", ("59",), "0333", ("N19",))


def test_units_allowed() -> None:
    units = entry("allowedunits") | {"value": 2}
    assert read(response(item(1, "10.00", "10.00", units))).lines[0].units == 2


def test_queued_partial_without_lines_and_error() -> None:
    queued = read(response(outcome="queued", item=[], payment=None, total=[]))
    assert (queued.decision, queued.lines, queued.paid) == (Decision.PENDED, (), None)
    waiting = read(response(outcome="partial", item=[], payment=None, total=[]))
    assert waiting.decision is Decision.PENDED
    assert read(response(PAID, outcome="partial")).decision is Decision.ADJUDICATED
    error = {"itemSequence": 2, "code": {"coding": [{"code": "a001"}], "text": "Missing information"}}
    failed = read(response(outcome="error", item=[], error=[error]))
    assert (failed.decision, failed.errors) == (Decision.REFUSED, ("line 2: a001 Missing information",))


def test_a_void_is_acknowledged_without_lines() -> None:
    taken_back = {"date": "2026-01-21", "amount": usd("-280.00"), "adjustment": usd("-280.00")}
    found = read(response(payment=taken_back, total=[entry("submitted", "0.00"), entry("benefit", "0.00")]))
    assert (found.decision, found.lines, found.charge, found.paid) == (Decision.ADJUDICATED, (), 0, 0)


def test_a_payment_with_other_matters_in_it_is_not_what_this_claim_was_paid() -> None:
    mixed = {"amount": usd("180.00"), "adjustment": usd("100.00")}
    assert read(response(PAID, payment=mixed)).paid == 28000
    assert read(response(PAID, payment=mixed, total=[])).paid is None
    assert read(response(PAID, payment={"amount": usd("180.00"), "adjustment": usd("0.00")})).paid == 18000


def test_a_reversal_has_charges_below_zero() -> None:
    assert read(response(item(1, "-420.00", "-280.00", adjusted("CO", "45", "-140.00")))).reversal


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"outcome": "done"}, "outcome-unknown at ClaimResponse.outcome"),
        ({"outcome": None}, "outcome-unknown at ClaimResponse.outcome"),
        ({"use": "preauthorization"}, "not-for-payment at ClaimResponse.use"),
        ({"status": "cancelled"}, "answer-not-active at ClaimResponse.status"),
        ({"item": [PAID, PAID]}, "line-twice at ClaimResponse.item[1]"),
        ({"item": [PAID | {"itemSequence": "1"}]}, "line-number-missing at ClaimResponse.item[0]"),
        ({"item": [PAID | {"itemSequence": 0}]}, "line-number-missing at ClaimResponse.item[0]"),
        ({"item": [{"itemSequence": 1}]}, "submitted-missing at ClaimResponse.item[0]"),
        (
            {"item": [{"itemSequence": 1, "adjudication": [entry("submitted", "1.00")]}]},
            "benefit-missing at ClaimResponse.item[0]",
        ),
        ({"payment": {"amount": usd("1.005")}}, "amount-not-in-cents at ClaimResponse.payment.amount"),
        ({"payment": {"amount": {"value": "1.00"}}}, "amount-missing at ClaimResponse.payment.amount"),
        ({"payment": {"amount": {"value": 1, "currency": "EUR"}}}, "currency-not-usd at ClaimResponse.payment.amount"),
        ({"payment": {"date": "soon"}}, "date-unclear at ClaimResponse.payment.date"),
    ],
)
def test_what_cannot_be_read(change: Json, expected: str) -> None:
    assert expected in reasons(response(PAID) | change)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (adjusted("", "45", "1.00"), "group-missing"),
        (adjusted("XX", "45", "1.00"), "group-missing"),
        ({"category": {"text": "CO"}, "amount": usd("1.00")}, "reason-missing"),
        ({"category": {"text": "CO"}, "reason": {"coding": [{"code": "45"}]}}, "amount-missing"),
        (entry("submitted", "9.00"), "amount-twice"),
    ],
)
def test_adjustments_in_doubt(told: Json, expected: str) -> None:
    found = reasons(response(item(1, "10.00", "9.00", told)))
    assert any(reason.startswith(f"{expected} at ClaimResponse.item[0].adjudication[1]") for reason in found), found


def test_every_reason_is_told_at_once() -> None:
    bad = item(2, "10.00", "9.00", adjusted("", "45", "1.00"))
    found = reasons(response(PAID, bad, {"itemSequence": 3, "adjudication": []}, payment={"amount": {}}))
    assert {reason.partition(" ")[0] for reason in found} == {
        "group-missing", "submitted-missing", "benefit-missing", "amount-missing",
    }  # fmt: skip


# --- wrappings ---------------------------------------------------------------------------------------------


def test_in_a_bundle_with_the_claim_it_refers_to() -> None:
    claim = {"resourceType": "Claim", "id": "7", "identifier": [{"value": "C-000021"}]}
    person = {"resourceType": "Patient", "id": "p", "identifier": [{"value": "88"}]}
    answer = response(PAID, request={"reference": "Claim/7"}, patient={"reference": "Patient/p"})
    body = {"resourceType": "Bundle", "type": "collection",
            "entry": [{"resource": answer}, {"resource": claim}, {"resource": person}]}  # fmt: skip
    assert (read(body).claim, read(body).patient) == ("C-000021", "88")
    # A reference alone is the payer's own number of the claim, not ours.
    assert read(answer).claim == ""


def test_as_the_return_of_an_operation() -> None:
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "return", "resource": response(PAID)}]}
    assert read(parameters) == read(response(PAID))
    wrapped = {"resourceType": "Bundle", "entry": [{"resource": response(PAID)}]}
    parameters["parameter"] = [{"name": "return", "resource": wrapped}]
    assert read(parameters).id == read(response(PAID)).id


def test_all_answers_of_a_search() -> None:
    other = response(PAID, identifier=[{"value": "ICN-2"}])
    body: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": response(PAID)}, {"resource": other}],
    }
    found = read_answers(wire.dumps(body), message="m9")
    assert [f.payer_claim_number for f in found if isinstance(f, Remittance)] == ["ICN-1", "ICN-2"]
    assert reasons({"resourceType": "Bundle", "type": "searchset"}) == ("not-a-claim-response",)


def test_an_operation_outcome_is_a_refusal_only_with_an_error() -> None:
    issue = {
        "severity": "error",
        "code": "invalid",
        "diagnostics": "Claim.total is missing",
        "expression": ["Claim.total"],
    }
    coded = {"severity": "fatal", "code": "x", "details": {"coding": [{"code": "dup"}], "text": "Sent before"}}
    note = {"severity": "warning", "code": "informational", "diagnostics": "slow"}
    found = read({"resourceType": "OperationOutcome", "issue": [issue, note, coded]})
    assert found.decision is Decision.REFUSED
    assert found.errors == ("invalid: Claim.total is missing", "dup: Sent before")
    assert found.claim == ""
    assert reasons({"resourceType": "OperationOutcome", "issue": [note]}) == ("not-a-claim-response",)


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"", "not-json"), (b'{"resourceType":"Cl', "not-json"), (b'{"error":1}', "not-fhir"),
     (b'{"resourceType":"Patient"}', "not-a-claim-response"),
     (b'{"resourceType":"ClaimResponse","outcome":"complete","outcome":"queued"}', "duplicate-key")],
)  # fmt: skip
def test_what_is_no_answer(body: bytes, reason: str) -> None:
    assert read_answer(body, message="m") == Unread((reason,), "m")


# --- identity ------------------------------------------------------------------------------------------------


def test_the_same_adjudication_twice_has_one_identity() -> None:
    one = read(response(PAID))
    again = response(PAID, id="r2", created="2026-01-22T08:00:00Z", disposition="Copy", meta={"versionId": "2"})
    assert read(again).id == one.id
    text = json.dumps(response(PAID), default=float)
    short = read_answer(text.encode(), message="m")
    assert isinstance(short, Remittance)
    assert short.id == one.id


def test_another_decision_on_the_claim_has_another_identity() -> None:
    ids = {
        read(body).id
        for body in (
            response(PAID),
            response(item(1, "420.00", "300.00", adjusted("CO", "45", "120.00"))),
            response(PAID, payment={"amount": usd("280.00"), "identifier": {"value": "EFT-2"}}),
            response(PAID, identifier=[{"system": "urn:payer:icn", "value": "ICN-2"}]),
            response(PAID, identifier=[]),
            response(outcome="queued", item=[]),
            response(outcome="error", item=[]),
        )
    }
    assert len(ids) == 7


def test_without_an_identifier_what_a_door_adds_or_leaves_out_makes_no_other_answer() -> None:
    """By a poll the claim is only referred to, a notification has it in its Bundle, a file has neither ids nor names."""
    plain = response(PAID, identifier=[])
    claim = {"resourceType": "Claim", "id": "k", "identifier": [{"value": "C-000017"}]}
    told = {"resourceType": "Bundle", "type": "history", "entry": [
        {"resource": response(PAID, identifier=[], request={"reference": "Claim/k"})}, {"resource": claim}
    ]}  # fmt: skip
    bare = {k: v for k, v in plain.items() if k not in ("id", "request")}
    bodies = (plain, told, bare, plain | {"request": {"reference": "Claim/9"}}, plain | {"id": "r77"})
    assert len({read(body).id for body in bodies}) == 1


def test_the_status_of_an_835_and_what_a_payer_says_in_words_of_its_own() -> None:
    clp02 = {
        "url": "urn:payer:status",
        "valueCoding": {"system": "https://codesystem.x12.org/005010/1029", "code": "19"},
    }
    onto = {"url": "urn:payer:sent-to", "valueReference": {"identifier": {"value": "2222"}}}
    plain = {"url": "urn:payer:note", "valueString": "x" * 900}
    found = read(response(PAID, extension=[clp02, onto, plain, {"url": "urn:empty"}]))
    assert found.status == "19"
    assert found.extensions == (
        ("urn:payer:status", "19"), ("urn:payer:sent-to", "2222"), ("urn:payer:note", "x" * 400),
    )  # fmt: skip
    concept = {"url": "u", "valueCodeableConcept": {"coding": [clp02["valueCoding"]]}}
    assert read(response(PAID, extension=[concept])).status == "19"
    other = {"url": "u", "valueCoding": {"system": "urn:else", "code": "19"}}
    assert read(response(PAID, extension=[other])).status == ""


@pytest.mark.parametrize(
    "said",
    [
        {"adjudication": [{"category": {"text": "remark"}, "reason": {"coding": [{"system": RARC, "code": "MA18"}]}}]},
        {"processNote": [{"text": "MA18"}]},
        {"processNote": [{"text": "MA18: sent to the supplemental insurer"}, {"text": "Thank you."}]},
    ],
)
def test_remark_codes_about_the_whole_claim(said: Json) -> None:
    assert read(response(PAID, **said)).remarks == ("MA18",)


AMOUNTS = st.integers(-(10**7), 10**9)


@given(
    st.lists(st.tuples(AMOUNTS, AMOUNTS, st.lists(st.tuples(st.sampled_from(["CO", "OA", "PI"]), AMOUNTS))), max_size=5)
)
def test_amounts_are_read_to_the_cent(sent: list[tuple[int, int, list[tuple[str, int]]]]) -> None:
    def text(cents: int) -> str:
        return format(Decimal(cents).scaleb(-2), "f")

    items = [
        item(n, text(charge), text(paid), *(adjusted(group, "45", text(amount)) for group, amount in adjustments))
        for n, (charge, paid, adjustments) in enumerate(sent, 1)
    ]
    found = read(response(*items))
    assert [(line.charge, line.paid) for line in found.lines] == [(charge, paid) for charge, paid, _ in sent]
    for line, (_, _, adjustments) in zip(found.lines, sent, strict=True):
        assert [(a.group, a.amount) for a in line.adjustments] == [(g, a) for g, a in adjustments if a]


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, 7, -1, True, "", "x", [], {}, [[]], {"coding": 3}, [None], Decimal("0.001")]
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(spot for key, part in inner for spot in spots(part, (*path, key)))]


WHOLE = response(PAID, item(2, "5.00", "5.00"), adjudication=[adjusted("OA", "23", "5.00")])


@given(st.lists(st.tuples(st.sampled_from(spots(WHOLE)[1:]), JUNK), min_size=1, max_size=3))
def test_any_junk_is_read_or_unread_but_never_raises(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    body = copy.deepcopy(WHOLE)
    for path, junk in changes:
        place: Any = body
        try:
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = copy.deepcopy(junk)
        except (KeyError, IndexError, TypeError):
            continue
    found = read_answer(wire.dumps(body), message="m")
    assert found.reasons if isinstance(found, Unread) else found.id
