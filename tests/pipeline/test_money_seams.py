"""Seams at which a line or a sum of money could be taken for another: openings in parts, answers of equal content."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from adapters.model.people import Identifier
from adapters.model.record import PersonRecord
from adapters.model.remittance import Adjustment, Payment, ProviderAdjustment, RemittanceLine
from adapters.model.tables import TableKind
from adapters.pipeline import House
from adapters.pipeline.patients import account_now
from adapters.pipeline.payments import with_payment
from adapters.tables.held import HeldTables
from tests.claims.test_secondary import AT as CENTER
from tests.claims.test_secondary import BOTH, THIRD, answered, story, treated
from tests.model.clinic import PERSON, background, fed, fraction, report, rules, site
from tests.pipeline.test_going_live import AFTER, MRN, back, due, edition, historic, over, row, run

OTHER = Identifier("urn:old:account", "A-9")


# ---------------------------------------------------------------- the opening


def test_a_row_with_fewer_units_left_than_a_line_bears_asks_a_person() -> None:
    """Three units were billed elsewhere; the two lines of two units each are four."""
    events = [report("dosimetry-calc", f"2026-01-05T{hour:02}:00", count=2, line=f"D{hour}") for hour in (8, 14)]
    assert [c.charge.units for c in run(events, over()).charges] == [2, 2]
    record = run(events, over(opening=[row("dosimetry", "77300", "2026-01-05", units=3)]))
    assert [(h.code, h.detail) for h in record.holds] == [
        ("billed-elsewhere", ""),
        ("review-needed", "1 of 2 units were billed elsewhere before"),
    ]
    assert not due(record)


@pytest.mark.parametrize(
    ("modifiers", "elsewhere"), [(("26",), "aaa"), ((), "hospital"), (("TC",), "hospital")], ids=["26", "none", "TC"]
)
def test_a_row_takes_the_line_of_its_own_part_of_the_service(modifiers: tuple[str, ...], elsewhere: str) -> None:
    """One code of one day, by the hospital as it is and by its physicians with 26: whichever comes first in a list."""
    for physicians in ("aaa", "zzz"):
        plain = site("hospital")
        (there,) = [f for f in plain.facilities if len(f.entities) > 1]
        entities = tuple(replace(e, id=physicians) if e.id == "physicians" else e for e in there.entities)
        facilities = tuple(replace(f, entities=entities) if f is there else f for f in plain.facilities)
        spent = row("dosimetry", "77300", "2026-01-05", units=2, modifiers=modifiers)
        tables = HeldTables([(edition(TableKind.OPENING), (spent,))])
        record = run(
            [report("dosimetry-calc", "2026-01-05T08:00", count=2)],
            House.of(rules(), replace(plain, facilities=facilities), tables),
        )
        found = {h.would.entity for h in record.holds if h.would and h.code == "billed-elsewhere"}
        assert found == {physicians if elsewhere == "aaa" else elsewhere}
        assert len(due(record)) == 1


def test_a_row_that_is_listed_under_two_identifiers_of_one_person_takes_one_line() -> None:
    twice = [fraction("2026-01-05T09:00", 1), fraction("2026-01-05T16:00", 2)]
    one = row("delivery", "77402", "2026-01-05")
    elsewhere = replace(one, system=OTHER.system, identifier=OTHER.value)
    record = replace(PersonRecord(PERSON), identifiers=(MRN, OTHER))
    told = fed([*background(), *twice], over(opening=[one, elsewhere]), AFTER, record)
    assert len(back(told, "billed-elsewhere")) == 1
    assert len(due(told)) == 1


def test_which_identifier_was_told_first_decides_nothing() -> None:
    one = row("dosimetry", "77300", "2026-01-05", units=1)
    more = replace(one, units=2, system=OTHER.system, identifier=OTHER.value)
    calc = report("dosimetry-calc", "2026-01-05T08:00", count=2)
    found = {
        tuple((h.code, h.detail) for h in fed([*background(), calc], over(opening=[one, more]), AFTER, record).holds)
        for order in ((MRN, OTHER), (OTHER, MRN))
        for record in (replace(PersonRecord(PERSON), identifiers=order),)
    }
    assert len(found) == 1


def test_what_a_patient_paid_for_history_is_no_money_of_ours() -> None:
    paid = report("patient-payment", "2026-01-05", amount="100.00", line="P-1")
    old = run(historic([paid]), over())
    assert old.entries == ()
    doubted = report("patient-payment", "2026-01-05", amount="100.00", line="P-1", unposted="number")
    assert not run(historic([doubted]), over()).work
    # A later report of an old payment is of the old one; what was posted before somebody loaded it as history stays.
    again = replace(paid, id="later", said=paid.said.replace(year=2027))
    assert run([*historic([paid]), again], over()).entries == ()
    live = run([paid], over())
    assert len(live.entries) == 1
    assert fed(historic([again]), over(), AFTER, live).entries == live.entries


# ---------------------------------------------------------------- answers of equal content


def test_a_second_payers_answer_of_equal_words_is_not_the_firsts() -> None:
    record = treated(insurances=(*BOTH, THIRD))
    total = record.claims[0].claim.total
    same = "#digest"
    record = answered(record, record.claims[0], ("PR", "1", total), id=same, status="19")
    assert [i.kind for i in record.work if i.closed is None] == ["forwarded-claim"]
    record = answered(record, record.claims[0], ("PR", "1", total), id=same, payer="second", patient="S-9")
    assert [i.kind for i in record.work if i.closed is None] == []
    assert story(record)[1:] == [("first", 3, "1", "ready")]


def test_the_first_payer_takes_back_its_own_answer_and_not_the_seconds_of_equal_amounts() -> None:
    record = treated()
    claim = record.claims[0]
    total = claim.claim.total
    record = answered(record, claim, ("PR", "1", total), id="one", status="19")
    record = answered(
        record, record.claims[0], ("PR", "1", total), id="two", payer="second", patient="S-9", payer_claim_number=""
    )
    assert account_now(record, CENTER).share == total
    line = RemittanceLine(1, -total, 0, (Adjustment("PR", "1", -total),))
    taken = {"lines": (line,), "charge": -total, "paid": 0, "reversal": True}
    record = answered(record, record.claims[0], id="back", payer_claim_number="", **taken)  # type: ignore[arg-type]
    assert account_now(record, CENTER).share == 0


# ---------------------------------------------------------------- payments


def payment(**more: object) -> Payment:
    plain = Payment("", "first", -5000, (), (ProviderAdjustment("WO", 5000, "R-1"),), date(2026, 2, 2), message="m1")
    return replace(plain, **more)  # type: ignore[arg-type]


def test_a_payment_without_a_number_that_comes_by_two_doors_posts_once() -> None:
    one = payment(amount=5000, adjustments=(ProviderAdjustment("L6", -5000, "R-1"),))
    record = with_payment(PersonRecord("payer-lane"), one, rules(), AFTER)
    again = with_payment(record, replace(one, message="m2"), rules(), AFTER)
    assert again.entries == record.entries
    assert [i.code for i in again.work if i.kind == "payment-again"] == ["payment-again"]


def test_what_a_person_closed_about_a_balance_stays_closed_while_it_is_the_same() -> None:
    applied = payment(
        number="1", amount=5000, claims=(("c", 10000),), adjustments=(ProviderAdjustment("FB", 5000, ""),)
    )
    record = with_payment(PersonRecord("payer-lane"), applied, rules(), AFTER)
    (item,) = [i for i in record.work if i.code == "FB"]
    closed = replace(item, closed=AFTER.now, closed_by="kim", closed_why="asked")
    record = replace(record, work=tuple(closed if i.id == item.id else i for i in record.work))
    other = payment(number="2", amount=5000, claims=(), adjustments=(ProviderAdjustment("L6", -5000, ""),))
    again = with_payment(record, other, rules(), AFTER)
    assert closed in again.work
