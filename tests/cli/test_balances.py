"""About whom the ledger's sums are told."""

from __future__ import annotations

from adapters.cli.balances import By, grouped
from adapters.model.ledger import Account
from adapters.store.balances import Summed

SUMS = (
    Summed(Account.RECEIVABLE, 500, "c1", "ada", ""),
    Summed(Account.PATIENT_PAYMENT, 2500, "", "ada", "patient-payment:rt|P1"),
    Summed(Account.RECEIVABLE, -2500, "", "ada", "patient-payment:rt|P1"),
    Summed(Account.BALANCE_FORWARD, -800, "", "lane of first", "payment:first|EFT-1|OLD-7"),
)


def told(by: By) -> dict[str, dict[str, int]]:
    found = grouped(SUMS, by, {"c1": "second"})
    return {one.key: {account.value: amount for account, amount in one.accounts} for one in found}


def test_what_a_patient_paid_is_told_of_the_patient_and_a_payers_money_of_the_payer() -> None:
    assert told(By.PATIENT) == {
        "ada": {"receivable": -2000, "patient-payment": 2500},
        "": {"balance-forward": -800},
    }
    payers = told(By.PAYER)
    assert (payers["first"], payers["second"]) == ({"balance-forward": -800}, {"receivable": 500})
    assert told(By.CLAIM)["c1"] == {"receivable": 500}
