"""What stands in the store, by the contract's keys; explanations and traces of everything that bears an id."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

pytestmark = pytest.mark.system

CHARGE = ["id", "patient", "episode", "slot", "code", "system", "modifiers", "units", "service_start", "service_end"]
CHARGE += ["component", "entity", "diagnoses", "ndc", "ndc_quantity", "ndc_unit"]
CHARGE += ["price", "status", "holds", "rule", "sources"]
CLAIM = ["id", "type", "use", "payer", "patient", "entity", "frequency", "replaces", "payer_claim_number", "state"]
CLAIM += ["lines", "total", "submitted_at", "deadline"]
CLAIM_LINE = ["line", "charge_ids", "code", "modifiers", "units", "date", "charge"]
ENTRY = ["id", "at", "cause", "lines"]
ENTRY_LINE = ["account", "amount", "claim", "line"]
ITEM = ["id", "kind", "code", "about", "category", "action", "due", "amount", "opened", "assigned"]
HOLD = ["code", "release", "about", "detail", "would"]
STATES = {
    "held",
    "submitted",
    "accepted",
    "paid",
    "partially-paid",
    "denied",
    "rejected",
    "replaced",
    "voided",
    "ready",
}
ACCOUNTS = {
    *("payer-payment", "contractual", "patient-responsibility", "denied", "patient-payment", "interest", "recoupment"),
    *("receivable", "charges"),
}


def money(text: object) -> Decimal:
    """An amount, which has to be a text with two decimals."""
    assert isinstance(text, str)
    assert re.fullmatch(r"-?\d+\.\d{2}", text), text
    return Decimal(text)


def test_charges(day_after: Callable[..., Any]) -> None:
    rows = day_after("charges", "--json").rows()
    assert len(rows) > 15
    for row in rows:
        assert list(row) == CHARGE
        assert list(row["slot"]) == ["service", "key", "part"]
        assert list(row["rule"]) == ["id", "since", "digest", "cite"]
        assert all(list(source) == ["message", "at"] for source in row["sources"])
        assert all(list(hold) == HOLD for hold in row["holds"])
        assert (row["component"] in ("professional", "technical", "global"), row["system"] is not None) == (True, True)
        assert isinstance(row["units"], str)
        assert row["price"] is None or isinstance(row["price"], str)
        assert row["status"] in ("due", "claimed", "sent", "settled")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["service_start"])
        assert row["sources"], "a charge without a source does not exist"
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({json.dumps(row["slot"]) + row["episode"] for row in rows}) == len(rows)


def test_held(day_after: Callable[..., Any]) -> None:
    rows = day_after("charges", "--held", "--json").rows()
    assert rows
    for row in rows:
        assert list(row) == CHARGE
        (hold,) = row["holds"]
        assert list(hold) == HOLD
        assert hold["release"] in ("wait", "person", "never")
        assert hold["would"] is None or list(hold["would"]) == ["code", "units", "amount"]
    assert {"documentation-missing", "bundled"} <= {row["holds"][0]["code"] for row in rows}


def test_claims(day_after: Callable[..., Any]) -> None:
    rows = day_after("claims", "--json").rows()
    charges = {row["id"] for row in day_after("charges", "--json").rows()}
    assert {row["type"] for row in rows} == {"professional", "institutional"}
    for row in rows:
        assert list(row) == CLAIM
        assert all(list(line) == CLAIM_LINE for line in row["lines"])
        assert sum(money(line["charge"]) for line in row["lines"]) == money(row["total"])
        assert row["state"] in STATES
        if row["state"] not in ("voided", "accepted"):
            assert all(id in charges for line in row["lines"] for id in line["charge_ids"])
    assert {"paid", "partially-paid", "denied", "held"} <= {row["state"] for row in rows}


def test_claims_as_fhir(day_after: Callable[..., Any]) -> None:
    rows = day_after("claims", "--json").rows()
    ran = day_after("claims", "--fhir")
    documents = [json.loads(line, parse_float=Decimal) for line in ran.out.splitlines()]
    assert [document["resourceType"] for document in documents] == ["Claim"] * len(rows)
    totals = [document["total"]["value"] for document in documents]
    assert [str(total) for total in totals] == [row["total"] for row in rows], "digit for digit"


def test_ledger(day_after: Callable[..., Any]) -> None:
    rows = day_after("ledger", "--json").rows()
    claims = {row["id"] for row in day_after("claims", "--json").rows()}
    balance: dict[str, Decimal] = {}
    for row in rows:
        assert [key for key in row if key != "reverses"] == ENTRY
        ((kind, id),) = row["cause"].items()
        assert kind in ("claim", "remittance", "payment")
        assert id
        assert all(list(line) == ENTRY_LINE for line in row["lines"])
        assert sum(money(line["amount"]) for line in row["lines"]) == 0
        for line in row["lines"]:
            assert line["account"] in ACCOUNTS
            assert line["claim"] in claims
            balance[line["account"]] = balance.get(line["account"], Decimal(0)) + money(line["amount"])
    assert balance["receivable"] == 0
    assert sum(balance.values()) == 0
    told = day_after("ledger").out
    assert re.search(r"│ sum +│ +0\.00 │", told)


def test_worklist(day_after: Callable[..., Any]) -> None:
    rows = day_after("worklist", "--json").rows()
    assert rows
    for row in rows:
        assert [key for key in row if key != "detail"] == ITEM
        money(row["amount"])
        assert row["action"], "every item has its next step"
    assert {"hold", "denial"} <= {row["kind"] for row in rows}


@pytest.mark.parametrize("command", [["charges"], ["charges", "--held"], ["claims"], ["worklist"], ["ledger"]])
def test_tables_for_people_hold_what_the_json_holds(day_after: Callable[..., Any], command: list[str]) -> None:
    rows = day_after(*command, "--json").rows()
    told = day_after(*command)
    assert told.code == 0
    if command != ["ledger"] and "--held" not in command:
        assert all(row["id"] in told.out for row in rows), "an id can be copied whole"
    assert "Traceback" not in told.err


def test_the_explanation_of_every_id(day_after: Callable[..., Any]) -> None:
    charge = next(r for r in day_after("charges", "--json").rows() if r["slot"]["service"] == "delivery")
    held = next(r for r in day_after("charges", "--held", "--json").rows())
    claim = next(r for r in day_after("claims", "--json").rows() if r["state"] == "partially-paid")
    entry = next(r for r in day_after("ledger", "--json").rows() if "remittance" in r["cause"])
    for id, words in (
        (charge["id"], (charge["code"], "rule delivery", "since", "technique = imrt", "number MQDEMO-")),
        (held["id"], (held["holds"][0]["code"], "held", "rule")),
        (claim["id"], ("bills", "line 1", "payer-payment", "denied")),
        (entry["id"], ("ledger entry of", "caused by remittance:", "receivable")),
    ):
        told = day_after("explain", id)
        assert told.code == 0, told.err
        assert all(word in told.out for word in words), (words, told.out)
        (tree,) = day_after("explain", id, "--json").rows()
        assert set(tree) == {"says", "source", "parts"}
        assert tree["parts"]
    unknown = day_after("explain", "nobody")
    assert (unknown.code, unknown.out, unknown.err) == (1, "", "nothing on file has the id nobody\n")


def test_every_charge_can_say_why(day_after: Callable[..., Any]) -> None:
    for row in day_after("charges", "--json").rows():
        (tree,) = day_after("explain", row["id"], "--json").rows()
        said = json.dumps(tree)
        assert f"rule {row['rule']['id']}: " in said
        assert all(source["message"] in said for source in row["sources"])


def test_the_trace_of_a_message(day_after: Callable[..., Any]) -> None:
    charge = next(r for r in day_after("charges", "--json").rows() if r["slot"]["service"] == "delivery")
    by_journal_id = day_after("trace", charge["sources"][0]["message"])
    assert by_journal_id.code == 0
    assert charge["id"] in by_journal_id.out
    number = re.search(r"number (MQDEMO-\d+)", by_journal_id.out)
    assert number
    assert day_after("trace", number[1]).out == by_journal_id.out, "the control id does as well"
    (tree, *_) = day_after("trace", number[1], "--json").rows()
    assert set(tree) == {"says", "source", "parts"}
    unknown = day_after("trace", "nobody")
    assert (unknown.code, unknown.out, unknown.err) == (1, "", "no message on file has the id nobody\n")


def test_an_answer_is_traced_too(day_after: Callable[..., Any]) -> None:
    entry = next(r for r in day_after("ledger", "--json").rows() if "remittance" in r["cause"])
    told = day_after("explain", entry["id"]).out
    answer = re.search(r"read from .*\[([0-9a-f-]{36})\]", told)
    assert answer
    assert "an answer to claim" in day_after("trace", answer[1]).out


def test_verify(day_after: Callable[..., Any]) -> None:
    told = day_after("verify")
    assert (told.code, told.err) == (0, "")
    assert "every digest and every balance is right" in told.out
