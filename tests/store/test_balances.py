"""The ledger summed at a past instant: about whom, and what is open since when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from adapters.model.ledger import Account, Entry, EntryLine
from adapters.model.people import Identifier, PersonHint
from adapters.model.record import PersonRecord
from adapters.store import SqlStore

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = FIRST + timedelta(days=30)
R, C, P, D = Account.RECEIVABLE, Account.CHARGES, Account.PAYER_PAYMENT, Account.DENIED


def entry(id: str, at: datetime, cause: str, *sides: tuple[Account, int, str]) -> Entry:
    return Entry(id, at, cause, tuple(EntryLine(*side, 1 if side[2] else None) for side in sides))


def filled(store: SqlStore) -> tuple[str, str]:
    """Two lanes: a person with two claims, one paid in part later, and a payer with interest."""
    person = store.person(PersonHint((Identifier("mrn", "1"),)), "feed")
    payer = store.person(PersonHint((Identifier("payer", "first"),)), "feed")
    own = (
        entry("e1", FIRST, "claim:c1", (R, 1000, "c1"), (C, -1000, "c1")),
        entry("e2", FIRST, "claim:c2", (R, 500, "c2"), (C, -500, "c2")),
        entry("e3", LATER, "remittance:x", (P, 600, "c1"), (D, 400, "c1"), (R, -1000, "c1")),
    )
    before = store.load(person)
    store.save(before, replace(before, entries=own), tick=LATER)
    interest = entry("e4", LATER, "payment:first|EFT-1", (Account.INTEREST, 5, ""), (Account.PROVIDER_LEVEL, -5, ""))
    mine: PersonRecord = store.load(payer)
    store.save(mine, replace(mine, entries=(interest,)), tick=LATER)
    return person, payer


def test_the_trial_balance_of_a_past_instant(store: SqlStore) -> None:
    filled(store)
    assert store.trial_balance_at(FIRST) == {}
    assert store.trial_balance_at(LATER) == {R: 1500, C: -1500}
    now = store.trial_balance_at(LATER + timedelta(seconds=1))
    assert now == {account: amount for account, amount in store.trial_balance().items() if amount}
    assert sum(now.values()) == 0


def test_about_whom_and_what_money_of_no_claim_came_with(store: SqlStore) -> None:
    person, payer = filled(store)
    found = {(s.claim, s.account): (s.amount, s.person, s.cause) for s in store.balances_at(LATER + timedelta(days=1))}
    assert found == {
        ("c1", C): (-1000, person, ""),
        ("c1", D): (400, person, ""),
        ("c1", P): (600, person, ""),
        ("c2", C): (-500, person, ""),
        ("c2", R): (500, person, ""),
        ("", Account.INTEREST): (5, payer, "payment:first|EFT-1"),
        ("", Account.PROVIDER_LEVEL): (-5, payer, "payment:first|EFT-1"),
    }


def test_what_is_open_and_since_when(store: SqlStore) -> None:
    filled(store)
    zone = ZoneInfo("America/New_York")
    then = {o.claim: (o.receivable, o.denied, o.since) for o in store.open_at(LATER, zone)}
    assert then == {"c1": (1000, 0, FIRST.date()), "c2": (500, 0, FIRST.date())}
    now = {o.claim: (o.receivable, o.denied) for o in store.open_at(LATER + timedelta(days=1), zone)}
    assert now == {"c1": (0, 400), "c2": (500, 0)}


def test_a_parked_entry_that_a_person_settled_waits_no_more(store: SqlStore, make: SimpleNamespace) -> None:
    from adapters.model.record import Parked
    from adapters.model.work import open_item

    id = store.receive(make.receipt(b"{}")).entry
    assert not store.settle_parked(id, "kim", "known")
    item = open_item("unmatched-response", "unmatched-response", id, category="posting", action="match", opened=FIRST)
    store.park(Parked(id, "unmatched-response", amount=100), item)
    assert store.settle_parked(id, "kim", "it is ours")
    assert store.parked() == ()
    (closed,) = store.worklist(closed=True)
    assert (closed.closed_by, closed.closed_why) == ("kim", "it is ours")
    assert store.unread(10) == ()
