"""The wall against runaway billing."""

from __future__ import annotations

from adapters.charges import within_bounds
from tests.model.clinic import derived, fraction, rules


def test_up_to_four_sessions_a_day_pass_and_five_are_all_held() -> None:
    four = derived([fraction(f"2026-01-05T{hour:02}:00", hour) for hour in range(8, 12)])
    assert within_bounds(four, rules()).exceeded == 0
    assert len(within_bounds(four, rules()).outcomes.charges) == 4
    five = derived([fraction(f"2026-01-05T{hour:02}:00", hour) for hour in range(8, 13)])
    wall = within_bounds(five, rules())
    assert wall.exceeded == 5
    assert not [c for c in wall.outcomes.charges if c.slot.service == "delivery"]
    held = [h for h in wall.outcomes.holds if h.slot.service == "delivery"]
    assert {h.code for h in held} == {"bounds-exceeded"}
    assert all(h.would is not None and h.would.slot == h.slot for h in held)
    assert all(f.value == "5" for h in held for f in h.why.facts if f.name == "lines on the date")


def test_other_days_and_services_are_not_touched() -> None:
    five = [fraction(f"2026-01-05T{hour:02}:00", hour) for hour in range(8, 13)]
    outcomes = derived([*five, fraction("2026-01-06T09:00", 20)])
    wall = within_bounds(outcomes, rules())
    assert [c.slot.service for c in wall.outcomes.charges if c.start.day == 6] == ["delivery"]
    assert wall.outcomes.skips == outcomes.skips
    assert wall.outcomes.findings == outcomes.findings
