"""What the ledger says became of each claim line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.model.ledger import Account, Entry, EntryLine, Money, moneys
from adapters.model.reconciliation import RowMoney

AT = datetime(2026, 3, 2, tzinfo=UTC)
EACH = Money(1, 2, 3, 4, 5, 6)


def entry(id: str, *sides: tuple[Account, int], claim: str = "c", line: int | None = 1) -> Entry:
    return Entry(id, AT, "claim:c", tuple(EntryLine(account, amount, claim, line) for account, amount in sides))


BILLED = entry("1", (Account.RECEIVABLE, 1000), (Account.CHARGES, -1000))
DECIDED = entry(
    "2",
    (Account.PAYER_PAYMENT, 500),
    (Account.CONTRACTUAL, 200),
    (Account.PATIENT_RESPONSIBILITY, 100),
    (Account.DENIED, 150),
    (Account.RECEIVABLE, -950),
)


def test_each_account_is_told_by_its_name_and_what_was_billed_as_a_positive_amount() -> None:
    assert moneys([BILLED, DECIDED]) == {("c", 1): Money(1000, 500, 200, 100, 150, 50)}


def test_what_was_taken_back_is_nothing() -> None:
    found = moneys([BILLED, DECIDED, DECIDED.reversal("3", AT, "remittance:r")])
    assert found == {("c", 1): Money(billed=1000, open=1000)}


def test_lines_stay_apart_and_money_of_no_claim_line_is_not_told() -> None:
    other = entry("4", (Account.RECEIVABLE, 70), (Account.CHARGES, -70), line=2)
    whole = entry("5", (Account.RECEIVABLE, 5), (Account.CHARGES, -5), line=None)
    interest = entry("6", (Account.INTEREST, 30), (Account.PROVIDER_LEVEL, -30), claim="")
    assert moneys([BILLED, other, whole, interest]) == {
        ("c", 1): Money(billed=1000, open=1000),
        ("c", 2): Money(billed=70, open=70),
        ("c", None): Money(billed=5, open=5),
    }


def test_each_amount_is_added_for_itself() -> None:
    assert EACH + Money(10, 20, 30, 40, 50, 60) == Money(11, 22, 33, 44, 55, 66)
    assert RowMoney.of(EACH, 7, 8) + RowMoney.of(EACH, 10, 20) == RowMoney.of(EACH + EACH, 17, 28)


def test_what_has_not_left_is_never_dropped_by_adding() -> None:
    with pytest.raises(TypeError):
        _ = EACH + RowMoney.of(EACH, 7, 8)
    with pytest.raises(TypeError):
        _ = RowMoney() + EACH  # type: ignore[operator]
