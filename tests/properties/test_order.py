"""The same facts in any order, through any channel, any number of times, give the same charges and holds."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.charges.difference import difference
from adapters.model.claim import ClaimState
from adapters.model.record import ChargeStatus, PersonRecord, Reading, Tick
from adapters.pipeline import House, step
from tests.model.clinic import PERSON, moment, reading, screened
from tests.properties.histories import (
    History,
    demo_house,
    due,
    held,
    histories,
    lost,
    one_by_one,
    story,
    told_by,
)

END = moment("2026-06-01")
SEEDS = range(1, 13)


def stepped(readings: Sequence[Reading], at: House, sizes: Sequence[int] = (), tick: Tick = END) -> PersonRecord:
    """The record after the readings in steps of these sizes; what is left comes in one step."""
    record, left = PersonRecord(PERSON), list(readings)
    for size in sizes:
        record = step(record, left[:size], at, tick)
        left = left[size:]
    return step(record, left, at, tick)


def said(record: PersonRecord) -> tuple[list[object], ...]:
    """Bills, holds, skips and findings of a record, in one order."""
    return (
        list(due(record)),
        list(held(record)),
        sorted((s.event, s.reason) for s in record.skips),
        sorted((f.kind, f.about, f.value) for f in record.findings),
    )


@given(histories(), st.randoms(use_true_random=False), st.lists(st.integers(1, 6), max_size=5))
def test_order_of_arrival_does_not_matter(history: History, chance: random.Random, sizes: list[int]) -> None:
    readings = [reading(event) for event in history.events]
    straight = stepped(readings, history.at)
    chance.shuffle(readings)
    shuffled = stepped(readings, history.at, sizes)
    assert said(shuffled) == said(straight)
    totals = [
        sorted((c.claim.entity.id, c.claim.cycle, c.claim.total) for c in record.claims if c.state is ClaimState.READY)
        for record in (straight, shuffled)
    ]
    assert totals[0] == totals[1]


@given(histories(), st.lists(st.integers(1, 6), max_size=5))
def test_twice_changes_nothing(history: History, sizes: list[int]) -> None:
    readings = [reading(event) for event in history.events]
    once = stepped(readings, history.at, sizes)
    twice = stepped([r for r in readings for _ in range(2)], history.at, [2 * size for size in sizes])
    assert twice == once
    assert stepped([*readings, *readings], history.at) == stepped(readings, history.at)
    assert step(once, [], history.at, END) == once
    assert step(once, readings[::-1], history.at, END) == once


@given(histories())
def test_every_event_is_accounted_for(history: History) -> None:
    record = stepped([reading(event) for event in history.events], history.at)
    assert not lost(record)
    assert {e.id for e in record.events} == {e.id for e in history.events}


@given(histories())
def test_due_twice_is_no_difference_and_every_slot_is_owed_once(history: History) -> None:
    """`derive` raises DoubleCharge when a slot is owed twice; over all episodes the slots stay apart too."""
    record = stepped([reading(event) for event in history.events], history.at)
    charges = screened(history.events, history.at).charges
    assert len({c.slot for c in charges}) == len(charges)
    standing = [c for c in record.charges if c.status is not ChargeStatus.VOID]
    assert len({c.id for c in record.charges}) == len(record.charges)
    assert difference(standing, [c.charge for c in standing]).empty


@given(histories())
def test_a_held_line_is_not_billed_as_well(history: History) -> None:
    record = stepped([reading(event) for event in history.events], history.at)
    billed = {c.slot for c in due(record)}
    for hold in record.holds:
        assert (hold.slot in billed) is (hold.instead_of and hold.slot in billed)


# ---------------------------------------------------------------- the stub's stories, from their bytes


@pytest.mark.parametrize("seed", SEEDS)
def test_a_story_comes_out_the_same_in_any_order(seed: int) -> None:
    readings = list(told_by(seed))
    straight = stepped(readings, demo_house())
    assert not lost(straight)
    chance = random.Random(seed)
    for _ in range(3):
        chance.shuffle(readings)
        shuffled = stepped(readings, demo_house(), [chance.randint(1, 9) for _ in range(4)])
        assert said(shuffled) == said(straight)
        assert not lost(shuffled)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_story_told_twice_or_event_by_event_is_the_same_story(seed: int) -> None:
    readings = told_by(seed)
    once = stepped(readings, demo_house())
    assert stepped([r for r in readings for _ in range(2)], demo_house()) == once
    same_events = stepped(one_by_one(readings), demo_house(), [1] * 5)
    assert due(same_events) == due(once)
    assert held(same_events) == held(once)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_session_of_a_story_is_one_line_or_one_hold(seed: int) -> None:
    """What was delivered, by the stub's own truth, against what is charged: nothing missing, nothing twice."""
    record = stepped(told_by(seed), demo_house())
    given_sessions = {s.key for s in story(seed).delivered if s.service == "delivery"}
    charged = [c.slot.key.removeprefix("uid:") for c in due(record) if c.slot.service == "delivery"]
    kept = [h.slot.key.removeprefix("uid:") for h in record.holds if h.slot.service == "delivery" and not h.instead_of]
    assert sorted([*charged, *kept]) == sorted(given_sessions)
    assert not {*charged, *kept} & set(story(seed).voided)
