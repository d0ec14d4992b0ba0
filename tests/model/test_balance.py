"""How old open money is."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from adapters.model.balance import Balance, Open, ageing, label_of
from adapters.model.ledger import Account

DAY = date(2026, 6, 30)


@pytest.mark.parametrize(
    ("days", "label"),
    [(0, "0-30"), (30, "0-30"), (31, "31-60"), (60, "31-60"), (90, "61-90"), (120, "91-120"), (121, "over 120")],
)
def test_the_age_of_days(days: int, label: str) -> None:
    assert label_of(days) == label


def test_open_money_by_age_with_every_age_there() -> None:
    open_ = [
        Open("a", DAY, 100, 0, 0),
        Open("b", DAY - timedelta(days=45), 1, 20, 300),
        Open("c", DAY - timedelta(days=200), 7, 0, 0),
        Open("later", DAY + timedelta(days=1), 5, 0, 0),
    ]
    ages = ageing(open_, DAY)
    assert [a.label for a in ages] == ["0-30", "31-60", "61-90", "91-120", "over 120"]
    assert [(a.receivable, a.denied, a.patient) for a in ages] == [
        (105, 0, 0),
        (1, 20, 300),
        (0, 0, 0),
        (0, 0, 0),
        (7, 0, 0),
    ]
    assert Balance("a", ((Account.RECEIVABLE, 5),)).of(Account.RECEIVABLE) == 5
    assert Balance("a", ()).of(Account.DENIED) == 0
