"""What other settings would change in a lane: told line by line, in money, and only theirs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.model.record import ChargeStatus, PersonRecord
from adapters.model.site import Price
from adapters.pipeline import House, step
from adapters.pipeline.rehearse import Turn, outcome_of, rehearse
from tests.model import clinic

AT = clinic.moment("2026-02-20")


def treated(house: House) -> PersonRecord:
    """A course of ten sessions with its examinations, as this house derives it."""
    sessions = clinic.sessions("2026-02-02", 10)
    events = [*clinic.background(), *sessions, *clinic.exams(sessions), clinic.ended("2026-02-13")]
    return step(PersonRecord("p1"), [clinic.reading(event) for event in events], house, AT)


def priced(house: House, code: str, amount: str) -> House:
    """The house with another price for a code."""
    row = Price(code, "", "center", Decimal(amount), clinic.prices()[0].start)
    return House.of(house.rules, replace(house.site, prices=(*house.site.prices, row)))


def test_the_same_house_changes_nothing() -> None:
    house = clinic.house("freestanding")
    record = treated(house)
    found = rehearse(record, house, house, AT)
    assert found.changes == ()
    assert found.before == found.after == sum(c.charge.amount for c in record.charges)
    assert found.before > 0
    assert (found.drift, found.corrections) == (0, 0)


def test_a_price_is_told_with_its_effect() -> None:
    house = clinic.house("freestanding")
    record = treated(house)
    old = {c.charge.price for c in record.charges if c.charge.code == "77427"}
    assert len(old) == 1
    found = rehearse(record, house, priced(house, "77427", "1000.00"), AT)
    units = sum(c.charge.units for c in record.charges if c.charge.code == "77427")
    assert units == 2
    assert {change.turn for change in found.changes} == {Turn.CHANGED}
    assert {change.after.code for change in found.changes if change.after} == {"77427"}
    effect = sum(change.effect for change in found.changes)
    assert effect == 100_000 * units - sum(c.charge.amount for c in record.charges if c.charge.code == "77427")
    assert found.after - found.before == effect
    assert {change.charge for change in found.changes} <= {c.id for c in record.charges}


def test_a_price_that_is_gone_holds_the_line_and_comes_back() -> None:
    house = clinic.house("freestanding")
    without = House.of(
        house.rules, replace(house.site, prices=tuple(p for p in house.site.prices if p.code != "77427"))
    )
    record = treated(house)
    found = rehearse(record, house, without, AT)
    held = [change for change in found.changes if change.turn is Turn.HELD]
    assert [change.hold for change in held] == ["price-missing", "price-missing"]
    assert found.after - found.before == sum(change.effect for change in found.changes) < 0
    back = rehearse(treated(without), without, house, AT)
    assert {change.turn for change in back.changes} == {Turn.RELEASED}
    assert back.after - back.before == found.before - found.after


def test_lines_that_come_and_go() -> None:
    """Without a diagnosis check nothing moves; with another payer's option the second unit of management goes."""
    house = clinic.house("freestanding", kind="commercial")
    sessions = clinic.sessions("2026-02-02", 3)
    events = [*clinic.background(), *sessions, *clinic.exams(sessions), clinic.ended("2026-02-04")]
    record = step(PersonRecord("p1"), [clinic.reading(e) for e in events], house, AT)
    other = clinic.house("freestanding", kind="commercial", payer_options={"management.short_three_four": "no"})
    usual = clinic.house("freestanding", kind="commercial", payer_options={"management.short_three_four": "yes"})
    gone = rehearse(record, usual, other, AT)
    assert [(c.turn, c.before.code if c.before else "") for c in gone.changes] == [(Turn.GONE, "77427")]
    new = rehearse(record, other, usual, AT)
    assert [(c.turn, c.after.code if c.after else "") for c in new.changes] == [(Turn.NEW, "77427")]
    assert new.changes[0].effect == -gone.changes[0].effect > 0


def test_drift_is_told_apart() -> None:
    """A record that was stepped under other prices differs from what is in force; that is no effect of the rehearsal."""
    house = clinic.house("freestanding")
    record = treated(priced(house, "77427", "1.00"))
    found = rehearse(record, house, house, AT)
    assert found.changes == ()
    assert found.drift == 2


@pytest.mark.parametrize("status", [ChargeStatus.SENT, ChargeStatus.SETTLED])
def test_what_is_out_is_named_as_such(status: ChargeStatus) -> None:
    """A line that left keeps its price; a change of its code is what would be corrected."""
    house = clinic.house("freestanding")
    record = treated(house)
    out = replace(record, charges=tuple(replace(c, status=status) for c in record.charges))
    assert rehearse(out, house, priced(house, "77427", "1000.00"), AT).changes == ()


def test_all_lanes_together() -> None:
    """Two persons of whom one changes: groups by what is alike, money summed, what has gone out told apart."""
    house = clinic.house("freestanding")
    record = treated(house)
    dearer = priced(house, "77427", "1000.00")
    # Priced again only where the line is another: a line that left keeps its price, its void and new line are no matter.
    out = replace(record, charges=tuple(replace(c, status=ChargeStatus.SENT) for c in record.charges))
    without = House.of(
        house.rules, replace(house.site, prices=tuple(p for p in house.site.prices if p.code != "77427"))
    )
    changing, same = rehearse(record, house, dearer, AT), rehearse(out, house, dearer, AT)
    found = outcome_of(iter((changing, same)))
    assert (found.persons, found.changed, found.lines) == (2, 1, 2)
    assert (found.before, found.after) == (changing.before + same.before, changing.after + same.after)
    assert found.effect == sum(change.effect for change in changing.changes)
    assert (found.sent, found.sent_effect) == (0, 0)
    (group,) = found.groups
    assert group.key == ("changed", "77427", "77427", "")
    assert (group.lines, group.units, group.effect, group.sent) == (2, 2, found.effect, 0)
    assert group.rules == tuple(sorted({change.rule.id for change in changing.changes}))
    gone = rehearse(record, house, without, AT)
    both = outcome_of((changing, gone))
    assert [g.turn for g in both.groups] == (
        ["held", "changed"] if abs(gone.after - gone.before) > changing.after - changing.before else ["changed", "held"]
    )
    assert both.lines == sum(g.lines for g in both.groups) == 4


def test_what_is_sent_is_summed_apart() -> None:
    house = clinic.house("freestanding")
    record = treated(house)
    found = rehearse(record, house, priced(house, "77427", "1000.00"), AT)
    sent = replace(found, changes=tuple(replace(change, status="sent") for change in found.changes[:1]))
    outcome = outcome_of((sent, replace(found, changes=found.changes[1:], corrections=2, drift=3)))
    assert (outcome.sent, outcome.sent_effect) == (1, found.changes[0].effect)
    assert (outcome.corrections, outcome.drift, outcome.lines) == (2, 3, 2)
    assert outcome.groups[0].sent == 1
