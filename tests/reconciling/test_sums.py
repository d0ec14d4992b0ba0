"""Rows of many persons put together: order, groups, sums, and the days between two stages."""

from __future__ import annotations

from datetime import date, timedelta

from adapters.model.reconciliation import By, Stage
from adapters.reconciling import gathered, grouped
from adapters.reconciling.rows import Lagging, Share
from adapters.reconciling.sums import lags
from tests.model.clinic import background, exams, fed, fraction, house, moment, sessions
from tests.reconciling.looking import looked, shared

MONDAY = "2026-03-02"


def days(charged: int, claimed: int | None, clinic: str = "A") -> Lagging:
    first = date(2026, 3, 1)
    return Lagging(
        f"r{charged}",
        clinic,
        first,
        first + timedelta(days=charged),
        None if claimed is None else first + timedelta(days=claimed),
        None,
    )


def test_the_lag_is_told_by_clinic_with_its_worst_row() -> None:
    found = lags([days(0, 4), days(1, 8), days(5, None), days(2, 2, "B")])
    assert [(one.clinic, one.step, one.count, one.median, one.worst, one.worst_row) for one in found] == [
        ("A", "service-charge", 3, 1.0, 5, "r5"),
        ("A", "charge-claim", 2, 5.5, 7, "r1"),
        ("B", "service-charge", 1, 2.0, 2, "r2"),
        ("B", "charge-claim", 1, 0.0, 0, "r2"),
    ]


def test_what_was_charged_before_it_was_done_shortens_the_lag() -> None:
    """A day of service that a later report moved: the lag is told as it is, and left out nowhere."""
    (one,) = lags([days(-1, None)])
    assert (one.count, one.median, one.worst) == (1, -1.0, -1)


def test_groups_tell_what_is_new_apart_from_what_is_open() -> None:
    share = looked(sessions(MONDAY, 5), house("freestanding"), "2026-03-06")
    for looked_on, new in ((share, 1), (shared_on("2026-03-09"), 0)):
        (group,) = grouped(looked_on.rows, By.CLINIC)
        assert (group.open, group.new) == (1, new)
        assert group.at_stake == sum(row.at_stake for row in looked_on.rows) > 0


def shared_on(day: str) -> Share:
    at = house("freestanding")
    return shared(fed([*background(), *sessions(MONDAY, 5)], at, moment("2026-03-06")), at, day)


def test_groups_add_up_to_the_whole() -> None:
    given = sessions(MONDAY, 5, machine="LINAC1")
    share = looked([*given, *exams(given), fraction("2026-03-09T09:00", 6, machine="LINAC2")], house(), "2026-03-10")
    report = gathered([share, Share()], date(2026, 3, 1), date(2026, 3, 31), date(2026, 3, 10))
    for by in By:
        groups = grouped(report.rows, by)
        assert sum(group.rows for group in groups) == len(report.rows)
        assert sum(group.money.unbilled for group in groups) == report.money.unbilled > 0
        assert sum(group.open for group in groups) == sum(len(row.open) for row in report.rows)
    machines = {
        group.key: {stage: yes for stage, yes, _ in group.reached} for group in grouped(report.rows, By.MACHINE)
    }
    assert {key: reached[Stage.DELIVERED] for key, reached in machines.items()} == {"LINAC1": 7, "LINAC2": 1}
    assert [group.key for group in grouped(report.rows, By.DAY)] == sorted({row.day.isoformat() for row in report.rows})


def test_rows_stand_in_order_of_their_days() -> None:
    share = looked(sessions(MONDAY, 3), house(), "2026-03-10")
    backwards = Share(tuple(reversed(share.rows)))
    report = gathered([backwards], date(2026, 3, 1), date(2026, 3, 31), date(2026, 3, 10))
    assert [row.day for row in report.rows] == sorted(row.day for row in report.rows)
