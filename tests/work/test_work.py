"""The life of a work item."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from adapters.hl7v2.capture import capture
from adapters.model.charge import Release
from adapters.model.people import Identifier
from adapters.model.record import PersonRecord, Reading, Tick
from adapters.model.site import Feed
from adapters.model.work import WorkItem, open_item
from adapters.pipeline.step import step
from adapters.work import CLAIM_INVALID, MERGE_WAITING, Standing, decided, of_holds, settle
from tests.model.clinic import fraction, house, rules, screened

NOW = datetime(2026, 1, 5, 20, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def items(n: int = 1) -> tuple[WorkItem, ...]:
    days = [fraction(f"2025-12-{20 + i}T09:00", i) for i in range(1, n + 1)]
    outcomes = screened(days, house("freestanding", options={}))
    return of_holds(outcomes.holds, rules(), "p1", NOW)


def test_lines_that_wait_for_a_person_are_items_with_their_next_step() -> None:
    (item,) = items()
    assert (item.kind, item.code, item.category, item.person) == ("hold", "option-missing", "delivery", "p1")
    assert item.action == rules().hold("option-missing").next_step
    assert item.about == "p1/C1|delivery|n:#1|-"
    assert item.amount == 0


def test_an_item_is_worth_the_line_it_keeps_back() -> None:
    session = fraction("2026-01-05T09:00", 1, isocenters=None)
    (item,) = of_holds(screened([session]).holds, rules(), "p1", NOW)
    assert item.code == "isocenters-unknown"
    assert item.amount > 0


def test_what_waits_by_itself_or_is_never_paid_is_no_item() -> None:
    session = fraction("2026-01-05T09:00", 1, guidance="cbct")
    outcomes = screened([session])
    assert {h.release for h in outcomes.holds} == {Release.NEVER, Release.WAIT}
    assert of_holds(outcomes.holds, rules(), "p1", NOW) == ()


def test_an_item_is_opened_kept_and_closed_when_its_cause_is_gone() -> None:
    wanted = items(2)
    opened = settle((), wanted, NOW)
    assert opened == wanted
    assert settle(opened, wanted, LATER) == opened
    gone = settle(opened, wanted[:1], LATER)
    assert [(i.closed, i.closed_why) for i in gone] == [(None, ""), (LATER, "settled")]


def test_the_same_trouble_again_opens_its_item_again() -> None:
    wanted = items()
    closed = settle(wanted, (), LATER)
    (again,) = settle(closed, wanted, LATER)
    assert (again.id, again.closed, again.opened) == (wanted[0].id, None, LATER)


def test_an_open_item_says_what_is_so_now_and_keeps_whose_it_is() -> None:
    (item,) = items()
    mine = replace(item, assigned="kim", amount=1)
    (fresh,) = settle((mine,), (replace(item, amount=99, detail="other"),), LATER)
    assert (fresh.assigned, fresh.amount, fresh.detail, fresh.opened) == ("kim", 99, "other", NOW)


def test_what_a_person_closed_is_left_to_the_decision_unless_it_is_gone_by_itself() -> None:
    (item,) = items()
    done = replace(item, closed=NOW, closed_why="written off", closed_by="kim")
    assert settle((done,), (item,), LATER) == (done,)
    (gone,) = settle((done,), (), LATER)
    assert (gone.closed, gone.closed_why, gone.closed_by) == (LATER, "settled", "")
    assert decided((done,), (), Standing(), LATER) == (replace(item, opened=LATER),), "nobody stands by it"


def test_items_of_other_kinds_and_of_invalid_claims_are_left_alone() -> None:
    denial = open_item("denial", "197", "c1", category="authorization", action="get", opened=NOW)
    invalid = open_item("hold", CLAIM_INVALID, "c1", category="submission", action="repair", opened=NOW)
    assert settle((denial, invalid), (), LATER) == (denial, invalid)


FEED = Feed("rt", "hl7v2", "plain-dft", "America/New_York", "main", person_system="mrn")
FREESTANDING = house("freestanding", options={})


def told(record: PersonRecord, *segments: str, sent: str, message: str, kind: str = "DFT^P03") -> PersonRecord:
    """The record after one message of a feed that codes its charges."""
    head = (f"MSH|^~\\&|RT|C|O|B|{sent}||{kind}|{message}|P|2.5.1", "PID|1||R-1||Quill^Petra||19610203|F")
    body = "\r".join((*head, *segments)).encode()
    dialect = rules().dialect("plain-dft")
    found = capture(body, feed=FEED, dialect=dialect, message=message, received=NOW)
    assert isinstance(found, tuple)
    readings = [Reading(message, NOW, captured=captured) for captured in found]
    return step(record, readings, FREESTANDING, Tick(LATER, LATER.date()))


def opened(record: PersonRecord, kind: str) -> list[tuple[str, str]]:
    return [(i.code, i.closed_why) for i in record.work if i.kind == kind]


CHARGE = "FT1|1|T1||{day}||CG|77412^^L|||1|||||||||||||||77412^^C4"
BAD, GOOD = CHARGE.format(day="20260230"), CHARGE.format(day="20260105")


def test_an_incomplete_message_closes_when_its_sender_has_mended_it() -> None:
    record = told(PersonRecord("p1"), BAD, sent="20260106080000", message="m1")
    assert opened(record, "incomplete-message") == [("ill-formed-date", "")]
    record = told(record, GOOD, sent="20260106090000", message="m2")
    assert opened(record, "incomplete-message") == [("ill-formed-date", "settled")]
    assert [skip.reason for skip in record.skips if skip.event.startswith("omitted:m1")] == ["ill-formed-date"]


def test_in_the_other_order_of_arrival_it_never_opens() -> None:
    record = told(PersonRecord("p1"), GOOD, sent="20260106090000", message="m2")
    record = told(record, BAD, sent="20260106080000", message="m1")
    assert opened(record, "incomplete-message") == []


def test_a_garbled_credit_is_not_mended_by_the_charge_that_it_follows() -> None:
    """Said earlier, or in the same second: only a later report of the line tells what was left out."""
    for sent in ("20260106070000", "20260106080000"):
        record = told(PersonRecord("p1"), GOOD, sent=sent, message="m1")
        record = told(record, BAD.replace("|CG|", "|CD|"), sent="20260106080000", message="m2")
        assert opened(record, "incomplete-message") == [("ill-formed-date", "")]


def test_another_charge_mends_nothing() -> None:
    record = told(PersonRecord("p1"), BAD, sent="20260106080000", message="m1")
    record = told(record, GOOD.replace("|T1|", "|T11|"), sent="20260106090000", message="m2")
    assert opened(record, "incomplete-message") == [("ill-formed-date", "")]


def test_a_resend_that_is_garbled_too_waits_under_its_own_item() -> None:
    record = told(PersonRecord("p1"), BAD, sent="20260106080000", message="m1")
    record = told(record, GOOD.replace("||1||", "||one||"), sent="20260106090000", message="m2")
    assert opened(record, "incomplete-message") == [("ill-formed-date", "settled"), ("ill-formed", "")]


MRG = "MRG|R-2"


def test_a_merge_waits_for_a_person_until_the_records_are_one() -> None:
    record = told(PersonRecord("p1"), MRG, sent="20260106080000", message="m1", kind="ADT^A40")
    (item,) = record.work
    assert (item.kind, item.code, item.category, item.person) == (MERGE_WAITING, "person", "identity", "p1")
    assert "R-2" not in item.detail + item.action + item.about
    again = told(record, MRG, sent="20260106080000", message="m1", kind="ADT^A40")
    assert again.work == record.work
    joined = replace(record, identifiers=(*record.identifiers, Identifier("mrn", "R-2")))
    joined = told(joined, GOOD, sent="20260106090000", message="m2")
    assert opened(joined, MERGE_WAITING) == [("person", "settled")]


def test_an_account_merge_or_a_link_already_known_waits_for_nobody() -> None:
    account = told(PersonRecord("p1"), "MRG|R-1||AC2", sent="20260106080000", message="m1", kind="ADT^A35")
    assert opened(account, MERGE_WAITING) == []
    known = PersonRecord("p1", identifiers=(Identifier("mrn", "R-2"),))
    assert opened(told(known, MRG, sent="20260106080000", message="m1", kind="ADT^A40"), MERGE_WAITING) == []


def test_a_dose_waits_for_its_route_what_was_swallowed_owes_nothing_and_a_refused_one_is_skipped() -> None:
    dose = "RXA|0|1|20260105091500|20260105100000|00006-3026-02^x^NDC|200|mg{more}"
    record = told(PersonRecord("p1"), dose.format(more=""), sent="20260106080000", message="m1", kind="RAS^O17")
    assert [hold.code for hold in record.holds] == ["documentation-missing"]
    assert [item.code for item in record.work] == ["documentation-missing"]
    swallowed = dose.format(more="") + "\rRXR|PO"
    record = told(PersonRecord("p1"), swallowed, sent="20260106080000", message="m1", kind="RAS^O17")
    assert ([skip.reason for skip in record.skips], record.holds, record.work) == (["no-needle"], (), ())
    refused = dose.format(more="|" * 13 + "RE")
    record = told(PersonRecord("p1"), refused, sent="20260106080000", message="m1", kind="RAS^O17")
    assert [skip.reason for skip in record.skips] == ["not-done"]
