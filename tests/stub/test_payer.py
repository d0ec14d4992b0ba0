"""The payer's answers and its books, verb by verb, without a socket."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server_stub.books import Sums
from fhir_server_stub.fees import Fees
from fhir_server_stub.payer import Stub
from fhir_server_stub.scenario import drawn
from fhir_server_stub.wire import dumps


def rule(verb: str, terms: str = "", head: str = "") -> str:
    return f'{head}\n[[rule]]\nverb = "{verb}"\n{terms}\n'


def prior(number: str, frequency: str) -> dict:
    return {
        "related": [{"relationship": {"coding": [{"code": "prior"}]}, "reference": {"value": number}}],
        "supportingInfo": [
            {
                "sequence": 1,
                "category": {"coding": [{"code": "claimFrequency"}]},
                "code": {"coding": [{"code": frequency}]},
            }
        ],
    }


def outcome(answer) -> str:
    return answer.body.get("outcome")


def found(stub: Stub, kind: str = "ClaimResponse", name: str = "A1") -> list[dict]:
    if kind == "Claim":
        return stub.search("Claim", [("identifier", f"urn:clinic:claim|{name}")])
    return stub.search(kind, [("request.identifier", f"urn:clinic:claim|{name}")])


def test_pay(payer, claim):
    stub = payer()
    answer = stub.submit(claim())
    body = answer.body
    assert (answer.status, outcome(answer)) == (200, "complete")
    assert body["identifier"] == [{"system": "urn:stub-payer:claim-number", "value": "STUB00000001"}]
    assert body["request"]["identifier"]["value"] == "A1"
    assert body["created"] == "2026-01-12T09:00:00+00:00"
    assert body["payment"]["date"] == "2026-01-12"
    assert body["payment"]["amount"]["value"] == Decimal("400.04")
    assert stub.books.totals() == Sums(
        charge=Decimal("650.00"),
        allowed=Decimal("500.05"),
        paid=Decimal("400.04"),
        contractual=Decimal("149.95"),
        patient=Decimal("100.01"),
        denied=Decimal("0.00"),
    )


def test_each_answered_line_adds_up(payer, claim):
    stub = payer(rule("deny", 'when = { code = "77427" }\ncarc = "197"\ngroup = "CO"'))
    for item in stub.submit(claim()).body["item"]:
        amounts = {}
        adjustments = []
        for entry in item["adjudication"]:
            code = entry["category"]["coding"][0]["code"]
            if code == "adjustment":
                adjustments.append((entry["category"]["text"], entry["reason"]["coding"][0]["code"]))
            amounts[code] = amounts.get(code, Decimal(0)) + entry["amount"]["value"]
        assert amounts["submitted"] == amounts["benefit"] + amounts["adjustment"]
        expected = {1: [("CO", "45"), ("PR", "2")], 2: [("CO", "197")]}
        assert adjustments == expected[item["itemSequence"]]


def test_deny_and_adjust_reach_the_books(payer, claim):
    text = rule("deny", 'when = { code = "77427" }') + rule("adjust", "percent = 50")
    stub = payer(text)
    stub.submit(claim())
    lines = stub.books.as_json()["claims"][0]["lines"]
    assert [(one["paid"], one["denied"], one["contractual"]) for one in lines] == [
        ("124.00", "0.00", "245.00"),
        ("0.00", "250.00", "0.00"),
    ]


def test_a_faulty_claim_leaves_no_trace(payer, claim):
    stub = payer()
    answer = stub.submit(claim(total={"value": Decimal("1.00"), "currency": "USD"}))
    assert answer.status == 400
    assert answer.body["issue"][0]["expression"] == ["Claim.total"]
    assert stub.books.accounts == []
    assert stub.resources.search("Claim", []) == []


def test_pend_for_a_number_of_polls(payer, claim):
    stub = payer(rule("pend", "polls = 2"))
    first = stub.submit(claim())
    identity = first.body["id"]
    assert outcome(first) == "queued"
    assert "payment" not in first.body
    seen = [stub.read("ClaimResponse", identity)["outcome"] for _ in range(3)]
    assert seen == ["queued", "queued", "complete"]
    final = stub.read("ClaimResponse", identity)
    assert (final["id"], final["meta"]["versionId"]) == (identity, "2")
    assert stub.read("ClaimResponse", identity, "1")["outcome"] == "queued"
    assert stub.books.totals().paid == Decimal("400.04")


def test_searches_poll_too(payer, claim):
    stub = payer(rule("pend", "polls = 1"))
    stub.submit(claim())
    assert [found(stub)[0]["outcome"] for _ in range(2)] == ["queued", "complete"]


def test_pend_until_the_clock_passes(payer, claim, clock):
    stub = payer(rule("pend", "seconds = 60"))
    identity = stub.submit(claim()).body["id"]
    assert [stub.read("ClaimResponse", identity)["outcome"] for _ in range(3)] == ["queued"] * 3
    assert stub.books.accounts[0].state == "pended"
    clock.forward(60)
    assert stub.books.accounts[0].state == "decided"
    assert stub.read("ClaimResponse", identity)["created"].startswith("2026-01-12T09:01:00")


def test_pend_until_an_instant_and_under_a_new_id(payer, claim):
    stub = payer(rule("pend", "until = 2026-01-13T00:00:00Z\nnew_id = true"))
    first = stub.submit(claim()).body
    stub.fixed = datetime.fromisoformat("2026-01-13T00:00:00+00:00")
    assert stub.read("ClaimResponse", first["id"])["outcome"] == "queued"
    answers = found(stub)
    assert [one["outcome"] for one in answers] == ["queued", "complete"]
    assert answers[0]["identifier"] == answers[1]["identifier"]
    assert answers[0]["id"] != answers[1]["id"]


def test_pend_of_some_lines_is_partial(payer, claim):
    stub = payer(rule("pend", "lines = [2]"))
    first = stub.submit(claim()).body
    assert (first["outcome"], [one["itemSequence"] for one in first["item"]]) == ("partial", [1])
    assert "payment" not in first
    assert stub.books.totals().paid == 0
    stub.read("ClaimResponse", first["id"])
    assert len(stub.read("ClaimResponse", first["id"])["item"]) == 2


def test_throttle_then_fail_then_pay(payer, claim):
    stub = payer(rule("throttle", "times = 2\nretry_after = 7") + rule("fail"))
    answers = [stub.submit(claim()) for _ in range(4)]
    assert [a.status for a in answers] == [429, 429, 500, 200]
    assert dict(answers[0].headers) == {"Retry-After": "7"}
    assert len(stub.books.accounts) == 1


@pytest.mark.parametrize(("verb", "mark"), [("hang_up", "hung_up"), ("garble", "garbled")])
def test_the_claim_takes_effect_though_the_answer_does_not_arrive(payer, claim, verb, mark):
    stub = payer(rule(verb))
    answer = stub.submit(claim())
    assert getattr(answer, mark) is True
    assert stub.books.live_count("urn:clinic:claim|A1") == 1
    assert found(stub)[0]["outcome"] == "complete"


def test_slow(payer, claim):
    assert payer(rule("slow", "seconds = 2.5")).submit(claim()).delay == 2.5


def test_twice_is_one_claim_with_two_answers(payer, claim):
    stub = payer(rule("twice"))
    stub.submit(claim())
    answers = found(stub)
    assert len({one["id"] for one in answers}) == 2
    assert answers[0]["identifier"] == answers[1]["identifier"]
    assert len(stub.books.accounts) == 1


def test_forget_for_a_number_of_searches(payer, claim):
    stub = payer(rule("forget", "searches = 2"))
    identity = stub.submit(claim()).body["id"]
    assert [len(found(stub)) for _ in range(3)] == [0, 0, 1]
    assert [len(found(stub, "Claim")) for _ in range(3)] == [0, 0, 1]
    assert stub.read("ClaimResponse", identity) is not None


def test_forget_for_a_while(payer, claim, clock):
    stub = payer(rule("forget", "seconds = 30"))
    stub.submit(claim())
    assert found(stub, "Claim") == []
    clock.forward(30)
    assert len(found(stub, "Claim")) == 1


def test_a_resent_claim_is_a_double_on_the_books(payer, claim):
    stub = payer()
    stub.submit(claim())
    stub.submit(claim())
    assert [account.double for account in stub.books.accounts] == [False, True]
    assert stub.books.doubles() == ["urn:clinic:claim|A1"]
    assert stub.books.live_count("urn:clinic:claim|A1") == 2
    assert stub.books.totals().paid == Decimal("800.08")


def test_an_idempotent_payer_answers_as_before(payer, claim):
    stub = payer("idempotent = true")
    first, second = stub.submit(claim()), stub.submit(claim())
    assert first.body == second.body
    assert len(stub.books.accounts) == 1
    other = claim()
    other["created"] = "2026-01-13"
    assert stub.submit(other).status == 409


def test_services_billed_under_two_names_are_seen(payer, claim):
    stub = payer()
    stub.submit(claim("A1"))
    stub.submit(claim("A2"))
    assert stub.books.doubles() == []
    assert ("77407", "2026-01-05") in [(code, day) for _, code, _, day in stub.books.repeats()]


def test_conditional_create(payer, claim):
    stub = payer()
    condition = "identifier=urn:clinic:claim|A1"
    first, second = stub.create(claim(), condition), stub.create(claim(), condition)
    assert (first.status, second.status) == (201, 200)
    assert first.body == second.body
    assert dict(first.headers)["Location"] == "/fhir/Claim/claim-1/_history/1"
    assert len(stub.books.accounts) == 1
    stub.create(claim(), None)
    assert stub.create(claim(), condition).status == 412
    assert stub.books.doubles() == ["urn:clinic:claim|A1"]


def test_conditional_create_sees_what_searches_forget(payer, claim):
    stub = payer(rule("forget", "searches = 9"))
    condition = "identifier=urn:clinic:claim|A1"
    assert [stub.create(claim(), condition).status for _ in range(2)] == [201, 200]


def test_replacement_reverses_the_earlier_claim(payer, claim, item):
    stub = payer()
    number = stub.submit(claim()).body["identifier"][0]["value"]
    answer = stub.submit(claim("A2", item(1, "77427", "250.00"), **prior(number, "7")))
    assert answer.body["payment"]["adjustment"]["value"] == Decimal("-400.04")
    assert answer.body["payment"]["amount"]["value"] == Decimal("152.04") - Decimal("400.04")
    assert [account.state for account in stub.books.accounts] == ["replaced", "decided"]
    assert stub.books.totals().paid == Decimal("152.04")
    assert stub.books.live_count("urn:clinic:claim|A1") == 0


def test_void_leaves_nothing(payer, claim):
    stub = payer()
    number = stub.submit(claim()).body["identifier"][0]["value"]
    answer = stub.submit(claim("A2", **prior(number, "8")))
    assert answer.body["payment"]["amount"]["value"] == Decimal("-400.04")
    assert "item" not in answer.body
    assert [account.state for account in stub.books.accounts] == ["voided", "void"]
    assert stub.books.totals() == Sums()


@pytest.mark.parametrize("frequency", ["7", "8"])
def test_a_correction_of_nothing_is_refused(payer, claim, frequency):
    stub = payer()
    answer = stub.submit(claim("A2", **prior("STUB00000009", frequency)))
    assert (outcome(answer), stub.books.accounts) == ("error", [])
    assert answer.body["error"][0]["code"]["coding"][0]["code"] == "prior-not-found"
    refused = stub.create(claim("A2", **prior("STUB00000009", frequency)), None)
    assert (refused.status, stub.resources.search("Claim", [])) == (422, [])


def test_a_pended_claim_that_is_replaced_never_pays(payer, claim, clock):
    stub = payer(rule("pend", "seconds = 10\nwhen = { nth = 1 }"))
    number = stub.submit(claim()).body["identifier"][0]["value"]
    stub.submit(claim("A2", **prior(number, "7")))
    clock.forward(20)
    assert [account.state for account in stub.books.accounts] == ["replaced", "decided"]
    assert stub.books.totals().paid == Decimal("400.04")


def test_bundles_in_and_out(payer, claim):
    stub = payer("bundle = true\nstatus = 201")
    body = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": claim()}]}
    answer = stub.submit(body)
    assert (answer.status, answer.body["resourceType"]) == (201, "Bundle")
    assert answer.body["entry"][0]["resource"]["outcome"] == "complete"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), names=st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_books_balance_in_any_mood(claim, seed, names):
    """Whatever the verbs and repetitions: live columns add up, and one identifier is live once if idempotent."""
    stub = Stub(drawn(seed), fees=Fees.shipped())
    for name in names:
        answer = stub.submit(claim(f"A{name}"))
        assert dumps(answer.body)
    for _ in range(4):
        stub.search("ClaimResponse", [])
    totals = stub.books.totals()
    assert totals.charge == totals.paid + totals.contractual + totals.patient + totals.denied
    if stub.scenario.idempotent:
        assert stub.books.doubles() == []
    answered = {r["identifier"][0]["value"] for r in stub.resources.search("ClaimResponse", [])}
    assert answered == {account.number for account in stub.books.accounts}
