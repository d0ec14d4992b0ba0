"""A payer's files taken from the command line: posted, parked with the reason, matched by a person, posted once."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.conftest import SITE, Clinic

pytestmark = pytest.mark.system

CARC = "https://x12.org/codes/claim-adjustment-reason-codes"
Json = dict[str, Any]


@pytest.fixture
def payer() -> Iterator[int]:
    """A payer that takes every call and says nothing: whether it has the claim is not known."""
    listening = socket.create_server(("127.0.0.1", 0))

    def take() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            with line:
                line.settimeout(2)
                line.recv(65536)

    threading.Thread(target=take, daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()


@pytest.fixture
def sent(bare: Clinic, payer: int, say: SimpleNamespace) -> tuple[Clinic, str]:
    """A clinic with one claim of 120.50 at the payer, and the claim's id."""
    bare.file("site.toml", SITE.replace("127.0.0.1:1/", f"127.0.0.1:{payer}/"))
    assert bare("init").code == 0
    bare.file("one.hl7", say.dft("M1"))
    assert bare("ingest", "one.hl7", "--now", "2026-01-05").code == 0
    assert bare("run-due", "--now", "2026-01-06").code == 0
    (claim,) = bare("claims", "--json").rows()
    assert claim["state"] == "submitted"
    return bare, claim["id"]


def usd(amount: str) -> Json:
    return {"value": float(amount), "currency": "USD"}


def part(category: str, amount: str) -> Json:
    return {"category": {"coding": [{"code": category}]}, "amount": usd(amount)}


def response(claim: str, *, number: str = "ICN-1", paid: str = "80.50", off: str = "40.00", reason: str = "45",
             charge: str = "120.50", patient: str = "SB-7001", id: str = "r1") -> Json:  # fmt: skip
    adjusted = {
        "category": {"coding": [{"code": "adjustment"}], "text": "CO"},
        "reason": {"coding": [{"system": CARC, "code": reason}]},
        "amount": usd(off),
    }
    return {
        "resourceType": "ClaimResponse",
        "id": id,
        "identifier": [{"system": "urn:sandbar:icn", "value": number}],
        "status": "active",
        "use": "claim",
        "created": "2026-01-20",
        "outcome": "complete",
        "patient": {"identifier": {"value": patient}},
        "request": {"identifier": {"value": claim}},
        "item": [{"itemSequence": 1, "adjudication": [part("submitted", charge), adjusted, part("benefit", paid)]}],
    }


def payment(amount: str, *details: tuple[str, str, str]) -> Json:
    """A payment; details are (code, what it refers to, amount)."""
    built = []
    for code, of, money in details:
        one: Json = {"type": {"coding": [{"code": code}]}, "amount": usd(money)}
        built.append(one | ({"response": {"reference": f"ClaimResponse/{of}"}} if of else {}))
    return {
        "resourceType": "PaymentReconciliation",
        "status": "active",
        "paymentIssuer": {"display": "Sandbar Mutual"},
        "paymentIdentifier": {"value": "EFT-9"},
        "paymentDate": "2026-01-21",
        "paymentAmount": usd(amount),
        "detail": built,
    }


def bundle(*resources: Json) -> str:
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]})


def balance(clinic: Clinic) -> dict[str, str]:
    return {row["account"]: row["amount"] for row in clinic("ledger", "--by", "account", "--json").rows()}


def test_an_answer_of_a_file_is_posted_once(sent: tuple[Clinic, str]) -> None:
    clinic, claim = sent
    clinic.file("era.json", json.dumps(response(claim)))
    first = clinic("remit", "era.json", "--payer", "sandbar", "--json")
    assert (first.code, [row["outcome"] for row in first.rows()]) == (0, ["accepted"]), first.err
    assert clinic("claims", "--json").rows()[0]["state"] == "paid"
    assert balance(clinic) == {"charges": "-120.50", "payer-payment": "80.50", "contractual": "40.00"}
    assert clinic("remit", "era.json", "--payer", "sandbar", "--json").rows()[0]["outcome"] == "duplicate"
    # Other bytes, the same decision: it came as a line of another file.
    clinic.file("again.ndjson", json.dumps(response(claim) | {"id": "other"}) + "\n\n")
    assert clinic("remit", "again.ndjson").code == 0
    assert balance(clinic)["payer-payment"] == "80.50"
    assert clinic("verify").code == 0
    assert clinic("rebuild", "--check").code == 0


def test_an_answer_by_the_payers_number_alone_is_found(sent: tuple[Clinic, str]) -> None:
    clinic, claim = sent
    clinic.file("pend.json", json.dumps(response(claim) | {"outcome": "queued", "item": []}))
    assert clinic("remit", "pend.json", "--payer", "sandbar").code == 0
    clinic.file("era.json", json.dumps(response("") | {"request": {"display": "yours"}}))
    assert clinic("remit", "era.json", "--payer", "sandbar").code == 0
    assert clinic("claims", "--json").rows()[0]["state"] == "paid"


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"paid": "90.50"}, "out-of-balance", "charge is not paid plus adjustments (by 10.00)"),
        ({"paid": "180.50", "off": "-60.00"}, "out-of-balance", "more is paid than was billed (by 60.00)"),
        ({"patient": "SB-9999"}, "unmatched-response", "the answer names another patient"),
        ({"charge": "130.50", "paid": "90.50"}, "out-of-balance", "not what was billed"),
    ],
)
def test_what_cannot_be_posted_waits_whole(sent: tuple[Clinic, str], changes: Json, kind: str, words: str) -> None:
    clinic, claim = sent
    clinic.file("era.json", json.dumps(response(claim, **changes)))
    assert clinic("remit", "era.json").code == 1
    (item,) = [row for row in clinic("worklist", "--json").rows() if row["kind"] == kind]
    assert words in str(clinic("worklist").out).replace("\n", " ") or words in item["action"] or item["code"] == kind
    assert balance(clinic) == {"receivable": "120.50", "charges": "-120.50"}


def test_a_person_matches_what_names_nobody(sent: tuple[Clinic, str]) -> None:
    clinic, claim = sent
    clinic.file("era.json", json.dumps(response("ZZ-404")))
    ran = clinic("remit", "era.json", "--payer", "sandbar")
    assert ran.code == 1
    (item,) = [row for row in clinic("worklist", "--json").rows() if row["kind"] == "unmatched-response"]
    assert (item["amount"], item["action"]) == ("80.50", "match")
    said = ("--by", "kim", "--why", "the number was read off the letter")
    assert clinic("match", item["id"], "no-such-claim", *said).code == 1
    done = clinic("match", item["id"], claim, *said)
    assert done.code == 0, done.err
    assert "$80.50 paid; the claim is paid" in done.out
    assert balance(clinic)["payer-payment"] == "80.50"
    assert not [row for row in clinic("worklist", "--json").rows() if row["kind"] == "unmatched-response"]
    assert clinic("rebuild", "--check").code == 0


def test_a_match_does_not_mend_sums(sent: tuple[Clinic, str]) -> None:
    clinic, claim = sent
    clinic.file("era.json", json.dumps(response("ZZ-404", paid="1.00")))
    clinic("remit", "era.json")
    (item,) = [row for row in clinic("worklist", "--json").rows() if row["kind"] == "unmatched-response"]
    ran = clinic("match", item["about"], claim, "--by", "kim", "--why", "mine")
    assert ran.code == 1
    assert "charge is not paid plus adjustments (by 79.50)" in ran.err


def test_a_payment_with_interest_and_a_recovery(sent: tuple[Clinic, str]) -> None:
    clinic, claim = sent
    told = payment("51.00", ("payment", "r1", "80.50"), ("L6", "", "0.50"), ("WO", "", "-30.00"))
    clinic.file("pay.json", bundle(response(claim), told))
    assert clinic("remit", "pay.json").code == 0
    found = balance(clinic)
    assert (found["interest"], found["recoupment"], found["provider-level"]) == ("0.50", "30.00", "-30.50")
    cash = [float(found[name]) for name in ("payer-payment", "interest", "recoupment")]
    assert round(cash[0] + cash[1] - cash[2], 2) == 51.00
    assert [row["code"] for row in clinic("worklist", "--json").rows() if row["kind"] == "provider-adjustment"] == [
        "WO"
    ]
    clinic.file("pay2.json", bundle(told, response(claim)))
    assert clinic("remit", "pay2.json").code == 0
    assert balance(clinic) == found
    by_payment = clinic("ledger", "--by", "payment", "--json").rows()
    # The payment says which answer it pays: what the bank got is what the payment says.
    assert [(r["payment"], r["account"], r["amount"]) for r in by_payment] == [
        ("sandbar EFT-9", "interest", "0.50"), ("sandbar EFT-9", "payer-payment", "80.50"),
        ("sandbar EFT-9", "recoupment", "30.00"), ("sandbar EFT-9", "cash", "51.00"),
    ]  # fmt: skip
    assert clinic("rebuild", "--check").code == 0


def test_a_payment_that_does_not_add_up_posts_nothing_of_its_body(sent: tuple[Clinic, str]) -> None:
    clinic, claim = sent
    clinic.file("pay.json", bundle(response(claim), payment("81.00", ("payment", "r1", "80.50"))))
    ran = clinic("remit", "pay.json")
    assert (ran.code, "parked (out-of-balance" in ran.out) == (1, True)
    assert balance(clinic) == {}
    clinic.file("other.json", bundle(response(claim), payment("70.00", ("payment", "r1", "70.00"))))
    assert "otherwise than the answer says (by 10.50)" in clinic("remit", "other.json").out


def test_a_denial_says_what_would_have_caught_it(sent: tuple[Clinic, str]) -> None:
    clinic, claim = sent
    clinic.file("era.json", json.dumps(response(claim, paid="0.00", off="120.50", reason="197")))
    ran = clinic("remit", "era.json")
    assert ran.code == 0
    assert "denial 197, $120.50: authorization missing (the edit authorization-missing would have held it)" in ran.out


def test_files_that_are_not_there_and_payers_nobody_knows(clinic: Clinic) -> None:
    assert clinic("remit", str(Path("nowhere.json"))).code == 1
    clinic.file("x.json", "{}")
    assert "has no payer" in clinic("remit", "x.json", "--payer", "nobody").err
    assert "answer-unreadable" in clinic("remit", "x.json").out


def test_the_ledger_of_a_past_day_by_payer_patient_and_claim_and_by_age(sent: tuple[Clinic, str]) -> None:
    clinic, claim = sent
    clinic.file("pend.json", json.dumps(response(claim) | {"outcome": "queued", "item": []}))
    assert clinic("remit", "pend.json", "--now", "2026-01-07").code == 0
    told = payment("81.00", ("payment", "r1", "80.50"), ("L6", "", "0.50"))
    clinic.file("pay.json", bundle(response(claim), told))
    assert clinic("remit", "pay.json", "--now", "2026-03-20").code == 0

    def rows(*words: str) -> list[Json]:
        return clinic("ledger", *words, "--json").rows()

    assert rows("--at", "2026-01-06") == []
    owed = [("receivable", "120.50"), ("charges", "-120.50")]
    for by, key in (("claim", claim), ("payer", "sandbar")):
        found = rows("--at", "2026-03-19", "--by", by)
        assert sorted((r["account"], r["amount"], r[by]) for r in found) == sorted((*o, key) for o in owed)
    (lane,) = {row["patient"] for row in rows("--at", "2026-03-19", "--by", "patient")}
    assert lane
    # The interest is the payer's and no patient's.
    after = rows("--at", "2026-03-20", "--by", "payer")
    assert {(r["payer"], r["account"]) for r in after if r["account"] == "interest"} == {("sandbar", "interest")}
    assert {r["patient"] for r in rows("--at", "2026-03-20", "--by", "patient") if r["account"] == "interest"} == {""}
    aged = {row["label"]: row["receivable"] for row in rows("--at", "2026-03-19", "--ageing")}
    assert aged == {"0-30": "0.00", "31-60": "0.00", "61-90": "120.50", "91-120": "0.00", "over 120": "0.00"}
    assert "Open by age" in clinic("ledger", "--ageing", "--at", "2026-03-20").out
    assert "Balances" in clinic("ledger", "--by", "payer").out
    assert clinic("ledger", "--at", "yesterday").code != 0


SECOND = """
[[payers]]
id = "dune"
name = "Dune Cross"
kind = "commercial"
cycle = "day"
"""


def test_a_claim_that_its_payer_sends_on_is_posted_from_files_of_both_and_sent_by_nobody_else(
    bare: Clinic, payer: int, say: SimpleNamespace
) -> None:
    """Crossover: the second payer's file says nothing of its sender, and is known by the insurer that it names."""
    text = SITE.replace("127.0.0.1:1/", f"127.0.0.1:{payer}/")
    at = text.index("[[feeds]]")
    bare.file("site.toml", text[:at] + SECOND + text[at:])
    assert bare("init").code == 0
    bare.file(
        "one.hl7", say.dft("M1").decode() + "IN1|2|dune|dune|Dune Cross||||||||20250101|||||SEL" + "|" * 19 + "DC-9\r"
    )
    assert bare("ingest", "one.hl7", "--now", "2026-01-05").code == 0
    assert bare("run-due", "--now", "2026-01-06").code == 0
    (claim,) = (row["id"] for row in bare("claims", "--json").rows())
    status = {
        "url": "urn:sandbar:status",
        "valueCoding": {"system": "https://codesystem.x12.org/005010/1029", "code": "19"},
    }
    told = response(claim, off="20.50", paid="100.00") | {
        "extension": [status],
        "insurer": {"display": "Sandbar Mutual"},
    }
    told["item"][0]["adjudication"][1] |= {
        "category": {"text": "PR"},
        "reason": {"coding": [{"system": CARC, "code": "2"}]},
    }
    bare.file("one.json", json.dumps(told))
    assert bare("remit", "one.json", "--now", "2026-01-20").code == 0
    assert [row["kind"] for row in bare("worklist", "--json").rows()] == ["forwarded-claim"]
    assert len(bare("claims", "--json").rows()) == 1
    assert bare("statement", claim, "--json").rows()[0]["due"] is None

    def second(id: str, *taken: tuple[str, str, str], paid: str) -> str:
        one = response(claim, number=f"DX-{id}", patient="DC-9", id=id, paid=paid)
        adjusted = [
            {"category": {"text": group}, "reason": {"coding": [{"system": CARC, "code": code}]}, "amount": usd(amount)}
            for group, code, amount in taken
        ]
        one["item"][0]["adjudication"][1:2] = adjusted
        return bare.file(f"{id}.json", json.dumps(one | {"insurer": {"display": "Dune Cross"}}))

    assert bare("remit", second("r2", ("OA", "23", "100.00"), ("CO", "197", "20.50"), paid="0.00")).code == 0
    assert [row["kind"] for row in bare("worklist", "--json").rows()] == ["denial"]
    assert bare("remit", second("r3", ("OA", "23", "100.00"), ("PR", "3", "5.50"), paid="15.00")).code == 0
    assert bare("worklist", "--json").rows() == []
    assert bare("statement", claim, "--json").rows()[0]["due"] == "5.50"
    found = {(r["payer"], r["account"]): r["amount"] for r in bare("ledger", "--by", "payer", "--json").rows()}
    assert found["sandbar", "payer-payment"] == "115.00"
    by_payment = {(r["payment"], r["account"]): r["amount"] for r in bare("ledger", "--by", "payment", "--json").rows()}
    assert (by_payment["sandbar", "cash"], by_payment["dune", "cash"]) == ("100.00", "15.00")
    for command in (("verify",), ("rebuild", "--check")):
        done = bare(*command)
        assert (done.code, done.err) == (0, "")
