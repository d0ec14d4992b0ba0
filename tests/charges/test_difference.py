"""What is due against what is on file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from adapters.charges import difference
from adapters.model.charge import Charge, Component, Slot
from adapters.model.record import ChargeOnFile, ChargeStatus
from adapters.model.why import Fact, RuleRef, Source, Why

RULE = RuleRef("delivery", "delivery.toml", date(2026, 1, 1), "0" * 64, "house")


def due(key: str, *messages: str, day: int = 5, code: str = "77407", service: str = "delivery") -> Charge:
    facts = tuple(Fact("event", "fraction", Source(message, "FT1[1]")) for message in messages or (key,))
    on = date(2026, 1, day)
    slot = Slot("p1/C1", service, key, "hospital:technical")
    return Charge(slot, code, (), 1, Decimal(100), on, on, ("C61",), Component.TECHNICAL, "hospital", Why(RULE, facts))


def filed(*charges: Charge, status: ChargeStatus = ChargeStatus.DUE) -> tuple[ChargeOnFile, ...]:
    return tuple(ChargeOnFile(f"id-{c.slot.key}", c, status) for c in charges)


def keys(changes: Sequence[object]) -> list[tuple[str, str]]:
    return [(c.on_file.charge.slot.key, c.due.slot.key) for c in changes]  # type: ignore[attr-defined]


def test_the_same_twice_is_nothing() -> None:
    charges = [due("a"), due("b", day=6)]
    change = difference(filed(*charges), charges)
    assert change.empty
    assert keys(change.same) == [("a", "a"), ("b", "b")]


def test_first_everything_is_new_and_what_is_no_longer_due_is_gone() -> None:
    assert difference((), [due("a")]).new == (due("a"),)
    change = difference(filed(due("a")), [])
    assert [c.id for c in change.gone] == ["id-a"]
    assert not change.empty


def test_what_is_void_is_not_on_file() -> None:
    change = difference(filed(due("a"), status=ChargeStatus.VOID), [due("a")])
    assert change.new == (due("a"),)
    assert change.gone == ()


def test_another_code_in_the_slot_is_changed() -> None:
    change = difference(filed(due("a")), [due("a", code="77412")])
    assert keys(change.changed) == [("a", "a")]
    assert not (change.new)
    assert not (change.gone)
    assert not (change.moved)


def test_learning_a_uid_moves_the_bill() -> None:
    change = difference(filed(due("n:#1", "m1")), [due("uid:2.25.1", "m1", "m2")])
    assert keys(change.moved) == [("n:#1", "uid:2.25.1")]
    assert not (change.new)
    assert not (change.gone)
    assert not (change.changed)


def test_of_another_part_or_service_is_no_match() -> None:
    other = replace(due("b", "a"), slot=Slot("p1/C1", "guidance", "b", "hospital:technical"))
    change = difference(filed(due("a")), [other])
    assert len(change.new) == len(change.gone) == 1


def test_one_to_one_and_no_further() -> None:
    change = difference(filed(due("a", "m1")), [due("b", "m1"), due("c", "m1")])
    assert len(change.moved) == 1
    assert len(change.new) == 1
    assert not change.gone


def test_renumbering_by_new_statements_is_no_gone_and_new() -> None:
    """A late session becomes number one; its sender restates all others, each in a message of its own."""
    before = [due("n:#1", "m1", day=6), due("n:#2", "m2", day=7), due("n:#3", "m3", day=8)]
    after = [
        due("n:#1", "m9", day=5),
        due("n:#2", "m1b", day=6),
        due("n:#3", "m2b", day=7),
        due("n:#4", "m3b", day=8),
    ]
    change = difference(filed(*before), after)
    assert keys(change.moved) == [("n:#1", "n:#2"), ("n:#2", "n:#3"), ("n:#3", "n:#4")]
    assert [c.start.day for c in change.new] == [5]
    assert not (change.gone)
    assert not (change.changed)


def test_evidence_goes_before_a_slot_that_another_session_took() -> None:
    """An earlier session of the same day arrives late and takes the running number of the one on file."""
    before = [due("day:2026-01-05/1", "m1")]
    after = [due("day:2026-01-05/1", "m0", code="77412"), due("day:2026-01-05/2", "m1")]
    change = difference(filed(*before), after)
    assert keys(change.moved) == [("day:2026-01-05/1", "day:2026-01-05/2")]
    assert [c.code for c in change.new] == ["77412"]
    assert not (change.changed)
    assert not (change.gone)


def test_a_session_restated_under_another_number_and_level_is_changed_not_gone_and_new() -> None:
    change = difference(filed(due("n:#1", "m1")), [due("n:#2", "m2", code="77412")])
    assert keys(change.changed) == [("n:#1", "n:#2")]
    assert not (change.gone)
    assert not (change.new)


def test_a_session_of_another_day_is_no_change_of_this_one() -> None:
    change = difference(filed(due("n:#1", "m1")), [due("n:#2", "m2", day=6)])
    assert len(change.gone) == len(change.new) == 1
