"""The patient's account: payments posted once, statements only when every payer has decided, credits given back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from adapters.model.event import Event, Status
from adapters.model.ledger import Account, Entry, EntryLine
from adapters.posting.patient import PatientAccount, account_of_patient, paid_by_payers, payment_entries
from tests.model.clinic import report

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def payment(amount: str, line: str = "P1", **more: object) -> Event:
    return report("patient-payment", "2026-03-02", course="", line=line, amount=amount, **more)  # type: ignore[arg-type]


def paid(entries: tuple[Entry, ...]) -> int:
    return account_of_patient(entries).paid


def left(claim: str, amount: int) -> Entry:
    lines = (EntryLine(Account.PATIENT_RESPONSIBILITY, amount, claim, 1), EntryLine(Account.RECEIVABLE, -amount, claim))
    return Entry(f"e-{claim}-{amount}", AT, "remittance:a", lines)


def test_a_payment_posts_once_and_follows_what_is_said_of_it() -> None:
    first = payment_entries([payment("22.00")], (), AT)
    assert paid(first) == 2_200
    assert payment_entries([payment("22.00")], first, AT) == ()
    restated = [payment("22.00"), payment("25.00", said="2026-03-03")]
    second = (*first, *payment_entries(restated, first, AT))
    assert paid(second) == 2_500
    withdrawn = [*restated, payment("25.00", said="2026-03-04", status=Status.WITHDRAWN)]
    third = (*second, *payment_entries(withdrawn, second, AT))
    assert paid(third) == 0
    again = [*withdrawn, payment("25.00", said="2026-03-05")]
    fourth = (*third, *payment_entries(again, third, AT))
    assert paid(fourth) == 2_500
    assert len({entry.id for entry in fourth}) == len(fourth)


def test_two_payments_and_one_given_back_add_up() -> None:
    entries = payment_entries([payment("10.00", "A"), payment("5.50", "B"), payment("-2.00", "C")], (), AT)
    assert paid(entries) == 1_350


def test_no_statement_before_every_payer_has_decided() -> None:
    account = account_of_patient([left("c1", 5_000)], ["c1"])
    assert (account.statement, account.withheld, account.credit) == (None, True, 0)
    account = replace(account, awaited=())
    assert (account.statement, account.withheld) == (5_000, False)


def test_a_claim_that_is_still_open_does_not_keep_back_the_statement_of_another() -> None:
    account = account_of_patient([left("c1", 5_000), left("c2", 7_000)], ["c2"])
    assert account.statement == 5_000
    assert account.credit == 0


def test_what_was_paid_beyond_all_that_is_left_is_given_back_when_nothing_is_open() -> None:
    account = PatientAccount({"c1": 1_500}, 5_000)
    assert (account.statement, account.credit) == (None, 3_500)
    assert replace(account, awaited=("c1",)).credit == 0


def test_money_that_a_payer_paid_too_much_is_not_the_patients() -> None:
    account = account_of_patient([left("c1", -4_000), left("c2", 1_000)])
    assert (account.share, account.statement, account.credit) == (1_000, 1_000, 0)


def test_what_payers_paid_on_a_claim() -> None:
    lines = (EntryLine(Account.PAYER_PAYMENT, 900, "c1", 1), EntryLine(Account.RECEIVABLE, -900, "c1", 1))
    entry = Entry("e", AT, "remittance:a", lines)
    assert paid_by_payers([entry, entry.reversal("r", AT, "remittance:b")], "c1") == 0
    assert paid_by_payers([entry], "c1") == 900
    assert paid_by_payers([entry], "c2") == 0


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(-500, 9_000), st.booleans()), max_size=12))
def test_whatever_is_said_in_whatever_steps_the_posted_sum_is_what_holds(said: list[tuple[str, int, bool]]) -> None:
    events: list[Event] = []
    entries: tuple[Entry, ...] = ()
    for n, (line, amount, stands) in enumerate(said):
        status = Status.DONE if stands else Status.WITHDRAWN
        at = f"2026-03-{n + 2:02}"
        events.append(payment(f"{amount}.00", line, said=at, status=status))
        entries = (*entries, *payment_entries(events, entries, AT))
    last = {line: amount if stands else 0 for line, amount, stands in said}
    assert paid(entries) == 100 * sum(last.values())
    assert payment_entries(reversed(events), entries, AT) == ()
