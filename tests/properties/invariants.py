"""What must hold of a record after whatever happened to it; each raises AssertionError where it does not."""

from __future__ import annotations

from collections import defaultdict

from adapters.model.claim import ClaimState
from adapters.model.ledger import Account
from adapters.model.record import ChargeStatus, PersonRecord
from tests.model.clinic import of_state

TAKING = (Account.PAYER_PAYMENT, Account.CONTRACTUAL, Account.PATIENT_RESPONSIBILITY, Account.DENIED)
OVER = (ClaimState.ABANDONED, ClaimState.REPLACED, ClaimState.VOIDED, ClaimState.REFUSED, ClaimState.ERROR)


def balances(record: PersonRecord) -> dict[tuple[str, int | None], dict[Account, int]]:
    """What each line of each claim stands at, account by account."""
    found: dict[tuple[str, int | None], dict[Account, int]] = defaultdict(lambda: defaultdict(int))
    for entry in record.entries:
        assert sum(side.amount for side in entry.lines) == 0
        for side in entry.lines:
            found[side.claim, side.line][side.account] += side.amount
    return found


def every_cent_is_somewhere(record: PersonRecord) -> None:
    """charge = paid + contractual + patient + denied + open, line by line; of what is over, nothing stands.

    What is open is never below nothing, and what is paid is what the answer posted last says: no answer counts twice.
    """
    stands = balances(record)
    last = {answer.claim: answer for answer in record.remittances}
    for on_file in record.claims:
        for line in on_file.claim.lines:
            at = stands.get((on_file.claim.id, line.line), {})
            if not any(at.values()):
                continue
            assert on_file.state not in (ClaimState.REPLACED, ClaimState.VOIDED, ClaimState.REFUSED, ClaimState.ERROR)
            assert at[Account.CHARGES] == -line.amount
            assert line.amount == sum(at.get(account, 0) for account in TAKING) + at.get(Account.RECEIVABLE, 0)
            assert 0 <= at.get(Account.RECEIVABLE, 0) <= line.amount
            assert all(0 <= at.get(account, 0) <= line.amount for account in TAKING)
            answer = last.get(on_file.claim.id)
            paid = sum(said.paid for said in answer.lines if said.line == line.line) if answer else 0
            assert at.get(Account.PAYER_PAYMENT, 0) == paid
    assert sum(amount for line in stands.values() for amount in line.values()) == 0


def billed_once(record: PersonRecord) -> None:
    """No charge stands on two live claims, but for a correction and the claim that it stands for."""
    live = [c for c in record.claims if c.state not in OVER and c.claim.frequency != "8"]
    under_correction = {c.claim.replaces for c in record.claims if c.claim.replaces and c.state not in OVER}
    holders: dict[str, list[str]] = defaultdict(list)
    for on_file in live:
        if on_file.claim.id in under_correction:
            continue
        for line in on_file.claim.lines:
            for charge in line.charges:
                holders[charge].append(on_file.claim.id)
    assert not {charge: claims for charge, claims in holders.items() if len(claims) > 1}
    for on_file in record.claims:
        assert len({c for line in on_file.claim.lines for c in line.charges}) == len(on_file.claim.lines)


def ready_claims_say_what_is_due(record: PersonRecord) -> None:
    """What would leave now bills charges that stand, at what they say now."""
    now = {c.id: c for c in record.charges}
    for on_file in of_state(record, ClaimState.READY):
        if on_file.claim.frequency == "8":
            continue
        for line in on_file.claim.lines:
            charge = now[line.charges[0]]
            assert charge.status is not ChargeStatus.VOID
            assert (line.code, line.units, line.start) == (
                charge.charge.code,
                charge.charge.units,
                charge.charge.start,
            )
            assert line.amount == charge.charge.amount


def slots_owed_once(record: PersonRecord) -> None:
    """No two charges stand in one slot, and what is held back is not billed as well."""
    standing = [c.charge.slot for c in record.charges if c.status is not ChargeStatus.VOID]
    assert len(set(standing)) == len(standing)
    assert not set(standing) & {hold.slot for hold in record.holds if not hold.instead_of}
    assert len({c.id for c in record.charges}) == len(record.charges)
